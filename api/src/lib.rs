//! Being built.

/// The `mailmind` command.
pub fn main() -> std::process::ExitCode {
    std::process::ExitCode::SUCCESS
}

//! The `mailmind` command.

fn main() -> std::process::ExitCode {
    api::main()
}

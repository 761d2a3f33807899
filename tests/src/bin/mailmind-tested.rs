//! The program itself, built by the tests so that they start what was built with them.

fn main() -> std::process::ExitCode {
    api::main()
}

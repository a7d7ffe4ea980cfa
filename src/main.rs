//! argv to exit code.

#![warn(clippy::disallowed_methods)]

use std::process::ExitCode;

#[cfg(target_env = "musl")]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    // A sandbox's supervisor forks: it comes before anything that may start a
    // thread.
    #[cfg(any(target_os = "linux", target_os = "macos"))]
    if std::env::args_os()
        .nth(1)
        .is_some_and(|first| first == mimo::skills::sandbox::ARGUMENT)
    {
        return mimo::skills::sandbox::main();
    }
    mimo::cli::main(std::env::args_os())
}

//! argv to exit code.

#![warn(clippy::disallowed_methods)]

use std::process::ExitCode;

fn main() -> ExitCode {
    let surroundings = mimo::config::Surroundings::of_this_process();
    mimo::cli::main(std::env::args_os(), &surroundings)
}

//! The grammar of node: one script, and the few switches that load no code. The
//! script is checked like a program.

use std::path::Path;

use super::{CheckScript, Plan, refused_argument};
use crate::skills::refusal::{Class, Refusal};

const SWITCHES: &[&str] = &["--enable-source-maps", "--no-warnings", "--no-deprecation"];
const HEAP: &str = "--max-old-space-size=";

/// The argv that runs a script.
pub(super) fn plan(arguments: &[String], script: &CheckScript<'_>) -> Result<Plan, Refusal> {
    for (at, argument) in arguments.iter().enumerate() {
        let heap = argument.strip_prefix(HEAP);
        let is_heap = heap.is_some_and(|mb| {
            (1..=6).contains(&mb.len()) && mb.bytes().all(|c| c.is_ascii_digit())
        });
        if SWITCHES.contains(&argument.as_str()) || is_heap {
            continue;
        }
        if argument.starts_with('-') {
            let why = "only --enable-source-maps, --no-warnings, --no-deprecation and \
                       --max-old-space-size=MB are allowed before the script; others load or \
                       evaluate code, or open a debugger";
            return Err(refused_argument(at, argument, why));
        }
        let path = script(Path::new(argument)).map_err(|refusal| refusal.under(at))?;
        return Ok(Plan {
            arguments: arguments.to_vec(),
            runs: argument.clone(),
            read: vec![path],
            ..Plan::default()
        });
    }
    Err(Refusal::new(
        Class::Argument,
        "node needs a script to run",
        "name the script in args by its absolute path, for example [\"/home/me/server/index.js\"]",
    ))
}

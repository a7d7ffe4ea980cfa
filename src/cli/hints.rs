//! Rewrites the hints of failures for the command line: the rooms behind it name tools,
//! which clients call, and each has a command here.

use crate::failure::Failure;

/// The phrase in a hint, and the command to show instead.
const COMMANDS: [(&str, &str); 10] = [
    (
        "use memory_edit with action unprotect first",
        "`mimo memory edit ID --unprotect` comes first",
    ),
    ("memory_search shows", "`mimo memory list` shows"),
    (
        "define one with procedure_define",
        "`mimo procedure add FILE` adds one",
    ),
    (
        "procedure_find without arguments lists",
        "`mimo procedure list` lists",
    ),
    (
        "procedure_find with name",
        "mimo procedure show --definition",
    ),
    ("procedure_run returned the id; ", ""),
    ("mimo_status shows", "`mimo status` shows"),
    ("skill_find names", "`mimo tools` names"),
    ("tools/list names", "`mimo tools` names"),
    ("use skill_call,", "use `mimo call skill_call`,"),
];

/// Names commands in place of tools.
pub(super) fn name_commands(failure: &mut Failure) {
    if let Some(hint) = &mut failure.hint {
        for (tool, command) in COMMANDS {
            *hint = hint.replace(tool, command);
        }
    }
}

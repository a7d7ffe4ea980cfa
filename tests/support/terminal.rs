//! A command on its own terminal.

use std::fs::File;
use std::io::{Read, Write};
use std::process::{Command, Stdio};

use nix::pty::{Winsize, openpty};

/// Runs `command` on a terminal of 60 columns and types `typed`; its exit code
/// and output.
pub fn run(mut command: Command, typed: &str) -> (i32, String) {
    let size = Winsize {
        ws_row: 24,
        ws_col: 60,
        ws_xpixel: 0,
        ws_ypixel: 0,
    };
    let terminal = openpty(&size, None).expect("a terminal");
    let side = || Stdio::from(terminal.slave.try_clone().expect("a descriptor"));
    command.stdin(side()).stdout(side()).stderr(side());
    let mut child = command.spawn().expect("mimo starts");
    // Close our copies, or reading never ends.
    drop(command);
    drop(terminal.slave);
    let mut master = File::from(terminal.master);
    master.write_all(typed.as_bytes()).expect("typed");
    let mut shown = Vec::new();
    // On Linux the end of a terminal is an error, not an empty read.
    let _ = master.read_to_end(&mut shown);
    let code = child.wait().expect("it ends").code().expect("no signal");
    let shown = String::from_utf8(shown).expect("UTF-8");
    (code, shown.replace("\r\n", "\n"))
}

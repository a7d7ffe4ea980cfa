//! The demo on machines of other kinds.

use std::process::Command;

use serde_json::Value;

use crate::home::{Home, copy_program, ran};
use crate::support::machine;

/// A program, a home folder and the temporary folder may all be in one that Mimo trusts
/// no skill in.
#[test]
fn demo_is_whole_in_a_temporary_folder() {
    skip_unless!(machine::node());
    let home = Home::new();
    let program = home.path().join("mimo");
    copy_program(&program);
    let mut demo = Command::new(&program);
    demo.args(["demo", "--json"])
        .env_clear()
        .env("HOME", home.path())
        .env("TMPDIR", home.path());
    let told = ran(demo, "");
    assert_eq!(told.code, Some(0), "{told:?}");
    for step in told.out.lines() {
        let step: Value = serde_json::from_str(step).expect("a JSON line");
        assert_eq!(step["ok"], true, "{step}");
    }
}

//! Where there is no sandbox no skill is started: the same names as
//! `sandboxed.rs`, which say so.

use std::path::PathBuf;

use futures::future::BoxFuture;
use serde_json::{Value, json};

use super::child::{Child, Launch};
use super::logs::Logs;
use super::spec::{SkillName, SkillSpec};
use crate::failure::{Failure, Kind};

/// Starts nothing.
pub struct Sandboxed;

impl Sandboxed {
    /// Takes what the sandboxes of Linux need, and needs none of it.
    pub fn new(_executable: PathBuf, _folder: PathBuf, _strict: bool, _logs: Logs) -> Sandboxed {
        Sandboxed
    }

    /// That there is no sandbox.
    pub fn report(&self, _skill: &SkillName) -> Value {
        json!("absent: Mimo's sandbox is built on the Linux kernel")
    }
}

impl Launch for Sandboxed {
    fn launch(&self, _spec: &SkillSpec) -> BoxFuture<'static, Result<Child, Failure>> {
        let refused = Failure::new(
            Kind::Unavailable,
            "Mimo's sandbox is built on the Linux kernel, and skills run in nothing less",
        )
        .hint("run the skill's server beside Mimo, as an entry of the client itself");
        Box::pin(std::future::ready(Err(refused)))
    }
}

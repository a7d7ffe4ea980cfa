//! The launcher of systems without a sandbox: it refuses to start any skill.

use std::path::PathBuf;

use futures::future::BoxFuture;
use serde_json::{Map, Value, json};

use super::child::{Child, ChildLauncher};
use super::install::Installer;
use super::logs::Logs;
use super::record::Records;
use super::spec::{SkillName, SkillSpec};
use crate::failure::{Failure, Kind};

pub(crate) struct SandboxLauncher;

impl SandboxLauncher {
    pub(crate) fn new(
        _executable: PathBuf,
        _records: Records,
        _strict: bool,
        _installer: Installer,
        _logs: Logs,
    ) -> SandboxLauncher {
        SandboxLauncher
    }

    pub(crate) fn details(&self, _skill: &SkillName) -> Map<String, Value> {
        let why = json!("absent: Mimo has a sandbox for Linux and macOS only");
        Map::from_iter([("sandbox".to_owned(), why)])
    }
}

impl ChildLauncher for SandboxLauncher {
    fn launch(&self, _spec: &SkillSpec) -> BoxFuture<'static, Result<Child, Failure>> {
        let refused = Failure::new(
            Kind::Unavailable,
            "Mimo has a sandbox for Linux and macOS only, and skills run in nothing less",
        )
        .hint("run the skill's server beside Mimo, as an entry of the client itself");
        Box::pin(std::future::ready(Err(refused)))
    }
}

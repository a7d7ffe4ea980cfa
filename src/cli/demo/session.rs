//! The running server of the demo, and what its steps share.

use std::path::Path;

use chrono::{DateTime, SecondsFormat};

use super::client::Client;
use super::fixture_skill::FixtureSkill;
use super::step_log::expect;
use crate::clock::Clock;
use crate::failure::Failure;

pub(super) struct Session<'a> {
    pub(super) executable: &'a Path,
    pub(super) folder: &'a Path,
    clock: &'a dyn Clock,
    pub(super) client: Client,
    /// The skill, or why there is none.
    pub(super) skill: Result<FixtureSkill, String>,
    /// The ids of the memories that the second step stored.
    pub(super) ids: Vec<i64>,
}

impl<'a> Session<'a> {
    /// Starts the server of the first step.
    pub(super) fn begin(
        executable: &'a Path,
        folder: &'a Path,
        clock: &'a dyn Clock,
        skill: Result<FixtureSkill, String>,
    ) -> Result<Self, Failure> {
        Ok(Session {
            skill,
            executable,
            folder,
            clock,
            client: Client::start(executable, folder)?,
            ids: Vec::new(),
        })
    }

    /// Disconnects the client. Mimo must then exit by itself without an error.
    pub(super) fn end(self) -> Result<(), Failure> {
        let ended_well = self.client.close()?;
        let failed = || "Mimo failed when the client left".into();
        expect(ended_well, failed)
    }

    /// The time to the microsecond: the correction follows at once.
    pub(super) fn now(&self) -> String {
        let now = self.clock.now();
        DateTime::from_timestamp_micros(now.0)
            .map(|time| time.to_rfc3339_opts(SecondsFormat::Micros, true))
            .unwrap_or_else(|| now.to_iso())
    }
}

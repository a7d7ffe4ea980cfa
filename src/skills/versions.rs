//! Which versions the programs of skills have: each is asked once, in a sandbox
//! without network, and not again until its file is another one. What is old
//! enough to be refused is the policy's business.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::Duration;

use tokio::sync::Mutex;

use super::policy::version::{Version, oldest};
use super::refusal::shown;
use super::sandbox_process::Starter;
use super::spec::{Network, Sandbox, SkillSpec};
use crate::failure::{Failure, Kind};
use crate::files;
use crate::limits;

/// What the programs said, by what they are. No skill can be called so.
const FILE: &str = ".versions.json";
const FOLDER: &str = ".versions";

/// What is known of programs in this process. The lock is held while one is
/// asked: skills that start together ask once.
#[derive(Default)]
pub(super) struct VersionCache(Mutex<Option<BTreeMap<String, String>>>);

impl VersionCache {
    /// Refuses `spec` where its program is too old. Answers are kept in
    /// `folder`, so that the next Mimo need not ask.
    pub(super) async fn check(
        &self,
        spec: &SkillSpec,
        starter: &Starter,
        folder: &Path,
    ) -> Result<(), Failure> {
        let Some(oldest) = oldest(&spec.program) else {
            return Ok(());
        };
        let told = self.told(spec, starter, folder).await?;
        let (command, needed) = (oldest.command, oldest.version);
        let program = spec.program.display();
        let refused = |found: &str| {
            let message = format!("{program} {found}, and Mimo needs {command} {needed} or newer");
            Failure::new(Kind::Refused, message).hint(format!(
                "install a newer {command}: the skill is tried again by itself"
            ))
        };
        match Version::find(&told) {
            Some(found) if found >= needed => Ok(()),
            Some(found) => Err(refused(&format!("is version {found}"))),
            None => Err(refused("does not tell its version")),
        }
    }

    /// What the program says of itself.
    async fn told(
        &self,
        spec: &SkillSpec,
        starter: &Starter,
        folder: &Path,
    ) -> Result<String, Failure> {
        let key = key(&spec.program)?;
        let mut known = self.0.lock().await;
        let kept = folder.join(FILE);
        let known = known.get_or_insert_with(|| {
            let text = fs::read_to_string(&kept).unwrap_or_default();
            serde_json::from_str(&text).unwrap_or_default()
        });
        if let Some(told) = known.get(&key) {
            return Ok(told.clone());
        }
        let own = folder.join(FOLDER);
        let question = question(spec).with_private_folder(&own.to_string_lossy());
        let patience = Duration::from_secs(limits::PROGRAM_VERSION_SECONDS_MAX);
        let (told, how) = starter
            .run(question, own, patience)
            .await
            .map_err(|failure| {
                let program = spec.program.display();
                let message = format!("{program} was asked for its version: {}", failure.message);
                Failure::new(failure.kind, message).hint(failure.hint.unwrap_or_default())
            })?;
        if how != "exit code 0" {
            let program = spec.program.display();
            let told = shown(told.trim());
            let message = format!("{program} --version did not end well: {how}, {told}");
            let hint = "does it run by hand? it was run without network and without your files";
            return Err(Failure::new(Kind::Unavailable, message).hint(hint));
        }
        if known.len() >= limits::PROGRAM_VERSIONS_KEPT_MAX {
            known.clear();
        }
        known.insert(key, told.clone());
        let written = serde_json::to_vec(known).map_err(std::io::Error::from);
        if let Err(error) = written.and_then(|text| files::replace(&kept, &text)) {
            tracing::debug!(%error, "versions of programs are not kept");
        }
        Ok(told)
    }
}

/// Asks for the version with nothing of the skill's own: what is learnt holds
/// for every skill with this program.
fn question(spec: &SkillSpec) -> SkillSpec {
    let environment = spec.environment.iter();
    let harmless = |name: &str| name == "PATH" || name.starts_with("npm_config_");
    SkillSpec {
        arguments: vec!["--version".into()],
        environment: environment
            .filter(|(name, _)| harmless(name))
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect(),
        sandbox: Sandbox {
            write: Vec::new(),
            network: Network::None,
            // The client tells its own version without its daemon.
            docker: false,
            ..spec.sandbox.clone()
        },
        ..spec.clone()
    }
}

/// The program as it is now.
fn key(program: &Path) -> Result<String, Failure> {
    let found = program.canonicalize().and_then(|path| {
        let file = path.metadata()?;
        Ok(format!(
            "{} {}.{} {} {}",
            path.display(),
            file.mtime(),
            file.mtime_nsec(),
            file.size(),
            file.ino()
        ))
    });
    found.map_err(|error| {
        let message = format!("{} cannot be looked at: {error}", program.display());
        Failure::new(Kind::Unavailable, message).hint("was it removed? `mimo skill check` tells")
    })
}

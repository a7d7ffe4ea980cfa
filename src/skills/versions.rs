//! Checks the versions of skills' programs. Each program is asked once, in a
//! sandbox without network, and again only when its file changes.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::sync::Mutex;

use super::policy::version::{Version, oldest};
use super::refusal::shown;
use super::sandbox_process::Starter;
use super::spec::{Network, Sandbox, SkillName, SkillSpec};
use crate::failure::{Failure, Kind};
use crate::files;
use crate::limits;

/// The cache file and the private folder; no skill can have these names.
const FILE: &str = ".versions.json";
const FOLDER: &str = ".versions";

/// What each program printed for `--version`, by its identity. The lock is held
/// while a program runs, so that skills that start together ask it once.
#[derive(Default)]
pub(super) struct VersionCache(Mutex<Option<BTreeMap<String, String>>>);

impl VersionCache {
    /// Refuses `spec` where its program is too old. The cache is kept in `folder`
    /// for the next Mimo.
    pub(super) async fn check(
        &self,
        spec: &SkillSpec,
        starter: &Starter,
        folder: &Path,
    ) -> Result<(), Failure> {
        let Some(oldest) = oldest(&spec.program) else {
            return Ok(());
        };
        let printed = self.printed(spec, starter, folder).await?;
        let (command, needed) = (oldest.command, oldest.version);
        let program = spec.program.display();
        let refused = |found: &str| {
            let message = format!("{program} {found}, and Mimo needs {command} {needed} or newer");
            Failure::new(Kind::Refused, message).hint(format!(
                "install a newer {command}: the skill is tried again by itself"
            ))
        };
        match Version::find(&printed) {
            Some(found) if found >= needed => Ok(()),
            Some(found) => Err(refused(&format!("is version {found}"))),
            None => Err(refused("does not print its version")),
        }
    }

    /// What the program prints for `--version`.
    async fn printed(
        &self,
        spec: &SkillSpec,
        starter: &Starter,
        folder: &Path,
    ) -> Result<String, Failure> {
        let key = identity(&spec.program)?;
        let mut known = self.0.lock().await;
        let file = folder.join(FILE);
        let known = known.get_or_insert_with(|| {
            let text = fs::read_to_string(&file).unwrap_or_default();
            serde_json::from_str(&text).unwrap_or_default()
        });
        if let Some(printed) = known.get(&key) {
            return Ok(printed.clone());
        }
        let own = folder.join(FOLDER);
        let question = version_spec(spec).with_private_folder(&own.to_string_lossy());
        let limit = Duration::from_secs(limits::PROGRAM_VERSION_SECONDS_MAX);
        let (printed, how) = starter.run(question, own, limit).await.map_err(|failure| {
            let program = spec.program.display();
            let message = format!("{program} was asked for its version: {}", failure.message);
            Failure::new(failure.kind, message).hint(failure.hint.unwrap_or_default())
        })?;
        if how != "exit code 0" {
            let program = spec.program.display();
            let printed = shown(printed.trim());
            let message = format!("{program} --version failed: {how}, {printed}");
            let hint = "does it run by hand? it was run without network and without your files";
            return Err(Failure::new(Kind::Unavailable, message).hint(hint));
        }
        if known.len() >= limits::PROGRAM_VERSIONS_KEPT_MAX {
            known.clear();
        }
        known.insert(key, printed.clone());
        let written = serde_json::to_vec(known).map_err(std::io::Error::from);
        if let Err(error) = written.and_then(|text| files::replace(&file, &text)) {
            tracing::debug!(%error, "the versions of programs were not cached");
        }
        Ok(printed)
    }
}

/// What `program` prints for `--version` in a sandbox where it can read `read`. `None`
/// where it cannot be run, or fails.
pub(super) async fn ask(
    program: &Path,
    read: &[PathBuf],
    starter: &Starter,
    folder: PathBuf,
) -> Option<String> {
    const MB: u64 = 1024 * 1024;
    let limit = Duration::from_secs(limits::PROGRAM_VERSION_SECONDS_MAX);
    let spec = SkillSpec {
        arguments: vec!["--version".into()],
        sandbox: Sandbox {
            read: read.to_vec(),
            cpu_seconds: limits::PROGRAM_VERSION_SECONDS_MAX,
            file_bytes: MB,
            ..Sandbox::default()
        },
        ..SkillSpec::bare(SkillName::new("version")?, program.to_owned(), limit)
    };
    let (printed, how) = starter.run(spec, folder, limit).await.ok()?;
    let line = printed.lines().next().unwrap_or_default().trim();
    (how == "exit code 0" && !line.is_empty()).then(|| line.to_owned())
}

/// Runs `--version` with nothing of the skill's own, so that the answer holds for
/// every skill with this program.
fn version_spec(spec: &SkillSpec) -> SkillSpec {
    let environment = spec.environment.iter();
    let harmless = |name: &str| name == "PATH" || name.starts_with("npm_config_");
    SkillSpec {
        arguments: vec!["--version".into()],
        folder: None,
        environment: environment
            .filter(|(name, _)| harmless(name))
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect(),
        sandbox: Sandbox {
            write: Vec::new(),
            network: Network::None,
            // The docker client prints its own version without its daemon.
            listen: Vec::new(),
            unix_sockets: false,
            docker: false,
            ..spec.sandbox.clone()
        },
        ..spec.clone()
    }
}

/// Identifies the program's file as it is now.
fn identity(program: &Path) -> Result<String, Failure> {
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
        let message = format!("{} cannot be examined: {error}", program.display());
        Failure::new(Kind::Unavailable, message)
            .hint("was it removed? `mimo skill check` shows the reason")
    })
}

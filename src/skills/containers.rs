//! The containers of docker skills. Ending the docker client does not end its
//! container, so each run keeps its container's id in a folder of its own, and
//! the next start removes the containers that dead runs left.

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::child::Child;
use super::sandbox::folder;
use super::sandbox_process::{LayerReports, Starter};
use super::spec::SkillSpec;
use crate::failure::{Failure, Kind};
use crate::limits;
use crate::platform::create_private_folder;

/// The argument that the docker policy adds, without its value.
const CIDFILE: &str = "--cidfile=";

/// The folder of one run; the lock is released when its process ends.
struct ContainerRun {
    folder: PathBuf,
    _lock: File,
}

/// Launches `spec`, the docker client, once the containers of dead runs are
/// removed. Its own container is removed before its end is reported.
pub(super) async fn launch(
    spec: SkillSpec,
    starter: Starter,
    state_folder: PathBuf,
    reports: LayerReports,
) -> Result<Child, Failure> {
    let folder = state_folder.join("containers");
    let unusable = |error: io::Error| {
        let message = format!("the folder {} cannot be used: {error}", folder.display());
        Failure::new(Kind::Unavailable, message).hint("check that your account may write there")
    };
    for run in dead_runs(&folder).map_err(unusable)? {
        // A daemon that does not answer would delay the start once for each.
        if !remove(&spec, &starter, &state_folder, &run).await {
            break;
        }
    }
    let run = ContainerRun::new(&folder).map_err(unusable)?;
    let mut own = spec.clone();
    // The first match is the policy's: arguments after the image are the skill's.
    let cidfile = own
        .arguments
        .iter_mut()
        .find(|each| each.starts_with(CIDFILE));
    if let Some(cidfile) = cidfile {
        *cidfile = format!("{CIDFILE}{}", run.id_file().display());
    }
    let started = starter.start(own, state_folder.clone(), reports).await;
    let mut child = match started {
        Ok(child) => child,
        Err(failure) => {
            remove(&spec, &starter, &state_folder, &run).await;
            return Err(failure);
        }
    };
    let exit = child.exit;
    child.exit = Box::pin(async move {
        let how = exit.await;
        remove(&spec, &starter, &state_folder, &run).await;
        how
    });
    Ok(child)
}

impl ContainerRun {
    fn new(runs: &Path) -> io::Result<ContainerRun> {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        loop {
            let count = COUNT.fetch_add(1, Ordering::Relaxed);
            let name = format!("{}-{count}", std::process::id());
            let folder = runs.join(&name);
            // Locked before it is visible, so that nobody takes it for a dead run's.
            let part = runs.join(format!(".{name}"));
            create_private_folder(&part)?;
            let lock = File::create(part.join("lock"))?;
            lock.lock()?;
            // A rename onto an empty folder would succeed; no run's folder is empty.
            if folder.exists() {
                continue;
            }
            fs::rename(part, &folder)?;
            return Ok(ContainerRun {
                folder,
                _lock: lock,
            });
        }
    }

    /// The run in `folder`, where its process is dead.
    fn dead(folder: PathBuf) -> Option<ContainerRun> {
        let lock = File::open(folder.join("lock")).ok()?;
        match lock.try_lock() {
            Ok(()) => Some(ContainerRun {
                folder,
                _lock: lock,
            }),
            Err(TryLockError::WouldBlock | TryLockError::Error(_)) => None,
        }
    }

    /// Where the docker client writes the container's id.
    fn id_file(&self) -> PathBuf {
        self.folder.join("id")
    }

    fn remove_folder(&self) -> io::Result<()> {
        let (Some(runs), Some(name)) = (self.folder.parent(), self.folder.file_name()) else {
            return Ok(());
        };
        folder::remove_in(runs, name)
    }

    /// The container's id, where one was created.
    fn id(&self) -> Option<String> {
        let id = fs::read_to_string(self.id_file()).ok()?;
        let id = id.trim();
        let valid = id.len() == 64 && id.bytes().all(|c| c.is_ascii_hexdigit());
        valid.then(|| id.to_owned())
    }
}

fn dead_runs(runs: &Path) -> io::Result<Vec<ContainerRun>> {
    let entries = match fs::read_dir(runs) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut dead = Vec::new();
    for entry in entries {
        dead.extend(ContainerRun::dead(entry?.path()));
    }
    dead.truncate(limits::CONTAINERS_REMOVED_MAX);
    Ok(dead)
}

/// Removes the container of `run` and the run's folder; whether that worked.
/// Where it fails the folder stays, and the next start tries again.
async fn remove(
    spec: &SkillSpec,
    starter: &Starter,
    state_folder: &Path,
    run: &ContainerRun,
) -> bool {
    if let Some(id) = run.id() {
        let removal = SkillSpec {
            arguments: ["rm", "-f", &id].map(str::to_owned).to_vec(),
            ..spec.clone()
        };
        let limit = Duration::from_secs(limits::CONTAINER_REMOVAL_SECONDS_MAX);
        let skill = &spec.name;
        match starter.run(removal, state_folder.to_owned(), limit).await {
            Ok((_, how)) if how == "exit code 0" => {}
            // The client's --rm was quicker.
            Ok((output, _)) if output.contains("No such container") => {}
            Ok((output, how)) => {
                tracing::warn!(%skill, id, how, output, "a container was not removed");
                return false;
            }
            Err(failure) => {
                tracing::warn!(%skill, id, "a container was not removed: {failure}");
                return false;
            }
        }
    }
    if let Err(error) = run.remove_folder() {
        tracing::debug!(%error, "the folder of a container run was not removed");
    }
    true
}

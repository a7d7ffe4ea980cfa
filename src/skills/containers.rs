//! The containers of docker skills. Ending the client does not end its
//! container, so each run keeps its container's id in a place of its own, and
//! whoever comes after a run removes what it left.

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::child::Child;
use super::sandbox::private_folder;
use super::sandbox_process::{LayerReports, Starter};
use super::spec::SkillSpec;
use crate::failure::{Failure, Kind};
use crate::limits;

/// What the policy's argv begins the id's place with.
const CIDFILE: &str = "--cidfile=";

/// A run's place; its lock goes with the process that holds it.
struct ContainerRun {
    folder: PathBuf,
    _lock: File,
}

/// Launches `spec`, the docker client, after what dead runs left was removed;
/// its own container goes before its end is told.
pub(super) async fn launch(
    spec: SkillSpec,
    starter: Starter,
    state_folder: PathBuf,
    layers: LayerReports,
) -> Result<Child, Failure> {
    let places = state_folder.join("containers");
    let unusable = |error: io::Error| {
        let message = format!("the folder {} cannot be used: {error}", places.display());
        Failure::new(Kind::Unavailable, message).hint("may your account write there?")
    };
    for left in left(&places).map_err(unusable)? {
        // A daemon that does not answer would hold up the start for each.
        if !remove(&spec, &starter, &state_folder, &left).await {
            break;
        }
    }
    let place = ContainerRun::new(&places).map_err(unusable)?;
    let mut own = spec.clone();
    // Ours comes first: what follows the image is the container's.
    let cidfile = own
        .arguments
        .iter_mut()
        .find(|each| each.starts_with(CIDFILE));
    if let Some(cidfile) = cidfile {
        *cidfile = format!("{CIDFILE}{}", place.id_file().display());
    }
    let started = starter.start(own, state_folder.clone(), layers).await;
    let mut child = match started {
        Ok(child) => child,
        Err(failure) => {
            remove(&spec, &starter, &state_folder, &place).await;
            return Err(failure);
        }
    };
    let ended = child.exit;
    child.exit = Box::pin(async move {
        let how = ended.await;
        remove(&spec, &starter, &state_folder, &place).await;
        how
    });
    Ok(child)
}

impl ContainerRun {
    /// A new one in `places`.
    fn new(places: &Path) -> io::Result<ContainerRun> {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        loop {
            let count = COUNT.fetch_add(1, Ordering::Relaxed);
            let name = format!("{}-{count}", std::process::id());
            let folder = places.join(&name);
            // Locked before it is seen: nobody takes it for a dead one's.
            let part = places.join(format!(".{name}"));
            private_folder(&part)?;
            let lock = File::create(part.join("lock"))?;
            lock.lock()?;
            // Onto an empty folder it would succeed, and there is none.
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

    /// The place of a dead run, if it is one.
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

    /// Where the client writes the container's id.
    fn id_file(&self) -> PathBuf {
        self.folder.join("id")
    }

    /// The container's id, where the run came so far.
    fn id(&self) -> Option<String> {
        let id = fs::read_to_string(self.id_file()).ok()?;
        let id = id.trim();
        let fits = id.len() == 64 && id.bytes().all(|c| c.is_ascii_hexdigit());
        fits.then(|| id.to_owned())
    }
}

/// What dead runs left.
fn left(places: &Path) -> io::Result<Vec<ContainerRun>> {
    let entries = match fs::read_dir(places) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut left = Vec::new();
    for entry in entries {
        left.extend(ContainerRun::dead(entry?.path()));
    }
    left.truncate(limits::CONTAINERS_REMOVED_MAX);
    Ok(left)
}

/// Removes the container of `place`, and the place with it; whether that was
/// done. Where it fails the place stays, and the next start tries again.
async fn remove(
    spec: &SkillSpec,
    starter: &Starter,
    state_folder: &Path,
    place: &ContainerRun,
) -> bool {
    if let Some(id) = place.id() {
        let removal = SkillSpec {
            arguments: ["rm", "-f", &id].map(str::to_owned).to_vec(),
            ..spec.clone()
        };
        let patience = Duration::from_secs(limits::CONTAINER_REMOVAL_SECONDS_MAX);
        let skill = &spec.name;
        match starter
            .run(removal, state_folder.to_owned(), patience)
            .await
        {
            Ok((_, how)) if how == "exit code 0" => {}
            // The client's --rm was quicker.
            Ok((told, _)) if told.contains("No such container") => {}
            Ok((told, how)) => {
                tracing::warn!(%skill, id, how, told, "a container was not removed");
                return false;
            }
            Err(failure) => {
                tracing::warn!(%skill, id, "a container was not removed: {failure}");
                return false;
            }
        }
    }
    if let Err(error) = fs::remove_dir_all(&place.folder) {
        tracing::debug!(%error, "the place of a container stays");
    }
    true
}

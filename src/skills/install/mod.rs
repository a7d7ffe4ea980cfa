//! Installs the packages of npx and uvx skills once, each into a folder of its own,
//! so that later starts run the installed files without a registry. An install is
//! made beside the folder and renamed into place as its last step; a process that is
//! killed before leaves nothing that could run.

mod failures;
mod indexes;
mod netrc;
mod npm;
mod npmrc;
mod step;
mod tree;
mod uv;

use std::collections::BTreeMap;
use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use tokio::sync::Semaphore;
use tokio::time::{Duration, sleep, timeout};

use super::sandbox_process::Starter;
use super::spec::{Package, Registry, SkillSpec};
use super::versions;
use crate::failure::{Failure, Kind};
use crate::platform::create_private_folder;
use crate::{files, limits};
use step::{Step, TREE};
use tree::Tree;

/// Receives the progress of an install, for a person.
pub(crate) type Progress = Arc<dyn Fn(String) + Send + Sync>;

/// The folder of all packages, in the data folder.
pub(crate) const PACKAGES: &str = "packages";
/// The file that names the installed tree. Replaced in one step.
const CURRENT: &str = "current.json";
const LOCK: &str = "lock";
/// The private folder of programs that are asked for their version.
const VERSIONS: &str = ".versions";
/// Begins the name of the folder of an install under way. It holds a folder for each
/// sandbox, so that none can change what another one made, and Mimo's own files.
const PARTIAL: &str = "partial-";
const OWN: &str = "own";
const FIRST: &str = "first";
const TRIAL: &str = "trial";
const DATE: &str = "date";
const SECOND: &str = "second";

/// Installs packages below one folder.
#[derive(Clone)]
pub(crate) struct Installer {
    starter: Starter,
    folder: PathBuf,
    home: Option<PathBuf>,
    slots: Arc<Semaphore>,
}

/// An installed package and its start command.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Installed {
    pub(crate) version: String,
    /// Its digest in the registry, where the registry has one.
    pub(crate) integrity: Option<String>,
    /// The folder of the tree, below the package's.
    tree: String,
    /// Executed; absent where the package's interpreter runs `arguments`.
    program: Option<String>,
    /// Before the skill's own. Paths of the tree begin with a NUL.
    arguments: Vec<String>,
    /// Steps that failed and were not needed.
    pub(crate) notes: Vec<String>,
}

impl Installed {
    /// The program in `tree`, and what comes before the skill's own arguments.
    fn command(&self, package: &Package, tree: &Path) -> (PathBuf, Vec<String>) {
        let host = package.host.as_ref();
        if let Some(host) = host.filter(|host| host.always || self.program.is_none())
            && let Some(program) = &host.program
        {
            let script = match (&self.program, self.arguments.last()) {
                (None, Some(last)) => last.strip_prefix('\0').unwrap_or(last),
                (Some(file), _) => file,
                (None, None) => "",
            };
            let script = tree.join(script).to_string_lossy().into_owned();
            let arguments = host.arguments.iter().cloned().chain([script]);
            return (program.clone(), arguments.collect());
        }
        let program = match (&self.program, package.registry) {
            (Some(program), _) => tree.join(program),
            (None, Registry::Npm) => package.runtime.clone(),
            (None, Registry::Python) => tree.join("bin/python"),
        };
        let place = |text: &String| match text.strip_prefix('\0') {
            Some(path) => tree.join(path).to_string_lossy().into_owned(),
            None => text.clone(),
        };
        (program, self.arguments.iter().map(place).collect())
    }
}

impl Installer {
    /// `executable` is Mimo itself, which supervises each sandbox. `folder` is created
    /// at the first install. `home` may hold the account's settings for registries.
    /// With `strict` nothing is installed unless every layer is enforced: install
    /// scripts are untrusted code as well.
    pub(crate) fn new(
        executable: PathBuf,
        strict: bool,
        folder: PathBuf,
        home: Option<PathBuf>,
    ) -> Installer {
        Installer {
            starter: Starter { executable, strict },
            folder,
            home,
            slots: Arc::new(Semaphore::new(limits::INSTALLS_AT_A_TIME_MAX)),
        }
    }

    /// The installed version of `package`, if there is one.
    pub(crate) fn installed(&self, package: &Package) -> Option<Installed> {
        let folder = self.folder_of(package);
        let text = fs::read(folder.join(CURRENT)).ok()?;
        let installed: Installed = serde_json::from_slice(&text).ok()?;
        let tree = folder.join(&installed.tree);
        Tree::open(&folder, &installed.tree).ok()?;
        // A Python of the tree leads to the one that it was made with, which an
        // upgrade may have removed.
        let runs = match package.registry {
            Registry::Npm => true,
            Registry::Python => tree.join("bin/python").exists(),
        };
        runs.then_some(installed)
    }

    /// What `program` prints for `--version`; `None` where it cannot be run.
    pub(crate) async fn version_of(&self, program: &Path, read: &[PathBuf]) -> Option<String> {
        let folder = self.folder.join(VERSIONS);
        versions::ask(program, read, &self.starter, folder).await
    }

    /// Installs `package` unless it is installed.
    pub(crate) async fn ensure(
        &self,
        package: &Package,
        progress: &Progress,
    ) -> Result<Installed, Failure> {
        match self.installed(package) {
            Some(installed) => Ok(installed),
            None => self.install(package, false, progress).await,
        }
    }

    /// Installs `package` again, as its specification resolves now.
    pub(crate) async fn update(
        &self,
        package: &Package,
        progress: &Progress,
    ) -> Result<Installed, Failure> {
        self.install(package, true, progress).await
    }

    /// `spec` with the installed program in place of the package manager.
    pub(crate) fn resolved(&self, spec: &SkillSpec, installed: &Installed) -> SkillSpec {
        let Some(package) = &spec.package else {
            return spec.clone();
        };
        let folder = self.folder_of(package);
        let tree = folder.join(&installed.tree);
        let mut spec = spec.clone();
        let (program, mut arguments) = installed.command(package, &tree);
        arguments.append(&mut spec.arguments);
        (spec.program, spec.arguments) = (program, arguments);
        spec.sandbox.read.push(tree);
        spec.sandbox.installed.push(folder);
        spec.sandbox.read.extend(package.read.iter().cloned());
        spec
    }

    fn folder_of(&self, package: &Package) -> PathBuf {
        let mut digest = Sha256::new();
        for each in &package.specs {
            digest.update(each);
            digest.update([0]);
        }
        digest.update(package.bin.as_deref().unwrap_or_default());
        let digest = digest.finalize();
        let name = package.name.replace(['/', '@'], "_");
        let registry = match package.registry {
            Registry::Npm => "npm",
            Registry::Python => "python",
        };
        let end = base16ct::lower::encode_string(&digest[..4]);
        self.folder.join(format!("{registry}-{name}-{end}"))
    }

    async fn install(
        &self,
        package: &Package,
        anew: bool,
        progress: &Progress,
    ) -> Result<Installed, Failure> {
        progress(format!("{}: waiting for other installs", package.name));
        let _slot = self.slots.acquire().await.map_err(Failure::internal)?;
        let limit = Duration::from_secs(limits::INSTALL_SECONDS_MAX);
        let install = self.install_locked(package, anew, progress);
        timeout(limit, install).await.unwrap_or_else(|_| {
            let why = format!(
                "{} could not be installed within {} minutes",
                package.name,
                limit.as_secs() / 60
            );
            Err(Failure::new(Kind::Timeout, why).hint(
                "is the registry slow? `mimo skill update` tries again and shows what happens",
            ))
        })
    }

    async fn install_locked(
        &self,
        package: &Package,
        anew: bool,
        progress: &Progress,
    ) -> Result<Installed, Failure> {
        let folder = self.folder_of(package);
        let unusable = |error: io::Error| {
            let message = format!("the folder {} cannot be used: {error}", folder.display());
            Failure::new(Kind::Unavailable, message)
                .hint("check the disk's free space, and that your account may write there")
        };
        create_private_folder(&folder).map_err(unusable)?;
        let lock = File::create(folder.join(LOCK)).map_err(unusable)?;
        // Waits for another process that installs the same; the kernel frees the lock
        // of one that is killed. A blocking wait would outlast a Mimo that ends.
        let pause = Duration::from_millis(limits::INSTALL_LOCK_POLL_MILLIS);
        loop {
            match lock.try_lock() {
                Ok(()) => break,
                Err(TryLockError::WouldBlock) => sleep(pause).await,
                Err(TryLockError::Error(error)) => return Err(unusable(error)),
            }
        }
        if let Some(installed) = self.installed(package).filter(|_| !anew) {
            return Ok(installed);
        }
        self.remove_rest(&folder, package);
        let partial = folder.join(format!("{PARTIAL}{}", std::process::id()));
        create_private_folder(&partial).map_err(unusable)?;
        let made = self.make(package, &partial, progress).await;
        let made = made.and_then(|(made, mut installed)| {
            installed.tree = tree_name(&folder, &installed.version);
            // No process of the install is left that could put a link in its place.
            Tree::open(&made, TREE).map_err(unusable)?;
            fs::rename(made.join(TREE), folder.join(&installed.tree)).map_err(unusable)?;
            let text = serde_json::to_vec_pretty(&installed).map_err(Failure::internal)?;
            files::replace(&folder.join(CURRENT), &text).map_err(unusable)?;
            Ok(installed)
        });
        remove(&partial);
        made
    }

    /// Makes the tree in a folder of `partial`, which it gives; once more with older
    /// dependencies where those of today break it. Each step that is given a sign-in has
    /// a folder that no untrusted code has written to.
    async fn make(
        &self,
        package: &Package,
        partial: &Path,
        progress: &Progress,
    ) -> Result<(PathBuf, Installed), Failure> {
        let home = self.home.as_deref();
        let known = environment(package, &[]);
        let settings = npmrc::of(home, &known);
        let indexes = indexes::of(home, &known);
        let mut asked = known.clone();
        asked.extend(indexes.clone());
        let sign_in = netrc::of(home, &asked);
        let new = |name: &str| {
            let folder = partial.join(name);
            create_private_folder(&folder).map_err(Failure::internal)?;
            Ok::<_, Failure>(folder)
        };
        let own = new(OWN)?;
        let step = |folder| Step {
            starter: &self.starter,
            package,
            folder,
            own: &own,
            settings: &settings,
            indexes: &indexes,
            sign_in: &sign_in,
            progress,
        };
        let first = step(new(FIRST)?);
        let installed = self.make_as_of(&first, None).await?;
        progress(format!("{}: starting it once", package.name));
        let Some(broken) = first.trial(&installed, new(TRIAL)?).await else {
            return Ok((first.folder, installed));
        };
        let question = step(new(DATE)?);
        let date = match package.registry {
            Registry::Npm => npm::released(&question, &installed).await,
            Registry::Python => uv::released(&question, &installed).await,
        };
        let Some(date) = date else {
            return Ok((first.folder, installed));
        };
        progress(format!(
            "{}: once more as of {date}, since {broken}",
            package.name
        ));
        remove(&first.folder);
        let second = step(new(SECOND)?);
        let mut installed = self.make_as_of(&second, Some(&date)).await?;
        let note = format!("installed with dependencies as of {date}: with newer ones {broken}");
        installed.notes.push(note);
        Ok((second.folder, installed))
    }

    async fn make_as_of(&self, step: &Step<'_>, date: Option<&str>) -> Result<Installed, Failure> {
        match step.package.registry {
            Registry::Npm => npm::install(step, date).await,
            Registry::Python => uv::install(step, date).await,
        }
    }

    /// Removes what killed installs left, and trees before the current one. Called
    /// with the lock held.
    fn remove_rest(&self, folder: &Path, package: &Package) {
        let current = self.installed(package).map(|installed| installed.tree);
        let entries = fs::read_dir(folder).into_iter().flatten().flatten();
        let is_tree = |entry: &fs::DirEntry| entry.file_type().is_ok_and(|kind| !kind.is_file());
        for entry in entries.filter(is_tree) {
            if Some(entry.file_name()) != current.as_ref().map(Into::into) {
                remove(&entry.path());
            }
        }
    }
}

/// Removes what an install made, however deep untrusted code made it.
fn remove(path: &Path) {
    if let (Some(parent), Some(name)) = (path.parent(), path.file_name())
        && let Err(error) = tree::remove(parent, name)
    {
        tracing::debug!(%error, "the rest of an install was not removed");
    }
}

/// A name that no earlier tree in `folder` has.
fn tree_name(folder: &Path, version: &str) -> String {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '+');
    let version = version.chars().filter(|c| allowed(*c));
    let version: String = version.take(limits::INSTALL_VERSION_CHARS_MAX).collect();
    let mut name = format!("v{version}");
    let mut count = 1;
    while folder.join(&name).exists() {
        count += 1;
        name = format!("v{version}.{count}");
    }
    name
}

/// The environment of a step that reaches a registry: nothing of the entry's own.
fn environment(package: &Package, more: &[(&str, &str)]) -> BTreeMap<String, String> {
    let mut all = package.environment.clone();
    all.extend(package.fetching.clone());
    let more = more
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    all.extend(more);
    all
}

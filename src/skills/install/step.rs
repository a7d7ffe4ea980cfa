//! One program of an install, in a sandbox with network and nothing of the skill's own:
//! no files, variables or secrets of its entry.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::time::timeout;

use super::failures::{self, ProgramOutput};
use super::npmrc::Settings;
use super::tree::Tree;
use super::{Installed, Progress};
use crate::failure::{Failure, Kind};
use crate::skills::child::Child;
use crate::skills::sandbox_process::{LayerReports, Starter};
use crate::skills::spec::{Network, Package, Sandbox, SkillName, SkillSpec};
use crate::{files, limits};

/// The folder that becomes the installed tree, below the partial folder.
pub(super) const TREE: &str = "tree";

const MB: u64 = 1024 * 1024;

pub(super) struct Step<'a> {
    pub(super) starter: &'a Starter,
    pub(super) package: &'a Package,
    /// The sandbox's private folder, which untrusted code may have written to: Mimo reads
    /// it as a [`super::tree::Tree`] and writes nothing there.
    pub(super) folder: PathBuf,
    /// Mimo's own files; a program can read only those that it is given.
    pub(super) own: &'a Path,
    pub(super) settings: &'a Settings,
    /// Variables for uv.
    pub(super) indexes: &'a BTreeMap<String, String>,
    /// Lines of a `.netrc` for uv; empty where no index needs one.
    pub(super) sign_in: &'a str,
    pub(super) progress: &'a Progress,
}

impl Step<'_> {
    /// Writes a file of Mimo's own; gives its path.
    pub(super) fn write(&self, name: &str, text: &str) -> Result<PathBuf, Failure> {
        let path = self.own.join(name);
        files::replace(&path, text.as_bytes()).map_err(Failure::internal)?;
        Ok(path)
    }

    /// What is in the tree's folder.
    pub(super) fn tree(&self) -> Result<Tree, Failure> {
        Tree::open(&self.folder, TREE).map_err(Failure::internal)
    }

    /// Runs `program` in the tree's folder, where it can read `files`; `line` sees each
    /// line of stderr.
    pub(super) async fn run(
        &self,
        program: &Path,
        arguments: &[&str],
        environment: BTreeMap<String, String>,
        files: &[PathBuf],
        line: &mut (dyn FnMut(&str) + Send),
    ) -> Result<ProgramOutput, Failure> {
        let network = Network::Outbound(Vec::new());
        let mut spec = self.spec(program, arguments, environment, network)?;
        spec.sandbox.read.extend_from_slice(files);
        let mut child = self.start(spec, self.folder.clone()).await?;
        let mut stdout = Vec::new();
        let mut stderr = String::new();
        let bound = limits::INSTALL_OUTPUT_BYTES_MAX;
        let mut output = child.output.take(bound);
        let mut errors = BufReader::new(child.errors);
        let read_lines = async {
            let mut bytes = Vec::new();
            while (&mut errors)
                .take(bound)
                .read_until(b'\n', &mut bytes)
                .await
                .is_ok_and(|n| n > 0)
            {
                let text = String::from_utf8_lossy(&bytes);
                line(text.trim_end());
                if (stderr.len() as u64) < bound {
                    stderr.push_str(&text);
                }
                bytes.clear();
            }
        };
        // A broken pipe still delivered what came before.
        let _ = tokio::join!(output.read_to_end(&mut stdout), read_lines);
        let how = (&mut child.exit).await;
        Ok(ProgramOutput {
            stdout: String::from_utf8_lossy(&stdout).into_owned(),
            stderr,
            how,
        })
    }

    /// Starts the installed program once without input, as a skill would start: with a
    /// folder of its own, and unable to change the tree. Says why, if it cannot find or
    /// does not fit what it depends on; any other end is the server's own affair.
    pub(super) async fn trial(&self, installed: &Installed, folder: PathBuf) -> Option<String> {
        let tree = self.folder.join(TREE);
        let (program, arguments) = installed.command(self.package, &tree);
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        // Untrusted code gets nothing about how registries are reached.
        let environment = self.package.environment.clone();
        let spec = self.spec(&program, &arguments, environment, Network::None);
        let mut spec = spec.ok()?;
        spec.sandbox.read.push(tree);
        spec.sandbox.installed.push(self.folder.clone());
        let mut child = self.start(spec, folder).await.ok()?;
        let mut errors = Vec::new();
        let mut stderr = child.errors.take(limits::INSTALL_OUTPUT_BYTES_MAX);
        let limit = Duration::from_secs(limits::INSTALL_TRIAL_SECONDS_MAX);
        let ended = timeout(limit, stderr.read_to_end(&mut errors)).await;
        // It may have closed its stderr to go on, and nothing of it may be left.
        child.control.kill();
        child.exit.await;
        // A server that goes on without input has loaded everything.
        ended.ok()?.ok()?;
        failures::broken_dependency(&String::from_utf8_lossy(&errors))
    }

    /// Starts a program whose stdin is at its end.
    async fn start(&self, spec: SkillSpec, folder: PathBuf) -> Result<Child, Failure> {
        let started = self.starter.start(spec, folder, LayerReports::default());
        let mut child = started.await?;
        child.input = Box::new(tokio::io::sink());
        Ok(child)
    }

    fn spec(
        &self,
        program: &Path,
        arguments: &[&str],
        environment: BTreeMap<String, String>,
        network: Network,
    ) -> Result<SkillSpec, Failure> {
        let name = SkillName::new("install").ok_or_else(|| {
            Failure::new(Kind::Internal, "the name of the install step is not valid")
        })?;
        let mut read = self.package.read.clone();
        read.extend(self.settings.certificates.iter().cloned());
        let limit = Duration::from_secs(limits::INSTALL_SECONDS_MAX);
        Ok(SkillSpec {
            arguments: arguments.iter().map(|each| (*each).to_owned()).collect(),
            environment,
            sandbox: Sandbox {
                read,
                network,
                memory_bytes: limits::INSTALL_MEMORY_MB_MAX * MB,
                cpu_seconds: limits::INSTALL_SECONDS_MAX,
                processes: limits::INSTALL_PROCESSES_MAX,
                open_files: limits::INSTALL_OPEN_FILES_MAX,
                file_bytes: limits::INSTALL_DISK_MB_MAX * MB,
                disk_bytes: limits::INSTALL_DISK_MB_MAX * MB,
                ..Sandbox::default()
            },
            ..SkillSpec::bare(name, program.to_owned(), limit)
        })
    }
}

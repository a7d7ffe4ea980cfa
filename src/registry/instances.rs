//! Sends commands to the Mimos that run on a data folder. Each holds a locked file
//! there, reads commands beside it, and writes answers. The lock ends with its
//! process, so the files of a killed Mimo are recognized.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use super::tool_cache::create_private;
use crate::files::replace;
use crate::limits;
use crate::platform;

/// The files of this Mimo; dropping it removes them.
pub(crate) struct Mailbox {
    folder: PathBuf,
    id: String,
    /// Locked.
    _own: File,
}

/// A command to a running Mimo.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Command {
    /// Reload the manifest.
    Reload,
    /// Read the approved tools again.
    Approvals,
}

/// A command that waits for its answer.
#[derive(Debug)]
pub(crate) struct PendingCommand {
    id: String,
    pub(crate) command: Command,
}

/// A running Mimo.
#[derive(Clone, Debug)]
pub(crate) struct Instance {
    id: String,
    pub(crate) pid: u64,
    pub(crate) version: String,
}

impl Mailbox {
    /// Announces this process in `folder`, which exists and is private to this user,
    /// under a new id. Removes the files of dead Mimos.
    pub(crate) fn open(folder: PathBuf, id: String) -> io::Result<Mailbox> {
        running_instances(&folder)?;
        // Locked before it is visible, so that nobody takes it for a dead Mimo's.
        let part = folder.join(format!("{id}.part"));
        let mut own = create_private(&part)?;
        platform::hold(&own)?;
        let about = json!({"pid": std::process::id(), "version": env!("CARGO_PKG_VERSION")});
        own.write_all(about.to_string().as_bytes())?;
        fs::rename(part, folder.join(format!("{id}.json")))?;
        Ok(Mailbox {
            folder,
            id,
            _own: own,
        })
    }

    /// Where commands arrive.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// The commands that have arrived; each is returned once.
    pub(crate) fn take_commands(&self) -> Vec<PendingCommand> {
        let files = files_of(&self.folder, &self.id).unwrap_or_default();
        let asks = files.into_iter().filter_map(|path| {
            let name = path.file_name()?.to_str()?.strip_suffix(".ask")?;
            let id = name.split_once('.')?.1.to_owned();
            let text = fs::read_to_string(&path);
            fs::remove_file(&path).ok()?;
            let command = serde_json::from_str(&text.ok()?).ok()?;
            Some(PendingCommand { id, command })
        });
        asks.take(limits::COMMANDS_ANSWERED_MAX).collect()
    }

    pub(crate) fn answer(&self, request: &PendingCommand, document: &Value) {
        let path = self
            .folder
            .join(format!("{}.{}.answer", self.id, request.id));
        if let Err(error) = replace(&path, document.to_string().as_bytes()) {
            tracing::warn!(%error, "a command was not answered");
        }
    }
}

impl Drop for Mailbox {
    fn drop(&mut self) {
        // Files that stay are recognized as a dead Mimo's.
        let _ = remove(&self.folder, &self.id);
    }
}

/// The Mimos that run on `folder`. Removes the files of dead ones.
pub(crate) fn running_instances(folder: &Path) -> io::Result<Vec<Instance>> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut found = Vec::new();
    for entry in entries {
        let name = entry?.file_name();
        let Some(id) = name.to_str().and_then(|name| name.strip_suffix(".json")) else {
            continue;
        };
        let instance = Instance {
            id: id.to_owned(),
            pid: 0,
            version: String::new(),
        };
        match instance.is_alive(folder) {
            true => {
                let text = fs::read_to_string(folder.join(&name)).unwrap_or_default();
                let about: Value = serde_json::from_str(&text).unwrap_or_default();
                let pid = about["pid"].as_u64().unwrap_or_default();
                let version = about["version"].as_str().unwrap_or("unknown").to_owned();
                found.push(Instance {
                    pid,
                    version,
                    ..instance
                });
            }
            false => remove(folder, id)?,
        }
    }
    found.sort_by_key(|instance| instance.pid);
    Ok(found)
}

/// Sends a command to each of `instances` and waits for the answers; `None` for one
/// that ends first or does not answer in time. `id` must be new.
pub(crate) async fn send_command(
    folder: &Path,
    instances: Vec<Instance>,
    command: Command,
    id: &str,
    timeout: Duration,
) -> io::Result<Vec<(Instance, Option<Value>)>> {
    for instance in &instances {
        let text = serde_json::to_string(&command)?;
        replace(&instance.file(folder, id, "ask"), text.as_bytes())?;
    }
    let until = Instant::now() + timeout;
    let mut answers = Vec::new();
    for instance in instances {
        let path = instance.file(folder, id, "answer");
        let answer = loop {
            // Checked before the answer, which may be the last thing that it writes.
            let over = !instance.is_alive(folder) || Instant::now() >= until;
            if let Ok(text) = fs::read_to_string(&path) {
                break serde_json::from_str(&text).ok();
            }
            if over {
                break None;
            }
            sleep(Duration::from_millis(limits::ASK_POLL_MILLIS)).await;
        };
        // At most one of the two is left.
        let _ = fs::remove_file(&path);
        let _ = fs::remove_file(instance.file(folder, id, "ask"));
        answers.push((instance, answer));
    }
    Ok(answers)
}

impl Instance {
    fn file(&self, folder: &Path, request: &str, kind: &str) -> PathBuf {
        folder.join(format!("{}.{request}.{kind}", self.id))
    }

    /// Whether its process still holds its file.
    fn is_alive(&self, folder: &Path) -> bool {
        let own = folder.join(format!("{}.json", self.id));
        platform::is_held(&own).unwrap_or(false)
    }
}

/// All files of the Mimo `id`.
fn files_of(folder: &Path, id: &str) -> io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path.file_name().and_then(|name| name.to_str());
        let rest = name.and_then(|name| name.strip_prefix(id));
        if rest.is_some_and(|rest| rest.starts_with('.')) {
            files.push(path);
        }
    }
    Ok(files)
}

fn remove(folder: &Path, id: &str) -> io::Result<()> {
    for file in files_of(folder, id)? {
        match fs::remove_file(file) {
            // Another process removed it as well.
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIMEOUT: Duration = Duration::from_secs(100);

    #[tokio::test]
    async fn each_running_mimo_gets_the_command_and_answers() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path();
        let open = |id: &str| Mailbox::open(path.to_owned(), id.to_owned()).expect("a mailbox");
        let (one, two) = (open("one"), open("two"));
        let instances = running_instances(path).expect("a list");
        assert_eq!(instances.len(), 2);
        let asked = send_command(path, instances, Command::Reload, "first", TIMEOUT);
        let answering = async {
            // Every command is there before the first answer is awaited.
            let commands = one.take_commands();
            assert_eq!(commands.len(), 1);
            assert_eq!(commands[0].command, Command::Reload);
            one.answer(&commands[0], &json!({"by": "one"}));
            // The other one ends without an answer.
            drop(two);
        };
        let (answers, ()) = tokio::join!(asked, answering);
        let answers = answers.expect("asked");
        let by = |id: &str| {
            let found = answers.iter().find(|(instance, _)| instance.id == id);
            found.expect("asked").1.clone()
        };
        assert_eq!(by("one"), Some(json!({"by": "one"})));
        assert_eq!(by("two"), None);
        assert!(one.take_commands().is_empty(), "a command is returned once");
        let left = fs::read_dir(path).expect("a folder").count();
        assert_eq!(left, 1, "only the file of the one that runs");
    }

    #[test]
    fn files_of_dead_mimos_are_removed_and_others_stay() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path();
        for name in ["dead.json", "dead.7.ask", "dead.7.answer"] {
            // The pid of a live process, but no lock.
            let about = json!({"pid": std::process::id()}).to_string();
            fs::write(path.join(name), about).expect("written");
        }
        let own = Mailbox::open(path.to_owned(), "living".to_owned()).expect("a mailbox");
        let instances = running_instances(path).expect("a list");
        assert_eq!(instances.len(), 1);
        assert_eq!(instances[0].pid, u64::from(std::process::id()));
        assert_eq!(fs::read_dir(path).expect("a folder").count(), 1);
        drop(own);
        assert_eq!(fs::read_dir(path).expect("a folder").count(), 0);
    }

    #[cfg(unix)]
    #[test]
    fn folder_that_is_missing_has_no_mimos_and_others_fail() {
        let folder = tempfile::tempdir().expect("a folder");
        let missing = folder.path().join("missing");
        assert!(running_instances(&missing).expect("a list").is_empty());
        let file = folder.path().join("file");
        fs::write(&file, "").expect("written");
        let failed = running_instances(&file).expect_err("it is no folder");
        assert_eq!(failed.kind(), io::ErrorKind::NotADirectory);
        // A folder in the place of a dead Mimo's file cannot be removed as one.
        fs::create_dir(folder.path().join("dead.json")).expect("made");
        let failed = running_instances(folder.path()).expect_err("it stays");
        assert_eq!(failed.kind(), io::ErrorKind::IsADirectory);
    }

    #[cfg(unix)]
    #[test]
    fn answer_without_a_folder_is_dropped() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("running");
        fs::create_dir(&path).expect("made");
        let mailbox = Mailbox::open(path.clone(), "one".to_owned()).expect("a mailbox");
        fs::write(path.join("one.7.ask"), "\"approvals\"").expect("written");
        let commands = mailbox.take_commands();
        assert_eq!(commands[0].command, Command::Approvals);
        fs::remove_dir_all(&path).expect("removed");
        mailbox.answer(&commands[0], &json!({}));
        assert!(!path.exists());
    }
}

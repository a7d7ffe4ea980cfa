//! What `mimo doctor` looks at outside of Mimo: folders, disk, file system, the PATH, and
//! the other Mimos.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use super::{Finding, State};
use crate::config::{Config, Environment};
use crate::limits::{DISK_FREE_BYTES_GOOD, DISK_FREE_BYTES_MIN};
use crate::platform;
use crate::printable::shell_word;
use crate::registry::instances;

/// File systems on other machines, or without the locks that SQLite's log needs.
const NETWORK: [&str; 17] = [
    "9p",
    "afs",
    "afpfs",
    "beegfs",
    "ceph",
    "cifs",
    "davfs",
    "drvfs",
    "gfs2",
    "glusterfs",
    "lustre",
    "nfs",
    "nfs4",
    "ocfs2",
    "smb3",
    "smbfs",
    "webdav",
];
/// Such file systems that are FUSE programs.
const NETWORK_FUSE: [&str; 6] = [
    "fuse.sshfs",
    "fuse.rclone",
    "fuse.s3fs",
    "fuse.glusterfs",
    "fuse.davfs",
    "fuse.gcsfuse",
];

pub(super) fn folder(name: &'static str, path: &Path) -> Finding {
    let shown = path.display();
    let found = match path.metadata() {
        Ok(found) => found,
        // The first write creates it.
        Err(error) if error.kind() == ErrorKind::NotFound => {
            let above = existing(path);
            return match platform::may_write_in_folder(&above) {
                true => Finding::new(name, State::Ok, format!("{shown}, not made yet")),
                false => {
                    let why = format!("{shown} cannot be made: {} is not yours", above.display());
                    Finding::new(name, State::Failed, why).next(format!(
                        "give your account the right to write {}, or name another folder with \
                         --{}-dir",
                        above.display(),
                        name.trim_end_matches(" folder")
                    ))
                }
            };
        }
        Err(error) => {
            return Finding::new(name, State::Failed, format!("{shown}: {error}"))
                .next("give your account the right to enter the folders above it");
        }
    };
    let word = shell_word(&path.to_string_lossy());
    if !found.is_dir() {
        return Finding::new(name, State::Failed, format!("{shown} is not a folder"))
            .next(format!("rename that file: `mv {word} {word}.old`"));
    }
    if !platform::may_write_in_folder(path) {
        return Finding::new(name, State::Failed, format!("{shown} cannot be written")).next(
            format!("as its owner: `chmod u+rwx {word}`, or give it to your account"),
        );
    }
    Finding::new(name, State::Ok, shown.to_string())
}

/// The nearest existing ancestor.
fn existing(path: &Path) -> PathBuf {
    let mut above = path.ancestors().filter(|above| above.exists());
    above.next().unwrap_or(Path::new("/")).to_owned()
}

/// Which other accounts may read or write the database file.
pub(super) fn database_file(config: &Config) -> Option<Finding> {
    let path = &config.database;
    let found = path.metadata().ok()?;
    let (name, shown) = ("database file", path.display());
    let word = shell_word(&path.to_string_lossy());
    if !platform::may_read_and_write(path) {
        return Some(
            Finding::new(
                name,
                State::Failed,
                format!("{shown} cannot be read and written"),
            )
            .next(format!(
                "as its owner: `chmod u+rw {word}`, or give it to your account"
            )),
        );
    }
    Some(match platform::is_open_to_others(&found) {
        Some(false) => Finding::new(name, State::Ok, format!("{shown}, yours alone")),
        None => Finding::new(
            name,
            State::Ok,
            format!("{shown}, open to those who may open its folder"),
        ),
        Some(true) => Finding::new(
            name,
            State::Partial,
            format!("other accounts may open {shown}"),
        )
        .next(format!("`chmod 600 {word}`")),
    })
}

pub(super) fn disk(config: &Config) -> Option<Finding> {
    let folder = existing(&config.data_folder);
    let free = platform::free_bytes(&folder)?;
    let why = format!(
        "{} MB free for {}",
        free / 1_000_000,
        config.data_folder.display()
    );
    let next = "free some space there: writes fail when it is full";
    Some(match free {
        free if free < DISK_FREE_BYTES_MIN => Finding::new("disk", State::Failed, why).next(next),
        free if free < DISK_FREE_BYTES_GOOD => Finding::new("disk", State::Partial, why).next(next),
        _ => Finding::new("disk", State::Ok, why),
    })
}

/// SQLite's log needs memory that all its users share, which no network folder has.
pub(super) fn file_system(config: &Config) -> Option<Finding> {
    let folder = existing(config.database.parent()?);
    let kind = platform::file_system(&folder)?;
    Some(match is_network(&kind) {
        false => Finding::new("file system", State::Ok, format!("{kind}, on this machine")),
        true => {
            let why = format!(
                "{} is on {kind}, a network folder: SQLite can lose what is stored there",
                config.database.display()
            );
            Finding::new("file system", State::Failed, why).next(
                "keep the data on this machine's own disk (--data-dir or MIMO_DATA_DIR), or in \
                 PostgreSQL (`mimo migrate --help`)",
            )
        }
    })
}

fn is_network(kind: &str) -> bool {
    NETWORK.contains(&kind) || NETWORK_FUSE.contains(&kind)
}

/// The `mimo` that a shell starts.
pub(super) fn on_path(environment: &Environment) -> Finding {
    let name = "PATH";
    let Some(own) = &environment.executable else {
        return Finding::new(
            name,
            State::Failed,
            "this program's file no longer exists".into(),
        )
        .next("install Mimo again");
    };
    let program = format!("mimo{}", std::env::consts::EXE_SUFFIX);
    let folders = environment.program_folders.iter();
    let mut found = folders.map(|folder| folder.join(&program));
    // On Windows a path without links has another form than the one that was given.
    let is_own = |first: &Path| first.canonicalize().ok() == own.canonicalize().ok();
    match found.find(|program| program.is_file()) {
        Some(first) if is_own(&first) => Finding::new(
            name,
            State::Ok,
            format!("a shell starts {}", first.display()),
        ),
        Some(first) => {
            let why = format!("a shell starts {}, not {}", first.display(), own.display());
            Finding::new(name, State::Partial, why).next(
                "remove the one that you do not use; `mimo setup` shows which one each client starts",
            )
        }
        None => {
            let folder = own.parent().unwrap_or(Path::new("/")).display();
            let why = format!(
                "{} is not on the PATH, so a shell does not find it",
                own.display()
            );
            Finding::new(name, State::Missing, why).next(format!("add {folder} to PATH"))
        }
    }
}

/// The Mimos that run on the same data.
pub(super) fn running(config: &Config) -> Finding {
    let name = "running";
    let folder = config.running_folder();
    let running = match instances::running_instances(&folder) {
        Ok(running) => running,
        Err(error) => {
            let why = format!("{}: {error}", folder.display());
            return Finding::new(name, State::Failed, why).next(format!(
                "give your account the right to write {}",
                folder.display()
            ));
        }
    };
    let own = env!("CARGO_PKG_VERSION");
    let other = running.iter().find(|each| each.version != own);
    match other {
        Some(other) => {
            let (pid, version) = (other.pid, &other.version);
            let why = format!("process {pid} is Mimo {version}, and this is Mimo {own}");
            let next = format!("restart the client that started process {pid}");
            Finding::new(name, State::Partial, why).next(next)
        }
        None => {
            let count = crate::diagnostics::counted(running.len(), "Mimo", "Mimos");
            Finding::new(
                name,
                State::Ok,
                format!("{count} of version {own} on this data"),
            )
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn network_folders_are_told_from_disks() {
        for (kind, is_remote) in [
            ("ext4", false),
            ("tmpfs", false),
            ("nfs4", true),
            ("fuse.sshfs", true),
            ("9p", true),
        ] {
            assert_eq!(is_network(kind), is_remote, "{kind}");
        }
    }
}

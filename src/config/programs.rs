//! Where version managers and installers put programs. A client that is started from
//! a desktop has a PATH without them.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};

use super::private_folder;
use crate::failure::{Failure, Kind};
use crate::files;
use crate::limits::{RECORDED_PROGRAMS_BYTES_MAX, RECORDED_PROGRAMS_MAX};

/// The file in the data folder with the programs that a shell found.
const RECORD: &str = "programs.json";

/// Programs by their absolute paths, with what each printed for its version; empty
/// where it was not asked.
pub(crate) type Recorded = BTreeMap<PathBuf, String>;

/// Folders below the home folder.
const HOME: [&str; 4] = [".local/bin", ".cargo/bin", ".bun/bin", ".deno/bin"];
/// Folders of versions below the home folder, and where each has its programs. Shims
/// are not among them: they need their manager, which is not in the sandbox.
const VERSIONS: [(&str, &str); 14] = [
    (".nvm/versions/node", "bin"),
    (".local/share/fnm/node-versions", "installation/bin"),
    (".fnm/node-versions", "installation/bin"),
    (
        "Library/Application Support/fnm/node-versions",
        "installation/bin",
    ),
    (".volta/tools/image/node", "bin"),
    (".asdf/installs/nodejs", "bin"),
    (".asdf/installs/python", "bin"),
    (".asdf/installs/uv", "bin"),
    (".local/share/mise/installs/node", "bin"),
    (".local/share/mise/installs/python", "bin"),
    (".local/share/mise/installs/uv", ""),
    (".nodenv/versions", "bin"),
    (".pyenv/versions", "bin"),
    (".local/share/uv/python", "bin"),
];
const SYSTEM: [&str; 4] = [
    "/opt/homebrew/bin",
    "/home/linuxbrew/.linuxbrew/bin",
    "/run/current-system/sw/bin",
    "/snap/node/current/bin",
];

/// The folders that exist; of several versions the newest comes first.
pub(super) fn folders(home: Option<&Path>) -> Vec<PathBuf> {
    let own = home.map(|home| {
        let fixed = HOME.iter().map(|folder| home.join(folder));
        let versions = VERSIONS
            .iter()
            .flat_map(|(folder, inner)| newest_first(&home.join(folder), inner));
        fixed.chain(versions).collect::<Vec<_>>()
    });
    let system = SYSTEM.iter().map(PathBuf::from);
    let all = own.unwrap_or_default().into_iter().chain(system);
    all.filter(|folder| folder.is_dir()).collect()
}

fn newest_first(folder: &Path, inner: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut versions: Vec<(Vec<u64>, PathBuf)> = entries
        .map(|entry| {
            (
                numbers(&entry.file_name().to_string_lossy()),
                entry.path().join(inner),
            )
        })
        .collect();
    // `v24.0.0-nightly` comes after every release.
    let is_early = |path: &Path| {
        let name = path.strip_prefix(folder).unwrap_or(path).to_string_lossy();
        let name = name.strip_prefix('v').unwrap_or(&name);
        name.starts_with(|c: char| c.is_ascii_digit()) && name.contains('-')
    };
    versions
        .sort_by_key(|(version, path)| (is_early(path), Reverse((version.clone(), path.clone()))));
    versions.into_iter().map(|(_, path)| path).collect()
}

/// What the last shell recorded; a file that cannot be read records nothing.
pub(super) fn recorded(data_folder: &Path) -> Recorded {
    let read = || {
        let file = File::open(data_folder.join(RECORD)).ok()?;
        let mut text = Vec::new();
        let mut bounded = file.take(RECORDED_PROGRAMS_BYTES_MAX);
        bounded.read_to_end(&mut text).ok()?;
        serde_json::from_slice(&text).ok()
    };
    read().unwrap_or_default()
}

/// Keeps `programs` for the Mimos that clients start, whose PATH may be short.
pub(crate) fn record(data_folder: &Path, programs: &Recorded) -> Result<(), Failure> {
    private_folder(data_folder)?;
    let kept = programs.iter().take(RECORDED_PROGRAMS_MAX);
    let text = serde_json::to_vec_pretty(&kept.collect::<BTreeMap<_, _>>());
    let file = data_folder.join(RECORD);
    files::replace(&file, &text.map_err(Failure::internal)?).map_err(|error| {
        let message = format!("{} cannot be written: {error}", file.display());
        Failure::new(Kind::Unavailable, message).hint("check that your account may write there")
    })
}

/// The numbers in a version: `v9.1.0` comes before `v10.0.0`. A name without one is
/// an alias, and comes last.
fn numbers(name: &str) -> Vec<u64> {
    name.split(|c: char| !c.is_ascii_digit())
        .filter_map(|part| part.parse().ok())
        .collect()
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn newest_version_of_each_manager_comes_first() {
        let home = tempfile::tempdir().expect("a folder");
        for folder in [
            ".nvm/versions/node/v9.9.0/bin",
            ".nvm/versions/node/v22.1.0/bin",
            ".nvm/versions/node/v24.0.0-nightly20260101/bin",
            ".pyenv/versions/3.9.1/bin",
            ".pyenv/versions/3.12.0/bin",
            ".pyenv/shims",
            ".local/bin",
        ] {
            fs::create_dir_all(home.path().join(folder)).expect("made");
        }
        let found = folders(Some(home.path()));
        let own = found
            .iter()
            .filter_map(|path| path.strip_prefix(home.path()).ok());
        let own: Vec<_> = own
            .map(|path| path.to_string_lossy().into_owned())
            .collect();
        assert_eq!(
            own,
            [
                ".local/bin",
                ".nvm/versions/node/v22.1.0/bin",
                ".nvm/versions/node/v9.9.0/bin",
                ".nvm/versions/node/v24.0.0-nightly20260101/bin",
                ".pyenv/versions/3.12.0/bin",
                ".pyenv/versions/3.9.1/bin"
            ]
        );
    }
}

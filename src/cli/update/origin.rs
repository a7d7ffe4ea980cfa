//! How this Mimo was installed, by the path of its program and the files that each
//! package manager leaves beside it.

use std::fs;
use std::path::{Path, PathBuf};

use crate::printable::shell_word;

/// The name of the package, everywhere.
const PACKAGE: &str = env!("CARGO_PKG_NAME");

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    /// With the folder that holds `bin`, and the source as cargo records it.
    Cargo {
        root: PathBuf,
        source: String,
    },
    /// Built in this checkout.
    Checkout(PathBuf),
    Npm,
    /// In a project's own folder.
    NpmProject(PathBuf),
    Npx,
    UvTool,
    Uvx,
    Pipx,
    /// With the Python that it is installed for.
    Pip(PathBuf),
    /// Likewise, installed by uv.
    UvPip(PathBuf),
    Homebrew,
    Debian,
    ClaudeDesktop,
    /// Installed in an unknown way.
    Archive,
}

impl Origin {
    /// Of the program at this path without symlinks.
    pub(super) fn of(program: &Path) -> Origin {
        node(program)
            .or_else(|| python(program))
            .or_else(|| homebrew(program))
            .or_else(|| debian(program))
            .or_else(|| cargo(program))
            .or_else(|| claude_desktop(program))
            .unwrap_or(Origin::Archive)
    }

    /// Completes the sentence `This is Mimo 0.1.0, installed with npm`.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Origin::Cargo { .. } => "installed with cargo",
            Origin::Checkout(_) => "built in a checkout",
            Origin::Npm | Origin::NpmProject(_) => "installed with npm",
            Origin::Npx => "fetched by npx",
            Origin::UvTool | Origin::UvPip(_) => "installed with uv",
            Origin::Uvx => "fetched by uvx",
            Origin::Pipx => "installed with pipx",
            Origin::Pip(_) => "installed with pip",
            Origin::Homebrew => "installed with Homebrew",
            Origin::Debian => "installed as a Debian package",
            Origin::ClaudeDesktop => "an extension of Claude Desktop",
            Origin::Archive => "installed from an archive",
        }
    }

    /// The commands that install the newest version, at most two. `folder` is the
    /// address of the release's files, `version` the newest one, if known.
    pub(super) fn commands(&self, folder: Option<&str>, version: Option<&str>) -> Vec<String> {
        let one = |command: String| vec![command];
        let path = |path: &Path| shell_word(&path.to_string_lossy());
        match self {
            Origin::Cargo { root, source } => cargo_commands(root, source),
            Origin::Checkout(folder) => {
                let folder = path(folder);
                let build = format!("cargo build --release --manifest-path {folder}/Cargo.toml");
                vec![format!("git -C {folder} pull"), build]
            }
            Origin::Npm => one(format!("npm install -g {PACKAGE}@latest")),
            Origin::NpmProject(folder) => {
                let folder = path(folder);
                one(format!("npm install --prefix {folder} {PACKAGE}@latest"))
            }
            Origin::Npx => one(format!("npx -y {PACKAGE}@latest --version")),
            Origin::UvTool => one(format!("uv tool upgrade {PACKAGE}")),
            Origin::Uvx => one(format!("uvx {PACKAGE}@latest --version")),
            Origin::Pipx => one(format!("pipx upgrade {PACKAGE}")),
            Origin::Pip(python) => {
                let python = path(python);
                one(format!("{python} -m pip install --upgrade {PACKAGE}"))
            }
            Origin::UvPip(python) => {
                let python = path(python);
                one(format!(
                    "uv pip install --python {python} --upgrade {PACKAGE}"
                ))
            }
            Origin::Homebrew => one(format!("brew upgrade {PACKAGE}")),
            Origin::Debian => {
                let architecture = match std::env::consts::ARCH {
                    "x86_64" => "amd64",
                    "aarch64" => "arm64",
                    other => other,
                };
                let both = folder.zip(version).map(|(folder, version)| {
                    let file = format!("{PACKAGE}_{version}_{architecture}.deb");
                    vec![
                        format!("curl -fLO {}", shell_word(&format!("{folder}/{file}"))),
                        format!("sudo apt install ./{file}"),
                    ]
                });
                both.unwrap_or_default()
            }
            Origin::Archive if cfg!(windows) => {
                const ARCHIVE: &str = "mimo-x86_64-pc-windows-gnu.tar.gz";
                let fetch = |folder| {
                    let address = shell_word(&format!("{folder}/{ARCHIVE}"));
                    vec![format!("curl -fLO {address}"), format!("tar -xf {ARCHIVE}")]
                };
                folder.map(fetch).unwrap_or_default()
            }
            Origin::Archive => {
                let script = folder.map(|folder| {
                    let script = shell_word(&format!("{folder}/install.sh"));
                    one(format!("curl -fsSL {script} | sh"))
                });
                script.unwrap_or_default()
            }
            // A person opens this file.
            Origin::ClaudeDesktop => Vec::new(),
        }
    }
}

/// A package of npm with the program of one platform.
fn node(program: &Path) -> Option<Origin> {
    let is_modules = |folder: &&Path| folder.ends_with("node_modules");
    let inner = program.ancestors().find(is_modules)?;
    let package = program.strip_prefix(inner).ok()?.iter().next()?;
    if !package.to_str()?.starts_with(PACKAGE) {
        return None;
    }
    let outer = program.ancestors().filter(is_modules).last()?.parent()?;
    let is_of_npx = outer.parent().is_some_and(|it| it.ends_with("_npx"));
    Some(match is_of_npx {
        true => Origin::Npx,
        // Global packages lie in PREFIX/lib/node_modules.
        false if outer.ends_with("lib") => Origin::Npm,
        false => Origin::NpmProject(outer.to_owned()),
    })
}

/// A wheel in the environment whose `bin` has the program.
fn python(program: &Path) -> Option<Origin> {
    let bin = program.parent()?;
    let root = bin.parent()?;
    if root.join("uv-receipt.toml").is_file() {
        return Some(Origin::UvTool);
    }
    if root.join("pipx_metadata.json").is_file() {
        return Some(Origin::Pipx);
    }
    let wheel = format!("{}-", PACKAGE.replace('-', "_"));
    let is_wheel = |path: &PathBuf| {
        let name = path.file_name().and_then(|name| name.to_str());
        name.is_some_and(|name| name.starts_with(&wheel) && name.ends_with(".dist-info"))
    };
    let pythons = entries(&root.join("lib")).into_iter();
    let record = pythons
        .flat_map(|python| entries(&python.join("site-packages")))
        .find(is_wheel)?;
    if root
        .ancestors()
        .any(|folder| folder.ends_with("archive-v0"))
    {
        return Some(Origin::Uvx);
    }
    let python = Some(bin.join("python")).filter(|python| python.exists());
    let python = python.unwrap_or_else(|| "python3".into());
    let installer = fs::read_to_string(record.join("INSTALLER")).unwrap_or_default();
    Some(match installer.trim() {
        "uv" => Origin::UvPip(python),
        _ => Origin::Pip(python),
    })
}

fn homebrew(program: &Path) -> Option<Origin> {
    let cellar = Path::new("Cellar").join(PACKAGE);
    let mut folders = program.ancestors();
    folders
        .any(|folder| folder.ends_with(&cellar))
        .then_some(Origin::Homebrew)
}

/// A file of the package, by dpkg's own list.
fn debian(program: &Path) -> Option<Origin> {
    let root = program.ancestors().nth(3)?;
    let list = root.join(format!("var/lib/dpkg/info/{PACKAGE}.list"));
    let inside = Path::new("/").join(program.strip_prefix(root).ok()?);
    let files = fs::read_to_string(list).ok()?;
    let mut files = files.lines().map(Path::new);
    files.any(|file| file == inside).then_some(Origin::Debian)
}

/// In cargo's bin folder, or in a build folder.
fn cargo(program: &Path) -> Option<Origin> {
    let folder = program.parent()?;
    let root = folder.parent()?;
    if let Ok(installed) = fs::read_to_string(root.join(".crates.toml")) {
        let begin = format!("\"{PACKAGE} ");
        let mut lines = installed.lines();
        let line = lines.find(|line| line.starts_with(&begin))?;
        let (_, source) = line.split_once('(')?;
        let (source, _) = source.split_once(")\"")?;
        return Some(Origin::Cargo {
            root: root.to_owned(),
            source: source.to_owned(),
        });
    }
    // The profile's folder may be in that of a target.
    let mut folders = root.ancestors().take(2);
    let target = folders.find(|folder| folder.join(".rustc_info.json").is_file())?;
    let checkout = target.parent()?;
    let is_checkout = checkout.join("Cargo.toml").is_file();
    is_checkout.then(|| Origin::Checkout(checkout.to_owned()))
}

fn cargo_commands(root: &Path, source: &str) -> Vec<String> {
    // Cargo's default folder need not be named.
    let root = match root.ends_with(".cargo") {
        true => String::new(),
        false => format!(" --root {}", shell_word(&root.to_string_lossy())),
    };
    let path = source.strip_prefix("path+file://");
    if let Some(path) = path.map(|path| path.split('#').next().unwrap_or(path)) {
        let path = shell_word(path);
        return vec![
            format!("git -C {path} pull"),
            format!("cargo install --locked --path {path}{root}"),
        ];
    }
    vec![match source.strip_prefix("git+") {
        Some(address) => {
            let address = address.split(['?', '#']).next().unwrap_or(address);
            format!("cargo install --locked --git {}{root}", shell_word(address))
        }
        None => format!("cargo install --locked {PACKAGE}{root}"),
    }]
}

/// A bundle that Claude Desktop unpacked.
fn claude_desktop(program: &Path) -> Option<Origin> {
    let root = program.parent()?.parent()?;
    let manifest = fs::read(root.join("manifest.json")).ok()?;
    let manifest: serde_json::Value = serde_json::from_slice(&manifest).ok()?;
    (manifest["name"] == PACKAGE).then_some(Origin::ClaudeDesktop)
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.map(|entry| entry.path()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The origin of a program at `path` beside `files`, and its commands.
    fn found(path: &str, files: &[(&str, &str)]) -> (Origin, String) {
        let folder = tempfile::tempdir().expect("a folder");
        let root = folder.path().canonicalize().expect("a path");
        for (file, text) in [&[(path, "")], files].concat() {
            let file = root.join(file);
            fs::create_dir_all(file.parent().expect("a folder")).expect("made");
            fs::write(file, text).expect("written");
        }
        let origin = Origin::of(&root.join(path));
        let folder = Some("https://a.example/new files");
        let commands = origin.commands(folder, Some("9.8.7")).join("\n");
        let commands = commands.replace(&*root.to_string_lossy(), "ROOT");
        (origin, commands)
    }

    #[cfg(unix)]
    #[test]
    fn each_way_of_installing_is_found_with_its_commands() {
        let wheel = "v/lib/python3.12/site-packages/mimo_mcp-0.1.0.dist-info/INSTALLER";
        let crates = |source: &str| format!("[v1]\n\"mimo-mcp 0.1.0 ({source})\" = [\"mimo\"]\n");
        let registry = crates("registry+https://github.com/rust-lang/crates.io-index");
        let from_git = crates("git+https://git.example/mimo?branch=main#0123");
        let from_path = crates("path+file:///src/mimo");
        let module = "node_modules/mimo-mcp/node_modules/mimo-mcp-linux-x64/bin/mimo";
        let global = format!("usr/lib/{module}");
        let project = format!("app/{module}");
        let npx = "npm/_npx/0a1b/node_modules/mimo-mcp-linux-x64/bin/mimo";
        for (path, files, name, commands) in [
            (
                &*global,
                &[][..],
                "with npm",
                "npm install -g mimo-mcp@latest",
            ),
            (
                &project,
                &[],
                "with npm",
                "npm install --prefix ROOT/app mimo-mcp@latest",
            ),
            (npx, &[], "by npx", "npx -y mimo-mcp@latest --version"),
            (
                "t/bin/mimo",
                &[("t/uv-receipt.toml", "")],
                "with uv",
                "uv tool upgrade mimo-mcp",
            ),
            (
                "t/bin/mimo",
                &[("t/pipx_metadata.json", "{}")],
                "with pipx",
                "pipx upgrade mimo-mcp",
            ),
            (
                "v/bin/mimo",
                &[(wheel, "pip\n"), ("v/bin/python", "")],
                "with pip",
                "ROOT/v/bin/python -m pip install --upgrade mimo-mcp",
            ),
            (
                "v/bin/mimo",
                &[(wheel, "pip\n")],
                "with pip",
                "python3 -m pip install --upgrade mimo-mcp",
            ),
            (
                "v/bin/mimo",
                &[(wheel, "uv\n"), ("v/bin/python", "")],
                "with uv",
                "uv pip install --python ROOT/v/bin/python --upgrade mimo-mcp",
            ),
            (
                "c/archive-v0/x/bin/mimo",
                &[(
                    "c/archive-v0/x/lib/python3.12/site-packages/mimo_mcp-0.1.0.dist-info/INSTALLER",
                    "uv",
                )],
                "by uvx",
                "uvx mimo-mcp@latest --version",
            ),
            (
                "brew/Cellar/mimo-mcp/0.1.0/bin/mimo",
                &[],
                "Homebrew",
                "brew upgrade mimo-mcp",
            ),
            (
                "usr/bin/mimo",
                &[(
                    "var/lib/dpkg/info/mimo-mcp.list",
                    "/.\n/usr/bin\n/usr/bin/mimo\n",
                )],
                "Debian",
                "curl -fLO 'https://a.example/new files/mimo-mcp_9.8.7_ARCH.deb'\n\
                 sudo apt install ./mimo-mcp_9.8.7_ARCH.deb",
            ),
            (
                "h/.cargo/bin/mimo",
                &[("h/.cargo/.crates.toml", &registry)],
                "with cargo",
                "cargo install --locked mimo-mcp",
            ),
            (
                "opt/bin/mimo",
                &[("opt/.crates.toml", &from_git)],
                "with cargo",
                "cargo install --locked --git https://git.example/mimo --root ROOT/opt",
            ),
            (
                "h/.cargo/bin/mimo",
                &[("h/.cargo/.crates.toml", &from_path)],
                "with cargo",
                "git -C /src/mimo pull\ncargo install --locked --path /src/mimo",
            ),
            (
                "my mimo/target/release/mimo",
                &[
                    ("my mimo/target/.rustc_info.json", "{}"),
                    ("my mimo/Cargo.toml", ""),
                ],
                "in a checkout",
                "git -C 'ROOT/my mimo' pull\n\
                 cargo build --release --manifest-path 'ROOT/my mimo'/Cargo.toml",
            ),
            (
                "e/server/mimo",
                &[("e/manifest.json", "{\"name\": \"mimo-mcp\"}")],
                "Claude Desktop",
                "",
            ),
            (
                "h/.local/bin/mimo",
                &[],
                "from an archive",
                "curl -fsSL 'https://a.example/new files/install.sh' | sh",
            ),
            // A program of another package is none of these.
            (
                "x/node_modules/other/bin/mimo",
                &[("h/.crates.toml", "[v1]\n")],
                "from an archive",
                "curl -fsSL 'https://a.example/new files/install.sh' | sh",
            ),
        ] {
            let (origin, found) = found(path, files);
            assert!(origin.name().contains(name), "{path}: {origin:?}");
            let found = found.replace("amd64", "ARCH").replace("arm64", "ARCH");
            assert_eq!(found, commands, "{path}");
        }
    }
}

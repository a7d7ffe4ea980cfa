//! A trusted folder with programs of the right names, and rules for it.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use mimo::secret::Secret;
use mimo::skills::rules::Rules;
use tempfile::TempDir;

use super::machine::trusted_folder;

/// The placeholder for the fixture's folder in manifests.
pub const MARK: &str = "/FIXTURE";

pub struct Fixture {
    folder: TempDir,
}

pub fn mode(path: &Path, bits: u32) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(bits)).expect("a mode");
}

/// A new folder whose programs Mimo trusts, unlike those in a temporary folder.
pub fn trusted_dir() -> TempDir {
    TempDir::new_in(trusted_folder()).expect("a folder")
}

impl Fixture {
    pub fn new() -> Fixture {
        let folder = trusted_dir();
        mode(folder.path(), 0o755);
        let made = Fixture { folder };
        for name in ["bin", "home", "home/work", "config", "data"] {
            std::fs::create_dir(made.path(name)).expect("a folder");
            mode(&made.path(name), 0o755);
        }
        for name in [
            "npx", "docker", "uvx", "node", "python3", "server", "bash", "bun", "bunx", "pnpm",
            "deno",
        ] {
            made.file(&format!("bin/{name}"), 0o755);
        }
        made.file("home/server.js", 0o644);
        made
    }

    pub fn file(&self, name: &str, bits: u32) -> PathBuf {
        let path = self.path(name);
        std::fs::write(&path, "#!/bin/false\n").expect("a file");
        mode(&path, bits);
        path
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// `text` with the placeholder replaced by the fixture's folder.
    pub fn fill(&self, text: &str) -> String {
        text.replace(MARK, &self.folder.path().display().to_string())
    }

    /// The default rules.
    pub fn strict(&self) -> Rules {
        Rules {
            commands: vec!["npx".into(), "docker".into()],
            path: vec![self.path("bin")],
            recorded: BTreeMap::new(),
            temporary: vec![PathBuf::from("/tmp"), self.path("tmp")],
            secrets: BTreeMap::from([
                ("EXA_API_KEY".into(), None),
                ("GITHUB_TOKEN".into(), Some(Secret::new("hunter2"))),
            ]),
            inherited: BTreeMap::from([("TZ".into(), "UTC".into())]),
            fetching: BTreeMap::new(),
            home: Some(self.path("home")),
            no_sandbox: false,
            protected: vec![self.path("config"), self.path("data")],
        }
    }

    /// The rules of an operator who allows everything possible.
    pub fn generous(&self) -> Rules {
        let mut rules = self.strict();
        let more = ["uvx", "node", "python3", "bunx", "pnpm", "deno"].map(str::to_owned);
        rules.commands.extend(more);
        for name in [
            "bin/server",
            "bin/bash",
            "bin/node",
            "home/open",
            "tmp/server",
        ] {
            rules.commands.push(self.path(name).display().to_string());
        }
        rules
    }
}

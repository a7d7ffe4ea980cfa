//! The AI clients that start Mimo: where each keeps its settings, and how
//! Mimo's entry is found, added and removed without touching anything else.
//! Only `file` reads and writes.

mod entry;
pub(crate) mod file;
mod json;
pub(crate) mod lines;
mod toml;
mod yaml;

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::diagnostics::Diagnostic;

use entry::Keys;
pub(crate) use entry::{ENTRY, Entry, FoundEntry, Remote, Target};

/// The names by which clients are chosen, in the order of [`Client::ALL`].
pub(crate) const NAMES: [&str; 15] = [
    "claude-desktop",
    "claude-code",
    "cursor",
    "vscode",
    "windsurf",
    "zed",
    "codex",
    "gemini",
    "opencode",
    "vscode-insiders",
    "cline",
    "lm-studio",
    "continue",
    "goose",
    "jan",
];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Client {
    ClaudeDesktop,
    ClaudeCode,
    Cursor,
    VsCode,
    Windsurf,
    Zed,
    Codex,
    Gemini,
    OpenCode,
    VsCodeInsiders,
    Cline,
    LmStudio,
    Continue,
    Goose,
    Jan,
}

/// The folders that clients keep their settings under.
#[derive(Clone, Debug, Default)]
pub(crate) struct ClientFolders {
    pub(crate) home: Option<PathBuf>,
    /// Where this platform keeps programs' settings.
    pub(crate) settings: Option<PathBuf>,
    /// What `CLAUDE_CONFIG_DIR` names.
    pub(crate) claude_code: Option<PathBuf>,
    /// What `CODEX_HOME` names.
    pub(crate) codex: Option<PathBuf>,
    /// What `CONTINUE_GLOBAL_DIR` names.
    pub(crate) continue_: Option<PathBuf>,
    /// What `GOOSE_PATH_ROOT` names.
    pub(crate) goose: Option<PathBuf>,
    /// Jan's data folder, which its user may move.
    pub(crate) jan: Option<PathBuf>,
}

/// The format of a client's settings.
#[derive(Clone, Copy)]
enum FileFormat {
    /// JSON, perhaps with comments: the key that holds the servers.
    Json {
        servers: &'static str,
    },
    /// TOML, under `mcp_servers`.
    Toml,
    Yaml(yaml::Layout),
}

/// Continue's settings.
const CONTINUE: yaml::Layout = yaml::Layout {
    servers: "mcpServers",
    is_list: true,
    head: "name: Local Config\nversion: 1.0.0\nschema: v1\n",
};

/// Goose's settings.
const GOOSE: yaml::Layout = yaml::Layout {
    servers: "extensions",
    is_list: false,
    head: "",
};

impl Client {
    pub(crate) const ALL: [Client; 15] = [
        Client::ClaudeDesktop,
        Client::ClaudeCode,
        Client::Cursor,
        Client::VsCode,
        Client::Windsurf,
        Client::Zed,
        Client::Codex,
        Client::Gemini,
        Client::OpenCode,
        Client::VsCodeInsiders,
        Client::Cline,
        Client::LmStudio,
        Client::Continue,
        Client::Goose,
        Client::Jan,
    ];

    pub(crate) fn named(name: &str) -> Option<Client> {
        Client::ALL.into_iter().find(|each| each.name() == name)
    }

    pub(crate) fn name(self) -> &'static str {
        NAMES[self as usize]
    }

    /// The name that people know.
    pub(crate) fn title(self) -> &'static str {
        match self {
            Client::ClaudeDesktop => "Claude Desktop",
            Client::ClaudeCode => "Claude Code",
            Client::Cursor => "Cursor",
            Client::VsCode => "VS Code",
            Client::Windsurf => "Windsurf",
            Client::Zed => "Zed",
            Client::Codex => "Codex",
            Client::Gemini => "Gemini CLI",
            Client::OpenCode => "opencode",
            Client::VsCodeInsiders => "VS Code Insiders",
            Client::Cline => "Cline",
            Client::LmStudio => "LM Studio",
            Client::Continue => "Continue",
            Client::Goose => "Goose",
            Client::Jan => "Jan",
        }
    }

    /// The settings of the whole account; `None` where it has no folder for them.
    pub(crate) fn settings(self, places: &ClientFolders) -> Option<PathBuf> {
        let home = |path: &str| places.home.as_ref().map(|home| home.join(path));
        let settings = |path: &str| places.settings.as_ref().map(|folder| folder.join(path));
        match self {
            Client::ClaudeDesktop => settings("Claude/claude_desktop_config.json"),
            Client::ClaudeCode => match &places.claude_code {
                Some(folder) => Some(folder.join(".claude.json")),
                None => home(".claude.json"),
            },
            Client::Cursor => home(".cursor/mcp.json"),
            Client::VsCode => settings("Code/User/mcp.json"),
            Client::Windsurf => home(".codeium/windsurf/mcp_config.json"),
            // On macOS too.
            Client::Zed if cfg!(target_os = "macos") => home(".config/zed/settings.json"),
            Client::Zed => settings("zed/settings.json"),
            Client::Codex => match &places.codex {
                Some(folder) => Some(folder.join("config.toml")),
                None => home(".codex/config.toml"),
            },
            Client::Gemini => home(".gemini/settings.json"),
            Client::OpenCode if cfg!(target_os = "macos") => {
                home(".config/opencode").map(|folder| opencode_file(&folder))
            }
            Client::OpenCode => settings("opencode").map(|folder| opencode_file(&folder)),
            Client::VsCodeInsiders => settings("Code - Insiders/User/mcp.json"),
            Client::Cline => home(".cline/data/settings/cline_mcp_settings.json"),
            Client::LmStudio => home(".lmstudio/mcp.json"),
            Client::Continue => match &places.continue_ {
                Some(folder) => Some(folder.join("config.yaml")),
                None => home(".continue/config.yaml"),
            },
            Client::Goose => match &places.goose {
                Some(folder) => Some(folder.join("config/config.yaml")),
                None if cfg!(target_os = "macos") => home(".config/goose/config.yaml"),
                None => settings("goose/config.yaml"),
            },
            Client::Jan => places.jan.as_ref().map(|data| data.join("mcp_config.json")),
        }
    }

    /// Whether this account seems to have the client: its settings, or a folder of its own
    /// for them.
    pub(crate) fn is_found(self, places: &ClientFolders) -> bool {
        let home = places.home.as_deref();
        if self == Client::ClaudeCode && home.is_some_and(|home| home.join(".claude").is_dir()) {
            return true;
        }
        self.settings(places).is_some_and(|file| {
            let folder = file.parent().filter(|folder| Some(*folder) != home);
            file.exists() || folder.is_some_and(Path::is_dir)
        })
    }

    /// The older file that the client reads as long as `file` does not exist.
    pub(crate) fn replaced_settings(self, file: &Path) -> Option<PathBuf> {
        let older = (self == Client::Continue).then(|| file.with_extension("json"))?;
        (older.exists() && !file.exists()).then_some(older)
    }

    /// The settings of the project in `folder` alone; `None` where the client
    /// knows no such file.
    pub(crate) fn settings_of_project(self, folder: &Path) -> Option<PathBuf> {
        let inside = match self {
            Client::ClaudeDesktop
            | Client::Windsurf
            | Client::Cline
            | Client::LmStudio
            | Client::Continue
            | Client::Goose
            | Client::Jan => return None,
            Client::ClaudeCode => ".mcp.json",
            Client::Cursor => ".cursor/mcp.json",
            Client::VsCode | Client::VsCodeInsiders => ".vscode/mcp.json",
            Client::Zed => ".zed/settings.json",
            Client::Codex => ".codex/config.toml",
            Client::Gemini => ".gemini/settings.json",
            Client::OpenCode => return Some(opencode_file(folder)),
        };
        Some(folder.join(inside))
    }

    fn format(self) -> FileFormat {
        let servers = match self {
            Client::VsCode | Client::VsCodeInsiders => "servers",
            Client::Zed => "context_servers",
            Client::OpenCode => "mcp",
            Client::Codex => return FileFormat::Toml,
            Client::Continue => return FileFormat::Yaml(CONTINUE),
            Client::Goose => return FileFormat::Yaml(GOOSE),
            _ => "mcpServers",
        };
        FileFormat::Json { servers }
    }

    /// The way in which its settings name a variable of the environment within a
    /// header; `None` for a client that cannot send a key from there.
    fn header_variable(self, name: &str) -> Option<String> {
        Some(match self {
            Client::ClaudeDesktop
            | Client::Zed
            | Client::Cline
            | Client::LmStudio
            | Client::Continue
            | Client::Goose
            | Client::Jan => return None,
            // By a key of its own.
            Client::Codex => name.to_owned(),
            Client::ClaudeCode | Client::Gemini => format!("${{{name}}}"),
            Client::Cursor | Client::VsCode | Client::VsCodeInsiders | Client::Windsurf => {
                format!("${{env:{name}}}")
            }
            Client::OpenCode => format!("{{env:{name}}}"),
        })
    }

    /// Whether it reaches a server over HTTP with a key from the environment. Others
    /// start `mimo connect`.
    pub(crate) fn sends_keys(self) -> bool {
        self.header_variable("").is_some()
    }

    /// The keys of an entry that leads to `target`; `None` if it `sends_keys` to none.
    fn keys(self, target: &Target) -> Option<Keys> {
        let Remote { url, key_variable } = match target {
            Target::Remote(remote) => remote,
            Target::Program(entry) => return Some(self.program_keys(entry)),
        };
        let variable = self.header_variable(key_variable)?;
        let headers = json!({"Authorization": format!("Bearer {variable}")});
        Some(match self {
            Client::Codex => vec![
                ("url", json!(url)),
                ("bearer_token_env_var", json!(variable)),
            ],
            Client::ClaudeCode | Client::VsCode | Client::VsCodeInsiders => vec![
                ("type", json!("http")),
                ("url", json!(url)),
                ("headers", headers),
            ],
            // Otherwise it would start a sign-in.
            Client::OpenCode => vec![
                ("type", json!("remote")),
                ("url", json!(url)),
                ("headers", headers),
                ("oauth", json!(false)),
            ],
            Client::Gemini => vec![("httpUrl", json!(url)), ("headers", headers)],
            Client::Windsurf => vec![("serverUrl", json!(url)), ("headers", headers)],
            _ => vec![("url", json!(url)), ("headers", headers)],
        })
    }

    fn program_keys(self, Entry { command, args, env }: &Entry) -> Keys {
        let mut keys = match self {
            Client::VsCode | Client::VsCodeInsiders => vec![("type", json!("stdio"))],
            Client::OpenCode => vec![("type", json!("local"))],
            Client::Goose => vec![
                ("enabled", json!(true)),
                ("type", json!("stdio")),
                ("name", json!(ENTRY)),
                ("description", json!("Memory for AI clients")),
            ],
            _ => Vec::new(),
        };
        if self == Client::OpenCode {
            let words = std::iter::once(command).chain(args);
            keys.push(("command", words.cloned().collect()));
        } else {
            let program = if self == Client::Goose {
                "cmd"
            } else {
                "command"
            };
            keys.extend([(program, json!(command)), ("args", json!(args))]);
        }
        if !env.is_empty() {
            let key = match self {
                Client::OpenCode => "environment",
                Client::Goose => "envs",
                _ => "env",
            };
            keys.push((key, Value::Object(env.iter().cloned().collect())));
        }
        if self == Client::Jan {
            // It starts only servers whose entry has this key.
            keys.push(("active", json!(true)));
        }
        keys
    }

    /// Fails if the client could not read `text` although Mimo can: few clients support
    /// comments and trailing commas in JSON.
    pub(crate) fn check_readable(self, text: &str) -> Result<(), Diagnostic> {
        let has_comments = match self {
            Client::ClaudeDesktop | Client::ClaudeCode | Client::Cline | Client::Jan => false,
            Client::Gemini => true,
            _ => return Ok(()),
        };
        json::check_plain(text, self.title(), has_comments)
    }

    pub(crate) fn find(self, text: &str) -> Result<Option<FoundEntry>, Diagnostic> {
        match self.format() {
            FileFormat::Json { servers } => json::find(text, servers),
            FileFormat::Toml => toml::find(text),
            FileFormat::Yaml(layout) => yaml::find(text, layout),
        }
    }

    /// `text` with an entry in it that leads to `target`; unchanged where it is there
    /// already, or the client [`sends_keys`](Client::sends_keys) to none.
    pub(crate) fn put(self, text: &str, target: &Target) -> Result<String, Diagnostic> {
        let Some(keys) = self.keys(target) else {
            return Ok(text.to_owned());
        };
        match self.format() {
            FileFormat::Json { servers } => json::put(text, servers, &keys),
            FileFormat::Toml => toml::put(text, &keys),
            FileFormat::Yaml(layout) => yaml::put(text, layout, &keys),
        }
    }

    /// `text` without the entry; unchanged where there is none.
    pub(crate) fn remove_entry(self, text: &str) -> Result<String, Diagnostic> {
        match self.format() {
            FileFormat::Json { servers } => json::remove_entry(text, servers),
            FileFormat::Toml => toml::remove_entry(text),
            FileFormat::Yaml(layout) => yaml::remove_entry(text, layout),
        }
    }

    /// The keys that lead to each map of servers in `text`: the account's, and those
    /// of projects.
    pub(crate) fn maps(self, text: &str) -> Result<Vec<Vec<String>>, Diagnostic> {
        let servers = match self.format() {
            FileFormat::Json { servers } => servers.to_owned(),
            FileFormat::Toml | FileFormat::Yaml(_) => return Ok(vec![Vec::new()]),
        };
        let mut maps = vec![vec![servers.clone()]];
        if self == Client::ClaudeCode {
            let projects = "projects".to_owned();
            let folders = json::servers(text, std::slice::from_ref(&projects))?.into_iter();
            let map = |(folder, _)| vec![projects.clone(), folder, servers.clone()];
            maps.extend(folders.map(map));
        }
        Ok(maps)
    }

    /// The servers in the `map` of `text`, in their order and as JSON, without Mimo's
    /// own entry.
    pub(crate) fn servers(
        self,
        text: &str,
        map: &[String],
    ) -> Result<Vec<(String, Value)>, Diagnostic> {
        let mut servers = match self.format() {
            FileFormat::Json { .. } => json::servers(text, map)?,
            FileFormat::Toml => toml::servers(text)?,
            FileFormat::Yaml(layout) => yaml::servers(text, layout)?,
        };
        servers.retain(|(name, _)| name != ENTRY);
        Ok(servers)
    }

    /// `text` without the servers `names` of the `map`.
    pub(crate) fn remove_servers(
        self,
        text: &str,
        map: &[String],
        names: &[String],
    ) -> Result<String, Diagnostic> {
        match self.format() {
            FileFormat::Json { .. } => json::remove_servers(text, map, names),
            FileFormat::Toml => toml::remove_servers(text, names),
            FileFormat::Yaml(layout) => yaml::remove_servers(text, layout, names),
        }
    }

    /// `text` with `servers`, which it lacks, in the `map`.
    fn add_servers(
        self,
        text: &str,
        map: &[String],
        servers: &[(String, Value)],
    ) -> Result<String, Diagnostic> {
        match self.format() {
            FileFormat::Json { .. } => json::add_servers(text, map, servers),
            FileFormat::Toml => toml::add_servers(text, servers),
            FileFormat::Yaml(layout) => yaml::add_servers(text, layout, servers),
        }
    }

    /// `text` without Mimo, and with the servers of `copy` that are missing in it. The
    /// text of the copy itself, where nothing else has changed since.
    pub(crate) fn restored(self, text: &str, copy: &str) -> Result<String, Diagnostic> {
        let mut restored = self.remove_entry(text)?;
        let mut has_same = self.bare(text)? == self.bare(copy)?;
        for map in self.maps(copy)? {
            let all = self.servers(copy, &map)?;
            let present = self.servers(&restored, &map)?;
            has_same &= present.iter().all(|server| all.contains(server));
            let is_missing =
                |(name, _): &(String, Value)| present.iter().all(|(has, _)| has != name);
            let missing: Vec<_> = all.into_iter().filter(is_missing).collect();
            if !missing.is_empty() {
                restored = self.add_servers(&restored, &map, &missing)?;
            }
        }
        match has_same {
            true => self.remove_entry(copy),
            false => Ok(restored),
        }
    }

    /// `text` without any server, to compare the rest: its layout does not count.
    fn bare(self, text: &str) -> Result<String, Diagnostic> {
        let mut bare = self.remove_entry(text)?;
        for map in self.maps(text)? {
            let names = self.servers(text, &map)?.into_iter().map(|(name, _)| name);
            bare = self.remove_servers(&bare, &map, &names.collect::<Vec<_>>())?;
        }
        bare.retain(|c| !c.is_whitespace());
        Ok(bare)
    }
}

/// opencode's settings in `folder`: the form with comments comes first.
fn opencode_file(folder: &Path) -> PathBuf {
    let commented = folder.join("opencode.jsonc");
    match commented.exists() {
        true => commented,
        false => folder.join("opencode.json"),
    }
}

#[cfg(test)]
mod tests;

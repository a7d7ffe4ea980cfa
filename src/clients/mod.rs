//! The AI clients that start Mimo: where each keeps its settings, and how an
//! entry for Mimo is found, put in and taken out there without touching
//! anything else. Pure but for `file`, which reads and replaces.

pub mod file;
mod json;
pub mod lines;
mod toml;

use std::path::{Path, PathBuf};

use crate::diagnostics::Diagnostic;

/// What Mimo is called in every client's settings.
pub const ENTRY: &str = "mimo";

/// The names by which clients are chosen, in the order of [`Client::ALL`].
pub const NAMES: [&str; 7] = [
    "claude-desktop",
    "claude-code",
    "cursor",
    "vscode",
    "windsurf",
    "zed",
    "codex",
];

/// A program that starts MCP servers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Client {
    /// Anthropic's desktop app.
    ClaudeDesktop,
    /// Anthropic's command line.
    ClaudeCode,
    /// Cursor.
    Cursor,
    /// Visual Studio Code.
    VsCode,
    /// Windsurf.
    Windsurf,
    /// Zed.
    Zed,
    /// OpenAI's command line and its extensions.
    Codex,
}

/// The folders that clients keep their settings under.
#[derive(Clone, Debug, Default)]
pub struct Places {
    /// The account's own folder.
    pub home: Option<PathBuf>,
    /// Where this platform keeps programs' settings.
    pub settings: Option<PathBuf>,
    /// What `CLAUDE_CONFIG_DIR` names.
    pub claude_code: Option<PathBuf>,
    /// What `CODEX_HOME` names.
    pub codex: Option<PathBuf>,
}

/// How a client writes its servers down.
#[derive(Clone, Copy)]
enum Form {
    /// JSON, perhaps with comments: the key that holds the servers, and whether
    /// each says that it speaks over stdio.
    Json { servers: &'static str, typed: bool },
    /// TOML, under `mcp_servers`.
    Toml,
}

/// What starts Mimo: the part of an entry that is ours. Whatever else a person
/// put there stays.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The program, by its whole path.
    pub command: String,
    /// What it is given.
    pub args: Vec<String>,
}

/// An entry that stands there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// What it starts; nothing where it is not a program with arguments.
    pub entry: Option<Entry>,
    /// The same as the file writes it.
    pub shown: String,
    /// The key by which it reaches a server elsewhere, instead of starting one.
    pub remote: Option<&'static str>,
    /// The person has switched it off.
    pub off: bool,
}

/// A settings file that cannot be understood; `place` is `line:column`, if known.
fn mistake(place: &str, reason: impl Into<String>) -> Diagnostic {
    let fix = "the file is as it was; put that right, then run the same command again";
    Diagnostic::at(place, reason, fix)
}

/// Keys of entries that reach a server over the network.
const REMOTE: [&str; 3] = ["url", "serverUrl", "httpUrl"];

impl Client {
    /// All of them.
    pub const ALL: [Client; 7] = [
        Client::ClaudeDesktop,
        Client::ClaudeCode,
        Client::Cursor,
        Client::VsCode,
        Client::Windsurf,
        Client::Zed,
        Client::Codex,
    ];

    /// The client of one of [`NAMES`].
    pub fn named(name: &str) -> Option<Client> {
        Client::ALL.into_iter().find(|each| each.name() == name)
    }

    /// One of [`NAMES`].
    pub fn name(self) -> &'static str {
        NAMES[self as usize]
    }

    /// What people call it.
    pub fn title(self) -> &'static str {
        match self {
            Client::ClaudeDesktop => "Claude Desktop",
            Client::ClaudeCode => "Claude Code",
            Client::Cursor => "Cursor",
            Client::VsCode => "VS Code",
            Client::Windsurf => "Windsurf",
            Client::Zed => "Zed",
            Client::Codex => "Codex",
        }
    }

    /// The file that holds for everything the account does; `None` where the
    /// account has no folder for it.
    pub fn settings(self, places: &Places) -> Option<PathBuf> {
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
        }
    }

    /// The file that holds for the project in `folder` alone; `None` where the
    /// client knows no such file.
    pub fn settings_of_project(self, folder: &Path) -> Option<PathBuf> {
        let inside = match self {
            Client::ClaudeDesktop | Client::Windsurf => return None,
            Client::ClaudeCode => ".mcp.json",
            Client::Cursor => ".cursor/mcp.json",
            Client::VsCode => ".vscode/mcp.json",
            Client::Zed => ".zed/settings.json",
            Client::Codex => ".codex/config.toml",
        };
        Some(folder.join(inside))
    }

    fn form(self) -> Form {
        let (servers, typed) = match self {
            Client::VsCode => ("servers", true),
            Client::Zed => ("context_servers", false),
            Client::Codex => return Form::Toml,
            _ => ("mcpServers", false),
        };
        Form::Json { servers, typed }
    }

    /// The entry in `text`, if there is one.
    pub fn find(self, text: &str) -> Result<Option<Found>, Diagnostic> {
        match self.form() {
            Form::Json { servers, .. } => json::find(text, servers),
            Form::Toml => toml::find(text),
        }
    }

    /// `text` with `entry` in it: the same text where it is so already.
    pub fn put(self, text: &str, entry: &Entry) -> Result<String, Diagnostic> {
        match self.form() {
            Form::Json { servers, typed } => json::put(text, servers, typed, entry),
            Form::Toml => toml::put(text, entry),
        }
    }

    /// `text` without the entry: the same text where there is none.
    pub fn take_out(self, text: &str) -> Result<String, Diagnostic> {
        match self.form() {
            Form::Json { servers, .. } => json::take_out(text, servers),
            Form::Toml => toml::take_out(text),
        }
    }
}

#[cfg(test)]
mod tests;

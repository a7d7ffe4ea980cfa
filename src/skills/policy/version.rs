//! The oldest supported version of each command. Older ones read their arguments
//! differently from the grammar, or cannot run current servers.

use std::fmt;
use std::path::Path;

use super::{Grammar, grammar};

/// Major and minor version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Version(u32, u32);

/// The oldest allowed version of a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct MinimumVersion {
    pub(crate) command: &'static str,
    pub(crate) version: Version,
}

/// The oldest allowed version of a program by its name, where several may be there
/// and one has to be chosen.
pub(super) fn minimum(name: &str) -> Option<MinimumVersion> {
    let grammar = match name {
        "npm" => Grammar::Npx,
        "uv" => Grammar::Uvx,
        name => grammar(name)?,
    };
    of_grammar(grammar).filter(|_| grammar != Grammar::Docker)
}

/// The oldest allowed version of the program at `path`; `None` where it has no
/// grammar.
pub(crate) fn oldest(path: &Path) -> Option<MinimumVersion> {
    let name = |path: &Path| Some(grammar(path.file_name()?.to_str()?));
    let target = path.canonicalize().ok();
    of_grammar(name(path).flatten().or_else(|| name(&target?).flatten())?)
}

fn of_grammar(grammar: Grammar) -> Option<MinimumVersion> {
    let (command, version) = match grammar {
        // From 7.5 to 8.12.1 npm has a shell expand $(..) and backticks in arguments.
        Grammar::Npx => ("npx", Version(8, 13)),
        // The oldest that the MCP SDK supports.
        Grammar::Node => ("node", Version(18, 0)),
        // The first that can be kept from downloading interpreters and reading
        // settings.
        Grammar::Uvx => ("uvx", Version(0, 4)),
        // The oldest that the MCP SDK supports. Before 3.11 the start folder, which
        // is private to the skill, is searched for modules.
        Grammar::Python => ("python3", Version(3, 10)),
        // The first whose `run` takes --pull.
        Grammar::Docker => ("docker", Version(20, 10)),
        // The first that runs what npm has installed.
        Grammar::Deno => ("deno", Version(2, 0)),
        // They do not run.
        Grammar::Bunx | Grammar::Pnpm | Grammar::Free => return None,
    };
    Some(MinimumVersion { command, version })
}

impl Version {
    /// The first version in the output of a program.
    pub(crate) fn find(text: &str) -> Option<Version> {
        let words = text.split(|c: char| c.is_whitespace() || c == ',' || c == '(');
        words.into_iter().find_map(|word| {
            let word = word.strip_prefix('v').unwrap_or(word);
            let mut parts = word.split(|c: char| !c.is_ascii_digit());
            let first = parts.next()?.parse().ok()?;
            let second = word[word.find('.')? + 1..].split(|c: char| !c.is_ascii_digit());
            Some(Version(first, second.into_iter().next()?.parse().ok()?))
        })
    }
}

impl fmt::Display for Version {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}.{}", self.0, self.1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_found_in_program_output() {
        for (text, found) in [
            ("10.8.2\n", Some(Version(10, 8))),
            ("v18.19.0\n", Some(Version(18, 19))),
            (
                "uv-tool-uvx 0.4.30 (61ed2a236 2024-11-04)",
                Some(Version(0, 4)),
            ),
            ("Python 3.13.0rc2", Some(Version(3, 13))),
            (
                "Docker version 20.10.21, build baeda1f",
                Some(Version(20, 10)),
            ),
            ("podman version 5.4", Some(Version(5, 4))),
            ("command not found", None),
            ("error 7", None),
            ("99999999999.1", None),
            ("", None),
        ] {
            assert_eq!(Version::find(text), found, "{text}");
        }
        assert!(Version(3, 9) < Version(3, 10) && Version(2, 99) < Version(3, 0));
    }

    #[test]
    fn every_command_with_a_grammar_has_an_oldest_version() {
        for name in [
            "npx",
            "npx-cli.js",
            "docker",
            "uvx",
            "node",
            "deno",
            "nodejs",
            "python3.12",
        ] {
            let path = Path::new("/nowhere").join(name);
            assert!(oldest(&path).is_some(), "{name}");
        }
        assert_eq!(oldest(Path::new("/nowhere/server")), None);
    }
}

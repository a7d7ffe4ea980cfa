//! What a key grants: as a person writes it, and as the rest of Mimo enforces it.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::caller::{self, Access, PROJECT_SHARED, Reach, Scope, ToolGrants, check_project};
use crate::failure::Failure;
use crate::limits::{
    KEY_AT_ONCE_MAX, KEY_PROJECTS_MAX, KEY_REQUESTS_PER_MINUTE_MAX, KEY_TOOLS_MAX, NAME_BYTES_MAX,
};

/// What a key may do. By default nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Grant {
    pub scopes: Scopes,
    /// In the order in which they were named, without repetition; empty means all.
    pub projects: Vec<ProjectGrant>,
    /// Patterns of tools' names (`*` and `?`); those that begin with `!` take away.
    /// Empty means all that the scopes and projects allow.
    pub tools: Vec<String>,
    /// The profile of tools; `None` is the server's.
    pub profile: Option<String>,
    /// `None` is the server's bound.
    pub requests_per_minute: Option<u32>,
    /// Requests at the same time; `None` is the server's bound.
    pub at_once: Option<u32>,
}

/// A project that a key reaches.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProjectGrant {
    pub project: String,
    pub access: Access,
}

/// The scopes of a key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Vec<String>", into = "Vec<String>")]
pub struct Scopes {
    /// With every lower scope.
    pub access: Option<Scope>,
    pub metrics: bool,
}

/// A grant as it is written on a command line.
#[derive(Clone, Copy, Debug, Default)]
pub struct GrantWords<'a> {
    pub scopes: &'a [String],
    pub projects: &'a [String],
    pub tools: &'a [String],
    pub profile: Option<&'a str>,
    pub requests_per_minute: Option<u32>,
    pub at_once: Option<u32>,
}

const SCOPES: [(&str, Scope); 3] = [
    ("read", Scope::Read),
    ("write", Scope::Write),
    ("admin", Scope::Admin),
];
const METRICS: &str = "metrics";

impl Scopes {
    pub fn up_to(scope: Scope) -> Scopes {
        Scopes {
            access: Some(scope),
            metrics: false,
        }
    }

    pub fn allow(&self, scope: Scope) -> bool {
        self.access.is_some_and(|access| access >= scope)
    }

    /// Every scope that is granted, those that another one includes among them.
    pub fn names(&self) -> Vec<&'static str> {
        let granted = SCOPES.iter().filter(|(_, scope)| self.allow(*scope));
        let granted = granted.map(|(name, _)| *name);
        granted.chain(self.metrics.then_some(METRICS)).collect()
    }
}

impl TryFrom<Vec<String>> for Scopes {
    type Error = String;

    fn try_from(names: Vec<String>) -> Result<Scopes, String> {
        let mut scopes = Scopes::default();
        for name in names {
            match SCOPES.iter().find(|(known, _)| *known == name) {
                Some((_, scope)) => scopes.access = scopes.access.max(Some(*scope)),
                None if name == METRICS => scopes.metrics = true,
                None => return Err(format!("there is no scope {name:?}")),
            }
        }
        Ok(scopes)
    }
}

impl From<Scopes> for Vec<String> {
    fn from(scopes: Scopes) -> Vec<String> {
        scopes.names().into_iter().map(str::to_owned).collect()
    }
}

impl Grant {
    /// Reads a grant; fails with what is wrong and how to write it.
    pub fn parse(words: GrantWords<'_>) -> Result<Grant, Failure> {
        let scopes = Scopes::try_from(words.scopes.to_vec()).map_err(|why| {
            Failure::invalid("", why).hint("the scopes are read, write, admin and metrics")
        })?;
        if scopes == Scopes::default() {
            return Err(Failure::invalid("", "a key without a scope can do nothing")
                .hint("name at least one of read, write, admin and metrics"));
        }
        bounded(
            "requests per minute",
            words.requests_per_minute,
            KEY_REQUESTS_PER_MINUTE_MAX,
        )?;
        bounded("requests at once", words.at_once, KEY_AT_ONCE_MAX)?;
        Ok(Grant {
            scopes,
            projects: parse_projects(words.projects, scopes)?,
            tools: parse_tools(words.tools)?,
            profile: words.profile.map(str::to_owned),
            requests_per_minute: words.requests_per_minute,
            at_once: words.at_once,
        })
    }

    /// The grant as the store and the dispatch enforce it. `project` is the current
    /// one where the key names none, `tools` are all of Mimo's own tools with the
    /// scope that each needs.
    ///
    /// Skills belong to the whole instance: a key of some projects gets none of
    /// their tools unless a pattern names them, and one that only reads gets none at
    /// all, because nothing but the skill itself says that a tool only reads.
    pub fn to_caller<'a>(
        &self,
        project: &str,
        tools: impl IntoIterator<Item = (&'a str, Scope)>,
    ) -> caller::Grants {
        let named = self.projects.iter().map(|named| named.project.as_str());
        // The shared project is the current one only where there is no other.
        let own = named.clone().find(|name| *name != PROJECT_SHARED);
        caller::Grants {
            project: own.or(named.clone().next()).unwrap_or(project).to_owned(),
            reach: self.reach(),
            tools: self.tool_grants(tools),
            is_local: false,
            operates: self.scopes.allow(Scope::Admin),
            key: None,
        }
    }

    fn reach(&self) -> Reach {
        let projects = self.projects.iter();
        match self.projects.is_empty() {
            true => Reach::Everything,
            false => Reach::of(projects.map(|named| (named.project.clone(), named.access))),
        }
    }

    fn tool_grants<'a>(&self, tools: impl IntoIterator<Item = (&'a str, Scope)>) -> ToolGrants {
        let (in_scope, beyond): (Vec<_>, Vec<_>) = tools
            .into_iter()
            .partition(|(_, scope)| self.scopes.allow(*scope));
        let in_scope = in_scope.into_iter().map(|(name, _)| name.to_owned());
        let tools = self.tools.iter().cloned();
        let (taken, given): (Vec<_>, Vec<_>) = tools.partition(|tool| tool.starts_with('!'));
        let may_write = self.scopes.allow(Scope::Write);
        let mut patterns: Vec<String> = match given.is_empty() {
            true if may_write && self.projects.is_empty() => vec!["*".to_owned()],
            true => in_scope.collect(),
            false if may_write => given,
            false => {
                let given = ToolGrants::Matching(given);
                in_scope.filter(|name| given.allow(name)).collect()
            }
        };
        if may_write {
            patterns.extend(beyond.into_iter().map(|(name, _)| format!("!{name}")));
        }
        patterns.extend(taken);
        ToolGrants::Matching(patterns)
    }
}

fn bounded(what: &str, value: Option<u32>, most: u32) -> Result<(), Failure> {
    match value {
        Some(value) if value == 0 || value > most => Err(Failure::invalid(
            "",
            format!("{value} {what} is not from 1 to {most}"),
        )
        .hint("leave it out to take the server's setting")),
        _ => Ok(()),
    }
}

/// Reads `website`, `website:read` and `website:write`. Without a word a project may
/// be written if the scopes allow it, except the shared one: what a key writes there
/// is read by the models of all others.
fn parse_projects(names: &[String], scopes: Scopes) -> Result<Vec<ProjectGrant>, Failure> {
    if names.len() > KEY_PROJECTS_MAX {
        let why = format!("a key names at most {KEY_PROJECTS_MAX} projects");
        return Err(Failure::invalid("", why).hint("name none of them to grant all"));
    }
    let (mut projects, mut seen) = (Vec::new(), BTreeSet::new());
    for text in names {
        let (name, access) = match text.rsplit_once(':') {
            Some((name, "read")) => (name, Some(Access::Read)),
            Some((name, "write")) => (name, Some(Access::Write)),
            _ => (text.as_str(), None),
        };
        let hint = "write for example website, website:read or website:write";
        let project = check_project(name).map_err(|why| Failure::invalid("", why).hint(hint))?;
        if access == Some(Access::Write) && !scopes.allow(Scope::Write) {
            let why = format!("{text} grants writing, but the key lacks the scope write");
            return Err(Failure::invalid("", why).hint("add the scope write, or say :read"));
        }
        if !seen.insert(project.clone()) {
            let why = format!("the project {project:?} is named twice");
            return Err(Failure::invalid("", why).hint("name each project once"));
        }
        let access = access.unwrap_or(match scopes.allow(Scope::Write) {
            true if project != PROJECT_SHARED => Access::Write,
            _ => Access::Read,
        });
        projects.push(ProjectGrant { project, access });
    }
    Ok(projects)
}

fn parse_tools(patterns: &[String]) -> Result<Vec<String>, Failure> {
    let is_valid = |pattern: &&String| {
        let name = pattern.strip_prefix('!').unwrap_or(pattern);
        let is_plain = |c: char| !c.is_control() && !c.is_whitespace() && c != '!';
        !name.is_empty() && name.len() <= NAME_BYTES_MAX && name.chars().all(is_plain)
    };
    let wrong = patterns.iter().find(|pattern| !is_valid(pattern));
    let why = match wrong {
        Some(pattern) => format!("{pattern:?} is not a pattern of tools"),
        None if patterns.len() > KEY_TOOLS_MAX => {
            format!("a key has at most {KEY_TOOLS_MAX} patterns of tools")
        }
        None => return Ok(patterns.to_vec()),
    };
    Err(Failure::invalid("", why).hint("write for example memory_*, ask_mimo or !memory_edit"))
}

#[cfg(test)]
#[path = "grant_tests.rs"]
mod tests;

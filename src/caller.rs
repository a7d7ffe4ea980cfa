//! Who calls, and what the caller may see and do. Values only: the server makes
//! them, the dispatch checks tools, the store enforces [`Reach`].

use std::collections::BTreeMap;
use std::sync::Arc;

use futures::future::BoxFuture;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use wildmatch::WildMatch;

use crate::limits::NAME_BYTES_MAX;

/// The project that every project sees besides its own.
pub(crate) const PROJECT_SHARED: &str = "global";

/// Sends a request (method, params) to the caller's client, and returns the result or
/// the JSON-RPC error object as the client wrote it.
pub type AskClient = Arc<
    dyn Fn(
            String,
            Option<Box<RawValue>>,
        ) -> BoxFuture<'static, Result<Box<RawValue>, Box<RawValue>>>
        + Send
        + Sync,
>;

/// Who makes a call.
#[derive(Clone)]
pub struct Caller {
    pub grants: Arc<Grants>,
    /// The client's session: the thread that memories belong to by default.
    pub(crate) session: Arc<str>,
    /// The id of the procedure execution that calls on its starter's behalf.
    pub execution: Option<Arc<str>>,
    /// Takes the questions of skills, where the client can be asked within this
    /// call rather than through the connection.
    pub(crate) ask: Option<AskClient>,
    /// Takes sampling requests, where the client offers its model.
    pub(crate) sample: Option<AskClient>,
}

/// The permissions of a caller. Kept in the journal of an execution, which runs
/// with the grants of the caller that started it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grants {
    /// The project of whatever names none.
    pub project: String,
    #[serde(default)]
    pub reach: Reach,
    #[serde(default)]
    pub tools: ToolGrants,
    /// Whether this is the user at this machine, over stdio or the command line.
    #[serde(default)]
    pub is_local: bool,
    /// Whether the caller sees the state of skills' processes, as the local user does.
    #[serde(default)]
    pub operates: bool,
    /// The id of the key that they come from; absent for the local user.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
}

/// A caller's access to a project.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Access {
    Read,
    Write,
}

/// What a caller may do; each scope includes those before it. They follow the
/// annotations of tools.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scope {
    Read,
    /// Also change what is stored, and use skills.
    Write,
    /// Also operate Mimo.
    Admin,
}

/// Which projects a caller may read and write.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Reach {
    /// Every project there is.
    #[default]
    Everything,
    /// These and no others.
    Projects(Arc<BTreeMap<String, Access>>),
}

/// Which tools a caller may use.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ToolGrants {
    #[default]
    All,
    /// Those that match one of these patterns (`*` and `?`) and none that begins
    /// with `!`.
    Matching(Vec<String>),
}

/// Whether `text` is one of the values that clients send for an omitted argument.
pub(crate) fn is_placeholder(text: &str) -> bool {
    matches!(text.trim(), "" | "null" | "undefined" | "None")
}

/// A project's name without spaces around it, or why it cannot be one.
pub(crate) fn check_project(name: &str) -> Result<String, String> {
    let name = name.trim();
    if name.is_empty() {
        Err("a project's name cannot be empty".into())
    } else if is_placeholder(name) {
        Err(format!(
            "a project cannot be called {name:?}, which stands for a name that is missing"
        ))
    } else if name == "*" {
        Err("* stands for all projects in a search and cannot be the current one".into())
    } else if name.len() > NAME_BYTES_MAX {
        Err(format!(
            "a project's name has at most {NAME_BYTES_MAX} bytes, this one has {}",
            name.len()
        ))
    } else if name.chars().any(char::is_control) {
        Err("a project's name has no control characters".into())
    } else {
        Ok(name.to_owned())
    }
}

/// The projects that a question within `project` covers if it names none: that one
/// and the shared one.
pub(crate) fn with_shared(project: &str) -> Vec<String> {
    let mut projects = vec![project.to_owned()];
    if project != PROJECT_SHARED {
        projects.push(PROJECT_SHARED.to_owned());
    }
    projects
}

impl Caller {
    pub fn new(grants: impl Into<Arc<Grants>>, session: impl Into<Arc<str>>) -> Caller {
        Caller {
            grants: grants.into(),
            session: session.into(),
            execution: None,
            ask: None,
            sample: None,
        }
    }

    /// The user at this machine, who reaches everything.
    pub fn local(project: impl Into<String>, session: impl Into<Arc<str>>) -> Caller {
        Caller::new(Grants::local(project), session)
    }

    /// The project of whatever names none.
    pub(crate) fn project(&self) -> &str {
        &self.grants.project
    }

    pub fn reach(&self) -> &Reach {
        &self.grants.reach
    }

    /// The same grants, for a call that a procedure's step makes.
    pub(crate) fn for_execution(grants: Arc<Grants>, execution: &str) -> Caller {
        Caller {
            grants,
            session: format!("execution/{execution}").into(),
            execution: Some(execution.into()),
            ask: None,
            sample: None,
        }
    }
}

impl Grants {
    /// The grants of the user at this machine: everything.
    pub fn local(project: impl Into<String>) -> Grants {
        Grants {
            project: project.into(),
            reach: Reach::Everything,
            tools: ToolGrants::All,
            is_local: true,
            operates: true,
            key: None,
        }
    }

    /// The same grants for work that must finish after its key is no longer usable,
    /// such as a rollback.
    pub(crate) fn without_key(&self) -> Grants {
        Grants {
            key: None,
            ..self.clone()
        }
    }

    /// The same user in another current project, behind a fence as before.
    pub(crate) fn in_project(&self, project: &str) -> Grants {
        let reach = match &self.reach {
            Reach::Everything => Reach::Everything,
            Reach::Projects(_) => Reach::fenced(project),
        };
        Grants {
            project: project.to_owned(),
            reach,
            ..self.clone()
        }
    }

    /// Whether the caller may use a skill's prompts and resources, which follow the
    /// grant of its tools.
    pub(crate) fn allow_skill(&self, skill: &str) -> bool {
        self.is_local || self.tools.allow(&format!("{skill}__"))
    }

    /// The same user behind `--fence`: reads and writes `project`, reads the
    /// shared project, and reaches nothing else.
    pub fn fenced(project: impl Into<String>) -> Grants {
        let project = project.into();
        Grants {
            reach: Reach::fenced(&project),
            ..Grants::local(project)
        }
    }
}

impl Reach {
    /// Reads and writes `project`, and reads the shared one.
    pub fn fenced(project: &str) -> Reach {
        let projects = [(PROJECT_SHARED, Access::Read), (project, Access::Write)];
        Reach::of(projects.map(|(name, access)| (name.to_owned(), access)))
    }

    pub fn of(projects: impl IntoIterator<Item = (String, Access)>) -> Reach {
        Reach::Projects(Arc::new(projects.into_iter().collect()))
    }

    pub fn can_read(&self, project: &str) -> bool {
        self.allows(project, Access::Read)
    }

    pub(crate) fn can_write(&self, project: &str) -> bool {
        self.allows(project, Access::Write)
    }

    fn allows(&self, project: &str, access: Access) -> bool {
        match self {
            Reach::Everything => true,
            Reach::Projects(projects) => projects.get(project).is_some_and(|has| *has >= access),
        }
    }

    /// Of `wanted` (empty: of all projects) those that may be read. `None` is
    /// every project, an empty list is none.
    pub(crate) fn readable(&self, wanted: &[String]) -> Option<Vec<String>> {
        match self {
            Reach::Everything if wanted.is_empty() => None,
            Reach::Everything => Some(wanted.to_vec()),
            Reach::Projects(projects) if wanted.is_empty() => {
                Some(projects.keys().cloned().collect())
            }
            Reach::Projects(_) => {
                let readable = wanted.iter().filter(|project| self.can_read(project));
                Some(readable.cloned().collect())
            }
        }
    }
}

impl ToolGrants {
    pub(crate) fn allow(&self, tool: &str) -> bool {
        let ToolGrants::Matching(patterns) = self else {
            return true;
        };
        let matches = |pattern: &str| WildMatch::new(pattern).matches(tool);
        let (mut granted, mut taken_away) = (false, false);
        for pattern in patterns {
            match pattern.strip_prefix('!') {
                Some(pattern) => taken_away |= matches(pattern),
                None => granted |= matches(pattern),
            }
        }
        granted && !taken_away
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn a_fence_writes_one_project_and_reads_the_shared_one() {
        let reach = Reach::fenced("website");
        assert!(reach.can_read("website") && reach.can_write("website"));
        assert!(reach.can_read(PROJECT_SHARED) && !reach.can_write(PROJECT_SHARED));
        assert!(!reach.can_read("other") && !reach.can_write("other"));
        assert!(Reach::fenced(PROJECT_SHARED).can_write(PROJECT_SHARED));
    }

    #[test]
    fn a_project_is_not_called_as_a_missing_name() {
        for name in ["null", "undefined", "None", " null ", "", "*"] {
            assert!(check_project(name).is_err(), "{name}");
        }
        for name in ["nullable", "none", "NULL island", " web "] {
            assert_eq!(check_project(name).as_deref(), Ok(name.trim()));
        }
    }

    #[test]
    fn all_projects_means_all_that_may_be_read() {
        assert_eq!(Reach::Everything.readable(&[]), None);
        let wanted = names(&["a", "b"]);
        assert_eq!(Reach::Everything.readable(&wanted), Some(wanted.clone()));
        let fenced = Reach::fenced("a");
        assert_eq!(fenced.readable(&[]), Some(names(&["a", "global"])));
        assert_eq!(fenced.readable(&wanted), Some(names(&["a"])));
        assert_eq!(fenced.readable(&names(&["b"])), Some(Vec::new()));
    }

    #[test]
    fn tool_patterns_grant_and_take_away() {
        let grants = ToolGrants::Matching(names(&["memory_*", "ask_mimo", "!memory_edit"]));
        assert!(grants.allow("memory_store") && grants.allow("ask_mimo"));
        assert!(!grants.allow("memory_edit") && !grants.allow("skill_call"));
        assert!(ToolGrants::All.allow("anything"));
        assert!(!ToolGrants::Matching(Vec::new()).allow("anything"));
    }

    #[test]
    fn grants_survive_the_journal() {
        let grants = [
            Grants::local("a"),
            Grants::fenced("a"),
            Grants {
                tools: ToolGrants::Matching(names(&["memory_*"])),
                is_local: false,
                ..Grants::fenced("b")
            },
        ];
        for grants in grants {
            let text = serde_json::to_string(&grants).expect("serialises");
            assert_eq!(
                serde_json::from_str::<Grants>(&text).expect("parses"),
                grants
            );
        }
    }
}

//! The project of a session whose project is `auto`: the folder that the client works in,
//! if it has only one.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::Value;
use serde_json::value::RawValue;
use tokio::sync::Mutex;

use crate::caller::{AskClient, Caller, check_project};
use crate::files::file_path;
use crate::limits;

/// Requested at the first use, and again after each change.
#[derive(Default)]
pub(super) struct Root {
    known: Mutex<Option<Caller>>,
    has_changed: AtomicBool,
}

impl Root {
    /// `caller` in the project of the client's root. `ask` is absent where the client cannot
    /// be asked for it; `found` is called with each new answer.
    pub(super) async fn caller(
        &self,
        caller: &Caller,
        ask: Option<AskClient>,
        found: impl FnOnce(&Caller),
    ) -> Caller {
        let mut known = self.known.lock().await;
        let has_changed = self.has_changed.swap(false, Ordering::Relaxed);
        if let Some(known) = known.as_ref().filter(|_| !has_changed) {
            return known.clone();
        }
        let mut caller = caller.clone();
        let named = match ask {
            Some(ask) => project(ask).await,
            None => None,
        };
        if let Some(project) = named {
            caller.grants = Arc::new(caller.grants.in_project(&project));
        }
        tracing::info!(project = caller.project(), "the project of this session");
        found(&caller);
        known.insert(caller).clone()
    }

    pub(super) fn set_changed(&self) {
        self.has_changed.store(true, Ordering::Relaxed);
    }
}

/// The project that the client's roots name.
async fn project(ask: AskClient) -> Option<String> {
    let timeout = Duration::from_millis(limits::ROOTS_MILLIS_MAX);
    let asked = tokio::time::timeout(timeout, ask("roots/list".to_owned(), None)).await;
    match asked {
        Ok(Ok(result)) => only_root(&result),
        Ok(Err(error)) => {
            tracing::warn!(%error, "the client does not list its roots");
            None
        }
        Err(_) => {
            tracing::warn!("the client did not list its roots in time");
            None
        }
    }
}

/// The name of the last folder of the only root.
fn only_root(result: &RawValue) -> Option<String> {
    let result: Value = serde_json::from_str(result.get()).ok()?;
    let [root] = result["roots"].as_array()?.as_slice() else {
        return None;
    };
    let path = file_path(root["uri"].as_str()?)?;
    check_project(path.file_name()?.to_str()?).ok()
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use serde_json::value::to_raw_value;

    use super::*;

    #[test]
    fn the_last_folder_of_the_only_root_is_the_project() {
        let project = |uris: &[&str]| {
            let roots: Vec<Value> = uris.iter().map(|uri| json!({ "uri": uri })).collect();
            only_root(&to_raw_value(&json!({ "roots": roots })).expect("JSON"))
        };
        for (uri, expected) in [
            #[cfg(unix)]
            ("file:///home/ada/website", Some("website")),
            #[cfg(unix)]
            ("file:///home/ada/website/", Some("website")),
            #[cfg(unix)]
            ("file:///home/ada/two%20words", Some("two words")),
            #[cfg(windows)]
            ("file:///c%3A/Users/ada/website", Some("website")),
            ("file:///C:/work/b%C3%BCro", Some("b\u{fc}ro")),
            #[cfg(unix)]
            ("file://localhost/srv/app", Some("app")),
            ("file:///", None),
            ("file://host", None),
            ("https://example.com/website", None),
            ("file:///home/ada/null", None),
            ("file:///home/ada/a%0Ab", None),
        ] {
            assert_eq!(project(&[uri]).as_deref(), expected, "{uri}");
        }
        assert_eq!(project(&[]), None);
        assert_eq!(project(&["file:///a/b", "file:///a/c"]), None);
    }
}

//! The results of `tools/list`: our own tools, and those of skills that clients
//! see by name. Made when the skills change, not for each request.

use std::sync::{Arc, Mutex, PoisonError};

use serde_json::value::RawValue;

use crate::caller::{Grants, PROJECT_SHARED, ToolGrants};
use crate::dispatch::Dispatch;
use crate::failure::Failure;
use crate::limits::LISTINGS_KEPT_MAX;
use crate::tools::scope::without_shared;
use crate::tools::skills::{AutoChoice, ExposedTools};

/// Cached lists by the callers' grants, newest last.
#[derive(Default)]
pub(super) struct Listings(Mutex<Vec<Listing>>);

struct Listing {
    grants: ToolGrants,
    /// Whether the shared project may be written.
    writes_shared: bool,
    /// The skills' tools in the list.
    exposed: Option<Arc<ExposedTools>>,
    /// The session's choice before this list, and with it.
    choice: (AutoChoice, AutoChoice),
    tools: Arc<RawValue>,
}

impl Listings {
    /// `{"tools":[..]}` for a caller with these grants and this choice.
    pub(super) fn tools(
        &self,
        dispatch: &Dispatch,
        grants: &Grants,
        choice: &mut AutoChoice,
    ) -> Result<Arc<RawValue>, Failure> {
        let exposed = dispatch.skills().map(|skills| skills.exposed());
        let mut listings = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_current = |listing: &Listing| match (&listing.exposed, &exposed) {
            (None, None) => true,
            (Some(before), Some(now)) => Arc::ptr_eq(before, now),
            _ => false,
        };
        listings.retain(is_current);
        let writes_shared = grants.reach.can_write(PROJECT_SHARED);
        let is_meant = |listing: &&Listing| {
            listing.grants == grants.tools
                && listing.writes_shared == writes_shared
                && listing.choice.0 == *choice
        };
        if let Some(listing) = listings.iter().find(is_meant) {
            *choice = listing.choice.1.clone();
            return Ok(listing.tools.clone());
        }
        let before = choice.clone();
        let mut definitions = dispatch.definitions(exposed.as_deref(), choice, &grants.tools);
        if !writes_shared {
            for definition in &mut definitions {
                if let Some(narrower) = without_shared(definition) {
                    *definition = narrower.into();
                }
            }
        }
        if let (AutoChoice::Search, Some(skills)) = (&*choice, dispatch.skills()) {
            skills.prepare_search();
        }
        let definitions: Vec<&str> = definitions.iter().map(|each| each.get()).collect();
        let text = format!("{{\"tools\":[{}]}}", definitions.join(","));
        let tools: Arc<RawValue> = RawValue::from_string(text)
            .map_err(Failure::internal)?
            .into();
        if listings.len() >= LISTINGS_KEPT_MAX {
            listings.remove(0);
        }
        listings.push(Listing {
            grants: grants.tools.clone(),
            writes_shared,
            exposed,
            choice: (before, choice.clone()),
            tools: tools.clone(),
        });
        Ok(tools)
    }
}

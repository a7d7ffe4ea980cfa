//! The answer to `tools/list`: our own tools, and those of skills that clients
//! see by name. Made when the skills change, not when it is asked for.

use std::sync::{Arc, Mutex, PoisonError};

use serde_json::value::RawValue;

use crate::caller::ToolGrants;
use crate::dispatch::Dispatch;
use crate::failure::Failure;
use crate::tools::skills::Exposed;

/// The list as it was made last.
#[derive(Default)]
pub struct Listing(Mutex<Option<Made>>);

struct Made {
    /// The skills' tools that it was made of.
    of: Option<Arc<Exposed>>,
    list: Arc<RawValue>,
}

impl Listing {
    /// `{"tools":[..]}` as it is now.
    pub fn now(&self, dispatch: &Dispatch, grants: &ToolGrants) -> Result<Arc<RawValue>, Failure> {
        let exposed = dispatch.skills().map(|skills| skills.exposed());
        let mut made = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let same = |a: &Arc<Exposed>, b: &Arc<Exposed>| Arc::ptr_eq(a, b);
        if let Some(made) = &*made {
            match (&made.of, &exposed) {
                (None, None) => return Ok(made.list.clone()),
                (Some(before), Some(now)) if same(before, now) => return Ok(made.list.clone()),
                _ => {}
            }
        }
        let list: Arc<RawValue> = list(dispatch, exposed.as_deref(), grants)?.into();
        *made = Some(Made {
            of: exposed,
            list: list.clone(),
        });
        Ok(list)
    }
}

fn list(
    dispatch: &Dispatch,
    exposed: Option<&Exposed>,
    grants: &ToolGrants,
) -> Result<Box<RawValue>, Failure> {
    let listed = dispatch.definitions(exposed, grants);
    let tools: Vec<&str> = listed.iter().map(|definition| definition.get()).collect();
    RawValue::from_string(format!("{{\"tools\":[{}]}}", tools.join(","))).map_err(Failure::internal)
}

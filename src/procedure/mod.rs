//! Procedures: the same steps in the same order every time, without a model. A checked
//! definition is stored; an execution of it is a journal, and a pure state machine
//! derives the next action from the journal.

pub mod check;
mod context;
mod decisions;
pub mod definition;
pub(crate) mod draw;
mod driver;
mod engine;
mod from_calls;
pub mod journal;
mod legacy;
pub mod machine;
mod plan;
mod portable;
mod recorder;
mod scheduler;
mod secrets;
mod service;
pub mod template;
pub mod view;

pub use engine::{JournalHook, JournalWrite, ToolCaller};
pub use service::{Defined, Procedures, Start};

pub(crate) use crate::store::procedure::{Execution, ExecutionStatus, StoredDefinition};

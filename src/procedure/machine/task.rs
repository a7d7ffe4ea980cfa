//! An action that is due, and what is to be done for it.

use serde_json::{Map, Value};

use crate::clock::Timestamp;
use crate::procedure::journal::SideEffects;

/// An action that is due or being performed.
#[derive(Clone, Debug, PartialEq)]
pub struct Task {
    /// The state it belongs to.
    pub state: String,
    /// What is to be done.
    pub work: Work,
    /// Counted from 1.
    pub attempt: u32,
    /// Which item of a map, counted from 0.
    pub item: Option<usize>,
    /// Not to be started before this moment.
    pub not_before: Option<Timestamp>,
    /// How long this attempt may take.
    pub timeout_ms: Option<u64>,
    /// It undoes something.
    pub undoes: bool,
    /// Set once it has started.
    pub started: Option<StepStart>,
}

/// An action that has started.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct StepStart {
    /// Its step.
    pub step: u64,
    /// When.
    pub at: Timestamp,
    /// What was known of it.
    pub effects: SideEffects,
    /// Mimo ended meanwhile, and only a person can tell how it went.
    pub interrupted: bool,
}

/// What is to be done, its templates evaluated.
#[derive(Clone, Debug, PartialEq)]
pub enum Work {
    /// Call a tool.
    Tool {
        /// Its name.
        name: String,
        /// Its arguments.
        arguments: Map<String, Value>,
        /// What the definition says about doing it twice.
        idempotent: Option<bool>,
    },
    /// Let time pass.
    Delay {
        /// How much.
        ms: u64,
    },
    /// Let a person decide.
    Approval {
        /// What they are asked.
        message: String,
    },
    /// Run another procedure.
    Procedure {
        /// Its name.
        name: String,
        /// Its version, or `latest`.
        version: String,
        /// What it begins with.
        context: Map<String, Value>,
    },
    /// Roll back an execution that was completed.
    Revert {
        /// Its id.
        execution: String,
    },
}

impl Work {
    /// Whether it is an execution of its own.
    pub fn is_execution(&self) -> bool {
        matches!(self, Work::Procedure { .. } | Work::Revert { .. })
    }

    /// What it does, in a word or two.
    pub fn label(&self) -> String {
        match self {
            Work::Tool { name, .. } => name.clone(),
            Work::Delay { .. } => "delay".to_owned(),
            Work::Approval { .. } => "approval".to_owned(),
            Work::Procedure { name, .. } => format!("procedure {name}"),
            Work::Revert { .. } => "undo procedure".to_owned(),
        }
    }
}

//! An action that is due or in progress.

use serde_json::{Map, Value};

use crate::clock::Timestamp;
use crate::procedure::journal::SideEffects;

#[derive(Clone, Debug, PartialEq)]
pub struct Task {
    pub state: String,
    pub work: EvaluatedAction,
    /// Counted from 1.
    pub(crate) attempt: u32,
    /// Index of the item of a map.
    pub item: Option<usize>,
    /// When a retry may begin.
    pub not_before: Option<Timestamp>,
    /// Limit of this attempt.
    pub(crate) timeout_ms: Option<u64>,
    pub is_compensation: bool,
    /// Set once it was begun.
    pub(crate) started: Option<StepStart>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub struct StepStart {
    pub step: u64,
    pub(crate) at: Timestamp,
    pub effects: SideEffects,
    /// Mimo ended meanwhile, so only a person can tell the outcome.
    pub interrupted: bool,
    /// How often another Mimo took it over after one ended.
    pub(crate) takeovers: u32,
}

/// An action with its templates evaluated.
#[derive(Clone, Debug, PartialEq)]
pub enum EvaluatedAction {
    Tool {
        name: String,
        arguments: Map<String, Value>,
        /// The definition's override of the tool's annotation.
        idempotent: Option<bool>,
    },
    Delay {
        ms: u64,
    },
    Approval {
        message: String,
    },
    Procedure {
        name: String,
        /// A version or `latest`.
        version: String,
        context: Map<String, Value>,
    },
    /// Roll back a completed execution.
    Revert {
        execution: String,
    },
}

impl EvaluatedAction {
    /// Whether it runs as an execution of its own.
    pub(crate) fn is_execution(&self) -> bool {
        matches!(
            self,
            EvaluatedAction::Procedure { .. } | EvaluatedAction::Revert { .. }
        )
    }

    /// A short description.
    pub fn label(&self) -> String {
        match self {
            EvaluatedAction::Tool { name, .. } => name.clone(),
            EvaluatedAction::Delay { .. } => "delay".to_owned(),
            EvaluatedAction::Approval { .. } => "approval".to_owned(),
            EvaluatedAction::Procedure { name, .. } => format!("procedure {name}"),
            EvaluatedAction::Revert { .. } => "undo procedure".to_owned(),
        }
    }
}

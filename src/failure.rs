//! The error type that leaves a room: what happened, why, and the next step. Has the
//! only table of JSON-RPC codes, HTTP statuses and exit codes. The source is logged and
//! never reaches a client.

use std::error::Error;
use std::fmt;

use serde_json::value::RawValue;
use serde_json::{Map, Value, json};

use crate::limits::SKILL_ERROR_BYTES_MAX;

/// The class of a failure, which tells a caller what to do. The names are part of
/// the contract (`error.kind` in every failed tool result).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// The arguments do not match the tool's schema, or contradict each other.
    InvalidArguments,
    /// An id, a name or a cursor refers to nothing.
    NotFound,
    /// The state has changed: doing this now would lose or repeat something.
    Conflict,
    /// A bound of `limits.rs` was exceeded.
    LimitExceeded,
    /// The deadline passed first.
    Timeout,
    /// The caller cancelled the request.
    Cancelled,
    /// A required part is not usable now; a later try may succeed.
    Unavailable,
    /// A policy forbids it; another try will fail too.
    Refused,
    /// A defect of Mimo.
    Internal,
}

impl Kind {
    pub fn name(self) -> &'static str {
        match self {
            Kind::InvalidArguments => "invalid_arguments",
            Kind::NotFound => "not_found",
            Kind::Conflict => "conflict",
            Kind::LimitExceeded => "limit_exceeded",
            Kind::Timeout => "timeout",
            Kind::Cancelled => "cancelled",
            Kind::Unavailable => "unavailable",
            Kind::Refused => "refused",
            Kind::Internal => "internal",
        }
    }

    /// The JSON-RPC code, for a failure that is a protocol error rather than a tool
    /// result.
    pub(crate) fn json_rpc_code(self) -> i32 {
        match self {
            Kind::InvalidArguments => -32602,
            Kind::NotFound => -32602,
            Kind::Conflict | Kind::LimitExceeded | Kind::Refused => -32600,
            Kind::Timeout | Kind::Cancelled | Kind::Unavailable => -32000,
            Kind::Internal => -32603,
        }
    }

    /// The status of HTTP, for a failure that is the whole answer to a request.
    pub(crate) fn http_status(self) -> u16 {
        match self {
            Kind::InvalidArguments => 400,
            Kind::Refused => 403,
            Kind::NotFound => 404,
            Kind::Conflict => 409,
            Kind::LimitExceeded => 429,
            // The client is gone, so nobody reads it.
            Kind::Cancelled => 499,
            Kind::Internal => 500,
            Kind::Unavailable => 503,
            Kind::Timeout => 504,
        }
    }

    /// The exit code of a command: 2 for wrong usage, else 1.
    pub(crate) fn exit_code(self) -> u8 {
        match self {
            Kind::InvalidArguments => 2,
            _ => 1,
        }
    }
}

/// A failure for a person or a model: `message` says what happened and why,
/// `hint` the next step, `path` the place in the arguments (a JSON Pointer).
#[derive(Debug)]
pub struct Failure {
    pub kind: Kind,
    /// One or two sentences.
    pub message: String,
    /// The next step.
    pub hint: Option<String>,
    /// The corrected tool call. Clients see it after the hint; the command line, where
    /// no tool was called, leaves it out.
    pub(crate) example: Option<String>,
    /// JSON Pointer into the arguments; `""` is all of them.
    pub path: Option<String>,
    /// All errors as documents, if several are reported at once.
    pub(crate) errors: Vec<Value>,
    /// The `code` and `data` of a skill's own error.
    upstream: Option<Box<Map<String, Value>>>,
    source: Option<Box<dyn Error + Send + Sync>>,
}

impl Failure {
    pub fn new(kind: Kind, message: impl Into<String>) -> Self {
        Failure {
            kind,
            message: message.into(),
            hint: None,
            example: None,
            path: None,
            errors: Vec::new(),
            upstream: None,
            source: None,
        }
    }

    /// Arguments that cannot be used; `path` is a JSON Pointer.
    pub(crate) fn invalid(path: impl Into<String>, message: impl Into<String>) -> Self {
        Failure::new(Kind::InvalidArguments, message).at(path)
    }

    /// A defect of Mimo; `source` is only logged.
    pub(crate) fn internal(source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Failure::new(Kind::Internal, "internal error in Mimo")
            .hint("the log has the details; please report it with that line")
            .source(source)
    }

    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    pub(crate) fn example(mut self, example: impl Into<String>) -> Self {
        self.example = Some(example.into());
        self
    }

    /// The hint and the example.
    pub fn next_step(&self) -> Option<String> {
        match (&self.hint, &self.example) {
            (Some(hint), Some(example)) if hint.ends_with('?') => Some(format!("{hint} {example}")),
            (Some(hint), Some(example)) => Some(format!("{hint}; {example}")),
            (hint, example) => hint.clone().or_else(|| example.clone()),
        }
    }

    pub(crate) fn at(mut self, path: impl Into<String>) -> Self {
        self.path = Some(path.into());
        self
    }

    /// Puts a pointer in front of the path.
    pub(crate) fn below(mut self, pointer: &str) -> Self {
        self.path = Some(format!("{pointer}{}", self.path.unwrap_or_default()));
        self
    }

    pub(crate) fn source(mut self, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    pub(crate) fn errors(mut self, errors: Vec<Value>) -> Self {
        self.errors = errors;
        self
    }

    /// `{"error": {"kind", "message", "hint", "path", "code", "data"}, "errors"}`
    /// without absent fields.
    pub fn document(&self) -> Value {
        let mut error = json!({"kind": self.kind.name(), "message": self.message});
        if let Some(hint) = self.next_step() {
            error["hint"] = json!(hint);
        }
        if let Some(path) = &self.path {
            error["path"] = json!(path);
        }
        for (name, value) in self.upstream.iter().flat_map(|upstream| upstream.iter()) {
            error[name] = value.clone();
        }
        let mut document = json!({ "error": error });
        if !self.errors.is_empty() {
            document["errors"] = json!(self.errors);
        }
        document
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}", self.message)?;
        if let Some(path) = self.path.as_deref().filter(|path| !path.is_empty()) {
            write!(out, " (at {path})")?;
        }
        if let Some(hint) = self.next_step() {
            write!(out, "; {hint}")?;
        }
        Ok(())
    }
}

impl Error for Failure {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}

/// Why a call or a request to a skill has no result.
#[derive(Debug)]
pub enum CallError {
    /// The call failed inside Mimo, before or after a skill saw it.
    Gateway(Failure),
    /// The skill answered with this JSON-RPC error, byte for byte.
    Upstream(Box<RawValue>),
    /// The handler panicked, which the log has in full.
    Panicked,
}

impl CallError {
    /// The error as a failure, for callers that cannot forward a skill's error.
    pub fn into_failure(self) -> Failure {
        match self {
            CallError::Gateway(failure) => failure,
            CallError::Upstream(error) => {
                let mut error: Value = serde_json::from_str(error.get()).unwrap_or_default();
                let message = error["message"].as_str().unwrap_or("no message");
                let message = format!("the skill refused: {message}");
                let mut failure = Failure::new(Kind::Unavailable, message);
                for name in ["code", "data"] {
                    let value = error.get_mut(name).map(Value::take);
                    let value = value.filter(|it| it.to_string().len() <= SKILL_ERROR_BYTES_MAX);
                    if let Some(value) = value {
                        let upstream = failure.upstream.get_or_insert_default();
                        upstream.insert(name.to_owned(), value);
                    }
                }
                failure
            }
            CallError::Panicked => Failure::internal("a handler panicked"),
        }
    }
}

impl From<Failure> for CallError {
    fn from(failure: Failure) -> Self {
        CallError::Gateway(failure)
    }
}

/// The type of a JSON value with its article, for messages.
pub(crate) fn json_kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}

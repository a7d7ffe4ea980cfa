//! A skill's own requests: questions to the client, in the skill's name.

use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};

use serde_json::value::{RawValue, to_raw_value};
use serde_json::{Map, Value, json};
use tokio::time::Instant;

use super::Inner;
use crate::caller::AskClient;
use crate::files::file_path;
use crate::printable;

/// The recipient of a request that the skill sends.
enum Recipient {
    /// The client whose call is open.
    Caller(AskClient),
    /// The client that Mimo serves over stdio.
    Downstream,
    Nobody(&'static str),
}

/// Finds the client that a question concerns. The protocol does not say which
/// call a question belongs to, so it is put to nobody where the open calls are
/// those of several clients: one of them could be shown what concerns another.
fn recipient(inner: &Inner) -> Recipient {
    if !inner.may_ask.load(Ordering::Relaxed) {
        return Recipient::Nobody("tools of this skill wait for approval");
    }
    let state = inner.state();
    let awaited = || state.pending.iter().filter(|(_, open)| open.is_awaited);
    let mut sessions = awaited().map(|(_, open)| &open.handlers.session);
    let Some(session) = sessions.next().cloned() else {
        return Recipient::Nobody("no call of this skill is open");
    };
    if sessions.any(|other| *other != session) {
        return Recipient::Nobody("calls of several clients are open, and this may concern any");
    }
    // Of several calls of one client the newest is the likeliest.
    let asking = awaited().filter_map(|(id, open)| {
        let ask = open.handlers.ask.as_ref()?;
        Some((id, ask))
    });
    match asking.max_by_key(|(id, _)| **id) {
        Some((_, ask)) => Recipient::Caller(ask.clone()),
        None if session.is_some() => Recipient::Nobody("the client takes no questions"),
        None => Recipient::Downstream,
    }
}

pub(super) fn on_request(
    inner: &Arc<Inner>,
    id: &RawValue,
    method: &str,
    params: Option<&RawValue>,
) {
    let capability = match method {
        "ping" => return answer(inner, id.get(), "result", "{}"),
        "roots/list" => "roots",
        "sampling/createMessage" => "sampling",
        "elicitation/create" => "elicitation",
        _ => return refuse(inner, id.get(), -32601, "there is no such method here"),
    };
    let recipient = recipient(inner);
    match recipient {
        Recipient::Nobody(why) => return refuse(inner, id.get(), -32601, why),
        Recipient::Downstream if !inner.downstream.capabilities().contains_key(capability) => {
            return refuse(inner, id.get(), -32601, "the client does not offer this");
        }
        _ => {}
    }
    let budget = inner.question_budget.lock();
    let mut budget = budget.unwrap_or_else(PoisonError::into_inner);
    let is_within = budget.take(Instant::now());
    drop(budget);
    if !is_within {
        inner.faults.unanswered.fetch_add(1, Ordering::Relaxed);
        let why = "too many requests in a short time; wait a second before the next";
        return refuse(inner, id.get(), -32000, why);
    }
    let Ok(permit) = inner.question_permits.clone().try_acquire_owned() else {
        inner.faults.unanswered.fetch_add(1, Ordering::Relaxed);
        return refuse(inner, id.get(), -32000, "too many requests at once");
    };
    let cancelled = inner.closed.child_token();
    let id = id.get().to_owned();
    inner
        .state()
        .questions
        .insert(id.clone(), cancelled.clone());
    let params = params.map(|params| inner.secrets.redact_json(params));
    let params = introduced(inner.skill.as_str(), method, params.as_deref());
    let method = method.to_owned();
    let asks_roots = capability == "roots";
    let asked = match recipient {
        Recipient::Caller(ask) => ask(method, params),
        _ => inner.downstream.send_request(&inner.skill, method, params),
    };
    let inner = inner.clone();
    tokio::spawn(async move {
        tokio::select! {
            outcome = asked => match outcome {
                Ok(result) if asks_roots => {
                    let roots = granted_roots(&result, &inner.granted);
                    answer(&inner, &id, "result", &roots);
                }
                Ok(result) => answer(&inner, &id, "result", result.get()),
                Err(error) => answer(&inner, &id, "error", error.get()),
            },
            () = cancelled.cancelled() => {}
        }
        inner.state().questions.remove(&id);
        drop(permit);
    });
}

fn refuse(inner: &Inner, id: &str, code: i32, message: &str) {
    let error = format!("{{\"code\":{code},\"message\":\"{message}\"}}");
    answer(inner, id, "error", &error);
}

fn answer(inner: &Inner, id: &str, member: &str, value: &str) {
    // A result may span several lines; a message may not.
    let value = value.replace(['\n', '\r'], " ");
    let line = format!("{{\"jsonrpc\":\"2.0\",\"id\":{id},\"{member}\":{value}}}\n");
    if !inner.out.try_send(line) {
        inner.faults.unanswered.fetch_add(1, Ordering::Relaxed);
    }
}

/// The client's roots within the skill's grants. A server that takes the roots for its
/// own folders could not use others.
fn granted_roots(result: &RawValue, granted: &[PathBuf]) -> String {
    let mut result: Value = serde_json::from_str(result.get()).unwrap_or_default();
    if let Some(roots) = result["roots"].as_array_mut() {
        roots.retain(|root| {
            let path = root["uri"].as_str().and_then(file_path);
            path.is_some_and(|path| granted.iter().any(|granted| path.starts_with(granted)))
        });
    }
    result.to_string()
}

/// The question as the client gets it: a person sees which skill asks before they
/// read what it says, and nothing of their conversation comes with it.
fn introduced(skill: &str, method: &str, params: Option<&RawValue>) -> Option<Box<RawValue>> {
    if !matches!(method, "elicitation/create" | "sampling/createMessage") {
        return params.map(ToOwned::to_owned);
    }
    let parsed = params.and_then(|params| serde_json::from_str(params.get()).ok());
    let mut members = visible(parsed.unwrap_or_default());
    let name = |text: &str| format!("[From the skill {skill}] {text}");
    if method == "elicitation/create" {
        let message = members.get("message").and_then(Value::as_str);
        let message = name(message.unwrap_or_default());
        members.insert("message".to_owned(), message.into());
    } else {
        members.remove("includeContext");
        let mut messages = match members.remove("messages") {
            Some(Value::Array(messages)) => messages,
            _ => Vec::new(),
        };
        match messages
            .first_mut()
            .and_then(|first| first.pointer_mut("/content/text"))
        {
            Some(text) => *text = name(text.as_str().unwrap_or_default()).into(),
            None => {
                let content = json!({"type": "text", "text": name("")});
                messages.insert(0, json!({"role": "user", "content": content}));
            }
        }
        members.insert("messages".to_owned(), messages.into());
    }
    to_raw_value(&members).ok()
}

/// `members` without a character that hides or steers: a person reads the titles, the
/// choices and the names of a form too. Names are escaped alike wherever they occur.
fn visible(members: Map<String, Value>) -> Map<String, Value> {
    let members = members.into_iter().map(|(key, value)| {
        let is_label = matches!(&*key, "title" | "enum" | "enumNames" | "required" | "const");
        let value = visible_value(value, is_label);
        (printable::line(&key).into_owned(), value)
    });
    members.collect()
}

/// A label stays on its line.
fn visible_value(value: Value, is_label: bool) -> Value {
    match value {
        Value::String(text) if is_label => printable::line(&text).into_owned().into(),
        Value::String(text) => printable::text(&text).into_owned().into(),
        Value::Array(values) => {
            let values = values.into_iter();
            values.map(|value| visible_value(value, is_label)).collect()
        }
        Value::Object(members) => visible(members).into(),
        other => other,
    }
}

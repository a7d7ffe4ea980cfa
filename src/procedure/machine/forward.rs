//! Forward execution: enters states, evaluates what needs no I/O, and follows
//! transitions.

use serde_json::{Map, Value, json};

use super::{EvaluatedAction, Flow, Machine, MapProgress, StepStart, Task, UndoEntry, UndoMethod};
use crate::clock::Timestamp;
use crate::diagnostics;
use crate::failure::json_kind;
use crate::limits;
use crate::procedure::definition::{Action, Case, Condition, MapAction, State};
use crate::procedure::journal::ActionError;
use crate::procedure::template::{self, TemplateError};

impl Machine {
    pub(super) fn enter(&mut self, name: String, event: String, at: Timestamp) -> Flow {
        self.history
            .move_on(&self.state, &name, event, self.entered_at, at);
        self.entered += 1;
        self.entered_at = at;
        self.state = name;
        if self.entered > limits::PROCEDURE_ENTERED_MAX {
            let most = limits::PROCEDURE_ENTERED_MAX;
            let message = format!("it has entered {most} states without coming to an end");
            return Flow::RollBack(ActionError::new("limit_exceeded", message));
        }
        let definition = self.definition.clone();
        let Some(state) = definition.states.get(&self.state) else {
            let message = format!("there is no state {}", self.state);
            return Flow::RollBack(ActionError::new("internal", message));
        };
        if let Some(fail) = &state.fail {
            let message = template::text(&fail.message, &self.scope(&[]));
            let message =
                message.unwrap_or_else(|TemplateError(why)| format!("{} ({why})", fail.message));
            return Flow::RollBack(ActionError::new(fail.error.clone(), message));
        }
        match &state.action {
            None => Flow::Leave("success".to_owned()),
            Some(action) => self.act(state, action).unwrap_or_else(Flow::Fail),
        }
    }

    fn act(&mut self, state: &State, action: &Action) -> Result<Flow, ActionError> {
        let scope = self.scope(&[]);
        match action {
            Action::Set(variables) => {
                self.assign(variables, &scope)?;
                Ok(Flow::Leave("success".to_owned()))
            }
            Action::Validate(conditions) => {
                validate(conditions, &scope)?;
                Ok(Flow::Leave("success".to_owned()))
            }
            Action::Choice(cases) => choose(cases, &scope).map(Flow::Leave),
            Action::Map(each) => {
                let items = items(each, &scope)?;
                self.each = Some(MapProgress {
                    items,
                    at: 0,
                    collected: Vec::new(),
                });
                self.next_item(state, each)
            }
            Action::Tool { .. }
            | Action::Delay(_)
            | Action::Approval(_)
            | Action::Procedure { .. } => {
                let work = work(action, &scope)?;
                Ok(self.schedule(work, state, None))
            }
        }
    }

    fn schedule(&mut self, work: EvaluatedAction, state: &State, item: Option<usize>) -> Flow {
        if self.steps >= limits::PROCEDURE_STEPS_MAX {
            let most = limits::PROCEDURE_STEPS_MAX;
            let message = format!("it has performed {most} actions without coming to an end");
            return Flow::RollBack(ActionError::new("limit_exceeded", message));
        }
        self.current = Some(Task {
            state: self.state.clone(),
            work,
            attempt: 1,
            item,
            not_before: None,
            timeout_ms: state.timeout_ms,
            is_compensation: false,
            started: None,
        });
        Flow::Wait
    }

    fn next_item(&mut self, state: &State, each: &MapAction) -> Result<Flow, ActionError> {
        let Some(items) = &self.each else {
            return Ok(Flow::Leave("success".to_owned()));
        };
        let Some(item) = items.items.get(items.at) else {
            self.result = Value::Array(items.collected.clone());
            self.each = None;
            return Ok(Flow::Leave("success".to_owned()));
        };
        let at = items.at;
        let scope = self.scope(&[(&each.name, item.clone()), ("index", json!(at))]);
        let work = work(&each.action, &scope)?;
        Ok(self.schedule(work, state, Some(at)))
    }

    /// A task succeeded. Its compensation is recorded before anything else can
    /// fail.
    pub(super) fn succeeded(&mut self, task: &Task, started: StepStart, result: Value) -> Flow {
        let definition = self.definition.clone();
        let Some(state) = definition.states.get(&task.state) else {
            let message = format!("there is no state {}", task.state);
            return Flow::RollBack(ActionError::new("internal", message));
        };
        let each = match &state.action {
            Some(Action::Map(each)) => Some(each),
            _ => None,
        };
        let mut more = vec![("result", result.clone())];
        if let (Some(each), Some(items), Some(at)) = (each, &self.each, task.item) {
            more.push(("index", json!(at)));
            more.push((&each.name, items.items.get(at).cloned().unwrap_or_default()));
        }
        let scope = self.scope(&more);
        self.record_undo(state, task, started, &scope);
        let Some(each) = each else {
            self.result = result;
            return match self.assign(&state.assign, &scope) {
                Ok(()) => Flow::Leave("success".to_owned()),
                Err(error) => Flow::Fail(error),
            };
        };
        let collected = match &each.collect {
            Some(collect) => {
                template::evaluate(collect, &scope).map_err(|why| template_error("collect", &why))
            }
            None => Ok(result),
        };
        let next = collected.and_then(|collected| {
            if let Some(items) = &mut self.each {
                items.collected.push(collected);
                items.at += 1;
            }
            self.next_item(state, each)
        });
        match next {
            // `assign` of the state sees the complete list.
            Ok(Flow::Leave(event)) => {
                let scope = self.scope(&[]);
                match self.assign(&state.assign, &scope) {
                    Ok(()) => Flow::Leave(event),
                    Err(error) => Flow::Fail(error),
                }
            }
            Ok(flow) => flow,
            Err(error) => {
                self.each = None;
                Flow::Fail(error)
            }
        }
    }

    fn record_undo(
        &mut self,
        state: &State,
        task: &Task,
        started: StepStart,
        scope: &Map<String, Value>,
    ) {
        let method = match (&state.compensate, &task.work) {
            (Some(action), _) => match work(action, scope) {
                Ok(work) => UndoMethod::Run(work),
                Err(error) => UndoMethod::Impossible(error.message),
            },
            (None, EvaluatedAction::Procedure { .. }) => UndoMethod::Run(EvaluatedAction::Revert {
                execution: self.child(started.step),
            }),
            (None, EvaluatedAction::Tool { .. }) if !started.effects.read_only => {
                UndoMethod::Undefined
            }
            (None, _) => return,
        };
        self.undo.push(UndoEntry {
            state: task.state.clone(),
            item: task.item,
            method,
        });
    }

    /// A task failed and is not retried.
    pub(super) fn failed(&mut self, task: &Task, started: StepStart, error: ActionError) -> Flow {
        let has_effects =
            matches!(task.work, EvaluatedAction::Tool { .. }) && !started.effects.read_only;
        if has_effects && error.may_have_taken_effect() {
            self.undo.push(UndoEntry {
                state: task.state.clone(),
                item: task.item,
                method: UndoMethod::Impossible(format!(
                    "whether {} took effect is not known ({})",
                    task.work.label(),
                    error.kind
                )),
            });
        }
        self.each = None;
        Flow::Fail(error)
    }

    pub(super) fn leave(&mut self, event: String) -> Flow {
        let definition = self.definition.clone();
        let Some(state) = definition.states.get(&self.state) else {
            return Flow::End;
        };
        if state.end {
            return Flow::End;
        }
        match self.transition(state, &event, false) {
            Ok(Some(target)) => Flow::Enter(target, event),
            Ok(None) => {
                let message = format!("nothing leads on from {} after {event}", self.state);
                Flow::RollBack(ActionError::new("stuck", message))
            }
            Err(error) => Flow::RollBack(error),
        }
    }

    /// The target of the first matching transition. `exact` excludes `default` and
    /// `next`.
    fn transition(
        &self,
        state: &State,
        event: &str,
        exact: bool,
    ) -> Result<Option<String>, ActionError> {
        let scope = self.scope(&[]);
        for transition in &state.transitions {
            let by_default = !exact && transition.event == "default";
            if transition.event != event && !by_default {
                continue;
            }
            let holds = match &transition.guard {
                Some(guard) => {
                    template::is_true(guard, &scope).map_err(|why| template_error("guard", &why))?
                }
                None => true,
            };
            if holds {
                return Ok(Some(transition.target.clone()));
            }
        }
        Ok(state.next.clone().filter(|_| !exact))
    }

    /// Enters the state that catches the error, or rolls back.
    pub(super) fn fail(&mut self, error: ActionError) -> Flow {
        self.error = Some(error.clone());
        self.each = None;
        let definition = self.definition.clone();
        let Some(state) = definition.states.get(&self.state) else {
            return Flow::RollBack(error);
        };
        let caught = state
            .catch
            .iter()
            .find(|each| error.is_one_of(&each.errors));
        if let Some(caught) = caught {
            return Flow::Enter(caught.target.clone(), "error".to_owned());
        }
        // A refused approval also emits an event of its own.
        let own = (error.kind == "rejected").then_some("rejected");
        for event in own.into_iter().chain(["error"]) {
            match self.transition(state, event, true) {
                Ok(Some(target)) => return Flow::Enter(target, event.to_owned()),
                Ok(None) => {}
                Err(error) => return Flow::RollBack(error),
            }
        }
        Flow::RollBack(error)
    }

    /// Sets all variables or, on an error, none.
    fn assign(
        &mut self,
        variables: &Map<String, Value>,
        scope: &Map<String, Value>,
    ) -> Result<(), ActionError> {
        if variables.is_empty() {
            return Ok(());
        }
        let mut context = self.context.clone();
        for (name, template) in variables {
            let value =
                template::evaluate(template, scope).map_err(|why| template_error(name, &why))?;
            context.insert(name.clone(), value);
        }
        let bytes = serde_json::to_string(&context).map_or(usize::MAX, |text| text.len());
        if bytes > limits::PROCEDURE_CONTEXT_BYTES_MAX {
            let most = limits::PROCEDURE_CONTEXT_BYTES_MAX;
            let message = format!("its variables would take {bytes} bytes; at most {most} fit");
            return Err(ActionError::new("limit_exceeded", message));
        }
        self.context = context;
        Ok(())
    }

    /// The scope of templates: the variables, shadowed by the reserved names, then
    /// by `more`.
    pub(super) fn scope(&self, more: &[(&str, Value)]) -> Map<String, Value> {
        let mut scope = self.context.clone();
        scope.insert("context".to_owned(), Value::Object(self.context.clone()));
        scope.insert("result".to_owned(), self.result.clone());
        let execution = json!({"id": self.id, "started_at": self.started_at.to_iso()});
        scope.insert("execution".to_owned(), execution);
        if let Some(error) = &self.error {
            let error = json!({"kind": error.kind, "message": error.message, "hint": error.hint});
            scope.insert("error".to_owned(), error);
        }
        for (name, value) in more {
            scope.insert((*name).to_owned(), value.clone());
        }
        scope
    }
}

/// An action that needs I/O, with its templates evaluated.
fn work(action: &Action, scope: &Map<String, Value>) -> Result<EvaluatedAction, ActionError> {
    let object = |members: &Map<String, Value>, what: &str| {
        let value = template::evaluate(&Value::Object(members.clone()), scope);
        match value.map_err(|why| member_error(what, members, scope, &why))? {
            Value::Object(members) => Ok(members),
            _ => Ok::<_, ActionError>(Map::new()),
        }
    };
    match action {
        Action::Tool {
            name,
            arguments,
            idempotent,
        } => Ok(EvaluatedAction::Tool {
            name: name.clone(),
            arguments: object(arguments, "arguments")?,
            idempotent: *idempotent,
        }),
        Action::Procedure {
            name,
            version,
            context,
        } => Ok(EvaluatedAction::Procedure {
            name: name.clone(),
            version: version.clone(),
            context: object(context, "context")?,
        }),
        Action::Approval(message) => Ok(EvaluatedAction::Approval {
            message: template::text(message, scope)
                .map_err(|why| template_error("message", &why))?,
        }),
        Action::Delay(delay) => {
            let value =
                template::evaluate(delay, scope).map_err(|why| template_error("delay_ms", &why))?;
            let ms = value
                .as_u64()
                .filter(|ms| *ms <= limits::PROCEDURE_MILLIS_MAX);
            ms.map(|ms| EvaluatedAction::Delay { ms }).ok_or_else(|| {
                let most = limits::PROCEDURE_MILLIS_MAX;
                let message =
                    format!("delay_ms is {value}; it must be a whole number up to {most}");
                ActionError::new("invalid_arguments", message)
            })
        }
        // The check refuses these here.
        Action::Set(_) | Action::Validate(_) | Action::Choice(_) | Action::Map(_) => {
            let message = format!("{} cannot stand here", action.key());
            Err(ActionError::new("invalid_arguments", message))
        }
    }
}

fn validate(conditions: &[Condition], scope: &Map<String, Value>) -> Result<(), ActionError> {
    for condition in conditions {
        let holds = template::is_true(&condition.that, scope)
            .map_err(|why| template_error("that", &why))?;
        if !holds {
            let message = match &condition.message {
                Some(message) => {
                    template::text(message, scope).map_err(|why| template_error("message", &why))?
                }
                None => format!("{} does not hold", condition.that),
            };
            return Err(ActionError::new("invalid", message));
        }
    }
    Ok(())
}

fn choose(cases: &[Case], scope: &Map<String, Value>) -> Result<String, ActionError> {
    for case in cases {
        let holds = match &case.when {
            Some(when) => {
                template::is_true(when, scope).map_err(|why| template_error("when", &why))?
            }
            None => true,
        };
        if holds {
            return Ok(case.event.clone());
        }
    }
    Ok("default".to_owned())
}

fn items(each: &MapAction, scope: &Map<String, Value>) -> Result<Vec<Value>, ActionError> {
    let value =
        template::evaluate(&each.items, scope).map_err(|why| template_error("items", &why))?;
    let Value::Array(items) = value else {
        let message = "items of a map must be a list";
        return Err(ActionError::new("invalid_arguments", message));
    };
    if items.len() > limits::PROCEDURE_ITEMS_MAX {
        let most = limits::PROCEDURE_ITEMS_MAX;
        let message = format!(
            "{} items are too many for a map; at most {most} fit",
            items.len()
        );
        return Err(ActionError::new("limit_exceeded", message));
    }
    Ok(items)
}

/// Names the part of `members` that cannot be evaluated, with its expression and the
/// types of the values that it reads.
fn member_error(
    what: &str,
    members: &Map<String, Value>,
    scope: &Map<String, Value>,
    why: &TemplateError,
) -> ActionError {
    let failing = members.iter().find_map(|(name, member)| {
        let (path, expression) = template::failing(member, scope)?;
        Some((format!("{what}.{name}{path}"), expression))
    });
    let Some((at, expression)) = failing else {
        return template_error(what, why);
    };
    let kinds: Vec<String> = template::variables(expression)
        .into_iter()
        .filter_map(|name| Some(format!("{name} is {}", json_kind(scope.get(&name)?))))
        .collect();
    let expression = diagnostics::clip(expression, limits::DIAGNOSTIC_VALUE_CHARS_MAX);
    let mut message = format!("{at}, {expression}, cannot be evaluated: {}", why.0);
    if !kinds.is_empty() {
        message.push_str(&format!(" ({})", kinds.join(", ")));
    }
    ActionError::new("template", message)
}

fn template_error(what: &str, TemplateError(why): &TemplateError) -> ActionError {
    ActionError::new("template", format!("{what} cannot be evaluated: {why}"))
}

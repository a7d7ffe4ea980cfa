//! The answer in words: quotations, which are made first and always stand, or
//! what a model writes out of the same sources.

use std::time::Duration;

use tokio::time::Instant;

use super::Ask;
use super::answer::{Answer, Said, Shown};
use super::request::Time;
use crate::ask::{checked, prompt};
use crate::limits;
use crate::tools::Context;

/// Answers `question` out of what is shown; by a model where one may be asked and
/// is done in the time that is left.
pub async fn say(
    ask: &Ask,
    context: &Context,
    question: &str,
    answer: &mut Answer<'_>,
    shown: &Shown<'_>,
    time: Time,
) -> Said {
    let quoted = answer.quoted(question, shown);
    let wanted = answer.decision.requires_synthesis && !quoted.synthesis.citations.is_empty();
    if !wanted {
        return quoted;
    }
    let margin = Duration::from_millis(limits::ASK_MODEL_MARGIN_MILLIS);
    let deadline = time.began + time.patience.saturating_sub(margin);
    if let Some(written) = written(ask, context, question, answer, shown, deadline).await {
        return written;
    }
    // Once more with the reasons, unless they leave no room for the answer.
    let told = answer.quoted(question, shown);
    match told.synthesis.citations.is_empty() {
        true => quoted,
        false => told,
    }
}

/// What the first model writes whose answer stands; why the others' do not goes
/// into the answer.
async fn written(
    ask: &Ask,
    context: &Context,
    question: &str,
    answer: &mut Answer<'_>,
    shown: &Shown<'_>,
    deadline: Instant,
) -> Option<Said> {
    let writers = ask.writers.of(context);
    if writers.is_empty() {
        return None;
    }
    let tokens = answer.spare(shown) / limits::TOKEN_BYTES;
    let mark = ask.memories.clock().new_id();
    let prompt = prompt(question, &shown.items(), answer.now, &mark, tokens)?;
    for writer in writers {
        let text = writer.write(&prompt, deadline, &context.cancel).await;
        let said = text.and_then(|text| {
            let stands = |most| checked(&text, &prompt.citations, most);
            Ok(answer.written(writer.by(), shown, stands)?)
        });
        match said {
            Ok(said) => return Some(said),
            Err(why) => answer.degraded.push(format!("{} {why}", writer.name())),
        }
    }
    None
}

//! The models that may put an answer into words, and asking one of them.

use std::time::Duration;

use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;

use super::answer::By;
use super::sampling;
use crate::ask::Prompt;
use crate::caller::AskClient;
use crate::endpoint::{Endpoint, Task};
use crate::limits;
use crate::tools::Context;

/// Which models the settings let answers be written by; by default none.
#[derive(Default)]
pub struct Writers {
    /// Asked first.
    pub endpoint: Option<Endpoint>,
    /// Whether the client's model is asked, where it offers one.
    pub client: bool,
}

/// One that may be asked now.
pub enum Writer<'a> {
    /// The model of the settings.
    Endpoint(&'a Endpoint),
    /// The client's own model.
    Client(AskClient),
}

impl Writers {
    /// Those that may be asked during a call, in the order to try them.
    pub fn of(&self, context: &Context) -> Vec<Writer<'_>> {
        let endpoint = self.endpoint.as_ref().map(Writer::Endpoint);
        let client = context.caller.sample.clone().filter(|_| self.client);
        endpoint
            .into_iter()
            .chain(client.map(Writer::Client))
            .collect()
    }
}

impl Writer<'_> {
    /// Who it is, in an answer.
    pub fn by(&self) -> By {
        match self {
            Writer::Endpoint(_) => By::Endpoint,
            Writer::Client(_) => By::Client,
        }
    }

    /// Who it is, in a sentence.
    pub fn name(&self) -> &'static str {
        match self {
            Writer::Endpoint(_) => "the endpoint",
            Writer::Client(_) => "the client's model",
        }
    }

    /// What it writes by `deadline`; otherwise why there is nothing, to follow
    /// its name. A question that is given up is taken back.
    pub async fn write(
        &self,
        prompt: &Prompt,
        deadline: Instant,
        cancel: &CancellationToken,
    ) -> Result<String, String> {
        let least = Duration::from_millis(limits::ASK_MODEL_MILLIS_MIN);
        if deadline.saturating_duration_since(Instant::now()) < least {
            return Err("was not asked: no time was left".to_owned());
        }
        tokio::select! {
            written = self.answer(prompt, deadline) => written,
            () = cancel.cancelled() => Err("was not waited for".to_owned()),
        }
    }

    async fn answer(&self, prompt: &Prompt, deadline: Instant) -> Result<String, String> {
        match self {
            Writer::Endpoint(endpoint) => {
                let task = Task {
                    system: &prompt.system,
                    user: &prompt.user,
                    max_tokens: prompt.max_tokens,
                };
                endpoint.write(task, deadline).await
            }
            Writer::Client(asks) => {
                let asked = asks(sampling::METHOD.to_owned(), sampling::request(prompt));
                match timeout_at(deadline, asked).await {
                    Ok(Ok(result)) => sampling::text(&result),
                    Ok(Err(error)) => Err(sampling::refusal(&error)),
                    Err(_) => Err("did not answer in time".to_owned()),
                }
            }
        }
    }
}

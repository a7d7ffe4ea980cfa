//! The models that may write an answer.

use std::time::Duration;

use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;

use super::answer::Author;
use super::{Prompt, sampling};
use crate::caller::{AskClient, Caller};
use crate::endpoint::{Completion, Endpoint};
use crate::limits;

/// The models that the settings allow; none by default.
#[derive(Default)]
pub struct Writers {
    /// Tried first.
    pub(crate) endpoint: Option<Endpoint>,
    /// Whether the client's model is tried, if the client offers sampling.
    pub(crate) client: bool,
}

pub(super) enum Writer<'a> {
    Endpoint(&'a Endpoint),
    Client(AskClient),
}

impl Writers {
    /// The models that can be asked for `caller`, in the order to try them.
    pub(super) fn available(&self, caller: &Caller) -> Vec<Writer<'_>> {
        let endpoint = self.endpoint.as_ref().map(Writer::Endpoint);
        let client = caller.sample.clone().filter(|_| self.client);
        endpoint
            .into_iter()
            .chain(client.map(Writer::Client))
            .collect()
    }
}

impl Writer<'_> {
    pub(crate) fn author(&self) -> Author {
        match self {
            Writer::Endpoint(_) => Author::Endpoint,
            Writer::Client(_) => Author::Client,
        }
    }

    /// Its name in a sentence.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Writer::Endpoint(_) => "the endpoint",
            Writer::Client(_) => "the client's model",
        }
    }

    /// The model's text. An error is a predicate of the writer's name: "did not
    /// answer in time". Cancelling withdraws the request.
    pub(crate) async fn write(
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
            written = self.request(prompt, deadline) => written,
            () = cancel.cancelled() => Err("was not waited for".to_owned()),
        }
    }

    async fn request(&self, prompt: &Prompt, deadline: Instant) -> Result<String, String> {
        match self {
            Writer::Endpoint(endpoint) => {
                let completion = Completion {
                    system: &prompt.system,
                    user: &prompt.user,
                    max_tokens: prompt.max_tokens,
                };
                endpoint.complete(completion, deadline).await
            }
            Writer::Client(ask) => {
                let reply = ask(sampling::METHOD.to_owned(), sampling::request(prompt));
                match timeout_at(deadline, reply).await {
                    Ok(Ok(result)) => sampling::text(&result),
                    Ok(Err(error)) => Err(sampling::refusal(&error)),
                    Err(_) => Err("did not answer in time".to_owned()),
                }
            }
        }
    }
}

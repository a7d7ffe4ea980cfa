//! Questions of skills to a client of the newest revision, which takes none
//! while it waits: its call is answered with the question instead, the call
//! itself goes on beside, and the client's next try brings the answer.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::value::{RawValue, to_raw_value};
use serde_json::{Value, json};
use tokio::sync::{mpsc, oneshot};
use tokio_util::task::AbortOnDropHandle;

use crate::clock::Clock;
use crate::failure::{Failure, Kind};
use crate::limits;
use crate::registry::Asks;
use crate::tools::Reply;
use crate::wire::Outcome;

/// The key of the one question that is asked at a time.
const KEY: &str = "question";

/// The calls whose client has a question to answer.
pub struct Rounds {
    waiting: Mutex<VecDeque<(String, Round)>>,
    clock: Arc<dyn Clock>,
}

/// A call that goes on by itself. Dropping it takes the call back.
pub struct Round {
    call: AbortOnDropHandle<Result<Reply, Failure>>,
    questions: mpsc::Receiver<Question>,
    asked: Option<Question>,
}

struct Question {
    method: String,
    params: Option<Box<RawValue>>,
    reply: oneshot::Sender<Outcome>,
}

/// What a call has come to.
pub enum Step {
    /// It is over.
    Done(Result<Reply, Failure>),
    /// There is no such call.
    Unknown(Failure),
    /// The result that asks the client.
    Asked(Arc<RawValue>),
}

impl Round {
    /// Begins a call, which is given the way to ask.
    pub fn begin<F>(call: impl FnOnce(Asks) -> F) -> Round
    where
        F: Future<Output = Result<Reply, Failure>> + Send + 'static,
    {
        let (ask, questions) = mpsc::channel(1);
        let asks: Asks = Arc::new(move |method, params| {
            let ask = ask.clone();
            Box::pin(async move {
                let (reply, answer) = oneshot::channel();
                let question = Question {
                    method,
                    params,
                    reply,
                };
                // Either fails only when the call is over.
                let asked = ask.send(question).await;
                let answered = match asked {
                    Ok(()) => answer.await.ok(),
                    Err(_) => None,
                };
                answered.unwrap_or_else(|| Err(refusal("the call is over")))
            })
        });
        Round {
            call: AbortOnDropHandle::new(tokio::spawn(call(asks))),
            questions,
            asked: None,
        }
    }
}

impl Rounds {
    /// No calls yet; `clock` names those that come.
    pub fn new(clock: Arc<dyn Clock>) -> Rounds {
        Rounds {
            waiting: Mutex::default(),
            clock,
        }
    }

    /// The call goes on until it is over or has a question.
    pub async fn step(&self, mut round: Round) -> Step {
        let question = tokio::select! {
            biased;
            done = &mut round.call => {
                return Step::Done(done.unwrap_or_else(|error| Err(Failure::internal(error))));
            }
            Some(question) = round.questions.recv() => question,
        };
        let state = self.clock.new_id();
        let asked = json!({
            "resultType": "input_required",
            "inputRequests": {KEY: {"method": question.method, "params": question.params}},
            "requestState": state,
        });
        let asked = to_raw_value(&asked);
        round.asked = Some(question);
        let mut waiting = self.waiting();
        waiting.push_back((state, round));
        if waiting.len() > limits::ROUNDS_WAITING_MAX {
            waiting.pop_front();
        }
        match asked {
            Ok(asked) => Step::Asked(asked.into()),
            Err(error) => Step::Done(Err(Failure::internal(error))),
        }
    }

    /// The call that `state` means, given the client's answer.
    pub fn resume(
        &self,
        state: &str,
        mut answers: BTreeMap<String, Value>,
    ) -> Result<Round, Failure> {
        let mut waiting = self.waiting();
        let place = waiting.iter().position(|(each, _)| each == state);
        let Some((_, mut round)) = place.and_then(|place| waiting.remove(place)) else {
            return Err(
                Failure::new(Kind::NotFound, "the call that asked this is over")
                    .hint("make the call again, without requestState"),
            );
        };
        let answer = answers
            .remove(KEY)
            .and_then(|value| to_raw_value(&value).ok());
        if let Some(question) = round.asked.take() {
            let answer = answer.ok_or_else(|| refusal("the client gave no answer"));
            // Whoever asked may have gone.
            let _ = question.reply.send(answer);
        }
        Ok(round)
    }

    fn waiting(&self) -> std::sync::MutexGuard<'_, VecDeque<(String, Round)>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn refusal(why: &str) -> Box<RawValue> {
    to_raw_value(&json!({"code": -32000, "message": why})).unwrap_or_default()
}

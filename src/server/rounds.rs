//! Questions to a client of the newest revision, a skill's or a tool's of ours:
//! it takes none while it waits, so its call is answered with the question, the
//! call itself goes on beside, and the client's next try brings the answer.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::value::{RawValue, to_raw_value};
use serde_json::{Value, json};
use tokio::sync::{mpsc, oneshot};
use tokio_util::task::AbortOnDropHandle;

use crate::caller::AskClient;
use crate::clock::Clock;
use crate::failure::{CallError, Failure, Kind};
use crate::limits;
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
    call: AbortOnDropHandle<Result<Reply, CallError>>,
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
    Done(Result<Reply, CallError>),
    /// There is no such call.
    Unknown(Failure),
    /// The result that asks the client.
    Asked(Arc<RawValue>),
}

impl Round {
    /// Begins a call, which is given the way to ask.
    pub fn begin<F>(call: impl FnOnce(AskClient) -> F) -> Round
    where
        F: Future<Output = Result<Reply, CallError>> + Send + 'static,
    {
        let (ask, questions) = mpsc::channel(1);
        let asks: AskClient = Arc::new(move |method, params| {
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
                return Step::Done(done.unwrap_or_else(|error| Err(Failure::internal(error).into())));
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
            Err(error) => Step::Done(Err(Failure::internal(error).into())),
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::timeout;

    use super::*;
    use crate::clock::SystemClock;
    use crate::tools::Document;

    /// Asks, waits for a second, and says what it heard.
    async fn patient(asks: AskClient) -> Result<Reply, CallError> {
        let heard = timeout(
            Duration::from_secs(1),
            asks("sampling/createMessage".into(), None),
        );
        let said = match heard.await {
            Ok(Ok(_)) => "an answer",
            Ok(Err(_)) => "a refusal",
            Err(_) => "nothing",
        };
        Ok(Document(said.to_owned()).into())
    }

    async fn said(rounds: &Rounds, round: Round) -> String {
        match rounds.step(round).await {
            Step::Done(Ok(Reply::Document(said))) => said.0,
            _ => panic!("not over"),
        }
    }

    /// Begins a call; what its client has to send back.
    async fn asked(rounds: &Rounds) -> String {
        let Step::Asked(asked) = rounds.step(Round::begin(patient)).await else {
            panic!("no question");
        };
        let asked: Value = serde_json::from_str(asked.get()).expect("JSON");
        asked["requestState"].as_str().expect("a state").to_owned()
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_ends_in_its_own_time_and_answers_a_client_that_is_late() {
        let rounds = Rounds::new(Arc::new(SystemClock));
        let answer = || BTreeMap::from([(KEY.to_owned(), json!({}))]);
        for (wait, answers, expected) in [
            (0, answer(), "an answer"),
            (0, BTreeMap::new(), "a refusal"),
            (2, answer(), "nothing"),
            (3_600, BTreeMap::new(), "nothing"),
        ] {
            let state = asked(&rounds).await;
            tokio::time::sleep(Duration::from_secs(wait)).await;
            let round = rounds.resume(&state, answers).expect("it is known");
            assert_eq!(said(&rounds, round).await, expected, "after {wait} s");
        }
    }
}

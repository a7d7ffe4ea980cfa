//! Input requests to a client of revision 2026-07-28, which accepts no request
//! while it waits: its call is answered with an `InputRequiredResult`, the call
//! itself continues in the background, and the client's retry brings the reply.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rmcp::model::InputResponses;
use serde_json::json;
use serde_json::value::{RawValue, to_raw_value};
use tokio::sync::{mpsc, oneshot};
use tokio_util::task::AbortOnDropHandle;

use crate::caller::AskClient;
use crate::clock::Clock;
use crate::failure::{CallError, Failure, Kind};
use crate::limits;
use crate::tools::Reply;
use crate::wire::ClientReply;

/// The key of the one request that is open at a time.
const KEY: &str = "question";

/// The calls that wait for their client's reply.
pub(super) struct InputRequests {
    suspended: Mutex<VecDeque<SuspendedCall>>,
    clock: Arc<dyn Clock>,
}

/// A call whose client has been asked for input.
struct SuspendedCall {
    /// The session that may continue the call.
    session: Arc<str>,
    /// The `requestState` of the retry.
    state: String,
    call: BackgroundCall,
}

/// A call that continues without an open request. Dropping it cancels the call.
pub(super) struct BackgroundCall {
    call: AbortOnDropHandle<Result<Reply, CallError>>,
    requests: mpsc::Receiver<InputRequest>,
    asked: Option<InputRequest>,
}

struct InputRequest {
    method: String,
    params: Option<Box<RawValue>>,
    reply: oneshot::Sender<ClientReply>,
}

/// The state of a background call when its request ends.
pub(super) enum CallStatus {
    Done(Result<Reply, CallError>),
    /// The result with the request for the client.
    InputRequired(Reply),
}

impl BackgroundCall {
    /// Starts a call, which gets a function that sends requests to the client.
    pub(super) fn start<F>(call: impl FnOnce(AskClient) -> F) -> BackgroundCall
    where
        F: Future<Output = Result<Reply, CallError>> + Send + 'static,
    {
        let (sender, requests) = mpsc::channel(1);
        let ask: AskClient = Arc::new(move |method, params| {
            let sender = sender.clone();
            Box::pin(async move {
                let (reply, replied) = oneshot::channel();
                let request = InputRequest {
                    method,
                    params,
                    reply,
                };
                // Either fails only when the call is over.
                let received = match sender.send(request).await {
                    Ok(()) => replied.await.ok(),
                    Err(_) => None,
                };
                received.unwrap_or_else(|| Err(refusal("the call is over")))
            })
        });
        BackgroundCall {
            call: AbortOnDropHandle::new(tokio::spawn(call(ask))),
            requests,
            asked: None,
        }
    }
}

impl InputRequests {
    pub(super) fn new(clock: Arc<dyn Clock>) -> InputRequests {
        InputRequests {
            suspended: Mutex::default(),
            clock,
        }
    }

    /// Waits until the call is over or has a request for its session's client.
    pub(super) async fn advance(&self, session: &Arc<str>, mut call: BackgroundCall) -> CallStatus {
        let request = tokio::select! {
            biased;
            done = &mut call.call => {
                let failed = |error| Err(Failure::internal(error).into());
                return CallStatus::Done(done.unwrap_or_else(failed));
            }
            Some(request) = call.requests.recv() => request,
        };
        let state = self.clock.new_id();
        let input_required = json!({
            "resultType": "input_required",
            "inputRequests": {KEY: {"method": request.method, "params": request.params}},
            "requestState": state,
        });
        call.asked = Some(request);
        let mut suspended = self.suspended();
        suspended.push_back(SuspendedCall {
            session: session.clone(),
            state,
            call,
        });
        let of_session = |each: &SuspendedCall| each.session == *session;
        if suspended.iter().filter(|each| of_session(each)).count() > limits::INPUT_REQUESTS_MAX
            && let Some(oldest) = suspended.iter().position(of_session)
        {
            suspended.remove(oldest);
        }
        CallStatus::InputRequired(Reply::Object(input_required))
    }

    /// Takes the call that `state` names, with the client's reply handed to it.
    /// Another session's call and a finished call are both unknown.
    pub(super) fn resume(
        &self,
        session: &str,
        state: &str,
        mut responses: InputResponses,
    ) -> Result<BackgroundCall, Failure> {
        let mut suspended = self.suspended();
        let place = suspended
            .iter()
            .position(|each| each.state == state && &*each.session == session);
        let Some(SuspendedCall { mut call, .. }) = place.and_then(|place| suspended.remove(place))
        else {
            let unknown = Failure::new(Kind::NotFound, "the call that asked this is over");
            return Err(unknown.hint("make the call again, without requestState"));
        };
        let reply = responses
            .remove(KEY)
            .and_then(|value| to_raw_value(&value).ok());
        if let Some(request) = call.asked.take() {
            let reply = reply.ok_or_else(|| refusal("the client gave no answer"));
            // The requester may be gone.
            let _ = request.reply.send(reply);
        }
        Ok(call)
    }

    fn suspended(&self) -> MutexGuard<'_, VecDeque<SuspendedCall>> {
        self.suspended
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

fn refusal(why: &str) -> Box<RawValue> {
    to_raw_value(&json!({"code": -32000, "message": why})).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::time::Duration;

    use tokio::time::timeout;

    use super::*;
    use crate::clock::SystemClock;
    use crate::tools::Document;

    /// Asks, waits for a second, and replies with what it received.
    async fn ask_for_a_second(ask: AskClient) -> Result<Reply, CallError> {
        let reply = timeout(
            Duration::from_secs(1),
            ask("sampling/createMessage".into(), None),
        );
        let received = match reply.await {
            Ok(Ok(_)) => "an answer",
            Ok(Err(_)) => "a refusal",
            Err(_) => "nothing",
        };
        Ok(Document(received.to_owned()).into())
    }

    fn session() -> Arc<str> {
        "session".into()
    }

    async fn received(requests: &InputRequests, call: BackgroundCall) -> String {
        match requests.advance(&session(), call).await {
            CallStatus::Done(Ok(Reply::Document(received))) => received.0,
            _ => panic!("not over"),
        }
    }

    /// Starts a call; the `requestState` of its request.
    async fn asked(requests: &InputRequests) -> String {
        let call = BackgroundCall::start(ask_for_a_second);
        let CallStatus::InputRequired(Reply::Object(asked)) =
            requests.advance(&session(), call).await
        else {
            panic!("no question");
        };
        asked["requestState"].as_str().expect("a state").to_owned()
    }

    fn answer() -> InputResponses {
        BTreeMap::from([(KEY.to_owned(), json!({}))])
    }

    #[tokio::test(start_paused = true)]
    async fn late_reply_does_not_extend_a_background_call() {
        let requests = InputRequests::new(Arc::new(SystemClock));
        for (wait, responses, expected) in [
            (0, answer(), "an answer"),
            (0, BTreeMap::new(), "a refusal"),
            (2, answer(), "nothing"),
            (3_600, BTreeMap::new(), "nothing"),
        ] {
            let state = asked(&requests).await;
            tokio::time::sleep(Duration::from_secs(wait)).await;
            let call = requests
                .resume("session", &state, responses)
                .expect("it is known");
            assert_eq!(received(&requests, call).await, expected, "after {wait} s");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn another_session_cannot_continue_a_call() {
        let requests = InputRequests::new(Arc::new(SystemClock));
        let state = asked(&requests).await;
        assert!(requests.resume("another", &state, answer()).is_err());
        assert!(requests.resume("session", &state, answer()).is_ok());
    }
}

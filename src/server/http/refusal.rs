//! Requests that are not served: the status, and a JSON body that says why.

use axum::body::Body;
use axum::http::header::{self, HeaderValue};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use crate::failure::{Failure, Kind};
use crate::keys;
use crate::wire::Id;

/// Why a request is not served.
#[derive(Debug)]
pub(super) struct Refusal {
    status: StatusCode,
    body: Document,
    headers: HeaderMap,
}

#[derive(Debug)]
enum Document {
    Plain(Value),
    /// Its text, since the id comes back exactly as it was sent.
    JsonRpc(String),
}

impl Refusal {
    /// An error of HTTP; `message` says what to do.
    pub(super) fn new(status: StatusCode, error: &str, message: impl Into<String>) -> Refusal {
        let message: String = message.into();
        let body = json!({"error": error, "error_description": message});
        Refusal::of(status, Document::Plain(body))
    }

    fn of(status: StatusCode, body: Document) -> Refusal {
        Refusal {
            status,
            body,
            headers: HeaderMap::new(),
        }
    }

    /// An error of JSON-RPC to a request whose id may be unknown.
    pub(super) fn json_rpc(
        status: StatusCode,
        code: i32,
        message: String,
        id: Option<&Id>,
    ) -> Refusal {
        let error = json!({"code": code, "message": message});
        let id = id.map_or("null", Id::raw);
        let body = format!(r#"{{"jsonrpc":"2.0","id":{id},"error":{error}}}"#);
        Refusal::of(status, Document::JsonRpc(body))
    }

    /// The request has no usable key. All reasons take the same time and look the same.
    pub(super) fn unauthorized(refusal: &keys::Refusal, event: &str) -> Refusal {
        let challenge = match refusal {
            // Without credentials there is no error code (RFC 6750, section 3.1).
            keys::Refusal::Missing => "Bearer realm=\"mimo\"",
            _ => {
                "Bearer realm=\"mimo\", error=\"invalid_token\", \
                  error_description=\"the key is not valid\""
            }
        };
        let body = json!({
            "error": "Authentication required",
            "reason": refusal.reason(),
            "event_id": event,
        });
        let refusal = Refusal::of(StatusCode::UNAUTHORIZED, Document::Plain(body));
        // Its body is not read, so the bytes that follow are not a request.
        refusal
            .header(header::WWW_AUTHENTICATE, challenge)
            .header(header::CONNECTION, "close")
    }

    /// A failure of a call.
    pub(super) fn failure(failure: &Failure) -> Refusal {
        let refusal = Refusal::of(status_of(failure.kind), Document::Plain(failure.document()));
        match failure.kind {
            Kind::Unavailable | Kind::LimitExceeded => refusal.retry_after(1),
            _ => refusal,
        }
    }

    pub(super) fn header(mut self, name: header::HeaderName, value: &str) -> Refusal {
        if let Ok(value) = HeaderValue::from_str(value) {
            self.headers.insert(name, value);
        }
        self
    }

    pub(super) fn retry_after(self, seconds: u64) -> Refusal {
        self.header(header::RETRY_AFTER, &seconds.max(1).to_string())
    }

    /// Adds the request's id in the log.
    pub(super) fn with_request_id(mut self, id: &str) -> Refusal {
        if let Document::Plain(Value::Object(body)) = &mut self.body {
            body.insert("request_id".to_owned(), json!(id));
        }
        self
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let body = match self.body {
            Document::Plain(body) => body.to_string(),
            Document::JsonRpc(text) => text,
        };
        let mut response = json_response(self.status, body);
        response.headers_mut().extend(self.headers);
        response
    }
}

pub(super) fn json_response(status: StatusCode, body: impl Into<Body>) -> Response {
    let json = HeaderValue::from_static("application/json");
    let mut response = Response::new(body.into());
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, json);
    response
}

/// The status of a failed call.
fn status_of(kind: Kind) -> StatusCode {
    StatusCode::from_u16(kind.http_status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}

//! The headers of a request to `/mcp`, and whether they agree with its body.

use axum::http::{HeaderMap, HeaderName, StatusCode, header};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rmcp::model::{ErrorCode, ProtocolVersion};

use super::refusal::Refusal;
use crate::wire::Id;
use crate::wire::frame::{Frame, Item};

pub(super) const SESSION: &str = "mcp-session-id";
pub(super) const LAST_EVENT_ID: &str = "last-event-id";
const VERSION: &str = "mcp-protocol-version";
const METHOD: &str = "mcp-method";
const NAME: &str = "mcp-name";

/// The headers that a page may send, besides those that it always may.
pub(super) const FROM_PAGES: [HeaderName; 8] = [
    header::AUTHORIZATION,
    header::CONTENT_TYPE,
    HeaderName::from_static(SESSION),
    HeaderName::from_static(LAST_EVENT_ID),
    HeaderName::from_static(VERSION),
    HeaderName::from_static(METHOD),
    HeaderName::from_static(NAME),
    HeaderName::from_static("x-request-id"),
];

/// The version of clients that name none.
const OLDEST: &str = "2025-03-26";

pub(super) fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok().map(str::trim)
}

/// Revisions are dates, which compare as text.
pub(super) fn is_newest(headers: &HeaderMap) -> bool {
    text(headers, VERSION).is_some_and(|it| it >= ProtocolVersion::V_2026_07_28.as_str())
}

/// Whether this is an exchange of a revision without sessions.
pub(super) fn is_stateless(headers: &HeaderMap, frame: &Frame) -> bool {
    let newest = ProtocolVersion::V_2026_07_28.as_str();
    let version = frame.only_head().and_then(|head| head.version);
    is_newest(headers) || version.is_some_and(|version| version.as_str() >= newest)
}

/// Clients of revision 2026-07-28 repeat in headers what proxies may need.
pub(super) fn check_stateless(headers: &HeaderMap, frame: &Frame) -> Result<(), Refusal> {
    let id = id_of(frame);
    let mismatch = |message: String| {
        let code = ErrorCode::HEADER_MISMATCH.0;
        Refusal::json_rpc(StatusCode::BAD_REQUEST, code, message, id)
    };
    let Some(version) = text(headers, VERSION) else {
        return Err(mismatch(
            "the header MCP-Protocol-Version is missing".into(),
        ));
    };
    let head = match frame {
        Frame::Batch(_) => {
            return Err(invalid("this revision has no batches".into()));
        }
        Frame::Single(_) => match frame.only_head() {
            Some(head) => head,
            None => return Ok(()),
        },
    };
    if let Some(said) = head.version
        && said.as_str() != version
    {
        let message = format!("MCP-Protocol-Version is {version}, but _meta says {said}");
        return Err(mismatch(message));
    }
    if !head.missing.is_empty() {
        let message = format!(
            "request _meta is missing or has malformed required fields: {}",
            head.missing.join(", ")
        );
        let code = ErrorCode::INVALID_PARAMS.0;
        return Err(Refusal::json_rpc(
            StatusCode::BAD_REQUEST,
            code,
            message,
            id,
        ));
    }
    match text(headers, METHOD) {
        None => return Err(mismatch("the header Mcp-Method is missing".into())),
        Some(method) if method != head.method => {
            let message = format!("Mcp-Method is {method}, but the method is {}", head.method);
            return Err(mismatch(message));
        }
        Some(_) => {}
    }
    if let Some(name) = head.name {
        let said = text(headers, NAME).ok_or_else(|| {
            mismatch(format!(
                "the header Mcp-Name is missing for {}",
                head.method
            ))
        })?;
        let said = decoded(said).ok_or_else(|| mismatch("Mcp-Name is not valid Base64".into()))?;
        if said != name {
            return Err(mismatch(format!(
                "Mcp-Name is {said}, but the name is {name}"
            )));
        }
    }
    Ok(())
}

/// A header's value that may be written as `=?base64?..?=`.
fn decoded(value: &str) -> Option<String> {
    let encoded = value.strip_prefix("=?base64?");
    match encoded.and_then(|encoded| encoded.strip_suffix("?=")) {
        Some(encoded) => String::from_utf8(STANDARD.decode(encoded).ok()?).ok(),
        None => Some(value.to_owned()),
    }
}

/// Revisions before 2026-07-28 name the version that was negotiated.
pub(super) fn check_version(headers: &HeaderMap) -> Result<(), Refusal> {
    let version = text(headers, VERSION).unwrap_or(OLDEST);
    let known = ProtocolVersion::KNOWN_VERSIONS;
    if known.iter().any(|known| known.as_str() == version) {
        return Ok(());
    }
    let known: Vec<&str> = known.iter().map(ProtocolVersion::as_str).collect();
    let message = format!(
        "MCP-Protocol-Version {version} is unknown; supported: {}",
        known.join(", ")
    );
    Err(invalid(message))
}

pub(super) fn check_content_type(headers: &HeaderMap) -> Result<(), Refusal> {
    let content = text(headers, header::CONTENT_TYPE.as_str()).unwrap_or_default();
    let essence = content.split(';').next().unwrap_or_default().trim();
    match essence.eq_ignore_ascii_case("application/json") {
        true => Ok(()),
        false => Err(Refusal::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "unsupported_media_type",
            "send Content-Type: application/json",
        )),
    }
}

/// An answer may be a document or a stream, so clients take both.
pub(super) fn check_accepted(headers: &HeaderMap) -> Result<(), Refusal> {
    let both = ["application/json", "text/event-stream"];
    match both.iter().all(|kind| accepts(headers, kind)) {
        true => Ok(()),
        false => Err(Refusal::new(
            StatusCode::NOT_ACCEPTABLE,
            "not_acceptable",
            "send Accept: application/json, text/event-stream",
        )),
    }
}

pub(super) fn accepts(headers: &HeaderMap, kind: &str) -> bool {
    let mut values = headers.get_all(header::ACCEPT).iter().peekable();
    if values.peek().is_none() {
        return true;
    }
    let group = kind.split('/').next().unwrap_or_default();
    let texts = values.filter_map(|value| value.to_str().ok());
    texts.flat_map(|text| text.split(',')).any(|range| {
        let range = range.split(';').next().unwrap_or_default().trim();
        range == "*/*" || range.eq_ignore_ascii_case(kind) || range == format!("{group}/*")
    })
}

pub(super) fn invalid(message: String) -> Refusal {
    let code = ErrorCode::INVALID_REQUEST.0;
    Refusal::json_rpc(StatusCode::BAD_REQUEST, code, message, None)
}

/// The id of the only request of a frame.
pub(super) fn id_of(frame: &Frame) -> Option<&Id> {
    match frame {
        Frame::Single(Item::Request { id, .. }) => Some(id),
        _ => None,
    }
}

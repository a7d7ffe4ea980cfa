//! The page for people: its files, signing in to it, and its calls.
//!
//! A browser signs in once with a key in `Authorization`; `mimo view` puts one that works
//! once into its link. From then on a session of this process counts, which lasts as long
//! as the key is usable. Its text has two halves: a cookie, which no script can read, and
//! a header, which only a page of this origin can send.

use std::sync::Arc;

use axum::Extension;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::Response;
use serde_json::json;

use super::gate::{Gate, Principal, is_same_origin};
use super::refusal::{Refusal, json_response};
use super::{Http, RequestId, headers, plain};
use crate::caller::Scope;
use crate::keys::{self, Key};
use crate::telemetry::audit;
use crate::view::{self, File};

/// Content security policy: scripts and styles only from here, no links elsewhere, and
/// no text becomes HTML. Drawings are images, in which no script runs.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; \
                      img-src 'self' blob:; connect-src 'self'; base-uri 'none'; \
                      form-action 'none'; frame-ancestors 'none'; \
                      require-trusted-types-for 'script'; trusted-types 'none'";

impl Gate {
    /// Checks a call of the page: where it comes from, its session, and the bounds of the
    /// session's key.
    pub(super) async fn admit_page(
        &self,
        headers: &HeaderMap,
        event: &str,
    ) -> Result<Principal, Refusal> {
        // To a browser, another port of this machine is the same site: only the origin
        // distinguishes them.
        let text = |name: HeaderName| headers.get(name)?.to_str().ok();
        let origin = text(header::ORIGIN).zip(text(header::HOST));
        if !origin.is_some_and(|(origin, host)| is_same_origin(origin, host)) {
            let message = "only Mimo's own page makes these calls; programs use /v1/mimo/tool";
            return Err(Refusal::new(
                StatusCode::FORBIDDEN,
                "origin_refused",
                message,
            ));
        }
        headers::check_content_type(headers)?;
        let read = self.refresh().await;
        read.map_err(|failure| Refusal::failure(&failure))?;
        match self.page_key(headers) {
            Some(key) => self.bounded(key),
            None => Err(Refusal::unauthorized(&keys::Refusal::Missing, event)),
        }
    }

    /// The key of the session that a browser names, while it is usable.
    fn page_key(&self, headers: &HeaderMap) -> Option<Arc<Key>> {
        self.ring.find(&self.pages.find(&session_text(headers)?)?)
    }
}

pub(super) async fn page() -> Response {
    document(&view::PAGE)
}

pub(super) async fn file(request: Request) -> Result<Response, Refusal> {
    let name = request.uri().path().strip_prefix("/view/");
    let file = name.and_then(view::file);
    file.map(document).ok_or_else(|| {
        Refusal::new(
            StatusCode::NOT_FOUND,
            "not_found",
            "the page has no such file",
        )
    })
}

fn document(file: &File) -> Response {
    let mut response = Response::new(Body::from(file.text));
    let headers = response.headers_mut();
    for (name, value) in [
        (header::CONTENT_TYPE, file.content_type),
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::REFERRER_POLICY, "no-referrer"),
        // Another version of Mimo may serve the same address tomorrow.
        (header::CACHE_CONTROL, "no-store"),
        (
            HeaderName::from_static("cross-origin-opener-policy"),
            "same-origin",
        ),
        (
            HeaderName::from_static("cross-origin-resource-policy"),
            "same-origin",
        ),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}

/// Whether this browser is signed in, and as whom.
pub(super) async fn session(State(http): State<Arc<Http>>, headers: HeaderMap) -> Response {
    let mut document = json!({"is_local": http.gate.is_local()});
    if let Some(principal) = http
        .gate
        .page_key(&headers)
        .map(|key| http.gate.bounded(key))
    {
        match principal {
            Ok(principal) => document["session"] = session_document(&principal),
            Err(refusal) => return axum::response::IntoResponse::into_response(refusal),
        }
    }
    secret(json_response(StatusCode::OK, document.to_string()))
}

fn session_document(principal: &Principal) -> serde_json::Value {
    json!({
        "name": principal.key.name,
        "project": principal.grants.project,
        "may_write": principal.may(Scope::Write),
        "may_decide": principal.grants.is_local,
        "may_operate": principal.grants.operates,
    })
}

pub(super) async fn sign_in(
    State(http): State<Arc<Http>>,
    Extension(principal): Extension<Principal>,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    if !principal.may(Scope::Read) {
        let message = "this key lacks the scope read";
        let code = "insufficient_scope";
        return Err(Refusal::new(StatusCode::FORBIDDEN, code, message));
    }
    let [for_cookie, for_page] = http.gate.pages.open(&principal.key.id);
    audit::record("view.signed_in", &[("key", principal.key.id.as_str())]);
    let origin = headers.get(header::ORIGIN).map(HeaderValue::as_bytes);
    let secure = match origin.is_some_and(|origin| origin.starts_with(b"https:")) {
        true => "; Secure",
        false => "",
    };
    let document = json!({
        "is_local": http.gate.is_local(),
        "session": session_document(&principal),
        "page": for_page,
    });
    let mut response = secret(json_response(StatusCode::OK, document.to_string()));
    set_cookie(&mut response, &headers, &for_cookie, secure);
    Ok(response)
}

pub(super) async fn sign_out(State(http): State<Arc<Http>>, headers: HeaderMap) -> Response {
    if let Some(text) = session_text(&headers) {
        http.gate.pages.close(&text);
    }
    let mut response = json_response(StatusCode::OK, "{}");
    set_cookie(&mut response, &headers, "", "; Max-Age=0");
    response
}

pub(super) async fn call(
    State(http): State<Arc<Http>>,
    Extension(principal): Extension<Principal>,
    Extension(id): Extension<RequestId>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Refusal> {
    let (name, arguments) = plain::request(&http, &headers, body, &id).await?;
    let response = match name.starts_with(view::PREFIX) {
        false => plain::call(&http, &principal, &id, &name, arguments).await?,
        true => {
            let answer = http.view.call(&name, &arguments, &principal.grants).await;
            let answer =
                answer.map_err(|failure| Refusal::failure(&failure).with_request_id(&id.0))?;
            json_response(StatusCode::OK, answer.to_string())
        }
    };
    Ok(secret(response))
}

fn secret(mut response: Response) -> Response {
    let value = HeaderValue::from_static("no-store");
    response.headers_mut().insert(header::CACHE_CONTROL, value);
    response
}

/// The half that only a page of this origin has.
const PAGE_HALF: HeaderName = HeaderName::from_static("mimo-page");

fn session_text(headers: &HeaderMap) -> Option<String> {
    let page = headers.get(PAGE_HALF)?.to_str().ok()?;
    Some(format!("{}.{page}", cookie(headers)?))
}

/// Cookies are shared by all ports of a host, and each may have a Mimo.
fn cookie_name(headers: &HeaderMap) -> String {
    let host = headers
        .get(header::HOST)
        .and_then(|host| host.to_str().ok());
    let port = host.and_then(|host| host.rsplit_once(':')?.1.parse::<u16>().ok());
    match port {
        Some(port) => format!("mimo_view_{port}"),
        None => "mimo_view".to_owned(),
    }
}

fn cookie(headers: &HeaderMap) -> Option<String> {
    let name = cookie_name(headers);
    let all = headers.get_all(header::COOKIE).iter();
    let mut all = all
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(';'));
    all.find_map(|pair| {
        let (found, value) = pair.trim().split_once('=')?;
        (found == name).then(|| value.to_owned())
    })
}

fn set_cookie(response: &mut Response, headers: &HeaderMap, text: &str, more: &str) {
    let name = cookie_name(headers);
    let cookie = format!("{name}={text}; Path=/view/; HttpOnly; SameSite=Strict{more}");
    if let Ok(value) = HeaderValue::from_str(&cookie) {
        response.headers_mut().insert(header::SET_COOKIE, value);
    }
}

//! The routes of the server.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::extract::{Request, State};
use axum::http::{HeaderName, HeaderValue, Method as HttpMethod, StatusCode, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, get, post};
use axum::{Extension, Router};
use serde_json::json;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::cors::CorsLayer;
use tracing::Instrument;

use super::gate::Principal;
use super::headers::{FROM_PAGES, SESSION};
use super::refusal::{Refusal, json_response};
use super::{Http, Peer, RequestId, plain, post as mcp, view};
use crate::caller::Scope;
use crate::limits::HTTP_PREFLIGHT_SECONDS;
use crate::meter;
use crate::meter::http::{Method, Route};
use crate::telemetry;
use crate::tools::health::{Readiness, ServerCounts};

const REQUEST_ID: &str = "x-request-id";

/// Paths on which clients probe for authentication metadata. They accept JSON only.
const SIGN_IN: [&str; 3] = ["/register", "/token", "/authorize"];
const WELL_KNOWN: &str = "/.well-known/";

/// Who may use a route.
enum Entry {
    Anyone,
    /// With a key in `Authorization`.
    Key,
    /// With the cookie of a browser that is signed in to the page.
    Session,
}

/// A route, named by its path, with its methods and its handlers.
type Page = (Route, &'static str, MethodRouter<Arc<Http>>);

/// Every route for programs except the sign-in probes. `schemas/openapi.json` has the
/// same.
fn pages() -> Vec<Page> {
    vec![
        (
            Route::Mcp,
            "POST, GET, DELETE",
            post(mcp::post).get(mcp::get).delete(mcp::delete),
        ),
        (Route::Ask, "POST", post(plain::ask)),
        (Route::Tool, "POST", post(plain::tool)),
        (Route::Tools, "GET", get(plain::tools)),
        (Route::Health, "GET", get(health)),
        (Route::Live, "GET", get(live)),
        (Route::Ready, "GET", get(ready)),
        (Route::Metrics, "GET", get(metrics)),
    ]
}

/// The routes that a person's browser uses.
fn view_pages() -> Vec<Page> {
    vec![
        (Route::Page, "GET", get(view::page)),
        (Route::PageFile, "GET", get(view::file)),
        (
            Route::PageSession,
            "GET, POST, DELETE",
            get(view::session)
                .post(view::sign_in)
                .delete(view::sign_out),
        ),
        (Route::PageCall, "POST", post(view::call)),
    ]
}

pub(super) fn router(http: &Arc<Http>) -> Router {
    let mut router = Router::new();
    let pages = match http.gate.is_local() {
        true => view_pages(),
        false => pages().into_iter().chain(view_pages()).collect(),
    };
    for (page, methods, handlers) in pages {
        let refuse = move || async move { wrong_method(methods) };
        router = router.route(page.name(), handlers.fallback(refuse));
    }
    router
        .fallback(not_found)
        .layer(CatchPanicLayer::custom(|_| {
            let message = "internal error in Mimo; its log has the details";
            Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", message).into_response()
        }))
        .layer(from_fn_with_state(http.clone(), admit))
        .layer(cors(http.gate.origins()))
        .with_state(http.clone())
}

/// CORS for pages of these origins, which may read error responses too.
fn cors(origins: &[String]) -> CorsLayer {
    let origins = origins.iter().filter_map(|origin| origin.parse().ok());
    CorsLayer::new()
        .allow_origin(origins.collect::<Vec<HeaderValue>>())
        .allow_methods([HttpMethod::GET, HttpMethod::POST, HttpMethod::DELETE])
        .allow_headers(FROM_PAGES)
        .expose_headers([
            HeaderName::from_static(SESSION),
            HeaderName::from_static(REQUEST_ID),
            header::RETRY_AFTER,
            header::WWW_AUTHENTICATE,
        ])
        .max_age(Duration::from_secs(HTTP_PREFLIGHT_SECONDS))
}

/// The routes on the address for metrics alone.
pub(super) fn metrics_router() -> Router {
    Router::new()
        .route("/metrics", get(|| async { rendered() }))
        .fallback(|| async {
            Refusal::new(StatusCode::NOT_FOUND, "not_found", "only /metrics is here")
        })
}

/// Every request passes here: it gets an id, is checked, served and counted.
async fn admit(
    State(http): State<Arc<Http>>,
    Extension(Peer(peer)): Extension<Peer>,
    mut request: Request,
    next: Next,
) -> Response {
    let started = Instant::now();
    let id = http.server.dispatch.clock().new_id();
    let route = route_of(request.uri().path());
    let method = method_of(request.method());
    let span = tracing::info_span!("request", id, route = route.name());
    telemetry::continue_trace(&span, request.headers());
    request.extensions_mut().insert(RequestId(id.clone()));
    let mut response = async {
        let headers = request.headers();
        for name in [REQUEST_ID, "traceparent"] {
            if let Some(theirs) = headers.get(name).and_then(|value| value.to_str().ok()) {
                tracing::debug!(name, theirs, "the client's own id");
            }
        }
        let address = http.gate.address(peer, headers);
        let is_probe = matches!(route, Route::Live | Route::Ready);
        if let Err(refusal) = http.gate.check_origin(address, headers, is_probe) {
            return refusal.into_response();
        }
        let admitted = match entry(route, method) {
            Entry::Anyone => None,
            Entry::Key => Some(http.gate.admit(address, headers, &id).await),
            Entry::Session => Some(http.gate.admit_page(headers, &id).await),
        };
        match admitted {
            Some(Ok(principal)) => drop(request.extensions_mut().insert(principal)),
            Some(Err(refusal)) => return refusal.into_response(),
            None => {}
        }
        next.run(request).await
    }
    .instrument(span)
    .await;
    let headers = response.headers_mut();
    if let Ok(id) = HeaderValue::from_str(&id) {
        headers.insert(REQUEST_ID, id);
    }
    let nosniff = HeaderValue::from_static("nosniff");
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, nosniff);
    meter::http::answered(route, method, response.status().as_u16(), started.elapsed());
    response
}

fn route_of(path: &str) -> Route {
    let page = Route::ALL.iter().find(|page| page.name() == path);
    match page {
        Some(page) => *page,
        None if path.starts_with("/view/") => Route::PageFile,
        None if SIGN_IN.contains(&path) || path.starts_with(WELL_KNOWN) => Route::OauthProbe,
        None => Route::Unknown,
    }
}

fn method_of(method: &HttpMethod) -> Method {
    match *method {
        HttpMethod::GET => Method::Get,
        HttpMethod::POST => Method::Post,
        HttpMethod::DELETE => Method::Delete,
        _ => Method::Other,
    }
}

/// Who may use a route. Unknown paths need a key too, so that nobody without one can
/// tell which exist.
fn entry(route: Route, method: Method) -> Entry {
    match route {
        Route::Live | Route::Ready | Route::OauthProbe => Entry::Anyone,
        // The files hold nothing of anybody; the session tells whether there is one.
        Route::Page | Route::PageFile => Entry::Anyone,
        Route::PageSession if method != Method::Post => Entry::Anyone,
        Route::PageCall => Entry::Session,
        _ => Entry::Key,
    }
}

async fn not_found(request: Request) -> Refusal {
    let message = match route_of(request.uri().path()) {
        Route::OauthProbe => "Mimo takes static keys: send Authorization: Bearer",
        _ => "there is no such page",
    };
    Refusal::new(StatusCode::NOT_FOUND, "not_found", message)
}

fn wrong_method(allowed: &str) -> Refusal {
    let message = format!("this page takes {allowed}");
    Refusal::new(
        StatusCode::METHOD_NOT_ALLOWED,
        "method_not_allowed",
        message,
    )
    .header(header::ALLOW, allowed)
}

async fn live() -> Response {
    json_response(StatusCode::OK, r#"{"status":"ok"}"#)
}

async fn ready(State(http): State<Arc<Http>>) -> Response {
    let is_draining = http.draining.is_cancelled();
    let ready = match http.gate.usable_keys().await {
        Ok(keys) => http.health.readiness(is_draining, keys.usable).await,
        Err(_) => Readiness::Store,
    };
    let status = match ready {
        Readiness::Ok => StatusCode::OK,
        _ => StatusCode::SERVICE_UNAVAILABLE,
    };
    json_response(status, json!({"status": ready.name()}).to_string())
}

async fn health(
    State(http): State<Arc<Http>>,
    Extension(principal): Extension<Principal>,
) -> Result<Response, Refusal> {
    allow(principal.may(Scope::Read), "read")?;
    let keys = http.gate.usable_keys().await.unwrap_or_default();
    let report = http.health.report(ServerCounts {
        keys_usable: keys.usable,
        keys_expire_soon: keys.expire_soon,
        sessions: http.sessions.count() as u64,
    });
    let report = report.await;
    let status = match report.serves {
        true => StatusCode::OK,
        false => StatusCode::SERVICE_UNAVAILABLE,
    };
    Ok(json_response(status, report.document.to_string()))
}

async fn metrics(Extension(principal): Extension<Principal>) -> Result<Response, Refusal> {
    allow(principal.key.grant.scopes.metrics, "metrics")?;
    Ok(rendered())
}

fn rendered() -> Response {
    let mut response = meter::render().into_response();
    let content = HeaderValue::from_static(meter::CONTENT_TYPE);
    response.headers_mut().insert(header::CONTENT_TYPE, content);
    response
}

fn allow(has: bool, scope: &str) -> Result<(), Refusal> {
    if has {
        return Ok(());
    }
    let challenge =
        format!("Bearer realm=\"mimo\", error=\"insufficient_scope\", scope=\"{scope}\"");
    let message = format!("this key lacks the scope {scope}");
    Err(
        Refusal::new(StatusCode::FORBIDDEN, "insufficient_scope", message)
            .header(header::WWW_AUTHENTICATE, &challenge),
    )
}

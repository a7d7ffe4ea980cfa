//! Traces of requests, sent in batches to an OpenTelemetry collector by a thread of
//! the SDK. Only in builds with the feature `otlp`.

use std::time::Duration;

use futures::future::BoxFuture;
use http::HeaderMap;
use opentelemetry::propagation::TextMapPropagator as _;
use opentelemetry::trace::TracerProvider as _;
use opentelemetry_http::{Bytes, HeaderExtractor, HttpClient, HttpError, Request, Response};
use opentelemetry_otlp::{
    ExporterBuildError, Protocol, SpanExporter, WithExportConfig as _, WithHttpConfig as _,
};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::SdkTracerProvider;
use tracing::level_filters::LevelFilter;
use tracing::{Span, Subscriber};
use tracing_opentelemetry::OpenTelemetrySpanExt as _;
use tracing_subscriber::Layer;
use tracing_subscriber::filter::{Targets, filter_fn};
use tracing_subscriber::registry::LookupSpan;
use ureq::Agent;

use crate::limits;

/// Sends what is left when it is dropped.
pub(crate) struct Exporter(SdkTracerProvider);

impl Exporter {
    /// Sends to the collector at `endpoint`, without its `/v1/traces`.
    pub(super) fn new(endpoint: &str) -> Result<Exporter, ExporterBuildError> {
        let timeout = Duration::from_secs(limits::TRACE_EXPORT_SECONDS_MAX);
        let agent = Agent::config_builder()
            .timeout_global(Some(timeout))
            .http_status_as_error(false)
            .max_redirects(0)
            .proxy(None)
            .build();
        let exporter = SpanExporter::builder()
            .with_http()
            .with_protocol(Protocol::HttpJson)
            .with_endpoint(format!("{}/v1/traces", endpoint.trim_end_matches('/')))
            .with_timeout(timeout)
            .with_http_client(Client(agent.into()))
            .build()?;
        let provider = SdkTracerProvider::builder()
            .with_resource(Resource::builder().with_service_name("mimo").build())
            .with_batch_exporter(exporter)
            .build();
        Ok(Exporter(provider))
    }

    /// Takes Mimo's own spans, one a request, whatever is logged. rmcp's would be
    /// traces without a parent beside them.
    pub(super) fn layer<S>(&self) -> impl Layer<S> + use<S>
    where
        S: Subscriber + for<'a> LookupSpan<'a>,
    {
        tracing_opentelemetry::layer()
            .with_tracer(self.0.tracer("mimo"))
            .with_filter(Targets::new().with_target("mimo", LevelFilter::INFO))
            .with_filter(filter_fn(|metadata| metadata.is_span()))
    }
}

impl Drop for Exporter {
    fn drop(&mut self) {
        if let Err(error) = self.0.shutdown() {
            tracing::warn!("the last traces were not sent: {error}");
        }
    }
}

/// Continues the trace that the client began, if its `traceparent` says so.
pub(crate) fn continue_trace(span: &Span, headers: &HeaderMap) {
    let context = TraceContextPropagator::new().extract(&HeaderExtractor(headers));
    // Without an exporter there is nothing to continue.
    let _no_layer = span.set_parent(context);
}

#[derive(Debug)]
struct Client(Agent);

impl HttpClient for Client {
    fn send_bytes<'life0, 'async_trait>(
        &'life0 self,
        request: Request<Bytes>,
    ) -> BoxFuture<'async_trait, Result<Response<Bytes>, HttpError>>
    where
        'life0: 'async_trait,
    {
        // It blocks the thread of the SDK, which waits for it anyway.
        let sent = || {
            let (head, body) = request.into_parts();
            let answer = self.0.run(Request::from_parts(head, body.to_vec()))?;
            let (head, mut body) = answer.into_parts();
            let body = body.read_to_vec()?;
            Ok(Response::from_parts(head, Bytes::from(body)))
        };
        let answer = sent();
        Box::pin(async { answer })
    }
}

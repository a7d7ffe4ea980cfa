//! The metrics, as statics that any room may record into, and their text for
//! Prometheus. Nothing is computed for them until they are rendered, so over stdio,
//! where they are not, recording costs an atomic add.

pub mod calls;
pub(crate) mod history;
pub mod http;
pub(crate) mod process;
mod series;
pub mod skills;
pub mod store;

use std::fmt;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, prometheus_text};
use prometheus_client::registry::Registry;

use self::series::Metric;

pub(crate) use self::series::{GaugeGuard, Labels, MovedGuard};

/// The type of what [`render`] writes.
pub const CONTENT_TYPE: &str = prometheus_text::CONTENT_TYPE;

/// Precedes the name of each metric.
const PREFIX: &str = "mimo";

/// All metrics, in the order they are rendered.
const METRICS: &[&dyn Metric] = &[
    &http::REQUESTS,
    &http::SECONDS,
    &http::CONNECTIONS,
    &http::BODY_BYTES,
    &http::STREAMS,
    &http::AUTH_FAILURES,
    &http::AUTH_LIMITED,
    &http::RATE_LIMITED,
    &http::KEYS_USABLE,
    &http::KEY_EXPIRES,
    &http::SESSIONS,
    &http::SESSIONS_ENDED,
    &calls::CALLS,
    &calls::SECONDS,
    &calls::RUNNING,
    &calls::WAIT,
    &calls::ENCODE_SECONDS,
    &calls::ENCODE_WINDOWS,
    &calls::ENCODE_QUEUE,
    &calls::ENDPOINT_SECONDS,
    &calls::ENDPOINT_ERRORS,
    &calls::SEARCH_DEGRADED,
    &store::SECONDS,
    &store::ERRORS,
    &store::QUEUE,
    &store::BYTES,
    &store::CONNECTIONS,
    &store::RETRIES,
    &store::MEMORIES,
    &store::TRIPLES,
    &store::NEAREST_WIDENED,
    &store::RETENTION_RUNS,
    &store::RETENTION_ARCHIVED,
    &store::RETENTION_ERASED,
    &store::RETENTION_LAST_SUCCESS,
    &store::DISK_FREE,
    &store::READY,
    &skills::BySkill,
    &skills::SKILLS,
    &skills::TOOLS_QUARANTINED,
    &skills::RELOADS,
    &skills::RELOAD_GENERATION,
    &skills::RELOAD_LAST,
    &skills::EXECUTIONS,
    &skills::STEPS,
    &skills::LEASES_LOST,
    &calls::LOG_DROPPED,
    &calls::PANICS,
    &process::Process,
];

/// The metrics in the text format 0.0.4 of Prometheus.
pub fn render() -> String {
    let mut registry = Registry::with_prefix(PREFIX);
    registry.register_collector(Box::new(All));
    let mut text = String::new();
    prometheus_text::encode(&mut text, &registry).expect("a string takes all text");
    text
}

/// The value of one series as it is rendered; 0 while it is absent.
#[cfg(test)]
pub(crate) fn value(series: &str) -> f64 {
    let text = render();
    let value = |line: &str| line.strip_prefix(series)?.trim().parse().ok();
    text.lines().find_map(value).unwrap_or_default()
}

#[derive(Debug)]
struct All;

impl Collector for All {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        METRICS
            .iter()
            .try_for_each(|metric| metric.encode(&mut encoder))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::time::Duration;

    use super::http::{Method, Route};
    use super::*;

    /// The lines of the samples of `series`.
    fn samples(series: &str) -> Vec<String> {
        let text = render();
        let lines = text.lines().filter(|line| line.starts_with(series));
        lines.map(str::to_owned).collect()
    }

    #[test]
    fn each_metric_has_its_own_name_help_and_type() {
        let text = render();
        let names = |kind: &str| -> Vec<String> {
            let prefix = format!("# {kind} ");
            let lines = text.lines().filter_map(|line| line.strip_prefix(&prefix));
            let words = lines.map(|line| line.split_once(' ').expect("a name and more"));
            words.map(|(name, _)| name.to_owned()).collect()
        };
        let helped = names("HELP");
        assert_eq!(helped, names("TYPE"));
        let all: BTreeSet<&String> = helped.iter().collect();
        assert_eq!(all.len(), helped.len(), "two metrics of one name");
        assert!(helped.iter().all(|name| name.starts_with("mimo_")));
        assert!(helped.len() > METRICS.len(), "{helped:?}");
    }

    #[test]
    fn a_request_is_counted_under_its_labels() {
        http::answered(Route::Ready, Method::Delete, 503, Duration::from_millis(3));
        let labels = r#"{route="/health/ready",method="DELETE",status="5xx"}"#;
        assert_eq!(
            samples("mimo_http_requests_total{route=\"/health/ready\""),
            [format!("mimo_http_requests_total{labels} 1")]
        );
        let seconds = samples("mimo_http_request_seconds");
        for line in [
            r#"mimo_http_request_seconds_bucket{route="/health/ready",le="0.0025"} 0"#,
            r#"mimo_http_request_seconds_bucket{route="/health/ready",le="0.005"} 1"#,
            r#"mimo_http_request_seconds_bucket{route="/health/ready",le="+Inf"} 1"#,
            r#"mimo_http_request_seconds_sum{route="/health/ready"} 0.003"#,
            r#"mimo_http_request_seconds_count{route="/health/ready"} 1"#,
        ] {
            let is_there = |label_order: &str| seconds.iter().any(|sample| sample == label_order);
            assert!(is_there(line), "{line} is not in {seconds:#?}");
        }
    }

    #[test]
    fn single_labels_start_at_zero_and_unset_gauges_are_absent() {
        let text = render();
        assert!(text.contains("mimo_sessions_ended_total{why=\"idle\"} 0\n"));
        assert!(text.contains("mimo_http_streams{kind=\"get\"} 0\n"));
        assert!(text.contains("# TYPE mimo_key_expires_seconds gauge\n"));
        assert!(!text.contains("\nmimo_key_expires_seconds "));
    }
}

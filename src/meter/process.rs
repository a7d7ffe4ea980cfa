//! The process itself, read from `/proc` when metrics are asked for.

use std::fmt;
use std::sync::LazyLock;

use prometheus_client::encoding::{DescriptorEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::exemplar::Exemplar;

use super::series::Metric;
use crate::clock::{Clock, SystemClock};

/// Unix time in seconds of the first use, which is at the start of the server.
static STARTED: LazyLock<i64> = LazyLock::new(|| SystemClock.now().0 / 1_000_000);

/// Unix time in seconds at which this process began to serve.
pub(crate) fn started_seconds() -> i64 {
    *STARTED
}

pub(super) struct Process;

impl Metric for Process {
    fn encode(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let mut gauge = |name: &str, help: &str, value: Option<u64>| {
            let mut metric = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
            value.map_or(Ok(()), |value| metric.encode_gauge(&value))
        };
        let usage = Usage::read();
        gauge(
            "process_resident_memory_bytes",
            "Memory of the process that is in RAM",
            usage.resident_bytes,
        )?;
        gauge(
            "process_open_fds",
            "Open file descriptors of the process",
            usage.open_fds,
        )?;
        gauge(
            "process_start_time_seconds",
            "Unix time at which the server started",
            u64::try_from(started_seconds()).ok(),
        )?;
        let help = "CPU time of the process, in user and system mode";
        let name = "process_cpu_seconds";
        let mut cpu = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
        if let Some(seconds) = usage.cpu_seconds {
            const NO_EXEMPLAR: Option<&Exemplar<NoLabelSet, f64>> = None;
            cpu.encode_counter(&seconds, NO_EXEMPLAR)?;
        }
        let help = "Always 1, with the version of Mimo";
        let mut build = encoder.encode_descriptor("build_info", help, None, MetricType::Gauge)?;
        let version = [("version", env!("CARGO_PKG_VERSION"))];
        build.encode_family(&version)?.encode_gauge(&1_i64)
    }
}

/// Values are `None` where the system does not provide them.
#[derive(Default)]
struct Usage {
    resident_bytes: Option<u64>,
    open_fds: Option<u64>,
    cpu_seconds: Option<f64>,
}

#[cfg(target_os = "linux")]
impl Usage {
    fn read() -> Usage {
        use nix::unistd::{SysconfVar, sysconf};
        let config = |variable| sysconf(variable).ok().flatten();
        let page = config(SysconfVar::PAGE_SIZE).and_then(|bytes| u64::try_from(bytes).ok());
        let statm = std::fs::read_to_string("/proc/self/statm").ok();
        let pages = statm.and_then(|statm| statm.split(' ').nth(1)?.parse::<u64>().ok());
        let tick = config(SysconfVar::CLK_TCK).filter(|ticks| *ticks > 0);
        let stat = std::fs::read_to_string("/proc/self/stat").ok();
        let ticks = stat.as_deref().and_then(cpu_ticks);
        Usage {
            resident_bytes: pages.zip(page).map(|(pages, page)| pages * page),
            // One of them is the descriptor of this folder.
            open_fds: std::fs::read_dir("/proc/self/fd")
                .ok()
                .map(|fds| (fds.count() as u64).saturating_sub(1)),
            cpu_seconds: ticks
                .zip(tick)
                .map(|(ticks, tick)| ticks as f64 / tick as f64),
        }
    }
}

#[cfg(not(target_os = "linux"))]
impl Usage {
    fn read() -> Usage {
        Usage::default()
    }
}

/// Ticks in user and system mode, from `/proc/self/stat`. The program's name may
/// contain spaces and brackets, so the fields are counted from its end.
#[cfg(target_os = "linux")]
fn cpu_ticks(stat: &str) -> Option<u64> {
    let (_, after) = stat.rsplit_once(')')?;
    let mut fields = after.split_whitespace().skip(11);
    let user: u64 = fields.next()?.parse().ok()?;
    let system: u64 = fields.next()?.parse().ok()?;
    Some(user + system)
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn usage_of_this_process_is_read() {
        let usage = Usage::read();
        assert!(usage.resident_bytes.is_some_and(|bytes| bytes > 1 << 20));
        assert!(usage.open_fds.is_some_and(|count| count >= 3));
        assert!(usage.cpu_seconds.is_some());
    }

    #[test]
    fn ticks_are_found_after_a_name_with_brackets() {
        let stat = "7 (a) b (c) S 1 2 3 4 5 6 7 8 9 10 30 12 0 0 20";
        assert_eq!(cpu_ticks(stat), Some(42));
    }
}

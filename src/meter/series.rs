//! Counters, gauges and histograms that are statics: recording is an atomic add
//! into a cell that the label's number finds, without a lock, a hash or an
//! allocation. `prometheus-client` writes them.

use std::fmt;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use prometheus_client::encoding::{DescriptorEncoder, MetricEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::exemplar::Exemplar;

use crate::clock::{Clock, SystemClock};

/// Bounds in seconds of what a client waits for.
pub(crate) const CALL_BOUNDS: [f64; 13] = [
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 15.0, 60.0,
];
/// Bounds in seconds of work inside the process.
pub(crate) const WORK_BOUNDS: [f64; 11] = [
    0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.05, 0.25, 1.0, 5.0,
];

/// A metric with its series.
pub(super) trait Metric: Sync {
    fn encode(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result;
}

/// A finite set of label values, numbered from 0.
pub trait Labels: Copy + 'static {
    const COUNT: usize;
    fn index(self) -> usize;
    fn at(index: usize) -> Self;
    /// Names with values.
    fn pairs(self) -> Vec<(&'static str, &'static str)>;
}

impl Labels for () {
    const COUNT: usize = 1;

    fn index(self) -> usize {
        0
    }

    fn at(_: usize) -> Self {}

    fn pairs(self) -> Vec<(&'static str, &'static str)> {
        Vec::new()
    }
}

impl<A: Labels, B: Labels> Labels for (A, B) {
    const COUNT: usize = A::COUNT * B::COUNT;

    fn index(self) -> usize {
        self.0.index() * B::COUNT + self.1.index()
    }

    fn at(index: usize) -> Self {
        (A::at(index / B::COUNT), B::at(index % B::COUNT))
    }

    fn pairs(self) -> Vec<(&'static str, &'static str)> {
        let mut pairs = self.0.pairs();
        pairs.extend(self.1.pairs());
        pairs
    }
}

/// An enum that is one label.
macro_rules! label {
    ($(#[$meta:meta])* $name:ident, $key:literal, { $($(#[$doc:meta])* $variant:ident = $value:literal,)+ }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum $name { $($(#[$doc])* $variant,)+ }

        impl $name {
            pub const ALL: &'static [$name] = &[$($name::$variant,)+];

            pub const fn name(self) -> &'static str {
                match self { $($name::$variant => $value,)+ }
            }
        }

        impl $crate::meter::series::Labels for $name {
            const COUNT: usize = $name::ALL.len();

            fn index(self) -> usize {
                self as usize
            }

            fn at(index: usize) -> Self {
                $name::ALL[index]
            }

            fn pairs(self) -> Vec<(&'static str, &'static str)> {
                vec![($key, self.name())]
            }
        }
    };
}
pub(super) use label;

/// A count that only grows; `N` is `L::COUNT`.
pub struct Counter<L, const N: usize = 1> {
    name: &'static str,
    help: &'static str,
    cells: [AtomicU64; N],
    labels: std::marker::PhantomData<fn(L)>,
}

impl<L: Labels, const N: usize> Counter<L, N> {
    /// `name` is without `mimo_` and `_total`, `help` without its full stop.
    pub(super) const fn new(name: &'static str, help: &'static str) -> Self {
        const { assert!(N == L::COUNT) };
        Counter {
            name,
            help,
            cells: [const { AtomicU64::new(0) }; N],
            labels: std::marker::PhantomData,
        }
    }

    pub fn increment(&self, labels: L) {
        self.add(labels, 1);
    }

    pub fn add(&self, labels: L, count: u64) {
        self.cells[labels.index()].fetch_add(count, Ordering::Relaxed);
    }

    pub fn get(&self, labels: L) -> u64 {
        self.cells[labels.index()].load(Ordering::Relaxed)
    }
}

impl<L: Labels, const N: usize> Metric for Counter<L, N> {
    fn encode(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let mut metric =
            encoder.encode_descriptor(self.name, self.help, None, MetricType::Counter)?;
        for (index, cell) in self.cells.iter().enumerate() {
            let labels = L::at(index).pairs();
            let count = cell.load(Ordering::Relaxed);
            // One label's values are all there from the start, so that a rate sees
            // the first increment. Combinations are too many for that.
            if count > 0 || labels.len() < 2 {
                write_counter(&mut metric, labels, count)?;
            }
        }
        Ok(())
    }
}

pub(super) fn write_counter(
    metric: &mut MetricEncoder<'_>,
    labels: Vec<(&'static str, &str)>,
    count: u64,
) -> fmt::Result {
    const NO_EXEMPLAR: Option<&Exemplar<NoLabelSet, u64>> = None;
    match labels.is_empty() {
        true => metric.encode_counter(&count, NO_EXEMPLAR),
        false => metric
            .encode_family(&labels)?
            .encode_counter(&count, NO_EXEMPLAR),
    }
}

/// No value yet.
const UNSET: i64 = i64::MIN;

/// A value that goes up and down; `N` is `L::COUNT`.
pub struct Gauge<L, const N: usize = 1> {
    name: &'static str,
    help: &'static str,
    cells: [AtomicI64; N],
    labels: std::marker::PhantomData<fn(L)>,
}

impl<L: Labels, const N: usize> Gauge<L, N> {
    /// Starts at 0. `name` is without `mimo_`, `help` without its full stop.
    pub(super) const fn new(name: &'static str, help: &'static str) -> Self {
        const { assert!(N == L::COUNT) };
        Gauge {
            name,
            help,
            cells: [const { AtomicI64::new(0) }; N],
            labels: std::marker::PhantomData,
        }
    }

    /// A gauge without a series until it is set.
    pub(super) const fn unset(name: &'static str, help: &'static str) -> Self {
        Gauge {
            cells: [const { AtomicI64::new(UNSET) }; N],
            ..Self::new(name, help)
        }
    }

    pub fn set(&self, labels: L, value: i64) {
        self.cells[labels.index()].store(value, Ordering::Relaxed);
    }

    /// Removes the series.
    pub fn clear(&self, labels: L) {
        self.set(labels, UNSET);
    }

    pub fn add(&self, labels: L, change: i64) {
        self.cells[labels.index()].fetch_add(change, Ordering::Relaxed);
    }

    /// Adds one until the guard is dropped.
    pub fn hold(&'static self, labels: L) -> GaugeGuard<L, N> {
        self.add(labels, 1);
        GaugeGuard {
            gauge: self,
            labels,
        }
    }

    /// Moves one from `from` to `to` until the guard is dropped.
    pub(crate) fn lend(&'static self, from: L, to: L) -> MovedGuard<L, N> {
        self.add(from, -1);
        MovedGuard {
            gauge: self,
            from,
            _to: self.hold(to),
        }
    }

    pub fn get(&self, labels: L) -> Option<i64> {
        let value = self.cells[labels.index()].load(Ordering::Relaxed);
        (value != UNSET).then_some(value)
    }
}

impl<L: Labels, const N: usize> Metric for Gauge<L, N> {
    fn encode(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let mut metric =
            encoder.encode_descriptor(self.name, self.help, None, MetricType::Gauge)?;
        for index in 0..N {
            let labels = L::at(index);
            if let Some(value) = self.get(labels) {
                match labels.pairs() {
                    pairs if pairs.is_empty() => metric.encode_gauge(&value)?,
                    pairs => metric.encode_family(&pairs)?.encode_gauge(&value)?,
                }
            }
        }
        Ok(())
    }
}

impl Gauge<()> {
    /// Sets it to the Unix time in seconds.
    pub(crate) fn set_now(&self) {
        self.set((), SystemClock.now().0 / 1_000_000);
    }
}

/// One in a gauge.
pub struct GaugeGuard<L: Labels, const N: usize> {
    gauge: &'static Gauge<L, N>,
    labels: L,
}

impl<L: Labels, const N: usize> Drop for GaugeGuard<L, N> {
    fn drop(&mut self) {
        self.gauge.add(self.labels, -1);
    }
}

/// A unit moved to another series of its gauge, until dropped.
pub(crate) struct MovedGuard<L: Labels, const N: usize> {
    gauge: &'static Gauge<L, N>,
    from: L,
    _to: GaugeGuard<L, N>,
}

impl<L: Labels, const N: usize> Drop for MovedGuard<L, N> {
    fn drop(&mut self) {
        self.gauge.add(self.from, 1);
    }
}

/// The durations of one label value.
pub(super) struct Durations<const B: usize> {
    buckets: [AtomicU64; B],
    beyond: AtomicU64,
    nanos: AtomicU64,
}

impl<const B: usize> Durations<B> {
    pub(super) const fn new() -> Self {
        Durations {
            buckets: [const { AtomicU64::new(0) }; B],
            beyond: AtomicU64::new(0),
            nanos: AtomicU64::new(0),
        }
    }

    pub(super) fn observe(&self, bounds: &[f64; B], duration: Duration) {
        let seconds = duration.as_secs_f64();
        let bucket = bounds.iter().position(|bound| seconds <= *bound);
        let bucket = bucket.map_or(&self.beyond, |at| &self.buckets[at]);
        bucket.fetch_add(1, Ordering::Relaxed);
        let nanos = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        self.nanos.fetch_add(nanos, Ordering::Relaxed);
    }

    /// Writes nothing where labels distinguish series and nothing was observed.
    pub(super) fn encode(
        &self,
        metric: &mut MetricEncoder<'_>,
        bounds: &[f64; B],
        labels: Vec<(&'static str, &str)>,
    ) -> fmt::Result {
        let load = |cell: &AtomicU64| cell.load(Ordering::Relaxed);
        let cells = self.buckets.iter().chain([&self.beyond]).map(load);
        let bounds = bounds.iter().copied().chain([f64::INFINITY]);
        let buckets: Vec<(f64, u64)> = bounds.zip(cells).collect();
        let count = buckets.iter().map(|(_, count)| count).sum();
        let seconds = load(&self.nanos) as f64 / 1e9;
        match (labels.is_empty(), count) {
            (true, _) => metric.encode_histogram::<NoLabelSet>(seconds, count, &buckets, None),
            (false, 0) => Ok(()),
            (false, _) => metric
                .encode_family(&labels)?
                .encode_histogram::<NoLabelSet>(seconds, count, &buckets, None),
        }
    }
}

/// A histogram of durations; `N` is `L::COUNT`.
pub struct Histogram<L, const B: usize, const N: usize = 1> {
    name: &'static str,
    help: &'static str,
    bounds: &'static [f64; B],
    cells: [Durations<B>; N],
    labels: std::marker::PhantomData<fn(L)>,
}

impl<L: Labels, const B: usize, const N: usize> Histogram<L, B, N> {
    /// `name` is without `mimo_`, `help` without its full stop.
    pub(super) const fn new(
        name: &'static str,
        help: &'static str,
        bounds: &'static [f64; B],
    ) -> Self {
        const { assert!(N == L::COUNT) };
        Histogram {
            name,
            help,
            bounds,
            cells: [const { Durations::new() }; N],
            labels: std::marker::PhantomData,
        }
    }

    pub fn observe(&self, labels: L, duration: Duration) {
        self.cells[labels.index()].observe(self.bounds, duration);
    }

    pub fn since(&self, labels: L, start: Instant) {
        self.observe(labels, start.elapsed());
    }
}

impl<L: Labels, const B: usize, const N: usize> Metric for Histogram<L, B, N> {
    fn encode(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let mut metric =
            encoder.encode_descriptor(self.name, self.help, None, MetricType::Histogram)?;
        for (index, cell) in self.cells.iter().enumerate() {
            cell.encode(&mut metric, self.bounds, L::at(index).pairs())?;
        }
        Ok(())
    }
}

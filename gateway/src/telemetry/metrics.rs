//! The catalogue of metrics. A name that is not here does not exist; `docs/operations.md` lists them for operators.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use http::{Method, StatusCode};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::{ConstGauge, Gauge};
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Registry, Unit};

use super::scrub::ScrubMetrics;
use crate::s3::error::Fault;

/// Every metric of the process. Built once and handed to whoever reports.
pub struct Metrics {
    registry: Registry,
    operations: HashMap<&'static str, OnceLock<OperationMetrics>>,
    unknown: OnceLock<OperationMetrics>,
    families: Families,
    in_flight: Gauge,
    connections: Gauge,
    refused_connections: Family<ReasonLabel, Counter>,
    tls_reloads: Family<OutcomeLabel, Counter>,
    backend_requests: Family<BackendLabels, Counter>,
    backend_duration: Family<MethodLabel, Histogram, fn() -> Histogram>,
    backend_retries: Counter,
    sealed: Counter,
    opened: Counter,
    caches: [[Counter; 2]; 1],
    integrity_failures: Family<ReasonLabel, Counter>,
    /// Of the scrub engine.
    pub scrub: ScrubMetrics,
}

#[derive(Clone)]
struct Families {
    requests: Family<RequestLabels, Counter>,
    duration: Family<OperationLabel, Histogram, fn() -> Histogram>,
    bytes_in: Family<OperationLabel, Counter>,
    bytes_out: Family<OperationLabel, Counter>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabels {
    operation: &'static str,
    status: u16,
    fault: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OperationLabel {
    operation: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct BackendLabels {
    method: &'static str,
    outcome: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct MethodLabel {
    method: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ReasonLabel {
    reason: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct OutcomeLabel {
    pub(super) outcome: &'static str,
}

/// The metrics of one S3 operation, its labels looked up once.
pub struct OperationMetrics {
    operation: &'static str,
    families: Families,
    ok: Counter,
    duration: Histogram,
    bytes_in: Counter,
    bytes_out: Counter,
}

impl OperationMetrics {
    fn new(operation: &'static str, families: &Families) -> Self {
        let label = OperationLabel { operation };
        Self {
            operation,
            ok: families.requests.get_or_create_owned(&RequestLabels { operation, status: 200, fault: "none" }),
            duration: families.duration.get_or_create_owned(&label),
            bytes_in: families.bytes_in.get_or_create_owned(&label),
            bytes_out: families.bytes_out.get_or_create_owned(&label),
            families: families.clone(),
        }
    }

    /// A request was answered: `elapsed` from its headers to the headers of the answer.
    pub fn answered(&self, status: StatusCode, fault: Option<Fault>, elapsed: Duration) {
        self.duration.observe(elapsed.as_secs_f64());
        if status == StatusCode::OK && fault.is_none() {
            self.ok.inc();
            return;
        }
        let labels = RequestLabels {
            operation: self.operation,
            status: status.as_u16(),
            fault: match fault {
                None => "none",
                Some(Fault::Client) => "client",
                Some(Fault::Backend) => "backend",
                Some(Fault::Ours) => "gateway",
            },
        };
        self.families.requests.get_or_create(&labels).inc();
    }

    /// Bytes of a client's body came in.
    pub fn received(&self, bytes: u64) {
        self.bytes_in.inc_by(bytes);
    }

    /// Bytes of an answer's body went out.
    pub fn sent(&self, bytes: u64) {
        self.bytes_out.inc_by(bytes);
    }
}

/// A request counts as in flight until this is dropped.
pub struct InFlight(Gauge);

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.dec();
    }
}

/// How a call to the backend ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BackendOutcome {
    /// With an answer.
    Status(StatusCode),
    /// No connection.
    Connect,
    /// No answer in time.
    Timeout,
    /// The connection broke.
    Broken,
    /// Our own body failed.
    Body,
    /// It could not be expressed.
    Invalid,
}

impl BackendOutcome {
    fn label(self) -> &'static str {
        match self {
            Self::Status(s) if s.is_success() => "2xx",
            Self::Status(s) if s.is_redirection() => "3xx",
            Self::Status(s) if s.is_client_error() => "4xx",
            Self::Status(_) => "5xx",
            Self::Connect => "connect",
            Self::Timeout => "timeout",
            Self::Broken => "broken",
            Self::Body => "body",
            Self::Invalid => "invalid",
        }
    }
}

/// A cache whose hits are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cache {
    /// Object facts.
    Facts,
}

impl Metrics {
    /// `operations`: the names in the operation table. Others count as `Unknown`.
    pub fn new(operations: impl IntoIterator<Item = &'static str>) -> Arc<Self> {
        let mut metrics = Self {
            registry: Registry::default(),
            operations: operations.into_iter().map(|name| (name, OnceLock::new())).collect(),
            unknown: OnceLock::new(),
            families: Families {
                requests: Family::default(),
                duration: Family::new_with_constructor(latency),
                bytes_in: Family::default(),
                bytes_out: Family::default(),
            },
            in_flight: Gauge::default(),
            connections: Gauge::default(),
            refused_connections: Family::default(),
            tls_reloads: Family::default(),
            backend_requests: Family::default(),
            backend_duration: Family::new_with_constructor(latency),
            backend_retries: Counter::default(),
            sealed: Counter::default(),
            opened: Counter::default(),
            caches: Default::default(),
            integrity_failures: Family::default(),
            scrub: ScrubMetrics::default(),
        };
        metrics.register();
        Arc::new(metrics)
    }

    fn register(&mut self) {
        let mut registry = Registry::default();
        let r = registry.sub_registry_with_prefix("data_vault");
        r.register("build", "Version of the gateway", Info::new(vec![("version", env!("CARGO_PKG_VERSION"))]));
        r.register("requests", "S3 requests answered", self.families.requests.clone());
        r.register_with_unit(
            "request_duration",
            "From the headers of a request to the headers of its answer",
            Unit::Seconds,
            self.families.duration.clone(),
        );
        r.register_with_unit("received", "Bytes of client bodies", Unit::Bytes, self.families.bytes_in.clone());
        r.register_with_unit("sent", "Bytes of answers", Unit::Bytes, self.families.bytes_out.clone());
        r.register("requests_in_flight", "S3 requests under way", self.in_flight.clone());
        r.register("connections", "Client connections", self.connections.clone());
        r.register(
            "connections_refused",
            "Client connections ended before their first request",
            self.refused_connections.clone(),
        );
        r.register("tls_reloads", "Certificates read again, by whether they could be used", self.tls_reloads.clone());
        r.register("backend_requests", "Calls to the backend by how they ended", self.backend_requests.clone());
        r.register_with_unit(
            "backend_request_duration",
            "From the start of a call to the headers of its answer",
            Unit::Seconds,
            self.backend_duration.clone(),
        );
        r.register("backend_retries", "Calls to the backend made again", self.backend_retries.clone());
        self.register_inside(r);
        // By the name that every process exporter uses.
        registry.register_collector(Box::new(Memory));
        self.registry = registry;
    }

    fn register_inside(&self, r: &mut Registry) {
        self.scrub.register(r);
        r.register_with_unit("sealed", "Plaintext bytes sealed", Unit::Bytes, self.sealed.clone());
        r.register_with_unit("opened", "Plaintext bytes opened", Unit::Bytes, self.opened.clone());
        for (name, [misses, hits]) in ["facts"].into_iter().zip(&self.caches) {
            r.register(format!("cache_{name}_hits"), "Cache look-ups answered", hits.clone());
            r.register(format!("cache_{name}_misses"), "Cache look-ups not answered", misses.clone());
        }
        r.register(
            "integrity_failures",
            "Stored objects that could not be trusted; any is a reason to look",
            self.integrity_failures.clone(),
        );
    }

    /// The metrics of one operation.
    pub fn operation(&self, name: &'static str) -> &OperationMetrics {
        match self.operations.get(name) {
            Some(cell) => cell.get_or_init(|| OperationMetrics::new(name, &self.families)),
            None => self.unknown.get_or_init(|| OperationMetrics::new("Unknown", &self.families)),
        }
    }

    /// A request has begun.
    pub fn in_flight(&self) -> InFlight {
        self.in_flight.inc();
        InFlight(self.in_flight.clone())
    }

    /// A client has connected.
    pub fn connection(&self) -> InFlight {
        self.connections.inc();
        InFlight(self.connections.clone())
    }

    /// A client's connection was ended before its first request. `reason`: a word of ours.
    pub fn connection_refused(&self, reason: &'static str) {
        self.refused_connections.get_or_create(&ReasonLabel { reason }).inc();
    }

    /// The certificate of a listener was read again; `used`: and new connections have it.
    pub fn tls_reload(&self, used: bool) {
        let outcome = if used { "ok" } else { "failed" };
        self.tls_reloads.get_or_create(&OutcomeLabel { outcome }).inc();
    }

    /// A call to the backend has ended, with its answer's headers or without.
    pub fn backend_done(&self, method: &Method, outcome: BackendOutcome, elapsed: Duration) {
        let method = method_label(method);
        let outcome = outcome.label();
        self.backend_requests.get_or_create(&BackendLabels { method, outcome }).inc();
        self.backend_duration.get_or_create(&MethodLabel { method }).observe(elapsed.as_secs_f64());
    }

    /// A call to the backend is made again.
    pub fn backend_retry(&self) {
        self.backend_retries.inc();
    }

    /// Plaintext bytes were sealed.
    pub fn sealed(&self, bytes: u64) {
        self.sealed.inc_by(bytes);
    }

    /// Plaintext bytes were opened.
    pub fn opened(&self, bytes: u64) {
        self.opened.inc_by(bytes);
    }

    /// A cache was asked.
    pub fn cache(&self, cache: Cache, hit: bool) {
        self.caches[cache as usize][usize::from(hit)].inc();
    }

    /// A stored object could not be trusted. `reason`: a word of ours, never outside text.
    pub fn integrity_failure(&self, reason: &'static str) {
        self.integrity_failures.get_or_create(&ReasonLabel { reason }).inc();
    }

    /// In the `OpenMetrics` text format.
    pub fn encode(&self) -> Result<String, fmt::Error> {
        let mut text = String::with_capacity(16 << 10);
        prometheus_client::encoding::text::encode(&mut text, &self.registry)?;
        Ok(text)
    }
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Metrics")
    }
}

/// 0.5 ms to 65 s in powers of two.
fn latency() -> Histogram {
    Histogram::new(exponential_buckets(0.0005, 2.0, 18))
}

fn method_label(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::PUT => "PUT",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        _ => "other",
    }
}

/// Reads the process's resident memory when asked.
#[derive(Debug)]
struct Memory;

impl Collector for Memory {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let Some(bytes) = resident_bytes() else {
            return Ok(());
        };
        let gauge = ConstGauge::<i64>::new(i64::try_from(bytes).unwrap_or(i64::MAX));
        let metric = encoder.encode_descriptor(
            "process_resident_memory",
            "Resident memory of the gateway",
            Some(&Unit::Bytes),
            prometheus_client::metrics::MetricType::Gauge,
        )?;
        gauge.encode(metric)
    }
}

/// `VmRSS`; none where the system has no `/proc`.
fn resident_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|l| l.strip_prefix("VmRSS:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok().map(|kib| kib * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_reported_is_encoded() {
        let metrics = Metrics::new(["PutObject", "GetObject"]);
        let put = metrics.operation("PutObject");
        put.answered(StatusCode::OK, None, Duration::from_millis(3));
        put.answered(StatusCode::SERVICE_UNAVAILABLE, Some(Fault::Backend), Duration::from_secs(1));
        put.received(1024);
        metrics.operation("Nonsense").answered(StatusCode::BAD_REQUEST, Some(Fault::Client), Duration::ZERO);
        metrics.backend_done(&Method::PUT, BackendOutcome::Status(StatusCode::OK), Duration::from_millis(2));
        metrics.backend_done(&Method::PUT, BackendOutcome::Timeout, Duration::from_millis(2));
        metrics.cache(Cache::Facts, true);
        metrics.integrity_failure("commitment");
        metrics.connection_refused("tls");
        metrics.tls_reload(false);
        let guard = metrics.in_flight();

        let text = metrics.encode().unwrap();
        for line in [
            "data_vault_requests_total{operation=\"PutObject\",status=\"200\",fault=\"none\"} 1",
            "data_vault_requests_total{operation=\"PutObject\",status=\"503\",fault=\"backend\"} 1",
            "data_vault_requests_total{operation=\"Unknown\",status=\"400\",fault=\"client\"} 1",
            "data_vault_request_duration_seconds_count{operation=\"PutObject\"} 2",
            "data_vault_received_bytes_total{operation=\"PutObject\"} 1024",
            "data_vault_requests_in_flight 1",
            "data_vault_backend_requests_total{method=\"PUT\",outcome=\"2xx\"} 1",
            "data_vault_backend_requests_total{method=\"PUT\",outcome=\"timeout\"} 1",
            "data_vault_cache_facts_hits_total 1",
            "data_vault_cache_facts_misses_total 0",
            "data_vault_integrity_failures_total{reason=\"commitment\"} 1",
            "data_vault_connections_refused_total{reason=\"tls\"} 1",
            "data_vault_tls_reloads_total{outcome=\"failed\"} 1",
        ] {
            assert!(text.lines().any(|l| l == line), "{line}\nis not in\n{text}");
        }
        assert!(!text.contains("GetObject"), "an operation never used has no series");
        let resident = text
            .lines()
            .find_map(|l| l.strip_prefix("process_resident_memory_bytes "))
            .unwrap_or_else(|| panic!("{text}"));
        assert!(resident.parse::<u64>().unwrap() > 1 << 20);
        drop(guard);
        assert!(metrics.encode().unwrap().contains("data_vault_requests_in_flight 0"));
    }
}

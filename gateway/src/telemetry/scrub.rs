//! Figures of the scrub engine in the request path.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric as _};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::{ConstGauge, Gauge};
use prometheus_client::registry::{Registry, Unit};
use scrub::format::Budget;

use super::metrics::OutcomeLabel;

/// What became of a body that the engine looked into.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ScrubOutcome {
    /// It was taken.
    Taken,
    /// It was refused.
    Refused,
    /// It was put in quarantine.
    Quarantined,
    /// A read of what no policy has seen was refused.
    Unscrubbed,
}

impl ScrubOutcome {
    const fn label(self) -> &'static str {
        match self {
            Self::Taken => "taken",
            Self::Refused => "refused",
            Self::Quarantined => "quarantined",
            Self::Unscrubbed => "unscrubbed",
        }
    }
}

/// The figures. Labels are names of buckets with a policy and types of findings: both are few, and no client makes them.
#[derive(Default)]
pub struct ScrubMetrics {
    findings: Family<FindingLabels, Counter>,
    bodies: Family<BodyLabels, Counter>,
    bytes: Counter,
    time: Counter<f64, std::sync::atomic::AtomicU64>,
    ahead: Family<OutcomeLabel, Counter>,
    swept: Family<KindLabel, Counter>,
    policy_changes: Family<KindLabel, Counter>,
    policy_number: Gauge,
    memory: Memory,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct FindingLabels {
    bucket: String,
    r#type: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct BodyLabels {
    bucket: String,
    outcome: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct KindLabel {
    kind: &'static str,
}

/// Reads how much is taken of the memory of large buffers when asked.
#[derive(Clone, Debug, Default)]
struct Memory(Arc<OnceLock<Arc<Budget>>>);

impl Collector for Memory {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let bytes = self.0.get().map_or(0, |memory| memory.taken());
        let gauge = ConstGauge::<i64>::new(i64::try_from(bytes).unwrap_or(i64::MAX));
        let metric = encoder.encode_descriptor(
            "scrub_memory",
            "Large buffers that the scrub engine holds",
            Some(&Unit::Bytes),
            MetricType::Gauge,
        )?;
        gauge.encode(metric)
    }
}

impl ScrubMetrics {
    pub(super) fn register(&self, r: &mut Registry) {
        r.register(
            "scrub_policy_changes",
            "Changes of scrub policies by security officers, made through this process",
            self.policy_changes.clone(),
        );
        r.register(
            "scrub_policy_change_number",
            "The change of scrub policies that holds here; 0: none was made",
            self.policy_number.clone(),
        );
        r.register("scrub_findings", "Findings in what was written, by type", self.findings.clone());
        r.register(
            "scrub_bodies",
            "Bodies that the scrub engine looked into, by what became of them",
            self.bodies.clone(),
        );
        r.register_with_unit("scrub_read", "Bytes that the scrub engine read", Unit::Bytes, self.bytes.clone());
        r.register_with_unit("scrub_work", "Time that the scrub engine worked", Unit::Seconds, self.time.clone());
        r.register_collector(Box::new(self.memory.clone()));
        r.register(
            "scrub_ahead",
            "Uploads that were scrubbed while their parts came, by whether a Complete went on from there",
            self.ahead.clone(),
        );
        r.register("swept", "What was kept beside objects and nobody needs any more, removed", self.swept.clone());
    }

    /// Says which memory the engine's large buffers are taken from.
    pub fn watch(&self, memory: &Arc<Budget>) {
        let _ = self.memory.0.set(Arc::clone(memory));
    }

    /// What was found in a body that is taken.
    pub fn found(&self, bucket: &str, findings: &BTreeMap<String, u64>) {
        for (kind, count) in findings {
            let labels = FindingLabels { bucket: bucket.to_owned(), r#type: kind.clone() };
            self.findings.get_or_create(&labels).inc_by(*count);
        }
        self.ended(bucket, ScrubOutcome::Taken);
    }

    /// What became of a body.
    pub fn ended(&self, bucket: &str, outcome: ScrubOutcome) {
        let labels = BodyLabels { bucket: bucket.to_owned(), outcome: outcome.label() };
        self.bodies.get_or_create(&labels).inc();
    }

    /// An upload was scrubbed before its Complete, which went on from there or not. `outcome`: a word of ours.
    pub fn ahead(&self, outcome: &'static str) {
        self.ahead.get_or_create(&OutcomeLabel { outcome }).inc();
    }

    /// Something that was kept beside objects was removed. `kind`: a word of ours.
    pub fn swept(&self, kind: &'static str) {
        self.swept.get_or_create(&KindLabel { kind }).inc();
    }

    /// A security officer changed something. `kind`: a word of ours.
    pub fn policy_changed(&self, kind: &'static str) {
        self.policy_changes.get_or_create(&KindLabel { kind }).inc();
    }

    /// The policies of this change hold.
    pub fn policies(&self, number: u64) {
        self.policy_number.set(i64::try_from(number).unwrap_or(i64::MAX));
    }

    /// The engine read so many bytes in so much time of work.
    pub fn worked(&self, bytes: u64, time: Duration) {
        self.bytes.inc_by(bytes);
        self.time.inc_by(time.as_secs_f64());
    }
}

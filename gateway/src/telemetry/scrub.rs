//! Figures of the scrub engine in the request path.

use std::collections::BTreeMap;
use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Registry, Unit};

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
    swept: Family<KindLabel, Counter>,
    policy_changes: Family<KindLabel, Counter>,
    policy_number: Gauge,
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
        r.register("swept", "What was kept beside objects and nobody needs any more, removed", self.swept.clone());
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

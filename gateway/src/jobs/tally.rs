//! What a job has found, in counts and names of objects: never a value. Its size does not grow with the bucket.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::scrubbing::Findings;

/// What became of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// It was looked into.
    LookedInto,
    /// There is nothing in it for the policy.
    Clean,
    /// The same policy has scrubbed it before.
    ScrubbedBefore,
    /// It was scrubbed.
    Scrubbed,
    /// It was plaintext, with nothing in it for the policy, and is sealed.
    Sealed,
    /// It was copied, with nothing in it for the policy.
    Copied,
    /// It would be scrubbed.
    WouldBeScrubbed,
    /// It would be sealed.
    WouldBeSealed,
    /// It would be copied.
    WouldBeCopied,
    /// An older version with findings that would be deleted for good.
    WouldBeDestroyed,
    /// An older version with findings, which was deleted for good.
    Destroyed,
    /// An older version with findings, which is still there: the job was not told to delete it.
    OldVersionStays,
    /// Object Lock or a retention keeps it.
    Locked,
    /// Another object has the name that it would be copied to.
    NameTaken,
    /// It cannot be looked into, or the policy refuses it.
    Refused,
    /// It was replaced while it was read, again and again.
    Changed,
    /// It was deleted before it was read.
    Vanished,
    /// It cannot be read or written.
    Failed,
}

impl Outcome {
    /// In words, of several objects.
    pub const fn name(self) -> &'static str {
        match self {
            Self::LookedInto => "looked into",
            Self::Clean => "clean",
            Self::ScrubbedBefore => "scrubbed before",
            Self::Scrubbed => "scrubbed",
            Self::Sealed => "clean, and now sealed",
            Self::Copied => "clean, and copied",
            Self::WouldBeScrubbed => "would be scrubbed",
            Self::WouldBeSealed => "clean, and would be sealed",
            Self::WouldBeCopied => "clean, and would be copied",
            Self::WouldBeDestroyed => "older versions with findings, would be deleted for good",
            Self::Destroyed => "older versions with findings, deleted for good",
            Self::OldVersionStays => "older versions with findings, still there",
            Self::Locked => "still there, since they are locked",
            Self::NameTaken => "not copied, since another object has the name",
            Self::Refused => "not scrubbed, since they cannot be looked into or the policy refuses them",
            Self::Changed => "being replaced",
            Self::Vanished => "gone before they were read",
            Self::Failed => "failed",
        }
    }

    /// Whether something is left to be done by somebody.
    pub const fn is_left(self) -> bool {
        matches!(
            self,
            Self::OldVersionStays | Self::Locked | Self::NameTaken | Self::Refused | Self::Changed | Self::Failed
        )
    }

    /// Whether its content was read to the end.
    const fn was_read(self) -> bool {
        !matches!(self, Self::ScrubbedBefore | Self::Refused | Self::Changed | Self::Vanished | Self::Failed)
    }
}

/// What is known of an object, and what became of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seen {
    /// Its key.
    pub key: String,
    /// Its version, where there are versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// What became of it.
    pub outcome: Outcome,
    /// Bytes of its plaintext.
    #[serde(default)]
    pub bytes: u64,
    /// It lies in the storage as plaintext.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub plain: bool,
    /// What it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub format: Option<String>,
    /// Findings in its content by type.
    #[serde(default, skip_serializing_if = "Findings::is_empty")]
    pub findings: Findings,
    /// Findings in its key, metadata and tags by type.
    #[serde(default, skip_serializing_if = "Findings::is_empty")]
    pub names: Findings,
    /// Files in it that were not looked into, by what they are.
    #[serde(default, skip_serializing_if = "Findings::is_empty")]
    pub passed: Findings,
    /// Records that are none.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub bad_records: u64,
    /// Findings in what the format needs as it is.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub unfit: u64,
    /// Why it was not looked into, or not treated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// The version that was written in its place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub made: Option<String>,
    /// What became of the version that it was read from, where another was written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub old: Option<Outcome>,
    /// Older versions of its key stay for its sake.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub spares: bool,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "as serde calls it")]
fn is_zero(count: &u64) -> bool {
    *count == 0
}

impl Seen {
    /// One of which no more is known.
    pub fn of(key: &str, version: Option<&str>, outcome: Outcome) -> Self {
        Self {
            key: key.to_owned(),
            version: version.map(str::to_owned),
            outcome,
            bytes: 0,
            plain: false,
            format: None,
            findings: Findings::new(),
            names: Findings::new(),
            passed: Findings::new(),
            bad_records: 0,
            unfit: 0,
            why: None,
            made: None,
            old: None,
            spares: false,
        }
    }

    /// With a reason.
    #[must_use]
    pub fn because(self, why: impl Into<String>) -> Self {
        Self { why: Some(why.into()), ..self }
    }

    /// Findings in content and names.
    pub fn total(&self) -> u64 {
        self.findings.values().chain(self.names.values()).sum()
    }

    /// What is left to be done about it, or could not be looked at.
    fn problems(&self) -> Vec<(Outcome, String)> {
        let mut problems = Vec::new();
        let why = || self.why.clone().unwrap_or_default();
        if let Some(old) = self.old.filter(|old| old.is_left()) {
            problems.push((old, why()));
        } else if self.outcome.is_left() || self.why.is_some() {
            problems.push((self.outcome, why()));
        }
        if !self.passed.is_empty() && self.why.is_none() {
            let what: Vec<_> = self.passed.iter().map(|(what, count)| format!("{count} {what}")).collect();
            problems.push((self.outcome, format!("not looked into: {}", what.join(", "))));
        }
        problems
    }
}

/// Counts of one type or format.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Count {
    /// Objects.
    pub objects: u64,
    /// Objects in which something was found.
    pub with_findings: u64,
    /// Findings.
    pub findings: u64,
    /// Bytes of those objects.
    pub bytes: u64,
}

impl Count {
    fn add(&mut self, findings: u64, bytes: u64) {
        self.objects += 1;
        self.with_findings += u64::from(findings > 0);
        self.findings += findings;
        self.bytes += bytes;
    }
}

/// An object that a report names: by most findings, then by name.
type Ranked = (Reverse<u64>, String, Option<String>, Findings, Findings);
/// Key, version, what became of it, why.
pub type Problem = (String, Option<String>, Outcome, String);

/// All that a report says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tally {
    /// Objects and versions that were listed, with those that no sample took.
    pub listed: u64,
    /// Objects and versions that were treated.
    pub all: Count,
    /// Of these, those that lie in the storage as plaintext.
    pub plain: u64,
    /// By what became of them.
    pub outcomes: BTreeMap<Outcome, u64>,
    /// By type of finding, in contents.
    pub types: BTreeMap<String, Count>,
    /// By type of finding, in keys, metadata and tags.
    pub names: BTreeMap<String, Count>,
    /// By format.
    pub formats: BTreeMap<String, Count>,
    /// Files that were not looked into, by what they are.
    pub passed: Findings,
    /// Records that are none.
    pub bad_records: u64,
    /// Findings in what a format needs as it is.
    pub unfit: u64,
    /// How many objects, and how many problems, are named.
    most: usize,
    top: BTreeSet<Ranked>,
    problems: BTreeSet<Problem>,
    /// Problems that there are.
    pub problem_count: u64,
}

impl Tally {
    /// Of nothing yet; `most`: how many objects are named.
    pub fn new(most: usize) -> Self {
        Self {
            listed: 0,
            all: Count::default(),
            plain: 0,
            outcomes: BTreeMap::new(),
            types: BTreeMap::new(),
            names: BTreeMap::new(),
            formats: BTreeMap::new(),
            passed: Findings::new(),
            bad_records: 0,
            unfit: 0,
            most,
            top: BTreeSet::new(),
            problems: BTreeSet::new(),
            problem_count: 0,
        }
    }

    /// One more object.
    pub fn add(&mut self, seen: &Seen) {
        self.all.add(seen.total(), seen.bytes);
        self.plain += u64::from(seen.plain);
        for outcome in std::iter::once(seen.outcome).chain(seen.old) {
            *self.outcomes.entry(outcome).or_default() += 1;
        }
        for (counts, found) in [(&mut self.types, &seen.findings), (&mut self.names, &seen.names)] {
            for (kind, count) in found {
                counts.entry(kind.clone()).or_default().add(*count, seen.bytes);
            }
        }
        if seen.outcome.was_read() {
            let format = seen.format.clone().unwrap_or_else(|| "not looked into".to_owned());
            self.formats.entry(format).or_default().add(seen.findings.values().sum(), seen.bytes);
        }
        for (what, count) in &seen.passed {
            *self.passed.entry(what.clone()).or_default() += count;
        }
        self.bad_records += seen.bad_records;
        self.unfit += seen.unfit;
        if seen.total() > 0 {
            let (key, version) = (seen.key.clone(), seen.version.clone());
            self.top.insert((Reverse(seen.total()), key, version, seen.findings.clone(), seen.names.clone()));
            if self.top.len() > self.most {
                self.top.pop_last();
            }
        }
        for (outcome, why) in seen.problems() {
            self.problem_count += 1;
            self.problems.insert((seen.key.clone(), seen.version.clone(), outcome, why));
            if self.problems.len() > self.most {
                self.problems.pop_last();
            }
        }
    }

    /// Objects with most findings: total, key, version, findings in the content and in names.
    pub fn top(&self) -> impl Iterator<Item = (u64, &str, Option<&str>, &Findings, &Findings)> {
        self.top
            .iter()
            .map(|(total, key, version, findings, names)| (total.0, &**key, version.as_deref(), findings, names))
    }

    /// What could not be looked into or treated, in the order of keys.
    pub fn problems(&self) -> impl Iterator<Item = &Problem> {
        self.problems.iter()
    }

    /// How many became of it what leaves something to do.
    pub fn left(&self) -> u64 {
        self.outcomes.iter().filter(|(outcome, _)| outcome.is_left()).map(|(_, count)| count).sum()
    }

    /// The types that were found, in contents or names.
    pub fn kinds(&self) -> impl Iterator<Item = &str> {
        self.types.keys().chain(self.names.keys()).map(String::as_str)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(key: &str, count: u64) -> Seen {
        let findings = Findings::from([("EMAIL_ADDRESS".to_owned(), count)]);
        Seen { bytes: 10, format: Some("text".into()), findings, ..Seen::of(key, None, Outcome::LookedInto) }
    }

    /// The order in which objects are done changes with every run.
    #[test]
    fn it_does_not_depend_on_the_order_and_is_bounded() {
        let mut all: Vec<Seen> = (0..100).map(|n| found(&format!("k{n:02}"), n % 10)).collect();
        all.extend((0..100).map(|n| Seen::of(&format!("f{n:02}"), None, Outcome::Failed).because("why")));
        let tally = |seen: &mut dyn Iterator<Item = &Seen>| {
            let mut tally = Tally::new(5);
            seen.for_each(|seen| tally.add(seen));
            tally
        };
        let forward = tally(&mut all.iter());
        assert_eq!(forward, tally(&mut all.iter().rev()));
        let top: Vec<_> = forward.top().map(|(total, key, ..)| (total, key)).collect();
        assert_eq!(top, [(9, "k09"), (9, "k19"), (9, "k29"), (9, "k39"), (9, "k49")]);
        assert_eq!(
            forward.problems().map(|problem| &*problem.0).collect::<Vec<_>>(),
            ["f00", "f01", "f02", "f03", "f04"]
        );
        assert_eq!((forward.problem_count, forward.left()), (100, 100));
        let mail = forward.types["EMAIL_ADDRESS"];
        assert_eq!((mail.objects, mail.with_findings, mail.findings), (100, 90, 450));
        assert_eq!(forward.formats["text"], Count { objects: 100, with_findings: 90, findings: 450, bytes: 1000 });
    }

    #[test]
    fn what_stays_is_a_problem() {
        let mut tally = Tally::new(5);
        tally.add(&Seen { old: Some(Outcome::OldVersionStays), ..found("k", 1) });
        let passed = Findings::from([("PDF".to_owned(), 2)]);
        tally.add(&Seen { passed, format: None, ..Seen::of("p", None, Outcome::LookedInto) });
        let problems: Vec<_> = tally.problems().cloned().collect();
        assert_eq!(problems[0], ("k".into(), None, Outcome::OldVersionStays, String::new()));
        assert_eq!(problems[1], ("p".into(), None, Outcome::LookedInto, "not looked into: 2 PDF".into()));
        assert_eq!(tally.left(), 1);
    }
}

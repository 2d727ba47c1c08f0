//! What security officers set, and how it came to be.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::config::Setting;
use crate::scrubbing::PolicyId;

/// All that is set.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct State {
    /// By bucket.
    pub buckets: BTreeMap<String, OfBucket>,
    /// Stored policies, by id and version.
    pub policies: BTreeMap<String, BTreeMap<u32, Signed>>,
}

/// What is set for a bucket.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OfBucket {
    /// The number of the last change, from which each tells the one before.
    pub changed: u64,
    /// By prefix; the empty one is the bucket itself.
    pub settings: BTreeMap<String, Set>,
}

/// One setting.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Set {
    /// By whom.
    pub signed: Signed,
    /// What.
    pub setting: Setting,
}

/// By which change something is as it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Signed {
    /// Its number, from 1.
    pub number: u64,
    /// Name of the security officer.
    pub by: String,
    /// Milliseconds since 1970.
    pub at_ms: i64,
}

/// One change, and what is set since.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Revision {
    /// Of this form: 1.
    pub v: u8,
    /// Which change, by whom.
    pub signed: Signed,
    /// What was changed.
    pub change: Change,
    /// All that is set since.
    pub state: State,
}

/// What was changed.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "snake_case")]
pub enum Change {
    /// What is set for a bucket or a prefix.
    Setting {
        /// Which bucket.
        bucket: String,
        /// Which prefix; empty: the bucket.
        prefix: String,
        /// None: it was as the configuration says.
        before: Option<Setting>,
        /// None: it is as the configuration says again.
        after: Option<Setting>,
        /// The number of the change of this bucket before; 0: none.
        previous: u64,
    },
    /// A policy was stored.
    Policy {
        /// Its name and version.
        policy: PolicyId,
        /// The policy.
        toml: String,
    },
}

impl Change {
    /// For figures and the log.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Setting { .. } => "setting",
            Self::Policy { .. } => "policy",
        }
    }
}

impl State {
    /// How a policy was stored; none: it is not.
    pub fn stored(&self, policy: &PolicyId) -> Option<&Signed> {
        self.policies.get(&policy.id)?.get(&policy.version)
    }

    /// What is set.
    pub fn setting(&self, bucket: &str, prefix: &str) -> Option<&Set> {
        self.buckets.get(bucket)?.settings.get(prefix)
    }

    /// With this set for a bucket or a prefix; none: nothing any more.
    #[must_use]
    pub fn with_setting(&self, signed: &Signed, bucket: &str, prefix: &str, after: Option<Setting>) -> (Self, Change) {
        let mut state = self.clone();
        let of = state.buckets.entry(bucket.to_owned()).or_default();
        let previous = std::mem::replace(&mut of.changed, signed.number);
        let before = match after.clone() {
            Some(setting) => of.settings.insert(prefix.to_owned(), Set { signed: signed.clone(), setting }),
            None => of.settings.remove(prefix),
        };
        let before = before.map(|set| set.setting);
        (state, Change::Setting { bucket: bucket.to_owned(), prefix: prefix.to_owned(), before, after, previous })
    }

    /// With another policy stored.
    #[must_use]
    pub fn with_policy(&self, signed: &Signed, policy: &PolicyId, toml: String) -> (Self, Change) {
        let mut state = self.clone();
        state.policies.entry(policy.id.clone()).or_default().insert(policy.version, signed.clone());
        (state, Change::Policy { policy: policy.clone(), toml })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_of_a_bucket_tell_the_one_before() {
        let signed = |number| Signed { number, by: "alice".into(), at_ms: 0 };
        let setting = |toml: &str| Some(Setting::read(toml, false).unwrap());
        let of = |change: &Change| match change {
            Change::Setting { previous, before, after, .. } => (*previous, before.clone(), after.clone()),
            Change::Policy { .. } => panic!(),
        };
        let (state, change) = State::default().with_setting(&signed(1), "b", "", setting("scrub = \"off\""));
        assert_eq!(of(&change), (0, None, setting("scrub = \"off\"")));
        let (state, _) = state.with_setting(&signed(2), "other", "", setting(""));
        let (state, change) = state.with_setting(&signed(3), "b", "raw/", setting("scrub = \"dual\""));
        assert_eq!(of(&change), (1, None, setting("scrub = \"dual\"")));
        let (state, change) = state.with_setting(&signed(4), "b", "", None);
        assert_eq!(of(&change), (3, setting("scrub = \"off\""), None));
        assert_eq!((state.buckets["b"].changed, state.buckets["b"].settings.len()), (4, 1));
    }

    #[test]
    fn a_revision_is_read_as_it_was_written_and_nothing_else() {
        let signed = Signed { number: 1, by: "alice".into(), at_ms: 5 };
        let (state, change) =
            State::default().with_policy(&signed, &PolicyId { id: "own".into(), version: 3 }, "id = 1".into());
        let revision = Revision { v: 1, signed, change, state };
        let json = serde_json::to_string(&revision).unwrap();
        let read: Revision = serde_json::from_str(&json).unwrap();
        assert_eq!(serde_json::to_string(&read).unwrap(), json);
        assert_eq!(read.state, revision.state);
        assert!(serde_json::from_str::<Revision>(&json.replace("\"by\"", "\"bye\"")).is_err());
    }
}

//! What holds for which bucket at one time: what the configuration says, and where it leaves that to them what security officers set.

use std::collections::HashMap;
use std::sync::Arc;

use scrub::format::Budget;

use zeroize::Zeroizing;

use super::{BucketPolicy, Compiled, Key, PolicyError, PolicyId, limits, read_key};
use crate::config::{BucketConfig, Config, ManagedBy, PolicyName, ScrubConfig, Setting};
use crate::policies::state::{OfBucket, State};

/// Policies that are compiled.
pub type Engines = HashMap<PolicyName, Compiled>;

/// The policies of all buckets.
pub struct Table {
    /// Of the change that it is as of; 0: none was ever made.
    pub number: u64,
    /// What security officers set.
    pub state: Arc<State>,
    default: Policies,
    named: HashMap<String, Policies>,
    engines: Engines,
    root: Option<Arc<Zeroizing<[u8; 32]>>>,
    memory: Arc<Budget>,
}

/// What holds for a bucket, or for keys that begin with a prefix.
pub struct Holds {
    /// All that is said of it.
    pub said: ScrubConfig,
    /// None where objects are not looked into.
    pub policy: Option<Arc<BucketPolicy>>,
}

struct Policies {
    all: Holds,
    /// For keys that begin so, the longest first.
    prefixes: Vec<(String, Holds)>,
}

impl Table {
    /// What the configuration says alone.
    pub fn configured(config: &Config, memory: &Arc<Budget>) -> Result<Self, PolicyError> {
        let root = config.keys.scrub_key.as_deref().map(read_key).transpose()?;
        Self::build(config, root, memory.clone(), Engines::new(), 0, Arc::default())
    }

    /// As of another change. `stored`: policies that it needs and this one has not. What the configuration names is not read again.
    pub fn changed(
        &self,
        config: &Config,
        number: u64,
        state: Arc<State>,
        stored: Vec<Compiled>,
    ) -> Result<Self, PolicyError> {
        let mut engines = self.engines.clone();
        engines.extend(stored.into_iter().map(|compiled| (PolicyName::Stored(compiled.id.clone()), compiled)));
        for (name, compiled) in &engines {
            if matches!(name, PolicyName::Configured(_)) && state.stored(&compiled.id).is_some() {
                return Err(PolicyError::Twice(compiled.id.clone()));
            }
        }
        let needed: Vec<_> = state.needed(config).collect();
        engines.retain(|name, _| match name {
            PolicyName::Configured(_) => true,
            PolicyName::Stored(id) => needed.contains(id),
        });
        Self::build(config, self.root.clone(), self.memory.clone(), engines, number, state)
    }

    fn build(
        config: &Config,
        root: Option<Arc<Zeroizing<[u8; 32]>>>,
        memory: Arc<Budget>,
        mut engines: Engines,
        number: u64,
        state: Arc<State>,
    ) -> Result<Self, PolicyError> {
        let limits = limits(config);
        let mut holds = |said: ScrubConfig, prefix: &str| {
            let key = root.clone().map(|root| Key { root, prefix: prefix.to_owned() });
            Ok(Holds { policy: BucketPolicy::of(&said, limits, &memory, key, &mut engines)?, said })
        };
        let (mut default, mut named) = (None, HashMap::new());
        let none = OfBucket::default();
        for (name, bucket) in config.buckets.all() {
            let set = name.and_then(|name| state.of(config, name)).unwrap_or(&none);
            let policies = Policies::of(bucket, set, &mut holds)?;
            match name {
                None => default = Some(policies),
                Some(name) => {
                    named.insert(name.to_owned(), policies);
                }
            }
        }
        for name in state.buckets.keys() {
            if !named.contains_key(name)
                && let Some(set) = state.of(config, name)
            {
                named.insert(name.clone(), Policies::of(config.bucket(name), set, &mut holds)?);
            }
        }
        let default = match default {
            Some(default) => default,
            None => Policies::of(&BucketConfig::default(), &none, &mut holds)?,
        };
        Ok(Self { number, state, default, named, engines, root, memory })
    }

    fn policies(&self, bucket: &str) -> &Policies {
        self.named.get(bucket).unwrap_or(&self.default)
    }

    /// That of an object; none where it is not looked into.
    pub fn of(&self, bucket: &str, key: &str) -> Option<&Arc<BucketPolicy>> {
        let policies = self.policies(bucket);
        let by_prefix = policies.prefixes.iter().find(|(prefix, _)| key.starts_with(prefix.as_str()));
        by_prefix.map_or(&policies.all, |(_, holds)| holds).policy.as_ref()
    }

    /// That of an object where it changes what is stored.
    pub fn enforced(&self, bucket: &str, key: &str) -> Option<&Arc<BucketPolicy>> {
        self.of(bucket, key).filter(|policy| policy.enforces())
    }

    /// What is said of a bucket, or of a prefix of its own; of a prefix of which nothing is said what holds for a key that is called so.
    pub fn holds(&self, bucket: &str, prefix: &str) -> &Holds {
        let policies = self.policies(bucket);
        policies
            .prefixes
            .iter()
            .find(|(of, _)| prefix.starts_with(of.as_str()))
            .map_or(&policies.all, |(_, holds)| holds)
    }

    /// The prefixes of a bucket that something is said of.
    pub fn prefixes(&self, bucket: &str) -> impl Iterator<Item = (&str, &Holds)> {
        self.policies(bucket).prefixes.iter().map(|(prefix, holds)| (&**prefix, holds))
    }

    /// Every bucket that something is said of.
    pub fn buckets(&self) -> impl Iterator<Item = &str> {
        self.named.keys().map(String::as_str)
    }

    /// The policies in use.
    pub fn engines(&self) -> &Engines {
        &self.engines
    }
}

impl Policies {
    fn of(
        bucket: &BucketConfig,
        set: &OfBucket,
        holds: &mut impl FnMut(ScrubConfig, &str) -> Result<Holds, PolicyError>,
    ) -> Result<Self, PolicyError> {
        let over = |prefix: &str, base: &ScrubConfig| {
            set.settings.get(prefix).map_or_else(|| base.clone(), |set| over(&set.setting, base))
        };
        let all = over("", &bucket.scrub);
        let mut prefixes = Vec::new();
        for (prefix, said) in &bucket.prefixes {
            if !set.settings.contains_key(prefix) {
                prefixes.push((prefix.clone(), holds(said.clone(), prefix)?));
            }
        }
        for prefix in set.settings.keys().filter(|prefix| !prefix.is_empty()) {
            prefixes.push((prefix.clone(), holds(over(prefix, &all), prefix)?));
        }
        prefixes.sort_by_key(|(prefix, _)| std::cmp::Reverse(prefix.len()));
        Ok(Self { all: holds(all, "")?, prefixes })
    }
}

/// What was set over REST, where a policy is built in or stored, and never a file.
fn over(setting: &Setting, base: &ScrubConfig) -> ScrubConfig {
    let mut said = setting.over(base);
    if let Some(id) = setting.scrub_policy.as_deref().and_then(|name| name.parse().ok()) {
        said.policy = PolicyName::Stored(id);
    }
    said
}

impl State {
    /// What was set for a bucket, where the configuration does not keep that to itself.
    fn of(&self, config: &Config, bucket: &str) -> Option<&OfBucket> {
        self.buckets.get(bucket).filter(|_| config.bucket(bucket).managed_by == ManagedBy::Rest)
    }

    /// The stored policies that what holds needs.
    pub fn needed(&self, config: &Config) -> impl Iterator<Item = PolicyId> {
        let held = self.buckets.keys().filter_map(|name| self.of(config, name));
        held.flat_map(|of| of.settings.values()).filter_map(|set| set.setting.scrub_policy.as_deref()?.parse().ok())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Scrub;
    use crate::policies::state::{Set, Signed};

    fn config(toml: &str) -> Config {
        Config::parse("f".as_ref(), toml.to_owned()).unwrap()
    }

    fn memory() -> Arc<Budget> {
        Arc::new(Budget::new(1 << 30, std::time::Duration::from_secs(1)))
    }

    fn state(settings: &[(&str, &str, &str)]) -> Arc<State> {
        let mut state = State::default();
        for (bucket, prefix, toml) in settings {
            let signed = Signed { number: 1, by: "alice".into(), at_ms: 0 };
            let set = Set { signed, setting: Setting::read(toml, false).unwrap() };
            state.buckets.entry((*bucket).into()).or_default().settings.insert((*prefix).into(), set);
        }
        Arc::new(state)
    }

    fn says(table: &Table, bucket: &str, key: &str) -> Option<(Scrub, String)> {
        table.of(bucket, key).map(|policy| (policy.mode, policy.id.to_string()))
    }

    fn is(mode: Scrub, id: &str) -> (Scrub, String) {
        (mode, id.to_owned())
    }

    #[test]
    fn the_longest_prefix_holds() {
        let toml = "[buckets.b]\nscrub = \"enforce\"\n[buckets.b.prefixes.\"raw/\"]\nscrub = \"off\"\n\
                    [buckets.b.prefixes.\"raw/kept/\"]\nscrub = \"dual\"\nscrub_policy = \"gdpr\"\n";
        let table = Table::configured(&config(toml), &memory()).unwrap();
        assert_eq!(says(&table, "b", "a"), Some(is(Scrub::Enforce, "llm-training/1")));
        assert_eq!(says(&table, "b", "raw/a"), None);
        assert_eq!(says(&table, "b", "raw/kept/a"), Some(is(Scrub::Dual, "gdpr/1")));
        assert_eq!(says(&table, "b", "raw"), says(&table, "b", "a"));
        assert_eq!(says(&table, "other", "raw/kept/a"), None);
    }

    #[test]
    fn what_is_set_holds_where_the_configuration_leaves_it() {
        let config = config(
            "[buckets.default]\nscrub = \"detect\"\n[buckets.held]\nscrub = \"enforce\"\n\
             [buckets.given]\nscrub = \"enforce\"\nscrub_managed_by = \"rest\"\n[buckets.given.prefixes.\"in/\"]\nscrub = \"off\"\n",
        );
        let set = state(&[
            ("held", "", "scrub = \"off\""),
            ("new", "", "scrub = \"enforce\"\nscrub_policy = \"gdpr\""),
            ("new", "raw/", "scrub = \"off\""),
            ("given", "", "scrub_policy = \"gdpr\""),
            ("only", "raw/", "scrub = \"enforce\""),
        ]);
        let table = Table::configured(&config, &memory()).unwrap().changed(&config, 1, set, Vec::new()).unwrap();
        assert_eq!(says(&table, "held", "a"), Some(is(Scrub::Enforce, "llm-training/1")));
        assert_eq!(says(&table, "new", "a"), Some(is(Scrub::Enforce, "gdpr/1")));
        assert_eq!(says(&table, "new", "raw/a"), None);
        assert_eq!(says(&table, "given", "a"), Some(is(Scrub::Enforce, "gdpr/1")));
        assert_eq!(says(&table, "given", "in/a"), None, "what the configuration says of a prefix stays");
        assert_eq!(says(&table, "only", "a"), Some(is(Scrub::Detect, "llm-training/1")));
        assert_eq!(says(&table, "only", "raw/a"), Some(is(Scrub::Enforce, "llm-training/1")));
        assert_eq!(says(&table, "other", "a"), Some(is(Scrub::Detect, "llm-training/1")));
        let back = table.changed(&config, 2, Arc::default(), Vec::new()).unwrap();
        assert_eq!(says(&back, "new", "a"), Some(is(Scrub::Detect, "llm-training/1")));
    }

    #[test]
    fn what_cannot_be_found_is_an_error_and_not_off() {
        let config = config("");
        let table = Table::configured(&config, &memory()).unwrap();
        let set = state(&[("b", "", "scrub = \"enforce\"\nscrub_policy = \"own/1\"")]);
        assert!(matches!(table.changed(&config, 1, set.clone(), Vec::new()), Err(PolicyError::NotStored(_))));
        let own = Compiled::read("own", "id = \"own\"\nversion = 1\n").unwrap();
        let with = table.changed(&config, 1, set.clone(), vec![own]).unwrap();
        assert_eq!(says(&with, "b", "a"), Some(is(Scrub::Enforce, "own/1")));
        let again = with.changed(&config, 2, set, Vec::new()).unwrap();
        assert_eq!(says(&again, "b", "a"), Some(is(Scrub::Enforce, "own/1")), "it is compiled already");
        let gone = again.changed(&config, 3, Arc::default(), Vec::new()).unwrap();
        assert!(gone.engines().keys().all(|name| matches!(name, PolicyName::Configured(_))));
    }
}

//! What is said of the scrub of a bucket, or of a prefix of its keys: in the configuration file, or over REST.

use scrub::format::Rule;
use serde::{Deserialize, Serialize};

use super::load::render;
use super::{EtagOf, OnKeyFinding, OnUnscrubbed, PolicyName, Scrub, ScrubConfig, Tokens};

/// The keys that are given; what is not is as in what it is laid over.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
#[expect(missing_docs, reason = "the keys of docs/scrub-buckets.md, by their names")]
pub struct Setting {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scrub: Option<Scrub>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scrub_policy: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub on_unknown: Option<OnUnknown>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub on_media: Option<OnUnknown>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_bad_records: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub on_key_finding: Option<OnKeyFinding>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub on_block: Option<OnBlock>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub on_unscrubbed: Option<OnUnscrubbed>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub etag_of: Option<EtagOf>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tokens: Option<Tokens>,
}

/// What is done with what cannot be looked into.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum OnUnknown {
    /// It is taken as it is.
    Pass,
    /// It is refused.
    Refuse,
    /// It is put aside.
    Quarantine,
}

/// What is done with what the policy blocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum OnBlock {
    /// It is refused.
    Refuse,
    /// It is put aside.
    Quarantine,
}

impl Setting {
    /// From TOML, or from JSON. Error: what is wrong, and where.
    pub fn read(text: &str, json: bool) -> Result<Self, String> {
        if json {
            // A list would be taken for the keys in their order.
            if !text.trim_start().starts_with('{') {
                return Err("body: an object is expected".to_owned());
            }
            return serde_json::from_str(text).map_err(|e| format!("body: {e}"));
        }
        toml::from_str(text).map_err(|e| render("body", text, e.span(), e.message()))
    }

    /// What it comes to over what holds otherwise.
    pub fn over(&self, base: &ScrubConfig) -> ScrubConfig {
        let rule = |rule| match rule {
            OnUnknown::Pass => Rule::Pass,
            OnUnknown::Refuse => Rule::Refuse,
            OnUnknown::Quarantine => Rule::Quarantine,
        };
        let on_block = self.on_block.map(|rule| match rule {
            OnBlock::Refuse => Rule::Refuse,
            OnBlock::Quarantine => Rule::Quarantine,
        });
        ScrubConfig {
            mode: self.scrub.unwrap_or(base.mode),
            policy: self.scrub_policy.clone().map_or_else(|| base.policy.clone(), PolicyName::Configured),
            on_unknown: self.on_unknown.map_or(base.on_unknown, rule),
            on_media: self.on_media.map_or(base.on_media, rule),
            max_bad_records: self.max_bad_records.unwrap_or(base.max_bad_records),
            on_key_finding: self.on_key_finding.unwrap_or(base.on_key_finding),
            on_block: on_block.unwrap_or(base.on_block),
            on_unscrubbed: self.on_unscrubbed.unwrap_or(base.on_unscrubbed),
            etag_of: self.etag_of.unwrap_or(base.etag_of),
            tokens: self.tokens.unwrap_or(base.tokens),
        }
    }
}

impl ScrubConfig {
    /// All of it, as it would be said.
    pub fn said(&self) -> Setting {
        let rule = |rule| match rule {
            Rule::Pass => OnUnknown::Pass,
            Rule::Refuse => OnUnknown::Refuse,
            Rule::Quarantine => OnUnknown::Quarantine,
        };
        let on_block = if self.on_block == Rule::Quarantine { OnBlock::Quarantine } else { OnBlock::Refuse };
        Setting {
            scrub: Some(self.mode),
            scrub_policy: Some(self.policy.to_string()),
            on_unknown: Some(rule(self.on_unknown)),
            on_media: Some(rule(self.on_media)),
            max_bad_records: Some(self.max_bad_records).filter(|most| *most != u64::MAX),
            on_key_finding: Some(self.on_key_finding),
            on_block: Some(on_block),
            on_unscrubbed: Some(self.on_unscrubbed),
            etag_of: Some(self.etag_of),
            tokens: Some(self.tokens),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_of_all_of_it_comes_to_the_same() {
        let text = "scrub = \"dual\"\nscrub_policy = \"gdpr\"\non_unknown = \"quarantine\"\non_media = \"pass\"\nmax_bad_records = 7\n\
                    on_key_finding = \"refuse\"\non_block = \"quarantine\"\non_unscrubbed = \"scrub_on_read\"\netag_of = \"received\"\ntokens = \"vault\"\n";
        let setting = Setting::read(text, false).unwrap();
        let config = setting.over(&ScrubConfig::default());
        assert_eq!(config.said(), setting);
        assert_eq!(Setting::read(&serde_json::to_string(&setting).unwrap(), true).unwrap(), setting);
        let nothing = Setting::default();
        assert_eq!(nothing.over(&config), config);
        assert_eq!(serde_json::to_string(&nothing).unwrap(), "{}");
    }

    #[test]
    fn a_mistake_is_told_with_its_place() {
        let wrong = |text: &str, json| Setting::read(text, json).unwrap_err();
        assert!(
            wrong("scrub = \"detect\"\non_medium = \"pass\"\n", false)
                .starts_with("body:2:1: unknown field `on_medium`")
        );
        assert!(wrong("scrub = \"on\"\n", false).starts_with("body:1:9: unknown variant `on`"));
        let error = wrong("{\n\"on_medium\": 1}", true);
        assert!(error.contains("unknown field `on_medium`") && error.contains("line 2"), "{error}");
        assert!(wrong("[\"off\"]", true).contains("an object is expected"));
        for key in ["state = \"sealed\"", "prefixes = {}", "scrub_managed_by = \"rest\""] {
            assert!(wrong(key, false).contains("unknown field"), "{key}");
        }
    }
}

//! Policies and what they hold for.
//!
//! ```text
//! GET    /v1/policies                                         every policy: its versions, and where each is from
//! GET    /v1/policies/{id}[/{version}]                        one, as it was written; without a version the newest
//! PUT    /v1/policies/{id}                                    stores one (docs/scrub-policy.md); a version that is there is never changed
//! GET    /v1/buckets                                          every bucket that something is said of
//! GET    /v1/buckets/{bucket}/scrub[?prefix=]                 what holds for it, and since when
//! GET    /v1/buckets/{bucket}/scrub?history[&before={number}] its changes, the last first
//! PUT    /v1/buckets/{bucket}/scrub[?prefix=]                 sets what holds: the keys of the configuration, as TOML or JSON
//! DELETE /v1/buckets/{bucket}/scrub[?prefix=]                 as the configuration says again
//! ```

use std::collections::BTreeSet;
use std::sync::Arc;

use http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use scrub::policy;
use serde_json::{Value, json};

use super::officers::{Asked, document, nothing};
use crate::body::{self, Body, CollectError};
use crate::config::{ManagedBy, PolicyName, Setting};
use crate::ops::{conditions, documents};
use crate::policies::state::{Change, Signed, State};
use crate::policies::{self, PoliciesError};
use crate::s3::Error;
use crate::s3::address::decode;
use crate::scrubbing::{Compiled, Engines, Holds, PolicyId, Table};
use crate::vault::Vault;

/// Bytes of a policy.
const LONGEST_POLICY: usize = 256 << 10;
/// Bytes of what is set for a bucket.
const LONGEST_SETTING: usize = 16 << 10;
/// Bytes of a prefix, which is of a key.
const LONGEST_PREFIX: usize = 1024;
/// Bytes of the name of a bucket, or of a policy.
const LONGEST_NAME: usize = 255;
/// Changes of one page.
const PAGE: usize = 100;

/// What is served to those who may change policies.
pub struct Policies {
    /// The gateway.
    pub vault: Arc<Vault>,
}

type Answer = Result<Response<Body>, PoliciesError>;

impl Policies {
    /// Answers a request for what is below `/v1/`.
    pub async fn answer(&self, path: &str, asked: &Asked<'_>, body: Body) -> Answer {
        let steps = path.split('/').map(decode).collect::<Result<Vec<_>, _>>()?;
        let steps: Vec<_> = steps.iter().map(String::as_str).collect();
        match (asked.method.as_str(), &*steps) {
            ("GET", ["policies"]) => Ok(self.list()),
            ("GET", ["policies", id]) => self.policy(id, None).await,
            ("GET", ["policies", id, version]) => self.policy(id, Some(version)).await,
            ("PUT", ["policies", id]) => self.store(id, asked, body).await,
            ("GET", ["buckets"]) => Ok(self.buckets()),
            (method, ["buckets", bucket, "scrub"]) => {
                self.named(bucket)?;
                let prefix = asked.value("prefix").unwrap_or_default();
                match method {
                    "GET" if asked.value("history").is_some() => self.history(bucket, asked).await,
                    "GET" => Ok(self.setting(&self.vault.scrubbing.newest(), bucket, prefix)),
                    "PUT" => {
                        let json = asked
                            .headers
                            .get(header::CONTENT_TYPE)
                            .is_some_and(|of| of.as_bytes().starts_with(b"application/json"));
                        let text = text(body, LONGEST_SETTING).await?;
                        let setting = Setting::read(&text, json).map_err(|why| wrong("InvalidSetting", why))?;
                        self.set(bucket, prefix, asked, Some(setting)).await
                    }
                    "DELETE" => self.set(bucket, prefix, asked, None).await,
                    _ => Err(nowhere().into()),
                }
            }
            _ => Err(nowhere().into()),
        }
    }

    fn list(&self) -> Response<Body> {
        let table = self.vault.scrubbing.newest();
        let mut items: Vec<_> = policy::PRESETS
            .iter()
            .filter_map(|(name, _)| policy::Policy::preset(name))
            .map(|preset| json!({ "id": preset.id, "version": preset.version, "origin": "built in" }))
            .collect();
        items.extend(
            files(table.engines())
                .map(|compiled| json!({ "id": compiled.id.id, "version": compiled.id.version, "origin": "file" })),
        );
        for (id, versions) in &table.state.policies {
            items.extend(versions.iter().map(|(version, signed)| {
                json!({ "id": id, "version": version, "origin": "stored", "by": signed.by, "at": documents::timestamp(signed.at_ms) })
            }));
        }
        document(StatusCode::OK, &json!({ "items": items }))
    }

    async fn policy(&self, id: &str, version: Option<&str>) -> Answer {
        let table = self.vault.scrubbing.newest();
        let none = || nothing("there is no such policy, or not in this version");
        let wanted = match version {
            Some(version) => Some(format!("{id}/{version}").parse::<PolicyId>().map_err(|()| none())?),
            None => None,
        };
        let is = |found: &PolicyId| found.id == id && wanted.as_ref().is_none_or(|wanted| wanted == found);
        let newest = table.state.policies.get(id).and_then(|versions| versions.keys().next_back());
        let stored = wanted.clone().or_else(|| newest.map(|version| PolicyId { id: id.to_owned(), version: *version }));
        let preset = policy::Policy::preset(id).map(|preset| PolicyId { id: preset.id, version: preset.version });
        let (found, toml) =
            if let Some((found, signed)) = stored.and_then(|of| table.state.stored(&of).map(|signed| (of, signed))) {
                (found, policies::stored(&self.vault, signed.number).await?)
            } else if let Some(compiled) = files(table.engines()).find(|compiled| is(&compiled.id)) {
                (compiled.id.clone(), compiled.text.to_string())
            } else if let (Some(found), Some((_, toml))) =
                (preset.filter(is), policy::PRESETS.iter().find(|(name, _)| *name == id))
            {
                (found, (*toml).to_owned())
            } else {
                return Err(none().into());
            };
        let mut response = Response::new(body::full(toml));
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/toml"));
        if let Ok(found) = HeaderValue::from_str(&found.to_string()) {
            response.headers_mut().insert("x-data-vault-policy", found);
        }
        Ok(response)
    }

    async fn store(&self, id: &str, asked: &Asked<'_>, body: Body) -> Answer {
        let fits = (1..=LONGEST_NAME).contains(&id.len())
            && id.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b));
        if !fits {
            return Err(wrong("InvalidPolicy", "the id of a stored policy has letters, digits, `-`, `_` and `.`"));
        }
        let toml = text(body, LONGEST_POLICY).await?;
        // Its expressions are compiled for some time, no more at once than there are turns for engines.
        let turn = self.vault.scrubbing.slots.acquire().await.map_err(|_| Error::Internal("no turns".into()))?;
        let read = toml.clone();
        let compiled = tokio::task::spawn_blocking(move || Compiled::read("body", &read));
        let compiled = compiled.await.map_err(|_| Error::Internal("a task was cut off".into()))??;
        drop(turn);
        let policy = compiled.id;
        if policy.id != id {
            return Err(wrong(
                "InvalidPolicy",
                format!("body: the id is {:?}, and that of the path {id:?}", policy.id),
            ));
        }
        let table = self.vault.scrubbing.newest();
        let taken = |why: String| Err(PoliciesError::refused(StatusCode::CONFLICT, "PolicyExists", why));
        if policy::Policy::preset(id).is_some() {
            return taken(format!("{id} is a built-in policy: give yours another id, and `extends = \"{id}\"`"));
        }
        if files(table.engines()).any(|compiled| compiled.id == policy) {
            return taken(format!(
                "{policy} is a file of the configuration: give yours another version, or another id"
            ));
        }
        if let Some(signed) = table.state.stored(&policy) {
            if policies::stored(&self.vault, signed.number).await? == toml {
                return Ok(document(StatusCode::OK, &of_policy(&policy, signed)));
            }
            return taken(format!("{policy} is there, and no version is ever changed: raise `version`"));
        }
        let stored = policy.clone();
        let table = policies::change(&self.vault, asked.officer, move |state, signed| match state.stored(&stored) {
            Some(_) => Err(PoliciesError::refused(
                StatusCode::CONFLICT,
                "PolicyExists",
                format!("{stored} was stored a moment ago"),
            )),
            None => Ok(Some(state.with_policy(signed, &stored, toml.clone()))),
        });
        let table = table.await?;
        let signed =
            table.state.stored(&policy).ok_or_else(|| Error::Internal("a policy that was not stored".into()))?;
        Ok(document(StatusCode::CREATED, &of_policy(&policy, signed)))
    }

    fn buckets(&self) -> Response<Body> {
        let table = self.vault.scrubbing.newest();
        let names: BTreeSet<_> = table
            .buckets()
            .chain(table.state.buckets.iter().filter(|(_, of)| !of.settings.is_empty()).map(|(name, _)| &**name))
            .collect();
        let items: Vec<_> = names.into_iter().map(|bucket| self.shown(&table, bucket, "")).collect();
        document(StatusCode::OK, &json!({ "items": items }))
    }

    /// With the `ETag` by which a change can be held to what was seen.
    fn setting(&self, table: &Table, bucket: &str, prefix: &str) -> Response<Body> {
        let mut response = document(StatusCode::OK, &self.shown(table, bucket, prefix));
        let etag = HeaderValue::from_str(&format!("\"{}\"", etag(&table.state, bucket, prefix)));
        response.headers_mut().extend(etag.ok().map(|etag| (header::ETAG, etag)));
        response
    }

    fn shown(&self, table: &Table, bucket: &str, prefix: &str) -> Value {
        let said = |holds: &Holds| json!({ "settings": holds.said.said(), "policy": holds.policy.as_ref().map(|policy| policy.id.to_string()) });
        let mut shown = said(table.holds(bucket, prefix));
        let set = table.state.setting(bucket, prefix);
        let by_rest = self.vault.config.bucket(bucket).managed_by == ManagedBy::Rest;
        shown["bucket"] = bucket.into();
        shown["managed_by"] = if by_rest { "rest" } else { "configuration" }.into();
        shown["set"] = json!(set.map(|set| {
            json!({ "by": set.signed.by, "at": documents::timestamp(set.signed.at_ms), "number": set.signed.number, "setting": set.setting })
        }));
        if prefix.is_empty() {
            shown["prefixes"] = table
                .prefixes(bucket)
                .map(|(prefix, holds)| (prefix.to_owned(), said(holds)))
                .collect::<serde_json::Map<_, _>>()
                .into();
        } else {
            shown["prefix"] = prefix.into();
        }
        shown
    }

    async fn history(&self, bucket: &str, asked: &Asked<'_>) -> Answer {
        let table = self.vault.scrubbing.newest();
        let last = table.state.buckets.get(bucket).map_or(0, |of| of.changed);
        let mut next = match asked.value("before").map(str::parse::<u64>) {
            None => last,
            Some(Ok(number)) if number <= table.number => number,
            Some(_) => {
                return Err(wrong(
                    "InvalidArgument",
                    "`before` is the number of a change, as `next` of a page says it",
                ));
            }
        };
        let mut items = Vec::new();
        while next > 0 && items.len() < PAGE {
            let revision = policies::revision(&self.vault, next).await?;
            let Signed { number, by, at_ms } = revision.signed;
            match revision.change {
                Change::Setting { bucket: of, prefix, before, after, previous } if of == bucket && previous < next => {
                    next = previous;
                    items.push(json!({ "number": number, "by": by, "at": documents::timestamp(at_ms), "prefix": prefix, "before": before, "after": after }));
                }
                _ => return Err(wrong("InvalidArgument", format!("the change {next} is none of this bucket"))),
            }
        }
        let next = (next > 0).then_some(next);
        Ok(document(StatusCode::OK, &json!({ "items": items, "next": next })))
    }

    async fn set(&self, bucket: &str, prefix: &str, asked: &Asked<'_>, setting: Option<Setting>) -> Answer {
        if self.vault.config.bucket(bucket).managed_by == ManagedBy::Configuration {
            let why = format!(
                "the configuration says what holds for {bucket}: change it there, or let it say `scrub_managed_by = \"rest\"`"
            );
            return Err(PoliciesError::refused(StatusCode::CONFLICT, "ManagedByConfiguration", why));
        }
        if prefix.len() > LONGEST_PREFIX {
            return Err(wrong("InvalidArgument", "a prefix has at most 1,024 bytes"));
        }
        let (of, at, headers) = (bucket.to_owned(), prefix.to_owned(), asked.headers.clone());
        let table = policies::change(&self.vault, asked.officer, move |state, signed| {
            weigh(&headers, state, &of, &at)?;
            let setting = setting.clone().map(|setting| named(state, setting)).transpose()?;
            if state.setting(&of, &at).map(|set| &set.setting) == setting.as_ref() {
                return Ok(None);
            }
            Ok(Some(state.with_setting(signed, &of, &at, setting)))
        });
        Ok(self.setting(&*table.await?, bucket, prefix))
    }

    /// Whether a bucket can be called so, and may be spoken of.
    fn named(&self, bucket: &str) -> Result<(), PoliciesError> {
        self.vault.reserved.check(bucket)?;
        let fits = (1..=LONGEST_NAME).contains(&bucket.len()) && !bucket.chars().any(|c| c == '/' || c.is_control());
        if !fits || bucket == "default" {
            return Err(wrong(
                "InvalidBucketName",
                "no bucket is called so. What holds for all others only the configuration says",
            ));
        }
        Ok(())
    }
}

/// Policies that the configuration has from files.
fn files(engines: &Engines) -> impl Iterator<Item = &Compiled> {
    let of = |name: &PolicyName| matches!(name, PolicyName::Configured(name) if policy::Policy::preset(name).is_none());
    engines.iter().filter(move |(name, _)| of(name)).map(|(_, compiled)| compiled)
}

fn of_policy(policy: &PolicyId, signed: &Signed) -> Value {
    json!({ "id": policy.id, "version": policy.version, "origin": "stored", "by": signed.by, "at": documents::timestamp(signed.at_ms) })
}

/// By the number of the change that set it; 0: nothing is set.
fn etag(state: &State, bucket: &str, prefix: &str) -> String {
    state.setting(bucket, prefix).map_or(0, |set| set.signed.number).to_string()
}

/// What is set already is changed only by one who says what they saw, so that nobody undoes what they do not know of.
fn weigh(headers: &HeaderMap, state: &State, bucket: &str, prefix: &str) -> Result<(), PoliciesError> {
    let text = |name| headers.get(name).map(|value: &HeaderValue| value.to_str().unwrap_or_default());
    let (etag, is_set) = (etag(state, bucket, prefix), state.setting(bucket, prefix).is_some());
    let holds = match (text(header::IF_MATCH), text(header::IF_NONE_MATCH)) {
        (Some(list), _) => list.trim() == "*" || conditions::matches(list, &etag),
        (None, Some(list)) if list.trim() == "*" => !is_set,
        (None, Some(list)) => !conditions::matches(list, &etag),
        (None, None) if is_set => {
            return Err(PoliciesError::refused(
                StatusCode::PRECONDITION_REQUIRED,
                "PreconditionRequired",
                "something is set already: send the `ETag` of what you saw as `If-Match`, or `If-Match: *` for whatever it is",
            ));
        }
        (None, None) => true,
    };
    let changed = || {
        PoliciesError::refused(
            StatusCode::PRECONDITION_FAILED,
            "PreconditionFailed",
            "it was changed since you saw it: look again",
        )
    };
    if holds { Ok(()) } else { Err(changed()) }
}

/// With its policy named for good: one that is built in, or one that is stored, in the version that is the newest now where none is given.
fn named(state: &State, mut setting: Setting) -> Result<Setting, PoliciesError> {
    let Some(name) = setting.scrub_policy.as_deref() else { return Ok(setting) };
    let (id, version) = match name.parse::<PolicyId>() {
        Ok(policy) => (policy.id, Some(policy.version)),
        Err(()) => (name.to_owned(), None),
    };
    let preset = policy::Policy::preset(&id).filter(|preset| version.is_none_or(|version| version == preset.version));
    let versions = state.policies.get(&id);
    let stored = versions
        .and_then(|of| version.or_else(|| of.keys().next_back().copied()).filter(|version| of.contains_key(version)));
    setting.scrub_policy = Some(match (preset, stored) {
        (Some(preset), _) => preset.id,
        (None, Some(version)) => format!("{id}/{version}"),
        (None, None) => {
            let presets: Vec<_> = policy::PRESETS.iter().map(|(name, _)| *name).collect();
            let why = format!(
                "`scrub_policy`: {name} is neither built in ({}) nor stored; a file only the configuration names",
                presets.join(", ")
            );
            return Err(wrong("InvalidSetting", why));
        }
    });
    Ok(setting)
}

async fn text(body: Body, longest: usize) -> Result<String, PoliciesError> {
    let bytes = body::collect(body, longest).await.map_err(|e| match e {
        CollectError::TooLong { .. } => PoliciesError::refused(
            StatusCode::PAYLOAD_TOO_LARGE,
            "TooMuch",
            format!("the body has more than {longest} bytes"),
        ),
        CollectError::Broken(_) => wrong("IncompleteBody", "the body ended early"),
    })?;
    String::from_utf8(bytes.into()).map_err(|_| wrong("InvalidArgument", "the body is no UTF-8"))
}

fn wrong(code: &'static str, message: impl Into<String>) -> PoliciesError {
    PoliciesError::refused(StatusCode::BAD_REQUEST, code, message)
}

fn nowhere() -> Error {
    nothing("there is /v1/policies[/{id}[/{version}]] and /v1/buckets[/{bucket}/scrub]")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state() -> State {
        let signed = |number| Signed { number, by: "alice".into(), at_ms: 0 };
        let own = |version| PolicyId { id: "own".into(), version };
        let (state, _) = State::default().with_policy(&signed(1), &own(9), String::new());
        let (state, _) = state.with_policy(&signed(2), &own(10), String::new());
        state.with_setting(&signed(3), "b", "", Some(Setting::default())).0
    }

    #[test]
    fn a_policy_is_named_for_good() {
        let name = |name: &str| {
            let setting = Setting { scrub_policy: Some(name.to_owned()), ..Setting::default() };
            named(&state(), setting).map(|setting| setting.scrub_policy.unwrap()).map_err(|e| e.to_string())
        };
        assert_eq!(name("gdpr").unwrap(), "gdpr");
        assert_eq!(name("gdpr/1").unwrap(), "gdpr");
        assert_eq!(name("own").unwrap(), "own/10");
        assert_eq!(name("own/9").unwrap(), "own/9");
        for wrong in ["own/8", "gdpr/2", "other", "", "/etc/passwd", "policy.toml", "own/09"] {
            assert!(name(wrong).unwrap_err().contains("neither built in"), "{wrong}");
        }
    }

    #[test]
    fn nothing_is_changed_unseen() {
        let status = |name: Option<(header::HeaderName, &'static str)>, prefix: &str| {
            let headers = name.map(|(name, value)| (name, HeaderValue::from_static(value))).into_iter().collect();
            match weigh(&headers, &state(), "b", prefix) {
                Ok(()) => 200,
                Err(PoliciesError::Refused { status, .. }) => status.as_u16(),
                Err(_) => 500,
            }
        };
        assert_eq!(status(None, ""), 428);
        assert_eq!(status(None, "raw/"), 200);
        for (list, set, unset) in [("\"3\"", 200, 412), ("\"2\"", 412, 412), ("\"0\"", 412, 200), ("*", 200, 200)] {
            assert_eq!(
                (status(Some((header::IF_MATCH, list)), ""), status(Some((header::IF_MATCH, list)), "raw/")),
                (set, unset),
                "{list}"
            );
        }
        assert_eq!(status(Some((header::IF_NONE_MATCH, "*")), ""), 412);
        assert_eq!(status(Some((header::IF_NONE_MATCH, "*")), "raw/"), 200);
    }
}

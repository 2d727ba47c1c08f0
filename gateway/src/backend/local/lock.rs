//! Object Lock: a version under retention or legal hold is not removed. Versions are never overwritten in such a bucket, since its
//! versioning cannot be suspended.
//!
//! Who may bypass governance is decided in front of the backend, as all access is.

use http::{HeaderMap, HeaderValue};
use keys::now_ms;
use s3s::dto::{
    DefaultRetention, GetObjectLegalHoldInput, GetObjectLegalHoldOutput, GetObjectLockConfigurationInput,
    GetObjectLockConfigurationOutput, GetObjectRetentionInput, GetObjectRetentionOutput, ObjectLockConfiguration,
    ObjectLockEnabled, ObjectLockLegalHold, ObjectLockLegalHoldStatus, ObjectLockRetention, ObjectLockRetentionMode,
    PutObjectLegalHoldInput, PutObjectLegalHoldOutput, PutObjectLockConfigurationInput,
    PutObjectLockConfigurationOutput, PutObjectRetentionInput, PutObjectRetentionOutput, Timestamp, TimestampFormat,
};
use s3s::{S3Error, S3Request, S3Response, S3Result, s3_error};

use super::Store;
use super::buckets::timestamp;
use super::documents::{Document, from_xml, malformed, set, to_xml, with_status};
use super::failure::Result;
use super::index::{BucketRow, Index};
use super::read::Found;
use super::writer::Txn;

const GOVERNANCE: &str = ObjectLockRetentionMode::GOVERNANCE;
const COMPLIANCE: &str = ObjectLockRetentionMode::COMPLIANCE;
const MODE: &str = "x-amz-object-lock-mode";
const UNTIL: &str = "x-amz-object-lock-retain-until-date";
const HOLD: &str = "x-amz-object-lock-legal-hold";
const DAY_MS: i64 = 24 * 60 * 60 * 1000;
/// S3's bounds on a default retention.
const MAX_DAYS: i32 = 36_500;
const MAX_YEARS: i32 = 100;

/// What keeps a version from being removed: columns of `versions` and of `uploads`.
#[derive(Clone, Debug, Default, PartialEq, Eq, sqlx::FromRow)]
#[allow(missing_docs, reason = "columns, documented in the schema")]
pub struct Lock {
    pub lock_mode: Option<String>,
    pub lock_until_ms: Option<i64>,
    pub legal_hold: Option<bool>,
}

impl Lock {
    /// What a write asks for.
    pub fn of_headers(headers: &HeaderMap) -> S3Result<Self> {
        let text = |name| headers.get(name).map(|v| v.to_str().unwrap_or_default());
        let legal_hold = match text(HOLD) {
            None => None,
            Some("ON") => Some(true),
            Some("OFF") => Some(false),
            Some(_) => {
                return Err(s3_error!(InvalidArgument, "Legal Hold must be either of 'ON' or 'OFF'"));
            }
        };
        let (lock_mode, lock_until_ms) = match (text(MODE), text(UNTIL)) {
            (None, None) => (None, None),
            (Some(mode @ (GOVERNANCE | COMPLIANCE)), Some(until)) => {
                let until = Timestamp::parse(TimestampFormat::DateTime, until).map_err(|_| {
                    s3_error!(InvalidArgument, "The retain until date must be provided in ISO 8601 format")
                })?;
                (Some(mode.to_owned()), Some(future(&until)?))
            }
            (Some(GOVERNANCE | COMPLIANCE), None) | (None, Some(_)) => {
                return Err(s3_error!(
                    InvalidArgument,
                    "x-amz-object-lock-retain-until-date and x-amz-object-lock-mode must both be supplied"
                ));
            }
            (Some(_), _) => return Err(s3_error!(InvalidArgument, "Unknown wormMode directive.")),
        };
        Ok(Self { lock_mode, lock_until_ms, legal_hold })
    }

    /// With the default retention of the bucket, where none was asked for.
    pub fn or_default(mut self, bucket: &BucketRow, now_ms: i64) -> S3Result<Self> {
        if self.lock_mode.is_none()
            && let Some((mode, days)) = bucket.default_retention()?
        {
            self.lock_mode = Some(mode);
            self.lock_until_ms = Some(now_ms + i64::from(days) * DAY_MS);
        }
        Ok(self)
    }

    /// May the version be removed now? `bypass`: governance does not count.
    pub fn check_removal(&self, bypass: bool, now_ms: i64) -> S3Result<()> {
        let held = self.legal_hold == Some(true);
        let retained = self.lock_until_ms.is_some_and(|until| until > now_ms)
            && !(bypass && self.lock_mode.as_deref() == Some(GOVERNANCE));
        if held || retained {
            return Err(denied());
        }
        Ok(())
    }

    /// May its retention become that of `new`? It can always be made longer.
    fn check_change(&self, new: &Self, bypass: bool, now_ms: i64) -> S3Result<()> {
        let retained = self.lock_until_ms.is_some_and(|until| until > now_ms);
        let bypassed = bypass && self.lock_mode.as_deref() == Some(GOVERNANCE);
        let longer = new.lock_mode == self.lock_mode && new.lock_until_ms >= self.lock_until_ms;
        if retained && !bypassed && !longer {
            return Err(denied());
        }
        Ok(())
    }

    /// Into an answer.
    pub fn add_to(&self, headers: &mut HeaderMap) {
        if let (Some(mode), Some(until)) = (&self.lock_mode, self.lock_until_ms) {
            let mut text = Vec::new();
            let written = timestamp(until).format(TimestampFormat::DateTime, &mut text);
            if let (Ok(mode), Ok(()), Ok(until)) =
                (HeaderValue::from_str(mode), written, HeaderValue::from_bytes(&text))
            {
                headers.insert(MODE, mode);
                headers.insert(UNTIL, until);
            }
        }
        if let Some(on) = self.legal_hold {
            headers.insert(HOLD, HeaderValue::from_static(if on { "ON" } else { "OFF" }));
        }
    }
}

impl BucketRow {
    /// A lock needs a bucket that has Object Lock.
    pub fn check_lock(&self, lock: &Lock) -> S3Result<()> {
        if self.object_lock.is_none() && *lock != Lock::default() {
            return Err(no_lock());
        }
        Ok(())
    }

    /// Mode and days.
    fn default_retention(&self) -> S3Result<Option<(String, i32)>> {
        let Some(xml) = &self.object_lock else { return Ok(None) };
        let configuration: ObjectLockConfiguration = from_xml(xml)?;
        let default = configuration.rule.and_then(|rule| rule.default_retention);
        Ok(default.and_then(|default| {
            let days = default.days.or_else(|| default.years.map(|years| years.saturating_mul(365)))?;
            Some((default.mode?.as_str().to_owned(), days))
        }))
    }
}

/// The configuration of a bucket made with Object Lock.
pub fn enabled() -> S3Result<String> {
    to_xml(&ObjectLockConfiguration {
        object_lock_enabled: Some(ObjectLockEnabled::from_static(ObjectLockEnabled::ENABLED)),
        rule: None,
    })
}

/// Why a bucket with Object Lock does not suspend its versioning.
pub fn never_suspended() -> S3Error {
    s3_error!(
        InvalidBucketState,
        "An Object Lock configuration is present on this bucket, so the versioning state cannot be changed."
    )
}

impl Store {
    pub(super) async fn get_object_lock_configuration(
        &self,
        request: S3Request<GetObjectLockConfigurationInput>,
    ) -> S3Result<S3Response<GetObjectLockConfigurationOutput>> {
        let configuration = self.document(&request.input.bucket, Document::Lock).await?;
        Ok(S3Response::new(GetObjectLockConfigurationOutput { object_lock_configuration: Some(configuration) }))
    }

    /// It can be put on a bucket with versioning, and never taken away.
    pub(super) async fn put_object_lock_configuration(
        &self,
        request: S3Request<PutObjectLockConfigurationInput>,
    ) -> S3Result<S3Response<PutObjectLockConfigurationOutput>> {
        let input = request.input;
        let configuration = input.object_lock_configuration.ok_or_else(malformed)?;
        check_configuration(&configuration)?;
        let xml = to_xml(&configuration)?;
        let name = input.bucket;
        self.index
            .write(move |txn| {
                Box::pin(async move {
                    let row = Index::bucket(txn.conn(), &name).await?;
                    if row.versioning != "Enabled" {
                        return Err(s3_error!(
                            InvalidBucketState,
                            "Versioning must be 'Enabled' on the bucket to apply a Object Lock configuration"
                        )
                        .into());
                    }
                    set(txn.conn(), &name, Document::Lock, Some(xml)).await
                })
            })
            .await?;
        Ok(S3Response::new(PutObjectLockConfigurationOutput::default()))
    }

    pub(super) async fn get_object_retention(
        &self,
        request: S3Request<GetObjectRetentionInput>,
    ) -> S3Result<S3Response<GetObjectRetentionOutput>> {
        let input = request.input;
        let lock = self.lock_of(&input.bucket, &input.key, input.version_id.as_deref()).await?;
        let until = lock.lock_until_ms.ok_or_else(unlocked)?;
        Ok(S3Response::new(GetObjectRetentionOutput {
            retention: Some(ObjectLockRetention {
                mode: lock.lock_mode.map(ObjectLockRetentionMode::from),
                retain_until_date: Some(timestamp(until)),
            }),
        }))
    }

    pub(super) async fn put_object_retention(
        &self,
        request: S3Request<PutObjectRetentionInput>,
    ) -> S3Result<S3Response<PutObjectRetentionOutput>> {
        let input = request.input;
        let bypass = input.bypass_governance_retention == Some(true);
        let new = retention(&input.retention.ok_or_else(malformed)?)?;
        self.index
            .write(move |txn| {
                Box::pin(async move {
                    let found = lockable(txn, &input.bucket, &input.key, input.version_id.as_deref()).await?;
                    found.version.kept.lock.check_change(&new, bypass, now_ms())?;
                    sqlx::query("UPDATE versions SET lock_mode = ?, lock_until_ms = ? WHERE seq = ?")
                        .bind(new.lock_mode)
                        .bind(new.lock_until_ms)
                        .bind(found.version.seq)
                        .execute(txn.conn())
                        .await?;
                    Ok(())
                })
            })
            .await?;
        Ok(S3Response::new(PutObjectRetentionOutput::default()))
    }

    pub(super) async fn get_object_legal_hold(
        &self,
        request: S3Request<GetObjectLegalHoldInput>,
    ) -> S3Result<S3Response<GetObjectLegalHoldOutput>> {
        let input = request.input;
        let lock = self.lock_of(&input.bucket, &input.key, input.version_id.as_deref()).await?;
        let on = lock.legal_hold.ok_or_else(unlocked)?;
        let status = if on { ObjectLockLegalHoldStatus::ON } else { ObjectLockLegalHoldStatus::OFF };
        Ok(S3Response::new(GetObjectLegalHoldOutput {
            legal_hold: Some(ObjectLockLegalHold { status: Some(ObjectLockLegalHoldStatus::from_static(status)) }),
        }))
    }

    pub(super) async fn put_object_legal_hold(
        &self,
        request: S3Request<PutObjectLegalHoldInput>,
    ) -> S3Result<S3Response<PutObjectLegalHoldOutput>> {
        let input = request.input;
        let status = input.legal_hold.and_then(|hold| hold.status).ok_or_else(malformed)?;
        let on = match status.as_str() {
            ObjectLockLegalHoldStatus::ON => true,
            ObjectLockLegalHoldStatus::OFF => false,
            _ => return Err(malformed()),
        };
        self.index
            .write(move |txn| {
                Box::pin(async move {
                    let found = lockable(txn, &input.bucket, &input.key, input.version_id.as_deref()).await?;
                    sqlx::query("UPDATE versions SET legal_hold = ? WHERE seq = ?")
                        .bind(on)
                        .bind(found.version.seq)
                        .execute(txn.conn())
                        .await?;
                    Ok(())
                })
            })
            .await?;
        Ok(S3Response::new(PutObjectLegalHoldOutput::default()))
    }

    async fn lock_of(&self, bucket: &str, key: &str, version_id: Option<&str>) -> S3Result<Lock> {
        let row = Index::bucket(self.index.readers(), bucket).await?;
        if row.object_lock.is_none() {
            return Err(no_lock());
        }
        Ok(self.find(bucket, key, version_id).await?.version.kept.lock)
    }
}

/// A version in a bucket that has Object Lock.
async fn lockable(txn: &mut Txn, bucket: &str, key: &str, version_id: Option<&str>) -> Result<Found> {
    if Index::bucket(txn.conn(), bucket).await?.object_lock.is_none() {
        return Err(no_lock().into());
    }
    Found::query(txn.conn(), bucket, key, version_id).await
}

fn check_configuration(configuration: &ObjectLockConfiguration) -> S3Result<()> {
    if configuration.object_lock_enabled.as_ref().is_none_or(|e| e.as_str() != ObjectLockEnabled::ENABLED) {
        return Err(malformed());
    }
    let Some(rule) = &configuration.rule else { return Ok(()) };
    let default: &DefaultRetention = rule.default_retention.as_ref().ok_or_else(malformed)?;
    if !matches!(default.mode.as_ref().map(ObjectLockRetentionMode::as_str), Some(GOVERNANCE | COMPLIANCE)) {
        return Err(malformed());
    }
    let in_bounds = match (default.days, default.years) {
        (Some(days), None) => (1..=MAX_DAYS).contains(&days),
        (None, Some(years)) => (1..=MAX_YEARS).contains(&years),
        _ => return Err(malformed()),
    };
    if !in_bounds {
        return Err(with_status(
            "InvalidRetentionPeriod",
            http::StatusCode::BAD_REQUEST,
            "Default retention period must be a positive integer value, of at most 36500 days or 100 years",
        ));
    }
    Ok(())
}

/// The retention of a request; an empty one takes it away.
fn retention(asked: &ObjectLockRetention) -> S3Result<Lock> {
    let (lock_mode, lock_until_ms) = match (&asked.mode, &asked.retain_until_date) {
        (None, None) => (None, None),
        (Some(mode), Some(until)) if matches!(mode.as_str(), GOVERNANCE | COMPLIANCE) => {
            (Some(mode.as_str().to_owned()), Some(future(until)?))
        }
        _ => return Err(malformed()),
    };
    Ok(Lock { lock_mode, lock_until_ms, legal_hold: None })
}

/// Milliseconds since the Unix epoch, after now.
fn future(until: &Timestamp) -> S3Result<i64> {
    let at = time::OffsetDateTime::from(until.clone()).unix_timestamp_nanos() / 1_000_000;
    i64::try_from(at)
        .ok()
        .filter(|at| *at > now_ms())
        .ok_or_else(|| s3_error!(InvalidArgument, "The retain until date must be in the future!"))
}

fn denied() -> S3Error {
    s3_error!(AccessDenied, "Access Denied because object protected by object lock.")
}

fn no_lock() -> S3Error {
    s3_error!(InvalidRequest, "Bucket is missing Object Lock Configuration")
}

fn unlocked() -> S3Error {
    s3_error!(NoSuchObjectLockConfiguration, "The specified object does not have a ObjectLock configuration")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn lock(mode: &str, until: i64) -> Lock {
        Lock { lock_mode: Some(mode.to_owned()), lock_until_ms: Some(until), legal_hold: None }
    }

    #[test]
    fn headers_are_whole_or_refused() {
        let of = |pairs: &[(&'static str, &str)]| {
            let headers: HeaderMap = pairs
                .iter()
                .map(|(k, v)| (http::HeaderName::from_static(k), HeaderValue::from_str(v).expect("a value")))
                .collect();
            Lock::of_headers(&headers)
        };
        let until = "2140-01-01T00:00:00Z";
        assert_eq!(of(&[]).expect("none"), Lock::default());
        let held = of(&[(MODE, GOVERNANCE), (UNTIL, until), (HOLD, "ON")]).expect("a lock");
        assert_eq!((held.lock_until_ms, held.legal_hold), (Some(5_364_662_400_000), Some(true)));
        let mut answer = HeaderMap::new();
        held.add_to(&mut answer);
        assert_eq!(Lock::of_headers(&answer).expect("what is answered"), held);
        for bad in [
            &[(MODE, GOVERNANCE)][..],
            &[(UNTIL, until)],
            &[(MODE, "governance"), (UNTIL, until)],
            &[(MODE, COMPLIANCE), (UNTIL, "2001-01-01T00:00:00Z")],
            &[(MODE, COMPLIANCE), (UNTIL, "soon")],
            &[(HOLD, "on")],
        ] {
            assert!(of(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_legal_hold_is_not_bypassed() {
        let held = Lock { legal_hold: Some(true), ..Lock::default() };
        assert!(held.check_removal(true, 0).is_err());
        assert!(Lock { legal_hold: Some(false), ..Lock::default() }.check_removal(false, 0).is_ok());
    }

    proptest! {
        /// Whatever is done to a version under compliance, it is there until its date.
        #[test]
        fn compliance_holds_until_its_date(
            until in 10_i64..1000,
            changes in prop::collection::vec((prop_oneof![Just(None), Just(Some(GOVERNANCE)), Just(Some(COMPLIANCE))], 0_i64..2000, any::<bool>()), 0..8),
            now in 0_i64..10,
        ) {
            let mut kept = lock(COMPLIANCE, until);
            for (mode, at, bypass) in changes {
                let new = mode.map_or_else(Lock::default, |mode| lock(mode, at));
                if kept.check_change(&new, bypass, now).is_ok() {
                    kept = new;
                }
                prop_assert!(kept.check_removal(true, until - 1).is_err());
            }
        }

        /// Governance yields to a bypass, and to nothing else.
        #[test]
        fn governance_yields_to_a_bypass_only(until in 0_i64..100, now in 0_i64..100) {
            let kept = lock(GOVERNANCE, until);
            prop_assert!(kept.check_removal(true, now).is_ok());
            prop_assert_eq!(kept.check_removal(false, now).is_err(), until > now);
            prop_assert_eq!(kept.check_change(&Lock::default(), false, now).is_err(), until > now);
            prop_assert!(kept.check_change(&Lock::default(), true, now).is_ok());
        }
    }
}

//! Lifecycle rules: validated, kept, and applied once an hour. What a lock keeps stays. Transitions are refused, since there is one
//! storage class.

use std::collections::BTreeSet;

use s3s::dto::{
    BucketLifecycleConfiguration, DeleteBucketLifecycleInput, DeleteBucketLifecycleOutput, ExpirationStatus,
    GetBucketLifecycleConfigurationInput, GetBucketLifecycleConfigurationOutput, LifecycleExpiration, LifecycleRule,
    PutBucketLifecycleConfigurationInput, PutBucketLifecycleConfigurationOutput, Tag, Timestamp,
};
use s3s::{S3Error, S3Request, S3Response, S3Result, s3_error};

use super::Store;
use super::conditions::Conditions;
use super::documents::{Document, from_xml, malformed, to_xml};
use super::failure::Failure;
use super::index::{Index, Version};
use super::multipart::Upload;
use super::page::past;
use super::tags::Tags;

/// S3's bound on the rules of a bucket.
const MAX_RULES: usize = 1000;
/// And on the id of one, characters.
const MAX_ID: usize = 255;
/// And on how many noncurrent versions one keeps.
const MAX_KEPT: i32 = 100;
const DAY_MS: i64 = 24 * 60 * 60 * 1000;
/// Rows looked at, or removed in one transaction, at a time.
const BATCH: usize = 500;

impl Store {
    pub(super) async fn get_bucket_lifecycle_configuration(
        &self,
        request: S3Request<GetBucketLifecycleConfigurationInput>,
    ) -> S3Result<S3Response<GetBucketLifecycleConfigurationOutput>> {
        let configuration: BucketLifecycleConfiguration =
            self.document(&request.input.bucket, Document::Lifecycle).await?;
        Ok(S3Response::new(GetBucketLifecycleConfigurationOutput {
            rules: Some(configuration.rules),
            ..GetBucketLifecycleConfigurationOutput::default()
        }))
    }

    /// A rule without an id is given one.
    pub(super) async fn put_bucket_lifecycle_configuration(
        &self,
        request: S3Request<PutBucketLifecycleConfigurationInput>,
    ) -> S3Result<S3Response<PutBucketLifecycleConfigurationOutput>> {
        let input = request.input;
        let mut configuration = input.lifecycle_configuration.ok_or_else(malformed)?;
        for rule in &mut configuration.rules {
            if rule.id.as_deref().is_none_or(str::is_empty) {
                rule.id = Some(uuid::Uuid::new_v4().simple().to_string());
            }
        }
        check(&configuration)?;
        self.set_document(input.bucket, Document::Lifecycle, Some(to_xml(&configuration)?)).await?;
        Ok(S3Response::new(PutBucketLifecycleConfigurationOutput::default()))
    }

    pub(super) async fn delete_bucket_lifecycle(
        &self,
        request: S3Request<DeleteBucketLifecycleInput>,
    ) -> S3Result<S3Response<DeleteBucketLifecycleOutput>> {
        self.set_document(request.input.bucket, Document::Lifecycle, None).await?;
        Ok(S3Response::new(DeleteBucketLifecycleOutput {}))
    }

    /// Applies the rules of every bucket, as at this time.
    pub(super) async fn expire(&self, now_ms: i64) -> S3Result<()> {
        let buckets: Vec<(String, String)> =
            sqlx::query_as("SELECT name, lifecycle FROM buckets WHERE lifecycle IS NOT NULL")
                .fetch_all(self.index.readers())
                .await
                .map_err(Failure::from)?;
        for (bucket, xml) in buckets {
            let configuration: BucketLifecycleConfiguration = from_xml(&xml)?;
            for rule in configuration.rules.iter().filter(|rule| rule.status.as_str() == ExpirationStatus::ENABLED) {
                self.apply(&bucket, rule, now_ms).await?;
            }
        }
        Ok(())
    }

    async fn apply(&self, bucket: &str, rule: &LifecycleRule, now_ms: i64) -> S3Result<()> {
        let filter = Filter::of(rule);
        if let Some(expiration) = &rule.expiration {
            if let Some(before) = expires_before(expiration, now_ms) {
                self.remove_all(bucket, &filter, CURRENT, (before, 0), Removal::Current).await?;
            }
            if expiration.date.is_none() {
                // A marker with nothing under it goes by either setting; by days once it is that old.
                let before = match (expiration.days, expiration.expired_object_delete_marker) {
                    (Some(days), _) => before(days, now_ms),
                    (None, Some(true)) => i64::MAX,
                    (None, _) => i64::MIN,
                };
                self.remove_all(bucket, &filter, LONE_MARKERS, (before, 0), Removal::Version).await?;
            }
        }
        if let Some(noncurrent) = &rule.noncurrent_version_expiration {
            let (days, keep) = (noncurrent.noncurrent_days, noncurrent.newer_noncurrent_versions);
            let bounds = (before(days.unwrap_or_default(), now_ms), i64::from(keep.unwrap_or_default()));
            self.remove_all(bucket, &filter, NONCURRENT, bounds, Removal::Version).await?;
        }
        if let Some(days) = rule.abort_incomplete_multipart_upload.as_ref().and_then(|a| a.days_after_initiation) {
            self.abort_all(bucket, &filter, before(days, now_ms)).await?;
        }
        Ok(())
    }

    /// Removes what a query finds and the filter matches, in order of key and age, some at a time.
    async fn remove_all(
        &self,
        bucket: &str,
        filter: &Filter,
        query: &'static str,
        (before, keep): (i64, i64),
        removal: Removal,
    ) -> S3Result<()> {
        let end = past(filter.prefix.as_bytes());
        let (mut key, mut seq) = (filter.prefix.as_bytes().to_vec(), i64::MIN);
        loop {
            let rows: Vec<Version> = sqlx::query_as(query)
                .bind(bucket)
                .bind(&key)
                .bind(seq)
                .bind(&end)
                .bind(before)
                .bind(keep)
                .bind((BATCH as u64).cast_signed())
                .fetch_all(self.index.readers())
                .await
                .map_err(Failure::from)?;
            let Some(last) = rows.last() else { return Ok(()) };
            (key, seq) = (last.key.clone(), last.seq);
            let due: Vec<Version> = rows.into_iter().filter(|row| filter.matches(row)).collect();
            if !due.is_empty() {
                self.remove(bucket.to_owned(), due, removal).await?;
            }
        }
    }

    /// Removes versions, unless they are gone, locked, or overtaken meanwhile.
    async fn remove(&self, bucket: String, due: Vec<Version>, removal: Removal) -> S3Result<()> {
        self.index
            .free(move |txn| {
                Box::pin(async move {
                    let row = Index::bucket(txn.conn(), &bucket).await?;
                    for version in due {
                        let Ok(key) = std::str::from_utf8(&version.key) else { continue };
                        let asked = match removal {
                            Removal::Current => None,
                            Removal::Version => Some(version.version_id.as_str()),
                        };
                        let found = Index::version(txn.conn(), &bucket, key, asked).await?;
                        if found.is_none_or(|found| found.seq != version.seq) {
                            continue;
                        }
                        match txn.delete(&row, key, asked, &Conditions::default(), false).await {
                            Ok(_) | Err(Failure::S3(_)) => {}
                            Err(e) => return Err(e),
                        }
                    }
                    Ok(())
                })
            })
            .await
    }

    async fn abort_all(&self, bucket: &str, filter: &Filter, before: i64) -> S3Result<()> {
        // Uploads are few; the parts of each go in one transaction of its own.
        let uploads: Vec<Upload> = sqlx::query_as(
            "SELECT * FROM uploads WHERE bucket = ? AND key >= ? AND key < ? AND started_ms < ? ORDER BY key, seq",
        )
        .bind(bucket)
        .bind(filter.prefix.as_bytes())
        .bind(past(filter.prefix.as_bytes()))
        .bind(before)
        .fetch_all(self.index.readers())
        .await
        .map_err(Failure::from)?;
        for upload in uploads {
            self.index.free(move |txn| Box::pin(async move { txn.end_upload(upload.seq).await })).await?;
        }
        Ok(())
    }
}

/// What is removed of a version that is due.
#[derive(Clone, Copy)]
enum Removal {
    /// The object: in a bucket with versions a delete marker goes on top.
    Current,
    /// This version.
    Version,
}

/// Rows of one bucket: ?1 bucket, ?2 ?3 key and seq after which to begin, ?4 key before which to end, ?5 milliseconds before which
/// it happened, ?6 how many newer ones to keep, ?7 rows.
const CURRENT: &str =
    "SELECT * FROM versions WHERE bucket = ?1 AND latest = 1 AND marker = 0 AND key >= ?2 AND key < ?4
         AND (key > ?2 OR seq > ?3) AND modified_ms < ?5 AND ?6 = 0
     ORDER BY key, seq LIMIT ?7";
const LONE_MARKERS: &str =
    "SELECT * FROM versions AS v WHERE bucket = ?1 AND latest = 1 AND marker = 1 AND key >= ?2 AND key < ?4
         AND (key > ?2 OR seq > ?3) AND modified_ms < ?5 AND ?6 = 0
         AND NOT EXISTS (SELECT 1 FROM versions AS o WHERE o.bucket = v.bucket AND o.key = v.key AND o.seq <> v.seq)
     ORDER BY key, seq LIMIT ?7";
/// A version is noncurrent since the next one was written. Of the newer ones no more are counted than are to be kept.
const NONCURRENT: &str = "SELECT * FROM versions AS v WHERE bucket = ?1 AND latest = 0 AND key >= ?2 AND key < ?4
         AND (key > ?2 OR seq > ?3)
         AND (SELECT n.modified_ms FROM versions AS n WHERE n.bucket = v.bucket AND n.key = v.key AND n.seq > v.seq
              ORDER BY n.seq LIMIT 1) < ?5
         AND (SELECT count(*) FROM (SELECT 1 FROM versions AS n WHERE n.bucket = v.bucket AND n.key = v.key AND n.seq > v.seq
              AND n.latest = 0 LIMIT ?6)) >= ?6
     ORDER BY key, seq LIMIT ?7";

/// Which objects a rule is for.
struct Filter {
    prefix: String,
    tags: Vec<Tag>,
    greater: Option<i64>,
    less: Option<i64>,
}

impl Filter {
    fn of(rule: &LifecycleRule) -> Self {
        let mut this =
            Self { prefix: rule.prefix.clone().unwrap_or_default(), tags: Vec::new(), greater: None, less: None };
        let Some(filter) = &rule.filter else { return this };
        if let Some(prefix) = &filter.prefix {
            this.prefix.clone_from(prefix);
        }
        this.tags.extend(filter.tag.clone());
        (this.greater, this.less) = (filter.object_size_greater_than, filter.object_size_less_than);
        if let Some(and) = &filter.and {
            if let Some(prefix) = &and.prefix {
                this.prefix.clone_from(prefix);
            }
            this.tags.extend(and.tags.clone().unwrap_or_default());
            this.greater = and.object_size_greater_than.or(this.greater);
            this.less = and.object_size_less_than.or(this.less);
        }
        this
    }

    /// The prefix is in the query. Sizes are those of the stored bytes.
    fn matches(&self, version: &Version) -> bool {
        let tags = Tags::from_column(version.tags.as_deref()).to_set();
        self.tags.iter().all(|tag| tags.contains(tag))
            && self.greater.is_none_or(|bound| version.size > bound)
            && self.less.is_none_or(|bound| version.size < bound)
    }
}

/// Modified before this, in milliseconds, an object is due; none: the rule is not for current versions, or not yet.
fn expires_before(expiration: &LifecycleExpiration, now_ms: i64) -> Option<i64> {
    match (&expiration.date, expiration.days) {
        (Some(date), _) => (milliseconds(date) <= now_ms).then_some(i64::MAX),
        (None, Some(days)) => Some(before(days, now_ms)),
        (None, None) => None,
    }
}

/// S3 counts in days from the midnight (UTC) after.
fn before(days: i32, now_ms: i64) -> i64 {
    now_ms.div_euclid(DAY_MS) * DAY_MS - i64::from(days) * DAY_MS
}

fn milliseconds(at: &Timestamp) -> i64 {
    time::OffsetDateTime::from(at.clone()).unix_timestamp().saturating_mul(1000)
}

fn check(configuration: &BucketLifecycleConfiguration) -> S3Result<()> {
    let rules = &configuration.rules;
    if rules.is_empty() || rules.len() > MAX_RULES {
        return Err(malformed());
    }
    let mut ids = BTreeSet::new();
    for rule in rules {
        let id = rule.id.as_deref().unwrap_or_default();
        if id.chars().count() > MAX_ID {
            return Err(invalid("ID length should not exceed allowed limit of 255"));
        }
        if !ids.insert(id) {
            return Err(invalid("Rule ID must be unique. Found same ID for more than one rule"));
        }
        check_rule(rule)?;
    }
    Ok(())
}

fn check_rule(rule: &LifecycleRule) -> S3Result<()> {
    if !matches!(rule.status.as_str(), ExpirationStatus::ENABLED | ExpirationStatus::DISABLED) {
        return Err(malformed());
    }
    let moves = |list: Option<usize>| list.is_some_and(|n| n > 0);
    if moves(rule.transitions.as_ref().map(Vec::len))
        || moves(rule.noncurrent_version_transitions.as_ref().map(Vec::len))
    {
        return Err(s3_error!(
            NotImplemented,
            "The embedded backend has one storage class, so nothing can be moved to another."
        ));
    }
    if rule.filter.is_some() && rule.prefix.is_some() {
        return Err(malformed());
    }
    let filter = Filter::of(rule);
    let mut acts = false;
    if let Some(expiration) = &rule.expiration {
        acts = true;
        check_expiration(expiration)?;
    }
    if let Some(noncurrent) = &rule.noncurrent_version_expiration {
        acts = true;
        positive(noncurrent.noncurrent_days.ok_or_else(malformed)?)?;
        if noncurrent.newer_noncurrent_versions.is_some_and(|keep| !(1..=MAX_KEPT).contains(&keep)) {
            return Err(invalid("'NewerNoncurrentVersions' must be from 1 to 100"));
        }
    }
    if let Some(abort) = &rule.abort_incomplete_multipart_upload {
        acts = true;
        positive(abort.days_after_initiation.ok_or_else(malformed)?)?;
        if !filter.tags.is_empty() || filter.greater.is_some() || filter.less.is_some() {
            return Err(s3_error!(
                InvalidRequest,
                "AbortIncompleteMultipartUpload cannot be specified with Tags or sizes."
            ));
        }
    }
    if acts { Ok(()) } else { Err(s3_error!(InvalidRequest, "At least one action needs to be specified in a rule.")) }
}

fn check_expiration(expiration: &LifecycleExpiration) -> S3Result<()> {
    match (&expiration.date, expiration.days, expiration.expired_object_delete_marker) {
        (Some(date), None, None) => {
            if milliseconds(date).rem_euclid(DAY_MS) != 0 {
                return Err(invalid("'Date' must be at midnight GMT"));
            }
            Ok(())
        }
        (None, Some(days), None) => positive(days),
        (None, None, Some(_)) => Ok(()),
        _ => Err(malformed()),
    }
}

fn positive(days: i32) -> S3Result<()> {
    if days < 1 {
        return Err(invalid("'Days' for Expiration action must be a positive integer"));
    }
    Ok(())
}

fn invalid(message: &'static str) -> S3Error {
    s3_error!(InvalidArgument, "{message}")
}

//! Where KEK records are kept: one object a record in the system bucket, which is the truth, and a row in the sidecar, which saves a
//! call. Records never overwrite each other, since each name holds a random id.

use std::sync::Arc;

use http::{HeaderValue, Method, StatusCode, header};
use keys::Error;
use keys::hierarchy::{KekRecord, KekStore};
use uuid::Uuid;

use crate::backend::{Backend, BackendRequest, Payload, Signer, path, query_value};
use crate::body::collect;
use crate::s3::xml::Document;
use crate::sidecar::Sidecar;

/// No record is longer.
const RECORD: usize = 16 << 10;
/// Enough records to know by which root key they are wrapped.
const SOME: u32 = 16;
/// A page of a listing.
const LISTING: usize = 4 << 20;

/// KEK records in the system bucket and the sidecar.
pub struct SystemBucketKeks {
    backend: Arc<dyn Backend>,
    sidecar: Arc<dyn Sidecar>,
    bucket: String,
}

impl SystemBucketKeks {
    /// In `bucket`, which is made at the first record.
    pub fn new(backend: Arc<dyn Backend>, sidecar: Arc<dyn Sidecar>, bucket: String) -> Self {
        Self { backend, sidecar, bucket }
    }

    /// Some records of any buckets: of the system bucket, else of the sidecar. None: nothing was ever sealed here. A damaged one is left
    /// out, but where all of them are that is the error.
    pub async fn some(&self) -> Result<Vec<KekRecord>, Error> {
        let (names, _) = self.names("keks/", SOME, None).await?;
        let mut found = Vec::with_capacity(names.len());
        for (bucket, id) in names {
            found.extend(self.stored(&bucket, id).await.transpose());
        }
        if found.is_empty() {
            let documents = self.sidecar.some_keks(SOME).await.map_err(Error::store)?;
            found.extend(documents.iter().map(|document| KekRecord::from_json(document)));
        }
        let (records, damaged): (Vec<_>, Vec<_>) = found.into_iter().partition(Result::is_ok);
        match damaged.into_iter().find_map(Result::err) {
            Some(e) if records.is_empty() => Err(e),
            _ => Ok(records.into_iter().flatten().collect()),
        }
    }

    /// A page of names, as bucket and id, and where the next one begins.
    async fn names(
        &self,
        prefix: &str,
        most: u32,
        token: Option<&str>,
    ) -> Result<(Vec<(String, Uuid)>, Option<String>), Error> {
        let more = token.map(|t| format!("&continuation-token={}", query_value(t))).unwrap_or_default();
        let request = BackendRequest::new(Method::GET, path(&self.bucket, ""), Signer::Gateway)
            .query(format!("list-type=2{more}&max-keys={most}&prefix={}", query_value(prefix)));
        let response = self.backend.call(request).await.map_err(Error::store)?;
        match response.status() {
            StatusCode::OK => {}
            StatusCode::NOT_FOUND => return Ok((Vec::new(), None)),
            status => return Err(Error::store(format!("the system bucket answered {status}"))),
        }
        let listing = collect(response.into_body(), LISTING).await.map_err(Error::store)?;
        let document = Document::parse(&listing).map_err(Error::store)?;
        let root = document.root();
        let mut names = Vec::new();
        for entry in root.elements("Contents") {
            let key = entry.child_text("Key").map_err(Error::store)?.unwrap_or_default();
            names.extend(Self::parse_name(&key));
        }
        let next = root.child_text("NextContinuationToken").map_err(Error::store)?;
        Ok((names, next.map(std::borrow::Cow::into_owned)))
    }

    fn parse_name(name: &str) -> Option<(String, Uuid)> {
        let (bucket, id) = name.strip_prefix("keks/")?.strip_suffix(".json")?.split_once('/')?;
        Some((bucket.to_owned(), Uuid::parse_str(id).ok()?))
    }

    fn name(bucket: &str, kek_id: Uuid) -> String {
        format!("keks/{bucket}/{kek_id}.json")
    }

    async fn stored(&self, bucket: &str, kek_id: Uuid) -> Result<Option<KekRecord>, Error> {
        let request =
            BackendRequest::new(Method::GET, path(&self.bucket, &Self::name(bucket, kek_id)), Signer::Gateway);
        let response = self.backend.call(request).await.map_err(Error::store)?;
        match response.status() {
            StatusCode::OK => {
                let document = collect(response.into_body(), RECORD).await.map_err(Error::store)?;
                KekRecord::from_json(&document).map(Some)
            }
            StatusCode::NOT_FOUND => Ok(None),
            status => Err(Error::store(format!("the system bucket answered {status}"))),
        }
    }

    async fn write(&self, record: &KekRecord, document: &[u8]) -> Result<StatusCode, Error> {
        let name = Self::name(&record.name.bucket, record.name.kek_id);
        let request = BackendRequest::new(Method::PUT, path(&self.bucket, &name), Signer::Gateway)
            .header(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))
            .payload(Payload::Bytes(document.to_vec().into()));
        Ok(self.backend.call(request).await.map_err(Error::store)?.status())
    }
}

/// The system bucket, made where it is missing.
pub async fn make_bucket(backend: &dyn Backend, bucket: &str) -> Result<(), Error> {
    let found =
        backend.call(BackendRequest::head_bucket(bucket, Signer::Gateway)).await.map_err(Error::store)?.status();
    if found.is_success() {
        return Ok(());
    }
    let request = BackendRequest::new(Method::PUT, path(bucket, ""), Signer::Gateway);
    let status = backend.call(request).await.map_err(Error::store)?.status();
    // 409: another replica was first.
    if status.is_success() || status == StatusCode::CONFLICT {
        return Ok(());
    }
    Err(Error::store(format!(
        "the system bucket {bucket} is not there ({found}) and cannot be made: the backend answered {status}"
    )))
}

#[async_trait::async_trait]
impl KekStore for SystemBucketKeks {
    async fn put(&self, record: &KekRecord) -> Result<(), Error> {
        let document = record.to_json()?;
        let mut status = self.write(record, &document).await?;
        if status == StatusCode::NOT_FOUND {
            make_bucket(&*self.backend, &self.bucket).await?;
            status = self.write(record, &document).await?;
        }
        if !status.is_success() {
            return Err(Error::store(format!("the system bucket answered {status} to a KEK record")));
        }
        // Read back from the system bucket itself: nothing may be sealed under a key that is not durably there.
        match self.stored(&record.name.bucket, record.name.kek_id).await? {
            Some(stored) if stored.to_json()? == document => {}
            _ => return Err(Error::store("a KEK record was acknowledged and is not there")),
        }
        self.sidecar.keep_kek(&record.name.bucket, record.name.kek_id, document.into()).await.map_err(Error::store)
    }

    async fn get(&self, bucket: &str, kek_id: Uuid) -> Result<Option<KekRecord>, Error> {
        match self.sidecar.kek(bucket, kek_id).await {
            Ok(Some(document)) => match KekRecord::from_json(&document) {
                Ok(record) => return Ok(Some(record)),
                Err(e) => {
                    tracing::warn!(error = %e, "a KEK record in the sidecar is damaged; the system bucket is asked");
                }
            },
            Ok(None) => {}
            Err(e) => tracing::warn!(error = %e, "sidecar read failed; the system bucket is asked"),
        }
        let Some(record) = self.stored(bucket, kek_id).await? else { return Ok(None) };
        if let Err(e) = self.sidecar.keep_kek(bucket, kek_id, record.to_json()?.into()).await {
            tracing::warn!(error = %e, "a KEK record could not be kept in the sidecar");
        }
        Ok(Some(record))
    }

    async fn list(&self, bucket: &str) -> Result<Vec<KekRecord>, Error> {
        let prefix = format!("keks/{bucket}/");
        let mut records = Vec::new();
        let mut token = None;
        loop {
            let (names, next) = self.names(&prefix, 1000, token.as_deref()).await?;
            for (bucket, id) in names {
                records.extend(self.stored(&bucket, id).await?);
            }
            token = next;
            if token.is_none() {
                return Ok(records);
            }
        }
    }
}

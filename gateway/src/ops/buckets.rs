//! `ListBuckets`, `HeadBucket` and `DeleteBucket`.

use http::{HeaderMap, HeaderValue, Response, header};

use super::forward::edited;
use super::stored::answered;
use super::{Call, documents};
use crate::body::{self, Body, collect};
use crate::config::State;
use crate::s3::Error;

/// `ListBuckets`, without our own bucket.
pub async fn list_buckets(call: Call) -> Result<Response<Body>, Error> {
    let response = call.vault.backend.call(call.forward()).await?;
    if !response.status().is_success() {
        return Err(answered(response).await);
    }
    let (parts, listing) = response.into_parts();
    let listing = collect(listing, call.vault.config.limits.xml_body).await?;
    let listing = documents::without_bucket(&listing, call.vault.reserved.system_bucket())?;
    let mut response = edited(Response::from_parts(parts, body::empty()));
    response.headers_mut().remove(header::CONTENT_LENGTH);
    *response.body_mut() = body::full(listing);
    Ok(response)
}

/// Objects of a bucket for which its usage is counted from the records; beyond it is an estimate.
const COUNTED: u64 = 100_000;
/// Ceph RGW's figures of a bucket: every version of every object, and their bytes.
const OBJECT_COUNT: &str = "x-rgw-object-count";
const BYTES_USED: &str = "x-rgw-bytes-used";

/// `HeadBucket`. Where the backend says how many bytes are in it, they are those of the plaintext.
pub async fn head_bucket(call: Call) -> Result<Response<Body>, Error> {
    let mut response = edited(call.vault.backend.call(call.forward()).await?);
    if let Some((count, sealed)) = usage(response.headers()) {
        let used = plaintext_used(&call, count, sealed).await?;
        response.headers_mut().insert(BYTES_USED, HeaderValue::from(used));
    }
    Ok(response)
}

/// Objects and sealed bytes.
fn usage(headers: &HeaderMap) -> Option<(u64, u64)> {
    let number = |name: &str| headers.get(name)?.to_str().ok()?.parse().ok();
    Some((number(OBJECT_COUNT)?, number(BYTES_USED)?))
}

/// Exact for one object, and where the records are about as many objects and as many sealed bytes as the backend counts.
async fn plaintext_used(call: &Call, count: u64, sealed: u64) -> Result<u64, Error> {
    let (vault, bucket) = (&call.vault, call.bucket()?);
    let migrating = vault.config.bucket(bucket).state == State::Migrating;
    if count == 1
        && !migrating
        && let Some(length) = keys::length::plaintext_object_len(sealed)
    {
        return Ok(length);
    }
    if (1..=COUNTED).contains(&count) {
        let limit = u32::try_from(count + 1).unwrap_or(u32::MAX);
        match vault.sidecar.lengths(bucket, limit).await {
            Ok(lengths) => {
                let recorded = lengths.iter().map(|l| keys::length::sealed_object_len(*l)).fold(0, u64::saturating_add);
                if lengths.len() as u64 == count && recorded == sealed {
                    return Ok(lengths.iter().sum());
                }
            }
            Err(e) => tracing::warn!(error = %e, bucket, "sidecar read failed; the usage of a bucket is an estimate"),
        }
    }
    // Some of a migrating bucket's objects are not sealed, nobody knows how many.
    Ok(if migrating { sealed } else { estimate(count, sealed) })
}

/// As if all objects were equally long.
fn estimate(count: u64, sealed: u64) -> u64 {
    let (Some(each), Some(longer)) = (sealed.checked_div(count), sealed.checked_rem(count)) else { return 0 };
    let plaintext = keys::length::longest_plaintext_within;
    (count - longer)
        .saturating_mul(plaintext(each))
        .saturating_add(longer.saturating_mul(plaintext(each.saturating_add(1))))
}

/// `DeleteBucket`. Its keys stay: versions of its objects may live in the backend's own backups.
pub async fn delete_bucket(call: Call) -> Result<Response<Body>, Error> {
    let response = call.vault.backend.call(call.forward()).await?;
    if response.status().is_success() {
        call.vault.bucket_deleted(call.bucket()?);
    }
    Ok(edited(response))
}

#[cfg(test)]
mod tests {
    use keys::length::sealed_object_len;

    use super::*;

    #[test]
    fn equal_objects_are_estimated_exactly_and_no_object_is_nothing() {
        assert_eq!(estimate(0, 0), 0);
        for (count, length) in [(1, 0), (3, 3), (1000, 16_384), (7, 5 << 20), (100_000, 123_456_789)] {
            assert_eq!(estimate(count, count * sealed_object_len(length)), count * length);
        }
    }

    #[test]
    fn an_estimate_lies_between_nothing_and_what_is_stored() {
        for (lengths, most_off) in [([1_000_000, 3, 20_000], 4_000), ([5 << 20, 0, 1], 2_000)] {
            let sealed: u64 = lengths.iter().map(|length| sealed_object_len(*length)).sum();
            let (true_sum, found): (u64, u64) = (lengths.iter().sum(), estimate(3, sealed));
            assert!(found <= sealed && found.abs_diff(true_sum) <= most_off, "{found} of {true_sum}");
        }
        // Uploads that are not complete count as bytes of no object.
        assert_eq!(estimate(0, 1 << 20), 0);
        assert_eq!(estimate(10, 100), 0);
    }

    #[test]
    fn figures_are_read_where_both_are_there() {
        let headers = |pairs: &[(&'static str, &'static str)]| {
            pairs.iter().map(|(name, value)| (name.parse().unwrap(), HeaderValue::from_static(value))).collect()
        };
        assert_eq!(usage(&headers(&[(OBJECT_COUNT, "3"), (BYTES_USED, "873")])), Some((3, 873)));
        assert_eq!(usage(&headers(&[(OBJECT_COUNT, "3")])), None);
        assert_eq!(usage(&headers(&[(OBJECT_COUNT, "3"), (BYTES_USED, "-1")])), None);
    }
}

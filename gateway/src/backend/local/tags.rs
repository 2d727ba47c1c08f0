//! Object and bucket tags.

use percent_encoding::percent_decode_str;
use s3s::dto::{Tag, TagSet};
use s3s::{S3Result, s3_error};

/// S3's bounds on the tags of an object.
const MAX_OBJECT_TAGS: usize = 10;
/// And of a bucket.
const MAX_BUCKET_TAGS: usize = 50;
const MAX_KEY_CHARS: usize = 128;
const MAX_VALUE_CHARS: usize = 256;

/// A tag set, in the order of its keys, as S3 gives it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tags(Vec<(String, String)>);

impl Tags {
    /// From `x-amz-tagging`: `a=1&b=2`, form-encoded.
    pub fn from_header(header: Option<&str>) -> S3Result<Self> {
        let Some(header) = header else {
            return Ok(Self::default());
        };
        let decode = |text: &str| {
            percent_decode_str(&text.replace('+', " "))
                .decode_utf8()
                .map(std::borrow::Cow::into_owned)
                .map_err(|e| s3_error!(e, InvalidArgument, "The header 'x-amz-tagging' shall be encoded as UTF-8 then URLEncoded URL query parameters without tag name duplicates."))
        };
        let tags = header
            .split('&')
            .filter(|pair| !pair.is_empty())
            .map(|pair| {
                let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
                Ok((decode(key)?, decode(value)?))
            })
            .collect::<S3Result<_>>()?;
        Self(tags).checked(MAX_OBJECT_TAGS)
    }

    /// From the XML of `PutObjectTagging`.
    pub fn of_object(set: TagSet) -> S3Result<Self> {
        Self::from_set(set).checked(MAX_OBJECT_TAGS)
    }

    /// From the XML of `PutBucketTagging`.
    pub fn of_bucket(set: TagSet) -> S3Result<Self> {
        Self::from_set(set).checked(MAX_BUCKET_TAGS)
    }

    /// From the index.
    pub fn from_column(column: Option<&str>) -> Self {
        Self(column.and_then(|json| serde_json::from_str(json).ok()).unwrap_or_default())
    }

    /// For the index: JSON, none where there are no tags.
    pub fn to_column(&self) -> Option<String> {
        (!self.0.is_empty()).then(|| serde_json::json!(self.0).to_string())
    }

    /// As XML.
    pub fn to_set(&self) -> TagSet {
        self.0.iter().map(|(key, value)| Tag { key: Some(key.clone()), value: Some(value.clone()) }).collect()
    }

    /// How many.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// None at all.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn from_set(set: TagSet) -> Self {
        Self(set.into_iter().map(|tag| (tag.key.unwrap_or_default(), tag.value.unwrap_or_default())).collect())
    }

    fn checked(mut self, limit: usize) -> S3Result<Self> {
        if self.0.len() > limit {
            return Err(s3_error!(InvalidTag, "Object tags cannot be greater than {limit}"));
        }
        for (i, (key, value)) in self.0.iter().enumerate() {
            if key.is_empty() || key.chars().count() > MAX_KEY_CHARS {
                return Err(s3_error!(InvalidTag, "The TagKey you have provided is invalid"));
            }
            if value.chars().count() > MAX_VALUE_CHARS {
                return Err(s3_error!(InvalidTag, "The TagValue you have provided is invalid"));
            }
            if self.0[..i].iter().any(|(other, _)| other == key) {
                return Err(s3_error!(InvalidTag, "Cannot provide multiple Tags with the same key"));
            }
        }
        self.0.sort();
        Ok(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn header_and_column_agree() {
        let tags = Tags::from_header(Some("a=1&b+c=%C3%A4&d")).expect("valid");
        assert_eq!(tags.0, [("a", "1"), ("b c", "ä"), ("d", "")].map(|(k, v)| (k.to_owned(), v.to_owned())));
        assert_eq!(Tags::from_column(tags.to_column().as_deref()), tags);
        assert_eq!(Tags::default().to_column(), None);
    }

    #[test]
    fn bounds_hold() {
        let many: Vec<_> = (0..11).map(|i| format!("k{i}=v")).collect();
        assert!(Tags::from_header(Some(&many[..10].join("&"))).is_ok());
        assert!(Tags::from_header(Some(&many.join("&"))).is_err());
        assert!(Tags::from_header(Some("a=1&a=2")).is_err());
        assert!(Tags::from_header(Some(&format!("{}=v", "k".repeat(129)))).is_err());
        assert!(Tags::from_header(Some(&format!("k={}", "v".repeat(257)))).is_err());
    }
}

//! The query string: parsed once, kept raw.

use s3s::S3ErrorCode;

use super::{Error, decode_query, encode};

/// The most parameters that are read; S3 has no request with more than two dozen.
const MAX_PARAMS: usize = 128;

/// A query in the order and the raw encoding in which it came.
#[derive(Clone, Default)]
pub struct Query {
    params: Vec<Param>,
}

#[derive(Clone)]
struct Param {
    /// `name=value` as it came.
    raw: String,
    name: String,
    /// None where there was no `=`.
    value: Option<String>,
}

impl Query {
    /// Parses what stands behind the `?`. Errors: `InvalidURI` for what is no percent-encoded UTF-8, `InvalidArgument` for more
    /// than 128 parameters.
    pub fn parse(raw: &str) -> Result<Self, Error> {
        let mut params = Vec::new();
        for piece in raw.split('&').filter(|piece| !piece.is_empty()) {
            if params.len() == MAX_PARAMS {
                return Err(Error::client(
                    S3ErrorCode::InvalidArgument,
                    "The query has too many parameters: at most 128.",
                ));
            }
            let (name, value) = match piece.split_once('=') {
                Some((name, value)) => (name, Some(decode_query(value)?)),
                None => (piece, None),
            };
            params.push(Param { raw: piece.to_owned(), name: decode_query(name)?, value });
        }
        Ok(Self { params })
    }

    /// The decoded value of the first parameter of this name; empty where it has none.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.iter().find(|(other, _)| *other == name).map(|(_, value)| value.unwrap_or_default())
    }

    /// Whether a parameter of this name is there, with or without a value.
    pub fn has(&self, name: &str) -> bool {
        self.params.iter().any(|param| param.name == name)
    }

    /// Decoded names and values, in order; no value where there was no `=`.
    pub fn iter(&self) -> impl Iterator<Item = (&str, Option<&str>)> {
        self.params.iter().map(|param| (param.name.as_str(), param.value.as_deref()))
    }

    /// The raw query without the parameters whose decoded name is `unwanted`. What stays keeps its encoding and order.
    pub fn without(&self, mut unwanted: impl FnMut(&str) -> bool) -> String {
        let kept: Vec<&str> =
            self.params.iter().filter(|param| !unwanted(&param.name)).map(|param| param.raw.as_str()).collect();
        kept.join("&")
    }

    /// Builds a raw query; a parameter without a value is written without `=`.
    pub fn build<'a>(params: impl IntoIterator<Item = (&'a str, Option<&'a str>)>) -> String {
        let pieces: Vec<String> = params
            .into_iter()
            .map(|(name, value)| match value {
                None => encode(name),
                Some(value) => format!("{}={}", encode(name), encode(value)),
            })
            .collect();
        pieces.join("&")
    }
}

/// Names only: values hold signatures and session tokens.
impl std::fmt::Debug for Query {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.params.iter().map(|param| &param.name)).finish()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn order_and_encoding_are_kept() {
        let query = Query::parse("b=%7e&&a&c=&%61=2&plus=a+b%2B").unwrap();
        let all: Vec<_> = query.iter().collect();
        assert_eq!(all, [("b", Some("~")), ("a", None), ("c", Some("")), ("a", Some("2")), ("plus", Some("a b+"))]);
        assert_eq!(query.get("a"), Some(""));
        assert_eq!(query.get("none"), None);
        assert!(query.has("c"));
        assert_eq!(query.without(|name| name == "a"), "b=%7e&c=&plus=a+b%2B");
    }

    #[test]
    fn limits() {
        assert!(Query::parse(&"a&".repeat(128)).is_ok());
        assert!(Query::parse(&"a&".repeat(129)).is_err());
        assert!(Query::parse("a=%f").is_err());
        assert!(Query::parse("%ff").is_err());
    }

    #[test]
    fn debug_shows_no_value() {
        let query = Query::parse("X-Amz-Signature=5ec2e7").unwrap();
        let shown = format!("{query:?}");
        assert!(shown.contains("X-Amz-Signature") && !shown.contains("5ec2e7"));
    }

    proptest! {
        #[test]
        fn never_panics(raw in ".{0,100}") {
            let _ = Query::parse(&raw);
        }

        #[test]
        fn what_is_built_is_read(params in proptest::collection::vec((".{1,20}", proptest::option::of(".{0,20}")), 0..8)) {
            let built = Query::build(params.iter().map(|(name, value)| (name.as_str(), value.as_deref())));
            let query = Query::parse(&built).unwrap();
            let read: Vec<_> = query.iter().map(|(name, value)| (name.to_owned(), value.map(str::to_owned))).collect();
            prop_assert_eq!(read, params);
            prop_assert_eq!(query.without(|_| false), built);
        }
    }
}

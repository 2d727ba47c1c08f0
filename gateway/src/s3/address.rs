//! What a request is about: bucket and key from path and host, the query, the copy source; every raw byte kept, so that what goes
//! to the backend is what the client sent.

mod copy_source;
mod query;
mod reserved;
pub mod tenant;

pub use copy_source::CopySource;
pub use query::Query;
pub use reserved::Reserved;
pub use tenant::BucketNames;

use http::Uri;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use s3s::S3ErrorCode;

use super::Error;
use super::operation::Scope;

/// The longest key in bytes of UTF-8, as S3 has it.
pub const MAX_KEY: usize = 1024;

/// The bucket and key of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    /// The bucket; none for the service itself. As it was written, until [`Self::identified`].
    pub bucket: Option<String>,
    /// The key, decoded; none for the bucket itself, never empty.
    pub key: Option<String>,
    /// `/`, `/bucket` or `/bucket/key`, the key percent-encoded as the client sent it. A bucket in the host name is put in front.
    pub raw_path: String,
}

impl Address {
    /// Of an object whose key is not in a path but in a form. Errors: `KeyTooLongError`, and `InvalidURI` for `..` segments that climb
    /// out of the bucket.
    pub fn object(bucket: &str, key: &str) -> Result<Self, Error> {
        check_key(key)?;
        let raw_path = format!("/{}/{}", tenant::in_path(bucket), encode_key(key));
        Ok(Self { bucket: Some(bucket.to_owned()), key: Some(key.to_owned()), raw_path })
    }

    /// The bucket by its identity, where a user of this tenant asks. The path stays as it was written.
    pub fn identified(&mut self, tenant: &str) {
        if let Some(bucket) = &mut self.bucket {
            *bucket = tenant::identity(bucket, tenant);
        }
    }

    /// The bucket by its identity in the path too, for a request that is sent on as nobody's. To be called after [`Self::identified`].
    pub fn spelled_out(&mut self) {
        if let Some(bucket) = &self.bucket {
            let rest = self.raw_path.get(1..).and_then(|path| path.split_once('/')).map(|(_, key)| key);
            let bucket = tenant::in_path(bucket);
            self.raw_path = rest.map_or_else(|| format!("/{bucket}"), |key| format!("/{bucket}/{key}"));
        }
    }

    /// What the request is about.
    pub fn scope(&self) -> Scope {
        match (&self.bucket, &self.key) {
            (None, _) => Scope::Service,
            (Some(_), None) => Scope::Bucket,
            (Some(_), Some(_)) => Scope::Object,
        }
    }
}

/// Reads bucket and key from a request's URI and its `Host`. With `virtual_host_domain` set, a host `bucket.domain` names the
/// bucket; every other host means path style.
///
/// Errors: `InvalidURI` for a path that is no percent-encoded UTF-8 or whose `..` segments climb out of the bucket;
/// `InvalidBucketName`; `KeyTooLongError` above [`MAX_KEY`] bytes.
pub fn parse(
    uri: &Uri,
    host: Option<&str>,
    virtual_host_domain: Option<&str>,
    names: BucketNames,
) -> Result<Address, Error> {
    // A target in authority form (`GET name HTTP/1.1`) has no path and no place in S3: its signature would be that of `/`.
    let Some(path) = uri.path().strip_prefix('/') else {
        return Err(invalid_uri("The path must begin with a slash."));
    };
    let (bucket, raw_key) =
        if let Some(bucket) = host.zip(virtual_host_domain).and_then(|(host, domain)| bucket_in_host(host, domain)) {
            // A host names no tenant.
            check_bucket_name(&bucket, BucketNames::Plain)?;
            (bucket, path)
        } else if path.is_empty() {
            return Ok(Address { bucket: None, key: None, raw_path: "/".to_owned() });
        } else {
            let (bucket, raw_key) = path.split_once('/').unwrap_or((path, ""));
            (decode(bucket)?, raw_key)
        };
    check_bucket_name(&bucket, names)?;
    if raw_key.is_empty() {
        let raw_path = format!("/{}", tenant::in_path(&bucket));
        return Ok(Address { bucket: Some(bucket), key: None, raw_path });
    }
    let key = decode(raw_key)?;
    check_key(&key)?;
    let raw_path = format!("/{}/{raw_key}", tenant::in_path(&bucket));
    Ok(Address { bucket: Some(bucket), key: Some(key), raw_path })
}

/// `bucket.domain:port` → `bucket`, in lower case as host names are.
fn bucket_in_host(host: &str, domain: &str) -> Option<String> {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    };
    let name = name.to_ascii_lowercase();
    let bucket = name.strip_suffix(&domain.to_ascii_lowercase())?.strip_suffix('.')?;
    (!bucket.is_empty()).then(|| bucket.to_owned())
}

/// 1 to 255 of `A-Z a-z 0-9 . _ -`: S3's rules of today and those from before 2018, of which buckets still exist. `.` and `..` are
/// path segments, not names. In front of it a tenant and `:`, where those are taken.
fn check_bucket_name(name: &str, names: BucketNames) -> Result<(), Error> {
    let (tenant, name) = match names {
        BucketNames::Plain => ("", name),
        BucketNames::Tenanted => tenant::split(name),
    };
    let fits = tenant::is_tenant(tenant)
        && (1..=255).contains(&name.len())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-'))
        && !matches!(name, "." | "..");
    if fits {
        return Ok(());
    }
    Err(Error::client(S3ErrorCode::InvalidBucketName, "The specified bucket is not valid."))
}

/// S3 takes `..` in a key as long as it never climbs out of the bucket; a proxy in front of the backend that tidies paths would
/// otherwise turn `/bucket/../admin` into a request to the backend's own API.
fn check_key(key: &str) -> Result<(), Error> {
    if key.len() > MAX_KEY {
        return Err(Error::client(S3ErrorCode::KeyTooLongError, "Your key is too long: at most 1024 bytes of UTF-8."));
    }
    let mut depth = 0_usize;
    for segment in key.split('/') {
        match segment {
            "" | "." => {}
            ".." => {
                depth = depth
                    .checked_sub(1)
                    .ok_or_else(|| invalid_uri("The key leads out of the bucket by its .. segments."))?;
            }
            _ => depth += 1,
        }
    }
    Ok(())
}

/// Percent-decodes a path: `+` is a plus. Error: `InvalidURI` for a stray `%` and for anything but UTF-8.
pub fn decode(raw: &str) -> Result<String, Error> {
    decode_bytes(raw.as_bytes(), false)
}

/// Percent-decodes a piece of a query, or a name in a listing with `encoding-type=url`: `+` is a space. Errors as [`decode`].
pub fn decode_query(raw: &str) -> Result<String, Error> {
    decode_bytes(raw.as_bytes(), true)
}

fn decode_bytes(raw: &[u8], plus_is_space: bool) -> Result<String, Error> {
    let mut out = Vec::with_capacity(raw.len());
    let mut rest = raw;
    while let [first, tail @ ..] = rest {
        rest = tail;
        match first {
            b'%' => {
                let ([high, low], tail) = tail.split_first_chunk().ok_or_else(bad_encoding)?;
                out.push(hex_digit(*high)? << 4 | hex_digit(*low)?);
                rest = tail;
            }
            b'+' if plus_is_space => out.push(b' '),
            byte => out.push(*byte),
        }
    }
    String::from_utf8(out).map_err(|_| bad_encoding())
}

fn hex_digit(digit: u8) -> Result<u8, Error> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok()).ok_or_else(bad_encoding)
}

/// What `SigV4` leaves as it is: RFC 3986, 2.3.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
const ENCODED_BUT_SLASH: &AsciiSet = &ENCODED.remove(b'/');

/// Percent-encodes a query name or value.
pub fn encode(text: &str) -> String {
    utf8_percent_encode(text, ENCODED).to_string()
}

/// Percent-encodes a key for a path: slashes stay.
pub fn encode_key(key: &str) -> String {
    utf8_percent_encode(key, ENCODED_BUT_SLASH).to_string()
}

fn invalid_uri(message: &'static str) -> Error {
    Error::client(S3ErrorCode::InvalidURI, message)
}

fn bad_encoding() -> Error {
    invalid_uri("The URI is not percent-encoded UTF-8.")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(path: &str) -> Result<Address, Error> {
        parse(&path.parse().expect("a URI"), None, None, BucketNames::Plain)
    }

    fn code(result: Result<Address, Error>) -> String {
        let error = result.expect_err("an error");
        error.s3().0.into_owned()
    }

    #[test]
    fn a_target_without_a_path_is_refused() {
        for target in ["o", "vault.example.com:9900", "*"] {
            assert_eq!(code(at(target)), "InvalidURI", "{target}");
        }
    }

    #[test]
    fn path_style() {
        assert_eq!(at("/").unwrap().scope(), Scope::Service);
        for path in ["/bucket", "/bucket/", "/buc%6Bet/?versions"] {
            let address = at(path).unwrap();
            assert_eq!(address.bucket.as_deref(), Some("bucket"));
            assert_eq!(address.key, None);
            assert_eq!(address.raw_path, "/bucket");
            assert_eq!(address.scope(), Scope::Bucket);
        }
        let address = at("http://host:9900/b/k").unwrap();
        assert_eq!(address.raw_path, "/b/k");
        assert_eq!(address.scope(), Scope::Object);
    }

    #[test]
    fn raw_bytes_of_a_key_are_kept() {
        for (raw, key) in [
            ("a//b", "a//b"),
            ("/leading", "/leading"),
            ("a/./b/../c", "a/./b/../c"),
            ("a%2Fb%2fc", "a/b/c"),
            ("a+b%2Bc%20d", "a+b+c d"),
            ("%01%0d%0A%7f", "\u{1}\r\n\u{7f}"),
            ("gr%C3%BC%c3%9fe", "grüße"),
            ("trailing/", "trailing/"),
        ] {
            let address = at(&format!("/bucket/{raw}")).unwrap();
            assert_eq!(address.key.as_deref(), Some(key));
            assert_eq!(address.raw_path, format!("/bucket/{raw}"));
        }
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for path in ["/b/%", "/b/%4", "/b/%zz", "/b/%+1", "/b/%ff", "/b%ff/k"] {
            assert_eq!(code(at(path)), "InvalidURI", "{path}");
        }
        for path in ["//k", "/b%2Fk", "/b%00", "/b$/k", "/../minio/admin", "/%2e/k"] {
            assert_eq!(code(at(path)), "InvalidBucketName", "{path}");
        }
        for path in ["/b/../minio/admin/v3/info", "/b/%2e%2e/admin", "/b/a/../..%2Fadmin", "/b//../x"] {
            assert_eq!(code(at(path)), "InvalidURI", "{path}");
        }
        assert!(at(&format!("/b/{}", "k".repeat(1024))).is_ok());
        assert_eq!(code(at(&format!("/b/{}", "k".repeat(1025)))), "KeyTooLongError");
        assert_eq!(code(at(&format!("/b/{}", "%C3%BC".repeat(513)))), "KeyTooLongError");
        assert_eq!(code(at(&format!("/{}", "b".repeat(256)))), "InvalidBucketName");
        assert_eq!(code(at("*")), "InvalidURI");
    }

    #[test]
    fn virtual_host_style() {
        let at = |path: &str, host: &str| {
            parse(&path.parse().expect("a URI"), Some(host), Some("vault.example.com"), BucketNames::Plain)
        };
        for host in ["bucket.vault.example.com", "Bucket.Vault.example.com:9900"] {
            let address = at("/a%2Fb//c", host).unwrap();
            assert_eq!(address.bucket.as_deref(), Some("bucket"));
            assert_eq!(address.key.as_deref(), Some("a/b//c"));
            assert_eq!(address.raw_path, "/bucket/a%2Fb//c");
            assert_eq!(at("/", host).unwrap().raw_path, "/bucket");
        }
        assert_eq!(at("/", "dotted.name.vault.example.com").unwrap().bucket.as_deref(), Some("dotted.name"));
        for host in ["vault.example.com", "127.0.0.1:9900", "[::1]:9900", "evilvault.example.com"] {
            assert_eq!(at("/b/k", host).unwrap().raw_path, "/b/k", "{host}");
        }
        assert_eq!(code(at("/k", "a/b.vault.example.com")), "InvalidBucketName");
    }

    #[test]
    fn names_of_tenants_are_taken_only_where_there_are_tenants() {
        let tenanted = |path: &str, host: Option<&str>| {
            parse(&path.parse().expect("a URI"), host, Some("vault.example.com"), BucketNames::Tenanted)
        };
        for path in ["/testx:bucket/a%3Ab", "/testx%3Abucket/a%3Ab"] {
            assert_eq!(code(at(path)), "InvalidBucketName", "{path}");
            let mut address = tenanted(path, None).unwrap();
            assert_eq!(address.raw_path, "/testx%3Abucket/a%3Ab");
            address.identified("other");
            assert_eq!((address.bucket.as_deref(), address.key.as_deref()), (Some("testx:bucket"), Some("a:b")));
        }
        let mut address = tenanted("/:bucket", None).unwrap();
        address.identified("testx");
        assert_eq!((address.bucket.as_deref(), address.raw_path.as_str()), (Some("bucket"), "/%3Abucket"));
        let mut address = tenanted("/bucket//k/", None).unwrap();
        address.identified("testx");
        assert_eq!((address.bucket.as_deref(), address.raw_path.as_str()), (Some("testx:bucket"), "/bucket//k/"));
        address.spelled_out();
        assert_eq!(address.raw_path, "/testx%3Abucket//k/");
        for path in
            ["/a:b:c", "/:", "/te-st:bucket", "/t.x:bucket", "/t:..", "/:./k", "/t%2F:b", "/t:", "/%3A%3Ab", "/t :b"]
        {
            if let Ok(uri) = path.parse() {
                let address = parse(&uri, None, None, BucketNames::Tenanted);
                assert!(["InvalidBucketName", "InvalidURI"].contains(&code(address).as_str()), "{path}");
            }
        }
        assert_eq!(code(tenanted("/k", Some("t:b.vault.example.com"))), "InvalidBucketName");
    }

    proptest! {
        #[test]
        fn any_key_comes_back(key in "\\PC{1,80}") {
            prop_assume!(check_key(&key).is_ok());
            let path = format!("/bucket/{}", encode_key(&key));
            let address = at(&path).unwrap();
            prop_assert_eq!(address.key.as_deref(), Some(key.as_str()));
            prop_assert_eq!(address.raw_path, path);
        }

        #[test]
        fn any_path_is_an_address_or_an_error(path in "/[ -~]{0,60}", host in "\\PC{0,40}") {
            if let Ok(uri) = path.parse::<Uri>() {
                if let Ok(address) = parse(&uri, Some(&host), None, BucketNames::Plain) {
                    let raw = uri.path();
                    // The key's bytes are the client's own.
                    if address.key.is_some() {
                        let raw_key = raw.splitn(3, '/').nth(2).unwrap();
                        prop_assert!(address.raw_path.ends_with(raw_key));
                    }
                }
                let _ = parse(&uri, Some(&host), Some("example.com"), BucketNames::Tenanted);
            }
        }

        #[test]
        fn encoding_comes_back(text in ".{0,60}") {
            prop_assert_eq!(decode(&encode(&text)).unwrap(), text.clone());
            prop_assert_eq!(decode_query(&encode(&text)).unwrap(), text);
        }
    }
}

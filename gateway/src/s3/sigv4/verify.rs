//! Who a request is from.

use std::borrow::Cow;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http::header::{AUTHORIZATION, DATE, HOST};
use http::{HeaderMap, Method, Uri};

use super::canonical::{Canonical, decode, pairs};
use super::error::SignatureError;
use super::fields::{
    Presigned, header_time, query_mechanisms, refuse_session_token, require_signed, scheme, signed_names, single,
};
use super::key::{CLIENT_KEYS, ChunkSigner, Scope, SigningKey};
use super::{
    ALGORITHM, STREAMING_SIGNED, STREAMING_SIGNED_TRAILER, STREAMING_UNSIGNED_PAYLOAD_TRAILER, UNSIGNED_PAYLOAD, date,
};
use crate::s3::sigv2;

/// Longest life of a presigned URL, in seconds: seven days.
const MAX_EXPIRES: u32 = 604_800;
/// Stands for the secret of an unknown access key, so that a refusal takes the same time.
const NO_SECRET: &str = "no secret has this value; every one is shorter";

/// Secret keys by access key.
pub trait Secrets: Send + Sync {
    /// The secret key.
    fn secret(&self, access_key: &str) -> Option<&str>;
}

/// Where Signature Version 2 is accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum SigV2Mode {
    /// In presigned URLs and POST forms: stock boto3 still makes them so in `us-east-1`.
    #[default]
    Presigned,
    /// In the `Authorization` header too.
    All,
    /// Nowhere.
    Off,
}

/// Verifies the signatures of requests.
#[derive(Clone, Copy)]
pub struct Verifier<'a> {
    /// Where the secrets are.
    pub secrets: &'a dyn Secrets,
    /// The time.
    pub now: SystemTime,
    /// Where Signature Version 2 is accepted.
    pub sigv2: SigV2Mode,
    /// How far a request's time may be from ours, either way.
    pub max_skew: Duration,
    /// `<bucket>.<this>` is a bucket's host. Signature Version 2 signs the bucket's name, not the host.
    pub virtual_host_domain: Option<&'a str>,
}

/// Who a request is from.
#[derive(Clone, Debug)]
pub enum Authentication {
    /// The holder of an access key.
    Signed(Verified),
    /// Nobody said: no `Authorization` header and no signature parameter at all.
    Anonymous,
}

/// What a signature that holds vouches for.
#[derive(Clone, Debug)]
pub struct Verified {
    /// The access key.
    pub access_key: String,
    /// What the signature says of the body.
    pub payload: PayloadHash,
    /// The signature was in the query, or in a form: made before, used by somebody who need not hold the secret.
    pub presigned: bool,
    /// Verifies the chunks of a [`PayloadHash::StreamingSigned`] body.
    pub(in crate::s3) chunks: Option<ChunkSigner>,
}

/// What a signature says of the body: `x-amz-content-sha256`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PayloadHash {
    /// Nothing.
    Unsigned,
    /// Its SHA-256.
    Sha256([u8; 32]),
    /// It is aws-chunked and each chunk is signed.
    StreamingSigned {
        /// A signed trailer follows the last chunk.
        trailer: bool,
    },
    /// It is aws-chunked, nothing in it is signed, and a trailer follows the last chunk.
    StreamingUnsignedTrailer,
}

impl PayloadHash {
    /// Reads a value of `x-amz-content-sha256`.
    pub fn parse(value: &str) -> Result<Self, SignatureError> {
        Ok(match value {
            UNSIGNED_PAYLOAD => Self::Unsigned,
            STREAMING_UNSIGNED_PAYLOAD_TRAILER => Self::StreamingUnsignedTrailer,
            STREAMING_SIGNED => Self::StreamingSigned { trailer: false },
            STREAMING_SIGNED_TRAILER => Self::StreamingSigned { trailer: true },
            _ => {
                let mut hash = [0; 32];
                hex::decode_to_slice(value, &mut hash).map_err(|_| SignatureError::InvalidContentSha256)?;
                Self::Sha256(hash)
            }
        })
    }

    /// Reads `x-amz-content-sha256`, if it is there.
    pub fn from_headers(headers: &HeaderMap) -> Result<Option<Self>, SignatureError> {
        single(headers, "x-amz-content-sha256", SignatureError::InvalidContentSha256)?.map(Self::parse).transpose()
    }
}

/// The authentication fields of a POST form, as they came.
#[derive(Clone, Copy, Debug)]
pub enum Form<'a> {
    /// Signature Version 4.
    V4 {
        /// `x-amz-algorithm`
        algorithm: &'a str,
        /// `x-amz-credential`
        credential: &'a str,
        /// `x-amz-date`
        date: &'a str,
        /// `x-amz-signature`
        signature: &'a str,
    },
    /// Signature Version 2.
    V2 {
        /// `AWSAccessKeyId`
        access_key: &'a str,
        /// `signature`, in base64
        signature: &'a str,
    },
}

impl<'a> Verifier<'a> {
    /// A verifier with the defaults: presigned Signature Version 2, 15 minutes of skew, path style.
    pub fn new(secrets: &'a dyn Secrets, now: SystemTime) -> Self {
        Self { secrets, now, sigv2: SigV2Mode::default(), max_skew: Duration::from_mins(15), virtual_host_domain: None }
    }

    /// Verifies a request. `uri` is as received: nothing decoded, nothing normalised.
    pub fn verify(&self, method: &Method, uri: &Uri, headers: &HeaderMap) -> Result<Authentication, SignatureError> {
        let query = uri.query().unwrap_or_default();
        let header = single(headers, AUTHORIZATION.as_str(), SignatureError::SeveralMechanisms)?;
        let (v4, v2) = query_mechanisms(query);
        let verified = match (header, v4, v2) {
            (None, false, false) => return Ok(Authentication::Anonymous),
            (None, true, false) => self.presigned(method, uri, headers)?,
            (None, false, true) => self.presigned_v2(method, uri, headers)?,
            (Some(value), false, false) => {
                if let Some(rest) = scheme(value, ALGORITHM) {
                    self.header(method, uri, headers, rest)?
                } else if let Some(rest) = scheme(value, "AWS") {
                    self.header_v2(method, uri, headers, rest)?
                } else {
                    return Err(SignatureError::UnknownScheme);
                }
            }
            _ => return Err(SignatureError::SeveralMechanisms),
        };
        Ok(Authentication::Signed(verified))
    }

    /// Verifies a POST form by the signature over its `policy` (base64, as it came). Whether the policy has expired, and
    /// whether it allows the form, is for whoever reads the policy.
    pub fn verify_form(&self, policy: &str, form: Form<'_>) -> Result<Verified, SignatureError> {
        let access_key = match form {
            Form::V4 { algorithm, credential, date: time, signature } => {
                if algorithm != ALGORITHM {
                    return Err(SignatureError::QueryMalformed("x-amz-algorithm must be \"AWS4-HMAC-SHA256\""));
                }
                let scope = Scope::parse(credential).map_err(SignatureError::QueryMalformed)?;
                if date::parse_basic(time).is_none() || time.get(..8) != Some(scope.date) {
                    return Err(SignatureError::QueryMalformed(
                        "x-amz-date must have the form \"YYYYMMDDTHHMMSSZ\" and the day of the Credential",
                    ));
                }
                self.check_v4(&scope, policy.as_bytes(), signature)?;
                scope.access_key
            }
            Form::V2 { access_key, signature } => {
                if self.sigv2 == SigV2Mode::Off {
                    return Err(SignatureError::SigV2Refused);
                }
                self.check_v2(access_key, policy.as_bytes(), signature)?;
                access_key
            }
        };
        Ok(Verified {
            access_key: access_key.to_owned(),
            payload: PayloadHash::Unsigned,
            presigned: true,
            chunks: None,
        })
    }

    /// `Authorization: AWS4-HMAC-SHA256 Credential=…, SignedHeaders=…, Signature=…`
    fn header(
        &self,
        method: &Method,
        uri: &Uri,
        headers: &HeaderMap,
        fields: &str,
    ) -> Result<Verified, SignatureError> {
        let malformed = SignatureError::HeaderMalformed;
        let [mut credential, mut names, mut signature] = [None; 3];
        for field in fields.split(',') {
            let (name, value) = field.trim().split_once('=').ok_or(malformed("a field has no \"=\""))?;
            let place = match name {
                "Credential" => &mut credential,
                "SignedHeaders" => &mut names,
                "Signature" => &mut signature,
                _ => {
                    return Err(malformed("only Credential, SignedHeaders and Signature may be in it"));
                }
            };
            if place.replace(value).is_some() {
                return Err(malformed("a field is in it twice"));
            }
        }
        let credential = credential.ok_or(malformed("Credential is missing"))?;
        let names = names.ok_or(malformed("SignedHeaders is missing"))?;
        let signature = signature.ok_or(malformed("Signature is missing"))?;
        let scope = Scope::parse(credential).map_err(malformed)?;
        let names = signed_names(names).map_err(malformed)?;
        refuse_session_token(headers)?;

        let seconds = header_time(headers)?;
        let time = date::format_basic(seconds).ok_or(SignatureError::MissingDate)?;
        if time[..8] != *scope.date {
            return Err(malformed("the date of the Credential is not the date of the request"));
        }
        self.check_skew(seconds)?;
        let payload = single(headers, "x-amz-content-sha256", SignatureError::InvalidContentSha256)?
            .ok_or(SignatureError::MissingContentSha256)?;
        self.finish(
            &Request { method, uri, headers, names: &names, time, payload, presigned: false },
            &scope,
            signature,
        )
    }

    /// `X-Amz-Algorithm`, `-Credential`, `-Date`, `-Expires`, `-SignedHeaders` and `-Signature` in the query.
    fn presigned(&self, method: &Method, uri: &Uri, headers: &HeaderMap) -> Result<Verified, SignatureError> {
        let malformed = SignatureError::QueryMalformed;
        let query = Presigned::parse(uri.query().unwrap_or_default())?;
        if query.algorithm != ALGORITHM {
            return Err(malformed("X-Amz-Algorithm only supports \"AWS4-HMAC-SHA256\""));
        }
        let scope = Scope::parse(&query.credential).map_err(malformed)?;
        let names = signed_names(&query.signed_headers).map_err(malformed)?;
        refuse_session_token(headers)?;
        let seconds = date::parse_basic(&query.date)
            .ok_or(malformed("X-Amz-Date must be in the ISO8601 Long Format \"yyyyMMdd'T'HHmmss'Z'\""))?;
        if query.date[..8] != *scope.date {
            return Err(malformed("the date of the Credential is not the date of X-Amz-Date"));
        }
        let expires: i64 = query.expires.parse().map_err(|_| malformed("X-Amz-Expires should be a number"))?;
        if !(0..=i64::from(MAX_EXPIRES)).contains(&expires) {
            return Err(SignatureError::ExpiresOutOfRange);
        }
        let now = self.seconds();
        if seconds > now.saturating_add(self.skew()) {
            return Err(SignatureError::NotYetValid);
        }
        if expires == 0 || now > seconds + expires {
            return Err(SignatureError::Expired);
        }
        let header = single(headers, "x-amz-content-sha256", SignatureError::InvalidContentSha256)?;
        let payload = match (header, query.content_sha256.as_deref()) {
            (Some(header), Some(query)) if header != query => {
                return Err(SignatureError::InvalidContentSha256);
            }
            (header, query) => header.or(query).unwrap_or(UNSIGNED_PAYLOAD),
        };
        let time = query.date.clone().into_owned();
        self.finish(
            &Request { method, uri, headers, names: &names, time, payload, presigned: true },
            &scope,
            &query.signature,
        )
    }

    /// The end of every Signature Version 4: what must be signed is, and the signature holds.
    fn finish(&self, request: &Request<'_>, scope: &Scope<'_>, signature: &str) -> Result<Verified, SignatureError> {
        let authority = request.uri.authority().map(http::uri::Authority::as_str);
        if authority.is_none() && !request.headers.contains_key(HOST) {
            return Err(SignatureError::MissingHeader("Host"));
        }
        require_signed(request.names, request.headers)?;
        let payload = PayloadHash::parse(request.payload)?;
        let message = Canonical {
            method: request.method.as_str(),
            path: request.uri.path(),
            query: request.uri.query().unwrap_or_default(),
            names: request.names,
            headers: request.headers,
            authority,
            payload: request.payload,
        }
        .string_to_sign(&request.time, scope.text());
        let key = self.check_v4(scope, message.as_bytes(), signature)?;
        let chunks = matches!(payload, PayloadHash::StreamingSigned { .. }).then(|| ChunkSigner {
            key,
            time: request.time.clone(),
            scope: scope.text().to_owned(),
            previous: signature.to_owned(),
        });
        Ok(Verified { access_key: scope.access_key.to_owned(), payload, presigned: request.presigned, chunks })
    }

    fn check_v4(&self, scope: &Scope<'_>, message: &[u8], signature: &str) -> Result<SigningKey, SignatureError> {
        let secret = self.secrets.secret(scope.access_key);
        let key = CLIENT_KEYS.verify(scope, secret.unwrap_or(NO_SECRET), message, signature);
        match (secret, key) {
            (None, _) => Err(SignatureError::UnknownAccessKey),
            (Some(_), None) => Err(SignatureError::Mismatch),
            (Some(_), Some(key)) => Ok(key),
        }
    }

    /// `Authorization: AWS <access key>:<signature>`
    fn header_v2(
        &self,
        method: &Method,
        uri: &Uri,
        headers: &HeaderMap,
        field: &str,
    ) -> Result<Verified, SignatureError> {
        if self.sigv2 != SigV2Mode::All {
            return Err(SignatureError::SigV2Refused);
        }
        let (access_key, signature) = field
            .rsplit_once(':')
            .ok_or(SignatureError::HeaderMalformed("it must have the form \"AWS <access-key>:<signature>\""))?;
        self.check_skew(header_time(headers)?)?;
        // Signed as one of the x-amz headers where the time is there.
        let date = if headers.contains_key("x-amz-date") {
            Cow::Borrowed("")
        } else {
            headers.get(DATE).map_or(Cow::Borrowed(""), |v| String::from_utf8_lossy(v.as_bytes()))
        };
        self.finish_v2(method, uri, headers, access_key, signature, &date, false)
    }

    /// `AWSAccessKeyId`, `Expires` and `Signature` in the query.
    fn presigned_v2(&self, method: &Method, uri: &Uri, headers: &HeaderMap) -> Result<Verified, SignatureError> {
        if self.sigv2 == SigV2Mode::Off {
            return Err(SignatureError::SigV2Refused);
        }
        let malformed = SignatureError::QueryMalformed;
        let [mut access_key, mut expires, mut signature] = [const { None }; 3];
        for (name, value) in pairs(uri.query().unwrap_or_default()) {
            let place = match &*decode(name) {
                "AWSAccessKeyId" => &mut access_key,
                "Expires" => &mut expires,
                "Signature" => &mut signature,
                _ => continue,
            };
            if place.replace(decode(value)).is_some() {
                return Err(malformed("a parameter is in it twice"));
            }
        }
        let (Some(access_key), Some(expires), Some(signature)) = (access_key, expires, signature) else {
            return Err(malformed("AWSAccessKeyId, Expires and Signature must all be there"));
        };
        let until: i64 = expires.parse().map_err(|_| malformed("Expires must be a number of seconds since 1970"))?;
        let now = self.seconds();
        if now > until {
            return Err(SignatureError::Expired);
        }
        if until > now.saturating_add(i64::from(MAX_EXPIRES)).saturating_add(self.skew()) {
            return Err(SignatureError::ExpiresTooLate);
        }
        self.finish_v2(method, uri, headers, &access_key, &signature, &expires, true)
    }

    #[expect(clippy::too_many_arguments, reason = "a request taken apart, and its three authentication fields")]
    fn finish_v2(
        &self,
        method: &Method,
        uri: &Uri,
        headers: &HeaderMap,
        access_key: &str,
        signature: &str,
        date: &str,
        presigned: bool,
    ) -> Result<Verified, SignatureError> {
        refuse_session_token(headers)?;
        let bucket = sigv2::host_bucket(uri, headers, self.virtual_host_domain);
        let message = sigv2::string_to_sign(method, uri, headers, date, bucket.as_deref(), presigned);
        self.check_v2(access_key, &message, signature)?;
        let payload = PayloadHash::from_headers(headers)?.unwrap_or(PayloadHash::Unsigned);
        if matches!(payload, PayloadHash::StreamingSigned { .. }) {
            // There is no Signature Version 2 of a chunk.
            return Err(SignatureError::InvalidContentSha256);
        }
        Ok(Verified { access_key: access_key.to_owned(), payload, presigned, chunks: None })
    }

    fn check_v2(&self, access_key: &str, message: &[u8], signature: &str) -> Result<(), SignatureError> {
        let secret = self.secrets.secret(access_key);
        let matches = sigv2::verifies(secret.unwrap_or(NO_SECRET), message, signature);
        match (secret, matches) {
            (None, _) => Err(SignatureError::UnknownAccessKey),
            (Some(_), false) => Err(SignatureError::Mismatch),
            (Some(_), true) => Ok(()),
        }
    }

    fn check_skew(&self, seconds: i64) -> Result<(), SignatureError> {
        if self.seconds().abs_diff(seconds) > self.max_skew.as_secs() {
            return Err(SignatureError::Skewed);
        }
        Ok(())
    }

    /// Now, in seconds since 1970.
    fn seconds(&self) -> i64 {
        let seconds = self.now.duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs());
        i64::try_from(seconds).unwrap_or(i64::MAX)
    }

    fn skew(&self) -> i64 {
        i64::try_from(self.max_skew.as_secs()).unwrap_or(i64::MAX)
    }
}

/// A request with a Signature Version 4, taken apart.
struct Request<'a> {
    method: &'a Method,
    uri: &'a Uri,
    headers: &'a HeaderMap,
    names: &'a [&'a str],
    time: String,
    payload: &'a str,
    presigned: bool,
}

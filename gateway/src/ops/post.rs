//! `PostObject`: a browser's form. What it asks for is a PUT and becomes one; the form's own fields say who asks, and within which
//! bounds. Source: Amazon S3 API Reference, "Browser-Based Uploads Using POST".
//!
//! Fields (at most 20 KiB) → signature → policy → [`crate::authorize`] → [`super::put`], which pulls the file through.

use std::borrow::Cow;

use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode, Uri, header};
use s3s::S3ErrorCode;

use super::complete::location;
use super::{Call, put, refuse_our_header, set};
use crate::backend::{BackendRequest, Sender, Signer, path};
use crate::body::{self, Body};
use crate::s3::address::{Address, Query};
use crate::s3::form::{Fields, Form};
use crate::s3::operation::{self, Op, Scope};
use crate::s3::post_policy::PostPolicy;
use crate::s3::sigv4::{self, Authentication, SignatureError, Verifier};
use crate::s3::{Error, xml};
use crate::server::Client;
use crate::vault::Vault;

/// What a form asks for.
pub struct Post {
    /// Who made the form.
    pub authentication: Authentication,
    /// The object.
    pub address: Address,
    /// The headers of the PUT.
    pub headers: HeaderMap,
    /// Its body: ends in an error where the form or its policy does not hold.
    pub file: Body,
    /// How it wants to be answered.
    pub reply: Reply,
}

impl Post {
    /// Reads a form up to its file and verifies it. `address`: the bucket. Nothing is asked of the backend.
    pub async fn read(verifier: &Verifier<'_>, request: &Parts, address: &Address, body: Body) -> Result<Self, Error> {
        let bucket = address.bucket.as_deref().ok_or_else(|| Error::Internal("a form without a bucket".into()))?;
        // The signer of a form says nothing of conditions, and what they come to is for readers to know.
        if request.headers.contains_key(header::IF_MATCH) || request.headers.contains_key(header::IF_NONE_MATCH) {
            return Err(Error::client(
                S3ErrorCode::NotImplemented,
                "A form takes no If-Match or If-None-Match; use a presigned PUT.",
            ));
        }
        let mut form = Form::read(&request.headers, body).await?;
        let key = required(&form.fields, "key")?.replace("${filename}", &form.filename);
        if key.is_empty() {
            return Err(invalid("User key must have a length greater than 0."));
        }
        let address = Address::object(bucket, &key)?;
        form.fields.set("key", key);
        form.fields.set("bucket", bucket.to_owned());

        let authentication = authenticate(verifier, &form.fields)?;
        let lengths = match authentication {
            Authentication::Anonymous => 0..=u64::MAX,
            Authentication::Signed(_) => {
                let policy = PostPolicy::parse(required(&form.fields, "policy")?)?;
                policy.check(&form.fields, verifier.now)?;
                policy.lengths()
            }
        };
        let headers = headers(&request.headers, &form.fields)?;
        let reply = Reply::of(&form.fields);
        Ok(Self { authentication, address, headers, reply, file: form.into_file(lengths) })
    }
}

/// `PostObject`, of what [`Post::read`] gave. `call` is that of the PUT.
pub async fn post_object(call: Call, file: Body, reply: Reply) -> Result<Response<Body>, Error> {
    let written = put::store(&call, file).await?;
    let etag = written.record.facts.etag_string();
    let mut response = written.answer()?;
    if let Some(page) = Page::of(&call.headers, call.bucket()?) {
        page.allow(&call.vault, call.client, response.headers_mut()).await;
    }
    reply.answer(response, &location(&call), call.bucket_name()?, call.key()?, &etag)
}

/// Verifies the signature of a form. Without any, and without a policy, it is anonymous.
fn authenticate(verifier: &Verifier<'_>, fields: &Fields) -> Result<Authentication, Error> {
    let any = |names: &[&str]| names.iter().any(|name| fields.get(name).is_some());
    let v4 = any(&["x-amz-algorithm", "x-amz-credential", "x-amz-date", "x-amz-signature"]);
    let v2 = any(&["awsaccesskeyid", "signature"]);
    if v4 && v2 {
        return Err(SignatureError::SeveralMechanisms.into());
    }
    if !v4 && !v2 && fields.get("policy").is_none() {
        return Ok(Authentication::Anonymous);
    }
    if fields.get("x-amz-security-token").is_some() {
        return Err(SignatureError::SessionToken.into());
    }
    let policy = required(fields, "policy")?;
    let signature = if v4 {
        sigv4::Form::V4 {
            algorithm: required(fields, "x-amz-algorithm")?,
            credential: required(fields, "x-amz-credential")?,
            date: required(fields, "x-amz-date")?,
            signature: required(fields, "x-amz-signature")?,
        }
    } else {
        sigv4::Form::V2 { access_key: required(fields, "awsaccesskeyid")?, signature: required(fields, "signature")? }
    };
    verifier.verify_form(policy, signature).map(Authentication::Signed).map_err(|error| match error {
        // Its own code is for queries.
        SignatureError::QueryMalformed(what) => invalid(format!("The form's signature is malformed; {what}.")),
        other => other.into(),
    })
}

/// A field that must be there. Its name as S3 writes it.
fn required<'a>(fields: &'a Fields, name: &str) -> Result<&'a str, Error> {
    fields.get(name).ok_or_else(|| {
        let shown = if name == "awsaccesskeyid" { "AWSAccessKeyId" } else { name };
        invalid(format!(
            "Bucket POST must contain a field named '{shown}'.  If it is specified, please check the order of the fields."
        ))
    })
}

/// The headers of the PUT. Of the POST's own only those that say who sends it: the others are those of a form, and nobody signed them.
fn headers(request: &HeaderMap, fields: &Fields) -> Result<HeaderMap, Error> {
    let mut headers = HeaderMap::new();
    for name in [header::HOST, header::USER_AGENT, header::REFERER, header::ORIGIN] {
        if let Some(value) = request.get(&name) {
            headers.insert(name, value.clone());
        }
    }
    for (field, value) in fields.iter() {
        let (name, value) = match field {
            "acl" => ("x-amz-acl", Cow::Borrowed(value)),
            "tagging" => ("x-amz-tagging", Cow::Owned(tagging(value)?)),
            // These say how the body of an HTTP request is sent.
            "x-amz-content-sha256" | "x-amz-decoded-content-length" | "x-amz-trailer" => {
                return Err(invalid(format!("The field {field} does not belong into a form.")));
            }
            _ if is_header(field) => (field, Cow::Borrowed(value)),
            _ => continue,
        };
        // An input that was left empty; metadata may be empty.
        if value.is_empty() && !name.starts_with("x-amz-meta-") {
            continue;
        }
        let wrong = || invalid(format!("The field {field} cannot be a header"));
        let name = HeaderName::try_from(name).map_err(|_| wrong())?;
        let value = HeaderValue::from_bytes(value.trim_ascii().as_bytes()).map_err(|_| wrong())?;
        if headers.insert(name, value).is_some() {
            return Err(invalid(format!("The field {field} is in the form under two names.")));
        }
    }
    refuse_our_header(&Query::default(), &headers)?;
    // A form may do what a PUT of an object may, and nothing else.
    match operation::select(&Method::PUT, Scope::Object, &Query::default(), &headers)?.op {
        Op::PutObject => Ok(headers),
        other => Err(invalid(format!("A form cannot ask for {}.", other.name()))),
    }
}

/// Whether a field stands for the header of its name.
fn is_header(field: &str) -> bool {
    const SIGNATURE: [&str; 5] =
        ["x-amz-algorithm", "x-amz-credential", "x-amz-date", "x-amz-security-token", "x-amz-signature"];
    field.starts_with("x-amz-") && !SIGNATURE.contains(&field)
        || matches!(
            field,
            "cache-control"
                | "content-disposition"
                | "content-encoding"
                | "content-language"
                | "content-md5"
                | "content-type"
                | "expires"
        )
}

/// `<Tagging><TagSet><Tag><Key>a</Key><Value>b</Value></Tag>…` → `a=b&…`
fn tagging(document: &str) -> Result<String, Error> {
    let document = xml::Document::parse(document.as_bytes()).map_err(|e| e.of_client())?;
    let malformed = || {
        let message =
            "The XML you provided was not well-formed or did not validate against our published schema: tagging";
        Error::client(S3ErrorCode::MalformedXML, message)
    };
    let root = document.root();
    let set = root.child("TagSet").filter(|_| root.name() == "Tagging").ok_or_else(malformed)?;
    let mut tags = Vec::new();
    for tag in set.elements("Tag") {
        let text = |name: &str| {
            let text = tag.child_text(name).map_err(|e| e.of_client())?;
            text.map(Cow::into_owned).ok_or_else(malformed)
        };
        tags.push((text("Key")?, text("Value")?));
    }
    Ok(Query::build(tags.iter().map(|(key, value)| (key.as_str(), Some(value.as_str())))))
}

/// How a form wants to be answered.
#[derive(Debug)]
pub struct Reply {
    status: StatusCode,
    /// `success_action_redirect`, where it is a URL.
    redirect: Option<String>,
}

impl Reply {
    fn of(fields: &Fields) -> Self {
        let redirect = fields.get("success_action_redirect").or_else(|| fields.get("redirect"));
        let status = match fields.get("success_action_status") {
            Some("200") => StatusCode::OK,
            Some("201") => StatusCode::CREATED,
            _ => StatusCode::NO_CONTENT,
        };
        Self { status, redirect: redirect.filter(|url| is_url(url)).map(str::to_owned) }
    }

    /// Makes of the answer to a PUT the one to a form.
    fn answer(
        &self,
        put: Response<Body>,
        location: &str,
        bucket: &str,
        key: &str,
        etag: &str,
    ) -> Result<Response<Body>, Error> {
        let (mut parts, _) = put.into_parts();
        parts.headers.remove(header::CONTENT_LENGTH);
        if let Some(url) = &self.redirect {
            parts.status = StatusCode::SEE_OTHER;
            set(&mut parts.headers, header::LOCATION, &redirected(url, bucket, key, etag))?;
            return Ok(Response::from_parts(parts, body::empty()));
        }
        parts.status = self.status;
        set(&mut parts.headers, header::LOCATION, location)?;
        if self.status != StatusCode::CREATED {
            return Ok(Response::from_parts(parts, body::empty()));
        }
        parts.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/xml"));
        let document = xml::PostResponse { location, bucket, key, etag }.element();
        Ok(Response::from_parts(parts, body::full(xml::with_declaration(&document))))
    }
}

/// Whether S3 would send a browser there; else it acts as if the field were not there.
fn is_url(text: &str) -> bool {
    let scheme = text.parse::<Uri>().ok().filter(|uri| uri.authority().is_some());
    scheme.is_some_and(|uri| matches!(uri.scheme_str(), Some("http" | "https"))) && HeaderValue::from_str(text).is_ok()
}

/// The URL with `bucket`, `key` and `etag` behind its query.
fn redirected(url: &str, bucket: &str, key: &str, etag: &str) -> String {
    let (url, fragment) = url.split_at(url.find('#').unwrap_or(url.len()));
    let mark = if url.contains('?') { '&' } else { '?' };
    let etag = format!("\"{etag}\"");
    let query = Query::build([("bucket", Some(bucket)), ("key", Some(key)), ("etag", Some(&etag))]);
    format!("{url}{mark}{query}{fragment}")
}

/// The page that holds a form.
pub struct Page {
    origin: HeaderValue,
    bucket: String,
}

impl Page {
    /// Of a form for `bucket`; none where no browser says from where it comes.
    pub fn of(headers: &HeaderMap, bucket: &str) -> Option<Self> {
        headers.get(header::ORIGIN).map(|origin| Self { origin: origin.clone(), bucket: bucket.to_owned() })
    }

    /// Adds the headers with which the bucket's CORS rules let the page read the answer, be it an error. Rules that allow a POST and no PUT do
    /// not show in the answer to the PUT, but in that to a preflight. Where the store does not say, there are none.
    pub async fn allow(&self, vault: &Vault, client: Client, headers: &mut HeaderMap) {
        const CORS: [HeaderName; 4] = [
            header::ACCESS_CONTROL_ALLOW_ORIGIN,
            header::ACCESS_CONTROL_ALLOW_CREDENTIALS,
            header::ACCESS_CONTROL_EXPOSE_HEADERS,
            header::VARY,
        ];
        if headers.contains_key(header::ACCESS_CONTROL_ALLOW_ORIGIN) {
            return;
        }
        let sender = Sender { signer: Signer::Anonymous, client: Some(client) };
        let preflight = BackendRequest::new(Method::OPTIONS, path(&self.bucket, ""), sender)
            .header(header::ORIGIN, self.origin.clone())
            .header(header::ACCESS_CONTROL_REQUEST_METHOD, HeaderValue::from_static("POST"));
        match vault.backend.call(preflight).await {
            Ok(answer) if answer.status().is_success() => {
                for name in CORS {
                    if let Some(value) = answer.headers().get(&name) {
                        headers.insert(name, value.clone());
                    }
                }
                body::discard(answer.into_body()).await;
            }
            Ok(_) => {}
            Err(error) => tracing::warn!(%error, "the store did not say which origins may read the answer to a form"),
        }
    }
}

fn invalid(message: impl Into<Cow<'static, str>>) -> Error {
    Error::client(S3ErrorCode::InvalidArgument, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(pairs: &[(&str, &str)]) -> Fields {
        let mut fields = Fields::default();
        for (name, value) in pairs {
            fields.set(name, (*value).to_owned());
        }
        fields
    }

    fn code<T: std::fmt::Debug>(result: Result<T, Error>) -> String {
        result.expect_err("an error").s3().0.into_owned()
    }

    #[test]
    fn fields_become_headers() {
        let request = HeaderMap::from_iter([
            (header::USER_AGENT, HeaderValue::from_static("browser")),
            (header::CONTENT_TYPE, HeaderValue::from_static("multipart/form-data; boundary=x")),
            (HeaderName::from_static("x-amz-acl"), HeaderValue::from_static("public-read-write")),
            (header::COOKIE, HeaderValue::from_static("secret")),
        ]);
        let form = fields(&[
            ("key", "k"),
            ("acl", "private"),
            ("content-type", " text/plain"),
            ("cache-control", ""),
            ("x-amz-meta-a", ""),
            ("x-amz-meta-b", "ü"),
            ("x-amz-date", "20300101T000000Z"),
            (
                "tagging",
                "<Tagging><TagSet><Tag><Key>a b</Key><Value>&amp;</Value></Tag><Tag><Key>c</Key><Value/></Tag></TagSet></Tagging>",
            ),
            ("submit", "Go"),
        ]);
        let mut made: Vec<_> = headers(&request, &form)
            .unwrap()
            .iter()
            .map(|(name, value)| format!("{name}={}", String::from_utf8_lossy(value.as_bytes())))
            .collect();
        made.sort();
        assert_eq!(
            made,
            [
                "content-type=text/plain",
                "user-agent=browser",
                "x-amz-acl=private",
                "x-amz-meta-a=",
                "x-amz-meta-b=ü",
                "x-amz-tagging=a%20b=%26&c=",
            ]
        );
    }

    #[test]
    fn what_no_form_may_say() {
        let of = |name, value| headers(&HeaderMap::new(), &fields(&[("key", "k"), (name, value)]));
        for (name, value) in [
            ("x-amz-copy-source", "other/secret"),
            ("x-amz-meta-dv1", "x"),
            ("x-amz-decoded-content-length", "1"),
            ("x-amz-meta-a", "b\r\nx-amz-acl: public-read"),
            ("x-amz-meta-a b", "x"),
        ] {
            assert_eq!(code(of(name, value)), "InvalidArgument", "{name}");
        }
        assert_eq!(code(of("x-amz-write-offset-bytes", "1")), "NotImplemented");
        assert_eq!(code(of("tagging", "<Tagging/>")), "MalformedXML");
        let twice = fields(&[("acl", "private"), ("x-amz-acl", "public-read")]);
        assert_eq!(code(headers(&HeaderMap::new(), &twice)), "InvalidArgument");
    }

    #[test]
    fn a_signature_in_part_is_none() {
        struct Nobody;
        impl sigv4::Secrets for Nobody {
            fn secret(&self, _: &str) -> Option<&str> {
                None
            }
        }
        let verifier = Verifier::new(&Nobody, std::time::UNIX_EPOCH);
        let of = |pairs: &[(&str, &str)]| authenticate(&verifier, &fields(pairs));
        assert!(matches!(of(&[("key", "k")]), Ok(Authentication::Anonymous)));
        for pairs in [
            &[("policy", "e30=")][..],
            &[("policy", "e30="), ("awsaccesskeyid", "A")],
            &[("awsaccesskeyid", "A"), ("signature", "x")],
            &[("policy", "e30="), ("x-amz-signature", "x"), ("x-amz-algorithm", "AWS4-HMAC-SHA256")],
            &[("x-amz-date", "20300101T000000Z")],
            &[("policy", "e30="), ("awsaccesskeyid", "A"), ("signature", "x"), ("x-amz-signature", "x")],
        ] {
            assert_eq!(code(of(pairs)), "InvalidArgument", "{pairs:?}");
        }
        let unknown = [("policy", "e30="), ("awsaccesskeyid", "A"), ("signature", "x")];
        assert_eq!(code(of(&unknown)), "InvalidAccessKeyId");
        let token = [("policy", "e30="), ("awsaccesskeyid", "A"), ("signature", "x"), ("x-amz-security-token", "x")];
        assert_eq!(code(of(&token)), "InvalidToken");
    }

    #[test]
    fn answers() {
        let answer = |pairs: &[(&str, &str)]| {
            let reply = Reply::of(&fields(pairs));
            let answer = reply.answer(Response::new(body::empty()), "http://h/b/k%20", "b", "k ", "e").unwrap();
            let location = answer.headers()[header::LOCATION].to_str().unwrap().to_owned();
            (answer.status().as_u16(), location)
        };
        let here = |status| (status, "http://h/b/k%20".to_owned());
        assert_eq!(answer(&[]), here(204));
        assert_eq!(answer(&[("success_action_status", "200")]), here(200));
        assert_eq!(answer(&[("success_action_status", "201")]), here(201));
        assert_eq!(answer(&[("success_action_status", "404")]), here(204));
        let there = |url: &str| (303, url.to_owned());
        for (field, url, redirect) in [
            ("success_action_redirect", "http://x", "http://x?bucket=b&key=k%20&etag=%22e%22"),
            ("redirect", "https://x/y?a=b#c", "https://x/y?a=b&bucket=b&key=k%20&etag=%22e%22#c"),
        ] {
            assert_eq!(answer(&[("success_action_status", "201"), (field, url)]), there(redirect));
        }
        for url in ["", "/relative", "javascript:alert(1)", "ftp://x/", "http://", "http://x/\r\nset-cookie: a=b"] {
            assert_eq!(answer(&[("success_action_redirect", url)]), here(204), "{url}");
        }
    }
}

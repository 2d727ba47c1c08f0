//! The pipeline of a request, in order, in one function: address → signature → operation → policy → operation's own file → answer.

use std::sync::Arc;
use std::time::{Instant, SystemTime};

use http::{HeaderMap, HeaderValue, Method, Request, Response, header};
use http_body_util::BodyExt;
use s3s::S3ErrorCode;

use crate::authorize::authorize;
use crate::body::Body;
use crate::config::{Anonymous, SigV2};
use crate::identity::Principal;
use crate::ops::post::{self, Page, Post};
use crate::ops::{self, Call};
use crate::s3::Error;
use crate::s3::address::{self, Query};
use crate::s3::error::Fault;
use crate::s3::operation::{self, Op};
use crate::s3::sigv4::{Authentication, SigV2Mode, SignatureError, Verifier};
use crate::server::{Client, Handler};
use crate::telemetry::RequestId;
use crate::vault::Vault;

/// What was found out of a request on its way, also where it ends in an error.
struct Found {
    /// S3 operation name.
    operation: &'static str,
    /// Where a form came from.
    page: Option<Page>,
}

/// Answers S3 requests.
pub struct Service {
    vault: Arc<Vault>,
}

impl Service {
    /// Over a gateway.
    pub fn new(vault: Arc<Vault>) -> Self {
        Self { vault }
    }

    /// Answers one request; whatever goes wrong is an S3 error.
    async fn answer(&self, request: Request<Body>) -> Response<Body> {
        let begun = Instant::now();
        let _in_flight = self.vault.metrics.in_flight();
        let request_id = request.extensions().get::<RequestId>().copied().unwrap_or_else(RequestId::random);
        let client = request.extensions().get::<Client>().copied().unwrap_or(Client::UNKNOWN);
        let resource = request.uri().path().to_owned();
        let head = request.method() == http::Method::HEAD;
        let mut found = Found { operation: "Unknown", page: None };
        let outcome = self.pipeline(request, &request_id, client, &mut found).await;
        let operation = found.operation;

        let (mut response, fault) = match outcome {
            Ok(response) => (response, None),
            Err(error) => {
                let fault = error.s3().3;
                log(&error, fault, operation, &request_id, client);
                if is_integrity_failure(&error) {
                    self.vault.metrics.integrity_failure("request");
                }
                let mut response = error.into_response(&resource, request_id.as_str(), head);
                // A backend that has just failed is not asked once more.
                if let (Some(page), Fault::Client) = (found.page, fault) {
                    page.allow(&self.vault, client, response.headers_mut()).await;
                }
                (response, Some(fault))
            }
        };
        response.headers_mut().insert("x-amz-request-id", request_id.header());
        response.headers_mut().insert(header::SERVER, HeaderValue::from_static("data-vault"));
        let metrics = self.vault.metrics.operation(operation);
        metrics.answered(response.status(), fault, begun.elapsed());
        tracing::debug!(
            operation,
            request_id = request_id.as_str(),
            client = %client.address,
            status = response.status().as_u16(),
            elapsed_ms = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX),
            "answered"
        );
        response
    }

    async fn pipeline(
        &self,
        request: Request<Body>,
        request_id: &RequestId,
        client: Client,
        found: &mut Found,
    ) -> Result<Response<Body>, Error> {
        let vault = &self.vault;
        let (mut parts, body) = request.into_parts();

        // What is asked about.
        let host = parts
            .headers
            .get(header::HOST)
            .and_then(|h| h.to_str().ok())
            .or_else(|| parts.uri.authority().map(http::uri::Authority::as_str));
        let domain = vault.config.server.virtual_host_domain.as_deref();
        let names = vault.config.backend.bucket_names;
        let mut address = address::parse(&parts.uri, host, domain, names)?;
        let mut query = Query::parse(parts.uri.query().unwrap_or_default())?;

        // Who asks.
        let verifier = self.verifier();
        let mut authentication = if parts.method == Method::OPTIONS {
            // A browser signs no preflight, and where its query carries a signature, that is of the request to come.
            Authentication::Anonymous
        } else {
            let authentication = verifier.verify(&parts.method, &parts.uri, &parts.headers)?;
            headers_from_query(&query, &mut parts.headers)?;
            authentication
        };

        // Names that lend our credential to the backend's own administration, and the header that is ours: before anything else
        // is made of the request.
        if let Some(bucket) = &address.bucket {
            vault.reserved.check(bucket)?;
        }
        ops::refuse_our_header(&query, &parts.headers)?;

        // What is asked for, and whether it may be.
        let operation = operation::select(&parts.method, address.scope(), &query, &parts.headers)?;
        found.operation = operation.op.name();
        if let Some(refusal) = operation.refusal() {
            return Err(refusal);
        }
        let copy_source = match parts.headers.get("x-amz-copy-source") {
            Some(value) => {
                let source = address::CopySource::parse(value.as_bytes(), names)?;
                vault.reserved.check(&source.bucket)?;
                Some(source)
            }
            None => None,
        };
        let metrics = vault.clone();
        let counted = found.operation;
        let mut body = body
            .map_frame(move |frame| {
                if let Some(data) = frame.data_ref() {
                    metrics.metrics.operation(counted).received(data.len() as u64);
                }
                frame
            })
            .boxed_unsync();
        let mut reply = None;
        if operation.op == Op::PostObject {
            found.page = address.bucket.as_deref().and_then(|bucket| Page::of(&parts.headers, bucket));
            // The fields of a form say who asks, and for which object: from here on it is the PUT that it asks for.
            if let Authentication::Signed(_) = authentication {
                return Err(SignatureError::SeveralMechanisms.into());
            }
            let post = Post::read(&verifier, &parts, &address, body).await?;
            (authentication, address, query) = (post.authentication, post.address, Query::default());
            (parts.method, parts.headers, body) = (Method::PUT, post.headers, post.file);
            reply = Some(post.reply);
        }
        let principal = self.principal(&authentication)?;
        // From here on a bucket has one name, whoever asks for it.
        let tenant = principal.backend.tenant();
        let copy_source = copy_source.map(|source| source.identified(tenant));
        if operation.op == Op::CorsPreflight {
            address.identified(&self.tenant_of_preflight(&query));
            address.spelled_out();
        } else {
            address.identified(tenant);
        }
        let rules = policy::Rules { anonymous_to_backend: vault.config.identity.anonymous == Anonymous::Backend };
        let permit = authorize(rules, principal, operation, &address, &query, copy_source.as_ref())?;

        // Do it.
        let call = Call {
            vault: vault.clone(),
            operation,
            method: parts.method,
            address,
            query,
            headers: parts.headers,
            authentication,
            permit,
            client,
            request_id: request_id.as_str().to_owned(),
            policies: vault.scrubbing.now()?,
        };
        let response = match reply {
            Some(reply) => Box::pin(post::post_object(call, body, reply)).await?,
            None => ops::run(call, body).await?,
        };
        let metrics = vault.clone();
        Ok(response.map(|body| {
            body.map_frame(move |frame| {
                if let Some(data) = frame.data_ref() {
                    metrics.metrics.operation(counted).sent(data.len() as u64);
                }
                frame
            })
            .boxed_unsync()
        }))
    }

    fn verifier(&self) -> Verifier<'_> {
        let config = &self.vault.config;
        Verifier {
            sigv2: match config.identity.sigv2 {
                SigV2::Off => SigV2Mode::Off,
                SigV2::Presigned => SigV2Mode::Presigned,
                SigV2::All => SigV2Mode::All,
            },
            virtual_host_domain: config.server.virtual_host_domain.as_deref(),
            ..Verifier::new(&self.vault.credentials, SystemTime::now())
        }
    }

    /// A preflight is nobody's, but the request to come is of whom its presigned query names: in that tenant lies the bucket whose
    /// CORS rules are asked for. The signature is not verified, since anybody may ask by the bucket's full name.
    fn tenant_of_preflight(&self, query: &Query) -> String {
        let named = query.iter().find_map(|(name, value)| match name {
            "AWSAccessKeyId" => value,
            _ if name.eq_ignore_ascii_case("x-amz-credential") => value?.split('/').next(),
            _ => None,
        });
        let credential = named.and_then(|access_key| self.vault.credentials.find(access_key));
        credential.map(|credential| credential.principal().backend.tenant().to_owned()).unwrap_or_default()
    }

    fn principal(&self, authentication: &Authentication) -> Result<Principal, Error> {
        match authentication {
            Authentication::Anonymous => Ok(Principal::anonymous()),
            Authentication::Signed(verified) => match self.vault.credentials.find(&verified.access_key) {
                Some(credential) => Ok(credential.principal()),
                None => Err(Error::client(
                    S3ErrorCode::InvalidAccessKeyId,
                    "The AWS Access Key Id you provided does not exist in our records.",
                )),
            },
        }
    }
}

impl Handler for Service {
    async fn handle(&self, request: Request<Body>) -> Response<Body> {
        self.answer(request).await
    }
}

/// `x-amz-*` parameters of a presigned query stand for headers. Those that are part of the signature itself do not.
fn headers_from_query(query: &Query, headers: &mut HeaderMap) -> Result<(), Error> {
    for (name, value) in query.iter() {
        let lower = name.to_ascii_lowercase();
        let signature = [
            "x-amz-algorithm",
            "x-amz-credential",
            "x-amz-date",
            "x-amz-expires",
            "x-amz-signedheaders",
            "x-amz-signature",
            "x-amz-security-token",
        ];
        if !lower.starts_with("x-amz-") || signature.contains(&lower.as_str()) {
            continue;
        }
        let invalid = || {
            Error::client(
                S3ErrorCode::InvalidArgument,
                format!("The query parameter {lower} cannot stand for a header"),
            )
        };
        let header = http::HeaderName::try_from(lower.as_str()).map_err(|_| invalid())?;
        let value = HeaderValue::from_bytes(value.unwrap_or_default().as_bytes()).map_err(|_| invalid())?;
        // Header and parameter both: S3 takes the header, which is signed as well.
        headers.entry(header).or_insert(value);
    }
    Ok(())
}

/// Whether something in the backend is not what was sealed, as against a key service that does not answer.
fn is_integrity_failure(error: &Error) -> bool {
    match error {
        Error::Sealed(e) => !matches!(e.s3_code(), "ServiceUnavailable" | "EntityTooLarge"),
        Error::Stripped => true,
        _ => false,
    }
}

/// An error is logged here, where it is handled, and nowhere on its way.
fn log(error: &Error, fault: Fault, operation: &str, request_id: &RequestId, client: Client) {
    let mut cause = String::new();
    let mut source = std::error::Error::source(error);
    while let Some(e) = source {
        cause.push_str(": ");
        cause.push_str(&e.to_string());
        source = e.source();
    }
    let request_id = request_id.as_str();
    let client = client.address;
    match fault {
        Fault::Client => tracing::debug!(operation, request_id, %client, "{error}{cause}"),
        Fault::Backend | Fault::Ours => tracing::error!(operation, request_id, %client, "{error}{cause}"),
    }
}

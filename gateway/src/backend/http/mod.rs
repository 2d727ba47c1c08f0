//! A remote S3: `MinIO`, Amazon S3, Ceph RGW, Garage.

mod connection;
mod io;
mod prepare;
mod probe;
mod redirect;
mod upload;

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use async_trait::async_trait;
use http::header::EXPECT;
use http::uri::Scheme;
use http::{HeaderMap, Method, Request, Response, StatusCode, Uri};
use http_body_util::BodyExt;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use tower_service::Service;

use super::{Backend, BackendCredential, BackendError, BackendRequest, Sender, Signer};
use crate::body::{Body, BoxError};
use crate::config::S3Config;
use crate::telemetry::Metrics;
use connection::{Download, Failure, Live, Patience, Pool};
pub use prepare::{Checksums, CiphertextChecksum};
use prepare::{Identity, Prepared};
use redirect::Place;
use upload::Upload;

/// The wait before the first retry; it doubles for each further one, and the real wait is a random part of it.
const RETRY_BASE: Duration = Duration::from_millis(100);

/// The longest wait between two tries.
const RETRY_MOST: Duration = Duration::from_secs(5);

/// Pooled connections that turn out to be closed, before a new one is made for certain.
const STALE_MOST: usize = 4;

/// A remote S3 over pooled connections.
pub struct HttpBackend {
    config: S3Config,
    connector: HttpsConnector<HttpConnector>,
    pool: Arc<Pool>,
    checksums: RwLock<Checksums>,
    metrics: Arc<Metrics>,
}

/// Why the backend could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// `backend.ca_file` cannot be used.
    #[error("`backend.ca_file`: {path}: {cause}")]
    CaFile {
        /// The file.
        path: String,
        /// Why.
        cause: BoxError,
    },
    /// The system's certificates cannot be read.
    #[error("the certificates of this system cannot be read: set `backend.ca_file`")]
    NativeRoots(#[source] std::io::Error),
    /// TLS itself.
    #[error("TLS cannot be set up")]
    Tls(#[from] rustls::Error),
}

impl HttpBackend {
    /// Connects to nothing yet. Until [`Self::probe`] has run, sealed bodies carry no checksum of their ciphertext.
    pub fn new(config: &S3Config, metrics: Arc<Metrics>) -> Result<Self, SetupError> {
        Ok(Self {
            connector: connector(config)?,
            pool: Arc::new(Pool::new(config.connections.pool_size, config.connections.pool_idle_timeout)),
            checksums: RwLock::default(),
            config: config.clone(),
            metrics,
        })
    }

    /// What sealed bodies carry now.
    pub fn checksums(&self) -> Checksums {
        *self.checksums.read().unwrap_or_else(PoisonError::into_inner)
    }

    async fn run(&self, mut request: BackendRequest) -> Result<Response<Body>, BackendError> {
        let Sender { signer, client } = request.sender.clone();
        if let Some(client) = client.filter(|_| self.config.forward_client) {
            prepare::forward_client(&mut request.headers, client)?;
        }
        let identity = Identity { credential: self.credential(&signer), region: &self.config.region };
        let prepared = prepare::prepare(request, self.config.authority.as_str(), &identity, self.checksums())?;
        self.send(prepared, &identity).await
    }

    fn credential<'a>(&'a self, signer: &'a Signer) -> Option<&'a BackendCredential> {
        match signer {
            Signer::Gateway => Some(&self.config.credential),
            Signer::Client(credential) => Some(credential),
            Signer::Anonymous => None,
        }
    }

    /// Sends, again where that is safe, and follows one redirect.
    async fn send(&self, mut prepared: Prepared, identity: &Identity<'_>) -> Result<Response<Body>, BackendError> {
        let repeatable = is_repeatable(&prepared);
        let place = Place {
            scheme: self.config.scheme.clone(),
            authority: self.config.authority.clone(),
            target: prepared.target.clone(),
        };
        let mut tries = 0;
        let response = loop {
            let result = self.attempt(&mut prepared, &place).await;
            let again = match &result {
                // Nothing was sent, so even a stream is still whole.
                Err(BackendError::Connect(_)) => true,
                Err(BackendError::Broken(_)) => repeatable,
                Ok(response) => repeatable && is_passing(response.status()),
                Err(_) => false,
            };
            if !again || tries == self.config.connections.retries {
                break result?;
            }
            tokio::time::sleep(backoff(tries)).await;
            tries += 1;
            self.metrics.backend_retry();
        };
        if !matches!(
            response.status(),
            StatusCode::MOVED_PERMANENTLY
                | StatusCode::FOUND
                | StatusCode::TEMPORARY_REDIRECT
                | StatusCode::PERMANENT_REDIRECT
        ) {
            return Ok(response);
        }
        self.follow(place, response.into_parts().0.headers, prepared, identity).await
    }

    /// Sends to where the backend points, once. A client is never sent there: it would go around the gateway.
    async fn follow(
        &self,
        from: Place,
        answer: HeaderMap,
        mut prepared: Prepared,
        identity: &Identity<'_>,
    ) -> Result<Response<Body>, BackendError> {
        let refuse = |why: &str| BackendError::Broken(format!("the backend redirects, {why}").into());
        let place = from.redirected(&answer).map_err(refuse)?;
        if !prepared.body.in_memory() {
            return Err(refuse("and the body cannot be sent again"));
        }
        prepared.target = place.target.clone();
        // The other place may be in another region, for which the signature must be made.
        let region = answer.get("x-amz-bucket-region").and_then(|r| r.to_str().ok()).unwrap_or(identity.region);
        let hash =
            prepared.headers.get("x-amz-content-sha256").and_then(|h| h.to_str().ok()).unwrap_or_default().to_owned();
        let identity = Identity { credential: identity.credential, region };
        let (path, query) = (prepared.target.path(), prepared.target.query().unwrap_or_default());
        prepare::sign(
            &prepared.method,
            path,
            query,
            &mut prepared.headers,
            place.authority.as_str(),
            &identity,
            &hash,
        )?;
        let response = self.attempt(&mut prepared, &place).await?;
        if response.status().is_redirection() && response.status() != StatusCode::NOT_MODIFIED {
            return Err(refuse("twice"));
        }
        Ok(response)
    }

    /// One try.
    async fn attempt(&self, prepared: &mut Prepared, place: &Place) -> Result<Response<Body>, BackendError> {
        let own = place.scheme == self.config.scheme && place.authority == self.config.authority;
        let mut live = self.connection(place, own).await?;
        let source =
            prepared.body.source().ok_or_else(|| BackendError::Broken("the body cannot be sent again".into()))?;
        let held = prepared.headers.contains_key(EXPECT);
        let (upload, progress) = Upload::new(source, held);
        let mut request = Request::new(upload);
        *request.method_mut() = prepared.method.clone();
        *request.uri_mut() = prepare::origin_form(&prepared.target);
        request.headers_mut().clone_from(&prepared.headers);
        let connections = &self.config.connections;
        let patience = Patience {
            idle: connections.idle_timeout,
            response: connections.response_timeout,
            go_ahead: connections.expect_timeout,
        };
        let mut stale = 0;
        let response = loop {
            match live.exchange(request, &progress, patience).await {
                Ok(response) => break response,
                Err(Failure::Unsent(unsent)) if live.reused => {
                    stale += 1;
                    request = *unsent;
                    live = self.connection(place, own && stale < STALE_MOST).await?;
                }
                Err(failure) => {
                    return Err(match (progress.take_error(), failure) {
                        (Some(error), _) => BackendError::Body(error),
                        (None, Failure::Timeout) => BackendError::Timeout,
                        (None, Failure::Broken(e)) => BackendError::Broken(e),
                        (None, Failure::Unsent(_)) => {
                            BackendError::Broken("a new connection was closed at once".into())
                        }
                    });
                }
            }
        };
        let whole = progress.done() && !live.is_cut();
        if !whole {
            if response.status().is_success() {
                return Err(BackendError::Broken("the backend answered before it had the whole body".into()));
            }
            // It has decided already: what is left of the body is not sent, and the connection is of no further use.
            progress.stop();
        }
        let pool = (own && whole).then(|| Arc::clone(&self.pool));
        let (parts, incoming) = response.into_parts();
        let body = Download::new(incoming, live, pool, self.config.connections.idle_timeout);
        Ok(Response::from_parts(parts, body.boxed_unsync()))
    }

    async fn connection(&self, place: &Place, pooled: bool) -> Result<Live, BackendError> {
        if pooled && let Some(live) = self.pool.take() {
            return Ok(live);
        }
        let uri = Uri::builder()
            .scheme(place.scheme.clone())
            .authority(place.authority.clone())
            .path_and_query("/")
            .build()
            .map_err(|e| BackendError::Connect(e.into()))?;
        let mut connector = self.connector.clone();
        // The connector is always ready: it keeps nothing.
        let connect = async { Live::open(connector.call(uri).await?).await.map_err(BoxError::from) };
        match tokio::time::timeout(self.config.connections.connect_timeout, connect).await {
            Ok(live) => live.map_err(BackendError::Connect),
            Err(late) => Err(BackendError::Connect(late.into())),
        }
    }
}

#[async_trait]
impl Backend for HttpBackend {
    async fn call(&self, request: BackendRequest) -> Result<Response<Body>, BackendError> {
        self.run(request).await
    }
}

impl std::fmt::Debug for HttpBackend {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("HttpBackend").field("authority", &self.config.authority).finish_non_exhaustive()
    }
}

fn connector(config: &S3Config) -> Result<HttpsConnector<HttpConnector>, SetupError> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    // Without TLS the system's certificates serve a redirect to it only, so there need be none.
    let native = match config.ca_file {
        None => Some(HttpsConnectorBuilder::new().with_provider_and_native_roots(Arc::clone(&provider))),
        Some(_) => None,
    };
    let builder = match native {
        Some(Ok(native)) => native,
        Some(Err(error)) if config.scheme == Scheme::HTTPS => return Err(SetupError::NativeRoots(error)),
        Some(Err(_)) | None => {
            let tls = rustls::ClientConfig::builder_with_provider(provider)
                .with_safe_default_protocol_versions()?
                .with_root_certificates(roots(config)?)
                .with_no_client_auth();
            HttpsConnectorBuilder::new().with_tls_config(tls)
        }
    };
    let mut tcp = HttpConnector::new();
    tcp.enforce_http(false);
    tcp.set_nodelay(true);
    tcp.set_keepalive(Some(Duration::from_mins(1)));
    tcp.set_connect_timeout(Some(config.connections.connect_timeout));
    Ok(builder.https_or_http().enable_http1().wrap_connector(tcp))
}

/// What `ca_file` holds; nothing without one.
fn roots(config: &S3Config) -> Result<rustls::RootCertStore, SetupError> {
    let mut roots = rustls::RootCertStore::empty();
    let Some(file) = &config.ca_file else {
        return Ok(roots);
    };
    let wrong = |cause: BoxError| SetupError::CaFile { path: file.display().to_string(), cause };
    for certificate in CertificateDer::pem_file_iter(file).map_err(|e| wrong(e.into()))? {
        let certificate = certificate.map_err(|e| wrong(e.into()))?;
        roots.add(certificate).map_err(|e| wrong(e.into()))?;
    }
    if roots.is_empty() {
        return Err(wrong("holds no certificate".into()));
    }
    Ok(roots)
}

/// Whether sending it twice does what sending it once does.
fn is_repeatable(prepared: &Prepared) -> bool {
    let idempotent = [Method::GET, Method::HEAD, Method::PUT, Method::DELETE].contains(&prepared.method);
    let reads = [Method::GET, Method::HEAD].contains(&prepared.method);
    // A conditional write may have been done although its answer was lost; done again, it would fail on its own result.
    idempotent && prepared.body.in_memory() && (reads || !is_conditional(&prepared.headers))
}

fn is_conditional(headers: &HeaderMap) -> bool {
    ["if-match", "if-none-match", "if-modified-since", "if-unmodified-since"]
        .iter()
        .any(|name| headers.contains_key(*name))
        || headers.keys().any(|name| name.as_str().starts_with("x-amz-if-match"))
}

/// Answers that mean "not now". S3's `SlowDown` is a 503.
fn is_passing(status: StatusCode) -> bool {
    matches!(status.as_u16(), 500 | 502 | 503 | 504)
}

/// A random part of the wait, so that gateways that failed together do not come back together.
fn backoff(tries: u32) -> Duration {
    use std::hash::{BuildHasher, Hasher};
    let most = RETRY_BASE.saturating_mul(1 << tries.min(16)).min(RETRY_MOST);
    let random = std::hash::RandomState::new().build_hasher().finish();
    most.mul_f64(0.1 + 0.9 * f64::from(random as u32) / f64::from(u32::MAX))
}

#[cfg(test)]
mod tests;

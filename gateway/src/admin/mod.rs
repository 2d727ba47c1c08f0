//! The operators' listener: `/healthz`, `/readyz`, `/metrics`, and for security officers `/v1`.

mod kept;
mod officers;
mod policies;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::{BoxFuture, join_all};
use http::{HeaderValue, Method, Request, Response, StatusCode, header};

use crate::body::{self, Body};
use crate::config::{AdminConfig, ForwardedHeaders, ServerConfig};
use crate::server::Handler;
use crate::telemetry::Metrics;
pub use officers::Officers;

/// How long a part may take to say that it is ready.
const CHECK_TIME: Duration = Duration::from_secs(2);

/// Answers `Ok` while a part of the gateway can do its work, and says why not otherwise.
type Check = Box<dyn Fn() -> BoxFuture<'static, Result<(), String>> + Send + Sync>;

/// The admin interface.
pub struct Admin {
    metrics: Arc<Metrics>,
    checks: Vec<(&'static str, Check)>,
    officers: Option<Officers>,
}

impl Admin {
    /// Without checks: ready at once.
    pub fn new(metrics: Arc<Metrics>) -> Self {
        Self { metrics, checks: Vec::new(), officers: None }
    }

    /// Serves `/v1` too.
    #[must_use]
    pub fn officers(mut self, officers: Officers) -> Self {
        self.officers = Some(officers);
        self
    }

    /// `/readyz` asks `check` too, and names it `part`. What `check` says is shown to whoever asks: no secrets.
    #[must_use]
    pub fn check<F, R, E>(mut self, part: &'static str, check: F) -> Self
    where
        F: Fn() -> R + Send + Sync + 'static,
        R: Future<Output = Result<(), E>> + Send + 'static,
        E: fmt::Display,
    {
        let check = move || -> BoxFuture<'static, Result<(), String>> {
            let asked = check();
            Box::pin(async move { asked.await.map_err(|e| e.to_string()) })
        };
        self.checks.push((part, Box::new(check)));
        self
    }

    /// All parts are asked at once.
    async fn readiness(&self) -> Response<Body> {
        let answers = self.checks.iter().map(|(part, check)| async move {
            match tokio::time::timeout(CHECK_TIME, check()).await {
                Ok(Ok(())) => None,
                Ok(Err(why)) => Some(format!("{part}: {why}\n")),
                Err(_) => Some(format!("{part}: no answer within {} s\n", CHECK_TIME.as_secs())),
            }
        });
        let failed: String = join_all(answers).await.into_iter().flatten().collect();
        if failed.is_empty() { text(StatusCode::OK, "ready\n") } else { text(StatusCode::SERVICE_UNAVAILABLE, failed) }
    }

    fn metrics(&self) -> Response<Body> {
        match self.metrics.encode() {
            Ok(metrics) => {
                let mut response = text(StatusCode::OK, metrics);
                response.headers_mut().insert(
                    header::CONTENT_TYPE,
                    HeaderValue::from_static("application/openmetrics-text; version=1.0.0; charset=utf-8"),
                );
                response
            }
            Err(e) => text(StatusCode::INTERNAL_SERVER_ERROR, format!("the metrics cannot be written: {e}\n")),
        }
    }
}

impl Handler for Admin {
    async fn handle(&self, request: Request<Body>) -> Response<Body> {
        if let Some(officers) = self.officers.as_ref().filter(|_| request.uri().path().starts_with("/v1/")) {
            let (parts, body) = request.into_parts();
            return officers.handle(&parts, body).await;
        }
        if ![Method::GET, Method::HEAD].contains(request.method()) {
            return text(StatusCode::METHOD_NOT_ALLOWED, "only GET\n");
        }
        let head = request.method() == Method::HEAD;
        let response = match request.uri().path() {
            "/healthz" => text(StatusCode::OK, "alive\n"),
            "/readyz" => self.readiness().await,
            "/metrics" => self.metrics(),
            _ => text(StatusCode::NOT_FOUND, "there is /healthz, /readyz and /metrics\n"),
        };
        if head { response.map(|_| body::empty()) } else { response }
    }
}

/// The bounds of the admin listener: it serves a few tools. `request_timeout`: of the S3 listener, since what is in quarantine may be
/// as large as any object.
pub fn bounds(config: &AdminConfig, request_timeout: Duration) -> ServerConfig {
    ServerConfig {
        listen: config.listen,
        virtual_host_domain: None,
        max_connections: 64,
        max_header_bytes: 16 << 10,
        max_headers: 100,
        header_read_timeout: Duration::from_secs(5),
        idle_timeout: Duration::from_mins(1),
        request_timeout,
        drain_timeout: Duration::from_secs(1),
        tls: config.tls.clone(),
        handshake_timeout: Duration::from_secs(5),
        http2_max_streams: 16,
        trusted_proxies: Vec::new(),
        proxy_protocol: false,
        forwarded_headers: ForwardedHeaders::default(),
    }
}

fn text(status: StatusCode, text: impl Into<bytes::Bytes>) -> Response<Body> {
    let mut response = Response::new(body::full(text));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn ask(admin: &Admin, method: Method, path: &str) -> (StatusCode, String) {
        let mut request = Request::new(body::empty());
        *request.method_mut() = method;
        *request.uri_mut() = path.parse().unwrap();
        let response = admin.handle(request).await;
        let status = response.status();
        let body = body::collect(response.into_body(), 1 << 20).await.unwrap();
        (status, String::from_utf8(body.into()).unwrap())
    }

    #[tokio::test]
    async fn ready_is_said_only_while_every_part_is() {
        let metrics = Metrics::new([]);
        let admin = Admin::new(metrics).check("backend", || async { Ok::<(), String>(()) });
        assert_eq!(ask(&admin, Method::GET, "/readyz").await, (StatusCode::OK, "ready\n".into()));

        let admin = admin
            .check("sidecar", || async { Err("the disk is full") })
            .check("kms", std::future::pending::<Result<(), String>>);
        let (status, text) = ask(&admin, Method::GET, "/readyz").await;
        assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(text, "sidecar: the disk is full\nkms: no answer within 2 s\n");
        assert_eq!(ask(&admin, Method::GET, "/healthz").await.0, StatusCode::OK);
    }

    #[tokio::test]
    async fn there_is_nothing_else() {
        let admin = Admin::new(Metrics::new([]));
        assert_eq!(ask(&admin, Method::GET, "/").await.0, StatusCode::NOT_FOUND);
        assert_eq!(ask(&admin, Method::POST, "/healthz").await.0, StatusCode::METHOD_NOT_ALLOWED);
        assert_eq!(ask(&admin, Method::HEAD, "/healthz").await, (StatusCode::OK, String::new()));
        assert!(ask(&admin, Method::GET, "/metrics").await.1.contains("data_vault_build_info"));
    }
}

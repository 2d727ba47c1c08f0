//! Listeners: connections in, bounds around them, drain at the end. What a request means is the [`Handler`]'s.

mod body;
pub mod client;
mod connection;
pub mod forwarded;
mod http2;
mod io;
pub mod proxy;
pub mod tls;

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use http::{Request, Response};
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;

use crate::body::Body;
use crate::config::ServerConfig;
use crate::telemetry::Metrics;
pub use client::{Client, Scheme};
use connection::Connections;
pub use tls::Tls;

/// Answers requests. The server puts a [`RequestId`](crate::telemetry::RequestId) and a [`Client`] into the request's extensions.
pub trait Handler: Send + Sync + 'static {
    /// Answers one request. Dropped when the client goes away.
    fn handle(&self, request: Request<Body>) -> impl Future<Output = Response<Body>> + Send;
}

/// Tells listeners to stop. Clones see the same moment.
#[derive(Clone, Debug)]
pub struct Shutdown(watch::Receiver<bool>);

impl Shutdown {
    /// At the first SIGTERM or SIGINT. A second one ends the process at once, with status 130.
    pub fn on_signals() -> std::io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        let mut term = signal(SignalKind::terminate())?;
        let mut int = signal(SignalKind::interrupt())?;
        let (tell, told) = watch::channel(false);
        tokio::spawn(async move {
            tokio::select! { _ = term.recv() => {}, _ = int.recv() => {} }
            tracing::info!("shutting down: requests under way are finished; a second signal ends at once");
            tell.send_replace(true);
            tokio::select! { _ = term.recv() => {}, _ = int.recv() => {} }
            std::process::exit(130);
        });
        Ok(Self(told))
    }

    /// When the returned sender says `true`, or is dropped.
    pub fn manual() -> (watch::Sender<bool>, Self) {
        let (tell, told) = watch::channel(false);
        (tell, Self(told))
    }

    /// Returns when it is time to stop.
    pub async fn requested(&mut self) {
        // An error means that the sender is gone: nobody can ask any more, so stop.
        let _ = self.0.wait_for(|stop| *stop).await;
    }
}

/// Serves `listener`, under TLS where `tls` is given, until `shutdown`, then gives requests under way `drain_timeout`.
pub async fn serve<H: Handler>(
    listener: TcpListener,
    config: &ServerConfig,
    tls: Option<Arc<Tls>>,
    handler: Arc<H>,
    metrics: Option<Arc<Metrics>>,
    mut shutdown: Shutdown,
) {
    let places = Arc::new(Semaphore::new(config.max_connections));
    let stop = shutdown.clone();
    let connections = Arc::new(Connections::new(config, tls, handler, metrics.clone()));
    let mut tasks = JoinSet::new();
    let mut stopping = pin!(shutdown.requested());
    loop {
        // Taken before the connection is accepted: beyond the bound clients wait in the kernel's queue, and cost nothing.
        let accepted = async {
            let place = Arc::clone(&places).acquire_owned().await;
            (place, listener.accept().await)
        };
        let (place, accepted) = tokio::select! {
            biased;
            () = &mut stopping => break,
            next = accepted => next,
        };
        while tasks.try_join_next().is_some() {}
        match accepted {
            Ok((stream, peer)) => {
                let guard = (place, metrics.as_ref().map(|m| m.connection()));
                let connection = Arc::clone(&connections).serve(stream, peer, stop.clone());
                tasks.spawn(async move {
                    connection.await;
                    drop(guard);
                });
            }
            Err(error) => {
                // Out of descriptors, most likely: some connection must end before the next can begin.
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
    drop(listener);
    let drained = tokio::time::timeout(config.drain_timeout, async { while tasks.join_next().await.is_some() {} });
    if drained.await.is_err() {
        tracing::warn!(left = tasks.len(), "requests were still under way after the drain timeout and are cut off");
        tasks.shutdown().await;
    }
}

#[cfg(test)]
mod tests;

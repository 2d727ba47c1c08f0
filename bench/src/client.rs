//! One HTTP/1.1 connection, opened when it is first needed.

use std::net::SocketAddr;
use std::time::Duration;

use http::{Request, StatusCode};
use http_body_util::BodyExt;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use crate::body::Noise;

/// A request that takes longer has failed.
const TIMEOUT: Duration = Duration::from_mins(10);

/// A connection with at most one request under way.
pub struct Client {
    endpoint: SocketAddr,
    sender: Option<SendRequest<Noise>>,
}

/// Why a request failed.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// No connection.
    #[error("no connection")]
    Connect(#[source] std::io::Error),
    /// The connection broke.
    #[error("the connection broke")]
    Http(#[from] hyper::Error),
    /// The request could not be made.
    #[error("the request cannot be made")]
    Request(#[from] http::Error),
    /// The answer was no success.
    #[error("{0}: {1}")]
    Status(StatusCode, String),
    /// The object has another length than was asked for.
    #[error("{read} bytes in place of {expected}")]
    Length {
        /// What came.
        read: u64,
        /// What should have come.
        expected: u64,
    },
    /// No whole answer within ten minutes.
    #[error("no answer in time")]
    Timeout,
}

impl Client {
    /// A client of one endpoint.
    pub fn new(endpoint: SocketAddr) -> Self {
        Self { endpoint, sender: None }
    }

    /// Sends a request and reads the whole answer; its length in bytes.
    pub async fn send(&mut self, request: Result<Request<Noise>, http::Error>) -> Result<u64, Failure> {
        tokio::time::timeout(TIMEOUT, self.exchange(request?)).await.map_err(|_| Failure::Timeout)?
    }

    async fn exchange(&mut self, request: Request<Noise>) -> Result<u64, Failure> {
        let mut sender = match self.sender.take() {
            Some(sender) => sender,
            None => self.connect().await?,
        };
        if sender.ready().await.is_err() {
            sender = self.connect().await?;
        }
        let answer = sender.send_request(request).await?;
        let status = answer.status();
        let mut body = answer.into_body();
        if !status.is_success() {
            let text = body.collect().await?.to_bytes();
            let text = String::from_utf8_lossy(&text).chars().take(300).collect();
            return Err(Failure::Status(status, text));
        }
        let mut length = 0;
        while let Some(frame) = body.frame().await {
            length += frame?.data_ref().map_or(0, |data| data.len() as u64);
        }
        self.sender = Some(sender);
        Ok(length)
    }

    async fn connect(&self) -> Result<SendRequest<Noise>, Failure> {
        let stream = TcpStream::connect(self.endpoint).await.map_err(Failure::Connect)?;
        stream.set_nodelay(true).map_err(Failure::Connect)?;
        let (sender, connection) = handshake(TokioIo::new(stream)).await?;
        // Its error reaches the request that was under way.
        tokio::spawn(connection);
        Ok(sender)
    }
}

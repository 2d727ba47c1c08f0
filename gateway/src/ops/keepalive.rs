//! Complete and copy can take longer than a client waits for a first byte. Past five seconds the answer begins: 200 and white
//! space, until the XML, or an `<Error>` in its place, as S3 does.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream;
use http::{HeaderValue, Response, header};
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use s3s::S3ErrorCode;
use tokio::sync::Semaphore;

use super::Call;
use crate::body::{Body, BoxError, collect};
use crate::s3::Error;

/// How long the client waits for a first byte, and how often it gets another one.
const PATIENCE: Duration = Duration::from_secs(5);
/// No answer of these operations is longer.
const ANSWER: usize = 1 << 20;

/// How many such operations run at a time; further ones are told to come back.
const AT_ONCE: u32 = 256;

/// The operations of one gateway that are under way, those whose client has gone away among them.
pub struct Ongoing(Arc<Semaphore>);

impl Default for Ongoing {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(AT_ONCE as usize)))
    }
}

impl Ongoing {
    /// Returns when none is left. Meanwhile none can begin.
    pub async fn all_done(&self) {
        // Never closed, so there is no error to speak of.
        drop(self.0.acquire_many(AT_ONCE).await);
    }
}

/// Runs `work` to its end, even when the client goes away in the middle: what was begun at the backend is concluded and recorded.
/// What takes longer than `server.request_timeout` is left undone, and settled like a crash.
pub async fn answer<W>(call: Call, work: impl FnOnce(Call) -> W) -> Result<Response<Body>, Error>
where
    W: Future<Output = Result<Response<Body>, Error>> + Send + 'static,
{
    let vault = call.vault.clone();
    let limit = vault.config.server.request_timeout;
    let (resource, request_id) = (call.address.raw_path.clone(), call.request_id.clone());
    answer_within(&vault.ongoing, PATIENCE, limit, resource, request_id, work(call)).await
}

/// `limit`: the longest that the work may take.
async fn answer_within(
    ongoing: &Ongoing,
    patience: Duration,
    limit: Duration,
    resource: String,
    request_id: String,
    work: impl Future<Output = Result<Response<Body>, Error>> + Send + 'static,
) -> Result<Response<Body>, Error> {
    let Ok(place) = ongoing.0.clone().try_acquire_owned() else {
        return Err(Error::client(S3ErrorCode::SlowDown, "Too many copies and completions are under way; try again"));
    };
    let mut work = tokio::spawn(async move {
        let done = tokio::time::timeout(limit, work).await;
        drop(place);
        done.unwrap_or_else(|_| {
            Err(Error::client(
                S3ErrorCode::RequestTimeout,
                "The operation took longer than server.request_timeout allows",
            ))
        })
    });
    match tokio::time::timeout(patience, &mut work).await {
        Ok(done) => return done.map_err(|_| Error::Internal("the operation panicked".into()))?,
        Err(_elapsed) => {}
    }
    let state = (Some(work), resource, request_id, true);
    let body = StreamBody::new(stream::unfold(state, move |(work, resource, request_id, first)| async move {
        let mut work = work?;
        if first {
            let declaration = Bytes::from_static(b"<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
            return Some((Ok::<_, BoxError>(Frame::data(declaration)), (Some(work), resource, request_id, false)));
        }
        match tokio::time::timeout(patience, &mut work).await {
            Err(_elapsed) => {
                Some((Ok(Frame::data(Bytes::from_static(b" "))), (Some(work), resource, request_id, false)))
            }
            Ok(done) => {
                let response = done
                    .map_err(|_| Error::Internal("the operation panicked".into()))
                    .flatten()
                    .unwrap_or_else(|e| e.into_response(&resource, &request_id, false));
                let end = match collect(response.into_body(), ANSWER).await {
                    Ok(xml) => Ok(Frame::data(without_declaration(xml))),
                    Err(e) => Err(Box::new(e) as BoxError),
                };
                Some((end, (None, resource, request_id, false)))
            }
        }
    }));
    let mut response = Response::new(body.boxed_unsync());
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/xml"));
    Ok(response)
}

/// The declaration went out first: a second one, behind white space, would be no XML.
fn without_declaration(xml: Bytes) -> Bytes {
    if !xml.starts_with(b"<?xml") {
        return xml;
    }
    match xml.windows(2).position(|w| w == b"?>") {
        Some(end) => xml.slice(end + 2..),
        None => xml,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENCE: Duration = Duration::from_millis(20);
    const LIMIT: Duration = Duration::from_mins(1);

    #[tokio::test]
    async fn a_long_answer_is_one_xml_document() {
        let (go, wait) = tokio::sync::oneshot::channel::<()>();
        let work = async move {
            wait.await.unwrap();
            Ok(Response::new(crate::body::full("<?xml version=\"1.0\"?>\n<Done/>")))
        };
        let response =
            answer_within(&Ongoing::default(), PATIENCE, LIMIT, "/b/k".into(), "ID".into(), work).await.unwrap();
        assert_eq!(response.status(), 200);
        let mut body = response.into_body();
        let mut xml = Vec::new();
        for _ in 0..3 {
            xml.extend_from_slice(&body.frame().await.unwrap().unwrap().into_data().unwrap());
        }
        assert_eq!(xml, b"<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n  ");
        go.send(()).unwrap();
        let rest = collect(body, 1000).await.unwrap();
        assert_eq!(rest.trim_ascii(), b"<Done/>");
    }

    #[tokio::test]
    async fn a_late_error_is_inside_the_200() {
        let work = async {
            tokio::time::sleep(2 * PATIENCE).await;
            Err(Error::client(S3ErrorCode::InvalidPart, "no such part"))
        };
        let response =
            answer_within(&Ongoing::default(), PATIENCE, LIMIT, "/b/k".into(), "ID".into(), work).await.unwrap();
        assert_eq!(response.status(), 200);
        let xml = collect(response.into_body(), 1000).await.unwrap();
        let xml = std::str::from_utf8(&xml).unwrap();
        assert_eq!(xml.matches("<?xml").count(), 1);
        assert!(xml.contains("<Code>InvalidPart</Code>"), "{xml}");
    }

    #[tokio::test]
    async fn a_quick_answer_keeps_its_status() {
        let work = async { Err(Error::client(S3ErrorCode::NoSuchUpload, "gone")) };
        let error =
            answer_within(&Ongoing::default(), PATIENCE, LIMIT, "/b/k".into(), "ID".into(), work).await.unwrap_err();
        assert_eq!(error.s3().1, 404);
    }

    #[tokio::test]
    async fn what_never_ends_is_ended_and_waited_for() {
        let (ongoing, work) = (Ongoing::default(), std::future::pending());
        let left = answer_within(&ongoing, PATIENCE, 4 * PATIENCE, "/b/k".into(), "ID".into(), work).await.unwrap();
        // The client goes away; the work is still there to wait for.
        drop(left);
        tokio::time::timeout(LIMIT, ongoing.all_done()).await.unwrap();
        let error = answer_within(&ongoing, 2 * PATIENCE, PATIENCE, "/b/k".into(), "ID".into(), std::future::pending())
            .await
            .unwrap_err();
        assert_eq!(error.s3().0, "RequestTimeout");
    }
}

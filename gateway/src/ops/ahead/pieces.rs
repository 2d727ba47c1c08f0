//! The beginning of a sealed message that waits in the system bucket, in pieces. They are sealed, but nobody has opened them when they are read again, so each must be what
//! was written: an object that cannot be opened is a lost one.

use std::sync::Arc;

use aws_lc_rs::digest::{self, Context, Digest, SHA256};
use bytes::Bytes;
use futures_util::{Stream, StreamExt, TryStreamExt, stream};
use http::Method;
use http_body_util::BodyExt;
use keys::Oid;
use tokio::runtime::Handle;

use super::super::etag_of;
use super::super::multipart::{drop_stash, read_stash};
use super::super::source::succeeded;
use crate::backend::{BackendRequest, Payload, Signer, path};
use crate::body::BoxError;
use crate::s3::Error;
use crate::vault::Vault;

/// Behind the folder of an upload, before their own names.
const NAME: &str = "ahead-";

/// Whether what waits under this key is one of them: of use to the process alone that wrote it, while that is at it.
pub fn is_piece(key: &str) -> bool {
    key.split('/').nth(2).is_some_and(|name| name.starts_with(NAME))
}

/// The pieces of one message, in their order. They are deleted when this is dropped.
pub(super) struct Pieces {
    vault: Arc<Vault>,
    /// Before their numbers.
    name: String,
    written: Vec<Piece>,
}

/// One that was written.
struct Piece {
    key: String,
    etag: String,
    length: usize,
    digest: Digest,
}

impl Pieces {
    /// None, of a message of this upload.
    pub(super) fn new(vault: &Arc<Vault>, upload: Oid) -> Self {
        let name = format!("stash/{upload}/{NAME}{}", uuid::Uuid::new_v4());
        Self { vault: vault.clone(), name, written: Vec::new() }
    }

    /// Writes the next one.
    pub(super) async fn write(&mut self, piece: Bytes) -> Result<(), Error> {
        let (length, digest) = (piece.len(), digest::digest(&SHA256, &piece));
        let key = format!("{}-{:06}", self.name, self.written.len());
        // Whatever becomes of the request, it may be there.
        self.written.push(Piece { key: key.clone(), etag: String::new(), length, digest });
        let request =
            BackendRequest::new(Method::PUT, path(self.vault.reserved.system_bucket(), &key), Signer::Gateway);
        let response = succeeded(self.vault.backend.call(request.payload(Payload::Bytes(piece))).await?).await?;
        if let Some(last) = self.written.last_mut() {
            last.etag = etag_of(response.headers());
        }
        Ok(())
    }

    /// All of them, from the first on, each as it was written or not to its end.
    pub(super) fn replay(self) -> impl Stream<Item = Result<Bytes, BoxError>> + Send {
        let pieces = Arc::new(self);
        let numbers = stream::iter(0..pieces.written.len());
        let opened = numbers.then(move |number| {
            let pieces = pieces.clone();
            async move { pieces.read(number).await.map_err(|e| Box::new(e) as BoxError) }
        });
        opened.try_flatten()
    }

    async fn read(self: Arc<Self>, number: usize) -> Result<impl Stream<Item = Result<Bytes, BoxError>> + Send, Error> {
        let Some(Piece { key, etag, length: written, digest }) = self.written.get(number) else {
            return Err(Error::Internal("a piece that was not written".into()));
        };
        let (response, written, digest) = (read_stash(&self.vault, key, etag).await?, *written, *digest);
        let state = (response.into_body(), Context::new(&SHA256), 0);
        Ok(stream::try_unfold(state, move |(mut body, mut hash, length)| {
            let pieces = self.clone();
            async move {
                let Some(frame) = body.frame().await else {
                    let same = length == written && digest.as_ref() == hash.finish().as_ref();
                    return if same { Ok(None) } else { Err(Box::new(pieces.changed()) as BoxError) };
                };
                let bytes = frame?.into_data().unwrap_or_default();
                hash.update(&bytes);
                let length = length + bytes.len();
                Ok(Some((bytes, (body, hash, length))))
            }
        }))
    }

    fn changed(&self) -> Error {
        self.vault.metrics.integrity_failure("stream");
        tracing::error!("what was scrubbed ahead is not what was written; the Complete is cut off");
        Error::Sealed(keys::Error::Inconsistent("a sealed piece is not what was written"))
    }
}

impl Drop for Pieces {
    fn drop(&mut self) {
        let (vault, keys) = (self.vault.clone(), std::mem::take(&mut self.written));
        // What is left when the process ends is swept.
        let Some(runtime) = Handle::try_current().ok().filter(|_| !keys.is_empty()) else { return };
        runtime.spawn(async move {
            for piece in keys {
                drop_stash(&vault, &piece.key).await;
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_are_told_from_parts() {
        let folder = format!("stash/{}", Oid([7; 16]));
        assert!(is_piece(&format!("{folder}/{NAME}{}-000000", uuid::Uuid::nil())));
        assert!(!is_piece(&format!("{folder}/00001-{}", uuid::Uuid::nil())));
        assert!(!is_piece("stash/ahead-"));
    }
}

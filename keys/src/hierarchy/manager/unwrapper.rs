//! Gathers concurrent unwraps into batches: while one call to the provider is under way, the next batch fills.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::oneshot;
use zeroize::Zeroizing;

use crate::Error;
use crate::hierarchy::{RootKey, ToUnwrap};

/// Most items in one call to the provider.
const MAX_BATCH: usize = 256;
/// Longest time of one call to the provider.
const LIMIT: Duration = Duration::from_secs(20);

type Answer = Result<Zeroizing<[u8; 32]>, Error>;

pub(super) struct Unwrapper {
    root: Arc<dyn RootKey>,
    queue: Arc<Mutex<Queue>>,
}

/// Bounded by the callers: each waits for its one item.
#[derive(Default)]
struct Queue {
    waiting: Vec<(ToUnwrap, oneshot::Sender<Answer>)>,
    /// A task is working on the queue, and looks again before it ends.
    served: bool,
}

impl Unwrapper {
    pub(super) fn new(root: Arc<dyn RootKey>) -> Self {
        Self { root, queue: Arc::default() }
    }

    pub(super) async fn unwrap(&self, item: ToUnwrap) -> Answer {
        let (sender, receiver) = oneshot::channel();
        let begin = {
            let mut queue = lock(&self.queue);
            queue.waiting.push((item, sender));
            !std::mem::replace(&mut queue.served, true)
        };
        if begin {
            // A task of its own: the caller may be cancelled, the others must not be.
            tokio::spawn(serve(Arc::clone(&self.root), Arc::clone(&self.queue)));
        }
        receiver.await.unwrap_or(Err(Error::Provider("the root key provider gave no answer")))
    }
}

async fn serve(root: Arc<dyn RootKey>, queue: Arc<Mutex<Queue>>) {
    loop {
        // Lets misses that were woken together join the batch.
        tokio::task::yield_now().await;
        let (items, senders): (Vec<_>, Vec<_>) = {
            let mut queue = lock(&queue);
            // Callers that went away cost the provider nothing.
            queue.waiting.retain(|(_, sender)| !sender.is_closed());
            let count = queue.waiting.len().min(MAX_BATCH);
            if count == 0 {
                queue.served = false;
                return;
            }
            queue.waiting.drain(..count).unzip()
        };
        let provider = Arc::clone(&root);
        match within_limit(async move { provider.unwrap(&items).await }).await {
            // A missing answer drops its sender, and its caller gets an error.
            Ok(answers) => {
                for (sender, answer) in senders.into_iter().zip(answers) {
                    // The caller may be gone.
                    let _ = sender.send(answer);
                }
            }
            Err(error) => {
                for sender in senders {
                    let _ = sender.send(Err(error.clone()));
                }
            }
        }
    }
}

/// Runs a call to the provider in a task of its own, so that neither its panic nor its silence stops the others.
pub(super) async fn within_limit<T: Send + 'static>(
    call: impl Future<Output = T> + Send + 'static,
) -> Result<T, Error> {
    let mut task = tokio::spawn(call);
    match tokio::time::timeout(LIMIT, &mut task).await {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(panicked)) => Err(Error::kms(panicked)),
        Err(elapsed) => {
            task.abort();
            Err(Error::kms(elapsed))
        }
    }
}

fn lock(queue: &Mutex<Queue>) -> std::sync::MutexGuard<'_, Queue> {
    // Nothing in the critical sections panics between two changes that belong together.
    queue.lock().unwrap_or_else(PoisonError::into_inner)
}

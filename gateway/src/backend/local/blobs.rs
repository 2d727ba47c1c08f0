//! Bytes in files: `blobs/ab/cd/<32 hex digits>`, written once, shared by reference, never changed.
//!
//! A write goes temporary file → fsync → rename; the index fsyncs the folder just before its commit ([`super::writer`]), once
//! for all the writers that share the commit. A blob is unlinked after the commit that drops its last reference, and only when
//! no reader has it pinned.

use std::collections::{HashMap, HashSet};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use futures_util::{Stream, StreamExt};
use s3s::StdError;
use tokio::sync::{RwLock, RwLockReadGuard};
use tokio::task::{JoinHandle, spawn_blocking};

use super::digest::{Digests, Sums};
use super::failure::Result;
use super::reserve::Reserve;
use super::wire::broken_body;

/// Bytes gathered before they are handed to a blocking write; a write holds at most twice this.
const WRITE_BATCH: usize = 256 * 1024;
/// Blobs put into one folder before the next one is chosen. Writers that run together so share a folder, and its fsync.
const SHELF_BLOBS: u32 = 4096;

/// The name of a blob. Its first two bytes name its folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct BlobId(pub [u8; 16]);

impl BlobId {
    /// From a column of the index, or a file name decoded.
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }
}

/// The folder tree.
pub struct Blobs {
    root: PathBuf,
    reserve: Arc<Reserve>,
    state: Mutex<State>,
    /// Taken on blocking threads only: a new folder is fsynced under it.
    shelf: Mutex<Option<Shelf>>,
    /// Readers hold it shared from the index query until their pins are set; an unlink takes it alone first, so that whoever
    /// could still have seen the blob in the index has it pinned by then.
    gate: RwLock<()>,
}

#[derive(Default)]
struct State {
    pins: HashMap<BlobId, Pin>,
    /// Blobs in place whose commit has not happened: the sweep leaves them alone.
    fresh: HashSet<BlobId>,
}

#[derive(Default)]
struct Pin {
    readers: usize,
    dead: bool,
}

struct Shelf {
    prefix: [u8; 2],
    left: u32,
}

impl Blobs {
    /// Opens the tree under `root`, which exists, and removes the temporary files that a crash left.
    pub fn open(root: &Path, reserve: Arc<Reserve>) -> io::Result<Self> {
        for folder in ["blobs", "tmp"] {
            fs::DirBuilder::new().recursive(true).mode(0o700).create(root.join(folder))?;
        }
        for left in fs::read_dir(root.join("tmp"))? {
            fs::remove_file(left?.path())?;
        }
        File::open(root)?.sync_all()?;
        Ok(Self {
            root: root.to_owned(),
            reserve,
            state: Mutex::default(),
            shelf: Mutex::default(),
            gate: RwLock::default(),
        })
    }

    /// The file of a blob.
    pub fn path(&self, id: BlobId) -> PathBuf {
        let name = hex::encode(id.0);
        let (first, second) = (&name[..2], &name[2..4]);
        self.root.join("blobs").join(first).join(second).join(&name)
    }

    /// Stores a stream. Nothing stays behind when it fails: not when the body breaks off, not when the disk is full, not when
    /// this future is dropped.
    pub async fn receive<S>(self: &Arc<Self>, body: &mut S, digests: Digests) -> Result<Received>
    where
        S: Stream<Item = std::result::Result<Bytes, StdError>> + Unpin,
    {
        self.reserve.keep().await?;
        let (first, last) = gather(body).await?;
        let blobs = Arc::clone(self);
        if last {
            // Small: one hop to the blocking pool for the whole life of the file.
            let received = spawn_blocking(move || {
                if first.is_empty() {
                    return Ok(Received::empty(digests));
                }
                let mut sink = Sink::create(blobs, digests)?;
                sink.write(&first)?;
                sink.place()
            });
            return Ok(joined(received.await)?);
        }
        let mut writing: JoinHandle<io::Result<Sink>> = spawn_blocking(move || {
            let mut sink = Sink::create(blobs, digests)?;
            sink.write(&first)?;
            Ok(sink)
        });
        loop {
            // The next batch is gathered while this one is written.
            let (batch, last) = gather(body).await?;
            let mut sink = joined(writing.await)?;
            if last {
                let received = spawn_blocking(move || {
                    sink.write(&batch)?;
                    sink.place()
                });
                return Ok(joined(received.await)?);
            }
            writing = spawn_blocking(move || {
                sink.write(&batch)?;
                Ok(sink)
            });
        }
    }

    /// Taken before an index query whose blobs are then pinned: none of them is unlinked in between.
    pub async fn gate(&self) -> RwLockReadGuard<'_, ()> {
        self.gate.read().await
    }

    /// Keeps blobs in place until the result is dropped.
    pub fn pin(self: &Arc<Self>, ids: Vec<BlobId>, gate: RwLockReadGuard<'_, ()>) -> Pins {
        let mut state = self.state();
        for id in &ids {
            state.pins.entry(*id).or_default().readers += 1;
        }
        drop(state);
        drop(gate);
        Pins { blobs: Arc::clone(self), ids }
    }

    /// Unlinks blobs that the index no longer names, those in use by a reader as soon as it ends.
    pub fn discard(self: &Arc<Self>, ids: Vec<BlobId>) {
        if ids.is_empty() {
            return;
        }
        let blobs = Arc::clone(self);
        tokio::spawn(async move {
            let gate = blobs.gate.write().await;
            let free: Vec<_> = {
                let mut state = blobs.state();
                ids.into_iter()
                    .filter(|id| match state.pins.get_mut(id) {
                        Some(pin) => {
                            pin.dead = true;
                            false
                        }
                        None => true,
                    })
                    .map(|id| blobs.path(id))
                    .collect()
            };
            drop(gate);
            unlink(free);
        });
    }

    /// True while a write or a read of this process needs the blob, whatever the index says.
    pub fn in_use(&self, id: BlobId) -> bool {
        let state = self.state();
        state.fresh.contains(&id) || state.pins.contains_key(&id)
    }

    /// The two-level folders, for the sweep.
    pub fn shelves(&self) -> io::Result<Vec<PathBuf>> {
        let mut shelves = Vec::new();
        for first in fs::read_dir(self.root.join("blobs"))? {
            for second in fs::read_dir(first?.path())? {
                shelves.push(second?.path());
            }
        }
        Ok(shelves)
    }

    /// No blob is there.
    pub fn is_empty(&self) -> io::Result<bool> {
        for shelf in self.shelves()? {
            if fs::read_dir(shelf)?.next().is_some() {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// A name in the current folder, made durable up to the folder itself when it is new.
    fn name(&self) -> io::Result<BlobId> {
        let mut id = uuid::Uuid::new_v4().into_bytes();
        let mut current = self.shelf.lock().unwrap_or_else(PoisonError::into_inner);
        match &mut *current {
            Some(folder) if folder.left > 0 => {
                folder.left -= 1;
                [id[0], id[1]] = folder.prefix;
            }
            _ => {
                let path = self.path(BlobId(id));
                let folder = path.parent().unwrap_or(&self.root);
                fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
                for made in folder.ancestors().skip(1).take(2) {
                    File::open(made)?.sync_all()?;
                }
                *current = Some(Shelf { prefix: [id[0], id[1]], left: SHELF_BLOBS - 1 });
            }
        }
        Ok(BlobId(id))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // No code panics while it holds the lock, and every state in between is a valid one.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A body that has been stored, its commit still to come.
pub struct Received {
    /// None for a body of no bytes, which needs no file.
    pub blob: Option<NewBlob>,
    /// Bytes.
    pub length: i64,
    /// The digests asked for.
    pub sums: Sums,
}

impl Received {
    fn empty(digests: Digests) -> Self {
        Self { blob: None, length: 0, sums: digests.finish() }
    }
}

/// A blob in place whose commit has not happened: unlinked on drop unless it was kept.
pub struct NewBlob {
    blobs: Arc<Blobs>,
    id: BlobId,
    unlink: bool,
}

impl NewBlob {
    /// Its name.
    pub fn id(&self) -> BlobId {
        self.id
    }

    /// The folder to be fsynced before the commit.
    pub fn folder(&self) -> PathBuf {
        let mut path = self.blobs.path(self.id);
        path.pop();
        path
    }

    /// The commit happened, or may have happened.
    pub fn keep(mut self) {
        self.unlink = false;
    }
}

impl Drop for NewBlob {
    fn drop(&mut self) {
        self.blobs.state().fresh.remove(&self.id);
        if self.unlink {
            unlink(vec![self.blobs.path(self.id)]);
        }
    }
}

/// Blobs that a reader needs.
pub struct Pins {
    blobs: Arc<Blobs>,
    ids: Vec<BlobId>,
}

impl Drop for Pins {
    fn drop(&mut self) {
        let mut state = self.blobs.state();
        let mut dead = Vec::new();
        for id in &self.ids {
            let Some(pin) = state.pins.get_mut(id) else {
                continue;
            };
            pin.readers -= 1;
            if pin.readers == 0 {
                if pin.dead {
                    dead.push(self.blobs.path(*id));
                }
                state.pins.remove(id);
            }
        }
        drop(state);
        unlink(dead);
    }
}

/// A temporary file being written.
struct Sink {
    blobs: Arc<Blobs>,
    temporary: Temporary,
    file: File,
    length: i64,
    digests: Digests,
}

impl Sink {
    fn create(blobs: Arc<Blobs>, digests: Digests) -> io::Result<Self> {
        let path = blobs.root.join("tmp").join(uuid::Uuid::new_v4().simple().to_string());
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?;
        Ok(Self { blobs, temporary: Temporary { path: Some(path) }, file, length: 0, digests })
    }

    fn write(&mut self, batch: &[Bytes]) -> io::Result<()> {
        // A delete was given the room meanwhile, and must not find it taken.
        if !self.blobs.reserve.is_kept() {
            return Err(io::ErrorKind::StorageFull.into());
        }
        for bytes in batch {
            self.file.write_all(bytes)?;
            self.digests.update(bytes);
            self.length += bytes.len().cast_signed() as i64;
        }
        Ok(())
    }

    fn place(mut self) -> io::Result<Received> {
        self.file.sync_all()?;
        let id = self.blobs.name()?;
        self.blobs.state().fresh.insert(id);
        let blob = NewBlob { blobs: Arc::clone(&self.blobs), id, unlink: true };
        if let Some(path) = &self.temporary.path {
            fs::rename(path, self.blobs.path(id))?;
            self.temporary.path = None;
        }
        Ok(Received { blob: Some(blob), length: self.length, sums: self.digests.finish() })
    }
}

/// Unlinked on drop.
struct Temporary {
    path: Option<PathBuf>,
}

impl Drop for Temporary {
    fn drop(&mut self) {
        unlink(self.path.take().into_iter().collect());
    }
}

/// Frames until a batch is full (false) or the body has ended (true).
async fn gather<S>(body: &mut S) -> Result<(Vec<Bytes>, bool)>
where
    S: Stream<Item = std::result::Result<Bytes, StdError>> + Unpin,
{
    let mut batch = Vec::new();
    let mut length = 0;
    while length < WRITE_BATCH {
        let Some(frame) = body.next().await else {
            return Ok((batch, true));
        };
        let frame = frame.map_err(broken_body)?;
        if !frame.is_empty() {
            length += frame.len();
            batch.push(frame);
        }
    }
    Ok((batch, false))
}

/// Removes files off the async threads. One that cannot be removed is an orphan, which the sweep at the next start takes.
fn unlink(paths: Vec<PathBuf>) {
    if paths.is_empty() {
        return;
    }
    let remove = move || {
        for path in paths {
            if let Err(e) = fs::remove_file(&path)
                && e.kind() != io::ErrorKind::NotFound
            {
                tracing::warn!(error = %e, path = %path.display(), "a file that is no longer needed could not be removed");
            }
        }
    };
    match tokio::runtime::Handle::try_current() {
        Ok(runtime) => drop(runtime.spawn_blocking(remove)),
        Err(_) => remove(),
    }
}

/// The result of a blocking task; a panic in it becomes an error.
pub fn joined<T>(result: std::result::Result<io::Result<T>, tokio::task::JoinError>) -> io::Result<T> {
    result.map_err(io::Error::other)?
}

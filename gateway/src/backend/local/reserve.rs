//! Room on the disk that is kept for deletes: without it a full disk could not be emptied, since a delete too is a commit.
//!
//! The room is a file. A write that frees space and meets a full disk gives the file up and runs again in its place. While the file is
//! gone nothing that grows is written; the first request that would grow makes it again, and is answered 507 where that fails.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::{OwnedRwLockReadGuard, OwnedRwLockWriteGuard, RwLock};
use tokio::task::spawn_blocking;

use super::blobs::joined;

/// Bytes. A delete adds some 10 pages of 4 KiB to the log of the index, which is used from its start again every 1,000 pages; a
/// `DeleteObjects` of 1,000 keys adds 2,000 pages at worst.
const SIZE: usize = 8 * 1024 * 1024;

/// The room.
pub struct Reserve {
    path: PathBuf,
    /// The file is there. False: nothing may grow.
    kept: AtomicBool,
    /// Held shared by those who write in the room, alone by the one who makes it again.
    room: Arc<RwLock<()>>,
}

impl Reserve {
    /// In `root`. The room of an earlier run is given up, since the databases need some to be opened. Blocks.
    pub fn open(root: &Path) -> io::Result<Self> {
        let path = root.join("reserve");
        remove(&path)?;
        Ok(Self { path, kept: AtomicBool::new(false), room: Arc::default() })
    }

    /// True while the room is kept, and so others may grow.
    pub fn is_kept(&self) -> bool {
        self.kept.load(Ordering::Acquire)
    }

    /// Makes the room where it was given up. An error: nothing may grow.
    pub async fn keep(self: &Arc<Self>) -> io::Result<()> {
        if self.is_kept() {
            return Ok(());
        }
        let alone = Arc::clone(&self.room).write_owned().await;
        let reserve = Arc::clone(self);
        joined(spawn_blocking(move || reserve.make(alone)).await)
    }

    /// Gives the room to the caller until the result is dropped.
    pub async fn give_up(self: &Arc<Self>) -> io::Result<OwnedRwLockReadGuard<()>> {
        let shared = Arc::clone(&self.room).read_owned().await;
        self.kept.store(false, Ordering::Release);
        let reserve = Arc::clone(self);
        joined(spawn_blocking(move || remove(&reserve.path)).await)?;
        Ok(shared)
    }

    fn make(&self, _alone: OwnedRwLockWriteGuard<()>) -> io::Result<()> {
        if self.is_kept() {
            return Ok(());
        }
        let made = write(&self.path);
        match &made {
            Ok(()) => self.kept.store(true, Ordering::Release),
            Err(_) => remove(&self.path)?,
        }
        made
    }
}

/// Random bytes, so that a file system that compresses keeps the room too.
fn write(path: &Path) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
    let mut bytes = vec![0; 64 * 1024];
    for _ in 0..SIZE / bytes.len() {
        aws_lc_rs::rand::fill(&mut bytes).map_err(io::Error::other)?;
        file.write_all(&bytes)?;
    }
    File::sync_all(&file)
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => Err(e),
        _ => Ok(()),
    }
}

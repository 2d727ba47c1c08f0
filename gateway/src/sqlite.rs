//! What the two `SQLite` databases, the index of the embedded backend and the sidecar, need alike.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use sqlx::error::DatabaseError;

/// Makes the file with mode 0600, and its folders with mode 0700, where they are missing; its name outlives a power cut as the
/// commits do. `SQLite` gives its log and its shared memory the same mode. Returns the absolute path. Blocks.
pub fn make_file(path: &Path) -> io::Result<(PathBuf, File)> {
    let path = std::path::absolute(path)?;
    let folder = path.parent().unwrap_or(Path::new("/"));
    make_folder(folder)?;
    let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(&path)?;
    File::open(folder)?.sync_all()?;
    Ok((path, file))
}

/// Makes a folder, and those it is in, with mode 0700 where they are missing, each durable in the one that it is in. Blocks.
pub fn make_folder(folder: &Path) -> io::Result<()> {
    if folder.is_dir() {
        return Ok(());
    }
    let parent = folder.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    make_folder(parent)?;
    match DirBuilder::new().mode(0o700).create(folder) {
        Err(e) if e.kind() != io::ErrorKind::AlreadyExists => Err(e),
        _ => File::open(parent)?.sync_all(),
    }
}

/// The disk is full: `SQLITE_FULL` (13), or `SQLITE_IOERR_SHMSIZE` (4874), where the shared memory of the log could not grow
/// (sqlite.org/rescode.html).
pub fn is_full(e: &sqlx::Error) -> bool {
    matches!(e, sqlx::Error::Io(e) if is_file_full(e)) || code(e).is_some_and(|code| code & 0xff == 13 || code == 4874)
}

/// The disk, or the quota, is full.
pub fn is_file_full(e: &io::Error) -> bool {
    matches!(e.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

/// `SQLITE_CORRUPT` (11, with its extended codes) and `SQLITE_NOTADB` (26).
pub fn is_damaged(e: &sqlx::Error) -> bool {
    code(e).is_some_and(|code| matches!(code & 0xff, 11 | 26))
}

fn code(e: &sqlx::Error) -> Option<i32> {
    e.as_database_error().and_then(DatabaseError::code).and_then(|code| code.parse().ok())
}

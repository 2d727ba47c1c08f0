//! Where plaintext goes.

use std::fs::{File, OpenOptions};
use std::io::{self, Stdout, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// Standard output, or a file that appears under its name only with [`Output::commit`].
pub(super) enum Output {
    Stdout(Stdout),
    File(Partial),
}

/// A file beside its final place, readable by its owner only; removed unless it is committed.
pub(super) struct Partial {
    file: File,
    temporary: PathBuf,
    place: PathBuf,
    committed: bool,
}

impl Output {
    pub(super) fn create(place: &Path) -> io::Result<Self> {
        if place == Path::new("-") {
            return Ok(Self::Stdout(io::stdout()));
        }
        let name = place
            .file_name()
            .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "is not the name of a file"))?;
        let mut hidden = std::ffi::OsString::from(".");
        hidden.push(name);
        hidden.push(format!(".{}", uuid::Uuid::new_v4()));
        let temporary = place.with_file_name(hidden);
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&temporary)?;
        Ok(Self::File(Partial { file, temporary, place: place.to_owned(), committed: false }))
    }

    pub(super) fn commit(self) -> io::Result<()> {
        match self {
            Self::Stdout(mut out) => out.flush(),
            Self::File(mut partial) => {
                partial.file.sync_all()?;
                std::fs::rename(&partial.temporary, &partial.place)?;
                partial.committed = true;
                Ok(())
            }
        }
    }
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Stdout(out) => out.write(bytes),
            Self::File(partial) => partial.file.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Stdout(out) => out.flush(),
            Self::File(partial) => partial.file.flush(),
        }
    }
}

impl Drop for Partial {
    fn drop(&mut self) {
        if !self.committed
            && let Err(error) = std::fs::remove_file(&self.temporary)
        {
            eprintln!("data-vault: {} could not be removed: {error}", self.temporary.display());
        }
    }
}

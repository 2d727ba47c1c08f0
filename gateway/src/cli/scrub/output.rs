//! Where a scrubbed text goes.

use std::fs::{self, File};
use std::io::{self, BufWriter, Stdout, Write};
use std::path::{Path, PathBuf};

use super::named;

/// A file that is whole or not there, standard output, or nowhere.
pub enum Target {
    /// Nothing is written.
    Nothing,
    /// As it comes.
    Stdout(BufWriter<Stdout>),
    /// Beside its place until it is complete.
    File {
        /// Its temporary file.
        file: BufWriter<File>,
        /// Removed when the target is dropped unfinished.
        temporary: PathBuf,
        /// Its place.
        path: PathBuf,
    },
}

impl Target {
    /// A file, or standard output.
    pub fn of(path: Option<&Path>) -> io::Result<Self> {
        let Some(path) = path else { return Ok(Self::Stdout(BufWriter::new(io::stdout()))) };
        if let Some(parent) = path.parent().filter(|parent| !parent.as_os_str().is_empty()) {
            fs::create_dir_all(parent).map_err(|error| named(parent, &error))?;
        }
        let mut name = path.file_name().unwrap_or_default().to_owned();
        name.push(format!(".{}.partial", std::process::id()));
        let temporary = path.with_file_name(name);
        let file = File::create_new(&temporary).map_err(|error| named(&temporary, &error))?;
        Ok(Self::File { file: BufWriter::new(file), temporary, path: path.to_owned() })
    }

    /// Puts a complete file in its place.
    pub fn finish(mut self) -> io::Result<()> {
        self.flush()?;
        if let Self::File { file, temporary, path } = &mut self {
            file.get_ref().sync_all()?;
            fs::rename(&*temporary, &*path).map_err(|error| named(path, &error))?;
        }
        Ok(())
    }
}

impl Write for Target {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Nothing => Ok(bytes.len()),
            Self::Stdout(out) => out.write(bytes),
            Self::File { file, .. } => file.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Nothing => Ok(()),
            Self::Stdout(out) => out.flush(),
            Self::File { file, .. } => file.flush(),
        }
    }
}

impl Drop for Target {
    fn drop(&mut self) {
        if let Self::File { temporary, .. } = self {
            // Gone when it was finished; a text that was cut off is not to be taken for a scrubbed one.
            let _ = fs::remove_file(temporary);
        }
    }
}

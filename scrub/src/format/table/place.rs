//! Parts of the source, and where the result goes.

use std::io::{self, Read, Seek, SeekFrom, Write};

use super::Fault;
use crate::format::READ;

/// A part of the source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    pub start: u64,
    pub len: u64,
}

impl Place {
    /// As a file tells it.
    pub fn new(start: Option<i64>, len: Option<i64>) -> Result<Self, Fault> {
        match (start.map(u64::try_from), len.map(u64::try_from)) {
            (Some(Ok(start)), Some(Ok(len))) => Ok(Self { start, len }),
            _ => Err("a part of it is nowhere".into()),
        }
    }

    /// What this part of bytes is.
    pub fn within(self, bytes: &[u8]) -> Result<&[u8], Fault> {
        let (start, len) = (usize::try_from(self.start).ok(), usize::try_from(self.len).ok());
        let part = start.zip(len).and_then(|(start, len)| bytes.get(start..)?.get(..len));
        part.ok_or_else(|| "a part of it is nowhere".into())
    }
}

/// Bytes of a file.
pub fn read_at(file: &mut (impl Read + Seek), start: u64, len: u64) -> Result<Vec<u8>, Fault> {
    file.seek(SeekFrom::Start(start)).map_err(Fault::read)?;
    let mut bytes = Vec::new();
    file.take(len).read_to_end(&mut bytes).map_err(Fault::read)?;
    if bytes.len() as u64 == len { Ok(bytes) } else { Err("it is cut".into()) }
}

/// Where the result goes, and how much of it went.
pub struct Target<'a> {
    out: &'a mut dyn Write,
    at: u64,
    /// Otherwise only the findings are wanted.
    writes: bool,
}

impl<'a> Target<'a> {
    pub fn new(out: &'a mut dyn Write, writes: bool) -> Self {
        Self { out, at: 0, writes }
    }

    pub fn at(&self) -> u64 {
        self.at
    }

    pub fn write(&mut self, bytes: &[u8]) -> Result<(), Fault> {
        self.at += bytes.len() as u64;
        if self.writes {
            self.out.write_all(bytes).map_err(Fault::write)?;
        }
        Ok(())
    }

    /// Copies a part of a file.
    pub fn copy(&mut self, file: &mut (impl Read + Seek), place: Place) -> Result<(), Fault> {
        if !self.writes || place.len == 0 {
            return Ok(());
        }
        file.seek(SeekFrom::Start(place.start)).map_err(Fault::read)?;
        let mut left = place.len;
        let mut buffer = vec![0; READ.min(usize::try_from(left).unwrap_or(READ))];
        while left > 0 {
            let wanted = buffer.len().min(usize::try_from(left).unwrap_or(usize::MAX));
            let read = match file.read(&mut buffer[..wanted]) {
                Ok(0) => return Err("it is cut".into()),
                Ok(read) => read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(Fault::read(error)),
            };
            self.write(&buffer[..read])?;
            left -= read as u64;
        }
        Ok(())
    }
}

//! `decrypt`: from the bytes of a stored object, its headers, its KEK record and a keyring to plaintext, offline. What the
//! gateway would refuse is refused here too.

pub mod headers;
mod output;

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use bytes::BytesMut;
use clap::Args;
use keys::header::Header;
use keys::hierarchy::{Kek, KekRecord, LocalKeyring, RootKey, ToUnwrap};
use keys::metadata;
use keys::object::{
    Checksum, ChecksumKind, ETag, Facts, ObjectKey, RangeOpener, Suffix, TRAILER_LEN, open_suffix, table_len,
};
use md5::{Digest, Md5};

use crate::s3::checksum::Hasher;
use output::Output;

/// Bytes read at a time.
const BLOCK: usize = 256 << 10;

/// The longest headers or KEK record that is read, in bytes.
const MAX_DOCUMENT: u64 = 1 << 20;

#[derive(Debug, Args)]
pub(super) struct DecryptArgs {
    /// The stored object's bytes.
    #[arg(long, value_name = "FILE")]
    object: PathBuf,
    /// Its headers: what `aws s3api head-object` prints, a JSON map, or lines `name: value` as `curl -I` prints.
    #[arg(long, value_name = "FILE")]
    headers: PathBuf,
    /// Its alias, from the system bucket: of a copy that the storage was told to make with its source's header.
    #[arg(long, value_name = "FILE")]
    alias: Option<PathBuf>,
    /// The bucket that it was written to.
    #[arg(long)]
    bucket: String,
    /// The key that it was written under.
    #[arg(long)]
    key: String,
    /// The keyring file with the root key.
    #[arg(long, value_name = "FILE")]
    keyring: PathBuf,
    /// The KEK record, from the system bucket.
    #[arg(long, value_name = "FILE")]
    kek: PathBuf,
    /// Open it even though its metadata was changed in the backend: only the bytes are vouched for then.
    #[arg(long)]
    accept_metadata: bool,
    /// Where the plaintext goes; `-` for standard output. A file appears only once every byte of it is authenticated.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

/// Why nothing, or not all, could be decrypted.
#[derive(Debug, thiserror::Error)]
pub(super) enum DecryptError {
    #[error("{}", path.display())]
    Io { path: PathBuf, source: io::Error },
    #[error("{}: longer than 1 MiB, so it is not what it should be", .0.display())]
    TooLong(PathBuf),
    #[error("{}: {why}", path.display())]
    Headers { path: PathBuf, why: String },
    #[error("the headers have no `{}`: the object is not sealed, or its header was stripped", metadata::HEADER_NAME)]
    NoHeader,
    #[error(transparent)]
    Keys(#[from] keys::Error),
    #[error("the metadata was changed in the backend; `--accept-metadata` recovers the bytes all the same")]
    MetadataChanged,
    #[error("the plaintext is authentic, but is not what its {0} says: please report this")]
    Checksum(&'static str),
    #[error("the runtime cannot be started")]
    Runtime(#[source] io::Error),
}

impl DecryptArgs {
    /// Opens the object; gives its facts.
    pub(super) fn run(&self) -> Result<Facts, DecryptError> {
        let key = self.object_key()?;
        let mut object = File::open(&self.object).map_err(at(&self.object))?;
        let facts = self.facts(&key, &mut object)?;
        let mut output = Output::create(&self.out).map_err(at(&self.out))?;
        self.open(&key, &facts, &mut object, &mut output)?;
        output.commit().map_err(at(&self.out))?;
        Ok(facts)
    }

    fn object_key(&self) -> Result<ObjectKey, DecryptError> {
        let headers = headers::parse(&document(&self.headers)?)
            .map_err(|why| DecryptError::Headers { path: self.headers.clone(), why })?;
        let pairs = || headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes()));
        let (_, own) =
            pairs().find(|(name, _)| name.eq_ignore_ascii_case(metadata::HEADER_NAME)).ok_or(DecryptError::NoHeader)?;
        let header = match &self.alias {
            Some(alias) => Header::decode(&document(alias)?)?,
            None => Header::decode(own)?,
        };
        let kek = self.kek()?;
        let digest = metadata::digest(pairs(), header.mask);
        match kek.unwrap(&self.key, &header, digest) {
            Err(keys::Error::MetadataChanged) if self.accept_metadata => {
                eprintln!("data-vault: the metadata was changed in the backend; only the bytes are vouched for");
                Ok(kek.unwrap(&self.key, &header, header.metadata_digest)?)
            }
            Err(keys::Error::MetadataChanged) => Err(DecryptError::MetadataChanged),
            other => Ok(other?),
        }
    }

    fn kek(&self) -> Result<Kek, DecryptError> {
        let record = KekRecord::from_json(&document(&self.kek)?)?;
        if record.name.bucket != self.bucket {
            return Err(DecryptError::Keys(keys::Error::KekOfAnotherBucket {
                bucket: self.bucket.clone(),
                kek_id: record.name.kek_id,
            }));
        }
        let root = LocalKeyring::open(&self.keyring)?;
        let runtime = tokio::runtime::Builder::new_current_thread().build().map_err(DecryptError::Runtime)?;
        let batch =
            [ToUnwrap { name: record.name.clone(), root_key_id: record.root_key_id, wrapped: record.wrapped_key }];
        let key = runtime
            .block_on(root.unwrap(&batch))
            .pop()
            .unwrap_or(Err(keys::Error::BadKekRecord("the keyring gave no answer")))?;
        Ok(Kek::new(record.name, key))
    }

    fn facts(&self, key: &ObjectKey, object: &mut File) -> Result<Facts, DecryptError> {
        let total = object.metadata().map_err(at(&self.object))?.len();
        let mut wanted = TRAILER_LEN.min(total);
        loop {
            object.seek(SeekFrom::Start(total - wanted)).map_err(at(&self.object))?;
            // At most the TABLE of 10,000 parts: `open_suffix` asks for no more than the object has.
            let mut suffix = vec![0; wanted as usize];
            object.read_exact(&mut suffix).map_err(at(&self.object))?;
            match open_suffix(key, &suffix, total, true)? {
                Suffix::Facts(facts) => return Ok(facts),
                Suffix::NeedMore(more) => wanted = more.min(total),
            }
        }
    }

    fn open(&self, key: &ObjectKey, facts: &Facts, object: &mut File, output: &mut Output) -> Result<(), DecryptError> {
        let mut opener = RangeOpener::new(key, facts, 0..facts.length)?;
        let body = opener.source();
        let total = object.metadata().map_err(at(&self.object))?.len();
        let mut check = Check::new(facts);
        let mut plaintext = BytesMut::new();
        object.seek(SeekFrom::Start(body.start)).map_err(at(&self.object))?;
        self.blocks(object, body.end - body.start, |sealed| {
            opener.update(sealed, &mut plaintext)?;
            check.update(&plaintext);
            output.write_all(&plaintext).map_err(at(&self.out))?;
            plaintext.clear();
            Ok(())
        })?;
        opener.finish()?;
        let padding = total - body.end - table_len(facts.part_count) - TRAILER_LEN;
        self.blocks(object, padding, |zeros| {
            if zeros.iter().any(|b| *b != 0) {
                return Err(keys::Error::NotAuthentic("padding").into());
            }
            Ok(())
        })?;
        check.finish(facts)
    }

    /// Gives the next `length` bytes of the object, block by block.
    fn blocks(
        &self,
        object: &mut File,
        length: u64,
        mut take: impl FnMut(&[u8]) -> Result<(), DecryptError>,
    ) -> Result<(), DecryptError> {
        let mut buffer = vec![0; BLOCK];
        let mut left = length;
        while left > 0 {
            let block = &mut buffer[..left.min(BLOCK as u64) as usize];
            object.read_exact(block).map_err(at(&self.object))?;
            take(block)?;
            left -= block.len() as u64;
        }
        Ok(())
    }
}

/// Compares the plaintext with what its own `ETag` and checksum say. They are authentic, so a difference is a fault of the
/// gateway that wrote them.
struct Check {
    md5: Option<Md5>,
    checksum: Option<(Hasher, Checksum)>,
}

impl Check {
    fn new(facts: &Facts) -> Self {
        Self {
            md5: matches!(facts.etag, ETag::Md5(_)).then(Md5::new),
            checksum: facts
                .checksum
                .filter(|c| c.kind == ChecksumKind::FullObject)
                .map(|c| (Hasher::new(c.algorithm), c)),
        }
    }

    fn update(&mut self, plaintext: &[u8]) {
        if let Some(md5) = &mut self.md5 {
            md5.update(plaintext);
        }
        if let Some((hasher, _)) = &mut self.checksum {
            hasher.update(plaintext);
        }
    }

    fn finish(self, facts: &Facts) -> Result<(), DecryptError> {
        if let (Some(md5), ETag::Md5(wanted)) = (self.md5, facts.etag)
            && md5.finalize()[..] != wanted
        {
            return Err(DecryptError::Checksum("MD5"));
        }
        if let Some((hasher, wanted)) = self.checksum
            && hasher.finish().bytes() != wanted.bytes()
        {
            return Err(DecryptError::Checksum("checksum"));
        }
        Ok(())
    }
}

fn at(path: &Path) -> impl FnOnce(io::Error) -> DecryptError + use<'_> {
    move |source| DecryptError::Io { path: path.to_owned(), source }
}

fn document(path: &Path) -> Result<Vec<u8>, DecryptError> {
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(at(path))?;
    file.take(MAX_DOCUMENT + 1).read_to_end(&mut bytes).map_err(at(path))?;
    if bytes.len() as u64 > MAX_DOCUMENT {
        return Err(DecryptError::TooLong(path.to_owned()));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests;

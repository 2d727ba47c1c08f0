//! Archives of ZIP (APPNOTE 6.3.10). They are read from their end and written anew: members as the files that they are, with their names, times, modes and compression. Comments,
//! fields beyond these, and what stands between members are not taken over.

use std::io::{self, Read, Seek, SeekFrom, Write};

use zip::result::ZipError;
use zip::write::{SimpleFileOptions, StreamWriter};
use zip::{ZipArchive, ZipWriter};

use super::compressed::Bounded;
use super::fit::Names;
use super::stage::Stage;
use super::{FormatError, IN_MEMORY, Rule, Summary, Work, copy, file, read_error, rename};

/// Members of an archive; some 300 bytes of memory each.
const MEMBERS: u64 = 1_000_000;
/// Bytes of what a link points to.
const LINK: u64 = 4096;
/// Where the sizes of a member need the longer fields of ZIP64, as near as its scrubbed size is known.
const LARGE: u64 = 1 << 31;

/// Treats an archive.
pub fn scrub(
    source: &mut dyn Read,
    out: &mut dyn Write,
    job: &Work<'_>,
    depth: u32,
    summary: &mut Summary,
) -> Result<(), FormatError> {
    let mut stage = job.staged(source, IN_MEMORY)?;
    if members(&mut stage).map_err(read_error)? > MEMBERS {
        return Err(FormatError::Limit(format!("its zip has more than {MEMBERS} members")));
    }
    let mut archive = ZipArchive::new(stage).map_err(|error| broken(&error, job, depth))?;
    if archive.offset() != 0 {
        return Err(is_broken("something stands before it".to_owned(), job));
    }
    if is_document(&archive) {
        let what = "a document of an office program";
        if job.on_media != Rule::Pass {
            return Err(FormatError::Unknown { what, nested: depth > 1, rule: job.on_media });
        }
        *summary.passed.entry(what).or_default() += 1;
        let mut stage = archive.into_inner();
        stage.seek(SeekFrom::Start(0)).map_err(read_error)?;
        return copy(&mut stage, out, job);
    }
    let mut writer = job.actor.is_some().then(|| ZipWriter::new_stream(out));
    let mut names = Names::default();
    for index in 0..archive.len() {
        let mut entry = archive.by_index(index).map_err(|error| broken(&error, job, depth))?;
        let name = rename(entry.name_raw(), Some(&mut names), job, summary)?;
        let name = String::from_utf8_lossy(&name).into_owned();
        let mut options = SimpleFileOptions::default()
            .compression_method(entry.compression())
            .last_modified_time(entry.last_modified().unwrap_or_default())
            .large_file(entry.size() >= LARGE);
        if let Some(mode) = entry.unix_mode() {
            options = options.unix_permissions(mode);
        }
        if entry.is_dir() {
            if let Some(writer) = &mut writer {
                writer.add_directory(name, options).map_err(unwritten)?;
            }
            continue;
        }
        if entry.is_symlink() {
            let mut target = Vec::new();
            (&mut entry).take(LINK).read_to_end(&mut target).map_err(read_error)?;
            let target = rename(&target, None, job, summary)?;
            if let Some(writer) = &mut writer {
                let target = String::from_utf8_lossy(&target).into_owned();
                writer.add_symlink(name, target, options).map_err(unwritten)?;
            }
            continue;
        }
        let mut content = Bounded::new(Box::new(entry), "zip", job);
        match &mut writer {
            None => file(&mut content, &mut io::sink(), job, depth, summary)?,
            Some(writer) => {
                writer.start_file(name, options).map_err(unwritten)?;
                file(&mut content, writer, job, depth, summary)?;
            }
        }
    }
    writer
        .map_or(Ok(()), |writer: ZipWriter<StreamWriter<&mut dyn Write>>| writer.finish().map(drop).map_err(unwritten))
}

fn is_broken(why: String, job: &Work<'_>) -> FormatError {
    FormatError::Broken { format: "zip", why, rule: job.on_unknown }
}

fn broken(error: &ZipError, job: &Work<'_>, depth: u32) -> FormatError {
    match error {
        // Encrypted, or compressed in a way that is not read.
        ZipError::UnsupportedArchive(_) | ZipError::CompressionMethodNotSupported(_) => FormatError::Unknown {
            what: "a zip that is encrypted or of another kind",
            nested: depth > 1,
            // Its other members were read already.
            rule: if job.on_unknown == Rule::Pass { Rule::Refuse } else { job.on_unknown },
        },
        error => is_broken(error.to_string(), job),
    }
}

fn unwritten(error: ZipError) -> FormatError {
    FormatError::Write(io::Error::other(error))
}

/// Whether it is one of Office Open XML or of `OpenDocument`.
fn is_document(archive: &ZipArchive<Stage>) -> bool {
    archive.file_names().flatten().any(|name| matches!(&*name, "[Content_Types].xml" | "META-INF/manifest.xml"))
}

/// How many members it says that it has, before memory is taken for them; 0 where it says nothing.
fn members(stage: &mut Stage) -> io::Result<u64> {
    /// The record at the end, with the longest comment, and the locator of ZIP64 before it.
    const TAIL: u64 = 22 + 0xFFFF + 20;
    let from = stage.len().saturating_sub(TAIL);
    stage.seek(SeekFrom::Start(from))?;
    let mut tail = Vec::new();
    stage.read_to_end(&mut tail)?;
    let Some(at) = memchr::memmem::rfind(&tail, b"PK\x05\x06") else { return Ok(0) };
    let word = |at: usize| tail.get(at..at + 2).map_or(0, |two| u64::from(two[0]) | u64::from(two[1]) << 8);
    let (count, long) = (word(at + 10), |bytes: &[u8]| bytes.iter().rev().fold(0, |n, byte| n << 8 | u64::from(*byte)));
    let locator = at.checked_sub(20).map_or(&[][..], |from| &tail[from..at]);
    if count == 0xFFFF && locator.starts_with(b"PK\x06\x07") {
        let mut record = [0; 40];
        stage.seek(SeekFrom::Start(long(&locator[8..16])))?;
        stage.read_exact(&mut record)?;
        return Ok(long(&record[32..40]));
    }
    Ok(count)
}

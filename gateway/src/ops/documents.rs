//! The XML that operations read from the backend and answer to clients.

use keys::object::{Checksum, ChecksumAlgorithm, ChecksumKind, Facts};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use time::macros::format_description;

use super::multipart::HeldPart;
use crate::backend::query_value;
use crate::s3::address::Query;
use crate::s3::xml::{
    CompleteMultipartUploadResult, CopyResult, Document, Element, ListPartsResult, ListedPart, ObjectAttributes,
    ObjectParts, PartAttributes, ShownChecksum, checksum_element, escape, with_declaration,
};
use crate::s3::{Error, checksum};

/// The text of the first element of that name, wherever it stands in an answer of the backend.
pub fn text(answer: &[u8], name: &str) -> Option<String> {
    let document = Document::parse(answer).ok()?;
    document.iter().find(|e| e.name() == name)?.text().ok().map(std::borrow::Cow::into_owned)
}

/// The `Code` of an error answer; none where the answer is no error.
pub fn error_code(answer: &[u8]) -> Option<String> {
    let document = Document::parse(answer).ok()?;
    let root = document.root();
    (root.name() == "Error")
        .then(|| root.child_text("Code").ok().flatten().map(std::borrow::Cow::into_owned).unwrap_or_default())
}

/// Gives the first child of the root of each name another text.
pub fn replace_texts(answer: &[u8], texts: &[(&str, &str)]) -> Result<Vec<u8>, Error> {
    let document = Document::parse(answer).map_err(|e| e.of_backend())?;
    let mut edits = document.edit();
    for (name, text) in texts {
        if let Some(element) = document.root().child(name) {
            edits.set_text(element, text);
        }
    }
    Ok(edits.finish())
}

/// A `CompleteMultipartUpload` of our own: number and backend `ETag` of each part.
pub fn complete_request<'a>(parts: impl Iterator<Item = (usize, &'a str)>) -> String {
    let mut xml = String::from("<CompleteMultipartUpload xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">");
    for (number, etag) in parts {
        xml.push_str("<Part><PartNumber>");
        xml.push_str(&number.to_string());
        xml.push_str("</PartNumber><ETag>\"");
        xml.push_str(&escape(etag));
        xml.push_str("\"</ETag></Part>");
    }
    xml.push_str("</CompleteMultipartUpload>");
    xml
}

/// ISO 8601 with milliseconds, as S3 writes times in XML.
pub fn timestamp(ms: i64) -> String {
    let format = format_description!("[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:3]Z");
    OffsetDateTime::from_unix_timestamp_nanos(i128::from(ms) * 1_000_000)
        .ok()
        .and_then(|t| t.format(format).ok())
        .unwrap_or_default()
}

fn milliseconds(text: &str) -> Option<i64> {
    let at = OffsetDateTime::parse(text, &Rfc3339).ok()?;
    i64::try_from(at.unix_timestamp_nanos() / 1_000_000).ok()
}

/// A checksum as clients see it, in an object of `parts` parts.
fn shown(sum: &Checksum, parts: u16) -> ShownChecksum {
    ShownChecksum { algorithm: sum.algorithm, kind: sum.kind, value: checksum::to_text(sum, parts.into()) }
}

/// The answer to a copy.
pub fn copy_object_result(facts: &Facts, last_modified: &str) -> String {
    let sum = facts.checksum.as_ref().map(|c| shown(c, facts.part_count));
    with_declaration(&CopyResult { etag: &facts.etag_string(), last_modified, checksum: sum.as_ref() }.object_element())
}

/// The answer to a part copy.
pub fn copy_part_result(etag: &str, at_ms: i64, sum: Option<&Checksum>) -> String {
    let sum = sum.map(|c| shown(c, 1));
    with_declaration(&CopyResult { etag, last_modified: &timestamp(at_ms), checksum: sum.as_ref() }.part_element())
}

/// The answer to a Complete.
pub fn complete_result(bucket: &str, key: &str, facts: &Facts, location: &str) -> String {
    let sum = facts.checksum.as_ref().map(|c| shown(c, facts.part_count));
    let result =
        CompleteMultipartUploadResult { location, bucket, key, etag: &facts.etag_string(), checksum: sum.as_ref() };
    with_declaration(&result.element())
}

/// One page of the backend's `ListParts`.
pub struct BackendParts {
    /// Number, `ETag` without quotes, time.
    pub parts: Vec<(u16, String, String)>,
    /// There are more.
    pub truncated: bool,
}

/// Reads a page of the backend's `ListParts`.
pub fn read_parts(page: &[u8]) -> Result<BackendParts, Error> {
    let document = Document::parse(page).map_err(|e| e.of_backend())?;
    let root = document.root();
    let mut parts = Vec::new();
    for part in root.elements("Part") {
        let number = required(part, "PartNumber")?
            .trim()
            .parse()
            .map_err(|_| Error::Protocol("a part number that is none".into()))?;
        let etag = required(part, "ETag")?.trim_matches('"').to_owned();
        let when = part.child_text("LastModified").map_err(|e| e.of_backend())?.unwrap_or_default().into_owned();
        parts.push((number, etag, when));
    }
    let truncated = root.child_text("IsTruncated").map_err(|e| e.of_backend())?.as_deref() == Some("true");
    Ok(BackendParts { parts, truncated })
}

fn required(element: Element<'_>, name: &str) -> Result<String, Error> {
    let text = element.child_text(name).map_err(|e| e.of_backend())?;
    text.map(std::borrow::Cow::into_owned)
        .ok_or_else(|| Error::Protocol(format!("{} without {name} in the backend's answer", element.name()).into()))
}

/// What `ListParts` shows.
pub struct PartsPage<'a> {
    /// Bucket.
    pub bucket: &'a str,
    /// Key.
    pub key: &'a str,
    /// The client's id of the upload.
    pub upload_id: &'a str,
    /// After which number it begins.
    pub marker: u16,
    /// How many at most.
    pub max: u16,
    /// There are more.
    pub truncated: bool,
    /// As the upload was started with.
    pub checksum: Option<(ChecksumAlgorithm, ChecksumKind)>,
    /// The parts.
    pub parts: &'a [HeldPart],
}

/// The answer to `ListParts`: owner, initiator and storage class from the backend's first page, the parts ours.
pub fn write_parts(first_page: &[u8], page: &PartsPage<'_>) -> Result<String, Error> {
    let document = Document::parse(first_page).map_err(|e| e.of_backend())?;
    let passed: String = ["Initiator", "Owner", "StorageClass"]
        .iter()
        .filter_map(|name| document.root().child(name))
        .map(|e| e.raw())
        .collect();
    let parts = page
        .parts
        .iter()
        .map(|p| ListedPart {
            number: p.attempt.number,
            last_modified: p.last_modified.clone(),
            etag: hex::encode(p.attempt.entry.md5),
            size: p.attempt.entry.length,
            checksum: p.attempt.entry.checksum.as_ref().filter(|_| page.checksum.is_some()).map(|c| shown(c, 1)),
        })
        .collect();
    let result = ListPartsResult {
        bucket: page.bucket,
        key: page.key,
        upload_id: page.upload_id,
        part_number_marker: page.marker,
        next_part_number_marker: page.truncated.then(|| page.parts.last().map(|p| p.attempt.number)).flatten(),
        max_parts: page.max,
        checksum: page.checksum,
        passed: &passed,
        parts,
    };
    Ok(with_declaration(&result.element()))
}

/// The backend's ids of the uploads that a listing shows.
pub fn upload_ids(listing: &[u8]) -> Result<Vec<String>, Error> {
    let document = Document::parse(listing).map_err(|e| e.of_backend())?;
    document.root().elements("Upload").map(|u| required(u, "UploadId")).collect()
}

/// What becomes of an upload in a listing.
pub enum ShownUpload {
    /// Under the id that its client knows.
    Named(String),
    /// One of our own.
    Hidden,
    /// Unknown to the sidecar: under the backend's id, with which only Abort works.
    AsItIs,
}

/// Renames the uploads of a listing, and its next marker.
pub fn rename_uploads(listing: &[u8], rename: impl Fn(&str) -> ShownUpload) -> Result<Vec<u8>, Error> {
    let document = Document::parse(listing).map_err(|e| e.of_backend())?;
    let mut edits = document.edit();
    let root = document.root();
    for upload in root.elements("Upload") {
        for name in ["ChecksumAlgorithm", "ChecksumType"] {
            if let Some(e) = upload.child(name) {
                edits.remove(e);
            }
        }
        let Some(id) = upload.child("UploadId") else { continue };
        match rename(&id.text().map_err(|e| e.of_backend())?) {
            ShownUpload::Named(token) => edits.set_text(id, &token),
            ShownUpload::Hidden => edits.remove(upload),
            ShownUpload::AsItIs => {}
        }
    }
    for name in ["NextUploadIdMarker", "UploadIdMarker"] {
        if let Some(marker) = root.child(name)
            && let ShownUpload::Named(token) = rename(&marker.text().map_err(|e| e.of_backend())?)
        {
            edits.set_text(marker, &token);
        }
    }
    Ok(edits.finish())
}

/// Takes a bucket out of `ListBuckets`.
pub fn without_bucket(listing: &[u8], hidden: &str) -> Result<Vec<u8>, Error> {
    let document = Document::parse(listing).map_err(|e| e.of_backend())?;
    let mut edits = document.edit();
    // Ceph RGW's usage has a `Bucket` in a `Bucket`, and in an `Entry`.
    for bucket in document.iter().filter(|e| ["Bucket", "Entry"].contains(&e.name())) {
        for name in ["Name", "Bucket"] {
            if bucket.child_text(name).map_err(|e| e.of_backend())?.as_deref() == Some(hidden) {
                edits.remove(bucket);
                break;
            }
        }
    }
    Ok(edits.finish())
}

/// Key and version of what `DeleteObjects` could not delete.
pub fn failed_deletes(answer: &[u8]) -> Result<Vec<(String, Option<String>)>, Error> {
    let document = Document::parse(answer).map_err(|e| e.of_backend())?;
    let mut failed = Vec::new();
    for error in document.root().elements("Error") {
        let version = error
            .child_text("VersionId")
            .map_err(|e| e.of_backend())?
            .map(std::borrow::Cow::into_owned)
            .filter(|v| !v.is_empty());
        failed.push((required(error, "Key")?, version));
    }
    Ok(failed)
}

/// Keys for which `DeleteObjects` made a delete marker.
pub fn marked_deletes(answer: &[u8]) -> Result<Vec<String>, Error> {
    let document = Document::parse(answer).map_err(|e| e.of_backend())?;
    let mut marked = Vec::new();
    for deleted in document.root().elements("Deleted") {
        if deleted.child_text("DeleteMarker").map_err(|e| e.of_backend())?.as_deref() == Some("true") {
            marked.push(required(deleted, "Key")?);
        }
    }
    Ok(marked)
}

/// The tags of a `Tagging` document, as `x-amz-tagging` holds them.
pub fn tags(answer: &[u8]) -> Result<String, Error> {
    // Ceph RGW's document for no tags is none.
    if answer.is_empty() {
        return Ok(String::new());
    }
    let document = Document::parse(answer).map_err(|e| e.of_backend())?;
    let mut pairs = Vec::new();
    for tag in document.iter().filter(|e| e.name() == "Tag") {
        pairs.push(format!("{}={}", query_value(&required(tag, "Key")?), query_value(&required(tag, "Value")?)));
    }
    Ok(pairs.join("&"))
}

/// The `Tagging` document of what `x-amz-tagging` holds.
pub fn tagging(header: &str) -> Result<String, Error> {
    let tags = Query::parse(header)?;
    let mut xml = String::from("<Tagging xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><TagSet>");
    for (key, value) in tags.iter() {
        xml.push_str("<Tag><Key>");
        xml.push_str(&escape(key));
        xml.push_str("</Key><Value>");
        xml.push_str(&escape(value.unwrap_or_default()));
        xml.push_str("</Value></Tag>");
    }
    xml.push_str("</TagSet></Tagging>");
    Ok(xml)
}

/// Keys and times, milliseconds since the Unix epoch, of a listing of our own.
pub fn listed_keys(listing: &[u8]) -> Result<Vec<(String, i64)>, Error> {
    let document = Document::parse(listing).map_err(|e| e.of_backend())?;
    let mut keys = Vec::new();
    for entry in document.root().elements("Contents") {
        let when = milliseconds(required(entry, "LastModified")?.trim())
            .ok_or_else(|| Error::Protocol("a time that is none".into()))?;
        keys.push((required(entry, "Key")?, when));
    }
    Ok(keys)
}

/// What `GetObjectAttributes` answers for a sealed object. `page`: part number marker and most parts.
pub fn object_attributes(asked: &[String], facts: &Facts, class: &str, (marker, max): (u16, u16)) -> String {
    let wants = |name: &str| asked.iter().any(|a| a == name);
    let etag = facts.etag_string();
    let sum = facts.checksum.as_ref().map(|c| shown(c, facts.part_count));
    let multipart = facts.etag.is_of_parts() || facts.part_count > 1;
    let parts = (wants("ObjectParts") && multipart).then(|| {
        let mut parts: Vec<PartAttributes> = facts
            .parts
            .iter()
            .map(|p| PartAttributes {
                number: p.number,
                size: p.length,
                checksum: p.checksum.as_ref().map(|c| shown(c, 1)),
            })
            .collect();
        if parts.is_empty() {
            // The one part of an upload has no row of its own.
            parts.push(PartAttributes { number: facts.first_number, size: facts.length, checksum: None });
        }
        parts.retain(|p| p.number > marker);
        let more = parts.len() > usize::from(max);
        parts.truncate(usize::from(max));
        let next = more.then(|| parts.last().map(|p| p.number)).flatten();
        ObjectParts {
            total: facts.part_count,
            part_number_marker: marker,
            next_part_number_marker: next,
            max_parts: max,
            parts,
        }
    });
    let attributes = ObjectAttributes {
        etag: wants("ETag").then_some(&*etag),
        checksum: sum.as_ref().filter(|_| wants("Checksum")),
        parts,
        storage_class: wants("StorageClass").then_some(class),
        size: wants("ObjectSize").then_some(facts.length),
    };
    with_declaration(&attributes.element())
}

/// The same for plaintext from before.
pub fn plain_attributes(asked: &[String], etag: &str, length: u64, class: &str) -> String {
    let wants = |name: &str| asked.iter().any(|a| a == name);
    let attributes = ObjectAttributes {
        etag: wants("ETag").then_some(etag),
        checksum: None,
        parts: None,
        storage_class: wants("StorageClass").then_some(class),
        size: wants("ObjectSize").then_some(length),
    };
    with_declaration(&attributes.element())
}

/// The backend's answer to Complete with what is ours in it.
pub fn edit_complete_result(answer: &[u8], facts: &Facts, location: &str) -> Result<Vec<u8>, Error> {
    let document = Document::parse(answer).map_err(|e| e.of_backend())?;
    let root = document.root();
    let mut edits = document.edit();
    if let Some(e) = root.child("Location") {
        edits.set_text(e, location);
    }
    if let Some(e) = root.child("ETag") {
        edits.set_text(e, &format!("\"{}\"", facts.etag_string()));
    }
    for child in root.children().filter(|c| c.name().starts_with("Checksum")) {
        edits.remove(child);
    }
    if let Some(sum) = &facts.checksum {
        let shown = shown(sum, facts.part_count);
        let name = checksum_element(sum.algorithm);
        edits.append(
            root,
            &format!(
                "<{name}>{}</{name}><ChecksumType>{}</ChecksumType>",
                escape(&shown.value),
                checksum::kind_name(sum.kind)
            ),
        );
    }
    Ok(edits.finish())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What was set by a header comes back as that header, whatever is in it.
    #[test]
    fn tags_survive_the_document() {
        for header in ["a=1", "a=1&b=", "k%20%26%3D=%3Cv%3E%22", "%C3%A9t%C3%A9=%E2%82%AC%2B"] {
            assert_eq!(tags(tagging(header).unwrap().as_bytes()).unwrap(), header);
        }
        assert_eq!(tags(tagging("flag").unwrap().as_bytes()).unwrap(), "flag=");
    }

    #[test]
    fn no_tags() {
        assert_eq!(tags(b"").unwrap(), "", "Ceph RGW");
        assert_eq!(tags(b"<Tagging><TagSet/></Tagging>").unwrap(), "");
        assert!(tags(b"<Tagging><TagSet><Tag><Key>a</Key></Tag></TagSet></Tagging>").is_err(), "a tag without a value");
        assert!(tags(b"<Tagging>").is_err());
    }
}

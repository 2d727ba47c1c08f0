//! Readers for the documents that clients send and that we must understand. Anything else in them is not ours to judge, but an
//! element that we read may stand there only once: a backend might read the other one.

use keys::object::ChecksumAlgorithm;
use s3s::S3ErrorCode;

use super::{Document, Element, XmlError, checksum_element, malformed};
use crate::s3::Error;

/// The longest `CompleteMultipartUpload` body that is read, in bytes: 10,000 parts, each with every checksum.
pub const MAX_COMPLETE: usize = 6 << 20;
/// The longest `Delete` body that is read, in bytes, as S3 has it.
pub const MAX_DELETE: usize = 2 << 20;

const MAX_PART_NUMBER: u16 = 10_000;
const MAX_DELETED: usize = 1000;

const ALGORITHMS: [ChecksumAlgorithm; 5] = [
    ChecksumAlgorithm::Crc32,
    ChecksumAlgorithm::Crc32c,
    ChecksumAlgorithm::Crc64Nvme,
    ChecksumAlgorithm::Sha1,
    ChecksumAlgorithm::Sha256,
];

/// A part as the client lists it in `CompleteMultipartUpload`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CompletedPart {
    /// 1 to 10,000.
    pub number: u16,
    /// Without quotes.
    pub etag: String,
    /// The checksums that the client repeats, as it wrote them (base64).
    pub checksums: Vec<(ChecksumAlgorithm, String)>,
}

/// Reads a `CompleteMultipartUpload` document: at least one part, in ascending order. Of a part that is listed twice the later counts, as
/// for one that was uploaded twice.
///
/// Errors: `MalformedXML`, `InvalidArgument` for a part number out of range, `InvalidPartOrder`.
pub fn read_complete(body: &[u8]) -> Result<Vec<CompletedPart>, Error> {
    let document = client_document(body, "CompleteMultipartUpload")?;
    let mut parts: Vec<CompletedPart> = Vec::new();
    for element in document.root().elements("Part") {
        let part = completed_part(element)?;
        if parts.last().is_some_and(|last| last.number == part.number) {
            parts.pop();
        }
        if parts.last().is_some_and(|last| last.number > part.number) {
            return Err(Error::client(
                S3ErrorCode::InvalidPartOrder,
                "The list of parts was not in ascending order. The parts list must be specified in order by part number.",
            ));
        }
        parts.push(part);
    }
    if parts.is_empty() {
        return Err(malformed("You must specify at least one part."));
    }
    Ok(parts)
}

fn completed_part(element: Element<'_>) -> Result<CompletedPart, Error> {
    let number = required(element, "PartNumber")?;
    let number =
        number.trim().parse().ok().filter(|number| (1..=MAX_PART_NUMBER).contains(number)).ok_or_else(|| {
            Error::client(
                S3ErrorCode::InvalidArgument,
                "Part number must be an integer between 1 and 10000, inclusive.",
            )
        })?;
    let mut checksums = Vec::new();
    for algorithm in ALGORITHMS {
        if let Some(value) = optional(element, checksum_element(algorithm))? {
            checksums.push((algorithm, value.trim().to_owned()));
        }
    }
    Ok(CompletedPart { number, etag: unquoted(&required(element, "ETag")?), checksums })
}

/// A `Delete` document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeleteRequest {
    /// 1 to 1,000, in order.
    pub objects: Vec<DeleteTarget>,
    /// Whether only failures are to be answered.
    pub quiet: bool,
}

/// An object to delete, and the conditions on it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeleteTarget {
    /// Key, as it is.
    pub key: String,
    /// The version to delete.
    pub version_id: Option<String>,
    /// Delete only while the object has this `ETag`; without quotes, `*` for any.
    pub etag: Option<String>,
    /// Delete only while the object has this size in bytes.
    pub size: Option<u64>,
    /// Delete only while the object has this modification time, as the client wrote it.
    pub last_modified: Option<String>,
}

/// Reads a `Delete` document. Error: `MalformedXML`, for none and for more than 1,000 objects too.
pub fn read_delete(body: &[u8]) -> Result<DeleteRequest, Error> {
    let document = client_document(body, "Delete")?;
    let root = document.root();
    let mut objects = Vec::new();
    for element in root.elements("Object") {
        if objects.len() == MAX_DELETED {
            return Err(malformed("At most 1000 objects can be deleted at once."));
        }
        objects.push(delete_target(element)?);
    }
    if objects.is_empty() {
        return Err(malformed("The Delete document names no object."));
    }
    let quiet = match optional(root, "Quiet")?.as_deref().map(str::trim) {
        None => false,
        Some(flag) if flag.eq_ignore_ascii_case("true") => true,
        Some(flag) if flag.is_empty() || flag.eq_ignore_ascii_case("false") => false,
        Some(_) => return Err(malformed("Quiet is neither true nor false.")),
    };
    Ok(DeleteRequest { objects, quiet })
}

fn delete_target(element: Element<'_>) -> Result<DeleteTarget, Error> {
    let key = required(element, "Key")?;
    if key.is_empty() {
        return Err(malformed("An object to delete has an empty Key."));
    }
    let size = optional(element, "Size")?
        .map(|size| size.trim().parse())
        .transpose()
        .map_err(|_| malformed("Size is not a number of bytes."))?;
    Ok(DeleteTarget {
        key,
        version_id: optional(element, "VersionId")?.filter(|id| !id.is_empty()),
        etag: optional(element, "ETag")?.map(|etag| unquoted(&etag)),
        size,
        last_modified: optional(element, "LastModifiedTime")?,
    })
}

fn client_document<'a>(body: &'a [u8], root: &str) -> Result<Document<'a>, Error> {
    let document = Document::parse(body).map_err(|error| error.of_client())?;
    if document.root().name() != root {
        return Err(malformed(format!("The XML you provided is not a {root} document.")));
    }
    Ok(document)
}

fn required(element: Element<'_>, name: &'static str) -> Result<String, Error> {
    optional(element, name)?.ok_or_else(|| malformed(format!("{} without {name}.", element.name().to_owned())))
}

fn optional(element: Element<'_>, name: &str) -> Result<Option<String>, Error> {
    let mut found = element.elements(name);
    let Some(child) = found.next() else {
        return Ok(None);
    };
    if found.next().is_some() {
        return Err(malformed("An element is there twice."));
    }
    let text = child.text().map_err(|error: XmlError| error.of_client())?;
    Ok(Some(text.into_owned()))
}

fn unquoted(etag: &str) -> String {
    let etag = etag.trim();
    etag.strip_prefix('"').and_then(|etag| etag.strip_suffix('"')).unwrap_or(etag).to_owned()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn code<T: std::fmt::Debug>(result: Result<T, Error>) -> String {
        result.expect_err("an error").s3().0.into_owned()
    }

    #[test]
    fn complete() {
        let body = br#"<CompleteMultipartUpload xmlns="http://s3.amazonaws.com/doc/2006-03-01/">
            <Part><ETag>&quot;aa&quot;</ETag><PartNumber>1</PartNumber></Part>
            <Part><PartNumber>9</PartNumber><ETag>"bb"</ETag><ChecksumCRC32>AAAAAA==</ChecksumCRC32><ChecksumSHA256>x</ChecksumSHA256></Part>
            <Part><PartNumber> 10000 </PartNumber><ETag>cc</ETag></Part></CompleteMultipartUpload>"#;
        let parts = read_complete(body).unwrap();
        assert_eq!(parts.iter().map(|part| part.number).collect::<Vec<_>>(), [1, 9, 10_000]);
        assert_eq!(parts.iter().map(|part| part.etag.as_str()).collect::<Vec<_>>(), ["aa", "bb", "cc"]);
        assert_eq!(
            parts[1].checksums,
            [(ChecksumAlgorithm::Crc32, "AAAAAA==".to_owned()), (ChecksumAlgorithm::Sha256, "x".to_owned())]
        );
    }

    #[test]
    fn of_a_part_listed_twice_the_later_counts() {
        let part = |etag: &str| format!("<Part><PartNumber>2</PartNumber><ETag>{etag}</ETag></Part>");
        let body = format!("<CompleteMultipartUpload>{}{}</CompleteMultipartUpload>", part("first"), part("second"));
        let parts = read_complete(body.as_bytes()).unwrap();
        assert_eq!(parts.iter().map(|p| p.etag.as_str()).collect::<Vec<_>>(), ["second"]);
    }

    #[test]
    fn complete_refused() {
        let part = |number: &str| format!("<Part><PartNumber>{number}</PartNumber><ETag>e</ETag></Part>");
        let body = |inner: &str| format!("<CompleteMultipartUpload>{inner}</CompleteMultipartUpload>");
        let read = |inner: &str| code(read_complete(body(inner).as_bytes()));
        assert_eq!(read(""), "MalformedXML");
        assert_eq!(read("<Part><PartNumber>1</PartNumber></Part>"), "MalformedXML");
        assert_eq!(read("<Part><ETag>e</ETag></Part>"), "MalformedXML");
        assert_eq!(read("<Part><PartNumber>1</PartNumber><ETag>a</ETag><ETag>b</ETag></Part>"), "MalformedXML");
        for number in ["0", "10001", "-1", "x", "1.0", "99999999999"] {
            assert_eq!(read(&part(number)), "InvalidArgument", "{number}");
        }
        assert_eq!(read(&(part("2") + &part("1"))), "InvalidPartOrder");
        assert_eq!(read(&(part("1") + &part("2") + &part("1"))), "InvalidPartOrder");
        assert_eq!(code(read_complete(b"<Other/>")), "MalformedXML");
        assert_eq!(code(read_complete(b"")), "MalformedXML");
        let all: String = (1..=10_000).map(|number| part(&number.to_string())).collect();
        assert_eq!(read_complete(body(&all).as_bytes()).unwrap().len(), 10_000);
    }

    #[test]
    fn delete() {
        let body = b"<Delete><Quiet>true</Quiet><Object><Key> a&amp;&#13;b </Key><VersionId>v</VersionId></Object>\
            <Object><ETag>&quot;e&quot;</ETag><Size>7</Size><LastModifiedTime>t</LastModifiedTime><Key>k</Key></Object></Delete>";
        let target = DeleteTarget {
            key: " a&\rb ".into(),
            version_id: Some("v".into()),
            etag: None,
            size: None,
            last_modified: None,
        };
        let conditional = DeleteTarget {
            key: "k".into(),
            version_id: None,
            etag: Some("e".into()),
            size: Some(7),
            last_modified: Some("t".into()),
        };
        assert_eq!(read_delete(body).unwrap(), DeleteRequest { objects: vec![target, conditional], quiet: true });
        let object = "<Object><Key>k</Key></Object>";
        let of = |inner: &str| read_delete(format!("<Delete>{inner}</Delete>").as_bytes());
        assert!(!of(object).unwrap().quiet);
        assert_eq!(of(&object.repeat(1000)).unwrap().objects.len(), 1000);
        for inner in [
            String::new(),
            object.repeat(1001),
            "<Object/>".into(),
            "<Object><Key/></Object>".into(),
            "<Object><Key>a</Key><Key>b</Key></Object>".into(),
            "<Object><Key>a</Key><Size>x</Size></Object>".into(),
            format!("{object}<Quiet>maybe</Quiet>"),
        ] {
            assert_eq!(code(of(&inner)), "MalformedXML", "{inner:.80}");
        }
    }

    proptest! {
        #[test]
        fn never_panics(body in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = read_complete(&body);
            let _ = read_delete(&body);
        }
    }
}

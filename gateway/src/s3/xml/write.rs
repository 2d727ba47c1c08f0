//! Writers for the answers that are ours. Each `element` gives the root element without the XML declaration, which goes out
//! first where white space keeps a slow answer alive.

use std::fmt::Write as _;

use keys::object::{ChecksumAlgorithm, ChecksumKind};

const NAMESPACE: &str = "http://s3.amazonaws.com/doc/2006-03-01/";
const DECLARATION: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n";

/// A whole document around a root element.
pub fn with_declaration(element: &str) -> String {
    format!("{DECLARATION}{element}")
}

/// Text for an element or an attribute. Control characters become references, so that no parser trims, normalizes or drops
/// them; those that XML 1.0 does not know come out as S3 writes them (clients ask for `encoding-type=url` to be safe).
pub fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    push_escaped(&mut out, text);
    out
}

/// [`escape`] onto the end of what is there.
pub(super) fn push_escaped(out: &mut String, text: &str) {
    let is_escaped = |character: char| matches!(character, '&' | '<' | '>' | '"' | '\'' | '\0'..='\x1f' | '\x7f'..='\u{9f}' | '\u{2028}' | '\u{fffe}' | '\u{ffff}');
    let mut rest = text;
    while let Some(at) = rest.find(is_escaped) {
        let (plain, escaped) = rest.split_at(at);
        out.push_str(plain);
        let mut characters = escaped.chars();
        match characters.next() {
            Some('&') => out.push_str("&amp;"),
            Some('<') => out.push_str("&lt;"),
            Some('>') => out.push_str("&gt;"),
            Some('"') => out.push_str("&quot;"),
            Some('\'') => out.push_str("&apos;"),
            Some(other) => push_reference(out, other),
            None => {}
        }
        rest = characters.as_str();
    }
    out.push_str(rest);
}

fn push_reference(out: &mut String, character: char) {
    // Writing to a String never fails.
    let _ = write!(out, "&#x{:X};", u32::from(character));
}

/// The element in which S3 gives a checksum: `ChecksumCRC32`.
pub const fn checksum_element(algorithm: ChecksumAlgorithm) -> &'static str {
    match algorithm {
        ChecksumAlgorithm::Crc32 => "ChecksumCRC32",
        ChecksumAlgorithm::Crc32c => "ChecksumCRC32C",
        ChecksumAlgorithm::Crc64Nvme => "ChecksumCRC64NVME",
        ChecksumAlgorithm::Sha1 => "ChecksumSHA1",
        ChecksumAlgorithm::Sha256 => "ChecksumSHA256",
    }
}

/// A checksum as clients see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShownChecksum {
    /// Which.
    pub algorithm: ChecksumAlgorithm,
    /// Over what.
    pub kind: ChecksumKind,
    /// Base64, with `-N` where it is composite.
    pub value: String,
}

impl ShownChecksum {
    fn kind_name(&self) -> &'static str {
        match self.kind {
            ChecksumKind::FullObject => "FULL_OBJECT",
            ChecksumKind::Composite => "COMPOSITE",
        }
    }

    fn algorithm_name(&self) -> &'static str {
        checksum_element(self.algorithm).trim_start_matches("Checksum")
    }
}

/// The answer of `CompleteMultipartUpload`.
#[derive(Clone, Debug)]
pub struct CompleteMultipartUploadResult<'a> {
    /// URL of the object at the gateway.
    pub location: &'a str,
    /// Bucket.
    pub bucket: &'a str,
    /// Key.
    pub key: &'a str,
    /// Without quotes.
    pub etag: &'a str,
    /// Of the whole object.
    pub checksum: Option<&'a ShownChecksum>,
}

impl CompleteMultipartUploadResult<'_> {
    /// The root element.
    pub fn element(&self) -> String {
        let mut xml = Xml::root("CompleteMultipartUploadResult");
        xml.leaf("Location", self.location)
            .leaf("Bucket", self.bucket)
            .leaf("Key", self.key)
            .etag(self.etag)
            .checksum(self.checksum, true);
        xml.end()
    }
}

/// The answer of `PostObject` with the status 201. S3 gives it no namespace.
#[derive(Clone, Debug)]
pub struct PostResponse<'a> {
    /// URL of the object at the gateway.
    pub location: &'a str,
    /// Bucket.
    pub bucket: &'a str,
    /// Key.
    pub key: &'a str,
    /// Without quotes.
    pub etag: &'a str,
}

impl PostResponse<'_> {
    /// The root element.
    pub fn element(&self) -> String {
        let mut xml = Xml { out: String::new(), open: Vec::new() };
        xml.open("PostResponse")
            .leaf("Location", self.location)
            .leaf("Bucket", self.bucket)
            .leaf("Key", self.key)
            .etag(self.etag);
        xml.end()
    }
}

/// The answer of `CopyObject` and of `UploadPartCopy`.
#[derive(Clone, Debug)]
pub struct CopyResult<'a> {
    /// Without quotes.
    pub etag: &'a str,
    /// ISO 8601, as the backend gives it.
    pub last_modified: &'a str,
    /// Of the copy.
    pub checksum: Option<&'a ShownChecksum>,
}

impl CopyResult<'_> {
    /// The root element of `CopyObject`.
    pub fn object_element(&self) -> String {
        self.write("CopyObjectResult", true)
    }

    /// The root element of `UploadPartCopy`.
    pub fn part_element(&self) -> String {
        self.write("CopyPartResult", false)
    }

    fn write(&self, root: &'static str, with_kind: bool) -> String {
        let mut xml = Xml::root(root);
        xml.leaf("LastModified", self.last_modified).etag(self.etag).checksum(self.checksum, with_kind);
        xml.end()
    }
}

/// The answer of `ListParts`.
#[derive(Clone, Debug)]
pub struct ListPartsResult<'a> {
    /// Bucket.
    pub bucket: &'a str,
    /// Key.
    pub key: &'a str,
    /// The client's upload id.
    pub upload_id: &'a str,
    /// After which part number the list begins.
    pub part_number_marker: u16,
    /// The last part number listed, where there are more.
    pub next_part_number_marker: Option<u16>,
    /// How many were asked for.
    pub max_parts: u16,
    /// As the upload was started with; none where the client named none.
    pub checksum: Option<(ChecksumAlgorithm, ChecksumKind)>,
    /// Elements of the backend's own answer that pass (`Initiator`, `Owner`, `StorageClass`), as raw XML.
    pub passed: &'a str,
    /// The parts.
    pub parts: Vec<ListedPart>,
}

/// A part in [`ListPartsResult`].
#[derive(Clone, Debug)]
pub struct ListedPart {
    /// 1 to 10,000.
    pub number: u16,
    /// ISO 8601, as the backend gives it.
    pub last_modified: String,
    /// Without quotes.
    pub etag: String,
    /// Plaintext bytes.
    pub size: u64,
    /// Of the part.
    pub checksum: Option<ShownChecksum>,
}

impl ListPartsResult<'_> {
    /// The root element.
    pub fn element(&self) -> String {
        let mut xml = Xml::root("ListPartsResult");
        xml.leaf("Bucket", self.bucket)
            .leaf("Key", self.key)
            .leaf("UploadId", self.upload_id)
            .number("PartNumberMarker", self.part_number_marker.into());
        if let Some(next) = self.next_part_number_marker {
            xml.number("NextPartNumberMarker", next.into());
        }
        xml.number("MaxParts", self.max_parts.into()).flag("IsTruncated", self.next_part_number_marker.is_some());
        if let Some((algorithm, kind)) = self.checksum {
            let shown = ShownChecksum { algorithm, kind, value: String::new() };
            xml.leaf("ChecksumAlgorithm", shown.algorithm_name()).leaf("ChecksumType", shown.kind_name());
        }
        for part in &self.parts {
            xml.open("Part")
                .number("PartNumber", part.number.into())
                .leaf("LastModified", &part.last_modified)
                .etag(&part.etag)
                .number("Size", part.size)
                .checksum(part.checksum.as_ref(), false)
                .close();
        }
        xml.raw(self.passed);
        xml.end()
    }
}

/// The answer of `GetObjectAttributes`: what the client asked for, the rest none.
#[derive(Clone, Debug, Default)]
pub struct ObjectAttributes<'a> {
    /// Without quotes, as this one answer has it.
    pub etag: Option<&'a str>,
    /// Of the whole object.
    pub checksum: Option<&'a ShownChecksum>,
    /// Of a multipart object.
    pub parts: Option<ObjectParts>,
    /// As the backend gives it.
    pub storage_class: Option<&'a str>,
    /// Plaintext bytes.
    pub size: Option<u64>,
}

/// `ObjectParts` in [`ObjectAttributes`].
#[derive(Clone, Debug, Default)]
pub struct ObjectParts {
    /// How many parts the object has.
    pub total: u16,
    /// After which part number the list begins.
    pub part_number_marker: u16,
    /// The last part number listed, where there are more.
    pub next_part_number_marker: Option<u16>,
    /// How many were asked for.
    pub max_parts: u16,
    /// The parts; S3 lists them only where they have checksums.
    pub parts: Vec<PartAttributes>,
}

/// A part in [`ObjectParts`].
#[derive(Clone, Debug)]
pub struct PartAttributes {
    /// 1 to 10,000.
    pub number: u16,
    /// Plaintext bytes.
    pub size: u64,
    /// Of the part.
    pub checksum: Option<ShownChecksum>,
}

impl ObjectAttributes<'_> {
    /// The root element.
    pub fn element(&self) -> String {
        let mut xml = Xml::root("GetObjectAttributesResponse");
        if let Some(etag) = self.etag {
            xml.leaf("ETag", etag);
        }
        if self.checksum.is_some() {
            xml.open("Checksum").checksum(self.checksum, true).close();
        }
        if let Some(parts) = &self.parts {
            xml.open("ObjectParts")
                .number("PartsCount", parts.total.into())
                .number("PartNumberMarker", parts.part_number_marker.into());
            if let Some(next) = parts.next_part_number_marker {
                xml.number("NextPartNumberMarker", next.into());
            }
            xml.number("MaxParts", parts.max_parts.into()).flag("IsTruncated", parts.next_part_number_marker.is_some());
            for part in &parts.parts {
                xml.open("Part")
                    .number("PartNumber", part.number.into())
                    .number("Size", part.size)
                    .checksum(part.checksum.as_ref(), false)
                    .close();
            }
            xml.close();
        }
        if let Some(class) = self.storage_class {
            xml.leaf("StorageClass", class);
        }
        if let Some(size) = self.size {
            xml.number("ObjectSize", size);
        }
        xml.end()
    }
}

/// An element being written.
struct Xml {
    out: String,
    open: Vec<&'static str>,
}

impl Xml {
    fn root(name: &'static str) -> Self {
        Self { out: format!("<{name} xmlns=\"{NAMESPACE}\">"), open: vec![name] }
    }

    fn open(&mut self, name: &'static str) -> &mut Self {
        self.raw("<").raw(name).raw(">");
        self.open.push(name);
        self
    }

    fn close(&mut self) -> &mut Self {
        if let Some(name) = self.open.pop() {
            self.raw("</").raw(name).raw(">");
        }
        self
    }

    fn leaf(&mut self, name: &'static str, text: &str) -> &mut Self {
        self.open(name).raw(&escape(text)).close()
    }

    fn number(&mut self, name: &'static str, number: u64) -> &mut Self {
        self.leaf(name, &number.to_string())
    }

    fn flag(&mut self, name: &'static str, flag: bool) -> &mut Self {
        self.leaf(name, if flag { "true" } else { "false" })
    }

    fn etag(&mut self, etag: &str) -> &mut Self {
        self.leaf("ETag", &format!("\"{etag}\""))
    }

    fn checksum(&mut self, checksum: Option<&ShownChecksum>, with_kind: bool) -> &mut Self {
        if let Some(checksum) = checksum {
            self.leaf(checksum_element(checksum.algorithm), &checksum.value);
            if with_kind {
                self.leaf("ChecksumType", checksum.kind_name());
            }
        }
        self
    }

    fn raw(&mut self, xml: &str) -> &mut Self {
        self.out.push_str(xml);
        self
    }

    fn end(mut self) -> String {
        while !self.open.is_empty() {
            self.close();
        }
        self.out
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::s3::xml::Document;

    fn crc32() -> ShownChecksum {
        ShownChecksum { algorithm: ChecksumAlgorithm::Crc32, kind: ChecksumKind::Composite, value: "AAAAAA==-2".into() }
    }

    /// `a/b=text` of every leaf, in order.
    fn leaves(xml: &str) -> Vec<String> {
        let document = Document::parse(xml.as_bytes()).unwrap();
        document
            .iter()
            .filter(|element| element.children().next().is_none())
            .map(|element| format!("{}={}", element.name(), element.text().unwrap()))
            .collect()
    }

    #[test]
    fn escaping() {
        assert_eq!(
            escape("a&<>\"'\t\r\n\u{1}\u{7f}\u{85}ü"),
            "a&amp;&lt;&gt;&quot;&apos;&#x9;&#xD;&#xA;&#x1;&#x7F;&#x85;ü"
        );
    }

    #[test]
    fn complete() {
        let checksum = crc32();
        let xml = CompleteMultipartUploadResult {
            location: "http://h/b/k%20",
            bucket: "b",
            key: "k<\r",
            etag: "e-2",
            checksum: Some(&checksum),
        }
        .element();
        assert!(xml.starts_with("<CompleteMultipartUploadResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">"));
        assert_eq!(
            leaves(&with_declaration(&xml)),
            [
                "Location=http://h/b/k%20",
                "Bucket=b",
                "Key=k<\r",
                "ETag=\"e-2\"",
                "ChecksumCRC32=AAAAAA==-2",
                "ChecksumType=COMPOSITE"
            ]
        );
    }

    #[test]
    fn copy() {
        let checksum = crc32();
        let result = CopyResult { etag: "e", last_modified: "2026-01-01T00:00:00.000Z", checksum: Some(&checksum) };
        assert_eq!(
            leaves(&result.part_element()),
            ["LastModified=2026-01-01T00:00:00.000Z", "ETag=\"e\"", "ChecksumCRC32=AAAAAA==-2"]
        );
        assert!(result.object_element().contains("<ChecksumType>COMPOSITE</ChecksumType>"));
    }

    #[test]
    fn list_parts() {
        let xml = ListPartsResult {
            bucket: "b",
            key: "k",
            upload_id: "u",
            part_number_marker: 0,
            next_part_number_marker: Some(7),
            max_parts: 1,
            checksum: Some((ChecksumAlgorithm::Crc64Nvme, ChecksumKind::FullObject)),
            passed: "<StorageClass>STANDARD</StorageClass>",
            parts: vec![ListedPart {
                number: 7,
                last_modified: "t".into(),
                etag: "e".into(),
                size: 5,
                checksum: Some(crc32()),
            }],
        }
        .element();
        assert_eq!(
            leaves(&xml),
            [
                "Bucket=b",
                "Key=k",
                "UploadId=u",
                "PartNumberMarker=0",
                "NextPartNumberMarker=7",
                "MaxParts=1",
                "IsTruncated=true",
                "ChecksumAlgorithm=CRC64NVME",
                "ChecksumType=FULL_OBJECT",
                "PartNumber=7",
                "LastModified=t",
                "ETag=\"e\"",
                "Size=5",
                "ChecksumCRC32=AAAAAA==-2",
                "StorageClass=STANDARD"
            ]
        );
    }

    #[test]
    fn attributes() {
        let checksum = crc32();
        let xml = ObjectAttributes {
            etag: Some("e"),
            checksum: Some(&checksum),
            parts: Some(ObjectParts {
                total: 2,
                max_parts: 1000,
                parts: vec![PartAttributes { number: 1, size: 5, checksum: None }],
                ..ObjectParts::default()
            }),
            storage_class: Some("STANDARD"),
            size: Some(9),
        }
        .element();
        assert_eq!(
            leaves(&xml),
            [
                "ETag=e",
                "ChecksumCRC32=AAAAAA==-2",
                "ChecksumType=COMPOSITE",
                "PartsCount=2",
                "PartNumberMarker=0",
                "MaxParts=1000",
                "IsTruncated=false",
                "PartNumber=1",
                "Size=5",
                "StorageClass=STANDARD",
                "ObjectSize=9"
            ]
        );
        assert!(leaves(&ObjectAttributes::default().element())[0].starts_with("GetObjectAttributesResponse"));
    }
}

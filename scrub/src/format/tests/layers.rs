//! Each value within every pair of layers: found as the types that it is found as bare, and gone from what comes out, however that is opened.

use ::parquet::data_type::{ByteArray, ByteArrayType, Int64Type};
use ::parquet::file::reader::{FileReader, SerializedFileReader};
use ::parquet::file::writer::SerializedFileWriter;
use ::parquet::record::RowAccessor;
use arrow_array::{Int64Array, RecordBatch, StringArray};
use arrow_ipc::{reader, writer};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use percent_encoding::{NON_ALPHANUMERIC, percent_decode, percent_encode};

use super::*;

/// What a text may be within.
struct Layer {
    name: &'static str,
    /// It holds text only.
    of_text: bool,
    wrap: fn(&[u8]) -> Vec<u8>,
    open: fn(&[u8]) -> Vec<u8>,
}

const fn text(name: &'static str, wrap: fn(&[u8]) -> Vec<u8>, open: fn(&[u8]) -> Vec<u8>) -> Layer {
    Layer { name, of_text: true, wrap, open }
}

const fn bytes(name: &'static str, wrap: fn(&[u8]) -> Vec<u8>, open: fn(&[u8]) -> Vec<u8>) -> Layer {
    Layer { name, of_text: false, wrap, open }
}

const LAYERS: &[Layer] = &[
    text("JSON", |text| format!(r#"{{"id": 7, "note": {}}}"#, quoted(text)).into(), from_json),
    text("JSON in escapes", |text| format!(r#"{{"id": 7, "note": "{}"}}"#, escaped(text)).into(), from_json),
    text("lines of JSON", |text| format!("{{\"id\": 7}}\n{{\"note\": {}}}\n", quoted(text)).into(), from_json),
    text("CSV", |text| separated(b',', text), |csv| from_separated(b',', csv)),
    text("TSV", |text| separated(b'\t', text), |csv| from_separated(b'\t', csv)),
    text("XML", |text| format!("<a><id>7</id><note>{}</note></a>", entities(text, false)).into(), from_markup),
    text("XML in references", |text| format!("<a><note>{}</note></a>", entities(text, true)).into(), from_markup),
    text("HTML", |text| format!("<html><p><note>{}</note></p></html>", entities(text, false)).into(), from_markup),
    text(
        "percent",
        |text| percent_encode(text, NON_ALPHANUMERIC).to_string().into(),
        |text| percent_decode(text).collect(),
    ),
    text("base64", |text| STANDARD.encode(text).into(), from_base64),
    text("UTF-16", |text| utf16(text, u16::to_le_bytes), |text| from_utf16(text, u16::from_le_bytes)),
    text("UTF-16 of the high byte", |text| utf16(text, u16::to_be_bytes), |text| from_utf16(text, u16::from_be_bytes)),
    text("mail", |text| mail("8bit", text), from_mail),
    text(
        "mail in quoted-printable",
        |text| mail("quoted-printable", escaped_quoted(text).as_bytes()),
        |mail| {
            let text = from_mail(mail);
            let text = String::from_utf8(text).unwrap().replace("=\r\n", "").replace('=', "%");
            percent_decode(text.as_bytes()).collect()
        },
    ),
    bytes(
        "mail in base64",
        |bytes| mail("base64", STANDARD.encode(bytes).as_bytes()),
        |mail| from_base64(&from_mail(mail)),
    ),
    bytes("WARC", |bytes| warc("resource", bytes), |warc| behind_head(warc, b"\r\n\r\n")),
    bytes(
        "WARC of HTTP",
        |bytes| {
            warc(
                "response\r\nContent-Type: application/http",
                &[b"HTTP/1.1 200 OK\r\nServer: x\r\n\r\n", bytes].concat(),
            )
        },
        |warc| behind_head(&behind_head(warc, b"\r\n\r\n"), b""),
    ),
    bytes("tar", |bytes| tarred("a", bytes, |_| {}), |tar| members(tar).remove(0).1),
    bytes("ZIP", zipped, |zip| {
        let mut archive = ::zip::ZipArchive::new(io::Cursor::new(zip)).unwrap();
        let mut content = Vec::new();
        archive.by_index(0).unwrap().read_to_end(&mut content).unwrap();
        content
    }),
    bytes("gzip", |bytes| compressed::pack(Codec::Gzip, bytes), |bytes| compressed::unpack(Codec::Gzip, bytes)),
    bytes("zstd", |bytes| compressed::pack(Codec::Zstd, bytes), |bytes| compressed::unpack(Codec::Zstd, bytes)),
    bytes("bzip2", |bytes| compressed::pack(Codec::Bzip2, bytes), |bytes| compressed::unpack(Codec::Bzip2, bytes)),
    bytes("xz", |bytes| compressed::pack(Codec::Xz, bytes), |bytes| compressed::unpack(Codec::Xz, bytes)),
    bytes("LZ4", |bytes| compressed::pack(Codec::Lz4, bytes), |bytes| compressed::unpack(Codec::Lz4, bytes)),
    bytes("Snappy", |bytes| compressed::pack(Codec::Snappy, bytes), |bytes| compressed::unpack(Codec::Snappy, bytes)),
    text("Parquet", in_parquet, from_parquet),
    text("Arrow", |text| in_arrow(text, false), |arrow| from_arrow(arrow, false)),
    text("file of Arrow", |text| in_arrow(text, true), |arrow| from_arrow(arrow, true)),
    text("Avro", in_avro, from_avro),
];

fn str(text: &[u8]) -> &str {
    std::str::from_utf8(text).unwrap()
}

fn quoted(text: &[u8]) -> String {
    serde_json::to_string(str(text)).unwrap()
}

fn escaped(text: &[u8]) -> String {
    let units = str(text).encode_utf16().map(|unit| format!("\\u{unit:04x}"));
    units.collect::<Vec<_>>().concat()
}

fn from_json(json: &[u8]) -> Vec<u8> {
    let last = serde_json::Deserializer::from_slice(json).into_iter::<serde_json::Value>().map(Result::unwrap).last();
    last.unwrap()["note"].as_str().unwrap().into()
}

fn separated(delimiter: u8, text: &[u8]) -> Vec<u8> {
    let mut writer = ::csv::WriterBuilder::new().delimiter(delimiter).from_writer(Vec::new());
    for row in [[&b"id"[..], b"note"], [b"7", text], [b"8", b"x"]] {
        writer.write_record(row).unwrap();
    }
    writer.into_inner().unwrap()
}

fn from_separated(delimiter: u8, csv: &[u8]) -> Vec<u8> {
    let mut reader = ::csv::ReaderBuilder::new().delimiter(delimiter).from_reader(csv);
    reader.byte_records().next().unwrap().unwrap()[1].to_vec()
}

fn entities(text: &[u8], all: bool) -> String {
    let of = |c: char| if all { format!("&#x{:X};", u32::from(c)) } else { c.to_string() };
    let of = |c: char| match c {
        '<' => "&lt;".to_owned(),
        '>' => "&gt;".to_owned(),
        '&' => "&amp;".to_owned(),
        _ => of(c),
    };
    str(text).chars().map(of).collect()
}

fn from_markup(markup: &[u8]) -> Vec<u8> {
    let text = str(markup);
    let text = text.split_once("<note>").unwrap().1.rsplit_once("</note>").unwrap().0;
    let mut parts = text.split('&');
    let mut out = parts.next().unwrap().to_owned();
    for part in parts {
        let (name, rest) = part.split_once(';').unwrap();
        out.push(match name {
            "lt" => '<',
            "gt" => '>',
            "amp" => '&',
            "quot" => '"',
            "apos" => '\'',
            _ => char::from_u32(u32::from_str_radix(name.strip_prefix("#x").unwrap(), 16).unwrap()).unwrap(),
        });
        out += rest;
    }
    out.into()
}

fn from_base64(text: &[u8]) -> Vec<u8> {
    let text: Vec<u8> = text.iter().copied().filter(|byte| !byte.is_ascii_whitespace()).collect();
    STANDARD.decode(&text).unwrap_or_else(|_| panic!("{}", str(&text)))
}

fn utf16(text: &[u8], bytes: fn(u16) -> [u8; 2]) -> Vec<u8> {
    [0xFEFF].into_iter().chain(str(text).encode_utf16()).flat_map(bytes).collect()
}

fn from_utf16(text: &[u8], unit: fn([u8; 2]) -> u16) -> Vec<u8> {
    let units: Vec<u16> = text.chunks_exact(2).map(|two| unit([two[0], two[1]])).collect();
    String::from_utf16(&units[1..]).unwrap().into()
}

fn mail(encoding: &str, body: &[u8]) -> Vec<u8> {
    let head = "From: x\r\nTo: y\r\nSubject: z\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n";
    let of_part = format!("Content-Transfer-Encoding: {encoding}\r\n\r\n");
    [head.as_bytes(), of_part.as_bytes(), body, b"\r\n--b--\r\n"].concat()
}

/// The body of its part.
fn from_mail(mail: &[u8]) -> Vec<u8> {
    behind_head(&behind_head(mail, b""), b"\r\n--b--\r\n")
}

fn escaped_quoted(text: &[u8]) -> String {
    let of =
        |byte: &u8| if byte.is_ascii_alphanumeric() { char::from(*byte).to_string() } else { format!("={byte:02X}") };
    text.iter().map(of).collect::<Vec<_>>().chunks(20).map(<[String]>::concat).collect::<Vec<_>>().join("=\r\n")
}

/// Behind the first empty line, without what ends it.
fn behind_head(message: &[u8], end: &[u8]) -> Vec<u8> {
    let at = memchr::memmem::find(message, b"\r\n\r\n").unwrap();
    message[at + 4..].strip_suffix(end).unwrap_or_else(|| panic!("{}", message.escape_ascii())).to_vec()
}

fn warc(kind: &str, block: &[u8]) -> Vec<u8> {
    let head = format!("WARC/1.0\r\nWARC-Type: {kind}\r\nContent-Length: {}\r\n\r\n", block.len());
    [head.as_bytes(), block, b"\r\n\r\n"].concat()
}

fn zipped(bytes: &[u8]) -> Vec<u8> {
    let mut writer = ::zip::ZipWriter::new(io::Cursor::new(Vec::new()));
    writer.start_file("a", ::zip::write::SimpleFileOptions::default()).unwrap();
    writer.write_all(bytes).unwrap();
    writer.finish().unwrap().into_inner()
}

fn in_parquet(text: &[u8]) -> Vec<u8> {
    let schema = "message m { required int64 id; required binary note (STRING); }";
    let schema = Arc::new(::parquet::schema::parser::parse_message_type(schema).unwrap());
    let mut file = SerializedFileWriter::new(Vec::new(), schema, Arc::default()).unwrap();
    let mut group = file.next_row_group().unwrap();
    let mut column = group.next_column().unwrap().unwrap();
    column.typed::<Int64Type>().write_batch(&[7, 8], None, None).unwrap();
    column.close().unwrap();
    let mut column = group.next_column().unwrap().unwrap();
    let texts = [ByteArray::from(text.to_vec()), ByteArray::from("x")];
    column.typed::<ByteArrayType>().write_batch(&texts, None, None).unwrap();
    column.close().unwrap();
    group.close().unwrap();
    file.into_inner().unwrap()
}

fn from_parquet(file: &[u8]) -> Vec<u8> {
    let reader = SerializedFileReader::new(::bytes::Bytes::copy_from_slice(file)).unwrap();
    let row = reader.get_row_iter(None).unwrap().next().unwrap().unwrap();
    row.get_string(1).unwrap().clone().into()
}

fn in_arrow(text: &[u8], file: bool) -> Vec<u8> {
    let columns: [(&str, arrow_array::ArrayRef); 2] =
        [("id", Arc::new(Int64Array::from(vec![7, 8]))), ("note", Arc::new(StringArray::from(vec![str(text), "x"])))];
    let batch = RecordBatch::try_from_iter(columns).unwrap();
    if file {
        let mut writer = writer::FileWriter::try_new(Vec::new(), &batch.schema()).unwrap();
        writer.write(&batch).unwrap();
        writer.into_inner().unwrap()
    } else {
        let mut writer = writer::StreamWriter::try_new(Vec::new(), &batch.schema()).unwrap();
        writer.write(&batch).unwrap();
        writer.into_inner().unwrap()
    }
}

fn from_arrow(arrow: &[u8], file: bool) -> Vec<u8> {
    let batch = if file {
        reader::FileReader::try_new(io::Cursor::new(arrow), None).unwrap().next()
    } else {
        reader::StreamReader::try_new(arrow, None).unwrap().next()
    };
    let batch = batch.unwrap().unwrap();
    batch.column(1).as_any().downcast_ref::<StringArray>().unwrap().value(0).into()
}

const MARKER: [u8; 16] = *b"0123456789abcdef";

fn in_avro(text: &[u8]) -> Vec<u8> {
    let schema =
        br#"{"type":"record","name":"r","fields":[{"name":"id","type":"long"},{"name":"note","type":"string"}]}"#;
    let counted = |bytes: &[u8]| [&long(bytes.len())[..], bytes].concat();
    let head = [b"Obj\x01", &long(1)[..], &counted(b"avro.schema"), &counted(schema), &[0], &MARKER].concat();
    let records = [&long(7)[..], &counted(text)].concat();
    [&head[..], &long(1), &counted(&records), &MARKER].concat()
}

/// The numbers of Avro, which are not negative here.
fn long(number: usize) -> Vec<u8> {
    let (mut rest, mut out) = (number * 2, Vec::new());
    while rest > 127 {
        out.push(rest as u8 | 0x80);
        rest >>= 7;
    }
    out.push(rest as u8);
    out
}

fn from_avro(file: &[u8]) -> Vec<u8> {
    let at = memchr::memmem::find(file, &MARKER).unwrap() + MARKER.len();
    let mut rest = &file[at..];
    let mut next = || {
        let len = 1 + rest.iter().position(|byte| *byte < 0x80).unwrap();
        let (number, behind) = rest.split_at(len);
        let number = number.iter().rev().fold(0, |number, byte| number << 7 | usize::from(byte & 0x7F)) / 2;
        rest = behind;
        (number, behind)
    };
    // Records, bytes, the number and the length.
    let (_, _, _, (len, text)) = (next(), next(), next(), next());
    text[..len].to_vec()
}

/// Texts with a value each, of one type or more. No complete secret stands in the repository.
fn values() -> Vec<(String, String)> {
    let secrets = [["AKIA", "Q7ZM3XK2WPLN5RTV"].concat(), ["glpat", "-Zx8Qv3Lm9Tn2Rk7Wp4Yd"].concat()];
    let known = [
        ("Write to {}.", "john.doe@example.com"),
        ("Paid with card {} today", "4111111111111111"),
        ("To IBAN {} then", "DE89370400440532013000"),
        ("Her SSN is {} here", "219-09-9999"),
        ("Call {} now", "+44 20 7946 0958"),
        ("She came from {} today", "203.0.113.77"),
        ("Her device is {} at home", "00:1B:44:11:3A:B7"),
        ("Send it to {}", "1BvBMSEYstWetqTFn5Au4m4GFg7xJaNVN2"),
        ("See {}", "https://user:s3cr3tpw@internal.example.com/x"),
    ];
    let known = known.into_iter().map(|(text, value)| (text.replace("{}", value), value.to_owned()));
    known.chain(secrets.into_iter().map(|value| (format!("key {value}"), value))).collect()
}

fn types(found: &Summary) -> Vec<&str> {
    found.findings.keys().map(String::as_str).collect()
}

fn is_text(bytes: &[u8]) -> bool {
    let is_part = |c: char| !c.is_control() || matches!(c, '\r' | '\n' | '\t');
    std::str::from_utf8(bytes).is_ok_and(|text| text.chars().all(is_part))
}

#[test]
fn a_value_is_found_in_every_pair_of_layers() {
    let mut wrong = Vec::new();
    let mut pairs = 0;
    for (text, value) in values() {
        let (bare, expected) = run(&BUILTIN, text.as_bytes()).unwrap();
        assert!(!types(&expected).is_empty() && !str(&bare).contains(&value), "{text}");
        for inner in LAYERS {
            let source = (inner.wrap)(text.as_bytes());
            for outer in LAYERS {
                if outer.of_text && !is_text(&source) {
                    continue;
                }
                pairs += 1;
                let told = format!("{value} in {} in {}", inner.name, outer.name);
                let (out, found) = match run(&BUILTIN, &(outer.wrap)(&source)) {
                    Ok(done) => done,
                    Err(error) => {
                        wrong.push(format!("{told}: {error}"));
                        continue;
                    }
                };
                if types(&found) != types(&expected) {
                    wrong.push(format!("{told}: {:?} and not {:?}", types(&found), types(&expected)));
                    continue;
                }
                let opened = std::panic::catch_unwind(|| (inner.open)(&(outer.open)(&out)));
                match opened {
                    Ok(opened) if memchr::memmem::find(&opened, value.as_bytes()).is_none() => {}
                    Ok(opened) => wrong.push(format!("{told}: {}", opened.escape_ascii())),
                    Err(_) => wrong.push(format!("{told}: cannot be opened: {}", out.escape_ascii())),
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{} of {pairs}:\n{}", wrong.len(), wrong.join("\n"));
    assert!(pairs > 6000, "{pairs}");
}

use std::convert::Infallible;

use http::HeaderValue;
use http_body_util::StreamBody;
use proptest::prelude::*;

use super::*;

const BOUNDARY: &str = "----WebKitFormBoundary7MA4YWxk";

/// Fields, then a file, then whatever else, as a browser writes them.
fn written(fields: &[(&str, &str)], filename: &str, file: &[u8], behind: &[(&str, &str)]) -> Vec<u8> {
    let mut out = Vec::new();
    let field = |out: &mut Vec<u8>, (name, value): &(&str, &str)| {
        out.extend_from_slice(
            format!("--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n").as_bytes(),
        );
    };
    for one in fields {
        field(&mut out, one);
    }
    let head = format!(
        "--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"file\"; filename=\"{filename}\"\r\nContent-Type: text/plain\r\n\r\n"
    );
    out.extend_from_slice(head.as_bytes());
    out.extend_from_slice(file);
    out.extend_from_slice(b"\r\n");
    for one in behind {
        field(&mut out, one);
    }
    out.extend_from_slice(format!("--{BOUNDARY}--\r\n").as_bytes());
    out
}

fn content_type(value: &'static str) -> HeaderMap {
    HeaderMap::from_iter([(header::CONTENT_TYPE, HeaderValue::from_static(value))])
}

/// Reads a form whose bytes come in pieces of `step`.
fn read_in(form: &[u8], step: usize, lengths: RangeInclusive<u64>) -> Result<(Fields, String, Vec<u8>), Error> {
    let frames: Vec<_> =
        form.chunks(step).map(|c| Ok::<_, Infallible>(Frame::data(Bytes::copy_from_slice(c)))).collect();
    let body = StreamBody::new(stream::iter(frames)).map_err(|never| match never {}).boxed_unsync();
    let headers = content_type("multipart/form-data; boundary=----WebKitFormBoundary7MA4YWxk");
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let form = Form::read(&headers, body).await?;
        let (fields, filename) = (form.fields.clone(), form.filename.clone());
        let file = crate::body::collect(form.into_file(lengths), usize::MAX).await?;
        Ok((fields, filename, file.to_vec()))
    })
}

fn read(form: &[u8]) -> Result<(Fields, String, Vec<u8>), Error> {
    read_in(form, form.len().max(1), 0..=u64::MAX)
}

fn code(result: Result<(Fields, String, Vec<u8>), Error>) -> String {
    result.expect_err("an error").s3().0.into_owned()
}

#[test]
fn a_form_however_it_comes() {
    let file = b"\r\n--\r\n----WebKitFormBoundary7MA4YWx\r\n\r\r\n--";
    let form = written(
        &[("Key", "a/${filename}"), ("x-amz-meta-Empty", ""), ("x-ignore-a", "1"), ("x-ignore-a", "2")],
        "f.txt",
        file,
        &[("submit", "Upload"), ("key", "other")],
    );
    for step in 1..form.len() {
        let (fields, filename, content) = read_in(&form, step, 0..=u64::MAX).unwrap();
        assert_eq!(fields.iter().collect::<Vec<_>>(), [("key", "a/${filename}"), ("x-amz-meta-empty", "")], "{step}");
        assert_eq!((filename.as_str(), content.as_slice()), ("f.txt", file.as_slice()), "{step}");
    }
}

#[test]
fn preamble_padding_epilogue_and_an_empty_file() {
    let form = format!(
        "ignored\r\n--{BOUNDARY} \t\r\nContent-Disposition: form-data; name=file\r\n\r\n\r\n--{BOUNDARY}\r\n\r\n--{BOUNDARY}--ignored"
    );
    for step in 1..form.len() {
        let (fields, filename, content) = read_in(form.as_bytes(), step, 0..=u64::MAX).unwrap();
        assert_eq!((fields.iter().count(), filename.as_str(), content.len()), (0, "", 0), "{step}");
    }
}

#[test]
fn cut_off_anywhere_is_no_form() {
    let form = written(&[("key", "k")], "f", b"content", &[("submit", "x")]);
    let last = form.len() - "\r\n".len();
    for end in 0..last {
        assert_eq!(code(read(&form[..end])), "MalformedPOSTRequest", "{end}");
    }
    assert!(read(&form[..last]).is_ok());
}

#[test]
fn what_is_wrong_has_its_own_error() {
    let malformed = |text: String| assert_eq!(code(read(text.as_bytes())), "MalformedPOSTRequest", "{text}");
    malformed(format!("--{BOUNDARY}x\r\n"));
    malformed(format!("--{BOUNDARY}\r\n\r\nvalue"));
    malformed(format!("--{BOUNDARY}{}", " ".repeat(MAX_PADDING + 1)));
    malformed(format!("--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"file\"\r\n\r\nx\r\n--{BOUNDARY}y"));
    assert_eq!(code(read(format!("--{BOUNDARY}--").as_bytes())), "InvalidArgument");
    assert_eq!(code(read(&written(&[("key", "a"), ("KEY", "b")], "f", b"", &[]))), "InvalidArgument");
    let mut not_utf8 = written(&[("key", "??")], "f", b"", &[]);
    let at = not_utf8.iter().position(|b| *b == b'?').unwrap();
    not_utf8[at] = 0xff;
    assert_eq!(code(read(&not_utf8)), "MalformedPOSTRequest");
}

#[test]
fn fields_are_bounded_and_the_file_is_not() {
    let around = written(&[("key", "")], "f", b"", &[]).len() - format!("\r\n--{BOUNDARY}--\r\n").len();
    let longest = "k".repeat(MAX_FIELDS - around);
    let file = vec![b'x'; 5 * MAX_FIELDS];
    for step in [1000, 1_000_000] {
        let form = written(&[("key", &longest)], "f", &file, &[]);
        assert_eq!(read_in(&form, step, 0..=u64::MAX).unwrap().2, file);
        let form = written(&[("key", &format!("{longest}k"))], "f", &file, &[]);
        assert_eq!(code(read_in(&form, step, 0..=u64::MAX)), "MaxPostPreDataLengthExceededError");
    }
}

#[test]
fn a_file_outside_the_range_ends_in_an_error() {
    let form = written(&[], "f", b"12345", &[]);
    for step in [1, 1000] {
        assert!(read_in(&form, step, 5..=5).is_ok());
        assert_eq!(code(read_in(&form, step, 6..=9)), "EntityTooSmall");
        assert_eq!(code(read_in(&form, step, 0..=4)), "EntityTooLarge");
    }
}

#[test]
fn boundaries() {
    let of = |value| boundary(&content_type(value));
    assert_eq!(of("Multipart/Form-Data; charset=utf-8; boundary=\"a b\"").unwrap(), "a b");
    for none in [
        "multipart/form-data",
        "multipart/form-data; boundary=",
        "multipart/form-data; boundary=\"a \"",
        "text/plain; boundary=a; note=multipart/form-data",
        "multipart/form-data; boundary=1234567890123456789012345678901234567890123456789012345678901234567890x",
    ] {
        assert_eq!(of(none).unwrap_err(), FormError::Boundary, "{none}");
    }
    let mut twice = content_type("multipart/form-data; boundary=a");
    twice.append(header::CONTENT_TYPE, HeaderValue::from_static("multipart/form-data; boundary=b"));
    assert_eq!(boundary(&twice).unwrap_err(), FormError::Boundary);
}

#[test]
fn debug_shows_no_value() {
    let (fields, ..) = read(&written(&[("x-amz-signature", "5ec2e7")], "f", b"", &[])).unwrap();
    let shown = format!("{fields:?}");
    assert!(shown.contains("x-amz-signature") && !shown.contains("5ec2e7"));
}

proptest! {
    #[test]
    fn what_is_written_is_read(
        value in "[^\r]{0,200}",
        file in proptest::collection::vec(prop_oneof![Just(b'\r'), Just(b'\n'), Just(b'-'), any::<u8>()], 0..2000),
        step in 1_usize..500,
    ) {
        let form = written(&[("key", &value)], "f", &file, &[]);
        let (fields, _, content) = read_in(&form, step, 0..=u64::MAX).unwrap();
        prop_assert_eq!(fields.get("key"), Some(value.as_str()));
        prop_assert_eq!(content, file);
    }

    #[test]
    fn any_bytes_are_a_form_or_an_error(bytes in proptest::collection::vec(any::<u8>(), 0..300), step in 1_usize..300) {
        let mut form = format!("--{BOUNDARY}\r\n").into_bytes();
        form.extend_from_slice(&bytes);
        let _ = read_in(&form, step, 0..=u64::MAX);
    }
}

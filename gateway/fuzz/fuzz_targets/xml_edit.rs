//! XML: an unedited document comes out byte for byte; an edited one is a document that holds the new text.
//! First byte: which element; then its new text, a zero byte, the document.
#![no_main]

use gateway::s3::xml::Document;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (u8, &[u8])| {
    let (index, rest) = input;
    let end = rest.iter().position(|b| *b == 0).unwrap_or(0);
    let Ok(text) = std::str::from_utf8(&rest[..end]) else {
        return;
    };
    let source = rest[end..].strip_prefix(b"\0").unwrap_or(rest);
    let Ok(document) = Document::parse(source) else {
        return;
    };
    assert_eq!(document.edit().finish(), source);
    for element in document.iter() {
        element.text().expect("references were checked");
    }
    let index = usize::from(index);
    let Some(element) = document.iter().nth(index) else {
        return;
    };
    let mut edits = document.edit();
    edits.set_text(element, text);
    let edited = edits.finish();
    let edited = Document::parse(&edited).expect("an edited document");
    let element = edited.iter().nth(index).expect("the same element");
    assert_eq!(element.text().expect("our own text"), text);
});

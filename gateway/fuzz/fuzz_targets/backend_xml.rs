//! The documents that a backend answers: read or refused; edited ones are documents still.
#![no_main]

use gateway::ops::documents::{
    ShownUpload, error_code, failed_deletes, listed_keys, marked_deletes, read_parts, rename_uploads, replace_texts,
    tags, text, upload_ids, without_bucket,
};
use gateway::s3::xml::Document;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|answer: &[u8]| {
    let _ = (text(answer, "ETag"), error_code(answer), read_parts(answer), listed_keys(answer));
    let _ = (failed_deletes(answer), marked_deletes(answer));
    if let Ok(header) = tags(answer) {
        assert!(header.bytes().all(|b| b.is_ascii_graphic()), "{header}");
    }
    if let Ok(replaced) = replace_texts(answer, &[("Bucket", "a&<b>"), ("Key", "c")]) {
        let replaced = Document::parse(&replaced).expect("an edited document");
        if let Some(bucket) = replaced.root().child("Bucket") {
            assert_eq!(bucket.text().expect("our own text"), "a&<b>");
        }
    }
    if let Ok(renamed) = rename_uploads(answer, |id| match id.len() % 3 {
        0 => ShownUpload::Named("client".into()),
        1 => ShownUpload::Hidden,
        _ => ShownUpload::AsItIs,
    }) {
        for id in upload_ids(&renamed).unwrap_or_default() {
            assert_ne!(id.len() % 3, 1, "hidden");
        }
    }
    if let Ok(shown) = without_bucket(answer, "hidden") {
        let shown = Document::parse(&shown).expect("an edited document");
        for bucket in shown.iter().filter(|e| e.name() == "Bucket") {
            assert_ne!(bucket.child_text("Name").expect("read before").as_deref(), Some("hidden"));
        }
    }
});

//! Multipart uploads.

use super::*;

#[tokio::test]
async fn multipart_uploads() {
    let vault = Vault::with_bucket(MD5).await;
    let parts = [pattern(5 * MIB), pattern(5 * MIB + 1), pattern(7)];
    let done = vault.upload("big", &parts).await.ok();
    let whole = parts.concat();
    let sums: Vec<u8> = parts.iter().flat_map(|part| Md5::digest(part).to_vec()).collect();
    assert_eq!(done.one("ETag"), format!("\"{}-3\"", md5_hex(&sums)));
    let got = vault.get("/some-bucket/big").await.ok();
    assert!(got.body == whole);
    let across = ("range", "bytes=5242870-10485765");
    let got = vault.send("GET", "/some-bucket/big", &[across], "").await;
    assert!(got.body == whole[5_242_870..=10_485_765]);
    let second = vault.get("/some-bucket/big?partNumber=2").await;
    assert_eq!(second.status, StatusCode::PARTIAL_CONTENT);
    assert_eq!(second.header("x-amz-mp-parts-count"), "3");
    assert!(second.body == parts[1]);
    assert_eq!(vault.files(3).await, 3, "part bytes are not copied");

    // Copies of ranges, of which no byte moves either.
    let path = "/some-bucket/copy";
    let id = vault.send("POST", "/some-bucket/copy?uploads", &[], "").await.ok().one("UploadId");
    let query = |number| format!("{path}?partNumber={number}&uploadId={id}");
    let source = ("x-amz-copy-source", "some-bucket/big");
    let range = ("x-amz-copy-source-range", "bytes=1-6000000");
    let one = vault.send("PUT", &query(1), &[source, range], "").await.ok().one("ETag");
    assert_eq!(one.trim_matches('"'), md5_hex(&whole[1..=6_000_000]));
    let two = vault.send("PUT", &query(2), &[source], "").await.ok().one("ETag");
    let past = ("x-amz-copy-source-range", "bytes=1-60000000");
    vault.send("PUT", &query(3), &[source, past], "").await.fails(416, "InvalidRange");
    let listed = [(1, one), (2, two)].map(|(n, e)| (n, e.trim_matches('"').to_owned()));
    vault.complete(path, &id, &listed, &[]).await.ok();
    vault.send("DELETE", "/some-bucket/big", &[], "").await.ok();
    let got = vault.get(path).await.ok();
    assert!(got.body == [&whole[1..=6_000_000], &whole].concat());
    assert_eq!(vault.files(3).await, 3, "what is still referenced stays");
    vault.send("DELETE", path, &[], "").await.ok();
    assert_eq!(vault.files(0).await, 0);
}

#[tokio::test]
async fn multipart_errors() {
    let vault = Vault::with_bucket(LocalOptions::default()).await;
    let path = "/some-bucket/k";
    let id = vault.send("POST", "/some-bucket/k?uploads", &[], "").await.ok().one("UploadId");
    let query = |number: i32| format!("{path}?partNumber={number}&uploadId={id}");
    vault.send("PUT", &query(0), &[], "x").await.fails(400, "InvalidArgument");
    vault.send("PUT", &query(10_001), &[], "x").await.fails(400, "InvalidArgument");
    vault.send("PUT", "/some-bucket/k?partNumber=1&uploadId=none", &[], "x").await.fails(404, "NoSuchUpload");
    let replaced = vault.send("PUT", &query(5), &[], pattern(10)).await.ok().etag();
    let five = vault.send("PUT", &query(5), &[], pattern(5 * MIB)).await.ok().etag();
    let nine = vault.send("PUT", &query(9), &[], pattern(9)).await.ok().etag();
    let unlisted = vault.send("PUT", &query(10), &[], pattern(5)).await.ok().etag();
    assert_eq!(vault.files(3).await, 3, "a part uploaded again replaces the first");
    let listed = vault.get(&format!("{path}?uploadId={id}&max-parts=2")).await.ok();
    assert_eq!(listed.all("PartNumber"), ["5", "9"]);
    assert_eq!(listed.one("IsTruncated"), "true");
    let more = vault.get(&format!("{path}?uploadId={id}&part-number-marker=9")).await.ok();
    assert_eq!(more.all("PartNumber"), ["10"]);
    let uploads = vault.get("/some-bucket?uploads").await.ok();
    assert_eq!(uploads.one("UploadId"), id);

    let complete = async |parts: Vec<(i32, String)>| vault.complete(path, &id, &parts, &[]).await;
    complete(vec![]).await.fails(400, "MalformedXML");
    complete(vec![(9, nine.clone()), (5, five.clone())]).await.fails(400, "InvalidPartOrder");
    complete(vec![(5, replaced)]).await.fails(400, "InvalidPart");
    complete(vec![(4, five.clone())]).await.fails(400, "InvalidPart");
    complete(vec![(9, nine.clone()), (10, unlisted)]).await.fails(400, "EntityTooSmall");
    let parts = [(5, five), (9, nine)];
    vault.complete(path, &id, &parts, &[("if-match", "*")]).await.fails(404, "NoSuchKey");
    vault.complete(path, &id, &parts, &[("x-amz-mp-object-size", "1")]).await.fails(400, "InvalidRequest");
    vault.complete(path, &id, &parts, &[("if-none-match", "*")]).await.ok();
    assert_eq!(vault.files(2).await, 2, "the part that was not listed is gone");
    assert_eq!(vault.get(path).await.ok().body.len(), 5 * MIB + 9);
    vault.complete(path, &id, &parts, &[]).await.fails(404, "NoSuchUpload");
}

#[tokio::test]
async fn an_aborted_upload_is_gone() {
    let vault = Vault::with_bucket(LocalOptions::default()).await;
    let id = vault.send("POST", "/some-bucket/a?uploads", &[], "").await.ok().one("UploadId");
    let part = format!("/some-bucket/a?partNumber=1&uploadId={id}");
    vault.send("PUT", &part, &[], "x").await.ok();
    vault.send("DELETE", &format!("/some-bucket/a?uploadId={id}"), &[], "").await.ok();
    vault.send("PUT", &part, &[], "x").await.fails(404, "NoSuchUpload");
    assert_eq!(vault.files(0).await, 0);
}

//! Objects: bytes, ranges, metadata, checksums, conditions.

use super::*;

#[tokio::test]
async fn objects_of_every_size_come_back() {
    for options in [LocalOptions::default(), MD5] {
        let cheap = options.cheap_etag;
        let vault = Vault::with_bucket(options).await;
        for size in [0, 1, 65_535, 65_536, 65_537, 256 * 1024, 256 * 1024 + 1, 3 * MIB + 7] {
            let bytes = pattern(size);
            let frames = bytes.chunks(10_000).map(|c| Ok(Frame::data(Bytes::copy_from_slice(c))));
            let payload = Payload::Stream { body: framed(frames.collect()), length: size as u64 };
            let put = vault.try_send("PUT", "/some-bucket/k", &[], payload).await.expect("put").ok();
            let got = vault.get("/some-bucket/k").await.ok();
            assert!(got.body == bytes, "{size} bytes");
            assert_eq!(got.header("content-length"), size.to_string());
            assert_eq!(got.etag(), put.etag());
            assert_eq!(put.etag().len(), 32);
            assert_eq!(put.etag() == md5_hex(&bytes), !cheap);
            let head = vault.send("HEAD", "/some-bucket/k", &[], "").await.ok();
            assert_eq!(head.header("content-length"), size.to_string());
            assert!(head.body.is_empty());
        }
        assert_eq!(vault.files(1).await, 1, "an overwrite frees what it replaces");
    }
}

#[tokio::test]
async fn ranges_are_cut() {
    let vault = Vault::with_bucket(LocalOptions::default()).await;
    let bytes = pattern(700_000);
    vault.send("PUT", "/some-bucket/k", &[], bytes.clone()).await.ok();
    for (range, first, end) in [
        ("bytes=0-0", 0, 1),
        ("bytes=262143-262144", 262_143, 262_145),
        ("bytes=5-", 5, 700_000),
        ("bytes=-3", 699_997, 700_000),
        ("bytes=-900000", 0, 700_000),
        ("bytes=699999-800000", 699_999, 700_000),
    ] {
        for method in ["GET", "HEAD"] {
            let got = vault.send(method, "/some-bucket/k", &[("range", range)], "").await;
            assert_eq!(got.status, StatusCode::PARTIAL_CONTENT, "{range}");
            assert_eq!(got.header("content-range"), format!("bytes {first}-{}/700000", end - 1));
            assert_eq!(got.header("content-length"), (end - first).to_string());
            assert!(method == "HEAD" || got.body == bytes[first..end]);
        }
    }
    let whole = vault.send("GET", "/some-bucket/k", &[("range", "lines=1-2")], "").await;
    assert_eq!(whole.status, StatusCode::OK, "no byte range: ignored");
    let past = vault.send("GET", "/some-bucket/k", &[("range", "bytes=700000-")], "").await;
    past.fails(416, "InvalidRange");
    assert_eq!(past.header("content-range"), "bytes */700000");
    vault.send("PUT", "/some-bucket/empty", &[], "").await.ok();
    let empty = vault.send("GET", "/some-bucket/empty", &[("range", "bytes=-1")], "").await;
    empty.fails(416, "InvalidRange");
}

#[tokio::test]
async fn conditions_decide() {
    let vault = Vault::with_bucket(LocalOptions::default()).await;
    let absent = vault.send("PUT", "/some-bucket/k", &[("if-match", "*")], "x").await;
    absent.fails(404, "NoSuchKey");
    let etag = vault.send("PUT", "/some-bucket/k", &[], "one").await.ok().etag();
    let quoted = format!("\"{etag}\"");
    vault.send("PUT", "/some-bucket/k", &[("if-match", "\"other\"")], "x").await.fails(412, "PreconditionFailed");
    let unchanged = vault.send("GET", "/some-bucket/k", &[("if-none-match", &quoted)], "").await;
    assert_eq!(unchanged.status, StatusCode::NOT_MODIFIED);
    assert!(unchanged.body.is_empty());
    assert_eq!(unchanged.etag(), etag);
    let modified = vault.get("/some-bucket/k").await.header("last-modified").to_owned();
    let since = vault.send("GET", "/some-bucket/k", &[("if-modified-since", &modified)], "").await;
    assert_eq!(since.status, StatusCode::NOT_MODIFIED);
    vault.send("GET", "/some-bucket/k", &[("if-unmodified-since", &modified)], "").await.ok();
    let old = ("if-unmodified-since", "Sat, 01 Jan 2000 00:00:00 GMT");
    vault.send("GET", "/some-bucket/k", &[old], "").await.fails(412, "PreconditionFailed");
    vault.send("DELETE", "/some-bucket/k", &[("if-match", "\"other\"")], "").await.fails(412, "PreconditionFailed");
    let source = ("x-amz-copy-source", "some-bucket/k");
    vault
        .send("PUT", "/some-bucket/copy", &[source, ("x-amz-copy-source-if-none-match", &quoted)], "")
        .await
        .fails(412, "PreconditionFailed");
    vault
        .send(
            "PUT",
            "/some-bucket/k",
            &[source, ("if-match", "\"other\""), ("x-amz-metadata-directive", "REPLACE")],
            "",
        )
        .await
        .fails(412, "PreconditionFailed");
    vault.send("PUT", "/some-bucket/k", &[("if-match", &quoted)], "two").await.ok();
    assert_eq!(vault.get("/some-bucket/k").await.text(), "two");
}

#[tokio::test]
async fn metadata_is_kept_byte_for_byte() {
    let vault = Vault::with_bucket(LocalOptions::default()).await;
    let given = [
        ("x-amz-meta-odd", "=?UTF-8?Q?=C3=A4?= ä"),
        ("x-amz-meta-empty", ""),
        ("content-type", "text/x-odd; a=\"b\""),
        ("content-encoding", "zstd"),
        ("content-disposition", "attachment; filename=\"a b\""),
        ("content-language", "de"),
        ("cache-control", "no-store"),
        ("expires", "0"),
    ];
    vault.send("PUT", "/some-bucket/k", &given, "x").await.ok();
    let source = ("x-amz-copy-source", "/some-bucket/k");
    vault.send("PUT", "/some-bucket/same", &[source], "").await.ok();
    for path in ["/some-bucket/k", "/some-bucket/same"] {
        for method in ["GET", "HEAD"] {
            let got = vault.send(method, path, &[], "").await.ok();
            for (name, value) in given {
                assert_eq!(got.headers[name].as_bytes(), value.as_bytes(), "{method} {path} {name}");
            }
        }
    }
    let replace = [source, ("x-amz-metadata-directive", "REPLACE"), ("x-amz-meta-new", "1")];
    vault.send("PUT", "/some-bucket/k", &replace, "").await.ok();
    let got = vault.get("/some-bucket/k").await.ok();
    assert_eq!(got.header("x-amz-meta-new"), "1");
    assert!(!got.headers.contains_key("x-amz-meta-odd"));
    assert_eq!(got.text(), "x");
    vault.send("PUT", "/some-bucket/k", &[source], "").await.fails(400, "InvalidRequest");
    let long = "x".repeat(17 * 1024);
    vault.send("PUT", "/some-bucket/k", &[("x-amz-meta-long", &long)], "").await.fails(400, "MetadataTooLarge");
}

#[tokio::test]
async fn checksums_are_verified_and_kept() {
    let vault = Vault::with_bucket(LocalOptions::default()).await;
    let crc = ("x-amz-checksum-crc32", "y/Q5Jg=="); // of "123456789"
    let bad = ("x-amz-checksum-crc32", "AAAAAA==");
    vault.send("PUT", "/some-bucket/k", &[bad], "123456789").await.fails(400, "BadDigest");
    let md5 = ("content-md5", "CY9rzUYh03PK3k6DJie09g=="); // of "test"
    vault.send("PUT", "/some-bucket/k", &[md5], "123456789").await.fails(400, "BadDigest");
    vault.send("PUT", "/some-bucket/k", &[("content-md5", "x")], "").await.fails(400, "InvalidDigest");
    assert_eq!(vault.files(0).await, 0);
    vault.send("PUT", "/some-bucket/md5", &[md5], "test").await.ok();
    let put = vault.send("PUT", "/some-bucket/k", &[crc], "123456789").await.ok();
    assert_eq!(put.header(crc.0), crc.1);
    let mode = ("x-amz-checksum-mode", "ENABLED");
    let head = vault.send("HEAD", "/some-bucket/k", &[mode], "").await.ok();
    assert_eq!((head.header(crc.0), head.header("x-amz-checksum-type")), (crc.1, "FULL_OBJECT"));
    assert!(!vault.get("/some-bucket/k").await.headers.contains_key(crc.0));

    // In a trailer.
    for (value, good) in [(crc.1, true), (bad.1, false)] {
        let mut trailers = HeaderMap::new();
        trailers.insert(crc.0, HeaderValue::from_str(value).expect("ASCII"));
        let frames = vec![Ok(Frame::data(Bytes::from_static(b"123456789"))), Ok(Frame::trailers(trailers))];
        let payload = Payload::Stream { body: framed(frames), length: 9 };
        let put =
            vault.try_send("PUT", "/some-bucket/t", &[("x-amz-trailer", crc.0)], payload).await.expect("an answer");
        assert_eq!(put.status.is_success(), good);
    }
}

#[tokio::test]
async fn checksums_of_parts_and_copies() {
    let vault = Vault::with_bucket(LocalOptions::default()).await;
    let crc = ("x-amz-checksum-crc32", "y/Q5Jg=="); // of "123456789"
    let bad = ("x-amz-checksum-crc32", "AAAAAA==");
    vault.send("PUT", "/some-bucket/k", &[crc], "123456789").await.ok();
    // Of a multipart upload: of the whole from its parts.
    let create = [("x-amz-checksum-algorithm", "CRC32"), ("x-amz-checksum-type", "FULL_OBJECT")];
    let path = "/some-bucket/m";
    let id = vault.send("POST", "/some-bucket/m?uploads", &create, "").await.ok().one("UploadId");
    let first = pattern(5 * MIB);
    let query = |number| format!("{path}?partNumber={number}&uploadId={id}");
    let one = vault.send("PUT", &query(1), &[], first.clone()).await.ok().etag();
    let two = vault.send("PUT", &query(2), &[crc], "123456789").await.ok().etag();
    let whole = [&first[..], b"123456789"].concat();
    let sum = crc_fast::checksum(crc_fast::CrcAlgorithm::Crc32IsoHdlc, &whole) as u32;
    let expected = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, sum.to_be_bytes());
    let parts = [(1, one), (2, two)];
    vault.complete(path, &id, &parts, &[bad]).await.fails(400, "BadDigest");
    let done = vault.complete(path, &id, &parts, &[(crc.0, &expected)]).await.ok();
    assert_eq!(done.one("ChecksumCRC32"), expected);
    let copied = vault
        .send(
            "PUT",
            "/some-bucket/c",
            &[("x-amz-copy-source", "some-bucket/k"), ("x-amz-checksum-algorithm", "CRC32C")],
            "",
        )
        .await
        .ok();
    assert_eq!(copied.one("ChecksumCRC32C"), "4waSgw==", "of \"123456789\"");
}

#[tokio::test]
async fn what_would_be_wrong_to_ignore_is_refused() {
    let vault = Vault::with_bucket(LocalOptions::default()).await;
    for (header, value, status, code) in [
        ("x-amz-acl", "public", 400, "InvalidArgument"),
        ("x-amz-grant-read", "id=1", 400, "InvalidArgument"),
        ("x-amz-server-side-encryption", "aws:kms", 501, "NotImplemented"),
        ("x-amz-server-side-encryption-customer-algorithm", "AES256", 400, "InvalidArgument"),
        ("x-amz-object-lock-mode", "GOVERNANCE", 400, "InvalidArgument"),
        ("x-amz-object-lock-legal-hold", "ON", 400, "InvalidRequest"),
    ] {
        let put = vault.send("PUT", "/some-bucket/k", &[(header, value)], "x").await;
        put.fails(status, code);
    }
    let private = [("x-amz-acl", "private"), ("x-amz-server-side-encryption", "AES256")];
    vault.send("PUT", "/some-bucket/k", &private, "x").await.ok();
}

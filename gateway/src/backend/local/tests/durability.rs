//! Failures, races, references and restarts.

use super::*;

#[tokio::test]
async fn a_body_that_fails_leaves_nothing() {
    #[derive(Debug, thiserror::Error)]
    #[error("checksum mismatch")]
    struct Ours;
    let vault = Vault::with_bucket(LocalOptions::default()).await;
    let id = vault.send("POST", "/some-bucket/k?uploads", &[], "").await.ok().one("UploadId");
    let part = format!("/some-bucket/k?partNumber=1&uploadId={id}");
    for path in ["/some-bucket/k", part.as_str()] {
        // Before the first byte, in the first batch, and after several.
        for good in [0, 1000, 2 * MIB] {
            let frames = vec![Ok(Frame::data(pattern(good))), Err(Ours.into())];
            let payload = Payload::Stream { body: framed(frames), length: good as u64 + 1 };
            let failed = vault.try_send("PUT", path, &[], payload).await;
            let Err(BackendError::Body(cause)) = failed else {
                panic!("the body failed");
            };
            assert!(cause.is::<Ours>(), "the cause itself comes back");
        }
        // Shorter and longer than declared.
        for length in [999, 1001] {
            let payload = Payload::Stream { body: framed(vec![Ok(Frame::data(pattern(1000)))]), length };
            let failed = vault.try_send("PUT", path, &[], payload).await;
            assert!(matches!(failed, Err(BackendError::Body(_))));
        }
    }
    vault.get("/some-bucket/k").await.fails(404, "NoSuchKey");
    assert!(vault.get(&format!("/some-bucket/k?uploadId={id}")).await.ok().all("Part").is_empty());
    assert_eq!(vault.files(0).await, 0);
}

#[tokio::test]
async fn a_caller_that_goes_away_leaves_nothing() {
    let vault = Vault::with_bucket(LocalOptions::default()).await;
    let first = stream::iter([Ok::<_, BoxError>(Frame::data(pattern(MIB)))]);
    let body = StreamBody::new(futures_util::StreamExt::chain(first, stream::pending()));
    let payload = Payload::Stream { body: body.boxed_unsync(), length: 2 * MIB as u64 };
    let put = vault.try_send("PUT", "/some-bucket/k", &[], payload);
    assert!(tokio::time::timeout(Duration::from_millis(300), put).await.is_err());
    assert_eq!(vault.files(0).await, 0);
    vault.get("/some-bucket/k").await.fails(404, "NoSuchKey");
}

#[tokio::test]
async fn one_of_many_creators_wins() {
    let vault = Arc::new(Vault::with_bucket(LocalOptions::default()).await);
    let creators: Vec<_> = (0..100)
        .map(|i| {
            let vault = Arc::clone(&vault);
            tokio::spawn(async move {
                let reply = vault.send("PUT", "/some-bucket/k", &[("if-none-match", "*")], format!("writer {i}")).await;
                (i, reply.status)
            })
        })
        .collect();
    let mut winners = Vec::new();
    for creator in creators {
        let (i, status) = creator.await.expect("no panic");
        match status {
            StatusCode::OK => winners.push(i),
            status => assert_eq!(status, StatusCode::PRECONDITION_FAILED),
        }
    }
    let [winner] = winners[..] else {
        panic!("winners: {winners:?}");
    };
    let got = vault.get("/some-bucket/k").await.ok();
    assert_eq!(got.text(), format!("writer {winner}"));
    assert_eq!(vault.files(1).await, 1, "the losers' blobs are gone");
}

#[tokio::test]
async fn blobs_live_as_long_as_their_references() {
    let vault = Vault::with_bucket(LocalOptions::default()).await;
    let bytes = pattern(2 * MIB);
    let etag = vault.send("PUT", "/some-bucket/k", &[], bytes.clone()).await.ok().etag();
    let source = ("x-amz-copy-source", "some-bucket/k");
    let copied = vault.send("PUT", "/some-bucket/copy", &[source], "").await.ok();
    assert_eq!(copied.one("ETag").trim_matches('"'), etag);
    assert_eq!(vault.files(1).await, 1);
    vault.send("DELETE", "/some-bucket/k", &[], "").await.ok();
    assert!(vault.get("/some-bucket/copy").await.ok().body == bytes);

    // A reader that began before the delete goes on to the end.
    let request = BackendRequest {
        method: Method::GET,
        path: "/some-bucket/copy".to_owned(),
        query: String::new(),
        headers: HeaderMap::new(),
        payload: Payload::Empty,
        sender: Signer::Gateway.into(),
    };
    let reading = vault.backend.call(request).await.expect("an answer");
    vault.send("DELETE", "/some-bucket/copy", &[], "").await.ok();
    tokio::time::sleep(Duration::from_millis(50)).await;
    let read = body::collect(reading.into_body(), 3 * MIB).await.expect("whole");
    assert!(read == bytes);
    assert_eq!(vault.files(0).await, 0);
}

#[tokio::test]
async fn a_restart_keeps_all_and_sweeps_the_rest() {
    let vault = Vault::with_bucket(LocalOptions::default()).await;
    vault.send("PUT", "/some-bucket/k", &[("x-amz-meta-a", "b")], "kept").await.ok();
    let id = vault.send("POST", "/some-bucket/m?uploads", &[], "").await.ok().one("UploadId");
    let part = format!("/some-bucket/m?partNumber=1&uploadId={id}");
    let etag = vault.send("PUT", &part, &[], "part").await.ok().etag();
    let again = LocalBackend::open(&vault.data(), LocalOptions::default()).await;
    assert!(matches!(again, Err(LocalError::InUse(_))), "one process at a time");
    vault.backend.close().await;
    vault.send("PUT", "/some-bucket/late", &[], "x").await.fails(500, "InternalError");

    // What a crash leaves: an unfinished write, and a blob whose commit did not happen.
    let shelf = vault.data().join("blobs/00/01");
    fs::create_dir_all(&shelf).expect("a folder");
    fs::write(shelf.join(format!("0001{}", "5".repeat(28))), "orphan").expect("a file");
    fs::write(vault.data().join("tmp/half"), "half").expect("a file");

    let backend = LocalBackend::open(&vault.data(), LocalOptions::default()).await.expect("the directory is free");
    let vault = Vault { backend: Arc::new(backend), dir: vault.dir };
    let got = vault.get("/some-bucket/k").await.ok();
    assert_eq!((got.text(), got.header("x-amz-meta-a")), ("kept", "b"));
    assert_eq!(vault.files(2).await, 2, "the object and the part");
    vault.complete("/some-bucket/m", &id, &[(1, etag)], &[]).await.ok();
    assert_eq!(vault.get("/some-bucket/m").await.ok().text(), "part");
    let mode = std::os::unix::fs::PermissionsExt::mode(&fs::metadata(vault.data()).expect("metadata").permissions());
    assert_eq!(mode & 0o777, 0o700);
}

/// The greatest number of pages that the index may have.
async fn limit_pages(vault: &Vault, spare: Option<i64>) {
    let set = vault.backend.store.index.write(move |txn| {
        Box::pin(async move {
            let pages: i64 = sqlx::query_scalar("PRAGMA page_count").fetch_one(txn.conn()).await?;
            let most = spare.map_or(i64::from(u32::MAX) - 1, |spare| pages + spare);
            sqlx::query(sqlx::AssertSqlSafe(format!("PRAGMA max_page_count = {most}"))).execute(txn.conn()).await?;
            Ok(())
        })
    });
    set.await.expect("the limit is set");
}

#[tokio::test]
async fn a_full_index_is_507_and_stores_nothing() {
    let vault = Vault::with_bucket(LocalOptions::default()).await;
    limit_pages(&vault, Some(10)).await;
    let long = "x".repeat(8000);
    let mut stored = Vec::new();
    let failed = loop {
        let path = format!("/some-bucket/{}", stored.len());
        let put = vault.send("PUT", &path, &[("x-amz-meta-long", &long)], path.clone()).await;
        if !put.status.is_success() {
            break put;
        }
        stored.push(path);
        assert!(stored.len() < 100, "ten pages hold no hundred of these");
    };
    failed.fails(507, "InsufficientStorage");
    assert_eq!(vault.files(stored.len()).await, stored.len());
    limit_pages(&vault, None).await;
    let path = format!("/some-bucket/{}", stored.len());
    vault.get(&path).await.fails(404, "NoSuchKey");
    for path in &stored {
        assert_eq!(vault.get(path).await.ok().text(), path);
    }
    vault.send("PUT", &path, &[("x-amz-meta-long", &long)], "room again").await.ok();
}

#[tokio::test]
async fn deletes_write_in_the_reserve_and_others_only_beside_it() {
    let vault = Vault::with_bucket(LocalOptions::default()).await;
    vault.send("PUT", "/some-bucket/k", &[], "kept").await.ok();
    let reserve = vault.data().join("reserve");
    assert_eq!(fs::metadata(&reserve).expect("made by the first write").len(), 8 * MIB as u64);

    // While a delete is given the room, a write waits to put it aside again.
    let room = vault.backend.store.reserve.give_up().await.expect("given up");
    assert!(!reserve.exists());
    let put = vault.send("PUT", "/some-bucket/late", &[], "x");
    assert!(tokio::time::timeout(Duration::from_millis(100), put).await.is_err());
    vault.send("DELETE", "/some-bucket/k", &[], "").await.ok();
    drop(room);

    // Where the room cannot be put aside nothing grows, and deletes go on.
    drop(vault.backend.store.reserve.give_up().await.expect("given up"));
    fs::create_dir(&reserve).expect("a folder in its place");
    vault.send("PUT", "/some-bucket/k", &[], "x").await.fails(500, "InternalError");
    vault.send("PUT", "/other-bucket", &[], "").await.fails(500, "InternalError");
    vault.send("DELETE", "/some-bucket/late", &[], "").await.ok();
    fs::remove_dir(&reserve).expect("removed");
    vault.send("PUT", "/some-bucket/k", &[], "x").await.ok();
    assert_eq!(vault.files(1).await, 1);
}

#[tokio::test]
async fn a_lost_index_is_refused_and_its_blobs_stay() {
    let vault = Vault::with_bucket(LocalOptions::default()).await;
    vault.send("PUT", "/some-bucket/k", &[], "kept").await.ok();
    vault.backend.close().await;
    let index = vault.data().join("index.db");
    for garbage in [None, Some(String::new()), Some("garbage".repeat(4096))] {
        match &garbage {
            None => fs::remove_file(&index).expect("there"),
            Some(garbage) => fs::write(&index, garbage).expect("written"),
        }
        let refused = LocalBackend::open(&vault.data(), LocalOptions::default()).await.err().expect("refused");
        match garbage {
            Some(garbage) if !garbage.is_empty() => assert!(matches!(refused, LocalError::IndexDamaged(..))),
            _ => assert!(matches!(refused, LocalError::IndexLost(_))),
        }
        assert_eq!(files(&vault.data()), 1);
    }
}

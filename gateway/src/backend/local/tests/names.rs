//! Buckets, versions, tags and listings.

use std::collections::BTreeSet;

use super::*;

#[tokio::test]
async fn versions_and_delete_markers() {
    let vault = Vault::with_bucket(LocalOptions::default()).await;
    let unversioned = vault.send("PUT", "/some-bucket/k", &[], "null").await.ok();
    assert!(!unversioned.headers.contains_key("x-amz-version-id"));
    vault.enable_versioning("Enabled").await;
    assert_eq!(vault.get("/some-bucket?versioning").await.one("Status"), "Enabled");
    let put = |body: &'static str| vault.send("PUT", "/some-bucket/k", &[], body);
    let one = put("one").await.ok().header("x-amz-version-id").to_owned();
    let two = put("two").await.ok().header("x-amz-version-id").to_owned();
    assert_eq!(vault.get("/some-bucket/k").await.text(), "two");
    let version = |id: &str| format!("/some-bucket/k?versionId={id}");
    assert_eq!(vault.get(&version(&one)).await.text(), "one");
    assert_eq!(vault.get(&version("null")).await.text(), "null");

    let deleted = vault.send("DELETE", "/some-bucket/k", &[], "").await.ok();
    assert_eq!(deleted.header("x-amz-delete-marker"), "true");
    let marker = deleted.header("x-amz-version-id").to_owned();
    let gone = vault.get("/some-bucket/k").await;
    gone.fails(404, "NoSuchKey");
    assert_eq!(gone.header("x-amz-delete-marker"), "true");
    vault.get(&version(&marker)).await.fails(405, "MethodNotAllowed");
    assert!(vault.get("/some-bucket?list-type=2").await.all("Key").is_empty());

    let listed = vault.get("/some-bucket?versions").await.ok();
    assert_eq!(listed.all("Version").len(), 3);
    assert_eq!(listed.all("DeleteMarker").len(), 1);
    assert_eq!(listed.all("IsLatest").iter().filter(|l| *l == "true").count(), 1);
    // Page by page: newest first.
    let (mut seen, mut query) = (Vec::new(), "versions&max-keys=1".to_owned());
    loop {
        let page = vault.get(&format!("/some-bucket?{query}")).await.ok();
        seen.extend(page.all("VersionId"));
        if page.one("IsTruncated") == "false" {
            break;
        }
        query = format!(
            "versions&max-keys=1&key-marker={}&version-id-marker={}",
            page.one("NextKeyMarker"),
            page.one("NextVersionIdMarker")
        );
    }
    assert_eq!(seen, [marker.clone(), two.clone(), one.clone(), "null".to_owned()]);

    vault.send("DELETE", &version(&marker), &[], "").await.ok();
    assert_eq!(vault.get("/some-bucket/k").await.text(), "two");
    vault.send("DELETE", &version(&two), &[], "").await.ok();
    let gone = vault.get(&format!("/some-bucket?versions&key-marker=k&version-id-marker={two}")).await.ok();
    assert_eq!(gone.all("VersionId"), [one.clone(), "null".to_owned()], "a marker that is gone loses nothing");
    assert_eq!(vault.get("/some-bucket/k").await.text(), "one");

    vault.enable_versioning("Suspended").await;
    let suspended = put("null again").await.ok();
    assert!(!suspended.headers.contains_key("x-amz-version-id"));
    assert_eq!(vault.get(&version("null")).await.text(), "null again");
    let listed = vault.get("/some-bucket?versions").await.ok();
    assert_eq!(listed.all("VersionId"), ["null".to_owned(), one.clone()]);
    assert_eq!(vault.files(2).await, 2);
    vault.send("DELETE", "/some-bucket", &[], "").await.fails(409, "BucketNotEmpty");
    vault.send("DELETE", &version("null"), &[], "").await.ok();
    vault.send("DELETE", &version(&one), &[], "").await.ok();
    vault.send("DELETE", "/some-bucket", &[], "").await.ok();
    vault.send("HEAD", "/some-bucket", &[], "").await;
    assert_eq!(vault.files(0).await, 0);
}

#[tokio::test]
async fn tags() {
    let vault = Vault::with_bucket(LocalOptions::default()).await;
    vault.get("/some-bucket?tagging").await.fails(404, "NoSuchTagSet");
    let tagged = ("x-amz-tagging", "b=x%20y&a=1");
    vault.send("PUT", "/some-bucket/k", &[tagged], "x").await.ok();
    assert_eq!(vault.get("/some-bucket/k").await.header("x-amz-tagging-count"), "2");
    let source = ("x-amz-copy-source", "some-bucket/k");
    vault.send("PUT", "/some-bucket/copy", &[source], "").await.ok();
    let replace = [source, ("x-amz-tagging-directive", "REPLACE"), ("x-amz-tagging", "c=3")];
    vault.send("PUT", "/some-bucket/other", &replace, "").await.ok();
    let keys = async |key: &str| vault.get(&format!("/some-bucket/{key}?tagging")).await.ok().all("Key");
    assert_eq!(keys("copy").await, ["a", "b"]);
    assert_eq!(keys("other").await, ["c"]);
    let xml = "<Tagging><TagSet><Tag><Key>z</Key><Value>9</Value></Tag></TagSet></Tagging>";
    vault.send("PUT", "/some-bucket/k?tagging", &[], xml).await.ok();
    assert_eq!(keys("k").await, ["z"]);
    vault.send("DELETE", "/some-bucket/k?tagging", &[], "").await.ok();
    assert!(keys("k").await.is_empty());
    vault.send("PUT", "/some-bucket?tagging", &[], xml).await.ok();
    assert_eq!(vault.get("/some-bucket?tagging").await.ok().one("Value"), "9");
}

#[tokio::test]
async fn listings_go_through_odd_keys_page_by_page() {
    let vault = Vault::with_bucket(LocalOptions::default()).await;
    let keys = [
        "a",
        "a/",
        "a//b",
        "a/b",
        "a/b/c",
        "a b",
        "a+b",
        "a%2Fb",
        "b?x=1&y",
        "é",
        "日本",
        "\u{10ffff}",
        "~",
        "..",
        "./x",
        "/lead",
        "<&>\"'",
        "A",
        "Z/1",
        "Z/2",
    ];
    for key in keys {
        let path = format!("/some-bucket/{}", utf8_percent_encode(key, NON_ALPHANUMERIC));
        vault.send("PUT", &path, &[], key.to_owned()).await.ok();
        assert_eq!(vault.get(&path).await.ok().text(), key);
    }
    let expected: BTreeSet<String> = keys.map(str::to_owned).into();
    for size in [1, 3, 1000] {
        let (mut seen, mut token) = (Vec::new(), String::new());
        loop {
            let query = format!("/some-bucket?list-type=2&max-keys={size}{token}");
            let page = vault.get(&query).await.ok();
            assert_eq!(page.one("KeyCount"), page.all("Contents").len().to_string());
            seen.extend(page.all("Key"));
            if page.one("IsTruncated") == "false" {
                break;
            }
            token = format!("&continuation-token={}", page.one("NextContinuationToken"));
        }
        assert_eq!(seen, Vec::from_iter(expected.clone()), "in the order of UTF-8 bytes");
    }
    let rolled = vault.get("/some-bucket?delimiter=/&max-keys=3&encoding-type=url").await.ok();
    assert_eq!(rolled.one("NextMarker"), "/");
    let rolled = vault.get("/some-bucket?delimiter=/&prefix=a/&encoding-type=url").await.ok();
    assert_eq!(rolled.all("Key"), ["a/", "a/b"]);
    assert_eq!(rolled.all("CommonPrefixes"), ["<Prefix>a//</Prefix>", "<Prefix>a/b/</Prefix>"]);
    let encoded = vault.get("/some-bucket?list-type=2&encoding-type=url&start-after=~").await.ok();
    assert_eq!(encoded.all("Key"), ["%C3%A9", "%E6%97%A5%E6%9C%AC", "%F4%8F%BF%BF"]);
    vault.get("/some-bucket?list-type=2&continuation-token=%21").await.fails(400, "InvalidArgument");

    let mut delete = "<Delete>".to_owned();
    for key in keys {
        let key = quick_xml::escape::escape(key);
        delete = delete + "<Object><Key>" + &key + "</Key></Object>";
    }
    let deleted = vault.send("POST", "/some-bucket?delete", &[], delete + "</Delete>").await.ok();
    assert_eq!(deleted.all("Deleted").len(), keys.len());
    assert!(vault.get("/some-bucket").await.ok().all("Key").is_empty());
    assert_eq!(vault.files(0).await, 0);
}

#[tokio::test]
async fn buckets() {
    let vault = Vault::new(LocalOptions::default()).await;
    for path in ["/ab", "/a%20bucket", "/a%2f"] {
        vault.send("PUT", path, &[], "").await.fails(400, "InvalidBucketName");
    }
    vault.get("/none/k").await.fails(404, "NoSuchBucket");
    vault.send("PUT", "/none/k", &[], "x").await.fails(404, "NoSuchBucket");
    for name in ["three", "one", "two"] {
        vault.send("PUT", &format!("/{name}"), &[], "").await.ok();
    }
    vault.send("PUT", "/one", &[], "").await.ok();
    let public = [("x-amz-acl", "public-read")];
    vault.send("PUT", "/one", &public, "").await.fails(409, "BucketAlreadyExists");
    let elsewhere =
        "<CreateBucketConfiguration><LocationConstraint>eu-west-1</LocationConstraint></CreateBucketConfiguration>";
    vault.send("PUT", "/one", &[], elsewhere).await.fails(409, "BucketAlreadyOwnedByYou");
    assert_eq!(vault.get("/").await.ok().all("Name"), ["one", "three", "two"]);
    let page = vault.get("/?max-buckets=1&prefix=t").await.ok();
    assert_eq!(page.all("Name"), ["three"]);
    let rest = format!("/?prefix=t&continuation-token={}", page.one("ContinuationToken"));
    assert_eq!(vault.get(&rest).await.ok().all("Name"), ["two"]);
    vault.send("HEAD", "/one", &[], "").await.ok();
    vault.get("/one?location").await.ok();
    assert_eq!(vault.get("/one?acl").await.ok().one("Permission"), "FULL_CONTROL");
    vault.send("DELETE", "/one", &[], "").await.ok();
    vault.send("DELETE", "/one", &[], "").await.fails(404, "NoSuchBucket");
    let anonymous = BackendRequest {
        method: Method::GET,
        path: "/two".to_owned(),
        query: String::new(),
        headers: HeaderMap::new(),
        payload: Payload::Empty,
        sender: Signer::Anonymous.into(),
    };
    let denied = vault.backend.call(anonymous).await.expect("an answer");
    assert_eq!(denied.status(), StatusCode::FORBIDDEN);
}

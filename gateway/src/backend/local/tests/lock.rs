//! Object Lock.

use super::*;

const UNTIL: &str = "2140-01-01T00:00:00Z";
const GOVERNED: [(&str, &str); 2] =
    [("x-amz-object-lock-mode", "GOVERNANCE"), ("x-amz-object-lock-retain-until-date", UNTIL)];
const COMPLIANT: [(&str, &str); 2] =
    [("x-amz-object-lock-mode", "COMPLIANCE"), ("x-amz-object-lock-retain-until-date", UNTIL)];
const BYPASS: (&str, &str) = ("x-amz-bypass-governance-retention", "true");

async fn with_lock() -> Vault {
    let vault = Vault::new(LocalOptions::default()).await;
    vault.send("PUT", "/some-bucket", &[("x-amz-bucket-object-lock-enabled", "true")], "").await.ok();
    assert_eq!(vault.get("/some-bucket?versioning").await.one("Status"), "Enabled");
    vault
}

impl Vault {
    async fn put_version(&self, key: &str, headers: &[(&str, &str)]) -> String {
        let put = self.send("PUT", &format!("/some-bucket/{key}"), headers, "bytes").await.ok();
        let id = put.header("x-amz-version-id").to_owned();
        format!("/some-bucket/{key}?versionId={id}")
    }

    async fn delete(&self, path: &str, headers: &[(&str, &str)]) -> Reply {
        self.send("DELETE", path, headers, "").await
    }
}

#[tokio::test]
async fn a_locked_version_is_not_removed() {
    let vault = with_lock().await;
    let governed = vault.put_version("k", &GOVERNED).await;
    let compliant = vault.put_version("k", &COMPLIANT).await;
    let held = vault.put_version("k", &[("x-amz-object-lock-legal-hold", "ON")]).await;
    let free = vault.put_version("k", &[]).await;
    let seen = vault.send("HEAD", &compliant, &[], "").await.ok();
    assert_eq!(seen.header("x-amz-object-lock-mode"), "COMPLIANCE");
    assert!(seen.header("x-amz-object-lock-retain-until-date").starts_with("2140-01-01T00:00:00"));

    for path in [&governed, &compliant, &held] {
        vault.delete(path, &[]).await.fails(403, "AccessDenied");
    }
    for path in [&compliant, &held] {
        vault.delete(path, &[BYPASS]).await.fails(403, "AccessDenied");
    }
    let ids = [&governed, &compliant, &held, &free].map(|path| path.split_once('=').expect("an id").1);
    let objects = ids.map(|id| format!("<Object><Key>k</Key><VersionId>{id}</VersionId></Object>")).join("");
    let deleted = vault.send("POST", "/some-bucket?delete", &[], format!("<Delete>{objects}</Delete>")).await.ok();
    assert_eq!(deleted.all("Code"), ["AccessDenied"; 3]);
    assert_eq!(deleted.all("Deleted").len(), 1);

    // What is written or deleted without a version id goes on top.
    vault.delete("/some-bucket/k", &[]).await.ok();
    vault.send("PUT", "/some-bucket/k", &[], "new").await.ok();
    vault
        .send(
            "PUT",
            "/some-bucket/k",
            &[("x-amz-copy-source", "some-bucket/k"), ("x-amz-storage-class", "STANDARD")],
            "",
        )
        .await
        .ok();
    for path in [&governed, &compliant, &held] {
        assert_eq!(vault.get(path).await.ok().text(), "bytes");
    }
    let suspended = "<VersioningConfiguration><Status>Suspended</Status></VersioningConfiguration>";
    vault.send("PUT", "/some-bucket?versioning", &[], suspended).await.fails(409, "InvalidBucketState");
    vault.delete("/some-bucket", &[]).await.fails(409, "BucketNotEmpty");

    // It is there after a restart as well.
    vault.backend.close().await;
    let backend = LocalBackend::open(&vault.data(), LocalOptions::default()).await.expect("the directory is free");
    let vault = Vault { backend: Arc::new(backend), dir: vault.dir };
    vault.delete(&compliant, &[BYPASS]).await.fails(403, "AccessDenied");
    vault.delete(&governed, &[BYPASS]).await.ok();
    vault
        .send("PUT", &held.replace('?', "?legal-hold&"), &[], "<LegalHold><Status>OFF</Status></LegalHold>")
        .await
        .ok();
    vault.delete(&held, &[]).await.ok();
}

#[tokio::test]
async fn retention_is_made_longer_only() {
    let vault = with_lock().await;
    let path = vault.put_version("k", &[]).await;
    let retention = path.replace('?', "?retention&");
    let xml = |mode: &str, until: &str| {
        format!("<Retention><Mode>{mode}</Mode><RetainUntilDate>{until}</RetainUntilDate></Retention>")
    };
    let put = |headers: &'static [(&str, &str)], body: String| vault.send("PUT", &retention, headers, body);
    vault.get(&retention).await.fails(404, "NoSuchObjectLockConfiguration");
    put(&[], xml("governance", UNTIL)).await.fails(400, "MalformedXML");
    put(&[], xml("GOVERNANCE", "2001-01-01T00:00:00Z")).await.fails(400, "InvalidArgument");
    put(&[], xml("GOVERNANCE", UNTIL)).await.ok();
    put(&[], xml("GOVERNANCE", "2141-01-01T00:00:00Z")).await.ok();
    put(&[], xml("GOVERNANCE", UNTIL)).await.fails(403, "AccessDenied");
    put(&[], xml("COMPLIANCE", UNTIL)).await.fails(403, "AccessDenied");
    put(&[], "<Retention/>".to_owned()).await.fails(403, "AccessDenied");
    put(&[BYPASS], xml("COMPLIANCE", UNTIL)).await.ok();
    put(&[BYPASS], xml("GOVERNANCE", UNTIL)).await.fails(403, "AccessDenied");
    put(&[BYPASS], "<Retention/>".to_owned()).await.fails(403, "AccessDenied");
    assert_eq!(vault.get(&retention).await.ok().one("Mode"), "COMPLIANCE");
}

#[tokio::test]
async fn a_default_retention_is_for_all_that_is_written() {
    let vault = with_lock().await;
    let lock = |rule: &str| {
        format!(
            "<ObjectLockConfiguration><ObjectLockEnabled>Enabled</ObjectLockEnabled><Rule><DefaultRetention>{rule}</DefaultRetention></Rule></ObjectLockConfiguration>"
        )
    };
    for (rule, code) in [
        ("<Mode>GOVERNANCE</Mode><Days>1</Days><Years>1</Years>", "MalformedXML"),
        ("<Mode>GOVERNANCE</Mode>", "MalformedXML"),
        ("<Mode>abc</Mode><Days>1</Days>", "MalformedXML"),
        ("<Mode>GOVERNANCE</Mode><Days>0</Days>", "InvalidRetentionPeriod"),
        ("<Mode>GOVERNANCE</Mode><Years>101</Years>", "InvalidRetentionPeriod"),
    ] {
        vault.send("PUT", "/some-bucket?object-lock", &[], lock(rule)).await.fails(400, code);
    }
    vault.send("PUT", "/some-bucket?object-lock", &[], lock("<Mode>GOVERNANCE</Mode><Days>3</Days>")).await.ok();
    assert_eq!(vault.get("/some-bucket?object-lock").await.ok().one("Days"), "3");

    let put = vault.put_version("k", &[]).await;
    let own = vault.put_version("k", &COMPLIANT).await;
    let upload = vault.upload("m", &[Bytes::from_static(b"part")]).await.ok();
    let upload = format!("/some-bucket/m?versionId={}", upload.header("x-amz-version-id"));
    let copy = vault.put_version("c", &[("x-amz-copy-source", "some-bucket/k")]).await;
    for (path, mode) in [(&put, "GOVERNANCE"), (&own, "COMPLIANCE"), (&upload, "GOVERNANCE"), (&copy, "GOVERNANCE")] {
        assert_eq!(vault.send("HEAD", path, &[], "").await.ok().header("x-amz-object-lock-mode"), mode, "{path}");
        vault.delete(path, &[]).await.fails(403, "AccessDenied");
    }
    // A marker is no object.
    let marker = vault.delete("/some-bucket/k", &[]).await.ok().header("x-amz-version-id").to_owned();
    vault.delete(&format!("/some-bucket/k?versionId={marker}"), &[]).await.ok();
}

#[tokio::test]
async fn an_upload_carries_its_lock() {
    let vault = with_lock().await;
    let created = vault.send("POST", "/some-bucket/m?uploads", &COMPLIANT, "").await.ok();
    let id = created.one("UploadId");
    let part = format!("/some-bucket/m?partNumber=1&uploadId={id}");
    let etag = vault.send("PUT", &part, &[], "part").await.ok().etag();
    let done = vault.complete("/some-bucket/m", &id, &[(1, etag)], &[]).await.ok();
    let path = format!("/some-bucket/m?versionId={}", done.header("x-amz-version-id"));
    vault.delete(&path, &[BYPASS]).await.fails(403, "AccessDenied");
}

#[tokio::test]
async fn a_lock_needs_a_bucket_that_has_it() {
    let vault = Vault::with_bucket(LocalOptions::default()).await;
    let enable = "<ObjectLockConfiguration><ObjectLockEnabled>Enabled</ObjectLockEnabled></ObjectLockConfiguration>";
    vault.get("/some-bucket?object-lock").await.fails(404, "ObjectLockConfigurationNotFoundError");
    vault.send("PUT", "/some-bucket?object-lock", &[], enable).await.fails(409, "InvalidBucketState");
    vault.send("PUT", "/some-bucket/k", &GOVERNED, "x").await.fails(400, "InvalidRequest");
    vault.send("POST", "/some-bucket/k?uploads", &GOVERNED, "").await.fails(400, "InvalidRequest");
    vault.send("PUT", "/some-bucket/k", &[], "x").await.ok();
    vault.get("/some-bucket/k?retention").await.fails(400, "InvalidRequest");
    let hold = "<LegalHold><Status>ON</Status></LegalHold>";
    vault.send("PUT", "/some-bucket/k?legal-hold", &[], hold).await.fails(400, "InvalidRequest");
    vault.enable_versioning("Enabled").await;
    vault.send("PUT", "/some-bucket?object-lock", &[], enable).await.ok();
    vault.send("PUT", "/some-bucket/k?legal-hold", &[], hold).await.ok();
    vault.delete("/some-bucket/k?versionId=null", &[BYPASS]).await.fails(403, "AccessDenied");
}

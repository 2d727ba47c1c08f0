//! Lifecycle rules, applied as at some later day.

use keys::now_ms;

use super::*;

const DAY_MS: i64 = 24 * 60 * 60 * 1000;

impl Vault {
    async fn rules(&self, rules: &str) -> Reply {
        let xml = format!("<LifecycleConfiguration>{rules}</LifecycleConfiguration>");
        self.send("PUT", "/some-bucket?lifecycle", &[], xml).await
    }

    async fn after(&self, days: i64) {
        self.backend.store.expire(now_ms() + days * DAY_MS).await.expect("applied");
    }

    async fn keys(&self) -> Vec<String> {
        self.get("/some-bucket?list-type=2").await.ok().all("Key")
    }
}

fn rule(filter: &str, action: &str) -> String {
    format!("<Rule><Filter>{filter}</Filter><Status>Enabled</Status>{action}</Rule>")
}

#[tokio::test]
async fn objects_expire_when_they_are_due() {
    let vault = Vault::with_bucket(LocalOptions::default()).await;
    let tagged = [("x-amz-tagging", "keep=no")];
    vault.send("PUT", "/some-bucket/a/1", &[], "x").await.ok();
    vault.send("PUT", "/some-bucket/a/2", &tagged, "x").await.ok();
    vault.send("PUT", "/some-bucket/b/1", &tagged, "long enough").await.ok();
    vault.send("PUT", "/some-bucket/b/2", &[], "x").await.ok();
    let by_tag = "<And><Prefix>b/</Prefix><Tag><Key>keep</Key><Value>no</Value></Tag><ObjectSizeGreaterThan>5</ObjectSizeGreaterThan></And>";
    let three_days = "<Expiration><Days>3</Days></Expiration>";
    let rules = rule("<Prefix>a/</Prefix>", three_days) + &rule(by_tag, "<Expiration><Days>5</Days></Expiration>");
    vault.rules(&rules).await.ok();
    assert_eq!(vault.get("/some-bucket?lifecycle").await.ok().all("Days"), ["3", "5"]);
    vault.after(2).await;
    assert_eq!(vault.keys().await.len(), 4);
    vault.after(4).await;
    assert_eq!(vault.keys().await, ["b/1", "b/2"]);
    vault.after(6).await;
    assert_eq!(vault.keys().await, ["b/2"]);
    assert_eq!(vault.files(1).await, 1);
    vault.send("DELETE", "/some-bucket?lifecycle", &[], "").await.ok();
    vault.get("/some-bucket?lifecycle").await.fails(404, "NoSuchLifecycleConfiguration");
    let dated = rule("", "<Expiration><Date>2030-01-01T00:00:00Z</Date></Expiration>").replace("Enabled", "Disabled");
    vault.rules(&dated).await.ok();
    vault.after(36_500).await;
    assert_eq!(vault.keys().await, ["b/2"], "the rule is off");
}

#[tokio::test]
async fn versions_expire_and_locked_ones_stay() {
    let vault = Vault::new(LocalOptions::default()).await;
    vault.send("PUT", "/some-bucket", &[("x-amz-bucket-object-lock-enabled", "true")], "").await.ok();
    for body in ["one", "two", "three"] {
        vault.send("PUT", "/some-bucket/k", &[], body).await.ok();
    }
    vault.send("PUT", "/some-bucket/held", &[("x-amz-object-lock-legal-hold", "ON")], "held").await.ok();
    vault.send("PUT", "/some-bucket/held", &[], "new").await.ok();
    let noncurrent =
        "<NoncurrentVersionExpiration><NoncurrentDays>2</NoncurrentDays>KEEP</NoncurrentVersionExpiration>";
    let keep_one = noncurrent.replace("KEEP", "<NewerNoncurrentVersions>1</NewerNoncurrentVersions>");
    let versions = async || vault.get("/some-bucket?versions&prefix=k").await.ok().all("VersionId").len();
    vault.rules(&rule("", &keep_one)).await.ok();
    vault.after(1).await;
    assert_eq!(versions().await, 3);
    vault.after(4).await;
    assert_eq!(versions().await, 2, "the current one and the newest other");
    let all = noncurrent.replace("KEEP", "") + "<Expiration><Days>9</Days></Expiration>";
    vault.rules(&rule("", &all)).await.ok();
    vault.after(4).await;
    assert_eq!(versions().await, 1);
    vault.after(11).await;
    assert!(vault.keys().await.is_empty(), "delete markers are on top");
    for days in 12..16 {
        // A marker is as old as today, whenever the rules ran.
        vault.after(days).await;
    }
    let left = vault.get("/some-bucket?versions").await.ok();
    assert_eq!(left.all("Version").len(), 1, "the one under legal hold");
    assert_eq!(left.all("Key"), ["held", "held"], "and the marker over it");
}

#[tokio::test]
async fn uploads_are_aborted() {
    let vault = Vault::with_bucket(LocalOptions::default()).await;
    let id = vault.send("POST", "/some-bucket/k?uploads", &[], "").await.ok().one("UploadId");
    vault.send("PUT", &format!("/some-bucket/k?partNumber=1&uploadId={id}"), &[], "part").await.ok();
    let abort =
        "<AbortIncompleteMultipartUpload><DaysAfterInitiation>7</DaysAfterInitiation></AbortIncompleteMultipartUpload>";
    vault.rules(&rule("", abort)).await.ok();
    vault.after(6).await;
    assert_eq!(vault.files(1).await, 1);
    vault.after(9).await;
    assert_eq!(vault.files(0).await, 0);
    assert!(vault.get("/some-bucket?uploads").await.ok().all("UploadId").is_empty());
}

#[tokio::test]
async fn rules_are_validated() {
    let vault = Vault::with_bucket(LocalOptions::default()).await;
    let days = "<Expiration><Days>1</Days></Expiration>";
    let with_id = |id: &str| rule("", days).replace("<Rule>", &format!("<Rule><ID>{id}</ID>"));
    for (rules, status, code) in [
        (String::new(), 400, "MalformedXML"),
        (rule("", days).replace("Enabled", "enabled"), 400, "MalformedXML"),
        (rule("", "<Expiration><Days>0</Days></Expiration>"), 400, "InvalidArgument"),
        (rule("", "<Expiration><Date>2030-01-01T01:00:00Z</Date></Expiration>"), 400, "InvalidArgument"),
        (
            rule("", "<Transition><Days>1</Days><StorageClass>GLACIER</StorageClass></Transition>"),
            501,
            "NotImplemented",
        ),
        (rule("", ""), 400, "InvalidRequest"),
        (with_id("a") + &with_id("a"), 400, "InvalidArgument"),
        (with_id(&"a".repeat(256)), 400, "InvalidArgument"),
    ] {
        vault.rules(&rules).await.fails(status, code);
    }
    vault.get("/some-bucket?lifecycle").await.fails(404, "NoSuchLifecycleConfiguration");
}

//! Encryption, access lists, and the configurations of buckets.

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;

use super::*;

/// SSE-C headers for a key of this byte.
fn customer(prefix: &str, byte: u8) -> Vec<(String, String)> {
    let key = [byte; 32];
    [("algorithm", "AES256".to_owned()), ("key", BASE64.encode(key)), ("key-md5", BASE64.encode(Md5::digest(key)))]
        .map(|(name, value)| (format!("{prefix}server-side-encryption-customer-{name}"), value))
        .to_vec()
}

fn borrowed(headers: &[(String, String)]) -> Vec<(&str, &str)> {
    headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect()
}

#[tokio::test]
async fn who_does_not_show_the_key_does_not_read() {
    let vault = Vault::with_bucket(LocalOptions::default()).await;
    let (mine, other) = (customer("x-amz-", 1), customer("x-amz-", 2));
    let (mine, other) = (borrowed(&mine), borrowed(&other));
    let source = customer("x-amz-copy-source-", 1);
    let put = vault.send("PUT", "/some-bucket/k", &mine, "bytes").await.ok();
    assert_eq!(put.header("x-amz-server-side-encryption-customer-algorithm"), "AES256");
    for method in ["GET", "HEAD"] {
        for headers in [&[][..], &other] {
            let refused = vault.send(method, "/some-bucket/k", headers, "").await;
            assert_eq!(refused.status, StatusCode::BAD_REQUEST, "{method}");
            assert!(!refused.headers.contains_key("etag"));
        }
        let read = vault.send(method, "/some-bucket/k", &mine, "").await.ok();
        assert_eq!(read.header("x-amz-server-side-encryption-customer-key-md5"), mine[2].1);
    }
    // Nor by way of a copy or of a part.
    let from = ("x-amz-copy-source", "some-bucket/k");
    vault.send("PUT", "/some-bucket/copy", &[from], "").await.fails(400, "InvalidRequest");
    let id = vault.send("POST", "/some-bucket/m?uploads", &[], "").await.ok().one("UploadId");
    let part = format!("/some-bucket/m?partNumber=1&uploadId={id}");
    vault.send("PUT", &part, &[from], "").await.fails(400, "InvalidRequest");
    let mut shown = borrowed(&source);
    shown.push(from);
    vault.send("PUT", &part, &shown, "").await.ok();
    vault.send("PUT", "/some-bucket/copy", &shown, "").await.ok();
    assert_eq!(vault.get("/some-bucket/copy").await.ok().text(), "bytes", "a copy is encrypted as its request says");
    vault.send("GET", "/some-bucket/copy", &mine, "").await.fails(400, "InvalidRequest");

    // Every part of an upload, and its end.
    let id = vault.send("POST", "/some-bucket/u?uploads", &mine, "").await.ok().one("UploadId");
    let part = format!("/some-bucket/u?partNumber=1&uploadId={id}");
    vault.send("PUT", &part, &[], "x").await.fails(400, "InvalidRequest");
    vault.send("PUT", &part, &other, "x").await.fails(400, "InvalidRequest");
    let etag = vault.send("PUT", &part, &mine, "x").await.ok().etag();
    vault.complete("/some-bucket/u", &id, &[(1, etag.clone())], &[]).await.fails(400, "InvalidRequest");
    vault.complete("/some-bucket/u", &id, &[(1, etag)], &mine).await.ok();
    vault.get("/some-bucket/u").await.fails(400, "InvalidRequest");

    vault.backend.close().await;
    for file in ["index.db", "index.db-wal"] {
        let index = fs::read(vault.data().join(file)).unwrap_or_default();
        for secret in [&[1; 32][..], BASE64.encode([1; 32]).as_bytes(), hex::encode([1; 32]).as_bytes()] {
            assert!(!index.windows(secret.len()).any(|w| w == secret), "a key in {file}");
        }
    }
}

#[tokio::test]
async fn encryption_by_default_is_said() {
    const SSE: &str = "x-amz-server-side-encryption";
    let vault = Vault::with_bucket(LocalOptions::default()).await;
    vault.get("/some-bucket?encryption").await.fails(404, "ServerSideEncryptionConfigurationNotFoundError");
    let plain = vault.send("PUT", "/some-bucket/plain", &[], "x").await.ok();
    assert!(!plain.headers.contains_key(SSE));
    let xml = |algorithm: &str| {
        format!(
            "<ServerSideEncryptionConfiguration><Rule><ApplyServerSideEncryptionByDefault><SSEAlgorithm>{algorithm}</SSEAlgorithm></ApplyServerSideEncryptionByDefault></Rule></ServerSideEncryptionConfiguration>"
        )
    };
    vault.send("PUT", "/some-bucket?encryption", &[], xml("aws:kms")).await.fails(501, "NotImplemented");
    vault.send("PUT", "/some-bucket?encryption", &[], xml("ROT13")).await.fails(400, "MalformedXML");
    vault.send("PUT", "/some-bucket?encryption", &[], xml("AES256")).await.ok();
    assert_eq!(vault.get("/some-bucket?encryption").await.ok().one("SSEAlgorithm"), "AES256");
    assert_eq!(vault.send("PUT", "/some-bucket/k", &[], "x").await.ok().header(SSE), "AES256");
    assert_eq!(vault.get("/some-bucket/k").await.ok().header(SSE), "AES256");
    assert_eq!(vault.upload("m", &[Bytes::from_static(b"part")]).await.ok().header(SSE), "AES256");
    assert!(!vault.get("/some-bucket/plain").await.ok().headers.contains_key(SSE), "it was written before");
    vault.send("DELETE", "/some-bucket?encryption", &[], "").await.ok();
    vault.get("/some-bucket?encryption").await.fails(404, "ServerSideEncryptionConfigurationNotFoundError");
}

#[tokio::test]
async fn access_lists_are_kept_and_let_nobody_in() {
    let vault = Vault::with_bucket(LocalOptions::default()).await;
    let public = [("x-amz-acl", "public-read")];
    vault.send("PUT", "/some-bucket/k", &public, "x").await.ok();
    vault.send("PUT", "/some-bucket?acl", &public, "").await.ok();
    for path in ["/some-bucket?acl", "/some-bucket/k?acl"] {
        assert_eq!(vault.get(path).await.ok().all("Permission"), ["READ", "FULL_CONTROL"]);
    }
    let anonymous = BackendRequest::new(Method::GET, "/some-bucket/k".to_owned(), Signer::Anonymous);
    assert_eq!(vault.backend.call(anonymous).await.expect("an answer").status(), StatusCode::FORBIDDEN);

    let policy = |grantee: &str| {
        format!(
            "<AccessControlPolicy xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\"><AccessControlList><Grant>{grantee}<Permission>WRITE</Permission></Grant></AccessControlList></AccessControlPolicy>"
        )
    };
    let owner = "<Grantee xsi:type=\"CanonicalUser\"><ID>data-vault</ID></Grantee>";
    vault.send("PUT", "/some-bucket/k?acl", &[], policy(owner)).await.ok();
    assert_eq!(vault.get("/some-bucket/k?acl").await.ok().one("Permission"), "WRITE");
    for (grantee, code) in [
        ("<Grantee xsi:type=\"CanonicalUser\"><ID>somebody</ID></Grantee>", "InvalidArgument"),
        ("<Grantee xsi:type=\"Group\"><URI>http://example.com/</URI></Grantee>", "InvalidArgument"),
        (
            "<Grantee xsi:type=\"AmazonCustomerByEmail\"><EmailAddress>a@example.com</EmailAddress></Grantee>",
            "UnresolvableGrantByEmailAddress",
        ),
    ] {
        vault.send("PUT", "/some-bucket/k?acl", &[], policy(grantee)).await.fails(400, code);
    }

    // What keeps lists from being public.
    let controls =
        "<OwnershipControls><Rule><ObjectOwnership>BucketOwnerEnforced</ObjectOwnership></Rule></OwnershipControls>";
    let put_controls = || vault.send("PUT", "/some-bucket?ownershipControls", &[], controls);
    vault.get("/some-bucket?ownershipControls").await.fails(404, "OwnershipControlsNotFoundError");
    put_controls().await.fails(400, "InvalidBucketAclWithObjectOwnership");
    vault.send("PUT", "/some-bucket?acl", &[("x-amz-acl", "private")], "").await.ok();
    put_controls().await.ok();
    vault.send("PUT", "/some-bucket/k", &public, "x").await.fails(400, "AccessControlListNotSupported");
    vault.send("DELETE", "/some-bucket?ownershipControls", &[], "").await.ok();
    let block =
        "<PublicAccessBlockConfiguration><BlockPublicAcls>true</BlockPublicAcls></PublicAccessBlockConfiguration>";
    vault.get("/some-bucket?publicAccessBlock").await.fails(404, "NoSuchPublicAccessBlockConfiguration");
    vault.send("PUT", "/some-bucket?publicAccessBlock", &[], block).await.ok();
    assert_eq!(vault.get("/some-bucket?publicAccessBlock").await.ok().one("IgnorePublicAcls"), "false");
    for path in ["/some-bucket/k", "/some-bucket?acl", "/some-bucket/k?acl"] {
        vault.send("PUT", path, &public, "").await.fails(403, "AccessDenied");
    }
    vault.send("POST", "/some-bucket/k?uploads", &public, "").await.fails(403, "AccessDenied");
    vault.send("DELETE", "/some-bucket?publicAccessBlock", &[], "").await.ok();
    vault.send("PUT", "/some-bucket/k", &public, "x").await.ok();
}

#[tokio::test]
async fn what_nobody_would_do_is_refused() {
    let vault = Vault::with_bucket(LocalOptions::default()).await;
    let policy =
        r#"{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Principal":"*","Action":"s3:*","Resource":"*"}]}"#;
    let logging = "<BucketLoggingStatus><LoggingEnabled><TargetBucket>some-bucket</TargetBucket><TargetPrefix/></LoggingEnabled></BucketLoggingStatus>";
    let topic = "<NotificationConfiguration><TopicConfiguration><Topic>arn</Topic><Event>s3:ObjectCreated:*</Event></TopicConfiguration></NotificationConfiguration>";
    let payer = "<RequestPaymentConfiguration><Payer>Requester</Payer></RequestPaymentConfiguration>";
    let website = "<WebsiteConfiguration><IndexDocument><Suffix>i</Suffix></IndexDocument></WebsiteConfiguration>";
    for (query, body) in [
        ("policy", policy),
        ("logging", logging),
        ("notification", topic),
        ("requestPayment", payer),
        ("website", website),
    ] {
        vault.send("PUT", &format!("/some-bucket?{query}"), &[], body).await.fails(501, "NotImplemented");
    }
    vault.get("/some-bucket?policy").await.fails(404, "NoSuchBucketPolicy");
    assert_eq!(vault.get("/some-bucket?policyStatus").await.ok().one("IsPublic"), "false");
    vault.get("/some-bucket?website").await.fails(404, "NoSuchWebsiteConfiguration");
    vault.get("/some-bucket?replication").await.fails(404, "ReplicationConfigurationNotFoundError");
    assert_eq!(vault.get("/some-bucket?requestPayment").await.ok().one("Payer"), "BucketOwner");
    for query in ["logging", "notification", "accelerate"] {
        vault.get(&format!("/some-bucket?{query}")).await.ok();
        vault.get(&format!("/none?{query}")).await.fails(404, "NoSuchBucket");
    }
    for (query, off) in [("logging", "<BucketLoggingStatus/>"), ("notification", "<NotificationConfiguration/>")] {
        vault.send("PUT", &format!("/some-bucket?{query}"), &[], off).await.ok();
    }
}

#[tokio::test]
async fn pages_are_told_what_they_may_ask() {
    let vault = Vault::with_bucket(LocalOptions::default()).await;
    let origin = ("origin", "https://a.example.com");
    let preflight =
        [origin, ("access-control-request-method", "PUT"), ("access-control-request-headers", "X-Amz-Date, range")];
    vault.get("/some-bucket?cors").await.fails(404, "NoSuchCORSConfiguration");
    vault.send("OPTIONS", "/some-bucket/k", &preflight, "").await.fails(403, "AccessForbidden");
    let cors = |method: &str| {
        format!(
            "<CORSConfiguration><CORSRule><AllowedMethod>{method}</AllowedMethod><AllowedOrigin>https://*.example.com</AllowedOrigin><AllowedHeader>*</AllowedHeader><ExposeHeader>ETag</ExposeHeader><MaxAgeSeconds>60</MaxAgeSeconds></CORSRule></CORSConfiguration>"
        )
    };
    vault.send("PUT", "/some-bucket?cors", &[], cors("PATCH")).await.fails(400, "InvalidRequest");
    vault.send("PUT", "/some-bucket?cors", &[], cors("PUT")).await.ok();
    let allowed = vault.send("OPTIONS", "/some-bucket/k", &preflight, "").await.ok();
    assert_eq!(allowed.header("access-control-allow-origin"), origin.1);
    assert_eq!(allowed.header("access-control-allow-headers"), "X-Amz-Date, range");
    assert_eq!(allowed.header("access-control-max-age"), "60");
    let other = [("origin", "https://example.org"), ("access-control-request-method", "PUT")];
    vault.send("OPTIONS", "/some-bucket/k", &other, "").await.fails(403, "AccessForbidden");
    vault.send("OPTIONS", "/some-bucket/k", &[origin], "").await.fails(400, "BadRequest");
    let put = vault.send("PUT", "/some-bucket/k", &[origin], "x").await.ok();
    assert_eq!(put.header("access-control-expose-headers"), "ETag");
    let read = vault.send("GET", "/some-bucket/k", &[origin], "").await.ok();
    assert!(!read.headers.contains_key("access-control-allow-origin"), "GET is not allowed");
    vault.send("DELETE", "/some-bucket?cors", &[], "").await.ok();
    vault.get("/some-bucket?cors").await.fails(404, "NoSuchCORSConfiguration");
}

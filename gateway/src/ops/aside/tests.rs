//! Listings and notes over the embedded store.

use std::path::Path;
use std::sync::Mutex;

use tempfile::TempDir;

use super::*;
use crate::backend::local::{LocalBackend, LocalOptions};
use crate::backend::{Backend, BackendCredential};
use crate::body;
use crate::identity::{Credential, Credentials};

async fn vault(folder: &Path) -> Arc<Vault> {
    let store = LocalBackend::open(&folder.join("objects"), LocalOptions::default()).await.unwrap();
    Arc::new(Vault::of_tests(folder, "", Arc::new(store)).await)
}

async fn put_aside(vault: &Arc<Vault>, id: Oid) {
    let kek = vault.keys.current("b").await.unwrap();
    let note = Note::new(("b", "k"), &PolicyId { id: "p".into(), version: 1 }, (None, None));
    let original = Original { body: body::full("abc"), length: 3 };
    keep(vault, &kek, Kind::Quarantine, id, note, original).await.unwrap();
}

async fn listed(vault: &Vault, after: Option<Oid>) -> Vec<Oid> {
    let (mut all, mut after) = (Vec::new(), after.map(behind));
    loop {
        let (ids, next) = list(vault, Kind::Quarantine, "b", after.as_deref()).await.unwrap();
        all.extend(ids);
        if next.is_none() {
            return all;
        }
        after = next;
    }
}

/// A page of five keys ends between the content and the note of one, and there are more of them than two pages have.
#[tokio::test]
async fn no_page_leaves_one_out() {
    let folder = TempDir::new().unwrap();
    let vault = vault(folder.path()).await;
    let ids: Vec<Oid> = (0..8).map(|n| Oid([n; 16])).collect();
    assert!(listed(&vault, None).await.is_empty());
    for id in &ids {
        put_aside(&vault, *id).await;
    }
    assert_eq!(listed(&vault, None).await, ids);
    assert_eq!(listed(&vault, Some(ids[2])).await, ids[3..]);
    // Of one that is destroyed the note is left alone, which moves all ends.
    destroy(&vault, Kind::Quarantine, "b", ids[0], false).await.unwrap();
    assert_eq!(listed(&vault, None).await, ids);
}

#[tokio::test]
async fn officers_at_the_same_time_lose_nothing() {
    let folder = TempDir::new().unwrap();
    let vault = vault(folder.path()).await;
    let id = Oid([1; 16]);
    put_aside(&vault, id).await;
    let names: Vec<String> = (0..20).map(|n| format!("officer {n:02}")).collect();
    let all = names.iter().map(|by| record(&vault, Kind::Quarantine, "b", id, by, "read"));
    for done in futures_util::future::join_all(all).await {
        done.unwrap();
    }
    let note = find(&vault, Kind::Quarantine, "b", id).await.unwrap().unwrap();
    let mut by: Vec<_> = note.actions.iter().map(|action| action.by.clone()).collect();
    by.sort();
    assert_eq!(by, names);
}

/// Another process has leases of its own: the store's conditions tell.
#[tokio::test]
async fn officers_at_two_gateways_lose_nothing() {
    let (one, other) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let vault = vault(one.path()).await;
    std::fs::copy(one.path().join("keyring.json"), other.path().join("keyring.json")).unwrap();
    let second = Arc::new(Vault::of_tests(other.path(), "", vault.backend.clone()).await);
    let id = Oid([1; 16]);
    put_aside(&vault, id).await;
    let (mut all, mut names) = (Vec::new(), Vec::new());
    for n in 0..10 {
        for (gateway, vault) in [("a", &vault), ("b", &second)] {
            let by = format!("{gateway} {n}");
            names.push(by.clone());
            all.push(async move {
                // Who is told to try again does.
                while record(vault, Kind::Quarantine, "b", id, &by, "read").await.is_err() {}
            });
        }
    }
    futures_util::future::join_all(all).await;
    let note = find(&vault, Kind::Quarantine, "b", id).await.unwrap().unwrap();
    let mut by: Vec<_> = note.actions.iter().map(|action| action.by.clone()).collect();
    by.sort();
    names.sort();
    assert_eq!(by, names);
}

/// Whoever writes down what is done to what is gone is told so, and makes no note.
#[tokio::test]
async fn what_is_gone_stays_gone() {
    let folder = TempDir::new().unwrap();
    let vault = vault(folder.path()).await;
    let id = Oid([1; 16]);
    put_aside(&vault, id).await;
    destroy(&vault, Kind::Quarantine, "b", id, true).await.unwrap();
    assert!(record(&vault, Kind::Quarantine, "b", id, "alice", "read").await.is_err());
    assert!(find(&vault, Kind::Quarantine, "b", id).await.unwrap().is_none());
}

#[test]
fn an_upload_has_one_id_for_the_same_parts() {
    let id = |parts: &[(u16, &str)]| {
        id_of(Oid([1; 16]), parts.iter().map(|(number, etag)| (*number, (*etag).to_owned()))).unwrap()
    };
    assert_eq!(id(&[(1, "a"), (2, "b")]), id(&[(1, "a"), (2, "b")]));
    let others: [&[(u16, &str)]; 4] = [&[(1, "a")], &[(1, "a"), (2, "c")], &[(1, "a"), (3, "b")], &[]];
    for other in others {
        assert_ne!(id(&[(1, "a"), (2, "b")]), id(other), "{other:?}");
    }
    assert_ne!(id(&[]), id_of(Oid([2; 16]), std::iter::empty()).unwrap());
}

#[test]
fn what_an_object_is_to_have_is_kept_and_no_key_of_a_customer() {
    let names = [
        "content-type",
        "x-amz-meta-a",
        "x-amz-acl",
        "x-amz-grant-read",
        "x-amz-tagging",
        "x-amz-storage-class",
        "x-amz-server-side-encryption",
        "x-amz-object-lock-mode",
        "x-amz-server-side-encryption-customer-key",
        "x-amz-copy-source",
        "authorization",
        "x-amz-meta-dv1",
    ];
    let headers = names.iter().map(|name| (HeaderName::from_static(name), HeaderValue::from_static("v"))).collect();
    let mut kept: Vec<String> = kept_of(&headers).into_iter().map(|(name, _)| name).collect();
    kept.sort_by_key(|kept| names.iter().position(|name| name == kept));
    assert_eq!(kept, names[..8]);
}

/// The embedded store, and as whom objects of `bucket` were written and with which ACL.
struct Watched {
    store: LocalBackend,
    seen: Mutex<Vec<(String, Option<HeaderValue>)>>,
}

#[async_trait::async_trait]
impl Backend for Watched {
    async fn call(&self, request: BackendRequest) -> Result<Response<Body>, BackendError> {
        if request.method == Method::PUT && request.path == "/bucket/k" {
            let by = match &request.sender.signer {
                Signer::Client(credential) => credential.access_key.clone(),
                other => format!("{other:?}"),
            };
            self.seen.lock().unwrap().push((by, request.headers.get("x-amz-acl").cloned()));
        }
        self.store.call(request).await
    }
}

/// A release is a write of the client, with its own credential where it has one.
#[tokio::test]
async fn what_is_released_belongs_to_its_writer() {
    let folder = TempDir::new().unwrap();
    let store = LocalBackend::open(&folder.path().join("objects"), LocalOptions::default()).await.unwrap();
    let store = Arc::new(Watched { store, seen: Mutex::default() });
    let mut vault = Vault::of_tests(folder.path(), "", store.clone()).await;
    let of_backend = BackendCredential {
        access_key: "writer-there".into(),
        secret_key: Zeroizing::new("not very secret".into()),
        tenant: String::new(),
    };
    let client = Credential {
        access_key: "writer".into(),
        secret_key: Zeroizing::new("not very secret".into()),
        backend: Some(Arc::new(of_backend)),
    };
    vault.credentials = Credentials::new(vec![client]).unwrap();
    let vault = Arc::new(vault);
    let made = BackendRequest::new(Method::PUT, "/bucket".to_owned(), Signer::Gateway);
    assert!(vault.backend.call(made).await.unwrap().status().is_success());
    let kek = vault.keys.current("bucket").await.unwrap();
    for (turn, principal) in ["writer", "whoever is gone"].into_iter().enumerate() {
        let id = Oid([turn as u8; 16]);
        let writer = (Some(principal.to_owned()), None);
        let note = Note::new(("bucket", "k"), &PolicyId { id: "p".into(), version: 1 }, writer);
        let lock = |name: &str, value: &str| (format!("x-amz-object-lock-{name}"), value.to_owned());
        let headers = vec![
            ("x-amz-acl".to_owned(), "private".to_owned()),
            lock("mode", "GOVERNANCE"),
            lock("retain-until-date", "2001-01-01T00:00:00Z"),
        ];
        let original = Original { body: body::full("abc"), length: 3 };
        keep(&vault, &kek, Kind::Quarantine, id, Note { headers, ..note }, original).await.unwrap();
        let note = find(&vault, Kind::Quarantine, "bucket", id).await.unwrap().unwrap();
        // Not over what is there: that is looked at by the gateway itself.
        assert_eq!(release(&vault, id, &note, false, turn == 1).await.map_err(|e| e.to_string()), Ok(()));
    }
    let private = Some(HeaderValue::from_static("private"));
    let seen = store.seen.lock().unwrap().clone();
    assert_eq!(seen, [("writer-there".to_owned(), private.clone()), ("Gateway".to_owned(), private)]);
}

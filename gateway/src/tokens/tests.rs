use std::sync::Arc;

use bytes::Bytes;
use http::{Method, StatusCode};
use keys::Oid;
use keys::hierarchy::Kek;
use scrub::act::Vault as _;
use tempfile::TempDir;
use tokio::task::spawn_blocking;

use super::batch::{self, FULL};
use super::opening::Opening;
use super::writing::ObjectTokens;
use super::*;
use crate::backend::local::{LocalBackend, LocalOptions};
use crate::backend::{Backend, BackendRequest, Payload, Signer};
use crate::body::collect;
use crate::config::Config;
use crate::ops::pages;
use crate::sidecar::Sidecar;
use crate::sidecar::sqlite::{SqliteOptions, SqliteSidecar};

const TOKEN: &str = "<PERSON:v1_aaaaaaaa>";

/// A store, and processes over it.
struct Case {
    dir: TempDir,
    backend: Arc<dyn Backend>,
    sidecar: Arc<dyn Sidecar>,
}

impl Case {
    async fn new() -> Self {
        let dir = TempDir::new().unwrap();
        let backend = LocalBackend::open(&dir.path().join("objects"), LocalOptions::default()).await.unwrap();
        let sidecar = Self::sidecar(&dir, "one").await;
        Self { dir, backend: Arc::new(backend), sidecar }
    }

    async fn sidecar(dir: &TempDir, name: &str) -> Arc<dyn Sidecar> {
        Arc::new(SqliteSidecar::open(SqliteOptions::new(dir.path().join(format!("{name}.db")))).await.unwrap())
    }

    async fn losing_the_sidecar(self) -> Self {
        Self { sidecar: Self::sidecar(&self.dir, "two").await, ..self }
    }

    /// A process that has just started.
    fn process(&self) -> Arc<Vault> {
        let (folder, settings) = (self.dir.path(), "[limits]\nscrub_tokens = 3000\n");
        Arc::new(Vault::of_a_test(folder, settings, self.backend.clone(), self.sidecar.clone()))
    }

    /// Keys of batches of a bucket.
    async fn batches(&self, bucket: &str) -> Vec<Oid> {
        let (prefix, mut after, mut ids) = (format!("tokens/{bucket}/"), String::new(), Vec::new());
        loop {
            let page = pages::kept(&self.process(), &prefix, &after).await.unwrap();
            ids.extend(page.iter().map(|(key, _)| Oid(hex::decode(&key[prefix.len()..]).unwrap().try_into().unwrap())));
            match page.into_iter().next_back() {
                Some((last, _)) => after = last,
                None => return ids,
            }
        }
    }

    async fn raw(&self, method: Method, id: Oid, body: &[u8]) -> (StatusCode, Vec<u8>) {
        let path = format!("/{}/tokens/b/{id}", self.process().reserved.system_bucket());
        let request = BackendRequest::new(method, path, Signer::Gateway);
        let request = request.payload(Payload::Bytes(Bytes::copy_from_slice(body)));
        let answer = self.backend.call(request).await.unwrap();
        (answer.status(), collect(answer.into_body(), 1 << 20).await.unwrap().to_vec())
    }
}

async fn keep(tokens: &Arc<ObjectTokens>, token: &str, value: &str) -> bool {
    let (tokens, token, value) = (tokens.clone(), token.to_owned(), value.to_owned());
    let tag = [value.len() as u8; 16];
    spawn_blocking(move || tokens.keep(&token, tag, &value)).await.unwrap().unwrap_or(false)
}

async fn finish(tokens: &Arc<ObjectTokens>) -> Option<Error> {
    let tokens = tokens.clone();
    spawn_blocking(move || tokens.finish()).await.unwrap();
    None
}

/// An object that is stored with one token.
async fn stored(vault: &Arc<Vault>, bucket: &str, token: &str, value: &str) -> bool {
    let tokens = Arc::new(ObjectTokens::new(vault, bucket));
    let kept = keep(&tokens, token, value).await;
    finish(&tokens).await;
    assert!(tokens.failure().is_none());
    kept
}

async fn opened(vault: &Arc<Vault>, bucket: &str, token: &str) -> Option<String> {
    let mut opening = Opening::new(vault.clone(), bucket.to_owned(), "alice".to_owned());
    let value = opening.value(token).await.unwrap();
    assert_eq!(opening.value(token).await.unwrap(), value);
    value
}

#[test]
fn a_token_is_reserved_for_one_value_until_all_have_released_it() {
    let vaults = TokenVaults::new(&Config::parse("f".as_ref(), String::new()).unwrap().limits);
    assert!(vaults.reserve("b", TOKEN, [1; 16]));
    assert!(vaults.reserve("b", TOKEN, [1; 16]));
    assert!(vaults.reserve("c", TOKEN, [2; 16]));
    assert!(!vaults.reserve("b", TOKEN, [2; 16]));
    vaults.release("b", TOKEN);
    assert!(!vaults.reserve("b", TOKEN, [2; 16]));
    vaults.release("b", TOKEN);
    assert!(vaults.reserve("b", TOKEN, [2; 16]));
    vaults.release("b", TOKEN);
    vaults.release("c", TOKEN);
    assert!(vaults.reserved.lock().unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_is_opened_by_its_own_vault_and_after_the_sidecar_is_lost() {
    let case = Case::new().await;
    let vault = case.process();
    assert!(stored(&vault, "b", TOKEN, "ada").await);
    assert!(stored(&vault, "b", TOKEN, "ada").await);
    assert!(stored(&vault, "c", TOKEN, "grace").await);
    assert_eq!(case.batches("b").await.len(), 1, "the second object had nothing to add");
    for vault in [vault, case.process()] {
        assert_eq!(opened(&vault, "b", TOKEN).await.as_deref(), Some("ada"));
        assert_eq!(opened(&vault, "c", TOKEN).await.as_deref(), Some("grace"));
        assert_eq!(opened(&vault, "b", "<PERSON:v1_bbbbbbbb>").await, None);
    }
    let case = case.losing_the_sidecar().await;
    assert!(!stored(&case.process(), "b", TOKEN, "other").await, "it is taken, as before");
    assert!(stored(&case.process(), "b", TOKEN, "ada").await);
    assert_eq!(case.batches("b").await.len(), 1);
    assert_eq!(opened(&case.process(), "b", TOKEN).await.as_deref(), Some("ada"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_opens_under_its_own_name_and_key_alone() {
    let case = Case::new().await;
    let vault = case.process();
    assert!(stored(&vault, "b", TOKEN, "ada lovelace").await);
    let id = case.batches("b").await[0];
    let (_, sealed) = case.raw(Method::GET, id, b"").await;
    assert!(!sealed.windows(3).any(|bytes| bytes == b"ada" || bytes == b"v1_"));
    let (kek, own) = (Kek::named_in(&sealed).unwrap(), vault.keys.current("b").await.unwrap().id());
    assert_ne!(kek, own, "whoever opens objects opens no tokens");
    assert!(vault.keys.by_id("b", kek).await.is_err());
    for at in [0, 16, 80, sealed.len() - 1] {
        let mut changed = sealed.clone();
        changed[at] ^= 1;
        case.raw(Method::PUT, id, &changed).await;
        assert_eq!(opened(&case.process(), "b", TOKEN).await, None, "{at}");
    }
    // Under another name.
    case.raw(Method::PUT, Oid([1; 16]), &sealed).await;
    assert!(batch::read(&vault, "b", Oid([1; 16])).await.is_err());
    case.raw(Method::PUT, id, &sealed).await;
    assert_eq!(opened(&case.process(), "b", TOKEN).await.as_deref(), Some("ada lovelace"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_is_never_of_two_values() {
    let case = Case::new().await;
    let vault = case.process();
    // Of two objects under way.
    let [one, two] = [(); 2].map(|()| Arc::new(ObjectTokens::new(&vault, "b")));
    assert!(keep(&one, TOKEN, "ada").await);
    assert!(!keep(&two, TOKEN, "grace").await);
    // One that is not stored in the end leaves it free.
    drop(one);
    assert!(keep(&two, TOKEN, "grace").await);
    finish(&two).await;
    assert!(two.failure().is_none());
    drop(two);
    assert!(vault.tokens.reserved.lock().unwrap().is_empty());
    assert!(!stored(&vault, "b", TOKEN, "ada").await);
    assert!(!stored(&case.process(), "b", TOKEN, "ada").await);
    assert_eq!(opened(&vault, "b", TOKEN).await.as_deref(), Some("grace"));
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_processes_the_first_has_a_token() {
    let case = Case::new().await;
    let [one, two] = [(); 2].map(|()| Arc::new(ObjectTokens::new(&case.process(), "b")));
    assert!(keep(&one, TOKEN, "ada").await);
    assert!(keep(&two, TOKEN, "grace").await);
    finish(&one).await;
    finish(&two).await;
    assert!(one.failure().is_none());
    assert!(matches!(two.failure(), Some(Error::Client { .. })), "its object is not stored");
    assert!(two.failure().is_some(), "nor later");
    assert_eq!(case.batches("b").await.len(), 1, "what belongs to no object is not found by a rebuild");
    assert_eq!(opened(&case.process(), "b", TOKEN).await.as_deref(), Some("ada"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_crash_left_is_taken_in_by_the_next_process() {
    let case = Case::new().await;
    assert!(stored(&case.process(), "b", TOKEN, "ada").await);
    let id = case.batches("b").await[0];
    // As if the process had died before its sidecar knew: an index without any, and one that has other batches.
    let lost = Case { sidecar: Case::sidecar(&case.dir, "empty").await, ..case };
    assert!(!lost.sidecar.has_token_batch("b", id).await.unwrap());
    assert!(stored(&lost.process(), "b", "<PERSON:v1_bbbbbbbb>", "grace").await);
    assert!(lost.sidecar.has_token_batch("b", id).await.unwrap());
    assert!(!stored(&lost.process(), "b", TOKEN, "other").await);
}

#[tokio::test(flavor = "multi_thread")]
async fn batches_that_differ_open_nothing() {
    let case = Case::new().await;
    assert!(stored(&case.process(), "b", TOKEN, "ada").await);
    let apart = Case { sidecar: Case::sidecar(&case.dir, "apart").await, ..case };
    let vault = apart.process();
    // It has looked for batches before the other one was there.
    vault.tokens.complete.insert("b".to_owned(), ());
    assert!(stored(&vault, "b", TOKEN, "grace").await);
    let case = apart.losing_the_sidecar().await;
    assert_eq!(case.batches("b").await.len(), 2);
    assert_eq!(opened(&case.process(), "b", TOKEN).await, None, "nobody knows whose it is");
    assert!(!stored(&case.process(), "b", TOKEN, "ada").await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_destroyed_vault_opens_nothing_and_a_new_one_begins() {
    let case = Case::new().await;
    assert!(stored(&case.process(), "b", TOKEN, "ada").await);
    assert!(stored(&case.process(), "c", TOKEN, "grace").await);
    let (_, sealed) = case.raw(Method::GET, case.batches("b").await[0], b"").await;
    destroying::destroy(&case.process(), "b", "alice").await.unwrap();
    assert!(case.batches("b").await.is_empty());
    assert!(case.process().keys.by_id(&kek_scope("b"), Kek::named_in(&sealed).unwrap()).await.is_err());
    assert_eq!(opened(&case.process(), "b", TOKEN).await, None);
    assert_eq!(opened(&case.process(), "c", TOKEN).await.as_deref(), Some("grace"));
    assert!(stored(&case.process(), "b", TOKEN, "alan").await);
    assert_eq!(opened(&case.process(), "b", TOKEN).await.as_deref(), Some("alan"));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_adds_so_many_and_batches_are_small() {
    let case = Case::new().await;
    let vault = case.process();
    let tokens = Arc::new(ObjectTokens::new(&vault, "b"));
    let long = "x".repeat(1000);
    for i in 0..3000 {
        assert!(keep(&tokens, &format!("<PERSON:v1_{i:08}>"), &long).await);
        let gathered = vault.tokens.reserved.lock().unwrap().len();
        assert!(gathered * 1000 <= FULL, "{gathered}");
    }
    assert!(keep(&tokens, "<PERSON:v1_00000000>", &long).await, "it has that");
    finish(&tokens).await;
    assert!(tokens.failure().is_none());
    let batches = case.batches("b").await;
    assert_eq!(batches.len(), (3000_usize).div_ceil(FULL.div_ceil(1068)));
    for id in batches {
        let pairs = batch::read(&vault, "b", id).await.unwrap().unwrap();
        assert!(pairs.iter().map(batch::Pair::weight).sum::<usize>() < FULL + 1100);
    }
    assert!(!keep(&tokens, TOKEN, "ada").await);
    let Some(Error::Client { message: refused, .. }) = tokens.failure() else { panic!("it adds more than it may") };
    assert!(refused.contains("more than 3000"), "{refused}");
    // What it needs no more is known to others.
    assert!(stored(&vault, "b", "<PERSON:v1_00002999>", &long).await);
}

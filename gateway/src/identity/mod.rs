//! Who asks: the credentials that clients sign with, and the [`Principal`] that a verified signature makes of a request.

mod fresh;

pub use fresh::{FreshCredentialError, load_or_generate};

use std::collections::HashMap;
use std::sync::Arc;

use aws_lc_rs::hmac;
use aws_lc_rs::rand::SystemRandom;
use zeroize::Zeroizing;

use crate::backend::{BackendCredential, Signer};
use crate::s3::sigv4::Secrets;

/// What an anonymous request's principal is called. No credential may have it for an access key.
pub const ANONYMOUS: &str = "anonymous";

/// Who a request is made by, once its signature holds.
#[derive(Clone, Debug)]
pub struct Principal {
    /// The access key, or [`ANONYMOUS`].
    pub access_key: String,
    /// As whom the backend is asked.
    pub backend: Signer,
}

impl Principal {
    /// An unsigned request, which the backend is to judge by its own ACLs.
    pub fn anonymous() -> Self {
        Self { access_key: ANONYMOUS.to_owned(), backend: Signer::Anonymous }
    }

    /// Whether the request was unsigned.
    pub fn is_anonymous(&self) -> bool {
        self.access_key == ANONYMOUS
    }
}

/// What a client signs with, and as whom the backend is asked on its behalf.
#[derive(Clone)]
pub struct Credential {
    /// The access key id.
    pub access_key: String,
    /// The secret key.
    pub secret_key: Zeroizing<String>,
    /// The credential at the backend; none: the `[backend]` one.
    pub backend: Option<Arc<BackendCredential>>,
}

impl Credential {
    /// Who a request is made by whose signature this credential verified.
    pub fn principal(&self) -> Principal {
        Principal {
            access_key: self.access_key.clone(),
            backend: match &self.backend {
                Some(credential) => Signer::Client(Arc::clone(credential)),
                None => Signer::Gateway,
            },
        }
    }
}

impl std::fmt::Debug for Credential {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Credential")
            .field("access_key", &self.access_key)
            .field("backend", &self.backend)
            .finish_non_exhaustive()
    }
}

/// Why credentials cannot be used together.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum CredentialsError {
    /// Two of them have one access key.
    #[error("the access key {0} is given twice")]
    Duplicate(String),
    /// An access key that a signature could not name: empty, [`ANONYMOUS`], or not of visible ASCII without `/`, `,`, `=` and `:`.
    #[error("the access key {0:?} cannot be used: visible ASCII without / , = : and not \"anonymous\"")]
    AccessKey(String),
    /// An empty secret key.
    #[error("the secret key of {0} is empty")]
    SecretKey(String),
}

/// Every credential that a client may sign with.
///
/// Looked up by a MAC of the access key under a key of this process, so the time that a lookup takes says nothing of how near
/// a guess came to an existing access key.
pub struct Credentials {
    mac: hmac::Key,
    by_mac: HashMap<Box<[u8]>, Credential>,
}

impl Credentials {
    /// Checks and keeps them.
    pub fn new(credentials: Vec<Credential>) -> Result<Self, CredentialsError> {
        let mac = new_mac();
        let mut by_mac = HashMap::with_capacity(credentials.len());
        for credential in credentials {
            if !is_access_key(&credential.access_key) {
                return Err(CredentialsError::AccessKey(credential.access_key));
            }
            if credential.secret_key.is_empty() {
                return Err(CredentialsError::SecretKey(credential.access_key));
            }
            let tag = tag(&mac, &credential.access_key);
            if let Some(other) = by_mac.insert(tag, credential) {
                return Err(CredentialsError::Duplicate(other.access_key));
            }
        }
        Ok(Self { mac, by_mac })
    }

    /// The credential with that access key.
    pub fn find(&self, access_key: &str) -> Option<&Credential> {
        self.by_mac.get(&tag(&self.mac, access_key))
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.by_mac.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.by_mac.is_empty()
    }
}

impl Secrets for Credentials {
    fn secret(&self, access_key: &str) -> Option<&str> {
        self.find(access_key).map(|credential| credential.secret_key.as_str())
    }
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.by_mac.values()).finish()
    }
}

fn new_mac() -> hmac::Key {
    hmac::Key::generate(hmac::HMAC_SHA256, &SystemRandom::new())
        .expect("the operating system's random source does not fail once the process runs")
}

fn tag(mac: &hmac::Key, access_key: &str) -> Box<[u8]> {
    hmac::sign(mac, access_key.as_bytes()).as_ref().into()
}

fn is_access_key(text: &str) -> bool {
    (1..=128).contains(&text.len())
        && text != ANONYMOUS
        && text.bytes().all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'/' | b',' | b'=' | b':'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn credential(access_key: &str, secret_key: &str) -> Credential {
        Credential { access_key: access_key.into(), secret_key: Zeroizing::new(secret_key.into()), backend: None }
    }

    #[test]
    fn lookup() {
        let mut mapped = credential("B", "secret-b");
        mapped.backend = Some(Arc::new(BackendCredential {
            access_key: "backend-b".into(),
            secret_key: Zeroizing::new("backend-secret".into()),
            tenant: String::new(),
        }));
        let credentials = Credentials::new(vec![credential("A", "secret-a"), mapped]).unwrap();
        assert_eq!(credentials.len(), 2);
        assert_eq!(credentials.find("A").unwrap().secret_key.as_str(), "secret-a");
        assert!(matches!(credentials.find("A").unwrap().principal().backend, Signer::Gateway));
        let principal = credentials.find("B").unwrap().principal();
        assert!(matches!(principal.backend, Signer::Client(backend) if backend.access_key == "backend-b"));
        for unknown in ["", "a", "AA", ANONYMOUS] {
            assert!(credentials.find(unknown).is_none());
        }
        assert!(Principal::anonymous().is_anonymous());
    }

    #[test]
    fn no_debug_shows_a_secret() {
        let mut credential = credential("A", "hush-client");
        credential.backend = Some(Arc::new(BackendCredential {
            access_key: "B".into(),
            secret_key: Zeroizing::new("hush-backend".into()),
            tenant: String::new(),
        }));
        let principal = credential.principal();
        let shown = format!("{credential:?} {principal:?}");
        let credentials = Credentials::new(vec![credential]).unwrap();
        let shown = format!("{shown} {credentials:?}");
        assert!(shown.contains('A') && !shown.contains("hush"), "{shown}");
    }

    #[test]
    fn refused() {
        let new = |all| Credentials::new(all).unwrap_err();
        assert_eq!(new(vec![credential("A", "s"), credential("A", "t")]), CredentialsError::Duplicate("A".into()));
        for key in ["", ANONYMOUS, "a/b", "a b", "ä", "a,b", "a=b", "a:b"] {
            assert_eq!(new(vec![credential(key, "s")]), CredentialsError::AccessKey(key.into()));
        }
        assert_eq!(new(vec![credential("A", "")]), CredentialsError::SecretKey("A".into()));
    }
}

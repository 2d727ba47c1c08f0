//! TLS of a listener: certificate and key from files, read again when they change.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use rustls::client::verify_server_cert_signed_by_trust_anchor;
use rustls::crypto::aws_lc_rs;
use rustls::server::{ParsedCertificate, WebPkiClientVerifier};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::version::{TLS12, TLS13};
use rustls::{CertificateError, InconsistentKeys, RootCertStore};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, UnixTime};
use tokio::net::TcpStream;
use tokio::signal::unix::Signal;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use zeroize::{Zeroize, Zeroizing};

use crate::config::{ClientAuth, TlsConfig};
use crate::telemetry::Metrics;

/// The most that a certificate or key file may hold.
const FILE_MOST: u64 = 1 << 20;

/// How often the files are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// HTTP/2 in ALPN (RFC 9113, 3.1).
const H2: &[u8] = b"h2";

/// Why a listener cannot use TLS.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read.
    #[error("`{key}`: {} cannot be read; it must be there, and readable by the user that data-vault runs as", path.display())]
    Read {
        /// The configuration key.
        key: String,
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A file does not hold what it should.
    #[error("`{key}`: {} {wrong}", path.display())]
    Wrong {
        /// The configuration key.
        key: String,
        /// The file.
        path: PathBuf,
        /// What is wrong, and what to do.
        wrong: String,
    },
    /// `rustls` refuses what it was given.
    #[error("TLS cannot be set up")]
    Setup(#[from] rustls::Error),
    /// The reading itself was cut off.
    #[error("the certificate files were not read to their end")]
    Cut(#[source] io::Error),
}

/// What new connections use now.
pub struct Tls {
    config: TlsConfig,
    http2: bool,
    current: RwLock<Arc<rustls::ServerConfig>>,
    /// The files as they were when they were last read, whether they could be used or not.
    seen: RwLock<Vec<Option<Stamp>>>,
}

/// By which a file that was replaced or written to is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stamp {
    device: u64,
    inode: u64,
    size: u64,
    modified: (i64, i64),
}

impl Tls {
    /// Reads the files. `http2`: offered to clients, and preferred. Blocks.
    pub fn load(config: &TlsConfig, http2: bool) -> Result<Self, TlsError> {
        let seen = stamps(config);
        Ok(Self {
            current: RwLock::new(server_config(config, http2)?.into()),
            seen: RwLock::new(seen),
            config: config.clone(),
            http2,
        })
    }

    /// Whether a listener can use the files, and clients will take the certificate: for `check-config`. Blocks.
    ///
    /// Errors as [`Self::load`], and [`TlsError::Wrong`] for a certificate that is not valid today.
    pub fn check(config: &TlsConfig) -> Result<(), TlsError> {
        server_config(config, true)?;
        let chain = certificates(config, "tls_cert", &config.cert)?;
        out_of_date(config, &chain, UnixTime::now()).map_or(Ok(()), Err)
    }

    /// Shakes hands. Whether HTTP/2 was agreed on comes with the stream.
    pub(super) async fn accept(&self, stream: TcpStream) -> io::Result<(TlsStream<TcpStream>, bool)> {
        let current = Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner));
        let stream = TlsAcceptor::from(current).accept(stream).await?;
        let http2 = stream.get_ref().1.alpn_protocol() == Some(H2);
        Ok((stream, http2))
    }

    /// Reads the files again, for new connections; those that are there go on. Files that cannot be used change nothing. Blocks.
    pub fn reload(&self) -> Result<(), TlsError> {
        // Before the files are read: what is written to them meanwhile is seen the next time.
        *self.seen.write().unwrap_or_else(PoisonError::into_inner) = stamps(&self.config);
        let fresh = server_config(&self.config, self.http2)?;
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(fresh);
        Ok(())
    }

    fn changed(&self) -> bool {
        *self.seen.read().unwrap_or_else(PoisonError::into_inner) != stamps(&self.config)
    }
}

/// Reads the files of `listeners` again whenever one has changed, and at each `hangup`, which without listeners does nothing: it must not end the
/// process, as it would by default. Until dropped.
pub async fn keep_fresh(listeners: Vec<Arc<Tls>>, mut hangup: Signal, metrics: Arc<Metrics>) {
    loop {
        let asked = tokio::select! {
            Some(()) = hangup.recv() => true,
            () = tokio::time::sleep(LOOK_EVERY) => false,
        };
        if asked && listeners.is_empty() {
            tracing::info!("SIGHUP does nothing here: no listener has a certificate that could be read again");
        }
        for tls in &listeners {
            let (section, fresh) = (tls.config.section, Arc::clone(tls));
            let read = tokio::task::spawn_blocking(move || (asked || fresh.changed()).then(|| fresh.reload())).await;
            match read.unwrap_or_else(|e| Some(Err(TlsError::Cut(io::Error::other(e))))) {
                None => {}
                Some(Ok(())) => {
                    metrics.tls_reload(true);
                    tracing::info!(section, "the certificate was read again");
                }
                Some(Err(error)) => {
                    metrics.tls_reload(false);
                    let cause = std::error::Error::source(&error).map(|e| format!(": {e}")).unwrap_or_default();
                    tracing::error!(section, "the new certificate cannot be used, the old one stays: {error}{cause}");
                }
            }
        }
    }
}

fn stamps(config: &TlsConfig) -> Vec<Option<Stamp>> {
    let files = [Some(&config.cert), Some(&config.key), config.client_ca.as_ref()];
    files.into_iter().flatten().map(|file| std::fs::metadata(file).ok().map(|m| Stamp::of(&m))).collect()
}

impl Stamp {
    fn of(metadata: &std::fs::Metadata) -> Self {
        Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            size: metadata.size(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
        }
    }
}

fn server_config(config: &TlsConfig, http2: bool) -> Result<rustls::ServerConfig, TlsError> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let key = certified_key(config)?;
    let builder =
        rustls::ServerConfig::builder_with_provider(Arc::clone(&provider)).with_protocol_versions(&[&TLS13, &TLS12])?;
    let builder = match &config.client_ca {
        Some(file) if config.client_auth != ClientAuth::Off => builder.with_client_cert_verifier({
            let roots = Arc::new(client_roots(config, file)?);
            let verifier = WebPkiClientVerifier::builder_with_provider(roots, provider);
            let verifier = match config.client_auth {
                ClientAuth::Required => verifier,
                ClientAuth::Optional | ClientAuth::Off => verifier.allow_unauthenticated(),
            };
            verifier.build().map_err(|e| wrong(config, "tls_client_ca", file, &format!("cannot be used: {e}")))?
        }),
        _ => builder.with_no_client_auth(),
    };
    let mut tls = builder.with_cert_resolver(Arc::new(SingleCertAndKey::from(key)));
    if http2 {
        tls.alpn_protocols.push(H2.to_vec());
    }
    tls.alpn_protocols.push(b"http/1.1".to_vec());
    Ok(tls)
}

fn certified_key(config: &TlsConfig) -> Result<CertifiedKey, TlsError> {
    let cert = |message: &str| wrong(config, "tls_cert", &config.cert, message);
    let key = |message: &str| wrong(config, "tls_key", &config.key, message);
    let chain = certificates(config, "tls_cert", &config.cert)?;
    if let Some(late) = out_of_date(config, &chain, UnixTime::now()) {
        tracing::warn!("{late}; clients will refuse it");
    }
    let text = read(config, "tls_key", &config.key, true)?;
    let mut der = PrivateKeyDer::from_pem_slice(&text).map_err(|e| {
        key(&format!("holds no private key that can be read ({e}); it must be PEM, and not encrypted by a password"))
    })?;
    let signer = aws_lc_rs::sign::any_supported_type(&der);
    der.zeroize();
    let signer = signer.map_err(|e| key(&format!("holds a private key that cannot be used: {e}")))?;
    let certified = CertifiedKey::new(chain, signer);
    match certified.keys_match() {
        Ok(()) | Err(rustls::Error::InconsistentKeys(InconsistentKeys::Unknown)) => Ok(certified),
        Err(rustls::Error::InconsistentKeys(_)) => {
            Err(cert(&format!("belongs to another key than the one in {}", config.key.display())))
        }
        Err(e) => Err(cert(&format!("cannot be used: {e}"))),
    }
}

/// What is wrong where a certificate of the chain is not valid at `now`.
fn out_of_date(config: &TlsConfig, chain: &[CertificateDer<'_>], now: UnixTime) -> Option<TlsError> {
    let algorithms = aws_lc_rs::default_provider().signature_verification_algorithms;
    chain.iter().enumerate().find_map(|(index, certificate)| {
        // Of a verification only this is of interest, and it comes before the search for an issuer.
        let parsed = ParsedCertificate::try_from(certificate).ok()?;
        let none = RootCertStore::empty();
        let verified = verify_server_cert_signed_by_trust_anchor(&parsed, &none, &[], now, algorithms.all);
        let wrong_time = match verified {
            Err(rustls::Error::InvalidCertificate(CertificateError::ExpiredContext { not_after, .. })) => {
                format!("expired on {}", date(not_after))
            }
            Err(rustls::Error::InvalidCertificate(CertificateError::NotValidYetContext { not_before, .. })) => {
                format!("is not valid before {}", date(not_before))
            }
            _ => return None,
        };
        let which = if index == 0 { String::new() } else { format!("holds a chain whose certificate {} ", index + 1) };
        Some(wrong(config, "tls_cert", &config.cert, &(which + &wrong_time)))
    })
}

fn date(at: UnixTime) -> String {
    let seconds = i64::try_from(at.as_secs()).unwrap_or(i64::MAX);
    time::OffsetDateTime::from_unix_timestamp(seconds)
        .map_or_else(|_| "an unknown day".into(), |at| at.date().to_string())
}

fn client_roots(config: &TlsConfig, file: &Path) -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(config, "tls_client_ca", file)? {
        let unfit = |e| wrong(config, "tls_client_ca", file, &format!("holds a certificate that cannot be used: {e}"));
        roots.add(certificate).map_err(unfit)?;
    }
    Ok(roots)
}

fn certificates(config: &TlsConfig, key: &str, file: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let text = read(config, key, file, false)?;
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&text).collect();
    match certificates {
        Ok(some) if !some.is_empty() => Ok(some),
        Ok(_) => Err(wrong(config, key, file, "holds no certificate; it must be PEM")),
        Err(e) => Err(wrong(config, key, file, &format!("is not PEM: {e}"))),
    }
}

/// The bytes of a file; of a `secret` one only where others cannot have read it.
fn read(config: &TlsConfig, key: &str, path: &Path, secret: bool) -> Result<Zeroizing<Vec<u8>>, TlsError> {
    let failed = |source| TlsError::Read { key: format!("{}.{key}", config.section), path: path.to_owned(), source };
    let file = File::open(path).map_err(failed)?;
    let metadata = file.metadata().map_err(failed)?;
    if !metadata.is_file() {
        return Err(wrong(config, key, path, "is not a regular file"));
    }
    let mode = metadata.mode() & 0o7777;
    if secret && mode & 0o007 != 0 {
        let message = format!(
            "may be read by everybody (mode {mode:04o}). Run `chmod 600` on it, and replace key and certificate if in doubt"
        );
        return Err(wrong(config, key, path, &message));
    }
    if secret && mode & 0o070 != 0 {
        tracing::warn!(path = %path.display(), mode = format!("{mode:04o}"), "the private key may be read by a group");
    }
    if metadata.len() > FILE_MOST {
        return Err(wrong(config, key, path, "is longer than 1 MiB"));
    }
    // Exactly enough, so that no copy of a key is left behind by growth.
    let mut text = Zeroizing::new(Vec::with_capacity(metadata.len() as usize + 1));
    file.take(FILE_MOST).read_to_end(&mut text).map_err(failed)?;
    Ok(text)
}

fn wrong(config: &TlsConfig, key: &str, path: &Path, wrong: &str) -> TlsError {
    TlsError::Wrong { key: format!("{}.{key}", config.section), path: path.to_owned(), wrong: wrong.to_owned() }
}

#[cfg(test)]
mod tests;

//! Composition: the one place that builds everything.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use keys::hierarchy::{CacheBounds, KeyManager, LocalKeyring};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

use crate::admin::{self, Admin, Officers};
use crate::backend::http::HttpBackend;
use crate::backend::local::{LocalBackend, LocalError, LocalOptions};
use crate::backend::{Backend, BackendRequest, Honoured, Measured, Signer};
use crate::config::{BackendKind, Config, ServerConfig};
use crate::identity::{self, Credential, Credentials, CredentialsError, FreshCredentialError};
use crate::jobs::JobError;
use crate::keks::{SystemBucketKeks, make_bucket};
use crate::ops::rebuild::{self, Rebuilt};
use crate::ops::settle;
use crate::ops::sweep::{self, Sweeper};
use crate::policies::{self, PoliciesError};
use crate::s3::address::Reserved;
use crate::s3::operation::Op;
use crate::scrubbing::{PolicyError, Scrubbing};
use crate::server::tls::{self, TlsError};
use crate::server::{self, Shutdown, Tls};
use crate::service::Service;
use crate::sidecar::sqlite::{SqliteOptions, SqliteSidecar};
use crate::sidecar::{ObjectAt, Sidecar, SidecarError};
use crate::telemetry::Metrics;
use crate::vault::Vault;

/// Why the gateway could not start, or had to end.
#[derive(Debug, thiserror::Error)]
pub enum AppError {
    /// A listener could not be opened.
    #[error("cannot listen on {0}")]
    Listen(SocketAddr, #[source] io::Error),
    /// The data directory could not be made.
    #[error("cannot make the data directory")]
    DataDir(#[source] io::Error),
    /// A listener cannot use TLS as it is told to.
    #[error("cannot use TLS")]
    Tls(#[from] TlsError),
    /// Signals cannot be caught.
    #[error("cannot catch signals")]
    Signals(#[source] io::Error),
    /// The embedded backend could not be opened.
    #[error("cannot open the embedded backend")]
    Local(#[from] LocalError),
    /// The remote backend's settings cannot be used.
    #[error("cannot use the backend")]
    Backend(#[from] crate::backend::http::SetupError),
    /// The remote backend does not answer, or not as an S3.
    #[error("cannot reach the backend")]
    Probe(#[from] crate::backend::BackendError),
    /// The sidecar could not be opened.
    #[error("cannot open the sidecar")]
    Sidecar(#[from] SidecarError),
    /// The keyring could not be opened.
    #[error("cannot open the keyring")]
    Keys(#[from] keys::Error),
    /// Objects are sealed in the store, and the keyring is not where it should be.
    #[error(
        "objects in this store are sealed under root key {root_key_id}, but there is no keyring {}. Restore it from its backup; no \
         new one is made, since that would open none of them",
        path.display()
    )]
    KeyringMissing {
        /// The file.
        path: std::path::PathBuf,
        /// What it should hold.
        root_key_id: String,
    },
    /// Objects are sealed in the store, under a root key of another keyring.
    #[error(
        "the keyring {} does not open the bucket keys of this store. Restore the one that the store was made with, or look whether \
         backend and system bucket are the right ones",
        path.display()
    )]
    OtherKeyring {
        /// The file.
        path: std::path::PathBuf,
        /// Why.
        #[source]
        source: keys::Error,
    },
    /// The configured credentials contradict each other.
    #[error("cannot use the credentials")]
    Credentials(#[from] CredentialsError),
    /// No credential is configured and none could be made.
    #[error("cannot make a credential")]
    FreshCredential(#[from] FreshCredentialError),
    /// A policy of scrubbing cannot be used.
    #[error("cannot use a scrub policy")]
    Policy(#[from] PolicyError),
    /// What was set over REST cannot be read, so nothing is known of what must be scrubbed.
    #[error("cannot read the scrub policies that were set over REST")]
    Policies(#[from] PoliciesError),
    /// The gateway runs, and a job cannot beside it.
    #[error(
        "{} is in use by another process: with the embedded store a job works in its place, so stop the gateway, run the job, and start it again",
        .0.display()
    )]
    GatewayRuns(std::path::PathBuf),
    /// A job over the objects of a bucket failed.
    #[error(transparent)]
    Job(#[from] JobError),
    /// The sidecar could not be rebuilt.
    #[error("the rebuild failed")]
    Rebuild(#[from] crate::s3::Error),
    /// What is kept beside objects could not be swept to the end.
    #[error("the sweep was cut short")]
    Sweep(#[source] crate::s3::Error),
    /// The rebuild is done but for objects that cannot be opened; each was named.
    #[error("the sidecar was rebuilt, but {0} objects were skipped, since they cannot be opened")]
    Skipped(u64),
}

/// Runs the gateway until it is told to stop.
pub async fn serve(config: Config) -> Result<(), AppError> {
    let shutdown = Shutdown::on_signals().map_err(AppError::Signals)?;
    let hangup = signal(SignalKind::hangup()).map_err(AppError::Signals)?;
    // These first: a port that is taken, or a key that cannot be used, must not leave a half-made data directory behind.
    let s3_tls = load_tls(&config.server).await?;
    let admin_tls = load_tls(&admin::bounds(&config.admin, config.server.request_timeout)).await?;
    let s3 = listen(config.server.listen).await?;
    let admin_listener = listen(config.admin.listen).await?;
    let (vault, stores, fresh) = build(config, true).await?;
    if let Some(credential) = fresh {
        announce(&vault.config, &credential);
    }
    tracing::info!(s3 = %vault.config.server.listen, admin = %vault.config.admin.listen, "data-vault is ready");

    let settler = tokio::spawn(settle::run(vault.clone()));
    let sweeper = tokio::spawn(sweep::run(vault.clone()));
    let policies = tokio::spawn(policies::run(vault.clone()));
    let listeners: Vec<_> = [&s3_tls, &admin_tls].into_iter().flatten().cloned().collect();
    let certificates = tokio::spawn(tls::keep_fresh(listeners, hangup, vault.metrics.clone()));
    let admin = Arc::new(admin_of(&vault));
    let bounds = admin::bounds(&vault.config.admin, vault.config.server.request_timeout);
    let admin_shutdown = shutdown.clone();
    let admin =
        tokio::spawn(
            async move { server::serve(admin_listener, &bounds, admin_tls, admin, None, admin_shutdown).await },
        );
    let service = Arc::new(Service::new(vault.clone()));
    server::serve(s3, &vault.config.server, s3_tls, service, Some(vault.metrics.clone()), shutdown).await;
    // Copies and completions whose clients have gone away have as long again.
    if tokio::time::timeout(vault.config.server.drain_timeout, vault.ongoing.all_done()).await.is_err() {
        tracing::warn!("copies or completions were cut off after the drain timeout; the next start settles them");
    }

    settler.abort();
    sweeper.abort();
    policies.abort();
    certificates.abort();
    if let Err(e) = admin.await {
        tracing::warn!(error = %e, "the admin listener ended badly");
    }
    stores.close().await;
    Ok(())
}

/// Opens the certificate, key, CA and policy files that a configuration names, as [`serve`] would; it makes nothing.
pub fn check_files(config: &Config) -> Result<(), AppError> {
    for tls in [&config.server.tls, &config.admin.tls].into_iter().flatten() {
        Tls::check(tls)?;
    }
    if let BackendKind::S3(s3) = &config.backend.kind {
        HttpBackend::new(s3, Metrics::new([]))?;
    }
    Scrubbing::load(config)?;
    Ok(())
}

/// Makes the sidecar again from the backend. `skipped` is told of each object that cannot be opened, and why.
pub async fn rebuild_sidecar(
    config: Config,
    skipped: impl FnMut(&ObjectAt, &crate::s3::Error),
) -> Result<(), AppError> {
    let (vault, stores, _) = build(config, false).await?;
    let done = rebuild::rebuild(&vault, skipped).await;
    stores.close().await;
    let Rebuilt { objects, plain, token_batches, skipped } = done?;
    tracing::info!(objects, plain, token_batches, skipped, "the sidecar was rebuilt");
    if skipped > 0 { Err(AppError::Skipped(skipped)) } else { Ok(()) }
}

/// Removes what is kept beside objects and nobody needs any more, all of it. Gives how much was removed, and what could not be decided.
pub async fn sweep(config: Config) -> Result<(u64, u64), AppError> {
    let (vault, stores, _) = beside(config).await?;
    let done = Sweeper::new(vault).run(u32::MAX).await;
    stores.close().await;
    let done = done.map_err(AppError::Sweep)?;
    Ok((done.gone, done.undecided))
}

/// Runs a job over what the gateway works with.
pub async fn run_job<T>(
    config: Config,
    job: impl AsyncFnOnce(&Arc<Vault>) -> Result<T, JobError>,
) -> Result<T, AppError> {
    let (vault, stores, _) = beside(config).await?;
    let done = job(&vault).await;
    stores.close().await;
    Ok(done?)
}

/// Everything that a job needs, which may run beside the gateway where the store is another process.
async fn beside(config: Config) -> Result<(Arc<Vault>, Stores, Option<Credential>), AppError> {
    build(config, false).await.map_err(|error| match error {
        AppError::Local(LocalError::InUse(path)) => AppError::GatewayRuns(path),
        error => error,
    })
}

/// The certificate of a listener; none where it serves without TLS.
async fn load_tls(config: &ServerConfig) -> Result<Option<Arc<Tls>>, AppError> {
    let Some(tls) = config.tls.clone() else {
        return Ok(None);
    };
    let http2 = config.http2_max_streams > 0;
    let loaded = tokio::task::spawn_blocking(move || Tls::load(&tls, http2)).await;
    Ok(Some(Arc::new(loaded.map_err(|e| TlsError::Cut(io::Error::other(e)))??)))
}

async fn listen(at: SocketAddr) -> Result<TcpListener, AppError> {
    TcpListener::bind(at).await.map_err(|e| AppError::Listen(at, e))
}

/// What must be closed in order at the end, so that nothing waits unwritten.
struct Stores {
    sidecar: Arc<SqliteSidecar>,
    local: Option<Arc<LocalBackend>>,
}

impl Stores {
    async fn close(&self) {
        self.sidecar.close().await;
        if let Some(local) = &self.local {
            local.close().await;
        }
    }
}

/// Everything but the listeners. The credential is there where it was made just now; where no client is served, none is made.
async fn build(config: Config, serves: bool) -> Result<(Arc<Vault>, Stores, Option<Credential>), AppError> {
    crate::sqlite::make_folder(&config.data_dir).map_err(AppError::DataDir)?;
    let metrics = Metrics::new(Op::ALL.iter().map(|op| op.name()));

    let mut local = None;
    let backend: Arc<dyn Backend> = match &config.backend.kind {
        BackendKind::Local => {
            let opened =
                LocalBackend::open(&config.data_dir.join("objects"), LocalOptions { cheap_etag: true }).await?;
            let opened = Arc::new(opened);
            local = Some(opened.clone());
            Arc::new(Measured::new(opened, metrics.clone()))
        }
        BackendKind::S3(s3) => {
            let http = Arc::new(HttpBackend::new(s3, metrics.clone())?);
            make_bucket(&*http, &config.backend.system_bucket).await?;
            let checksums = http.probe(&config.backend.system_bucket).await?;
            tracing::info!(?checksums, "the backend verifies checksums of the ciphertext");
            Arc::new(Measured::new(http, metrics.clone()))
        }
    };

    let options = SqliteOptions {
        max_batch: config.sidecar.commit_batch,
        queue: config.sidecar.commit_queue,
        ..SqliteOptions::from_url(&config.sidecar.url)?
    };
    let sqlite = Arc::new(SqliteSidecar::open(options).await?);
    if serves {
        sqlite.drop_leases().await?;
    }
    let sidecar: Arc<dyn Sidecar> = sqlite.clone();

    let records = SystemBucketKeks::new(backend.clone(), sidecar.clone(), config.backend.system_bucket.clone());
    let keys = open_keys(&config, records).await?;

    let (credentials, fresh) = if serves { credentials(&config)? } else { (Credentials::new(Vec::new())?, None) };
    let scrubbing = Scrubbing::load(&config)?;
    metrics.scrub.watch(&scrubbing.memory);
    let reserved = Reserved::new(config.backend.system_bucket.clone(), config.backend.reserved_names.clone());
    let honoured = match config.backend.kind {
        BackendKind::Local => Honoured::ALL,
        BackendKind::S3(_) => Honoured::by(&*backend, &config.backend.system_bucket).await?,
    };
    if honoured.copy_source.is_none() {
        tracing::warn!("the backend has no conditions on the source of a copy; copies are opened and sealed anew");
    }
    if !honoured.writes() {
        tracing::warn!(
            conditions = ?config.backend.conditions, puts = honoured.puts, completions = honoured.completions,
            "the backend ignores conditions of writes"
        );
    }
    let stores = Stores { sidecar: sqlite, local };
    let vault = Vault::new(config, backend, keys, sidecar, credentials, reserved, metrics, honoured, scrubbing);
    let vault = Arc::new(vault);
    policies::load(&vault, serves).await?;
    Ok((vault, stores, fresh))
}

/// A keyring is made only for a store in which nothing is sealed: a fresh root key beside objects of another would open none of
/// them, and new objects would be sealed under it until someone noticed.
async fn open_keys(config: &Config, records: SystemBucketKeks) -> Result<KeyManager, AppError> {
    let known = records.some().await?;
    let path = config.keys.keyring.clone();
    if let Some(record) = known.first()
        && !path.try_exists().unwrap_or(true)
    {
        return Err(AppError::KeyringMissing { path, root_key_id: record.root_key_id.clone() });
    }
    let ring = path.clone();
    let root = tokio::task::spawn_blocking(move || LocalKeyring::open_or_create(&ring))
        .await
        .map_err(|e| AppError::DataDir(io::Error::other(e)))??;
    let bounds = CacheBounds {
        max_entries: config.keys.cache_entries,
        max_age: config.keys.cache_age,
        max_uses: config.keys.cache_uses,
    };
    let keys = KeyManager::new(Arc::new(root), Arc::new(records), bounds);
    keys.unwraps_one_of(&known).await.map_err(|source| match source {
        keys::Error::OtherRootKey(_) | keys::Error::NotAuthentic(_) => AppError::OtherKeyring { path, source },
        source => source.into(),
    })?;
    Ok(keys)
}

fn credentials(config: &Config) -> Result<(Credentials, Option<Credential>), AppError> {
    if config.credentials.is_empty() {
        let (credential, fresh) = identity::load_or_generate(&config.data_dir)?;
        return Ok((Credentials::new(vec![credential.clone()])?, fresh.then_some(credential)));
    }
    let configured = config
        .credentials
        .iter()
        .map(|c| Credential {
            access_key: c.access_key.clone(),
            secret_key: c.secret_key.clone(),
            backend: c.backend.clone(),
        })
        .collect();
    Ok((Credentials::new(configured)?, None))
}

/// The fresh credential, once, with lines to paste. Not through the log: a log is kept.
#[expect(clippy::print_stdout, reason = "shown once to whoever started the program")]
fn announce(config: &Config, credential: &Credential) {
    let (key, secret, listen) = (&credential.access_key, credential.secret_key.as_str(), config.server.listen);
    let scheme = if config.server.tls.is_some() { "https" } else { "http" };
    println!(
        "A credential was made and is kept in {}; it is shown only now.\n\n\
         export AWS_ACCESS_KEY_ID={key} AWS_SECRET_ACCESS_KEY={secret} AWS_DEFAULT_REGION=us-east-1\n\
         aws --endpoint-url {scheme}://{listen} s3 mb s3://training\n\n\
         import boto3\n\
         s3 = boto3.client(\"s3\", endpoint_url=\"{scheme}://{listen}\", aws_access_key_id=\"{key}\",\n\
         \x20                 aws_secret_access_key=\"{secret}\", region_name=\"us-east-1\")\n\
         s3.create_bucket(Bucket=\"training\")\n",
        config.data_dir.join("credential.json").display()
    );
}

/// `/readyz` asks the backend and the sidecar, and whether it is known which policies hold.
fn admin_of(vault: &Arc<Vault>) -> Admin {
    let (asked, queried, held) = (vault.clone(), vault.clone(), vault.clone());
    Admin::new(vault.metrics.clone())
        .officers(Officers::new(vault.clone()))
        .check("backend", move || {
            let vault = asked.clone();
            async move {
                let request = BackendRequest::head_bucket(vault.reserved.system_bucket(), Signer::Gateway);
                let status = vault.backend.call(request).await.map_err(|e| e.to_string())?.status();
                // 404: it answers, and no key was made yet.
                if status.is_success() || status.as_u16() == 404 {
                    Ok(())
                } else {
                    Err(format!("it answered {status}"))
                }
            }
        })
        .check("sidecar", move || {
            let vault = queried.clone();
            async move { vault.sidecar.ping().await }
        })
        .check("policies", move || {
            let vault = held.clone();
            async move { vault.scrubbing.now().map(|_| ()) }
        })
}

//! The configuration: file, then environment, then flags, made into one typed [`Config`] once, at start.
//!
//! `docs/configuration.md` names every key. A wrong key, type or value is refused with its place and what is allowed.

mod check;
mod load;
mod raw;
mod setting;
mod value;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use scrub::format::Rule;
use scrub::policy::Policy;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::backend::BackendCredential;
use crate::s3::address::BucketNames;
use crate::scrubbing::PolicyId;
pub use load::{ConfigError, Sources};
pub use setting::Setting;
pub use value::Network;

/// Everything the gateway is told from outside.
#[derive(Clone, Debug)]
pub struct Config {
    /// Embedded backend, keyring, `SQLite` sidecar; made at first start with mode 0700.
    pub data_dir: PathBuf,
    /// The S3 listener.
    pub server: ServerConfig,
    /// The admin listener.
    pub admin: AdminConfig,
    /// The object store behind.
    pub backend: BackendConfig,
    /// Root key and key caches.
    pub keys: KeysConfig,
    /// The metadata database.
    pub sidecar: SidecarConfig,
    /// How clients prove who they are.
    pub identity: IdentityConfig,
    /// The clients. None: one is generated at first start.
    pub credentials: Vec<ClientCredential>,
    /// What holds for which bucket.
    pub buckets: Buckets,
    /// Bounds of memory and parallel work.
    pub limits: LimitsConfig,
    /// Logging.
    pub log: LogConfig,
}

/// `[server]`
#[derive(Clone, Debug)]
pub struct ServerConfig {
    /// Where S3 clients connect.
    pub listen: SocketAddr,
    /// `bucket.<domain>` addresses a bucket where set.
    pub virtual_host_domain: Option<String>,
    /// Connections at a time; further ones wait in the listen queue.
    pub max_connections: usize,
    /// Bytes of request line and headers.
    pub max_header_bytes: usize,
    /// Number of request headers.
    pub max_headers: usize,
    /// From the first byte of a request to the end of its headers.
    pub header_read_timeout: Duration,
    /// Without a byte moving: between requests, between body frames, in a blocked write.
    pub idle_timeout: Duration,
    /// From the headers of a request to the headers of its answer. Intents older than this are settled.
    pub request_timeout: Duration,
    /// What requests under way are given after SIGTERM.
    pub drain_timeout: Duration,
    /// Served under TLS where set.
    pub tls: Option<TlsConfig>,
    /// From a connection's begin to its first request: PROXY header and TLS handshake.
    pub handshake_timeout: Duration,
    /// Requests at a time on one HTTP/2 connection; 0: no HTTP/2.
    pub http2_max_streams: u32,
    /// Whose PROXY headers and `X-Forwarded-*` are believed.
    pub trusted_proxies: Vec<Network>,
    /// A connection from a trusted proxy begins with a PROXY header.
    pub proxy_protocol: bool,
    /// The headers that trusted proxies write.
    pub forwarded_headers: ForwardedHeaders,
}

/// `server.forwarded_headers`: in which headers trusted proxies say for whom they speak.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ForwardedHeaders {
    /// `X-Forwarded-For` and `X-Forwarded-Proto`.
    #[default]
    XForwarded,
    /// `Forwarded` (RFC 7239).
    Forwarded,
}

/// The TLS of a listener.
#[derive(Clone, Debug)]
pub struct TlsConfig {
    /// The section it stands in, for errors.
    pub section: &'static str,
    /// PEM: the certificate, then the chain to its issuer.
    pub cert: PathBuf,
    /// PEM: its private key.
    pub key: PathBuf,
    /// Whether clients show a certificate.
    pub client_auth: ClientAuth,
    /// PEM: who issues those. There unless `client_auth` is off.
    pub client_ca: Option<PathBuf>,
}

/// `tls_client_auth`
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ClientAuth {
    /// They are not asked for one.
    #[default]
    Off,
    /// They are asked; one that is shown must be good.
    Optional,
    /// Without one there is no connection.
    Required,
}

/// `[admin]`
#[derive(Clone, Debug)]
pub struct AdminConfig {
    /// `/healthz`, `/readyz`, `/metrics`, `/v1`.
    pub listen: SocketAddr,
    /// Served under TLS where set.
    pub tls: Option<TlsConfig>,
    /// Who may deal with quarantine and originals, or change policies.
    pub officers: Vec<Officer>,
}

/// `[[admin.officers]]`
#[derive(Clone)]
pub struct Officer {
    /// Under which what they do is written down.
    pub name: String,
    /// By which they are known.
    pub token: Zeroizing<String>,
    /// What they may.
    pub may: Vec<Right>,
}

/// `may` of an officer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Right {
    /// To deal with what is in quarantine, and to read what objects were made from.
    Kept,
    /// To see and to change what is done with the objects of which bucket.
    Policies,
}

impl Right {
    /// Its name in the configuration.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Kept => "kept",
            Self::Policies => "policies",
        }
    }
}

impl std::fmt::Debug for Officer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Officer").field("name", &self.name).finish_non_exhaustive()
    }
}

/// `[backend]`
#[derive(Clone, Debug)]
pub struct BackendConfig {
    /// Which store.
    pub kind: BackendKind,
    /// Our own bucket in it: KEK records, stashed parts. Hidden from clients.
    pub system_bucket: String,
    /// Who decides conditional writes where the backend cannot.
    pub conditions: Conditions,
    /// Bytes that the backend takes in one PUT.
    pub single_put_limit: u64,
    /// Bucket names that mean something else to the backend, refused wherever a bucket can be named.
    pub reserved_names: Vec<String>,
    /// Whether buckets of other tenants can be named.
    pub bucket_names: BucketNames,
}

impl BackendConfig {
    /// How long after a request was sent it can still be at work: nothing embedded survives this process.
    pub fn answers_within(&self) -> Duration {
        match &self.kind {
            BackendKind::Local => Duration::ZERO,
            BackendKind::S3(s3) => s3.connections.response_timeout,
        }
    }
}

/// `backend.kind`
#[derive(Clone, Debug)]
pub enum BackendKind {
    /// The embedded store, below [`Config::data_dir`].
    Local,
    /// A remote S3.
    S3(Box<S3Config>),
}

/// A remote S3.
#[derive(Clone, Debug)]
pub struct S3Config {
    /// `http` or `https`.
    pub scheme: http::uri::Scheme,
    /// Host and port.
    pub authority: http::uri::Authority,
    /// Region that requests are signed for.
    pub region: String,
    /// As whom the gateway itself makes requests.
    pub credential: Arc<BackendCredential>,
    /// PEM certificates to trust instead of the system's.
    pub ca_file: Option<PathBuf>,
    /// Whether it is told the client's address and scheme.
    pub forward_client: bool,
    /// Bounds on its connections.
    pub connections: Connections,
}

/// Bounds on connections to a remote S3. Checked for any backend.
#[derive(Clone, Copy, Debug)]
pub struct Connections {
    /// For TCP and TLS together.
    pub connect_timeout: Duration,
    /// From the last byte of a request to the headers of its answer.
    pub response_timeout: Duration,
    /// Without a byte moving, either way.
    pub idle_timeout: Duration,
    /// For a 100 (Continue) before a body that was announced by `Expect`; then it is sent without.
    pub expect_timeout: Duration,
    /// Idle connections kept.
    pub pool_size: usize,
    /// How long an idle connection is kept.
    pub pool_idle_timeout: Duration,
    /// Further tries after the first, of what can be sent again.
    pub retries: u32,
}

/// `backend.conditions`: who decides conditional writes that the backend does not support.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Conditions {
    /// A lease on the key, which every writer through this gateway holds.
    #[default]
    Lease,
    /// The backend, as it is.
    Backend,
    /// Nobody: such requests are refused.
    Refuse,
}

/// `[keys]`
#[derive(Clone, Debug)]
pub struct KeysConfig {
    /// The keyring file of the `local` provider.
    pub keyring: PathBuf,
    /// The file with the key of hashes, tokens and pseudonyms, which are labels without it.
    pub scrub_key: Option<PathBuf>,
    /// How long an unwrapped KEK is kept.
    pub cache_age: Duration,
    /// How often an unwrapped KEK is used before it is unwrapped again.
    pub cache_uses: u64,
    /// Unwrapped KEKs kept.
    pub cache_entries: u64,
}

/// `[sidecar]`
#[derive(Clone, Debug)]
pub struct SidecarConfig {
    /// `sqlite://path`.
    pub url: String,
    /// Writes that share one commit, at most.
    pub commit_batch: usize,
    /// Writes that wait for a commit, at most; beyond it writers wait.
    pub commit_queue: usize,
}

/// `[identity]`
#[derive(Clone, Debug)]
pub struct IdentityConfig {
    /// What becomes of anonymous requests.
    pub anonymous: Anonymous,
    /// Where Signature Version 2 is taken.
    pub sigv2: SigV2,
}

/// `identity.anonymous`
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Anonymous {
    /// Refused.
    #[default]
    Refuse,
    /// Forwarded unsigned: the backend's own ACLs decide.
    Backend,
}

/// `identity.sigv2`
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SigV2 {
    /// Nowhere.
    Off,
    /// In presigned URLs, which stock boto3 still makes so in `us-east-1`.
    #[default]
    Presigned,
    /// In the `Authorization` header too.
    All,
}

/// `[[credentials]]`
#[derive(Clone)]
pub struct ClientCredential {
    /// Access key id of the client.
    pub access_key: String,
    /// Its secret key.
    pub secret_key: Zeroizing<String>,
    /// As whom its requests are made at the backend; none: as the gateway.
    pub backend: Option<Arc<BackendCredential>>,
}

impl std::fmt::Debug for ClientCredential {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ClientCredential")
            .field("access_key", &self.access_key)
            .field("backend", &self.backend)
            .finish_non_exhaustive()
    }
}

/// `[buckets.default]` and `[buckets."name"]`.
#[derive(Clone, Debug, Default)]
pub struct Buckets {
    default: BucketConfig,
    named: BTreeMap<String, BucketConfig>,
}

/// What holds for one bucket.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BucketConfig {
    /// Whether plaintext from before is served.
    pub state: State,
    /// What clients see as `ETag`.
    pub etag: EtagPolicy,
    /// What is done about personal data.
    pub scrub: ScrubConfig,
    /// Whether that may be changed over REST.
    pub managed_by: ManagedBy,
    /// The same for keys that begin so; the longest that fits holds.
    pub prefixes: BTreeMap<String, ScrubConfig>,
}

/// What is done about personal data in the objects of a bucket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScrubConfig {
    /// Whether, and how.
    pub mode: Scrub,
    /// By which policy.
    pub policy: PolicyName,
    /// What is done with data that is no text, and with what is broken.
    pub on_unknown: Rule,
    /// What is done with media, PDF and documents of office programs.
    pub on_media: Rule,
    /// Records of a file that may be no records of its format.
    pub max_bad_records: u64,
    /// What is done about findings in keys, metadata and tags, which are never changed.
    pub on_key_finding: OnKeyFinding,
    /// What is done with what the policy blocks: it is refused or put aside, never passed.
    pub on_block: Rule,
    /// What becomes of reads of what the policy has not seen.
    pub on_unscrubbed: OnUnscrubbed,
    /// Of which bytes the `ETag` is.
    pub etag_of: EtagOf,
    /// What the tokens are.
    pub tokens: Tokens,
}

/// `scrub_policy`
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum PolicyName {
    /// The name of a preset, or the path of a file.
    Configured(String),
    /// One that was stored over REST.
    Stored(PolicyId),
}

impl std::fmt::Display for PolicyName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Configured(name) => f.write_str(name),
            Self::Stored(id) => id.fmt(f),
        }
    }
}

/// `scrub_managed_by`: who says what is done with the objects of a bucket.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ManagedBy {
    /// The configuration file alone.
    Configuration,
    /// Security officers, and until they do the configuration file.
    #[default]
    Rest,
}

/// `on_unscrubbed`
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum OnUnscrubbed {
    /// They are refused.
    #[default]
    Refuse,
    /// They get the object as it is.
    Serve,
    /// The object is scrubbed where it is, and they get that.
    ScrubOnRead,
}

/// `etag_of`
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum EtagOf {
    /// Those that are stored, which readers get.
    #[default]
    Stored,
    /// Those that came, which writers compare it with.
    Received,
}

/// `tokens`
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Tokens {
    /// They hold their values, sealed.
    #[default]
    Sealed,
    /// They are short, and a vault holds their values.
    Vault,
}

/// `on_key_finding`
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum OnKeyFinding {
    /// They are counted in the record of the object.
    #[default]
    Record,
    /// The write is refused.
    Refuse,
}

impl Default for ScrubConfig {
    fn default() -> Self {
        Self {
            mode: Scrub::Off,
            policy: PolicyName::Configured(Policy::default().id),
            on_unknown: Rule::Refuse,
            on_media: Rule::Refuse,
            max_bad_records: u64::MAX,
            on_key_finding: OnKeyFinding::Record,
            on_block: Rule::Refuse,
            on_unscrubbed: OnUnscrubbed::Refuse,
            etag_of: EtagOf::Stored,
            tokens: Tokens::Sealed,
        }
    }
}

/// `state`
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// Only sealed objects are served.
    #[default]
    Sealed,
    /// Objects from before the gateway are served as they are.
    Migrating,
}

/// `etag`
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EtagPolicy {
    /// MD5 of the plaintext, as S3 does.
    #[default]
    Md5,
    /// Random; saves the slowest step of a PUT.
    Opaque,
}

/// `scrub`
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Scrub {
    /// Nothing.
    #[default]
    Off,
    /// Find and record.
    Detect,
    /// Find and replace.
    Enforce,
    /// Find and replace, and keep what came where no client reaches it.
    Dual,
}

impl Scrub {
    /// Its name in the configuration.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Detect => "detect",
            Self::Enforce => "enforce",
            Self::Dual => "dual",
        }
    }
}

/// `[limits]`
#[derive(Clone, Debug)]
pub struct LimitsConfig {
    /// Bytes of a body of unknown length that are kept in memory before it becomes a multipart upload.
    pub body_in_memory: usize,
    /// Bytes up to which an object is read whole in one call.
    pub small_object: u64,
    /// Bytes of an XML request or answer.
    pub xml_body: usize,
    /// Suffix reads at a time that heal one LIST.
    pub list_heal_parallelism: usize,
    /// Object facts kept in memory.
    pub facts_cache_entries: u64,
    /// Bytes of listings kept in memory.
    pub list_cache: u64,
    /// Bodies that are worked on at a time; the others wait.
    pub scrub_threads: usize,
    /// Bodies that may be under way, most of which wait for their clients; further ones are told to come back. Each has a thread, of which there are some
    /// 500 that serve files too.
    pub scrub_bodies: usize,
    /// Uploads that are scrubbed at a time while their parts still arrive; of others Complete scrubs all. Each has a thread too.
    pub scrub_ahead: usize,
    /// How long one of them waits for its next part; then Complete scrubs all of it.
    pub scrub_ahead_idle: Duration,
    /// The longest that the scrub of one PUT may take, by its length and the rate that was measured; a longer one is refused before it is read.
    pub scrub_put_time: Duration,
    /// Files within files that are looked into.
    pub scrub_depth: u32,
    /// Bytes that one byte of a compressed file may stand for.
    pub scrub_expansion: u64,
    /// Bytes of a column chunk of Parquet, which is held as a whole.
    pub scrub_chunk: u64,
    /// Short tokens that one object may add to the vault of its bucket.
    pub scrub_tokens: u64,
    /// Short tokens that are known in memory.
    pub scrub_token_cache: u64,
    /// Bytes of large buffers of all bodies that are looked into.
    pub scrub_memory: u64,
    /// How often what is kept beside objects is looked through for what nobody needs any more.
    pub sweep_every: Duration,
    /// What is younger is left alone by that: its write may be under way.
    pub sweep_grace: Duration,
    /// How long what was put in quarantine is kept; none: until it is destroyed by hand.
    pub quarantine_age: Option<Duration>,
    /// The same of originals; none: as long as their objects.
    pub original_age: Option<Duration>,
    /// How often it is looked for policies that another process has changed.
    pub policies_every: Duration,
    /// So long after it was last known which policies hold, nothing is served any more.
    pub policies_age: Duration,
}

/// `[log]`
#[derive(Clone, Debug)]
pub struct LogConfig {
    /// Form of a line.
    pub format: LogFormat,
    /// `error`, `warn`, `info`, `debug`, `trace`, or directives such as `info,gateway::server=debug`.
    pub level: String,
}

/// `log.format`
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

impl Config {
    /// Reads every source and checks it all.
    pub fn load(sources: &Sources) -> Result<Self, ConfigError> {
        Self::from_layers(&load::Layers::read(sources)?)
    }

    /// Reads the text of a file alone. `path` is for errors only.
    pub fn parse(path: &Path, text: String) -> Result<Self, ConfigError> {
        Self::from_layers(&load::Layers::of_file(path.to_owned(), text)?)
    }

    fn from_layers(layers: &load::Layers) -> Result<Self, ConfigError> {
        Self::from_raw(layers.merged()?).map_err(|e| layers.place(&e))
    }

    /// What holds for `bucket`.
    pub fn bucket(&self, bucket: &str) -> &BucketConfig {
        self.buckets.of(bucket)
    }
}

impl Buckets {
    /// What holds for `bucket`.
    pub fn of(&self, bucket: &str) -> &BucketConfig {
        self.named.get(bucket).unwrap_or(&self.default)
    }

    /// What holds for every bucket that is not named, and for those that are.
    pub fn all(&self) -> impl Iterator<Item = (Option<&str>, &BucketConfig)> {
        std::iter::once((None, &self.default)).chain(self.named.iter().map(|(name, of)| (Some(&**name), of)))
    }
}

#[cfg(test)]
mod tests;

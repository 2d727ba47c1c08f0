//! The configuration as it is written: every key optional, nothing unknown accepted. [`super::Config`] is what it means.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;

use serde::Deserialize;

use super::setting::{OnBlock, OnUnknown, Setting};
use super::value::{ByteSize, Network, Secret, Span};
use super::{
    Anonymous, ClientAuth, Conditions, EtagOf, EtagPolicy, ForwardedHeaders, LogFormat, ManagedBy, OnKeyFinding,
    OnUnscrubbed, Right, Scrub, SigV2, State, Tokens,
};

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Raw {
    pub data_dir: Option<PathBuf>,
    pub server: Server,
    pub admin: Admin,
    pub backend: Backend,
    pub keys: Keys,
    pub sidecar: Sidecar,
    pub identity: Identity,
    pub credentials: Vec<Credential>,
    pub buckets: BTreeMap<String, Bucket>,
    pub limits: Limits,
    pub log: Log,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Server {
    pub listen: Option<SocketAddr>,
    pub tls_cert: Option<PathBuf>,
    pub tls_key: Option<PathBuf>,
    pub tls_client_auth: Option<ClientAuth>,
    pub tls_client_ca: Option<PathBuf>,
    pub virtual_host_domain: Option<String>,
    pub max_connections: Option<u32>,
    pub max_header_bytes: Option<ByteSize>,
    pub max_headers: Option<u32>,
    pub header_read_timeout: Option<Span>,
    pub idle_timeout: Option<Span>,
    pub request_timeout: Option<Span>,
    pub drain_timeout: Option<Span>,
    pub handshake_timeout: Option<Span>,
    pub http2_max_streams: Option<u32>,
    pub trusted_proxies: Vec<Network>,
    pub proxy_protocol: bool,
    pub forwarded_headers: Option<ForwardedHeaders>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Admin {
    pub listen: Option<SocketAddr>,
    pub tls_cert: Option<PathBuf>,
    pub tls_key: Option<PathBuf>,
    pub tls_client_auth: Option<ClientAuth>,
    pub tls_client_ca: Option<PathBuf>,
    pub officers: Vec<Officer>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Officer {
    pub name: String,
    pub token: Secret,
    pub may: Option<Vec<Right>>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Kind {
    #[default]
    Local,
    S3,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Backend {
    pub kind: Kind,
    pub endpoint: Option<String>,
    pub region: Option<String>,
    pub access_key: Option<String>,
    pub secret_key: Option<Secret>,
    pub ca_file: Option<PathBuf>,
    pub forward_client: Option<bool>,
    pub system_bucket: Option<String>,
    pub connect_timeout: Option<Span>,
    pub response_timeout: Option<Span>,
    pub idle_timeout: Option<Span>,
    pub expect_timeout: Option<Span>,
    pub pool_size: Option<u32>,
    pub pool_idle_timeout: Option<Span>,
    pub retries: Option<u32>,
    pub conditions: Option<Conditions>,
    pub single_put_limit: Option<ByteSize>,
    pub reserved_names: Option<Vec<String>>,
    pub tenants: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Provider {
    Local,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Keys {
    #[serde(rename = "provider")]
    pub _provider: Option<Provider>,
    pub keyring: Option<PathBuf>,
    pub scrub_key: Option<PathBuf>,
    pub cache_age: Option<Span>,
    pub cache_uses: Option<u64>,
    pub cache_entries: Option<u64>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Sidecar {
    pub url: Option<String>,
    pub commit_batch: Option<u32>,
    pub commit_queue: Option<u32>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Identity {
    pub anonymous: Option<Anonymous>,
    pub sigv2: Option<SigV2>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Credential {
    pub access_key: String,
    pub secret_key: Secret,
    pub backend_access_key: Option<String>,
    pub backend_secret_key: Option<Secret>,
    pub backend_tenant: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Bucket {
    pub state: Option<State>,
    pub etag: Option<EtagPolicy>,
    pub scrub: Option<Scrub>,
    pub scrub_policy: Option<String>,
    pub on_unknown: Option<OnUnknown>,
    pub on_media: Option<OnUnknown>,
    pub max_bad_records: Option<u64>,
    pub on_key_finding: Option<OnKeyFinding>,
    pub on_block: Option<OnBlock>,
    pub on_unscrubbed: Option<OnUnscrubbed>,
    pub etag_of: Option<EtagOf>,
    pub tokens: Option<Tokens>,
    pub scrub_managed_by: Option<ManagedBy>,
    pub prefixes: BTreeMap<String, Bucket>,
}

impl Bucket {
    /// What it says of scrubbing.
    pub(super) fn setting(&self) -> Setting {
        Setting {
            scrub: self.scrub,
            scrub_policy: self.scrub_policy.clone(),
            on_unknown: self.on_unknown,
            on_media: self.on_media,
            max_bad_records: self.max_bad_records,
            on_key_finding: self.on_key_finding,
            on_block: self.on_block,
            on_unscrubbed: self.on_unscrubbed,
            etag_of: self.etag_of,
            tokens: self.tokens,
        }
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Limits {
    pub body_in_memory: Option<ByteSize>,
    pub small_object: Option<ByteSize>,
    pub xml_body: Option<ByteSize>,
    pub list_heal_parallelism: Option<u32>,
    pub facts_cache_entries: Option<u64>,
    pub list_cache: Option<ByteSize>,
    pub scrub_threads: Option<u32>,
    pub scrub_bodies: Option<u32>,
    pub scrub_ahead: Option<u32>,
    pub scrub_ahead_idle: Option<Span>,
    pub scrub_put_time: Option<Span>,
    pub scrub_depth: Option<u32>,
    pub scrub_expansion: Option<u32>,
    pub scrub_chunk: Option<ByteSize>,
    pub scrub_tokens: Option<u64>,
    pub scrub_token_cache: Option<u64>,
    pub scrub_memory: Option<ByteSize>,
    pub sweep_every: Option<Span>,
    pub sweep_grace: Option<Span>,
    pub quarantine_age: Option<Span>,
    pub original_age: Option<Span>,
    pub policies_every: Option<Span>,
    pub policies_age: Option<Span>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Log {
    pub format: Option<LogFormat>,
    pub level: Option<String>,
}

//! From what is written to what it means: defaults, bounds, and what must hold between values.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::raw::{self, Raw};
use super::value::{ByteSize, Span};
use super::{
    AdminConfig, BackendConfig, BackendKind, BucketConfig, Buckets, ClientAuth, ClientCredential, Config, Connections,
    IdentityConfig, KeysConfig, LimitsConfig, LogConfig, ManagedBy, Officer, Right, S3Config, ServerConfig, Setting,
    SidecarConfig, TlsConfig, Tokens,
};
use crate::backend::BackendCredential;
use crate::s3::address::{BucketNames, tenant};

impl Config {
    pub(super) fn from_raw(raw: Raw) -> Result<Self, Invalid> {
        let data_dir = raw.data_dir.unwrap_or_else(|| PathBuf::from("data"));
        let s3 = raw.backend.kind == raw::Kind::S3;
        let tenants = raw.backend.tenants;
        let config = Self {
            server: server(raw.server)?,
            admin: admin(raw.admin)?,
            backend: backend(raw.backend)?,
            keys: keys(raw.keys, &data_dir)?,
            sidecar: sidecar(raw.sidecar, &data_dir)?,
            identity: IdentityConfig {
                anonymous: raw.identity.anonymous.unwrap_or_default(),
                sigv2: raw.identity.sigv2.unwrap_or_default(),
            },
            credentials: credentials(raw.credentials, s3, tenants)?,
            buckets: Buckets::from_raw(raw.buckets)?,
            limits: limits(&raw.limits)?,
            log: LogConfig { format: raw.log.format.unwrap_or_default(), level: log_level(raw.log.level)? },
            data_dir,
        };
        config.check_tokens()?;
        Ok(config)
    }

    /// The name of a short token is made with the key.
    fn check_tokens(&self) -> Result<(), Invalid> {
        let has_vault = |(_, bucket): &(Option<&str>, &BucketConfig)| {
            bucket.prefixes.values().chain([&bucket.scrub]).any(|scrub| scrub.tokens == Tokens::Vault)
        };
        match self.buckets.all().find(has_vault) {
            Some((name, _)) if self.keys.scrub_key.is_none() => Err(Invalid::at(
                format!("buckets.{}.tokens", name.unwrap_or("default")),
                "`vault` needs `keys.scrub_key`, by which tokens are named",
            )),
            _ => Ok(()),
        }
    }
}

impl Buckets {
    fn from_raw(mut raw: BTreeMap<String, raw::Bucket>) -> Result<Self, Invalid> {
        let default = raw.remove("default").unwrap_or_default();
        let default = bucket("default", &default, &BucketConfig::default())?;
        let named = raw.iter().map(|(name, raw)| Ok((name.clone(), bucket(name, raw, &default)?)));
        Ok(Self { named: named.collect::<Result<_, _>>()?, default })
    }
}

/// A bucket over what holds for all; its prefixes are its own.
fn bucket(name: &str, raw: &raw::Bucket, base: &BucketConfig) -> Result<BucketConfig, Invalid> {
    let setting = raw.setting();
    let scrub = setting.over(&base.scrub);
    // What the file says of a bucket by its name, no REST call undoes, unless the file says so.
    let says = name != "default" && (setting != Setting::default() || !raw.prefixes.is_empty());
    let managed_by = raw.scrub_managed_by.unwrap_or(if says { ManagedBy::Configuration } else { base.managed_by });
    let mut prefixes = BTreeMap::new();
    for (prefix, of) in &raw.prefixes {
        let at = |key: &str| format!("buckets.{name}.prefixes.{prefix}{key}");
        if prefix.is_empty() {
            return Err(Invalid::at(at(""), "what holds for every key is said of the bucket"));
        }
        let of_bucket = [
            ("state", of.state.is_some()),
            ("etag", of.etag.is_some()),
            ("scrub_managed_by", of.scrub_managed_by.is_some()),
            ("prefixes", !of.prefixes.is_empty()),
        ];
        if let Some((key, _)) = of_bucket.iter().find(|(_, given)| *given) {
            return Err(Invalid::at(at(&format!(".{key}")), "is of a bucket, not of a prefix"));
        }
        prefixes.insert(prefix.clone(), of.setting().over(&scrub));
    }
    Ok(BucketConfig {
        state: raw.state.unwrap_or(base.state),
        etag: raw.etag.unwrap_or(base.etag),
        scrub,
        managed_by,
        prefixes,
    })
}

/// A value that has the right type and is wrong all the same.
#[derive(Debug)]
pub(super) struct Invalid {
    /// `section.key`
    pub(super) key: String,
    pub(super) message: String,
}

impl Invalid {
    fn at(key: impl Into<String>, message: impl Into<String>) -> Self {
        Self { key: key.into(), message: message.into() }
    }
}

/// The TLS keys of a section, which stand together or not at all.
fn tls(
    section: &'static str,
    cert: Option<PathBuf>,
    key: Option<PathBuf>,
    client_auth: Option<ClientAuth>,
    client_ca: Option<PathBuf>,
) -> Result<Option<TlsConfig>, Invalid> {
    let at = |key: &str, message: &str| Err(Invalid::at(format!("{section}.{key}"), message));
    let client_auth = client_auth.unwrap_or_default();
    match (cert, key) {
        (Some(_), None) => at("tls_cert", "`tls_cert` and `tls_key` are given together or not at all"),
        (None, Some(_)) => at("tls_key", "`tls_cert` and `tls_key` are given together or not at all"),
        (None, None) if client_auth != ClientAuth::Off => {
            at("tls_client_auth", "means nothing without TLS: give `tls_cert` and `tls_key` too")
        }
        (None, None) if client_ca.is_some() => {
            at("tls_client_ca", "means nothing without TLS: give `tls_cert` and `tls_key` too")
        }
        (None, None) => Ok(None),
        (Some(_), Some(_)) if client_auth != ClientAuth::Off && client_ca.is_none() => {
            at("tls_client_auth", "needs `tls_client_ca`: the certificates of those who issue them to clients")
        }
        (Some(_), Some(_)) if client_auth == ClientAuth::Off && client_ca.is_some() => {
            at("tls_client_ca", "means nothing while `tls_client_auth` is `off`: make it `optional` or `required`")
        }
        (Some(cert), Some(key)) => Ok(Some(TlsConfig { section, cert, key, client_auth, client_ca })),
    }
}

fn admin(raw: raw::Admin) -> Result<AdminConfig, Invalid> {
    Ok(AdminConfig {
        listen: raw.listen.unwrap_or(SocketAddr::from(([127, 0, 0, 1], 9901))),
        tls: tls("admin", raw.tls_cert, raw.tls_key, raw.tls_client_auth, raw.tls_client_ca)?,
        officers: officers(raw.officers)?,
    })
}

fn officers(raw: Vec<raw::Officer>) -> Result<Vec<Officer>, Invalid> {
    /// Bytes of a token: as 128 random bits in hexadecimal.
    const SHORTEST: usize = 32;
    let mut out: Vec<Officer> = Vec::with_capacity(raw.len());
    for raw::Officer { name, token, may } in raw {
        let at = |message: String| Err(Invalid::at("admin.officers", message));
        if name.is_empty() || out.iter().any(|other| other.name == name) {
            return at(format!("the name `{name}` is empty or given twice"));
        }
        if token.0.len() < SHORTEST {
            return at(format!("the `token` of `{name}` has fewer than {SHORTEST} characters"));
        }
        if out.iter().any(|other| other.token == token.0) {
            return at(format!("`{name}` has the token of another"));
        }
        let may = may.unwrap_or_else(|| vec![Right::Kept]);
        if may.is_empty() {
            return at(format!("`{name}` may do nothing: give `may` one of `kept`, `policies`, or take it out"));
        }
        out.push(Officer { name, token: token.0, may });
    }
    Ok(out)
}

fn server(raw: raw::Server) -> Result<ServerConfig, Invalid> {
    if raw.proxy_protocol && raw.trusted_proxies.is_empty() {
        return Err(Invalid::at(
            "server.proxy_protocol",
            "needs `trusted_proxies`: the addresses from which a PROXY header is believed",
        ));
    }
    if let Some(domain) = &raw.virtual_host_domain
        && (domain.is_empty()
            || domain.starts_with('.')
            || !domain.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-.".contains(&b)))
    {
        return Err(Invalid::at(
            "server.virtual_host_domain",
            "must be a lower-case host name without port, such as `vault.example.com`",
        ));
    }
    Ok(ServerConfig {
        listen: raw.listen.unwrap_or(SocketAddr::from(([127, 0, 0, 1], 9900))),
        virtual_host_domain: raw.virtual_host_domain,
        max_connections: count("server.max_connections", raw.max_connections, 1024, 1..=65_536)?,
        // hyper needs 8 KiB at least, and holds a whole header section in memory for each connection.
        max_header_bytes: size("server.max_header_bytes", raw.max_header_bytes, 64 << 10, 8 << 10..=1 << 20)?,
        max_headers: count("server.max_headers", raw.max_headers, 100, 16..=4096)?,
        header_read_timeout: time("server.header_read_timeout", raw.header_read_timeout, 30_000)?,
        idle_timeout: time("server.idle_timeout", raw.idle_timeout, 60_000)?,
        request_timeout: time("server.request_timeout", raw.request_timeout, 6 * 3_600_000)?,
        drain_timeout: time("server.drain_timeout", raw.drain_timeout, 30_000)?,
        tls: tls("server", raw.tls_cert, raw.tls_key, raw.tls_client_auth, raw.tls_client_ca)?,
        handshake_timeout: time("server.handshake_timeout", raw.handshake_timeout, 10_000)?,
        http2_max_streams: count("server.http2_max_streams", raw.http2_max_streams, 100, 0..=1000)? as u32,
        trusted_proxies: raw.trusted_proxies,
        proxy_protocol: raw.proxy_protocol,
        forwarded_headers: raw.forwarded_headers.unwrap_or_default(),
    })
}

fn backend(raw: raw::Backend) -> Result<BackendConfig, Invalid> {
    let system_bucket = raw.system_bucket.clone().unwrap_or_else(|| "data-vault-system".into());
    if !is_bucket_name(&system_bucket) {
        return Err(Invalid::at(
            "backend.system_bucket",
            "must be a bucket name: 3 to 63 of `a-z`, `0-9`, `-`, `.`, with a letter or digit at both ends",
        ));
    }
    let reserved_names =
        raw.reserved_names.clone().unwrap_or_else(|| ["minio", "admin", "swift"].map(str::to_owned).into());
    if reserved_names.contains(&system_bucket) {
        return Err(Invalid::at("backend.system_bucket", "must not be one of `backend.reserved_names`"));
    }
    let connections = connections(&raw)?;
    Ok(BackendConfig {
        system_bucket,
        conditions: raw.conditions.unwrap_or_default(),
        single_put_limit: wide_size("backend.single_put_limit", raw.single_put_limit, 5 << 30, 5 << 20..=1 << 50)?,
        reserved_names,
        bucket_names: if raw.tenants { BucketNames::Tenanted } else { BucketNames::Plain },
        kind: match raw.kind {
            raw::Kind::Local => local(&raw)?,
            raw::Kind::S3 => BackendKind::S3(Box::new(s3(raw, connections)?)),
        },
    })
}

fn local(raw: &raw::Backend) -> Result<BackendKind, Invalid> {
    let remote = [
        ("endpoint", raw.endpoint.is_some()),
        ("region", raw.region.is_some()),
        ("access_key", raw.access_key.is_some()),
        ("secret_key", raw.secret_key.is_some()),
        ("ca_file", raw.ca_file.is_some()),
        ("forward_client", raw.forward_client.is_some()),
        ("tenants", raw.tenants),
    ];
    match remote.into_iter().find(|(_, given)| *given) {
        Some((key, _)) => Err(Invalid::at(
            format!("backend.{key}"),
            "means nothing to the local backend: set `kind = \"s3\"` in [backend], or take it out",
        )),
        None => Ok(BackendKind::Local),
    }
}

fn connections(raw: &raw::Backend) -> Result<Connections, Invalid> {
    Ok(Connections {
        connect_timeout: time("backend.connect_timeout", raw.connect_timeout, 5_000)?,
        // A backend assembles a large multipart upload before it answers.
        response_timeout: time("backend.response_timeout", raw.response_timeout, 120_000)?,
        idle_timeout: time("backend.idle_timeout", raw.idle_timeout, 60_000)?,
        expect_timeout: time("backend.expect_timeout", raw.expect_timeout, 1_000)?,
        pool_size: count("backend.pool_size", raw.pool_size, 256, 1..=65_536)?,
        pool_idle_timeout: time("backend.pool_idle_timeout", raw.pool_idle_timeout, 20_000)?,
        retries: count("backend.retries", raw.retries, 3, 0..=10)? as u32,
    })
}

fn s3(raw: raw::Backend, connections: Connections) -> Result<S3Config, Invalid> {
    let missing = |key: &str| {
        Invalid::at(
            "backend.kind",
            format!("`s3` needs `endpoint`, `access_key` and `secret_key` too: `{key}` is missing"),
        )
    };
    let endpoint = raw.endpoint.ok_or_else(|| missing("endpoint"))?;
    let (scheme, authority) = endpoint_parts(&endpoint).ok_or_else(|| {
        Invalid::at(
            "backend.endpoint",
            "must be `http://host[:port]` or `https://host[:port]`, without path, query or user",
        )
    })?;
    if raw.ca_file.is_some() && scheme != http::uri::Scheme::HTTPS {
        return Err(Invalid::at("backend.ca_file", "means nothing to an endpoint that is not `https://`"));
    }
    let region = raw.region.unwrap_or_else(|| "us-east-1".into());
    if region.is_empty() || !region.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b)) {
        return Err(Invalid::at("backend.region", "must be a region name such as `us-east-1`"));
    }
    let access_key = raw.access_key.ok_or_else(|| missing("access_key"))?;
    check_access_key("backend.access_key", &access_key)?;
    let secret_key = raw.secret_key.ok_or_else(|| missing("secret_key"))?.0;
    if secret_key.is_empty() {
        return Err(Invalid::at("backend.secret_key", "must not be empty"));
    }
    Ok(S3Config {
        scheme,
        authority,
        region,
        credential: Arc::new(BackendCredential { access_key, secret_key, tenant: String::new() }),
        ca_file: raw.ca_file,
        forward_client: raw.forward_client.unwrap_or(true),
        connections,
    })
}

fn endpoint_parts(endpoint: &str) -> Option<(http::uri::Scheme, http::uri::Authority)> {
    let parts = endpoint.parse::<http::Uri>().ok()?.into_parts();
    let scheme = parts.scheme.filter(|s| ["http", "https"].contains(&s.as_str()))?;
    let authority = parts.authority.filter(|a| !a.as_str().contains('@') && !a.host().is_empty())?;
    parts.path_and_query.is_none_or(|p| p.as_str() == "/").then_some((scheme, authority))
}

fn keys(raw: raw::Keys, data_dir: &Path) -> Result<KeysConfig, Invalid> {
    Ok(KeysConfig {
        keyring: raw.keyring.unwrap_or_else(|| data_dir.join("keyring.json")),
        scrub_key: raw.scrub_key,
        cache_age: time("keys.cache_age", raw.cache_age, 300_000)?,
        cache_uses: wide_count("keys.cache_uses", raw.cache_uses, 1_000_000, 1..=1 << 32)?,
        cache_entries: wide_count("keys.cache_entries", raw.cache_entries, 10_000, 1..=10_000_000)?,
    })
}

fn sidecar(raw: raw::Sidecar, data_dir: &Path) -> Result<SidecarConfig, Invalid> {
    let url = match raw.url {
        None => format!("sqlite://{}", data_dir.join("sidecar.db").display()),
        Some(url) if url.starts_with("sqlite:") && url.len() > "sqlite://".len() => url,
        Some(url) if url.starts_with("postgres:") || url.starts_with("postgresql:") => {
            return Err(Invalid::at(
                "sidecar.url",
                "this version has no PostgreSQL sidecar: use `sqlite://path/to/sidecar.db`",
            ));
        }
        Some(_) => {
            return Err(Invalid::at("sidecar.url", "must be `sqlite://path/to/sidecar.db`"));
        }
    };
    Ok(SidecarConfig {
        url,
        commit_batch: count("sidecar.commit_batch", raw.commit_batch, 256, 1..=10_000)?,
        commit_queue: count("sidecar.commit_queue", raw.commit_queue, 4096, 1..=1_000_000)?,
    })
}

fn credentials(raw: Vec<raw::Credential>, s3: bool, tenants: bool) -> Result<Vec<ClientCredential>, Invalid> {
    let mut out: Vec<ClientCredential> = Vec::with_capacity(raw.len());
    for c in raw {
        check_access_key("credentials", &c.access_key)?;
        let at = |message: String| Invalid::at("credentials", message);
        let name = &c.access_key;
        if out.iter().any(|o| o.access_key == *name) {
            return Err(at(format!("the access key `{name}` is given twice")));
        }
        if c.secret_key.0.len() < 8 {
            return Err(at(format!("the `secret_key` of `{name}` has fewer than 8 characters")));
        }
        let tenant = match c.backend_tenant {
            None => String::new(),
            Some(_) if !tenants => {
                return Err(at(format!("`backend_tenant` of `{name}` needs `tenants = true` in [backend]")));
            }
            Some(_) if c.backend_access_key.is_none() => {
                return Err(at(format!(
                    "`backend_tenant` of `{name}` needs `backend_access_key`: the gateway has none"
                )));
            }
            Some(tenant) if tenant.is_empty() || !tenant::is_tenant(&tenant) => {
                return Err(at(format!("the `backend_tenant` of `{name}` is no tenant: `A-Z`, `a-z`, `0-9` and `_`")));
            }
            Some(tenant) => tenant,
        };
        let backend = match (c.backend_access_key, c.backend_secret_key) {
            (None, None) => None,
            (Some(access_key), Some(secret)) if s3 => {
                check_access_key("credentials", &access_key)?;
                Some(Arc::new(BackendCredential { access_key, secret_key: secret.0, tenant }))
            }
            (Some(_), Some(_)) => {
                return Err(at(format!("`{name}` has a backend credential, but the local backend has no users")));
            }
            _ => {
                return Err(at(format!(
                    "`{name}` needs both `backend_access_key` and `backend_secret_key`, or neither"
                )));
            }
        };
        out.push(ClientCredential { access_key: c.access_key, secret_key: c.secret_key.0, backend });
    }
    Ok(out)
}

fn limits(raw: &raw::Limits) -> Result<LimitsConfig, Invalid> {
    let scrub_chunk = wide_size("limits.scrub_chunk", raw.scrub_chunk, 256 << 20, 1 << 20..=8 << 30)?;
    // As it is stored and open, and the same again for the new one.
    let one_body = scrub_chunk * 4;
    Ok(LimitsConfig {
        body_in_memory: size("limits.body_in_memory", raw.body_in_memory, 8 << 20, 5 << 20..=64 << 20)?,
        small_object: wide_size("limits.small_object", raw.small_object, 1 << 20, 0..=8 << 20)?,
        xml_body: size("limits.xml_body", raw.xml_body, 4 << 20, 1 << 20..=64 << 20)?,
        list_heal_parallelism: count("limits.list_heal_parallelism", raw.list_heal_parallelism, 16, 1..=256)?,
        facts_cache_entries: wide_count(
            "limits.facts_cache_entries",
            raw.facts_cache_entries,
            100_000,
            0..=100_000_000,
        )?,
        list_cache: wide_size("limits.list_cache", raw.list_cache, 16 << 20, 0..=1 << 30)?,
        scrub_bodies: count("limits.scrub_bodies", raw.scrub_bodies, 256, 1..=400)?,
        scrub_threads: count("limits.scrub_threads", raw.scrub_threads, processors(), 1..=1024)?,
        scrub_ahead: count("limits.scrub_ahead", raw.scrub_ahead, 16, 0..=32)?,
        scrub_ahead_idle: time("limits.scrub_ahead_idle", raw.scrub_ahead_idle, 120_000)?,
        scrub_put_time: time("limits.scrub_put_time", raw.scrub_put_time, 30_000)?,
        scrub_depth: count("limits.scrub_depth", raw.scrub_depth, 8, 1..=64)? as u32,
        scrub_expansion: count("limits.scrub_expansion", raw.scrub_expansion, 1000, 10..=1_000_000)? as u64,
        scrub_chunk,
        scrub_tokens: wide_count("limits.scrub_tokens", raw.scrub_tokens, 100_000, 1..=10_000_000)?,
        scrub_token_cache: wide_count("limits.scrub_token_cache", raw.scrub_token_cache, 100_000, 0..=10_000_000)?,
        scrub_memory: wide_size("limits.scrub_memory", raw.scrub_memory, one_body.max(1 << 30), one_body..=1 << 50)?,
        sweep_every: time("limits.sweep_every", raw.sweep_every, 3_600_000)?,
        sweep_grace: time("limits.sweep_grace", raw.sweep_grace, 3_600_000)?,
        quarantine_age: age("limits.quarantine_age", raw.quarantine_age, Duration::from_hours(30 * 24))?,
        original_age: age("limits.original_age", raw.original_age, Duration::ZERO)?,
        policies_every: time("limits.policies_every", raw.policies_every, 10_000)?,
        policies_age: policies_age(raw)?,
    })
}

fn log_level(level: Option<String>) -> Result<String, Invalid> {
    let level = level.unwrap_or_else(|| "info".into());
    match level.parse::<tracing_subscriber::EnvFilter>() {
        // A bare word that is not a level would be taken for a module of that name, and silence everything else.
        Ok(_) if level.contains(['=', ',']) || level.parse::<tracing::Level>().is_ok() || level == "off" => Ok(level),
        _ => Err(Invalid::at(
            "log.level",
            "must be one of `off`, `error`, `warn`, `info`, `debug`, `trace`, or directives such as \
             `info,gateway::server=debug`",
        )),
    }
}

/// A pass or two may fail before nothing is served any more.
fn policies_age(raw: &raw::Limits) -> Result<Duration, Invalid> {
    let every = time("limits.policies_every", raw.policies_every, 10_000)?;
    let age = time("limits.policies_age", raw.policies_age, 60_000)?;
    if age < 2 * every {
        return Err(Invalid::at("limits.policies_age", "must be at least twice `limits.policies_every`"));
    }
    Ok(age)
}

/// An access key goes into `Credential=key/date/region/…`, so it can hold neither `/` nor `,` nor space.
fn check_access_key(at: &str, key: &str) -> Result<(), Invalid> {
    let fits = (1..=128).contains(&key.len()) && key.bytes().all(|b| b.is_ascii_graphic() && !b"/,=".contains(&b));
    fits.then_some(()).ok_or_else(|| {
        Invalid::at(at, format!("`{key}` is no access key: 1 to 128 visible ASCII characters without `/`, `,` and `=`"))
    })
}

fn is_bucket_name(name: &str) -> bool {
    let inner = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    (3..=63).contains(&name.len())
        && name.bytes().all(|b| inner(b) || b"-.".contains(&b))
        && name.bytes().next().is_some_and(inner)
        && name.bytes().last().is_some_and(inner)
}

/// One is left to those who wait for no engine.
fn processors() -> u32 {
    let all = std::thread::available_parallelism().map_or(1, std::num::NonZeroUsize::get);
    u32::try_from(all.saturating_sub(1).max(1)).unwrap_or(1)
}

fn count(
    key: &str,
    given: Option<u32>,
    default: u32,
    allowed: std::ops::RangeInclusive<u32>,
) -> Result<usize, Invalid> {
    within(key, given.unwrap_or(default), &allowed).map(|n| n as usize)
}

fn wide_count(
    key: &str,
    given: Option<u64>,
    default: u64,
    allowed: std::ops::RangeInclusive<u64>,
) -> Result<u64, Invalid> {
    within(key, given.unwrap_or(default), &allowed)
}

fn size(
    key: &str,
    given: Option<ByteSize>,
    default: u64,
    allowed: std::ops::RangeInclusive<u64>,
) -> Result<usize, Invalid> {
    wide_size(key, given, default, allowed).map(|n| n as usize)
}

fn wide_size(
    key: &str,
    given: Option<ByteSize>,
    default: u64,
    allowed: std::ops::RangeInclusive<u64>,
) -> Result<u64, Invalid> {
    let n = given.map_or(default, |s| s.0);
    within(key, n, &allowed).map_err(|mut e| {
        e.message += " (bytes)";
        e
    })
}

fn within<T: PartialOrd + std::fmt::Display>(
    key: &str,
    n: T,
    allowed: &std::ops::RangeInclusive<T>,
) -> Result<T, Invalid> {
    if allowed.contains(&n) {
        return Ok(n);
    }
    Err(Invalid::at(key, format!("must be {} to {}", allowed.start(), allowed.end())))
}

/// A timeout: 1 ms to 7 days. Zero would mean "never" to some readers and "at once" to others, so it means nothing.
fn time(key: &str, given: Option<Span>, default_ms: u64) -> Result<Duration, Invalid> {
    let span = given.map_or(Duration::from_millis(default_ms), |s| s.0);
    if span.is_zero() || span > Duration::from_hours(7 * 24) {
        return Err(Invalid::at(key, "must be `1ms` to `7d`"));
    }
    Ok(span)
}

/// How long something is kept, up to ten years; none for `0s`: it is never removed for its age.
fn age(key: &str, given: Option<Span>, default: Duration) -> Result<Option<Duration>, Invalid> {
    let age = given.map_or(default, |s| s.0);
    if age > Duration::from_hours(3650 * 24) {
        return Err(Invalid::at(key, "must be `1ms` to `3650d`, or `0s` for no end"));
    }
    Ok((!age.is_zero()).then_some(age))
}

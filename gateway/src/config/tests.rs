use std::path::Path;

use super::*;

fn file(text: &str) -> Result<Config, String> {
    load(text, &[], &[])
}

fn load(text: &str, environment: &[(&str, &str)], flags: &[(&str, &str)]) -> Result<Config, String> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("data-vault.toml");
    std::fs::write(&path, text).unwrap();
    Config::load(&Sources {
        file: Some(path),
        environment: environment.iter().map(|(k, v)| ((*k).into(), (*v).into())).collect(),
        flags: flags.iter().map(|(k, v)| ((*k).into(), (*v).into(), format!("--set {k}"))).collect(),
    })
    .map_err(|e| e.to_string().replace(&format!("{}/", dir.path().display()), ""))
}

fn refused(text: &str) -> String {
    file(text).expect_err(text)
}

const S3: &str =
    "[backend]\nkind = \"s3\"\nendpoint = \"http://127.0.0.1:9000\"\naccess_key = \"a\"\nsecret_key = \"topsecret\"\n";

#[test]
fn nothing_given_is_the_documented_default() {
    let config = file("").unwrap();
    assert_eq!(config.server.listen.to_string(), "127.0.0.1:9900");
    assert_eq!(config.admin.listen.to_string(), "127.0.0.1:9901");
    assert!(matches!(config.backend.kind, BackendKind::Local));
    assert_eq!(config.sidecar.url, "sqlite://data/sidecar.db");
    assert_eq!(config.keys.keyring, Path::new("data/keyring.json"));
    assert_eq!(config.backend.single_put_limit, 5 << 30);
    assert_eq!(config.backend.reserved_names, ["minio", "admin", "swift"]);
    assert_eq!(config.bucket("any"), &BucketConfig::default());
    assert_eq!(config.identity.sigv2, SigV2::Presigned);
}

#[test]
fn the_example_of_the_documentation_is_accepted_whole() {
    let docs = include_str!("../../../docs/configuration.md");
    let start = docs.find("```toml\n").expect("an example") + "```toml\n".len();
    let end = start + docs[start..].find("```").expect("its end");
    let config = file(&docs[start..end]).unwrap();
    assert_eq!(config.bucket("archive").state, State::Migrating);
}

#[test]
fn the_memory_of_scrubs_is_what_one_body_may_need_at_least() {
    assert_eq!(file("").unwrap().limits.scrub_memory, 1 << 30);
    assert_eq!(file("[limits]\nscrub_chunk = \"1GiB\"\n").unwrap().limits.scrub_memory, 4 << 30);
    assert_eq!(
        file("[limits]\nscrub_chunk = \"1MiB\"\nscrub_memory = \"4MiB\"\n").unwrap().limits.scrub_memory,
        4 << 20
    );
    let error = refused("[limits]\nscrub_memory = \"512MiB\"\n");
    assert!(error.contains("limits.scrub_memory") && error.contains("1073741824"), "{error}");
}

#[test]
fn an_unknown_key_names_file_line_and_what_is_allowed() {
    let error = refused("data_dir = \"d\"\n\n[server]\nlistne = \"127.0.0.1:1\"\n");
    assert!(error.starts_with("data-vault.toml:4:1: unknown field `listne`, expected one of `listen`"), "{error}");
    assert!(error.ends_with("  |\n4 | listne = \"127.0.0.1:1\"\n  | ^^^^^^"), "{error}");
    assert!(refused("[sever]\n").contains("expected one of `data_dir`, `server`"));
}

#[test]
fn a_wrong_type_or_value_names_what_is_allowed() {
    for (text, wants) in [
        ("[server]\nlisten = 9900\n", "data-vault.toml:2:10: "),
        ("[server]\nlisten = \"nine\"\n", "socket address"),
        ("[identity]\nsigv2 = \"yes\"\n", "expected one of `off`, `presigned`, `all`"),
        ("[backend]\nkind = \"azure\"\n", "expected `local` or `s3`"),
        ("[backend]\nconditions = \"maybe\"\n", "expected one of `lease`, `backend`, `refuse`"),
        ("[backend]\nsingle_put_limit = \"5 gigs\"\n", "a size such as \"5GiB\""),
        ("[server]\nidle_timeout = 30\n", "a duration such as \"250ms\""),
        ("[server]\nidle_timeout = \"0s\"\n", "data-vault.toml:2:1: `server.idle_timeout`: must be `1ms` to `7d`"),
        ("[server]\nmax_connections = 0\n", "must be 1 to 65536"),
        ("[backend]\nretries = 11\n", "data-vault.toml:2:1: `backend.retries`: must be 0 to 10"),
        ("[backend]\nconnect_timeout = \"0s\"\n", "must be `1ms` to `7d`"),
        ("[keys]\nprovider = \"vault\"\n", "expected `local`"),
        ("[buckets.x]\nstate = \"open\"\n", "expected `sealed` or `migrating`"),
        ("[buckets.x]\non_block = \"pass\"\n", "expected `refuse` or `quarantine`"),
        ("[buckets.x]\non_unscrubbed = \"scrub\"\n", "expected one of `refuse`, `serve`, `scrub_on_read`"),
        ("[buckets.x]\ntokens = \"short\"\n", "expected `sealed` or `vault`"),
        ("[buckets.x]\ntokens = \"vault\"\n", "`buckets.x.tokens`: `vault` needs `keys.scrub_key`"),
        (
            "[buckets.default.prefixes.\"a/\"]\ntokens = \"vault\"\n",
            "`buckets.default.tokens`: `vault` needs `keys.scrub_key`",
        ),
        ("[buckets.x.prefixes.\"\"]\nscrub = \"off\"\n", "what holds for every key is said of the bucket"),
        ("[buckets.x.prefixes.\"a/\"]\netag = \"md5\"\n", "`buckets.x.prefixes.a/.etag`: is of a bucket"),
        ("[log]\nlevel = \"loud\"\n", "must be one of `off`, `error`"),
        ("x = [\n", "data-vault.toml:"),
    ] {
        let error = refused(text);
        assert!(error.contains(wants), "{text}\n{error}");
    }
}

#[test]
fn what_does_not_exist_yet_is_refused_and_not_ignored() {
    let error = refused("[sidecar]\nurl = \"postgres://h/d\"\n");
    assert!(error.contains("no PostgreSQL"), "{error}");
}

#[test]
fn a_prefix_takes_over_what_its_bucket_says() {
    let config = file(
        "[buckets.default]\nscrub = \"detect\"\n[buckets.default.prefixes.\"raw/\"]\nscrub = \"off\"\n\
         [buckets.b]\nscrub_policy = \"gdpr\"\non_media = \"quarantine\"\n[buckets.b.prefixes.\"in/\"]\nscrub = \"dual\"\n",
    )
    .unwrap();
    let b = config.bucket("b");
    assert_eq!((b.scrub.mode, b.scrub.on_media), (Scrub::Detect, Rule::Quarantine));
    let within = &b.prefixes["in/"];
    let gdpr = PolicyName::Configured("gdpr".into());
    assert_eq!((within.mode, &within.policy, within.on_media), (Scrub::Dual, &gdpr, Rule::Quarantine));
    assert!(!b.prefixes.contains_key("raw/"), "those of the default are its own");
    assert_eq!(config.bucket("other").prefixes["raw/"].mode, Scrub::Off);
}

#[test]
fn what_the_file_says_of_a_bucket_is_the_files_to_change() {
    use ManagedBy::{Configuration, Rest};
    let by = |text: &str, bucket: &str| file(text).unwrap().bucket(bucket).managed_by;
    assert_eq!(by("", "b"), Rest);
    assert_eq!(by("[buckets.default]\nscrub = \"enforce\"\n", "b"), Rest);
    assert_eq!(by("[buckets.b]\nstate = \"migrating\"\n", "b"), Rest);
    assert_eq!(by("[buckets.b]\non_media = \"pass\"\n", "b"), Configuration);
    assert_eq!(by("[buckets.b.prefixes.\"raw/\"]\nscrub = \"off\"\n", "b"), Configuration);
    assert_eq!(by("[buckets.b]\nscrub = \"detect\"\nscrub_managed_by = \"rest\"\n", "b"), Rest);
    let all = "[buckets.default]\nscrub_managed_by = \"configuration\"\n[buckets.b]\nscrub_managed_by = \"rest\"\n[buckets.c]\netag = \"md5\"\n";
    assert_eq!([by(all, "a"), by(all, "b"), by(all, "c")], [Configuration, Rest, Configuration]);
    let error = refused("[buckets.b.prefixes.\"raw/\"]\nscrub_managed_by = \"rest\"\n");
    assert!(error.contains("is of a bucket, not of a prefix"), "{error}");
}

#[test]
fn an_officer_may_change_policies_only_where_that_is_said() {
    let officer = |may: &str| format!("[[admin.officers]]\nname = \"a\"\ntoken = \"{}\"\n{may}", "t".repeat(32));
    let may = |text: &str| file(&officer(text)).unwrap().admin.officers[0].may.clone();
    assert_eq!(may(""), [Right::Kept]);
    assert_eq!(may("may = [\"policies\"]\n"), [Right::Policies]);
    assert!(refused(&officer("may = []\n")).contains("may do nothing"));
    assert!(refused(&officer("may = [\"all\"]\n")).contains("unknown variant `all`"));
}

#[test]
fn the_keys_of_tls_and_of_proxies_stand_together() {
    let tls = "tls_cert = \"c\"\ntls_key = \"k\"\n";
    for (text, wants) in [
        ("tls_key = \"k\"\n".to_owned(), ".tls_key`: `tls_cert` and `tls_key` are given together"),
        ("tls_cert = \"c\"\n".into(), ".tls_cert`: `tls_cert` and `tls_key` are given together"),
        ("tls_client_auth = \"required\"\n".into(), "means nothing without TLS"),
        ("tls_client_ca = \"ca\"\n".into(), "means nothing without TLS"),
        (format!("{tls}tls_client_auth = \"optional\"\n"), "needs `tls_client_ca`"),
        (format!("{tls}tls_client_ca = \"ca\"\n"), "while `tls_client_auth` is `off`"),
        (format!("{tls}tls_client_auth = \"yes\"\n"), "expected one of `off`, `optional`, `required`"),
    ] {
        for section in ["server", "admin"] {
            let error = refused(&format!("[{section}]\n{text}"));
            assert!(error.contains(wants) && error.starts_with("data-vault.toml:"), "{text}\n{error}");
        }
    }
    assert!(refused("[server]\nproxy_protocol = true\n").contains("needs `trusted_proxies`"));
    assert!(refused("[server]\nforwarded_headers = \"via\"\n").contains("expected `x-forwarded` or `forwarded`"));
    let error = refused("[server]\ntrusted_proxies = [\"10.0.0.1/8\"]\n");
    assert!(error.contains("bits set beyond the 8"), "{error}");
    let config = file(&format!(
        "[server]\n{tls}tls_client_auth = \"required\"\ntls_client_ca = \"ca\"\ntrusted_proxies = [\"10.0.0.0/8\"]\n"
    ))
    .unwrap();
    assert_eq!(config.server.tls.unwrap().client_auth, ClientAuth::Required);
    assert!(config.admin.tls.is_none());
    let env = [("DATA_VAULT__SERVER__TRUSTED_PROXIES", "[\"::1\"]"), ("DATA_VAULT__SERVER__PROXY_PROTOCOL", "true")];
    assert!(load("", &env, &[]).unwrap().server.proxy_protocol);
}

#[test]
fn a_remote_backend_needs_all_that_it_needs() {
    let config = file(S3).unwrap();
    let BackendKind::S3(s3) = &config.backend.kind else { panic!("{:?}", config.backend.kind) };
    assert_eq!((s3.authority.as_str(), s3.region.as_str()), ("127.0.0.1:9000", "us-east-1"));
    assert!(s3.forward_client);
    let BackendKind::S3(silent) = file(&format!("{S3}forward_client = false\n")).unwrap().backend.kind else {
        panic!()
    };
    assert!(!silent.forward_client);
    assert!(!format!("{config:?}").contains("topsecret"));

    for key in ["endpoint", "access_key", "secret_key"] {
        let without: String = S3.lines().filter(|l| !l.starts_with(key)).flat_map(|l| [l, "\n"]).collect();
        let error = refused(&without);
        assert!(error.contains(&format!("`{key}` is missing")) && error.contains(":2:1:"), "{error}");
    }
    for endpoint in ["127.0.0.1:9000", "ftp://h", "http://h/path", "http://u:p@h", "http://h?x", "http://"] {
        let error = refused(&S3.replace("http://127.0.0.1:9000", endpoint));
        assert!(error.contains("`backend.endpoint`: must be"), "{endpoint}: {error}");
    }
    assert!(refused("[backend]\nendpoint = \"http://h\"\n").contains("kind = \"s3\""));
}

#[test]
fn environment_goes_over_the_file_and_flags_over_both() {
    let text = "[server]\nlisten = \"127.0.0.1:1\"\nmax_connections = 5\n";
    let env = [
        ("DATA_VAULT__SERVER__LISTEN", "127.0.0.1:2"),
        ("DATA_VAULT__BACKEND__RETRIES", "7"),
        ("DATA_VAULT__DATA_DIR", "/x"),
        ("DATA_VAULT__CREDENTIALS", "[{access_key=\"k\", secret_key=\"12345678\"}]"),
        ("HOME", "/root"),
    ];
    let config = load(text, &env, &[]).unwrap();
    assert_eq!(config.server.listen.port(), 2);
    assert_eq!(config.server.max_connections, 5);
    assert_eq!(config.sidecar.url, "sqlite:///x/sidecar.db");
    assert_eq!(config.credentials[0].access_key, "k");
    let config = load(text, &env, &[("server.listen", "127.0.0.1:3")]).unwrap();
    assert_eq!(config.server.listen.port(), 3);
    // A number where a string is wanted is a string.
    assert_eq!(load(S3, &[("DATA_VAULT__BACKEND__ACCESS_KEY", "123")], &[]).map(|_| ()), Ok(()));
}

#[test]
fn an_error_in_the_environment_or_a_flag_names_it() {
    let error = load("", &[("DATA_VAULT__SERVER__LISTNE", "x")], &[]).unwrap_err();
    assert!(error.starts_with("DATA_VAULT__SERVER__LISTNE (`server.listne`): unknown field"), "{error}");
    let error = load("", &[("DATA_VAULT__BACKEND__RETRIES", "many")], &[]).unwrap_err();
    assert!(error.contains("DATA_VAULT__BACKEND__RETRIES"), "{error}");
    let error = load("[server]\nmax_connections = 3\n", &[], &[("server.max_connections", "0")]).unwrap_err();
    assert!(error.starts_with("--set server.max_connections: `server.max_connections`: must be"), "{error}");
}

#[test]
fn an_error_beside_a_secret_does_not_repeat_it() {
    for text in [
        "[[credentials]]\naccess_key = \"a\"\nsecret_key = \"abcdefgh\" x\n",
        "[[credentials]]\naccess_key = \"a\"\nsecret_key = 31415926\n",
        "credentials = [{access_key = \"a\", secret_key = \"31415926\", oops = 1}]\n",
    ] {
        let error = refused(text);
        assert!(error.contains("data-vault.toml:"), "{error}");
        assert!(!error.contains("abcdefgh") && !error.contains("31415926"), "{error}");
    }
    let error = load("", &[("DATA_VAULT__CREDENTIALS", "abcdefgh")], &[]).unwrap_err();
    assert!(!error.contains("abcdefgh"), "{error}");
}

#[test]
fn credentials_are_checked_against_each_other() {
    let one = "[[credentials]]\naccess_key = \"a\"\nsecret_key = \"12345678\"\n";
    assert!(refused(&format!("{one}{one}")).contains("given twice"));
    assert!(refused(&one.replace("12345678", "short")).contains("fewer than 8"));
    assert!(refused(&format!("{one}backend_access_key = \"b\"\n")).contains("both `backend_access_key`"));
    assert!(refused(&one.replace("\"a\"", "\"a/b\"")).contains("no access key"));
}

#[test]
fn a_named_bucket_takes_what_it_does_not_say_from_the_default() {
    let config = file("[buckets.default]\netag = \"opaque\"\n[buckets.\"old.logs\"]\nstate = \"migrating\"\n").unwrap();
    assert_eq!(config.bucket("new").etag, EtagPolicy::Opaque);
    assert_eq!(config.bucket("new").state, State::Sealed);
    assert_eq!(config.bucket("old.logs").etag, EtagPolicy::Opaque);
    assert_eq!(config.bucket("old.logs").state, State::Migrating);
}

#[test]
fn text_alone_is_read_as_a_file_is() {
    let parse = |text: &str| Config::parse(Path::new("a.toml"), text.to_owned());
    assert_eq!(parse("[server]\nlisten = \"127.0.0.1:1\"").unwrap().server.listen.port(), 1);
    let error = parse("[server]\nlistne = 1").unwrap_err().to_string();
    assert!(error.starts_with("a.toml:2:1: unknown field"), "{error}");
    let error = parse("[server]\nmax_headers = 1").unwrap_err().to_string();
    assert!(error.starts_with("a.toml:2:1: `server.max_headers`"), "{error}");
}

#[test]
fn tenants_are_named_only_where_there_are_some() {
    let client = "access_key = \"ten\"\nsecret_key = \"ten-secret\"\n";
    let mapped = "backend_access_key = \"t\"\nbackend_secret_key = \"s\"\n";
    let s3 = "kind = \"s3\"\nendpoint = \"http://h\"\naccess_key = \"a\"\nsecret_key = \"b\"\n";
    let on = format!("[backend]\n{s3}tenants = true\n");
    let off = format!("[backend]\n{s3}");
    let with = |backend: &str, tenant: &str| {
        format!("{backend}[[credentials]]\n{client}{mapped}backend_tenant = \"{tenant}\"\n")
    };
    let config = file(&with(&on, "testx")).unwrap();
    assert_eq!(config.backend.bucket_names, crate::s3::address::BucketNames::Tenanted);
    assert_eq!(config.credentials[0].backend.as_ref().unwrap().tenant, "testx");
    assert!(refused(&with(&off, "testx")).contains("needs `tenants = true` in [backend]"));
    for wrong in ["", "a-b", "a:b", "a/b", "ä"] {
        assert!(refused(&with(&on, wrong)).contains("is no tenant"), "{wrong}");
    }
    let unmapped = format!("{on}[[credentials]]\n{client}backend_tenant = \"testx\"\n");
    assert!(refused(&unmapped).contains("needs `backend_access_key`"));
    assert!(refused("[backend]\ntenants = true\n").contains("means nothing to the local backend"));
}

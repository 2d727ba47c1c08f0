use std::os::unix::fs::PermissionsExt;

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, SupportedProtocolVersion};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::Instant;
use tokio_rustls::{TlsConnector, client};

use super::*;
use crate::server::tests::{Running, config, read_to_end, start_with};

macro_rules! pem {
    ($name:literal) => {
        include_str!(concat!("../testdata/", $name))
    };
}

/// The files of a listener, which a test can replace.
struct Files {
    folder: TempDir,
    config: TlsConfig,
}

impl Files {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let config = TlsConfig {
            section: "server",
            cert: at("cert.pem"),
            key: at("key.pem"),
            client_auth: ClientAuth::Off,
            client_ca: None,
        };
        let files = Self { folder, config };
        files.write(pem!("first.pem"), pem!("first.key"));
        files
    }

    fn asking_clients(client_auth: ClientAuth) -> Self {
        let mut files = Self::new();
        let ca = files.folder.path().join("ca.pem");
        std::fs::write(&ca, pem!("ca.pem")).unwrap();
        files.config.client_auth = client_auth;
        files.config.client_ca = Some(ca);
        files
    }

    fn write(&self, cert: &str, key: &str) {
        std::fs::write(&self.config.cert, cert).unwrap();
        std::fs::write(&self.config.key, key).unwrap();
        self.mode(0o600);
    }

    fn mode(&self, mode: u32) {
        std::fs::set_permissions(&self.config.key, std::fs::Permissions::from_mode(mode)).unwrap();
    }

    fn load(&self) -> Result<Tls, TlsError> {
        Tls::load(&self.config, true)
    }

    fn refused(&self) -> String {
        match self.load() {
            Ok(_) => panic!("it was taken"),
            Err(error) => error.to_string(),
        }
    }

    async fn serve(&self) -> (Running, Arc<Tls>) {
        let tls = Arc::new(self.load().unwrap());
        (start_with(config(), Some(Arc::clone(&tls))).await, tls)
    }
}

/// A client that trusts the test CA, and shows the certificate given.
struct Dial {
    versions: Vec<&'static SupportedProtocolVersion>,
    alpn: Vec<&'static [u8]>,
    shows: Option<(&'static str, &'static str)>,
}

impl Default for Dial {
    fn default() -> Self {
        Self { versions: vec![&TLS13, &TLS12], alpn: vec![], shows: None }
    }
}

impl Dial {
    async fn to(&self, server: &Running) -> io::Result<client::TlsStream<TcpStream>> {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(pem!("ca.pem").as_bytes()).unwrap()).unwrap();
        let builder = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_protocol_versions(&self.versions)
            .unwrap()
            .with_root_certificates(roots);
        let mut config = match self.shows {
            None => builder.with_no_client_auth(),
            Some((cert, key)) => builder
                .with_client_auth_cert(
                    vec![CertificateDer::from_pem_slice(cert.as_bytes()).unwrap()],
                    PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap(),
                )
                .unwrap(),
        };
        config.alpn_protocols = self.alpn.iter().map(|name| name.to_vec()).collect();
        let name = ServerName::try_from("localhost").unwrap();
        TlsConnector::from(Arc::new(config)).connect(name, server.connect().await).await
    }

    /// What `/about` says, or why it did not.
    async fn about(&self, server: &Running) -> io::Result<String> {
        let mut stream = self.to(server).await?;
        stream.write_all(b"GET /about HTTP/1.1\r\nhost: h\r\nconnection: close\r\n\r\n").await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        Ok(answer)
    }
}

fn served_with(stream: &client::TlsStream<TcpStream>) -> CertificateDer<'static> {
    stream.get_ref().1.peer_certificates().unwrap()[0].clone().into_owned()
}

fn certificate(pem: &str) -> CertificateDer<'static> {
    CertificateDer::from_pem_slice(pem.as_bytes()).unwrap()
}

#[test]
fn files_that_cannot_be_used_are_named_with_what_to_do() {
    let files = Files::new();
    assert!(files.load().is_ok());
    files.mode(0o644);
    let error = files.refused();
    assert!(error.starts_with("`server.tls_key`: ") && error.contains("(mode 0644). Run `chmod 600`"), "{error}");
    files.mode(0o640);
    assert!(files.load().is_ok(), "a group may be meant to read it");

    for (cert, key, wants) in [
        (pem!("second.pem"), pem!("first.key"), "`server.tls_cert`: "),
        (pem!("second.pem"), pem!("first.key"), "belongs to another key than the one in "),
        ("", pem!("first.key"), "holds no certificate"),
        (pem!("first.key"), pem!("first.key"), "holds no certificate"),
        ("-----BEGIN CERTIFICATE-----\n@\n-----END CERTIFICATE-----\n", pem!("first.key"), "is not PEM"),
        (pem!("first.pem"), pem!("first.pem"), "holds no private key"),
        (pem!("first.pem"), "-----BEGIN PRIVATE KEY-----\nMAA=\n-----END PRIVATE KEY-----\n", "cannot be used"),
    ] {
        files.write(cert, key);
        let error = files.refused();
        assert!(error.contains(wants), "{error}\n{wants}");
        assert!(!error.contains("BEGIN"), "{error}");
    }

    let gone = Files::new();
    std::fs::remove_file(&gone.config.key).unwrap();
    assert!(
        gone.refused()
            .ends_with("key.pem cannot be read; it must be there, and readable by the user that data-vault runs as")
    );
    let folder = Files::new();
    std::fs::remove_file(&folder.config.cert).unwrap();
    std::fs::create_dir(&folder.config.cert).unwrap();
    assert!(folder.refused().ends_with("is not a regular file"));
    let long = Files::new();
    long.write(&"x".repeat((1 << 20) + 1), pem!("first.key"));
    assert!(long.refused().ends_with("is longer than 1 MiB"));
    let ca = Files::asking_clients(ClientAuth::Required);
    std::fs::write(ca.config.client_ca.as_ref().unwrap(), "nothing").unwrap();
    assert!(ca.refused().starts_with("`server.tls_client_ca`: "));
}

#[test]
fn a_certificate_that_is_not_valid_today_is_named() {
    let files = Files::new();
    Tls::check(&files.config).unwrap();
    let chain = [certificate(pem!("first.pem")), certificate(pem!("ca.pem"))];
    let at = |seconds| out_of_date(&files.config, &chain, UnixTime::since_unix_epoch(Duration::from_secs(seconds)));
    assert!(at(1_800_000_000).is_none());
    let expired = at(4_900_000_000).unwrap().to_string();
    assert!(expired.starts_with("`server.tls_cert`: ") && expired.contains("cert.pem expired on 2"), "{expired}");
    assert!(at(1_000_000_000).unwrap().to_string().contains("cert.pem is not valid before 2"));
    files.write(pem!("second.pem"), pem!("first.key"));
    assert!(Tls::check(&files.config).unwrap_err().to_string().contains("belongs to another key"));
}

#[tokio::test]
async fn both_versions_serve_both_protocols() {
    let (server, _) = Files::new().serve().await;
    for versions in [vec![&TLS12], vec![&TLS13]] {
        let dial = |alpn: Vec<&'static [u8]>| Dial { versions: versions.clone(), alpn, ..Dial::default() };
        let answer = dial(vec![]).about(&server).await.unwrap();
        assert!(answer.ends_with("127.0.0.1 https h /about chunked=false"), "{answer}");
        let old = dial(vec![b"http/1.1"]).to(&server).await.unwrap();
        assert_eq!(old.get_ref().1.alpn_protocol(), Some(&b"http/1.1"[..]));
        let new = dial(vec![b"h2", b"http/1.1"]).to(&server).await.unwrap();
        assert_eq!(new.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
        assert_eq!(new.get_ref().1.protocol_version().unwrap(), versions[0].version);
    }
    let without = Tls::load(&Files::new().config, false).unwrap();
    let server = start_with(config(), Some(Arc::new(without))).await;
    let dial = Dial { alpn: vec![b"h2", b"http/1.1"], ..Dial::default() };
    assert_eq!(dial.to(&server).await.unwrap().get_ref().1.alpn_protocol(), Some(&b"http/1.1"[..]));
}

#[tokio::test]
async fn a_new_certificate_serves_new_connections_and_a_broken_one_changes_nothing() {
    let files = Files::new();
    let (server, tls) = files.serve().await;
    let mut old = Dial::default().to(&server).await.unwrap();
    assert_eq!(served_with(&old), certificate(pem!("first.pem")));
    assert!(!tls.changed());

    // As it is while somebody copies the files one after the other.
    files.write(pem!("second.pem"), pem!("first.key"));
    assert!(tls.changed());
    assert!(tls.reload().is_err());
    assert!(!tls.changed(), "it was looked at");
    let still = Dial::default().to(&server).await.unwrap();
    assert_eq!(served_with(&still), certificate(pem!("first.pem")));

    files.write(pem!("second.pem"), pem!("second.key"));
    assert!(tls.changed());
    tls.reload().unwrap();
    let new = Dial::default().to(&server).await.unwrap();
    assert_eq!(served_with(&new), certificate(pem!("second.pem")));
    old.write_all(b"GET /about HTTP/1.1\r\nhost: h\r\nconnection: close\r\n\r\n").await.unwrap();
    assert!(read_to_end(&mut old).await.contains("https h /about"));

    std::fs::remove_file(&files.config.cert).unwrap();
    assert!(tls.changed() && tls.reload().is_err() && !tls.changed());
}

#[tokio::test]
async fn a_client_certificate_is_demanded_where_it_is_required() {
    let good = Dial { shows: Some((pem!("client.pem"), pem!("client.key"))), ..Dial::default() };
    let foreign = Dial { shows: Some((pem!("foreign.pem"), pem!("foreign.key"))), ..Dial::default() };
    let (required, _) = Files::asking_clients(ClientAuth::Required).serve().await;
    assert!(good.about(&required).await.unwrap().contains("200 OK"));
    assert!(Dial::default().about(&required).await.is_err());
    assert!(foreign.about(&required).await.is_err());
    let (optional, _) = Files::asking_clients(ClientAuth::Optional).serve().await;
    assert!(good.about(&optional).await.unwrap().contains("200 OK"));
    assert!(Dial::default().about(&optional).await.unwrap().contains("200 OK"));
    assert!(foreign.about(&optional).await.is_err());
}

#[tokio::test]
async fn a_handshake_that_drips_is_cut_off() {
    let (server, _) = Files::new().serve().await;
    let mut stream = server.connect().await;
    let start = Instant::now();
    // A record that is announced and never comes (RFC 8446, 5.1).
    let record = [22, 3, 1, 2, 0, 1, 0, 1, 252, 3, 3];
    for byte in record.iter().chain(&[0; 100]) {
        if stream.write_all(&[*byte]).await.is_err() || start.elapsed() > Duration::from_secs(3) {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert!((300..2000).contains(&start.elapsed().as_millis()), "{:?}", start.elapsed());
}

#[tokio::test]
async fn what_is_no_handshake_is_no_request() {
    let (server, _) = Files::new().serve().await;
    let mut stream = server.connect().await;
    stream.write_all(b"GET /about HTTP/1.1\r\nhost: h\r\n\r\n").await.unwrap();
    assert!(!read_to_end(&mut stream).await.contains("HTTP/1.1"));
}

#[tokio::test]
async fn the_bounds_on_silence_hold_under_tls() {
    let (server, _) = Files::new().serve().await;
    // A header that drips.
    let mut stream = Dial::default().to(&server).await.unwrap();
    let start = Instant::now();
    while start.elapsed() < Duration::from_secs(3) && stream.write_all(b"x").await.is_ok() {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert!((250..2000).contains(&start.elapsed().as_millis()), "{:?}", start.elapsed());
    // A client at rest.
    let mut stream = Dial::default().to(&server).await.unwrap();
    let start = Instant::now();
    assert_eq!(read_to_end(&mut stream).await, "");
    assert!((500..3000).contains(&start.elapsed().as_millis()), "{:?}", start.elapsed());
    // One that takes no bytes.
    let mut stream = Dial::default().to(&server).await.unwrap();
    stream.write_all(b"GET /large HTTP/1.1\r\nhost: h\r\n\r\n").await.unwrap();
    tokio::time::sleep(Duration::from_millis(1500)).await;
    assert!(read_to_end(&mut stream).await.len() < 64 << 20);
    // And one that takes them all.
    let mut stream = Dial::default().to(&server).await.unwrap();
    stream.write_all(b"GET /large HTTP/1.1\r\nhost: h\r\nconnection: close\r\n\r\n").await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    assert!(answer.len() > 64 << 20);
}

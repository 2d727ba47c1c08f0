use std::fs;

use keys::hierarchy::{KekName, ToWrap};
use keys::object::{PartEntry, PartSealer, padding_len, trailer};
use tempfile::TempDir;
use uuid::Uuid;
use zeroize::Zeroizing;

use super::*;
use crate::s3::checksum::checksum;

/// Of an object of one part.
const SMALL: usize = 50_000;
/// Of each part but the last of an object of several: the least that S3 takes.
const PART: usize = 5 << 20;

/// A sealed object in a folder, with all that opens it.
struct Case {
    dir: TempDir,
    plaintext: Vec<u8>,
}

impl Case {
    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn args(&self) -> DecryptArgs {
        DecryptArgs {
            object: self.path("object"),
            headers: self.path("headers"),
            alias: None,
            bucket: "data".into(),
            key: "a/b.txt".into(),
            keyring: self.path("keyring"),
            kek: self.path("kek"),
            accept_metadata: false,
            out: self.path("out"),
        }
    }

    fn change(&self, name: &str, change: impl FnOnce(&mut Vec<u8>)) {
        let mut bytes = fs::read(self.path(name)).unwrap();
        change(&mut bytes);
        fs::write(self.path(name), bytes).unwrap();
    }

    /// Nothing is left behind, neither under its name nor under another.
    fn refuse(&self, args: &DecryptArgs, wants: &str) {
        let before = fs::read_dir(self.dir.path()).unwrap().count();
        let error = args.run().unwrap_err().to_string();
        assert!(error.contains(wants), "{error}");
        assert_eq!(fs::read_dir(self.dir.path()).unwrap().count(), before);
    }
}

fn case(parts: usize) -> Case {
    let dir = tempfile::tempdir().unwrap();
    let length = PART * (parts - 1) + SMALL;
    let plaintext: Vec<u8> = (0..length).map(|i| (i * 7 % 253) as u8).collect();
    let root = LocalKeyring::open_or_create(&dir.path().join("keyring")).unwrap();
    let name = KekName { kek_id: Uuid::new_v4(), bucket_uuid: Uuid::new_v4(), bucket: "data".into(), epoch: 1 };
    let secret = Zeroizing::new([9; 32]);
    let to_wrap = ToWrap { name: name.clone(), key: secret.clone() };
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let wrapped = runtime.block_on(root.wrap(&[to_wrap])).remove(0).unwrap();
    let record = KekRecord::new(name.clone(), wrapped, 0);
    fs::write(dir.path().join("kek"), record.to_json().unwrap()).unwrap();

    let key = ObjectKey::generate().unwrap();
    let mut stored = BytesMut::new();
    let mut entries = Vec::new();
    for (part, number) in plaintext.chunks(PART).zip(1..) {
        let mut sealer = PartSealer::new(&key, number).unwrap();
        entries.push(PartEntry {
            number,
            length: part.len() as u64,
            prefix: sealer.prefix(),
            md5: Md5::digest(part).into(),
            checksum: None,
        });
        sealer.update(part, &mut stored).unwrap();
        sealer.finish(&mut stored).unwrap();
    }
    let md5 = Md5::digest(&plaintext).into();
    let facts = Facts {
        length: length as u64,
        etag: if parts == 1 { ETag::Md5(md5) } else { ETag::Multipart(md5) },
        checksum: Some(checksum(keys::object::ChecksumAlgorithm::Crc32c, &plaintext)),
        part_count: entries.len() as u16,
        first_number: 1,
        first_prefix: entries[0].prefix,
        parts: if parts == 1 { Vec::new() } else { entries },
    };
    stored.resize(stored.len() + padding_len(&facts) as usize, 0);
    stored.extend_from_slice(&trailer(&key, &facts).unwrap());
    fs::write(dir.path().join("object"), &stored).unwrap();

    let headers = [("content-type", b"text/plain".as_slice()), ("x-amz-meta-who", b"me")];
    let mask = metadata::mask(headers.into_iter());
    let digest = metadata::digest(headers.into_iter(), mask);
    let header = Kek::new(name, secret).wrap("a/b.txt", &key, mask, digest).unwrap();
    let text = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nx-amz-meta-who: me\r\nx-amz-meta-dv1: {}\r\n",
        header.encode()
    );
    fs::write(dir.path().join("headers"), text).unwrap();
    Case { dir, plaintext }
}

#[test]
fn opens_objects_of_one_part_and_of_several() {
    for parts in [1, 3] {
        let case = case(parts);
        let facts = case.args().run().unwrap();
        assert_eq!(facts.length, case.plaintext.len() as u64);
        assert_eq!(fs::read(case.path("out")).unwrap(), case.plaintext);
        let mode = std::os::unix::fs::PermissionsExt::mode(&fs::metadata(case.path("out")).unwrap().permissions());
        assert_eq!(mode & 0o777, 0o600);
    }
}

#[test]
fn nothing_is_written_of_what_is_not_authentic() {
    for (at, wants) in [(60, "not authentic"), (40_000, "not authentic")] {
        let case = case(1);
        case.change("object", |o| o[at] ^= 1);
        case.refuse(&case.args(), wants);
    }
    let cut = case(1);
    cut.change("object", |o| o.truncate(o.len() - 1));
    cut.refuse(&cut.args(), "footer");
    let long = case(3);
    long.change("object", |o| o.insert(0, 0));
    long.refuse(&long.args(), "its summary demands");
    // Between the last part and the table lie zeros only.
    let padded = case(3);
    let sealed = |length: usize| keys::cobblestone::sealed_len(length as u64);
    let end = sealed(PART) * 2 + sealed(SMALL);
    padded.change("object", |o| {
        assert!(o.len() as u64 > end + table_len(3) + TRAILER_LEN, "there is padding");
        o[end as usize] = 1;
    });
    padded.refuse(&padded.args(), "padding");
}

#[test]
fn another_name_bucket_or_key_does_not_open_it() {
    let case = case(1);
    let mut args = case.args();
    args.key = "a/c.txt".into();
    case.refuse(&args, "not authentic");
    args = case.args();
    args.bucket = "other".into();
    case.refuse(&args, "does not belong to bucket other");
    case.change("headers", |h| {
        let at = h.len() - 20;
        h[at] = if h[at] == b'A' { b'B' } else { b'A' };
    });
    case.refuse(&case.args(), "not authentic");
    fs::write(case.path("headers"), "content-type: text/plain\n").unwrap();
    case.refuse(&case.args(), "not sealed, or its header was stripped");
}

#[test]
fn changed_metadata_is_refused_and_can_be_accepted() {
    let case = case(1);
    case.change("headers", |h| {
        let text = String::from_utf8(std::mem::take(h)).unwrap();
        *h = text.replace("x-amz-meta-who: me", "x-amz-meta-who: you").into_bytes();
    });
    case.refuse(&case.args(), "metadata was changed");
    let mut args = case.args();
    args.accept_metadata = true;
    args.run().unwrap();
    assert_eq!(fs::read(case.path("out")).unwrap(), case.plaintext);
}

/// As of a copy that was made with its source's header.
#[test]
fn an_alias_opens_what_has_the_header_of_another_key() {
    let case = case(1);
    let (copied, key) = (case.path("alias"), "copies/b.txt");
    let text = fs::read_to_string(case.path("headers")).unwrap();
    let own = Header::decode(text.trim_end().rsplit(' ').next().unwrap().as_bytes()).unwrap();
    let kek = case.args().kek().unwrap();
    let object = kek.unwrap("a/b.txt", &own, own.metadata_digest).unwrap();
    let alias = kek.wrap(key, &object, own.mask, own.metadata_digest).unwrap();
    fs::write(&copied, alias.encode()).unwrap();
    let mut args = case.args();
    args.key = key.into();
    case.refuse(&args, "not authentic");
    args.alias = Some(copied);
    args.run().unwrap();
    assert_eq!(fs::read(case.path("out")).unwrap(), case.plaintext);
    args.key = "copies/c.txt".into();
    fs::remove_file(case.path("out")).unwrap();
    case.refuse(&args, "not authentic");
}

//! Root keys in a file of mode 0600: the provider that needs no service.

use std::collections::HashSet;
use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde::{Deserialize, Serialize};
use uuid::Uuid;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use super::key_of;
use super::root::{RootKey, ToUnwrap, ToWrap, WrappedKek};
use crate::{Error, cobblestone, now_ms};

const VERSION: u32 = 1;
/// Longest file that is read, in bytes: room for some 8,000 root keys.
const MAX_LEN: u64 = 1 << 20;

/// Several root keys, one of them active: it wraps, all of them unwrap. A KEK is one Cobblestone-256 message under the root key with
/// context [`super::KekName::context`].
pub struct LocalKeyring {
    path: PathBuf,
    active: String,
    keys: Vec<(String, Zeroizing<[u8; 32]>)>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    version: u32,
    active: String,
    #[serde(deserialize_with = "entries")]
    keys: Vec<Entry>,
}

#[derive(Serialize, Deserialize, Zeroize, ZeroizeOnDrop)]
#[serde(deny_unknown_fields)]
struct Entry {
    #[zeroize(skip)]
    id: String,
    key: String,
    #[zeroize(skip)]
    created_at_ms: i64,
}

/// An [`Entry`] that is written as a map; derived code also takes an array.
struct Map(Entry);

impl<'de> Deserialize<'de> for Map {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Maps;
        impl<'de> Visitor<'de> for Maps {
            type Value = Map;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a map")
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Map, A::Error> {
                Entry::deserialize(MapAccessDeserializer::new(map)).map(Map)
            }
        }
        deserializer.deserialize_map(Maps)
    }
}

fn entries<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Entry>, D::Error> {
    let entries = Vec::<Map>::deserialize(deserializer)?;
    Ok(entries.into_iter().map(|Map(entry)| entry).collect())
}

impl Entry {
    fn generate() -> Result<Self, Error> {
        let key = Zeroizing::new(crate::random::<32>()?);
        Ok(Self { id: Uuid::new_v4().to_string(), key: STANDARD.encode(*key), created_at_ms: now_ms() })
    }
}

impl LocalKeyring {
    /// Opens the keyring, or makes one with one root key. Blocks; call it at start.
    ///
    /// A new file appears whole or not at all (temporary file, fsync, link, fsync of the folder), and never replaces one that
    /// another process made in the meantime. A file that others may read is refused.
    pub fn open_or_create(path: &Path) -> Result<Self, Error> {
        if let Some(json) = read(path)? {
            return Self::parse(path, &json);
        }
        let entry = Entry::generate()?;
        let document = Document { version: VERSION, active: entry.id.clone(), keys: vec![entry] };
        write(path, &document, |temporary| match fs::hard_link(temporary, path) {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
            other => other,
        })?;
        Self::open(path)
    }

    /// Opens an existing keyring. Blocks.
    pub fn open(path: &Path) -> Result<Self, Error> {
        Self::parse(path, &existing(path)?)
    }

    /// Adds a fresh root key and makes it the active one; the old ones stay, for the KEKs still wrapped under them. Blocks; rotations at
    /// once wait for each other.
    pub fn rotate(path: &Path) -> Result<Self, Error> {
        let _held = lock(path)?;
        let text = existing(path)?;
        Self::parse(path, &text)?;
        let mut document: Document = serde_json::from_slice(&text).map_err(|_| refuse(path, "not a keyring"))?;
        let entry = Entry::generate()?;
        document.active.clone_from(&entry.id);
        document.keys.push(entry);
        write(path, &document, |temporary| fs::rename(temporary, path))?;
        Self::open(path)
    }

    /// Reads a keyring document. `path` is for errors only.
    pub fn parse(path: &Path, json: &[u8]) -> Result<Self, Error> {
        let document: Document = super::document(json, VERSION).map_err(|other| match other {
            Some(version) => refuse(path, &format!("is of version {version}; this program reads version {VERSION}")),
            None => refuse(path, "is not a keyring document; restore it from a backup"),
        })?;
        let mut ids = HashSet::new();
        let mut keys = Vec::with_capacity(document.keys.len());
        for entry in &document.keys {
            if !ids.insert(entry.id.as_str()) {
                return Err(refuse(path, &format!("has two keys with id {:?}", entry.id)));
            }
            let key = STANDARD
                .decode(&entry.key)
                .map(Zeroizing::new)
                .ok()
                .and_then(|key| key_of(&key).ok())
                .ok_or_else(|| refuse(path, &format!("key {:?} is not 32 bytes of base64", entry.id)))?;
            keys.push((entry.id.clone(), key));
        }
        if !ids.contains(document.active.as_str()) {
            return Err(refuse(path, &format!("names {:?} as active, but has no such key", document.active)));
        }
        Ok(Self { path: path.to_owned(), active: document.active, keys })
    }

    fn key(&self, id: &str) -> Result<&[u8; 32], Error> {
        self.keys
            .iter()
            .find(|(known, _)| known == id)
            .map(|(_, key)| &**key)
            .ok_or_else(|| Error::OtherRootKey(id.to_owned()))
    }
}

impl std::fmt::Debug for LocalKeyring {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LocalKeyring")
            .field("path", &self.path)
            .field("active", &self.active)
            .field("keys", &self.keys.len())
            .finish_non_exhaustive()
    }
}

#[async_trait::async_trait]
impl RootKey for LocalKeyring {
    fn id(&self) -> &str {
        &self.active
    }

    async fn wrap(&self, batch: &[ToWrap]) -> Vec<Result<WrappedKek, Error>> {
        let wrap = |item: &ToWrap| {
            let wrapped = cobblestone::seal(self.key(&self.active)?, &item.name.context()?, item.key.as_slice())?;
            Ok(WrappedKek { root_key_id: self.active.clone(), wrapped })
        };
        batch.iter().map(wrap).collect()
    }

    async fn unwrap(&self, batch: &[ToUnwrap]) -> Vec<Result<Zeroizing<[u8; 32]>, Error>> {
        let unwrap = |item: &ToUnwrap| {
            let opened = cobblestone::open_as(
                self.key(&item.root_key_id)?,
                &item.name.context()?,
                &item.wrapped,
                "wrapped KEK",
            )?;
            key_of(&opened)
        };
        batch.iter().map(unwrap).collect()
    }
}

fn refuse(path: &Path, reason: &str) -> Error {
    Error::Keyring { path: path.to_owned(), reason: reason.to_owned() }
}

fn failed(path: &Path, doing: &str, error: &std::io::Error) -> Error {
    refuse(path, &format!("cannot be {doing}: {error}"))
}

fn existing(path: &Path) -> Result<Zeroizing<Vec<u8>>, Error> {
    read(path)?.ok_or_else(|| refuse(path, "does not exist"))
}

/// The keyring, locked until it is dropped: a key that one rotation adds must not be lost to another that read before.
fn lock(path: &Path) -> Result<File, Error> {
    loop {
        let file = OpenOptions::new().read(true).write(true).open(path).map_err(|error| match error.kind() {
            ErrorKind::NotFound => refuse(path, "does not exist"),
            _ => failed(path, "opened", &error),
        })?;
        file.lock().map_err(|error| failed(path, "locked", &error))?;
        let (held, there) = file
            .metadata()
            .and_then(|held| Ok((held, fs::metadata(path)?)))
            .map_err(|error| failed(path, "opened", &error))?;
        // Another rotation may have put a new file there in the meantime.
        if (held.dev(), held.ino()) == (there.dev(), there.ino()) {
            return Ok(file);
        }
    }
}

/// The file's bytes; none where there is no file.
fn read(path: &Path) -> Result<Option<Zeroizing<Vec<u8>>>, Error> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed(path, "opened", &error)),
    };
    let metadata = file.metadata().map_err(|error| failed(path, "opened", &error))?;
    if !metadata.is_file() {
        return Err(refuse(path, "is not a regular file"));
    }
    if metadata.mode() & 0o077 != 0 {
        return Err(refuse(
            path,
            &format!(
                "may be read by others (mode {:04o}); the root keys may be known to them. Run `chmod 600` on it, and rotate them if in doubt",
                metadata.mode() & 0o7777
            ),
        ));
    }
    if metadata.len() > MAX_LEN {
        return Err(refuse(path, "is longer than 1 MiB"));
    }
    // Exactly enough, so that no copy of a key is left behind by growth.
    let mut text = Zeroizing::new(Vec::with_capacity(metadata.len() as usize + 1));
    file.take(MAX_LEN).read_to_end(&mut text).map_err(|error| failed(path, "read", &error))?;
    Ok(Some(text))
}

/// Writes the document to a temporary file beside `path`, makes it durable, and lets `place` put it there.
fn write(path: &Path, document: &Document, place: impl FnOnce(&Path) -> std::io::Result<()>) -> Result<(), Error> {
    // Enough, so that no copy of a key is left behind by growth.
    let mut text = Zeroizing::new(Vec::with_capacity(1024 + 512 * document.keys.len()));
    serde_json::to_writer_pretty(&mut *text, document).map_err(|_| Error::Invalid("keyring"))?;
    let folder = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}.tmp", Uuid::new_v4()));
    let temporary = folder.join(name);
    let written = (|| {
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&temporary)?;
        file.write_all(&text)?;
        file.sync_all()?;
        place(&temporary)
    })();
    // After a rename it is gone already; after a failure or a link it must go.
    let removed = match fs::remove_file(&temporary) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    };
    written.and(removed).and_then(|()| File::open(folder)?.sync_all()).map_err(|error| failed(path, "written", &error))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hierarchy::KekName;
    use std::os::unix::fs::PermissionsExt;

    fn name(epoch: u32) -> KekName {
        KekName {
            kek_id: Uuid::from_bytes([1; 16]),
            bucket_uuid: Uuid::from_bytes([2; 16]),
            bucket: "data".into(),
            epoch,
        }
    }

    async fn wrap(ring: &LocalKeyring) -> ToUnwrap {
        let key = Zeroizing::new([3; 32]);
        let wrapped = ring.wrap(&[ToWrap { name: name(1), key }]).await.remove(0).unwrap();
        ToUnwrap { name: name(1), root_key_id: wrapped.root_key_id, wrapped: wrapped.wrapped }
    }

    #[tokio::test]
    async fn keeps_its_keys_over_a_restart_and_a_rotation() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keyring.json");
        let made = LocalKeyring::open_or_create(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o7777, 0o600);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
        let item = wrap(&made).await;
        let again = LocalKeyring::open_or_create(&path).unwrap();
        assert_eq!(again.id(), made.id());
        assert_eq!(**again.unwrap(std::slice::from_ref(&item)).await[0].as_ref().unwrap(), [3; 32]);

        let rotated = LocalKeyring::rotate(&path).unwrap();
        assert_ne!(rotated.id(), made.id());
        assert_eq!(**rotated.unwrap(std::slice::from_ref(&item)).await[0].as_ref().unwrap(), [3; 32]);
        let newer = wrap(&rotated).await;
        assert!(matches!(made.unwrap(&[newer]).await[0], Err(Error::OtherRootKey(_))));
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[tokio::test]
    async fn one_bad_item_does_not_spoil_the_batch() {
        let folder = tempfile::tempdir().unwrap();
        let ring = LocalKeyring::open_or_create(&folder.path().join("k")).unwrap();
        let good = wrap(&ring).await;
        let renamed = ToUnwrap { name: name(2), ..good.clone() };
        let mut flipped = good.clone();
        flipped.wrapped[60] ^= 1;
        let answers = ring.unwrap(&[renamed, good, flipped]).await;
        assert!(matches!(answers[0], Err(Error::NotAuthentic(_))));
        assert!(answers[1].is_ok());
        assert!(matches!(answers[2], Err(Error::NotAuthentic(_))));
    }

    #[test]
    fn processes_that_start_at_once_agree_on_one_keyring() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keyring.json");
        let ids: HashSet<String> = std::thread::scope(|scope| {
            let starts: Vec<_> =
                (0..8).map(|_| scope.spawn(|| LocalKeyring::open_or_create(&path).unwrap().active)).collect();
            starts.into_iter().map(|start| start.join().unwrap()).collect()
        });
        assert_eq!(ids.len(), 1);
    }

    #[test]
    fn rotations_at_once_lose_no_key() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keyring.json");
        LocalKeyring::open_or_create(&path).unwrap();
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| LocalKeyring::rotate(&path).unwrap());
            }
        });
        assert_eq!(LocalKeyring::open(&path).unwrap().keys.len(), 9);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn refuses_what_others_can_read_and_what_is_no_keyring() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keyring.json");
        LocalKeyring::open_or_create(&path).unwrap();
        let text = fs::read_to_string(&path).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        let error = LocalKeyring::open_or_create(&path).unwrap_err().to_string();
        assert!(error.contains("0640") && error.contains("chmod 600"), "{error}");
        for bad in [
            String::new(),
            text.replace("\"version\": 1", "\"version\": 7"),
            text.replace("\"active\": \"", "\"active\": \"x"),
            text.replace("\"key\": \"", "\"key\": \"AAAA"),
            text.replace("created_at_ms", "created"),
            r#"{"version":1,"active":"a","keys":[["a","oKCgoKCgoKCgoKCgoKCgoKCgoKCgoKCgoKCgoKCgoKA=",0]]}"#.into(),
        ] {
            assert!(matches!(LocalKeyring::parse(&path, bad.as_bytes()), Err(Error::Keyring { .. })), "{bad}");
        }
        assert!(matches!(
            LocalKeyring::open_or_create(&folder.path().join("no/such/folder")),
            Err(Error::Keyring { .. })
        ));
    }
}

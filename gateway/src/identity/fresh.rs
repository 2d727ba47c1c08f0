//! The credential that is made at first start where none is configured, and its file.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::Credential;

const FILE_NAME: &str = "credential.json";
/// The file is two short strings.
const MAX_FILE: u64 = 4096;

const ACCESS_KEY_CHARS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
const ACCESS_KEY_LENGTH: usize = 20;
const SECRET_KEY_CHARS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
/// 40 of 62 characters: 238 bits.
const SECRET_KEY_LENGTH: usize = 40;

/// Why there is no credential.
#[derive(Debug, thiserror::Error)]
pub enum FreshCredentialError {
    /// The file could not be read or written.
    #[error("the credential file {path} cannot be read or written")]
    Io {
        /// Which file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The file is open to others than its owner.
    #[error("the credential file {path} has mode {mode:o}, which lets others than its owner use it; set it to 600")]
    Mode {
        /// Which file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// The file does not hold a credential.
    #[error("the credential file {path} does not hold {{\"access_key\": …, \"secret_key\": …}}")]
    Content {
        /// Which file.
        path: PathBuf,
    },
    /// The operating system gave no randomness.
    #[error("the operating system gave no randomness")]
    Random,
}

#[derive(Serialize)]
struct Written<'a> {
    access_key: &'a str,
    secret_key: &'a str,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    access_key: String,
    secret_key: String,
}

/// The credential in `data_dir/credential.json`; where there is no such file, a fresh one, which is in the file, durable and
/// readable by its owner only, before this returns. Also says whether it is fresh, since then it is to be shown once.
///
/// Blocks on the file system: for the start of the process.
pub fn load_or_generate(data_dir: &Path) -> Result<(Credential, bool), FreshCredentialError> {
    let path = data_dir.join(FILE_NAME);
    if let Some(credential) = load(&path)? {
        return Ok((credential, false));
    }
    let credential = generate()?;
    match create(data_dir, &path, &credential) {
        Ok(()) => Ok((credential, true)),
        // Another process was first, and its credential is the one in the file.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            load(&path)?.map(|credential| (credential, false)).ok_or_else(|| io_error(&path)(error))
        }
        Err(error) => Err(io_error(&path)(error)),
    }
}

fn load(path: &Path) -> Result<Option<Credential>, FreshCredentialError> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(io_error(path)(error)),
    };
    let mode = file.metadata().map_err(io_error(path))?.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        return Err(FreshCredentialError::Mode { path: path.to_owned(), mode });
    }
    // Capacity for the whole file, so that no copy of the secret is left behind by a growing buffer.
    let mut bytes = Zeroizing::new(Vec::with_capacity(MAX_FILE as usize + 1));
    file.take(MAX_FILE + 1).read_to_end(&mut bytes).map_err(io_error(path))?;
    let stored: Option<Stored> = serde_json::from_slice(&bytes).ok();
    stored
        .map(|stored| Credential {
            access_key: stored.access_key,
            secret_key: Zeroizing::new(stored.secret_key),
            backend: None,
        })
        .filter(|credential| super::is_access_key(&credential.access_key) && !credential.secret_key.is_empty())
        .map(Some)
        .ok_or_else(|| FreshCredentialError::Content { path: path.to_owned() })
}

fn generate() -> Result<Credential, FreshCredentialError> {
    Ok(Credential {
        access_key: random_text(ACCESS_KEY_CHARS, ACCESS_KEY_LENGTH)?.to_string(),
        secret_key: random_text(SECRET_KEY_CHARS, SECRET_KEY_LENGTH)?,
        backend: None,
    })
}

/// Writes a file of another name, makes it durable, then gives it its name unless there is one by then.
fn create(data_dir: &Path, path: &Path, credential: &Credential) -> io::Result<()> {
    let mut json = Zeroizing::new(Vec::with_capacity(MAX_FILE as usize));
    serde_json::to_writer_pretty(
        &mut *json,
        &Written { access_key: &credential.access_key, secret_key: &credential.secret_key },
    )?;
    json.push(b'\n');
    let temporary = data_dir.join(format!(".{FILE_NAME}.{}", uuid::Uuid::new_v4()));
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&temporary)?;
    let linked = file.write_all(&json).and_then(|()| file.sync_all()).and_then(|()| fs::hard_link(&temporary, path));
    let removed = fs::remove_file(&temporary);
    linked.and(removed)?;
    File::open(data_dir)?.sync_all()
}

/// `length` characters drawn evenly from `alphabet` (at most 256).
fn random_text(alphabet: &[u8], length: usize) -> Result<Zeroizing<String>, FreshCredentialError> {
    // Bytes from the last, incomplete round through the alphabet are thrown away, or its first characters would come more often.
    let even = 256 - 256 % alphabet.len();
    let mut text = Zeroizing::new(String::with_capacity(length));
    let mut bytes = Zeroizing::new([0_u8; 64]);
    while text.len() < length {
        aws_lc_rs::rand::fill(&mut *bytes).map_err(|_| FreshCredentialError::Random)?;
        let missing = length - text.len();
        text.extend(
            bytes
                .iter()
                .map(|byte| usize::from(*byte))
                .filter(|byte| *byte < even)
                .map(|byte| char::from(alphabet[byte % alphabet.len()]))
                .take(missing),
        );
    }
    Ok(text)
}

fn io_error(path: &Path) -> impl FnOnce(io::Error) -> FreshCredentialError {
    let path = path.to_owned();
    move |source| FreshCredentialError::Io { path, source }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn generated_once_then_loaded() {
        let dir = tempfile::tempdir().unwrap();
        let (fresh, is_fresh) = load_or_generate(dir.path()).unwrap();
        assert!(is_fresh);
        assert_eq!(fresh.access_key.len(), 20);
        assert!(fresh.access_key.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit()));
        assert_eq!(fresh.secret_key.len(), 40);
        let mode = fs::metadata(dir.path().join(FILE_NAME)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let (loaded, is_fresh) = load_or_generate(dir.path()).unwrap();
        assert!(!is_fresh);
        assert_eq!(loaded.access_key, fresh.access_key);
        assert_eq!(loaded.secret_key, fresh.secret_key);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1, "no temporary file stays");
    }

    #[test]
    fn a_file_that_came_first_is_kept() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(FILE_NAME);
        let (first, _) = load_or_generate(dir.path()).unwrap();
        let second = generate().unwrap();
        assert_ne!(first.secret_key, second.secret_key);
        let error = create(dir.path(), &path, &second).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(load(&path).unwrap().unwrap().access_key, first.access_key);
    }

    #[test]
    fn what_is_no_credential_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(FILE_NAME);
        let write = |content: &str, mode: u32| {
            fs::write(&path, content).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        };
        let long = format!("{{\"access_key\":\"A\",\"secret_key\":\"{}\"}}", "s".repeat(5000));
        for content in ["", "{}", "{\"access_key\":\"A\"}", "{\"access_key\":\"\",\"secret_key\":\"s\"}", &long] {
            write(content, 0o600);
            let error = load_or_generate(dir.path()).unwrap_err();
            assert!(matches!(error, FreshCredentialError::Content { .. }), "{content:.40}");
        }
        write("{\"access_key\":\"A\",\"secret_key\":\"s\"}", 0o644);
        let error = load_or_generate(dir.path()).unwrap_err();
        assert!(matches!(error, FreshCredentialError::Mode { mode: 0o644, .. }));
        let error = load_or_generate(&dir.path().join("missing")).unwrap_err();
        assert!(matches!(error, FreshCredentialError::Io { .. }));
    }

    #[test]
    fn text_is_drawn_from_the_whole_alphabet() {
        let text = random_text(ACCESS_KEY_CHARS, 10_000).unwrap();
        assert_eq!(text.len(), 10_000);
        for character in ACCESS_KEY_CHARS {
            let count = text.bytes().filter(|byte| byte == character).count();
            // Mean 278, standard deviation 16.
            assert!((150..=420).contains(&count), "{character}: {count}");
        }
    }
}

//! Why an operation did not happen, and the S3 error that says so.

use std::io;

use http::StatusCode;
use s3s::{S3Error, S3ErrorCode};

use crate::sqlite;

/// Why an operation did not happen. Nothing of it is stored.
#[derive(Debug)]
pub enum Failure {
    /// The request is wrong, or what it names is not there.
    S3(S3Error),
    /// The index failed.
    Db(sqlx::Error),
    /// A file failed.
    Io(io::Error),
}

/// The result of an operation before it becomes an S3 answer.
pub type Result<T> = std::result::Result<T, Failure>;

impl From<S3Error> for Failure {
    fn from(e: S3Error) -> Self {
        Self::S3(e)
    }
}

impl From<sqlx::Error> for Failure {
    fn from(e: sqlx::Error) -> Self {
        Self::Db(e)
    }
}

impl From<io::Error> for Failure {
    fn from(e: io::Error) -> Self {
        Self::Io(e)
    }
}

impl From<Failure> for S3Error {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::S3(e) => e,
            Failure::Db(e) if sqlite::is_full(&e) => full(),
            Failure::Io(e) if sqlite::is_file_full(&e) => full(),
            Failure::Db(e) => {
                tracing::error!(error = %e, "the index of the embedded backend failed");
                internal("The index of the embedded backend failed.")
            }
            Failure::Io(e) => {
                tracing::error!(error = %e, "a file of the embedded backend failed");
                internal("A file of the embedded backend failed.")
            }
        }
    }
}

/// 507: no room on the disk, or in the quota.
pub fn full() -> S3Error {
    let Ok(code) = "InsufficientStorage".parse::<S3ErrorCode>();
    let mut e = S3Error::with_message(code, "The disk under the embedded backend is full. Nothing was stored.");
    e.set_status_code(StatusCode::INSUFFICIENT_STORAGE);
    e
}

/// Is it [`full`]?
pub fn is_full(e: &S3Error) -> bool {
    e.status_code() == Some(StatusCode::INSUFFICIENT_STORAGE)
}

/// 500, with a text for the client.
pub fn internal(message: &'static str) -> S3Error {
    S3Error::with_message(S3ErrorCode::InternalError, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_is_507() {
        let e = S3Error::from(Failure::from(io::Error::from(io::ErrorKind::StorageFull)));
        assert_eq!(e.code().as_str(), "InsufficientStorage");
        assert_eq!(e.status_code(), Some(StatusCode::INSUFFICIENT_STORAGE));
        let e = S3Error::from(Failure::from(io::Error::from(io::ErrorKind::QuotaExceeded)));
        assert_eq!(e.status_code(), Some(StatusCode::INSUFFICIENT_STORAGE));
        let e = S3Error::from(Failure::from(io::Error::other("broken")));
        assert_eq!(e.status_code(), Some(StatusCode::INTERNAL_SERVER_ERROR));
    }
}

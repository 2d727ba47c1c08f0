//! Composition: the one place that builds everything.

use crate::config::Config;

/// Why the gateway could not start, or had to end.
#[derive(Debug, thiserror::Error)]
pub enum AppError {
    /// This part of the program does not exist yet.
    #[error("not part of this version: {0}")]
    Missing(&'static str),
}

/// Runs the gateway until it is told to stop.
#[expect(clippy::unused_async, reason = "the composition awaits")]
pub async fn serve(_config: Config) -> Result<(), AppError> {
    Err(AppError::Missing("serve"))
}

/// Makes the sidecar again from the backend.
#[expect(clippy::unused_async, reason = "the composition awaits")]
pub async fn rebuild_sidecar(_config: Config) -> Result<(), AppError> {
    Err(AppError::Missing("sidecar rebuild"))
}

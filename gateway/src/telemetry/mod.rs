//! What operators see: logs and metrics. Neither ever holds a secret or an object's content.

mod metrics;
mod panic;
mod request_id;
mod scrub;

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;

use crate::config::{LogConfig, LogFormat};
pub use metrics::{BackendOutcome, Cache, InFlight, Metrics, OperationMetrics};
pub use panic::keep_data_out_of_panics;
pub use request_id::RequestId;
pub use scrub::ScrubOutcome;

/// Why logging could not be started.
#[derive(Debug, thiserror::Error)]
#[error("logging cannot be started: {0}")]
pub struct LogError(String);

/// Sends every event of this process to standard error, as text or as one JSON object a line. Once in a process.
pub fn start_log(config: &LogConfig) -> Result<(), LogError> {
    // The S3 framework of the embedded backend logs every error answer as an error of its own, and whole requests at `debug`.
    let level = format!("s3s=off,{}", config.level);
    let filter: EnvFilter = level.parse().map_err(|e| LogError(format!("`{}`: {e}", config.level)))?;
    let base = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    match config.format {
        LogFormat::Text => base.with_ansi(std::io::stderr().is_terminal()).try_init(),
        LogFormat::Json => base.json().flatten_event(true).with_current_span(true).try_init(),
    }
    .map_err(|e| LogError(e.to_string()))
}

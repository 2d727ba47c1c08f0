//! The LLM Data Vault gateway: a transparent S3 front that seals every object before it reaches storage.
//!
//! `docs/ARCHITECTURE.md` tells the life of a request through these files.

pub mod admin;
pub mod app;
pub mod authorize;
pub mod backend;
pub mod body;
pub mod cli;
pub mod config;
pub mod identity;
pub mod jobs;
pub mod keks;
pub mod leases;
pub mod ops;
pub mod policies;
pub mod s3;
pub mod scrubbing;
pub mod server;
pub mod service;
pub mod sidecar;
pub mod sqlite;
pub mod telemetry;
pub mod tokens;
pub mod vault;

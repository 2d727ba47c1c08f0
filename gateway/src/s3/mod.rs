//! The wire, and only the wire: the operation table, path and host, signatures, aws-chunked, checksums, XML and errors.

pub mod address;
pub mod checksum;
pub mod chunked;
pub mod error;
pub mod form;
pub mod intake;
pub mod operation;
pub mod post_policy;
pub mod sigv2;
pub mod sigv4;
pub mod xml;

pub use error::Error;

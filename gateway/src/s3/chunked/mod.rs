//! `aws-chunked`, the transfer coding of S3 inside HTTP's own.
//!
//! ```text
//! body    = *( size [";chunk-signature=" 64HEX] CRLF data CRLF )  "0" [";chunk-signature=" 64HEX] CRLF trailer
//! trailer = *( name ":" value CRLF ) ["x-amz-trailer-signature:" 64HEX CRLF] CRLF
//! ```
//!
//! `size` is hexadecimal. Source: Amazon S3 API Reference, "Transferring Payload in Multiple Chunks (Chunked Upload)" and
//! "Including Trailing Headers (Chunked Upload)".

mod decode;
mod encode;

pub use decode::{ChunkedError, Decoder, Framing, Trailer};
pub use encode::{EncodeError, TrailerEncoder};

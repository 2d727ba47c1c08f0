//! Detection and removal of personal data and secrets: a library that knows no HTTP.
//!
//! One pipeline, in this order: [`view`] (decode) → [`segment`] → [`find`] (detect and validate) → [`context`] (score) → [`merge`] →
//! [`act`]. A [`detector::Detector`] is data; an [`Engine`] is the detectors and the [`policy::Policy`] of one use, compiled; a [`Scrubber`]
//! takes a stream through it, in memory that does not grow with the stream.

pub mod act;
pub mod block;
pub mod builtin;
pub mod charset;
pub mod context;
pub mod detector;
mod engine;
pub mod find;
mod finding;
pub mod format;
mod lines;
pub mod merge;
pub mod policy;
pub mod report;
pub mod segment;
mod stream;
pub mod tagger;
pub mod template;
pub mod validate;
pub mod view;

pub use engine::{Engine, EngineError};
pub use finding::{Finding, Kind, Kinds};
pub use lines::Lines;
pub use stream::{Blocked, Collected, Scrubber, Sink};

//! `HeadObject`: one suffix read of the sealed body, which also brings every header.

use http::{Response, StatusCode};
use keys::object::TRAILER_LEN;

use super::get::{Wanted, answer, unless_go};
use super::source::Source;
use super::stored::{Look, answered};
use super::{Call, etag_of};
use crate::body::{self, Body};
use crate::s3::Error;

/// SUMMARY and FOOTER.
pub const SUFFIX: u64 = TRAILER_LEN;

/// `HeadObject`.
pub async fn head_object(call: Call) -> Result<Response<Body>, Error> {
    let source = Source::of(&call)?;
    let wanted = Wanted::parse(&call)?;
    match source.look(SUFFIX, wanted.needs_table()).await? {
        Look::Sealed(sealed) => {
            if let Some(response) = unless_go(&call, &sealed.stored, &sealed.facts)? {
                return Ok(response);
            }
            let resolved = wanted.of(&sealed.facts)?;
            answer(&call, &sealed.stored, &sealed.facts, &resolved, body::empty())
        }
        Look::Plain(plain) => {
            let response = source.vault().backend.call(call.forward()).await?;
            if !response.status().is_success() && response.status() != StatusCode::NOT_MODIFIED {
                return Err(answered(response).await);
            }
            if etag_of(response.headers()) != plain.etag {
                return Err(Error::client(s3s::S3ErrorCode::SlowDown, "The object is being replaced; try again"));
            }
            Ok(super::forward::edited(response))
        }
    }
}

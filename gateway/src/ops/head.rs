//! `HeadObject`: one suffix read of the sealed body, which also brings every header.

use http::{Method, Response};
use keys::object::TRAILER_LEN;

use super::get::{Wanted, answer, known_plain, plain, unless_go};
use super::source::Source;
use super::stored::Look;
use super::{Call, again};
use crate::body::{self, Body};
use crate::s3::Error;

/// SUMMARY and FOOTER.
pub const SUFFIX: u64 = TRAILER_LEN;

/// `HeadObject`.
pub async fn head_object(call: Call) -> Result<Response<Body>, Error> {
    match look(&call).await {
        Err(refused @ Error::Unscrubbed { .. }) => {
            again::scrub_on_read(&call, refused).await?;
            look(&call).await
        }
        seen => seen,
    }
}

async fn look(call: &Call) -> Result<Response<Body>, Error> {
    let source = Source::of(call)?;
    let wanted = Wanted::parse(call)?;
    if let Some(response) = known_plain(call, &source).await? {
        return Ok(response);
    }
    match source.look(SUFFIX, wanted.needs_table()).await? {
        Look::Sealed(sealed) => {
            if let Some(response) = unless_go(call, &sealed.stored, &sealed.facts)? {
                return Ok(response);
            }
            let resolved = match wanted.of(&sealed.facts) {
                Err(Error::NoSuchPart) => return Err(source.no_such_part(Method::HEAD).await?),
                other => other?,
            };
            answer(call, &sealed.stored, &sealed.facts, &resolved, body::empty())
        }
        Look::Plain(found) => plain(call, &source, &found)
            .await?
            .map_err(|_| Error::client(s3s::S3ErrorCode::SlowDown, "The object is being replaced; try again")),
    }
}

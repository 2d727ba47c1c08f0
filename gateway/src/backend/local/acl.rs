//! Access lists. Access is decided in front of the backend, which has one owner: a list is validated, kept and given back, and grants
//! nobody anything. What keeps lists from being public (`BlockPublicAcls`, `BucketOwnerEnforced`) is enforced all the same.

use http::{HeaderMap, HeaderValue};
use s3s::dto::{
    AccessControlPolicy, GetBucketAclInput, GetBucketAclOutput, GetObjectAclInput, GetObjectAclOutput, Grant, Grantee,
    ObjectOwnership, OwnershipControls, Permission, PublicAccessBlockConfiguration, PutBucketAclInput,
    PutBucketAclOutput, PutObjectAclInput, PutObjectAclOutput, Type,
};
use s3s::{S3Error, S3Request, S3Response, S3Result, s3_error};

use super::Store;
use super::buckets::{OWNER, owner};
use super::documents::{Document, from_xml, set, to_xml};
use super::index::{BucketRow, Index};
use super::read::Found;

/// S3's bound on the grants of a list.
const MAX_GRANTS: usize = 100;
const ALL_USERS: &str = "http://acs.amazonaws.com/groups/global/AllUsers";
const AUTHENTICATED_USERS: &str = "http://acs.amazonaws.com/groups/global/AuthenticatedUsers";
const LOG_DELIVERY: &str = "http://acs.amazonaws.com/groups/s3/LogDelivery";
const CANNED: &str = "x-amz-acl";
const GRANTS: [(&str, &str); 5] = [
    ("x-amz-grant-full-control", Permission::FULL_CONTROL),
    ("x-amz-grant-read", Permission::READ),
    ("x-amz-grant-read-acp", Permission::READ_ACP),
    ("x-amz-grant-write", Permission::WRITE),
    ("x-amz-grant-write-acp", Permission::WRITE_ACP),
];

/// Who is granted something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Who {
    /// The owner of everything here.
    Owner,
    /// A group, by its URI.
    Group(&'static str),
}

/// An access list: grantee and permission.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Acl(Vec<(Who, &'static str)>);

impl Acl {
    /// The owner may do everything.
    fn private() -> Self {
        Self(vec![(Who::Owner, Permission::FULL_CONTROL)])
    }

    /// What the headers of a request say, if anything.
    pub fn of_headers(headers: &HeaderMap) -> S3Result<Option<Self>> {
        let text = |value: &HeaderValue| value.to_str().map(str::to_owned);
        let invalid = || s3_error!(InvalidArgument, "An access list header is not valid.");
        let canned = headers.get(CANNED).map(text).transpose().map_err(|_| invalid())?;
        let mut grants = Vec::new();
        for (name, permission) in GRANTS {
            for value in headers.get_all(name) {
                for who in grantees(&text(value).map_err(|_| invalid())?)? {
                    grants.push((who, permission));
                }
            }
        }
        match (canned, grants.is_empty()) {
            (Some(_), false) => {
                Err(s3_error!(InvalidRequest, "Specifying both Canned ACLs and Header Grants is not allowed"))
            }
            (Some(canned), true) => Self::canned(&canned).map(Some),
            (None, false) => Self(grants).checked().map(Some),
            (None, true) => Ok(None),
        }
    }

    /// A canned list, by its name.
    fn canned(name: &str) -> S3Result<Self> {
        let groups: &[(&'static str, &'static str)] = match name {
            // The owner of a bucket and of what is in it are one.
            "private" | "bucket-owner-read" | "bucket-owner-full-control" => &[],
            "public-read" => &[(ALL_USERS, Permission::READ)],
            "public-read-write" => &[(ALL_USERS, Permission::READ), (ALL_USERS, Permission::WRITE)],
            "authenticated-read" => &[(AUTHENTICATED_USERS, Permission::READ)],
            "log-delivery-write" => &[(LOG_DELIVERY, Permission::WRITE), (LOG_DELIVERY, Permission::READ_ACP)],
            _ => return Err(s3_error!(InvalidArgument, "The canned access list is not one.")),
        };
        let granted = groups.iter().map(|(group, permission)| (Who::Group(group), *permission));
        Ok(Self(granted.chain(Self::private().0).collect()))
    }

    /// From the XML of a request.
    fn of_policy(policy: AccessControlPolicy) -> S3Result<Self> {
        if policy.owner.is_some_and(|owner| owner.id.is_some_and(|id| id != OWNER)) {
            return Err(s3_error!(AccessDenied, "Access Denied"));
        }
        let grants = policy.grants.unwrap_or_default().into_iter().map(|grant| {
            let grantee = grant.grantee.ok_or_else(malformed)?;
            let permission = grant.permission.ok_or_else(malformed)?;
            let (_, permission) =
                GRANTS.iter().find(|(_, known)| *known == permission.as_str()).ok_or_else(malformed)?;
            let who = match (grantee.type_.as_str(), grantee.id, grantee.uri, grantee.email_address) {
                (Type::CANONICAL_USER, Some(id), ..) => user(&id)?,
                (Type::GROUP, _, Some(uri), _) => group(&uri)?,
                (Type::AMAZON_CUSTOMER_BY_EMAIL, .., Some(_)) => return Err(unknown_email()),
                _ => return Err(malformed()),
            };
            Ok((who, *permission))
        });
        Self(grants.collect::<S3Result<_>>()?).checked()
    }

    fn checked(self) -> S3Result<Self> {
        if self.0.len() > MAX_GRANTS {
            return Err(malformed());
        }
        Ok(self)
    }

    /// From a column.
    pub fn from_column(column: Option<&str>) -> S3Result<Self> {
        column.map_or_else(|| Ok(Self::private()), |xml| Self::of_policy(from_xml(xml)?))
    }

    /// For a column: XML, none where it is private.
    pub fn to_column(&self) -> S3Result<Option<String>> {
        if *self == Self::private() {
            return Ok(None);
        }
        to_xml(&AccessControlPolicy { grants: Some(self.to_grants()), owner: Some(owner()) }).map(Some)
    }

    fn to_grants(&self) -> Vec<Grant> {
        let grant = |(who, permission): &(Who, &'static str)| {
            let (type_, id, uri) = match who {
                Who::Owner => (Type::CANONICAL_USER, Some(OWNER.to_owned()), None),
                Who::Group(uri) => (Type::GROUP, None, Some((*uri).to_owned())),
            };
            Grant {
                grantee: Some(Grantee {
                    display_name: id.clone(),
                    email_address: None,
                    id,
                    type_: Type::from_static(type_),
                    uri,
                }),
                permission: Some(Permission::from_static(permission)),
            }
        };
        self.0.iter().map(grant).collect()
    }

    /// It grants something to everybody, or to everybody who has an account anywhere.
    fn is_public(&self) -> bool {
        self.0.iter().any(|(who, _)| matches!(who, Who::Group(ALL_USERS | AUTHENTICATED_USERS)))
    }

    /// Does the bucket allow it?
    pub fn admit(&self, bucket: &BucketRow) -> S3Result<()> {
        if let Some(xml) = &bucket.access_block {
            let block: PublicAccessBlockConfiguration = from_xml(xml)?;
            if block.block_public_acls == Some(true) && self.is_public() {
                return Err(s3_error!(AccessDenied, "Access Denied"));
            }
        }
        if *self != Self::private()
            && let Some(xml) = &bucket.ownership
        {
            let controls: OwnershipControls = from_xml(xml)?;
            let enforced = |ownership: &ObjectOwnership| ownership.as_str() == ObjectOwnership::BUCKET_OWNER_ENFORCED;
            if controls.rules.iter().any(|rule| enforced(&rule.object_ownership)) {
                return Err(s3_error!(AccessControlListNotSupported, "The bucket does not allow ACLs"));
            }
        }
        Ok(())
    }
}

/// The grantees of a header: `id="…", uri="…", emailAddress="…"`.
pub fn grantees(header: &str) -> S3Result<Vec<Who>> {
    header
        .split(',')
        .map(|grantee| {
            let (kind, value) = grantee.split_once('=').ok_or_else(invalid_grantee)?;
            let value = value.trim();
            let value = value.strip_prefix('"').and_then(|v| v.strip_suffix('"')).unwrap_or(value);
            match kind.trim() {
                kind if kind.eq_ignore_ascii_case("id") => user(value),
                kind if kind.eq_ignore_ascii_case("uri") => group(value),
                kind if kind.eq_ignore_ascii_case("emailAddress") => Err(unknown_email()),
                _ => Err(invalid_grantee()),
            }
        })
        .collect()
}

fn user(id: &str) -> S3Result<Who> {
    if id == OWNER { Ok(Who::Owner) } else { Err(s3_error!(InvalidArgument, "Invalid id")) }
}

fn group(uri: &str) -> S3Result<Who> {
    [ALL_USERS, AUTHENTICATED_USERS, LOG_DELIVERY]
        .into_iter()
        .find(|known| *known == uri)
        .map(Who::Group)
        .ok_or_else(|| s3_error!(InvalidArgument, "Invalid group uri"))
}

fn invalid_grantee() -> S3Error {
    s3_error!(InvalidArgument, "Argument format not recognized")
}

fn unknown_email() -> S3Error {
    s3_error!(UnresolvableGrantByEmailAddress, "The email address you provided does not match any account on record.")
}

fn malformed() -> S3Error {
    s3_error!(
        MalformedACLError,
        "The XML you provided was not well-formed or did not validate against our published schema"
    )
}

/// What a `Put…Acl` says: its headers or its document, not both and not neither.
fn asked(headers: &HeaderMap, policy: Option<AccessControlPolicy>) -> S3Result<Acl> {
    match (Acl::of_headers(headers)?, policy) {
        (Some(acl), None) => Ok(acl),
        (None, Some(policy)) => Acl::of_policy(policy),
        (Some(_), Some(_)) => Err(s3_error!(UnexpectedContent, "This request does not support content.")),
        (None, None) => Err(s3_error!(MissingSecurityHeader, "Your request was missing a required header.")),
    }
}

impl Store {
    pub(super) async fn get_bucket_acl(
        &self,
        request: S3Request<GetBucketAclInput>,
    ) -> S3Result<S3Response<GetBucketAclOutput>> {
        let row = Index::bucket(self.index.readers(), &request.input.bucket).await?;
        let acl = Acl::from_column(row.acl.as_deref())?;
        Ok(S3Response::new(GetBucketAclOutput { grants: Some(acl.to_grants()), owner: Some(owner()) }))
    }

    pub(super) async fn put_bucket_acl(
        &self,
        request: S3Request<PutBucketAclInput>,
    ) -> S3Result<S3Response<PutBucketAclOutput>> {
        let input = request.input;
        let acl = asked(&request.headers, input.access_control_policy)?;
        let name = input.bucket;
        self.index
            .write(move |txn| {
                Box::pin(async move {
                    let row = Index::bucket(txn.conn(), &name).await?;
                    acl.admit(&row)?;
                    set(txn.conn(), &name, Document::Acl, acl.to_column()?).await
                })
            })
            .await?;
        Ok(S3Response::new(PutBucketAclOutput {}))
    }

    pub(super) async fn get_object_acl(
        &self,
        request: S3Request<GetObjectAclInput>,
    ) -> S3Result<S3Response<GetObjectAclOutput>> {
        let input = request.input;
        let found = self.find(&input.bucket, &input.key, input.version_id.as_deref()).await?;
        let acl = Acl::from_column(found.version.kept.acl.as_deref())?;
        Ok(S3Response::new(GetObjectAclOutput {
            grants: Some(acl.to_grants()),
            owner: Some(owner()),
            request_charged: None,
        }))
    }

    pub(super) async fn put_object_acl(
        &self,
        request: S3Request<PutObjectAclInput>,
    ) -> S3Result<S3Response<PutObjectAclOutput>> {
        let input = request.input;
        let acl = asked(&request.headers, input.access_control_policy)?;
        self.index
            .write(move |txn| {
                Box::pin(async move {
                    let row = Index::bucket(txn.conn(), &input.bucket).await?;
                    let found =
                        Found::query(txn.conn(), &input.bucket, &input.key, input.version_id.as_deref()).await?;
                    acl.admit(&row)?;
                    sqlx::query("UPDATE versions SET acl = ? WHERE seq = ?")
                        .bind(acl.to_column()?)
                        .bind(found.version.seq)
                        .execute(txn.conn())
                        .await?;
                    Ok(())
                })
            })
            .await?;
        Ok(S3Response::new(PutObjectAclOutput::default()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backend::local::tests::map_of as headers;

    #[test]
    fn a_list_survives_its_column() {
        for canned in ["private", "public-read", "public-read-write", "authenticated-read", "log-delivery-write"] {
            let acl = Acl::of_headers(&headers(&[(CANNED, canned)])).expect("valid").expect("a list");
            let column = acl.to_column().expect("writable");
            assert_eq!(column.is_none(), canned == "private");
            assert_eq!(Acl::from_column(column.as_deref()).expect("readable"), acl);
            assert_eq!(acl.is_public(), canned.contains("read"), "{canned}");
        }
    }

    #[test]
    fn grants_are_read_from_headers() {
        let all = format!("id=\"{OWNER}\", uri={ALL_USERS}");
        let acl = Acl::of_headers(&headers(&[("x-amz-grant-read", &all)])).expect("valid").expect("a list");
        assert_eq!(acl.0, [(Who::Owner, "READ"), (Who::Group(ALL_USERS), "READ")]);
        for bad in
            ["", "id", "id=", "id=somebody", "uri=http://example.com/", "emailAddress=a@example.com", "name=x", "id=\""]
        {
            assert!(grantees(bad).is_err(), "{bad}");
        }
        assert!(Acl::of_headers(&headers(&[(CANNED, "private"), ("x-amz-grant-read", &all)])).is_err());
        assert!(Acl::of_headers(&headers(&[(CANNED, "public")])).is_err());
        assert_eq!(Acl::of_headers(&HeaderMap::new()).expect("valid"), None);
    }
}

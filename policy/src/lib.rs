//! The policy decision: who may do what. Pure: no I/O, no clock, no HTTP.
//!
//! Today's rule is short: a principal whose signature holds may do everything, an anonymous one nothing unless the
//! configuration leaves it to the backend's own ACLs. IAM policy documents are to be decided here behind the same function.

/// What is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Request<'a> {
    /// Who asks.
    pub principal: Principal<'a>,
    /// IAM action, `s3:GetObject`; none for a request that S3 asks no permission for (a CORS preflight).
    pub action: Option<&'a str>,
    /// ARN of the bucket or object, `arn:aws:s3:::bucket/key`; `*` for the service.
    pub resource: &'a str,
}

/// Who asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Principal<'a> {
    /// Nobody signed the request.
    Anonymous,
    /// The access key whose signature holds.
    Authenticated(&'a str),
}

/// Whether it may be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// It may.
    Allow,
    /// It may not.
    Deny,
}

/// What must be done along with what is allowed. There is none yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Obligation {}

/// The answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// Whether it may be done.
    pub effect: Effect,
    /// What must be done along with it.
    pub obligations: Vec<Obligation>,
}

/// What the operator configured.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rules {
    /// Whether anonymous requests pass, unsigned, to the backend, whose ACLs then decide.
    pub anonymous_to_backend: bool,
}

/// Decides one request.
pub fn decide(rules: Rules, request: &Request<'_>) -> Decision {
    let effect = match request.principal {
        Principal::Authenticated(_) => Effect::Allow,
        Principal::Anonymous if request.action.is_none() || rules.anonymous_to_backend => Effect::Allow,
        Principal::Anonymous => Effect::Deny,
    };
    Decision { effect, obligations: Vec::new() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn effect(principal: Principal<'_>, action: Option<&str>, anonymous_to_backend: bool) -> Effect {
        let rules = Rules { anonymous_to_backend };
        let request = Request { principal, action, resource: "arn:aws:s3:::bucket/key" };
        decide(rules, &request).effect
    }

    #[test]
    fn an_authenticated_principal_may_do_everything() {
        for action in [Some("s3:GetObject"), Some("s3:DeleteBucket"), None] {
            assert_eq!(effect(Principal::Authenticated("A"), action, false), Effect::Allow);
        }
    }

    #[test]
    fn an_anonymous_one_nothing_unless_configured() {
        let action = Some("s3:GetObject");
        assert_eq!(effect(Principal::Anonymous, action, false), Effect::Deny);
        assert_eq!(effect(Principal::Anonymous, action, true), Effect::Allow);
        assert_eq!(effect(Principal::Anonymous, None, false), Effect::Allow);
    }

    #[test]
    fn anonymous_requests_are_denied_by_default() {
        assert!(!Rules::default().anonymous_to_backend);
    }
}

//! Where a redirect of the backend may lead: to the same host, from `http` to `https` but never back; at Amazon S3 also to another
//! endpoint of S3 for the same bucket. A signature goes nowhere else, and the secret nowhere at all.

use http::header::LOCATION;
use http::uri::{Authority, PathAndQuery, Scheme};
use http::{HeaderMap, Uri};

/// The DNS suffixes of Amazon S3's endpoints.
const AMAZON: [&str; 2] = [".amazonaws.com", ".amazonaws.com.cn"];

/// A place to send a request to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) scheme: Scheme,
    pub(super) authority: Authority,
    /// Path and query.
    pub(super) target: PathAndQuery,
}

impl Place {
    /// Where an answer with these headers, to a request sent to `self`, points. The error says what is wrong with it.
    ///
    /// Amazon S3 redirects a bucket of another region with a 307 to `bucket.s3.region.amazonaws.com` (in older forms `s3-region`, or
    /// a name of one facility), and with a 301 that has no `Location` but `x-amz-bucket-region`.
    pub(super) fn redirected(&self, answer: &HeaderMap) -> Result<Self, &'static str> {
        let Some(location) = answer.get(LOCATION) else {
            return self.in_region(answer).ok_or("but not to a place");
        };
        let to = location.to_str().ok().and_then(|l| l.parse::<Uri>().ok()).ok_or("but not to a place")?.into_parts();
        let place = Self {
            scheme: to.scheme.unwrap_or_else(|| self.scheme.clone()),
            authority: to.authority.unwrap_or_else(|| self.authority.clone()),
            target: to.path_and_query.unwrap_or_else(|| PathAndQuery::from_static("/")),
        };
        let upgrade = self.scheme == Scheme::HTTP && place.scheme == Scheme::HTTPS;
        if place.scheme != self.scheme && !upgrade {
            return Err("to another scheme");
        }
        let (host, own) = (place.authority.host(), self.authority.host());
        let same = host.eq_ignore_ascii_case(own) && (upgrade || place.port() == self.port());
        let of_amazon = place.authority.port().is_none() && is_endpoint_of(host, own, self.bucket());
        if place.authority.as_str().contains('@') || !(same || of_amazon) {
            return Err("to a host that is not its own");
        }
        Ok(place)
    }

    /// The same request to the endpoint of the region in which the bucket is said to be.
    fn in_region(&self, answer: &HeaderMap) -> Option<Self> {
        let suffix = amazon_suffix(self.authority.host())?;
        let region = answer.get("x-amz-bucket-region")?.to_str().ok().filter(|region| is_label(region))?;
        let authority = format!("s3.{region}{suffix}").parse().ok()?;
        Some(Self { authority, ..self.clone() })
    }

    fn port(&self) -> u16 {
        let usual = if self.scheme == Scheme::HTTPS { 443 } else { 80 };
        self.authority.port_u16().unwrap_or(usual)
    }

    /// The bucket of a path-style path; empty where there is none.
    fn bucket(&self) -> &str {
        self.target.path().split('/').nth(1).unwrap_or_default()
    }
}

/// The suffix of a host of Amazon's.
fn amazon_suffix(host: &str) -> Option<&'static str> {
    AMAZON.into_iter().find(|suffix| host.ends_with(suffix))
}

/// Whether `host` is an endpoint of Amazon S3 beside `own`, of no bucket or of this one.
fn is_endpoint_of(host: &str, own: &str, bucket: &str) -> bool {
    let Some(name) = amazon_suffix(own).and_then(|suffix| host.strip_suffix(suffix)) else {
        return false;
    };
    let of_bucket = name.strip_prefix(bucket).and_then(|rest| rest.strip_prefix('.'));
    is_s3(name) || of_bucket.is_some_and(is_s3)
}

/// `s3`, `s3.region`, `s3-region` or `s3.dualstack.region`. A website endpoint is none.
fn is_s3(name: &str) -> bool {
    let Some(rest) = name.strip_prefix("s3") else { return false };
    let region = rest.strip_prefix(".dualstack.").or_else(|| rest.strip_prefix(['.', '-']));
    rest.is_empty() || region.is_some_and(|region| is_label(region) && !region.starts_with("website"))
}

/// One label of a DNS name.
fn is_label(text: &str) -> bool {
    (1..=63).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn from(url: &str, headers: &[(&'static str, &str)]) -> Result<String, &'static str> {
        let parts = url.parse::<Uri>().unwrap().into_parts();
        let place = Place {
            scheme: parts.scheme.unwrap(),
            authority: parts.authority.unwrap(),
            target: parts.path_and_query.unwrap(),
        };
        let answer = headers.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect();
        let to = place.redirected(&answer)?;
        Ok(format!("{}://{}{}", to.scheme, to.authority, to.target))
    }

    fn to(url: &str, location: &str) -> bool {
        from(url, &[("location", location)]).is_ok()
    }

    #[test]
    fn the_same_host_and_no_other() {
        let own = "http://store.example.com:9000/b/k";
        for location in
            ["/x", "http://store.example.com:9000/x", "http://STORE.example.com:9000/", "https://store.example.com/x"]
        {
            assert!(to(own, location), "{location}");
        }
        for location in [
            "http://other.example.com:9000/b/k",
            "http://b.store.example.com:9000/k",
            "http://store.example.com:9001/b/k",
            "http://store.example.com/b/k",
            "http://user@store.example.com:9000/b/k",
            "http://store.example.com:9000@evil.example/b/k",
            "ftp://store.example.com:9000/b/k",
            "::",
            "",
        ] {
            assert!(!to(own, location), "{location}");
        }
        assert!(to("https://store.example.com/b/k", "https://store.example.com:443/x"));
        assert!(!to("https://store.example.com/b/k", "http://store.example.com/b/k"));
        assert!(!to("http://127.0.0.1/b/k", "http://127.0.1.1/b/k"));
        assert!(from(own, &[("x-amz-bucket-region", "eu-west-1")]).is_err());
    }

    #[test]
    fn endpoints_of_amazon_for_the_same_bucket() {
        let own = "https://s3.us-east-1.amazonaws.com/b/k";
        for location in [
            "https://b.s3-us-west-2.amazonaws.com/k",
            "https://b.s3.eu-west-1.amazonaws.com/k",
            "https://b.s3-gztb4pa9sq.amazonaws.com/k",
            "https://b.s3.dualstack.eu-west-1.amazonaws.com/k",
            "https://b.s3.amazonaws.com/k",
            "https://s3.eu-west-1.amazonaws.com/b/k",
        ] {
            assert!(to(own, location), "{location}");
        }
        for location in [
            "http://b.s3.eu-west-1.amazonaws.com/k",
            "https://evil.s3.eu-west-1.amazonaws.com/k",
            "https://b.s3.eu-west-1.amazonaws.com:8443/k",
            "https://b.s3.eu-west-1.amazonaws.com.cn/k",
            "https://b.s3.evil.eu-west-1.amazonaws.com/k",
            "https://b.s3-website-eu-west-1.amazonaws.com/k",
            "https://ec2-1-2-3-4.compute-1.amazonaws.com/b/k",
            "https://b.execute-api.us-east-1.amazonaws.com/k",
            "https://evilamazonaws.com/b/k",
        ] {
            assert!(!to(own, location), "{location}");
        }
        let region = |region: &str| from(own, &[("x-amz-bucket-region", region)]);
        assert_eq!(region("eu-west-1").unwrap(), "https://s3.eu-west-1.amazonaws.com/b/k");
        assert!(region("eu-west-1.evil").is_err());
        assert!(region("").is_err());
    }
}

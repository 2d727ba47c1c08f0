//! Whom a request comes from: the other end of the connection, or, where that is a configured proxy, whom it speaks for.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use http::header::FORWARDED;
use http::{HeaderMap, HeaderName};

use super::forwarded;
use crate::config::{ForwardedHeaders, Network};

/// Who sent a request, and over what, as far as it can be known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Client {
    /// Its address.
    pub address: IpAddr,
    /// How it reached us, or the proxy before us.
    pub scheme: Scheme,
}

/// The scheme of the URLs under which a client knows us.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Scheme {
    /// Without TLS.
    #[default]
    Http,
    /// Under TLS.
    Https,
}

impl Scheme {
    /// As in a URL.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }

    fn named(text: &str) -> Option<Self> {
        [Self::Http, Self::Https].into_iter().find(|scheme| scheme.as_str().eq_ignore_ascii_case(text))
    }
}

/// The addresses for which proxies speak, the nearest proxy's own client last.
pub const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
/// The scheme over which a proxy was reached.
pub const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

impl Client {
    /// Of a request that came over no connection.
    pub const UNKNOWN: Self = Self { address: IpAddr::V4(Ipv4Addr::UNSPECIFIED), scheme: Scheme::Http };

    /// The client behind `peer`, which has sent `headers` over `scheme`.
    ///
    /// A proxy adds the address that it sees to the right of `X-Forwarded-For`, so the list is read from there for as long as
    /// it was a trusted proxy that wrote: the first address that is not one is the client. What stands left of it, and what
    /// anybody else sends, is hearsay. `X-Forwarded-Proto` counts where a trusted proxy sends it; of several, the last. With `Forwarded`
    /// the elements are read in the same way, each with the scheme that it names.
    ///
    /// One kind of header is read and never the other: a proxy that writes the one passes the other on as the client wrote it.
    pub fn behind(
        peer: IpAddr,
        scheme: Scheme,
        trusted: &[Network],
        written: ForwardedHeaders,
        headers: &HeaderMap,
    ) -> Self {
        let trusts = |address: IpAddr| trusted.iter().any(|network| network.contains(address));
        let mut client = Self { address: peer.to_canonical(), scheme };
        if !trusts(peer) {
            return client;
        }
        let said = match written {
            ForwardedHeaders::XForwarded => {
                client.scheme = last(headers, &FORWARDED_PROTO).and_then(Scheme::named).unwrap_or(scheme);
                let values = headers.get_all(FORWARDED_FOR).iter().rev();
                let entries = values.flat_map(|value| value.to_str().unwrap_or_default().rsplit(','));
                entries.map(|entry| (address(entry.trim()), None)).collect()
            }
            ForwardedHeaders::Forwarded => forwarded_elements(headers),
        };
        for (address, scheme) in said {
            client.scheme = scheme.unwrap_or(client.scheme);
            // Something that is no address, `unknown` for one, ends what is known.
            let Some(address) = address else { break };
            client.address = address.to_canonical();
            if !trusts(address) {
                break;
            }
        }
        client
    }
}

/// Address and scheme of the elements of `Forwarded`, the nearest proxy's first. A malformed value ends them.
fn forwarded_elements(headers: &HeaderMap) -> Vec<(Option<IpAddr>, Option<Scheme>)> {
    let mut all = Vec::new();
    for value in headers.get_all(FORWARDED).iter().rev() {
        let Some(elements) = value.to_str().ok().and_then(forwarded::elements) else {
            all.push((None, None));
            break;
        };
        all.extend(elements.into_iter().rev().map(|element| {
            (element.address.as_deref().and_then(address), element.scheme.as_deref().and_then(Scheme::named))
        }));
    }
    all
}

fn last<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get_all(name).iter().next_back()?.to_str().ok()?.rsplit(',').next().map(str::trim)
}

/// `192.0.2.1`, `192.0.2.1:80`, `2001:db8::1`, `[2001:db8::1]` or `[2001:db8::1]:80`: proxies write all of them.
fn address(entry: &str) -> Option<IpAddr> {
    let bare = entry.strip_prefix('[').and_then(|e| e.strip_suffix(']')).unwrap_or(entry);
    bare.parse().ok().or_else(|| entry.parse::<SocketAddr>().ok().map(|a| a.ip()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn behind(peer: &str, headers: &[(&'static str, &'static str)]) -> (String, &'static str) {
        behind_writer(ForwardedHeaders::XForwarded, peer, headers)
    }

    fn behind_writer(
        written: ForwardedHeaders,
        peer: &str,
        headers: &[(&'static str, &'static str)],
    ) -> (String, &'static str) {
        let trusted = ["10.0.0.0/8".parse().unwrap(), "fd00::1".parse().unwrap()];
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, value.parse().unwrap());
        }
        let client = Client::behind(peer.parse().unwrap(), Scheme::Http, &trusted, written, &map);
        (client.address.to_string(), client.scheme.as_str())
    }

    #[test]
    fn a_foreign_address_speaks_for_itself_only() {
        let spoof = [("x-forwarded-for", "192.0.2.9"), ("x-forwarded-proto", "https")];
        assert_eq!(behind("192.0.2.1", &spoof), ("192.0.2.1".into(), "http"));
        assert_eq!(behind("::ffff:192.0.2.1", &[]), ("192.0.2.1".into(), "http"));
    }

    #[test]
    fn one_kind_of_header_is_read_and_never_the_other() {
        let behind = |headers: &[_]| behind_writer(ForwardedHeaders::Forwarded, "10.0.0.1", headers);
        for (value, client) in [
            ("for=192.0.2.9;proto=https", ("192.0.2.9", "https")),
            ("for=203.0.113.7;proto=http, for=192.0.2.9;proto=https, for=10.0.0.2;proto=http", ("192.0.2.9", "https")),
            ("for=192.0.2.9, for=\"[fd00::1]:80\";proto=https", ("192.0.2.9", "https")),
            ("for=\"[2001:db8::1]:4711\"", ("2001:db8::1", "http")),
            ("for=192.0.2.9, for=unknown;proto=https", ("10.0.0.1", "https")),
            ("for=192.0.2.9;proto=ftp", ("192.0.2.9", "http")),
            ("for=192.0.2.9, for=\"", ("10.0.0.1", "http")),
        ] {
            assert_eq!(behind(&[("forwarded", value)]), (client.0.to_owned(), client.1), "{value}");
        }
        let both = [("forwarded", "for=192.0.2.9"), ("x-forwarded-for", "203.0.113.7"), ("x-forwarded-proto", "https")];
        assert_eq!(behind(&both), ("192.0.2.9".into(), "http"));
        assert_eq!(super::tests::behind("10.0.0.1", &both), ("203.0.113.7".into(), "https"));
        let lines = [("forwarded", "for=192.0.2.9"), ("forwarded", "for=10.0.0.3")];
        assert_eq!(behind(&lines).0, "192.0.2.9");
        assert_eq!(behind_writer(ForwardedHeaders::Forwarded, "192.0.2.1", &lines).0, "192.0.2.1");
    }

    #[test]
    fn a_trusted_proxy_speaks_for_the_last_address_that_is_not_a_proxy() {
        for (value, client) in [
            ("192.0.2.9", "192.0.2.9"),
            ("203.0.113.7, 192.0.2.9", "192.0.2.9"),
            ("203.0.113.7, 192.0.2.9, 10.0.0.2,fd00::1", "192.0.2.9"),
            ("10.0.0.9, 10.0.0.8", "10.0.0.9"),
            ("192.0.2.9:4711", "192.0.2.9"),
            ("[2001:db8::1]:4711, [fd00::1]", "2001:db8::1"),
            ("2001:db8::1", "2001:db8::1"),
            ("203.0.113.7, unknown", "10.0.0.1"),
            ("203.0.113.7, unknown, 10.0.0.2", "10.0.0.2"),
            ("203.0.113.7,", "10.0.0.1"),
            ("", "10.0.0.1"),
        ] {
            assert_eq!(behind("10.0.0.1", &[("x-forwarded-for", value)]).0, client, "{value}");
        }
        let two = [("x-forwarded-for", "203.0.113.7"), ("x-forwarded-for", "192.0.2.9")];
        assert_eq!(behind("10.0.0.1", &two).0, "192.0.2.9", "several headers are one list");
        assert_eq!(behind("::ffff:10.0.0.1", &two).0, "192.0.2.9");
    }

    #[test]
    fn the_scheme_is_the_last_that_a_trusted_proxy_names() {
        for (value, scheme) in [("https", "https"), ("HTTPS", "https"), ("https, http", "http"), ("ftp", "http")] {
            assert_eq!(behind("10.0.0.1", &[("x-forwarded-proto", value)]).1, scheme, "{value}");
        }
    }
}

//! Forwarding headers: from an address that is not trusted they change nothing; from one that is, the client is the peer or an address
//! that the headers name, and if the peer alone is trusted, the last that they name. Lines `name:value`.
#![no_main]

use std::net::{IpAddr, Ipv4Addr};

use gateway::config::ForwardedHeaders::{Forwarded, XForwarded};
use gateway::server::{Client, Scheme};
use gateway_fuzz::headers;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let headers = headers(input.split(|byte| *byte == b'\n'));
    let proxy = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1));
    let stranger = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));
    let only_proxy = ["10.0.0.1".parse().expect("a network")];
    let everybody = ["0.0.0.0/0".parse().expect("a network"), "::/0".parse().expect("a network")];

    for written in [XForwarded, Forwarded] {
        let client = Client::behind(stranger, Scheme::Http, &only_proxy, written, &headers);
        assert_eq!(client, Client { address: stranger, scheme: Scheme::Http });
    }
    for trusted in [&only_proxy[..], &everybody] {
        let client = Client::behind(proxy, Scheme::Https, trusted, Forwarded, &headers);
        assert_eq!(client.address, client.address.to_canonical());
        let named = Client { address: proxy, scheme: Scheme::Https };
        assert!(headers.contains_key("forwarded") || client == named);
        let client = Client::behind(proxy, Scheme::Https, trusted, XForwarded, &headers);
        assert_eq!(client.address, client.address.to_canonical());
        let named = headers.contains_key("x-forwarded-for");
        assert!(named || client.address == proxy);
        assert!(headers.contains_key("x-forwarded-proto") || client.scheme == Scheme::Https);
    }
    let plain = headers.get_all("x-forwarded-for").iter().next_back().and_then(|v| v.to_str().ok());
    if let Some(last) = plain.and_then(|v| v.rsplit(',').next()).and_then(|e| e.trim().parse::<IpAddr>().ok())
        && last.to_canonical() != proxy
    {
        assert_eq!(Client::behind(proxy, Scheme::Http, &only_proxy, XForwarded, &headers).address, last.to_canonical());
    }
});

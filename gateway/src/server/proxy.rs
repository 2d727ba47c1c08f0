//! The PROXY protocol, versions 1 and 2 (`HAProxy`, *The PROXY protocol*): a header before the first byte of a connection, in which a
//! proxy says for whom it was made.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use keys::object::ChecksumAlgorithm;
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;

use crate::s3::checksum::Hasher;

/// The longest header of version 1, with its CRLF (section 2.1).
const V1_MOST: usize = 107;

/// Begins a header of version 2 (section 2.2).
const V2_SIGNATURE: [u8; 12] = *b"\r\n\r\n\0\r\nQUIT\n";

/// Signature, version and command, family, length.
const V2_FIXED: usize = 16;

/// The most that we take after these: addresses, and TLVs, of which only a checksum is looked at.
const V2_MOST: usize = 4096;

/// For whom the connection was made; none where the proxy speaks for itself, or for what is neither TCP over IPv4 nor over IPv6.
pub type Source = Option<SocketAddr>;

/// Why a connection cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ProxyError {
    /// What it begins with is no PROXY header.
    #[error("no PROXY header, or one that is malformed")]
    Malformed,
    /// It broke.
    #[error("the connection ended within the PROXY header")]
    Io(#[from] io::Error),
}

/// Reads the header off a connection, and not a byte more.
pub(super) async fn read(stream: &mut TcpStream) -> Result<Source, ProxyError> {
    let mut header = Vec::with_capacity(V1_MOST);
    let mut ahead = [0; 512];
    loop {
        let seen = stream.peek(&mut ahead).await?;
        if seen == 0 {
            return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
        }
        let before = header.len();
        header.extend_from_slice(&ahead[..seen]);
        let parsed = parse(&header)?;
        let taken = parsed.map_or(seen, |(_, length)| length - before);
        stream.read_exact(&mut ahead[..taken]).await?;
        if let Some((source, _)) = parsed {
            return Ok(source);
        }
    }
}

/// The header at the start of `bytes`, and its length; none while its end is not there. Refuses whatever can become none, and does
/// so after 4,112 bytes at the latest.
pub fn parse(bytes: &[u8]) -> Result<Option<(Source, usize)>, ProxyError> {
    let begins = |with: &[u8]| bytes.iter().zip(with).all(|(a, b)| a == b);
    if begins(&V2_SIGNATURE) {
        v2(bytes)
    } else if begins(b"PROXY ") {
        v1(bytes)
    } else {
        Err(ProxyError::Malformed)
    }
}

/// `PROXY TCP4 192.0.2.1 198.51.100.1 4711 443\r\n`, `PROXY UNKNOWN …\r\n`.
fn v1(bytes: &[u8]) -> Result<Option<(Source, usize)>, ProxyError> {
    let most = &bytes[..bytes.len().min(V1_MOST)];
    let Some(end) = most.windows(2).position(|pair| pair == b"\r\n") else {
        return if bytes.len() < V1_MOST { Ok(None) } else { Err(ProxyError::Malformed) };
    };
    let line = std::str::from_utf8(&most[..end]).map_err(|_| ProxyError::Malformed)?;
    let mut words = line.split(' ').skip(1);
    let family = words.next();
    if family == Some("UNKNOWN") {
        return Ok(Some((None, end + 2)));
    }
    let (Some(source), Some(target), Some(port), Some(target_port), None) =
        (words.next(), words.next(), words.next(), words.next(), words.next())
    else {
        return Err(ProxyError::Malformed);
    };
    let address = |text: &str| -> Option<IpAddr> {
        match family {
            Some("TCP4") => text.parse::<Ipv4Addr>().ok().map(IpAddr::from),
            Some("TCP6") => text.parse::<Ipv6Addr>().ok().map(IpAddr::from),
            _ => None,
        }
    };
    let number = |text: &str| -> Option<u16> {
        let plain = text.bytes().all(|b| b.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
        text.parse().ok().filter(|_| plain)
    };
    match (address(source), address(target), number(port), number(target_port)) {
        (Some(source), Some(_), Some(port), Some(_)) => Ok(Some((Some(SocketAddr::new(source, port)), end + 2))),
        _ => Err(ProxyError::Malformed),
    }
}

fn v2(bytes: &[u8]) -> Result<Option<(Source, usize)>, ProxyError> {
    let Some((fixed, rest)) = bytes.split_first_chunk::<V2_FIXED>() else {
        return Ok(None);
    };
    let length = usize::from(u16::from_be_bytes([fixed[14], fixed[15]]));
    if length > V2_MOST {
        return Err(ProxyError::Malformed);
    }
    // The command: the connection is the proxy's own (LOCAL), or made for another (PROXY).
    let local = match fixed[12] {
        0x20 => true,
        0x21 => false,
        _ => return Err(ProxyError::Malformed),
    };
    let Some(rest) = rest.get(..length) else {
        return Ok(None);
    };
    // Family and transport. Source address, target address, source port, target port follow; others are passed over.
    let (source, tlvs) = match fixed[13] {
        _ if local => (None, None),
        0x11 => first::<4>(rest).map(|(source, tlvs)| (Some(source), Some(tlvs)))?,
        0x21 => first::<16>(rest).map(|(source, tlvs)| (Some(source), Some(tlvs)))?,
        _ => (None, None),
    };
    let header = &bytes[..V2_FIXED + length];
    if let Some(tlvs) = tlvs {
        verify(header, header.len() - tlvs.len())?;
    }
    Ok(Some((source, header.len())))
}

/// The type of the TLV that holds the CRC-32C of the header, with zeros in its own place (section 2.2.3).
const CRC32C: u8 = 0x03;

/// Steps over the TLVs that begin at `at`: type, length in two bytes, value (section 2.2). A checksum among them must be that of the header,
/// and the last one must end where the header does.
fn verify(header: &[u8], mut at: usize) -> Result<(), ProxyError> {
    while let Some(rest) = header.get(at..).filter(|rest| !rest.is_empty()) {
        let Some((&[kind, high, low], rest)) = rest.split_first_chunk() else { return Err(ProxyError::Malformed) };
        let value = rest.get(..usize::from(u16::from_be_bytes([high, low]))).ok_or(ProxyError::Malformed)?;
        let begin = header.len() - rest.len();
        at = begin + value.len();
        if kind == CRC32C {
            let mut computed = Hasher::new(ChecksumAlgorithm::Crc32c);
            computed.update(&header[..begin]);
            computed.update(&vec![0; value.len()]);
            computed.update(&header[at..]);
            if computed.finish().bytes() != value {
                return Err(ProxyError::Malformed);
            }
        }
    }
    Ok(())
}

/// The source among the addresses of version 2, each of `N` bytes, and the TLVs behind them.
fn first<const N: usize>(bytes: &[u8]) -> Result<(SocketAddr, &[u8]), ProxyError>
where
    IpAddr: From<[u8; N]>,
{
    let (source, rest) = bytes.split_first_chunk::<N>().ok_or(ProxyError::Malformed)?;
    let (_target, rest) = rest.split_first_chunk::<N>().ok_or(ProxyError::Malformed)?;
    let (ports, tlvs) = rest.split_first_chunk::<4>().ok_or(ProxyError::Malformed)?;
    Ok((SocketAddr::new(IpAddr::from(*source), u16::from_be_bytes([ports[0], ports[1]])), tlvs))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn v2_header(command: u8, family: u8, rest: &[u8]) -> Vec<u8> {
        let length = u16::try_from(rest.len()).unwrap().to_be_bytes();
        [&V2_SIGNATURE[..], &[command, family], &length, rest].concat()
    }

    fn source(header: &[u8]) -> Result<String, ProxyError> {
        // What follows is the first request's.
        let mut bytes = header.to_vec();
        bytes.extend_from_slice(b"\r\nGET / HTTP/1.1\r\n");
        let (source, length) = parse(&bytes)?.expect("a whole header");
        assert_eq!(length, header.len());
        Ok(source.map_or_else(|| "none".into(), |s| s.to_string()))
    }

    #[test]
    fn version_1() {
        for (header, wants) in [
            ("PROXY TCP4 192.0.2.1 198.51.100.1 4711 443\r\n", "192.0.2.1:4711"),
            ("PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535\r\n", "255.255.255.255:65535"),
            ("PROXY TCP6 2001:db8::1 ::1 0 443\r\n", "[2001:db8::1]:0"),
            ("PROXY UNKNOWN\r\n", "none"),
            ("PROXY UNKNOWN ffff:f...f:ffff ffff:f...f:ffff 65535 65535\r\n", "none"),
        ] {
            assert_eq!(source(header.as_bytes()).unwrap(), wants, "{header}");
        }
        for header in [
            "PROXY TCP4 192.0.2.1 198.51.100.1 4711\r\n",
            "PROXY TCP4 192.0.2.1 198.51.100.1 4711 443 1\r\n",
            "PROXY TCP4 2001:db8::1 ::1 1 2\r\n",
            "PROXY TCP6 192.0.2.1 198.51.100.1 1 2\r\n",
            "PROXY TCP4 192.0.2.1 198.51.100.1 +1 2\r\n",
            "PROXY TCP4 192.0.2.1 198.51.100.1 01 2\r\n",
            "PROXY TCP4 192.0.2.1 198.51.100.1 65536 2\r\n",
            "PROXY TCP4  192.0.2.1 198.51.100.1 1 2\r\n",
            "PROXY UDP4 192.0.2.1 198.51.100.1 1 2\r\n",
            "PROXY \r\n",
            "PROXY\r\n",
            "proxy UNKNOWN\r\n",
            "GET / HTTP/1.1\r\n",
        ] {
            assert!(matches!(source(header.as_bytes()), Err(ProxyError::Malformed)), "{header}");
        }
        let longest = format!("PROXY UNKNOWN {}\r\n", "x".repeat(V1_MOST - 16));
        assert_eq!((longest.len(), source(longest.as_bytes()).unwrap()), (107, "none".into()));
        let longer = format!("PROXY UNKNOWN {}\r\n", "x".repeat(V1_MOST - 15));
        assert!(source(longer.as_bytes()).is_err());
    }

    #[test]
    fn version_2() {
        let v4 = [192, 0, 2, 1, 198, 51, 100, 1, 0x12, 0x67, 1, 187];
        let mut v6 = [0; 36];
        v6[15] = 1;
        v6[33] = 9;
        let tlv = [&v4[..], &[4, 0, 2, 0xff, 0xff]].concat();
        for (header, wants) in [
            (v2_header(0x21, 0x11, &v4), "192.0.2.1:4711"),
            (v2_header(0x21, 0x11, &tlv), "192.0.2.1:4711"),
            (v2_header(0x21, 0x21, &v6), "[::1]:9"),
            (v2_header(0x20, 0x11, &v4), "none"),
            (v2_header(0x20, 0x00, &[]), "none"),
            (v2_header(0x21, 0x00, &[]), "none"),
            (v2_header(0x21, 0x31, &[0; 216]), "none"),
            (v2_header(0x21, 0x12, &v4), "none"),
        ] {
            assert_eq!(source(&header).unwrap(), wants, "{header:?}");
        }
        for header in [
            v2_header(0x11, 0x11, &v4),
            v2_header(0x22, 0x11, &v4),
            v2_header(0x21, 0x11, &v4[..11]),
            v2_header(0x21, 0x21, &v4),
            v2_header(0x21, 0x11, &[0; V2_MOST + 1]),
        ] {
            assert!(matches!(source(&header), Err(ProxyError::Malformed)), "{header:?}");
        }
    }

    /// The checksum was computed apart from this program.
    #[test]
    fn of_tlvs_a_checksum_is_verified_and_the_others_are_passed_over() {
        let v4 = [192, 0, 2, 1, 198, 51, 100, 1, 0x12, 0x67, 1, 187];
        let with = |tlvs: &[&[u8]]| v2_header(0x21, 0x11, &[&v4[..], &tlvs.concat()].concat());
        let (noop, alpn) = ([4, 0, 2, 0xff, 0xff], [1, 0, 2, b'h', b'2']);
        let right = [3, 0, 4, 0x16, 0x29, 0x48, 0xf2];
        let wrong = [3, 0, 4, 0x16, 0x29, 0x48, 0xf3];
        assert_eq!(source(&with(&[&noop, &right, &alpn])).unwrap(), "192.0.2.1:4711");
        // An empty one, one of an unknown type, and one that holds another.
        assert_eq!(source(&with(&[&[0xee, 0, 0], &[0x20, 0, 5, 3, 0, 4, 0, 0]])).unwrap(), "192.0.2.1:4711");
        for tlvs in [
            &[&noop[..], &wrong, &alpn][..],
            &[&alpn, &right, &noop],
            &[&[3, 0, 3, 0, 0, 0]],
            &[&[3, 0, 0]],
            &[&noop, &[4]],
            &[&noop, &[4, 0]],
            &[&[4, 0, 3, 0, 0]],
            &[&[4, 0xff, 0xff]],
        ] {
            assert!(matches!(source(&with(tlvs)), Err(ProxyError::Malformed)), "{tlvs:?}");
        }
        // Of a connection of the proxy's own nothing is looked at.
        assert_eq!(source(&v2_header(0x20, 0x11, &[0xff; 30])).unwrap(), "none");
    }

    proptest! {
        #[test]
        fn a_header_is_read_to_its_end_however_it_arrives(
            address: IpAddr, port: u16, second_version: bool, noop in prop::collection::vec(any::<u8>(), 0..600), rest: Vec<u8>,
        ) {
            let from = SocketAddr::new(address, port);
            let length = u16::try_from(noop.len()).unwrap().to_be_bytes();
            let tlvs = [&[4][..], &length, &noop].concat();
            let header = match (second_version, address) {
                (false, IpAddr::V4(a)) => format!("PROXY TCP4 {a} 192.0.2.1 {port} 443\r\n").into_bytes(),
                (false, IpAddr::V6(a)) => format!("PROXY TCP6 {a} ::1 {port} 443\r\n").into_bytes(),
                (true, IpAddr::V4(a)) => {
                    v2_header(0x21, 0x11, &[&a.octets()[..], &[0; 4], &port.to_be_bytes(), &[0; 2], &tlvs].concat())
                }
                (true, IpAddr::V6(a)) => {
                    v2_header(0x21, 0x21, &[&a.octets()[..], &[0; 16], &port.to_be_bytes(), &[0; 2], &tlvs].concat())
                }
            };
            for cut in 0..header.len() {
                prop_assert!(parse(&header[..cut]).unwrap().is_none());
            }
            let whole = [&header[..], &rest].concat();
            prop_assert_eq!(parse(&whole).unwrap(), Some((Some(from), header.len())));
        }

        #[test]
        fn what_is_refused_stays_refused(bytes in prop::collection::vec(any::<u8>(), 0..200), more: Vec<u8>, begin in 0_usize..3) {
            let begin: &[u8] = [&b""[..], b"PROXY ", &V2_SIGNATURE][begin];
            let bytes = [begin, &bytes].concat();
            let longer = [&bytes[..], &more].concat();
            match parse(&bytes) {
                Err(_) => prop_assert!(parse(&longer).is_err()),
                Ok(Some((source, length))) => {
                    prop_assert!(length <= bytes.len());
                    prop_assert_eq!(parse(&longer).unwrap(), Some((source, length)));
                }
                Ok(None) => prop_assert!(bytes.len() < V2_FIXED + V2_MOST),
            }
        }
    }

    #[tokio::test]
    async fn not_a_byte_more_is_read() {
        use tokio::io::AsyncWriteExt;
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (mut server, _) = listener.accept().await.unwrap();
        let header = v2_header(0x21, 0x11, &[&[7; 12][..], &[4, 5, 0xcd], &[7; 1485]].concat());
        let sending = async {
            for piece in header.chunks(700) {
                client.write_all(piece).await.unwrap();
                tokio::time::sleep(std::time::Duration::from_millis(10)).await;
            }
            client.write_all(b"GET /").await.unwrap();
        };
        let (source, ()) = tokio::join!(read(&mut server), sending);
        assert_eq!(source.unwrap().unwrap().to_string(), "7.7.7.7:1799");
        let mut next = [0; 5];
        server.read_exact(&mut next).await.unwrap();
        assert_eq!(&next, b"GET /");
        drop(client);
        assert!(matches!(read(&mut server).await, Err(ProxyError::Io(_))));
    }
}

//! The answer to a client that speaks plain HTTP to a port with TLS. Without one, its error would
//! only say that the connection was closed.

/// The first byte of a TLS connection: the type of a handshake record.
const HANDSHAKE: u8 = 0x16;

const REASON: &str = "this port requires TLS: use https://";

/// The number of first bytes that distinguish the protocols.
pub(super) const PREFIX: usize = 4;

/// The answer to a client whose connection begins with `first`; `None` if it may speak TLS, or
/// what it speaks is unknown.
pub(super) fn answer(first: &[u8]) -> Option<Vec<u8>> {
    match first {
        [HANDSHAKE, ..] | [] => None,
        // The preface of HTTP/2.
        [b'P', b'R', b'I', b' ', ..] => Some(http2()),
        [byte, ..] if byte.is_ascii_uppercase() => Some(http1()),
        _ => None,
    }
}

fn http1() -> Vec<u8> {
    let length = REASON.len() + 1;
    format!(
        "HTTP/1.1 400 Bad Request\r\ncontent-type: text/plain\r\ncontent-length: {length}\r\n\
         connection: close\r\n\r\n{REASON}\n"
    )
    .into_bytes()
}

/// The frames SETTINGS, with which a server has to begin, and GOAWAY with the reason
/// INADEQUATE_SECURITY (RFC 9113, 6.5, 6.8 and 7).
fn http2() -> Vec<u8> {
    const SETTINGS: [u8; 9] = [0, 0, 0, 4, 0, 0, 0, 0, 0];
    const GOAWAY: u8 = 7;
    const INADEQUATE_SECURITY: u32 = 0xc;
    // The last stream, the reason and the text.
    let length = u8::try_from(4 + 4 + REASON.len()).unwrap_or(8);
    let mut frames = SETTINGS.to_vec();
    frames.extend([0, 0, length, GOAWAY, 0, 0, 0, 0, 0]);
    frames.extend(0_u32.to_be_bytes());
    frames.extend(INADEQUATE_SECURITY.to_be_bytes());
    frames.extend(REASON.as_bytes().iter().take(usize::from(length) - 8));
    frames
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_http_is_answered_in_its_own_protocol() {
        let http1 = answer(b"POST / HTTP/1.1").unwrap();
        assert!(http1.starts_with(b"HTTP/1.1 400 ") && http1.ends_with(b"use https://\n"));
        let http2 = answer(b"PRI * HTTP/2.0").unwrap();
        assert_eq!(http2[11], 8 + u8::try_from(REASON.len()).unwrap());
        assert_eq!(http2.len(), 9 + 9 + 8 + REASON.len());
        assert!(http2.ends_with(REASON.as_bytes()));
    }

    #[test]
    fn tls_and_the_unknown_are_left_to_the_handshake() {
        for first in [&b""[..], b"\x16\x03\x01\x02", b"\x80\x2e\x01\x00", b"ssh-"] {
            assert_eq!(answer(first), None, "{first:?}");
        }
    }
}

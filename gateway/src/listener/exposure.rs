//! Whether the gateway may listen on an address.

use std::net::IpAddr;

/// A gateway without TLS was to listen where other machines can reach it.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0} can be reached from other machines, and there is no TLS: set --tls-cert and --tls-key, or \
     --insecure if something in front of the gateway encrypts"
)]
pub struct Exposed(IpAddr);

/// Checks that connections which leave this machine are encrypted. `insecure` is the operator's
/// statement that they are, by something in front of the gateway.
///
/// # Errors
///
/// If the address is not a loopback address, and there is neither TLS nor `insecure`.
pub fn check_exposure(address: IpAddr, tls: bool, insecure: bool) -> Result<(), Exposed> {
    // An IPv4 address may be written as one of IPv6.
    let loopback = address.to_canonical().is_loopback();
    if loopback || tls || insecure { Ok(()) } else { Err(Exposed(address)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_loopback_needs_no_tls() {
        for text in ["127.0.0.1", "127.8.0.1", "::1", "::ffff:127.0.0.1"] {
            assert_eq!(check_exposure(text.parse().unwrap(), false, false), Ok(()), "{text}");
        }
        for text in ["0.0.0.0", "::", "10.0.0.1", "::ffff:10.0.0.1", "fe80::1"] {
            let address = text.parse().unwrap();
            let error = check_exposure(address, false, false).unwrap_err().to_string();
            assert!(error.contains("--tls-cert") && error.contains("--insecure"), "{error}");
            assert_eq!(check_exposure(address, true, false), Ok(()), "{text}");
            assert_eq!(check_exposure(address, false, true), Ok(()), "{text}");
        }
    }
}

//! The nodes of a configuration, validated together with the TLS files.

use std::{sync::Arc, time::Duration};

use lapin::uri::SASLMechanism;

use super::{config::AmqpConfig, tls::TlsFiles, url::Address};
use crate::MeshError;

/// The addresses of all nodes, and the TLS files for them.
#[derive(Clone, Debug)]
pub(super) struct Nodes {
    pub(super) addresses: Vec<Address>,
    pub(super) tls: Arc<TlsFiles>,
}

impl Nodes {
    /// Parses the URLs, and reads the TLS files once to validate them: at the start, an invalid
    /// file is an error in the configuration, which a retry does not resolve.
    ///
    /// # Errors
    ///
    /// [`MeshError::Configuration`].
    pub(super) fn parse(config: &AmqpConfig) -> Result<Self, MeshError> {
        let (urls, tls) = (&config.urls, Arc::new(config.tls.clone()));
        let several = urls.len() > 1;
        let read = urls.iter().enumerate().map(|(index, url)| {
            let address = url.parse().map_err(|error| match several {
                true => format!("URL {} of {}: {error}", index + 1, urls.len()),
                false => format!("invalid broker URL: {error}"),
            })?;
            complete(address, &tls, config.heartbeat)
        });
        let addresses = read.collect::<Result<Vec<_>, _>>().map_err(MeshError::Configuration)?;
        if addresses.is_empty() {
            return Err(MeshError::Configuration("no broker URL is given".to_owned()));
        }
        if addresses.iter().any(|address| address.server_name.is_some()) {
            tls.read().map_err(|error| MeshError::Configuration(error.to_string()))?;
        }
        Ok(Self { addresses, tls })
    }
}

/// Fills in what the URL leaves open, and refuses settings that would have no effect.
fn complete(mut address: Address, tls: &TlsFiles, heartbeat: Duration) -> Result<Address, String> {
    if let Some(flag) = tls.given().filter(|_| address.server_name.is_none()) {
        return Err(format!(
            "{flag} has no effect on {address}, which is not encrypted; use amqps://"
        ));
    }
    if tls.identity.is_none() && address.is_external() {
        return Err(format!(
            "auth_mechanism=external of {address} needs a client certificate, see --amqp-cert"
        ));
    }
    // Without a user name, the client certificate is the only identity there is.
    if tls.identity.is_some() && !address.has_user {
        address.uri.query.auth_mechanism.get_or_insert(SASLMechanism::External);
    }
    let heartbeat = u16::try_from(heartbeat.as_secs()).unwrap_or(u16::MAX);
    address.uri.query.heartbeat.get_or_insert(heartbeat);
    Ok(address)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;
    use crate::amqp::{Identity, TlsFiles};

    fn with(tls: &TlsFiles, url: &str) -> Result<Address, String> {
        complete(crate::BrokerUrl::from(url).parse().unwrap(), tls, Duration::from_secs(9))
    }

    fn identity() -> TlsFiles {
        let identity = Identity { cert: "c".into(), key: "k".into() };
        TlsFiles { ca: None, identity: Some(identity) }
    }

    #[test]
    fn the_heartbeat_of_the_url_takes_precedence() {
        let heartbeat = |url| with(&TlsFiles::default(), url).unwrap().uri.query.heartbeat;
        assert_eq!(heartbeat("amqp://h"), Some(9));
        assert_eq!(heartbeat("amqp://h?heartbeat=3"), Some(3));
    }

    #[test]
    fn a_client_certificate_without_a_user_name_means_sasl_external() {
        let mechanism = |url| with(&identity(), url).unwrap().uri.query.auth_mechanism;
        assert_eq!(mechanism("amqps://h"), Some(SASLMechanism::External));
        assert_eq!(mechanism("amqps://u:p@h"), None);
        assert_eq!(mechanism("amqps://h?auth_mechanism=plain"), Some(SASLMechanism::Plain));
        let external = "amqps://u:p@h?auth_mechanism=external";
        assert_eq!(mechanism(external), Some(SASLMechanism::External));
    }

    #[test]
    fn settings_without_effect_are_refused() {
        let ca = TlsFiles { ca: Some("ca".into()), identity: None };
        for (tls, flag) in [(ca, "--amqp-ca"), (identity(), "--amqp-cert")] {
            let error = with(&tls, "amqp://u:secret@h").unwrap_err();
            assert!(error.contains(flag) && error.contains("amqp://u:***@h:5672"), "{error}");
            assert!(with(&tls, "amqps://u:secret@h").is_ok());
        }
        let external = with(&TlsFiles::default(), "amqps://u:secret@h?auth_mechanism=external");
        let error = external.unwrap_err();
        assert!(error.contains("--amqp-cert") && !error.contains("secret"), "{error}");
    }
}

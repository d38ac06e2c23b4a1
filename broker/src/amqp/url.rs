//! Broker URLs, which are printed without their passwords.

use std::{borrow::Cow, fmt, ops::RangeInclusive};

use lapin::uri::{AMQPScheme, AMQPUri, SASLMechanism};
use tokio_rustls::rustls::pki_types::ServerName;

/// The query parameters of a URL, with the range of those that are numbers.
const PARAMETERS: [(&str, Option<RangeInclusive<u64>>); 5] = [
    ("heartbeat", Some(0..=u16::MAX as u64)),
    ("connection_timeout", Some(1..=u32::MAX as u64)),
    ("frame_max", Some(0..=u32::MAX as u64)),
    ("channel_max", Some(0..=u16::MAX as u64)),
    ("auth_mechanism", None),
];

/// The URL of a RabbitMQ node, `amqp://user:password@host:port/vhost` or `amqps://…`.
///
/// It is parsed when a mesh is opened. `Debug` and `Display` replace the password by `***`,
/// and show nothing of a text that is not a valid URL, because there is no way to tell which
/// part of it is the password.
#[derive(Clone, PartialEq, Eq)]
pub struct BrokerUrl(String);

impl BrokerUrl {
    /// Splits a comma-separated list of URLs.
    pub fn list(urls: &str) -> Vec<Self> {
        urls.split(',').map(|url| Self(url.trim().to_owned())).collect()
    }

    /// Parses the URL.
    ///
    /// # Errors
    ///
    /// What is wrong with it. No error contains a part of the URL, as it might be the password.
    pub(crate) fn parse(&self) -> Result<Address, InvalidUrl> {
        let (scheme, rest) = self.0.split_once("://").ok_or(InvalidUrl::Scheme)?;
        if !["amqp", "amqps"].iter().any(|known| scheme.eq_ignore_ascii_case(known)) {
            return Err(InvalidUrl::Scheme);
        }
        let (authority, after) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
        // A password with an unescaped '/', '?' or '#' can still make a valid URL, whose host is
        // then the user name.
        if after.contains(['@', '#']) {
            return Err(InvalidUrl::Unescaped);
        }
        let mut uri: AMQPUri = self.0.parse().map_err(|error| match after.split_once('?') {
            Some((_, query)) => check_query(query).err().unwrap_or(InvalidUrl::Form(error)),
            None => InvalidUrl::Form(error),
        })?;
        if let Some((_, query)) = after.split_once('?') {
            check_query(query)?;
        }
        let (user, host) = authority.rsplit_once('@').unwrap_or(("", authority));
        // lapin replaces an IPv6 address by localhost.
        if let Some((address, _)) = host.strip_prefix('[').and_then(|host| host.split_once(']')) {
            address.clone_into(&mut uri.authority.host);
        }
        let secure = uri.scheme == AMQPScheme::AMQPS;
        let host = uri.authority.host.clone();
        let server_name = match ServerName::try_from(host) {
            Ok(name) if secure => Some(name),
            Err(_) if secure => return Err(InvalidUrl::Host),
            _ => None,
        };
        Ok(Address { uri, server_name, has_user: !user.split(':').next().unwrap_or("").is_empty() })
    }
}

impl From<&str> for BrokerUrl {
    fn from(url: &str) -> Self {
        Self(url.trim().to_owned())
    }
}

impl fmt::Display for BrokerUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.parse() {
            Ok(address) => address.fmt(f),
            Err(_) => f.write_str("(invalid broker URL)"),
        }
    }
}

impl fmt::Debug for BrokerUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "BrokerUrl({self})")
    }
}

/// A parsed URL.
#[derive(Clone)]
pub(crate) struct Address {
    pub(super) uri: AMQPUri,
    /// The name to look for in the broker's certificate; `None` for a connection without TLS.
    pub(super) server_name: Option<ServerName<'static>>,
    /// Whether the URL has a user name.
    pub(super) has_user: bool,
}

impl Address {
    /// HOST:PORT, for logs.
    pub(super) fn host_port(&self) -> String {
        format!("{}:{}", self.host(), self.uri.authority.port)
    }

    /// Whether the URL asks for SASL EXTERNAL.
    pub(super) fn is_external(&self) -> bool {
        self.uri.query.auth_mechanism == Some(SASLMechanism::External)
    }

    fn host(&self) -> Cow<'_, str> {
        let host = &self.uri.authority.host;
        if host.contains(':') { format!("[{host}]").into() } else { host.into() }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://", self.uri.scheme)?;
        if self.has_user {
            write!(f, "{}:***@", self.uri.authority.userinfo.username)?;
        }
        write!(f, "{}/{}", self.host_port(), self.uri.vhost.replace('/', "%2f"))
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Address({self})")
    }
}

/// Why a text is not a valid broker URL. No variant contains a part of the text that might be
/// the password.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidUrl {
    /// The scheme is not one of AMQP.
    #[error("a URL must begin with amqp:// or amqps://")]
    Scheme,
    /// A reserved character is not percent-encoded.
    #[error(
        "'@' and '#' must be written %40 and %23, and in a user name or password also '/' (%2f), \
         '?' (%3f) and ',' (%2c)"
    )]
    Unescaped,
    /// The URL can't be parsed.
    #[error("{0}; special characters in a user name or password must be percent-encoded")]
    Form(String),
    /// The host can't be the name in a certificate.
    #[error("the host is neither a DNS name nor an IP address")]
    Host,
    /// A query parameter is unknown.
    #[error(
        "unknown query parameter; the known ones are heartbeat, connection_timeout, frame_max, \
         channel_max and auth_mechanism"
    )]
    UnknownParameter,
    /// A query parameter is repeated.
    #[error("the query parameter {0} is given twice")]
    RepeatedParameter(&'static str),
    /// A query parameter is not a number or is out of range.
    #[error("the query parameter {name} must be a number from {least} to {most}")]
    Number {
        /// The parameter's name.
        name: &'static str,
        /// Its least value.
        least: u64,
        /// Its greatest value.
        most: u64,
    },
    /// The authentication mechanism is unknown.
    #[error(
        "the query parameter auth_mechanism must be plain, external, amqplain, anonymous or \
         rabbit-cr-demo"
    )]
    Mechanism,
}

/// Checks the query parameters: lapin ignores unknown ones, and its errors don't name the
/// parameter.
fn check_query(query: &str) -> Result<(), InvalidUrl> {
    let mut seen = Vec::new();
    for parameter in query.split('&').filter(|parameter| !parameter.is_empty()) {
        let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
        let known = PARAMETERS.into_iter().find(|(known, _)| *known == name);
        let (name, range) = known.ok_or(InvalidUrl::UnknownParameter)?;
        if seen.contains(&name) {
            return Err(InvalidUrl::RepeatedParameter(name));
        }
        seen.push(name);
        match range {
            Some(range) => {
                let (least, most) = range.clone().into_inner();
                let number = value.parse::<u64>().ok().filter(|number| range.contains(number));
                number.ok_or(InvalidUrl::Number { name, least, most })?;
            }
            None => {
                value.parse::<SASLMechanism>().map_err(|_| InvalidUrl::Mechanism)?;
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    fn shown(url: &str) -> String {
        BrokerUrl::from(url).to_string()
    }

    fn error(url: &str) -> InvalidUrl {
        BrokerUrl::from(url).parse().unwrap_err()
    }

    #[test]
    fn a_url_is_shown_without_its_password() {
        for (url, expected) in [
            ("amqp://u:secret@host:1/v", "amqp://u:***@host:1/v"),
            ("amqps://u:se%2fcret@host/%2f?heartbeat=2", "amqps://u:***@host:5671/%2f"),
            ("AMQPS://u:@h/", "amqps://u:***@h:5671/"),
            ("amqp://u@h", "amqp://u:***@h:5672/%2f"),
            ("amqp://", "amqp://localhost:5672/%2f"),
            ("amqps://[2001:db8::1]:5/a", "amqps://[2001:db8::1]:5/a"),
        ] {
            assert_eq!(shown(url), expected);
            assert_eq!(format!("{:?}", BrokerUrl::from(url)), format!("BrokerUrl({expected})"));
        }
    }

    #[test]
    fn nothing_of_an_invalid_url_is_shown() {
        for url in [
            "",
            "secret",
            "u:secret@host",
            "amqp:u:secret@host",
            "http://u:secret@host",
            "amqp://u:secret",
            "amqp://u:secret@",
            "amqp://u:secret@[bad",
            "amqp://u:secret@host:port/",
            "amqp://u:1/secret@host/",
            "amqp://u:1?secret@host/",
            "amqp://u:1#secret@host/",
            "amqp://u:1?secret",
            "amqp://u:%ff%secret@host/?heartbeat=x",
            "amqps://u:p@a secret b/",
            "amqp://u:p@host/?auth_mechanism=secret",
        ] {
            let error = error(url);
            let printed = format!("{error} {error:?} {} {:?}", shown(url), BrokerUrl::from(url));
            assert!(!printed.contains("secret"), "{url}: {printed}");
        }
    }

    #[test]
    fn the_parts_of_a_url_are_parsed() {
        let url = "amqps://a%40b:c@[::1]/v?heartbeat=7&connection_timeout=50";
        let address = BrokerUrl::from(url).parse().unwrap();
        assert_eq!(address.uri.authority.userinfo.username, "a@b");
        assert_eq!(address.uri.authority.host, "::1");
        assert_eq!(address.uri.query.heartbeat, Some(7));
        assert_eq!(address.uri.query.connection_timeout, Some(50));
        assert_eq!(address.host_port(), "[::1]:5671");
        assert_eq!(address.server_name, Some(ServerName::try_from("::1").unwrap()));
        assert!(address.has_user && !address.is_external());
        let address = BrokerUrl::from("amqp://:x@h?auth_mechanism=EXTERNAL").parse().unwrap();
        assert!(!address.has_user && address.is_external());
        assert_eq!(address.server_name, None, "there is no certificate to check");
    }

    #[test]
    fn a_query_parameter_without_effect_is_refused() {
        let at = |query: &str| error(&format!("amqps://h/%2f?{query}"));
        assert_eq!(at("verify=verify_none"), InvalidUrl::UnknownParameter);
        assert_eq!(at("heartbeat=1&heartbeat=2"), InvalidUrl::RepeatedParameter("heartbeat"));
        for query in ["heartbeat", "heartbeat=", "heartbeat=65536", "heartbeat=-1"] {
            let number = InvalidUrl::Number { name: "heartbeat", least: 0, most: 65_535 };
            assert_eq!(at(query), number, "{query}");
        }
        assert!(matches!(at("connection_timeout=0"), InvalidUrl::Number { .. }));
        assert_eq!(at("auth_mechanism=none"), InvalidUrl::Mechanism);
        assert_eq!(error("amqps://exa..mple/"), InvalidUrl::Host);
    }

    #[test]
    fn a_list_of_urls_is_split_at_commas() {
        let urls = BrokerUrl::list("amqp://a, amqp://u:p%2cq@b");
        assert_eq!(urls, ["amqp://a".into(), "amqp://u:p%2cq@b".into()]);
        let password = urls[1].parse().unwrap().uri.authority.userinfo.password;
        assert_eq!(password, "p,q");
    }
}

//! Which requests of browsers are accepted. A browser sends requests on behalf of any page that it
//! shows, also to a gateway that only this machine can reach. Without these checks each page that a
//! person visits could submit jobs and read results.
//!
//! Other clients send neither `Origin` nor `Sec-Fetch-Site`, and are not affected.

use std::{net::IpAddr, sync::Arc};

use axum::{
    body::Body,
    extract::Request,
    http::{
        HeaderMap, HeaderValue, Response, StatusCode, Uri,
        header::{HOST, ORIGIN},
        uri::Authority,
    },
    middleware::Next,
    response::IntoResponse,
};

/// The origins of web pages that may call, beside the gateway's own page.
#[derive(Clone, Debug, Default)]
pub enum Origins {
    /// No others: only pages that this gateway served.
    #[default]
    SameOrigin,
    /// These origins.
    List(Vec<HeaderValue>),
    /// Any origin.
    Any,
}

/// What is checked about requests of browsers.
#[derive(Clone, Debug, Default)]
pub struct BrowserPolicy {
    /// The origins whose pages may call.
    pub origins: Origins,
    /// Host names under which browsers may reach the gateway, beside `localhost` and IP addresses.
    pub public_hosts: Vec<String>,
}

/// Why a request of a browser is refused.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Denied {
    /// The page is of another origin.
    Origin,
    /// The request came for a name that is not ours.
    Host,
}

impl BrowserPolicy {
    /// Checks the headers of a request for `host`.
    ///
    /// The host is checked because of DNS rebinding: a page's server can let its own name resolve
    /// to an address in the visitor's network, and then its page is of the same origin as the
    /// gateway. Names of others are therefore refused. An IP address needs no such check, as it
    /// can't be made to resolve to something else.
    fn check(&self, headers: &HeaderMap, host: Option<&Authority>) -> Result<(), Denied> {
        if !may_be_of_browser(headers) {
            return Ok(());
        }
        if !host.is_some_and(|host| self.is_ours(host.host())) {
            return Err(Denied::Host);
        }
        match headers.get(ORIGIN) {
            Some(origin) if !self.allows(origin) && !is_same(origin, host) => Err(Denied::Origin),
            _ => Ok(()),
        }
    }

    fn is_ours(&self, host: &str) -> bool {
        let host = host.trim_end_matches('.').to_ascii_lowercase();
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        bare.parse::<IpAddr>().is_ok()
            || host == "localhost"
            || host.ends_with(".localhost")
            || self.public_hosts.iter().any(|public| public.eq_ignore_ascii_case(&host))
    }

    fn allows(&self, origin: &HeaderValue) -> bool {
        match &self.origins {
            Origins::SameOrigin => false,
            Origins::List(origins) => origins.contains(origin),
            Origins::Any => true,
        }
    }
}

/// Whether a request may be one of a browser. A browser adds one of the two headers to every
/// request of a page.
pub(super) fn may_be_of_browser(headers: &HeaderMap) -> bool {
    headers.contains_key(ORIGIN) || headers.contains_key("sec-fetch-site")
}

/// Whether an origin names the host that the request is for. The scheme is not compared: behind a
/// proxy that ends TLS, the page has `https` and the gateway does not know.
fn is_same(origin: &HeaderValue, host: Option<&Authority>) -> bool {
    let authority = origin.to_str().ok().and_then(|origin| origin.split_once("://"));
    authority
        .zip(host)
        .is_some_and(|((_, origin), host)| origin.eq_ignore_ascii_case(host.as_str()))
}

/// The host that a request is for: `:authority` of HTTP/2, or the header `Host`.
fn host(uri: &Uri, headers: &HeaderMap) -> Option<Authority> {
    uri.authority()
        .cloned()
        .or_else(|| headers.get(HOST).and_then(|host| Authority::try_from(host.as_bytes()).ok()))
}

/// Middleware: answers requests that the policy refuses with 403 and the reason in plain text.
pub(super) async fn check_browser(
    policy: Arc<BrowserPolicy>,
    request: Request,
    next: Next,
) -> Response<Body> {
    let host = host(request.uri(), request.headers());
    let why = match policy.check(request.headers(), host.as_ref()) {
        Ok(()) => return next.run(request).await,
        Err(Denied::Origin) => {
            "pages of this origin may not call the gateway; --allow-origin permits it\n"
        }
        Err(Denied::Host) => {
            "the gateway is not reached by this host name; --public-host permits it\n"
        }
    };
    (StatusCode::FORBIDDEN, why).into_response()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    fn check(policy: &BrowserPolicy, host: &str, origin: Option<&str>) -> Result<(), Denied> {
        let mut headers = HeaderMap::new();
        headers.insert("sec-fetch-site", HeaderValue::from_static("same-origin"));
        if let Some(origin) = origin {
            headers.insert(ORIGIN, HeaderValue::try_from(origin).unwrap());
        }
        policy.check(&headers, Some(&Authority::try_from(host).unwrap()))
    }

    #[test]
    fn other_clients_are_not_checked() {
        let policy = BrowserPolicy::default();
        let host = Authority::from_static("gateway.example");
        assert_eq!(policy.check(&HeaderMap::new(), Some(&host)), Ok(()));
        assert_eq!(policy.check(&HeaderMap::new(), None), Ok(()));
    }

    #[test]
    fn by_default_only_the_gateways_own_page_may_call() {
        let policy = BrowserPolicy::default();
        for host in ["127.0.0.1:50051", "localhost:50051", "[::1]:50051", "a.localhost", "10.1.2.3"]
        {
            assert_eq!(check(&policy, host, None), Ok(()), "{host}");
            assert_eq!(check(&policy, host, Some(&format!("http://{host}"))), Ok(()), "{host}");
            assert_eq!(check(&policy, host, Some(&format!("https://{host}"))), Ok(()), "{host}");
            for other in ["https://evil.example", "http://localhost:8080", "null"] {
                assert_eq!(check(&policy, host, Some(other)), Err(Denied::Origin), "{other}");
            }
        }
    }

    #[test]
    fn a_name_that_is_not_listed_is_refused_even_if_the_origin_is_the_same() {
        let mut policy = BrowserPolicy::default();
        let (host, origin) = ("rebound.example:50051", "http://rebound.example:50051");
        assert_eq!(check(&policy, host, Some(origin)), Err(Denied::Host));
        policy.origins = Origins::Any;
        assert_eq!(check(&policy, host, Some(origin)), Err(Denied::Host));
        policy.public_hosts = vec!["Rebound.example".into()];
        assert_eq!(check(&policy, host, Some(origin)), Ok(()));
    }

    #[test]
    fn listed_origins_may_call() {
        let list = vec![HeaderValue::from_static("https://app.example")];
        let policy = BrowserPolicy { origins: Origins::List(list), ..BrowserPolicy::default() };
        assert_eq!(check(&policy, "localhost:50051", Some("https://app.example")), Ok(()));
        let other = check(&policy, "localhost:50051", Some("https://app.example:8443"));
        assert_eq!(other, Err(Denied::Origin));
    }
}

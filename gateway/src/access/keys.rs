//! The table of keys, client certificates and tenants of a file. Pure.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::Arc,
    time::SystemTime,
};

use super::{
    Caller, Unrecognised,
    key_lines::{CallerLine, Line, Proof, hash, parse_line},
    quotas::Quotas,
    recognised::Recognised,
};
use crate::listener::ClientCertificate;

/// The callers and the tenants of a file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Keys {
    callers: HashMap<Proof, Recognised>,
    tenants: BTreeMap<String, Quotas>,
}

/// An error in a file of keys.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {wrong}")]
pub(crate) struct InvalidKeys {
    /// From 1.
    pub(crate) line: usize,
    /// What is wrong, as text for people. It has no part of a key.
    pub(crate) wrong: String,
}

impl Keys {
    /// Parses a file.
    ///
    /// # Errors
    ///
    /// The first line that does not follow the format, or repeats another.
    pub(crate) fn parse(text: &str) -> Result<Self, InvalidKeys> {
        let mut tenants = BTreeMap::new();
        let mut callers: Vec<(CallerLine, usize)> = Vec::new();
        let mut ids = HashSet::new();
        for (index, text) in text.lines().enumerate() {
            let line = index + 1;
            let at_line = |wrong| InvalidKeys { line, wrong };
            match parse_line(text).map_err(at_line)? {
                None => {}
                Some(Line::Tenant { name, quotas }) => {
                    let earlier = tenants.insert(name.clone(), quotas);
                    if earlier.is_some() {
                        return Err(at_line(format!("tenant {name} is there twice")));
                    }
                }
                Some(Line::Caller(caller)) => {
                    // Of keys and certificates together: a job has the id of its submitter.
                    if !ids.insert(caller.id.clone()) {
                        return Err(at_line(format!("id {} is there twice", caller.id)));
                    }
                    callers.push((caller, line));
                }
            }
        }
        let mut by_proof = HashMap::new();
        for (CallerLine { id, proof, tenant, role, expires, quotas }, line) in callers {
            let tenant_quotas = tenants.get(&tenant).cloned().unwrap_or_default();
            let caller = Caller { key: id, tenant, role, key_quotas: quotas, tenant_quotas };
            let wrong = match &proof {
                Proof::Key(_) => "another key has the same hash",
                Proof::Certificate(_) => "another certificate has the same name",
            };
            if by_proof.insert(proof, Recognised { caller: Arc::new(caller), expires }).is_some() {
                return Err(InvalidKeys { line, wrong: wrong.to_owned() });
            }
        }
        Ok(Self { callers: by_proof, tenants })
    }

    /// Number of keys and certificates.
    pub(crate) fn len(&self) -> usize {
        self.callers.len()
    }

    /// Whether it has client certificates.
    pub(super) fn has_certificates(&self) -> bool {
        self.callers.keys().any(|proof| matches!(proof, Proof::Certificate(_)))
    }

    /// The quotas of a tenant.
    pub(super) fn tenant_quotas(&self, tenant: &str) -> Quotas {
        self.tenants.get(tenant).cloned().unwrap_or_default()
    }

    /// The caller with a key; `None` if no key of the file is this one.
    ///
    /// Found by its hash. How long that takes tells nothing about other keys, because nobody can
    /// choose a key by its hash.
    pub(super) fn by_key(
        &self,
        key: &str,
        now: SystemTime,
    ) -> Result<Option<Recognised>, Unrecognised> {
        let found = self.callers.get(&Proof::Key(hash(key)));
        found.map(|found| found.clone().until(None, now)).transpose()
    }

    /// The caller with a client certificate, which has been verified.
    ///
    /// If its names belong to several callers, it is none of them: the order of lines or names
    /// should not decide who somebody is.
    pub(super) fn by_certificate(
        &self,
        certificate: &ClientCertificate,
        now: SystemTime,
    ) -> Result<Recognised, Unrecognised> {
        let proofs = certificate.names.iter().cloned().map(Proof::Certificate);
        let mut found = proofs.filter_map(|proof| self.callers.get(&proof));
        let first = found.next().ok_or(Unrecognised::Certificate)?;
        if found.any(|other| other.caller.key != first.caller.key) {
            return Err(Unrecognised::Ambiguous);
        }
        // The connection may last longer than the certificate with which it was opened.
        first.clone().until(Some(certificate.not_after), now)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;
    use crate::{
        access::{
            Role,
            key_lines::{hash_text, parse_time},
        },
        listener::CertificateName,
    };

    fn by_key(keys: &Keys, key: &str) -> Option<Arc<Caller>> {
        keys.by_key(key, SystemTime::now()).unwrap().map(|found| found.caller)
    }

    fn line(id: &str, secret: &str, more: &str) -> String {
        format!("key id={id} hash={} tenant=acme role=submit {more}\n", hash_text(&hash(secret)))
    }

    #[test]
    fn a_caller_is_found_by_its_key() {
        let text = format!(
            "# keys\n\n{}tenant name=acme max_live_jobs=7\n{}",
            line("ci", "secret", "max_time_limit=60 requests_per_second=5"),
            line("other", "another", ""),
        );
        let keys = Keys::parse(&text).unwrap();
        assert_eq!(keys.len(), 2);
        let caller = by_key(&keys, "secret").unwrap();
        assert_eq!((caller.key.as_str(), caller.tenant.as_str()), ("ci", "acme"));
        assert_eq!(caller.role, Role::Submit);
        assert_eq!(caller.key_quotas.max_time_limit, Some(Duration::from_secs(60)));
        assert_eq!(caller.key_quotas.requests_per_second, Some(5));
        assert_eq!(caller.tenant_quotas.max_live_jobs, Some(7));
        for wrong in ["", "Secret", "secret ", &hash_text(&hash("secret"))] {
            assert_eq!(by_key(&keys, wrong), None);
        }
    }

    #[test]
    fn a_key_expires() {
        let keys = Keys::parse(&line("ci", "secret", "expires=2030-01-01T00:00:00Z")).unwrap();
        let end = parse_time("2030-01-01T00:00:00Z").unwrap();
        assert!(keys.by_key("secret", end - Duration::from_secs(1)).unwrap().is_some());
        assert_eq!(keys.by_key("secret", end), Err(Unrecognised::Expired));
    }

    #[test]
    fn a_caller_is_found_by_one_name_of_its_certificate() {
        let text = "certificate id=robot dns=Robot.acme.example tenant=acme role=submit\n\
                    certificate id=agent uri=spiffe://acme/agent tenant=acme role=read\n\
                    certificate id=old cn=old tenant=acme role=read expires=2020-01-01T00:00:00Z\n";
        let keys = Keys::parse(text).unwrap();
        assert!(keys.has_certificates() && !Keys::default().has_certificates());
        let now = SystemTime::now();
        let not_after = now + Duration::from_secs(60);
        let by = |names: &[CertificateName], now| {
            let certificate = ClientCertificate { names: names.to_vec(), not_after };
            keys.by_certificate(&certificate, now)
                .map(|found| (found.caller.key.clone(), found.expires))
        };
        let robot = CertificateName::dns("ROBOT.acme.example");
        let agent = CertificateName::Uri("spiffe://acme/agent".to_owned());
        let common = |name: &str| CertificateName::CommonName(name.to_owned());
        let until = Some(not_after);
        assert_eq!(by(&[common("x"), robot.clone()], now), Ok(("robot".to_owned(), until)));
        assert_eq!(by(std::slice::from_ref(&agent), now), Ok(("agent".to_owned(), until)));
        assert_eq!(by(&[robot.clone(), agent], now), Err(Unrecognised::Ambiguous));
        // A name counts only in its own part of the certificate.
        assert_eq!(by(&[common("robot.acme.example")], now), Err(Unrecognised::Certificate));
        assert_eq!(by(&[], now), Err(Unrecognised::Certificate));
        assert_eq!(by(&[common("old")], now), Err(Unrecognised::Expired));
        assert_eq!(by(&[robot], not_after), Err(Unrecognised::Expired));
    }

    #[test]
    fn errors_name_the_line_and_the_field() {
        let good = line("ci", "secret", "");
        let hash = hash_text(&hash("s"));
        for (text, wrong) in [
            (format!("{good}{good}"), "line 2: id ci is there twice"),
            (format!("{good}{}", line("b", "secret", "")), "line 2: another key has the same hash"),
            ("tenant name=a\ntenant name=a".into(), "line 2: tenant a is there twice"),
            (
                format!("{good}certificate id=ci cn=a tenant=a role=read"),
                "line 2: id ci is there twice",
            ),
            (
                "certificate id=a cn=a tenant=a role=read\ncertificate id=b cn=a tenant=a role=read"
                    .into(),
                "line 2: another certificate has the same name",
            ),
            (
                "certificate id=a cn=a dns=a tenant=a role=read".into(),
                "line 1: there must be one of uri, dns and cn",
            ),
            (
                "certificate id=a cn= tenant=a role=read".into(),
                "line 1: there must be one of uri, dns and cn",
            ),
            ("lock id=a".into(), "line 1: the first word must be key, certificate, tenant or #"),
            (
                "key id=a hash=sha256:12 tenant=a role=read".into(),
                "line 1: hash: must be sha256: and 64 hexadecimal digits",
            ),
            (format!("key id=a hash={hash} role=read"), "line 1: tenant is missing"),
            (
                format!("key id=a hash={hash} tenant=a role=root"),
                "line 1: role: \"root\" is not one of the roles read, submit, operate, admin",
            ),
            (format!("key id=a hash={hash} tenant=a role=read x=1"), "line 1: unknown field x"),
            (format!("key id=a id=b hash={hash}"), "line 1: id is there twice"),
            (
                "\ntenant name=a max_live_jobs=-1".into(),
                "line 2: max_live_jobs: must be a whole number",
            ),
            (
                "tenant name=a/b".into(),
                "line 1: name: must have 1 to 63 letters, digits, hyphens, underscores or dots",
            ),
            (
                format!("key id=a hash={hash} tenant=a role=read expires=tomorrow"),
                "line 1: expires: must be a time such as 2030-01-31T00:00:00Z",
            ),
        ] {
            assert_eq!(Keys::parse(&text).unwrap_err().to_string(), wrong, "{text}");
        }
    }

    proptest! {
        #[test]
        fn parsing_any_text_does_not_panic(text in "(key|certificate|tenant|#)?[ -~\n=é]{0,200}") {
            let _: Result<Keys, InvalidKeys> = Keys::parse(&text);
        }
    }
}

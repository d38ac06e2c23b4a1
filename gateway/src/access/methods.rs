//! Which role each method needs.

use super::Role;

/// The methods of `solvemesh.v1.JobService` and the least role for each.
const METHODS: [(&str, Role); 9] = [
    ("SubmitJob", Role::Submit),
    ("Solve", Role::Submit),
    ("WatchResults", Role::Read),
    ("GetJob", Role::Read),
    ("ListJobs", Role::Read),
    // Which jobs a caller may cancel also depends on the job.
    ("CancelJob", Role::Submit),
    ("GetCapabilities", Role::Read),
    ("WatchMesh", Role::Read),
    ("GetUsage", Role::Read),
];

/// What the paths of these methods begin with.
pub(crate) const JOB_SERVICE: &str = "/solvemesh.v1.JobService/";

/// What the paths of health checks begin with.
pub(crate) const HEALTH_CHECKS: &str = "/grpc.health.v1.Health/";

/// The least role that may call a method, by the path of the request; `None` if no credential is
/// needed. A method that is not listed needs the highest role.
pub(crate) fn required_role(path: &str) -> Option<Role> {
    if path.starts_with(HEALTH_CHECKS) {
        return None;
    }
    if path.starts_with("/grpc.reflection.") {
        return Some(Role::Read);
    }
    let method = path.strip_prefix(JOB_SERVICE).unwrap_or_default();
    let listed = METHODS.iter().find(|(name, _)| *name == method);
    Some(listed.map_or(Role::Admin, |(_, role)| *role))
}

/// The method of a path, as a name of bounded number: "other" for what is not of the job service.
pub(crate) fn method_name(path: &str) -> &'static str {
    let method = path.strip_prefix(JOB_SERVICE).unwrap_or_default();
    METHODS.iter().find(|(name, _)| *name == method).map_or("other", |(name, _)| name)
}

/// Whether a call of this path is answered at once, and not by a stream or when a job has finished.
/// The caller of others may lose its rights while they last.
pub(crate) fn is_short(path: &str) -> bool {
    let method = path.strip_prefix(JOB_SERVICE).unwrap_or_default();
    METHODS.iter().any(|(name, _)| *name == method)
        && !["Solve", "WatchResults", "WatchMesh"].contains(&method)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use std::collections::BTreeSet;

    use prost::Message as _;
    use prost_types::FileDescriptorSet;

    use super::*;

    #[test]
    fn every_method_of_the_contract_is_listed() {
        let files = FileDescriptorSet::decode(solvemesh::DESCRIPTORS).unwrap().file;
        let services = files.iter().flat_map(|file| &file.service);
        let service = services.filter(|service| service.name() == "JobService");
        let methods: BTreeSet<_> =
            service.flat_map(|it| &it.method).map(|method| method.name().to_owned()).collect();
        let listed: BTreeSet<_> = METHODS.iter().map(|(name, _)| (*name).to_owned()).collect();
        assert_eq!(methods, listed);
    }

    #[test]
    fn streams_are_not_short() {
        let files = FileDescriptorSet::decode(solvemesh::DESCRIPTORS).unwrap().file;
        let services = files.iter().flat_map(|file| &file.service);
        let service = services.filter(|service| service.name() == "JobService");
        for method in service.flat_map(|it| &it.method) {
            let lasts = method.server_streaming() || method.name() == "Solve";
            assert_eq!(is_short(&format!("{JOB_SERVICE}{}", method.name())), !lasts);
        }
        assert!(!is_short("/grpc.reflection.v1.ServerReflection/ServerReflectionInfo"));
    }

    #[test]
    fn unknown_methods_need_the_highest_role() {
        for path in ["/solvemesh.v1.JobService/Later", "/solvemesh.v1.JobService/", "/x", ""] {
            assert_eq!(required_role(path), Some(Role::Admin), "{path}");
        }
    }

    #[test]
    fn health_checks_need_no_credential() {
        assert_eq!(required_role("/grpc.health.v1.Health/Check"), None);
        let reflection = "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo";
        assert_eq!(required_role(reflection), Some(Role::Read));
    }
}

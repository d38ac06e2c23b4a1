//! Callers, and what their roles allow.

use std::{
    fmt,
    net::SocketAddr,
    str::FromStr,
    sync::{Arc, LazyLock},
    time::Duration,
};

use solvemesh::v1::JobDescription;

use super::quotas::Quotas;

/// What a caller may do. Each role includes the ones before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Role {
    /// Read the jobs of the tenant, and the state of the mesh.
    Read,
    /// Submit jobs, and cancel those.
    Submit,
    /// Cancel all jobs of the tenant.
    Operate,
    /// Read and cancel the jobs of all tenants.
    Admin,
}

impl Role {
    const ALL: [(Self, &'static str); 4] = [
        (Self::Read, "read"),
        (Self::Submit, "submit"),
        (Self::Operate, "operate"),
        (Self::Admin, "admin"),
    ];
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = Self::ALL.iter().find(|(role, _)| role == self).map_or("", |(_, name)| name);
        f.write_str(name)
    }
}

impl FromStr for Role {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let role = Self::ALL.iter().find(|(_, name)| *name == text).map(|(role, _)| *role);
        role.ok_or_else(|| {
            let names = Self::ALL.map(|(_, name)| name).join(", ");
            format!("{text:?} is not one of the roles {names}")
        })
    }
}

/// Someone who calls the API.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Caller {
    /// The id of the credential; empty if callers are not recognised. That of a JSON Web Token
    /// begins with `jwt:`, which no id of a file does, so that nobody gets the name of a key by
    /// choosing a subject.
    pub(crate) key: String,
    /// The tenant; likewise.
    pub(crate) tenant: String,
    pub(crate) role: Role,
    /// The quotas of the credential.
    pub(crate) key_quotas: Quotas,
    /// The quotas of all callers of the tenant together.
    pub(crate) tenant_quotas: Quotas,
}

impl Caller {
    /// Whether a quota of the caller, or of its tenant, limits its jobs.
    pub(crate) fn has_job_quotas(&self) -> bool {
        self.key_quotas.limit_jobs() || self.tenant_quotas.limit_jobs()
    }

    /// The caller where callers are not recognised: may do everything.
    pub(crate) fn anyone() -> Arc<Self> {
        static ANYONE: LazyLock<Arc<Caller>> = LazyLock::new(|| {
            Arc::new(Caller {
                key: String::new(),
                tenant: String::new(),
                role: Role::Admin,
                key_quotas: Quotas::default(),
                tenant_quotas: Quotas::default(),
            })
        });
        ANYONE.clone()
    }

    /// The maximum time limit of the caller's jobs, if it is lower than that of the mesh.
    pub(crate) fn max_time_limit(&self) -> Option<Duration> {
        [&self.key_quotas, &self.tenant_quotas].into_iter().filter_map(|it| it.max_time_limit).min()
    }

    /// Whether two callers are the same and may do the same, apart from quotas.
    pub(crate) fn has_rights_of(&self, other: &Self) -> bool {
        (&self.key, &self.tenant, self.role) == (&other.key, &other.tenant, other.role)
    }

    /// Whether the caller may know that a job exists.
    pub(crate) fn may_see(&self, job: &JobDescription) -> bool {
        self.may_see_jobs_of(&job.tenant)
    }

    /// Whether the caller may know that a tenant's jobs exist.
    pub(crate) fn may_see_jobs_of(&self, tenant: &str) -> bool {
        self.role == Role::Admin || *tenant == *self.tenant
    }

    /// Whether the caller may cancel a job that it may see.
    pub(crate) fn may_cancel(&self, job: &JobDescription) -> bool {
        self.role >= Role::Operate || (self.role == Role::Submit && job.submitter == self.key)
    }
}

/// Who sent a request, and from where.
#[derive(Clone, Debug)]
pub(crate) struct Origin {
    pub(crate) caller: Arc<Caller>,
    /// The address of the connection: that of a proxy, if there is one.
    pub(crate) peer: Option<SocketAddr>,
}

impl Origin {
    /// The address as it is logged.
    pub(crate) fn peer(&self) -> String {
        self.peer.map(|peer| peer.to_string()).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn caller(role: Role, tenant: &str, key: &str) -> Caller {
        Caller { key: key.into(), tenant: tenant.into(), role, ..(*Caller::anyone()).clone() }
    }

    fn job(tenant: &str, submitter: &str) -> JobDescription {
        JobDescription {
            tenant: tenant.into(),
            submitter: submitter.into(),
            ..JobDescription::default()
        }
    }

    #[test]
    fn only_an_admin_sees_the_jobs_of_other_tenants() {
        let (own, other, unnamed) = (job("a", "k"), job("b", "k"), job("", ""));
        for role in [Role::Read, Role::Submit, Role::Operate] {
            let caller = caller(role, "a", "k");
            assert!(caller.may_see(&own));
            assert!(!caller.may_see(&other) && !caller.may_see(&unnamed), "{role}");
        }
        let admin = caller(Role::Admin, "a", "k");
        assert!([own, other, unnamed].iter().all(|job| admin.may_see(job)));
    }

    #[test]
    fn a_submitter_cancels_its_own_jobs_and_an_operator_all() {
        let (own, other) = (job("a", "k"), job("a", "l"));
        let cancels = |role| {
            let caller = caller(role, "a", "k");
            (caller.may_cancel(&own), caller.may_cancel(&other))
        };
        assert_eq!(cancels(Role::Read), (false, false));
        assert_eq!(cancels(Role::Submit), (true, false));
        assert_eq!(cancels(Role::Operate), (true, true));
        assert_eq!(cancels(Role::Admin), (true, true));
    }

    #[test]
    fn roles_have_names() {
        for (role, name) in Role::ALL {
            assert_eq!(role.to_string(), name);
            assert_eq!(name.parse(), Ok(role));
        }
        assert!("root".parse::<Role>().is_err());
    }
}

//! Users of the broker with the rights that `scripts/broker-users` gives them.

use std::{
    env, fs,
    path::Path,
    process::{Command, Stdio},
};

use super::node::RabbitNode;

/// If this is set to 1, every virtual host gets the users of [`RabbitNode::add_users`], and
/// [`Role::own_url`] chooses them.
const FOR_ALL: &str = "SOLVEMESH_BROKER_USERS";

/// The password of all of them: nodes listen on the loopback alone.
const PASSWORD: &str = "secret";

/// The user with which tests connect otherwise.
const GUEST: &str = "guest:guest@";

/// A program that connects to the broker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// A gateway.
    Gateway,
    /// A worker.
    Worker,
}

impl Role {
    fn user(self, vhost: &str) -> String {
        match self {
            Self::Gateway => format!("{vhost}-gateway"),
            Self::Worker => format!("{vhost}-worker"),
        }
    }

    /// The URLs of a virtual host, separated by commas, with this role's user in place of the one
    /// with all rights. The virtual host must have users.
    pub fn url(self, urls: &str) -> String {
        let with_user = |url: &str| {
            let vhost = url.rsplit('/').next().unwrap_or_default();
            let vhost = vhost.split('?').next().unwrap_or_default();
            url.replace(GUEST, &format!("{}:{PASSWORD}@", self.user(vhost)))
        };
        urls.split(',').map(with_user).collect::<Vec<_>>().join(",")
    }

    /// As [`url`](Self::url) if `SOLVEMESH_BROKER_USERS=1`; otherwise the URLs as they are.
    pub fn own_url(self, urls: &str) -> String {
        if for_all() { self.url(urls) } else { urls.to_owned() }
    }
}

/// Whether all virtual hosts have users.
pub(super) fn for_all() -> bool {
    env::var(FOR_ALL).is_ok_and(|value| value == "1")
}

impl RabbitNode {
    /// Creates the users of a virtual host, by `scripts/broker-users`.
    ///
    /// # Panics
    ///
    /// When that fails.
    pub async fn add_users(&self, vhost: &str) {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scripts/broker-users");
        let passwords = self.folder().join("passwords");
        fs::create_dir_all(&passwords).expect("a folder");
        let [gateway, worker] = [Role::Gateway, Role::Worker].map(|role| role.user(vhost));
        for user in [&gateway, &worker] {
            fs::write(passwords.join(user), PASSWORD).expect("a file in it");
        }
        let mut command = Command::new(script);
        self.surround(&mut command);
        command
            .args(["--vhost", vhost, "--gateway", &gateway, "--worker", &worker, "--passwords"])
            .arg(&passwords)
            .stdin(Stdio::null());
        let ended = tokio::process::Command::from(command).output().await.expect("a shell");
        let errors = String::from_utf8_lossy(&ended.stderr);
        assert!(ended.status.success(), "broker-users: {errors}");
    }
}

//! Nodes with a TLS listener beside the plain one.

use std::path::PathBuf;

use super::node::RabbitNode;

/// The plugin for SASL EXTERNAL.
const PLUGIN: &str = "rabbitmq_auth_mechanism_ssl";

/// The TLS listener of a node.
#[derive(Clone, Debug)]
pub struct Tls {
    /// The folder of its files: `ca.pem`, the CA of the clients; `cert.pem` and `key.pem`, the
    /// server certificate. They are read when the node starts.
    pub folder: PathBuf,
    /// Whether clients need a certificate. Its common name is then a login (SASL EXTERNAL).
    pub mutual: bool,
}

impl Tls {
    fn configuration(&self, port: u16) -> String {
        let file = |name: &str| self.folder.join(name).display().to_string();
        let (ca, cert, key) = (file("ca.pem"), file("cert.pem"), file("key.pem"));
        let verify = if self.mutual { "verify_peer" } else { "verify_none" };
        let external = if self.mutual {
            "auth_mechanisms.1 = EXTERNAL\nauth_mechanisms.2 = PLAIN\n\
             ssl_cert_login_from = common_name\n"
        } else {
            ""
        };
        format!(
            "listeners.ssl.1 = 127.0.0.1:{port}\n\
             ssl_options.cacertfile = {ca}\n\
             ssl_options.certfile = {cert}\n\
             ssl_options.keyfile = {key}\n\
             ssl_options.verify = {verify}\n\
             ssl_options.fail_if_no_peer_cert = {}\n{external}",
            self.mutual
        )
    }
}

impl RabbitNode {
    /// Starts a node with a TLS listener.
    ///
    /// # Panics
    ///
    /// When RabbitMQ is not installed, or does not start.
    pub async fn start_with_tls(tls: &Tls) -> Self {
        Self::start_as(|node| {
            node.configure(&tls.configuration(node.tls_port()));
            if tls.mutual {
                node.enable(PLUGIN);
            }
        })
        .await
    }

    /// The `amqps://` URL of a virtual host; `user` as in `guest:guest@`, or empty.
    pub fn amqps_url(&self, user: &str, vhost: &str) -> String {
        let port = self.tls_port();
        format!("amqps://{user}localhost:{port}/{}", vhost.replace('/', "%2f"))
    }

    /// Adds a user with all permissions in a virtual host.
    pub async fn add_user(&self, name: &str, password: &str, vhost: &str) {
        self.eval(&format!(
            r#"ok = rabbit_auth_backend_internal:add_user(<<"{name}">>, <<"{password}">>, <<"test">>),
            ok = rabbit_auth_backend_internal:set_permissions(
                <<"{name}">>, <<"{vhost}">>, <<".*">>, <<".*">>, <<".*">>, <<"test">>)."#
        ))
        .await;
    }

    /// The open connections, each as "USER MECHANISM TLS".
    pub async fn logins(&self) -> Vec<String> {
        let list = ["list_connections", "--no-table-headers", "user", "auth_mechanism", "ssl"];
        let listed = self.rabbitmqctl(&list).await;
        listed.lines().map(|line| line.replace('\t', " ")).collect()
    }
}

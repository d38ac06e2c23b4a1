//! Connections to `amqps://` URLs are encrypted and the broker verified, or they fail.

use std::{
    fs,
    net::{Ipv4Addr, SocketAddr},
    path::PathBuf,
    sync::{Arc, Mutex},
    time::Duration,
};

use solvemesh::broker::v1::JobEnvelope;
use solvemesh_broker::{AmqpConfig, AmqpMesh, Health, Identity, Lane, Mesh, MeshError, TlsFiles};
use solvemesh_testkit::certificates::Authority;
use solvemesh_testkit::rabbit::{RabbitNode, Tls};
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
    sync::OnceCell,
    time,
};

/// A timeout that is longer than any answer takes on a busy machine.
const TIMEOUT: Duration = Duration::from_secs(60);
const PASSWORD: &str = "sesame-open";
/// A `connection.start` frame that offers PLAIN.
const START: &[u8] =
    b"\x01\0\0\0\0\0\x1c\0\x0a\0\x0a\0\x09\0\0\0\0\0\0\0\x05PLAIN\0\0\0\x05en_US\xce";

/// A folder with the certificate files of the server or the client.
struct Folder(TempDir);

impl Folder {
    fn new() -> Self {
        Self(TempDir::new().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn trust(&self, authority: &Authority) {
        fs::write(self.path("ca.pem"), authority.pem()).unwrap();
    }

    fn ca(&self) -> TlsFiles {
        TlsFiles { ca: Some(self.path("ca.pem")), identity: None }
    }

    fn ca_and_identity(&self) -> TlsFiles {
        let identity = Identity { cert: self.path("cert.pem"), key: self.path("key.pem") };
        TlsFiles { identity: Some(identity), ..self.ca() }
    }
}

/// A node whose certificate is for localhost, and its CA; shared by the tests.
struct Shared {
    node: RabbitNode,
    authority: Authority,
    _folder: Folder,
}

async fn shared() -> &'static Shared {
    static SHARED: OnceCell<Shared> = OnceCell::const_new();
    SHARED
        .get_or_init(|| async {
            let (authority, folder) = (Authority::new("ours"), Folder::new());
            folder.trust(&authority);
            authority.server(&["localhost"]).write(folder.0.path());
            let tls = Tls { folder: folder.0.path().to_owned(), mutual: false };
            let node = RabbitNode::start_with_tls(&tls).await;
            node.add_user("alice", PASSWORD, "/").await;
            Shared { node, authority, _folder: folder }
        })
        .await
}

impl Shared {
    fn url(&self) -> String {
        self.node.amqps_url(&format!("alice:{PASSWORD}@"), "/")
    }
}

fn config(url: &str, tls: TlsFiles) -> AmqpConfig {
    AmqpConfig { tls, ..AmqpConfig::new(url) }
}

async fn within<T>(what: &str, future: impl Future<Output = T>) -> T {
    time::timeout(TIMEOUT, future).await.unwrap_or_else(|_| panic!("timed out: {what}"))
}

/// Opens a mesh and returns the first error of its connections.
async fn refused(url: &str, tls: TlsFiles) -> String {
    let mesh = AmqpMesh::open(config(url, tls)).unwrap();
    let error = connection_error(&mesh, "").await;
    assert!(!error.contains(PASSWORD), "{error}");
    error
}

/// Waits until the connections of a mesh fail with an error that contains `text`.
async fn connection_error(mesh: &AmqpMesh, text: &str) -> String {
    let mut health = mesh.health();
    let failed = |health: &Health| match health {
        Health::Disconnected { error } => {
            !error.contains("not connected yet") && error.contains(text)
        }
        Health::Ready => panic!("it is connected"),
        Health::Blocked { .. } => false,
    };
    let health = within("an error", health.wait_for(failed)).await.unwrap().clone();
    match health {
        Health::Disconnected { error } => error,
        other => panic!("{other:?}"),
    }
}

/// Sends a job through the mesh.
async fn assert_usable(mesh: &AmqpMesh) {
    let lane: Lane = Lane::STANDARD.parse().unwrap();
    let job = JobEnvelope { job_id: "a".to_owned(), ..JobEnvelope::default() };
    within("enqueueing", mesh.enqueue(&lane, &job)).await.unwrap();
    let mut jobs = mesh.consume(&lane, 1).await.unwrap();
    let delivery = within("a job", jobs.next()).await.unwrap();
    delivery.lease.ack().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_certificate_of_the_given_ca_is_accepted() {
    let (shared, files) = (shared().await, Folder::new());
    files.trust(&shared.authority);
    let mesh = AmqpMesh::connect(config(&shared.url(), files.ca())).await.unwrap();
    assert_usable(&mesh).await;
    let logins = shared.node.logins().await;
    assert!(logins.iter().any(|login| login == "alice PLAIN true"), "{logins:?}");
    assert!(logins.iter().all(|login| login.ends_with(" true")), "{logins:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_password_over_tls_is_reported_as_such() {
    let (shared, files) = (shared().await, Folder::new());
    files.trust(&shared.authority);
    let url = shared.node.amqps_url("alice:wrong-one@", "/");
    let refused = AmqpMesh::connect(config(&url, files.ca())).await.unwrap_err();
    assert!(matches!(refused, MeshError::Refused(_)), "{refused:?}");
    assert!(!refused.to_string().contains("wrong-one"), "{refused}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_certificate_of_another_ca_is_refused() {
    let (shared, files) = (shared().await, Folder::new());
    files.trust(&Authority::new("not ours"));
    let error = refused(&shared.url(), files.ca()).await;
    assert!(error.contains("TLS failed") && error.contains("UnknownIssuer"), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_certificate_for_another_host_is_refused() {
    let (shared, files) = (shared().await, Folder::new());
    files.trust(&shared.authority);
    let url = shared.url().replace("@localhost:", "@127.0.0.1:");
    let error = refused(&url, files.ca()).await;
    assert!(
        error.contains("not for the host of the URL") && error.contains("localhost"),
        "{error}"
    );
}

/// Accepts connections like a broker without TLS, and records what it receives.
async fn plain_listener() -> (SocketAddr, Arc<Mutex<Vec<u8>>>) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    let received = Arc::new(Mutex::new(Vec::new()));
    let record = Arc::clone(&received);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let record = Arc::clone(&record);
            tokio::spawn(async move {
                stream.write_all(START).await?;
                let mut buffer = [0; 4096];
                loop {
                    match stream.read(&mut buffer).await? {
                        0 => return Ok::<_, std::io::Error>(()),
                        count => record.lock().unwrap().extend(&buffer[..count]),
                    }
                }
            });
        }
    });
    (address, received)
}

fn has(received: &Mutex<Vec<u8>>, word: &str) -> bool {
    received.lock().unwrap().windows(word.len()).any(|at| at == word.as_bytes())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_plain_listener_behind_amqps_never_receives_the_credentials() {
    let (files, user) = (Folder::new(), "alice-who-connects");
    files.trust(&Authority::new("ours"));
    let (address, received) = plain_listener().await;
    let url = format!("amqps://{user}:{PASSWORD}@{address}/%2f");
    let mesh = AmqpMesh::open(config(&url, files.ca())).unwrap();
    let error = connection_error(&mesh, "").await;
    assert!(error.contains("does not speak TLS") && !error.contains(PASSWORD), "{error}");
    // The retries fail in the same way.
    for _ in 0..3 {
        let attempt = received.lock().unwrap().len();
        within("another attempt", async {
            while received.lock().unwrap().len() == attempt {
                time::sleep(Duration::from_millis(10)).await;
            }
        })
        .await;
    }
    drop(mesh);
    assert!(!has(&received, user) && !has(&received, PASSWORD));
    assert!(!has(&received, "AMQP"), "not even the AMQP header");

    // Control: with amqp://, the same listener does receive them.
    let mesh = AmqpMesh::open(config(&url.replace("amqps", "amqp"), TlsFiles::default())).unwrap();
    within("the password", async {
        while !has(&received, PASSWORD) {
            time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await;
    assert!(has(&received, user));
    drop(mesh);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_plain_port_of_a_broker_is_refused_behind_amqps() {
    let (shared, files) = (shared().await, Folder::new());
    files.trust(&shared.authority);
    let port = shared.node.address().port();
    let error =
        refused(&format!("amqps://alice:{PASSWORD}@localhost:{port}/%2f"), files.ca()).await;
    assert!(error.contains("does not speak TLS"), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_untrusted_node_of_a_cluster_is_skipped() {
    let (shared, files) = (shared().await, Folder::new());
    files.trust(&shared.authority);
    let (stranger, received) = plain_listener().await;
    let stranger = format!("amqps://alice:{PASSWORD}@{stranger}/%2f");
    for urls in [[&stranger, &shared.url()], [&shared.url(), &stranger]] {
        let urls = urls.map(String::as_str).join(",");
        assert_usable(&AmqpMesh::connect(config(&urls, files.ca())).await.unwrap()).await;
    }
    assert!(!has(&received, PASSWORD));
}

/// A node that requires client certificates, its CA, and the folders of server and client.
async fn mutual() -> (RabbitNode, Authority, [Folder; 2]) {
    let authority = Authority::new("ours");
    let (server, client) = (Folder::new(), Folder::new());
    server.trust(&authority);
    client.trust(&authority);
    authority.server(&["localhost"]).write(server.0.path());
    authority.client("solver").write(client.0.path());
    let tls = Tls { folder: server.0.path().to_owned(), mutual: true };
    let node = RabbitNode::start_with_tls(&tls).await;
    node.add_user("solver", "of no use", "/").await;
    (node, authority, [server, client])
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_mutual_tls_the_certificate_is_the_login() {
    let (node, authority, [_server, client]) = mutual().await;
    let mesh = AmqpMesh::connect(config(&node.amqps_url("", "/"), client.ca_and_identity()));
    let mesh = mesh.await.unwrap();
    assert_usable(&mesh).await;
    assert_eq!(node.logins().await, ["solver EXTERNAL true"; 2]);
    mesh.close(TIMEOUT).await;

    // A user name or a mechanism in the URL takes precedence.
    let url = node.amqps_url("guest:guest@", "/");
    let mesh = AmqpMesh::connect(config(&url, client.ca_and_identity())).await.unwrap();
    let logins = node.logins().await;
    assert!(logins.contains(&"guest PLAIN true".to_owned()), "{logins:?}");
    drop(mesh);
    let url = format!("{url}?auth_mechanism=external");
    let mesh = AmqpMesh::connect(config(&url, client.ca_and_identity())).await.unwrap();
    let logins = node.logins().await;
    assert!(logins.contains(&"solver EXTERNAL true".to_owned()), "{logins:?}");
    drop(mesh);

    let error = refused(&url.replace("?auth_mechanism=external", ""), client.ca()).await;
    assert!(error.contains("TLS failed") && error.contains("--amqp-cert"), "{error}");

    Authority::new("not ours").client("solver").write(client.0.path());
    let error = refused(&node.amqps_url("", "/"), client.ca_and_identity()).await;
    assert!(error.contains("rejected the certificate of --amqp-cert"), "{error}");

    authority.client("nobody").write(client.0.path());
    let nobody = AmqpMesh::connect(config(&node.amqps_url("", "/"), client.ca_and_identity()));
    let refused = nobody.await.unwrap_err();
    assert!(matches!(refused, MeshError::Refused(_)), "{refused:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rotated_files_are_used_by_the_next_connection() {
    let (node, _, [server, client]) = mutual().await;
    let mesh = AmqpMesh::connect(config(&node.amqps_url("", "/"), client.ca_and_identity()));
    let mesh = mesh.await.unwrap();

    let next = Authority::new("the next");
    node.stop();
    server.trust(&next);
    next.server(&["localhost"]).write(server.0.path());
    node.restart().await;
    connection_error(&mesh, "UnknownIssuer").await;
    client.trust(&next);
    connection_error(&mesh, "rejected the certificate of --amqp-cert").await;
    // An invalid file is reported at a reconnect, and read again at the next.
    fs::remove_file(client.path("key.pem")).unwrap();
    let error = connection_error(&mesh, "--amqp-key").await;
    assert!(error.contains("No such file"), "{error}");
    next.client("solver").write(client.0.path());
    let mut health = mesh.health();
    within("a connection", health.wait_for(|health| *health == Health::Ready)).await.unwrap();
    assert_usable(&mesh).await;
    assert_eq!(node.logins().await, ["solver EXTERNAL true"; 2]);
}

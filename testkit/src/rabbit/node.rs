//! A single private RabbitMQ node.

use std::{
    env,
    fs::{self, File},
    net::{Ipv4Addr, SocketAddr},
    os::unix::process::CommandExt as _,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    sync::OnceCell,
    time,
};

use super::{
    home::{Home, free_ports},
    users,
};

/// Names the folder with the scripts of another RabbitMQ, as `scripts/rabbitmq` prints it.
const OTHER_SCRIPTS: &str = "SOLVEMESH_RABBITMQ";
/// The folder of the scripts in Debian's package. Those in `/usr/sbin` switch to another user.
const SCRIPTS: &str = "/usr/lib/rabbitmq/bin";
/// How long a node may take to start on a busy machine.
const BOOT_TIMEOUT: Duration = Duration::from_secs(90);
/// The interval at which a starting node is polled.
const CHECK_INTERVAL: Duration = Duration::from_millis(100);
/// The maximum number of attempts to start a node. Each uses other ports, as another process may
/// take a free port before the node does.
const MAX_STARTS: u32 = 3;
/// The configuration of every node. The low limit allows tests on a small disk.
const CONFIGURATION: &str = "disk_free_limit.absolute = 50MB\nlog.file.level = warning\n";

/// A RabbitMQ node. It is killed when it is dropped.
#[derive(Debug)]
pub struct RabbitNode {
    home: Arc<Home>,
    folder: PathBuf,
    name: String,
    amqp: u16,
    /// The port of the TLS listener, if it has one.
    tls: u16,
    dist: u16,
    /// The process of the node while it is running.
    server: Mutex<Option<Child>>,
    vhosts: AtomicU32,
}

/// A virtual host for one test.
#[derive(Clone, Debug)]
pub struct Vhost {
    url: String,
    name: String,
}

impl Vhost {
    pub(super) fn new(url: String, name: String) -> Self {
        Self { url, name }
    }

    /// The URL for AMQP clients; on a cluster one per node, separated by commas.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The name, for `rabbitmqctl -p`.
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl RabbitNode {
    /// The node that all tests of this process share, started on first use. Tests must not stop it.
    pub async fn shared() -> &'static Self {
        static SHARED: OnceCell<RabbitNode> = OnceCell::const_new();
        SHARED.get_or_init(Self::start).await
    }

    /// Starts a node, and waits until it accepts connections.
    ///
    /// # Panics
    ///
    /// When RabbitMQ is not installed, or does not start.
    pub async fn start() -> Self {
        Self::start_with("").await
    }

    /// Starts a node with additional lines in its `rabbitmq.conf`.
    ///
    /// # Panics
    ///
    /// When RabbitMQ is not installed, or does not start.
    pub async fn start_with(configuration: &str) -> Self {
        Self::start_as(|node| node.configure(configuration)).await
    }

    /// Starts a node after `prepare` has configured it.
    pub(super) async fn start_as(prepare: impl Fn(&Self)) -> Self {
        for attempt in 1.. {
            let node = Self::settle(Arc::new(Home::new()));
            prepare(&node);
            node.launch();
            match node.ready().await {
                Ok(()) => return node,
                Err(why) if attempt == MAX_STARTS => panic!("RabbitMQ does not start: {why}"),
                Err(why) => eprintln!("RabbitMQ did not start, retrying: {why}"),
            }
        }
        unreachable!("the loop returns or panics")
    }

    /// Creates a node with a name, ports and a folder, without launching it.
    pub(super) fn settle(home: Arc<Home>) -> Self {
        let server = scripts().join("rabbitmq-server");
        assert!(
            server.exists(),
            "{} is missing: scripts/setup test installs RabbitMQ, or scripts/rabbitmq another one",
            server.display()
        );
        let [amqp, tls, dist] = free_ports();
        let folder = home.folder().join(amqp.to_string());
        fs::create_dir(&folder).expect("a folder in the home");
        fs::write(folder.join("plugins"), "[].").expect("a file in it");
        let name = format!("solvemesh-{amqp}@localhost");
        let (server, vhosts) = (Mutex::new(None), AtomicU32::new(0));
        Self { home, folder, name, amqp, tls, dist, server, vhosts }
    }

    /// Writes the configuration. To be called before the node is launched.
    pub(super) fn configure(&self, configuration: &str) {
        let whole = [CONFIGURATION, configuration].concat();
        fs::write(self.folder.join("rabbitmq.conf"), whole).expect("a file in the folder");
    }

    /// Enables a plugin. To be called before the node is launched.
    pub(super) fn enable(&self, plugin: &str) {
        fs::write(self.folder.join("plugins"), format!("[{plugin}].")).expect("a file in it");
    }

    pub(super) fn tls_port(&self) -> u16 {
        self.tls
    }

    pub(super) fn launch(&self) {
        let log = || File::create(self.folder.join("output")).expect("a file in the folder");
        let server = self
            .script("rabbitmq-server")
            .stdin(Stdio::null())
            .stdout(log())
            .stderr(log())
            .process_group(0)
            .spawn()
            .expect("rabbitmq-server");
        fs::write(self.folder.join("node.pid"), server.id().to_string())
            .expect("a file in the folder");
        *self.server() = Some(server);
    }

    /// Waits until the node answers an AMQP protocol header.
    async fn ready(&self) -> Result<(), String> {
        let deadline = Instant::now() + BOOT_TIMEOUT;
        while !speaks_amqp(self.address()).await {
            let exited = self.server().as_mut().map(Child::try_wait);
            if let Some(Ok(Some(status))) = exited {
                let output = fs::read_to_string(self.folder.join("output")).unwrap_or_default();
                return Err(format!("it exited with {status}: {output}"));
            }
            if Instant::now() > deadline {
                return Err(format!("no answer within {BOOT_TIMEOUT:?}"));
            }
            time::sleep(CHECK_INTERVAL).await;
        }
        if self.home.knows(self.name.split('@').next().unwrap_or_default()) {
            Ok(())
        } else {
            Err("it is not registered at its epmd, so rabbitmqctl would not find it".to_owned())
        }
    }

    /// Waits until the launched node accepts connections.
    pub(super) async fn await_ready(&self) {
        if let Err(why) = self.ready().await {
            panic!("RabbitMQ does not start: {why}");
        }
    }

    /// The name of the Erlang node.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The address of its AMQP listener.
    pub fn address(&self) -> SocketAddr {
        SocketAddr::from((Ipv4Addr::LOCALHOST, self.amqp))
    }

    /// The URL of a virtual host; `/` always exists.
    pub fn amqp_url(&self, vhost: &str) -> String {
        amqp_url(self.address(), vhost)
    }

    /// Creates a virtual host.
    pub async fn vhost(&self) -> Vhost {
        let name = format!("test-{}", self.vhosts.fetch_add(1, Ordering::Relaxed));
        self.add_vhost(&name).await;
        Vhost::new(self.amqp_url(&name), name)
    }

    pub(super) async fn add_vhost(&self, name: &str) {
        // In one call of rabbitmqctl instead of two, as each takes a second.
        let make = format!(
            r#"ok = rabbit_vhost:add(<<"{name}">>, <<"test">>),
            ok = rabbit_auth_backend_internal:set_permissions(
                <<"guest">>, <<"{name}">>, <<".*">>, <<".*">>, <<".*">>, <<"test">>)."#
        );
        self.eval(&make).await;
        if users::for_all() {
            self.add_users(name).await;
        }
    }

    /// Evaluates an Erlang expression on the node, and returns what it prints.
    ///
    /// # Panics
    ///
    /// When it fails.
    pub async fn eval(&self, erlang: &str) -> String {
        self.rabbitmqctl(&["eval", erlang]).await
    }

    /// Runs `rabbitmqctl` on the node, and returns what it prints.
    ///
    /// # Panics
    ///
    /// When it fails.
    pub async fn rabbitmqctl(&self, arguments: &[&str]) -> String {
        let mut command = self.script("rabbitmqctl");
        command.arg("--quiet").args(["--node", &self.name]).args(arguments).stdin(Stdio::null());
        let output =
            tokio::process::Command::from(command).output().await.expect("rabbitmqctl starts");
        let printed = String::from_utf8_lossy(&output.stdout).into_owned();
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "rabbitmqctl {arguments:?}: {printed}{errors}");
        printed
    }

    /// Kills the node (SIGKILL), and waits until it has exited.
    pub fn kill9(&self) {
        self.signal("KILL");
    }

    /// Shuts the node down (SIGTERM), and waits until it has exited.
    pub fn stop(&self) {
        self.signal("TERM");
    }

    /// Starts the node again, with the same ports and data, and waits until it accepts
    /// connections.
    ///
    /// # Panics
    ///
    /// When it does not start.
    pub async fn restart(&self) {
        self.launch();
        self.await_ready().await;
    }

    fn signal(&self, signal: &str) {
        let mut server = self.server().take().expect("it runs");
        assert!(send(signal, &server), "the node can't be signalled");
        server.wait().expect("the node exits");
        fs::remove_file(self.folder.join("node.pid")).expect("its pid file");
    }

    /// A command for a script of RabbitMQ on this node.
    fn script(&self, script: &str) -> Command {
        let mut command = Command::new(scripts().join(script));
        self.surround(&mut command);
        command
    }

    /// Sets the environment of a command, so that RabbitMQ's scripts use this node, and no other
    /// RabbitMQ of the machine.
    pub(super) fn surround(&self, command: &mut Command) {
        let in_folder = |name: &str| self.folder.join(name);
        let loopback = "-kernel inet_dist_use_interface {127,0,0,1}";
        command
            .current_dir(&self.folder)
            .env("RABBITMQCTL", scripts().join("rabbitmqctl"))
            .env("HOME", self.home.folder())
            .env("ERL_EPMD_PORT", self.home.epmd_port().to_string())
            .env("ERL_EPMD_ADDRESS", "127.0.0.1")
            .env("RABBITMQ_NODENAME", &self.name)
            .env("RABBITMQ_NODE_PORT", self.amqp.to_string())
            .env("RABBITMQ_NODE_IP_ADDRESS", "127.0.0.1")
            .env("RABBITMQ_DIST_PORT", self.dist.to_string())
            .env("RABBITMQ_MNESIA_BASE", in_folder("mnesia"))
            .env("RABBITMQ_LOG_BASE", in_folder("log"))
            .env("RABBITMQ_CONFIG_FILE", in_folder("rabbitmq.conf"))
            .env("RABBITMQ_CONF_ENV_FILE", in_folder("none"))
            .env("RABBITMQ_ENABLED_PLUGINS_FILE", in_folder("plugins"))
            .env("RABBITMQ_PID_FILE", in_folder("pid"))
            .env("RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS", loopback)
            .env("RABBITMQ_CTL_ERL_ARGS", loopback)
            // The default range has eleven ports for all calls on this machine, which is too few
            // for tests in parallel.
            .env("RABBITMQ_CTL_DIST_PORT_MIN", "21000")
            .env("RABBITMQ_CTL_DIST_PORT_MAX", "22000");
    }

    /// The folder of its files.
    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    fn server(&self) -> MutexGuard<'_, Option<Child>> {
        self.server.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for RabbitNode {
    fn drop(&mut self) {
        if let Some(mut server) = self.server().take() {
            // Fails if the node has exited by itself, which does no harm.
            send("KILL", &server);
            let _ = server.wait();
        }
    }
}

/// The folder of RabbitMQ's scripts.
fn scripts() -> PathBuf {
    let other = env::var_os(OTHER_SCRIPTS).filter(|folder| !folder.is_empty());
    other.map_or_else(|| SCRIPTS.into(), PathBuf::from)
}

/// Sends a signal to a node; `false` if its process does not exist.
fn send(signal: &str, server: &Child) -> bool {
    // The process is a script that waits for the node. KILL has to reach the whole process group;
    // other signals are forwarded by the script.
    let group = if signal == "KILL" { "-" } else { "" };
    Command::new("sh")
        .args(["-c", &format!("kill -s {signal} -- {group}{}", server.id())])
        .status()
        .expect("a shell")
        .success()
}

/// The URL of a virtual host of the broker at `address`.
pub fn amqp_url(address: SocketAddr, vhost: &str) -> String {
    format!("amqp://guest:guest@{address}/{}", vhost.replace('/', "%2f"))
}

/// Whether an AMQP server answers at `address`.
async fn speaks_amqp(address: SocketAddr) -> bool {
    let greeting = async {
        let mut stream = TcpStream::connect(address).await?;
        stream.write_all(b"AMQP\0\0\x09\x01").await?;
        stream.read_u8().await
    };
    matches!(time::timeout(Duration::from_secs(5), greeting).await, Ok(Ok(_)))
}

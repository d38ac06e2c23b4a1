//! One node.

use std::{
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

use super::home::{Home, free_ports};

/// Where Debian's package puts the scripts; those in `/usr/sbin` change the user.
const SCRIPTS: &str = "/usr/lib/rabbitmq/bin";
/// How long a node may take to come up on a busy machine.
const BOOT: Duration = Duration::from_secs(90);
/// How often to look whether it has.
const LOOK: Duration = Duration::from_millis(100);
/// How often to try with other ports, should someone take ours in between.
const STARTS: u32 = 3;
/// Enough for tests on a small disk.
const CONFIGURATION: &str = "disk_free_limit.absolute = 50MB\nlog.file.level = warning\n";

/// A broker of the test's own.
#[derive(Debug)]
pub struct RabbitNode {
    home: Arc<Home>,
    folder: PathBuf,
    name: String,
    amqp: u16,
    /// The port of the TLS listener, if it has one.
    tls: u16,
    dist: u16,
    /// The node, while it runs.
    server: Mutex<Option<Child>>,
    vhosts: AtomicU32,
}

/// A virtual host of the test's own.
#[derive(Clone, Debug)]
pub struct Vhost {
    url: String,
    name: String,
}

impl Vhost {
    pub(super) fn new(url: String, name: String) -> Self {
        Self { url, name }
    }

    /// The URL for AMQP clients; on a cluster one a node, separated by commas.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Its name, for `rabbitmqctl -p`.
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl RabbitNode {
    /// The node of this process, started by the first who asks. No one may kill it.
    pub async fn shared() -> &'static Self {
        static SHARED: OnceCell<RabbitNode> = OnceCell::const_new();
        SHARED.get_or_init(Self::start).await
    }

    /// Starts a node, and waits until it takes connections.
    ///
    /// # Panics
    ///
    /// When RabbitMQ is not installed, or does not come up.
    pub async fn start() -> Self {
        Self::start_with("").await
    }

    /// Starts a node with lines of its own in its `rabbitmq.conf`.
    ///
    /// # Panics
    ///
    /// When RabbitMQ is not installed, or does not come up.
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
                Err(why) if attempt == STARTS => panic!("RabbitMQ does not start: {why}"),
                Err(why) => eprintln!("RabbitMQ did not start, once more: {why}"),
            }
        }
        unreachable!("the loop ends by returning")
    }

    /// A node that was not launched yet, with a name and ports.
    pub(super) fn settle(home: Arc<Home>) -> Self {
        assert!(
            Path::new(SCRIPTS).join("rabbitmq-server").exists(),
            "{SCRIPTS}/rabbitmq-server is missing: scripts/setup test installs RabbitMQ"
        );
        let [amqp, tls, dist] = free_ports();
        let folder = home.folder().join(amqp.to_string());
        fs::create_dir(&folder).expect("a folder in the home");
        fs::write(folder.join("plugins"), "[].").expect("a file in it");
        let name = format!("solvemesh-{amqp}@localhost");
        let (server, vhosts) = (Mutex::new(None), AtomicU32::new(0));
        Self { home, folder, name, amqp, tls, dist, server, vhosts }
    }

    /// Writes its configuration, before it is launched.
    pub(super) fn configure(&self, configuration: &str) {
        let whole = [CONFIGURATION, configuration].concat();
        fs::write(self.folder.join("rabbitmq.conf"), whole).expect("a file in the folder");
    }

    /// Enables a plugin; before the launch.
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

    /// Waits until the node answers a greeting.
    async fn ready(&self) -> Result<(), String> {
        let deadline = Instant::now() + BOOT;
        while !greets(self.address()).await {
            let ended = self.server().as_mut().map(Child::try_wait);
            if let Some(Ok(Some(status))) = ended {
                let output = fs::read_to_string(self.folder.join("output")).unwrap_or_default();
                return Err(format!("it ended with {status}: {output}"));
            }
            if Instant::now() > deadline {
                return Err(format!("it does not answer within {BOOT:?}"));
            }
            time::sleep(LOOK).await;
        }
        if self.home.knows(self.name.split('@').next().unwrap_or_default()) {
            Ok(())
        } else {
            Err("its epmd does not know it, so rabbitmqctl would not find it".to_owned())
        }
    }

    /// Waits until the node that was launched takes connections.
    pub(super) async fn await_ready(&self) {
        if let Err(why) = self.ready().await {
            panic!("RabbitMQ does not start: {why}");
        }
    }

    /// The name by which it is known to its peers.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Where it takes AMQP connections.
    pub fn address(&self) -> SocketAddr {
        SocketAddr::from((Ipv4Addr::LOCALHOST, self.amqp))
    }

    /// The URL of a virtual host; `/` is the one that is always there.
    pub fn amqp_url(&self, vhost: &str) -> String {
        amqp_url(self.address(), vhost)
    }

    /// Makes a virtual host.
    pub async fn vhost(&self) -> Vhost {
        let name = format!("test-{}", self.vhosts.fetch_add(1, Ordering::Relaxed));
        self.add_vhost(&name).await;
        Vhost::new(self.amqp_url(&name), name)
    }

    pub(super) async fn add_vhost(&self, name: &str) {
        // One start of rabbitmqctl instead of two: each takes a second.
        let make = format!(
            r#"ok = rabbit_vhost:add(<<"{name}">>, <<"test">>),
            ok = rabbit_auth_backend_internal:set_permissions(
                <<"guest">>, <<"{name}">>, <<".*">>, <<".*">>, <<".*">>, <<"test">>)."#
        );
        self.eval(&make).await;
    }

    /// Evaluates Erlang on the node, and returns what comes out.
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

    /// Kills the node as a crash would, and waits until it is gone.
    pub fn kill9(&self) {
        self.signal("KILL");
    }

    /// Stops the node in order, and waits until it is gone.
    pub fn stop(&self) {
        self.signal("TERM");
    }

    /// Starts the node again, on the same ports and with what it had stored, and
    /// waits until it takes connections.
    ///
    /// # Panics
    ///
    /// When it does not come up.
    pub async fn restart(&self) {
        self.launch();
        self.await_ready().await;
    }

    fn signal(&self, signal: &str) {
        let mut server = self.server().take().expect("it runs");
        assert!(send(signal, &server), "the node can't be signalled");
        server.wait().expect("the node's end");
        fs::remove_file(self.folder.join("node.pid")).expect("the file of its id");
    }

    /// A script of RabbitMQ, in the node's own environment and no other's.
    fn script(&self, script: &str) -> Command {
        let in_folder = |name: &str| self.folder.join(name);
        let loopback = "-kernel inet_dist_use_interface {127,0,0,1}";
        let mut command = Command::new(Path::new(SCRIPTS).join(script));
        command
            .current_dir(&self.folder)
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
            // By default eleven ports for all who call it on this machine.
            .env("RABBITMQ_CTL_DIST_PORT_MIN", "21000")
            .env("RABBITMQ_CTL_DIST_PORT_MAX", "22000");
        command
    }

    fn server(&self) -> MutexGuard<'_, Option<Child>> {
        self.server.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for RabbitNode {
    fn drop(&mut self) {
        if let Some(mut server) = self.server().take() {
            // One that ended by itself has its end all the same.
            send("KILL", &server);
            let _ = server.wait();
        }
    }
}

/// Sends a signal to a node; tells whether there was one.
fn send(signal: &str, server: &Child) -> bool {
    // To the group: the script that was started waits for the node. The other signals
    // are for the script to hand on.
    let whom = if signal == "KILL" { "-" } else { "" };
    Command::new("sh")
        .args(["-c", &format!("kill -s {signal} -- {whom}{}", server.id())])
        .status()
        .expect("a shell")
        .success()
}

/// The URL of a virtual host of the broker that is reached at `address`.
pub fn amqp_url(address: SocketAddr, vhost: &str) -> String {
    format!("amqp://guest:guest@{address}/{}", vhost.replace('/', "%2f"))
}

/// Whether someone there speaks AMQP.
async fn greets(address: SocketAddr) -> bool {
    let greeting = async {
        let mut stream = TcpStream::connect(address).await?;
        stream.write_all(b"AMQP\0\0\x09\x01").await?;
        stream.read_u8().await
    };
    matches!(time::timeout(Duration::from_secs(5), greeting).await, Ok(Ok(_)))
}

//! A RabbitMQ of our own: a private node on free ports of the loopback, in a
//! temporary folder, that may be killed and stopped at will.
//!
//! Each node has a watchdog, a shell that waits for the end of its input: when the
//! node is dropped, or the test process ends in whatever way, it kills the node and
//! its epmd and removes the folder.

use std::{
    fs::{self, File},
    net::{Ipv4Addr, SocketAddr, TcpListener},
    os::unix::process::CommandExt as _,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{
        Mutex, MutexGuard, PoisonError,
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

/// Where Debian's package puts the scripts; those in `/usr/sbin` change the user.
const SCRIPTS: &str = "/usr/lib/rabbitmq/bin";
/// How long a node may take to come up on a busy machine.
const BOOT: Duration = Duration::from_secs(90);
/// How often to look whether it has.
const LOOK: Duration = Duration::from_millis(100);
/// How often to try with other ports, should someone take ours in between.
const STARTS: u32 = 3;

/// Kills what the files name, by process group, and removes the folder.
const WATCHDOG: &str = r#"
cat > /dev/null
for file in "$0/node.pid" "$0/epmd.pid"; do
    if [ -s "$file" ]; then kill -s KILL -- "-$(cat "$file")"; fi
done
for attempt in 1 2 3 4 5; do rm -rf "$0" && break; sleep 0.2; done
"#;

/// A broker of the test's own.
#[derive(Debug)]
pub struct RabbitNode {
    folder: PathBuf,
    name: String,
    ports: Ports,
    /// The node, while it runs.
    server: Mutex<Option<Child>>,
    epmd: Child,
    watchdog: Child,
    vhosts: AtomicU32,
}

#[derive(Clone, Copy, Debug)]
struct Ports {
    amqp: u16,
    dist: u16,
    epmd: u16,
}

/// A virtual host of the test's own.
#[derive(Clone, Debug)]
pub struct Vhost {
    url: String,
    name: String,
}

impl Vhost {
    /// The URL for AMQP clients.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Its name, for `rabbitmqctl -p`.
    pub fn name(&self) -> &str {
        &self.name
    }
}

/// A fresh virtual host on the node that all tests of this process share.
pub async fn vhost() -> Vhost {
    RabbitNode::shared().await.vhost().await
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
        assert!(
            Path::new(SCRIPTS).join("rabbitmq-server").exists(),
            "{SCRIPTS}/rabbitmq-server is missing: scripts/setup test installs RabbitMQ"
        );
        for attempt in 1.. {
            let node = Self::spawn();
            match node.ready().await {
                Ok(()) => return node,
                Err(why) if attempt == STARTS => panic!("RabbitMQ does not start: {why}"),
                Err(why) => eprintln!("RabbitMQ did not start, once more: {why}"),
            }
        }
        unreachable!("the loop ends by returning")
    }

    fn spawn() -> Self {
        let folder = tempfile::Builder::new()
            .prefix("rabbit-")
            .tempdir()
            .expect("a temporary folder")
            // The watchdog removes it, even when this process can't.
            .keep();
        let ports = Ports::free();
        fs::write(folder.join("plugins"), "[].").expect("a file in it");
        fs::write(folder.join("rabbitmq.conf"), CONFIGURATION).expect("a file in it");
        let watchdog = Command::new("sh")
            .args(["-c", WATCHDOG])
            .arg(&folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            // Not to be interrupted along with the tests.
            .process_group(0)
            .spawn()
            .expect("a shell");
        let epmd = Command::new("epmd")
            .args(["-port", &ports.epmd.to_string(), "-address", "127.0.0.1"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()
            .expect("epmd, which comes with Erlang");
        fs::write(folder.join("epmd.pid"), epmd.id().to_string()).expect("a file in the folder");
        let node = Self {
            name: format!("solvemesh-{}@localhost", ports.amqp),
            folder,
            ports,
            server: Mutex::new(None),
            epmd,
            watchdog,
            vhosts: AtomicU32::new(0),
        };
        node.launch();
        node
    }

    fn launch(&self) {
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
        while !greets(self.ports.amqp).await {
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
        if self.registered() {
            Ok(())
        } else {
            Err("its epmd does not know it, so rabbitmqctl would not find it".to_owned())
        }
    }

    /// Whether the node's epmd knows it.
    fn registered(&self) -> bool {
        let names = Command::new("epmd")
            .args(["-port", &self.ports.epmd.to_string(), "-names"])
            .stdin(Stdio::null())
            .output()
            .expect("epmd, which comes with Erlang");
        let short = self.name.split('@').next().unwrap_or_default();
        String::from_utf8_lossy(&names.stdout).contains(&format!("name {short} at port"))
    }

    /// The URL of a virtual host; `/` is the one that is always there.
    pub fn amqp_url(&self, vhost: &str) -> String {
        let vhost = vhost.replace('/', "%2f");
        format!("amqp://guest:guest@127.0.0.1:{}/{vhost}", self.ports.amqp)
    }

    /// Makes a virtual host.
    pub async fn vhost(&self) -> Vhost {
        let name = format!("test-{}", self.vhosts.fetch_add(1, Ordering::Relaxed));
        // One start of rabbitmqctl instead of two: each takes a second.
        let make = format!(
            r#"ok = rabbit_vhost:add(<<"{name}">>, <<"test">>),
            ok = rabbit_auth_backend_internal:set_permissions(
                <<"guest">>, <<"{name}">>, <<".*">>, <<".*">>, <<".*">>, <<"test">>)."#
        );
        self.rabbitmqctl(&["eval", &make]).await;
        Vhost { url: self.amqp_url(&name), name }
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
        if let Err(why) = self.ready().await {
            panic!("RabbitMQ does not start again: {why}");
        }
    }

    fn signal(&self, signal: &str) {
        let mut server = self.server().take().expect("it runs");
        // The group: the script that was started waits for the node. The other
        // signals are for the script to hand on.
        let whom = if signal == "KILL" { "-" } else { "" };
        let sent = Command::new("sh")
            .args(["-c", &format!("kill -s {signal} -- {whom}{}", server.id())])
            .status()
            .expect("a shell");
        assert!(sent.success(), "kill: {sent}");
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
            .env("HOME", &self.folder)
            .env("ERL_EPMD_PORT", self.ports.epmd.to_string())
            .env("ERL_EPMD_ADDRESS", "127.0.0.1")
            .env("RABBITMQ_NODENAME", &self.name)
            .env("RABBITMQ_NODE_PORT", self.ports.amqp.to_string())
            .env("RABBITMQ_NODE_IP_ADDRESS", "127.0.0.1")
            .env("RABBITMQ_DIST_PORT", self.ports.dist.to_string())
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

/// Enough for tests on a small disk.
const CONFIGURATION: &str = "disk_free_limit.absolute = 50MB\nlog.file.level = warning\n";

impl Drop for RabbitNode {
    fn drop(&mut self) {
        drop(self.watchdog.stdin.take());
        // Its end is the node's end; without it there is nothing left to do.
        let _ = self.watchdog.wait();
        if let Some(mut server) = self.server().take() {
            let _ = server.wait();
        }
        let _ = self.epmd.wait();
    }
}

impl Ports {
    /// Ports that are free now, and different.
    fn free() -> Self {
        let listen = || TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        let [amqp, dist, epmd] = [listen(), listen(), listen()]
            .map(|listener| listener.local_addr().map(|address| address.port()).expect("a port"));
        Self { amqp, dist, epmd }
    }
}

/// Whether someone on the port speaks AMQP.
async fn greets(port: u16) -> bool {
    let greeting = async {
        let mut stream = TcpStream::connect(SocketAddr::from((Ipv4Addr::LOCALHOST, port))).await?;
        stream.write_all(b"AMQP\0\0\x09\x01").await?;
        stream.read_u8().await
    };
    matches!(time::timeout(Duration::from_secs(5), greeting).await, Ok(Ok(_)))
}

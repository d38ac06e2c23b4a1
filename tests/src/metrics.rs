//! Metrics and probes of processes, read as Prometheus and a kubelet do.

use std::{net::SocketAddr, time::Duration};

use tokio::time::sleep;

use crate::{
    processes::Process,
    web::{self, Answer},
    within,
};

/// The flags that make a program serve its metrics on a free port.
pub const FLAGS: [&str; 2] = ["--metrics", "127.0.0.1:0"];

/// How long a condition may take on a busy machine.
const TIMEOUT: Duration = Duration::from_secs(60);
/// Pause between two scrapes that wait for a condition.
const PAUSE: Duration = Duration::from_millis(100);

/// The port of a process for metrics and probes.
#[derive(Clone, Copy, Debug)]
pub struct Metrics(SocketAddr);

/// One scrape.
#[derive(Clone, Debug)]
pub struct Scrape(pub String);

impl Metrics {
    /// The port of a process that was started with [`FLAGS`].
    pub async fn of(process: &Process) -> Self {
        let address = async {
            loop {
                let log = process.log();
                // With the last field of its line, the line is complete.
                let line = log.lines().find(|line| line.contains("serving metrics"));
                let address = line.and_then(|line| line.split_once("address=")?.1.parse().ok());
                match address {
                    Some(address) => return address,
                    None => sleep(PAUSE).await,
                }
            }
        };
        Self(within(TIMEOUT, "the address of the metrics", address).await)
    }

    /// Where it listens.
    pub fn address(self) -> SocketAddr {
        self.0
    }

    /// Asks for a path.
    pub async fn get(self, path: &str) -> Answer {
        web::exchange(self.0, &format!("GET {path}"), &[], &[]).await
    }

    /// Scrapes the metrics.
    pub async fn scrape(self) -> Scrape {
        let answer = self.get("/metrics").await;
        assert_eq!(answer.status, 200);
        let kind = &answer.headers["content-type"];
        assert!(kind.starts_with("application/openmetrics-text"), "{kind}");
        Scrape(String::from_utf8(answer.body).expect("text"))
    }

    /// Scrapes until a condition holds.
    pub async fn until(self, what: &str, condition: impl Fn(&Scrape) -> bool) -> Scrape {
        let found = async {
            loop {
                let scrape = self.scrape().await;
                if condition(&scrape) {
                    return scrape;
                }
                sleep(PAUSE).await;
            }
        };
        within(TIMEOUT, what, found).await
    }

    /// Waits until a probe has a status.
    pub async fn probe(self, path: &str, status: u16) -> String {
        let found = async {
            loop {
                let answer = self.get(path).await;
                if answer.status == status {
                    return String::from_utf8(answer.body).expect("text");
                }
                sleep(PAUSE).await;
            }
        };
        within(TIMEOUT, &format!("{status} from {path}"), found).await
    }
}

impl Scrape {
    /// The value of a time series, as it is written: `solvemesh_jobs{lane="x",state="queued"}`.
    pub fn value(&self, series: &str) -> Option<f64> {
        let value = |line: &str| line.strip_prefix(series)?.strip_prefix(' ')?.parse().ok();
        self.0.lines().find_map(value)
    }

    /// The sum of all time series of a metric.
    pub fn sum(&self, name: &str) -> f64 {
        let values = self.0.lines().filter_map(|line| {
            let rest = line.strip_prefix(name)?;
            rest.starts_with(['{', ' ']).then(|| rest.rsplit(' ').next()?.parse::<f64>().ok())?
        });
        values.sum()
    }
}

//! The versions of this program, the gateways and the workers.

use solvemesh_client::v1::MeshState;

use crate::doctor::finding::{Finding, counted};

const CHECK: &str = "versions";
/// Maximum number of processes that a sentence names.
const MAX_NAMES: usize = 5;
/// What to do about old workers or gateways.
const ORDER: &str = "upgrade all workers first and the gateways after them, unless the CHANGELOG of \
     the new version says otherwise";

/// The parts of a version that are compared; `None` if it is not a version.
fn parse(version: &str) -> Option<[u64; 3]> {
    let core = version.split(['-', '+']).next().unwrap_or_default();
    let mut parts = core.split('.').map(|part| part.parse().ok());
    let version = [parts.next()??, parts.next()??, parts.next()??];
    parts.next().is_none().then_some(version)
}

/// Compares the versions of a mesh with each other and with that of this program, `own`.
pub(crate) fn judge(own: &str, state: &MeshState) -> Vec<Finding> {
    let gateways: Vec<(&str, &str)> =
        state.gateways.iter().map(|it| (it.name.as_str(), it.version.as_str())).collect();
    let workers: Vec<(&str, &str)> =
        state.workers.iter().map(|it| (it.name.as_str(), it.version.as_str())).collect();
    let all = || gateways.iter().chain(&workers);
    let newest = all().filter_map(|(_, version)| Some((parse(version)?, *version))).max();
    let mut findings = Vec::new();
    if let Some((newest, text)) = newest {
        for (kind, processes) in [("worker", &workers), ("gateway", &gateways)] {
            let old: Vec<_> = processes
                .iter()
                .filter(|(_, version)| parse(version).is_some_and(|version| version < newest))
                .collect();
            if !old.is_empty() {
                let message = format!(
                    "{}: {}; the newest version in the mesh is {text}",
                    counted(i64::try_from(old.len()).unwrap_or(i64::MAX), &format!("old {kind}")),
                    names(&old)
                );
                findings.push(Finding::warning(CHECK, format!("{kind}s"), message, ORDER));
            }
        }
    }
    let strange: Vec<_> = all().filter(|(_, version)| parse(version).is_none()).collect();
    if !strange.is_empty() {
        let message = format!("versions that can't be compared: {}", names(&strange));
        findings.push(Finding::warning(CHECK, "versions", message, ORDER));
    }
    if findings.is_empty() && !gateways.is_empty() {
        let version = gateways.first().map_or("", |(_, version)| version);
        let (gateways, workers) = (gateways.len(), workers.len());
        let message = format!(
            "{} and {} have version {version}",
            counted(i64::try_from(gateways).unwrap_or(i64::MAX), "gateway"),
            counted(i64::try_from(workers).unwrap_or(i64::MAX), "worker"),
        );
        findings.push(Finding::ok(CHECK, "mesh", message));
    }
    findings.extend(of_client(own, state));
    findings
}

/// Compares this program with the gateway that sent the state.
fn of_client(own: &str, state: &MeshState) -> Option<Finding> {
    let gateway = state.gateways.iter().find(|gateway| gateway.is_sender)?;
    let (ours, theirs) = (parse(own)?, parse(&gateway.version)?);
    let both = format!("this program has version {own}, the gateway {}", gateway.version);
    Some(if ours > theirs {
        let advice = "upgrade the gateway before you use new options: it refuses requests with \
             fields that it does not know";
        Finding::warning(CHECK, "solvemesh", both, advice)
    } else if ours < theirs {
        let advice = "no need to act: older clients work with newer gateways";
        Finding { advice: Some(advice.to_owned()), ..Finding::ok(CHECK, "solvemesh", both) }
    } else {
        Finding::ok(CHECK, "solvemesh", format!("this program has version {own}, as the gateway"))
    })
}

fn names(processes: &[&(&str, &str)]) -> String {
    let named = processes.iter().take(MAX_NAMES);
    let named = named.map(|(name, version)| format!("{name} ({version})")).collect::<Vec<_>>();
    let more = processes.len().saturating_sub(MAX_NAMES);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    named.join(", ") + &more
}

#[cfg(test)]
mod tests {
    use solvemesh_client::v1::{GatewayStatus, WorkerStatus};

    use super::*;
    use crate::doctor::finding::Severity;

    fn state(gateways: &[&str], workers: &[&str]) -> MeshState {
        let gateway = |(index, version): (usize, &&str)| GatewayStatus {
            name: format!("g{index}"),
            version: (*version).to_owned(),
            is_sender: index == 0,
            ..GatewayStatus::default()
        };
        let worker = |(index, version): (usize, &&str)| WorkerStatus {
            name: format!("w{index}"),
            version: (*version).to_owned(),
            ..WorkerStatus::default()
        };
        MeshState {
            gateways: gateways.iter().enumerate().map(gateway).collect(),
            workers: workers.iter().enumerate().map(worker).collect(),
            ..MeshState::default()
        }
    }

    fn judged(own: &str, gateways: &[&str], workers: &[&str]) -> Vec<(Severity, String, String)> {
        let findings = judge(own, &state(gateways, workers));
        findings.into_iter().map(|it| (it.severity, it.subject, it.message)).collect()
    }

    #[test]
    fn equal_versions_are_as_they_should_be() {
        let findings = judged("1.2.3", &["1.2.3"], &["1.2.3", "1.2.3"]);
        assert!(findings.iter().all(|(severity, ..)| *severity == Severity::Ok), "{findings:?}");
        assert_eq!(findings[0].2, "1 gateway and 2 workers have version 1.2.3");
    }

    #[test]
    fn old_workers_and_gateways_are_named() {
        let findings = judged("1.10.0", &["1.10.0", "1.9.0"], &["1.10.0", "1.8.4"]);
        assert_eq!(findings[0].0, Severity::Warning);
        assert_eq!(
            (findings[0].1.as_str(), findings[0].2.as_str()),
            ("workers", "1 old worker: w1 (1.8.4); the newest version in the mesh is 1.10.0")
        );
        assert_eq!(findings[1].1, "gateways");
        assert!(findings[1].2.contains("g1 (1.9.0)"), "{findings:?}");
        let many = judged("1.0.0", &["2.0.0"], &["1.0.0"; 7]);
        assert!(many[0].2.contains("w4 (1.0.0) and 2 more"), "{many:?}");
    }

    #[test]
    fn a_newer_client_is_warned_and_an_older_one_is_not() {
        let newer = judged("2.0.0", &["1.0.0"], &[]);
        assert_eq!(newer[1].0, Severity::Warning);
        let older = judged("1.0.0", &["2.0.0"], &[]);
        assert_eq!(older[1].0, Severity::Ok);
    }

    #[test]
    fn what_is_no_version_is_said() {
        let findings = judged("1.0.0", &["1.0.0"], &["main"]);
        assert!(findings[0].2.contains("w0 (main)"), "{findings:?}");
        assert_eq!(parse("1.2.3-rc.1+5"), Some([1, 2, 3]));
        for bad in ["", "1", "1.2", "1.2.3.4", "a.b.c"] {
            assert_eq!(parse(bad), None, "{bad}");
        }
    }
}

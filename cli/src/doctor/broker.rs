//! What a broker says: its nodes, the queues of the mesh, and who consumes them.

use std::collections::BTreeMap;

use solvemesh_broker::{
    Lane,
    amqp::inspection::{
        Arguments, Contents, Existence, Inspection, Node, NodeFailure, Purpose, QueueReport,
    },
};

use crate::doctor::{
    finding::{Finding, counted},
    rights,
};

/// The oldest version of RabbitMQ that works.
const MIN_VERSION: (u32, u32) = (3, 10);
/// The first version in which the consumer timeout of a queue counts.
const CONSUMER_TIMEOUT_VERSION: (u32, u32) = (3, 12);
/// Maximum number of queues in a sentence.
const MAX_QUEUES: usize = 4;

/// Judges a broker.
pub(crate) fn judge(inspection: &Inspection) -> Vec<Finding> {
    let is_reachable = inspection.contents.is_some();
    let nodes = inspection.nodes.iter().flat_map(|it| node(it, is_reachable));
    let mut findings: Vec<Finding> = nodes.collect();
    findings.extend(cluster(&inspection.nodes));
    let Some(contents) = &inspection.contents else { return findings };
    findings.extend(alarm(contents));
    findings.extend(existence(contents));
    findings.extend(arguments(contents));
    findings.push(rights::judge(contents));
    findings.extend(lanes(contents).iter().filter_map(|it| lane(it, contents)));
    findings.extend(dead_letters(contents));
    findings
}

/// The major and the minor version.
fn version(text: &str) -> Option<(u32, u32)> {
    let mut parts = text.split('.');
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

fn subject(node: &Node) -> String {
    format!("broker {}", node.address)
}

fn node(node: &Node, is_reachable: bool) -> Vec<Finding> {
    node.failure
        .as_ref()
        .map(|it| failure(node, it, is_reachable))
        .into_iter()
        .chain(release(node))
        .collect()
}

fn failure(node: &Node, failure: &NodeFailure, is_reachable: bool) -> Finding {
    let check = "broker-connection";
    match failure {
        NodeFailure::Unreachable(why) => {
            let message = format!("there is no connection: {why}");
            let advice = "check the host and port in --amqp, the firewalls in between, and that the \
                 node runs (rabbitmq-diagnostics check_running)";
            if is_reachable {
                Finding::warning(check, subject(node), message, advice)
            } else {
                Finding::error(check, subject(node), message, advice)
            }
        }
        NodeFailure::Tls(why) => {
            let advice = "correct --amqp-ca, --amqp-cert or the certificate of the broker \
                 (docs/configuration.md#tls)";
            Finding::error(
                check,
                subject(node),
                format!("TLS failed: {}", why.trim_start_matches("TLS failed: ")),
                advice,
            )
        }
        NodeFailure::Login(why) => {
            let advice = "correct the user and password in --amqp; scripts/broker-users creates the \
                 users, and the user guest may connect from the broker's own machine only";
            Finding::error(check, subject(node), format!("the login is refused: {why}"), advice)
        }
        NodeFailure::VirtualHost(why) => {
            let advice = "correct the virtual host in --amqp, or create it and the rights of the user \
                 with scripts/broker-users";
            let message =
                format!("the virtual host is missing, or the user has no rights in it: {why}");
            Finding::error(check, subject(node), message, advice)
        }
    }
}

/// The version of a node, if it has said anything.
fn release(node: &Node) -> Option<Finding> {
    let check = "broker-version";
    let properties = node.properties.as_ref()?;
    let product = properties.product.as_deref().unwrap_or("unknown product");
    let text = properties.version.as_deref().unwrap_or("unknown version");
    let message = format!("{product} {text}");
    let oldest = format!("{}.{}", MIN_VERSION.0, MIN_VERSION.1);
    let known = version(text).filter(|_| product == "RabbitMQ");
    Some(match known {
        None => {
            let advice = format!("use RabbitMQ {oldest} or later");
            Finding::warning(
                check,
                subject(node),
                format!("{message} is not known to work"),
                advice,
            )
        }
        Some(version) if version < MIN_VERSION => {
            let message =
                format!("{message} is too old: {oldest} is the oldest version that works");
            Finding::error(
                check,
                subject(node),
                message,
                format!("upgrade it to {oldest} or later"),
            )
        }
        Some(version) if version < CONSUMER_TIMEOUT_VERSION => {
            let message = format!(
                "{message} ignores --consumer-timeout: jobs are delivered again after its own \
                 consumer_timeout, by default 30 minutes"
            );
            let advice = "set consumer_timeout in rabbitmq.conf to more than the longest solve, or \
                 upgrade to 3.12 or later";
            Finding::warning(check, subject(node), message, advice)
        }
        Some(_) => Finding::ok(check, subject(node), message),
    })
}

/// Whether the nodes belong together.
fn cluster(nodes: &[Node]) -> Vec<Finding> {
    let values = |of: fn(&Node) -> Option<&String>| {
        let mut values: Vec<&str> = nodes.iter().filter_map(of).map(String::as_str).collect();
        values.sort_unstable();
        values.dedup();
        values
    };
    let names = values(|node| node.properties.as_ref()?.cluster.as_ref());
    let versions = values(|node| node.properties.as_ref()?.version.as_ref());
    let mut findings = Vec::new();
    if names.len() > 1 {
        let message = format!("the nodes are of different clusters: {}", names.join(", "));
        let advice = "list the nodes of one cluster in --amqp: each process uses any of them";
        findings.push(Finding::error("broker-cluster", "broker", message, advice));
    }
    if versions.len() > 1 {
        let message = format!("the nodes have different versions: {}", versions.join(", "));
        let advice = "complete the upgrade of the cluster, one node after the other";
        findings.push(Finding::warning("broker-cluster", "broker", message, advice));
    }
    findings
}

fn alarm(contents: &Contents) -> Option<Finding> {
    let why = contents.blocked.as_ref()?;
    let message = format!("it accepts no messages from anyone: {why}");
    let advice = "give it memory or disk, or raise its limits: rabbitmq-diagnostics \
         check_local_alarms on each node";
    Some(Finding::error("broker-alarm", format!("broker {}", contents.node), message, advice))
}

fn names<'a>(queues: impl Iterator<Item = &'a str>) -> String {
    let names: Vec<&str> = queues.collect();
    let more = names.len().saturating_sub(MAX_QUEUES);
    let named = names.into_iter().take(MAX_QUEUES).collect::<Vec<_>>().join(", ");
    if more > 0 { format!("{named} and {more} more") } else { named }
}

/// What is missing, and what the broker does not say.
fn existence(contents: &Contents) -> Vec<Finding> {
    let check = "broker-queues";
    let vhost = format!("vhost {}", contents.vhost);
    let is_missing = |queue: &&QueueReport| queue.existence == Existence::Missing;
    let missing: Vec<&QueueReport> = contents.queues.iter().filter(is_missing).collect();
    let gone = contents.exchanges.iter().filter(|exchange| exchange.exists == Some(false));
    let gone: Vec<&str> = gone.map(|exchange| exchange.name.as_str()).collect();
    let mut findings = Vec::new();
    if missing.len() == contents.queues.len() {
        let message = "it has no queues of a mesh";
        let advice = "start a gateway with this virtual host, which declares them; or correct the \
             virtual host in --amqp";
        findings.push(Finding::error(check, vhost, message, advice));
        return findings;
    }
    // The queue of lookups is deleted after ten minutes without a gateway.
    let only_lookups = gone.is_empty() && missing.iter().all(|it| it.purpose == Purpose::Lookups);
    if !missing.is_empty() || !gone.is_empty() {
        let all = missing.iter().map(|queue| queue.name.as_str()).chain(gone);
        let message = format!("missing: {}", names(all));
        let advice = "start a gateway, which declares them; for those of a lane, with the lane in its \
             --lanes. If the lane is not used, leave it out of --lanes of this command";
        findings.push(if only_lookups {
            Finding::warning(check, vhost, message, advice)
        } else {
            Finding::error(check, vhost, message, advice)
        });
    }
    let unknown = contents.queues.iter().filter_map(|queue| match &queue.existence {
        Existence::Unknown(why) => Some((queue, why)),
        _ => None,
    });
    let unknown: Vec<_> = unknown.collect();
    if let Some((_, why)) = unknown.first() {
        let queues = names(unknown.iter().map(|(queue, _)| queue.name.as_str()));
        let message = format!("the broker does not tell the state of {queues}: {why}");
        let advice = "check that all nodes of the cluster run: a queue without a majority of its \
             replicas does not answer";
        findings.push(Finding::error(check, format!("broker {}", contents.node), message, advice));
    }
    findings
}

/// The queues with other arguments: one finding for each difference.
fn arguments(contents: &Contents) -> Vec<Finding> {
    let check = "broker-arguments";
    let mut different: BTreeMap<(String, String), Vec<&str>> = BTreeMap::new();
    let mut same = 0;
    let mut unknown = Vec::new();
    for queue in &contents.queues {
        match &queue.arguments {
            Arguments::Same => same += 1,
            Arguments::Different(why) => {
                let key = (without_queue(why), difference(queue, why));
                different.entry(key).or_default().push(&queue.name);
            }
            Arguments::Unknown(why) if matches!(queue.existence, Existence::Present { .. }) => {
                unknown.push((queue, why));
            }
            Arguments::Unknown(_) | Arguments::Denied => {}
        }
    }
    let different = different.into_iter().map(|((why, advice), queues)| {
        let message = format!("not with the arguments of the flags: {why}");
        let (subject, message) = match queues[..] {
            [queue] => (format!("queue {queue}"), message),
            _ => {
                let count = i64::try_from(queues.len()).unwrap_or(i64::MAX);
                let named = names(queues.into_iter());
                (counted(count, "queue"), format!("{message}; they are {named}"))
            }
        };
        Finding::error(check, subject, message, advice)
    });
    let mut findings: Vec<Finding> = different.collect();
    if let Some((_, why)) = unknown.first() {
        let queues = names(unknown.iter().map(|(queue, _)| queue.name.as_str()));
        let message = format!("arguments that were not compared: {queues}: {why}");
        let advice = "try again; the log of the broker may tell more";
        findings.push(Finding::warning(
            check,
            format!("vhost {}", contents.vhost),
            message,
            advice,
        ));
    }
    if findings.is_empty() && same > 0 {
        let message = format!("{} have the arguments of the flags", counted(same, "queue"));
        findings.push(Finding::ok(check, format!("vhost {}", contents.vhost), message));
    }
    findings
}

/// The words of the broker about a difference, without the name of the queue.
fn without_queue(why: &str) -> String {
    let cut = why.split_once(" for queue ").and_then(|(start, rest)| {
        let (_, end) = rest.split_once("': ")?;
        Some(format!("{start}: {end}"))
    });
    cut.unwrap_or_else(|| why.to_owned())
}

/// What to do about an argument that differs.
fn difference(queue: &QueueReport, why: &str) -> String {
    let is_about = |key: &str| why.contains(&format!("'{key}'"));
    let stream = match queue.purpose {
        Purpose::Log => Some("log"),
        Purpose::Bulk => Some("bulk"),
        _ => None,
    };
    let flag = match stream {
        Some(stream) if is_about("x-max-age") => Some(format!("--{stream}-max-age")),
        Some(stream) if is_about("x-max-length-bytes") => Some(format!("--{stream}-max-bytes")),
        Some(stream) if is_about("x-stream-max-segment-size-bytes") => {
            Some(format!("--{stream}-segment-bytes"))
        }
        None if is_about("x-max-length") => Some("--queue-length".to_owned()),
        None if is_about("x-consumer-timeout") => Some("--consumer-timeout".to_owned()),
        _ => None,
    };
    match flag {
        Some(flag) => format!(
            "give all programs of the mesh, and this command, the value of {flag} that the queue was \
             declared with; docs/configuration.md#queues-and-streams says how to change it"
        ),
        None => "another program, or another version, has declared it; \
             docs/configuration.md#queues-and-streams says how to declare it again"
            .to_owned(),
    }
}

/// The lanes that were asked about.
fn lanes(contents: &Contents) -> Vec<Lane> {
    let served = contents.queues.iter().filter_map(|queue| match &queue.purpose {
        Purpose::Served(lane) => Some(lane.clone()),
        _ => None,
    });
    served.collect()
}

/// The messages that wait in a lane, and the consumers that show that it is served. `None` if the
/// broker does not tell of any of its queues.
fn traffic(lane: &Lane, contents: &Contents) -> Option<(u32, u32)> {
    let mut all = None;
    for queue in &contents.queues {
        let ready_counts = match &queue.purpose {
            Purpose::Jobs(of, _) if of == lane => 1,
            Purpose::Served(of) if of == lane => 0,
            _ => continue,
        };
        if let Existence::Present { ready, consumers } = queue.existence {
            let (waiting, consuming) = all.unwrap_or((0, 0));
            all = Some((ready * ready_counts + waiting, consuming + consumers));
        }
    }
    all
}

fn lane(lane: &Lane, contents: &Contents) -> Option<Finding> {
    let check = "broker-lane";
    let (ready, consumers) = traffic(lane, contents)?;
    let subject = format!("broker lane {lane}");
    let waiting = format!("{} with jobs", counted(ready, "message"));
    let advice = || format!("start a worker with --slots {lane}=1 or more, on this virtual host");
    Some(match (ready, consumers) {
        (0, 0) => Finding::warning(check, subject, "no worker is connected for it", advice()),
        (_, 0) => {
            let message = format!("{waiting} waiting, and no worker is connected for it");
            Finding::error(check, subject, message, advice())
        }
        _ => {
            let message = format!("{waiting} waiting, {}", counted(consumers, "consumer"));
            Finding::ok(check, subject, message)
        }
    })
}

/// The queue of dead letters, which a gateway consumes.
fn dead_letters(contents: &Contents) -> Option<Finding> {
    let check = "dead-letters";
    let queue = contents.queues.iter().find(|queue| queue.purpose == Purpose::DeadLetters)?;
    let Existence::Present { ready, consumers } = queue.existence else { return None };
    let subject = format!("queue {}", queue.name);
    let letters = counted(ready, "dead letter");
    let advice = "start a gateway on this virtual host: it ends the jobs of dead letters";
    Some(match (ready, consumers) {
        (0, 0) => Finding::warning(check, subject, "no gateway consumes it", advice),
        (_, 0) => {
            let message = format!("{letters} waiting, and no gateway consumes it");
            Finding::error(check, subject, message, advice)
        }
        _ => Finding::ok(check, subject, format!("{letters} waiting, a gateway consumes it")),
    })
}

#[cfg(test)]
mod tests {
    use solvemesh_broker::amqp::inspection::BrokerProperties;

    use super::*;
    use crate::doctor::{
        finding::Severity,
        rights::tests::{contents, named},
    };

    fn node(version: &str, failure: Option<NodeFailure>) -> Node {
        let properties = BrokerProperties {
            product: Some("RabbitMQ".into()),
            version: Some(version.into()),
            cluster: Some("rabbit@a".into()),
        };
        Node { address: "h:5672".into(), properties: Some(properties), failure }
    }

    fn of_node(version: &str) -> Finding {
        let findings = judge(&Inspection { nodes: vec![node(version, None)], contents: None });
        assert_eq!(findings.len(), 1, "{findings:?}");
        findings.into_iter().next().unwrap_or_else(|| Finding::ok("", "", ""))
    }

    /// The findings about contents that are not as they should be.
    fn wrong(contents: Contents) -> Vec<Finding> {
        let inspection = Inspection { nodes: vec![node("4.1.0", None)], contents: Some(contents) };
        let findings = judge(&inspection).into_iter();
        findings.filter(|finding| finding.severity != Severity::Ok).collect()
    }

    fn present(ready: u32, consumers: u32) -> Existence {
        Existence::Present { ready, consumers }
    }

    #[test]
    fn a_healthy_broker_has_no_wrong_findings() {
        assert_eq!(wrong(contents()), []);
    }

    #[test]
    fn versions_before_3_10_are_errors_and_before_3_12_warnings() {
        for (version, severity) in [
            ("3.9.29", Severity::Error),
            ("3.10.0", Severity::Warning),
            ("3.11.28", Severity::Warning),
            ("3.12.0", Severity::Ok),
            ("4.3.0", Severity::Ok),
            ("unknown", Severity::Warning),
        ] {
            assert_eq!(of_node(version).severity, severity, "{version}");
        }
        assert!(of_node("3.9.29").message.contains("3.10 is the oldest"));
        let mut other = node("3.13.0", None);
        if let Some(properties) = &mut other.properties {
            properties.product = Some("LavinMQ".into());
        }
        let findings = judge(&Inspection { nodes: vec![other], contents: None });
        assert!(findings[0].message.contains("LavinMQ 3.13.0 is not known"), "{findings:?}");
    }

    #[test]
    fn a_node_that_fails_says_why_and_the_others_make_it_a_warning() {
        let down = Node {
            address: "a:1".into(),
            properties: None,
            failure: Some(NodeFailure::Unreachable("refused".into())),
        };
        let severities = |contents| {
            let nodes = vec![down.clone(), node("4.1.0", None)];
            judge(&Inspection { nodes, contents })[0].severity
        };
        assert_eq!(severities(Some(contents())), Severity::Warning);
        assert_eq!(severities(None), Severity::Error);
        for (failure, advice) in [
            (NodeFailure::Tls("TLS failed: no".into()), "--amqp-ca"),
            (NodeFailure::Login("no".into()), "password"),
            (NodeFailure::VirtualHost("no".into()), "scripts/broker-users"),
        ] {
            let nodes = vec![node("4.1.0", Some(failure))];
            let findings = judge(&Inspection { nodes, contents: None });
            assert_eq!(findings[0].severity, Severity::Error);
            assert!(findings[0].message.ends_with("no"), "{findings:?}");
            assert!(findings[0].advice.as_ref().is_some_and(|text| text.contains(advice)));
            assert_eq!(findings[1].severity, Severity::Ok, "the version is reported all the same");
        }
    }

    #[test]
    fn nodes_of_two_clusters_or_versions_are_reported() {
        let mut other = node("3.13.7", None);
        if let Some(properties) = &mut other.properties {
            properties.cluster = Some("rabbit@b".into());
        }
        let findings = cluster(&[node("4.1.0", None), other]);
        assert_eq!(findings[0].severity, Severity::Error);
        assert!(findings[0].message.ends_with("rabbit@a, rabbit@b"), "{findings:?}");
        assert_eq!(findings[1].severity, Severity::Warning);
        assert_eq!(cluster(&[node("4.1.0", None), node("4.1.0", None)]), []);
    }

    #[test]
    fn an_alarm_is_an_error() {
        let findings = wrong(Contents { blocked: Some("low on disk".into()), ..contents() });
        assert_eq!((findings[0].check, findings[0].severity), ("broker-alarm", Severity::Error));
        assert!(findings[0].message.ends_with("low on disk"));
    }

    #[test]
    fn missing_queues_and_exchanges_are_named() {
        let mut some = contents();
        named(&mut some, "solvemesh.bulk.v1").existence = Existence::Missing;
        some.exchanges[1].exists = Some(false);
        let findings = wrong(some);
        assert_eq!(findings[0].severity, Severity::Error);
        let message = "missing: solvemesh.bulk.v1, solvemesh.heartbeat.v1";
        assert_eq!(findings[0].message, message);

        let mut lookups = contents();
        named(&mut lookups, "solvemesh.lookup.v2").existence = Existence::Missing;
        assert_eq!(wrong(lookups)[0].severity, Severity::Warning);

        let mut all = contents();
        all.queues.iter_mut().for_each(|queue| queue.existence = Existence::Missing);
        assert_eq!(wrong(all)[0].message, "it has no queues of a mesh");

        let mut silent = contents();
        named(&mut silent, "solvemesh.log.v1").existence = Existence::Unknown("no answer".into());
        assert!(wrong(silent)[0].message.ends_with("solvemesh.log.v1: no answer"));
    }

    #[test]
    fn other_arguments_name_the_flag() {
        let different = |key: &str| {
            Arguments::Different(format!("inequivalent arg '{key}' for queue …: current is '7'"))
        };
        for (queue, key, flag) in [
            ("solvemesh.jobs.express.v1", "x-max-length", "--queue-length"),
            ("solvemesh.jobs.express.v1", "x-consumer-timeout", "--consumer-timeout"),
            ("solvemesh.log.v1", "x-max-age", "--log-max-age"),
            ("solvemesh.log.v1", "x-max-length-bytes", "--log-max-bytes"),
            ("solvemesh.bulk.v1", "x-stream-max-segment-size-bytes", "--bulk-segment-bytes"),
            ("solvemesh.cancel.v1", "x-max-age", "another version"),
            ("solvemesh.log.v1", "x-queue-type", "another version"),
        ] {
            let mut contents = contents();
            named(&mut contents, queue).arguments = different(key);
            let findings = wrong(contents);
            assert_eq!(findings.len(), 1, "{findings:?}");
            let finding = &findings[0];
            assert_eq!(
                (finding.severity, &finding.subject),
                (Severity::Error, &format!("queue {queue}"))
            );
            assert!(finding.message.ends_with("current is '7'"), "{finding:?}");
            assert!(finding.advice.as_ref().is_some_and(|text| text.contains(flag)), "{finding:?}");
        }
        let difference = |queue: &str| {
            format!(
                "inequivalent arg 'x-max-length' for queue '{queue}' in vhost '/': received '7' but \
                 current is '9'"
            )
        };
        let mut several = contents();
        for queue in ["solvemesh.jobs.express.v1", "solvemesh.jobs.express.later.v1"] {
            named(&mut several, queue).arguments = Arguments::Different(difference(queue));
        }
        let findings = wrong(several);
        assert_eq!((findings.len(), findings[0].subject.as_str()), (1, "2 queues"));
        let message = "not with the arguments of the flags: inequivalent arg 'x-max-length': received \
             '7' but current is '9'; they are solvemesh.jobs.express.v1, \
             solvemesh.jobs.express.later.v1";
        assert_eq!(findings[0].message, message);
        let mut unknown = contents();
        named(&mut unknown, "solvemesh.log.v1").arguments = Arguments::Unknown("why".into());
        assert_eq!(wrong(unknown)[0].severity, Severity::Warning);
    }

    #[test]
    fn a_lane_needs_a_consumer_in_any_of_its_queues() {
        let served = "solvemesh.served.express.v1";
        let mut unserved = contents();
        named(&mut unserved, served).existence = present(0, 0);
        assert_eq!(wrong(unserved.clone())[0].severity, Severity::Warning);
        named(&mut unserved, "solvemesh.jobs.express.later.v1").existence = present(1, 0);
        let finding = wrong(unserved.clone()).remove(0);
        assert_eq!((finding.severity, finding.check), (Severity::Error, "broker-lane"));
        assert!(finding.message.starts_with("1 message with jobs waiting"), "{finding:?}");
        named(&mut unserved, "solvemesh.jobs.express.v1").existence = present(0, 1);
        let express: Lane = "express".parse().expect("a lane");
        let finding = lane(&express, &unserved).expect("a finding");
        assert_eq!(finding.message, "1 message with jobs waiting, 1 consumer");
        assert_eq!(wrong(unserved), []);
    }

    #[test]
    fn dead_letters_need_a_gateway() {
        let dead = "solvemesh.dead.v1";
        let mut contents = contents();
        named(&mut contents, dead).existence = present(0, 0);
        assert_eq!(wrong(contents.clone())[0].severity, Severity::Warning);
        named(&mut contents, dead).existence = present(2, 0);
        let finding = wrong(contents.clone()).remove(0);
        assert_eq!((finding.severity, finding.check), (Severity::Error, "dead-letters"));
        assert!(finding.message.starts_with("2 dead letters"), "{finding:?}");
        named(&mut contents, dead).existence = present(2, 1);
        assert_eq!(wrong(contents), []);
    }
}

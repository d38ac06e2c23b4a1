//! The rights of a user of the broker, compared with those that a gateway and a worker need. The
//! table is in `docs/security.md`.

use solvemesh_broker::{
    Lane,
    amqp::inspection::{Arguments, Contents, Existence, Purpose, QueueReport, Right},
};

use crate::doctor::finding::Finding;

const CHECK: &str = "broker-rights";
/// Maximum number of missing rights in a sentence.
const MAX_RIGHTS: usize = 4;

/// A program that connects to the broker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Program {
    Gateway,
    Worker,
}

/// Compares what the user may do with what programs need. Rights on a queue that does not exist are
/// unknown.
pub(crate) fn judge(contents: &Contents) -> Finding {
    let subject = format!("user {}", contents.user);
    let gateway = missing(contents, Program::Gateway);
    let worker = missing(contents, Program::Worker);
    match (gateway.is_empty(), worker.is_empty()) {
        (true, true) => {
            let message =
                "it has the rights that gateways and workers need, as far as the queues exist";
            Finding::ok(CHECK, subject, message)
        }
        (true, false) => Finding::ok(CHECK, subject, "it has the rights that gateways need"),
        (false, true) => {
            let message = "it has the rights that workers need, which do not include to compare the \
                 arguments of queues";
            let advice = "give the URL of the gateways' user to compare them, too";
            Finding { advice: Some(advice.into()), ..Finding::ok(CHECK, subject, message) }
        }
        (false, false) => {
            let (program, missing) = if worker.len() < gateway.len() {
                ("worker", worker)
            } else {
                ("gateway", gateway)
            };
            let more = missing.len().saturating_sub(MAX_RIGHTS);
            let more = if more > 0 { format!(" and {more} more") } else { String::new() };
            let named = missing.into_iter().take(MAX_RIGHTS).collect::<Vec<_>>().join(", ");
            let message = format!("a {program} needs rights that it does not have: {named}{more}");
            let advice = format!(
                "run scripts/broker-users --vhost {} where rabbitmqctl works, or compare the rights \
                 with those of scripts/broker-users --rights",
                contents.vhost
            );
            Finding::error(CHECK, subject, message, advice)
        }
    }
}

/// The rights that a program needs and the user does not have, each as "read on NAME".
fn missing(contents: &Contents, program: Program) -> Vec<String> {
    let mut missing = Vec::new();
    if contents.write == Right::Denied {
        missing.push("write on amq.default".to_owned());
    }
    let heartbeats = |name: &str| name.starts_with("solvemesh.heartbeat.");
    for exchange in contents.exchanges.iter().filter(|exchange| heartbeats(&exchange.name)) {
        if exchange.write == Right::Denied {
            missing.push(format!("write on {}", exchange.name));
        }
    }
    for queue in &contents.queues {
        let (configure, read) = needed(program, &queue.purpose);
        let lacks = lacking(queue);
        if configure && lacks.0 {
            missing.push(format!("configure on {}", queue.name));
        }
        if read && lacks.1 {
            missing.push(format!("read on {}", queue.name));
        }
    }
    missing
}

/// Whether the user lacks the rights to configure and to read a queue.
fn lacking(queue: &QueueReport) -> (bool, bool) {
    // Who may not even know whether it exists has no right at all.
    let none = queue.existence == Existence::Denied;
    (none || queue.arguments == Arguments::Denied, none || queue.read == Right::Denied)
}

/// Whether a program needs to configure and to read a queue.
fn needed(program: Program, purpose: &Purpose) -> (bool, bool) {
    let has_own_workers = |lane: &Lane| [Lane::CBC, Lane::SCIP].contains(&lane.as_str());
    match (program, purpose) {
        (Program::Gateway, Purpose::Cancels) => (true, false),
        (Program::Gateway, _) => (true, true),
        (Program::Worker, Purpose::Jobs(lane, _) | Purpose::Served(lane)) => {
            (has_own_workers(lane), true)
        }
        (Program::Worker, Purpose::Bulk | Purpose::Cancels) => (false, true),
        (Program::Worker, Purpose::DeadLetters | Purpose::Log | Purpose::Lookups) => (false, false),
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use solvemesh_broker::{Rank, amqp::inspection::ExchangeReport};

    use super::*;
    use crate::doctor::finding::Severity;

    pub(crate) fn queue(name: &str, purpose: Purpose, ready: u32, consumers: u32) -> QueueReport {
        QueueReport {
            name: format!("solvemesh.{name}"),
            purpose,
            existence: Existence::Present { ready, consumers },
            arguments: Arguments::Same,
            read: Right::Granted,
        }
    }

    /// A mesh with one lane, as it should be.
    pub(crate) fn contents() -> Contents {
        let lane = Lane::express();
        let exchange = |name: &str| ExchangeReport {
            name: name.into(),
            exists: Some(true),
            write: Right::Granted,
        };
        let ranks = [("first.", Rank::First), ("", Rank::Normal), ("later.", Rank::Later)];
        let jobs = ranks.map(|(suffix, rank)| {
            queue(&format!("jobs.express.{suffix}v1"), Purpose::Jobs(lane.clone(), rank), 0, 0)
        });
        let others = [
            queue("dead.v1", Purpose::DeadLetters, 0, 1),
            queue("log.v1", Purpose::Log, 0, 1),
            queue("bulk.v1", Purpose::Bulk, 0, 0),
            queue("cancel.v1", Purpose::Cancels, 0, 1),
            queue("lookup.v2", Purpose::Lookups, 0, 1),
        ];
        let served = queue("served.express.v1", Purpose::Served(lane), 0, 1);
        Contents {
            user: "u".into(),
            vhost: "v".into(),
            node: "h:5672".into(),
            queues: others.into_iter().chain(jobs).chain([served]).collect(),
            exchanges: vec![exchange("solvemesh.dead.v1"), exchange("solvemesh.heartbeat.v1")],
            write: Right::Granted,
            blocked: None,
        }
    }

    /// The queue with this name.
    pub(crate) fn named<'a>(contents: &'a mut Contents, name: &str) -> &'a mut QueueReport {
        let found = contents.queues.iter_mut().find(|queue| queue.name == name);
        found.unwrap_or_else(|| panic!("no {name}"))
    }

    fn worker() -> Contents {
        let mut contents = contents();
        for queue in &mut contents.queues {
            queue.arguments = Arguments::Denied;
            let (_, read) = needed(Program::Worker, &queue.purpose);
            queue.read = if read { Right::Granted } else { Right::Denied };
        }
        contents
    }

    #[test]
    fn users_of_gateways_and_workers_have_what_they_need() {
        assert_eq!(judge(&contents()).severity, Severity::Ok);
        let mut gateway = contents();
        named(&mut gateway, "solvemesh.cancel.v1").read = Right::Denied;
        assert_eq!(judge(&gateway).message, "it has the rights that gateways need");
        let finding = judge(&worker());
        let is_ok = finding.severity == Severity::Ok;
        assert!(is_ok && finding.message.contains("workers need"), "{finding:?}");
    }

    #[test]
    fn the_missing_right_is_named_with_the_script() {
        let mut contents = worker();
        named(&mut contents, "solvemesh.bulk.v1").read = Right::Denied;
        let finding = judge(&contents);
        assert_eq!(finding.severity, Severity::Error);
        assert!(finding.message.contains("a worker needs"), "{finding:?}");
        assert!(finding.message.ends_with("read on solvemesh.bulk.v1"), "{finding:?}");
        assert!(finding.advice.is_some_and(|it| it.contains("scripts/broker-users --vhost v")));

        let mut contents = self::contents();
        contents.write = Right::Denied;
        assert!(
            judge(&contents)
                .message
                .ends_with("a gateway needs rights that it does not have: write on amq.default")
        );
        let mut contents = self::contents();
        contents.exchanges[1].write = Right::Denied;
        assert!(judge(&contents).message.ends_with("write on solvemesh.heartbeat.v1"));
    }

    #[test]
    fn who_may_not_know_of_queues_has_no_rights() {
        let mut contents = contents();
        for queue in &mut contents.queues {
            queue.existence = Existence::Denied;
        }
        let finding = judge(&contents);
        // The four queues of the lane, the bulk stream and that of cancels.
        assert!(finding.message.contains("a worker needs"), "{finding:?}");
        assert!(finding.message.ends_with("and 2 more"), "{finding:?}");
    }

    #[test]
    fn what_the_broker_does_not_say_is_not_missing() {
        let mut contents = contents();
        contents.write = Right::Unknown("no answer".into());
        named(&mut contents, "solvemesh.log.v1").read = Right::Unknown("no answer".into());
        assert_eq!(judge(&contents).severity, Severity::Ok);
    }

    #[test]
    fn only_workers_with_a_solver_declare_its_lane() {
        let lane = |name: &str| -> Lane { name.parse().unwrap_or_else(|_| Lane::express()) };
        assert_eq!(needed(Program::Worker, &Purpose::Served(lane("cbc"))), (true, true));
        assert_eq!(needed(Program::Worker, &Purpose::Served(lane("gpu"))), (false, true));
    }
}

//! The log line that says how solver processes are confined.

use solvemesh::solver::v1::{Barrier, BarrierState, Confinement};

/// Logs how a solver process is confined: a warning if the kernel lacks a part of it.
pub(super) fn log(confinement: &Confinement) {
    let Confinement { landlock, seccomp } = confinement;
    let complete = [landlock, seccomp].into_iter().all(is_enforced);
    let (landlock, seccomp) = (described(landlock.as_ref()), described(seccomp.as_ref()));
    if complete {
        tracing::info!(landlock, seccomp, "solver processes are confined");
    } else {
        tracing::warn!(landlock, seccomp, "solver processes are not fully confined");
    }
}

fn is_enforced(barrier: &Option<Barrier>) -> bool {
    barrier.as_ref().is_some_and(|barrier| barrier.state() == BarrierState::Enforced)
}

fn described(barrier: Option<&Barrier>) -> String {
    let Some(barrier) = barrier else { return "not reported".to_owned() };
    let state = match barrier.state() {
        BarrierState::Enforced => "enforced",
        BarrierState::Partial => "enforced in part",
        BarrierState::Missing => "missing",
        BarrierState::Unspecified => "not reported",
    };
    match barrier.detail.as_str() {
        "" => state.to_owned(),
        detail => format!("{state}: {detail}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn barrier(state: BarrierState, detail: &str) -> Option<Barrier> {
        Some(Barrier { state: state.into(), detail: detail.to_owned() })
    }

    #[test]
    fn a_barrier_is_described_by_its_state_and_detail() {
        let text = |barrier: Option<Barrier>| described(barrier.as_ref());
        assert_eq!(text(barrier(BarrierState::Enforced, "V7")), "enforced: V7");
        assert_eq!(text(barrier(BarrierState::Enforced, "")), "enforced");
        assert_eq!(text(barrier(BarrierState::Missing, "no such call")), "missing: no such call");
        assert_eq!(text(None), "not reported");
        assert!(!is_enforced(&None));
        assert!(!is_enforced(&barrier(BarrierState::Partial, "V1")));
    }
}

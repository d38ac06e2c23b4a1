//! Landlock: denies to open files, to use TCP, and to signal other processes.

use landlock::{
    ABI, Access, AccessFs, AccessNet, LandlockStatus, Ruleset, RulesetAttr, RulesetCreatedAttr,
    RulesetError, RulesetStatus, Scope, path_beneath_rules,
};
use solvemesh::solver::v1::{Barrier, BarrierState};

use super::barrier;

/// What a solver process may read after its start: HiGHS asks the C library for the number of
/// processors in every run. Files that are open by then, such as the pipes, stay usable.
const READABLE: &[&str] = &["/sys/devices/system/cpu"];

/// The newest version of Landlock that is asked for; a kernel enforces what it knows of that.
/// 6 denies all access to files, TCP, the control of devices, abstract sockets and signals.
const ASKED: ABI = ABI::V6;

/// The version that counts as complete: from 4 on, files and TCP are denied. What the later ones
/// add, the seccomp filter denies too.
const COMPLETE: ABI = ABI::V4;

/// Restricts the calling thread, and those that it starts.
pub(super) fn restrict() -> Barrier {
    let status = match apply() {
        Ok(status) => status,
        Err(error) => return barrier(BarrierState::Missing, error.to_string()),
    };
    match status.landlock {
        LandlockStatus::Available { effective_abi, .. }
            if status.ruleset != RulesetStatus::NotEnforced =>
        {
            let state = match effective_abi >= COMPLETE {
                true => BarrierState::Enforced,
                false => BarrierState::Partial,
            };
            barrier(state, format!("{effective_abi:?}"))
        }
        LandlockStatus::NotEnabled => {
            barrier(BarrierState::Missing, "the kernel was started without it")
        }
        LandlockStatus::NotImplemented => {
            barrier(BarrierState::Missing, "the kernel was built without it")
        }
        LandlockStatus::Available { .. } => barrier(BarrierState::Missing, "it was not enforced"),
    }
}

fn apply() -> Result<landlock::RestrictionStatus, RulesetError> {
    Ruleset::default()
        .handle_access(AccessFs::from_all(ASKED))?
        .handle_access(AccessNet::from_all(ASKED))?
        .scope(Scope::from_all(ASKED))?
        .create()?
        .add_rules(path_beneath_rules(READABLE, AccessFs::ReadFile | AccessFs::ReadDir))?
        .restrict_self()
}

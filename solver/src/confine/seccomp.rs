//! seccomp: denies system calls that no solver needs.
//!
//! The filter lists what is denied, not what is allowed: a solver of a system library, or another C
//! library, may use harmless calls that are not known here, and must not fail by them.

use std::{collections::BTreeMap, env::consts::ARCH, io, process};

use libc::c_long;
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen as Length, SeccompCmpOp as Is, SeccompCondition,
    SeccompFilter, SeccompRule, sock_filter,
};
use solvemesh::solver::v1::{Barrier, BarrierState};

use super::barrier;

/// System calls that fail with `EPERM`, whatever their arguments.
const DENIED: &[c_long] = &[
    // The network, sockets of any kind, and queues shared with other processes.
    libc::SYS_socket,
    libc::SYS_socketpair,
    libc::SYS_connect,
    libc::SYS_bind,
    libc::SYS_listen,
    libc::SYS_accept,
    libc::SYS_accept4,
    libc::SYS_mq_open,
    libc::SYS_msgget,
    libc::SYS_semget,
    libc::SYS_shmget,
    // Operations through a ring are not seen by any filter.
    libc::SYS_io_uring_setup,
    libc::SYS_io_uring_enter,
    libc::SYS_io_uring_register,
    // Other programs.
    libc::SYS_execve,
    libc::SYS_execveat,
    // Other processes.
    libc::SYS_ptrace,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_process_madvise,
    libc::SYS_process_mrelease,
    libc::SYS_kcmp,
    libc::SYS_pidfd_open,
    libc::SYS_pidfd_getfd,
    libc::SYS_pidfd_send_signal,
    libc::SYS_kill,
    libc::SYS_tkill,
    libc::SYS_rt_sigqueueinfo,
    libc::SYS_rt_tgsigqueueinfo,
    // Its worker sets the memory limit from outside; the process must not lift it.
    libc::SYS_setrlimit,
    // What Landlock does not cover of files.
    libc::SYS_fchmod,
    libc::SYS_fchmodat,
    libc::SYS_fchmodat2,
    libc::SYS_fchown,
    libc::SYS_fchownat,
    libc::SYS_utimensat,
    libc::SYS_setxattr,
    libc::SYS_lsetxattr,
    libc::SYS_fsetxattr,
    libc::SYS_removexattr,
    libc::SYS_lremovexattr,
    libc::SYS_fremovexattr,
    libc::SYS_open_by_handle_at,
    libc::SYS_fanotify_init,
    // The system as a whole, in case the worker runs as root or in a namespace of its own.
    libc::SYS_unshare,
    libc::SYS_setns,
    libc::SYS_chroot,
    libc::SYS_pivot_root,
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_mount_setattr,
    libc::SYS_move_mount,
    libc::SYS_open_tree,
    libc::SYS_fsopen,
    libc::SYS_fsmount,
    libc::SYS_fspick,
    libc::SYS_fsconfig,
    libc::SYS_swapon,
    libc::SYS_swapoff,
    libc::SYS_reboot,
    libc::SYS_kexec_load,
    libc::SYS_init_module,
    libc::SYS_finit_module,
    libc::SYS_delete_module,
    libc::SYS_settimeofday,
    libc::SYS_clock_settime,
    libc::SYS_clock_adjtime,
    libc::SYS_adjtimex,
    libc::SYS_sethostname,
    libc::SYS_setdomainname,
    libc::SYS_syslog,
    libc::SYS_acct,
    libc::SYS_quotactl,
    // Parts of the kernel in which errors were often found.
    libc::SYS_bpf,
    libc::SYS_perf_event_open,
    libc::SYS_userfaultfd,
    libc::SYS_add_key,
    libc::SYS_request_key,
    libc::SYS_keyctl,
    // Older forms, which other architectures do not have.
    #[cfg(target_arch = "x86_64")]
    libc::SYS_fork,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_vfork,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_chmod,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_chown,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_lchown,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_utime,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_utimes,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_futimesat,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_iopl,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_ioperm,
];

/// Restricts the calling thread, and those that it starts.
pub(super) fn restrict() -> Barrier {
    match filters().map_err(|error| error.to_string()) {
        Ok(filters) => match filters.iter().try_for_each(|filter| install(filter)) {
            Ok(()) => barrier(BarrierState::Enforced, ""),
            Err(error) => barrier(BarrierState::Missing, error.to_string()),
        },
        // The library knows no such processor.
        Err(error) => barrier(BarrierState::Missing, error),
    }
}

/// The filters; a call must pass each of them.
fn filters() -> Result<[BpfProgram; 2], seccompiler::BackendError> {
    let mut rules = always(DENIED);
    // A thread is a process that shares everything with this one; any other is denied.
    rules.insert(libc::SYS_clone, when(0, Is::MaskedEq(libc::CLONE_THREAD as u64), 0)?);
    // Of signals, only those to itself are left: `abort` needs one.
    rules.insert(libc::SYS_tgkill, when(0, Is::Ne, process::id().into())?);
    // Limits may be read, as the C library does for the size of stacks, but not set.
    rules.insert(libc::SYS_prlimit64, when(2, Is::Ne, 0)?);
    // Standard error may be a terminal, and this types into it.
    rules.insert(libc::SYS_ioctl, when(1, Is::Eq, libc::TIOCSTI)?);
    let mut main = filter(rules, libc::EPERM)?;
    if cfg!(target_arch = "x86_64") {
        main.splice(0..0, DENY_X32);
    }
    // The flags of `clone3` are in memory, where a filter can't read them. The C library takes
    // `clone` instead if it does not exist.
    let clone3 = filter(always(&[libc::SYS_clone3]), libc::ENOSYS)?;
    Ok([main, clone3])
}

/// The rules for calls that fail whatever their arguments.
fn always(calls: &[c_long]) -> BTreeMap<c_long, Vec<SeccompRule>> {
    calls.iter().map(|&call| (call, Vec::new())).collect()
}

/// A filter that lets the calls of `rules` fail with an error, and allows the rest.
fn filter(
    rules: BTreeMap<c_long, Vec<SeccompRule>>,
    error: i32,
) -> Result<BpfProgram, seccompiler::BackendError> {
    let denied = SeccompAction::Errno(error as u32);
    SeccompFilter::new(rules, SeccompAction::Allow, denied, ARCH.try_into()?)?.try_into()
}

/// The rule for one argument of a call, counted from 0.
fn when(argument: u8, is: Is, value: u64) -> Result<Vec<SeccompRule>, seccompiler::BackendError> {
    let length = match argument {
        // The only pointer.
        2 => Length::Qword,
        _ => Length::Dword,
    };
    let condition = SeccompCondition::new(argument, length, is, value)?;
    Ok(vec![SeccompRule::new(vec![condition])?])
}

/// Denies the calls of the x32 ABI, which have numbers of their own on the same architecture and
/// would pass the filter.
const DENY_X32: [sock_filter; 3] = [
    statement(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0),
    sock_filter {
        code: (libc::BPF_JMP | libc::BPF_JGE | libc::BPF_K) as u16,
        jt: 0,
        jf: 1,
        k: 0x4000_0000,
    },
    statement(libc::BPF_RET | libc::BPF_K, libc::SECCOMP_RET_ERRNO | libc::EPERM as u32),
];

const fn statement(code: u32, k: u32) -> sock_filter {
    sock_filter { code: code as u16, jt: 0, jf: 0, k }
}

/// Installs a filter, for good.
///
/// Not with [`seccompiler::apply_filter`]: kernels before 5.16 would then switch off speculation
/// for this process, which slows solves down by several per cent. That protects a process from
/// other code in it, of which there is none here.
fn install(filter: &[sock_filter]) -> io::Result<()> {
    rustix::thread::set_no_new_privs(true)?;
    let program = libc::sock_fprog {
        len: u16::try_from(filter.len()).map_err(|_| io::ErrorKind::InvalidInput)?,
        filter: filter.as_ptr().cast_mut().cast(),
    };
    // SAFETY: the kernel copies the program, whose length is that of the slice, and changes
    // nothing. `sock_filter` has the same layout in both libraries: that of the kernel.
    let status = unsafe {
        libc::syscall(
            libc::SYS_seccomp,
            libc::SECCOMP_SET_MODE_FILTER,
            libc::SECCOMP_FILTER_FLAG_SPEC_ALLOW,
            &raw const program,
        )
    };
    if status == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Makes this thread's kernel appear to lack some system calls.
#[cfg(test)]
pub(super) fn remove_calls(calls: &[c_long]) -> io::Result<()> {
    install(&filter(always(calls), libc::ENOSYS).map_err(io::Error::other)?)
}

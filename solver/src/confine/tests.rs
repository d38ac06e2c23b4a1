//! What confined threads of this process attempt. Where the kernel lacks the barrier that a test is
//! about, the test is skipped with a message.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    env, fs,
    io::{self, ErrorKind},
    net::{TcpListener, TcpStream, UdpSocket},
    os::unix::net::UnixStream,
    process::{self, Command},
    thread,
};

use libc::c_long;
use solvemesh::solver::v1::{Barrier, BarrierState, Confinement};

use super::{confine, seccomp};
use crate::{
    samples::wyndor,
    tests::{assert_optimal, solve},
};

fn confined(attempt: fn(Confinement)) {
    thread::spawn(move || attempt(confine())).join().unwrap();
}

fn is_enforced(barrier: Option<&Barrier>) -> bool {
    let barrier = barrier.unwrap();
    let enforced = barrier.state() == BarrierState::Enforced;
    if !enforced {
        eprintln!("skipped: {barrier:?}");
    }
    enforced
}

#[track_caller]
fn assert_denied<T>(outcome: io::Result<T>) {
    assert_eq!(outcome.err().map(|error| error.kind()), Some(ErrorKind::PermissionDenied));
}

/// Makes a system call, and returns its error.
fn call(number: c_long, arguments: [c_long; 3]) -> io::Error {
    let [first, second, third] = arguments;
    // SAFETY: the tests make calls that are denied before the kernel reads their arguments.
    let result = unsafe { libc::syscall(number, first, second, third) };
    assert_eq!(result, -1, "call {number}");
    io::Error::last_os_error()
}

#[test]
fn no_file_can_be_opened_created_or_removed() {
    confined(|confinement| {
        if !is_enforced(confinement.landlock.as_ref()) {
            return;
        }
        let program = env::current_exe().unwrap();
        for file in ["/etc/passwd".as_ref(), "/proc/self/environ".as_ref(), program.as_path()] {
            assert_denied(fs::read(file));
        }
        assert_denied(fs::read_dir("/"));
        assert_denied(fs::write(env::temp_dir().join("solvemesh-confined"), "x"));
        assert_denied(fs::write("/proc/self/oom_score_adj", "0"));
        assert_denied(fs::create_dir(env::temp_dir().join("solvemesh-confined")));
        assert_denied(fs::remove_file(program));
        // What HiGHS reads.
        assert!(!fs::read_to_string("/sys/devices/system/cpu/online").unwrap().is_empty());
    });
}

#[test]
fn no_socket_can_be_opened() {
    confined(|confinement| {
        if !is_enforced(confinement.seccomp.as_ref()) {
            return;
        }
        assert_denied(TcpStream::connect("127.0.0.1:9"));
        assert_denied(TcpListener::bind("127.0.0.1:0"));
        assert_denied(UdpSocket::bind("127.0.0.1:0"));
        assert_denied(UnixStream::pair());
        let ring = call(libc::SYS_io_uring_setup, [1, 0, 0]);
        assert_eq!(ring.raw_os_error(), Some(libc::EPERM));
    });
}

#[test]
fn no_program_and_no_process_can_be_started() {
    confined(|confinement| {
        if !is_enforced(confinement.seccomp.as_ref()) {
            return;
        }
        assert_denied(Command::new("/bin/true").spawn());
        for forbidden in [libc::SYS_execve, libc::SYS_execveat, libc::SYS_clone] {
            let error = call(forbidden, [0; 3]);
            assert_eq!(error.raw_os_error(), Some(libc::EPERM), "call {forbidden}");
        }
        assert_eq!(call(libc::SYS_clone3, [0; 3]).raw_os_error(), Some(libc::ENOSYS));
        // Threads can.
        assert_eq!(thread::spawn(|| 7).join().unwrap(), 7);
    });
}

#[test]
fn other_processes_and_its_own_limits_cannot_be_reached() {
    confined(|confinement| {
        if !is_enforced(confinement.seccomp.as_ref()) {
            return;
        }
        let parent = c_long::from(rustix::process::getppid().unwrap().as_raw_nonzero().get());
        let any_limit = &raw const NO_LIMIT as c_long;
        for (forbidden, arguments) in [
            (libc::SYS_kill, [parent, 0, 0]),
            (libc::SYS_tgkill, [parent, parent, 0]),
            (libc::SYS_ptrace, [libc::PTRACE_ATTACH.into(), parent, 0]),
            (libc::SYS_pidfd_open, [parent, 0, 0]),
            (libc::SYS_prlimit64, [0, libc::RLIMIT_DATA.into(), any_limit]),
        ] {
            let error = call(forbidden, arguments);
            assert_eq!(error.raw_os_error(), Some(libc::EPERM), "call {forbidden}");
        }
        // Its limits can be read, and a signal to itself be sent: `abort` needs that.
        rustix::process::getrlimit(rustix::process::Resource::Data);
        let own = c_long::from(process::id());
        // SAFETY: signal 0 is not sent; it is only checked.
        let sent = unsafe { libc::syscall(libc::SYS_tgkill, own, libc::gettid(), 0) };
        assert_eq!(sent, 0);
    });
}

static NO_LIMIT: libc::rlimit =
    libc::rlimit { rlim_cur: libc::RLIM_INFINITY, rlim_max: libc::RLIM_INFINITY };

#[test]
#[cfg(target_arch = "x86_64")]
fn the_calls_of_another_abi_are_denied_too() {
    confined(|confinement| {
        if is_enforced(confinement.seccomp.as_ref()) {
            let error = call(0x4000_0000 + libc::SYS_socket, [libc::AF_INET.into(), 1, 0]);
            assert_eq!(error.raw_os_error(), Some(libc::EPERM));
        }
    });
}

#[test]
fn a_solve_gives_the_right_answer() {
    confined(|_| assert_optimal(&solve(wyndor()), 3600.0, &[2.0, 6.0]));
}

#[test]
fn on_a_kernel_without_the_barriers_they_are_reported_as_missing() {
    let old_kernel = thread::spawn(|| {
        let missing = [libc::SYS_landlock_create_ruleset, libc::SYS_seccomp];
        if let Err(error) = seccomp::remove_calls(&missing) {
            eprintln!("skipped: {error}");
            return;
        }
        let Confinement { landlock, seccomp } = confine();
        for barrier in [landlock, seccomp].map(Option::unwrap) {
            assert_eq!(barrier.state(), BarrierState::Missing);
            assert!(!barrier.detail.is_empty());
        }
        assert_optimal(&solve(wyndor()), 3600.0, &[2.0, 6.0]);
    });
    old_kernel.join().unwrap();
}

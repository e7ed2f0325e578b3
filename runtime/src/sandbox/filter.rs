//! The system calls that a cordon's threads may make once it is sealed.
//!
//! Who is not on the list gets EPERM. No call on it names a file, makes a socket that reaches
//! anybody, starts a process or touches one. Calls that only an attack makes end the process.
//!
//! Calls on the path of every request have no condition on their arguments: the kernel then
//! remembers that they are allowed, and runs no filter for them.

use std::collections::BTreeMap;

use libc::*;
use seccompiler::{
    BackendError, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule, TargetArch, apply_filter_all_threads,
};

/// Calls that are allowed whatever their arguments.
#[rustfmt::skip]
const ALLOWED: &[c_long] = &[
    // Talking over descriptors that exist: lines, the control socket, the death note, the log.
    // None of them can be made to point elsewhere.
    SYS_read, SYS_write, SYS_readv, SYS_writev, SYS_recvfrom, SYS_recvmsg, SYS_sendto, SYS_sendmsg,
    SYS_shutdown, SYS_close,
    // Waiting, as tokio's and std's loops do it.
    SYS_ppoll, SYS_epoll_create1, SYS_epoll_ctl, SYS_epoll_pwait, SYS_epoll_pwait2, SYS_eventfd2,
    SYS_futex, SYS_nanosleep, SYS_clock_nanosleep, SYS_sched_yield, SYS_restart_syscall,
    // Memory of the engine and of malloc. The compiler of JavaScript makes pages executable.
    SYS_mmap, SYS_munmap, SYS_mremap, SYS_mprotect, SYS_madvise, SYS_brk,
    SYS_pkey_alloc, SYS_pkey_free, SYS_pkey_mprotect, SYS_membarrier,
    // Starting and ending threads. `clone3` is here so that the other filter's answer counts.
    SYS_clone3, SYS_set_robust_list, SYS_rseq, SYS_sched_getaffinity, SYS_exit, SYS_exit_group,
    // The engine's locks ask how their threads are scheduled, and write to the log if denied.
    SYS_sched_getparam, SYS_sched_getscheduler,
    // Handlers of fatal signals, which write the death note.
    SYS_rt_sigaction, SYS_rt_sigprocmask, SYS_rt_sigreturn, SYS_sigaltstack,
    // Clocks, random bytes, and what the process knows of itself and the machine.
    SYS_clock_gettime, SYS_clock_getres, SYS_gettimeofday, SYS_getrandom, SYS_getrusage,
    SYS_sysinfo, SYS_getcpu, SYS_getpid, SYS_getppid, SYS_gettid,
];

/// Older forms of the above, which x86-64's C library still uses.
#[cfg(target_arch = "x86_64")]
const ALLOWED_OLD: &[c_long] = &[SYS_poll, SYS_epoll_wait, SYS_time];
#[cfg(not(target_arch = "x86_64"))]
const ALLOWED_OLD: &[c_long] = &[];

/// Calls that neither the engine nor any library makes, whatever goes wrong.
const FATAL: &[c_long] = &[
    SYS_process_vm_readv,
    SYS_process_vm_writev,
    SYS_init_module,
    SYS_finit_module,
    SYS_delete_module,
    SYS_kexec_load,
    SYS_reboot,
    SYS_userfaultfd,
    SYS_open_by_handle_at,
    SYS_pivot_root,
    SYS_chroot,
    SYS_setns,
];

type Rules = BTreeMap<c_long, Vec<SeccompRule>>;

/// Puts the filters before every thread of the process, for good.
pub(super) fn install() -> Result<(), String> {
    let errno = |errno: c_int| SeccompAction::Errno(errno.unsigned_abs());
    let without_rules = |calls: &[c_long]| calls.iter().map(|call| (*call, Vec::new())).collect();
    // Of several filters the strictest answer counts. The list comes last, because it denies the
    // installation of filters.
    let listed = listed().map_err(|why| why.to_string())?;
    apply(without_rules(FATAL), SeccompAction::Allow, SeccompAction::KillProcess)?;
    // Its flags lie behind a pointer, where no filter can see them. The C library then takes
    // `clone`, whose flags can be checked.
    apply(without_rules(&[SYS_clone3]), SeccompAction::Allow, errno(ENOSYS))?;
    apply(listed, errno(EPERM), SeccompAction::Allow)
}

fn apply(rules: Rules, otherwise: SeccompAction, matching: SeccompAction) -> Result<(), String> {
    let architecture =
        TargetArch::try_from(std::env::consts::ARCH).map_err(|why| why.to_string())?;
    let program = SeccompFilter::new(rules, otherwise, matching, architecture)
        .and_then(seccompiler::BpfProgram::try_from)
        .map_err(|why| why.to_string())?;
    apply_filter_all_threads(&program).map_err(|why| why.to_string())
}

fn listed() -> Result<Rules, BackendError> {
    let unconditional = ALLOWED.iter().chain(ALLOWED_OLD);
    let mut rules: Rules = unconditional.map(|call| (*call, Vec::new())).collect();
    rules.extend(conditional()?);
    Ok(rules)
}

/// Calls that are allowed with certain arguments only; each row of a call is one way to make it.
fn conditional() -> Result<Rules, BackendError> {
    let me = u64::from(std::process::id());
    let rows: [(c_long, &[&[SeccompCondition]]); _] = [
        // Threads of this process, never a process.
        (SYS_clone, &[&[masked(0, CLONE_THREAD | NAMESPACES, CLONE_THREAD)?]]),
        // `abort` and the like; never another process.
        (SYS_tgkill, &[&[equal(0, me)?]]),
        // A thread may yield to others and come back, but only itself.
        (SYS_setpriority, &[&[equal(0, u64::from(PRIO_PROCESS))?, equal(1, 0)?]]),
        // The policies that could harm others need privileges, and what the call says lies behind
        // a pointer.
        (SYS_sched_setattr, &[&[equal(0, 0)?]]),
        // Reading its own limits.
        (SYS_prlimit64, &[&[equal(0, 0)?, whole(2, 0)?]]),
        (SYS_prctl, &[&[option(0, PR_SET_NAME)?], &[option(0, PR_SET_VMA)?]]),
        // Whether a descriptor blocks, and copies of it.
        (SYS_ioctl, &[&[equal(1, FIONBIO)?]]),
        (
            SYS_fcntl,
            &[
                &[option(1, F_GETFD)?],
                &[option(1, F_SETFD)?],
                &[option(1, F_GETFL)?],
                &[option(1, F_SETFL)?],
                &[option(1, F_DUPFD_CLOEXEC)?],
            ],
        ),
        // Tokio's reactor makes a pair to hear of signals. A pair of streams is connected to
        // itself, where one of datagrams could be addressed elsewhere.
        (SYS_socketpair, &[&[option(0, AF_UNIX)?, masked(1, SOCKET_TYPES, SOCK_STREAM)?]]),
        // A line's buffers and timeouts. Other options attach programs to a socket.
        (SYS_getsockopt, &[&[option(1, SOL_SOCKET)?]]),
        (
            SYS_setsockopt,
            &[
                &[option(1, SOL_SOCKET)?, option(2, SO_RCVTIMEO)?],
                &[option(1, SOL_SOCKET)?, option(2, SO_SNDTIMEO)?],
                &[option(1, SOL_SOCKET)?, option(2, SO_RCVBUF)?],
                &[option(1, SOL_SOCKET)?, option(2, SO_SNDBUF)?],
            ],
        ),
    ];
    let rule = |conditions: &&[SeccompCondition]| SeccompRule::new(conditions.to_vec());
    let chain = |(call, ways): (c_long, &[&[SeccompCondition]])| {
        let ways: Result<Vec<_>, _> = ways.iter().map(rule).collect();
        ways.map(|ways| (call, ways))
    };
    rows.into_iter().map(chain).collect()
}

/// The bits of a socket's type that are not flags.
const SOCKET_TYPES: c_int = 0xf;

/// What makes `clone` leave a namespace.
const NAMESPACES: c_int = CLONE_NEWNS
    | CLONE_NEWUSER
    | CLONE_NEWPID
    | CLONE_NEWNET
    | CLONE_NEWIPC
    | CLONE_NEWUTS
    | CLONE_NEWCGROUP;

type Condition = Result<SeccompCondition, BackendError>;

/// The lower half of the argument, which is all that the kernel reads of a 32-bit one.
fn equal(argument: u8, value: u64) -> Condition {
    SeccompCondition::new(argument, SeccompCmpArgLen::Dword, SeccompCmpOp::Eq, value)
}

fn option(argument: u8, value: c_int) -> Condition {
    equal(argument, u64::from(value.cast_unsigned()))
}

fn whole(argument: u8, value: u64) -> Condition {
    SeccompCondition::new(argument, SeccompCmpArgLen::Qword, SeccompCmpOp::Eq, value)
}

fn masked(argument: u8, mask: c_int, value: c_int) -> Condition {
    let operator = SeccompCmpOp::MaskedEq(u64::from(mask.cast_unsigned()));
    let value = u64::from(value.cast_unsigned());
    SeccompCondition::new(argument, SeccompCmpArgLen::Qword, operator, value)
}

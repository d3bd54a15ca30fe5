//! What the compiler of policies may ask of the kernel: memory, threads, time, and files to read.
//!
//! What is not listed fails with ENOSYS, as on a kernel that does not have it, so that programs take the way they have for older kernels. A
//! list of what is refused would have to grow with each kernel.

use std::collections::BTreeMap;
use std::io;
use std::os::unix::process::CommandExt as _;
use std::process::Command;

use libc::c_long;
use seccompiler::{
    BackendError, BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule, TargetArch,
};

/// Whatever the arguments are. None of these reaches another process, or makes or changes what has a name.
const ALWAYS: &[c_long] = &[
    // The program itself. Another one would be under this filter too.
    libc::SYS_execve,
    libc::SYS_exit,
    libc::SYS_exit_group,
    // Memory. Machine code is compiled and run.
    libc::SYS_brk,
    libc::SYS_mmap,
    libc::SYS_munmap,
    libc::SYS_mremap,
    libc::SYS_mprotect,
    libc::SYS_madvise,
    libc::SYS_membarrier,
    libc::SYS_memfd_create,
    libc::SYS_ftruncate,
    // Threads.
    libc::SYS_futex,
    libc::SYS_set_robust_list,
    libc::SYS_set_tid_address,
    libc::SYS_rseq,
    libc::SYS_sched_yield,
    libc::SYS_sched_getaffinity,
    libc::SYS_gettid,
    libc::SYS_getpid,
    libc::SYS_getuid,
    libc::SYS_geteuid,
    libc::SYS_getgid,
    libc::SYS_getegid,
    libc::SYS_restart_syscall,
    // Signals that are received. None is sent: even an abort ends without.
    libc::SYS_rt_sigaction,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigreturn,
    libc::SYS_sigaltstack,
    // Time and chance.
    libc::SYS_clock_gettime,
    libc::SYS_clock_getres,
    libc::SYS_clock_nanosleep,
    libc::SYS_nanosleep,
    libc::SYS_getrandom,
    // Open files.
    libc::SYS_read,
    libc::SYS_readv,
    libc::SYS_pread64,
    libc::SYS_write,
    libc::SYS_writev,
    libc::SYS_lseek,
    libc::SYS_close,
    libc::SYS_ppoll,
    // What files there are.
    libc::SYS_fstat,
    libc::SYS_newfstatat,
    libc::SYS_statx,
    libc::SYS_readlinkat,
    libc::SYS_faccessat,
    libc::SYS_getcwd,
];

/// Of the architecture alone: what the others have in another form.
#[cfg(target_arch = "x86_64")]
const ALWAYS_HERE: &[c_long] =
    &[libc::SYS_access, libc::SYS_arch_prctl, libc::SYS_lstat, libc::SYS_poll, libc::SYS_readlink, libc::SYS_stat];
#[cfg(not(target_arch = "x86_64"))]
const ALWAYS_HERE: &[c_long] = &[];

/// Flags of `clone` that make a namespace. A cgroup's, a time's and `clone3` are not in this call's argument.
const NEW_NAMESPACES: libc::c_int = libc::CLONE_NEWNS
    | libc::CLONE_NEWCGROUP
    | libc::CLONE_NEWUTS
    | libc::CLONE_NEWIPC
    | libc::CLONE_NEWUSER
    | libc::CLONE_NEWPID
    | libc::CLONE_NEWNET;

/// Flags of `open` of a file that may be changed or made.
const CHANGES: libc::c_int = libc::O_WRONLY | libc::O_RDWR | libc::O_CREAT | libc::O_TRUNC;

/// What the kernel passed to the program when it started; `libc` does not have its number.
const PR_GET_AUXV: libc::c_int = 0x4155_5856;

/// `fcntl` can also send signals, and leases on files.
const OF_DESCRIPTORS: [libc::c_int; 6] =
    [libc::F_GETFD, libc::F_SETFD, libc::F_GETFL, libc::F_DUPFD_CLOEXEC, libc::F_ADD_SEALS, libc::F_GET_SEALS];

/// The program that is started will be under the filter, and all that comes of it.
pub(super) fn restrict(command: &mut Command) -> io::Result<()> {
    let filter = filter()?;
    let apply = move || match seccompiler::apply_filter(&filter) {
        Ok(()) => Ok(()),
        // As numbers: the child of a process with several threads allocates nothing.
        Err(seccompiler::Error::Prctl(error) | seccompiler::Error::Seccomp(error)) => Err(error),
        Err(_) => Err(io::Error::from_raw_os_error(libc::EINVAL)),
    };
    // SAFETY: two system calls that read memory which was made before.
    unsafe { command.pre_exec(apply) };
    Ok(())
}

/// As the kernel takes it.
fn filter() -> io::Result<BpfProgram> {
    let made = rules().and_then(|rules| {
        let refused = SeccompAction::Errno(libc::ENOSYS.cast_unsigned());
        let architecture = TargetArch::try_from(std::env::consts::ARCH)?;
        BpfProgram::try_from(SeccompFilter::new(rules, refused, SeccompAction::Allow, architecture)?)
    });
    made.map_err(io::Error::other)
}

fn rules() -> Result<BTreeMap<i64, Vec<SeccompRule>>, BackendError> {
    let mut rules: BTreeMap<i64, Vec<SeccompRule>> =
        ALWAYS.iter().chain(ALWAYS_HERE).map(|&call| (call, Vec::new())).collect();
    // Threads only.
    let kinds = NEW_NAMESPACES | libc::CLONE_THREAD;
    rules.insert(libc::SYS_clone, vec![bits(0, kinds, libc::CLONE_THREAD)?]);
    rules.insert(libc::SYS_openat, vec![bits(2, CHANGES, libc::O_RDONLY)?]);
    #[cfg(target_arch = "x86_64")]
    rules.insert(libc::SYS_open, vec![bits(1, CHANGES, libc::O_RDONLY)?]);
    let of_descriptors = OF_DESCRIPTORS.map(|command| value(1, command));
    rules.insert(libc::SYS_fcntl, of_descriptors.into_iter().collect::<Result<_, _>>()?);
    // The process itself; another one of the same user otherwise.
    rules.insert(libc::SYS_prlimit64, vec![value(0, 0)?]);
    rules.insert(libc::SYS_prctl, vec![value(0, libc::PR_SET_NAME)?, value(0, PR_GET_AUXV)?]);
    Ok(rules)
}

/// An argument whose bits of a mask have a value.
fn bits(argument: u8, mask: libc::c_int, wanted: libc::c_int) -> Result<SeccompRule, BackendError> {
    let mask = SeccompCmpOp::MaskedEq(u64::from(mask.cast_unsigned()));
    compared(argument, mask, wanted)
}

fn value(argument: u8, wanted: libc::c_int) -> Result<SeccompRule, BackendError> {
    compared(argument, SeccompCmpOp::Eq, wanted)
}

fn compared(argument: u8, operator: SeccompCmpOp, wanted: libc::c_int) -> Result<SeccompRule, BackendError> {
    let wanted = u64::from(wanted.cast_unsigned());
    SeccompRule::new(vec![SeccompCondition::new(argument, SeccompCmpArgLen::Dword, operator, wanted)?])
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File};
    use std::process::Command;
    use std::thread;

    use super::*;

    /// The variable that makes the test itself the compiler.
    const IS_COMPILER: &str = "GINGHAM_TEST_IS_COMPILER";

    /// Arguments that the kernel would refuse for another reason, or that do no harm: without a filter nothing happens.
    const REFUSED: &[(&str, c_long, [c_long; 3])] = &[
        ("socket", libc::SYS_socket, [libc::AF_UNIX as c_long, libc::SOCK_DGRAM as c_long, 0]),
        ("socket of netlink", libc::SYS_socket, [libc::AF_NETLINK as c_long, libc::SOCK_RAW as c_long, 0]),
        ("socketpair", libc::SYS_socketpair, [libc::AF_UNIX as c_long, libc::SOCK_DGRAM as c_long, 0]),
        ("connect", libc::SYS_connect, [-1, 0, 0]),
        ("bind", libc::SYS_bind, [-1, 0, 0]),
        ("sendmsg", libc::SYS_sendmsg, [-1, 0, 0]),
        ("ptrace", libc::SYS_ptrace, [-1, 0, 0]),
        ("process_vm_readv", libc::SYS_process_vm_readv, [0, 0, 0]),
        ("kill", libc::SYS_kill, [0, 0, 0]),
        ("tgkill", libc::SYS_tgkill, [0, 0, 0]),
        ("mount", libc::SYS_mount, [0, 0, 0]),
        ("unshare", libc::SYS_unshare, [0, 0, 0]),
        ("setns", libc::SYS_setns, [-1, 0, 0]),
        ("clone of a user namespace", libc::SYS_clone, [(libc::CLONE_NEWUSER | libc::CLONE_FS) as c_long, 0, 0]),
        ("clone3", libc::SYS_clone3, [0, 0, 0]),
        ("kexec_load", libc::SYS_kexec_load, [0, c_long::MAX, 0]),
        ("bpf", libc::SYS_bpf, [-1, 0, 0]),
        ("perf_event_open", libc::SYS_perf_event_open, [0, 0, 0]),
        ("io_uring_setup", libc::SYS_io_uring_setup, [0, 0, 0]),
        ("keyctl", libc::SYS_keyctl, [-1, 0, 0]),
        ("seccomp", libc::SYS_seccomp, [-1, 0, 0]),
        ("prctl of other things", libc::SYS_prctl, [libc::PR_GET_DUMPABLE as c_long, 0, 0]),
        ("prlimit64 of others", libc::SYS_prlimit64, [1, 0, 0]),
        ("fcntl of signals", libc::SYS_fcntl, [1, libc::F_GETOWN as c_long, 0]),
        ("ioctl", libc::SYS_ioctl, [-1, 0, 0]),
        ("unlinkat", libc::SYS_unlinkat, [-1, 0, 0]),
    ];

    #[test]
    fn a_compiler_gets_no_socket_no_process_and_no_file_to_write() {
        if std::env::var_os(IS_COMPILER).is_some() {
            return try_as_compiler();
        }
        let name = "policies::system_calls::tests::a_compiler_gets_no_socket_no_process_and_no_file_to_write";
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", name, "--nocapture"]).env(IS_COMPILER, "yes");
        restrict(&mut command).unwrap();
        let output = command.output().unwrap();
        let printed = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && printed.contains("1 passed"), "{}: {printed}", output.status);
    }

    fn try_as_compiler() {
        for &(name, number, [one, two, three]) in REFUSED {
            // SAFETY: no argument is a pointer that the kernel could write to.
            let answer = unsafe { libc::syscall(number, one, two, three, 0, 0, 0) };
            let error = io::Error::last_os_error();
            assert!(answer == -1 && error.raw_os_error() == Some(libc::ENOSYS), "{name}: {answer}, {error}");
        }
        assert!(File::options().write(true).open("/dev/null").is_err());
        assert!(Command::new("/bin/true").status().is_err());
        // What it needs.
        assert!(fs::read_to_string("/proc/self/status").unwrap().contains("Seccomp:\t2\n"));
        assert_eq!(thread::spawn(|| 7).join().unwrap(), 7);
    }
}

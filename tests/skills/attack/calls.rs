//! System calls that would escape the sandbox are refused.

use super::world::{World, python};

/// System calls with otherwise valid arguments, and the expected errors.
#[test]
fn escaping_system_calls_are_refused() {
    skip_unless!(python);
    let calls = [
        (
            "mount",
            libc::SYS_mount,
            "b'none', b'/proc', b'tmpfs', 0, 0",
        ),
        ("umount", libc::SYS_umount2, "b'/proc', 2"),
        ("pivot_root", libc::SYS_pivot_root, "b'.', b'.'"),
        ("fsopen", libc::SYS_fsopen, "b'tmpfs', 0"),
        ("open_tree", libc::SYS_open_tree, "-100, b'/', 1"),
        ("chroot", libc::SYS_chroot, "b'/usr'"),
        ("unshare a user namespace", libc::SYS_unshare, "0x10000000"),
        ("setns", libc::SYS_setns, "0, 0"),
        (
            "clone a user namespace",
            libc::SYS_clone,
            "0x10000000 | 17, 0, 0, 0, 0",
        ),
        (
            "clone a network",
            libc::SYS_clone,
            "0x40000000 | 17, 0, 0, 0, 0",
        ),
        ("ptrace", libc::SYS_ptrace, "16, 1, 0, 0"),
        (
            "process_vm_readv",
            libc::SYS_process_vm_readv,
            "1, 0, 0, 0, 0, 0",
        ),
        (
            "process_vm_writev",
            libc::SYS_process_vm_writev,
            "1, 0, 0, 0, 0, 0",
        ),
        ("pidfd_getfd", libc::SYS_pidfd_getfd, "0, 0, 0"),
        ("bpf", libc::SYS_bpf, "0, 0, 0"),
        (
            "perf_event_open",
            libc::SYS_perf_event_open,
            "0, 0, 0, 0, 0",
        ),
        ("keyctl", libc::SYS_keyctl, "0, -3, 0"),
        ("add_key", libc::SYS_add_key, "b'user', b'a', b'b', 1, -3"),
        ("userfaultfd", libc::SYS_userfaultfd, "1"),
        ("memfd_create", libc::SYS_memfd_create, "b'hidden', 0"),
        ("memfd_secret", libc::SYS_memfd_secret, "0"),
        ("shmget", libc::SYS_shmget, "0, 4096, 0o1600"),
        ("kexec_load", libc::SYS_kexec_load, "0, 0, 0, 0"),
        ("init_module", libc::SYS_init_module, "0, 0, b''"),
        (
            "open_by_handle_at",
            libc::SYS_open_by_handle_at,
            "-100, 0, 0",
        ),
        ("personality", libc::SYS_personality, "0x0040000"),
        ("type into a terminal", libc::SYS_ioctl, "0, 0x5412, b'x'"),
        ("paste into a console", libc::SYS_ioctl, "0, 0x541c, b'x'"),
        (
            "type, with bits above",
            libc::SYS_ioctl,
            "0, 0x100005412, b'x'",
        ),
        ("reboot", libc::SYS_reboot, "0, 0, 0, 0"),
    ];
    refused(&calls, "EPERM");
}

#[test]
fn probed_system_calls_are_unknown() {
    skip_unless!(python);
    let calls = [
        ("clone3", libc::SYS_clone3, "0, 0"),
        ("openat2", libc::SYS_openat2, "-100, b'/', bytes(24), 24"),
        (
            "io_uring_setup",
            libc::SYS_io_uring_setup,
            "8, b'\\0' * 120",
        ),
        (
            "io_uring_enter",
            libc::SYS_io_uring_enter,
            "0, 0, 0, 0, 0, 0",
        ),
        (
            "io_uring_register",
            libc::SYS_io_uring_register,
            "0, 0, 0, 0",
        ),
    ];
    refused(&calls, "ENOSYS");
}

#[cfg(target_arch = "x86_64")]
#[test]
fn x32_system_calls_are_unknown() {
    skip_unless!(python);
    let calls = [("x32 mount", 0x4000_0000 + libc::SYS_mount, "0, 0, 0, 0, 0")];
    refused(&calls, "ENOSYS");
}

#[track_caller]
fn refused(calls: &[(&str, libc::c_long, &str)], error: &str) {
    let script: String = calls
        .iter()
        .map(|(_, number, arguments)| format!("attempt(lambda: call({number}, {arguments}))\n"))
        .collect();
    let ran = World::new().run(&python(&script));
    let lines: Vec<&str> = ran.out.lines().collect();
    assert_eq!(lines.len(), calls.len(), "{ran:?}");
    for ((name, ..), line) in calls.iter().zip(lines) {
        assert_eq!(line, format!("REFUSED {error}"), "{name}");
    }
}

#[test]
fn buffers_and_hidden_memory_cannot_grow() {
    skip_unless!(python);
    let ran = World::new().attack(&format!(
        "import fcntl\na, b = os.pipe()\nattempt(lambda: fcntl.fcntl(b, 1031, 1 << 20))\n\
         s = socket.socketpair()[0]\nbefore = s.getsockopt(1, 7)\n\
         for option in (7, 8, 32, 33): s.setsockopt(1, option, 1 << 22)\n\
         print(s.getsockopt(1, 7) == before)\n\
         attempt(lambda: call({}, a, 0, b, 0, 4096, 0))\n\
         attempt(lambda: os.open('.', os.O_TMPFILE | os.O_WRONLY))\n\
         attempt(lambda: call({}, 0, 0, 1))\n\
         attempt(lambda: call(480))",
        libc::SYS_splice,
        libc::SYS_landlock_create_ruleset,
    ));
    assert_eq!(
        ran.out,
        "REFUSED EPERM\nTrue\nREFUSED ENOSYS\nREFUSED ENOTSUP\nREFUSED ENOSYS\nREFUSED ENOSYS\n",
        "{ran:?}"
    );
}

#[test]
fn skill_cannot_hide_from_its_supervisor() {
    skip_unless!(python);
    let ran = World::new()
        .attack("libc.prctl(4, 0)\nprint(libc.prctl(3), os.listdir('/proc/self/fd') != [])");
    assert_eq!(ran.out, "1 True\n", "{ran:?}");
}

/// Files that only one thread has open would not be counted.
#[test]
fn thread_cannot_have_open_files_of_its_own() {
    skip_unless!(python);
    let ran = World::new().attack(
        "import threading\nattempts = lambda: attempt(lambda: call(436, 3, 0xffffffff, 2))\n\
         thread = threading.Thread(target=attempts)\nthread.start()\nthread.join()\n\
         if os.uname().machine == 'x86_64': \
         attempt(lambda: call(56, 0x10000 | 0x800 | 0x100, 0, 0, 0, 0))\n\
         else: print('REFUSED EPERM')",
    );
    assert_eq!(ran.out, "REFUSED EPERM\nREFUSED EPERM\n", "{ran:?}");
}

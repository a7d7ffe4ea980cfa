//! The attacks of tests/skills/attack as questions to the profile, answered by a reader of
//! its rules: Seatbelt itself is on macOS only.

mod reader;

use super::*;
use crate::skills::sandbox::policy::Bounds;
use reader::{Object, allows, rules};

const HOME: &str = "/Users/ada/Library/Application Support/mimo/skills/attacker";
const SECRET: &str = "/Users/ada/.ssh/id_ed25519";

/// The attacker of tests/skills/attack: a Python with no grants.
fn attacker() -> Policy {
    Policy {
        gateway: 1,
        program: Some("/opt/homebrew/bin/python3".into()),
        arguments: Vec::new(),
        environment: Vec::new(),
        state_folder: Some(HOME.into()),
        working_folder: None,
        read: Vec::new(),
        write: Vec::new(),
        installed: Vec::new(),
        asked: Vec::new(),
        network: NetworkAccess::None,
        bounds: Bounds {
            memory_bytes: 0,
            cpu_seconds: 0,
            processes: 0,
            open_files: 0,
            file_bytes: 0,
            disk_bytes: 0,
        },
        listen: Vec::new(),
        unix_sockets: false,
        daemon_socket: false,
        strict: false,
    }
}

fn of(policy: &Policy) -> String {
    profile(policy).expect("a profile")
}

fn can(policy: &Policy, operation: &str, path: &str) -> bool {
    allows(&of(policy), operation, Object::Path(path))
}

#[test]
fn profile_of_an_attacker_without_grants_is_as_reviewed() {
    let reviewed = include_str!("attacker.sb");
    assert_eq!(of(&attacker()), reviewed);
}

/// What `change` adds to the attacker's profile, without the names on the way.
fn added(change: impl FnOnce(&mut Policy)) -> Vec<String> {
    let mut policy = attacker();
    let before = of(&policy);
    change(&mut policy);
    let profile = of(&policy);
    let new = profile.lines().filter(|line| {
        let is_old = before.lines().any(|old| old == *line);
        !is_old && !line.contains("literal \"/Users/ada/work")
    });
    new.map(|line| line.trim().to_owned()).collect()
}

#[test]
fn grants_add_the_reviewed_rules_and_no_others() {
    let files = added(|policy| {
        policy.read = vec!["/Users/ada/work/read".into()];
        policy.write = vec!["/Users/ada/work/write".into()];
    });
    assert_eq!(
        files,
        [
            "(subpath \"/Users/ada/work/read\")",
            "(subpath \"/Users/ada/work/write\")",
            "(allow file-write* (subpath \"/Users/ada/work/write\"))",
        ]
    );
    let ports = added(|policy| {
        policy.network = NetworkAccess::Ports(vec![443]);
        policy.listen = vec![8123];
    });
    assert_eq!(
        ports,
        [
            "(allow system-socket)",
            "(allow network-outbound",
            "(literal \"/private/var/run/mDNSResponder\")",
            "(remote tcp \"*:443\")",
            "(remote udp))",
            "(global-name \"com.apple.SystemConfiguration.DNSConfiguration\")",
            "(global-name \"com.apple.SystemConfiguration.configd\")",
            "(global-name \"com.apple.dnssd.service\")",
            "(global-name \"com.apple.trustd.agent\"))",
            "(allow sysctl-read (sysctl-name-prefix \"net.routetable.\"))",
            "(allow network-bind network-inbound (local tcp \"localhost:8123\"))",
        ]
    );
    let docker = added(|policy| policy.daemon_socket = true);
    assert_eq!(
        docker,
        [
            "(allow system-socket (socket-domain AF_UNIX))",
            "(allow network-outbound (remote unix-socket))",
        ]
    );
}

#[test]
fn files_outside_the_grants_are_closed() {
    let policy = attacker();
    for path in [
        SECRET,
        "/Users/ada/Library/Application Support/mimo/mimo.db",
        "/Users/ada/Library/Application Support/mimo/skills/attacker2/home",
        "/Users/ada/Library/Keychains/login.keychain-db",
        "/Library/Keychains/System.keychain",
        "/Library/Preferences/com.apple.loginwindow.plist",
        "/private/etc/master.passwd",
        "/private/var/folders/a/b/T/x",
        "/private/tmp/x",
        "/tmp/x",
        "/Users",
        "/Volumes/Backup/x",
        "/System/Volumes/Data/Users/ada/.ssh/id_ed25519",
        "/dev/tty",
        "/dev/ttys001",
        "/dev/ptmx",
        "/dev/disk0",
        "/usrx/lib",
    ] {
        for operation in [
            "file-read-data",
            "file-write-data",
            "file-write-create",
            "file-write-unlink",
            "file-ioctl",
            "file-map-executable",
            "process-exec",
        ] {
            assert!(!can(&policy, operation, path), "{operation} {path}");
        }
    }
    // Names on the way are seen, names beside it are not.
    assert!(can(&policy, "file-read-metadata", "/Users/ada"));
    assert!(!can(&policy, "file-read-metadata", "/Users/eve"));
    assert!(!can(&policy, "file-read-metadata", SECRET));
}

#[test]
fn programs_and_the_private_folder_are_open_and_only_the_latter_changes() {
    let policy = attacker();
    for path in [
        "/opt/homebrew/Cellar/python@3.13/3.13.1/bin/python3.13",
        "/usr/lib/libSystem.B.dylib",
        "/System/Library/Frameworks/Foundation.framework/Foundation",
        "/bin/sh",
    ] {
        for operation in ["file-read-data", "file-map-executable", "process-exec"] {
            assert!(can(&policy, operation, path), "{operation} {path}");
        }
        for operation in ["file-write-data", "file-write-create", "file-write-unlink"] {
            assert!(!can(&policy, operation, path), "{operation} {path}");
        }
    }
    let below = format!("{HOME}/tmp/x");
    for operation in ["file-read-data", "file-write-create", "file-write-unlink"] {
        assert!(can(&policy, operation, &below), "{operation}");
    }
    // In its place could come a link to somewhere else.
    assert!(!can(&policy, "file-write-unlink", HOME));
    assert!(!can(&policy, "file-write-create", HOME));
    // Neither set-user-id programs nor second names of other files.
    for operation in ["file-write-setugid", "file-link", "file-clone"] {
        assert!(!can(&policy, operation, &below), "{operation}");
    }
    assert!(can(&policy, "file-write-data", "/dev/null"));
    assert!(!can(&policy, "file-write-unlink", "/dev/null"));
}

#[test]
fn of_nested_grants_the_inner_one_decides() {
    let mut policy = attacker();
    policy.write = vec!["/Users/ada/work".into()];
    policy.read = vec!["/Users/ada/work/a/kept".into(), "/Users/ada/notes".into()];
    policy.write.push("/Users/ada/work/a/kept/own".into());
    for (path, writable) in [
        ("/Users/ada/work/new", true),
        ("/Users/ada/work/a/new", true),
        ("/Users/ada/work/a/kept/x", false),
        ("/Users/ada/work/a/kept", false),
        ("/Users/ada/work/a/kept/own/x", true),
        ("/Users/ada/notes/x", false),
    ] {
        assert!(can(&policy, "file-read-data", path), "{path}");
        for operation in ["file-write-create", "file-write-unlink", "file-write-mode"] {
            assert_eq!(
                can(&policy, operation, path),
                writable,
                "{operation} {path}"
            );
        }
    }
    // Moved away, it would be writable there.
    assert!(!can(&policy, "file-write-unlink", "/Users/ada/work/a"));
    assert!(!can(&policy, "file-read-data", "/Users/ada/worker"));
}

#[test]
fn links_of_the_system_are_granted_by_both_names() {
    let mut policy = attacker();
    policy.write = vec!["/tmp/a".into(), "/private/var/b".into()];
    for path in [
        "/tmp/a/x",
        "/private/tmp/a/x",
        "/var/b/x",
        "/private/var/b/x",
    ] {
        assert!(can(&policy, "file-write-create", path), "{path}");
    }
    assert!(!can(&policy, "file-read-data", "/private/tmp/b"));
}

#[test]
fn other_processes_can_be_neither_seen_nor_signaled() {
    let profile = of(&attacker());
    for operation in ["signal", "process-info-pidinfo"] {
        for whose in ["others", "same-sandbox"] {
            let is_own = whose == "same-sandbox";
            let process = Object::Process(whose);
            assert_eq!(allows(&profile, operation, process), is_own, "{operation}");
        }
    }
    for (name, told) in [
        ("hw.ncpu", true),
        ("kern.osrelease", true),
        ("kern.procargs2", false),
        ("kern.proc.all", false),
        ("net.routetable.0", false),
    ] {
        let fact = Object::Fact(name);
        assert_eq!(allows(&profile, "sysctl-read", fact), told, "{name}");
        assert!(!allows(&profile, "sysctl-write", fact), "{name}");
    }
    for name in [
        "com.apple.securityd.xpc",
        "com.apple.SecurityServer",
        "com.apple.coreservices.launchservicesd",
        "com.apple.pasteboard.1",
        "com.apple.tccd",
        "com.apple.dnssd.service",
    ] {
        let service = Object::Service(name);
        assert!(!allows(&profile, "mach-lookup", service), "{name}");
    }
    let semaphore = |name| allows(&profile, "ipc-posix-sem", Object::Semaphore(name));
    assert!(semaphore("/mp-k2j") && !semaphore("/other"));
    for operation in [
        "appleevent-send",
        "lsopen",
        "job-creation",
        "mach-register",
        "mach-priv-task-port",
        "iokit-open",
        "ipc-posix-shm-read-data",
        "system-socket",
        "pseudo-tty",
        "user-preference-read",
    ] {
        assert!(
            !allows(&profile, operation, Object::Process("others")),
            "{operation}"
        );
    }
}

#[test]
fn network_is_what_the_policy_grants() {
    let resolver = Object::Path(RESOLVER);
    let mut policy = attacker();
    // Without a network it listens nowhere either.
    policy.listen = vec![8123];
    let check = |policy: &Policy, hosts: [bool; 3], listens: bool| {
        let profile = of(policy);
        let out =
            |protocol, port| allows(&profile, "network-outbound", Object::Remote(protocol, port));
        assert_eq!([out("tcp", 443), out("tcp", 22), out("udp", 53)], hosts);
        assert_eq!(allows(&profile, "network-outbound", resolver), hosts[2]);
        for operation in ["network-bind", "network-inbound"] {
            let at = |port| allows(&profile, operation, Object::Local("tcp", port));
            assert_eq!((at(8123), at(8124)), (listens, false), "{operation}");
        }
        let socket = Object::Socket("/private/var/run/docker.sock");
        assert!(!allows(&profile, "network-outbound", socket));
    };
    check(&policy, [false; 3], false);
    policy.network = NetworkAccess::Any;
    check(&policy, [true; 3], true);
    policy.network = NetworkAccess::Ports(vec![443, 8443]);
    check(&policy, [true, false, true], true);
}

#[test]
fn unix_sockets_are_its_own_but_for_the_docker_client() {
    let mut policy = attacker();
    let own = format!("{HOME}/tmp/own.sock");
    let daemon = "/private/var/run/docker.sock";
    let reaches = |policy: &Policy, path: &str| {
        let profile = of(policy);
        let socket = Object::Socket(path);
        ["network-bind", "network-outbound"].map(|each| allows(&profile, each, socket))
    };
    assert_eq!(reaches(&policy, &own), [false; 2]);
    policy.unix_sockets = true;
    assert_eq!(reaches(&policy, &own), [true; 2]);
    assert_eq!(reaches(&policy, daemon), [false; 2]);
    policy.daemon_socket = true;
    assert_eq!(reaches(&policy, daemon), [false, true]);
}

#[test]
fn no_path_ends_its_string_or_adds_a_rule() {
    let count = rules(&of(&attacker())).len();
    for hostile in [
        "/Users/ada/a\") (allow default) (deny signal (literal \"",
        "/Users/ada/a\\\") (allow default) (deny signal (literal \\\"",
        "/Users/ada/a\\",
        "/Users/ada/a\\\\\"",
        "/Users/ada/(allow default)",
        "/Users/ada/;#|",
        "/Users/ada/é \u{202e}日本",
    ] {
        let mut policy = attacker();
        policy.read = vec![hostile.into()];
        let profile = of(&policy);
        assert_eq!(rules(&profile).len(), count, "{profile}");
        assert!(allows(&profile, "file-read-data", Object::Path(hostile)));
        assert!(!allows(&profile, "file-read-data", Object::Path(SECRET)));
        policy.write = vec![hostile.into()];
        let profile = of(&policy);
        assert_eq!(rules(&profile).len(), count + 2, "{profile}");
        assert!(!allows(&profile, "file-write-data", Object::Path(SECRET)));
    }
    for refused in [
        "/Users/ada/a\nb",
        "/Users/ada/a\rb",
        "/Users/ada/a\u{7f}",
        "/Users/ada/a\u{85}b",
        "/Users/ada/../eve",
        "relative",
        "",
    ] {
        for place in 0..4 {
            let mut policy = attacker();
            let path = PathBuf::from(refused);
            match place {
                0 => policy.read.push(path),
                1 => policy.write.push(path),
                2 => policy.asked.push(path),
                _ => policy.state_folder = Some(path),
            }
            assert!(profile(&policy).is_err(), "{refused:?} in place {place}");
        }
    }
}

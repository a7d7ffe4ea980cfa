//! The default profile: what every skill may read and change, which is what real
//! npx, node and Python servers need. It contains no personal secrets.

use super::policy::Policy;
use std::path::{Path, PathBuf};

/// Programs and libraries.
const PROGRAMS: &[&str] = &[
    "/usr",
    "/lib",
    "/lib32",
    "/lib64",
    "/libx32",
    "/bin",
    "/sbin",
    "/opt",
    "/nix/store",
];

/// Files of name resolution, TLS, locales, the dynamic loader, and the list of
/// processors.
const SETTINGS: &[&str] = &[
    "/etc/resolv.conf",
    "/etc/hosts",
    "/etc/host.conf",
    "/etc/nsswitch.conf",
    "/etc/gai.conf",
    "/etc/services",
    "/etc/protocols",
    "/etc/localtime",
    "/etc/timezone",
    "/etc/locale.alias",
    "/etc/locale.conf",
    "/etc/os-release",
    "/etc/mime.types",
    "/etc/passwd",
    "/etc/group",
    "/etc/ssl/certs",
    "/etc/ssl/cert.pem",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/openssl.cnf",
    "/etc/pki/ca-trust",
    "/etc/pki/tls/cert.pem",
    "/etc/pki/tls/certs",
    "/etc/pki/tls/openssl.cnf",
    "/etc/ca-certificates",
    "/etc/ca-certificates.conf",
    "/etc/crypto-policies",
    "/etc/alternatives",
    "/etc/ld.so.cache",
    "/etc/ld.so.preload",
    "/proc",
    "/sys/devices/system/cpu",
    "/dev/urandom",
    "/dev/random",
    "/dev/zero",
];

/// Files of the settings that change so rarely that a skill can have them as they were
/// at its start. Name servers and hosts are not among them.
pub(super) const STABLE_SETTINGS: &[&str] = &[
    "/etc/host.conf",
    "/etc/nsswitch.conf",
    "/etc/gai.conf",
    "/etc/services",
    "/etc/protocols",
    "/etc/timezone",
    "/etc/locale.alias",
    "/etc/locale.conf",
    "/etc/os-release",
    "/etc/mime.types",
    "/etc/passwd",
    "/etc/group",
    "/etc/ssl/openssl.cnf",
    "/etc/ca-certificates.conf",
    "/etc/ld.so.cache",
    "/etc/ld.so.preload",
];

/// Paths to read and execute.
pub(super) fn read(policy: &Policy) -> Vec<PathBuf> {
    let mut paths: Vec<PathBuf> = PROGRAMS.iter().chain(SETTINGS).map(PathBuf::from).collect();
    paths.extend(policy.read.iter().cloned());
    if let Some(program) = &policy.program {
        paths.push(program.clone());
    }
    paths
}

/// Paths to read and change.
pub(super) fn write(policy: &Policy) -> Vec<PathBuf> {
    let mut paths = vec![Path::new("/dev/null").to_owned()];
    paths.extend(policy.state_folder.clone());
    paths.extend(policy.write.iter().cloned());
    paths
}

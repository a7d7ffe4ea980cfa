//! The profile of Seatbelt, the sandbox of macOS, that holds a skill to its policy. Pure,
//! and compiled on every system, so that its tests run on every system.
//!
//! Of two rules that match, the later one wins.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::path::{Component, Path, PathBuf};

use super::policy::{NetworkAccess, Policy};

/// What `(deny default)` leaves out. Older systems do not have all of it.
const LEFT_OUT: &[&str] = &[
    "process-info*",
    "nvram*",
    "iokit-get-properties",
    "file-map-executable",
    // A second name for a file outside of a writable folder, or a copy of it.
    "file-link",
    "file-clone",
];

/// Programs, libraries and the loader's cache of them.
const PROGRAMS: &[&str] = &[
    "/usr",
    "/bin",
    "/sbin",
    "/opt",
    "/nix/store",
    "/Library/Apple",
    "/Library/Developer/CommandLineTools",
    "/Library/Frameworks",
    "/System/Cryptexes",
    "/System/Library",
    "/System/Volumes/Preboot/Cryptexes",
    "/private/preboot/Cryptexes",
    "/private/var/db/dyld",
];

/// Files of name resolution, TLS, locales and time zones, and what a shell needs.
const SETTINGS: &[&str] = &[
    "/dev/fd",
    "/dev/null",
    "/dev/random",
    "/dev/urandom",
    "/dev/zero",
    "/private/etc/group",
    "/private/etc/hosts",
    "/private/etc/localtime",
    "/private/etc/passwd",
    "/private/etc/protocols",
    "/private/etc/resolv.conf",
    "/private/etc/services",
    "/private/etc/ssl",
    "/private/var/db/timezone",
    "/private/var/db/xcode_select_link",
    "/private/var/run/resolv.conf",
    "/private/var/select",
];

/// Links of the system, and folders that programs pass on their way.
const TRAVERSED: &[&str] = &["/dev", "/etc", "/tmp", "/var"];

/// Each of these links leads to the folder of its name in `/private`.
const PRIVATE_LINKS: [&str; 3] = ["/etc", "/tmp", "/var"];

/// Facts about the machine that runtimes ask for at their start. The list of processes,
/// with their arguments and variables, is not among them.
const FACTS: &[&str] = &[
    "kern.argmax",
    "kern.boottime",
    "kern.hostname",
    "kern.maxfilesperproc",
    "kern.ngroups",
    "kern.osproductversion",
    "kern.osrelease",
    "kern.ostype",
    "kern.osvariant_status",
    "kern.osversion",
    "kern.secure_kernel",
    "kern.usrstack64",
    "kern.version",
    "vm.loadavg",
];
const FACT_PREFIXES: &[&str] = &["hw.", "machdep.cpu.", "sysctl."];

/// Names of accounts.
const SERVICES: &[&str] = &["com.apple.system.opendirectoryd.libinfo"];
/// Name resolution, proxies, and the system's judgment of certificates.
const NETWORK_SERVICES: &[&str] = &[
    "com.apple.SystemConfiguration.DNSConfiguration",
    "com.apple.SystemConfiguration.configd",
    "com.apple.dnssd.service",
    "com.apple.trustd.agent",
];
/// The socket of the system's resolver.
const RESOLVER: &str = "/private/var/run/mDNSResponder";

/// The profile of `policy`, whose paths must lead through no links but those in `asked`.
/// Fails where a path could be read as something else than that path.
pub(crate) fn profile(policy: &Policy) -> Result<String, String> {
    let mut rules = Rules {
        text: "(version 1)\n(deny default)\n".to_owned(),
    };
    for operation in LEFT_OUT {
        let rule = format!("(deny {operation})");
        rules.line(&format!("(if (defined? '{operation}) {rule})"));
    }
    rules.processes();
    rules.files(policy)?;
    rules.network(policy)?;
    Ok(rules.text)
}

struct Rules {
    text: String,
}

impl Rules {
    fn line(&mut self, rule: &str) {
        self.text.push_str(rule);
        self.text.push('\n');
    }

    fn rule(&mut self, action: &str, filters: &BTreeSet<String>) {
        if filters.is_empty() {
            return;
        }
        self.line(&format!("({action}"));
        for filter in filters {
            let _ = writeln!(self.text, "  {filter}");
        }
        self.text.insert(self.text.len() - 1, ')');
    }

    fn processes(&mut self) {
        self.line("(allow process-fork)");
        self.line("(allow process-info* (target same-sandbox))");
        self.line("(allow signal (target same-sandbox))");
        // The names of Python's multiprocessing.
        self.line("(allow ipc-posix-sem (ipc-posix-name-prefix \"/mp-\"))");
        let names = FACTS.iter().map(|name| format!("(sysctl-name \"{name}\")"));
        let prefixes = FACT_PREFIXES
            .iter()
            .map(|name| format!("(sysctl-name-prefix \"{name}\")"));
        self.rule("allow sysctl-read", &names.chain(prefixes).collect());
        self.rule("allow mach-lookup", &services(SERVICES));
    }

    fn files(&mut self, policy: &Policy) -> Result<(), String> {
        let own = policy.read.iter().chain(&policy.program);
        let own: BTreeSet<PathBuf> = own.flat_map(|path| forms(path)).collect();
        let write = policy.write.iter().chain(&policy.state_folder);
        let write: BTreeSet<PathBuf> = write.flat_map(|path| forms(path)).collect();
        let programs: BTreeSet<PathBuf> = PROGRAMS.iter().map(PathBuf::from).collect();
        let settings: BTreeSet<PathBuf> = SETTINGS.iter().map(PathBuf::from).collect();

        // Where a program stands, and the links on the way to what it may use.
        let asked: BTreeSet<PathBuf> = policy.asked.iter().flat_map(|path| forms(path)).collect();
        let granted = [&own, &write, &programs, &settings, &asked];
        let above = granted
            .into_iter()
            .flatten()
            .flat_map(|path| path.ancestors());
        let passed = TRAVERSED.iter().map(Path::new).chain(above);
        let passed: Result<_, _> = passed.map(|path| filter("literal", path)).collect();
        self.rule("allow file-read-metadata", &passed?);
        // The loader and `getcwd` read the names in the root folder.
        self.line("(allow file-read* (literal \"/\"))");

        let executed: BTreeSet<_> = [&programs, &own, &write].into_iter().flatten().collect();
        let executed = subpaths(executed)?;
        self.rule("allow file-read*", &subpaths(&settings)?);
        self.rule(
            "allow file-read* file-map-executable process-exec*",
            &executed,
        );
        self.line(
            "(allow file-write-data (subpath \"/dev/fd\") (require-all (path \"/dev/null\") \
             (vnode-type CHARACTER-DEVICE)))",
        );
        // The outer ones come first, so that the inner ones win.
        for path in write.union(&own) {
            match write.contains(path) {
                true => self.writable(path)?,
                false => self.read_only(path, &write)?,
            }
        }
        self.line("(deny file-write-setugid)");
        Ok(())
    }

    /// The folder itself stays where it is: in its place could come a link, which the next
    /// start would follow.
    fn writable(&mut self, path: &Path) -> Result<(), String> {
        let (below, itself) = (filter("subpath", path)?, filter("literal", path)?);
        self.line(&format!("(allow file-write* {below})"));
        self.line(&format!(
            "(deny file-write-create file-write-unlink {itself})"
        ));
        Ok(())
    }

    /// What is only readable in a writable folder: its folders stay where they are, or it
    /// would be writable elsewhere.
    fn read_only(&mut self, path: &Path, write: &BTreeSet<PathBuf>) -> Result<(), String> {
        let above: Vec<&Path> = path.ancestors().skip(1).collect();
        let Some(outer) = above.iter().position(|above| write.contains(*above)) else {
            return Ok(());
        };
        self.line(&format!("(deny file-write* {})", filter("subpath", path)?));
        for folder in above.into_iter().take(outer) {
            let folder = filter("literal", folder)?;
            self.line(&format!("(deny file-write-unlink {folder})"));
        }
        Ok(())
    }

    fn network(&mut self, policy: &Policy) -> Result<(), String> {
        let hosts = match &policy.network {
            NetworkAccess::None => None,
            NetworkAccess::Any => Some(vec!["(remote tcp)".to_owned()]),
            NetworkAccess::Ports(ports) => {
                let each = ports
                    .iter()
                    .map(|port| format!("(remote tcp \"*:{port}\")"));
                Some(each.collect())
            }
        };
        if let Some(mut hosts) = hosts {
            hosts.push("(remote udp)".to_owned());
            hosts.push(format!("(literal \"{RESOLVER}\")"));
            self.line("(allow system-socket)");
            self.rule("allow network-outbound", &hosts.into_iter().collect());
            self.rule("allow mach-lookup", &services(NETWORK_SERVICES));
            self.line("(allow sysctl-read (sysctl-name-prefix \"net.routetable.\"))");
            for port in &policy.listen {
                self.line(&format!(
                    "(allow network-bind network-inbound (local tcp \"localhost:{port}\"))"
                ));
            }
        }
        if policy.daemon_socket {
            self.line("(allow system-socket (socket-domain AF_UNIX))");
            self.line("(allow network-outbound (remote unix-socket))");
        } else if let Some(folder) = policy.state_folder.as_ref().filter(|_| policy.unix_sockets) {
            self.line("(allow system-socket (socket-domain AF_UNIX))");
            for folder in forms(folder) {
                let below = filter("subpath", &folder)?;
                self.line(&format!(
                    "(allow network-bind network-inbound (local unix-socket {below}))"
                ));
                self.line(&format!(
                    "(allow network-outbound (remote unix-socket {below}))"
                ));
            }
        }
        Ok(())
    }
}

fn services(names: &[&str]) -> BTreeSet<String> {
    let names = names.iter();
    names
        .map(|name| format!("(global-name \"{name}\")"))
        .collect()
}

fn subpaths<'a>(paths: impl IntoIterator<Item = &'a PathBuf>) -> Result<BTreeSet<String>, String> {
    let paths = paths.into_iter();
    paths.map(|path| filter("subpath", path)).collect()
}

/// `path`, and the same file by the other side of a link of the system.
fn forms(path: &Path) -> Vec<PathBuf> {
    let mut forms = vec![path.to_owned()];
    if let Ok(inner) = path.strip_prefix("/private") {
        let other = Path::new("/").join(inner);
        forms.extend(
            PRIVATE_LINKS
                .iter()
                .any(|link| other.starts_with(link))
                .then_some(other),
        );
    } else if PRIVATE_LINKS.iter().any(|link| path.starts_with(link)) {
        let inner = path.strip_prefix("/").unwrap_or(path);
        forms.push(Path::new("/private").join(inner));
    }
    forms
}

/// A filter for `path`. In a string of a profile only the quotation mark and the backslash
/// have a meaning; how it is read beyond printable characters is written nowhere.
fn filter(kind: &str, path: &Path) -> Result<String, String> {
    let refused = |why: &str| Err(format!("{path:?} {why}, so it cannot be granted on macOS"));
    let mut parts = path.components();
    let is_plain = |part| matches!(part, Component::Normal(_));
    if parts.next() != Some(Component::RootDir) || !parts.all(is_plain) {
        return refused("is not an absolute path without ..");
    }
    // Without slashes that say nothing, by which a rule might match nothing.
    let path: PathBuf = path.components().collect();
    let Some(text) = path.to_str() else {
        return refused("is not UTF-8");
    };
    if text.chars().any(char::is_control) {
        return refused("has a control character");
    }
    let text = text.replace('\\', "\\\\").replace('"', "\\\"");
    Ok(format!("({kind} \"{text}\")"))
}

#[cfg(all(test, unix))]
mod tests;

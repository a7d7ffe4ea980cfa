//! What the gateway sends to a sandbox and what the sandbox reports. `control`
//! transports both as JSON.

use std::fmt;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

#[cfg(any(target_os = "linux", target_os = "macos"))]
use crate::skills::spec::{Network, SkillSpec};

/// The private folders of a skill, and the variables that point programs to them.
/// No cache is shared, because one skill could alter another's code.
pub(crate) const OWN_FOLDERS: [(&str, &str); 5] = [
    ("HOME", "home"),
    ("TMPDIR", "tmp"),
    ("XDG_CACHE_HOME", "cache"),
    ("npm_config_cache", "npm"),
    ("UV_CACHE_DIR", "uv"),
];

/// The PATH of a skill whose spec has none.
pub(crate) const PATH_DEFAULT: &str = "/usr/local/bin:/usr/bin:/bin";

/// Everything that a sandbox needs; it reads no file and no variable.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Policy {
    /// The sandbox ends with this process.
    pub(crate) gateway: i32,
    /// The program; absent in a probe.
    pub(crate) program: Option<PathBuf>,
    /// Without the program's name.
    pub(crate) arguments: Vec<String>,
    pub(crate) environment: Vec<(String, String)>,
    /// The private folder.
    pub(crate) state_folder: Option<PathBuf>,
    /// The working directory; the private folder where absent.
    pub(crate) working_folder: Option<PathBuf>,
    /// Paths to read beside the default profile.
    pub(crate) read: Vec<PathBuf>,
    /// Paths to read and change beside the private folder.
    pub(crate) write: Vec<PathBuf>,
    /// Folders in which a link grants nothing.
    pub(crate) installed: Vec<PathBuf>,
    /// Paths that lead to some of these through links, as the manifest has them.
    pub(crate) asked: Vec<PathBuf>,
    pub(crate) network: NetworkAccess,
    pub(crate) bounds: Bounds,
    /// Loopback ports that it may listen on.
    pub(crate) listen: Vec<u16>,
    /// Whether it may use Unix sockets where it can reach no others than its own.
    pub(crate) unix_sockets: bool,
    /// Whether it may use Unix sockets anyway: only the docker client.
    pub(crate) daemon_socket: bool,
    /// Nothing runs unless every layer is enforced.
    pub(crate) strict: bool,
}

#[cfg(any(target_os = "linux", target_os = "macos"))]
impl Policy {
    /// The policy of `spec`, without a private folder.
    pub(in crate::skills) fn of(spec: &SkillSpec) -> Policy {
        let sandbox = &spec.sandbox;
        let pairs = spec.environment.iter();
        Policy {
            gateway: i32::try_from(std::process::id()).unwrap_or(0),
            program: Some(spec.program.clone()),
            arguments: spec.arguments.clone(),
            environment: pairs.map(|(a, b)| (a.clone(), b.clone())).collect(),
            state_folder: None,
            working_folder: spec.folder.clone(),
            read: sandbox.read.clone(),
            write: sandbox.write.clone(),
            installed: sandbox.installed.clone(),
            asked: sandbox
                .grants
                .iter()
                .map(|grant| grant.asked.clone())
                .collect(),
            network: match &sandbox.network {
                Network::None => NetworkAccess::None,
                Network::Outbound(ports) if ports.is_empty() => NetworkAccess::Any,
                Network::Outbound(ports) => NetworkAccess::Ports(ports.clone()),
            },
            bounds: Bounds {
                memory_bytes: sandbox.memory_bytes,
                cpu_seconds: sandbox.cpu_seconds,
                processes: sandbox.processes,
                open_files: sandbox.open_files,
                file_bytes: sandbox.file_bytes,
                disk_bytes: sandbox.disk_bytes,
            },
            listen: sandbox.listen.clone(),
            unix_sockets: sandbox.unix_sockets,
            daemon_socket: sandbox.docker,
            strict: false,
        }
    }

    /// Sets `variable` unless the spec sets it.
    pub(in crate::skills) fn default_variable(&mut self, variable: &str, value: &str) {
        if self.environment.iter().all(|(name, _)| name != variable) {
            self.environment.push((variable.into(), value.into()));
        }
    }
}

/// Which hosts a skill may connect to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum NetworkAccess {
    None,
    /// Any host and port.
    Any,
    /// Any host, TCP to these ports only.
    Ports(Vec<u16>),
}

/// The resources that a skill may use.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Bounds {
    /// Memory of the tree: resident, in swap, and in the kernel.
    pub(crate) memory_bytes: u64,
    /// CPU time of the tree.
    pub(crate) cpu_seconds: u64,
    /// Processes and threads.
    pub(crate) processes: u64,
    /// Open files of one process.
    pub(crate) open_files: u64,
    pub(crate) file_bytes: u64,
    /// The private folder.
    pub(crate) disk_bytes: u64,
}

/// One protection of the sandbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Layer {
    /// User, pid and IPC namespaces: only its own processes are visible.
    Namespaces,
    /// A `/proc` with its own processes only.
    Proc,
    /// A root directory in which only granted files exist, read-only but for its own.
    Root,
    /// No network, or TCP to the given ports.
    Network,
    /// Limits of the kernel for the whole tree. Without them the watchdog counts.
    Cgroup,
    /// Limits of the kernel for each process.
    Rlimits,
    /// No capabilities, now or later.
    Capabilities,
    /// Set-user-id programs gain no privileges.
    NoNewPrivileges,
    /// Which files it may use, and which processes it may signal.
    Landlock,
    /// Which system calls it may make.
    Seccomp,
    /// On macOS: which files, hosts, services and processes it may use.
    Seatbelt,
    /// Limits on memory, CPU time and processes of the whole tree.
    Watchdog,
    /// No process outlives the gateway.
    Orphans,
}

impl Layer {
    /// Those of this system, in the order in which they are applied.
    pub const ALL: &[Layer] = super::system::LAYERS;

    pub fn name(self) -> &'static str {
        match self {
            Layer::Namespaces => "namespaces",
            Layer::Proc => "proc",
            Layer::Root => "root",
            Layer::Network => "network",
            Layer::Cgroup => "cgroup",
            Layer::Rlimits => "rlimits",
            Layer::Capabilities => "capabilities",
            Layer::NoNewPrivileges => "no_new_privileges",
            Layer::Landlock => "landlock",
            Layer::Seccomp => "seccomp",
            Layer::Seatbelt => "seatbelt",
            Layer::Watchdog => "watchdog",
            Layer::Orphans => "orphans",
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LayerState {
    Enforced,
    /// With gaps that the reason names.
    Partial,
    Absent,
}

impl LayerState {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            LayerState::Enforced => "enforced",
            LayerState::Partial => "partial",
            LayerState::Absent => "absent",
        }
    }
}

/// The layers of one sandbox: each with its state and the reason.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Layers(pub Vec<(Layer, LayerState, String)>);

impl Layers {
    /// A layer without a report is absent.
    pub fn state(&self, layer: Layer) -> LayerState {
        let found = self.0.iter().find(|(each, ..)| *each == layer);
        found.map_or(LayerState::Absent, |(_, state, _)| *state)
    }

    /// Whether every layer is enforced that strict mode requires. A cgroup is not:
    /// where none may be made, the watchdog holds the same bounds, and says how late.
    pub fn all_enforced(&self) -> bool {
        self.missing().next().is_none()
    }

    /// The layers that are not enforced, for a message.
    pub(crate) fn gaps(&self) -> String {
        let gaps: Vec<String> = self
            .missing()
            .map(|layer| format!("{} is {}", layer.name(), self.state(layer).name()))
            .collect();
        gaps.join(", ")
    }

    fn missing(&self) -> impl Iterator<Item = Layer> {
        let all = Layer::ALL.iter().copied();
        all.filter(|layer| *layer != Layer::Cgroup && self.state(*layer) != LayerState::Enforced)
    }

    #[cfg(any(target_os = "linux", target_os = "macos"))]
    pub(super) fn set(&mut self, layer: Layer, state: LayerState, why: impl Into<String>) {
        self.0.push((layer, state, why.into()));
    }
}

/// Why the process tree of a skill was killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KillReason {
    Memory,
    Cpu,
    Processes,
    /// The private folder and deleted files that it held grew too large.
    Disk,
    /// The private folder has too many levels of folders.
    Depth,
    /// The main process was stopped.
    Stopped,
    /// The open files of a process could not be counted.
    Hidden,
    GatewayGone,
    /// The gateway requested it.
    Asked,
}

/// A message from a sandbox to the gateway, one JSON line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "report")]
pub enum Report {
    /// The layers are applied, and the skill's program is executed next.
    Started { layers: Layers },
    /// The skill does not run.
    Failed { why: String, layers: Layers },
    /// The tree was killed.
    Killed {
        reason: KillReason,
        /// In the unit of the reason.
        measured: u64,
        allowed: u64,
    },
    /// The skill's main process ended, and its tree with it.
    Ended {
        /// Present where it exited by itself.
        code: Option<i32>,
        /// Present where a signal ended it.
        signal: Option<i32>,
    },
}

impl fmt::Display for KillReason {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            KillReason::Memory => "its processes held more memory than allowed",
            KillReason::Cpu => "its processes used more CPU time than allowed",
            KillReason::Processes => "it had more processes than allowed",
            KillReason::Disk => {
                "its private folder and files that it deleted but held took more space than allowed"
            }
            KillReason::Depth => "its private folder has more levels of folders than allowed",
            KillReason::Stopped => "it was stopped by a signal and did not continue",
            KillReason::Hidden => "it hid its open files, so they could not be counted",
            KillReason::GatewayGone => "Mimo is gone",
            KillReason::Asked => "Mimo stopped it",
        })
    }
}

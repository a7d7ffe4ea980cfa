//! What the gateway tells a sandbox and what the sandbox reports, as values
//! and as JSON lines. How the lines travel is `control`'s.

use std::fmt;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

#[cfg(target_os = "linux")]
use crate::skills::spec::{Network, SkillSpec};

/// The folders of a skill's own, under its state folder, and the variables
/// that lead programs to them. The shared npm cache is never used: one skill
/// could alter another's code.
pub const OWN_FOLDERS: [(&str, &str); 5] = [
    ("HOME", "home"),
    ("TMPDIR", "tmp"),
    ("XDG_CACHE_HOME", "cache"),
    ("npm_config_cache", "npm"),
    ("UV_CACHE_DIR", "uv"),
];

/// Where a skill looks for programs unless its spec says otherwise.
pub const PATH_DEFAULT: &str = "/usr/local/bin:/usr/bin:/bin";

/// Everything the sandbox is to know; it reads no file and no variable.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Policy {
    /// Whose end is the sandbox's end.
    pub gateway: i32,
    /// What is executed; nothing in a probe.
    pub program: Option<PathBuf>,
    /// Its arguments, its own name left out.
    pub arguments: Vec<String>,
    /// Its whole environment.
    pub environment: Vec<(String, String)>,
    /// Its private folder: the working directory, and writable.
    pub state_folder: Option<PathBuf>,
    /// What it may read beside the default profile.
    pub read: Vec<PathBuf>,
    /// What it may read and change beside its own folder.
    pub write: Vec<PathBuf>,
    /// Whom it may talk to.
    pub reach: NetworkAccess,
    /// How much it may use.
    pub bounds: Bounds,
    /// It may use sockets of this machine: only the docker client.
    pub local_sockets: bool,
    /// Nothing runs unless every layer is enforced.
    pub strict: bool,
}

#[cfg(target_os = "linux")]
impl Policy {
    /// What `spec` asks for, as a sandbox is told, without a folder of its own.
    pub(in crate::skills) fn of(spec: &SkillSpec) -> Policy {
        let sandbox = &spec.sandbox;
        let pairs = spec.environment.iter();
        Policy {
            gateway: i32::try_from(std::process::id()).unwrap_or(0),
            program: Some(spec.program.clone()),
            arguments: spec.arguments.clone(),
            environment: pairs.map(|(a, b)| (a.clone(), b.clone())).collect(),
            state_folder: None,
            read: sandbox.read.clone(),
            write: sandbox.write.clone(),
            reach: match &sandbox.network {
                Network::None => NetworkAccess::Nobody,
                Network::Outbound(ports) if ports.is_empty() => NetworkAccess::Anyone,
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
            local_sockets: sandbox.docker,
            strict: false,
        }
    }

    /// Sets `variable` unless the spec did.
    pub(in crate::skills) fn default_variable(&mut self, variable: &str, value: &str) {
        if self.environment.iter().all(|(name, _)| name != variable) {
            self.environment.push((variable.into(), value.into()));
        }
    }
}

/// Whom a skill may talk to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NetworkAccess {
    /// Nobody.
    Nobody,
    /// Any host, any port.
    Anyone,
    /// Any host, TCP to these ports only.
    Ports(Vec<u16>),
}

/// How much a skill may use.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Bounds {
    /// Resident memory of the tree.
    pub memory_bytes: u64,
    /// CPU time of the tree.
    pub cpu_seconds: u64,
    /// Processes and threads.
    pub processes: u64,
    /// Open files of one process.
    pub open_files: u64,
    /// One file.
    pub file_bytes: u64,
    /// The private folder.
    pub disk_bytes: u64,
}

/// One wall of the sandbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Layer {
    /// User, pid and IPC namespaces: it sees no process but its own.
    Namespaces,
    /// A `/proc` that shows its own processes only.
    Proc,
    /// Nobody to talk to, or TCP to the named ports.
    Network,
    /// Bounds the kernel keeps for each process.
    Rlimits,
    /// No capability, none to be regained.
    Capabilities,
    /// Programs with the set-user-id bit give nothing.
    NoNewPrivileges,
    /// The files it may touch, and the signals it may send.
    Landlock,
    /// The system calls it may make.
    Seccomp,
    /// Memory, CPU time and processes of the tree.
    Watchdog,
    /// Nothing outlives the gateway.
    Orphans,
}

impl Layer {
    /// All of them, in the order in which they are put up.
    pub const ALL: [Layer; 10] = [
        Layer::Namespaces,
        Layer::Proc,
        Layer::Network,
        Layer::Rlimits,
        Layer::Capabilities,
        Layer::NoNewPrivileges,
        Layer::Landlock,
        Layer::Seccomp,
        Layer::Watchdog,
        Layer::Orphans,
    ];

    /// Its name, as reported.
    pub fn name(self) -> &'static str {
        match self {
            Layer::Namespaces => "namespaces",
            Layer::Proc => "proc",
            Layer::Network => "network",
            Layer::Rlimits => "rlimits",
            Layer::Capabilities => "capabilities",
            Layer::NoNewPrivileges => "no_new_privileges",
            Layer::Landlock => "landlock",
            Layer::Seccomp => "seccomp",
            Layer::Watchdog => "watchdog",
            Layer::Orphans => "orphans",
        }
    }
}

/// How far a layer stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LayerState {
    /// Whole.
    Enforced,
    /// With gaps, which the reason names.
    Partial,
    /// Not at all.
    Absent,
}

impl LayerState {
    /// Its name, as reported.
    pub fn name(self) -> &'static str {
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
    /// How far `layer` stands; one that nobody reported is absent.
    pub fn state(&self, layer: Layer) -> LayerState {
        let found = self.0.iter().find(|(each, ..)| *each == layer);
        found.map_or(LayerState::Absent, |(_, state, _)| *state)
    }

    /// Whether every layer is enforced.
    pub fn whole(&self) -> bool {
        Layer::ALL
            .iter()
            .all(|layer| self.state(*layer) == LayerState::Enforced)
    }

    /// The layers that are not enforced, for a message.
    pub fn gaps(&self) -> String {
        let gaps: Vec<String> = Layer::ALL
            .iter()
            .filter(|layer| self.state(**layer) != LayerState::Enforced)
            .map(|layer| format!("{} is {}", layer.name(), self.state(*layer).name()))
            .collect();
        gaps.join(", ")
    }

    #[cfg(target_os = "linux")]
    pub(super) fn put(&mut self, layer: Layer, state: LayerState, why: impl Into<String>) {
        self.0.push((layer, state, why.into()));
    }
}

/// Why a tree was killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KillReason {
    /// Its processes held more memory than allowed.
    Memory,
    /// They used more CPU time than allowed.
    Cpu,
    /// They were more than allowed.
    Processes,
    /// Its private folder held more than allowed.
    Disk,
    /// The gateway is gone.
    GatewayGone,
    /// The gateway asked for it.
    Asked,
}

/// What a sandbox tells the gateway, one JSON line each.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "report")]
pub enum Report {
    /// The layers stand as said; the skill's program is executed next.
    Started {
        /// Every layer.
        layers: Layers,
    },
    /// The skill does not run.
    Failed {
        /// Why.
        why: String,
        /// The layers so far.
        layers: Layers,
    },
    /// The tree was killed.
    Killed {
        /// Why.
        reason: KillReason,
        /// What was measured, in the reason's unit.
        measured: u64,
        /// What was allowed.
        allowed: u64,
    },
    /// The skill's own process ended, and its tree with it.
    Ended {
        /// Its exit code, where it ended by itself.
        code: Option<i32>,
        /// The signal that ended it.
        signal: Option<i32>,
    },
}

impl fmt::Display for KillReason {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            KillReason::Memory => "its processes held more memory than allowed",
            KillReason::Cpu => "its processes used more CPU time than allowed",
            KillReason::Processes => "it had more processes than allowed",
            KillReason::Disk => "its private folder held more than allowed",
            KillReason::GatewayGone => "Mimo is gone",
            KillReason::Asked => "Mimo stopped it",
        })
    }
}

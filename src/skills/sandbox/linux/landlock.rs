//! The Landlock layer: which files a skill may use, which TCP ports it may connect
//! to, and that its signals and abstract sockets stay inside the sandbox.

use std::path::Path;

use landlock::{
    ABI, Access, AccessFs, AccessNet, BitFlags, NetPort, PathBeneath, Ruleset, RulesetAttr,
    RulesetCreated, RulesetCreatedAttr, RulesetError, RulesetStatus, Scope,
};

use nix::fcntl::{AT_FDCWD, OFlag, OpenHow, ResolveFlag, openat2};
use nix::sys::stat::fstat;

use super::files::{Access as FileAccess, Files};
use super::policy::{Layer, LayerState, Layers, NetworkAccess, Policy};
use super::process;

/// The first versions of the kernel's interface with TCP rules, and with scopes for
/// signals and abstract sockets.
const ABI_WITH_TCP: i32 = 4;
pub(super) const ABI_WITH_SCOPES: i32 = 6;
/// The newest version that this file uses.
const ABI_NEWEST: i32 = 7;

/// Whether this kernel can restrict TCP to ports.
pub(super) fn supports_ports() -> bool {
    process::landlock_version() >= ABI_WITH_TCP
}

/// Applies the layer as far as this kernel supports it.
pub(super) fn restrict(policy: &Policy, files: &Files, layers: &mut Layers) {
    let version = process::landlock_version();
    if version == 0 {
        let why = "this kernel has no Landlock, or it is disabled";
        return layers.set(Layer::Landlock, LayerState::Absent, why);
    }
    let abi = ABI::from(version.min(ABI_NEWEST));
    match rules(policy, files, abi, version).and_then(RulesetCreated::restrict_self) {
        Ok(status) if status.ruleset == RulesetStatus::NotEnforced => {
            layers.set(
                Layer::Landlock,
                LayerState::Absent,
                "the kernel does not enforce it",
            );
        }
        Ok(_) if version < ABI_WITH_SCOPES => {
            let why =
                format!("version {version}: signals and abstract sockets need {ABI_WITH_SCOPES}");
            layers.set(Layer::Landlock, LayerState::Partial, why);
        }
        Ok(_) => layers.set(
            Layer::Landlock,
            LayerState::Enforced,
            format!("version {version}"),
        ),
        Err(error) => layers.set(Layer::Landlock, LayerState::Absent, error.to_string()),
    }
}

fn rules(
    policy: &Policy,
    files: &Files,
    abi: ABI,
    version: i32,
) -> Result<RulesetCreated, RulesetError> {
    let mut ruleset = Ruleset::default().handle_access(AccessFs::from_all(abi))?;
    if version >= ABI_WITH_TCP {
        ruleset = ruleset.handle_access(AccessNet::BindTcp)?;
        if policy.network != NetworkAccess::Any {
            ruleset = ruleset.handle_access(AccessNet::ConnectTcp)?;
        }
    }
    if version >= ABI_WITH_SCOPES {
        ruleset = ruleset.scope(Scope::AbstractUnixSocket | Scope::Signal)?;
    }
    let mut created = ruleset.create()?;
    for (path, access) in &files.grants {
        let access = match access {
            FileAccess::Read => AccessFs::from_read(abi),
            FileAccess::Write => AccessFs::from_all(abi),
        };
        created = beneath(created, path, access, abi)?;
    }
    if version >= ABI_WITH_TCP {
        for port in &policy.listen {
            created = created.add_rule(NetPort::new(*port, AccessNet::BindTcp))?;
        }
    }
    if version >= ABI_WITH_TCP
        && let NetworkAccess::Ports(ports) = &policy.network
    {
        for port in ports {
            created = created.add_rule(NetPort::new(*port, AccessNet::ConnectTcp))?;
        }
    }
    Ok(created)
}

/// Allows `access` beneath `path`, if it exists. No link is followed: one that has
/// appeared since `files` were resolved may be the skill's.
fn beneath(
    ruleset: RulesetCreated,
    path: &Path,
    access: BitFlags<AccessFs>,
    abi: ABI,
) -> Result<RulesetCreated, RulesetError> {
    let how = OpenHow::new()
        .flags(OFlag::O_PATH | OFlag::O_CLOEXEC)
        .resolve(ResolveFlag::RESOLVE_NO_SYMLINKS);
    // A missing path needs no rule.
    let Ok(opened) = openat2(AT_FDCWD, path, how) else {
        return Ok(ruleset);
    };
    let kind = fstat(&opened).map_or(0, |found| found.st_mode & libc::S_IFMT);
    let access = match kind == libc::S_IFDIR {
        true => access,
        false => access & AccessFs::from_file(abi),
    };
    ruleset.add_rule(PathBeneath::new(opened, access))
}

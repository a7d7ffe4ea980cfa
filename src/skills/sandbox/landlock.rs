//! The Landlock layer: which files a skill may use, which TCP ports it may connect
//! to, and that its signals and abstract sockets stay inside the sandbox.

use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use landlock::{
    ABI, Access, AccessFs, AccessNet, BitFlags, NetPort, PathBeneath, Ruleset, RulesetAttr,
    RulesetCreated, RulesetCreatedAttr, RulesetError, RulesetStatus, Scope,
};

use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, OFlag, OpenHow, ResolveFlag, openat2};
use nix::sys::stat::fstat;

use super::policy::{Layer, LayerState, Layers, NetworkAccess, Policy};
use super::{process, profile};

/// The first versions of the kernel's interface with TCP rules, and with scopes for
/// signals and abstract sockets.
const WITH_NET: i32 = 4;
const WITH_SCOPES: i32 = 6;
/// The newest version that this file uses.
const KNOWN: i32 = 7;

/// Whether this kernel can restrict TCP to ports.
pub(super) fn supports_ports() -> bool {
    process::landlock_version() >= WITH_NET
}

/// Applies the layer as far as this kernel supports it.
pub(super) fn restrict(policy: &Policy, layers: &mut Layers) {
    let version = process::landlock_version();
    if version == 0 {
        let why = "this kernel has no Landlock, or it is disabled";
        return layers.set(Layer::Landlock, LayerState::Absent, why);
    }
    let abi = ABI::from(version.min(KNOWN));
    match rules(policy, abi, version).and_then(RulesetCreated::restrict_self) {
        Ok(status) if status.ruleset == RulesetStatus::NotEnforced => {
            layers.set(
                Layer::Landlock,
                LayerState::Absent,
                "the kernel does not enforce it",
            );
        }
        Ok(_) if version < WITH_SCOPES => {
            let why = format!("version {version}: signals and abstract sockets need {WITH_SCOPES}");
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

fn rules(policy: &Policy, abi: ABI, version: i32) -> Result<RulesetCreated, RulesetError> {
    let mut ruleset = Ruleset::default().handle_access(AccessFs::from_all(abi))?;
    if version >= WITH_NET {
        ruleset = ruleset.handle_access(AccessNet::BindTcp)?;
        if policy.network != NetworkAccess::Any {
            ruleset = ruleset.handle_access(AccessNet::ConnectTcp)?;
        }
    }
    if version >= WITH_SCOPES {
        ruleset = ruleset.scope(Scope::AbstractUnixSocket | Scope::Signal)?;
    }
    let mut created = ruleset.create()?;
    let own: Vec<&PathBuf> = policy.write.iter().chain(&policy.state_folder).collect();
    for path in profile::read(policy) {
        created = beneath(created, &path, &own, AccessFs::from_read(abi), abi)?;
    }
    for path in profile::write(policy) {
        created = beneath(created, &path, &own, AccessFs::from_all(abi), abi)?;
    }
    if version >= WITH_NET
        && let NetworkAccess::Ports(ports) = &policy.network
    {
        for port in ports {
            created = created.add_rule(NetPort::new(*port, AccessNet::ConnectTcp))?;
        }
    }
    Ok(created)
}

/// Allows `access` beneath `path`, if it exists.
fn beneath(
    ruleset: RulesetCreated,
    path: &Path,
    own: &[&PathBuf],
    access: BitFlags<AccessFs>,
    abi: ABI,
) -> Result<RulesetCreated, RulesetError> {
    // A missing path needs no rule.
    let Some(opened) = opened(path, own) else {
        return Ok(ruleset);
    };
    let kind = fstat(&opened).map_or(0, |found| found.st_mode & libc::S_IFMT);
    let access = match kind == libc::S_IFDIR {
        true => access,
        false => access & AccessFs::from_file(abi),
    };
    ruleset.add_rule(PathBeneath::new(opened, access))
}

/// Opens `path` for a rule. A link inside one of the skill's `own` folders is not
/// followed: an earlier run may have created it to gain access to its target.
fn opened(path: &Path, own: &[&PathBuf]) -> Option<OwnedFd> {
    let how = |resolve| {
        let flags = OFlag::O_PATH | OFlag::O_CLOEXEC;
        OpenHow::new().flags(flags).resolve(resolve)
    };
    match openat2(AT_FDCWD, path, how(ResolveFlag::RESOLVE_NO_SYMLINKS)) {
        Ok(opened) => Some(opened),
        Err(Errno::ELOOP) => {
            let within = |folder: &&&PathBuf| path.starts_with(folder) && path != folder.as_path();
            let follows = own.iter().find(within).is_none();
            let opened = follows.then(|| openat2(AT_FDCWD, path, how(ResolveFlag::empty())));
            opened?.ok()
        }
        Err(_) => None,
    }
}

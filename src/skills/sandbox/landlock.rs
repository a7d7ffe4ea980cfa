//! The Landlock layer: which files a skill may touch, which TCP ports it may
//! reach, and that its signals and abstract sockets end at its own walls.

use std::path::PathBuf;

use landlock::{
    ABI, Access, AccessFs, AccessNet, BitFlags, NetPort, PathBeneath, PathFd, Ruleset, RulesetAttr,
    RulesetCreated, RulesetCreatedAttr, RulesetError, RulesetStatus, Scope,
};

use super::policy::{Layer, Layers, Policy, Reach, State};
use super::{process, profile};

/// The first versions of the kernel's interface with TCP rules, with device
/// controls, and with scopes for signals and abstract sockets.
const WITH_NET: i32 = 4;
const WITH_SCOPES: i32 = 6;
/// What this file asks for; a newer kernel is asked for no more.
const KNOWN: i32 = 7;

/// Whether TCP can be held to ports here.
pub(super) fn knows_ports() -> bool {
    process::landlock_version() >= WITH_NET
}

/// Puts it up, as far as this kernel goes.
pub(super) fn restrict(policy: &Policy, layers: &mut Layers) {
    let version = process::landlock_version();
    if version == 0 {
        let why = "this kernel has no Landlock, or it is switched off";
        return layers.put(Layer::Landlock, State::Absent, why);
    }
    let abi = ABI::from(version.min(KNOWN));
    match rules(policy, abi, version).and_then(RulesetCreated::restrict_self) {
        Ok(status) if status.ruleset == RulesetStatus::NotEnforced => {
            layers.put(
                Layer::Landlock,
                State::Absent,
                "the kernel enforces none of it",
            );
        }
        Ok(_) if version < WITH_SCOPES => {
            let why = format!("version {version}: signals and abstract sockets need {WITH_SCOPES}");
            layers.put(Layer::Landlock, State::Partial, why);
        }
        Ok(_) => layers.put(
            Layer::Landlock,
            State::Enforced,
            format!("version {version}"),
        ),
        Err(error) => layers.put(Layer::Landlock, State::Absent, error.to_string()),
    }
}

fn rules(policy: &Policy, abi: ABI, version: i32) -> Result<RulesetCreated, RulesetError> {
    let mut ruleset = Ruleset::default().handle_access(AccessFs::from_all(abi))?;
    if version >= WITH_NET {
        ruleset = ruleset.handle_access(AccessNet::BindTcp)?;
        if policy.reach != Reach::Anyone {
            ruleset = ruleset.handle_access(AccessNet::ConnectTcp)?;
        }
    }
    if version >= WITH_SCOPES {
        ruleset = ruleset.scope(Scope::AbstractUnixSocket | Scope::Signal)?;
    }
    let mut created = ruleset.create()?;
    created = files(
        created,
        profile::read(policy),
        AccessFs::from_read(abi),
        abi,
    )?;
    created = files(
        created,
        profile::write(policy),
        AccessFs::from_all(abi),
        abi,
    )?;
    if version >= WITH_NET
        && let Reach::Ports(ports) = &policy.reach
    {
        for port in ports {
            created = created.add_rule(NetPort::new(*port, AccessNet::ConnectTcp))?;
        }
    }
    Ok(created)
}

/// Allows `access` beneath each of `paths` that exists.
fn files(
    mut ruleset: RulesetCreated,
    paths: Vec<PathBuf>,
    access: BitFlags<AccessFs>,
    abi: ABI,
) -> Result<RulesetCreated, RulesetError> {
    for path in paths {
        // One that is missing here gives nothing to protect, and nothing to use.
        let Ok(opened) = PathFd::new(&path) else {
            continue;
        };
        let access = match path.is_dir() {
            true => access,
            false => access & AccessFs::from_file(abi),
        };
        ruleset = ruleset.add_rule(PathBeneath::new(opened, access))?;
    }
    Ok(ruleset)
}

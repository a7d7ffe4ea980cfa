//! L, the supervisor of one sandbox: enters new namespaces, starts pid 1, and watches
//! the gateway, the skill and the resources that it uses. The sandbox ends with L.

use std::io::{self, PipeWriter, Read};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::prctl;
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::waitpid;
use nix::unistd::{ForkResult, Pid, getppid};

use super::cgroup::{self, Cgroup};
use super::child::{self, StartParameters};
use super::files::Files;
use super::namespaces::{self, Isolation};
use super::notify::{self, Notifier};
use super::policy::{KillReason, Layer, LayerState, Layers, NetworkAccess, Policy, Report};
use super::tree::TreeView;
use super::watchdog::Watchdog;
use super::{control, disk, excess, guard, init, landlock, process, profile};
use crate::limits::{SANDBOX_SOCKET_BYTES_MAX, SANDBOX_WATCH_NEAR_MILLIS_MAX};

/// What the supervisor does until the skill has ended.
pub(in crate::skills::sandbox) fn supervise() -> io::Result<()> {
    process::close_inherited()?;
    let up = UnixStream::from(process::take_stdin()?);
    let (policy, pipes) = control::receive(&up)?;
    let gateway = Pid::from_raw(policy.gateway);
    let gateway_end = process::pidfd(gateway)?;
    if getppid() != gateway {
        return Err(io::Error::other("its gateway is gone"));
    }
    let mut layers = Layers::default();
    let machine_network = namespaces::network().ok();
    let isolation = namespaces::enter(&policy.network, &mut layers);
    let mut cgroup = Cgroup::create(&policy.bounds, isolation != Isolation::None);
    add_known_layers(&policy, isolation != Isolation::None, &mut layers);
    let gateway_end = match isolation {
        // The guard ends with us, and we with the gateway's end of the socket.
        Isolation::None => guard::begin()?,
        _ => gateway_end,
    };
    let files = Files::of(&policy, &profile::read(&policy), &profile::write(&policy));
    let (calls, listener) = UnixStream::pair()?;
    let start = StartParameters {
        policy: &policy,
        files: &files,
        pipes,
        up: &up,
        listener,
        no_root: "it needs namespaces".to_owned(),
        layers,
    };
    let started = match isolation {
        Isolation::None => start_bare(start, &mut cgroup),
        _ => start_init(start, isolation, &mut cgroup),
    };
    let tree = match started {
        Ok(tree) => tree,
        Err((why, layers)) => {
            control::report(&up, &Report::Failed { why, layers });
            return Ok(());
        }
    };
    // Waits until the skill's own process has set up its filters.
    let notifier = notify::receive(&calls)?.map(|fd| Notifier::new(fd, &policy, &files));
    let private_network = namespaces::network().ok() != machine_network;
    let cgroup = cgroup.as_ref().ok().filter(|group| group.is_used());
    let watchdog = Watchdog::new(&policy, private_network, cgroup);
    let killed = watch(watchdog, &tree, notifier.as_ref(), &up, &gateway_end);
    let by_kernel = || cgroup?.exceeded(&policy.bounds).map(excess::killed);
    let killed = killed.or_else(by_kernel);
    if let Some(report) = &killed {
        control::report(&up, report);
    }
    // What it leaves is killed one by one below.
    let _ = cgroup.map(Cgroup::end);
    tree.end(&up);
    if let (
        Some(Report::Killed {
            reason: KillReason::Depth,
            ..
        }),
        Some(folder),
    ) = (&killed, &policy.state_folder)
    {
        // Where this fails, the skill's next run is killed for the rest.
        let _ = disk::remove_too_deep(folder);
    }
    Ok(())
}

/// Reports the layers that are known before the skill runs.
fn add_known_layers(policy: &Policy, contained: bool, layers: &mut Layers) {
    let (state, why) = match (&policy.network, contained, landlock::supports_ports()) {
        (NetworkAccess::None, true, _) => (LayerState::Enforced, "no interfaces, no sockets"),
        (NetworkAccess::None, false, _) => (
            LayerState::Partial,
            "no sockets, but the machine's interfaces are visible",
        ),
        (NetworkAccess::Any, ..) => (LayerState::Enforced, "any host, as the manifest allows"),
        (NetworkAccess::Ports(_), _, true) => (
            LayerState::Enforced,
            "TCP to the given ports only; UDP, which name resolution needs, to any",
        ),
        (NetworkAccess::Ports(_), _, false) => (
            LayerState::Absent,
            "this kernel's Landlock does not support ports",
        ),
    };
    layers.set(Layer::Network, state, why);
    let (state, why) = match contained {
        true => (
            LayerState::Enforced,
            "the kernel ends the whole pid namespace",
        ),
        false => (
            LayerState::Partial,
            "without a pid namespace some could, if supervisor and guard are killed at once",
        ),
    };
    layers.set(Layer::Orphans, state, why);
    if !contained {
        let why = "without a pid namespace it shows all processes";
        layers.set(Layer::Proc, LayerState::Absent, why);
    }
}

/// Enters the group in the tree's first process; reports what the watchdog counts beside
/// it, and how much can be used before it counts again.
fn enter_group(group: &Group, start: &mut StartParameters<'_>) {
    let why = match cgroup::enter(group, &mut start.layers) {
        true => "CPU time, processes, disk; the cgroup limits memory".to_owned(),
        false => counted(start.policy),
    };
    let layers = &mut start.layers;
    layers.set(Layer::Watchdog, LayerState::Enforced, why);
}

fn counted(policy: &Policy) -> String {
    let bounds = &policy.bounds;
    let sockets = bounds.processes.saturating_mul(bounds.open_files);
    let megabytes = sockets.saturating_mul(SANDBOX_SOCKET_BYTES_MAX) / 1_000_000;
    let tcp = match policy.network {
        NetworkAccess::None => "",
        _ => "; TCP more, up to the machine's net.ipv4.tcp_mem",
    };
    format!(
        "memory, CPU time, processes, disk; between two counts sockets can hold {}.{} GB: {} \
         processes x {} files x {} KB{tcp}",
        megabytes / 1_000,
        megabytes % 1_000 / 100,
        bounds.processes,
        bounds.open_files,
        SANDBOX_SOCKET_BYTES_MAX / 1024
    )
}

/// The tree of processes under this supervisor.
struct Tree {
    /// Pid 1 of the namespace, or the skill itself without a namespace.
    root: Pid,
    root_end: OwnedFd,
    view: TreeView,
    /// Tells pid 1 when this process ends.
    _lifeline: Option<PipeWriter>,
}

/// The control group of a sandbox, or why it has none.
type Group = Result<Cgroup, String>;
type StartResult = Result<Tree, (String, Layers)>;

fn start_init(
    mut start: StartParameters<'_>,
    isolation: Isolation,
    cgroup: &mut Group,
) -> StartResult {
    let (reader, writer) = match io::pipe() {
        Ok(ends) => ends,
        Err(error) => return Err((format!("no pipe: {error}"), start.layers)),
    };
    let root = match cgroup::fork(cgroup) {
        Ok(ForkResult::Child) => {
            drop(writer);
            enter_group(cgroup, &mut start);
            init::run(start, isolation, &reader)
        }
        Ok(ForkResult::Parent { child }) => child,
        Err(error) => return Err((format!("no process for pid 1: {error}"), start.layers)),
    };
    let view = TreeView::Own(format!("/proc/{root}/root/proc").into());
    tree(root, view, Some(writer), start.layers)
}

/// Starts the skill as our own child where namespaces are refused. Its orphans become
/// our children.
fn start_bare(mut start: StartParameters<'_>, cgroup: &mut Group) -> StartResult {
    if let Err(error) = prctl::set_child_subreaper(true) {
        return Err((
            format!("orphans could not be reaped: {error}"),
            start.layers,
        ));
    }
    let supervisor = Pid::this();
    let root = match cgroup::fork(cgroup) {
        Ok(ForkResult::Child) => {
            let tied = prctl::set_pdeathsig(Signal::SIGKILL);
            if tied.is_err() || getppid() != supervisor {
                process::leave(1);
            }
            enter_group(cgroup, &mut start);
            child::run(start, false)
        }
        Ok(ForkResult::Parent { child }) => child,
        Err(error) => return Err((format!("no process for the skill: {error}"), start.layers)),
    };
    let view = TreeView::Descendants {
        supervisor,
        skill: root,
    };
    tree(root, view, None, start.layers)
}

fn tree(root: Pid, view: TreeView, lifeline: Option<PipeWriter>, layers: Layers) -> StartResult {
    match process::pidfd(root) {
        Ok(root_end) => Ok(Tree {
            root,
            root_end,
            view,
            _lifeline: lifeline,
        }),
        Err(error) => {
            let _ = kill(root, Signal::SIGKILL);
            Err((format!("its process cannot be watched: {error}"), layers))
        }
    }
}

/// Waits until the skill ends or has to be killed.
fn watch(
    mut watchdog: Watchdog<'_>,
    tree: &Tree,
    mut notifier: Option<&Notifier>,
    up: &UnixStream,
    gateway: &OwnedFd,
) -> Option<Report> {
    let killed = |reason| Some(excess::killed((reason, 0, 0)));
    // A start is not delayed by a look at what cannot have grown yet.
    let mut next_look = Instant::now() + Duration::from_millis(SANDBOX_WATCH_NEAR_MILLIS_MAX);
    loop {
        let mut polled = vec![
            PollFd::new(tree.root_end.as_fd(), PollFlags::POLLIN),
            PollFd::new(gateway.as_fd(), PollFlags::POLLIN),
            PollFd::new(up.as_fd(), PollFlags::POLLIN),
        ];
        polled.extend(notifier.map(|each| PollFd::new(each.as_fd(), PollFlags::POLLIN)));
        // In whole milliseconds, so that the last one is not polled through.
        let pause = next_look
            .saturating_duration_since(Instant::now())
            .saturating_add(Duration::from_nanos(999_999));
        let timeout = PollTimeout::try_from(pause).unwrap_or(PollTimeout::ZERO);
        // An interrupted wait only checks the tree once more.
        let _ = poll(&mut polled, timeout);
        let ready = |at: usize| polled.get(at).is_some_and(|fd| fd.any().unwrap_or(false));
        if ready(0) {
            return None;
        }
        if ready(1) {
            return killed(KillReason::GatewayGone);
        }
        if ready(2) {
            let mut byte = [0];
            let mut up = up;
            match up.read(&mut byte) {
                Ok(1) if byte[0] == control::TERMINATE => tree.terminate(),
                Ok(0) | Err(_) => return killed(KillReason::GatewayGone),
                Ok(_) => return killed(KillReason::Asked),
            }
        }
        if ready(3) && notifier.is_some_and(|each| !each.serves()) {
            notifier = None;
        }
        if Instant::now() < next_look {
            continue;
        }
        if let Some(report) = watchdog.measure(&tree.view) {
            return Some(report);
        }
        if matches!(tree.view, TreeView::Descendants { .. }) {
            tree.reap_strays();
        }
        next_look = Instant::now() + watchdog.pause();
    }
}

impl Tree {
    /// Sends SIGTERM to every process.
    fn terminate(&self) {
        match &self.view {
            // Pid 1 forwards it.
            TreeView::Own(_) => drop(kill(self.root, Signal::SIGTERM)),
            TreeView::Descendants { .. } => self.signal_each(Signal::SIGTERM),
        }
    }

    fn signal_each(&self, signal: Signal) {
        for pid in self.view.pids() {
            let _ = kill(Pid::from_raw(pid), signal);
        }
    }

    /// Reaps orphans that have ended, but not the skill itself.
    fn reap_strays(&self) {
        for pid in self.view.pids() {
            if pid != self.root.as_raw() {
                let flags = nix::sys::wait::WaitPidFlag::WNOHANG;
                let _ = waitpid(Pid::from_raw(pid), Some(flags));
            }
        }
    }

    /// Kills the remaining processes and waits until they are gone.
    fn end(&self, up: &UnixStream) {
        if let TreeView::Own(_) = self.view {
            process::kill(&self.root_end);
            // When this returns the kernel has ended the whole namespace.
            let _ = waitpid(self.root, None);
            return;
        }
        if let Some(report) = init::reap(self.root) {
            control::report(up, &report);
        }
        guard::sweep(&self.view);
    }
}

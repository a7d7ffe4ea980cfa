//! System calls that the supervisor makes in place of the skill, because a filter
//! cannot see what they are about: it receives them from seccomp, looks at a copy of
//! the arguments, and acts on a descriptor of its own. It never lets the skill's own
//! call continue, so arguments that change meanwhile have no effect.

use std::io::{self, IoSlice, IoSliceMut};
use std::mem::zeroed;
use std::net::Ipv4Addr;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;

use libc::{c_int, c_long};
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{
    AddressFamily, Backlog, ControlMessage, ControlMessageOwned, MsgFlags, SockaddrLike,
    SockaddrStorage, getsockname, recvmsg, sendmsg,
};
use nix::unistd::Pid;

use super::files::{Access, Files};
use super::metadata;
use super::policy::{NetworkAccess, Policy};
use super::process;

/// The calls that the supervisor makes for a skill with this policy.
pub(super) fn calls(policy: &Policy, new_root: bool) -> Vec<c_long> {
    let mut calls = Vec::new();
    if policy.network != NetworkAccess::None {
        // Without `bind` it opens a port that Landlock is not asked about.
        calls.push(libc::SYS_listen);
    }
    if !new_root {
        calls.extend(metadata::CALLS);
    }
    calls
}

/// Hands the listener of this process's filter to the supervisor.
pub(super) fn hand_over(listener: &OwnedFd, supervisor: &UnixStream) -> io::Result<()> {
    let descriptors = [listener.as_raw_fd()];
    let rights = [ControlMessage::ScmRights(&descriptors)];
    let byte = [IoSlice::new(&[0])];
    let flags = MsgFlags::MSG_NOSIGNAL;
    sendmsg::<()>(supervisor.as_raw_fd(), &byte, &rights, flags, None)?;
    Ok(())
}

/// Receives what [`hand_over`] sent; nothing where it was not called.
pub(super) fn receive(from: &UnixStream) -> io::Result<Option<OwnedFd>> {
    let mut byte = [0];
    let mut slices = [IoSliceMut::new(&mut byte)];
    let mut room = nix::cmsg_space!(c_int);
    let flags = MsgFlags::MSG_CMSG_CLOEXEC;
    let message = recvmsg::<()>(from.as_raw_fd(), &mut slices, Some(&mut room), flags)?;
    let received = message.cmsgs()?.find_map(|each| match each {
        ControlMessageOwned::ScmRights(found) => found.first().copied(),
        _ => None,
    });
    // SAFETY: the kernel has just created it, and nothing else owns it.
    Ok(received.map(|fd| unsafe { OwnedFd::from_raw_fd(fd) }))
}

/// The supervisor's side.
pub(super) struct Notifier {
    listener: OwnedFd,
    /// Files and folders that the skill may change.
    own: Vec<PathBuf>,
    /// Loopback ports that it may listen on.
    ports: Vec<u16>,
}

impl Notifier {
    pub(super) fn new(listener: OwnedFd, policy: &Policy, files: &Files) -> Notifier {
        let writable = files
            .grants
            .iter()
            .filter(|(_, access)| *access == Access::Write);
        Notifier {
            listener,
            own: writable.map(|(path, _)| path.clone()).collect(),
            ports: policy.listen.clone(),
        }
    }

    /// Becomes readable when there is a call to answer.
    pub(super) fn as_fd(&self) -> BorrowedFd<'_> {
        self.listener.as_fd()
    }

    /// Answers one call; whether more can come. Without that question the supervisor
    /// would spin until the last process has been reaped.
    pub(super) fn serves(&self) -> bool {
        // An error means that the caller has ended meanwhile.
        let _ = self.answer();
        let mut polled = [PollFd::new(self.as_fd(), PollFlags::empty())];
        let _ = poll(&mut polled, PollTimeout::ZERO);
        let found = polled.first().and_then(PollFd::revents);
        found.is_none_or(|found| !found.contains(PollFlags::POLLHUP))
    }

    fn answer(&self) -> io::Result<()> {
        // SAFETY: a structure of integers, which must be zero.
        let mut call: libc::seccomp_notif = unsafe { zeroed() };
        self.control(libc::SECCOMP_IOCTL_NOTIF_RECV, &mut call)?;
        let result = self.act(&call);
        // SAFETY: as above.
        let mut answer: libc::seccomp_notif_resp = unsafe { zeroed() };
        answer.id = call.id;
        if let Err(error) = result {
            answer.error = -(error as i32);
        }
        self.control(libc::SECCOMP_IOCTL_NOTIF_SEND, &mut answer)
    }

    fn act(&self, call: &libc::seccomp_notif) -> nix::Result<()> {
        let caller = Pid::from_raw(i32::try_from(call.pid).map_err(|_| Errno::ESRCH)?);
        let arguments = call.data.args;
        // The pid may belong to another process by now; asked after its files are open.
        let alive = || {
            let mut id = call.id;
            self.control(libc::SECCOMP_IOCTL_NOTIF_ID_VALID, &mut id)
                .map_err(|_| Errno::ESRCH)
        };
        match c_long::from(call.data.nr) {
            libc::SYS_listen => {
                let socket = socket_of(caller, arguments[0])?;
                alive()?;
                // The kernel reads 32 bits.
                self.listen(&socket, arguments[1] as i32)
            }
            number => {
                let change = metadata::Change::of(number, &arguments, caller)?;
                let file = change.open(caller)?;
                alive()?;
                change.apply(&file, &self.own)
            }
        }
    }

    /// Listens on a local socket, or on a granted port of the loopback interface.
    fn listen(&self, socket: &OwnedFd, backlog: i32) -> nix::Result<()> {
        let address: SockaddrStorage = getsockname(socket.as_raw_fd())?;
        if address.family() != Some(AddressFamily::Unix) && !self.granted(&address) {
            return Err(Errno::EACCES);
        }
        let backlog = Backlog::new(backlog.clamp(0, libc::SOMAXCONN))?;
        nix::sys::socket::listen(socket, backlog)
    }

    fn granted(&self, address: &SockaddrStorage) -> bool {
        let four = address.as_sockaddr_in();
        let six = address.as_sockaddr_in6();
        let loopback = four.is_some_and(|four| four.ip() == Ipv4Addr::LOCALHOST)
            || six.is_some_and(|six| six.ip().is_loopback());
        let port = four.map(|four| four.port()).or(six.map(|six| six.port()));
        loopback && port.is_some_and(|port| self.ports.contains(&port))
    }

    fn control<T>(&self, request: libc::Ioctl, argument: &mut T) -> io::Result<()> {
        // SAFETY: each request of this file reads and writes the structure that it
        // is called with.
        let done = unsafe { libc::ioctl(self.listener.as_raw_fd(), request, argument) };
        match done {
            -1 => Err(io::Error::last_os_error()),
            _ => Ok(()),
        }
    }
}

/// The socket that `caller` has as descriptor `number`, as a descriptor of ours.
fn socket_of(caller: Pid, number: u64) -> nix::Result<OwnedFd> {
    let leader = process::leader(caller).ok_or(Errno::ESRCH)?;
    let pidfd = process::pidfd(leader).map_err(|_| Errno::ESRCH)?;
    // SAFETY: an open descriptor and two integers; it returns a descriptor.
    let taken = unsafe { libc::syscall(libc::SYS_pidfd_getfd, pidfd.as_raw_fd(), number, 0) };
    process::owned(taken).map_err(|_| Errno::EBADF)
}

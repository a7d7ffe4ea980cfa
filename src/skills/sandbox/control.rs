//! The socket between the gateway and a sandbox. The policy and the skill's pipes go
//! down, reports come up. Its end means that the gateway is gone.

use std::io::{self, IoSlice, IoSliceMut, Read, Write};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::net::UnixStream;

use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use nix::sys::socket::{ControlMessage, ControlMessageOwned, MsgFlags, recvmsg, sendmsg};

use super::policy::{Policy, Report};
use crate::limits::SANDBOX_POLICY_BYTES_MAX;

/// The byte that requests SIGTERM for the whole tree.
pub(in crate::skills) const TERMINATE: u8 = b'T';

/// The byte that requests the end of the whole tree.
pub(in crate::skills) const KILL: u8 = b'K';

/// Sends the skill's pipes and `policy`: a length, then JSON.
pub(in crate::skills) fn send(
    socket: &UnixStream,
    policy: &Policy,
    pipes: [RawFd; 3],
) -> io::Result<()> {
    let text = serde_json::to_vec(policy)?;
    if text.len() > SANDBOX_POLICY_BYTES_MAX {
        return Err(io::Error::other(
            "the skill's arguments and environment are too long",
        ));
    }
    let length = u32::try_from(text.len()).map_err(io::Error::other)?;
    let rights = [ControlMessage::ScmRights(&pipes)];
    let bytes = length.to_le_bytes();
    sendmsg::<()>(
        socket.as_raw_fd(),
        &[IoSlice::new(&bytes)],
        &rights,
        MsgFlags::empty(),
        None,
    )?;
    let mut socket = socket;
    socket.write_all(&text)
}

/// Receives what [`send`] sent.
pub(super) fn receive(socket: &UnixStream) -> io::Result<(Policy, [OwnedFd; 3])> {
    let mut length = [0_u8; 4];
    let mut room = nix::cmsg_space!([RawFd; 3]);
    let pipes = {
        let mut slices = [IoSliceMut::new(&mut length)];
        let message = recvmsg::<()>(
            socket.as_raw_fd(),
            &mut slices,
            Some(&mut room),
            MsgFlags::MSG_WAITALL,
        )?;
        let mut pipes: Vec<OwnedFd> = Vec::new();
        for each in message.cmsgs()? {
            if let ControlMessageOwned::ScmRights(found) = each {
                // SAFETY: the kernel has just created these descriptors for us,
                // and nothing else in this process owns them.
                pipes.extend(found.iter().map(|fd| unsafe { OwnedFd::from_raw_fd(*fd) }));
            }
        }
        pipes
    };
    for pipe in &pipes {
        // Not every system can do this at once, and this process has one thread.
        fcntl(pipe, FcntlArg::F_SETFD(FdFlag::FD_CLOEXEC))?;
    }
    let pipes = pipes
        .try_into()
        .map_err(|_| io::Error::other("no pipes came with the policy"))?;
    let length = u32::from_le_bytes(length) as usize;
    if length > SANDBOX_POLICY_BYTES_MAX {
        return Err(io::Error::other("the policy is too long"));
    }
    let mut text = vec![0; length];
    let mut socket = socket;
    socket.read_exact(&mut text)?;
    Ok((serde_json::from_slice(&text)?, pipes))
}

/// Writes `report` as one line. Errors are ignored: the supervisor notices elsewhere
/// that the gateway is gone.
pub(super) fn report(socket: &UnixStream, report: &Report) {
    let Ok(mut line) = serde_json::to_vec(report) else {
        return;
    };
    line.push(b'\n');
    let mut socket = socket;
    let _ = socket.write_all(&line);
}

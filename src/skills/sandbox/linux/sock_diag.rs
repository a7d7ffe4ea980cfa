//! The memory in the buffers of sockets, from the kernel's `NETLINK_SOCK_DIAG`.

use std::collections::HashMap;
use std::os::fd::{AsRawFd, OwnedFd};

use nix::sys::socket::{
    AddressFamily, MsgFlags, SockFlag, SockProtocol, SockType, recv, send, socket,
};

use crate::limits::SANDBOX_SOCKET_BYTES_MAX;

/// One answer of the kernel holds at most this.
const ANSWER_BYTES: usize = 32 * 1024;
const HEADER_BYTES: usize = 16;
/// From `linux/sock_diag.h`.
const SOCK_DIAG_BY_FAMILY: u16 = 20;
/// `NLM_F_REQUEST | NLM_F_DUMP`.
const REQUEST_AND_DUMP: u16 = 0x301;
/// `NLMSG_ERROR` and `NLMSG_DONE`.
const MESSAGE_ERROR: u16 = 2;
const MESSAGE_DONE: u16 = 3;
/// The state of a socket that listens.
const STATE_LISTEN: u8 = 10;
/// `UDIAG_SHOW_PEER | UDIAG_SHOW_RQLEN | UDIAG_SHOW_MEMINFO`.
const SHOW_FLAGS: u32 = 0x4 | 0x10 | 0x20;
/// Attributes of a Unix socket.
const ATTRIBUTE_PEER: u16 = 2;
const ATTRIBUTE_QUEUE: u16 = 4;
const ATTRIBUTE_MEMORY: u16 = 5;
/// The attribute of a TCP or UDP socket, and the bit that requests it.
const INET_MEMORY: u16 = 7;
const INET_SHOW_MEMORY: u8 = 1 << (INET_MEMORY - 1);
const TCP_AND_UDP: [u8; 2] = [6, 17];
/// Datagrams that wait for one Unix socket: `net.unix.max_dgram_qlen`.
const DATAGRAMS: u64 = 11;
/// The type of a Unix datagram socket.
const DATAGRAM: u8 = 2;

/// The bytes that each socket of this network namespace holds, by inode; Unix sockets
/// only unless `with_network`. `None` where this kernel cannot list them.
pub(super) fn buffers(with_network: bool) -> Option<HashMap<u64, u64>> {
    let kernel = socket(
        AddressFamily::Netlink,
        SockType::Raw,
        SockFlag::SOCK_CLOEXEC,
        SockProtocol::NetlinkSockDiag,
    )
    .ok()?;
    let mut found = HashMap::new();
    dump(&kernel, &unix_request(), |answer| {
        found.extend(unix_socket(answer));
    })?;
    if with_network {
        for family in [libc::AF_INET, libc::AF_INET6] {
            for protocol in TCP_AND_UDP {
                let family = u8::try_from(family).ok()?;
                dump(&kernel, &inet_request(family, protocol), |answer| {
                    found.extend(inet_socket(answer));
                })?;
            }
        }
    }
    Some(found)
}

fn unix_request() -> Vec<u8> {
    let family = u8::try_from(libc::AF_UNIX).unwrap_or(1);
    let mut request = vec![family, 0, 0, 0];
    // Every state and every inode.
    for word in [u32::MAX, 0, SHOW_FLAGS, 0, 0] {
        request.extend(word.to_ne_bytes());
    }
    request
}

fn inet_request(family: u8, protocol: u8) -> Vec<u8> {
    let mut request = vec![family, protocol, INET_SHOW_MEMORY, 0];
    request.extend(u32::MAX.to_ne_bytes());
    // Any address.
    request.extend([0; 48]);
    request
}

/// Sends `request` and passes each socket in the answers to `each`. `None` where the
/// list is refused or incomplete.
fn dump(kernel: &OwnedFd, request: &[u8], mut each: impl FnMut(&[u8])) -> Option<()> {
    let length = u32::try_from(HEADER_BYTES + request.len()).unwrap_or(0);
    let mut message = length.to_ne_bytes().to_vec();
    message.extend(SOCK_DIAG_BY_FAMILY.to_ne_bytes());
    message.extend(REQUEST_AND_DUMP.to_ne_bytes());
    message.extend([0; 8]);
    message.extend(request);
    send(kernel.as_raw_fd(), &message, MsgFlags::empty()).ok()?;
    let mut answer = vec![0; ANSWER_BYTES];
    loop {
        // The kernel answers within the call, so this does not wait.
        let length = recv(kernel.as_raw_fd(), &mut answer, MsgFlags::MSG_DONTWAIT).ok()?;
        let mut rest = answer.get(..length).unwrap_or_default();
        while let Some(length) = word(rest, 0) {
            let length = length as usize;
            if length < HEADER_BYTES || length > rest.len() {
                break;
            }
            match half(rest, 4)? {
                MESSAGE_DONE => return Some(()),
                MESSAGE_ERROR => return None,
                SOCK_DIAG_BY_FAMILY => each(&rest[HEADER_BYTES..length]),
                _ => {}
            }
            rest = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
        }
    }
}

fn unix_socket(answer: &[u8]) -> Option<(u64, u64)> {
    let (kind, state) = (*answer.get(1)?, *answer.get(2)?);
    let inode = word(answer, 4)?;
    let attributes = attributes(answer.get(16..)?);
    let waiting = attributes
        .get(&ATTRIBUTE_QUEUE)
        .and_then(|queue| word(queue, 0));
    let waiting = u64::from(waiting.unwrap_or(0));
    let peer = attributes
        .get(&ATTRIBUTE_PEER)
        .and_then(|peer| word(peer, 0));
    let own = attributes
        .get(&ATTRIBUTE_MEMORY)
        .map_or(0, |memory| held(memory));
    // Data counts for the socket that sent it. One that was closed after sending is
    // not listed, so its share is added to the receiver's.
    let from_closed = match (state == STATE_LISTEN, peer.unwrap_or(0), waiting) {
        (true, _, connections) => connections,
        (false, 0, 1..) if kind == DATAGRAM => DATAGRAMS,
        (false, 0, 1..) => 1,
        _ => 0,
    };
    let bytes = own.saturating_add(from_closed.saturating_mul(SANDBOX_SOCKET_BYTES_MAX));
    (inode > 0).then_some((u64::from(inode), bytes))
}

fn inet_socket(answer: &[u8]) -> Option<(u64, u64)> {
    let state = *answer.get(1)?;
    let connections = match state == STATE_LISTEN {
        true => u64::from(word(answer, 56)?),
        false => 0,
    };
    let inode = word(answer, 68)?;
    let memory = attributes(answer.get(72..)?).remove(&INET_MEMORY)?;
    let bytes = held(memory).saturating_add(connections.saturating_mul(SANDBOX_SOCKET_BYTES_MAX));
    (inode > 0).then_some((u64::from(inode), bytes))
}

/// The bytes of the kernel's `SK_MEMINFO` words: received, sent or queued, backlog.
fn held(memory: &[u8]) -> u64 {
    let at = |index: usize| u64::from(word(memory, index * 4).unwrap_or(0));
    at(0) + at(2).max(at(5)) + at(7)
}

fn attributes(bytes: &[u8]) -> HashMap<u16, &[u8]> {
    let mut found = HashMap::new();
    let mut rest = bytes;
    while let (Some(length), Some(kind)) = (half(rest, 0), half(rest, 2)) {
        let length = usize::from(length);
        let Some(value) = rest.get(4..length) else {
            break;
        };
        found.insert(kind, value);
        rest = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
    }
    found
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    let bytes = bytes.get(at..at + 4)?;
    Some(u32::from_ne_bytes(bytes.try_into().ok()?))
}

fn half(bytes: &[u8], at: usize) -> Option<u16> {
    let bytes = bytes.get(at..at + 2)?;
    Some(u16::from_ne_bytes(bytes.try_into().ok()?))
}

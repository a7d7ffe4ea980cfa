//! Standard input and output as bytes: pipes and sockets through the reactor,
//! everything else through a thread.
//!
//! The flags of inherited descriptors are never changed: they belong to open file
//! descriptions that other processes may share. A pipe is
//! opened a second time instead, and a socket is asked call by call not to wait.

use std::io::{self, Read};

use tokio::sync::mpsc;

use crate::limits::READ_BYTES;

/// Where lines come from.
pub(super) enum Input {
    /// A non-blocking descriptor that Mimo owns.
    #[cfg(unix)]
    Ready {
        descriptor: tokio::io::unix::AsyncFd<Descriptor>,
        /// Whether it was never empty yet: a named pipe whose writers had all gone
        /// before we opened it reports no event, so until then a read just tries.
        is_first: bool,
    },
    /// Chunks that a thread reads.
    Thread {
        chunks: mpsc::Receiver<io::Result<Vec<u8>>>,
        /// A chunk that was larger than the space for it, and how much is used up.
        rest: (Vec<u8>, usize),
    },
}

impl Input {
    pub(super) fn stdin() -> io::Result<Input> {
        #[cfg(unix)]
        if let Some(descriptor) = Descriptor::stdin() {
            let descriptor = descriptor.register(tokio::io::Interest::READABLE)?;
            return Ok(Input::Ready {
                descriptor,
                is_first: true,
            });
        }
        let (send, chunks) = mpsc::channel(2);
        std::thread::Builder::new()
            .name("mimo-stdin".to_owned())
            .spawn(move || run_reader(&send))?;
        Ok(Input::Thread {
            chunks,
            rest: (Vec::new(), 0),
        })
    }

    /// Reads available bytes into `space`; 0 is the end. Cancel-safe.
    pub(super) async fn read(&mut self, space: &mut [u8]) -> io::Result<usize> {
        match self {
            #[cfg(unix)]
            Input::Ready {
                descriptor,
                is_first,
            } => {
                if *is_first {
                    match descriptor.get_ref().read(space) {
                        Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                        done => return done,
                    }
                    *is_first = false;
                }
                read_ready(descriptor, space).await
            }
            Input::Thread { chunks, rest } => {
                if rest.1 == rest.0.len() {
                    match chunks.recv().await {
                        Some(chunk) => *rest = (chunk?, 0),
                        None => return Ok(0),
                    }
                }
                let (chunk, used) = rest;
                let taken = space.len().min(chunk.len() - *used);
                space[..taken].copy_from_slice(&chunk[*used..*used + taken]);
                *used += taken;
                Ok(taken)
            }
        }
    }
}

#[cfg(unix)]
async fn read_ready(
    descriptor: &tokio::io::unix::AsyncFd<Descriptor>,
    space: &mut [u8],
) -> io::Result<usize> {
    loop {
        let mut guard = descriptor.readable().await?;
        match guard.get_inner().read(space) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => guard.clear_ready(),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Ok(bytes) => {
                // Less than there was room for: it is drained, and the next
                // read can wait for the event instead of asking the kernel.
                if bytes < space.len() {
                    guard.clear_ready();
                }
                return Ok(bytes);
            }
            Err(error) => return Err(error),
        }
    }
}

/// The input thread: ends with the input, or when nobody receives the chunks.
fn run_reader(send: &mpsc::Sender<io::Result<Vec<u8>>>) {
    let mut input = io::stdin().lock();
    let mut space = vec![0; READ_BYTES];
    loop {
        let chunk = match input.read(&mut space) {
            Ok(0) => return,
            Ok(bytes) => Ok(space[..bytes].to_vec()),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => Err(error),
        };
        let failed = chunk.is_err();
        if send.blocking_send(chunk).is_err() || failed {
            return;
        }
    }
}

/// A non-blocking descriptor that Mimo owns.
#[cfg(unix)]
pub(super) struct Descriptor {
    fd: std::os::fd::OwnedFd,
    socket: bool,
}

#[cfg(unix)]
impl std::os::fd::AsRawFd for Descriptor {
    fn as_raw_fd(&self) -> std::os::fd::RawFd {
        self.fd.as_raw_fd()
    }
}

#[cfg(unix)]
impl Descriptor {
    fn stdin() -> Option<Descriptor> {
        use std::os::fd::AsFd;
        Descriptor::of(io::stdin().as_fd(), false)
    }

    /// Standard output, if it is a pipe or a socket.
    pub(super) fn stdout() -> Option<Descriptor> {
        use std::os::fd::AsFd;
        Descriptor::of(io::stdout().as_fd(), true)
    }

    /// Registers it with the reactor.
    // The method that replaces this one is unsafe, because of types that may
    // give up their descriptor early; this one owns it to its end.
    #[expect(deprecated)]
    pub(super) fn register(
        self,
        interest: tokio::io::Interest,
    ) -> io::Result<tokio::io::unix::AsyncFd<Descriptor>> {
        tokio::io::unix::AsyncFd::with_interest(self, interest)
    }

    fn of(fd: std::os::fd::BorrowedFd<'_>, write: bool) -> Option<Descriptor> {
        use std::os::unix::fs::FileTypeExt;
        let own = std::fs::File::from(fd.try_clone_to_owned().ok()?);
        let kind = own.metadata().ok()?.file_type();
        if kind.is_socket() {
            return Some(Descriptor {
                fd: own.into(),
                socket: true,
            });
        }
        if !kind.is_fifo() {
            return None;
        }
        reopen(&own, write).map(|fd| Descriptor { fd, socket: false })
    }

    fn read(&self, space: &mut [u8]) -> io::Result<usize> {
        use nix::sys::socket::{MsgFlags, recv};
        use std::os::fd::AsRawFd;
        Ok(if self.socket {
            recv(self.fd.as_raw_fd(), space, MsgFlags::MSG_DONTWAIT)?
        } else {
            nix::unistd::read(&self.fd, space)?
        })
    }

    /// Writes what the pipe or socket takes now; `WouldBlock` if that is nothing.
    pub(super) fn write(&self, bytes: &[u8]) -> io::Result<usize> {
        use nix::sys::socket::{MsgFlags, send};
        use std::os::fd::AsRawFd;
        Ok(if self.socket {
            send(self.fd.as_raw_fd(), bytes, MsgFlags::MSG_DONTWAIT)?
        } else {
            nix::unistd::write(&self.fd, bytes)?
        })
    }

    /// Whether a stream socket takes no more bytes because its peer reads none. An
    /// empty write fails then, also while the socket's buffer is full. On any other
    /// kind of socket it would be a message.
    #[cfg(target_os = "linux")]
    pub(super) fn is_shut(&self) -> bool {
        use nix::sys::socket::{SockType, getsockopt, sockopt};
        self.socket
            && getsockopt(&self.fd, sockopt::SockType) == Ok(SockType::Stream)
            && self
                .write(&[])
                .is_err_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
    }
}

/// Opens the pipe again, with a separate open file description.
#[cfg(target_os = "linux")]
fn reopen(pipe: &std::fs::File, write: bool) -> Option<std::os::fd::OwnedFd> {
    use std::os::fd::AsRawFd;
    use std::os::unix::fs::OpenOptionsExt;
    std::fs::OpenOptions::new()
        .read(!write)
        .write(write)
        .custom_flags(nix::fcntl::OFlag::O_NONBLOCK.bits())
        .open(format!("/proc/self/fd/{}", pipe.as_raw_fd()))
        .ok()
        .map(Into::into)
}

/// Elsewhere a pipe cannot be opened a second time: a thread reads it.
#[cfg(all(unix, not(target_os = "linux")))]
fn reopen(_pipe: &std::fs::File, _write: bool) -> Option<std::os::fd::OwnedFd> {
    None
}

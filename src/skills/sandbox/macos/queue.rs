//! What the supervisor waits for: the end of processes, and a word of the gateway.

use std::io;
use std::os::fd::AsRawFd;
use std::time::Duration;

use nix::errno::Errno;
use nix::libc;
use nix::sys::event::{EvFlags, EventFilter, FilterFlag, KEvent, Kqueue};
use nix::unistd::Pid;

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Event {
    Ended(Pid),
    /// The input can be read, or has ended.
    Input,
}

pub(super) struct Queue(Kqueue);

impl Queue {
    pub(super) fn new() -> io::Result<Queue> {
        Ok(Queue(Kqueue::new()?))
    }

    /// Whether there is a process `pid` whose end will be told.
    pub(super) fn watch_end(&self, pid: Pid) -> io::Result<bool> {
        let ident = usize::try_from(pid.as_raw()).map_err(io::Error::other)?;
        match self.add(ident, EventFilter::EVFILT_PROC, FilterFlag::NOTE_EXIT) {
            Err(Errno::ESRCH) => Ok(false),
            added => Ok(added.map(|()| true)?),
        }
    }

    pub(super) fn watch_input(&self, input: &impl AsRawFd) -> io::Result<()> {
        let ident = usize::try_from(input.as_raw_fd()).map_err(io::Error::other)?;
        Ok(self.add(ident, EventFilter::EVFILT_READ, FilterFlag::empty())?)
    }

    fn add(&self, ident: usize, filter: EventFilter, what: FilterFlag) -> nix::Result<()> {
        let change = KEvent::new(ident, filter, EvFlags::EV_ADD, what, 0, 0);
        // Without room for events an error of the change is the call's.
        self.0.kevent(&[change], &mut [], None).map(drop)
    }

    /// Waits for the next events; none after `timeout`, and where a signal came.
    pub(super) fn wait(&self, timeout: Duration) -> Vec<Event> {
        let nothing = KEvent::new(
            0,
            EventFilter::EVFILT_READ,
            EvFlags::empty(),
            FilterFlag::empty(),
            0,
            0,
        );
        let mut events = [nothing; 4];
        let timeout = libc::timespec {
            tv_sec: libc::time_t::try_from(timeout.as_secs()).unwrap_or(libc::time_t::MAX),
            tv_nsec: timeout.subsec_nanos().into(),
        };
        let count = self.0.kevent(&[], &mut events, Some(timeout)).unwrap_or(0);
        let told = events.iter().take(count);
        told.filter_map(|event| match event.filter() {
            Ok(EventFilter::EVFILT_PROC) => {
                let pid = i32::try_from(event.ident()).ok()?;
                Some(Event::Ended(Pid::from_raw(pid)))
            }
            _ => Some(Event::Input),
        })
        .collect()
    }
}

//! Programs of others that listen on an address of this machine.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::Child;
use std::time::{Duration, Instant};

use crate::support::WATCHDOG;

/// An address that nothing listened on a moment ago.
pub(super) fn free_address() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("its address")
}

/// Returns when the program accepts connections. Fails with what it `said`, if it ends or
/// takes too long.
pub(super) fn wait_until_listening(
    program: &mut Child,
    address: SocketAddr,
    said: impl Fn() -> String,
) {
    let began = Instant::now();
    while TcpStream::connect(address).is_err() {
        let ended = program.try_wait().expect("asked");
        let is_late = began.elapsed() >= WATCHDOG;
        assert!(ended.is_none() && !is_late, "{ended:?}: {}", said());
        std::thread::park_timeout(Duration::from_millis(10));
    }
}

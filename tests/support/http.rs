//! The server over HTTP as a child process.

use std::net::SocketAddr;
use std::process::{Child, Command, ExitStatus, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::{WATCHDOG, lines_of, wait};

/// A running server; killed when this is dropped.
pub struct HttpServer {
    child: Child,
    pub address: SocketAddr,
}

impl HttpServer {
    /// Starts `command`, which serves on a port that the system chooses.
    pub fn of(command: &mut Command, arguments: &[&str]) -> HttpServer {
        let mut child = command
            .args(["serve", "--http", "127.0.0.1:0"])
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("it starts");
        let errors = lines_of(child.stderr.take().expect("stderr"));
        let line = errors.recv_timeout(WATCHDOG).expect("its address");
        let address = line.split(['/', ' ']).find_map(|part| part.parse().ok());
        let address = address.unwrap_or_else(|| panic!("no address in {line}"));
        HttpServer { child, address }
    }

    pub fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.child.id()).expect("a pid");
        kill(Pid::from_raw(pid), signal).expect("it runs");
    }

    pub fn exit(mut self) -> ExitStatus {
        wait(&mut self.child)
    }
}

impl Drop for HttpServer {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

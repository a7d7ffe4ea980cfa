//! A relay between a TCP port and the socket of a database, which can go silent: a
//! network that is cut without either end being told, or an address that moves to
//! another server.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::thread;

pub struct Relay {
    pub address: SocketAddr,
    ways: Arc<Mutex<Ways>>,
}

struct Ways {
    /// `None` while nothing gets through.
    target: Option<PathBuf>,
    open: Vec<(TcpStream, UnixStream)>,
    /// Connections that nobody answers.
    silent: Vec<TcpStream>,
}

impl Relay {
    pub fn to(target: &Path) -> Relay {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("its address");
        let ways = Arc::new(Mutex::new(Ways {
            target: Some(target.to_owned()),
            open: Vec::new(),
            silent: Vec::new(),
        }));
        let own = ways.clone();
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                accept(client, &own);
            }
        });
        Relay { address, ways }
    }

    /// From now on nothing gets through. The server learns that its clients are gone, as
    /// its keepalives tell it after some seconds; the clients learn nothing.
    pub fn cut(&self) {
        let mut ways = self.ways.lock().expect("no panic");
        ways.target = None;
        for (client, server) in std::mem::take(&mut ways.open) {
            let _ = server.shutdown(Shutdown::Both);
            ways.silent.push(client);
        }
    }

    /// Lets new connections through to `target`; those from before are reset.
    pub fn heal(&self, target: &Path) {
        let mut ways = self.ways.lock().expect("no panic");
        ways.target = Some(target.to_owned());
        for client in std::mem::take(&mut ways.silent) {
            let _ = client.shutdown(Shutdown::Both);
        }
    }
}

fn accept(client: TcpStream, all: &Arc<Mutex<Ways>>) {
    let mut ways = all.lock().expect("no panic");
    let Some(target) = &ways.target else {
        ways.silent.push(client);
        return;
    };
    // Where no server listens, the connection is closed.
    let Ok(server) = UnixStream::connect(target) else {
        return;
    };
    let _ = client.set_nodelay(true);
    let twice = || Some((client.try_clone().ok()?, server.try_clone().ok()?));
    let (Some(kept), Some((client_out, server_out))) = (twice(), twice()) else {
        return;
    };
    ways.open.push(kept);
    drop(ways);
    thread::spawn(move || {
        copy(&client, &server_out);
        let _ = server_out.shutdown(Shutdown::Both);
    });
    let all = all.clone();
    thread::spawn(move || {
        copy(&server, &client_out);
        // A cut looks like the server's end; the client is not told of that.
        if all.lock().expect("no panic").target.is_some() {
            let _ = client_out.shutdown(Shutdown::Both);
        }
    });
}

fn copy(mut from: impl Read, mut to: impl Write) {
    let mut buffer = [0; 16 * 1024];
    while let Ok(count @ 1..) = from.read(&mut buffer) {
        if to.write_all(&buffer[..count]).is_err() {
            return;
        }
    }
}

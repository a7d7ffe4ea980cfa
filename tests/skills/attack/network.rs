//! Network access of skills: none, or the granted ports only, and no local sockets.
//! Uses loopback only.

use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram, UnixListener};

use mimo::skills::sandbox::policy::{Layer, LayerState, Report};
use mimo::skills::spec::Network;

use super::world::{Ran, World, finish, python};

fn listener() -> (TcpListener, u16) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a port");
    listener.set_nonblocking(true).expect("set");
    let port = listener.local_addr().expect("bound").port();
    (listener, port)
}

#[track_caller]
fn nobody_came(listener: &TcpListener) {
    let came = listener.accept().expect_err("nobody may come");
    assert_eq!(came.kind(), ErrorKind::WouldBlock);
}

fn connecting(port: u16) -> String {
    format!("attempt(lambda: socket.create_connection(('127.0.0.1', {port}), 5) and 'connected')")
}

fn outbound(world: &World, ports: &[u16], script: &str) -> Ran {
    let mut skill = python(script);
    skill.sandbox.network = Network::Outbound(ports.to_vec());
    world.run(&skill)
}

#[test]
fn no_connection_without_network() {
    skip_unless!(python);
    let (listener, port) = listener();
    World::new().attack(&connecting(port)).refused(&["EPERM"]);
    nobody_came(&listener);
}

#[test]
fn no_interface_without_network() {
    skip_unless!(python);
    // Without namespaces seccomp alone gives no sockets: the cases above and below.
    skip_unless!(namespaces);
    let ran = World::new().attack("print(open('/proc/net/dev').read())");
    let up = ran.out.lines().filter(|line| line.contains(':')).count();
    assert_eq!(up, 1, "the loopback interface, which is down: {}", ran.out);
}

#[test]
fn no_datagram_without_network() {
    skip_unless!(python);
    let receiver = UdpSocket::bind(("127.0.0.1", 0)).expect("a port");
    receiver.set_nonblocking(true).expect("set");
    let port = receiver.local_addr().expect("bound").port();
    let script = format!(
        "attempt(lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'x', ('127.0.0.1', {port})))"
    );
    World::new().attack(&script).refused(&["EPERM"]);
    let received = receiver.recv(&mut [0; 8]).expect_err("nothing may come");
    assert_eq!(received.kind(), ErrorKind::WouldBlock);
}

#[test]
fn only_granted_ports_are_reachable() {
    skip_unless!(python);
    let ((open, allowed), (closed, other)) = (listener(), listener());
    let world = World::new();
    let ran = outbound(&world, &[allowed], &connecting(allowed));
    assert_eq!(ran.out, "DONE connected\n", "{ran:?}");
    open.accept().expect("it came");
    outbound(&world, &[allowed], &connecting(other)).refused(&["EACCES"]);
    nobody_came(&closed);
}

#[test]
fn granted_ports_do_not_allow_listening() {
    skip_unless!(python);
    let script = "s = socket.socket()\nattempt(lambda: s.bind(('127.0.0.1', 0)))";
    outbound(&World::new(), &[443], script).refused(&["EACCES"]);
}

#[test]
fn tcp_fast_open_does_not_bypass_the_ports() {
    skip_unless!(python);
    let (listener, port) = listener();
    let to = format!("('127.0.0.1', {port})");
    for send in [
        format!("s.sendto(b'x', 0x20000000, {to})"),
        format!("s.sendmsg([b'x'], [], 0x20000000, {to})"),
    ] {
        let script = format!("s = socket.socket()\nattempt(lambda: {send})");
        outbound(&World::new(), &[1], &script).refused(&["EPERM"]);
        nobody_came(&listener);
    }
}

#[test]
fn batched_or_optional_tcp_fast_open_does_not_bypass_the_ports() {
    skip_unless!(python);
    let (listener, port) = listener();
    // A destination, a byte, and the header that leads to both.
    let batch = format!(
        "to = struct.pack('=H', socket.AF_INET) + struct.pack('>H', {port}) + bytes([127, 0, 0, 1]) + bytes(8)\n\
         name = ctypes.create_string_buffer(to, 16)\nbyte = ctypes.create_string_buffer(b'x', 1)\n\
         vector = (ctypes.c_ulong * 2)(ctypes.addressof(byte), 1)\n\
         header = (ctypes.c_ulong * 8)(ctypes.addressof(name), 16, ctypes.addressof(vector), 1, 0, 0, 0, 0)\n\
         s = socket.socket()\n\
         attempt(lambda: call({}, s.fileno(), ctypes.addressof(header), 1, 0x20000000))",
        libc::SYS_sendmmsg
    );
    let option = format!(
        "s = socket.socket()\ns.setsockopt(6, 30, 1)\n\
         attempt(lambda: s.connect(('127.0.0.1', {port})))"
    );
    let world = World::new();
    outbound(&world, &[1], &batch).refused(&["EPERM"]);
    outbound(&world, &[1], &option).refused(&["EACCES"]);
    nobody_came(&listener);
}

#[test]
fn ports_are_enforced_and_reported_with_the_open_datagrams() {
    skip_unless!(python);
    let receiver = UdpSocket::bind(("127.0.0.1", 0)).expect("a port");
    let port = receiver.local_addr().expect("bound").port();
    let script = format!(
        "attempt(lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'x', ('127.0.0.1', {port})))"
    );
    let ran = outbound(&World::new(), &[443], &script);
    // Name resolution needs this, so it works and is reported.
    assert_eq!(ran.out, "DONE 1\n", "{ran:?}");
    let Some(Report::Started { layers }) = ran.reports.first() else {
        panic!("{ran:?}");
    };
    let (_, state, why) = layers
        .0
        .iter()
        .find(|(layer, ..)| *layer == Layer::Network)
        .expect("the network layer");
    // Absent where the kernel cannot hold TCP to ports.
    assert!(
        *state == LayerState::Absent || (*state == LayerState::Enforced && why.contains("UDP")),
        "{layers:?}"
    );
}

#[test]
fn other_protocols_and_families_are_refused() {
    skip_unless!(python);
    let world = World::new();
    for (family, kind, protocol) in [
        ("socket.AF_INET", 1, 262),
        ("socket.AF_INET6", 1, 262),
        ("socket.AF_INET", 3, 1),
        ("socket.AF_INET", 1, 132),
        ("socket.AF_NETLINK", 3, 0),
        ("socket.AF_PACKET", 3, 0),
        ("socket.AF_VSOCK", 1, 0),
        ("socket.AF_ALG", 5, 0),
        ("socket.AF_UNIX", 1, 0),
        ("socket.AF_BLUETOOTH", 1, 0),
    ] {
        let script = format!("attempt(lambda: socket.socket({family}, {kind}, {protocol}))");
        outbound(&world, &[], &script).refused(&["EPERM"]);
    }
}

#[test]
fn local_sockets_are_unreachable_by_path_or_name() {
    skip_unless!(python);
    let world = World::new();
    let path = world.path("state/docker.sock");
    let name = format!("mimo-attack-{}", std::process::id());
    let by_name = SocketAddr::from_abstract_name(&name).expect("a name");
    let listeners = [
        UnixListener::bind(&path).expect("bound"),
        UnixListener::bind_addr(&by_name).expect("bound"),
    ];
    for address in [format!("'{}'", path.display()), format!("b'\\0{name}'")] {
        let script = format!("attempt(lambda: socket.socket(socket.AF_UNIX).connect({address}))");
        outbound(&world, &[], &script).refused(&["EPERM"]);
    }
    for listener in listeners {
        listener.set_nonblocking(true).expect("set");
        let came = listener.accept().expect_err("nobody may come");
        assert_eq!(came.kind(), ErrorKind::WouldBlock);
    }
}

#[test]
fn only_docker_has_local_sockets_and_no_abstract_ones() {
    skip_unless!(python);
    let world = World::new();
    let path = world.path("state/docker.sock");
    let listener = UnixListener::bind(&path).expect("bound");
    let name = format!("mimo-docker-{}", std::process::id());
    let by_name = SocketAddr::from_abstract_name(&name).expect("a name");
    let _other = UnixListener::bind_addr(&by_name).expect("bound");
    let mut skill = python(&format!(
        "s = socket.socket(socket.AF_UNIX)\nattempt(lambda: s.connect('{}'))\n\
         s = socket.socket(socket.AF_UNIX)\nattempt(lambda: s.connect(b'\\0{name}'))",
        path.display()
    ));
    skill.sandbox.docker = true;
    let ran = world.run(&skill);
    // Refused by Landlock's scope, or invisible in another network namespace.
    let refused = ["EPERM", "ECONNREFUSED"].map(|error| format!("DONE None\nREFUSED {error}\n"));
    assert!(refused.contains(&ran.out), "{ran:?}");
    listener.accept().expect("it came");
}

#[test]
fn datagrams_of_a_socket_pair_reach_no_server() {
    skip_unless!(python);
    let world = World::new();
    let path = world.path("state/server.sock");
    let server = UnixDatagram::bind(&path).expect("bound");
    server.set_nonblocking(true).expect("set");
    for kind in ["socket.SOCK_DGRAM", "socket.SOCK_RAW", "3 | 0o2000000"] {
        let script = format!(
            "attempt(lambda: socket.socketpair(socket.AF_UNIX, {kind})[0].sendto(b'x', '{}'))",
            path.display()
        );
        world.attack(&script).refused(&["EPERM"]);
        let received = server.recv(&mut [0; 8]).expect_err("nothing may come");
        assert_eq!(received.kind(), ErrorKind::WouldBlock);
    }
    // What programs use.
    let ran = world.attack(
        "for kind in (socket.SOCK_STREAM, socket.SOCK_SEQPACKET):\n    \
         a, b = socket.socketpair(socket.AF_UNIX, kind)\n    a.send(b'x')\n    print(b.recv(1))",
    );
    assert_eq!(ran.out, "b'x'\nb'x'\n", "{ran:?}");
}

#[test]
fn no_port_is_opened_by_listening() {
    skip_unless!(python);
    let world = World::new();
    for (family, bind) in [
        ("socket.AF_INET", ""),
        ("socket.AF_INET6", ""),
        ("socket.AF_INET", "s.bind(('127.0.0.1', 0))\n"),
    ] {
        let script = format!(
            "s = socket.socket({family})\ndef go():\n    {}\n    s.listen(1)\n    \
             return s.getsockname()\nattempt(go)",
            if bind.is_empty() { "pass" } else { bind.trim() }
        );
        outbound(&world, &[], &script).refused(&["EACCES", "EPERM"]);
    }
}

#[test]
fn granted_port_is_opened_on_loopback_only() {
    skip_unless!(python);
    let port = listener().1;
    let serve = |address: &str| {
        let family = if address.contains(':') {
            "socket.AF_INET6"
        } else {
            "socket.AF_INET"
        };
        let script = format!(
            "s = socket.socket({family})\ns.setsockopt(1, 2, 1)\ndef go():\n    \
             s.bind(('{address}', {port}))\n    s.listen(1)\n    print('ready', flush=True)\n    \
             return s.accept()[0].recv(5)\nattempt(go)"
        );
        let mut skill = python(&script);
        skill.sandbox.network = Network::Outbound(Vec::new());
        skill.sandbox.listen = vec![port];
        skill
    };
    let world = World::new();
    for address in ["0.0.0.0", "::"] {
        world.run(&serve(address)).refused(&["EACCES", "EPERM"]);
    }
    let mut launched = world.start(&serve("127.0.0.1"));
    let mut ready = [0; 6];
    launched.stdout.read_exact(&mut ready).expect("it listens");
    let mut client = TcpStream::connect(("127.0.0.1", port)).expect("connected");
    client.write_all(b"hello").expect("sent");
    let ran = finish(launched);
    assert_eq!(ran.out, "DONE b'hello'\n", "{ran:?}");
    let mut other = serve("127.0.0.1");
    other.sandbox.listen = vec![port ^ 1];
    world.run(&other).refused(&["EACCES", "EPERM"]);
}

#[test]
fn skill_without_grants_talks_to_itself_over_unix_sockets() {
    skip_unless!(python);
    skip_unless!(namespaces);
    let world = World::new();
    let script = "s = socket.socket(socket.AF_UNIX)\nc = socket.socket(socket.AF_UNIX)\ndef go():\n    \
                  s.bind('own.sock')\n    s.listen(1)\n    c.connect('own.sock')\n    c.send(b'x')\n    \
                  return s.accept()[0].recv(1)\nattempt(go)\n\
                  attempt(lambda: socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM))";
    for network in [Network::None, Network::Outbound(Vec::new())] {
        let mut skill = python(script);
        skill.sandbox.unix_sockets = true;
        skill.sandbox.network = network;
        let ran = world.run(&skill);
        assert_eq!(ran.out, "DONE b'x'\nREFUSED EPERM\n", "{ran:?}");
        std::fs::remove_file(world.path("state/own.sock")).expect("it was there");
    }
}

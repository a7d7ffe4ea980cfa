//! Network access of skills: none, or the granted ports only, and no local sockets.
//! Uses loopback only.

use std::io::ErrorKind;
use std::net::{TcpListener, UdpSocket};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener};

use mimo::skills::sandbox::policy::{Layer, LayerState, Report};
use mimo::skills::spec::Network;

use super::world::{Ran, World, python};

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
fn ports_are_reported_partial_where_datagrams_are_open() {
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
    assert_ne!(
        layers.state(Layer::Network),
        LayerState::Enforced,
        "{layers:?}"
    );
    let told = layers
        .0
        .iter()
        .any(|(layer, _, why)| *layer == Layer::Network && why.contains("UDP"));
    assert!(
        told || layers.state(Layer::Network) == LayerState::Absent,
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

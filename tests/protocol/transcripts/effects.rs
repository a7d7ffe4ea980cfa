//! Effects beyond a transcript of lines: signals, exit codes, closed ends, memory,
//! concurrency, and stdio that is no pipe.

use std::io::{BufRead, BufReader, Read, Write};
use std::process::Stdio;
use std::time::{Duration, Instant};

use mimo::limits::CALL_SECONDS_MAX;
use serde_json::{Value, json};

use crate::support::{self, Server};

fn ping(id: impl Into<Value>) -> Value {
    json!({"jsonrpc":"2.0","id":id.into(),"method":"ping"})
}

#[test]
fn two_hundred_pipelined_requests_are_answered_each_once() {
    let mut server = Server::start();
    let lines: String = (0..200)
        .map(|id| {
            let params = json!({"name":"test_echo","arguments":{"text":format!("n{id}")}});
            json!({"jsonrpc":"2.0","id":id,"method":"tools/call","params":params}).to_string()
                + "\n"
        })
        .collect();
    server.write(lines.as_bytes());
    server.end();
    let mut seen = vec![0; 200];
    while let Some(line) = server.line() {
        let message: Value = serde_json::from_str(&line).expect("JSON");
        let id = message["id"].as_u64().expect("its id") as usize;
        let text = message["result"]["content"][0]["text"]
            .as_str()
            .expect("text");
        assert_eq!(text, format!("{{\"text\":\"n{id}\"}}"));
        seen[id] += 1;
    }
    assert!(seen.iter().all(|times| *times == 1));
    assert!(server.exit().success());
}

#[test]
fn more_requests_than_may_be_in_flight_are_all_answered() {
    let mut server = Server::start();
    let lines: String = (0..3000).map(|id| ping(id).to_string() + "\n").collect();
    let sleeps: String = (0..1500)
        .map(|id| {
            let params = json!({"name":"test_sleep","arguments":{"ms":1}});
            json!({"jsonrpc":"2.0","id":format!("s{id}"),"method":"tools/call","params":params})
                .to_string()
                + "\n"
        })
        .collect();
    server.write(sleeps.as_bytes());
    server.write(lines.as_bytes());
    server.end();
    let mut answers = 0;
    while server.line().is_some() {
        answers += 1;
    }
    assert_eq!(answers, 4500);
}

/// Fills the request limit with endless calls and cancels one: the cancellation
/// is read although no further request would be.
#[test]
fn cancellation_works_at_the_request_limit() {
    let mut server = Server::start();
    let most = mimo::limits::REQUESTS_IN_FLIGHT_MAX;
    for id in 0..most {
        server.call(id, "test_sleep", json!({"ms": 600_000}));
    }
    server.send(
        &json!({"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":5}}),
    );
    server.send(&ping("after"));
    assert_eq!(server.message()["id"], "after");
}

#[cfg(unix)]
#[test]
fn signal_drains_calls_in_flight_before_exit() {
    use nix::sys::signal::Signal;
    for signal in [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP] {
        let mut server = Server::start();
        let meta = json!({"progressToken": 1});
        let params = json!({"name":"test_sleep","arguments":{"ms":100},"_meta":meta});
        server.send(&json!({"jsonrpc":"2.0","id":1,"method":"tools/call","params":params}));
        // Progress shows that the call runs.
        assert_eq!(server.message()["method"], "notifications/progress");
        server.signal(signal);
        assert_eq!(server.message()["params"]["progress"], 1.0);
        assert_eq!(server.message()["id"], 1);
        assert!(server.line().is_none());
        assert_eq!(server.exit_by_itself().code(), Some(0), "{signal}");
    }
}

#[cfg(unix)]
#[test]
fn signal_ends_subscriptions_and_an_idle_server() {
    use nix::sys::signal::Signal;
    let mut server = Server::start();
    let meta = json!({"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}});
    let params = json!({"notifications":{"toolsListChanged":true},"_meta":meta});
    server.send(&json!({"jsonrpc":"2.0","id":"s","method":"subscriptions/listen","params":params}));
    assert_eq!(
        server.message()["method"],
        "notifications/subscriptions/acknowledged"
    );
    server.signal(Signal::SIGTERM);
    assert_eq!(server.message()["id"], "s");
    assert_eq!(server.exit_by_itself().code(), Some(0));
}

#[cfg(unix)]
#[test]
fn second_signal_exits_immediately() {
    use nix::sys::signal::Signal;
    let mut server = Server::start();
    server.call(1, "test_sleep", json!({"ms": 600_000}));
    server.send(&ping(2));
    assert_eq!(server.message()["id"], 2);
    // Two equal signals may arrive as one, so they differ.
    server.signal(Signal::SIGTERM);
    server.signal(Signal::SIGINT);
    let code = server.exit_by_itself().code();
    assert!(code == Some(130) || code == Some(143), "{code:?}");
}

/// Without a reader for its output the server exits and finishes no call, whether
/// its input stays open or ends before.
#[test]
fn closed_output_ends_the_server() {
    for (busy, input_ends) in [(false, false), (true, false), (true, true)] {
        let folder = tempfile::tempdir().expect("a folder");
        let mut child = support::command(folder.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the server starts");
        let mut input = child.stdin.take().expect("its input");
        let mut output = child.stdout.take().expect("its output");
        let sleep = json!({"name":"test_sleep","arguments":{"ms":600_000}});
        if busy {
            let call = json!({"jsonrpc":"2.0","id":1,"method":"tools/call","params":sleep});
            writeln!(input, "{call}").expect("the server reads");
        }
        writeln!(input, "{}", ping(2)).expect("the server reads");
        let mut byte = [0];
        output.read_exact(&mut byte).expect("an answer begins");
        let mut input = Some(input);
        if input_ends {
            drop(input.take());
        }
        let closed = Instant::now();
        drop(output);
        assert_eq!(support::wait(&mut child).code(), Some(0), "busy: {busy}");
        let call = Duration::from_secs(CALL_SECONDS_MAX);
        assert!(closed.elapsed() < call, "it waits for the call");
        drop(input);
    }
}

#[test]
fn empty_input_exits_with_zero() {
    let folder = tempfile::tempdir().expect("a folder");
    let output = support::command(folder.path())
        .stdin(Stdio::null())
        .output()
        .expect("it runs");
    assert_eq!(output.status.code(), Some(0));
    assert!(output.stdout.is_empty());
}

/// The id comes first, last, or not at all.
#[cfg(target_os = "linux")]
#[test]
fn line_of_100_mb_is_refused_in_bounded_memory() {
    let mut server = Server::start();
    server.send(&ping(0));
    server.message();
    let filler = vec![b'x'; 1024 * 1024];
    let ends: [(&str, &str, Value); 3] = [
        (
            r#"{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"t":""#,
            "\"}}\n",
            json!(7),
        ),
        (
            r#"{"jsonrpc":"2.0","method":"tools/call","params":{"t":""#,
            "\"},\"id\":\"late\"}\n",
            json!("late"),
        ),
        ("", "\n", Value::Null),
    ];
    for (head, tail, id) in ends {
        server.write(head.as_bytes());
        for _ in 0..100 {
            server.write(&filler);
        }
        server.write(tail.as_bytes());
        let answer = server.message();
        assert_eq!(answer["id"], id);
        assert_eq!(answer["error"]["code"], -32600);
    }
    server.send(&ping(1));
    assert_eq!(server.message()["id"], 1);
    let peak = server.peak_bytes();
    assert!(peak < 100 * 1024 * 1024, "{peak} bytes");
}

/// The largest allowed line passes.
#[test]
fn line_of_20_mb_is_answered() {
    let mut server = Server::start();
    let text = "y".repeat(20 * 1024 * 1024);
    server.call(1, "test_echo", json!({"text": text}));
    let line = server.line().expect("an answer");
    assert!(line.len() > text.len());
}

/// A client sends many requests and reads nothing: the output queue stays
/// within its bound, and every answer arrives once it reads.
#[cfg(target_os = "linux")]
#[test]
fn client_that_does_not_read_costs_bounded_memory() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut child = support::command(folder.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the server starts");
    let mut input = child.stdin.take().expect("its input");
    let output = child.stdout.take().expect("its output");
    let writer = std::thread::spawn(move || {
        for id in 0..400 {
            let params = json!({"name":"test_flood","arguments":{"bytes":1_000_000}});
            let call = json!({"jsonrpc":"2.0","id":id,"method":"tools/call","params":params});
            writeln!(input, "{call}").expect("the server reads on in the end");
        }
    });
    // All requests fit the pipe and the server's bound, so this returns before
    // the client reads anything.
    writer.join().expect("all are written");
    let lines = support::lines_of(output);
    let mut answers = 0;
    let pid = child.id();
    let peak = || {
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
        let line = status
            .lines()
            .find(|line| line.starts_with("VmHWM:"))?
            .to_owned();
        line.split_whitespace().nth(1)?.parse::<u64>().ok()
    };
    let mut most = 0;
    while let Ok(line) = lines.recv_timeout(support::WATCHDOG) {
        assert!(line.len() > 1_000_000);
        most = peak().unwrap_or(0).max(most);
        answers += 1;
    }
    assert_eq!(answers, 400);
    assert_eq!(support::wait(&mut child).code(), Some(0));
    // 400 MB of answers; OUTGOING_BYTES_MAX and the calls that run at once.
    assert!(most < 200 * 1024, "{most} kB");
}

#[cfg(unix)]
#[test]
fn sockets_work_as_stdio_and_keep_their_flags() {
    use nix::fcntl::{FcntlArg, OFlag, fcntl};
    use std::os::fd::OwnedFd;
    use std::os::unix::net::UnixStream;
    let folder = tempfile::tempdir().expect("a folder");
    let (ours, theirs) = UnixStream::pair().expect("a pair");
    let kept = theirs.try_clone().expect("a second descriptor");
    let mut child = support::command(folder.path())
        .stdin(OwnedFd::from(theirs.try_clone().expect("a descriptor")))
        .stdout(OwnedFd::from(theirs))
        .spawn()
        .expect("the server starts");
    let lines = support::lines_of(ours.try_clone().expect("a descriptor"));
    let mut ours = ours;
    let big = json!({"name":"test_flood","arguments":{"bytes":3_000_000}});
    let call = json!({"jsonrpc":"2.0","id":1,"method":"tools/call","params":big});
    writeln!(ours, "{call}").expect("the server reads");
    let line = lines.recv_timeout(support::WATCHDOG).expect("an answer");
    assert!(line.len() > 3_000_000);
    // The open file description is shared with other holders of the socket.
    let flags = OFlag::from_bits_retain(fcntl(&kept, FcntlArg::F_GETFL).expect("flags"));
    assert!(!flags.contains(OFlag::O_NONBLOCK));
    ours.shutdown(std::net::Shutdown::Write).expect("the end");
    assert_eq!(support::wait(&mut child).code(), Some(0));
}

#[cfg(unix)]
#[test]
fn socket_without_a_peer_ends_the_server() {
    use std::os::fd::OwnedFd;
    use std::os::unix::net::UnixStream;
    let folder = tempfile::tempdir().expect("a folder");
    let (ours, theirs) = UnixStream::pair().expect("a pair");
    let mut child = support::command(folder.path())
        .stdin(Stdio::piped())
        .stdout(OwnedFd::from(theirs))
        .spawn()
        .expect("the server starts");
    let mut input = child.stdin.take().expect("its input");
    writeln!(input, "{}", ping(1)).expect("the server reads");
    let mut ours = ours;
    ours.read_exact(&mut [0]).expect("an answer begins");
    drop(ours);
    assert_eq!(support::wait(&mut child).code(), Some(0));
}

/// After its input has ended the server finishes its calls while somebody may read
/// the answers, and no longer.
#[cfg(target_os = "linux")]
#[test]
fn socket_that_nobody_can_read_ends_the_server() {
    use std::net::Shutdown;
    use std::os::fd::OwnedFd;
    use std::os::unix::net::UnixStream;
    // The last answer may wait in a full socket.
    for is_full in [false, true] {
        let folder = tempfile::tempdir().expect("a folder");
        let (mut ours, theirs) = UnixStream::pair().expect("a pair");
        let mut child = support::command(folder.path())
            .stdin(Stdio::piped())
            .stdout(OwnedFd::from(theirs))
            .spawn()
            .expect("the server starts");
        let mut input = child.stdin.take().expect("its input");
        let mut call = |id: u64, tool: &str, arguments: Value| {
            let call = support::call_of(id, tool, arguments);
            writeln!(input, "{call}").expect("the server reads");
        };
        call(1, "test_sleep", json!({"ms": 600_000}));
        call(2, "test_sleep", json!({"ms": 100}));
        if is_full {
            call(3, "test_flood", json!({"bytes": 3_000_000}));
        }
        drop(input);
        let mut lines = BufReader::new(ours.try_clone().expect("a descriptor")).lines();
        if !is_full {
            let line = lines.next().expect("an answer").expect("a line");
            assert!(line.contains("slept_ms"), "{line}");
        }
        ours.read_exact(&mut vec![0; usize::from(is_full)])
            .expect("an answer begins");
        let closed = Instant::now();
        ours.shutdown(Shutdown::Read).expect("shut down");
        assert_eq!(support::wait(&mut child).code(), Some(0));
        let call = Duration::from_secs(CALL_SECONDS_MAX);
        assert!(closed.elapsed() < call, "it waits for the call");
    }
}

#[test]
fn files_work_as_stdio() {
    let folder = tempfile::tempdir().expect("a folder");
    let input = folder.path().join("in");
    let output = folder.path().join("out");
    let lines = format!("{}\n{}", ping(1), ping("two"));
    std::fs::write(&input, lines).expect("the input file");
    let mut child = support::command(folder.path())
        .stdin(std::fs::File::open(&input).expect("the input file"))
        .stdout(std::fs::File::create(&output).expect("the output file"))
        .spawn()
        .expect("the server starts");
    assert_eq!(support::wait(&mut child).code(), Some(0));
    let text = std::fs::read_to_string(&output).expect("the output file");
    assert_eq!(
        text,
        "{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{}}\n{\"jsonrpc\":\"2.0\",\"id\":\"two\",\"result\":{}}\n"
    );
}

/// The writer of a named pipe may be gone before the server has started.
#[cfg(unix)]
#[test]
fn named_pipe_is_read_to_its_end_after_the_writer_left() {
    use nix::fcntl::{FcntlArg, OFlag, fcntl};
    use std::os::unix::fs::OpenOptionsExt;
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("pipe");
    nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRWXU).expect("a named pipe");
    let input = std::fs::OpenOptions::new()
        .read(true)
        .custom_flags(OFlag::O_NONBLOCK.bits())
        .open(&path)
        .expect("its end");
    fcntl(&input, FcntlArg::F_SETFL(OFlag::empty())).expect("it blocks");
    let mut writer = std::fs::OpenOptions::new()
        .write(true)
        .open(&path)
        .expect("its other end");
    writeln!(writer, "{}", ping(1)).expect("it is written");
    drop(writer);
    let mut child = support::command(folder.path())
        .stdin(input)
        .stdout(Stdio::piped())
        .spawn()
        .expect("the server starts");
    let lines = support::lines_of(child.stdout.take().expect("its output"));
    assert!(lines.recv_timeout(support::WATCHDOG).is_ok());
    assert_eq!(support::wait(&mut child).code(), Some(0));
}

//! Frames that no dispatcher sends, into the isolate's end of a line: that isolate ends, at worst, and
//! what else runs in its cordon goes on.
//!
//! Each round has a seed of its own, which a failure names, and begins with an isolate that works.

use std::io::{IoSlice, Read, Write};
use std::mem::MaybeUninit;
use std::net::Shutdown;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::{UnixDatagram, UnixStream};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use bindery_wire::binding::Kind;
use bindery_wire::control::{FromCordon, MESSAGE_BYTES_MAX, ToCordon};
use bindery_wire::event::{Batch, Handler, Message, MessageBody};
use bindery_wire::frame::{
    Answer, Body, Bound, Down, EnvValue, Event, EventKind, Module, Refusal, Reply, Request,
    Response, Start, Up,
};
use bindery_wire::manifest::ModuleKind;
use bindery_wire::rpc::{How, Invocation, Result as Returned, Target};
use bindery_wire::value::{FORMAT, Handed, Props, Value};
use bindery_wire::{IsolateNumber, Outcome, codec, limits};
use rustix::net::{
    AddressFamily, SendAncillaryBuffer, SendAncillaryMessage, SendFlags, SocketFlags, SocketType,
};

use super::numbers::Numbers;
use crate::host::SOON;

const ROUND_COUNT: u64 = 200;
/// Frames of one round.
const FRAME_COUNT: u64 = 24;

const SOURCE: &str = r#"
import { RpcTarget, WorkerEntrypoint } from "cloudflare:workers";
class Held extends RpcTarget { call(f) { return f?.(this); } }
export class E extends WorkerEntrypoint {
  get(value) { return { value, held: new Held(), f: (x) => x }; }
  async take(stub) { stub?.onRpcBroken?.(() => {}); return stub?.call?.(new Held()); }
}
export default {
  async fetch(request, env, ctx) {
    const quiet = (call) => { try { call()?.catch?.(() => {}); } catch {} };
    quiet(() => env.SVC.get(new Held(), request.url).more.a(1));
    quiet(() => env.SVC.fetch(request.clone()));
    quiet(() => env.KV.get("k", "stream"));
    quiet(() => env.QUEUE.send(String(ctx.props)));
    quiet(() => fetch("http://o/", { method: "POST", body: request.clone().body }));
    return new Response(request.body, { status: 201 });
  },
  queue(batch) { batch.messages.forEach((message) => message.body && message.ack()); },
  async scheduled(controller) { await scheduler.wait(1); controller.noRetry(); },
  tail(items) { return items.length; },
};"#;

/// A cordon whose dispatcher is this test.
struct Cordon {
    child: Child,
    control: UnixDatagram,
    isolates: u64,
}

impl Cordon {
    fn start() -> Self {
        let (ours, theirs) = rustix::net::socketpair(
            AddressFamily::UNIX,
            SocketType::SEQPACKET,
            SocketFlags::CLOEXEC,
            None,
        )
        .expect("a control socket");
        let mut command = Command::new(env!("CARGO_BIN_EXE_bindery"));
        command.arg("cordon").env_clear().current_dir("/");
        command.stdin(Stdio::from(theirs)).stdout(Stdio::piped()).stderr(Stdio::inherit());
        let child = command.spawn().expect("a cordon");
        let control = UnixDatagram::from(ours);
        control.set_read_timeout(Some(Duration::from_secs(SOON))).expect("a timeout");
        let cordon = Self { child, control, isolates: 0 };
        assert!(matches!(cordon.hear("ready"), FromCordon::Ready { .. }));
        cordon
    }

    fn hear(&self, what: &str) -> FromCordon {
        let mut buffer = vec![0; MESSAGE_BYTES_MAX];
        let read = self.control.recv(&mut buffer).unwrap_or_else(|e| panic!("{what}: {e}"));
        assert!(read > 0, "{what}: the cordon has ended");
        codec::read(&buffer[..read]).expect("a message")
    }

    /// A line to a new isolate, which has begun with [`SOURCE`], and its number.
    fn isolate(&mut self, what: &str) -> (UnixStream, IsolateNumber) {
        let (ours, theirs) = UnixStream::pair().expect("a line");
        self.isolates += 1;
        let number = IsolateNumber(self.isolates);
        let memory_bytes_max = limits::DEFAULT.memory_bytes_max;
        let message = ToCordon::Isolate { number, memory_bytes_max };
        let packet = codec::packet(&message).expect("plain data");
        let theirs = OwnedFd::from(theirs);
        let descriptors = [theirs.as_fd()];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut ancillary = SendAncillaryBuffer::new(&mut space);
        assert!(ancillary.push(SendAncillaryMessage::ScmRights(&descriptors)));
        let flags = SendFlags::NOSIGNAL;
        rustix::net::sendmsg(&self.control, &[IoSlice::new(&packet)], &mut ancillary, flags)
            .expect("it is taken");
        ours.set_read_timeout(Some(Duration::from_secs(SOON))).expect("a timeout");
        say(&ours, &encoded(&start()));
        let frame = frame(&ours).unwrap_or_else(|| panic!("{what}: no start"));
        let up = codec::read::<Up<'_>>(&frame).expect("a frame");
        assert!(matches!(up, Up::Started(_)), "{what}: {up:?}");
        (ours, number)
    }

    /// Waits until an isolate's thread has ended.
    fn ended(&mut self, wanted: IsolateNumber, what: &str) {
        loop {
            match self.hear(what) {
                FromCordon::Ended { number } if number == wanted => break,
                FromCordon::Stuck { number } if number == wanted => panic!("{what}: it is stuck"),
                _ => {}
            }
        }
        assert!(self.child.try_wait().expect("a child").is_none(), "{what}: the cordon ended");
    }
}

impl Drop for Cordon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn start() -> Down<'static> {
    let bound = |kind, slot| EnvValue::Bound { kind, slot };
    let module = Module {
        name: "index.js",
        kind: ModuleKind::Es,
        source: SOURCE.as_bytes(),
        compiled: None,
    };
    Down::Start(Start {
        main_module: "index.js",
        modules: vec![module],
        env: vec![
            ("SVC", bound(Kind::Service, 2)),
            ("KV", bound(Kind::Kv, 3)),
            ("QUEUE", bound(Kind::Queue, 4)),
        ],
        env_value: None,
        limits: limits::DEFAULT,
        compat_date: "2026-08-01",
        compat_flags: vec![],
    })
}

fn encoded(frame: &Down<'_>) -> Vec<u8> {
    let mut bytes = Vec::new();
    codec::write(&mut bytes, frame, codec::DOWN_BYTES_MAX).expect("fits");
    bytes
}

/// Writes what the other side may have stopped to read.
fn say(mut line: &UnixStream, bytes: &[u8]) {
    let _ = line.write_all(bytes);
}

/// The next frame of an isolate; `None` when it has ended.
fn frame(mut line: &UnixStream) -> Option<Vec<u8>> {
    let mut prefix = [0; codec::PREFIX_BYTES];
    line.read_exact(&mut prefix).ok()?;
    let mut bytes = vec![0; u32::from_le_bytes(prefix) as usize];
    line.read_exact(&mut bytes).ok()?;
    Some(bytes)
}

/// Numbers that mean something now and then.
fn number(numbers: &mut Numbers) -> u32 {
    match numbers.below(5) {
        0 => numbers.next() as u32,
        1 => numbers.one_of(&[1 << 16, 1 << 30, u32::MAX]),
        _ => numbers.below(5) as u32,
    }
}

const TEXTS: &[&str] = &[
    "",
    "E",
    "default",
    "get",
    "{}",
    "[",
    "null",
    "[1,{\"a\":2}]",
    "http://x/",
    "GET",
    "\u{0}",
    "constructor",
    "__proto__",
    "then",
    "\u{1f600}",
    "http://[",
    "nothing",
];

const BYTES: &[&[u8]] = &[
    b"",
    b"\xff\x0fA\x01I\x02$\x00\x01",
    b"\xff\x0fo\"\x01aI\x02{\x01",
    b"\x01\x12\x00\x00\x00[0,[[\"stub\",0]]]  \xff\x0f\\\x00",
    b"\x01\xff\xff\xff\x7f[0,[]]",
    b"{\"metadata\":null,\"length\":3}",
    b"a\0b\0content-length\x005\0",
    b"\xff\xfe\x00",
];

fn text(numbers: &mut Numbers) -> &'static str {
    numbers.one_of(TEXTS)
}

fn bytes(numbers: &mut Numbers) -> &'static [u8] {
    numbers.one_of(BYTES)
}

fn maybe<T>(numbers: &mut Numbers, one: impl FnOnce(&mut Numbers) -> T) -> Option<T> {
    if numbers.below(2) == 0 { None } else { Some(one(numbers)) }
}

fn body(numbers: &mut Numbers) -> Body<'static> {
    match numbers.below(5) {
        0 => Body::None,
        1 => Body::Passed { body: number(numbers) },
        2 => Body::Inline(bytes(numbers)),
        _ => {
            let length = maybe(numbers, |numbers| numbers.next() >> numbers.below(60));
            Body::Stream { body: number(numbers), length }
        }
    }
}

fn handed(numbers: &mut Numbers) -> Vec<Handed<'static>> {
    const KINDS: &[Kind] = &[Kind::Kv, Kind::Queue, Kind::Service, Kind::Loader, Kind::Stub];
    let one = |numbers: &mut Numbers| match numbers.below(4) {
        0 => Handed::Body(body(numbers)),
        1 => Handed::Own { slot: number(numbers), export: number(numbers) },
        _ => Handed::Slot { kind: numbers.one_of(KINDS), slot: number(numbers) },
    };
    (0..numbers.below(3)).map(|_| one(numbers)).collect()
}

fn invocation(numbers: &mut Numbers) -> Invocation<'static> {
    let target = match numbers.below(3) {
        0 => Target::Entrypoint,
        1 => Target::Export(number(numbers)),
        _ => Target::Result(number(numbers)),
    };
    Invocation {
        invocation: number(numbers),
        target,
        path: (0..numbers.below(4)).map(|_| text(numbers)).collect(),
        calls: numbers.below(3) > 0,
        arguments: body(numbers),
        handed: handed(numbers),
    }
}

fn kind(numbers: &mut Numbers) -> EventKind<'static> {
    match numbers.below(6) {
        0 => EventKind::Scheduled { at_ms: numbers.next(), cron: text(numbers) },
        1 => EventKind::Tail { items: text(numbers) },
        2 => {
            let message = |numbers: &mut Numbers| Message {
                id: text(numbers),
                sent_ms: numbers.next(),
                attempts: number(numbers),
                body: match numbers.below(4) {
                    0 => MessageBody::Json(text(numbers)),
                    1 => MessageBody::Text(text(numbers)),
                    2 => MessageBody::Bytes(bytes(numbers)),
                    _ => MessageBody::V8(bytes(numbers)),
                },
            };
            let messages = (0..numbers.below(4)).map(|_| message(numbers)).collect();
            let (queue, backlog_bytes) = (text(numbers), numbers.next());
            let batch = Batch { queue, messages, backlog_count: 1, backlog_bytes, oldest_ms: None };
            EventKind::Queue(batch)
        }
        3 => EventKind::Rpc(invocation(numbers)),
        _ => EventKind::Fetch(Request {
            method: text(numbers),
            url: numbers.one_of(&["http://x/", "http://x/", "nothing"]),
            headers: bytes(numbers),
            cf: text(numbers),
            body: body(numbers),
        }),
    }
}

fn reply(numbers: &mut Numbers) -> Reply<'static> {
    let result = match numbers.below(4) {
        0 => Err(Refusal { wrong: numbers.below(2) == 0, message: text(numbers) }),
        1 => Ok(Answer::Bound(Bound { head: bytes(numbers), body: body(numbers) })),
        2 => Ok(Answer::Rpc(Returned {
            how: numbers.one_of(&[How::Returned, How::Threw, How::Late]),
            value: body(numbers),
        })),
        _ => Ok(Answer::Response(Response {
            status: numbers.next() as u16,
            status_text: text(numbers),
            url: maybe(numbers, text),
            headers: bytes(numbers),
            body: body(numbers),
        })),
    };
    Reply { call: number(numbers), result, handed: handed(numbers) }
}

fn down(numbers: &mut Numbers) -> Down<'static> {
    match numbers.below(16) {
        0..=3 => {
            let props = match numbers.below(3) {
                0 => Props::None,
                1 => Props::Json(text(numbers)),
                _ => {
                    let format = numbers.one_of(&[FORMAT, 9]);
                    Props::Value(Value { format, bytes: bytes(numbers), handed: handed(numbers) })
                }
            };
            Down::Event(Event {
                event: number(numbers),
                entrypoint: maybe(numbers, text),
                props,
                cpu_ms_max: maybe(numbers, |numbers| 50 + number(numbers) / 2),
                kind: kind(numbers),
            })
        }
        4 | 5 => Down::Invoke { event: number(numbers), invocation: invocation(numbers) },
        6..=8 => Down::Reply(reply(numbers)),
        9 => Down::Chunk { body: number(numbers), bytes: bytes(numbers) },
        10 => Down::End { body: number(numbers), whole: numbers.below(2) == 0 },
        11 => Down::Credit { body: number(numbers), bytes: number(numbers) },
        12 => Down::Unwanted { body: number(numbers) },
        13 => match numbers.below(2) {
            0 => Down::Released { event: number(numbers), export: number(numbers) },
            _ => Down::Finished { event: number(numbers), invocation: number(numbers) },
        },
        14 => Down::Broken { slot: number(numbers), message: text(numbers) },
        _ => {
            let outcome = numbers.one_of(&[Outcome::Canceled, Outcome::ExceededCpu, Outcome::Ok]);
            Down::Cancel { event: number(numbers), outcome }
        }
    }
}

/// A frame as it would be sent; sometimes with a few bytes that are others.
fn garbage(numbers: &mut Numbers) -> Vec<u8> {
    let mut bytes = match numbers.below(40) {
        0 => (0..numbers.below(80)).map(|_| numbers.next() as u8).collect(),
        1 => encoded(&start()),
        2 => encoded(&Down::Stop),
        _ => encoded(&down(numbers)),
    };
    if numbers.below(8) == 0 {
        for _ in 0..=numbers.below(3) {
            let at = numbers.below(bytes.len().max(1) as u64) as usize;
            // Mostly behind the length, so that what follows is still read.
            let at = if numbers.below(8) == 0 { at } else { at.max(codec::PREFIX_BYTES) };
            if let Some(byte) = bytes.get_mut(at) {
                *byte = numbers.next() as u8;
            }
        }
    }
    bytes
}

#[test]
fn whatever_comes_down_a_line_ends_its_isolate_at_worst() {
    let mut cordon = Cordon::start();
    let (neighbour, _) = cordon.isolate("the neighbour");
    let mut reached = 0;
    for seed in 0..ROUND_COUNT {
        let what = format!("seed {seed}");
        let mut numbers = Numbers::new(seed);
        let (line, isolate) = cordon.isolate(&what);
        let heard = line.try_clone().expect("a descriptor");
        // In every other round each frame is one, and what they did to the isolate is waited for.
        let whole = seed % 2 == 0;
        let reader = std::thread::spawn(move || hear_all(&heard, whole));
        for kind in [EventKind::Fetch(request()), EventKind::Rpc(get())] {
            say(&line, &encoded(&begin(u32::from(kind.handler() == Handler::Rpc), kind)));
        }
        for _ in 0..FRAME_COUNT {
            let frame = if whole { encoded(&down(&mut numbers)) } else { garbage(&mut numbers) };
            say(&line, &frame);
        }
        say(&line, &encoded(&begin(LAST, EventKind::Fetch(request()))));
        if whole {
            reached += reader.join().expect("it only reads");
            let _ = line.shutdown(Shutdown::Both);
        } else {
            let _ = line.shutdown(Shutdown::Write);
            reader.join().expect("it only reads");
        }
        cordon.ended(isolate, &what);
        answers(&neighbour, seed as u32, &what);
    }
    let least = ROUND_COUNT * 4;
    assert!(reached > least, "of {ROUND_COUNT} rounds code saw little: {reached}");
}

/// The event that ends a round.
const LAST: u32 = 1 << 20;

/// Reads what an isolate says until it has ended, or until it has said what came of the last
/// event; how often that was of its code.
fn hear_all(line: &UnixStream, until_last: bool) -> u64 {
    let mut count = 0;
    while let Some(frame) = frame(line) {
        let Ok(up) = codec::read::<Up<'_>>(&frame) else { panic!("what it says reads") };
        count += u64::from(is_of_code(&up));
        let over = match up {
            Up::Done { event, .. } | Up::NotTaken { event } => event == LAST,
            _ => false,
        };
        if over && until_last {
            break;
        }
    }
    count
}

fn request() -> Request<'static> {
    Request { method: "GET", url: "http://x/", headers: b"", cf: "", body: Body::None }
}

fn get() -> Invocation<'static> {
    let (target, path, arguments) = (Target::Entrypoint, vec!["get"], Body::None);
    Invocation { invocation: 0, target, path, calls: true, arguments, handed: vec![] }
}

fn begin(event: u32, kind: EventKind<'_>) -> Down<'_> {
    let entrypoint = (kind.handler() == Handler::Rpc).then_some("E");
    Down::Event(Event { event, entrypoint, props: Props::None, cpu_ms_max: None, kind })
}

/// Whether a frame says that an event has run, or asks for something.
fn is_of_code(up: &Up<'_>) -> bool {
    matches!(up, Up::Call(_) | Up::Done { .. } | Up::Returned(_) | Up::Head(_))
}

/// Asks an isolate that nobody sent anything wrong.
fn answers(line: &UnixStream, event: u32, what: &str) {
    say(line, &encoded(&begin(event, EventKind::Fetch(request()))));
    loop {
        let frame = frame(line).unwrap_or_else(|| panic!("{what}: the neighbour has ended"));
        match codec::read::<Up<'_>>(&frame).expect("a frame") {
            Up::Call(call) => {
                let result = Err(Refusal { wrong: false, message: "no" });
                say(
                    line,
                    &encoded(&Down::Reply(Reply { call: call.call, result, handed: vec![] })),
                );
            }
            Up::Done { event: done, spent } if done == event => {
                assert_eq!(spent.outcome, Outcome::Ok, "{what}");
                return;
            }
            _ => {}
        }
    }
}

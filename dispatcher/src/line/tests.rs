//! A line against a peer that speaks the wire by a script, over a real socket pair.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream as StdStream;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bindery_logic::blame::Blame;
use bindery_storage::memory::Memory;
use bindery_wire::event::{Batch, Decision, Handler, Message, MessageBody, Settled, Verdict};
use bindery_wire::frame::{
    Answer, Body, Down, Event as WireEvent, EventKind, Head, Reply as WireReply, Started, Up,
};
use bindery_wire::frame::{CHUNK_BYTES_MAX, WINDOW_BYTES};
use bindery_wire::limits::{self, QUEUED_EVENT_COUNT_MAX};
use bindery_wire::log::Spent;
use bindery_wire::rpc::Invocation;
use bindery_wire::value::Handed;
use bindery_wire::{IsolateNumber, Manifest, Outcome, TenantId, VersionId, codec, manifest};
use bytes::Bytes;
use futures_util::future::BoxFuture;
use http_body::Body as _;
use http_body_util::{BodyExt, StreamBody};
use tokio::net::UnixStream;
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::end::grace;
use super::*;
use crate::clock::Millis;
use crate::tail::Tail;
use crate::trace::Trace;
use crate::usage::Usage;

/// The isolate's end: blocking, on the test's own thread or another.
pub(super) struct Peer {
    socket: StdStream,
    read: Vec<u8>,
}

impl Peer {
    pub(super) fn say(&mut self, up: &Up<'_>) {
        let mut bytes = Vec::new();
        codec::write(&mut bytes, up, codec::UP_BYTES_MAX).expect("fits");
        self.say_bytes(&bytes);
    }

    pub(super) fn say_bytes(&mut self, bytes: &[u8]) {
        self.socket.write_all(bytes).expect("the line reads");
    }

    /// The next frame, described: frames borrow what they were read from.
    pub(super) fn hear(&mut self) -> String {
        loop {
            if let Some((frame, end)) =
                codec::split(&self.read, codec::DOWN_BYTES_MAX).expect("a frame")
            {
                let text = describe(&codec::read(frame).expect("a frame"));
                self.read.drain(..end);
                return text;
            }
            let mut bytes = [0; 4096];
            let count = self.socket.read(&mut bytes).expect("the line writes in time");
            if count == 0 {
                return "end".into();
            }
            self.read.extend_from_slice(&bytes[..count]);
        }
    }

    pub(super) fn done(&mut self, event: u32, outcome: Outcome) {
        self.say(&Up::Done { event, spent: Spent { outcome, cpu_us: 1, wall_us: 2 } });
    }

    pub(super) fn head(&mut self, event: u32, body: Body<'_>) {
        self.say(&Up::Head(Head { event, status: 200, headers: b"a\nb\n", body }));
    }
}

fn describe(down: &Down<'_>) -> String {
    match down {
        Down::Event(WireEvent { event, kind: EventKind::Fetch(request), .. }) => {
            format!("event {event} {} {} {:?}", request.method, request.url, request.body)
        }
        Down::Event(WireEvent { event, kind: EventKind::Rpc(invocation), entrypoint, .. }) => {
            format!("event {event} {entrypoint:?} {}", describe_invocation(invocation))
        }
        Down::Event(WireEvent { event, kind, .. }) => {
            format!("event {event} {}", kind.handler().as_str())
        }
        Down::Chunk { body, bytes } => format!("chunk {body} {}", bytes.len()),
        Down::Credit { body, bytes } => format!("credit {body} {bytes}"),
        Down::End { body, whole } => format!("end {body} {whole}"),
        Down::Cancel { event, outcome } => format!("cancel {event} {outcome}"),
        Down::Reply(WireReply { call, result: Ok(Answer::Response(response)), .. }) => {
            format!("reply {call} {} {:?}", response.status, response.body)
        }
        Down::Reply(WireReply { call, result: Ok(Answer::Bound(bound)), handed }) => {
            let head = String::from_utf8_lossy(bound.head);
            let handed: String = handed.iter().map(describe_handed).collect();
            format!("answer {call} {head} {:?}{handed}", bound.body)
        }
        Down::Reply(WireReply { call, result: Err(refusal), .. }) => {
            format!("refusal {call} {}", refusal.message)
        }
        Down::Reply(WireReply { call, result: Ok(Answer::Rpc(result)), handed }) => {
            let handed: String = handed.iter().map(describe_handed).collect();
            format!("result {call} {:?} {:?}{handed}", result.how, result.value)
        }
        Down::Invoke { event, invocation } => {
            format!("invoke {event} {}", describe_invocation(invocation))
        }
        Down::Released { event, export } => format!("released {event} {export}"),
        Down::Finished { event, invocation } => format!("finished {event} {invocation}"),
        Down::Broken { slot, message } => format!("broken {slot} {message}"),
        Down::Unwanted { body } => format!("unwanted {body}"),
        Down::Stop => "stop".into(),
        Down::Start(_) => "start".into(),
    }
}

fn describe_invocation(invocation: &Invocation<'_>) -> String {
    let Invocation { invocation, target, path, calls, handed, .. } = invocation;
    let handed: String = handed.iter().map(describe_handed).collect();
    let calls = if *calls { "()" } else { "" };
    format!("{invocation} {target:?} {}{calls}{handed}", path.join("."))
}

fn describe_handed(handed: &Handed<'_>) -> String {
    match handed {
        Handed::Slot { kind, slot } => format!(" + {} {slot}", kind.as_str()),
        Handed::Own { slot, export } => format!(" + own {export} {slot}"),
        Handed::Body(body) => format!(" + {body:?}"),
    }
}

/// Where calls go in these tests: the test answers requests, and bindings answer what they hear.
struct Street {
    calls: mpsc::UnboundedSender<(Call, Answering)>,
    services: Arc<OnceLock<Arc<Line>>>,
}

pub(super) type Answering = oneshot::Sender<Result<Fetched, Refused>>;

impl Outside for Street {
    fn fetch(&self, call: Call) -> BoxFuture<'static, Result<Fetched, Refused>> {
        let (answering, answer) = oneshot::channel();
        let _ = self.calls.send((call, answering));
        Box::pin(async move { answer.await.expect("the test answers") })
    }

    fn room(
        &self,
        _caller: Arc<Code>,
        _service: Arc<crate::rpc::Service>,
        _hops: u32,
    ) -> BoxFuture<'static, Result<Permit, Refused>> {
        let line = self.services.get().cloned();
        Box::pin(async move {
            let line = line.ok_or(Refused::failed("no services here"))?;
            line.permit().await.map_err(|_| Refused::failed("no room"))
        })
    }

    fn ask(&self, ask: Ask) -> BoxFuture<'static, Result<super::Answer, Refused>> {
        Box::pin(async move {
            let head = ask.head.to_vec();
            let body = match ask.body {
                RequestBody::None => FetchedBody::None,
                RequestBody::Inline(bytes) => FetchedBody::Inline(bytes),
                RequestBody::Stream { from, length } => {
                    FetchedBody::Stream { from: Unread::Plain(from), length }
                }
            };
            Ok(super::Answer { head, body, handed: ask.attached })
        })
    }

    fn tell(&self, _: Arc<Code>, _: super::Item) {}
}

pub(super) struct Setup {
    pub(super) line: Arc<Line>,
    peer: Option<Peer>,
    clock: Clock,
    tail: Tail,
    kept: Arc<Mutex<Vec<String>>>,
    /// Where services run, once that is said.
    pub(super) services: Arc<OnceLock<Arc<Line>>>,
    pub(super) calls: mpsc::UnboundedReceiver<(Call, Answering)>,
    pub(super) io: JoinHandle<End>,
}

pub(super) fn code() -> Arc<Code> {
    Arc::new(test_code())
}

pub(crate) fn test_code() -> Code {
    let kv = manifest::Binding::KvNamespace { namespace: "notes".into() };
    let service = manifest::Binding::Service {
        service: "callee".into(),
        entrypoint: Some("E".into()),
        props: None,
    };
    let manifest = Manifest {
        format: manifest::FORMAT,
        main_module: "a.js".into(),
        modules: Default::default(),
        bindings: [("KV".into(), kv), ("SERVICE".into(), service)].into(),
        compat: manifest::Compat { date: "2026-08-01".into(), flags: vec![] },
        limits: limits::Lower::default(),
        outbound: manifest::Outbound::Public,
        previews: true,
        routes: vec![],
        queue_consumers: vec![],
        crons: vec![],
        given: None,
    };
    Code {
        tenant: TenantId(1),
        tenant_name: "t".into(),
        worker: "main".into(),
        version: VersionId::of(b"v"),
        manifest,
        modules: vec![],
        secrets: vec![],
        env: None,
        outbound: None,
        tails: None,
        depth: 0,
        room: None,
        instance: 0,
        limits: limits::Limits {
            event_count_max: 2,
            subrequest_count_max: 8,
            response_bytes_max: 1_000_000,
            ..limits::DEFAULT
        },
        generation: 1,
    }
}

/// A line whose isolate has started.
pub(super) async fn started() -> Setup {
    let clock = Clock::test(Millis(1_000));
    let tail = Tail::new(clock.clone());
    let kept = Arc::new(Mutex::new(Vec::new()));
    let keep = kept.clone();
    let (street, calls) = mpsc::unbounded_channel();
    let services = Arc::new(OnceLock::new());
    let host = Host {
        tasks: Tasks::new(Handle::current()),
        clock: clock.clone(),
        outside: Arc::new(Street { calls: street, services: services.clone() }),
        keep: Arc::new(move |_, name, made| {
            keep.lock().expect("no panic").push(format!("{name} {}", made.len()));
        }),
        meter: Usage::new(Arc::new(Memory::new()), clock.clone()).meter(TenantId(1)),
    };
    let (line, begin) = Line::new(IsolateNumber(1), code(), tail.ring(TenantId(1)), host);
    let (ours, theirs) = StdStream::pair().expect("a pair");
    ours.set_nonblocking(true).expect("a socket");
    theirs.set_read_timeout(Some(Duration::from_secs(10))).expect("a socket");
    let socket = UnixStream::from_std(ours).expect("a socket");
    #[expect(clippy::disallowed_methods, reason = "the test ends the task")]
    let io = tokio::spawn(Io::new(line.clone(), socket).run());
    let mut peer = Peer { socket: theirs, read: Vec::new() };
    peer.say(&Up::Started(Started { cpu_us: 1, entrypoints: vec![], warnings: vec![] }));
    assert!(matches!(begin.await, Ok(Begin::Started(_))));
    Setup { line, peer: Some(peer), clock, tail, kept, services, calls, io }
}

impl Setup {
    pub(super) async fn begin(&self, body: RequestBody) -> Begun {
        let permit = self.line.permit().await.expect("room");
        let (cf, props) = ("{}", &crate::rpc::Props::None);
        let request = Event {
            entrypoint: None,
            method: "POST",
            url: "http://t/",
            headers: b"",
            cf,
            props,
            limits: &bindery_wire::limits::Lower::NONE,
        };
        let about = About {
            request: RequestId(7),
            trace: Trace::random(),
            handler: Handler::Fetch,
            method: ::http::Method::POST,
            path: "/".into(),
            status: 0,
            hops: 0,
        };
        Begun::begin(permit, request, body, about).map_err(|(why, _)| why).expect("taken")
    }

    /// Runs the isolate's part on a thread where it may block.
    pub(super) async fn peer<T: Send + 'static>(
        &mut self,
        part: impl FnOnce(&mut Peer) -> T + Send + 'static,
    ) -> T {
        let mut peer = self.peer.take().expect("one part at a time");
        let part = tokio::task::spawn_blocking(move || {
            let result = part(&mut peer);
            (peer, result)
        });
        let (peer, result) = part.await.expect("the part does not panic");
        self.peer = Some(peer);
        result
    }
}

fn upload(chunks: Vec<Result<Bytes, Cut>>) -> RequestBody {
    let frames = chunks.into_iter().map(|chunk| chunk.map(http_body::Frame::data));
    let from = Upload::new(StreamBody::new(futures_util::stream::iter(frames)));
    RequestBody::Stream { from, length: None }
}

pub(super) async fn head(begun: Begun) -> (Bytes, ReplyBody) {
    match begun.reply().await {
        Reply::Head { status: 200, headers, body } => (headers, body),
        other => panic!("no head: {other:?}"),
    }
}

pub(super) async fn download(begun: Begun) -> Download {
    match head(begun).await.1 {
        ReplyBody::Stream(download) => download,
        other => panic!("no stream: {other:?}"),
    }
}

#[tokio::test]
async fn a_request_is_answered_and_recorded() {
    let mut setup = started().await;
    let begun = setup.begin(RequestBody::Inline(Bytes::from_static(b"hi"))).await;
    let heard = setup
        .peer(|peer| {
            let heard = peer.hear();
            peer.head(0, Body::Inline(b"hello"));
            peer.done(0, Outcome::Ok);
            heard
        })
        .await;
    assert_eq!(heard, "event 0 POST http://t/ Inline([104, 105])");
    let (headers, body) = head(begun).await;
    assert_eq!(&headers[..], b"a\nb\n");
    assert!(matches!(body, ReplyBody::Inline(bytes) if &bytes[..] == b"hello"));
    // Another event is answered only after the first one's end was heard.
    let begun = setup.begin(RequestBody::None).await;
    setup.peer(|peer| peer.done(1, Outcome::Exception)).await;
    assert!(
        matches!(begun.reply().await, Reply::Ended(spent) if spent.outcome == Outcome::Exception)
    );
    let items = setup.tail.read(TenantId(1), Some("main"), None);
    let items = serde_json::to_value(&items[..1]).expect("plain data");
    assert_eq!(items[0]["requestId"], "req_0000000000000007");
    assert_eq!(items[0]["outcome"], "ok");
    assert_eq!(items[0]["status"], 200);
    assert_eq!(setup.line.event_count(), 0);
}

#[tokio::test]
async fn a_response_moves_no_faster_than_it_is_read() {
    let mut setup = started().await;
    let begun = setup.begin(RequestBody::None).await;
    setup
        .peer(|peer| {
            peer.hear();
            peer.head(0, Body::Stream { body: 9, length: None });
            for _ in 0..WINDOW_BYTES as usize / CHUNK_BYTES_MAX {
                peer.say(&Up::Chunk { body: 9, bytes: &[1; CHUNK_BYTES_MAX] });
            }
        })
        .await;
    let mut download = download(begun).await;
    let chunk = download.frame().await.expect("a chunk").expect("whole");
    assert_eq!(chunk.data_ref().map(Bytes::len), Some(CHUNK_BYTES_MAX));
    // Only the chunk that was taken is given credit for.
    let heard = setup
        .peer(|peer| {
            let heard = peer.hear();
            peer.say(&Up::End { body: 9, whole: true });
            peer.done(0, Outcome::Ok);
            heard
        })
        .await;
    assert_eq!(heard, format!("credit 9 {CHUNK_BYTES_MAX}"));
    let rest = download.collect().await.expect("whole").to_bytes();
    assert_eq!(rest.len(), WINDOW_BYTES as usize - CHUNK_BYTES_MAX);
}

#[tokio::test]
async fn a_chunk_without_credit_ends_the_line() {
    let mut setup = started().await;
    let begun = setup.begin(RequestBody::None).await;
    setup
        .peer(|peer| {
            peer.head(0, Body::Stream { body: 9, length: None });
            for _ in 0..=WINDOW_BYTES as usize / CHUNK_BYTES_MAX {
                peer.say(&Up::Chunk { body: 9, bytes: &[1; CHUNK_BYTES_MAX] });
            }
        })
        .await;
    assert!(matches!(setup.io.await, Ok(End::Violated(_))));
    setup.line.lost(Blame::Itself);
    let broken = download(begun).await.collect().await.expect_err("broken");
    assert_eq!(broken, Broken::Unfinished);
}

#[tokio::test]
async fn a_body_that_is_cut_longer_or_shorter_than_it_said_is_an_error() {
    for (length, chunk, whole, expected) in [
        (None, 10, false, Broken::Unfinished),
        (Some(11), 10, true, Broken::TooShort),
        (Some(9), 10, true, Broken::TooLong),
    ] {
        let mut setup = started().await;
        let begun = setup.begin(RequestBody::None).await;
        setup
            .peer(move |peer| {
                peer.head(0, Body::Stream { body: 9, length });
                peer.say(&Up::Chunk { body: 9, bytes: &vec![1; chunk] });
                peer.say(&Up::End { body: 9, whole });
            })
            .await;
        assert_eq!(download(begun).await.collect().await.expect_err("broken"), expected);
    }
}

#[tokio::test]
async fn a_response_over_its_limit_is_cut_and_its_rest_unwanted() {
    let mut setup = started().await;
    let begun = setup.begin(RequestBody::None).await;
    let peer = setup.peer(|peer| {
        peer.hear();
        peer.head(0, Body::Stream { body: 9, length: None });
        peer.say(&Up::Chunk { body: 9, bytes: &[1; CHUNK_BYTES_MAX] });
        let mut heard = peer.hear();
        while heard.starts_with("credit") {
            peer.say(&Up::Chunk { body: 9, bytes: &[1; CHUNK_BYTES_MAX] });
            heard = peer.hear();
        }
        [heard, peer.hear()]
    });
    let (heard, broken) =
        tokio::join!(peer, async { download(begun).await.collect().await.expect_err("broken") });
    assert_eq!(broken, Broken::TooLong);
    assert_eq!(heard, ["cancel 0 canceled", "unwanted 9"]);
}

#[tokio::test]
async fn a_request_body_is_read_only_as_far_as_the_isolate_gave_credit() {
    let mut setup = started().await;
    let body = upload(vec![Ok(Bytes::from(vec![7; 100_000])), Ok(Bytes::from_static(b"end"))]);
    let begun = setup.begin(body).await;
    let heard = setup
        .peer(|peer| {
            let mut heard = vec![peer.hear()];
            peer.say(&Up::Credit { body: 0, bytes: 10 });
            heard.push(peer.hear());
            peer.say(&Up::Credit { body: 0, bytes: 200_000 });
            heard.extend((0..4).map(|_| peer.hear()));
            peer.head(0, Body::None);
            peer.done(0, Outcome::Ok);
            heard
        })
        .await;
    let rest = 100_000 - 10 - CHUNK_BYTES_MAX;
    let expected = [
        "event 0 POST http://t/ Stream { body: 0, length: None }".to_owned(),
        "chunk 0 10".into(),
        format!("chunk 0 {CHUNK_BYTES_MAX}"),
        format!("chunk 0 {rest}"),
        "chunk 0 3".into(),
        "end 0 true".into(),
    ];
    assert_eq!(heard, expected);
    assert!(matches!(head(begun).await.1, ReplyBody::None));
}

#[tokio::test]
async fn a_request_body_that_is_only_passed_on_does_not_cross_the_line() {
    let mut setup = started().await;
    let begun = setup.begin(upload(vec![Ok(Bytes::from_static(b"through"))])).await;
    setup
        .peer(|peer| {
            peer.hear();
            peer.head(0, Body::Passed { body: 0 });
            peer.done(0, Outcome::Ok);
            peer.say(&Up::Credit { body: 0, bytes: 10 });
        })
        .await;
    let ReplyBody::Passed { from, .. } = head(begun).await.1 else { panic!("not passed") };
    let bytes = from.collect().await.expect("whole").to_bytes();
    assert_eq!(&bytes[..], b"through");
    assert!(setup.line.is_open(), "credit for a body that is gone is no fault");
}

#[tokio::test]
async fn a_body_over_the_servers_limit_is_answered_and_its_event_canceled() {
    let mut setup = started().await;
    let begun = setup.begin(upload(vec![Err(Cut::TooLong)])).await;
    let heard = setup
        .peer(|peer| {
            peer.hear();
            peer.say(&Up::Credit { body: 0, bytes: 10 });
            [peer.hear(), peer.hear()]
        })
        .await;
    assert_eq!(heard, ["end 0 false", "cancel 0 canceled"]);
    assert!(matches!(begun.reply().await, Reply::Cut(Cut::TooLong)));
}

#[tokio::test]
async fn a_client_that_goes_away_cancels_and_after_a_while_ends_the_event() {
    let mut setup = started().await;
    drop(setup.begin(RequestBody::None).await);
    let heard = setup.peer(|peer| [peer.hear(), peer.hear()]).await;
    assert_eq!(heard[1], "cancel 0 canceled");
    let after = Duration::from_millis(limits::DEFAULT.after_client_ms_max.into());
    setup.clock.advance(after - Duration::from_millis(1));
    assert_eq!(setup.line.sweep(), Sweep::Well);
    setup.clock.advance(Duration::from_millis(1));
    assert_eq!(setup.line.sweep(), Sweep::Well);
    assert_eq!(setup.peer(Peer::hear).await, "cancel 0 exceededWallTime");
    setup.clock.advance(grace(setup.line.code()));
    assert_eq!(setup.line.sweep(), Sweep::Stuck);
    setup.peer(|peer| peer.done(0, Outcome::ExceededWallTime)).await;
}

#[tokio::test]
async fn a_reader_that_goes_away_cancels_and_wants_no_more() {
    let mut setup = started().await;
    let begun = setup.begin(RequestBody::None).await;
    setup.peer(|peer| peer.head(0, Body::Stream { body: 9, length: None })).await;
    drop(download(begun).await);
    let heard = setup.peer(|peer| [0; 3].map(|_| peer.hear())).await;
    assert_eq!(heard[1..], ["cancel 0 canceled", "unwanted 9"]);
}

#[tokio::test]
async fn no_more_events_run_or_wait_than_may() {
    let mut setup = started().await;
    let _first = setup.begin(RequestBody::None).await;
    let _second = setup.begin(RequestBody::None).await;
    let mut waiting = tokio::task::JoinSet::new();
    for _ in 0..QUEUED_EVENT_COUNT_MAX {
        let line = setup.line.clone();
        waiting.spawn(async move { line.permit().await.is_ok() });
    }
    while setup.line.table().waiting < QUEUED_EVENT_COUNT_MAX {
        tokio::task::yield_now().await;
    }
    assert!(matches!(setup.line.permit().await, Err(NotTaken::Full)));
    setup.peer(|peer| peer.done(0, Outcome::Ok)).await;
    assert_eq!(waiting.join_next().await.expect("one goes on").ok(), Some(true));
}

#[tokio::test]
async fn a_condemned_isolate_sends_those_who_wait_elsewhere_and_finishes_the_others() {
    let mut setup = started().await;
    let first = setup.begin(RequestBody::None).await;
    let _second = setup.begin(RequestBody::None).await;
    let line = setup.line.clone();
    #[expect(clippy::disallowed_methods, reason = "the test ends the task")]
    let waiting = tokio::spawn(async move { line.permit().await.err() });
    setup.peer(|peer| peer.say(&Up::Condemned { outcome: Outcome::ExceededMemory })).await;
    assert_eq!(waiting.await.ok().flatten(), Some(NotTaken::Closed));
    setup.peer(|peer| peer.done(0, Outcome::ExceededMemory)).await;
    assert!(matches!(first.reply().await, Reply::Ended(_)));
    assert!(!setup.line.is_open());
}

#[tokio::test]
async fn when_the_isolate_dies_every_event_is_told_whose_fault_it_was() {
    let mut setup = started().await;
    let begun = setup.begin(RequestBody::None).await;
    setup.peer = None;
    assert!(matches!(setup.io.await, Ok(End::Closed)));
    setup.line.closed();
    assert!(matches!(setup.line.permit().await, Err(NotTaken::Closed)));
    setup.line.lost(Blame::Another);
    assert!(matches!(begun.reply().await, Reply::Lost(Blame::Another)));
    let items = setup.tail.read(TenantId(1), None, None);
    assert_eq!(serde_json::to_value(&items).expect("plain data")[0]["outcome"], "lost");
}

#[tokio::test]
async fn an_idle_isolate_is_let_go_and_a_busy_one_is_not() {
    let mut setup = started().await;
    let begun = setup.begin(RequestBody::None).await;
    assert!(!setup.line.stop_if_idle());
    assert_eq!(setup.line.idle_since_ms(), None);
    setup.clock.advance(Duration::from_millis(5));
    setup.peer(|peer| peer.done(0, Outcome::Ok)).await;
    begun.reply().await;
    assert_eq!(setup.line.idle_since_ms(), Some(5));
    assert!(setup.line.stop_if_idle());
    assert_eq!(setup.peer(|peer| [peer.hear(), peer.hear()]).await[1], "stop");
}

#[tokio::test]
async fn what_no_isolate_sends_ends_the_line() {
    type Part = fn(&mut Peer);
    let parts: [(&str, Part); 6] = [
        ("bytes that are no frame", |p| p.socket.write_all(&[2, 0, 0, 0, 99, 99]).expect("sent")),
        ("a frame that is too long", |p| p.socket.write_all(&[255; 4]).expect("sent")),
        ("a head of nothing", |p| p.head(5, Body::None)),
        ("an end of nothing", |p| p.done(5, Outcome::Ok)),
        ("two heads", |p| (0..2).for_each(|_| p.head(0, Body::None))),
        ("a body it was not given", |p| p.head(0, Body::Passed { body: 0 })),
    ];
    for (what, part) in parts {
        let mut setup = started().await;
        let _begun = setup.begin(RequestBody::None).await;
        setup.peer(part).await;
        assert!(matches!(setup.io.await, Ok(End::Violated(_))), "{what}");
    }
}

#[tokio::test]
async fn a_long_frame_crosses_in_pieces() {
    let mut setup = started().await;
    let long = vec![b'x'; 3 << 20];
    setup.peer(move |peer| peer.say(&Up::Compiled { name: "a.js", code: &long })).await;
    let begun = setup.begin(RequestBody::None).await;
    setup.peer(|peer| peer.done(0, Outcome::Ok)).await;
    assert!(matches!(begun.reply().await, Reply::Ended(_)));
    assert_eq!(setup.kept.lock().expect("no panic").as_slice(), ["a.js 3145728"]);
}

#[tokio::test]
async fn a_panic_of_the_host_is_the_end_of_one_line_and_is_told_as_such() {
    let mut setup = started().await;
    let kept = setup.kept.clone();
    // What keeps compiled code panics from here on.
    let poison = std::thread::spawn(move || {
        let _held = kept.lock();
        panic!("on purpose");
    });
    assert!(poison.join().is_err());
    setup.peer(|peer| peer.say(&Up::Compiled { name: "a.js", code: b"" })).await;
    assert!(matches!(setup.io.await, Ok(End::Panicked)));
}

#[tokio::test]
async fn a_declared_length_is_passed_on() {
    let mut setup = started().await;
    let begun = setup.begin(RequestBody::None).await;
    setup.peer(|peer| peer.head(0, Body::Stream { body: 9, length: Some(10) })).await;
    let download = download(begun).await;
    assert_eq!(download.size_hint().exact(), Some(10));
}

fn about(handler: Handler) -> About {
    let method = ::http::Method::GET;
    let (request, trace) = (RequestId(8), Trace::random());
    About { request, trace, handler, method, path: "q".into(), status: 0, hops: 0 }
}

fn batch() -> EventKind<'static> {
    let body = MessageBody::Text("x");
    let message = Message { id: "a", sent_ms: 1, attempts: 1, body };
    let messages = vec![message, message];
    let (backlog_count, backlog_bytes, oldest_ms) = (0, 0, None);
    EventKind::Queue(Batch { queue: "q", messages, backlog_count, backlog_bytes, oldest_ms })
}

#[tokio::test]
async fn a_batch_ends_with_what_its_handler_decided() {
    let mut setup = started().await;
    let said = Settled {
        batch: Verdict::Unsaid,
        messages: vec![Verdict::Ack, Verdict::Retry { delay_s: Some(5) }],
    };
    let permit = setup.line.permit().await.expect("room");
    let begun = Begun::handle(permit, None, batch(), about(Handler::Queue)).expect("taken");
    let decision = Decision::Queue(said.clone());
    setup
        .peer(move |peer| {
            assert_eq!(peer.hear(), "event 0 queue");
            peer.say(&Up::Decided { event: 0, decision });
            peer.done(0, Outcome::Ok);
        })
        .await;
    let Reply::Handled(spent, decision) = begun.reply().await else { panic!("no end") };
    assert_eq!((spent.outcome, decision), (Outcome::Ok, Some(Decision::Queue(said))));
}

#[tokio::test]
async fn a_batch_of_which_nothing_was_said_ends_with_that() {
    let mut setup = started().await;
    let permit = setup.line.permit().await.expect("room");
    let begun = Begun::handle(permit, None, batch(), about(Handler::Queue)).expect("taken");
    setup.peer(|peer| peer.done(0, Outcome::Exception)).await;
    let Reply::Handled(_, decision) = begun.reply().await else { panic!("no end") };
    assert_eq!(decision, Some(Decision::Queue(Settled::unsaid(2))));
}

#[tokio::test]
async fn a_decision_that_was_not_asked_for_ends_the_line() {
    for decision in [
        Decision::Scheduled { no_retry: true },
        Decision::Queue(Settled::unsaid(1)),
        Decision::Queue(Settled::unsaid(3)),
    ] {
        let mut setup = started().await;
        let permit = setup.line.permit().await.expect("room");
        let _begun = Begun::handle(permit, None, batch(), about(Handler::Queue)).expect("taken");
        setup.peer(move |peer| peer.say(&Up::Decided { event: 0, decision })).await;
        let end = (&mut setup.io).await.expect("ends");
        assert!(matches!(end, End::Violated(Violation::Order(_))), "{end:?}");
    }
}

#[tokio::test]
async fn a_response_of_an_event_that_has_none_ends_the_line() {
    let mut setup = started().await;
    let permit = setup.line.permit().await.expect("room");
    let kind = EventKind::Scheduled { at_ms: 1, cron: "* * * * *" };
    let _begun = Begun::handle(permit, None, kind, about(Handler::Scheduled)).expect("taken");
    setup.peer(|peer| peer.head(0, Body::None)).await;
    let end = (&mut setup.io).await.expect("ends");
    assert!(matches!(end, End::Violated(Violation::Order(_))), "{end:?}");
}

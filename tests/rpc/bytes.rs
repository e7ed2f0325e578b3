//! Bytes that no honest isolate wrote, as the value of somebody's `ctx.props`: read, refused, and
//! nothing else.

use std::sync::Arc;

use bindery_dispatcher::line::{About, Begun, Event, Reply, ReplyBody, RequestBody, RequestId};
use bindery_dispatcher::rpc::{Props, Value};
use bindery_dispatcher::tasks::Tasks;
use bindery_dispatcher::trace::Trace;
use bindery_wire::event::Handler;
use bindery_wire::limits::Lower;

use super::numbers::Numbers;
use crate::host::{Host, Worker};

const READS: &str = "export default { fetch(request, env, ctx) {
    let seen;
    try { seen = typeof ctx.props; } catch (error) { seen = `${error.name}`; }
    return new Response(`read ${seen}`);
} };";

/// What the engine and our table write for a few values: bytes near these reach further than noise.
const SEEDS: &[&[u8]] = &[
    b"\xff\x0fo\"\x01aI\x02{\x01",
    b"\xff\x0fA\x03I\x02I\x04S\x04text$\x00\x03",
    b"\xff\x0fo\"\x01m;\"\x01kI\x02:\x02{\x01",
    b"\xff\x0fo\"\x01bB\x04\x01\x02\x03\x04V\x42\x00\x04\x00{\x01",
    b"\xff\x0fr\"\x05RangeE\"\x01m.",
    b"\x01\x16\x00\x00\x00[0,[[\"stub\",0]]]      \xff\x0f\\\x00",
    b"\x01\x20\x00\x00\x00[1,[[\"error\",\"Error\",\"m\",\"E\"]]] \xff\x0fA\x02\\\x00A\x01o{\x00$\x00\x01$\x00\x02",
];

fn bytes(numbers: &mut Numbers) -> Vec<u8> {
    let mut bytes = match numbers.below(4) {
        0 => {
            let count = numbers.below(60);
            (0..count).map(|_| numbers.next() as u8).collect()
        }
        _ => SEEDS[numbers.below(SEEDS.len() as u64) as usize].to_vec(),
    };
    for _ in 0..numbers.below(4) {
        let Some(length) = (bytes.len() as u64).checked_sub(1).filter(|length| *length > 0) else {
            break;
        };
        let at = numbers.below(length) as usize;
        match numbers.below(4) {
            0 => bytes[at] = numbers.next() as u8,
            1 => drop(bytes.remove(at)),
            2 => bytes.insert(at, numbers.next() as u8),
            _ => bytes[at] = [0x24, 0x5c, 0x5e, 0x74, 0x75, 0x77, 0xff, 0x3f][at % 8],
        }
    }
    bytes
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bytes_that_nobody_wrote_are_read_or_refused_and_the_isolate_lives_on() {
    let host = Host::new().start().await;
    host.deploy("demo", &Worker::new(READS)).await;
    let code = host.server().registry().code("demo", "main", None).await.expect("the worker");
    let tasks = Tasks::new(tokio::runtime::Handle::current());
    let line = host.server().placement().line(&code, &tasks).await.expect("an isolate");
    let seed = std::time::UNIX_EPOCH.elapsed().expect("a time").as_nanos() as u64 | 1;
    let mut numbers = Numbers::new(seed);
    for round in 0..1_500 {
        let sent = bytes(&mut numbers);
        let shown = format!("seed {seed}, round {round}: {sent:02x?}");
        let value = Value::new(1, sent.into(), vec![]).expect("nothing lies in it");
        let props = Props::Value(Arc::new(value));
        let permit = line.permit().await.unwrap_or_else(|_| panic!("{shown}: no room"));
        let (method, url) = ("GET", "http://demo/");
        let (headers, cf, props, limits) = (b"", "", &props, &Lower::NONE);
        let event = Event { entrypoint: None, method, url, headers, cf, props, limits };
        let about = About {
            request: RequestId(round),
            trace: Trace::random(),
            handler: Handler::Fetch,
            method: Default::default(),
            path: "/".into(),
            status: 0,
            hops: 0,
        };
        let Ok(begun) = Begun::begin(permit, event, RequestBody::None, about) else {
            panic!("{shown}: not taken");
        };
        match begun.reply().await {
            Reply::Head { status: 200, body: ReplyBody::Inline(bytes), .. } => {
                assert!(bytes.starts_with(b"read "), "{shown}");
            }
            reply => panic!("{shown}: {reply:?}"),
        }
    }
    assert_eq!(host.cordon_death_count(), 0);
    host.shutdown().await;
}

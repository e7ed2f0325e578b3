//! A body of any length passes in little memory, of all processes together.

use std::fs;

use futures_util::future::join_all;
use serde_json::json;

use super::{TENANT, handler};
use crate::host::{Chunk, Program, moment};

const RISE_BYTES_MAX: u64 = 32 << 20;
/// Bytes of buffers that nobody has any more at which the engine collects them, and a little.
const LITTER_BYTES_MAX: u64 = 40 << 20;
const STEP_BYTES: u64 = 32 << 20;

/// Resident bytes of a program and of its cordons, pages that they share counted once.
fn resident(program: &Program) -> u64 {
    let mut pids = program.cordon_pids();
    pids.push(program.pid());
    let of = |pid: u32| {
        let rollup = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap_or_default();
        let line = rollup.lines().find_map(|line| line.strip_prefix("Pss:"));
        let kib =
            line.and_then(|line| line.trim().trim_end_matches(" kB").trim().parse::<u64>().ok());
        kib.expect("a size") << 10
    };
    pids.into_iter().map(of).sum()
}

/// Reads `bytes` of a response, and gives the most memory that was seen meanwhile.
async fn flows(program: &Program, path: &str, bytes: u64) -> u64 {
    let mut incoming = program.request(TENANT, "GET", path).open().await;
    assert_eq!(incoming.status, 200);
    let (mut read, mut peak, mut next) = (0, 0, STEP_BYTES);
    while read < bytes {
        let Chunk::Bytes(chunk) = incoming.chunk().await else { panic!("it ended at {read}") };
        read += chunk.len() as u64;
        if read >= next {
            peak = peak.max(resident(program));
            next += STEP_BYTES;
        }
    }
    assert_eq!(incoming.chunk().await, Chunk::End);
    peak
}

/// Sends `bytes` through the worker and back, and gives the most memory that was seen.
async fn passes(program: &Program, path: &str, bytes: u64) -> u64 {
    use tokio::io::AsyncWriteExt;
    // A request is at most 100 MB long: as many follow each other as it takes.
    let mut peak = 0;
    let mut left = bytes;
    while left > 0 {
        let size = left.min(95 << 20);
        left -= size;
        let request = program.request(TENANT, "POST", path);
        let mut sending = request.header("content-length", &size.to_string()).sent().await;
        sending.raw(&[b'x'; 1 << 10]).await;
        let (mut incoming, mut write) = sending.split().await;
        assert_eq!(incoming.status, 200);
        #[expect(clippy::disallowed_methods, reason = "the test awaits the task")]
        let sends = tokio::task::spawn(async move {
            let piece = vec![b'x'; 64 << 10];
            let mut left = size - (1 << 10);
            while left > 0 {
                let count = usize::try_from(left).unwrap_or(usize::MAX).min(piece.len());
                write.write_all(&piece[..count]).await.expect("the server reads");
                left -= count as u64;
            }
            write
        });
        let mut read = 0;
        let mut next = STEP_BYTES;
        while let Chunk::Bytes(chunk) = incoming.chunk().await {
            read += chunk.len() as u64;
            if read >= next {
                peak = peak.max(resident(program));
                next += STEP_BYTES;
            }
        }
        assert_eq!(read, size, "{path}");
        drop(sends.await.expect("all is sent"));
    }
    peak
}

/// The most memory that is seen while something goes on.
async fn peak_of<T>(program: &Program, what: impl Future<Output = T>) -> (T, u64) {
    tokio::pin!(what);
    let mut peak = 0;
    loop {
        tokio::select! {
            done = &mut what => return (done, peak),
            () = moment() => peak = peak.max(resident(program)),
        }
    }
}

const WORKER: &str = "const path = new URL(request.url).pathname;
    if (path === '/handle') return new Response(request.body);
    if (path === '/transform') return new Response(request.body.pipeThrough(new TransformStream()));
    let left = +path.slice(6) / 65536;
    const made = new ReadableStream({ type: 'bytes', pull(c) {
      if (left-- > 0) c.enqueue(new Uint8Array(65536)); else c.close();
    } });
    return new Response(made.pipeThrough(new TransformStream()));";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[expect(clippy::print_stdout, reason = "figures, for who runs it with --nocapture")]
async fn a_gibibyte_through_a_worker_raises_resident_memory_by_little() {
    let program = Program::start_with(&["--cordons", "2"]).await;
    program.deploy(TENANT, &handler(WORKER)).await;
    // One short run of each first: code, buffers and the heap's first growth are there then.
    for path in ["/handle", "/transform"] {
        passes(&program, path, 32 << 20).await;
    }
    flows(&program, "/made/33554432", 32 << 20).await;
    let before = resident(&program);
    let rise = |peak: u64| peak.saturating_sub(before);
    let handle = rise(passes(&program, "/handle", 1 << 30).await);
    // Through JavaScript it is slower, in a build for tests above all: a quarter will do.
    let transform = rise(passes(&program, "/transform", 256 << 20).await);
    let made = rise(flows(&program, "/made/268435456", 256 << 20).await);
    println!("rise over {before} bytes: handle {handle}, transform {transform}, made {made}");
    let passed = handle.max(transform);
    assert!(passed <= RISE_BYTES_MAX, "{passed} bytes: {handle} {transform} {made}");
    // What a worker makes is its own memory until the engine looks for it.
    assert!(made <= RISE_BYTES_MAX + LITTER_BYTES_MAX, "{handle} {transform} {made}");
}

/// Four values of 24 MiB are three times what memory may rise by.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[expect(clippy::print_stdout, reason = "figures, for who runs it with --nocapture")]
async fn values_of_keys_pass_in_little_memory_both_ways() {
    const VALUE_BYTES: usize = 24 << 20;
    let program = Program::start_with(&["--cordons", "2"]).await;
    let worker = handler(
        "const key = new URL(request.url).pathname;
         if (request.method === 'GET') return new Response(await env.KV.get(key, 'stream'));
         await env.KV.put(key, request.body);
         return new Response('kept');",
    );
    let kv = json!({ "type": "kv_namespace", "name": "KV", "namespace_id": "large" });
    program.deploy(TENANT, &worker.binding(kv)).await;
    let put = async |key: usize| {
        let value = vec![b'a' + key as u8; VALUE_BYTES];
        program.post(TENANT, &format!("/{key}"), value).await.expect_status(200);
    };
    let get = async |key: usize| {
        let value = program.get(TENANT, &format!("/{key}")).await.expect_status(200).text();
        assert_eq!(value.len(), VALUE_BYTES);
        assert!(value.bytes().all(|byte| byte == b'a' + key as u8));
    };
    put(0).await;
    get(0).await;
    let before = resident(&program);
    let (_, puts) = peak_of(&program, join_all((0..4).map(put))).await;
    let (_, gets) = peak_of(&program, join_all((0..4).map(get))).await;
    let [puts, gets] = [puts, gets].map(|peak| peak.saturating_sub(before));
    println!("rise over {before} bytes: puts {puts}, gets {gets}");
    assert!(puts.max(gets) <= RISE_BYTES_MAX, "puts {puts}, gets {gets}");
}

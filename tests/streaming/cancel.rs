//! Ends that are no ends: clients that leave, workers that fail in the middle.

use super::{TENANT, handler};
use crate::host::{Chunk, Host, SOON, moment, within};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_leaves_aborts_the_signal_and_work_put_aside_still_ends() {
    let host = Host::new().start().await;
    let body = "request.signal.addEventListener('abort', () => console.log('aborted',
      request.signal.reason.name));
        ctx.waitUntil((async () => { await scheduler.wait(200); console.log('finished'); })());
        return new Response(new ReadableStream({
          async pull(c) { c.enqueue(new Uint8Array(1000)); await scheduler.wait(5); },
          cancel(reason) { console.log('canceled'); },
        }));";
    host.deploy(TENANT, &handler(body)).await;
    let mut incoming = host.request(TENANT, "GET", "/").open().await;
    assert!(matches!(incoming.chunk().await, Chunk::Bytes(_)));
    drop(incoming);
    let records = host.logs_until(TENANT, |record| record["kind"] == "outcome").await;
    let texts: Vec<String> = records.iter().map(|record| record["message"].to_string()).collect();
    for expected in ["aborted", "canceled", "finished"] {
        assert!(texts.iter().any(|text| text.contains(expected)), "{expected}: {records:#?}");
    }
    assert_eq!(records.last().expect("an outcome")["outcome"], "canceled");
    host.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_leaves_before_the_head_cancels_too() {
    let host = Host::new().start().await;
    let body = "request.signal.addEventListener('abort', () => console.log('aborted'));
        console.log('began'); await scheduler.wait(100000); return new Response('late');";
    host.deploy(TENANT, &handler(body)).await;
    let sending = host.request(TENANT, "GET", "/").sent().await;
    host.logs_until(TENANT, |record| record["message"][0] == "began").await;
    drop(sending);
    let records = host.logs_until(TENANT, |record| record["kind"] == "outcome").await;
    assert_eq!(records.last().expect("an outcome")["outcome"], "canceled", "{records:#?}");
    assert!(records.iter().any(|record| record["message"][0] == "aborted"), "{records:#?}");
    host.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_error_in_the_middle_of_a_response_cuts_it_and_never_ends_it() {
    let host = Host::new().start().await;
    // The end comes once the test has seen the head: before, there would be nothing to cut.
    let body = "const path = new URL(request.url).pathname; const text = new TextEncoder();
        if (path === '/go') { globalThis.gone = true; return new Response(); }
        let count = 0;
        return new Response(new ReadableStream({ async pull(c) {
          if (count++ < 3) return c.enqueue(text.encode('part'));
          while (!globalThis.gone) await scheduler.wait(5);
          globalThis.gone = false;
          if (path === '/throw') throw new Error('midway');
          if (path === '/error') return c.error(new Error('midway'));
          if (path === '/text') return c.enqueue('not bytes');
          if (path === '/spin') for (;;);
          if (path === '/bomb') { const list = []; for (;;) list.push(new Array(1e5).fill(1)); }
          return new Promise(() => {});
        } }));";
    let worker = handler(body).limits(serde_json::json!({ "cpu_ms": 2_000 }));
    host.deploy(TENANT, &worker).await;
    for (path, outcome) in [
        ("/throw", "exception"),
        ("/error", "exception"),
        ("/text", "exception"),
        ("/spin", "exceededCpu"),
        ("/bomb", "exceededMemory"),
        ("/hang", "hung"),
    ] {
        let mut incoming = host.request(TENANT, "GET", path).open().await;
        assert_eq!(incoming.status, 200, "{path}");
        let id = incoming.header("x-bindery-request").expect("an id").to_owned();
        let mut bytes = Vec::new();
        while bytes.len() < 12 {
            bytes.extend(incoming.text().await.into_bytes());
        }
        assert_eq!(bytes, b"partpartpart", "{path}");
        host.get(TENANT, "/go").await.expect_status(200);
        assert_eq!(incoming.rest().await, (Vec::new(), Chunk::Cut), "{path}");
        let of = |record: &serde_json::Value| {
            record["kind"] == "outcome" && record["requestId"] == id.as_str()
        };
        let records = host.logs_until(TENANT, of).await;
        assert_eq!(records.last().expect("an outcome")["outcome"], outcome, "{path} {records:#?}");
    }
    assert_eq!(host.cordon_death_count(), 0);
    host.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_that_breaks_off_is_an_error_to_its_reader() {
    let host = Host::new().start().await;
    let body = "try { await request.text(); console.log('whole'); }
        catch (error) { console.log('broke', error.message); }
        return new Response('late');";
    host.deploy(TENANT, &handler(body)).await;
    let mut sending = host.request(TENANT, "POST", "/").start().await;
    sending.chunk(vec![b'x'; 100_000]).await;
    drop(sending);
    let records = host.logs_until(TENANT, |record| record["kind"] == "outcome").await;
    assert!(records.iter().any(|record| record["message"][0] == "broke"), "{records:#?}");
    host.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_response_whose_body_nobody_reads_any_more_frees_its_slot() {
    let host = Host::new().start().await;
    let body = "return new Response(new ReadableStream({ pull(c) {
      c.enqueue(new Uint8Array(65536)); } }));";
    host.deploy(TENANT, &handler(body)).await;
    // More than an isolate runs at once: each has to be given back.
    for _ in 0..150 {
        let incoming = host.request(TENANT, "GET", "/").open().await;
        assert_eq!(incoming.status, 200);
    }
    let ended = async || {
        let records = host.logs(TENANT).await;
        records.iter().filter(|record| record["outcome"] == "canceled").count()
    };
    within(SOON, "every event's end", async {
        while ended().await < 150 {
            moment().await;
        }
    })
    .await;
    let incoming = host.request(TENANT, "GET", "/").open().await;
    assert_eq!(incoming.status, 200);
    drop(incoming);
    host.shutdown().await;
}

//! What a loaded worker may use.

use serde_json::json;

use super::{TENANT, loading};
use crate::host::Host;

const SPIN: &str = "let n = 0; export default { fetch(request) {
    if (request.url.endsWith('/spin')) for (;;);
    return new Response(String(++n)); } };";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_lowest_limit_on_cpu_time_ends_the_event_and_the_isolate() {
    let host = Host::new().start().await;
    let body = format!(
        "const limits = url.searchParams.has('of-code') ? {{ cpuMs: 50 }} : undefined;
        const worker = env.LOADER.get('x' + url.search, () => code({SPIN:?}, {{ limits }}));
        const entry = limits ? undefined : {{ limits: {{ cpuMs: 50 }} }};
        const stub = worker.getEntrypoint('default', entry);
        return new Response(await ask(stub, '/' + name).catch((error) => error.message));"
    );
    host.deploy(TENANT, &loading(&body)).await;
    for query in ["?of-code", "?of-entrypoint"] {
        let text = async |path: &str| {
            host.get(TENANT, &format!("/{path}{query}")).await.expect_status(200).text()
        };
        assert_eq!(text("a").await, "1", "{query}");
        assert_eq!(text("b").await, "2", "{query}");
        assert!(text("spin").await.contains("exceededCpu"), "{query}");
        // Another isolate of the same worker.
        assert_eq!(text("c").await, "1", "{query}");
    }
    host.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_loaded_worker_makes_as_many_subrequests_as_it_may() {
    let host = Host::new().start().await;
    let body = "const worker = env.LOADER.load(code(`export default { async fetch() {
          const results = [];
          for (let at = 0; at < 5; at++) results.push(await fetch('http://o/').then(() => 'ok', (e) => e.message));
          return Response.json(results);
        } };`, { limits: { subRequests: 4 } }));
        const limits = { subRequests: 2 };
        const own = await (await worker.getEntrypoint().fetch('http://x/')).json();
        const lower = await (await worker.getEntrypoint('default', { limits }).fetch('http://x/')).json();
        return Response.json([own, lower]);";
    host.deploy(TENANT, &loading("return new Response('');").name("origin")).await;
    host.deploy(TENANT, &loading(body).metadata("outbound", json!({ "service": "origin" }))).await;
    let seen = host.get(TENANT, "/").await.expect_status(200).json();
    let counts: Vec<usize> = seen
        .as_array()
        .expect("two lists")
        .iter()
        .map(|list| list.as_array().expect("a list").iter().filter(|one| *one == "ok").count())
        .collect();
    assert_eq!(counts, [4, 2], "{seen}");
    assert!(seen[1][2].as_str().is_some_and(|text| text.starts_with("Too many subrequests.")));
    host.shutdown().await;
}

/// What a loaded worker does does not change its loader's own limits, nor does it lift them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_loads_more_than_it_may_itself() {
    let host = Host::new().start().await;
    let body = format!(
        "const worker = env.LOADER.load(code({SPIN:?}, {{ limits: {{ cpuMs: 1e9 }} }}));
        const before = Date.now();
        return new Response(await ask(worker.getEntrypoint(), '/spin').catch((e) => e.message));"
    );
    host.deploy(TENANT, &loading(&body).limits(json!({ "cpu_ms": 60 }))).await;
    assert!(host.get(TENANT, "/").await.expect_status(200).text().contains("exceededCpu"));
    host.shutdown().await;
}

/// Code that was given lower limits got rid of them by a call of its own exports.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_loaded_worker_keeps_the_limits_of_an_entrypoint_in_calls_of_its_own_exports() {
    let host = Host::new().start().await;
    let body =
        "const worker = env.LOADER.load(code(`export default { async fetch(request, env, ctx) {
          const to = new URL(request.url).pathname;
          if (to === '/plain') return ctx.exports.default.fetch('http://x/');
          if (to === '/props') return ctx.exports.default({ props: {} }).fetch('http://x/');
          let made = 0;
          while (made < 5 && await fetch('http://o/').then(() => true, () => false)) made++;
          return new Response(String(made));
        } };`));
        const stub = worker.getEntrypoint('default', { limits: { subRequests: 2 } });
        const made = [await ask(stub), await ask(stub, '/plain'), await ask(stub, '/props')];
        return new Response(made.join());";
    host.deploy(TENANT, &loading("return new Response('');").name("origin")).await;
    host.deploy(TENANT, &loading(body).metadata("outbound", json!({ "service": "origin" }))).await;
    assert_eq!(host.get(TENANT, "/").await.expect_status(200).text(), "2,2,2");
    host.shutdown().await;
}

/// What a loaded worker handed over breaks with the reason for which it ended.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_loaded_worker_that_a_limit_ends_breaks_its_stubs_with_that_reason() {
    let host = Host::new().start().await;
    let source = "import { RpcTarget, WorkerEntrypoint } from 'cloudflare:workers';
        class Held extends RpcTarget {
          one() { return 1; }
          spin() { for (;;); }
          fill() { const all = []; for (;;) all.push(new Array(1e5).fill(all.length)); }
        }
        export class Main extends WorkerEntrypoint { held() { return new Held(); } }";
    let body = format!(
        "const text = (promise) => promise.then(String, String);
        const worker = env.LOADER.get(name, () => code({source:?}, {{ limits: {{ cpuMs: 300 }} }}));
        const held = await worker.getEntrypoint('Main').held();
        const broken = new Promise((resolve) => held.onRpcBroken(resolve));
        const first = await text(held[name]());
        const fresh = await worker.getEntrypoint('Main').held();
        return Response.json([first, await text(broken), await text(held.one()), await fresh.one()]);"
    );
    host.deploy(TENANT, &loading(&body)).await;
    let cpu = "Error: Worker exceeded CPU time limit.";
    let seen = host.get(TENANT, "/spin").await.expect_status(200).json();
    assert_eq!(seen, json!([cpu, cpu, cpu, 1]));
    let seen = host.get(TENANT, "/fill").await.expect_status(200).json();
    for why in &seen.as_array().expect("a list")[..3] {
        let why = why.as_str().expect("a text");
        assert!(why.contains("memory") || why.contains("CPU"), "{why}");
    }
    assert_eq!(seen[3], 1);
    host.shutdown().await;
}

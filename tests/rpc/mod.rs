//! Calls from worker to worker, as whole servers see them: who they reach, what breaks them, and what
//! is told of them.

mod bytes;
mod frames;
mod numbers;

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::host::{Host, Worker};

const TENANT: &str = "demo";

const CALLEE: &str = "
    import { WorkerEntrypoint, RpcTarget } from 'cloudflare:workers';
    class Held extends RpcTarget {
      spin() { for (;;); }
      never() { return new Promise(() => {}); }
      fill() { const all = []; for (;;) all.push(new Array(1e5).fill(all.length)); }
      one() { return 1; }
    }
    export class Made extends WorkerEntrypoint {
      held() { return new Held(); }
      spin() { for (;;); }
      never() { return new Promise(() => {}); }
      fails() { throw new RangeError('on purpose'); }
      fine() { console.log('called'); return 1; }
      async again(depth) { return 1 + await this.env.SELF.again(depth + 1); }
      async wait(f) { await f(); return 'waited'; }
      echo(value) { return value; }
      self() { return this.ctx.exports.Made({ props: {} }); }
    }
    export default { fetch: () => new Response('default') };";

fn caller(body: &str) -> Worker {
    let source = format!(
        "export default {{ async fetch(request, env, ctx) {{
            const text = (promise) => promise.then(String, String);
            {body}
        }} }};"
    );
    Worker::new(source).binding(service("CALLEE", "Made"))
}

fn service(name: &str, entrypoint: &str) -> Value {
    json!({ "type": "service", "name": name, "service": "callee", "entrypoint": entrypoint })
}

async fn host_with(body: &str) -> Host {
    let host = Host::new().start().await;
    let callee = Worker::new(CALLEE).name("callee").limits(json!({ "cpu_ms": 300 }));
    host.deploy(TENANT, &callee.binding(service("SELF", "Made"))).await;
    host.deploy(TENANT, &caller(body)).await;
    host
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_callee_that_a_limit_ends_breaks_its_stubs_with_that_reason() {
    let host = host_with(
        "using held = await env.CALLEE.held();
         const broken = new Promise((resolve) => held.onRpcBroken(resolve));
         const other = await env.CALLEE.held();
         const what = new URL(request.url).pathname.slice(1);
         const first = await text(held[what]());
         return Response.json([first, await text(broken), await text(held.one())]);",
    )
    .await;
    let seen = host.get(TENANT, "/spin").await.expect_status(200).json();
    let why = "Error: Worker exceeded CPU time limit.";
    assert_eq!(seen, json!([why, why, why]));
    let seen = host.get(TENANT, "/fill").await.expect_status(200).json();
    for text in seen.as_array().expect("a list") {
        let text = text.as_str().expect("a text");
        assert!(text.starts_with("Error: "), "{text}");
        assert!(text.contains("memory") || text.contains("lost"), "{text}");
    }
    host.shutdown().await;
}

/// Calls that reach an isolate whose limit another one has hit have not begun there.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_that_comes_when_its_callee_is_over_a_limit_is_made_in_another() {
    let host = host_with(
        "if (request.url.endsWith('/warm')) return new Response(await text(env.CALLEE.fine()));
         const spin = text(env.CALLEE.spin());
         const all = [];
         for (let at = 0; at < 20; at++) {
           all.push(text(env.CALLEE.fine()), text(env.CALLEE.held().one()));
         }
         return Response.json([await spin, [...new Set(await Promise.all(all))]]);",
    )
    .await;
    assert_eq!(host.get(TENANT, "/warm").await.expect_status(200).text(), "1");
    let seen = host.get(TENANT, "/").await.expect_status(200).json();
    assert_eq!(seen, json!(["Error: Worker exceeded CPU time limit.", ["1"]]));
    host.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cordon_that_dies_breaks_what_its_isolates_handed_over() {
    let host = host_with(
        "using held = await env.CALLEE.held();
         const waiting = text(held.never());
         const broken = new Promise((resolve) => held.onRpcBroken(resolve));
         console.log('ready');
         return Response.json([await waiting, await text(broken)]);",
    )
    .await;
    let tenant = tenant(&host).await;
    let cordon = |worker| host.server().placement().cordon_of(tenant, worker);
    let kill = async |run: usize| {
        let ready = std::cell::Cell::new(0);
        let is_ready = |record: &Value| {
            ready.set(ready.get() + usize::from(record["kind"] == "log"));
            ready.get() == run
        };
        host.logs_until(TENANT, is_ready).await;
        let callee = cordon("callee").expect("it is live");
        let is_alone = cordon("main") != Some(callee);
        crate::host::signal(callee, rustix::process::Signal::KILL);
        is_alone
    };
    let kills = async {
        // What runs in a cordon that dies for no known reason starts alone the next time, and the
        // request is run once more.
        if !kill(1).await {
            assert!(kill(2).await);
        }
    };
    let (seen, ()) = tokio::join!(host.get(TENANT, "/"), kills);
    let lost = "Error: The isolate of the worker `callee` was lost.";
    assert_eq!(seen.expect_status(200).json(), json!([lost, lost]));
    host.shutdown().await;
}

async fn tenant(host: &Host) -> bindery_wire::TenantId {
    let code = host.server().registry().code(TENANT, "callee", None).await;
    code.expect("the worker is there").tenant
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_callee_that_can_never_answer_is_found_to_hang() {
    let host = host_with("return new Response(await text(env.CALLEE.never()));").await;
    let since = Instant::now();
    let text = host.get(TENANT, "/").await.expect_status(200).text();
    assert!(since.elapsed() < Duration::from_secs(10));
    assert!(text.contains("hung"), "{text}");
    host.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_callee_whose_caller_could_still_call_it_is_bounded_by_its_time() {
    let host = Host::new().start().await;
    let callee = Worker::new(CALLEE).name("callee").limits(json!({ "wall_ms": 1_000 }));
    host.deploy(TENANT, &callee.binding(service("SELF", "Made"))).await;
    let body = "using held = await env.CALLEE.held();
        return new Response(await text(held.never()));";
    host.deploy(TENANT, &caller(body)).await;
    let text = host.get(TENANT, "/").await.expect_status(200).text();
    assert_eq!(text, "Error: Worker exceeded its time limit.");
    host.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_is_an_event_of_the_callee_with_its_outcome_and_its_log() {
    let host = host_with(
        "await env.CALLEE.fine();
         return new Response(await text(env.CALLEE.fails()));",
    )
    .await;
    let answer = host.get(TENANT, "/").await.expect_status(200);
    assert_eq!(answer.text(), "RangeError: on purpose");
    let records = host
        .logs_until(TENANT, |record| record["kind"] == "outcome" && record["rpcMethod"] == "fails")
        .await;
    let of = |method: &str| {
        let found = records.iter().find(|r| r["kind"] == "outcome" && r["rpcMethod"] == method);
        let found = found.unwrap_or_else(|| panic!("{method} in {records:#?}"));
        (found["event"].clone(), found["outcome"].clone(), found["worker"].clone())
    };
    assert_eq!(of("fine"), (json!("rpc"), json!("ok"), json!("callee")));
    assert_eq!(of("fails"), (json!("rpc"), json!("exception"), json!("callee")));
    let log = records.iter().find(|record| record["kind"] == "log").expect("a message");
    assert_eq!(log["worker"], "callee");
    let thrown = records.iter().find(|record| record["kind"] == "exception").expect("thrown");
    assert_eq!(thrown["message"], "on purpose");
    host.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn workers_that_call_each_other_come_to_an_end() {
    let host = host_with("return new Response(await text(env.CALLEE.again(0)));").await;
    let text = host.get(TENANT, "/").await.expect_status(200).text();
    assert!(text.starts_with("Error: Subrequest depth limit exceeded."), "{text}");
    host.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_service_is_looked_up_at_the_call_and_only_among_the_tenants_own() {
    let host = Host::new().start().await;
    let body = "return new Response(await text(env.CALLEE.fine()));";
    host.deploy(TENANT, &caller(body)).await;
    host.deploy("other", &Worker::new(CALLEE).name("callee")).await;
    let text = host.get(TENANT, "/").await.expect_status(200).text();
    assert_eq!(text, "Error: The worker `callee` does not exist.");
    host.deploy(TENANT, &Worker::new(CALLEE).name("callee")).await;
    assert_eq!(host.get(TENANT, "/").await.expect_status(200).text(), "1");
    let body = "return new Response(await text(env.CALLEE.any()));";
    let worker = Worker::new(format!(
        "export default {{ async fetch(request, env) {{
            const text = (promise) => promise.then(String, String); {body} }} }};"
    ));
    host.deploy(TENANT, &worker.binding(service("CALLEE", "Nobody"))).await;
    let text = host.get(TENANT, "/").await.expect_status(200).text();
    assert_eq!(text, "Error: Worker has no such entrypoint: Nobody");
    host.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stub_is_of_the_event_that_was_handed_it() {
    let host = Host::new().start().await;
    host.deploy(TENANT, &Worker::new(CALLEE).name("callee")).await;
    let source = "let kept;
        export default { async fetch(request, env) {
          if (kept === undefined) { kept = await env.CALLEE.held(); return new Response('kept'); }
          return new Response(await kept.one().then(String, String));
        } };";
    host.deploy(TENANT, &Worker::new(source).binding(service("CALLEE", "Made"))).await;
    assert_eq!(host.get(TENANT, "/").await.text(), "kept");
    let text = host.get(TENANT, "/").await.expect_status(200).text();
    assert!(
        text.starts_with("Error: Cannot perform I/O on behalf of a different request."),
        "{text}"
    );
    host.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_comes_home_to_its_event_is_called_without_the_host() {
    let host = Host::new().start().await;
    let callee = Worker::new(CALLEE).name("callee");
    host.deploy(TENANT, &callee.binding(service("SELF", "Made"))).await;
    // What the host answers is never there before the code has ended its turn.
    let body = "const home = await env.CALLEE.echo(() => 1);
        using held = await env.CALLEE.held();
        const isThere = async (call) => {
            let there = false;
            call.then(() => there = true);
            for (let turns = 0; turns < 100; turns++) await null;
            return there;
        };
        return Response.json([await isThere(home()), await isThere(held.one())]);";
    host.deploy(TENANT, &caller(body)).await;
    assert_eq!(host.get(TENANT, "/").await.expect_status(200).json(), json!([true, false]));
    host.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_callee_that_hands_on_what_it_was_given_ends_well() {
    let host = host_with(
        "using back = await env.CALLEE.echo(() => 1);
         const pipelined = env.CALLEE.echo((value) => value)(2);
         const seen = [];
         const nested = env.CALLEE.echo({ a: { b: (value) => seen.push(value) } });
         const before = nested.a.b('before');
         const { a } = await nested;
         await Promise.all([a.b('after'), before]);
         return Response.json([await back(), await pipelined, ...seen]);",
    )
    .await;
    assert_eq!(
        host.get(TENANT, "/").await.expect_status(200).json(),
        json!([1, 2, "before", "after"])
    );
    let ended = std::cell::Cell::new(0);
    let all = |record: &Value| {
        ended.set(ended.get() + usize::from(record["rpcMethod"] == "echo"));
        ended.get() == 3
    };
    let records = host.logs_until(TENANT, all).await;
    for record in &records {
        assert_eq!((&record["kind"], &record["outcome"]), (&json!("outcome"), &json!("ok")));
    }
    host.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_callee_lasts_for_as_long_as_something_of_it_is_held_and_no_longer() {
    let host = host_with(
        "const held = await env.CALLEE.held();
         await scheduler.wait(300);
         const one = await held.one();
         held[Symbol.dispose]();
         await scheduler.wait(300);
         console.log('before the end');
         return new Response(String(one));",
    )
    .await;
    assert_eq!(host.get(TENANT, "/").await.expect_status(200).text(), "1");
    let records = host.logs_until(TENANT, |record| record["kind"] == "log").await;
    let ended = records.iter().find(|r| r["kind"] == "outcome" && r["rpcMethod"] == "held");
    let ended = ended.expect("the callee has ended when nothing of it is held");
    assert_eq!(ended["outcome"], "ok");
    assert!(ended["wallUs"].as_u64().expect("a number") >= 290_000, "{ended}");
    host.shutdown().await;
}

//! Code that does not end: the event does, and nobody else is slowed to a failure.

use serde_json::json;

use super::{Crime, Scene};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_loop_ends_with_its_cpu_time_wherever_it_stands() {
    let scene = Scene::start().await;
    for body in [
        "while (true) {}",
        "await 1; for (;;) {}",
        "for (;;) { try { for (;;); } catch {} finally { while (1); } }",
        "try { for (;;); } finally { while (1); }",
        "return new Response(new ReadableStream({ start() { for (;;); } }));",
        "setTimeout(() => {}, { valueOf() { for (;;); } }); return new Response();",
        "return new Response({ toString() { for (;;); } });",
        "return new Response('', new Proxy({}, { get() { for (;;); } }));",
        "console.count({ toString() { for (;;); } }); return new Response();",
        "[3, 2, 1].sort(() => { for (;;); });",
        "throw { get message() { for (;;); }, get stack() { for (;;); } };",
    ] {
        scene.convict(&Crime::cpu(body)).await;
    }
    scene.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn microtasks_and_timers_that_never_end_are_charged_together() {
    let scene = Scene::start().await;
    for body in [
        "for (;;) await null;",
        "const again = () => queueMicrotask(again); again(); return await new Promise(() => {});",
        "async function f() { await null; return f(); } await f();",
        "for (;;) Promise.resolve().then(() => {});",
        // Each callback is short: only their sum is over the limit.
        "const tick = () => { for (let i = 0; i < 1e5; i++); setTimeout(tick, 0); }; tick();
         return await new Promise(() => {});",
        "const storm = () => { try { setTimeout(storm); setTimeout(storm); } catch {} }; storm();
         return await new Promise(() => {});",
        "setInterval(() => { for (let i = 0; i < 1e5; i++); }, 0);
          return await new Promise(() => {});",
    ] {
        scene.convict(&Crime::cpu(body)).await;
    }
    scene.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn slow_work_of_the_engine_is_ended_too() {
    let scene = Scene::start().await;
    for body in [
        "return new Response(/(a+)+b/.test('a'.repeat(40)));",
        "return new Response(String((3n ** 3_000_000n) ** 20n).length);",
        "JSON.stringify({ toJSON() { for (;;); } });",
        "const list = Array.from({ length: 5e6 }, (_, i) => -i); for (;;) list.sort();",
        "for (;;) structuredClone([1, 2, 3]);",
        "const code = new Uint8Array([0,97,115,109,1,0,0,0]); for (;;) WebAssembly.validate(code);",
    ] {
        let crime = Crime { limits: json!({ "cpu_ms": 200 }), ..Crime::cpu(body) };
        scene.convict(&crime).await;
    }
    scene.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn recursion_is_an_exception_that_its_worker_could_catch() {
    let scene = Scene::start().await;
    let stack = "Maximum call stack size exceeded";
    for body in [
        "const f = () => f(); f();",
        "const f = async () => { await f(); }; await f();",
        "let list = []; for (let i = 0; i < 1e5; i++) list = [list]; JSON.stringify(list);",
        "const p = new Proxy({}, {}); Object.setPrototypeOf(p, p).x;",
    ] {
        scene.convict(&Crime::exception(body, "")).await;
    }
    scene.convict(&Crime::exception("const f = () => f(); f();", stack)).await;
    let caught = "const f = () => f(); try { f(); } catch (e) { return new Response(e.name); }";
    let answer = scene.commit(caught, json!({})).await.expect_status(200);
    assert_eq!(answer.text(), "RangeError");
    scene.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_response_that_can_never_come_is_found() {
    let scene = Scene::start().await;
    let hung = |body| Crime {
        status: 500,
        code: "HUNG",
        outcome: "hung",
        message: "would never generate a response",
        ..Crime::cpu(body)
    };
    for body in [
        "await new Promise(() => {});",
        "request.signal.addEventListener('abort', () => {}); await new Promise(() => {});",
        "return { then() {} };",
    ] {
        scene.convict(&hung(body)).await;
    }
    scene.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_event_that_waits_is_served_by_another_isolate_when_its_own_is_condemned() {
    let scene = Scene::start().await;
    // The spinning event holds the thread: the others wait in the socket behind it.
    let body =
        "if (new URL(request.url).pathname === '/spin') for (;;); return new Response('ok');";
    let answer = scene.commit(body, json!({ "cpu_ms": 200 })).await;
    answer.expect_status(200);
    let spin = scene.host.request(super::EVIL, "GET", "/spin").sent().await;
    let mut waiting = Vec::new();
    for _ in 0..10 {
        waiting.push(scene.host.request(super::EVIL, "POST", "/").body("x").sent().await);
    }
    spin.head().await.whole().await.expect_failure(503, "EXCEEDED_CPU");
    for request in waiting {
        assert_eq!(request.head().await.whole().await.expect_status(200).text(), "ok");
    }
    scene.end().await;
}

//! Allocation bombs, in and outside the engine's heap: the isolate ends, and the cordon lives.

use serde_json::json;

use super::{Crime, Scene};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_heap_over_its_limit_ends_the_isolate_and_not_the_cordon() {
    let scene = Scene::start().await;
    for body in [
        "const list = []; for (;;) list.push({ a: 1, b: [2] });",
        "const list = []; for (;;) list.push(new Array(1e5).fill(1));",
        "let text = 'x'; for (;;) { text += text + Math.random(); text.at(5) + text.charCodeAt(3); }",
        "const map = new Map(); for (let i = 0;; i++) map.set(i, { i });",
        "const list = []; for (;;) list.push(new Promise(() => {}));",
        "const list = []; for (;;) { list.push(() => list); await null; }",
        "const list = []; for (;;) { list.push(Promise.resolve(list).then(() => {})); }",
        "const list = []; for (let i = 0;; i++) list.push(`${i}`.padStart(1000, i));",
        "globalThis.a = []; const more = () => { for (let i = 0; i < 1e4; i++) a.push({ i });
         setTimeout(more, 0); }; more(); await new Promise(() => {});",
    ] {
        scene.convict(&Crime::memory(body)).await;
    }
    assert_eq!(scene.host.cordon_death_count(), 0);
    scene.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn memory_outside_the_heap_counts_too() {
    let scene = Scene::start().await;
    for body in [
        "const list = []; for (;;) try { list.push(new Uint8Array(1 << 20).fill(1)); } catch {}",
        "const list = []; for (;;) try {
           list.push(new WebAssembly.Memory({ initial: 16, maximum: 1024 }));
           list.at(-1).grow(16);
         } catch {}",
    ] {
        scene.convict(&Crime::memory(body)).await;
    }
    assert_eq!(scene.host.cordon_death_count(), 0);
    scene.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_buffer_that_can_not_be_had_is_refused_and_nobody_else_notices() {
    let scene = Scene::start().await;
    for make in [
        "new ArrayBuffer(2 ** 33)",
        "new ArrayBuffer(200 << 20)",
        "new ArrayBuffer(8, { maxByteLength: 2 ** 40 })",
        "new WebAssembly.Memory({ initial: 65536 })",
        "'x'.repeat(2 ** 30)",
        "new Array(2 ** 32)",
    ] {
        let body = format!(
            "try {{ {make}; }} catch (e) {{ return new Response(e.name); }}
             return new Response('made');"
        );
        let answer = scene.commit(&body, json!({ "memory_mb": 48 })).await;
        // Where the engine gives up only after it has looked at all memory, the limit comes first.
        let caught = (answer.status, answer.body.as_slice()) == (200, b"RangeError");
        assert!(caught || answer.code() == "EXCEEDED_MEMORY", "{make}: {answer}");
    }
    assert_eq!(scene.host.cordon_death_count(), 0);
    scene.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_host_holds_for_a_worker_is_bounded_by_the_same_limit() {
    let scene = Scene::start().await;
    for body in [
        "const list = []; for (;;) { list.push(new Blob(['x'.repeat(1 << 20)])); await null; }",
        "const stream = new ReadableStream({ pull(c) { c.enqueue(new Uint8Array(1 << 20)); } });
         const [a, b] = stream.tee(); for await (const _ of a);",
        "const text = new TextEncoder(); const list = [];
         for (;;) list.push(text.encode('x'.repeat(1 << 20)));",
    ] {
        scene.convict(&Crime::memory(body)).await;
    }
    assert_eq!(scene.host.cordon_death_count(), 0);
    scene.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_huge_json_ends_its_own_event_only() {
    let scene = Scene::start().await;
    // Sixteen million small arrays: the parser itself does not look whether it should end.
    let body = "const text = '[' + '[],'.repeat(4e6) + '[]]'; return new Response(JSON.parse(text).length);";
    scene.convict(&Crime::memory(body)).await;
    let deep = "return new Response(JSON.parse('['.repeat(5e5) + ']'.repeat(5e5)).length);";
    let answer = scene.commit(deep, json!({ "memory_mb": 128, "cpu_ms": 10_000 })).await;
    assert!(matches!(answer.status, 200 | 500 | 503), "{answer}");
    assert_eq!(scene.host.cordon_death_count(), 0);
    scene.end().await;
}

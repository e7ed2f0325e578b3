//! Allocation bombs, in and outside the engine's heap: the isolate ends, and the cordon lives.

use serde_json::json;

use super::{Crime, Scene};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_heap_over_its_limit_ends_the_isolate_and_not_the_cordon() {
    let scene = Scene::start().await;
    for body in [
        "const list = []; for (;;) list.push({ a: 1, b: [2] });",
        "const list = []; for (;;) list.push(new Array(1e5).fill(1));",
        "let text = 'x'; for (;;) { text += text + Math.random();
          text.at(5) + text.charCodeAt(3); }",
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
        "const list = []; for (;;) try {
           const buffer = new ArrayBuffer(8, { maxByteLength: 1 << 26 });
           buffer.resize(1 << 26); new Uint8Array(buffer).fill(1); list.push(buffer);
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
async fn address_space_that_one_worker_reserves_is_not_missing_to_its_neighbours() {
    let scene = Scene::start().await;
    let body = "globalThis.list = [];
        try { for (let i = 0; i < 1000; i++) list.push(new ArrayBuffer(8, {
          maxByteLength: 2 ** 40 })); }
        catch (e) { return new Response(e.name); } return new Response('all');";
    let answer = scene.commit(body, json!({})).await;
    assert!(matches!(answer.status, 200 | 503), "{answer}");
    // New isolates need address space beside what is held now.
    for number in 0..8 {
        let tenant = format!("late-{number}");
        scene.host.deploy(&tenant, &crate::host::Worker::new(super::HELLO)).await;
        scene.host.get(&tenant, "/").await.expect_status(200);
    }
    assert_eq!(scene.host.cordon_death_count(), 0);
    scene.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_huge_json_is_its_senders_loss_and_nobody_elses() {
    let scene = Scene::start().await;
    // The parser itself does not look whether it should end: the isolate may have to be ended
    // from outside, with its cordon.
    for body in [
        "const text = '[' + '[],'.repeat(4e6) + '[]]';
          return new Response(JSON.parse(text).length);",
        "return new Response(JSON.parse('['.repeat(5e5) + ']'.repeat(5e5)).length);",
    ] {
        let answer = scene.commit(body, json!({ "memory_mb": 48, "cpu_ms": 1_000 })).await;
        let told = ["EXCEEDED_MEMORY", "EXCEEDED_CPU", "ISOLATE_LOST", "EXCEPTION"];
        let ended = told.contains(&answer.code().as_str()) || answer.status == 200;
        assert!(ended, "{body}: {answer}");
    }
    scene.end().await;
}

//! Floods of the log and of timers.

use serde_json::json;

use super::{EVIL, Scene, records_of};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_of_messages_is_cut_off_and_said_to_be() {
    let scene = Scene::start().await;
    let body = "for (let i = 0; i < 20000; i++) console.log('x'.repeat(100));
        console.error('never seen'); return new Response('ok');";
    let answer = scene.commit(body, json!({ "cpu_ms": 10_000 })).await.expect_status(200);
    let records = records_of(&scene.host, &answer).await;
    let messages: Vec<String> = records
        .iter()
        .filter(|record| record["kind"] == "log")
        .map(|record| record["message"].to_string())
        .collect();
    let last = messages.last().expect("messages");
    let told =
        "further messages of this event are dropped; the limit log_bytes_max is 262144 bytes";
    assert_eq!(*last, format!("[\"{told}: log less\"]"));
    let bytes: usize = messages.iter().map(String::len).sum();
    assert!(bytes <= (256 << 10) + last.len(), "{bytes} bytes of messages");
    scene.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_of_exceptions_is_cut_off_too() {
    let scene = Scene::start().await;
    for flood in [
        "for (let i = 0; i < 20000; i++) reportError(new Error('x'.repeat(1000)));",
        "for (let i = 0; i < 20000; i++) Promise.reject(new Error('x'.repeat(1000)));",
    ] {
        let body = format!("{flood} await null; return new Response('ok');");
        let answer = scene.commit(&body, json!({ "cpu_ms": 20_000 })).await.expect_status(200);
        let records = records_of(&scene.host, &answer).await;
        let bytes: usize = records.iter().map(|record| record.to_string().len()).sum();
        assert!(records.len() > 10, "{flood} left {} records", records.len());
        // Each record is longer as JSON than what is counted of it.
        assert!(bytes <= 1 << 20, "{flood} left {bytes} bytes of records");
    }
    scene.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_value_that_is_huge_is_shortened_in_the_log() {
    let scene = Scene::start().await;
    let body = "console.log({ list: new Array(1e6).fill('y'.repeat(100)) }, 'z'.repeat(1e7));
        const o = {}; o.o = o; console.log(o); return new Response('ok');";
    let answer = scene.commit(body, json!({ "cpu_ms": 10_000 })).await.expect_status(200);
    let records = records_of(&scene.host, &answer).await;
    let text = serde_json::to_string(&records).expect("JSON");
    assert!(text.len() < 100_000, "{} bytes", text.len());
    assert!(text.contains("(10000000 characters)") && text.contains("[Circular]"), "{text}");
    scene.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_ten_thousand_and_first_timer_is_refused() {
    let scene = Scene::start().await;
    let body = "let count = 0;
        try { for (;;) { setTimeout(() => {}, 1e6); count++; } }
        catch (e) { return new Response(`${count} ${e.name} ${e.message}`); }";
    let answer = scene.commit(body, json!({ "cpu_ms": 10_000 })).await.expect_status(200);
    assert_eq!(
        answer.text(),
        "10000 QuotaExceededError You have exceeded the number of active timers you may set: 10000. \
         (the limit timer_count_max is 10000: clear timers that nobody waits for)"
    );
    // The answered event's timers are gone with it: the next one has as many.
    assert_eq!(scene.host.get(EVIL, "/").await.expect_status(200).text(), answer.text());
    scene.end().await;
}

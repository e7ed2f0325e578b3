//! Code that ends its whole cordon: who did it is known, and pays for it alone.

use serde_json::json;

use super::{EVIL, HELLO, Scene, cordon_of, handler, neighbours, records_of};
use crate::host::{Chunk, Host, Worker};

const KILL: &str = "if (new URL(request.url).pathname === '/kill') {
    'x'.repeat(2 ** 28).split(''); } return new Response('alive');";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_that_kills_its_cordon_is_told_so_and_starts_in_one_of_its_own() {
    let scene = Scene::start().await;
    let answer = scene.commit(KILL, json!({})).await.expect_status(200);
    assert_eq!(answer.text(), "alive");
    let before = scene.host.cordon_pids();
    let answer = scene.host.get(EVIL, "/kill").await.expect_failure(503, "ISOLATE_LOST");
    assert_eq!(answer.outcome(), Some("lost"));
    assert!(answer.header("retry-after").is_some(), "{answer}");
    let records = records_of(&scene.host, &answer).await;
    assert_eq!(records.last().expect("an outcome")["outcome"], "lost", "{records:#?}");
    assert_eq!(scene.host.cordon_death_count(), 1);
    // The next request is served, by a cordon that stands for nobody else.
    assert_eq!(scene.host.get(EVIL, "/").await.expect_status(200).text(), "alive");
    let quarantine = cordon_of(&scene.host, EVIL).await.expect("it is live");
    let standing = scene.host.cordon_pids();
    assert!(!before.contains(&quarantine) && !standing.contains(&quarantine));
    // There it may kill again, and nobody else notices at all.
    scene.host.get(EVIL, "/kill").await.expect_failure(503, "ISOLATE_LOST");
    assert_eq!(scene.host.get(EVIL, "/").await.expect_status(200).text(), "alive");
    scene.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_that_began_before_its_cordon_died_is_cut_and_one_elsewhere_goes_on() {
    let host = Host::new().start().await;
    host.deploy(EVIL, &Worker::new(HELLO)).await;
    let (near, far) = neighbours(&host).await;
    let stream = Worker::new(
        "export default { fetch() { return new Response(new ReadableStream({
           async pull(c) { c.enqueue(new TextEncoder().encode('tick\\n'));
             await scheduler.wait(5); }
         })); } };",
    );
    host.deploy(&near, &stream).await;
    host.deploy(&far, &stream).await;
    let mut cut = host.request(&near, "GET", "/").open().await;
    let mut whole = host.request(&far, "GET", "/").open().await;
    assert!(cut.text().await.starts_with("tick"));
    host.deploy(EVIL, &Worker::new(handler(KILL))).await;
    host.get(EVIL, "/kill").await.expect_failure(503, "ISOLATE_LOST");
    assert_eq!(cut.rest().await.1, Chunk::Cut);
    for _ in 0..20 {
        assert!(whole.text().await.contains("tick"));
    }
    drop(whole);
    host.shutdown().await;
}

//! kill -9 of a cordon, and of the server.

use rustix::process::Signal;
use serde_json::json;

use super::{TENANT, cordon_of, handler, says, until};
use crate::host::{Chunk, Host, Program, Worker, runs, signal};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_in_a_killed_cordon_end_truthfully_and_the_next_is_served() {
    let host = Host::new().start().await;
    let body = "const path = new URL(request.url).pathname;
        if (path === '/wait') { console.log('waits'); await scheduler.wait(1e6); }
        if (path === '/once' && !env.SEEN) { console.log('waits'); await scheduler.wait(400); }
        if (path === '/stream') return new Response(new ReadableStream({ async pull(c) {
          c.enqueue(new Uint8Array(10)); await scheduler.wait(5); } }));
        return new Response('ok');";
    host.deploy(TENANT, &handler(body)).await;
    let mut stream = host.request(TENANT, "GET", "/stream").open().await;
    assert!(matches!(stream.chunk().await, Chunk::Bytes(_)));
    let post = host.request(TENANT, "POST", "/wait").body("x").sent().await;
    host.logs_until(TENANT, |record| record["message"][0] == "waits").await;
    let get = host.request(TENANT, "GET", "/once").sent().await;
    host.logs_until(TENANT, |r| r["kind"] == "log" && r["requestId"].is_string() && waits(r)).await;
    until("both to run", async || waiting(&host).await >= 2).await;
    let cordon = cordon_of(&host, TENANT).await.expect("it is live");
    signal(cordon, Signal::KILL);
    // What has begun to answer is cut, what may have had effects is lost, a GET is run again.
    assert_eq!(stream.rest().await.1, Chunk::Cut);
    let lost = post.head().await.whole().await.expect_failure(503, "ISOLATE_LOST");
    assert_eq!(lost.outcome(), Some("lost"));
    assert!(lost.header("retry-after").is_some());
    assert_eq!(get.head().await.whole().await.expect_status(200).text(), "ok");
    assert_eq!(host.get(TENANT, "/").await.expect_status(200).text(), "ok");
    assert_eq!(host.cordon_death_count(), 1);
    assert!(!runs(cordon));
    until("the place to be filled", async || host.cordon_pids().len() == 2).await;
    host.shutdown().await;
}

fn waits(record: &serde_json::Value) -> bool {
    record["message"][0] == "waits"
}

/// How many records say that a request waits.
async fn waiting(host: &Host) -> usize {
    host.logs(TENANT).await.iter().filter(|record| waits(record)).count()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_ran_in_a_cordon_that_died_unexplained_starts_apart_once() {
    let host = Host::new().start().await;
    let body = "if (new URL(request.url).pathname === '/wait') { console.log('waits');
      await scheduler.wait(1e6); }
        return new Response('ok');";
    host.deploy(TENANT, &handler(body)).await;
    let post = host.request(TENANT, "POST", "/wait").body("x").sent().await;
    host.logs_until(TENANT, waits).await;
    signal(cordon_of(&host, TENANT).await.expect("it is live"), Signal::KILL);
    post.head().await.whole().await.expect_failure(503, "ISOLATE_LOST");
    host.get(TENANT, "/").await.expect_status(200);
    until("the place to be filled", async || host.cordon_pids().len() == 2).await;
    let apart = cordon_of(&host, TENANT).await.expect("it is live");
    assert!(!host.cordon_pids().contains(&apart), "a bystander that was busy starts alone");
    // Its next version is another one, and not under suspicion.
    host.deploy(TENANT, &says("new")).await;
    assert_eq!(host.get(TENANT, "/").await.expect_status(200).text(), "new");
    let free = cordon_of(&host, TENANT).await.expect("it is live");
    assert!(host.cordon_pids().contains(&free));
    until("the cordon that stood apart to end", async || !runs(apart)).await;
    host.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cordons_that_are_killed_again_and_again_come_back() {
    let host = Host::new().cordons(1).start().await;
    host.deploy(TENANT, &says("ok")).await;
    for round in 0..4 {
        until("a cordon", async || !host.cordon_pids().is_empty()).await;
        let pid = host.cordon_pids()[0];
        signal(pid, Signal::KILL);
        until("its death", async || host.cordon_death_count() > round).await;
        assert_eq!(host.get(TENANT, "/").await.expect_status(200).text(), "ok");
    }
    host.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_server_leaves_no_cordon_and_loses_nothing_that_was_acknowledged() {
    let mut program = Program::start_with(&["--cordons", "2"]).await;
    let source =
        "export default { fetch(_, env) { return new Response(`${env.KEY} ${env.LATE}`); } };";
    let worker = Worker::new(source).secret("KEY", "hush").secret("LATE", "first");
    program.deploy(TENANT, &worker).await;
    let version = program.deploy("other", &says("other")).await["version"].clone();
    let token = program.admin("POST", "/v1/tenants/demo/tokens").send().await.expect_status(201);
    let token = token.json()["token"].as_str().expect("a token").to_owned();
    let path = "/v1/tenants/demo/workers/main/secrets/LATE";
    let put = program.put(path, &json!({ "text": "second" })).await;
    assert!(matches!(put.status, 200 | 201 | 204), "{put}");
    let cordons = program.cordon_pids();
    assert_eq!(cordons.len(), 2);
    program.kill().await;
    until("the cordons' end", async || !cordons.iter().any(|pid| runs(*pid))).await;
    program.again().await;
    assert_eq!(program.get(TENANT, "/").await.expect_status(200).text(), "hush second");
    assert_eq!(program.get("other", "/").await.expect_status(200).text(), "other");
    let shown = program.admin("GET", "/v1/tenants/other/workers/main").send().await;
    assert_eq!(shown.expect_status(200).json()["version"], version);
    let tenant = crate::host::Doors { token, ..(*program).clone() };
    tenant.admin("GET", "/v1/tenants/demo/workers").send().await.expect_status(200);
    assert_eq!(program.terminate().await, Some(0));
}

//! Workers that are registered, and what starts them when nobody is calling.

use std::time::Duration;

use serde_json::{Value, json};

use super::{TENANT, loading};
use crate::host::Host;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_registered_worker_is_there_after_a_restart_and_goes_with_its_loader() {
    let mut host = Host::new().start().await;
    let body = "if (name === 'register') {
          const source = 'export default { async fetch(r, env, ctx) { return Response.json(' +
            '[env.a, ctx.props, await (await env.SVC.fetch(\"http://y/\")).text()]); } };';
          await env.LOADER.register('child', code(source, { env: { a: [1], SVC: env.SVC } }));
          return new Response('registered');
        }
        const props = { p: 1 };
        const stub = env.LOADER.registered('child').getEntrypoint('default', { props });
        return new Response(await ask(stub).catch((error) => error.message));";
    let service = json!({ "type": "service", "name": "SVC", "service": "svc" });
    host.deploy(TENANT, &loading("return new Response('svc');").name("svc")).await;
    host.deploy(TENANT, &loading(body).binding(service.clone())).await;
    assert_eq!(host.get(TENANT, "/register").await.expect_status(200).text(), "registered");
    host.restart().await;
    let wanted = r#"[[1],{"p":1},"svc"]"#;
    assert_eq!(host.get(TENANT, "/").await.expect_status(200).text(), wanted);
    // Neither another version of its loader nor one that was rolled back changes it.
    host.deploy(TENANT, &loading(&format!("/* another */ {body}")).binding(service.clone())).await;
    assert_eq!(host.get(TENANT, "/").await.expect_status(200).text(), wanted);
    // Nobody reaches it by a name of the front door.
    host.get(&format!("child.{TENANT}"), "/").await.expect_failure(404, "NO_WORKER");
    host.admin("DELETE", "/v1/tenants/acme/workers/main").send().await.expect_status(204);
    host.deploy(TENANT, &loading(body).binding(service)).await;
    let gone = "There is no registered worker `main/child`.";
    assert_eq!(host.get(TENANT, "/").await.expect_status(200).text(), gone);
    host.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_registered_is_one_tenants_and_one_workers_own() {
    let host = Host::new().start().await;
    let body = "if (name !== 'look') await env.LOADER.register('child', code(
            'export default { fetch: () => new Response(\"' + name + '\") };'));
        return new Response(await ask(env.LOADER.registered('child').getEntrypoint())
          .catch((error) => error.message));";
    host.deploy(TENANT, &loading(body)).await;
    host.deploy(TENANT, &loading(body).name("second")).await;
    host.deploy("other", &loading(body)).await;
    let text = async |to: &str, path| host.get(to, path).await.expect_status(200).text();
    assert_eq!(text(TENANT, "/one").await, "one");
    assert!(text("second.acme", "/look").await.starts_with("There is no registered worker"));
    assert!(text("other", "/look").await.starts_with("There is no registered worker"));
    assert_eq!(text("second.acme", "/two").await, "two");
    assert_eq!(text(TENANT, "/look").await, "one");
    host.shutdown().await;
}

/// With nobody calling, and after a restart: what runs is in the store.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_registered_workers_crons_run_after_a_restart_and_end_with_it() {
    let mut host = Host::new().still_clock().start().await;
    let body = r#"const source = 'export default { fetch: () => new Response(""), ' +
            'scheduled(c, env) { console.log("ran", env.a, c.cron, c.scheduledTime); } };';
        if (name === 'forget') return Response.json(await env.LOADER.unregister('child'));
        await env.LOADER.register('child', code(source, { env: { a: 1 } }), { crons: ['* * * * *'] });
        return new Response('registered');"#;
    host.deploy(TENANT, &loading(body)).await;
    assert_eq!(host.get(TENANT, "/").await.expect_status(200).text(), "registered");
    host.restart().await;
    host.clock().advance(Duration::from_secs(60));
    let ran = |record: &Value| record["message"][0] == "ran";
    let records = host.logs_until(TENANT, ran).await;
    let record = records.iter().find(|record| ran(record)).expect("it ran");
    assert_eq!(record["worker"], "main/child");
    assert_eq!(record["message"], json!(["ran", 1, "* * * * *", 1_800_000_060_000_u64]));
    assert_eq!(host.get(TENANT, "/forget").await.expect_status(200).text(), "true");
    assert_eq!(host.get(TENANT, "/forget").await.expect_status(200).text(), "false");
    host.shutdown().await;
}

/// With nobody calling, and after a restart; and whoever else would have the queue is told whose it
/// is.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_registered_workers_queues_are_delivered_after_a_restart_and_end_with_it() {
    let mut host = Host::new().still_clock().start().await;
    let body = r#"const source = (n) => 'export default { fetch: () => new Response(""), ' +
            'queue(b, env) { console.log("took", env.a, b.messages[0].body, ' + n + '); } };';
        const triggers = (...queues) => ({ queueConsumers: queues.map((queue) =>
            ({ queue, max_batch_timeout: 0 })) });
        const register = (child, n, ...queues) => env.LOADER.register(child,
            code(source(n), { env: { a: 1 } }), triggers(...queues));
        const does = {
          first: () => register('child', 1, 'jobs', 'mail'),
          again: () => register('child', 2, 'jobs'),
          second: () => register('second', 3, 'jobs'),
          mail: () => register('second', 3, 'mail'),
          forget: () => env.LOADER.unregister('child'),
          named: () => env.QUEUES.get('named', { consumer: 'main/child', maxBatchTimeout: 0 })
            .send('by name').then(() => 'sent'),
          wrong: () => env.QUEUES.get('named', { consumer: 'main/' }).send(1),
          unkept: () => ask(env.LOADER.load(code('export default { fetch: (r, env) => ' +
            'env.QUEUES.get("own", {}).send(1).catch((e) => new Response(e.message)) };',
            { env: { QUEUES: env.QUEUES } })).getEntrypoint()),
        };
        if (name in does) {
          return Response.json(await does[name]().catch((error) => error.message) ?? 'done');
        }
        await env.QUEUES.get(name).send(url.search, { delaySeconds: 60 });
        return Response.json('sent');"#;
    let queues = json!({ "type": "dynamic_queue", "name": "QUEUES" });
    let main = || loading(body).binding(queues.clone());
    host.deploy(TENANT, &main()).await;
    let text = async |host: &Host, path: &str| {
        host.get(TENANT, path).await.expect_status(200).json().to_string()
    };
    for (path, said) in [("/first", "\"done\""), ("/jobs?one", "\"sent\"")] {
        assert_eq!(text(&host, path).await, said);
    }
    host.restart().await;
    let took = |record: &Value| record["message"][0] == "took";
    host.clock().advance(Duration::from_secs(60));
    let records = host.logs_until(TENANT, took).await;
    let record = records.iter().find(|record| took(record)).expect("it ran");
    assert_eq!(record["worker"], "main/child");
    assert_eq!(record["message"], json!(["took", 1, "?one", 1]));
    // Registered anew, it has one queue and other code; the other queue is free.
    let refused = "the messages of the queue `jobs` are those of the worker `main/child`: \
                   let `main` unregister `child` first";
    let declared = json!([{ "queue": "jobs" }]);
    let other = loading("").name("other").metadata("queue_consumers", declared);
    for (path, said) in [
        ("/mail", "`mail`"),
        ("/again", "done"),
        ("/mail", "done"),
        ("/second", refused),
        ("/jobs?two", "sent"),
    ] {
        let text = text(&host, path).await;
        assert!(text.contains(said), "{path}: {text}");
    }
    let uploaded = host.upload(TENANT, &other).await.expect_status(409).text();
    assert!(uploaded.contains(refused), "{uploaded}");
    host.clock().advance(Duration::from_secs(60));
    host.logs_until(TENANT, |record| record["message"] == json!(["took", 1, "?two", 2])).await;
    // A queue that is made as a worker runs can have it by its name; one that is not kept can not.
    assert_eq!(text(&host, "/named").await, "\"sent\"");
    host.logs_until(TENANT, |record| record["message"] == json!(["took", 1, "by name", 2])).await;
    for (path, said) in [("/wrong", "the name of a registered worker"), ("/unkept", "register it")]
    {
        let text = text(&host, path).await;
        assert!(text.contains(said), "{path}: {text}");
    }
    // Without it, the queue is whose it was not.
    assert_eq!(text(&host, "/forget").await, "true");
    host.upload(TENANT, &other).await.expect_status(200);
    host.admin("DELETE", "/v1/tenants/acme/workers/main").send().await.expect_status(204);
    let queue = host.admin("GET", "/v1/tenants/acme/queues/mail").send().await.expect_status(200);
    assert_eq!(queue.json()["consumer"], json!(null));
    host.shutdown().await;
}

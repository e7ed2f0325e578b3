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

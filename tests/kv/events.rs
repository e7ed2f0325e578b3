//! The same from every kind of event.

use serde_json::{Value, json};

use super::{TENANT, bound};
use crate::host::Host;

const SOURCE: &str = "
    async function note(env, of) {
      await env.KV.put(of, `written by ${of}`);
      await env.KVS.get('more').put(of, await env.KV.get(of));
    }
    export default {
      async scheduled(controller, env) { await note(env, controller.cron); },
      async queue(batch, env) { for (const { body } of batch.messages) await note(env, body); },
      async fetch(request, env, ctx) {
        const { pathname } = new URL(request.url);
        if (request.method === 'POST') await note(env, 'fetch');
        if (pathname === '/late') ctx.waitUntil(scheduler.wait(5).then(() => note(env, 'late')));
        const { keys } = await env.KVS.get('more').list();
        const values = await env.KV.get(keys.map((key) => key.name));
        return Response.json(Object.fromEntries(values));
      },
    };";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_crons_and_queues_write_and_read_alike() {
    let host = Host::new().start().await;
    host.deploy(TENANT, &bound(SOURCE)).await;
    let run = async |event: Value| {
        let path = "/v1/tenants/demo/workers/main/events";
        let ended = host.admin("POST", path).body(event.to_string()).send().await;
        let ended = ended.expect_status(200).json();
        assert_eq!(ended["outcome"], "ok", "{ended}");
    };
    run(json!({ "type": "scheduled", "cron": "* * * * *" })).await;
    let message = |body: &str| json!({ "id": body, "body": body, "content_type": "text" });
    let messages = [message("one"), message("two")];
    run(json!({ "type": "queue", "queue": "jobs", "messages": messages })).await;
    host.post(TENANT, "/", "x").await.expect_status(200);
    host.get(TENANT, "/late").await.expect_status(200);
    let wanted = json!({
        "* * * * *": "written by * * * * *",
        "fetch": "written by fetch",
        "late": "written by late",
        "one": "written by one",
        "two": "written by two",
    });
    super::until("the late one", async || host.get(TENANT, "/").await.json() == wanted).await;
    host.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_written_or_read_while_modules_are_evaluated() {
    let host = Host::new().start().await;
    let source = "import { env } from 'cloudflare:workers';
        let said; try { await env.KV.get('a'); } catch (error) { said = error.message; }
        export default { fetch() { return new Response(said); } };";
    host.deploy(TENANT, &bound(source)).await;
    let said = host.get(TENANT, "/").await.expect_status(200).text();
    assert!(said.starts_with("Disallowed operation called within global scope."), "{said}");
    host.shutdown().await;
}

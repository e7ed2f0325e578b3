//! What `env` holds: texts, JSON and secrets.

use crate::host::{Host, Worker};
use crate::js::ask;

/// Shows all of `env`, sorted by name.
const SHOW: &str = "export default { fetch(request, env) { \
    return new Response(JSON.stringify(Object.entries(env).sort())); } };";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn texts_and_json_arrive_as_they_were_sent() {
    let host = Host::new().start().await;
    let json = r#"{"z":1,"a":{"10":1,"9":[true,null,"\ud83d\ude00"]},"":0,"n":1e21,"f":0.1,"__proto__":{"x":1}}"#;
    let worker = Worker::new(
        "export default { fetch(request, env) { return new Response([env.TEXT, env.EMPTY, \
            JSON.stringify(env.VALUE), Object.hasOwn(env.VALUE, '__proto__'), env.VALUE.x, \
            JSON.stringify(env.LIST), env.NUMBER, Object.keys(env).sort()].join('\\n')); } };",
    )
    .text("TEXT", "t\u{e9}xt \u{1f600}\n\"quoted\"")
    .text("EMPTY", "")
    .json("VALUE", json)
    .json("LIST", "[1,[2,[]]]")
    .json("NUMBER", "5");
    let text = ask(&host, "demo", &worker).await;
    let wanted = [
        "t\u{e9}xt \u{1f600}\n\"quoted\"",
        "",
        &format!(
            r#"{{"z":1,"a":{{"9":[true,null,"{}"],"10":1}},"":0,"n":1e+21,"f":0.1,"__proto__":{{"x":1}}}}"#,
            '\u{1f600}'
        ),
        "true",
        "",
        "[1,[2,[]]]",
        "5",
        "EMPTY,LIST,NUMBER,TEXT,VALUE",
    ];
    assert_eq!(text, wanted.join("\n"));
    host.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn deep_json_and_the_largest_text_arrive() {
    let host = Host::new().start().await;
    let deep = format!("{}{}", "[".repeat(100), "]".repeat(100));
    let worker = Worker::new(
        "export default { fetch(request, env) { let depth = 0; \
            for (let at = env.DEEP; at !== undefined; at = at[0]) depth++; \
            return new Response(`${depth} ${env.LONG.length}`); } };",
    );
    let worker = worker.json("DEEP", &deep).text("LONG", &"x".repeat(1_000_000));
    assert_eq!(ask(&host, "demo", &worker).await, "100 1000000");
    host.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_secret_is_seen_and_so_is_its_next_value() {
    let host = Host::new().start().await;
    let worker = Worker::new(SHOW).secret("KEY", "first").text("NAME", "n");
    assert_eq!(ask(&host, "demo", &worker).await, r#"[["KEY","first"],["NAME","n"]]"#);
    let path = "/v1/tenants/demo/workers/main/secrets/KEY";
    let put = host.put(path, &serde_json::json!({ "text": "second" })).await;
    assert!(put.status < 300, "{put}");
    assert_eq!(host.get("demo", "/").await.text(), r#"[["KEY","second"],["NAME","n"]]"#);
    for record in host.logs("demo").await {
        assert!(!record.to_string().contains("second"), "{record}");
    }
    host.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn env_of_one_tenant_is_not_that_of_another() {
    let host = Host::new().cordons(1).start().await;
    host.deploy("a", &Worker::new(SHOW).text("A", "1").secret("S", "of a")).await;
    host.deploy("b", &Worker::new(SHOW).text("B", "2")).await;
    for _ in 0..3 {
        assert_eq!(host.get("a", "/").await.text(), r#"[["A","1"],["S","of a"]]"#);
        assert_eq!(host.get("b", "/").await.text(), r#"[["B","2"]]"#);
    }
    host.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn env_can_be_read_while_modules_are_evaluated() {
    let host = Host::new().start().await;
    let source = "import { env } from 'cloudflare:workers'; const early = env.NAME + env.KEY; \
        export default { fetch() { return new Response(early); } };";
    let worker = Worker::new(source).text("NAME", "n").secret("KEY", "k");
    assert_eq!(ask(&host, "demo", &worker).await, "nk");
    host.shutdown().await;
}

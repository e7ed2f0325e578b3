//! Who is the same loaded worker, and who is not.

use super::{TENANT, loading};
use crate::host::Host;

const COUNTING: &str = "const loader = url.searchParams.has('other') ? env.OTHER : env.LOADER;
    const stub = loader.get(name, () => { calls++; return code(COUNTER); }).getEntrypoint();
    return new Response(await ask(stub) + ' ' + calls);";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_name_stands_for_one_worker_over_events_and_for_nobody_elses() {
    let host = Host::new().start().await;
    let worker = loading(COUNTING);
    host.deploy(TENANT, &worker).await;
    host.deploy(TENANT, &worker.clone().name("second")).await;
    host.deploy("other", &worker).await;
    let text = async |to: &str, path| host.get(to, path).await.expect_status(200).text();
    assert_eq!(text(TENANT, "/x").await, "1 1");
    assert_eq!(text(TENANT, "/x").await, "2 1");
    assert_eq!(text(TENANT, "/y").await, "1 2");
    assert_eq!(text(TENANT, "/x?other").await, "1 3");
    assert_eq!(text(&format!("second.{TENANT}"), "/x").await, "1 1");
    assert_eq!(text("other", "/x").await, "1 1");
    assert_eq!(text(TENANT, "/x").await, "3 3");
    // Another version has loaders of its own.
    host.deploy(TENANT, &loading(&format!("/* another */ {COUNTING}"))).await;
    assert_eq!(text(TENANT, "/x").await, "1 1");
    host.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_code_under_two_envs_never_shares_an_isolate() {
    let host = Host::new().start().await;
    let body = "const source = 'let seen; export default { fetch: (r, env) => ' +
            'new Response(String(seen ??= env.NAME) + env.NAME) };';
        const of = (NAME) => env.LOADER.get(NAME, () => code(source, { env: { NAME } }));
        const texts = [];
        for (const name of ['a', 'b', 'a', 'b']) texts.push(await ask(of(name).getEntrypoint()));
        return new Response(texts.join());";
    host.deploy(TENANT, &loading(body)).await;
    assert_eq!(host.get(TENANT, "/").await.expect_status(200).text(), "aa,bb,aa,bb");
    host.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_loaded_worker_has_a_log_of_its_own_under_its_loaders_name() {
    let host = Host::new().start().await;
    let body = "console.log('from the parent');
        const stub = env.LOADER.get('child', () => code(
          'export default { fetch() { console.log(\"from the child\"); return new Response(\"\"); } };'));
        return new Response(await ask(stub.getEntrypoint()));";
    host.deploy(TENANT, &loading(body)).await;
    host.get(TENANT, "/").await.expect_status(200);
    let of_parent =
        |record: &serde_json::Value| record["kind"] == "outcome" && record["worker"] == "main";
    let records = host.logs_until(TENANT, of_parent).await;
    let mut seen: Vec<String> = records
        .iter()
        .filter(|record| record["kind"] == "log")
        .map(|record| format!("{} {}", record["worker"], record["message"]))
        .collect();
    seen.sort();
    assert_eq!(seen, [r#""main" ["from the parent"]"#, r#""main/child" ["from the child"]"#,]);
    host.shutdown().await;
}

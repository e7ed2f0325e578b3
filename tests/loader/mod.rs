//! Workers that load workers: what takes more than one request, worker or start of the server.

mod crowd;
mod example;
mod identity;
mod kept;
mod limits;

use serde_json::json;

use crate::host::Worker;

const TENANT: &str = "acme";

/// Helpers of every loading worker here.
const HELP: &str = r#"
const code = (source, more = {}) => ({
  compatibilityDate: "2026-08-01", mainModule: "main.js", modules: { "main.js": source }, ...more });
const COUNTER = "let n = 0; export default { fetch: () => new Response(String(++n)) };";
const ask = async (stub, path = "/") => (await stub.fetch("http://x" + path)).text();
"#;

/// A worker with two loaders, whose handler this is the body of.
fn loading(body: &str) -> Worker {
    let source = format!(
        "{HELP}\nlet calls = 0;\nexport default {{ async fetch(request, env, ctx) {{
        const url = new URL(request.url); const name = url.pathname.slice(1);
        {body} }} }};"
    );
    Worker::new(source)
        .binding(json!({ "type": "worker_loader", "name": "LOADER" }))
        .binding(json!({ "type": "worker_loader", "name": "OTHER" }))
}

//! Which worker a request is for: names under the domain, routes on granted hosts, proxies.

mod example;
mod hosts;
mod names;
mod proxy;

use crate::host::{Doors, Worker};

const TENANT: &str = "demo";

/// A worker that says who it is.
fn says(name: &str) -> Worker {
    Worker::new(format!("export default {{ fetch() {{ return new Response('{name}'); }} }};"))
        .name(name)
}

/// A worker that shows the request as it sees it.
fn shows() -> Worker {
    Worker::new(
        "export default { fetch({ url, headers, cf }) {
          return Response.json({ url, headers: Object.fromEntries(headers), cf });
        } };",
    )
}

/// Grants a host to a tenant.
async fn grant(doors: &Doors, tenant: &str, host: &str) {
    let path = format!("/v1/tenants/{tenant}/domains/{host}");
    doors.admin("PUT", &path).send().await.expect_status(200);
}

/// Who answers a GET on a host, or the code of the failure.
async fn who(doors: &Doors, host: &str, path: &str) -> String {
    let answer = doors.request_as(host, "GET", path).send().await;
    if answer.status == 200 { answer.text() } else { answer.code() }
}

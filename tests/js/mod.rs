//! What a worker can do in JavaScript: the case files, and what takes more than one request.

mod abort;
mod cases;
mod env;
mod events;
mod handlers;
mod limits;
mod logs;
mod modules;
mod ops;
mod positions;
mod startup;

use crate::host::{Host, Worker};

/// Deploys a worker and asks it once: the text of an answer that must be a success.
async fn ask(host: &Host, tenant: &str, worker: &Worker) -> String {
    host.deploy(tenant, worker).await;
    host.get(tenant, "/").await.expect_status(200).text()
}

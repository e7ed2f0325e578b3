//! Bodies in motion: both ways at once, at the pace of whoever reads, to a truthful end.

mod cancel;
mod memory;
mod pace;
mod shape;

use tokio::io::AsyncWriteExt;

use crate::host::{Answer, Doors, Worker};

const TENANT: &str = "demo";

/// A worker whose handler has this body.
fn handler(body: &str) -> Worker {
    Worker::new(format!("export default {{ async fetch(request, env, ctx) {{ {body} }} }};"))
}

/// Sends a body and reads the answer at the same time, as whoever is answered at once has to.
async fn exchange(doors: &Doors, path: &str, body: &[u8]) -> Answer {
    let length = body.len().to_string();
    let request = doors.request(TENANT, "POST", path).header("content-length", &length);
    let (first, rest) = body.split_at(body.len().min(1));
    let mut sending = request.sent().await;
    sending.raw(first).await;
    let (read, mut write) = sending.both();
    let rest = rest.to_vec();
    #[expect(clippy::disallowed_methods, reason = "the test awaits the task")]
    let sends = tokio::task::spawn(async move {
        // Whoever answers without the rest may close before it has come.
        let _ = write.write_all(&rest).await;
        write
    });
    let answer = read.await.whole().await;
    drop(sends.await.expect("the sender ends"));
    answer
}

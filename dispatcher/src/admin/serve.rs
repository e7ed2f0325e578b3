//! The admin API's port.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::watch;

use super::{Parts, router};
use crate::tasks::Tasks;

/// How long the admin API may take to end, once the front door has.
const ENDED_IN: Duration = Duration::from_secs(2);

/// Serves the admin API until `ending` turns true. The address is the one that is listened on.
pub(crate) async fn serve(
    address: SocketAddr,
    parts: Parts,
    (tasks, mut ending): (&Tasks, watch::Receiver<bool>),
) -> io::Result<SocketAddr> {
    let listener = TcpListener::bind(address).await?;
    let bound = listener.local_addr()?;
    let mut ended = ending.clone();
    let router = router(parts);
    tasks.spawn("admin", async move {
        let graceful = async move {
            let _ = ending.wait_for(|ending| *ending).await;
        };
        let serving = axum::serve(listener, router).with_graceful_shutdown(graceful);
        let late = async move {
            let _ = ended.wait_for(|ending| *ending).await;
            tokio::time::sleep(ENDED_IN).await;
        };
        // A follower of logs would go on for as long as it likes.
        tokio::select! {
            _ = serving.into_future() => {}
            () = late => {}
        }
    });
    Ok(bound)
}

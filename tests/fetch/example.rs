//! The example `proxy`, as it stands in the repository.

use super::{TENANT, start};
use crate::host::{Origin, Worker};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_proxy_passes_requests_on_and_changes_headers_of_what_comes_back() {
    let (host, mut origin) = (start().await, Origin::start().await);
    let worker = Worker::new(include_str!("../../examples/proxy/src/index.js"));
    host.deploy(TENANT, &worker.text("ORIGIN", &origin.url(""))).await;
    let sending = host.request(TENANT, "POST", "/page?q=1").body("sent").sent().await;
    let mut arrived = origin.next().await;
    assert_eq!(arrived.first, "POST /page?q=1 HTTP/1.1");
    assert_eq!(arrived.request.rest().await.0, b"sent");
    let page = "HTTP/1.1 200 OK\r\nserver: x\r\ncontent-type: text/html\r\ncontent-length: 3\r\n\
        connection: close\r\n\r\n<p>";
    arrived.say(page).await;
    let answer = sending.head().await.whole().await.expect_status(200);
    assert_eq!(answer.text(), "<p>");
    assert_eq!(answer.header("via"), Some("1.1 bindery"));
    assert_eq!(answer.header("server"), None);
    assert_eq!(answer.header("referrer-policy"), Some("no-referrer"));

    let sending = host.request(TENANT, "GET", "/old").sent().await;
    let mut arrived = origin.next().await;
    arrived.say("HTTP/1.1 301 Moved\r\nlocation: /new?x#y\r\ncontent-length: 0\r\n\r\n").await;
    let answer = sending.head().await.whole().await.expect_status(301);
    assert_eq!(answer.header("location"), Some("http://demo.localhost/new?x#y"));
    drop(arrived);
    drop(origin);
    host.get(TENANT, "/").await.expect_status(502);
    host.shutdown().await;
}

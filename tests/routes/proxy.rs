//! Behind a proxy: whose word about the client is believed.

use serde_json::{Value, json};

use super::{TENANT, grant, says, shows, who};
use crate::host::{Doors, Host};

const TOLD: &[(&str, &str)] = &[
    ("x-forwarded-for", "6.6.6.6, 9.9.9.9"),
    ("x-forwarded-proto", "https"),
    ("x-forwarded-host", "shop.example.com"),
    ("forwarded", "for=9.9.9.9"),
    ("x-real-ip", "9.9.9.9"),
    ("cf-connecting-ip", "9.9.9.9"),
    ("cf-ray", "x"),
    ("x-bindery-request", "x"),
    ("x-kept", "x"),
];

/// What a worker sees of a request with all that a proxy could say.
async fn seen(doors: &Doors, to: &str) -> Value {
    let request = doors.request_as(to, "GET", "/p?q");
    let request = TOLD.iter().fold(request, |request, (name, value)| request.header(name, value));
    request.send().await.expect_status(200).json()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_trusted_proxys_word_is_the_clients_address_scheme_and_host() {
    let host = Host::new()
        .config(|config| config.trusted_proxies = vec!["127.0.0.0/8".parse().expect("a network")])
        .start()
        .await;
    let routes = json!(["https://shop.example.com/*"]);
    host.deploy(TENANT, &shows().metadata("routes", routes)).await;
    grant(&host, TENANT, "shop.example.com").await;
    let seen = seen(&host, "front.internal").await;
    assert_eq!(
        seen,
        json!({
            "url": "https://shop.example.com/p?q",
            "headers": {
                "host": "shop.example.com",
                "x-forwarded-for": "6.6.6.6, 9.9.9.9",
                "x-forwarded-proto": "https",
                "x-forwarded-host": "shop.example.com",
                "forwarded": "for=9.9.9.9",
                "x-real-ip": "9.9.9.9",
                "x-kept": "x",
                "cf-connecting-ip": "9.9.9.9",
            },
            "cf": { "httpProtocol": "HTTP/1.1" },
        })
    );
    // The route takes one scheme, and the proxy did not say that the client used it.
    assert_eq!(who(&host, "shop.example.com", "/").await, "NO_WORKER");
    host.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_strangers_word_about_itself_is_nothing() {
    let host = Host::new().start().await;
    host.deploy(TENANT, &shows()).await;
    host.deploy("other", &says("main").metadata("routes", json!(["*/*"]))).await;
    grant(&host, "other", "shop.example.com").await;
    let seen = seen(&host, "demo.localhost").await;
    assert_eq!(
        seen,
        json!({
            "url": "http://demo.localhost/p?q",
            "headers": {
                "host": "demo.localhost",
                "x-kept": "x",
                "cf-connecting-ip": "127.0.0.1",
            },
            "cf": { "httpProtocol": "HTTP/1.1" },
        })
    );
    host.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_sets_no_cookie_for_the_domain_of_all() {
    let host = Host::new().start().await;
    let source = "export default { fetch() { return new Response('', { headers: [
        ['set-cookie', 'a=1'], ['set-cookie', 'b=1; Domain=localhost'],
        ['set-cookie', 'c=1; Domain=demo.localhost'], ['x-bindery-outcome', 'forged'],
    ] }); } };";
    host.deploy(TENANT, &crate::host::Worker::new(source)).await;
    let answer = host.get(TENANT, "/").await.expect_status(200);
    let cookies: Vec<&str> = answer
        .headers
        .iter()
        .filter(|(name, _)| name == "set-cookie")
        .map(|(_, value)| value.as_str())
        .collect();
    assert_eq!(cookies, ["a=1", "c=1; Domain=demo.localhost"]);
    assert_eq!(answer.outcome(), None);
    host.shutdown().await;
}

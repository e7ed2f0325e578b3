//! Names under the domain, and what hostile clients send in their place.

use super::{TENANT, says, who};
use crate::host::Host;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_host_header_reaches_one_worker_or_none() {
    let host = Host::new().start().await;
    for name in ["main", "api", "demo"] {
        host.deploy(TENANT, &says(name)).await;
    }
    host.deploy("api", &says("main")).await;
    let long = format!("{}.localhost", "x".repeat(250));
    for (to, name) in [
        ("demo.localhost", "main"),
        ("DEMO.LocalHost", "main"),
        ("demo.localhost.", "main"),
        ("demo.localhost:8787", "main"),
        ("demo.localhost.:65535", "main"),
        ("demo.localhost:", "main"),
        ("api.demo.localhost", "api"),
        ("api--demo.localhost", "api"),
        ("demo--demo.localhost", "demo"),
        ("localhost", "NO_WORKER"),
        ("demo", "NO_WORKER"),
        ("none.localhost", "NO_WORKER"),
        ("none.demo.localhost", "NO_WORKER"),
        ("demo.api.localhost", "NO_WORKER"),
        ("a.api.demo.localhost", "NO_WORKER"),
        ("demo.localhost.localhost", "NO_WORKER"),
        ("demo.localhost.evil.example", "NO_WORKER"),
        ("evildemo.localhost", "NO_WORKER"),
        ("demo-localhost", "NO_WORKER"),
        ("api---demo.localhost", "NO_WORKER"),
        ("api--demo--.localhost", "NO_WORKER"),
        ("00000000--api--demo.localhost", "NO_WORKER"),
        ("x--00000000--api--demo.localhost", "NO_WORKER"),
        ("_demo.localhost", "NO_WORKER"),
        ("xn--demo.localhost", "NO_WORKER"),
        ("127.0.0.1", "NO_WORKER"),
        ("[::1]:8787", "NO_WORKER"),
        ("2130706433", "NO_WORKER"),
        ("demo.localhost:65536", "BAD_REQUEST"),
        ("demo.localhost:80:80", "BAD_REQUEST"),
        ("demo.localhost:-1", "BAD_REQUEST"),
        ("user@demo.localhost", "BAD_REQUEST"),
        ("demo.localhost/api", "BAD_REQUEST"),
        ("demo.localhost?x", "BAD_REQUEST"),
        ("demo%2elocalhost", "BAD_REQUEST"),
        ("demo..localhost", "BAD_REQUEST"),
        (".demo.localhost", "BAD_REQUEST"),
        ("demo.localhost..", "BAD_REQUEST"),
        ("demo.localhost,api.localhost", "BAD_REQUEST"),
        ("demo.localhost api.localhost", "BAD_REQUEST"),
        ("demo.localhost\tapi", "BAD_REQUEST"),
        ("d\u{e9}mo.localhost", "BAD_REQUEST"),
        ("demo\u{3002}localhost", "BAD_REQUEST"),
        ("[demo.localhost]", "BAD_REQUEST"),
        ("", "BAD_REQUEST"),
        (&long, "BAD_REQUEST"),
    ] {
        assert_eq!(who(&host, to, "/").await, name, "{to:?}");
    }
    host.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_names_in_one_request_are_refused_unless_they_are_the_same() {
    let host = Host::new().start().await;
    host.deploy(TENANT, &says("main")).await;
    host.deploy("other", &says("main")).await;
    let twice = host.request_as("demo.localhost", "GET", "/").header("host", "other.localhost");
    twice.send().await.expect_failure(400, "BAD_REQUEST");
    for (to, target, answer) in [
        ("demo.localhost", "http://demo.localhost/x", "main"),
        ("demo.localhost", "http://DEMO.localhost/x", "main"),
        ("demo.localhost", "http://other.localhost/x", "BAD_REQUEST"),
        ("demo.localhost", "http://demo.localhost:80/x", "BAD_REQUEST"),
        ("demo.localhost", "http://user@demo.localhost/x", "BAD_REQUEST"),
        ("demo.localhost", "*", "BAD_REQUEST"),
    ] {
        assert_eq!(who(&host, to, target).await, answer, "{to} {target}");
    }
    host.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_name_that_no_worker_has_is_told_which_there_could_be() {
    let host = Host::new().start().await;
    host.deploy("hidden", &says("main")).await;
    let failure = async |to: &str| {
        let answer = host.request_as(to, "GET", "/").send().await.expect_failure(404, "NO_WORKER");
        answer.json()["error"]["message"].as_str().expect("a message").to_owned()
    };
    let none = failure("nobody.localhost").await;
    for form in ["TENANT.localhost", "WORKER--TENANT.localhost", "nobody.localhost", "route"] {
        assert!(none.contains(form), "{none}");
    }
    assert!(!none.contains("hidden"), "{none}");
    // Whether it is the tenant or the worker that is not there is nobody's business.
    let worker = failure("nobody.hidden.localhost").await;
    assert_eq!(worker.replace("nobody.hidden.localhost", "nobody.localhost"), none);
    host.shutdown().await;
}

//! `examples/cron-report`, deployed as its README says, with a page of the test's own.

use std::fs;
use std::path::Path;

use serde_json::Value;
use tempfile::TempDir;

use super::{FIRST_MS, advance};
use crate::host::{Host, Origin, SOON, moment, within};

const WORKER: &str = "demo/cron-report";
const LOOK: &str = "*/5 * * * *";
const SUM: &str = "0 7 * * *";
const FINE: &str = "HTTP/1.1 200 OK\r\ncontent-length: 4\r\nconnection: close\r\n\r\nfine";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_report_is_made_on_time_and_by_hand() {
    let plan = Host::new().still_clock().config(|config| config.allow_private_egress = true);
    let (host, mut page) = (plan.start().await, Origin::start().await);
    let example = example(&page.url("/"));
    let dir = example.path().to_str().expect("a path in UTF-8");
    let printed = run(&host, &["deploy", dir, "--tenant", "demo"]).await;
    assert!(printed.contains("http://cron-report.demo.localhost"), "{printed}");
    let answer = host.get("cron-report.demo", "/").await.expect_status(200);
    assert_eq!(answer.text(), "there is no report yet\n");

    // 8:00 UTC on a Friday: five minutes later the page is looked at, with nobody calling.
    let listed = run(&host, &["crons", "list", WORKER]).await;
    let lines: Vec<&str> = listed.lines().collect();
    assert!(lines[0].starts_with("CRON "), "{listed}");
    assert_eq!(lines[1], "*/5 * * * *  2027-01-15 08:05:00  -     -", "{listed}");
    assert_eq!(lines[2], "0 7 * * *    2027-01-16 07:00:00  -     -", "{listed}");
    advance(&host, 300);
    page.next().await.say(FINE).await;
    let look = cron(&host, LOOK, |cron| cron["last"]["outcome"] == "ok").await;
    assert_eq!(look["last"]["at_ms"], FIRST_MS + 240_000);

    // The page is broken, and is looked at again two seconds later.
    advance(&host, 300);
    let broken = "HTTP/1.1 503 Broken\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
    page.next().await.say(broken).await;
    cron(&host, LOOK, |cron| cron["failures"] == 1).await;
    let listed = run(&host, &["crons", "list", WORKER]).await;
    assert!(listed.contains("exception, failed 1 times, tried again"), "{listed}");
    run(&host, &["crons", "run", WORKER, SUM]).await;
    let answer = host.get("cron-report.demo", "/").await.expect_status(200).text();
    assert!(answer.starts_with("2027-01-15T08:10:00.000Z: 1 of 2 looks went well"), "{answer}");
    advance(&host, 2);
    page.next().await.say(FINE).await;
    cron(&host, LOOK, |cron| cron["failures"] == 0).await;

    let ended = run(&host, &["crons", "run", WORKER, SUM, "--json"]).await;
    let ended: Value = serde_json::from_str(&ended).expect("JSON");
    assert_eq!((&ended["outcome"], &ended["noRetry"]), (&"ok".into(), &false.into()));
    let answer = host.get("cron-report.demo", "/").await.expect_status(200).text();
    assert!(answer.starts_with("2027-01-15T08:10:02.000Z: 2 of 2 looks went well"), "{answer}");
    let sum = cron(&host, SUM, |_| true).await;
    assert!(sum["last"].is_null(), "a run by hand changes nothing of what is due: {sum}");
    let refused = failed(&host, &["crons", "run", WORKER]).await;
    assert!(refused.contains("name one: '*/5 * * * *', '0 7 * * *'"), "{refused}");
    host.shutdown().await;
}

/// A copy of the example that looks at this page.
fn example(page: &str) -> TempDir {
    let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/cron-report");
    let read = |path: &str| fs::read_to_string(from.join(path)).expect("a file of the example");
    let dir = tempfile::tempdir().expect("a directory");
    let settings = read("wrangler.jsonc").replace("https://example.com/", page);
    fs::write(dir.path().join("wrangler.jsonc"), settings).expect("written");
    fs::create_dir(dir.path().join("src")).expect("made");
    fs::write(dir.path().join("src/index.js"), read("src/index.js")).expect("written");
    dir
}

/// Waits until what is shown of a cron is so.
async fn cron(host: &Host, expression: &str, is_so: impl Fn(&Value) -> bool) -> Value {
    let wait = async {
        loop {
            let path = "/v1/tenants/demo/workers/cron-report/crons";
            let shown = host.admin("GET", path).send().await.expect_status(200).json();
            let crons = shown["crons"].as_array().expect("a list");
            let found = crons.iter().find(|cron| cron["cron"] == expression).expect("it is there");
            if is_so(found) {
                return found.clone();
            }
            moment().await;
        }
    };
    within(SOON, "a settled cron", wait).await
}

/// Runs the program against the server. Gives all that was printed.
async fn run(host: &Host, arguments: &[&str]) -> String {
    let (success, printed) = program(host, arguments).await;
    assert!(success, "{printed}");
    printed
}

async fn failed(host: &Host, arguments: &[&str]) -> String {
    let (success, printed) = program(host, arguments).await;
    assert!(!success, "{printed}");
    printed
}

async fn program(host: &Host, arguments: &[&str]) -> (bool, String) {
    let (code, printed) = host.run(arguments).await;
    (code == Some(0), printed)
}

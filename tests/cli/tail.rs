//! Following a tenant's log.

use std::io::{BufRead, BufReader};

use expect_test::expect;
use rustix::process::{Pid, Signal, kill_process};

use super::fake::Fake;
use super::program::{Program, ran};

const ENTRIES: &str = r#": hello

id: 1
event: log
data: {"kind":"log","seq":1,"atMs":45296789,"worker":"main","version":"ver_1","requestId":"req_1","level":"log","message":["hi",{"a":[1]},"line 1\nline 2"]}

event: exception
data: {"kind":"exception","seq":2,"atMs":45296790,"worker":"api","version":"ver_1",
data: "name":"TypeError","message":"\u001b[31mno","stack":"    at fetch (index.js:3:5)\n    at x (a.js:1:1)"}

id: 3
event: outcome
data: {"kind":"outcome","seq":3,"atMs":45296791,"worker":"main","version":"ver_1","requestId":"req_1","outcome":"ok","cpuUs":812,"wallUs":12345678,"method":"GET","path":"/x","status":200}

event: dropped
data: {"kind":"dropped","seq":9,"atMs":45296791,"worker":"","version":"","count":6}

"#;
/// Ends a test's run: a token that was taken back.
const GONE: (&str, &str) = (
    "403 Forbidden",
    r#"{"error":{"code":"FORBIDDEN","message":"the token does not reach this","requestId":"r"}}"#,
);

#[test]
fn entries_read_as_lines_and_can_not_move_the_terminal() {
    let api = Fake::answering(&[("200 OK", ENTRIES), GONE]);
    let ran = Program::new().api(api.url()).run(&["tail", "acme"]);
    expect![[r#"
        12:34:56.789Z main log       hi {"a":[1]} line 1
            line 2
        12:34:56.790Z api exception TypeError: \u{1b}[31mno
            at fetch (index.js:3:5)
            at x (a.js:1:1)
        12:34:56.791Z main ok        GET /x 200 cpu 812 us wall 12.3 s req_1
        12:34:56.791Z 6 entries were gone before they were read
    "#]]
    .assert_eq(&ran.stdout);
}

#[test]
fn a_stream_that_ends_is_taken_up_behind_its_last_entry_until_it_is_refused() {
    let api = Fake::answering(&[("200 OK", ENTRIES), ("200 OK", ": nothing\n\n"), GONE]);
    let ran = Program::new().api(api.url()).run(&["tail", "acme/main", "--json"]);
    let path = "GET /v1/tenants/acme/logs?follow=1&worker=main";
    assert_eq!(api.asked().line, path);
    assert_eq!(api.asked().line, format!("{path}&after=3"));
    assert_eq!(api.asked().line, format!("{path}&after=3"));
    assert_eq!(ran.code, 1);
    assert!(ran.stderr.contains("the token does not reach this (403 FORBIDDEN"), "{}", ran.stderr);
    let kinds: Vec<serde_json::Value> = ran
        .stdout
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).expect("JSON")["kind"].take())
        .collect();
    // The exception is another worker's.
    assert_eq!(kinds, ["log", "outcome", "dropped"]);
}

#[test]
fn a_missing_tenant_ends_the_command_at_once() {
    let absent = r#"{"error":{"code":"NOT_FOUND","message":"no such tenant","requestId":"r"}}"#;
    let api = Fake::answering(&[("404 Not Found", absent)]);
    let stderr = Program::new().api(api.url()).run(&["tail", "acme"]).refused(1);
    assert!(stderr.starts_with("error: no such tenant (404 NOT_FOUND, "), "{stderr}");
}

#[test]
fn an_interrupt_ends_it_as_a_success() {
    let api = Fake::answering(&[("200 OK", ENTRIES)]);
    let mut child = Program::new().api(api.url()).start(&["tail", "acme"]);
    let mut stdout = BufReader::new(child.stdout.take().expect("a pipe"));
    stdout.read_line(&mut String::new()).expect("an entry");
    let pid = Pid::from_child(&child);
    kill_process(pid, Signal::INT).expect("it runs");
    assert_eq!(ran(child).code, 0);
}

//! The commands that are one or two calls of the admin API.

use expect_test::expect;
use serde_json::json;

use super::fake::Fake;
use super::program::{NOBODY, Program};

const DONE: (&str, &str) = ("200 OK", "{}");

#[test]
fn a_token_is_taken_from_the_flag_then_the_environment_then_the_file() {
    let api = Fake::answering(&[DONE, DONE, DONE]);
    let program = Program::new().api(api.url()).file("bindery-data/operator.token", "of-file\n");
    program.run(&["tenants", "show", "acme"]).ok();
    assert_eq!(api.asked().header("authorization"), Some("Bearer of-file"));
    let program = program.variable("BINDERY_TOKEN", "of-environment");
    program.run(&["tenants", "show", "acme"]).ok();
    assert_eq!(api.asked().header("authorization"), Some("Bearer of-environment"));
    program.run(&["tenants", "show", "acme", "--token", "of-flag"]).ok();
    assert_eq!(api.asked().header("authorization"), Some("Bearer of-flag"));
}

#[test]
fn a_refused_token_is_told_from_where_it_came() {
    const REFUSED: (&str, &str) = (
        "401 Unauthorized",
        r#"{"error":{"code":"UNAUTHORIZED","message":"no valid token","requestId":"r"}}"#,
    );
    let api = Fake::answering(&[REFUSED, REFUSED]);
    let program = Program::new().api(api.url());
    let stderr = program.run(&["tenants", "list", "--token", "wrong"]).refused(1);
    assert!(stderr.contains("no valid token (401 UNAUTHORIZED, http://127.0.0.1:"), "{stderr}");
    assert!(stderr.contains("the token given with --token was used"), "{stderr}");
    let stderr = program.run(&["tenants", "list"]).refused(1);
    assert!(stderr.contains("no token was sent"), "{stderr}");
    assert!(stderr.contains("operator.token of the server's data directory"), "{stderr}");
}

#[test]
fn putting_a_tenant_leaves_what_was_not_named() {
    let now = r#"{"name":"acme","tier":"gold","quotas":{},"limits":{"cpu_ms":9},"workers":3}"#;
    let api = Fake::answering(&[("200 OK", now), DONE]);
    let program = Program::new().api(api.url());
    program.run(&["tenants", "put", "acme", "--memory-mb", "64", "--suspended", "true"]).ok();
    assert_eq!(api.asked().line, "GET /v1/tenants/acme");
    let put = api.asked();
    assert_eq!(put.line, "PUT /v1/tenants/acme");
    assert_eq!(
        put.json(),
        json!({"tier": "gold", "quotas": {}, "limits": {"cpu_ms": 9, "memory_mb": 64},
               "suspended": true})
    );
}

#[test]
fn a_new_tenant_is_put_with_what_was_named() {
    let absent = r#"{"error":{"code":"NOT_FOUND","message":"no such tenant","requestId":"r"}}"#;
    let api = Fake::answering(&[("404 Not Found", absent), DONE]);
    Program::new().api(api.url()).run(&["tenants", "put", "acme", "--cpu-ms", "50"]).ok();
    api.asked();
    assert_eq!(api.asked().json(), json!({"limits": {"cpu_ms": 50}}));
}

#[test]
fn a_list_is_read_page_by_page_and_printed_as_a_table() {
    let api = Fake::answering(&[
        ("200 OK", r#"{"tenants":[{"tier":"gold","name":"a"}],"cursor":"a"}"#),
        ("200 OK", r#"{"tenants":[{"tier":"standard","name":"b"}],"cursor":null}"#),
    ]);
    let stdout = Program::new().api(api.url()).run(&["tenants", "list"]).ok();
    assert_eq!(api.asked().line, "GET /v1/tenants?prefix=&limit=1000");
    assert_eq!(api.asked().line, "GET /v1/tenants?prefix=&limit=999&cursor=a");
    expect![[r"
        NAME  TIER
        a     gold
        b     standard
    "]]
    .assert_eq(&stdout);
}

#[test]
fn the_audit_log_of_a_deleted_tenant_is_read_from_everybodys() {
    let absent = r#"{"error":{"code":"NOT_FOUND","message":"no such tenant","requestId":"r"}}"#;
    let kept = r#"{"entries":[{"who":"operator","outcome":"done"}],"cursor":null}"#;
    let api = Fake::answering(&[("404 Not Found", absent), ("200 OK", kept)]);
    let stdout = Program::new().api(api.url()).run(&["audit", "acme", "--limit", "5"]).ok();
    assert_eq!(api.asked().line, "GET /v1/tenants/acme/audit?limit=5");
    assert_eq!(api.asked().line, "GET /v1/audit?tenant=acme&limit=5");
    assert!(stdout.contains("operator"), "{stdout}");
}

#[test]
fn a_rollback_deploys_what_served_before() {
    let shown = r#"{"name":"main","version":"ver_c","deployments":[
        {"version":"ver_c"},{"version":"ver_c"},{"version":"ver_b"},{"version":"ver_a"}]}"#;
    let api = Fake::answering(&[("200 OK", shown), DONE]);
    Program::new().api(api.url()).run(&["versions", "rollback", "acme"]).ok();
    api.asked();
    let deployed = api.asked();
    assert_eq!(deployed.line, "POST /v1/tenants/acme/workers/main/deployments");
    assert_eq!(deployed.json(), json!({"version": "ver_b"}));
}

#[test]
fn a_rollback_with_nothing_before_says_so() {
    let shown = r#"{"version":"ver_c","deployments":[{"version":"ver_c"}]}"#;
    let api = Fake::answering(&[("200 OK", shown)]);
    let stderr =
        Program::new().api(api.url()).run(&["versions", "rollback", "acme/api"]).refused(1);
    assert!(stderr.contains("nothing was deployed before what serves acme/api"), "{stderr}");
}

#[test]
fn a_secret_comes_from_stdin_or_a_file_without_its_line_end() {
    let api = Fake::answering(&[DONE, DONE]);
    let program = Program::new().api(api.url()).file("key", "a\nb\n\n");
    program.run_with(&["secrets", "put", "acme/api", "KEY"], "hush\r\n").ok();
    let asked = api.asked();
    assert_eq!(asked.line, "PUT /v1/tenants/acme/workers/api/secrets/KEY");
    assert_eq!(asked.json()["text"], "hush");
    program.run(&["secrets", "put", "acme", "KEY", "--file", "key"]).ok();
    assert_eq!(api.asked().json()["text"], "a\nb\n");
}

#[test]
fn an_empty_secret_is_refused_before_anything_is_sent() {
    let stderr = Program::new().api(NOBODY).run(&["secrets", "put", "acme", "KEY"]).refused(1);
    assert_eq!(stderr, "error: stdin is empty: pass the secret's value there\n");
}

#[test]
fn what_a_server_says_can_not_move_the_terminal() {
    let message = r#"{"error":{"code":"CONFLICT","message":"\u001b[2Jhi","requestId":"r"}}"#;
    let api = Fake::answering(&[("409 Conflict", message)]);
    let stderr = Program::new().api(api.url()).run(&["tenants", "show", "acme"]).refused(1);
    assert!(stderr.starts_with("error: \\u{1b}[2Jhi (409 CONFLICT, "), "{stderr}");
}

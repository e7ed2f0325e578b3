//! Commands that can not mean anything, and settings that do not parse.

use expect_test::expect;

use super::program::{NOBODY, Program};

#[test]
fn wrong_usage_is_said_on_stderr_with_code_2() {
    for (arguments, said) in [
        (&["nope"][..], "unrecognized subcommand 'nope'"),
        (&["deploy", "."], "--tenant <T>"),
        (&["deploy", ".", "--tenant", "A"], "`A` is not a name"),
        (&["deploy", ".", "--tenant", "a"], "name the main module with --main FILE"),
        (&["dev", "--port", "1", "--listen", "127.0.0.1:1"], "cannot be used with"),
        (&["dev", "--log", "a=b=c"], "--log is not a filter"),
        (&["tail", "a/b/c"], "`b/c` is not a name"),
        (&["tenants", "delete", "acme"], "add --yes"),
        (&["versions", "delete", "acme/api"], "add --yes"),
        (&["secrets", "put", "acme", "KEY", "hush"], "unexpected argument 'hush'"),
        (&["secrets", "put", "acme", "1KEY"], "`1KEY` is not a binding name"),
        (&["queues", "list", "A"], "`A` is not a name"),
        (&["queues", "purge", "acme", "jobs"], "add --yes"),
        (&["queues", "delete", "acme", "jobs"], "add --yes"),
        (&["queues", "ack", "acme", "jobs"], "--lease <LEASE>"),
        (&["serve", "--listen", "nowhere"], "invalid value 'nowhere'"),
        (&["serve", "--trusted-proxy", "10.0.0.0/33"], "is not a network"),
        (&["bench", "cold-start", "--tenants", "0"], "invalid value '0'"),
    ] {
        let stderr = Program::new().api(NOBODY).run(arguments).refused(2);
        assert!(stderr.contains(said), "{arguments:?}: {stderr}");
    }
}

#[test]
fn a_server_that_is_not_there_is_named_with_what_to_do() {
    let stderr = Program::new().api(NOBODY).run(&["tenants", "list"]).refused(1);
    expect![[r"
        error: no answer from http://127.0.0.1:1: Connection refused (os error 111)
          is `bindery serve` running there? --api or BINDERY_API name another address
    "]]
    .assert_eq(&stderr);
}

#[test]
fn an_address_with_tls_is_refused_with_a_way_out() {
    let stderr = Program::new().run(&["tail", "acme", "--api", "https://example.com"]).refused(2);
    assert!(stderr.contains("http://HOST:PORT"), "{stderr}");
    assert!(stderr.contains("ssh -L"), "{stderr}");
}

#[test]
fn a_configuration_file_is_refused_with_the_line() {
    for (text, said) in [
        ("listen = \"127.0.0.1:0\"\nlisen = 1\n", "bindery.toml:2:1: unknown field `lisen`"),
        ("[pool]\nidle = 1\n", "bindery.toml:2:1: unknown field `idle`"),
        ("listen = 80\n", "bindery.toml:1:10: invalid type: integer `80`"),
        ("listen = \n", "bindery.toml:1:10: "),
    ] {
        let program = Program::new().file("bindery.toml", text);
        let stderr = program.run(&["serve", "--config", "bindery.toml"]).refused(1);
        assert!(stderr.contains(said), "{text}: {stderr}");
    }
    let stderr = Program::new().run(&["serve", "--config", "none.toml"]).refused(1);
    assert!(stderr.contains("none.toml can not be read"), "{stderr}");
}

#[test]
fn a_log_filter_is_checked_before_anything_starts() {
    let stderr = Program::new().run(&["serve", "--log", "a=b=c"]).refused(2);
    assert!(stderr.contains("--log is not a filter"), "{stderr}");
}

//! The ops of an isolate, each with what becomes of it.

use bindery_js_api::{op_names, ops};

// The engine wants a runtime around it.
#[tokio::test]
async fn every_op_that_exists_is_allowed_for_a_reason_or_denied() {
    let mut list = String::new();
    for name in op_names() {
        let reason = ops::ALLOWED.iter().find(|(_, names)| names.contains(&name));
        let fate = match reason {
            Some((reason, _)) => format!("allowed: {reason}"),
            None if ops::is_allowed(name) => "allowed: our own, the only way out".into(),
            None if !name.starts_with("op_") => "allowed: of one of these classes".into(),
            None => "denied".into(),
        };
        list.push_str(&format!("{name}: {fate}\n"));
    }
    expect_test::expect_file!["ops.golden"].assert_eq(&list);
}

#[tokio::test]
async fn no_op_is_allowed_that_does_not_exist() {
    let names = op_names();
    let allowed = ops::ALLOWED.iter().flat_map(|(_, names)| *names);
    let gone: Vec<_> = allowed.filter(|name| !names.contains(name)).collect();
    assert!(gone.is_empty(), "{gone:?}");
}

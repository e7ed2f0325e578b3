//! The help texts, which people read.

use expect_test::expect_file;

use super::program::Program;

macro_rules! golden {
    ($($test:ident: $($argument:literal)* => $file:literal;)*) => {$(
        #[test]
        fn $test() {
            let help = Program::new().run(&[$($argument,)* "--help"]).ok();
            expect_file![concat!("golden/", $file, ".txt")].assert_eq(&help);
        }
    )*};
}

golden! {
    the_help_names_every_command: => "help";
    serve_has_its_help: "serve" => "serve";
    dev_has_its_help: "dev" => "dev";
    init_has_its_help: "init" => "init";
    deploy_has_its_help: "deploy" => "deploy";
    tail_has_its_help: "tail" => "tail";
    tenants_has_its_help: "tenants" => "tenants";
    tenants_put_has_its_help: "tenants" "put" => "tenants-put";
    audit_has_its_help: "audit" => "audit";
    store_has_its_help: "store" => "store";
    store_backup_has_its_help: "store" "backup" => "store-backup";
    versions_has_its_help: "versions" => "versions";
    secrets_has_its_help: "secrets" => "secrets";
    secrets_put_has_its_help: "secrets" "put" => "secrets-put";
    crons_has_its_help: "crons" => "crons";
    queues_has_its_help: "queues" => "queues";
    queues_pull_has_its_help: "queues" "pull" => "queues-pull";
    queues_send_has_its_help: "queues" "send" => "queues-send";
    capabilities_has_its_help: "capabilities" => "capabilities-help";
    doctor_has_its_help: "doctor" => "doctor";
    bench_has_its_help: "bench" "cold-start" => "bench-cold-start";
}

#[test]
fn the_capabilities_read_as_lines_and_as_json() {
    let capabilities = Program::new().run(&["capabilities"]).ok();
    expect_file!["golden/capabilities.txt"].assert_eq(&capabilities);
    let json = Program::new().run(&["capabilities", "--json"]).ok();
    let json: serde_json::Value = serde_json::from_str(&json).expect("JSON");
    assert!(capabilities.contains(json["compatibility"]["newest"].as_str().expect("a date")));
}

//! The example `queue-pipeline`, deployed as its README says.

use crate::host::Program;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn orders_go_through_the_pipeline_and_what_is_wrong_ends_among_the_failed() {
    let program = Program::start_with(&[]).await;
    program.deploy_example("queue-pipeline").await;
    let orders = r#"[{"shop":"north","item":"tea","count":2},{"shop":"south","item":"ink","count":1},
        {"shop":"north","item":"air","count":0}]"#;
    let answer = program.post("queue-pipeline.demo", "/", orders).await.expect_status(202);
    assert_eq!(answer.text(), r#"{"taken":3,"waiting":3}"#);
    for said in ["shop north: 2 of tea", "shop south: 1 of ink", "receipt for tea", "failed: air"] {
        program.logs_until("demo", |record| record["message"][0] == said).await;
    }
    let records = program.logs("demo").await;
    assert!(records.iter().all(|record| record["message"][0] != "receipt for air"), "{records:?}");
    program.get("queue-pipeline.demo", "/").await.expect_status(405);
}

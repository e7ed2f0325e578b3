use crate::host::{Host, Program, Worker};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_host_serves_a_worker_and_remembers_its_log() {
    let host = Host::new().start().await;
    let source = "export default { fetch(r, env) { console.log('hi', {b: 1, a: 2}); \
        return new Response(env.A + JSON.stringify(env.B)) } }";
    let worker = Worker::new(source).text("A", "x").json("B", r#"{"b":1,"a":{"d":1,"c":2}}"#);
    host.deploy("demo", &worker).await;
    let answer = host.get("demo", "/").await.expect_status(200);
    assert_eq!(answer.text(), r#"x{"b":1,"a":{"d":1,"c":2}}"#);
    let outcome = host.record("demo", "outcome").await;
    assert_eq!(outcome["outcome"], "ok");
    eprintln!("{:#?}", host.logs("demo").await);
    assert_eq!(host.cordon_pids().len(), 2);
    host.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_program_serves() {
    let mut program = Program::start().await;
    let source = "export default { fetch() { return new Response('y') } }";
    program.deploy("demo", &Worker::new(source)).await;
    assert_eq!(program.get("demo", "/").await.text(), "y");
    eprintln!("{:?}", program.cordon_pids());
    program.kill().await;
    program.again().await;
    assert_eq!(program.get("demo", "/").await.text(), "y");
    assert_eq!(program.terminate().await, Some(0));
}

//! Many loads at once, and loads that nobody finishes.

use super::{TENANT, loading};
use crate::host::{Host, SOON, within};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hundreds_of_loads_at_once_wait_for_their_turn() {
    const COUNT: usize = 300;
    let host =
        Host::new().config(|config| config.pool.isolate_count_max = 64.try_into().expect("> 0"));
    let host = host.start().await;
    let body = "const stub = env.LOADER.load(code(
          'export default { fetch: () => new Response(\"' + name + '\") };')).getEntrypoint();
        return new Response(await ask(stub));";
    host.deploy(TENANT, &loading(body)).await;
    let asked = (0..COUNT).map(|at| {
        let host = &host;
        async move {
            let answer = host.get(TENANT, &format!("/{at}")).await;
            // More than one isolate runs or queues at once waits at the door.
            if answer.status == 503 { Err(answer.code()) } else { Ok((at, answer.text())) }
        }
    });
    let answers = within(4 * SOON, "all answers", futures_util::future::join_all(asked)).await;
    let answered: Vec<_> = answers.iter().filter_map(|answer| answer.as_ref().ok()).collect();
    for (at, text) in &answered {
        assert_eq!(*text, at.to_string());
    }
    // The parent itself takes 100 events at once and lets 100 wait; no load fails.
    let refused = answers.iter().filter(|answer| answer.is_err()).count();
    assert!(refused <= COUNT - 200, "{refused} refused: {answers:?}");
    host.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_event_loads_hundreds() {
    let host = Host::new().start().await;
    let body = "const texts = await Promise.all(Array.from({ length: 200 }, async (_, at) => {
          const stub = env.LOADER.get('n' + at, () => code(
            'export default { fetch: () => new Response(\"' + at + '\") };')).getEntrypoint();
          return ask(stub);
        }));
        return new Response(String(texts.every((text, at) => text === String(at))));";
    host.deploy(TENANT, &loading(body)).await;
    let answer = within(4 * SOON, "the answer", host.get(TENANT, "/")).await;
    assert_eq!(answer.expect_status(200).text(), "true");
    host.shutdown().await;
}

/// Whoever may load a name and goes away leaves it to the next.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_load_that_its_event_does_not_finish_is_left_to_the_next() {
    let host = Host::new().start().await;
    let body = "if (name === 'leave') {
          env.LOADER.get('x', () => new Promise(() => {}));
          // The name is asked for before the answer goes out.
          await new Promise((resolve) => setTimeout(resolve, 50));
          return new Response('left');
        }
        return new Response(await ask(env.LOADER.get('x', () => code(COUNTER)).getEntrypoint()));";
    host.deploy(TENANT, &loading(body)).await;
    assert_eq!(host.get(TENANT, "/leave").await.expect_status(200).text(), "left");
    assert_eq!(host.get(TENANT, "/take").await.expect_status(200).text(), "1");
    host.shutdown().await;
}

/// Two events ask for a name at once: the second gets what the first loads.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn events_that_ask_at_once_share_one_load() {
    let host = Host::new().start().await;
    let body = "const stub = env.LOADER.get('x', async () => {
          calls++;
          await new Promise((resolve) => setTimeout(resolve, 100));
          return code(COUNTER);
        }).getEntrypoint();
        const text = await ask(stub);
        return new Response(text + ' ' + calls);";
    host.deploy(TENANT, &loading(body)).await;
    let asked = (0..5).map(|_| async { host.get(TENANT, "/").await.expect_status(200).text() });
    let mut answers = futures_util::future::join_all(asked).await;
    answers.sort();
    assert_eq!(answers, ["1 1", "2 1", "3 1", "4 1", "5 1"]);
    host.shutdown().await;
}

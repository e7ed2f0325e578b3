//! `kill -9` on the whole program, round after round, while it puts, sends, consumes and runs a
//! cron: what it acknowledged is there, and nothing is settled twice. A bench does the same for
//! longer.

mod ledger;
mod rounds;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[expect(clippy::print_stdout, reason = "figures, for who runs it with --nocapture")]
async fn killed_round_after_round_nothing_acknowledged_is_lost_and_nothing_settles_twice() {
    let seen = rounds::run(10).await;
    println!("{:?}", seen.figures());
    // The rounds were not idle.
    assert!(seen.puts > 100 && seen.sends > 100 && seen.poison > 10 && seen.crons > 0, "{seen:?}");
}

//! `kill -9` on the whole program under mixed load, 200 rounds: the test of the same name for
//! longer. It ends with an error as soon as something that was acknowledged is not there.

use std::time::Instant;

use serde_json::Value;

use support::Result;
use support::options::Options;
use support::report::Report;

#[allow(dead_code, unused_imports, reason = "the tests' own; this uses its part")]
#[path = "../tests/host/mod.rs"]
mod host;
#[path = "../tests/kill/ledger.rs"]
mod ledger;
#[path = "../tests/kill/rounds.rs"]
mod rounds;
mod support;

fn main() -> Result<()> {
    // The contenders of other benches do not run here.
    let options = Options { only: Some("kill".into()), ..Options::read()? };
    let mut report = Report::new("kill", &options)?;
    let count = options.pick(200, 10);
    report.condition("rounds", count);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let since = Instant::now();
    let seen = runtime.block_on(rounds::run(count));
    let took = since.elapsed().as_secs_f64();
    let (names, values): (Vec<&str>, Vec<f64>) = seen.figures().into_iter().unzip();
    let columns: Vec<&str> = std::iter::once("s").chain(names).collect();
    let row = std::iter::once(took).chain(values).map(Value::from).collect();
    report.table("acknowledged, and there at the end", &columns, vec![row]);
    report.print()
}

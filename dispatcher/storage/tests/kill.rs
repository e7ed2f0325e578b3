//! A writer is killed again and again: what it was told is durable is there afterwards.
//!
//! The test runs its own program once more as the writer, which says on its standard output what
//! has been acknowledged.

use std::io::{BufRead, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use bindery_storage::blob::Blobs;
use bindery_storage::embedded::{Embedded, Options};
use bindery_storage::engine::{Batch, Committed, Engine, KeyRange, SCAN_COUNT_MAX, Write};
use bindery_wire::{ContentHash, TenantId};

/// Where the writer writes; set only in the writer.
const DIRECTORY: &str = "BINDERY_STORAGE_KILL_DIRECTORY";
const TENANT: TenantId = TenantId(1);
/// Acknowledgements that a writer is left alive for, at least, in each round.
const ROUNDS: [usize; 4] = [1, 40, 150, 400];
/// Commits after which a writer that nobody kills ends by itself.
const COMMIT_COUNT_MAX: u64 = 20_000;
/// After this long too, so that a writer that hangs ends the test.
const LIFE_MAX: Duration = Duration::from_secs(120);

#[test]
fn nothing_acknowledged_is_lost_when_the_writer_is_killed() {
    if let Some(directory) = std::env::var_os(DIRECTORY) {
        return write_until_killed(Path::new(&directory));
    }
    let directory = tempfile::tempdir().expect("a directory");
    let mut promised = Promised::default();
    for acknowledged in ROUNDS {
        let mut writer = Writer::start(directory.path());
        writer.kill_after(acknowledged, &mut promised);
        promised.check(directory.path());
    }
}

/// What the writers were told is durable.
#[derive(Default)]
struct Promised {
    rows: Vec<String>,
    blobs: Vec<ContentHash>,
}

impl Promised {
    /// Takes one line of a writer; a line that was cut off promises nothing.
    fn take(&mut self, line: &str) -> bool {
        match line.split_once(' ') {
            Some(("row", key)) => self.rows.push(key.to_owned()),
            Some(("blob", hash)) => self.blobs.push(hash.parse().expect("a hash")),
            _ => return false,
        }
        true
    }

    #[tokio::main(flavor = "current_thread")]
    async fn check(&self, directory: &Path) {
        let store = Embedded::open(directory.join("store")).expect("opens after the kill");
        let mut found = std::collections::BTreeMap::new();
        let mut range = KeyRange::prefix("row/");
        loop {
            let rows = store.scan(range.clone(), SCAN_COUNT_MAX).await.expect("scanned");
            let Some(last) = rows.last() else { break };
            range = range.after(&last.key);
            found.extend(rows.into_iter().map(|row| (row.key, row.value)));
        }
        for key in &self.rows {
            let value = found.get(key.as_bytes()).unwrap_or_else(|| panic!("{key} is lost"));
            assert_eq!(value[..], *key.as_bytes(), "{key}");
        }
        // Each batch has two rows and a count of one: no batch is there in part.
        let pairs = store.get("count".into()).await.expect("read").expect("there");
        let pairs = u64::from_be_bytes(pairs[..].try_into().expect("a counter"));
        assert_eq!(found.len() as u64, 2 * pairs);
        let blobs = Blobs::open(directory.join("blobs")).expect("opens after the kill");
        for hash in &self.blobs {
            blobs.get(TENANT, hash).expect("a blob that was promised");
        }
    }
}

/// The writer's process, which ends with this value.
struct Writer(Child);

impl Writer {
    fn start(directory: &Path) -> Self {
        let program = std::env::current_exe().expect("this program");
        let mut command = Command::new(program);
        command.args(["--exact", "nothing_acknowledged_is_lost_when_the_writer_is_killed"]);
        command.args(["--nocapture", "--test-threads=1"]);
        command.env(DIRECTORY, directory).stdin(Stdio::null()).stdout(Stdio::piped());
        Self(command.spawn().expect("the writer starts"))
    }

    /// Kills the writer in the middle of its work, and takes what it said until then.
    fn kill_after(&mut self, acknowledged: usize, promised: &mut Promised) {
        let mut lines = BufReader::new(self.0.stdout.take().expect("piped")).lines();
        let mut said = 0;
        while said < acknowledged {
            let line = lines.next().expect("the writer goes on").expect("readable");
            said += usize::from(promised.take(&line));
        }
        self.0.kill().expect("killed");
        let status = self.0.wait().expect("waited for");
        assert_eq!(std::os::unix::process::ExitStatusExt::signal(&status), Some(9));
        // The pipe still holds what was said before the signal. Only its end can be cut off.
        let rest: Vec<String> = lines.map_while(Result::ok).collect();
        let whole = rest.len().saturating_sub(1);
        for line in &rest[..whole] {
            promised.take(line);
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Commits from several places at once, so that groups form, and says what is acknowledged.
#[tokio::main(flavor = "current_thread")]
async fn write_until_killed(directory: &Path) {
    // So small that kills meet folds, and changes of the log.
    let options =
        Options { log_bytes_max: 2 << 20, overlay_bytes_max: 40_000, ..Options::default() };
    let store = Embedded::open_with(directory.join("store"), options).expect("opens");
    let store = Arc::new(store);
    let blobs = Blobs::open(directory.join("blobs")).expect("opens");
    let process = std::process::id();
    let writers = (0..8_u64).map(|task| {
        let (store, blobs) = (Arc::clone(&store), blobs.clone());
        async move {
            for number in 0..COMMIT_COUNT_MAX / 8 {
                let keys = ["x", "y"].map(|half| format!("row/{process}/{task}/{number}/{half}"));
                let put = |key: &String| Write::Put {
                    key: key.clone().into(),
                    value: key.clone().into(),
                };
                let count = Write::Add { key: "count".into(), amount: 1 };
                let writes = vec![put(&keys[0]), count, put(&keys[1])];
                let outcome = store.commit(Batch { checks: vec![], writes }).await;
                assert!(matches!(outcome, Ok(Committed::Done { .. })), "{outcome:?}");
                let mut said = format!("row {}\nrow {}\n", keys[0], keys[1]);
                if number % 10 == 0 {
                    let hash = blobs.put_async(TENANT, keys[0].clone().into()).await;
                    said += &format!("blob {}\n", hash.expect("kept"));
                }
                std::io::stdout().write_all(said.as_bytes()).expect("the parent reads");
            }
        }
    });
    let all = futures_util::future::join_all(writers);
    tokio::time::timeout(LIFE_MAX, all).await.expect("killed or done long before");
}

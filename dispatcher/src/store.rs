//! What is kept in a data directory, as a whole: opened, checked, copied, made from a copy.
//!
//! A directory that a server has open is left alone.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufReader, BufWriter, ErrorKind, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::pin::pin;

use bindery_storage::backup;
pub use bindery_storage::backup::Counts;
use bindery_storage::blob::{self, Blobs};
use bindery_storage::embedded::{Embedded, Stats};
use bindery_storage::engine::{self, Engine, Entry, KeyRange};
use bindery_storage::key::Space;
use bindery_storage::tables::KvTable;
use bindery_storage::value::{LargeValue, Values};
use futures_util::TryStreamExt;
use serde::Serialize;

/// Rows that are checked at once.
const PAGE_COUNT_MAX: usize = 1_000;
/// Problems that are told one by one.
const PROBLEM_COUNT_MAX: usize = 100;

/// Why something was not done to a data directory.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is no store.
    #[error("there is no store in {0}")]
    NoStore(String),
    /// A backup is only restored where nothing is.
    #[error("{0} is not empty: a backup is restored into a directory of its own")]
    NotEmpty(String),
    /// A file can not be read or written.
    #[error("{path}: {source}")]
    File {
        /// Which.
        path: String,
        /// Why.
        source: io::Error,
    },
    /// The rows can not be opened or read.
    #[error(transparent)]
    Rows(#[from] engine::Error),
    /// The blobs can not be opened or read.
    #[error(transparent)]
    Blobs(#[from] blob::Error),
    /// The backup is not what it should be.
    #[error(transparent)]
    Backup(#[from] backup::Error),
}

/// What a check found.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Checked {
    /// Rows that were read.
    pub rows: u64,
    /// Blobs that were read.
    pub blobs: u64,
    /// What is wrong: the first hundred.
    pub problems: Vec<String>,
}

impl Checked {
    fn tell(&mut self, problem: impl FnOnce() -> String) {
        if self.problems.len() < PROBLEM_COUNT_MAX {
            self.problems.push(problem());
        }
    }
}

/// Opens what is kept in a directory, or makes it.
pub(crate) fn open(data: &Path) -> Result<(Embedded, Blobs), Error> {
    let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(data);
    made.map_err(at(data))?;
    Ok((Embedded::open(data)?, Blobs::open(data.join("blobs"))?))
}

fn open_existing(data: &Path) -> Result<(Embedded, Blobs), Error> {
    if !data.join("store.redb").is_file() {
        return Err(Error::NoStore(data.display().to_string()));
    }
    open(data)
}

fn at(path: &Path) -> impl FnOnce(io::Error) -> Error {
    let path = path.display().to_string();
    |source| Error::File { path, source }
}

/// Reads everything, and tells what is not as it was written.
pub async fn check(data: &Path) -> Result<Checked, Error> {
    // Opened first, as this says best what is wrong with the directory as a whole.
    drop(open_existing(data)?);
    let mut checked = Checked::default();
    if !Embedded::check(data)? {
        checked.tell(|| "store.redb: pages are damaged or lost; what could be was mended".into());
    }
    let (rows, blobs) = open(data)?;
    check_rows(&rows, &Values::new(blobs.clone()), &mut checked).await?;
    for tenant in blobs.tenants()? {
        for hash in blobs.list(tenant)? {
            checked.blobs += 1;
            if let Err(error) = blobs.get(tenant, &hash) {
                checked.tell(|| format!("tenant {}: {error}", tenant.0));
            }
        }
    }
    Ok(checked)
}

async fn check_rows(
    engine: &dyn Engine,
    values: &Values,
    checked: &mut Checked,
) -> Result<(), Error> {
    let mut range = KeyRange::prefix([]);
    loop {
        let rows = engine.scan(range.clone(), PAGE_COUNT_MAX).await?;
        let Some(last) = rows.last() else { return Ok(()) };
        range = range.after(&last.key);
        checked.rows += rows.len() as u64;
        for row in rows.iter().filter(|row| !is_known(row)) {
            let key: String = row.key.iter().map(|byte| format!("{byte:02x}")).collect();
            checked.tell(|| format!("the row {key} is of no kind that this program knows"));
        }
        for row in &rows {
            match KvTable::large_value(row) {
                Ok(None) => {}
                Ok(Some(value)) => {
                    checked.blobs += 1;
                    if let Err(error) = read_value(values, value).await {
                        checked.tell(|| format!("tenant {}: {error}", value.tenant.0));
                    }
                }
                Err(error) => checked.tell(|| error.to_string()),
            }
        }
    }
}

/// Reads all of a value, which compares it with its hash.
async fn read_value(values: &Values, value: LargeValue) -> blob::Result<()> {
    let mut reading = values.open(value).await?;
    while reading.next().await?.is_some() {}
    Ok(())
}

fn is_known(row: &Entry) -> bool {
    Space::ALL.iter().any(|space| row.key.first() == Some(&(*space as u8)))
}

/// Figures of a store. Reads all of its rows.
pub fn stats(data: &Path) -> Result<Stats, Error> {
    Ok(open_existing(data)?.0.stats()?)
}

/// Writes all that is kept into a new file, which is there whole or not at all.
pub async fn back_up(data: &Path, file: &Path) -> Result<Counts, Error> {
    let (rows, blobs) = open_existing(data)?;
    let mut chunks = pin!(backup::make(&rows, &blobs).await?);
    let mut draft = Draft::begin(file)?;
    while let Some(chunk) = chunks.try_next().await? {
        draft.write(&chunk)?;
    }
    draft.finish()
}

/// The same with a backup that comes from a server.
pub fn receive(mut from: impl Read, file: &Path) -> Result<Counts, Error> {
    let mut draft = Draft::begin(file)?;
    io::copy(&mut from, &mut draft.out).map_err(at(file))?;
    draft.finish()
}

/// Makes a data directory of a backup, which is there whole or not at all.
pub async fn restore(file: &Path, data: &Path) -> Result<Counts, Error> {
    let read = || File::open(file).map(BufReader::new).map_err(at(file));
    backup::verify(read()?)?;
    match fs::read_dir(data).map(|mut entries| entries.next().is_some()) {
        Ok(false) => {}
        Ok(true) => return Err(Error::NotEmpty(data.display().to_string())),
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        Err(error) => return Err(at(data)(error)),
    }
    let draft = beside(data);
    match fs::remove_dir_all(&draft) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(at(&draft)(error)),
        _ => {}
    }
    let (rows, blobs) = open(&draft)?;
    let counts = backup::restore(read()?, &rows, &blobs).await?;
    drop((rows, blobs));
    fs::rename(&draft, data).and_then(|()| sync_parent(data)).map_err(at(data))?;
    Ok(counts)
}

/// A backup's file until it is whole.
struct Draft {
    path: PathBuf,
    file: PathBuf,
    out: BufWriter<File>,
}

impl Draft {
    /// A backup holds sealed secrets and hashed tokens: it is its maker's own.
    fn begin(file: &Path) -> Result<Self, Error> {
        let path = beside(file);
        let mut options = OpenOptions::new();
        let made = options.write(true).create(true).truncate(true).mode(0o600).open(&path);
        let out = BufWriter::new(made.map_err(at(&path))?);
        Ok(Self { path, file: file.to_owned(), out })
    }

    fn write(&mut self, chunk: &[u8]) -> Result<(), Error> {
        self.out.write_all(chunk).map_err(at(&self.path))
    }

    /// Reads it once more from end to end, and gives it its name.
    fn finish(mut self) -> Result<Counts, Error> {
        self.out.flush().and_then(|()| self.out.get_ref().sync_all()).map_err(at(&self.path))?;
        let counts = backup::verify(File::open(&self.path).map_err(at(&self.path))?)?;
        let named = fs::rename(&self.path, &self.file).and_then(|()| sync_parent(&self.file));
        named.map_err(at(&self.file))?;
        Ok(counts)
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        // Gone already if it has its name.
        let _ = fs::remove_file(&self.path);
    }
}

/// Where something is made before it gets its name.
fn beside(path: &Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".partial");
    path.with_file_name(name)
}

fn sync_parent(path: &Path) -> io::Result<()> {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    File::open(parent.unwrap_or(Path::new(".")))?.sync_all()
}

#[cfg(test)]
mod tests {
    use bindery_storage::engine::{Batch, Write};
    use bindery_storage::key::Key;
    use bindery_storage::tables::{KvPlace, KvRow, KvValue};
    use bindery_wire::{ContentHash, TenantId};

    use super::*;

    const TENANT: TenantId = TenantId(1);

    fn put(space: Space, name: &str, value: &[u8]) -> Write {
        Write::Put { key: Key::new(space).tenant(TENANT).ending(name), value: value.into() }
    }

    async fn fill(data: &Path) -> ContentHash {
        let (rows, blobs) = open(data).expect("opens");
        let writes =
            vec![put(Space::Worker, "main", b"\x01{}"), put(Space::Domain, "a.b", b"\x01")];
        rows.commit(Batch { checks: vec![], writes }).await.expect("committed");
        blobs.put(TENANT, b"a blob").expect("kept")
    }

    #[tokio::test]
    async fn a_directory_is_checked_copied_and_made_again_from_the_copy() {
        let directory = tempfile::tempdir().expect("a directory");
        let [one, two, file] = ["one", "two", "file"].map(|name| directory.path().join(name));
        let hash = fill(&one).await;
        let counts = back_up(&one, &file).await.expect("backed up");
        assert_eq!(counts, Counts { rows: 2, blobs: 1 });
        assert_eq!(restore(&file, &two).await.expect("restored"), counts);
        let checked = check(&two).await.expect("checked");
        assert_eq!((checked.rows, checked.blobs, checked.problems), (2, 1, vec![]));
        let (rows, blobs) = open(&two).expect("opens");
        assert_eq!(rows.scan(KeyRange::prefix([]), 10).await.expect("scanned").len(), 2);
        assert_eq!(blobs.get(TENANT, &hash).expect("there"), &b"a blob"[..]);
        let left = fs::read_dir(directory.path()).expect("listed").count();
        assert_eq!(left, 3, "nothing that is not whole stays");
    }

    #[tokio::test]
    async fn a_directory_that_is_open_empty_or_in_use_is_left_alone() {
        let directory = tempfile::tempdir().expect("a directory");
        let [data, none, file] = ["data", "none", "file"].map(|name| directory.path().join(name));
        fill(&data).await;
        back_up(&data, &file).await.expect("backed up");
        assert!(matches!(restore(&file, &data).await, Err(Error::NotEmpty(_))));
        assert!(matches!(check(&none).await, Err(Error::NoStore(_))));
        assert!(!none.exists());
        let held = open(&data).expect("opens");
        let refused = check(&data).await.expect_err("in use").to_string();
        assert!(refused.contains("open in another process"), "{refused}");
        assert!(back_up(&data, &file).await.is_err() && stats(&data).is_err());
        drop(held);
        assert_eq!(stats(&data).expect("read").changes_in_memory, 2);
    }

    #[tokio::test]
    async fn damage_is_told_by_name() {
        let directory = tempfile::tempdir().expect("a directory");
        let hash = fill(directory.path()).await;
        let (rows, _) = open(directory.path()).expect("opens");
        let writes = vec![Write::Put { key: vec![0xee, 1], value: vec![] }];
        rows.commit(Batch { checks: vec![], writes }).await.expect("committed");
        drop(rows);
        let shelf = format!("blobs/{:016x}/{}/{}", TENANT.0, &hash.hex()[..2], hash.hex());
        fs::write(directory.path().join(shelf), b"a blot").expect("damaged");
        let problems = check(directory.path()).await.expect("checked").problems;
        assert_eq!(problems.len(), 2, "{problems:?}");
        assert!(problems[0].contains("ee01"), "{problems:?}");
        assert!(problems[1].contains(&hash.hex()), "{problems:?}");
    }

    #[tokio::test]
    async fn a_large_value_is_copied_with_its_key_and_its_damage_is_told() {
        let directory = tempfile::tempdir().expect("a directory");
        let [data, made, file] = ["data", "made", "file"].map(|name| directory.path().join(name));
        let (rows, blobs) = open(&data).expect("opens");
        let mut writing = Values::new(blobs).begin(TENANT, 9).await.expect("begun");
        writing.write("a large value".into()).await.expect("written");
        let (length, hash) = writing.finish().await.expect("durable");
        let value = KvValue::File { number: 9, hash };
        let row = KvRow { expires_s: None, metadata: None, length, value };
        let rows = std::sync::Arc::new(rows);
        let place = KvPlace { tenant: TENANT, namespace: "n", name: "key" };
        let writes = KvTable::new(rows.clone()).put(place, &row);
        rows.commit(Batch { checks: vec![], writes }).await.expect("committed");
        drop(rows);
        assert_eq!(back_up(&data, &file).await.expect("backed up"), Counts { rows: 1, blobs: 1 });
        restore(&file, &made).await.expect("restored");
        let checked = check(&made).await.expect("checked");
        assert_eq!((checked.blobs, checked.problems), (1, vec![]));
        let path = made.join(format!("blobs/{:016x}/values/{:016x}", TENANT.0, 9));
        fs::write(&path, b"a large blot.").expect("damaged");
        let problems = check(&made).await.expect("checked").problems;
        assert!(problems.len() == 1 && problems[0].contains("0009 is damaged"), "{problems:?}");
        fs::remove_file(&path).expect("removed");
        let problems = check(&made).await.expect("checked").problems;
        assert!(problems[0].contains("there is no file of the value"), "{problems:?}");
    }

    #[tokio::test]
    async fn a_backup_that_was_cut_off_is_neither_kept_nor_restored() {
        let directory = tempfile::tempdir().expect("a directory");
        let [data, file, cut] = ["data", "file", "cut"].map(|name| directory.path().join(name));
        fill(&data).await;
        back_up(&data, &file).await.expect("backed up");
        let bytes = fs::read(&file).expect("read");
        let half = &bytes[..bytes.len() / 2];
        assert!(matches!(receive(half, &cut), Err(Error::Backup(backup::Error::Damaged))));
        assert!(!cut.exists());
        fs::write(&cut, half).expect("written");
        let made = directory.path().join("made");
        assert!(matches!(restore(&cut, &made).await, Err(Error::Backup(_))));
        assert!(!made.exists());
        assert_eq!(receive(&bytes[..], &cut).expect("whole").rows, 2);
    }
}

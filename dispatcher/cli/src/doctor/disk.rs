//! The disk of the data directory.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::{Check, State};

/// Free space under which the server should not begin.
const FREE_BYTES_MIN: u64 = 1 << 30;
/// What one write may take to be durable: every upload waits for a few.
const SYNC_MAX: Duration = Duration::from_millis(25);
/// Writes that are timed.
const SYNC_COUNT: usize = 20;

/// Whether the directory can be written, how much room there is, how long a durable write takes.
pub(crate) fn checks(data: &Path) -> Vec<Check> {
    let name = format!("data directory {}", data.display());
    let dir = existing(data);
    let free = match rustix::fs::statvfs(&dir) {
        Ok(stat) => stat.f_bavail * stat.f_frsize,
        Err(error) => {
            return vec![Check::ok(name, error.to_string()).with(State::Fail, "pass --data DIR")];
        }
    };
    let found = format!("{} MiB free", free >> 20);
    let space = match free {
        FREE_BYTES_MIN.. => Check::ok(&name, found),
        _ => Check::ok(&name, found).with(State::Warn, "make room: 1 GiB is little"),
    };
    vec![space, sync(&dir)]
}

/// The directory, or the nearest one above it that is there.
fn existing(data: &Path) -> PathBuf {
    let absolute = std::path::absolute(data).unwrap_or_else(|_| data.to_owned());
    absolute.ancestors().find(|dir| dir.is_dir()).unwrap_or(Path::new("/")).to_owned()
}

fn sync(dir: &Path) -> Check {
    const NAME: &str = "durable write";
    match sync_time(dir) {
        Err(error) => Check::ok(NAME, format!("{}: {error}", dir.display()))
            .with(State::Fail, "make the directory writable, or pass --data DIR"),
        Ok(time) => {
            let check = Check::ok(NAME, format!("{:.1} ms (median)", time.as_secs_f64() * 1e3));
            if time < SYNC_MAX {
                return check;
            }
            check.with(State::Warn, "every upload waits for a few: use a faster disk")
        }
    }
}

fn sync_time(dir: &Path) -> io::Result<Duration> {
    let temporary = tempfile::Builder::new().prefix(".bindery-doctor").tempdir_in(dir)?;
    let path = temporary.path().join("sync");
    let mut file = File::create(&path)?;
    let mut times = Vec::with_capacity(SYNC_COUNT);
    for _ in 0..SYNC_COUNT {
        let start = Instant::now();
        file.write_all(&[0; 4096])?;
        file.sync_data()?;
        times.push(start.elapsed());
    }
    times.sort();
    fs::remove_file(&path)?;
    temporary.close()?;
    Ok(times.get(SYNC_COUNT / 2).copied().unwrap_or_default())
}

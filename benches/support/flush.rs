//! How long this machine's own flushes take: what no durable write can be faster than.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::FileExt;
use std::time::Instant;

use super::Result;
use super::histogram::Histogram;

/// What a log is written in, and so what a flush of one small record writes.
const BLOCK_BYTES: usize = 4096;

/// How long one flush takes: over bytes that are there, and at the end of a file.
pub(crate) fn flushes(count: u64) -> Result<(Histogram, Histogram)> {
    let directory = tempfile::tempdir_in(".")?;
    let make = |name: &str| -> Result<File> {
        let path = directory.path().join(name);
        Ok(OpenOptions::new().create_new(true).write(true).read(true).open(path)?)
    };
    let (over, appending) = (make("over")?, make("appending")?);
    over.write_all_at(&vec![0; count as usize * BLOCK_BYTES], 0)?;
    over.sync_all()?;
    let time = |file: &File| -> Result<Histogram> {
        let mut times = Histogram::new();
        for number in 0..count {
            let since = Instant::now();
            file.write_all_at(&[7; BLOCK_BYTES], number * BLOCK_BYTES as u64)?;
            file.sync_data()?;
            times.record(since.elapsed());
        }
        Ok(times)
    };
    Ok((time(&over)?, time(&appending)?))
}

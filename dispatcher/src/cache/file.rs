//! Bodies in files: written once, read by any number, removed when the last lets go.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt};
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body, Frame};
use tokio::runtime::Handle;
use tokio::task::{JoinHandle, spawn_blocking};

use crate::line::Cut;

/// Bytes that are read from a file at once.
const PIECE_BYTES: u64 = 256 << 10;

/// Where the files are. Their names are numbers: nothing of a tenant is in them.
#[derive(Debug)]
pub(super) struct Folder {
    path: PathBuf,
    next: AtomicU64,
}

impl Folder {
    /// A folder with nothing in it. Blocks.
    pub(super) fn open(path: PathBuf) -> io::Result<Self> {
        match fs::remove_dir_all(&path) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        DirBuilder::new().recursive(true).mode(0o700).create(&path)?;
        Ok(Self { path, next: AtomicU64::new(0) })
    }

    /// A new file.
    pub(super) async fn create(&self) -> io::Result<Filing> {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let path = self.path.join(format!("{number:016x}"));
        let open = move || {
            let mut options = OpenOptions::new();
            let file = options.read(true).write(true).create_new(true).mode(0o600).open(&path)?;
            Ok(Filing { file: Arc::new(file), filed: Filed { path, length: 0 } })
        };
        spawn_blocking(open).await?
    }
}

/// A file that is being written. Dropped, it is removed.
#[derive(Debug)]
pub(super) struct Filing {
    file: Arc<File>,
    filed: Filed,
}

/// A file with a body, whole. Dropped, it is removed.
#[derive(Debug)]
pub(super) struct Filed {
    path: PathBuf,
    length: u64,
}

impl Filing {
    /// Appends bytes.
    pub(super) async fn write(&mut self, bytes: Bytes) -> io::Result<()> {
        self.filed.length += bytes.len() as u64;
        let file = self.file.clone();
        spawn_blocking(move || (&*file).write_all(&bytes)).await?
    }

    /// All is written.
    pub(super) fn finish(self) -> Filed {
        self.filed
    }
}

impl Filed {
    pub(super) fn length(&self) -> u64 {
        self.length
    }

    /// Begins to read the bytes from `first` to the one before `end`.
    pub(super) async fn read(self: &Arc<Self>, first: u64, end: u64) -> io::Result<Reading> {
        let filed = self.clone();
        let file = spawn_blocking(move || File::open(&filed.path)).await??;
        let at = first;
        Ok(Reading { file: Arc::new(file), _filed: self.clone(), at, end, piece: None })
    }
}

impl Drop for Filed {
    fn drop(&mut self) {
        let path = std::mem::take(&mut self.path);
        let remove = move || {
            // What stays is removed at the next start.
            if let Err(error) = fs::remove_file(&path) {
                tracing::warn!(%error, "a file of the cache was not removed");
            }
        };
        // Large files take their time, and the last who reads one is anybody.
        match Handle::try_current() {
            Ok(runtime) => drop(runtime.spawn_blocking(remove)),
            Err(_) => remove(),
        }
    }
}

/// Bytes of a file as somebody reads them. The file stays until this is dropped.
pub(super) struct Reading {
    file: Arc<File>,
    _filed: Arc<Filed>,
    at: u64,
    end: u64,
    piece: Option<JoinHandle<io::Result<Bytes>>>,
}

impl Reading {
    fn next(&self) -> Option<JoinHandle<io::Result<Bytes>>> {
        let (file, at) = (self.file.clone(), self.at);
        let length = usize::try_from((self.end - at).min(PIECE_BYTES)).ok().filter(|n| *n > 0)?;
        Some(spawn_blocking(move || {
            let mut bytes = vec![0; length];
            file.read_exact_at(&mut bytes, at)?;
            Ok(bytes.into())
        }))
    }
}

impl Body for Reading {
    type Data = Bytes;
    type Error = Cut;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Cut>>> {
        let this = self.get_mut();
        if this.piece.is_none() {
            this.piece = this.next();
        }
        let Some(piece) = &mut this.piece else { return Poll::Ready(None) };
        let read = ready!(Pin::new(piece).poll(context));
        this.piece = None;
        Poll::Ready(Some(match read.map_err(io::Error::from).flatten() {
            Ok(bytes) => {
                this.at += bytes.len() as u64;
                Ok(Frame::data(bytes))
            }
            Err(error) => {
                tracing::error!(%error, "a file of the cache can not be read");
                Err(Cut::Unfinished)
            }
        }))
    }
}

//! Bodies on a line, both ways, each moving no faster than its reader.
//!
//! An [`Intake`] is a body of the isolate's: what hyper polls. Credit for a chunk goes back when
//! the chunk is taken, so at most [`WINDOW_BYTES`] of a body are ever held here, and of one that goes
//! with a call or its result [`UNREAD_BYTES`] until somebody reads it. An [`Outflow`]
//! is a body on its way to the isolate: it is not read before the isolate gives credit.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Poll, Waker};

use bindery_wire::frame::{
    BODIES_COUNT_MAX, BODY_COUNT_MAX, CHUNK_BYTES_MAX, Down, UNREAD_BYTES, WINDOW_BYTES,
};
use bytes::Bytes;
use http_body::{Body, Frame};
use tokio::sync::Notify;

use super::call::NO_EVENT;
use super::upload::{Cut, Upload};
use super::{Line, Table, Violation};

/// Which part of its window a body's credit must be to be worth a frame.
const CREDIT_PART: u32 = 8;
/// Bytes of the windows of bodies of calls that are read: beyond it they stay as they were.
const WINDOWS_BYTES_MAX: usize = 64 << 20;
/// Credit that one body of the dispatcher's may collect.
const CREDIT_BYTES_MAX: u32 = 4 << 20;

/// Why a response's body broke off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Broken {
    /// The worker, or the isolate under it, did not finish it.
    #[error("the response was not finished")]
    Unfinished,
    /// It has more bytes than its limit, or than it said it would.
    #[error("the response is longer than it may be")]
    TooLong,
    /// It has fewer bytes than it said it would.
    #[error("the response is shorter than it said")]
    TooShort,
}

/// A body of the isolate's that is being received.
#[derive(Debug)]
pub(super) struct Intake {
    state: Mutex<Received>,
}

#[derive(Debug)]
struct Received {
    chunks: VecDeque<Bytes>,
    /// Bytes that the isolate may still send.
    credit: u32,
    /// Whether all came, once the end did.
    ended: Option<bool>,
    reader: Option<Waker>,
}

impl Intake {
    fn new(credit: u32) -> Self {
        let chunks = VecDeque::new();
        let state = Received { chunks, credit, ended: None, reader: None };
        Self { state: Mutex::new(state) }
    }

    /// Takes a chunk in; false if there was no credit for it.
    pub(super) fn chunk(&self, bytes: &[u8]) -> bool {
        let mut state = self.state();
        let Some(credit) =
            u32::try_from(bytes.len()).ok().and_then(|n| state.credit.checked_sub(n))
        else {
            return false;
        };
        if bytes.is_empty() || bytes.len() > CHUNK_BYTES_MAX || state.ended.is_some() {
            return false;
        }
        state.credit = credit;
        state.chunks.push_back(Bytes::copy_from_slice(bytes));
        wake(state);
        true
    }

    pub(super) fn end(&self, whole: bool) {
        let mut state = self.state();
        state.ended.get_or_insert(whole);
        wake(state);
    }

    fn state(&self) -> MutexGuard<'_, Received> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn wake(mut state: MutexGuard<'_, Received>) {
    let reader = state.reader.take();
    drop(state);
    if let Some(reader) = reader {
        reader.wake();
    }
}

impl Table {
    /// Begins to receive a body of an event; `window` is how far it may be ahead of its reader.
    pub(super) fn receive(
        &mut self,
        (event, body): (u32, u32),
        window: u32,
    ) -> Result<Arc<Intake>, Violation> {
        let Self { events, intakes, .. } = self;
        let exchange = events.get_mut(&event).ok_or(NO_EVENT)?;
        if exchange.intakes.len() >= BODY_COUNT_MAX {
            exchange.intakes.retain(|known| intakes.contains_key(known));
        }
        if exchange.intakes.len() >= BODY_COUNT_MAX || intakes.len() >= BODIES_COUNT_MAX {
            return Err(Violation::Order("more bodies at once than may be"));
        }
        let intake = Arc::new(Intake::new(window));
        if intakes.insert(body, intake.clone()).is_some() {
            return Err(Violation::Order("a body number twice"));
        }
        exchange.intakes.push(body);
        Ok(intake)
    }
}

/// What the window of a body has of all that its isolate's may have, until it is dropped.
#[derive(Debug)]
struct Wide(Arc<AtomicUsize>);

impl Wide {
    fn open(windows: &Arc<AtomicUsize>) -> Option<Self> {
        let before = windows.fetch_add(WINDOW_BYTES as usize, Ordering::Relaxed);
        // Dropped, it is not counted any more.
        let wide = Self(windows.clone());
        (before < WINDOWS_BYTES_MAX).then_some(wide)
    }
}

impl Drop for Wide {
    fn drop(&mut self) {
        self.0.fetch_sub(WINDOW_BYTES as usize, Ordering::Relaxed);
    }
}

/// The reading end of an [`Intake`], as hyper polls it. Dropped early, it tells the isolate that
/// nobody wants the rest.
#[derive(Debug)]
pub struct Download {
    line: Weak<Line>,
    intake: Arc<Intake>,
    /// The event that it answers; absent for the body of a call.
    answers: Option<u32>,
    body: u32,
    /// Bytes that are still to come, if the isolate said how many.
    due: Option<u64>,
    /// Bytes that may still come.
    left: u64,
    /// Credit that is not yet given back.
    owed: u32,
    /// How far the isolate may be ahead.
    window: u32,
    /// Whether it was read from, if its window is widened then.
    read: bool,
    wide: Option<Wide>,
    over: bool,
}

impl Download {
    /// The reader of `intake`; `numbers` are those of the event that it answers, if it does, and
    /// of its body, `lengths` the one that it declared and the one that it may have.
    pub(super) fn new(
        line: &Arc<Line>,
        intake: Arc<Intake>,
        numbers: (Option<u32>, u32),
        lengths: (Option<u64>, u64),
    ) -> Self {
        let (answers, body) = numbers;
        let (due, left) = lengths;
        let line = Arc::downgrade(line);
        let read = answers.is_some();
        let window = if read { WINDOW_BYTES } else { UNREAD_BYTES };
        Self {
            line,
            intake,
            answers,
            body,
            due,
            left,
            owed: 0,
            window,
            read,
            wide: None,
            over: false,
        }
    }

    /// How long the body is, if the isolate said so.
    pub fn length(&self) -> Option<u64> {
        self.due
    }

    /// Lets the rest go without a word about the client: the answer needs no body.
    pub fn discard(mut self) {
        self.over = true;
        if let Some(line) = self.line.upgrade() {
            line.unwanted(self.body);
            self.answers.into_iter().for_each(|event| line.answered(event));
        }
    }

    /// Somebody reads it: from now on the isolate may be ahead as far as with a response.
    fn widen(&mut self) {
        self.read = true;
        let Some(line) = self.line.upgrade() else { return };
        if self.intake.state().ended.is_some() {
            return;
        }
        self.wide = Wide::open(&line.windows);
        if self.wide.is_some() {
            let bytes = WINDOW_BYTES - self.window;
            self.window = WINDOW_BYTES;
            self.intake.state().credit += bytes;
            line.send(&Down::Credit { body: self.body, bytes });
        }
    }

    fn poll_chunk(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Bytes, Broken>>> {
        if !self.read {
            self.widen();
        }
        let mut state = self.intake.state();
        if let Some(chunk) = state.chunks.pop_front() {
            let ended = state.ended.is_some();
            drop(state);
            return Poll::Ready(Some(self.taken(chunk, ended)));
        }
        match state.ended {
            None => {
                state.reader = Some(context.waker().clone());
                Poll::Pending
            }
            Some(whole) => {
                drop(state);
                self.finish();
                let short = self.due.is_some_and(|due| due > 0);
                Poll::Ready(match (whole, short) {
                    (true, false) => None,
                    (true, true) => Some(Err(Broken::TooShort)),
                    (false, _) => Some(Err(Broken::Unfinished)),
                })
            }
        }
    }

    fn taken(&mut self, chunk: Bytes, ended: bool) -> Result<Bytes, Broken> {
        let bytes = chunk.len() as u64;
        if bytes > self.left || self.due.is_some_and(|due| bytes > due) {
            self.abandon();
            return Err(Broken::TooLong);
        }
        self.left -= bytes;
        self.due = self.due.map(|due| due - bytes);
        self.owed += u32::try_from(chunk.len()).unwrap_or(u32::MAX);
        if self.owed >= self.window / CREDIT_PART && !ended {
            self.intake.state().credit += self.owed;
            if let Some(line) = self.line.upgrade() {
                line.send(&Down::Credit { body: self.body, bytes: self.owed });
            }
            self.owed = 0;
        }
        Ok(chunk)
    }

    /// The whole body was read.
    fn finish(&mut self) {
        if !std::mem::replace(&mut self.over, true)
            && let Some(line) = self.line.upgrade()
        {
            self.answers.into_iter().for_each(|event| line.answered(event));
        }
    }

    /// Nobody reads the rest.
    fn abandon(&mut self) {
        if !std::mem::replace(&mut self.over, true)
            && let Some(line) = self.line.upgrade()
        {
            // In this order: without its body an event may be over, and then it is not canceled.
            self.answers.into_iter().for_each(|event| line.client_gone(event));
            line.unwanted(self.body);
        }
    }
}

impl Drop for Download {
    fn drop(&mut self) {
        self.abandon();
    }
}

impl Body for Download {
    type Data = Bytes;
    type Error = Broken;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        let this = self.get_mut();
        if this.over {
            return Poll::Ready(None);
        }
        this.poll_chunk(context).map(|chunk| chunk.map(|chunk| chunk.map(Frame::data)))
    }

    fn size_hint(&self) -> http_body::SizeHint {
        self.due.map_or_else(http_body::SizeHint::new, http_body::SizeHint::with_exact)
    }
}

/// What the pump of a request's body is told.
#[derive(Debug, Default)]
pub(super) struct Outflow {
    state: Mutex<Allowed>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct Allowed {
    credit: u32,
    closed: bool,
}

impl Outflow {
    pub(super) fn credit(&self, bytes: u32) {
        let mut state = self.state();
        state.credit = state.credit.saturating_add(bytes).min(CREDIT_BYTES_MAX);
        drop(state);
        self.changed.notify_one();
    }

    pub(super) fn close(&self) {
        self.state().closed = true;
        self.changed.notify_one();
    }

    /// How much may be sent now, once something may; absent when nothing ever will. Cancel-safe.
    async fn allowed(&self) -> Option<u32> {
        loop {
            {
                let state = self.state();
                if state.closed {
                    return None;
                }
                if state.credit > 0 {
                    return Some(state.credit);
                }
            }
            self.changed.notified().await;
        }
    }

    async fn closed(&self) {
        while !self.state().closed {
            self.changed.notified().await;
        }
    }

    fn spend(&self, bytes: u32) {
        let mut state = self.state();
        state.credit = state.credit.saturating_sub(bytes);
    }

    fn state(&self) -> MutexGuard<'_, Allowed> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How a pump ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pumped {
    /// All is sent, or nobody wants the rest.
    Done,
    /// The client's side broke off.
    Cut(Cut),
}

/// Moves a body to the isolate as far as its credit goes.
pub(super) async fn pump(line: &Line, body: u32, mut from: Upload, flow: &Outflow) -> Pumped {
    while flow.allowed().await.is_some() {
        let frame = tokio::select! {
            () = flow.closed() => return Pumped::Done,
            frame = std::future::poll_fn(|context| Pin::new(&mut from).poll_frame(context)) => frame,
        };
        match frame {
            None => {
                line.send(&Down::End { body, whole: true });
                return Pumped::Done;
            }
            Some(Err(cut)) => {
                line.send(&Down::End { body, whole: false });
                return Pumped::Cut(cut);
            }
            Some(Ok(frame)) => {
                let Ok(bytes) = frame.into_data() else { continue };
                if !send_chunks(line, body, bytes, flow).await {
                    return Pumped::Done;
                }
            }
        }
    }
    Pumped::Done
}

/// Sends one piece of a body in chunks; false if nobody wants the rest.
async fn send_chunks(line: &Line, body: u32, mut bytes: Bytes, flow: &Outflow) -> bool {
    while !bytes.is_empty() {
        let Some(credit) = flow.allowed().await else { return false };
        line.outbox.room().await;
        let chunk = bytes.split_to(bytes.len().min(credit as usize).min(CHUNK_BYTES_MAX));
        flow.spend(u32::try_from(chunk.len()).unwrap_or(u32::MAX));
        line.host.meter.bytes_in(chunk.len());
        line.send(&Down::Chunk { body, bytes: &chunk });
    }
    true
}

//! Events that no client's request brings: begun by whoever knows that they are due.
//!
//! An event runs once, in an isolate that is live or is started for it, and goes on to its end
//! even if whoever began it goes away. Absent on purpose: when events are due, and what becomes of
//! one that failed.

use std::sync::Arc;

use bindery_logic::blame::Blame;
use bindery_wire::Outcome;
use bindery_wire::event::{Decision, Handler};
use bindery_wire::frame::EventKind;
use bindery_wire::limits::Lower;
use chacha20poly1305::aead::OsRng;
use chacha20poly1305::aead::rand_core::RngCore;
use futures_util::future::BoxFuture;

use crate::clock::{Clock, Millis};
use crate::code::Code;
use crate::line::{About, Begun, Line, MOVE_COUNT_MAX, NotTaken, Reply, RequestId};
use crate::placement::{Failed, NoRoom, Placement};
use crate::rpc::Props;
use crate::tasks::Tasks;
use crate::trace::Trace;

/// How an event ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ended {
    /// Names the event in the tail.
    pub request: RequestId,
    /// How.
    pub outcome: Outcome,
    /// CPU time, in microseconds.
    pub cpu_us: u64,
    /// From start to end, in microseconds.
    pub wall_us: u64,
    /// What its handler decided; absent if there is nothing to decide, or the isolate died.
    pub decision: Option<Decision>,
    /// Whose fault it is that the isolate died, if it did.
    pub blame: Option<Blame>,
}

/// Why an event did not begin.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Error {
    /// The export is not there, or has no such handler.
    #[error("the worker's export `{export}` has no {}() handler", handler.as_str())]
    NoHandler {
        /// The export.
        export: String,
        /// The handler.
        handler: Handler,
    },
    /// The worker does not start.
    #[error(transparent)]
    NotStarted(#[from] Failed),
    /// Too many events wait for the worker.
    #[error("too many events wait for the worker")]
    Full,
    /// The event does not fit into a frame.
    #[error("the event is too large")]
    TooLarge,
}

/// An export, as whoever has an event run in it sees it.
#[derive(Clone, Copy, Debug)]
pub struct To<'a> {
    /// The export; absent for `default`.
    pub entrypoint: Option<&'a str>,
    /// What `ctx.props` is.
    pub props: &'a Props,
    /// Limits of the event, lower than the worker's.
    pub limits: &'a Lower,
}

/// Runs events; a trait for those who must not know how.
pub trait Runner: Send + Sync {
    /// Runs one event of `code`.
    fn run<'a>(
        &'a self,
        code: Arc<Code>,
        entrypoint: Option<&'a str>,
        kind: EventKind<'a>,
    ) -> BoxFuture<'a, Result<Ended, Error>>;

    /// The time.
    fn now(&self) -> Millis;
}

/// Runs events in the isolates of a placement. Clones are the same.
#[derive(Clone)]
pub struct Events {
    placement: Placement,
    tasks: Tasks,
    clock: Clock,
}

impl Runner for Events {
    fn run<'a>(
        &'a self,
        code: Arc<Code>,
        entrypoint: Option<&'a str>,
        kind: EventKind<'a>,
    ) -> BoxFuture<'a, Result<Ended, Error>> {
        Box::pin(self.run(code, entrypoint, kind))
    }

    fn now(&self) -> Millis {
        self.clock.now()
    }
}

impl Events {
    /// Events in isolates of `placement`, whose lines `tasks` runs.
    pub fn new(placement: Placement, tasks: Tasks, clock: Clock) -> Self {
        Self { placement, tasks, clock }
    }

    /// Runs one event of `code`. Cancel-safe: what has begun goes on.
    pub async fn run(
        &self,
        code: Arc<Code>,
        entrypoint: Option<&str>,
        kind: EventKind<'_>,
    ) -> Result<Ended, Error> {
        let to = To { entrypoint, props: &Props::None, limits: &Lower::NONE };
        self.run_as(code, to, kind).await
    }

    /// The same, in an export as somebody sees it. Cancel-safe: what has begun goes on.
    pub async fn run_as(
        &self,
        code: Arc<Code>,
        to: To<'_>,
        kind: EventKind<'_>,
    ) -> Result<Ended, Error> {
        let about = about(&kind);
        for _ in 0..MOVE_COUNT_MAX {
            let begun = match self.begin(&code, to, kind.clone(), about.clone()).await {
                Err(Begin::Closed) => continue,
                Err(Begin::Failed(error)) => return Err(error),
                Ok(begun) => begun,
            };
            let lost = |blame| Ended {
                request: about.request,
                outcome: Outcome::Lost,
                cpu_us: 0,
                wall_us: 0,
                decision: None,
                blame: Some(blame),
            };
            return Ok(match begun.reply().await {
                Reply::NotTaken(_) => continue,
                Reply::Handled(spent, decision) => Ended {
                    request: about.request,
                    outcome: spent.outcome,
                    cpu_us: spent.cpu_us,
                    wall_us: spent.wall_us,
                    decision,
                    blame: None,
                },
                Reply::Lost(blame) => lost(blame),
                Reply::Ended(_) | Reply::Head { .. } | Reply::Cut(_) => lost(Blame::Nobody),
            });
        }
        Err(Error::Full)
    }

    async fn begin(
        &self,
        code: &Arc<Code>,
        to: To<'_>,
        kind: EventKind<'_>,
        about: About,
    ) -> Result<Begun, Begin> {
        let To { entrypoint, props, limits } = to;
        let handler = kind.handler();
        let fits = |line: &Line| line.has(entrypoint, handler) != Some(false);
        let permit = self.placement.permit(code, &self.tasks, fits).await;
        let permit = permit.map_err(|why| match why {
            NoRoom::NotStarted(failed) => Begin::Failed(failed.into()),
            NoRoom::Full | NoRoom::Closed => Begin::Failed(Error::Full),
            NoRoom::Unfit => {
                let export = entrypoint.unwrap_or("default").to_owned();
                Begin::Failed(Error::NoHandler { export, handler })
            }
        })?;
        let refused = |refused| match refused {
            NotTaken::Closed => Begin::Closed,
            NotTaken::Full => Begin::Failed(Error::Full),
            NotTaken::TooLarge => Begin::Failed(Error::TooLarge),
        };
        Begun::handle_as(permit, (entrypoint, props, limits), kind, about).map_err(refused)
    }
}

/// Why an event has not begun yet.
enum Begin {
    /// Another isolate may take it.
    Closed,
    Failed(Error),
}

fn about(kind: &EventKind<'_>) -> About {
    let of = match kind {
        EventKind::Scheduled { cron, .. } => cron,
        EventKind::Queue(batch) => batch.queue,
        EventKind::Fetch(_) | EventKind::Tail { .. } | EventKind::Rpc(_) => "",
    };
    About {
        request: RequestId(OsRng.next_u64()),
        trace: Trace::random(),
        handler: kind.handler(),
        method: http::Method::GET,
        path: of.into(),
        status: 0,
        hops: 0,
    }
}

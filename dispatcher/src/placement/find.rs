//! Finding the isolate for an event, and having one start where there is none.

use std::sync::Arc;
use std::time::Duration;

use bindery_wire::frame::Started;
use bindery_wire::limits::QUEUED_EVENT_COUNT_MAX;
use tokio::sync::watch;

use super::group::{Group, More, Starting};
use super::start::{Job, Kind};
use super::{Entry, Failed, Key, Live, NoRoom, Placement, Ready};
use crate::code::Code;
use crate::line::{Line, MOVE_COUNT_MAX, NotTaken, Permit};
use crate::tasks::Tasks;

/// A version that did not start is not tried again for this long.
const FAILED_FOR: Duration = Duration::from_secs(1);

type Waiting = watch::Receiver<Option<Result<Ready, Failed>>>;

enum Found {
    Line(Arc<Line>),
    Wait(Waiting),
    /// One more starts; without it, this one has to do.
    WaitOr(Waiting, Arc<Line>),
}

impl Placement {
    /// The isolate that runs the next event of `code`, started if there is none. `tasks` runs its
    /// line. Cancel-safe.
    pub async fn line(&self, code: &Arc<Code>, tasks: &Tasks) -> Result<Arc<Line>, Failed> {
        match self.find(code, tasks, Kind::First)? {
            Found::Line(line) => Ok(line),
            Found::Wait(started) => wait(started).await.map(|ready| ready.line),
            Found::WaitOr(started, line) => Ok(wait(started).await.map_or(line, |r| r.line)),
        }
    }

    /// Room for one more event in an isolate of `code`, as [`Placement::line`] finds it. What would
    /// not run there, as `fits` says, does not wait for room either. Cancel-safe.
    pub async fn permit(
        &self,
        code: &Arc<Code>,
        tasks: &Tasks,
        fits: impl Fn(&Line) -> bool,
    ) -> Result<Permit, NoRoom> {
        for _ in 0..MOVE_COUNT_MAX {
            let line = self.line(code, tasks).await.map_err(NoRoom::NotStarted)?;
            if !fits(&line) {
                return Err(NoRoom::Unfit);
            }
            match line.permit().await {
                Ok(permit) => return Ok(permit),
                Err(NotTaken::Closed) => {}
                Err(NotTaken::Full | NotTaken::TooLarge) => return Err(NoRoom::Full),
            }
        }
        Err(NoRoom::Closed)
    }

    /// Starts `code` to see whether it does; the isolate stays for the first request. What is
    /// live of the same version and generation already is taken as proof of nothing and replaced.
    pub async fn trial(&self, code: &Arc<Code>, tasks: &Tasks) -> Result<Arc<Started>, Failed> {
        let former = self.live().entries.remove(&Key::of(code));
        if let Some(Entry::Live(group)) = former {
            group.condemn();
        }
        match self.find(code, tasks, Kind::Trial)? {
            Found::Line(_) | Found::WaitOr(..) => Ok(Ready::started()),
            Found::Wait(started) => wait(started).await.map(|ready| ready.started),
        }
    }

    fn find(&self, code: &Arc<Code>, tasks: &Tasks, kind: Kind) -> Result<Found, Failed> {
        let key = Key::of(code);
        let mut live = self.live();
        if live.ending {
            return Err(Failed::Overloaded { after_ms: 1_000 });
        }
        match live.entries.get_mut(&key) {
            Some(Entry::Live(group)) => {
                if let Some(found) = self.in_group(group, code, tasks) {
                    return Ok(found);
                }
            }
            Some(Entry::Starting(started)) => return join(started, code).map(Found::Wait),
            Some(Entry::Failed(failed, until)) if self.0.parts.clock.elapsed() < *until => {
                return Err(failed.clone());
            }
            Some(Entry::Failed(..)) | None => {}
        }
        let (starting, started) = watch::channel(None);
        live.entries.insert(key, Entry::Starting(starting));
        drop(live);
        self.begin(code, tasks, kind);
        Ok(Found::Wait(started))
    }

    /// The least busy isolate of a version. If even that one is held by one event, another one
    /// starts, as far as there may be so many.
    fn in_group(&self, group: &mut Group, code: &Arc<Code>, tasks: &Tasks) -> Option<Found> {
        group.trial = false;
        let line = group.least_busy()?.clone();
        if !line.is_held() {
            return Some(Found::Line(line));
        }
        if let Some(started) = self.grow(group, code, tasks) {
            return Some(Found::WaitOr(started, line));
        }
        let More::Starting(started) = &group.more else { return Some(Found::Line(line)) };
        Some(join(started, code).map_or(Found::Line(line.clone()), |s| Found::WaitOr(s, line)))
    }

    /// Has one more isolate start beside those of a group, if there may be one more now.
    pub(super) fn grow(
        &self,
        group: &mut Group,
        code: &Arc<Code>,
        tasks: &Tasks,
    ) -> Option<Waiting> {
        let may = match group.more {
            More::No => true,
            More::Starting(_) => false,
            More::NotBefore(ms) => self.now_ms() >= ms,
        };
        if !may || group.lines.len() >= self.0.group_count_max {
            return None;
        }
        let (starting, started) = watch::channel(None);
        group.more = More::Starting(starting);
        self.begin(code, tasks, Kind::More);
        Some(started)
    }

    fn begin(&self, code: &Arc<Code>, tasks: &Tasks, kind: Kind) {
        let job = Job { placement: self.clone(), code: code.clone(), tasks: tasks.clone(), kind };
        tasks.spawn("start", job.run());
    }

    /// Records how a start ended, and tells all who wait for it.
    pub(super) fn settle(&self, code: &Code, kind: Kind, result: Result<Ready, Failed>) {
        let mut live = self.live();
        let starting = match kind {
            Kind::More => self.settle_more(&mut live, code, &result),
            Kind::First | Kind::Trial => self.settle_first(&mut live, code, kind, &result),
        };
        drop(live);
        if let Some(starting) = starting {
            starting.send_replace(Some(result));
        }
    }

    fn settle_first(
        &self,
        live: &mut Live,
        code: &Code,
        kind: Kind,
        result: &Result<Ready, Failed>,
    ) -> Option<Starting> {
        let entry = match result {
            Ok(ready) => Entry::Live(Group::new(ready.line.clone(), kind == Kind::Trial)),
            Err(failed) => {
                let pause = if failed.is_lasting() { FAILED_FOR } else { Duration::ZERO };
                Entry::Failed(failed.clone(), self.0.parts.clock.elapsed() + pause)
            }
        };
        match live.entries.insert(Key::of(code), entry)? {
            Entry::Starting(starting) => Some(starting),
            Entry::Live(former) => {
                former.condemn();
                None
            }
            Entry::Failed(..) => None,
        }
    }

    fn settle_more(
        &self,
        live: &mut Live,
        code: &Code,
        result: &Result<Ready, Failed>,
    ) -> Option<Starting> {
        let pause_ms = u64::try_from(FAILED_FOR.as_millis()).unwrap_or(u64::MAX);
        let more = match result {
            Ok(_) => More::No,
            Err(_) => More::NotBefore(self.now_ms().saturating_add(pause_ms)),
        };
        let former = match live.entries.get_mut(&Key::of(code)) {
            Some(Entry::Live(group)) => {
                let former = std::mem::replace(&mut group.more, more);
                if let (More::Starting(_), Ok(ready)) = (&former, result) {
                    group.lines.push(ready.line.clone());
                }
                former
            }
            _ => More::No,
        };
        if let More::Starting(starting) = former {
            return Some(starting);
        }
        // What it runs went out of date while it started.
        if let Ok(ready) = result {
            ready.line.condemn();
        }
        None
    }

    pub(super) fn now_ms(&self) -> u64 {
        u64::try_from(self.0.parts.clock.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}

/// Waits for a start beside others, if there are not too many.
fn join(started: &Starting, code: &Code) -> Result<Waiting, Failed> {
    let most = QUEUED_EVENT_COUNT_MAX + code.limits.event_count_max as usize;
    if started.receiver_count() >= most {
        return Err(Failed::Overloaded { after_ms: 1_000 });
    }
    Ok(started.subscribe())
}

async fn wait(mut started: Waiting) -> Result<Ready, Failed> {
    let gone = || Failed::Host("a start was given up".into());
    match started.wait_for(Option::is_some).await {
        Ok(result) => result.clone().unwrap_or_else(|| Err(gone())),
        Err(_) => Err(gone()),
    }
}

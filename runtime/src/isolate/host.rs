//! The loop of an isolate that serves: frames in, completions into JavaScript, frames out.
//!
//! One completion enters at a time, each followed by a microtask checkpoint: there the event it
//! belongs to is charged for the CPU time, a limit that was passed is acted on, and events that
//! have ended are told to the dispatcher. Between batches of frames the loop finds events that
//! nothing can end any more.

use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use bindery_js_api::door::{self, Door};
use bindery_wire::frame::{Down, Event, Reply, Up};
use bindery_wire::log::Spent;
use bindery_wire::rpc::Invocation;
use bindery_wire::{Outcome, codec, limit};
use deno_core::{PollEventLoopOptions, v8};
use tokio::io::unix::AsyncFd;

use super::blank::{Blank, in_context};
use super::entry::{self, Entries, Entry};
use super::event;
use super::line::{Gone, Line, send_all};
use super::watchdog::{Verdict, Watch};
use super::{memory, modules, reply, start, watchdog};
use crate::sys;

/// How long an isolate is idle before each step of giving memory back.
const IDLE: Duration = Duration::from_secs(2);
/// Compiled code of a module beyond which it is not kept.
const COMPILED_BYTES_MAX: usize = codec::UP_BYTES_MAX - (64 << 10);
/// Bytes of room for frames that an isolate keeps.
const KEEP_BYTES: usize = 64 << 10;
/// CPU time that ending an event's remains may take.
const CLEANUP_NS: u64 = 50_000_000;

const HUNG: &str = "The Workers runtime canceled this request because it detected that your \
    Worker's code had hung and would never generate a response. Refer to: \
    https://developers.cloudflare.com/workers/observability/errors/";

/// Serves one version over a line until the line or the version ends.
pub(crate) fn run(
    mut blank: Blank,
    engine: &tokio::runtime::Runtime,
    number: u64,
    socket: OwnedFd,
) -> Result<(), Gone> {
    let handle = blank.runtime.v8_isolate().thread_safe_handle();
    let watch = watchdog::watch(number, handle).ok_or(Gone)?;
    memory::guard(blank.runtime.v8_isolate(), &blank.budget, &watch);
    let socket = UnixStream::from(socket);
    socket.set_read_timeout(Some(IDLE)).map_err(|_| Gone)?;
    let socket = Arc::new(OwnedFd::from(socket));
    let mut line = Line::new(socket.clone());
    let own = socket.clone();
    if let Ok(mut door) = blank.door.open() {
        // A line that is gone is noticed where it is read.
        door.sender = Some(Box::new(move |out| {
            let _ = send_all(&own, out);
            out.clear();
        }));
    }
    let mut host = Host {
        socket,
        cpu_ns: watch.cpu_ns(),
        runs: None,
        blank,
        watch,
        engine_busy: false,
        condemned: false,
        ruined: false,
        stopping: false,
        rest: Rest::Done,
    };
    let served = host.start(engine, &mut line).and_then(|started| match started {
        true => host.serve(engine, &mut line),
        false => Ok(()),
    });
    memory::unguard();
    modules::clear();
    served
}

struct Host {
    socket: Arc<OwnedFd>,
    blank: Blank,
    watch: Arc<Watch>,
    /// The reading of the thread's CPU clock up to which time is charged.
    cpu_ns: u64,
    /// The event that the time since then belongs to.
    runs: Option<u32>,
    /// The engine has work of its own: an algorithm, a compilation.
    engine_busy: bool,
    condemned: bool,
    /// No JavaScript can run any more: the heap is over its limit.
    ruined: bool,
    stopping: bool,
    rest: Rest,
}

/// What is left to do before an isolate is at rest.
enum Rest {
    /// To collect garbage: an event has ended since it was.
    Collect,
    /// To give back what has been free since then.
    GiveBack(Instant),
    /// Nothing.
    Done,
}

impl Host {
    /// Takes the first frame and starts its code. False if that was refused.
    fn start(&mut self, engine: &tokio::runtime::Runtime, line: &mut Line) -> Result<bool, Gone> {
        let frame = loop {
            match line.next()? {
                Some(frame) => break frame,
                None => line.wait(None)?,
            }
        };
        let Ok(Down::Start(code)) = codec::read(frame) else { return Err(Gone) };
        let started = start::start(&mut self.blank, &self.watch, engine, &code);
        self.cpu_ns = self.watch.cpu_ns();
        let mut door = self.blank.door.open().map_err(|_| Gone)?;
        let fine = match started {
            Ok(started) => {
                door.tick(Instant::now());
                door.send(&Up::Started(started));
                true
            }
            Err(refused) => {
                let (spent, exception) = (refused.spent, refused.exception);
                door.send(&Up::Refused { spent, exception });
                false
            }
        };
        send_all(&self.socket, &std::mem::take(&mut door.out))?;
        Ok(fine)
    }

    fn serve(&mut self, engine: &tokio::runtime::Runtime, line: &mut Line) -> Result<(), Gone> {
        let mut readable: Option<AsyncFd<Arc<OwnedFd>>> = None;
        loop {
            while let Some(frame) = line.next()? {
                self.take(codec::read(frame).map_err(|_| Gone)?)?;
            }
            self.fire_timers();
            self.run_engine(&mut Context::from_waker(Waker::noop()));
            self.find_hung();
            self.charge();
            self.say_ended()?;
            self.flush()?;
            // A condemned isolate is told to stop too: what was sent to it before it said so is
            // then read, and given back.
            if self.stopping && self.open()?.events.is_empty() {
                return Ok(());
            }
            if self.engine_busy {
                if readable.is_none() {
                    readable = Some(sys::readable(self.socket.clone()).ok_or(Gone)?);
                }
                engine.block_on(self.wait_with_engine(readable.as_ref()))?;
                line.fill()?;
            } else {
                self.wait(line)?;
            }
        }
    }

    /// Waits for a frame or a timer, without a runtime. An isolate that has been idle for a
    /// while first gives memory back, step by step; after that it waits without any timer.
    fn wait(&mut self, line: &mut Line) -> Result<(), Gone> {
        let timer = self.open()?.timers.next_at();
        match self.rest {
            Rest::Collect if timer.is_none() => {
                if line.wait_or_idle()? {
                    return Ok(());
                }
                self.send_compiled();
                self.blank.runtime.v8_isolate().low_memory_notification();
                self.open()?.out.shrink_to_fit();
                line.release();
                self.rest = Rest::GiveBack(Instant::now());
            }
            Rest::GiveBack(since) if timer.is_none() => {
                line.wait(Some(Instant::now() + IDLE))?;
                if line.is_empty() && memory::give_back(since) {
                    self.rest = Rest::Done;
                }
            }
            _ => return line.wait(timer),
        }
        self.cpu_ns = self.watch.cpu_ns();
        Ok(())
    }

    /// Waits for a frame, a timer, or an end of the engine's own work.
    async fn wait_with_engine(
        &mut self,
        readable: Option<&AsyncFd<Arc<OwnedFd>>>,
    ) -> Result<(), Gone> {
        let timer = self.open()?.timers.next_at();
        let mut due = timer.map(|at| Box::pin(tokio::time::sleep_until(at.into())));
        std::future::poll_fn(|cx| {
            self.run_engine(cx);
            let has_output =
                self.open().map_or(true, |door| !door.out.is_empty() || !door.ended.is_empty());
            if has_output || !self.engine_busy {
                return Poll::Ready(());
            }
            if let Some(Poll::Ready(guard)) = readable.map(|fd| fd.poll_read_ready(cx)) {
                if let Ok(mut guard) = guard {
                    guard.clear_ready();
                }
                return Poll::Ready(());
            }
            match &mut due {
                Some(due) => due.as_mut().poll(cx),
                None => Poll::Pending,
            }
        })
        .await;
        Ok(())
    }

    /// Lets one frame in.
    fn take(&mut self, frame: Down<'_>) -> Result<(), Gone> {
        match frame {
            Down::Start(_) => return Err(Gone),
            Down::Event(event) => self.begin(&event)?,
            Down::Chunk { body, bytes } => self.chunk(body, bytes)?,
            Down::End { body, whole } => {
                let known = self.open()?.down.remove(&body);
                if let Some(known) = known {
                    self.complete(Some(known.event), |scope, entries| {
                        let whole = v8::Boolean::new(scope, whole).into();
                        let body = entry::number(scope, body);
                        entries.call(scope, Entry::End, &[body, whole]).map(|_| ())
                    });
                }
            }
            Down::Credit { body, bytes } => self.credit(body, bytes)?,
            Down::Unwanted { body } => {
                let known = self.open()?.up.remove(&body);
                if let Some(known) = known {
                    self.over(known.event, body, false);
                }
            }
            Down::Reply(reply) => self.reply(&reply)?,
            Down::Invoke { event, invocation } => self.invoke(event, &invocation)?,
            Down::Released { event, export } => {
                self.open()?.released(event);
                self.tell(event, (Entry::Released, export));
            }
            Down::Finished { event, invocation } => {
                self.open()?.released(event);
                self.tell(event, (Entry::Finished, invocation));
            }
            Down::Broken { slot, message } => self.complete(None, |scope, entries| {
                let slot = entry::number(scope, slot);
                let message = modules::string(scope, message.as_bytes())?.into();
                entries.call(scope, Entry::Broken, &[slot, message]).map(|_| ())
            }),
            Down::Cancel { event, outcome } => self.cancel(event, outcome)?,
            Down::Stop => self.stopping = true,
        }
        Ok(())
    }

    fn begin(&mut self, event: &Event<'_>) -> Result<(), Gone> {
        let id = event.event;
        if self.condemned || self.stopping {
            self.open()?.send(&Up::NotTaken { event: id });
            return Ok(());
        }
        let mut door = self.open()?;
        door.begin(id, Instant::now());
        door.lower(id, event.cpu_ms_max);
        for body in event::bodies(&event.kind) {
            door.down.insert(body, door::DownBody { event: id, credit: 0 });
        }
        if let Some(decision) = event::undecided(&event.kind) {
            door.decides(id, decision);
        }
        drop(door);
        self.complete(Some(id), |scope, entries| event::begin(scope, entries, event));
        Ok(())
    }

    /// Has an event do something more. One that has ended is said to have: nothing is left to do.
    fn invoke(&mut self, event: u32, invocation: &Invocation<'_>) -> Result<(), Gone> {
        let mut door = self.open()?;
        if door.events.get(&event).is_none_or(|state| state.ended.is_some()) {
            return Ok(());
        }
        for body in event::invocation_bodies(invocation) {
            door.down.insert(body, door::DownBody { event, credit: 0 });
        }
        drop(door);
        self.complete(Some(event), |scope, entries| {
            event::invoke(scope, entries, event, invocation)
        });
        Ok(())
    }

    /// Tells our scripts something of an event that has a number.
    fn tell(&mut self, event: u32, (entry, number): (Entry, u32)) {
        self.complete(Some(event), |scope, entries| {
            let arguments = [entry::number(scope, event), entry::number(scope, number)];
            entries.call(scope, entry, &arguments).map(|_| ())
        });
    }

    /// Hands over what came of a call. One that nobody waits for any more leaves no body behind.
    fn reply(&mut self, reply: &Reply<'_>) -> Result<(), Gone> {
        let mut door = self.open()?;
        let event = door.calls.remove(&reply.call);
        for body in reply::bodies(reply) {
            match event {
                Some(event) => {
                    door.down.insert(body, door::DownBody { event, credit: 0 });
                }
                None => door.send(&Up::Unwanted { body }),
            }
        }
        drop(door);
        let Some(event) = event else { return Ok(()) };
        self.complete(Some(event), |scope, entries| reply::enter(scope, entries, reply));
        Ok(())
    }

    fn chunk(&mut self, body: u32, bytes: &[u8]) -> Result<(), Gone> {
        let mut door = self.open()?;
        let Some(known) = door.down.get_mut(&body) else { return Ok(()) };
        known.credit = known.credit.saturating_sub(bytes.len() as u64);
        let event = known.event;
        drop(door);
        self.complete(Some(event), |scope, entries| {
            let body = entry::number(scope, body);
            let bytes = entry::bytes(scope, bytes)?;
            entries.call(scope, Entry::Chunk, &[body, bytes]).map(|_| ())
        });
        Ok(())
    }

    fn credit(&mut self, body: u32, bytes: u32) -> Result<(), Gone> {
        let mut door = self.open()?;
        let Some(event) = door.up.get(&body).map(|known| known.event) else { return Ok(()) };
        let by_script = door.credit(body, bytes);
        let over = !by_script && door.pump(body);
        drop(door);
        if by_script {
            self.complete(Some(event), |scope, entries| {
                let body = entry::number(scope, body);
                entries.call(scope, Entry::Credit, &[body]).map(|_| ())
            });
        } else if over {
            self.over(event, body, true);
        }
        Ok(())
    }

    fn over(&mut self, event: u32, body: u32, wanted: bool) {
        self.complete(Some(event), |scope, entries| {
            let body = entry::number(scope, body);
            let wanted = v8::Boolean::new(scope, wanted).into();
            entries.call(scope, Entry::Over, &[body, wanted]).map(|_| ())
        });
    }

    fn cancel(&mut self, event: u32, outcome: Outcome) -> Result<(), Gone> {
        if !self.open()?.events.contains_key(&event) {
            return Ok(());
        }
        if outcome == Outcome::Canceled {
            self.complete(Some(event), |scope, entries| {
                let event = entry::number(scope, event);
                entries.call(scope, Entry::Cancel, &[event]).map(|_| ())
            });
        } else {
            self.end(event, outcome)?;
        }
        Ok(())
    }

    /// Ends an event from outside; our scripts forget it.
    fn end(&mut self, event: u32, outcome: Outcome) -> Result<(), Gone> {
        self.open()?.end(event, outcome);
        self.complete(None, |scope, entries| {
            let event = entry::number(scope, event);
            entries.call(scope, Entry::Drop, &[event]).map(|_| ())
        });
        Ok(())
    }

    fn fire_timers(&mut self) {
        // Timers that are due now, and not those that these start anew.
        let now = Instant::now();
        loop {
            let Some((id, event)) = self.open().ok().and_then(|mut door| door.timers.pop(now))
            else {
                return;
            };
            self.complete(Some(event), |scope, entries| {
                let id = entry::number(scope, id);
                entries.call(scope, Entry::Timer, &[id]).map(|_| ())
            });
        }
    }

    /// Enters JavaScript once, for one event.
    fn complete(
        &mut self,
        event: Option<u32>,
        call: impl FnOnce(&mut v8::PinScope<'_, '_>, &Entries) -> Option<()>,
    ) {
        if self.ruined {
            return;
        }
        self.arm(event);
        let entries = &self.blank.entries;
        in_context(&mut self.blank.runtime, &self.blank.context, |scope| {
            let done = call(scope, entries);
            scope.perform_microtask_checkpoint();
            done
        });
        self.settle(event);
    }

    /// Lets the engine do what it has pending, and JavaScript go on with what came of it. The
    /// time is charged to the event that ran last, or to the oldest if the engine was busy
    /// before: which one waited for it is not known here.
    fn run_engine(&mut self, cx: &mut Context<'_>) {
        if self.ruined {
            self.engine_busy = false;
            return;
        }
        let oldest = || self.open().ok().and_then(|door| door.events.keys().min().copied());
        let event = if self.engine_busy { oldest() } else { self.runs };
        self.arm(event);
        let options = PollEventLoopOptions::default();
        // An error here is one that our scripts have put into the log already.
        self.engine_busy = self.blank.runtime.poll_event_loop(cx, options).is_pending();
        self.settle(event);
    }

    /// Lets JavaScript run for an event until its CPU time is used up.
    fn arm(&mut self, event: Option<u32>) {
        if self.runs != event {
            self.charge();
            self.runs = event;
        }
        let Ok(mut door) = self.blank.door.open() else { return };
        door.tick(Instant::now());
        let left = match event.and_then(|event| door.events.get(&event)) {
            Some(state) => (u64::from(state.cpu_ms_max) * 1_000_000).saturating_sub(state.cpu_ns),
            None => CLEANUP_NS,
        };
        self.watch.arm(self.cpu_ns, left);
    }

    /// JavaScript has come back: acts on a breach.
    fn settle(&mut self, event: Option<u32>) {
        self.watch.disarm();
        if let Some(verdict) = self.watch.take_verdict() {
            self.blank.runtime.v8_isolate().cancel_terminate_execution();
            self.breach(event, verdict);
        }
        if event.is_none() {
            // Nobody's time.
            self.cpu_ns = self.watch.cpu_ns();
        }
    }

    /// Charges the time since the last reading of the clock to the event that ran. Reading it
    /// costs as much as a small event, so it is read where the event changes, and not around
    /// each piece of one.
    fn charge(&mut self) {
        let Some(event) = self.runs.take() else { return };
        let now = self.watch.cpu_ns();
        let spent = now.saturating_sub(self.cpu_ns);
        self.cpu_ns = now;
        let Ok(mut door) = self.blank.door.open() else { return };
        if let Some(state) = door.events.get_mut(&event) {
            state.cpu_ns += spent;
        }
    }

    /// Says which events have ended: after the engine has told of the rejections that nobody
    /// handled, so that an event's exceptions come before its end.
    fn say_ended(&mut self) -> Result<(), Gone> {
        let mut door = self.open()?;
        let ended = std::mem::take(&mut door.ended);
        let any = !ended.is_empty();
        ended.into_iter().for_each(|event| say_ended(&mut door, event));
        drop(door);
        if any {
            self.rest = Rest::Collect;
        }
        Ok(())
    }

    /// A limit was passed: the event ends, and the isolate takes no more. After a breach of
    /// memory nothing can run in it, so the other events are lost; otherwise they go on.
    fn breach(&mut self, event: Option<u32>, verdict: Verdict) {
        let Ok(mut door) = self.blank.door.open() else { return };
        let outcome = verdict.outcome();
        if let Some(event) = event {
            let of = door.events.get(&event).map(|state| state.cpu_ms_max);
            let cpu = limit::CPU.told(of.unwrap_or(door.limits.cpu_ms_max));
            let exception = start::breached(verdict, cpu, door.limits.memory_bytes_max);
            door.exception(Some(event), exception);
            door.end_over(event, outcome);
        }
        self.ruined |= verdict == Verdict::Memory;
        if self.ruined || event.is_none() {
            door.unended().into_iter().for_each(|other| door.end(other, Outcome::Lost));
        }
        if !self.condemned {
            self.condemned = true;
            door.send(&Up::Condemned { outcome });
        }
    }

    /// Ends events that wait while nothing is under way that could wake them.
    fn find_hung(&mut self) {
        let hung: Vec<u32> = match self.open() {
            Ok(door) if !self.engine_busy && !door.waits() => door.unended(),
            _ => return,
        };
        for event in hung {
            if let Ok(mut door) = self.open() {
                door.exception(Some(event), door::clip("Error", HUNG, ""));
            }
            let _ = self.end(event, Outcome::Hung);
        }
    }

    /// Sends compiled code of modules that came without: after events have run, so that the
    /// functions they used are in it.
    fn send_compiled(&mut self) {
        let context = &self.blank.context;
        let runtime = &mut self.blank.runtime;
        let fresh = in_context(runtime, context, |scope| Some(modules::take_fresh(scope)));
        let Ok(mut door) = self.blank.door.open() else { return };
        for (name, code) in fresh.unwrap_or_default() {
            if code.len() <= COMPILED_BYTES_MAX {
                door.send(&Up::Compiled { name: &name, code: &code });
            }
        }
    }

    fn flush(&mut self) -> Result<(), Gone> {
        let mut door = self.open()?;
        if door.out.is_empty() {
            return Ok(());
        }
        let sent = send_all(&self.socket, &door.out);
        door.out.clear();
        door.out.shrink_to(KEEP_BYTES);
        sent
    }

    fn open(&self) -> Result<std::cell::RefMut<'_, Door>, Gone> {
        self.blank.door.open().map_err(|_| Gone)
    }
}

fn say_ended(door: &mut Door, event: u32) {
    let Some(state) = door.forget(event) else { return };
    let wall_us = u64::try_from(state.began.elapsed().as_micros()).unwrap_or(u64::MAX);
    let outcome = state.ended.unwrap_or(Outcome::InternalError);
    // The charge begins where the one before ended, a little before the event did.
    let cpu_us = (state.cpu_ns / 1000).min(wall_us);
    let spent = Spent { outcome, cpu_us, wall_us };
    if let Some(decision) = state.decision {
        door.send(&Up::Decided { event, decision });
    }
    door.send(&Up::Done { event, spent });
}

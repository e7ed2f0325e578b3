//! One cold start, from the cordon's choice to the isolate's word that events may come.

use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bindery_logic::blame::Blame;
use bindery_wire::frame::{EnvValue, Module, Start, Started};
use bindery_wire::log::Record;
use bindery_wire::manifest::{Binding, ModuleKind};
use bytes::Bytes;
use rustix::net::{AddressFamily, SocketFlags, SocketType};
use tokio::net::UnixStream;
use tokio::sync::oneshot;

use super::{Failed, Isolate, Placement, Ready};
use crate::code::Code;
use crate::cordon::{self, Cordon};
use crate::line::{Begin, End, Host, Io, Line};
use crate::tasks::Tasks;

/// How long a start waits for a cordon to be open.
const CORDON_IN: Duration = Duration::from_secs(10);
/// A pause longer than this is the client's to wait.
const PAUSE_MS_MAX: u64 = 2_000;
/// How often a start whose cordon died by another's fault is tried.
const TRY_COUNT_MAX: u32 = 3;
/// How long an isolate may take to answer its start, beside its CPU limit.
const ANSWER_IN: Duration = Duration::from_secs(30);
/// How long the verdict on an isolate that closed its line is waited for.
const VERDICT_IN: Duration = Duration::from_secs(2);
/// How long an isolate whose line is closed may take to end, beside its CPU limit.
const END_IN: Duration = Duration::from_secs(10);

/// A start that is to be made.
pub(super) struct Job {
    pub(super) placement: Placement,
    pub(super) code: Arc<Code>,
    pub(super) tasks: Tasks,
    pub(super) kind: Kind,
}

/// What a start is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// An event of a version that has no isolate.
    First,
    /// An upload.
    Trial,
    /// One more isolate of a version that is busy.
    More,
}

impl Job {
    pub(super) async fn run(self) {
        let since = Instant::now();
        let result = self.start().await;
        self.placement.0.figures.ended(since.elapsed(), &result);
        if let Err(error) = &result {
            tracing::debug!(tenant = %self.code.tenant_name, worker = %self.code.worker, %error,
                "a worker did not start");
        }
        self.record(&result);
        self.placement.settle(&self.code, self.kind, result);
    }

    /// Tells the tenant why its worker does not start; an upload is answered with it.
    fn record(&self, result: &Result<Ready, Failed>) {
        if let Err(Failed::Refused(_, exception)) = result
            && self.kind != Kind::Trial
        {
            let parts = &self.placement.0.parts;
            let record = Record::Exception(exception.clone());
            parts.tail.ring(self.code.tenant).record(parts.clock.now(), &self.code, None, record);
        }
    }

    async fn start(&self) -> Result<Ready, Failed> {
        let gate = &self.placement.0.gate;
        let ticket = gate.enter(self.code.tenant).await;
        let _ticket = ticket.ok_or(Failed::Overloaded { after_ms: 1_000 })?;
        let compiled = self.placement.0.parts.compiled.of(&self.code).await;
        let mut tries = 1;
        loop {
            let room = self.placement.room(&self.code, self.kind).await?;
            let cordon = self.cordon().await?;
            match self.start_in(&cordon, &compiled).await {
                Ok(ready) => {
                    room.lives();
                    return Ok(ready);
                }
                Err(Failed::Lost(Blame::Another | Blame::Nobody)) if tries < TRY_COUNT_MAX => {
                    tries += 1;
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// A cordon that is open, after a wait if need be.
    async fn cordon(&self) -> Result<Arc<Cordon>, Failed> {
        let until = Instant::now() + CORDON_IN;
        loop {
            match self.placement.cordons().open(&self.code).await {
                Ok(cordon) => return Ok(cordon),
                Err(cordon::Error::Closed { after_ms }) => {
                    if after_ms > PAUSE_MS_MAX || Instant::now() >= until {
                        return Err(Failed::Overloaded { after_ms: after_ms.max(1_000) });
                    }
                    tokio::time::sleep(Duration::from_millis(after_ms.min(50))).await;
                }
                Err(error) => {
                    tracing::error!(%error, "no cordon for a start");
                    return Err(Failed::Overloaded { after_ms: 1_000 });
                }
            }
        }
    }

    async fn start_in(
        &self,
        cordon: &Arc<Cordon>,
        compiled: &[Option<Bytes>],
    ) -> Result<Ready, Failed> {
        let host = |error: &dyn std::fmt::Display| Failed::Host(error.to_string());
        let (ours, theirs) = pair().map_err(|error| host(&error))?;
        let (line, begin) = self.line();
        line.start(frame(&self.code, compiled)).map_err(|error| host(&error))?;
        let closed = |_| Failed::Lost(Blame::Another);
        let ended = cordon.admit(&line, theirs).map_err(closed)?;
        let isolate = Isolate { line: line.clone(), cordon: cordon.clone() };
        self.placement.live().isolates.insert(line.number(), isolate.clone());
        let watch = watch(self.placement.clone(), isolate, ours, ended);
        self.tasks.spawn("line", watch);
        let cpu = Duration::from_millis(self.code.limits.startup_cpu_ms_max.into());
        match tokio::time::timeout(ANSWER_IN + cpu, begin).await {
            Ok(Ok(Begin::Started(started))) => Ok(Ready { line, started: Arc::new(started) }),
            Ok(Ok(Begin::Refused(spent, exception))) => Err(Failed::Refused(spent, exception)),
            Ok(Ok(Begin::Lost(blame))) => Err(Failed::Lost(blame)),
            Ok(Err(_)) => Err(Failed::Lost(Blame::Nobody)),
            Err(_) => {
                line.sever();
                Err(Failed::Lost(Blame::Itself))
            }
        }
    }

    fn line(&self) -> (Arc<Line>, oneshot::Receiver<Begin>) {
        let parts = &self.placement.0.parts;
        let compiled = parts.compiled.clone();
        let host = Host {
            tasks: self.tasks.clone(),
            clock: parts.clock.clone(),
            outside: parts.outside.clone(),
            keep: Arc::new(move |code, name, made| compiled.keep(code, name, made)),
            meter: parts.usage.meter(self.code.tenant),
        };
        let ring = parts.tail.ring(self.code.tenant);
        Line::new(parts.cordons.number(), self.code.clone(), ring, host)
    }
}

/// Runs a line to its end, and then finds out whose fault the end was.
async fn watch(
    placement: Placement,
    isolate: Isolate,
    socket: std::os::unix::net::UnixStream,
    mut ended: oneshot::Receiver<Blame>,
) {
    let Isolate { line, cordon } = isolate;
    let _forget = Forget { placement, line: line.clone() };
    let end = match UnixStream::from_std(socket) {
        Ok(socket) => Io::new(line.clone(), socket).run().await,
        Err(error) => {
            tracing::error!(%error, "a line was not opened");
            End::Closed
        }
    };
    line.closed();
    match end {
        End::Closed => {}
        End::Violated(what) => {
            tracing::error!(isolate = %line.number(), error = %what, "a line was cut");
            line.lost(Blame::Itself);
        }
        End::Panicked => {
            tracing::error!(isolate = %line.number(), "the host panicked over a line");
            line.lost(Blame::Nobody);
        }
    }
    // Until the verdict is there, nobody knows whether a request may be run again.
    let verdict = tokio::time::timeout(VERDICT_IN, &mut ended).await;
    line.lost(verdict.as_ref().ok().and_then(|v| v.as_ref().ok()).map_or(Blame::Nobody, |b| *b));
    if verdict.is_err() {
        let cpu = Duration::from_millis(line.code().limits.cpu_ms_max.into());
        if tokio::time::timeout(END_IN + cpu, &mut ended).await.is_err() {
            tracing::warn!(isolate = %line.number(), "an isolate does not end");
            cordon.convict(line.number());
        }
    }
}

/// Has an isolate forgotten, however its watch ends.
struct Forget {
    placement: Placement,
    line: Arc<Line>,
}

impl Drop for Forget {
    fn drop(&mut self) {
        self.placement.forget(&self.line);
    }
}

/// Both ends of a new line: ours does not block, the isolate's does.
fn pair() -> std::io::Result<(std::os::unix::net::UnixStream, OwnedFd)> {
    let (ours, theirs) = rustix::net::socketpair(
        AddressFamily::UNIX,
        SocketType::STREAM,
        SocketFlags::CLOEXEC,
        None,
    )?;
    let ours = std::os::unix::net::UnixStream::from(ours);
    ours.set_nonblocking(true)?;
    Ok((ours, theirs))
}

/// What an isolate is told to run.
fn frame<'a>(code: &'a Code, compiled: &'a [Option<Bytes>]) -> Start<'a> {
    let compiled = compiled.iter().map(Option::as_deref).chain(std::iter::repeat(None));
    let modules = code.modules.iter().zip(compiled).map(|((name, source), compiled)| {
        let kind = code.manifest.modules.get(name).map_or(ModuleKind::Es, |module| module.kind);
        Module { name, kind, source, compiled }
    });
    let values = code.manifest.bindings.iter().filter_map(|(name, binding)| match binding {
        Binding::PlainText { text } => Some((name.as_str(), EnvValue::Text(text))),
        Binding::Json { json } => Some((name.as_str(), EnvValue::Json(json))),
        _ => None,
    });
    let bound = code.manifest.bound();
    let bound = bound.map(|(slot, kind, name, _)| (name, EnvValue::Bound { kind, slot }));
    let secrets = code.secrets.iter().map(|(name, value)| (name.as_str(), EnvValue::Text(value)));
    Start {
        main_module: &code.manifest.main_module,
        modules: modules.collect(),
        env: values.chain(bound).chain(secrets).collect(),
        env_value: None,
        limits: code.limits.clone(),
        compat_date: &code.manifest.compat.date,
        compat_flags: code.manifest.compat.flags.iter().map(String::as_str).collect(),
    }
}

impl Ready {
    /// An isolate that was live already: nothing was found out.
    pub(super) fn started() -> Arc<Started> {
        Arc::new(Started { cpu_us: 0, entrypoints: Vec::new(), warnings: Vec::new() })
    }
}

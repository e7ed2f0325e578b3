//! The thread that starts cordons, replaces those that die, and ends them all.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use bindery_logic::blame;
use bindery_wire::IsolateNumber;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::{JoinSet, LocalSet};

use super::process::{Cordon, Death, Running};
use super::{Cordons, Error};

/// Cordons of single quarantined versions at once.
const ALONE_COUNT_MAX: usize = 8;
/// How often a cordon that ends with its isolates is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(200);
/// How long isolates of a cordon that is being replaced may go on without being idle once.
const IDLE_IN: Duration = Duration::from_secs(60);
/// How long after a failure another one is started to replace it.
const AGAIN_IN: Duration = Duration::from_secs(10);
/// How long a cordon that is being replaced waits for its isolates.
const CLOSE_IN: Duration = Duration::from_secs(3600);
/// How long a quarantine cordon waits for the isolate it was made for.
const UNUSED_IN: Duration = Duration::from_secs(10);

/// What the thread is asked to do.
pub(super) enum Order {
    /// Start a cordon for one isolate.
    Alone(oneshot::Sender<Result<Arc<Cordon>, Error>>),
    /// End everything, and say when it is done.
    End(oneshot::Sender<()>),
}

type Ready = oneshot::Sender<Result<(), Error>>;

/// Starts the thread. `ready` is told when all standing cordons are, or one can not be.
pub(super) fn spawn(
    cordons: Cordons,
    orders: mpsc::Receiver<Order>,
    ready: Ready,
) -> std::io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let work = move || LocalSet::new().block_on(&runtime, run(cordons, orders, ready));
    std::thread::Builder::new().name("cordons".into()).spawn(work)?;
    Ok(())
}

async fn run(cordons: Cordons, mut orders: mpsc::Receiver<Order>, ready: Ready) {
    let ending = watch::Sender::new(false);
    let mut alone = JoinSet::new();
    let mut standing = JoinSet::new();
    let count = cordons.places().len();
    let (each, mut each_ready) = mpsc::channel(count.max(1));
    for place in 0..count {
        let supervisor = Supervisor { cordons: cordons.clone(), place, ending: ending.subscribe() };
        standing.spawn_local(supervisor.run(each.clone()));
    }
    drop(each);
    let mut ready = Some((ready, count));
    let done = loop {
        tokio::select! {
            Some(started) = each_ready.recv() => note_ready(&mut ready, started),
            Some(_) = alone.join_next() => {}
            order = orders.recv() => match order {
                Some(Order::Alone(reply)) if alone.len() >= ALONE_COUNT_MAX => {
                    let _ = reply.send(Err(Error::Closed { after_ms: 1_000 }));
                }
                Some(Order::Alone(reply)) => {
                    alone.spawn_local(run_alone(cordons.clone(), reply, ending.subscribe()));
                }
                Some(Order::End(done)) => break Some(done),
                None => break None,
            },
        }
    };
    ending.send_replace(true);
    while standing.join_next().await.is_some() {}
    while alone.join_next().await.is_some() {}
    if let Some(done) = done {
        let _ = done.send(());
    }
}

/// Counts the cordons that are ready, and tells when all are or one can not be.
fn note_ready(ready: &mut Option<(Ready, usize)>, started: Result<(), Error>) {
    match ready.take() {
        Some((ready, _)) if started.is_err() => {
            let _ = ready.send(started);
        }
        Some((ready, 0 | 1)) => {
            let _ = ready.send(Ok(()));
        }
        Some((waiting, count)) => *ready = Some((waiting, count - 1)),
        None => {}
    }
}

/// Keeps one place filled.
struct Supervisor {
    cordons: Cordons,
    place: usize,
    ending: watch::Receiver<bool>,
}

/// How a cordon's time in its place ended.
enum Stood {
    Died(Option<IsolateNumber>),
    /// Another one is ready for the place.
    Followed(Box<Running>),
}

impl Supervisor {
    async fn run(mut self, first: mpsc::Sender<Result<(), Error>>) {
        let mut first = Some(first);
        let mut deaths = 0;
        let mut closing = JoinSet::new();
        let mut next = None;
        while next.is_some() || !*self.ending.borrow() {
            let born = Instant::now();
            let started = match next.take() {
                Some(running) => Ok(Some(running)),
                None => self.start().await,
            };
            let pause = match started {
                Ok(None) => break,
                Ok(Some(running)) => {
                    if let Some(first) = first.take() {
                        let _ = first.send(Ok(())).await;
                    }
                    match self.stand(running, &mut closing).await {
                        Stood::Died(culprit) => {
                            let lived = born.elapsed().as_millis() >= u128::from(blame::LIVED_MS);
                            deaths = if lived { 1 } else { deaths + 1 };
                            blame::restart_after_ms(deaths, culprit)
                        }
                        Stood::Followed(running) => {
                            next = Some(*running);
                            0
                        }
                    }
                }
                Err(error) => {
                    tracing::error!(%error, "a cordon did not start");
                    if let Some(first) = first.take() {
                        let _ = first.send(Err(error)).await;
                    }
                    deaths += 1;
                    blame::restart_after_ms(deaths + 1, None)
                }
            };
            self.pause(Duration::from_millis(pause)).await;
        }
        while closing.join_next().await.is_some() {}
    }

    /// A new cordon; absent if everything ends meanwhile.
    async fn start(&self) -> Result<Option<Running>, Error> {
        let mut ending = self.ending.clone();
        tokio::select! {
            running = start(&self.cordons) => running.map(Some),
            _ = ending.wait_for(|ending| *ending) => Ok(None),
        }
    }

    /// Has a cordon in its place until it dies or another one takes over from it.
    async fn stand(&self, running: Running, closing: &mut JoinSet<()>) -> Stood {
        let cordon = running.cordon.clone();
        self.fill(Some(&cordon));
        let mut running = tokio::task::spawn_local(running.run());
        let mut ending = self.ending.clone();
        let death = tokio::select! {
            death = &mut running => death.ok(),
            next = self.successor(&cordon) => {
                self.fill(Some(&next.cordon));
                cordon.close();
                let (cordons, ending) = (self.cordons.clone(), self.ending.clone());
                closing.spawn_local(async move {
                    drain(&cordon, ending).await;
                    if let Ok(death) = running.await {
                        cordons.mourn(death);
                    }
                });
                return Stood::Followed(Box::new(next));
            }
            _ = ending.wait_for(|ending| *ending) => {
                cordon.kill();
                (&mut running).await.ok()
            }
        };
        self.fill(None);
        let culprit = death.as_ref().and_then(|death| death.culprit);
        if let Some(death) = death {
            self.cordons.mourn(death);
        }
        Stood::Died(culprit)
    }

    /// Waits until a cordon has to be replaced, and starts another one while it goes on.
    async fn successor(&self, cordon: &Cordon) -> Running {
        cordon.retire.notified().await;
        loop {
            match start(&self.cordons).await {
                Ok(running) => {
                    tracing::info!(
                        from = cordon.pid(),
                        to = running.cordon.pid(),
                        "a cordon is replaced after many starts"
                    );
                    return running;
                }
                Err(error) => {
                    tracing::error!(%error, "a cordon is not replaced yet");
                    tokio::time::sleep(AGAIN_IN).await;
                }
            }
        }
    }

    fn fill(&self, cordon: Option<&Arc<Cordon>>) {
        if let Some(place) = self.cordons.places().get_mut(self.place) {
            place.cordon = cordon.cloned();
            // The pool is asked for anew, whatever the one before had.
            place.waiting_asked = 0;
            place.fit(self.cordons.0.config.blanks);
        }
    }

    async fn pause(&mut self, pause: Duration) {
        if !pause.is_zero() {
            let ended = self.ending.wait_for(|ending| *ending);
            let _ = tokio::time::timeout(pause, ended).await;
        }
    }
}

/// A new cordon, which counts among those that are measured.
async fn start(cordons: &Cordons) -> Result<Running, Error> {
    let id = cordons.0.next_cordon.fetch_add(1, Ordering::Relaxed);
    let running = Running::start(&cordons.0.config, id).await?;
    cordons.count_in(&running.cordon);
    Ok(running)
}

/// Ends a cordon that takes no isolates any more. Those that are idle go at once, those that
/// never are go after a while, and what runs in them is finished.
async fn drain(cordon: &Cordon, ending: watch::Receiver<bool>) {
    let since = Instant::now();
    let emptied = async {
        loop {
            cordon.empty(since.elapsed() >= IDLE_IN);
            tokio::time::sleep(LOOK_EVERY).await;
        }
    };
    tokio::select! {
        () = end_when_spent(cordon, ending, CLOSE_IN) => {}
        () = emptied => {}
    }
}

/// Runs a cordon for one isolate, and ends it with the isolate.
async fn run_alone(
    cordons: Cordons,
    reply: oneshot::Sender<Result<Arc<Cordon>, Error>>,
    ending: watch::Receiver<bool>,
) {
    let running = match start(&cordons).await {
        Ok(running) => running,
        Err(error) => {
            let _ = reply.send(Err(error));
            return;
        }
    };
    let cordon = running.cordon.clone();
    let running = tokio::task::spawn_local(running.run());
    if reply.send(Ok(cordon.clone())).is_err() {
        cordon.kill();
    }
    end_when_spent(&cordon, ending, UNUSED_IN).await;
    if let Ok(death) = running.await {
        cordons.mourn(death);
    }
}

/// Waits until a cordon has no isolate any more, or everything ends, and ends it. One that is
/// still empty, or still full, after `wait` ends too.
async fn end_when_spent(cordon: &Cordon, mut ending: watch::Receiver<bool>, wait: Duration) {
    let since = Instant::now();
    loop {
        let ended = ending.wait_for(|ending| *ending);
        let over = tokio::time::timeout(LOOK_EVERY, ended).await.is_ok();
        let late = since.elapsed() >= wait && (cordon.isolate_count() == 0 || !cordon.is_open());
        if over || late || cordon.is_spent() {
            cordon.kill();
            return;
        }
    }
}

impl Cordons {
    /// Draws the conclusions from a death, and then tells whoever waits for the verdict: the next
    /// start of a culprit knows of it.
    fn mourn(&self, death: Death) {
        if !death.told {
            self.record(&death);
        }
        for loss in death.losses {
            let _ = loss.ended.send(loss.blame);
        }
    }

    fn record(&self, death: &Death) {
        self.0.deaths.fetch_add(1, Ordering::Relaxed);
        let now = self.0.clock.now();
        tracing::warn!(culprit = ?death.culprit, isolates = death.losses.len(), "a cordon died");
        for loss in &death.losses {
            let Some(line) = &loss.line else { continue };
            match loss.blame {
                blame::Blame::Itself => self.0.book.killed(line.code(), now),
                blame::Blame::Another => {}
                // Whoever did nothing can not have done it.
                blame::Blame::Nobody if line.event_count() == 0 && line.is_open() => {}
                blame::Blame::Nobody => self.0.book.stood_by(line.code(), now),
            }
        }
    }
}

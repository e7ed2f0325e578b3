//! Cordons: the child processes that host isolates, and what follows from their deaths.
//!
//! One thread starts and supervises all of them and lives as long as the server, because the
//! kernel ends a cordon with the thread that made it. A cordon that dies is replaced; whoever
//! killed it starts next in a cordon of its own. One that has started many isolates is replaced
//! too, by one that is ready before it closes. The rest of the dispatcher asks for a [`Cordon`]
//! and gives it the end of a line.

mod control;
mod memory;
mod process;
mod quarantine;
mod supervisor;

pub use process::{Cordon, Guest};

use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use bindery_logic::place::{self, Load, Rate, Waiting};
use bindery_wire::IsolateNumber;
use tokio::sync::{mpsc, oneshot};

use crate::clock::Clock;
use crate::code::Code;
use quarantine::Book;
use supervisor::Order;

/// How a server runs its cordons.
#[derive(Clone, Debug)]
pub struct Config {
    /// The program: it is run with the argument `cordon`.
    pub program: PathBuf,
    /// How many cordons.
    pub count: usize,
    /// Takes cordons whose sandbox is not complete.
    pub unsandboxed: bool,
    /// How many blank isolates wait in each.
    pub blanks: Waiting,
    /// Isolates after which one is replaced.
    pub start_count_max: u32,
}

/// Why there is no cordon.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The process or one of its pipes could not be made.
    #[error("a cordon could not be started: {0}")]
    Spawn(#[from] std::io::Error),
    /// It ended, or took too long, before it said that it is ready.
    #[error("a cordon did not become ready: {0}")]
    NotReady(String),
    /// This kernel does not grant what encloses a cordon.
    #[error(
        "this kernel does not grant the sandbox what no tenant's code may run without: {0}; \
         `bindery doctor` says more, and `--unsandboxed` starts without it, which only code that \
         you trust should see"
    )]
    Sandbox(String),
    /// All are starting, restarting or full.
    #[error("no cordon is open")]
    Closed {
        /// After how many milliseconds to ask again.
        after_ms: u64,
    },
}

/// All cordons of a server. Clones share them.
#[derive(Clone)]
pub struct Cordons(Arc<Inner>);

struct Inner {
    config: Config,
    clock: Clock,
    places: Mutex<Vec<Place>>,
    all: Mutex<Vec<Weak<Cordon>>>,
    book: Book,
    orders: mpsc::Sender<Order>,
    next_cordon: AtomicU64,
    next_isolate: AtomicU64,
    deaths: AtomicU64,
}

/// Where one of the standing cordons is, or was and will be again.
#[derive(Clone, Default)]
struct Place {
    cordon: Option<Arc<Cordon>>,
    rate: Rate,
    waiting_asked: u32,
}

/// What an operator sees of one cordon.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// Its process.
    pub pid: u32,
    /// Isolates in it.
    pub isolates: Vec<IsolateNumber>,
    /// Blank isolates that wait in it.
    pub waiting: u32,
}

impl Cordons {
    /// Starts them, and waits until each is ready or one can not be.
    pub async fn start(config: Config, clock: Clock) -> Result<Self, Error> {
        let (orders, received) = mpsc::channel(64);
        let count = config.count.max(1);
        let inner = Inner {
            config,
            clock,
            places: Mutex::new(vec![Place::default(); count]),
            all: Mutex::default(),
            book: Book::default(),
            orders,
            next_cordon: AtomicU64::new(1),
            next_isolate: AtomicU64::new(1),
            deaths: AtomicU64::new(0),
        };
        let cordons = Self(Arc::new(inner));
        let (ready, is_ready) = oneshot::channel();
        supervisor::spawn(cordons.clone(), received, ready)?;
        let started = is_ready.await;
        let started =
            started.unwrap_or_else(|_| Err(Error::NotReady("its supervisor ended".into())));
        if started.is_err() {
            cordons.shutdown().await;
        }
        started.map(|()| cordons)
    }

    /// The cordon that `code` starts in now: one of the tenant's, or one of its own if the
    /// version is in quarantine. Cancel-safe.
    pub async fn open(&self, code: &Code) -> Result<Arc<Cordon>, Error> {
        let now = self.0.clock.now();
        match self.0.book.start(code, now) {
            quarantine::Start::Free => self.choose(code),
            quarantine::Start::Later { after_ms } => Err(Error::Closed { after_ms }),
            quarantine::Start::Alone => {
                let (reply, cordon) = oneshot::channel();
                let full = |_| Error::Closed { after_ms: 1_000 };
                self.0.orders.try_send(Order::Alone(reply)).map_err(full)?;
                cordon.await.unwrap_or(Err(Error::Closed { after_ms: 1_000 }))
            }
        }
    }

    fn choose(&self, code: &Code) -> Result<Arc<Cordon>, Error> {
        let mut places = self.places();
        let loads: Vec<Load> = places.iter().map(Place::load).collect();
        let chosen = place::choose(code.tenant, &loads).and_then(|at| places.get_mut(at));
        let Some(chosen) = chosen else { return Err(Error::Closed { after_ms: 200 }) };
        chosen.rate.started();
        chosen.fit(self.0.config.blanks);
        chosen.cordon.clone().ok_or(Error::Closed { after_ms: 200 })
    }

    /// A number that no isolate had yet.
    pub fn number(&self) -> IsolateNumber {
        IsolateNumber(self.0.next_isolate.fetch_add(1, Ordering::Relaxed))
    }

    /// Adjusts how many blank isolates wait to the cold starts since the last tick, and lets
    /// versions out of quarantine. Called about once a second.
    pub fn tick(&self) {
        let now = self.0.clock.now();
        self.0.book.tick(now);
        for place in self.places().iter_mut() {
            place.rate.tick();
            place.fit(self.0.config.blanks);
        }
    }

    /// Reports how many events a quarantined version has ended well.
    pub fn behaved(&self, code: &Code, events: u64) {
        self.0.book.behaved(code, events);
    }

    /// The standing cordons that run.
    pub fn status(&self) -> Vec<Status> {
        let places = self.places();
        let running = places.iter().filter_map(|place| place.cordon.as_ref());
        running.map(|cordon| cordon.status()).collect()
    }

    /// How many isolates were ever asked for.
    pub fn start_count(&self) -> u64 {
        self.0.next_isolate.load(Ordering::Relaxed) - 1
    }

    /// How many cordons died without being told to.
    pub fn death_count(&self) -> u64 {
        self.0.deaths.load(Ordering::Relaxed)
    }

    /// Names the engine's build, as the cordons say.
    pub fn engine(&self) -> Option<Arc<str>> {
        self.places().iter().find_map(|place| place.cordon.as_ref().map(|c| c.engine().clone()))
    }

    /// Ends every cordon and waits for the processes.
    pub async fn shutdown(&self) {
        let (done, is_done) = oneshot::channel();
        if self.0.orders.send(Order::End(done)).await.is_ok() {
            let _ = tokio::time::timeout(Duration::from_secs(10), is_done).await;
        }
    }

    fn places(&self) -> MutexGuard<'_, Vec<Place>> {
        self.0.places.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Place {
    fn load(&self) -> Load {
        match &self.cordon {
            Some(cordon) => cordon.load(),
            None => Load { open: false, isolate_count: 0, memory_bytes: 0 },
        }
    }

    /// Has as many blank isolates wait as the rate of starts wants.
    fn fit(&mut self, bounds: Waiting) {
        let wanted = self.rate.waiting_count(bounds);
        if wanted != self.waiting_asked
            && let Some(cordon) = &self.cordon
        {
            cordon.keep_waiting(wanted);
            self.waiting_asked = wanted;
        }
    }
}

//! The workers of a session: deployed when their files change, and left as they are when they can
//! not be.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Instant;

use bindery_wire::ContentHash;

use super::DevArgs;
use super::log::Log;
use super::watch::{Change, Watcher};
use crate::api::{self, Api, Worker};
use crate::crons;
use crate::deploy::{self, Directory, Prepared, Sources, Stage};
use crate::error::Error;

/// How often a worker is read again because directories turned up while it was read.
const READ_COUNT_MAX: usize = 3;

/// The workers, and what deploys them.
pub(super) struct Session {
    tenant: String,
    api: Arc<Api>,
    log: Log,
    watcher: Watcher,
    workers: Vec<Member>,
    changed: BTreeSet<usize>,
    /// Crons that were begun by hand.
    crons: Option<JoinHandle<()>>,
}

/// A worker of the session.
struct Member {
    directory: Directory,
    /// Its name, whatever its file says.
    fixed: Option<String>,
    sources: Sources,
    serving: Option<Serving>,
    failed: bool,
}

/// What serves of a worker.
struct Serving {
    name: String,
    hash: ContentHash,
    url: String,
}

impl Session {
    /// A session that has deployed nothing.
    pub(super) fn new(args: &DevArgs, api: Api, log: Log, watcher: Watcher) -> Result<Self, Error> {
        let here = [PathBuf::from(".")];
        let dirs: &[PathBuf] = if args.dirs.is_empty() { &here } else { &args.dirs };
        if let Some(wrong) = dirs.iter().find(|dir| !dir.is_dir()) {
            return Err(Error::Failed(format!("{} is not a directory", wrong.display())));
        }
        let alone = dirs.len() == 1;
        let member = |dir: &PathBuf| Member {
            directory: Directory { dir: dir.clone(), main: None, stage: Stage::Development },
            fixed: alone.then(|| "main".to_owned()),
            sources: Sources::default(),
            serving: None,
            failed: false,
        };
        let workers = dirs.iter().map(member).collect();
        let (tenant, api, changed) = (args.tenant.clone(), Arc::new(api), BTreeSet::new());
        Ok(Self { tenant, api, log, watcher, workers, changed, crons: None })
    }

    /// Deploys every worker for the first time.
    pub(super) fn deploy_all(&mut self) -> Result<(), Error> {
        self.changed = (0..self.workers.len()).collect();
        self.deploy_changed()
    }

    /// Deploys every worker anew, changed or not.
    pub(super) fn deploy_again(&mut self) -> Result<(), Error> {
        for worker in &mut self.workers {
            worker.failed = true;
        }
        self.deploy_all()
    }

    /// Takes note of a change: whether it may matter to any worker.
    pub(super) fn note(&mut self, change: &Change) -> bool {
        let watcher = &self.watcher;
        let touched = self.workers.iter().enumerate();
        let touched = touched.filter(|(_, worker)| watcher.matters(change, &worker.sources));
        let touched: Vec<usize> = touched.map(|(index, _)| index).collect();
        self.watcher.forget(change);
        self.changed.extend(&touched);
        !touched.is_empty()
    }

    /// Deploys the workers that were touched by changes.
    pub(super) fn deploy_changed(&mut self) -> Result<(), Error> {
        for index in std::mem::take(&mut self.changed) {
            let began = Instant::now();
            let Some(worker) = self.workers.get_mut(index) else { continue };
            let prepared = worker.prepare(&mut self.watcher);
            let done = prepared.and_then(|prepared| self.deploy(index, &prepared, began));
            let Some(worker) = self.workers.get_mut(index) else { continue };
            match done {
                Ok(()) => worker.failed = false,
                Err(error @ Error::Output(_)) => return Err(error),
                Err(error) => {
                    worker.failed = true;
                    let serves = worker.serving.is_some();
                    self.log.problem(&worker.title(), &error, serves)?;
                }
            }
        }
        Ok(())
    }

    fn deploy(&mut self, index: usize, prepared: &Prepared, began: Instant) -> Result<(), Error> {
        let name = self.name(index, prepared)?;
        let Some(worker) = self.workers.get_mut(index) else { return Ok(()) };
        let form = deploy::form(prepared);
        let hash = form.hash();
        let same = |serving: &Serving| serving.hash == hash && serving.name == name;
        if !worker.failed && worker.serving.as_ref().is_some_and(same) {
            return Ok(());
        }
        for warning in prepared.warnings.iter().filter(|_| worker.serving.is_none()) {
            self.log.warning(warning)?;
        }
        self.log.reads(&name, [&prepared.base, &worker.directory.dir]);
        let place = Worker { tenant: self.tenant.clone(), worker: name.clone() };
        let answer = deploy::upload(&self.api, &place.path(), &form)?;
        let url = answer["url"].as_str().unwrap_or_default().to_owned();
        let before = worker.serving.replace(Serving { name: name.clone(), hash, url });
        self.log.deployed(&name, &answer, began.elapsed())?;
        match before.filter(|before| before.name != name) {
            Some(before) => {
                let place = Worker { tenant: self.tenant.clone(), worker: before.name };
                self.api.delete(&format!("{}?force=true", place.path())).map(drop)
            }
            None => Ok(()),
        }
    }

    /// The worker's name, which no other worker of the session may have.
    fn name(&self, index: usize, prepared: &Prepared) -> Result<String, Error> {
        let worker = self.workers.get(index);
        let fixed = worker.and_then(|worker| worker.fixed.clone());
        let dir = worker.map(|worker| folder(&worker.directory.dir));
        let name = fixed.or(prepared.name.clone()).or(dir).unwrap_or_default();
        let name = api::label(&name).map_err(Error::Failed)?;
        let others = self.workers.iter().enumerate().filter(|(other, _)| *other != index);
        let taken = others.filter_map(|(_, worker)| worker.serving.as_ref());
        if taken.into_iter().any(|serving| serving.name == name) {
            let why = format!("two directories hold a worker `{name}`: name one otherwise");
            return Err(Error::Failed(why));
        }
        Ok(name)
    }

    /// Begins to run every cron of the session's workers once, whenever it is due. What comes of
    /// it is in the log.
    pub(super) fn run_crons(&mut self) -> Result<(), Error> {
        if self.crons.as_ref().is_some_and(|run| !run.is_finished()) {
            return self.log.warning("the crons still run");
        }
        let serving = self.workers.iter().filter_map(|worker| worker.serving.as_ref());
        let place = |serving: &Serving| Worker {
            tenant: self.tenant.clone(),
            worker: serving.name.clone(),
        };
        let places: Vec<Worker> = serving.map(place).collect();
        let (api, log) = (self.api.clone(), self.log.clone());
        // Whoever reads the output may be gone; the session ends with its own next line.
        self.crons = Some(thread::spawn(move || drop(run_crons(&api, &log, &places))));
        Ok(())
    }

    /// Prints where the workers are reached.
    pub(super) fn print_urls(&self) -> Result<(), Error> {
        let serving = self.workers.iter().filter_map(|worker| worker.serving.as_ref());
        serving.into_iter().try_for_each(|serving| self.log.url(&serving.name, &serving.url))
    }
}

impl Member {
    /// Reads the worker, and watches where it was read from.
    fn prepare(&mut self, watcher: &mut Watcher) -> Result<Prepared, Error> {
        let is_first = self.serving.is_none() && !self.failed;
        for count in 1.. {
            let mut sources = Sources::default();
            let prepared = self.directory.prepare(&mut sources);
            let is_new = watcher.add(&sources);
            match &prepared {
                Ok(_) => self.sources = sources,
                // Reading ended early: what lies behind the mistake still matters.
                Err(_) => self.sources.add(sources),
            }
            // What came to a new directory before it was watched was told by nobody.
            if !is_new || is_first || count >= READ_COUNT_MAX {
                return prepared;
            }
        }
        Err(Error::Failed("the directories change faster than they are read".to_owned()))
    }

    fn title(&self) -> String {
        match &self.serving {
            Some(serving) => serving.name.clone(),
            None => self.directory.dir.display().to_string(),
        }
    }
}

fn run_crons(api: &Api, log: &Log, places: &[Worker]) -> Result<(), Error> {
    let mut count = 0;
    for place in places {
        let run = |crons: Vec<String>| {
            count += crons.len();
            crons.iter().try_for_each(|cron| crons::fire(api, place, cron).map(drop))
        };
        if let Err(error) = crons::expressions(api, place).and_then(run) {
            log.problem(&place.worker, &error, true)?;
        }
    }
    if count == 0 { log.warning("there is no cron to run") } else { Ok(()) }
}

/// A directory's own name.
fn folder(dir: &Path) -> String {
    let full = dir.canonicalize().unwrap_or_else(|_| dir.to_owned());
    full.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

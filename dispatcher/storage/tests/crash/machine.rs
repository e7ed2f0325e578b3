//! A machine with the three files of a store, whose power, disk space and flushes can fail.
//!
//! What was written is read at once, as from the kernel's memory. Only what was synced is sure to
//! outlive the power: of the rest any sectors may be there, and others not, whichever were written
//! first.

use std::io::{Error, ErrorKind, Result};
use std::sync::{Arc, Mutex, MutexGuard};

use bindery_storage::embedded::disk::{Disk, Disks};

/// What is written whole or not at all.
const SECTOR_BYTES: usize = 512;

/// What goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The power fails before this sync does anything.
    Power(usize),
    /// This sync fails, and the kernel forgets what it should have written.
    Sync(usize),
    /// From this write on there is no space.
    Full(usize),
}

/// What of the unsynced sectors outlives the power.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Kept {
    Nothing,
    Everything,
    /// Each with this probability in percent.
    Some(u64),
}

#[derive(Clone, Debug)]
enum Change {
    Write(usize, Vec<u8>),
    Length(usize),
}

#[derive(Clone, Debug, Default)]
struct Content {
    synced: Vec<u8>,
    now: Vec<u8>,
    /// What leads from `synced` to `now`.
    unsynced: Vec<Change>,
    /// Whether syncs do nothing and say that they did.
    lies: bool,
}

#[derive(Debug, Default)]
struct State {
    files: [Content; 3],
    fault: Option<Fault>,
    syncs: usize,
    writes: usize,
    off: bool,
}

/// The machine. Copies are the same one.
#[derive(Clone, Debug, Default)]
pub(crate) struct Machine(Arc<Mutex<State>>);

#[derive(Debug)]
struct SimulatedFile {
    machine: Machine,
    place: usize,
}

impl Machine {
    pub(crate) fn new(fault: Option<Fault>, lies: [bool; 3]) -> Self {
        let machine = Self::default();
        let mut state = machine.lock();
        state.fault = fault;
        state.files.iter_mut().zip(lies).for_each(|(file, lies)| file.lies = lies);
        drop(state);
        machine
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().expect("no test panics under this lock")
    }

    /// The rows, then the logs.
    pub(crate) fn disks(&self) -> Disks {
        let file =
            |place| -> Arc<dyn Disk> { Arc::new(SimulatedFile { machine: self.clone(), place }) };
        Disks { rows: file(0), logs: [file(1), file(2)] }
    }

    /// Whether the fault has come.
    pub(crate) fn has_failed(&self) -> bool {
        let state = self.lock();
        match state.fault {
            Some(Fault::Power(at) | Fault::Sync(at)) => state.syncs >= at,
            Some(Fault::Full(at)) => state.writes >= at,
            None => false,
        }
    }

    /// The machine after the power came back, which has this fault next.
    pub(crate) fn restarted(&self, kept: Kept, seed: u64, fault: Option<Fault>) -> Self {
        let mut random = Random(seed);
        let state = self.lock();
        let files = state.files.clone().map(|file| {
            let lies = file.lies;
            let synced = file.after_loss(kept, &mut random);
            Content { now: synced.clone(), synced, unsynced: Vec::new(), lies }
        });
        Self(Arc::new(Mutex::new(State { files, fault, ..State::default() })))
    }

    /// The same machine with nothing wrong any more.
    pub(crate) fn repair(&self) {
        let mut state = self.lock();
        state.fault = None;
        state.off = false;
    }
}

impl Content {
    fn change(&mut self, change: Change) {
        apply(&mut self.now, &change);
        self.unsynced.push(change);
    }

    fn sync(&mut self) {
        if !self.lies {
            self.unsynced.drain(..).for_each(|change| apply(&mut self.synced, &change));
        }
    }

    fn forget(&mut self) {
        self.unsynced.clear();
        self.now.clone_from(&self.synced);
    }

    fn after_loss(self, kept: Kept, random: &mut Random) -> Vec<u8> {
        let mut keep = || match kept {
            Kept::Nothing => false,
            Kept::Everything => true,
            Kept::Some(percent) => random.below(100) < percent,
        };
        let mut bytes = self.synced;
        for change in self.unsynced {
            match change {
                Change::Length(_) if keep() => apply(&mut bytes, &change),
                Change::Length(_) => {}
                Change::Write(place, written) => sectors(place, &written)
                    .filter(|_| keep())
                    .for_each(|(at, sector)| write(&mut bytes, at, sector)),
            }
        }
        bytes
    }
}

/// The parts of a write that lie in one sector each, with their places.
fn sectors(place: usize, bytes: &[u8]) -> impl Iterator<Item = (usize, &[u8])> {
    let mut rest = (place, bytes);
    std::iter::from_fn(move || {
        let (at, bytes) = rest;
        let length = (SECTOR_BYTES - at % SECTOR_BYTES).min(bytes.len());
        let (sector, behind) = bytes.split_at(length);
        rest = (at + length, behind);
        (length > 0).then_some((at, sector))
    })
}

fn apply(bytes: &mut Vec<u8>, change: &Change) {
    match change {
        Change::Write(place, written) => write(bytes, *place, written),
        Change::Length(length) => bytes.resize(*length, 0),
    }
}

fn write(bytes: &mut Vec<u8>, place: usize, written: &[u8]) {
    let end = place + written.len();
    if bytes.len() < end {
        bytes.resize(end, 0);
    }
    bytes[place..end].copy_from_slice(written);
}

impl SimulatedFile {
    /// Does something to the file, unless the power is off.
    fn with<T>(&self, act: impl FnOnce(&mut State) -> Result<T>) -> Result<T> {
        let mut state = self.machine.lock();
        if state.off { Err(Error::other("the power is off")) } else { act(&mut state) }
    }

    fn change(&self, change: Change) -> Result<()> {
        self.with(|state| {
            state.writes += 1;
            if matches!(state.fault, Some(Fault::Full(at)) if state.writes >= at) {
                return Err(ErrorKind::StorageFull.into());
            }
            state.files[self.place].change(change);
            Ok(())
        })
    }
}

impl Disk for SimulatedFile {
    fn length(&self) -> Result<u64> {
        self.with(|state| Ok(state.files[self.place].now.len() as u64))
    }

    fn set_length(&self, length: u64) -> Result<()> {
        self.change(Change::Length(length as usize))
    }

    fn read_at(&self, place: u64, bytes: &mut [u8]) -> Result<()> {
        self.with(|state| {
            let place = place as usize;
            let found = state.files[self.place].now.get(place..place + bytes.len());
            bytes.copy_from_slice(found.ok_or(ErrorKind::UnexpectedEof)?);
            Ok(())
        })
    }

    fn write_at(&self, place: u64, bytes: &[u8]) -> Result<()> {
        self.change(Change::Write(place as usize, bytes.to_vec()))
    }

    fn sync(&self) -> Result<()> {
        self.with(|state| {
            state.syncs += 1;
            match state.fault {
                Some(Fault::Power(at)) if state.syncs >= at => {
                    state.off = true;
                    Err(Error::other("the power is off"))
                }
                Some(Fault::Sync(at)) if state.syncs == at => {
                    state.files[self.place].forget();
                    Err(Error::other("the disk did not take it"))
                }
                _ => {
                    state.files[self.place].sync();
                    Ok(())
                }
            }
        })
    }
}

/// Numbers that look random and are the same for the same seed.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % end
    }
}

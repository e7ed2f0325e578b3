//! All figures of a server.

use std::sync::Arc;

use super::commits::Commits;
use crate::cache::Caches;
use crate::cordon::Cordons;
use crate::http::Front;
use crate::metrics::{Family, Measured};
use crate::placement::Placement;
use crate::queue;
use crate::scheduler;
use crate::tail::Tail;

/// Asks every part for its figures.
pub(super) struct Figures {
    pub(super) front: Arc<Front>,
    pub(super) placement: Placement,
    pub(super) tail: Tail,
    pub(super) commits: Arc<Commits>,
    pub(super) caches: Caches,
    pub(super) scheduler: Arc<scheduler::Figures>,
    pub(super) queues: Arc<queue::Figures>,
}

impl Measured for Figures {
    fn measure(&self) -> Vec<Family> {
        let mut families = self.front.figures.measure();
        families.extend(self.tail.measure());
        families.extend(self.placement.measure());
        families.extend(of_cordons(self.placement.cordons()));
        families.extend(self.commits.measure());
        families.extend(self.caches.measure());
        families.extend(self.scheduler.measure());
        families.extend(self.queues.measure());
        families
    }
}

fn of_cordons(cordons: &Cordons) -> [Family; 3] {
    let status = cordons.status();
    let waiting: u32 = status.iter().map(|cordon| cordon.waiting).sum();
    let deaths = cordons.death_count() as f64;
    [
        Family::gauge("bindery_isolates_blank", "Blank isolates.", waiting.into()),
        Family::gauge("bindery_cordons", "Cordons that run.", status.len() as f64),
        Family::counter(
            "bindery_cordon_deaths_total",
            "Cordons that died without being told to.",
            deaths,
        ),
    ]
}

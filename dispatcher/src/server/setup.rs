//! From the configuration to the parts of a server.

use std::path::PathBuf;
use std::sync::Arc;

use bindery_logic::place::Waiting;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::sync::watch;

use crate::clock::Clock;
use crate::config::Config;
use crate::cordon;
use crate::egress::{Egress, Parts, System};
use crate::http::Fronts;
use crate::placement::{Placement, SWEEP_EVERY};

/// Lets this process open as many files as it may: each isolate and each connection is one, and
/// many systems start a program with 1,024.
pub(super) fn raise_descriptors() {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let raised = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum });
    if let Err(error) = raised {
        tracing::warn!(?current, ?maximum, %error, "the limit on open files could not be raised");
    }
}

/// How its cordons are run.
pub(super) fn cordons(config: &Config, program: PathBuf) -> cordon::Config {
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let count = config.cordons.map_or(cores.max(2), |count| count.get() as usize);
    cordon::Config {
        program,
        count,
        unsandboxed: config.unsandboxed,
        blanks: Waiting {
            count_min: config.pool.blank_count_min,
            count_max: config.pool.blank_count_max,
        },
        start_count_max: config.pool.cordon_start_count_max.get(),
    }
}

/// The way out. Its connections live on a thread of the front door, as lines do: a request and its
/// connection do not wait for another thread.
pub(super) fn egress(config: &Config, fronts: &Fronts, clock: &Clock) -> std::io::Result<Egress> {
    Egress::open(Parts {
        config: config.egress.clone(),
        allow_private: config.allow_private_egress,
        resolver: Arc::new(System),
        tasks: fronts.tasks(),
        clock: clock.clone(),
    })
}

/// Threads of the front door: one for four cores, for most of the work is the isolates'.
pub(super) fn front_count() -> usize {
    std::thread::available_parallelism().map_or(1, |cores| (cores.get() / 4).max(1))
}

/// Lets go, once in a while, of what was idle for too long.
pub(super) async fn sweep(
    (placement, egress): (Placement, Egress),
    clock: Clock,
    mut ending: watch::Receiver<bool>,
) {
    let ended = async move {
        let _ = ending.wait_for(|ending| *ending).await;
    };
    tokio::pin!(ended);
    let mut next = clock.elapsed() + SWEEP_EVERY;
    loop {
        tokio::select! {
            () = clock.sleep_until(next) => {
                next = clock.elapsed() + SWEEP_EVERY;
                placement.sweep();
                egress.sweep();
            }
            () = ended.as_mut() => return,
        }
    }
}

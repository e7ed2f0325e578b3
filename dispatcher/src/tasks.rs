//! Background work: named, counted, and waited for at shutdown.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::runtime::Handle;
use tokio::sync::Notify;

/// Spawns tasks on one runtime and knows how many run. Clones share the count.
#[derive(Clone, Debug)]
pub struct Tasks {
    runtime: Handle,
    running: Arc<Running>,
}

#[derive(Debug, Default)]
struct Running {
    count: AtomicUsize,
    none: Notify,
}

impl Tasks {
    /// Tasks that run on `runtime`.
    pub fn new(runtime: Handle) -> Self {
        Self { runtime, running: Arc::default() }
    }

    /// Runs `work` to its end. A panic in it ends that task only, and is logged with the name.
    #[allow(clippy::disallowed_methods, reason = "the one place that spawns")]
    pub fn spawn(&self, name: &'static str, work: impl Future<Output = ()> + Send + 'static) {
        self.running.count.fetch_add(1, Ordering::Relaxed);
        let ticket = Ticket { name, running: self.running.clone() };
        self.runtime.spawn(async move {
            let _ticket = ticket;
            work.await;
        });
    }

    /// How many tasks run.
    pub fn count(&self) -> usize {
        self.running.count.load(Ordering::Acquire)
    }

    /// Waits until no task runs. Cancel-safe.
    pub async fn join(&self) {
        loop {
            let none = self.running.none.notified();
            tokio::pin!(none);
            none.as_mut().enable();
            if self.count() == 0 {
                return;
            }
            none.await;
        }
    }
}

impl<F> hyper::rt::Executor<F> for Tasks
where
    F: Future<Output = ()> + Send + 'static,
{
    fn execute(&self, work: F) {
        self.spawn("http stream", work);
    }
}

/// Counts one task until it has ended, however it ends.
struct Ticket {
    name: &'static str,
    running: Arc<Running>,
}

impl Drop for Ticket {
    fn drop(&mut self) {
        if std::thread::panicking() {
            tracing::error!(task = self.name, "a task panicked");
        }
        if self.running.count.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.running.none.notify_waiters();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn join_waits_for_the_last_task_and_survives_a_panic() {
        let tasks = Tasks::new(Handle::current());
        tasks.join().await;
        let (go, wait) = tokio::sync::oneshot::channel::<()>();
        tasks.spawn("waits", async move {
            let _ = wait.await;
        });
        tasks.spawn("panics", async { panic!("on purpose") });
        assert_eq!(tasks.count(), 2);
        let _ = go.send(());
        tasks.join().await;
        assert_eq!(tasks.count(), 0);
    }
}

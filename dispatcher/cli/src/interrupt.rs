//! Ctrl-C and its like, for commands that have something to finish.

use std::thread;

use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::error::Error;

/// Calls back at Ctrl-C, on another thread. From here on it does not end the program by itself.
pub(crate) fn then(call: impl FnOnce() + Send + 'static) -> Result<(), Error> {
    at([SignalKind::interrupt()], call)
}

/// Calls back at Ctrl-C, when told to end, or when the terminal is closed.
pub(crate) fn at_end(call: impl FnOnce() + Send + 'static) -> Result<(), Error> {
    at([SignalKind::interrupt(), SignalKind::terminate(), SignalKind::hangup()], call)
}

fn at<const N: usize>(
    kinds: [SignalKind; N],
    call: impl FnOnce() + Send + 'static,
) -> Result<(), Error> {
    let unavailable = |error| Error::os("signals can not be awaited", error);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build();
    let runtime = runtime.map_err(unavailable)?;
    let mut signals = {
        let _entered = runtime.enter();
        let signals = kinds.into_iter().map(signal);
        signals.collect::<Result<Vec<Signal>, _>>().map_err(unavailable)?
    };
    thread::spawn(move || {
        runtime.block_on(std::future::poll_fn(|context| {
            let mut came = signals.iter_mut().map(|signal| signal.poll_recv(context).is_ready());
            if came.any(|came| came) {
                std::task::Poll::Ready(())
            } else {
                std::task::Poll::Pending
            }
        }));
        call();
    });
    Ok(())
}

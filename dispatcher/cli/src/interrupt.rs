//! Ctrl-C, for commands that have something to finish.

use std::thread;

use tokio::signal::unix::{SignalKind, signal};

use crate::error::Error;

/// Calls back at Ctrl-C, on another thread. From here on it does not end the program by itself.
pub(crate) fn then(call: impl FnOnce() + Send + 'static) -> Result<(), Error> {
    let unavailable = |error| Error::os("signals can not be awaited", error);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build();
    let runtime = runtime.map_err(unavailable)?;
    let mut interrupt = {
        let _entered = runtime.enter();
        signal(SignalKind::interrupt()).map_err(unavailable)?
    };
    thread::spawn(move || {
        runtime.block_on(interrupt.recv());
        call();
    });
    Ok(())
}

//! The runtime: one thread of the library, started at first use, for all environments of the process.

use std::sync::OnceLock;

use aster_core::error::{Error, ErrorKind, Result};
use aster_core::node::EVENT_INTERVAL;
use tokio::runtime::{Builder, Handle};

struct Runtime {
    handle: Handle,
    process: u32,
}

static RUNTIME: OnceLock<std::result::Result<Runtime, String>> = OnceLock::new();

/// Returns the runtime, started if this is the first use.
///
/// # Errors
///
/// FORKED in a process that inherited it, IO if no thread can be started.
pub(crate) fn handle() -> Result<&'static Handle> {
    match RUNTIME.get_or_init(start) {
        Ok(runtime) if runtime.process == std::process::id() => Ok(&runtime.handle),
        Ok(_) => Err(Error::new(ErrorKind::Forked, "the library was started in another process")),
        Err(reason) => Err(Error::new(ErrorKind::Io, format!("cannot start the runtime: {reason}"))),
    }
}

/// One thread drives everything: hand-overs between workers cost more than they gain.
fn start() -> std::result::Result<Runtime, String> {
    let runtime = Builder::new_current_thread()
        .event_interval(EVENT_INTERVAL)
        .enable_all()
        .thread_name("aster-blocking")
        .build()
        .map_err(|error| error.to_string())?;
    let handle = runtime.handle().clone();
    std::thread::Builder::new()
        .name("aster-rt".to_owned())
        .spawn(move || runtime.block_on(std::future::pending::<()>()))
        .map_err(|error| error.to_string())?;
    Ok(Runtime { handle, process: std::process::id() })
}

//! The tokio runtimes that endpoints run on.

use tokio::runtime::Builder;

/// Tasks that a thread runs before it looks at its sockets again. A connection's task takes at most 128 datagrams
/// in one turn (tokio's cooperative budget), and iroh drops what the same turn wants to send if there were more.
/// A connection sends 20 datagrams in one turn, so with a sender and a receiver on one thread six turns without a
/// look at the sockets already lose packets, and with the 61 of tokio a busy receiver loses most of what it sends.
const EVENT_INTERVAL: u32 = 5;

/// Starts a runtime whose tasks run on the thread that drives it.
pub fn single_thread() -> Builder {
    tuned(Builder::new_current_thread())
}

/// Starts a runtime with worker threads.
pub fn multi_thread() -> Builder {
    tuned(Builder::new_multi_thread())
}

fn tuned(mut builder: Builder) -> Builder {
    builder.event_interval(EVENT_INTERVAL).enable_all();
    builder
}

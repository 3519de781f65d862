//! Calls inside one process: the same state machines over a memory pipe (`wire.md` section 19).

use std::sync::Arc;

use tokio::runtime::Handle;

use super::caller::Caller;
use super::dispatcher::Dispatcher;
use super::pipe;
use super::transport::{BoxFuture, Connection, Dialer};
use crate::clock::SystemClock;
use crate::error::Result;

struct LocalDialer {
    runtime: Handle,
    dispatcher: Arc<Dispatcher>,
    objects: bool,
}

impl Dialer for LocalDialer {
    fn dial(&self) -> BoxFuture<'_, Result<Arc<dyn Connection>>> {
        Box::pin(async {
            let (near, far) = pipe::ends(None, None, self.objects);
            // Ends with the connection, which its caller closes.
            self.runtime.spawn(self.dispatcher.clone().serve(far));
            Ok(near as Arc<dyn Connection>)
        })
    }
}

/// Returns a caller of a dispatcher in this process. It has no peer and no attributes. `objects`: hosts pass objects
/// instead of encoded bodies, which nothing here looks at.
pub fn local_caller(runtime: Handle, dispatcher: Arc<Dispatcher>, objects: bool) -> Arc<Caller> {
    let dialer = Arc::new(LocalDialer { runtime: runtime.clone(), dispatcher, objects });
    Caller::new(runtime, dialer, Arc::new(SystemClock), None)
}

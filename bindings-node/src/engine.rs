//! The engine of one JavaScript environment: its queue, its calls, its nodes.
//!
//! Calls are submitted by synchronous functions that encode on the loop's thread. Results wait in core's queue until
//! the loop was woken and drains a batch; values are built there. Functions return an error object, made by the
//! package, instead of throwing.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::ffi::c_void;
use std::future::Future;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use aster_core::admission::AdmissionResult;
use aster_core::engine::{ClientCall, Queue, ServerCall, ServerSession};
use aster_core::error::{Error, ErrorKind, Result};
use aster_core::limits;
use aster_core::node;
use aster_core::rpc::{BoundService, BoxFuture};
use napi::Env;
use napi::sys;
use napi_derive::napi;
use tokio::sync::oneshot;
use tokio::task::AbortHandle;

use crate::client::ConnectOptions;
use crate::config::{Settings, Told};
use crate::convert::Tapes;
use crate::errors::{ErrorMaker, no_value};
use crate::js::{Js, Persistent, Scope};
use crate::plan::{BoundPlan, Plan};
use crate::queue::Bell;
use crate::runtime;
use crate::server::HostOptions;
use crate::session::OpenSession;
use crate::window::Window;

/// Time for nodes to say goodbye when the environment ends.
const EXIT_GRACE: Duration = Duration::from_millis(200);

/// What completes a control-plane operation.
pub(crate) enum Outcome {
    Nothing,
    Text(String),
    Texts(Vec<String>),
    Number(u64),
    Flag(bool),
    Checked(AdmissionResult),
    Client(node::Client),
    Registry(node::ClientRegistry),
    Service(BoundService),
}

/// The completion of an operation, delivered when it is dropped, so that it cannot be lost.
pub(crate) struct Completion {
    queue: Arc<Queue>,
    op: f64,
    outcome: Option<Result<Outcome>>,
}

/// A completion as it lies in the queue.
pub(crate) struct Completed {
    pub(crate) op: f64,
    pub(crate) outcome: Result<Outcome>,
}

impl Completion {
    fn complete(mut self, outcome: Result<Outcome>) {
        self.outcome = Some(outcome);
    }
}

impl Drop for Completion {
    fn drop(&mut self) {
        let cancelled = || Err(Error::new(ErrorKind::Cancelled, "cancelled"));
        let outcome = self.outcome.take().unwrap_or_else(cancelled);
        self.queue.post(Box::new(Completed { op: self.op, outcome }));
    }
}

/// Something that is closed when the environment ends.
pub(crate) enum Node {
    Client(node::Client),
    Server(node::Server),
}

impl Node {
    fn close(&self) -> BoxFuture<'static, ()> {
        match self {
            Self::Client(client) => client.close(),
            Self::Server(server) => server.close(),
        }
    }
}

/// A submitted call.
pub(crate) struct Pending {
    pub(crate) call: Arc<ClientCall>,
    /// The JavaScript side of its types.
    pub(crate) bound: Rc<BoundPlan>,
    /// Held so that the session stays open.
    pub(crate) _session: Option<Rc<OpenSession>>,
    /// `None`: the answer is no stream, and a promise waits for it.
    pub(crate) window: Option<Window>,
}

/// A call with a running handler.
pub(crate) struct Running {
    pub(crate) call: Arc<ServerCall>,
    /// The JavaScript side of its types.
    pub(crate) bound: Rc<BoundPlan>,
    pub(crate) window: Window,
}

/// What the objects of one environment share. Lives on its thread.
pub(crate) struct Shared {
    pub(crate) queue: Arc<Queue>,
    pub(crate) errors: ErrorMaker,
    pub(crate) tapes: Rc<Tapes>,
    bell: Arc<Bell>,
    /// Submitted calls by ticket.
    pub(crate) calls: RefCell<HashMap<u64, Pending>>,
    /// Calls with a running handler by ticket.
    pub(crate) running: RefCell<HashMap<u64, Running>>,
    /// Sessions whose close hook runs.
    pub(crate) closing: RefCell<HashMap<u64, Arc<ServerSession>>>,
    /// Registered services by tag.
    services: RefCell<HashMap<u64, Rc<BoundPlan>>>,
    nodes: RefCell<HashMap<u64, Node>>,
    /// What core waits for the program to say.
    pub(crate) questions: RefCell<HashMap<u64, oneshot::Sender<bool>>>,
    /// Operations that run, to be cancelled.
    operations: RefCell<HashMap<u64, AbortHandle>>,
    numbers: Cell<u64>,
    holds: Cell<usize>,
    /// Whether the loop comes back to hand over what was gathered.
    ringing: Cell<bool>,
}

impl Shared {
    fn new(scope: Scope, wake: Js, make_error: Js, tapes: Tapes) -> Option<Rc<Self>> {
        let bell = Bell::new(scope, wake)?;
        let ringing = bell.clone();
        let shared = Rc::new(Self {
            queue: Queue::new(limits::QUEUE_CAPACITY, move || aster_core::engine::Wake::wake(&*ringing)),
            errors: ErrorMaker(Persistent::new(scope, make_error)?),
            tapes: Rc::new(tapes),
            bell,
            calls: RefCell::default(),
            running: RefCell::default(),
            closing: RefCell::default(),
            services: RefCell::default(),
            nodes: RefCell::default(),
            questions: RefCell::default(),
            operations: RefCell::default(),
            numbers: Cell::new(1),
            holds: Cell::new(0),
            ringing: Cell::new(false),
        });
        if let Ok(runtime) = runtime::handle() {
            runtime.spawn(shared.queue.porter());
        }
        let hook = Rc::into_raw(shared.clone()).cast_mut().cast::<c_void>();
        // SAFETY: `hook` is taken back by `leave`, which runs once.
        unsafe { sys::napi_add_env_cleanup_hook(scope.env(), Some(leave), hook) };
        Some(shared)
    }

    pub(crate) fn number(&self) -> u64 {
        let number = self.numbers.get();
        self.numbers.set(number + 1);
        number
    }

    /// Makes a submission. Calls that are submitted in one turn of the loop leave together.
    pub(crate) fn submit<R>(&self, submission: impl FnOnce() -> R) -> R {
        let (result, due) = self.queue.gather(submission);
        if due && !self.ringing.replace(true) {
            aster_core::engine::Wake::wake(&*self.bell);
        }
        result
    }

    /// Hands over what was submitted in the turn of the loop that is over.
    pub(crate) fn ring(&self) {
        self.ringing.set(false);
        self.queue.ring();
    }

    /// Keeps the process alive until [`release`](Self::release).
    pub(crate) fn hold(&self, scope: Scope) {
        self.holds.set(self.holds.get() + 1);
        if self.holds.get() == 1 {
            self.bell.hold(scope, true);
        }
    }

    /// Takes back one hold.
    pub(crate) fn release(&self, scope: Scope) {
        self.holds.set(self.holds.get().saturating_sub(1));
        if self.holds.get() == 0 {
            self.bell.hold(scope, false);
        }
    }

    /// Remembers a node and returns its number.
    pub(crate) fn adopt(&self, node: Node) -> u64 {
        let number = self.number();
        self.nodes.borrow_mut().insert(number, node);
        number
    }

    /// Forgets a node that is being closed; false if it was forgotten before.
    pub(crate) fn disown(&self, number: u64) -> bool {
        self.nodes.borrow_mut().remove(&number).is_some()
    }

    /// Takes note that an operation has ended.
    pub(crate) fn ended(&self, scope: Scope, op: f64) {
        self.operations.borrow_mut().remove(&(op as u64));
        self.release(scope);
    }

    /// Gives a service a tag.
    pub(crate) fn enroll(&self, bound: &Rc<BoundPlan>) -> u64 {
        let tag = self.number();
        self.services.borrow_mut().insert(tag, bound.clone());
        tag
    }

    /// Takes a tag back.
    pub(crate) fn forget(&self, tag: u64) {
        self.services.borrow_mut().remove(&tag);
    }

    /// Returns the service with a tag.
    pub(crate) fn service(&self, tag: u64) -> Option<Rc<BoundPlan>> {
        self.services.borrow().get(&tag).cloned()
    }

    /// Runs an operation that completes `op`; it keeps the process alive. Returns undefined or an error.
    pub(crate) fn spawn(
        &self,
        scope: Scope,
        op: f64,
        work: impl Future<Output = Result<Outcome>> + Send + 'static,
    ) -> Js {
        let spawned = || -> Result<Js> {
            let runtime = runtime::handle()?;
            self.queue.reserve_post()?;
            let completion = Completion { queue: self.queue.clone(), op, outcome: None };
            let task = runtime.spawn(async move { completion.complete(work.await) });
            self.operations.borrow_mut().insert(op as u64, task.abort_handle());
            self.hold(scope);
            Ok(scope.undefined())
        };
        self.errors.either(scope, spawned())
    }
}

/// Runs when the environment ends: stops deliveries and closes what is open, within a bound.
unsafe extern "C" fn leave(shared: *mut c_void) {
    // SAFETY: `shared` is the count that `Shared::new` gave away, and this runs once, on the environment's thread.
    let shared = unsafe { Rc::from_raw(shared.cast_const().cast::<Shared>()) };
    shared.bell.silence();
    shared.queue.close();
    let Ok(runtime) = runtime::handle() else { return };
    let (done, closed) = mpsc::channel::<()>();
    for (_, node) in shared.nodes.borrow_mut().drain() {
        let (done, closing) = (done.clone(), node.close());
        runtime.spawn(async move {
            closing.await;
            let _ = done.send(());
        });
    }
    drop(done);
    let until = Instant::now() + EXIT_GRACE;
    while closed.recv_timeout(until.saturating_duration_since(Instant::now())).is_ok() {}
}

/// The engine of one environment.
#[napi]
pub struct Engine {
    pub(crate) shared: Rc<Shared>,
}

#[napi]
impl Engine {
    /// Makes the engine. `wake` runs on the loop when events wait; `outgoing` and `incoming` are buffers for values,
    /// which the package keeps for good.
    #[napi(constructor)]
    pub fn new(env: &Env, wake: Js, make_error: Js, outgoing: Js, incoming: Js) -> napi::Result<Self> {
        let scope = Scope::new(env);
        let tapes = Tapes::new(scope, outgoing, incoming);
        let shared = tapes.and_then(|tapes| Shared::new(scope, wake, make_error, tapes));
        shared.map(|shared| Self { shared }).ok_or_else(|| napi::Error::from_reason("the engine could not be made"))
    }

    /// Keeps the process alive.
    #[napi]
    pub fn hold(&self, env: &Env) {
        self.shared.hold(Scope::new(env));
    }

    /// Takes back one hold.
    #[napi]
    pub fn release(&self, env: &Env) {
        self.shared.release(Scope::new(env));
    }

    /// Cancels an operation, which completes with an error unless it had ended.
    #[napi]
    pub fn abandon(&self, op: f64) {
        if let Some(task) = self.shared.operations.borrow().get(&(op as u64)) {
            task.abort();
        }
    }

    /// Settles a configuration; returns it or an error.
    #[napi]
    pub fn settings(&self, env: &Env, told: Told) -> Js {
        self.object(env, Settings::new(told))
    }

    /// Compiles a service; returns it or an error.
    #[napi]
    pub fn plan(&self, env: &Env, description: String, declared: String, build: Js) -> Js {
        let scope = Scope::new(env);
        self.object(env, Plan::new(scope, &self.shared, &description, &declared, build))
    }

    /// Makes a server; returns it or an error.
    #[napi]
    pub fn server(&self, env: &Env, settings: &Settings, options: HostOptions) -> Js {
        let server = node::Server::new(settings.config(), options.complete());
        self.object(env, server.map(|server| crate::server::Server::new(server, settings.config(), &self.shared)))
    }

    /// Connects to a server; completes the operation `op` with a client.
    #[napi]
    pub fn connect(&self, env: &Env, op: f64, settings: &Settings, options: ConnectOptions) -> Js {
        let scope = Scope::new(env);
        let connected = || -> Result<BoxFuture<'static, Result<node::Client>>> {
            let runtime = runtime::handle()?.clone();
            let options = options.complete(settings.config())?;
            Ok(node::Client::connect(runtime, settings.config(), options))
        };
        match connected() {
            Ok(connected) => self.shared.spawn(scope, op, async move { connected.await.map(Outcome::Client) }),
            Err(error) => self.shared.errors.error(scope, &error),
        }
    }

    /// Makes an object of the package, or the error of its failure.
    pub(crate) fn object<T: napi::bindgen_prelude::ToNapiValue>(&self, env: &Env, made: Result<T>) -> Js {
        let scope = Scope::new(env);
        let made = made.and_then(|made| {
            // SAFETY: the environment is that of the running function.
            unsafe { T::to_napi_value(scope.env(), made) }.map(Js).map_err(|_| no_value())
        });
        self.shared.errors.either(scope, made)
    }
}

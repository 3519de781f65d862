//! Stores of spent one-time tokens: core's, and what core asks the program, in its loop (`trust.md` section 9).

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use aster_core::admission::{IidBackend, MemoryNonces, NONCE_LEN, NonceStore, nonce};
use aster_core::clock::SystemClock;
use aster_core::engine::Queue;
use aster_core::error::{Error, ErrorKind, Result};
use aster_core::limits;
use aster_core::node::FileNonces;
use aster_core::rpc::BoxFuture;
use napi::Env;
use napi::bindgen_prelude::Uint8Array;
use napi_derive::napi;
use tokio::sync::oneshot;

use crate::engine::{Engine, Outcome, Shared};
use crate::entries::{Entry, entry};
use crate::js::{Js, Scope};

/// A store of spent one-time tokens.
#[napi]
pub struct Nonces(pub(crate) Arc<dyn NonceStore>);

/// What is asked of the program, a method with its arguments.
enum Asks {
    Consume([u8; NONCE_LEN]),
    IsConsumed([u8; NONCE_LEN]),
    Verify { attributes: Vec<(String, String)>, token: String, peer: String },
}

/// A question as it lies in the queue. Dropped, it has failed.
pub(crate) struct Question {
    host: f64,
    asks: Asks,
    answer: oneshot::Sender<bool>,
}

/// An object of the program, as core asks it.
pub(crate) struct Host {
    queue: Arc<Queue>,
    /// Number that the package gave the object.
    id: f64,
}

impl Host {
    pub(crate) fn new(shared: &Shared, id: f64) -> Self {
        Self { queue: shared.queue.clone(), id }
    }

    fn ask(&self, asks: Asks) -> BoxFuture<'static, Result<bool>> {
        if let Err(error) = self.queue.reserve_post() {
            return Box::pin(std::future::ready(Err(error)));
        }
        let (answer, answered) = oneshot::channel();
        self.queue.post(Box::new(Question { host: self.id, asks, answer }));
        let failed = || Error::new(ErrorKind::Internal, "the program did not answer");
        Box::pin(async move { answered.await.map_err(|_| failed()) })
    }
}

impl NonceStore for Host {
    fn consume(&self, nonce: [u8; NONCE_LEN], _expires_at: u64) -> BoxFuture<'_, Result<bool>> {
        self.ask(Asks::Consume(nonce))
    }

    fn is_consumed(&self, nonce: [u8; NONCE_LEN]) -> BoxFuture<'_, Result<bool>> {
        self.ask(Asks::IsConsumed(nonce))
    }
}

impl IidBackend for Host {
    fn proves<'a>(
        &'a self,
        attributes: &'a BTreeMap<String, String>,
        token: &'a str,
        peer: &'a str,
    ) -> BoxFuture<'a, Result<bool>> {
        let attributes = attributes.iter().map(|(key, value)| (key.clone(), value.clone())).collect();
        self.ask(Asks::Verify { attributes, token: token.to_owned(), peer: peer.to_owned() })
    }
}

impl Asks {
    /// Returns the method and its arguments.
    fn told(&self, scope: Scope) -> Option<Vec<Js>> {
        Some(match self {
            Self::Consume(nonce) => vec![scope.text("consume")?, scope.bytes(nonce)?],
            Self::IsConsumed(nonce) => vec![scope.text("isConsumed")?, scope.bytes(nonce)?],
            Self::Verify { attributes, token, peer } => {
                vec![scope.text("verify")?, scope.pairs(attributes)?, scope.text(token)?, scope.text(peer)?]
            }
        })
    }
}

impl Shared {
    /// Turns a question into an entry: `[kind, question, object, method, arguments ..]`; `None`: it is too late for it.
    pub(crate) fn asked(&self, scope: Scope, question: Question) -> Option<Js> {
        let Question { host, asks, answer } = question;
        let mut questions = self.questions.borrow_mut();
        // Core waits no longer for these.
        questions.retain(|_, answer| !answer.is_closed());
        if answer.is_closed() {
            return None;
        }
        let mut rest = vec![scope.number(host)?];
        rest.extend(asks.told(scope)?);
        let number = self.number();
        questions.insert(number, answer);
        entry(scope, Entry::Asked, number as f64, &rest)
    }

    fn ask_store(
        &self,
        env: &Env,
        op: f64,
        nonces: &Nonces,
        bytes: &[u8],
        ask: impl FnOnce(Arc<dyn NonceStore>, [u8; NONCE_LEN]) -> BoxFuture<'static, Result<bool>>,
    ) -> Js {
        let scope = Scope::new(env);
        match nonce(bytes) {
            Ok(nonce) => {
                let work = ask(nonces.0.clone(), nonce);
                self.spawn(scope, op, async move { work.await.map(Outcome::Flag) })
            }
            Err(error) => self.errors.error(scope, &error),
        }
    }
}

#[napi]
impl Engine {
    /// Makes a store that forgets everything when the process ends.
    #[napi]
    pub fn memory_nonces(&self) -> Nonces {
        Nonces(Arc::new(MemoryNonces::new(Arc::new(SystemClock))))
    }

    /// Opens a store in a file, which several processes may share; returns it or an error.
    #[napi]
    pub fn file_nonces(&self, env: &Env, path: String) -> Js {
        let opened = FileNonces::open(Path::new(&path), Arc::new(SystemClock));
        self.object(env, opened.map(|store| Nonces(Arc::new(store))))
    }

    /// Makes a store of an object of the program, which the package knows by this number.
    #[napi]
    pub fn hosted_nonces(&self, host: f64) -> Nonces {
        Nonces(Arc::new(Host::new(&self.shared, host)))
    }

    /// Spends a nonce; completes the operation `op` with whether it was not spent before.
    #[napi]
    pub fn consume_nonce(&self, env: &Env, op: f64, nonces: &Nonces, nonce: Uint8Array, expires_at: Option<f64>) -> Js {
        let expires_at = expires_at.map_or(limits::MAX_EXPIRES_AT, |seconds| seconds as u64);
        self.shared.ask_store(env, op, nonces, &nonce, |store, nonce| {
            Box::pin(async move { store.consume(nonce, expires_at).await })
        })
    }

    /// Completes the operation `op` with whether a nonce was spent.
    #[napi]
    pub fn is_nonce_consumed(&self, env: &Env, op: f64, nonces: &Nonces, nonce: Uint8Array) -> Js {
        self.shared
            .ask_store(env, op, nonces, &nonce, |store, nonce| Box::pin(async move { store.is_consumed(nonce).await }))
    }

    /// Takes what the program says to a question; `undefined`: it has no answer. Too late, it has no effect.
    #[napi]
    pub fn answer(&self, question: f64, said: Option<bool>) {
        let asked = self.shared.questions.borrow_mut().remove(&(question as u64));
        if let (Some(asked), Some(said)) = (asked, said) {
            // An error: nobody waits any more.
            let _ = asked.send(said);
        }
    }
}

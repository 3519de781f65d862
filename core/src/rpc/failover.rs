//! Calls that may go to one of several servers, and move on when one fails (`registry.md` section 7).

use std::sync::Arc;
use std::task::Context;
use std::time::Duration;

use tokio::time::timeout;

use super::caller::Caller;
use super::exchange::{self, Attempt, guard};
use super::inbound::Failure;
use super::transport::BoxFuture;
use crate::engine::ClientCall;
use crate::error::Result;
use crate::ids::EndpointId;
use crate::limits;
use crate::status::StatusCode;
use crate::wire;

/// A server that a call may go to.
#[derive(Clone)]
pub struct Route {
    /// The server.
    pub endpoint: EndpointId,
    /// What dials it, admission included.
    pub caller: Arc<Caller>,
}

/// Where the calls of a service may go.
pub trait Routes: Send + Sync {
    /// Returns the servers for one call, the best first.
    ///
    /// # Errors
    ///
    /// NOT_FOUND if there is none.
    fn candidates(&self) -> BoxFuture<'_, Result<Vec<Route>>>;

    /// Is told that a server failed a call.
    fn failed(&self, endpoint: EndpointId);

    /// Is told that a server answered a call.
    fn answered(&self, endpoint: EndpointId);
}

/// Runs a call at one server after the other, each once, until one answers.
pub(crate) async fn run(routes: &dyn Routes, call: Arc<ClientCall>) {
    let cancelled = |cx: &Context<'_>| call.signal().poll_raised(cx) && call.is_ended();
    let found = guard(call.deadline(), limits::CONNECT_TIMEOUT, routes.candidates(), cancelled).await;
    let candidates = match found {
        Ok(Some(Ok(candidates))) => candidates,
        Ok(Some(Err(error))) => return call.finish(error.to_status(), false),
        Ok(None) => return,
        Err(failure) => return call.finish(failure.status, failure.connection_lost),
    };
    let mut tried = Vec::new();
    let mut last = Failure::lost("no endpoint was tried");
    for (Route { endpoint, caller }, patience) in with_patience(candidates) {
        tried.push(endpoint.to_string());
        match exchange::attempt(&caller, &call, Attempt::MayMove(patience)).await {
            None => return routes.answered(endpoint),
            Some(failure) => {
                last = failure;
                if is_of_endpoint(&last) {
                    routes.failed(endpoint);
                }
                if !is_of_endpoint(&last) || !call.rewind() {
                    break;
                }
            }
        }
    }
    last.status.details.push(("endpoints".to_owned(), tried.join(",")));
    call.finish(last.status, last.connection_lost);
}

/// Adds how long each is dialled: not long while there are others.
fn with_patience(candidates: Vec<Route>) -> impl Iterator<Item = (Route, Duration)> {
    let last = candidates.len().saturating_sub(1);
    candidates
        .into_iter()
        .enumerate()
        .map(move |(number, route)| (route, if number < last { limits::ROUTE_DIAL } else { limits::CONNECT_TIMEOUT }))
}

/// Opens a connection for a session: to the first server that can be reached.
pub(crate) async fn link(routes: &dyn Routes) -> Result<Arc<super::caller::Link>, Failure> {
    let candidates = routes.candidates().await.map_err(|error| Failure::from(error.to_status()))?;
    let mut last = Failure::lost("no endpoint was tried");
    for (Route { endpoint, caller }, patience) in with_patience(candidates) {
        match timeout(patience, Box::pin(caller.link())).await {
            Ok(Ok(link)) => {
                routes.answered(endpoint);
                return Ok(link);
            }
            Ok(Err(failure)) => last = failure,
            Err(_) => last = Failure::lost("no answer in time"),
        }
        routes.failed(endpoint);
    }
    Err(last)
}

/// Tells whether another server may do better: this one is gone, does not let us in, or has no time.
fn is_of_endpoint(failure: &Failure) -> bool {
    let not_admitted =
        failure.status.code == StatusCode::PERMISSION_DENIED && failure.status.message == wire::NOT_ADMITTED_TEXT;
    failure.status.code == StatusCode::UNAVAILABLE || not_admitted
}

//! The checks a call passes before any handler sees it, in the order of `wire.md` section 9.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::capability;
use super::dispatcher::{Counted, Scope, Service, Slot};
use crate::admission::{Attributes, Standing};
use crate::contract::ScopeKind;
use crate::status::RpcStatus;
use crate::wire::{self, CallHeader, Mode, StreamHeader, metadata};

/// Why a stream is refused at its header.
pub(crate) enum Refused {
    /// With a trailer.
    With(RpcStatus),
    /// By closing the connection: the peer is not admitted, or no longer.
    NotAdmitted,
}

impl From<RpcStatus> for Refused {
    fn from(status: RpcStatus) -> Self {
        Self::With(status)
    }
}

/// A stream whose header passed.
pub(crate) struct OpenedStream {
    pub(crate) service: Service,
    pub(crate) mode: Mode,
    pub(crate) session_trailers: bool,
    /// The client's id of the session.
    pub(crate) id: String,
    pub(crate) slots: (Slot, Option<Slot>),
    /// The call of a shared service; `None` for a session.
    pub(crate) call: Option<OpenedCall>,
}

/// A call whose header passed.
pub(crate) struct OpenedCall {
    pub(crate) method: usize,
    pub(crate) call_id: String,
    pub(crate) metadata: Vec<(String, String)>,
    pub(crate) attributes: Attributes,
    pub(crate) is_admitted: bool,
    pub(crate) deadline: Option<Instant>,
}

/// Checks 4 to 14 for the header of a stream.
pub(crate) fn check_stream(scope: &Arc<Scope>, header: StreamHeader) -> Result<OpenedStream, Refused> {
    check_peer(scope)?;
    let is_session = header.method.is_empty();
    let slot = scope.take(Counted::Stream).map_err(wire::too_many_streams)?;
    let session_slot = match is_session {
        true => Some(scope.take(Counted::Session).map_err(wire::too_many_sessions)?),
        false => None,
    };
    let accepted = metadata::accept(&header.metadata)?;
    wire::check_name("service name", &header.service)?;
    wire::check_name("method name", &header.method)?;
    wire::check_name("call id", &header.call_id)?;
    if header.service.is_empty() {
        return Err(wire::missing_service_name().into());
    }
    let service = scope
        .dispatcher
        .service(&header.service, header.version)
        .ok_or_else(|| wire::service_not_found(&header.service, header.version))?;
    let plan = &service.plan;
    let session_scoped = plan.contract().description().scope == ScopeKind::Session;
    match (session_scoped, is_session) {
        (true, false) => return Err(wire::session_scoped(plan.name(), &header.method).into()),
        (false, true) => return Err(wire::not_session_scoped(plan.name()).into()),
        _ => {}
    }
    let method = match is_session {
        true => None,
        false => Some(
            plan.method_index(&header.method)
                .ok_or_else(|| wire::method_not_implemented(plan.name(), &header.method))?,
        ),
    };
    let mode = Mode::accepted(header.serialization_mode, &plan.contract().description().serialization_modes)
        .ok_or_else(|| wire::unsupported_mode(header.serialization_mode))?;
    let (id, call) = match method {
        None => {
            standing(scope, service)?;
            (header.call_id, None)
        }
        Some(method) => {
            let (deadline, timeout_ms) = (header.deadline_epoch_ms, accepted.timeout_ms.as_deref());
            let call = open_call(scope, service, method, header.call_id, deadline, timeout_ms, accepted.pairs)?;
            (String::new(), Some(call))
        }
    };
    Ok(OpenedStream {
        service: service.clone(),
        mode,
        session_trailers: accepted.session_trailers,
        id,
        slots: (slot, session_slot),
        call,
    })
}

/// Checks 4, 5, 7, 11, 13 and 14 for a call in a session.
pub(crate) fn check_session_call(
    scope: &Arc<Scope>,
    service: &Service,
    header: CallHeader,
) -> Result<OpenedCall, Refused> {
    check_peer(scope)?;
    let accepted = metadata::accept(&header.metadata)?;
    wire::check_name("method name", &header.method)?;
    wire::check_name("call id", &header.call_id)?;
    let method =
        service.plan.method_index(&header.method).ok_or_else(|| wire::session_method_not_found(&header.method))?;
    open_call(
        scope,
        service,
        method,
        header.call_id,
        header.deadline_epoch_ms,
        accepted.timeout_ms.as_deref(),
        accepted.pairs,
    )
}

fn check_peer(scope: &Scope) -> Result<(), Refused> {
    if let Some(peer) = scope.peer
        && !scope.dispatcher.gate.admits(&peer)
    {
        return Err(Refused::NotAdmitted);
    }
    if scope.dispatcher.is_draining() {
        return Err(wire::server_draining().into());
    }
    Ok(())
}

fn open_call(
    scope: &Scope,
    service: &Service,
    method: usize,
    call_id: String,
    deadline_epoch_ms: i64,
    timeout_ms: Option<&str>,
    metadata: Vec<(String, String)>,
) -> Result<OpenedCall, Refused> {
    let now = scope.dispatcher.clock.epoch_ms();
    let remaining = wire::remaining_ms(now, deadline_epoch_ms, timeout_ms)?;
    let description = service.plan.contract().description();
    let Standing { attributes, is_admitted } = standing(scope, service)?;
    let plan = &service.plan.methods()[method].description;
    capability::check(
        (&description.service, description.requires.as_ref()),
        (&plan.name, plan.requires.as_ref()),
        &attributes,
    )?;
    Ok(OpenedCall {
        method,
        call_id: if call_id.is_empty() { crate::ids::random_uuid() } else { call_id },
        metadata,
        attributes,
        is_admitted,
        deadline: remaining.and_then(|ms| Instant::now().checked_add(Duration::from_millis(ms))),
    })
}

/// Returns what the peer may do with a service; callers in the process are nobody in particular.
fn standing(scope: &Scope, service: &Service) -> Result<Standing, RpcStatus> {
    match scope.peer {
        Some(peer) => scope.dispatcher.gate.standing(&peer, service.plan.name()).ok_or_else(wire::not_admitted),
        None => Ok(Standing::default()),
    }
}

//! The arguments of a call: options as C gives them, read and checked.

use std::sync::Arc;

use aster_core::engine::{CallOptions, Timeout};
use aster_core::error::{Error, ErrorKind, Result};
use aster_core::wire::Mode;

use crate::client::{ClientState, aster_client_t};
use crate::contract::aster_contract_t;
use crate::handle::{borrow, borrow_optional, null_argument};
use crate::later::aster_session_t;
use crate::options::{self, Growing};
use crate::payload::{Deliver, Payload, aster_payload_t};
use crate::slice::{aster_pair_t, aster_str_t, invalid_argument, read_pairs};

/// One request, one response.
pub const ASTER_PATTERN_UNARY: u32 = 1;
/// One request, a stream of responses. Comes with a later version: UNSUPPORTED.
pub const ASTER_PATTERN_SERVER_STREAM: u32 = 2;
/// A stream of requests, one response. Comes with a later version: UNSUPPORTED.
pub const ASTER_PATTERN_CLIENT_STREAM: u32 = 3;
/// Streams both ways. Comes with a later version: UNSUPPORTED.
pub const ASTER_PATTERN_BIDI_STREAM: u32 = 4;

/// The mode that client and server share.
pub const ASTER_MODE_AUTO: i32 = 0;
/// XLANG bytes.
pub const ASTER_MODE_XLANG: i32 = 1;
/// The optional native codec.
pub const ASTER_MODE_NATIVE: i32 = 2;
/// Rows.
pub const ASTER_MODE_ROW: i32 = 3;
/// JSON.
pub const ASTER_MODE_JSON: i32 = 4;

/// Settings of one call. Make it with `ASTER_CALL_OPTIONS_INIT`.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct aster_call_options_t {
    /// Size of this struct.
    pub struct_size: usize,
    /// Name of the service; required.
    pub service: aster_str_t,
    /// Name of the method; required.
    pub method: aster_str_t,
    /// Version of the service; 0: that of the contract.
    pub version: i32,
    /// `ASTER_PATTERN_*`; 0: that of the contract.
    pub pattern: u32,
    /// `ASTER_MODE_*`; counts if the server offers it.
    pub mode: i32,
    /// Form of the response, `ASTER_PAYLOAD_*`; 0: JSON.
    pub deliver: u32,
    /// The contract of the service; required in this version.
    pub contract: *const aster_contract_t,
    /// NULL: a call of its own.
    pub session: *mut aster_session_t,
    /// Time until the call must have ended; 0: the method's default, negative: no limit.
    pub timeout_ms: i64,
    /// Metadata of the application.
    pub metadata: *const aster_pair_t,
    /// Number of pairs.
    pub metadata_len: usize,
    /// Reserved for streams.
    pub initial_credit: u32,
    /// Zero.
    pub reserved: u32,
}

// SAFETY: repr(C), struct_size first, numbers and nullable pointers.
unsafe impl Growing for aster_call_options_t {}

/// A call that was read from C and checked.
pub(crate) struct Request<'a> {
    pub(crate) client: &'a Arc<ClientState>,
    pub(crate) contract: &'a aster_contract_t,
    pub(crate) method: usize,
    pub(crate) options: CallOptions,
    pub(crate) payload: Payload<'a>,
    pub(crate) deliver: Deliver,
}

impl<'a> Request<'a> {
    /// Reads the arguments of a call.
    ///
    /// # Safety
    ///
    /// Pointers are NULL or as the header says.
    pub(crate) unsafe fn read(
        client: *mut aster_client_t,
        options: *const aster_call_options_t,
        request: *const aster_payload_t,
    ) -> Result<Self> {
        // SAFETY: passed on from the caller.
        unsafe {
            let client = borrow(client, "client")?;
            if options.is_null() {
                return Err(null_argument("options"));
            }
            let options = options::read(options, "options")?;
            let service = options.service.require("service")?;
            let method = options.method.require("method")?;
            if !options.session.is_null() {
                return Err(later("calls of a session"));
            }
            match options.pattern {
                0 | ASTER_PATTERN_UNARY => {}
                ASTER_PATTERN_SERVER_STREAM | ASTER_PATTERN_CLIENT_STREAM | ASTER_PATTERN_BIDI_STREAM => {
                    return Err(later("streaming calls"));
                }
                _ => return Err(invalid_argument("pattern", "is no ASTER_PATTERN_*")),
            }
            let contract = borrow_optional(options.contract, "contract")?.ok_or_else(|| match options.pattern {
                0 => null_argument("contract"),
                _ => later("calls without a contract"),
            })?;
            let plan = &contract.plan;
            if service != plan.name() || (options.version != 0 && options.version != plan.version()) {
                let of = format!("is of service '{}' v{}", plan.name(), plan.version());
                return Err(invalid_argument("contract", &of));
            }
            let index = plan.method_index(method).ok_or_else(|| {
                Error::new(ErrorKind::NotFound, format!("service '{service}' has no method '{method}'"))
            })?;
            let call_options = CallOptions {
                timeout: match options.timeout_ms {
                    0 => Timeout::Declared,
                    ms if ms < 0 => Timeout::Never,
                    ms => Timeout::Millis(ms),
                },
                metadata: read_pairs(options.metadata, options.metadata_len, "metadata")?,
                mode: read_mode(options.mode)?,
                ..CallOptions::default()
            };
            Ok(Self {
                client: &client.client,
                contract,
                method: index,
                options: call_options,
                payload: Payload::read(request, "request")?,
                deliver: Deliver::read(options.deliver)?,
            })
        }
    }
}

fn later(what: &str) -> Error {
    Error::new(ErrorKind::Unsupported, format!("{what} come with a later version"))
}

/// Reads a mode as C numbers it; `None` for AUTO.
pub(crate) fn read_mode(mode: i32) -> Result<Option<Mode>> {
    Ok(match mode {
        ASTER_MODE_AUTO => None,
        ASTER_MODE_XLANG => Some(Mode::Xlang),
        ASTER_MODE_NATIVE => Some(Mode::Native),
        ASTER_MODE_ROW => Some(Mode::Row),
        ASTER_MODE_JSON => Some(Mode::Json),
        _ => return Err(invalid_argument("mode", "is no ASTER_MODE_*")),
    })
}

/// Returns a mode as C numbers it.
pub(crate) fn show_mode(mode: Mode) -> i32 {
    match mode {
        Mode::Xlang => ASTER_MODE_XLANG,
        Mode::Native => ASTER_MODE_NATIVE,
        Mode::Row => ASTER_MODE_ROW,
        Mode::Json => ASTER_MODE_JSON,
    }
}

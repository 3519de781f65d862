//! Log records for C: a bounded buffer and one thread that calls the sink. Silent by default.

use std::ffi::c_void;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};
use std::sync::{Mutex, OnceLock};
use std::time::{SystemTime, UNIX_EPOCH};

use aster_core::error::{Error, ErrorKind, Result};
use serde_json::{Map, Value};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};

use crate::errors::{aster_error_t, aster_result_t};
use crate::guard;
use crate::options::{self, Growing};
use crate::runtime::enter_own_thread;
use crate::slice::{aster_str_t, invalid_argument};
use aster_core::sync::lock;

/// Records that wait for the sink; more are counted and dropped.
const BUFFER: usize = 4096;
/// Targets of the library; what its dependencies say is not passed on.
const TARGET: &str = "aster";

/// One log record, borrowed during the call of the sink.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct aster_log_record_t {
    /// 1 error, 2 warning, 3 information, 4 debug, 5 trace.
    pub level: u32,
    /// Zero.
    pub reserved: u32,
    /// Microseconds since 1970.
    pub epoch_us: i64,
    /// Where it comes from, such as `aster::rpc`.
    pub target: aster_str_t,
    /// Text for people.
    pub message: aster_str_t,
    /// JSON object for programs.
    pub fields_json: aster_str_t,
}

/// Takes one record, on the library's log thread; may block, must not call blocking functions of the library.
pub type aster_log_fn = Option<unsafe extern "C" fn(user_data: *mut c_void, record: *const aster_log_record_t)>;

/// Settings of the log. Make it with `ASTER_LOG_OPTIONS_INIT`.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct aster_log_options_t {
    /// Size of this struct.
    pub struct_size: usize,
    /// Most detailed level that is passed on, 1 to 5; 0: 3.
    pub level: u32,
    /// Zero.
    pub reserved: u32,
    /// The sink; NULL: none.
    pub callback: aster_log_fn,
    /// Given to every call of the sink; good for any thread, until the sink is replaced.
    pub user_data: *mut c_void,
}

// SAFETY: repr(C), struct_size first; NULL is a value of the callback.
unsafe impl Growing for aster_log_options_t {}

static LEVEL: AtomicU32 = AtomicU32::new(0);
static DROPPED: AtomicU64 = AtomicU64::new(0);
static SINK: Mutex<Option<Sink>> = Mutex::new(None);
static RECORDS: OnceLock<SyncSender<Entry>> = OnceLock::new();

struct Sink {
    callback: unsafe extern "C" fn(*mut c_void, *const aster_log_record_t),
    user_data: *mut c_void,
}
// SAFETY: `aster_log_set` asks for a pointer that another thread may use.
unsafe impl Send for Sink {}

struct Entry {
    level: u32,
    epoch_us: i64,
    target: String,
    message: String,
    fields: String,
}

fn number(level: &Level) -> u32 {
    match *level {
        Level::ERROR => 1,
        Level::WARN => 2,
        Level::INFO => 3,
        Level::DEBUG => 4,
        Level::TRACE => 5,
    }
}

/// Puts the library's records into the buffer.
struct Collector(SyncSender<Entry>);

impl Subscriber for Collector {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        let target = metadata.target();
        let ours = target.strip_prefix(TARGET).is_some_and(|rest| rest.is_empty() || rest.starts_with("::"));
        ours && metadata.is_event() && number(metadata.level()) <= LEVEL.load(Ordering::Relaxed)
    }

    fn event(&self, event: &Event<'_>) {
        let mut fields = Fields::default();
        event.record(&mut fields);
        let metadata = event.metadata();
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let entry = Entry {
            level: number(metadata.level()),
            epoch_us: i64::try_from(since.as_micros()).unwrap_or(i64::MAX),
            target: metadata.target().to_owned(),
            message: fields.message,
            fields: Value::Object(fields.others).to_string(),
        };
        if let Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) = self.0.try_send(entry) {
            DROPPED.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

#[derive(Default)]
struct Fields {
    message: String,
    others: Map<String, Value>,
}

impl Fields {
    fn put(&mut self, field: &Field, value: Value) {
        match (field.name(), value) {
            ("message", Value::String(text)) => self.message = text,
            (name, value) => {
                self.others.insert(name.to_owned(), value);
            }
        }
    }
}

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        self.put(field, format!("{value:?}").into());
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field, value.into());
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field, value.into());
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field, value.into());
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field, value.into());
    }
}

/// Starts the log thread and takes the program's place for records of the library, once.
fn install() -> Result<()> {
    static TURN: Mutex<()> = Mutex::new(());
    let _turn = lock(&TURN);
    if RECORDS.get().is_some() {
        return Ok(());
    }
    let (sender, receiver) = sync_channel(BUFFER);
    let forward = move || {
        enter_own_thread();
        while let Ok(entry) = receiver.recv() {
            pass_on(&entry);
        }
    };
    std::thread::Builder::new()
        .name("aster-log".to_owned())
        .spawn(forward)
        .map_err(|error| Error::new(ErrorKind::Io, format!("cannot start a thread: {error}")))?;
    tracing::subscriber::set_global_default(Collector(sender.clone()))
        .map_err(|_| Error::new(ErrorKind::AlreadyExists, "the program has a log subscriber already"))?;
    let _ = RECORDS.set(sender);
    Ok(())
}

fn pass_on(entry: &Entry) {
    let record = aster_log_record_t {
        level: entry.level,
        reserved: 0,
        epoch_us: entry.epoch_us,
        target: aster_str_t::lend(&entry.target),
        message: aster_str_t::lend(&entry.message),
        fields_json: aster_str_t::lend(&entry.fields),
    };
    // Held during the call, so that a sink is not used after its removal.
    let sink = lock(&SINK);
    if let Some(Sink { callback, user_data }) = &*sink {
        // SAFETY: the caller of `aster_log_set` vouched for both; the record lives during the call.
        unsafe { callback(*user_data, &record) }
    }
}

/// Sets where log records go; `options` NULL or a NULL callback removes the sink. Any thread but that of the sink.
///
/// When it returns the last sink is not used any more. Errors: INVALID_ARGUMENT for a level above 5.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aster_log_set(
    options: *const aster_log_options_t,
    err: *mut *mut aster_error_t,
) -> aster_result_t {
    // SAFETY: pointers are NULL or as the header says.
    unsafe {
        guard::run(err, || {
            let options = options::read(options, "options")?;
            let level = match options.level {
                0 => number(&Level::INFO),
                level @ 1..=5 => level,
                _ => return Err(invalid_argument("level", "must be 1 (error) to 5 (trace)")),
            };
            crate::runtime::refuse_own_thread()?;
            let sink = options.callback.map(|callback| Sink { callback, user_data: options.user_data });
            if sink.is_some() {
                install()?;
            }
            LEVEL.store(if sink.is_some() { level } else { 0 }, Ordering::Relaxed);
            *lock(&SINK) = sink;
            tracing::callsite::rebuild_interest_cache();
            Ok(())
        })
    }
}

/// Returns how many records were dropped because the sink was slow.
#[unsafe(no_mangle)]
pub extern "C" fn aster_log_dropped() -> u64 {
    DROPPED.load(Ordering::Relaxed)
}

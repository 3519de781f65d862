//! Core's log events in Python's `logging`: a bounded buffer that drops, emptied by event loops.
//!
//! Core's threads never take the GIL for a log line. Only targets of Aster are listened to.

use std::collections::VecDeque;
use std::fmt::Write as _;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, Once, Weak};

use pyo3::prelude::*;
use pyo3::types::PyDict;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::subscriber::Interest;
use tracing::{Event, Level, Metadata, Subscriber};

use crate::signal::Signal;
use aster_core::sync::lock;

/// Lines that wait at most; more are counted and dropped.
const CAPACITY: usize = 1024;
const TARGET: &str = "aster";

/// Fields that become attributes of records, so that formatters find them.
const ATTRIBUTES: &[&str] =
    &["request_id", "service", "method", "peer", "duration_ms", "status_code", "error", "error_type"];

struct Line {
    level: u8,
    target: &'static str,
    text: String,
    attributes: Vec<(&'static str, String)>,
}

#[derive(std::default::Default)]
struct Buffer {
    lines: VecDeque<Line>,
    dropped: usize,
    listeners: Vec<Weak<Signal>>,
}

static BUFFER: Mutex<Buffer> = Mutex::new(Buffer { lines: VecDeque::new(), dropped: 0, listeners: Vec::new() });
static WAITING: AtomicBool = AtomicBool::new(false);
/// Least level, as `logging` counts, that Python wants to see.
static THRESHOLD: AtomicU8 = AtomicU8::new(30);
static INSTALL: Once = Once::new();

fn buffer() -> MutexGuard<'static, Buffer> {
    lock(&BUFFER)
}

/// Lets a loop empty the buffer; the first one installs the listener.
pub fn listen(py: Python<'_>, signal: &Arc<Signal>) -> PyResult<()> {
    let logger = py.import("logging")?.call_method1("getLogger", (TARGET,))?;
    set_log_level(logger.call_method0("getEffectiveLevel")?.extract()?);
    INSTALL.call_once(|| {
        let _ = tracing::subscriber::set_global_default(Listener);
    });
    let mut buffer = buffer();
    buffer.listeners.retain(|listener| listener.strong_count() > 0);
    buffer.listeners.push(Arc::downgrade(signal));
    Ok(())
}

/// Says from which level on, as `logging` counts, events of core are kept.
#[pyfunction]
pub fn set_log_level(level: i64) {
    let level = u8::try_from(level.max(0)).unwrap_or(u8::MAX);
    THRESHOLD.store(level, Ordering::Relaxed);
}

/// Hands what waits to `logging`.
pub fn flush(py: Python<'_>) {
    if !WAITING.swap(false, Ordering::AcqRel) {
        return;
    }
    let (lines, dropped) = {
        let mut buffer = buffer();
        (std::mem::take(&mut buffer.lines), std::mem::take(&mut buffer.dropped))
    };
    if let Err(error) = forward(py, lines, dropped) {
        error.write_unraisable(py, None);
    }
}

fn forward(py: Python<'_>, lines: VecDeque<Line>, dropped: usize) -> PyResult<()> {
    let get_logger = py.import("logging")?.getattr("getLogger")?;
    for line in lines {
        let logger = get_logger.call1((line.target.replace("::", "."),))?;
        let extra = PyDict::new(py);
        for (name, value) in line.attributes {
            extra.set_item(name, value)?;
        }
        let options = PyDict::new(py);
        options.set_item("extra", extra)?;
        logger.call_method("log", (line.level, "%s", line.text), Some(&options))?;
    }
    if dropped > 0 {
        get_logger.call1((TARGET,))?.call_method1("warning", ("%d log lines were dropped", dropped))?;
    }
    Ok(())
}

/// Returns the level as `logging` counts.
fn number(level: &Level) -> u8 {
    match *level {
        Level::ERROR => 40,
        Level::WARN => 30,
        Level::INFO => 20,
        Level::DEBUG => 10,
        Level::TRACE => 5,
    }
}

struct Listener;

impl Subscriber for Listener {
    fn register_callsite(&self, metadata: &'static Metadata<'static>) -> Interest {
        let ours = metadata.is_event() && metadata.target().split("::").next() == Some(TARGET);
        if ours { Interest::sometimes() } else { Interest::never() }
    }

    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.is_event()
            && number(metadata.level()) >= THRESHOLD.load(Ordering::Relaxed)
            && metadata.target().split("::").next() == Some(TARGET)
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1) // Spans are never enabled.
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut text = Text::default();
        event.record(&mut text);
        let metadata = event.metadata();
        let Text { message, fields, attributes } = text;
        let text = message + &fields;
        let line = Line { level: number(metadata.level()), target: metadata.target(), text, attributes };
        let listeners = {
            let mut buffer = buffer();
            if buffer.lines.len() >= CAPACITY {
                buffer.dropped += 1;
                return;
            }
            buffer.lines.push_back(line);
            if WAITING.swap(true, Ordering::AcqRel) {
                return;
            }
            buffer.listeners.clone()
        };
        for signal in listeners.iter().filter_map(Weak::upgrade) {
            signal.raise();
        }
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

/// Message and fields as text, and the fields that formatters know.
#[derive(std::default::Default)]
struct Text {
    message: String,
    fields: String,
    attributes: Vec<(&'static str, String)>,
}

impl Visit for Text {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        let name = field.name();
        let _ = match name {
            "message" => write!(self.message, "{value:?}"),
            _ => write!(self.fields, " {name}={value:?}"),
        };
        if ATTRIBUTES.contains(&name) {
            self.attributes.push((name, format!("{value:?}")));
        }
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.record_debug(field, &format_args!("{value}"));
    }
}

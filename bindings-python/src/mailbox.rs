//! What waits for a host coroutine: items of a stream, its end, and who is to be woken.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard};

use aster_core::limits;
use aster_core::sync::lock;
use pyo3::exceptions::PyStopAsyncIteration;
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::intern;
use pyo3::prelude::*;

/// Items that may be on their way once the host reads; the first credit is core's.
const WINDOW: u32 = 64;

/// Items in order, then an end. Used by the thread of one event loop.
pub struct Mailbox {
    create_future: Py<PyAny>,
    state: Mutex<State>,
}

#[derive(std::default::Default)]
struct State {
    items: VecDeque<(Py<PyAny>, usize)>,
    held: usize,
    end: Option<End>,
    reader: Option<Py<PyAny>>,
    writer: Option<Py<PyAny>>,
    /// Items that may still arrive.
    outstanding: u32,
}

/// How the items end.
pub enum End {
    /// There are no more.
    Clean,
    /// With this exception.
    Failed(PyErr),
}

impl Mailbox {
    /// Makes an empty one. `credit` is what core was told at first.
    pub fn new(create_future: Py<PyAny>, credit: u32) -> Self {
        Self { create_future, state: Mutex::new(State { outstanding: credit, ..State::default() }) }
    }

    /// Locked for moments; no Python code runs under the lock.
    fn lock(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    /// Adds an item that used one credit and `bytes` on the wire.
    pub fn put(&self, py: Python<'_>, item: Py<PyAny>, bytes: usize) -> PyResult<()> {
        let reader = {
            let mut state = self.lock();
            state.items.push_back((item, bytes));
            state.held += bytes;
            state.outstanding = state.outstanding.saturating_sub(1);
            state.reader.take()
        };
        wake(py, reader)
    }

    /// Ends the items; only the first time counts. Everybody who waits is woken.
    pub fn end(&self, py: Python<'_>, end: End) -> PyResult<()> {
        let waiting = {
            let mut state = self.lock();
            state.end.get_or_insert(end);
            [state.reader.take(), state.writer.take()]
        };
        waiting.into_iter().try_for_each(|future| wake(py, future))
    }

    /// Tells whether the end is known.
    pub fn is_ended(&self) -> bool {
        self.lock().end.is_some()
    }

    /// Takes the next item; `None` if it has not come yet.
    ///
    /// # Errors
    ///
    /// StopAsyncIteration after the last one, or what the call failed with.
    pub fn take(&self, py: Python<'_>) -> PyResult<Option<Py<PyAny>>> {
        let mut state = self.lock();
        if let Some((item, bytes)) = state.items.pop_front() {
            state.held -= bytes;
            return Ok(Some(item));
        }
        match &state.end {
            None => Ok(None),
            Some(End::Clean) => Err(PyStopAsyncIteration::new_err(())),
            Some(End::Failed(error)) => Err(error.clone_ref(py)),
        }
    }

    /// Returns how many more items to ask for, 0 while enough are on their way or held.
    pub fn due_credit(&self) -> u32 {
        let mut state = self.lock();
        let room = WINDOW.saturating_sub(state.outstanding).saturating_sub(state.items.len() as u32);
        if state.end.is_some() || state.held >= limits::WINDOW_BYTES || room < WINDOW / 4 {
            return 0;
        }
        state.outstanding += room;
        room
    }

    /// Returns a future that is done when something arrives. Look with [`take`](Self::take) first.
    pub fn arrival(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        self.waiter(py, |state| &mut state.reader)
    }

    /// Returns a future that is done when there is room to send, or the call has ended.
    pub fn room(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        self.waiter(py, |state| &mut state.writer)
    }

    /// Wakes who waits for room.
    pub fn has_room(&self, py: Python<'_>) -> PyResult<()> {
        let writer = self.lock().writer.take();
        wake(py, writer)
    }

    fn waiter(&self, py: Python<'_>, place: fn(&mut State) -> &mut Option<Py<PyAny>>) -> PyResult<Py<PyAny>> {
        let made = self.create_future.call0(py)?;
        let replaced = {
            let mut state = self.lock();
            let ended = state.end.is_some();
            match ended {
                true => Some(made.clone_ref(py)),
                false => place(&mut state).replace(made.clone_ref(py)),
            }
        };
        // Two who wait look again both.
        wake(py, replaced)?;
        Ok(made)
    }

    pub fn traverse(&self, visit: &PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.create_future)?;
        let Ok(state) = self.state.try_lock() else { return Ok(()) };
        for future in [&state.reader, &state.writer].into_iter().flatten() {
            visit.call(future)?;
        }
        for (item, _) in &state.items {
            visit.call(item)?;
        }
        Ok(())
    }

    pub fn clear(&self) {
        let state = std::mem::take(&mut *self.lock());
        drop(state);
    }
}

/// Settles a waiter without a value. One that was cancelled stays as it is.
fn wake(py: Python<'_>, future: Option<Py<PyAny>>) -> PyResult<()> {
    let Some(future) = future else { return Ok(()) };
    if !future.call_method0(py, intern!(py, "done"))?.is_truthy(py)? {
        future.call_method1(py, intern!(py, "set_result"), (py.None(),))?;
    }
    Ok(())
}

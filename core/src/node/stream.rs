//! Raw streams: bounded reads that lose nothing when they are given up, and writes one at a time.

use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, ready};

use bytes::{Bytes, BytesMut};
use iroh::endpoint::{ReadError, RecvStream as IrohRecv, SendStream as IrohSend, StoppedError, WriteError};
use tokio::sync::{Mutex as AsyncMutex, Notify};

use super::failure;
use crate::error::{Error, Result};
use crate::rpc::BoxFuture;
use crate::sync::lock;

/// The sending direction of a stream. Clones are the same stream.
#[derive(Clone)]
pub struct SendStream(Arc<Sending>);

struct Sending {
    /// Locked for single polls, so that finishing and waiting for a stop need not wait for a write.
    stream: Mutex<IrohSend>,
    /// Held by one write at a time, so that their bytes do not mix.
    turn: AsyncMutex<()>,
}

impl SendStream {
    pub(super) fn new(stream: IrohSend) -> Self {
        Self(Arc::new(Sending { stream: Mutex::new(stream), turn: AsyncMutex::new(()) }))
    }

    /// Writes everything; waits while the peer's window is full. A write that is given up may have written a
    /// part.
    ///
    /// # Errors
    ///
    /// CLOSED if the peer stopped the stream (detail `code`) or it was finished, CONNECT once the connection is
    /// gone.
    pub fn write_all(&self, data: Bytes) -> BoxFuture<'static, Result<()>> {
        let this = self.0.clone();
        Box::pin(async move {
            let _turn = this.turn.lock().await;
            let mut rest = data;
            while !rest.is_empty() {
                let written = std::future::poll_fn(|cx| {
                    Pin::new(&mut *lock(&this.stream)).poll_write(cx, &rest).map_err(|error| write_error(&error))
                });
                let written = written.await?;
                let _ = rest.split_to(written.min(rest.len()));
            }
            Ok(())
        })
    }

    /// Ends the direction after what was written.
    ///
    /// # Errors
    ///
    /// CLOSED if it has ended already.
    pub fn finish(&self) -> Result<()> {
        lock(&self.0.stream).finish().map_err(|_| failure::stream_ended("the stream was finished or reset already"))
    }

    /// Waits until the peer stops the stream, and returns its code; `None` once it has everything.
    ///
    /// # Errors
    ///
    /// CONNECT once the connection is gone.
    pub fn stopped(&self) -> BoxFuture<'static, Result<Option<u64>>> {
        let stopped = lock(&self.0.stream).stopped();
        Box::pin(async move {
            match stopped.await {
                Ok(code) => Ok(code.map(|code| code.into_inner())),
                Err(StoppedError::ConnectionLost(error)) => Err(failure::connection_lost(&error)),
                Err(other) => Err(failure::stream_ended(other.to_string())),
            }
        })
    }
}

fn write_error(error: &WriteError) -> Error {
    match error {
        WriteError::Stopped(code) => failure::stream_ended(format!("the peer stopped the stream with code {code}"))
            .with_detail("code", code.into_inner().to_string()),
        WriteError::ConnectionLost(error) => failure::connection_lost(error),
        other => failure::stream_ended(other.to_string()),
    }
}

/// The receiving direction of a stream. Clones are the same stream.
#[derive(Clone)]
pub struct ReceiveStream(Arc<Receiving>);

struct Receiving {
    state: Mutex<Incoming>,
    /// Held by one wait at a time: the stream knows one waker.
    turn: AsyncMutex<()>,
    /// Bytes were given back, or the stream was stopped.
    changed: Notify,
}

struct Incoming {
    stream: IrohRecv,
    /// What arrived and was not taken.
    buffer: BytesMut,
    end: End,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    Open,
    Finished,
    Stopped,
}

/// Bytes on their way to the host. Dropped on the way, they go back to the front of their stream.
pub struct TakenBytes {
    bytes: Bytes,
    stream: Arc<Receiving>,
}

impl TakenBytes {
    /// Returns the bytes, which have arrived.
    pub fn take(mut self) -> Bytes {
        std::mem::take(&mut self.bytes)
    }
}

impl Drop for TakenBytes {
    fn drop(&mut self) {
        if self.bytes.is_empty() {
            return;
        }
        {
            let mut state = lock(&self.stream.state);
            let mut front = BytesMut::from(&*self.bytes);
            front.extend_from_slice(&state.buffer);
            state.buffer = front;
        }
        self.stream.changed.notify_waiters();
    }
}

impl ReceiveStream {
    pub(super) fn new(stream: IrohRecv) -> Self {
        let state = Incoming { stream, buffer: BytesMut::new(), end: End::Open };
        Self(Arc::new(Receiving { state: Mutex::new(state), turn: AsyncMutex::new(()), changed: Notify::new() }))
    }

    /// Waits for bytes and returns at most `max` of them; none at the end. Cancel-safe.
    ///
    /// # Errors
    ///
    /// CLOSED if the peer reset the stream (detail `code`) or it was stopped here, CONNECT once the connection is
    /// gone.
    pub fn read(&self, max: usize) -> BoxFuture<'static, Result<TakenBytes>> {
        let this = self.0.clone();
        Box::pin(async move {
            this.fill(1.min(max), max).await?;
            Ok(this.take(max))
        })
    }

    /// Waits for exactly this many bytes. Cancel-safe; an early end leaves what there is for other reads.
    ///
    /// # Errors
    ///
    /// CLOSED if the stream ends before, and as for [`read`](Self::read).
    pub fn read_exact(&self, count: usize) -> BoxFuture<'static, Result<TakenBytes>> {
        let this = self.0.clone();
        Box::pin(async move {
            let there = this.fill(count, count).await?;
            if there < count {
                let text = format!("the stream ended after {there} of {count} bytes");
                return Err(failure::stream_ended(text));
            }
            Ok(this.take(count))
        })
    }

    /// Waits for the end and returns everything before it. Cancel-safe.
    ///
    /// # Errors
    ///
    /// LIMIT for more than `max` bytes, which stay for other reads, and as for [`read`](Self::read).
    pub fn read_to_end(&self, max: usize) -> BoxFuture<'static, Result<TakenBytes>> {
        let this = self.0.clone();
        Box::pin(async move {
            let beyond = max.saturating_add(1);
            let there = this.fill(beyond, beyond).await?;
            if there > max {
                return Err(Error::limit("stream", max, there));
            }
            Ok(this.take(max))
        })
    }

    /// Asks the peer to send no more; what arrived is dropped.
    ///
    /// # Errors
    ///
    /// INVALID_ARGUMENT for a code of 2^62 or more.
    pub fn stop(&self, code: u64) -> Result<()> {
        let code = failure::code(code)?;
        {
            let mut state = lock(&self.0.state);
            // One that has ended cannot be stopped; that is no failure.
            let _ = state.stream.stop(code);
            state.buffer.clear();
            state.end = End::Stopped;
        }
        self.0.changed.notify_waiters();
        Ok(())
    }
}

impl Receiving {
    fn take(self: &Arc<Self>, max: usize) -> TakenBytes {
        let mut state = lock(&self.state);
        let count = state.buffer.len().min(max);
        TakenBytes { bytes: state.buffer.split_to(count).freeze(), stream: self.clone() }
    }

    /// Waits until `least` bytes are there, or the end is, and returns how many are. Never takes more than `most`
    /// from the peer.
    async fn fill(&self, least: usize, most: usize) -> Result<usize> {
        loop {
            let mut changed = pin!(self.changed.notified());
            changed.as_mut().enable();
            {
                let state = lock(&self.state);
                let there = state.buffer.len();
                if state.end == End::Stopped {
                    return Err(failure::stream_ended("the stream was stopped"));
                }
                if there >= least || state.end == End::Finished {
                    return Ok(there);
                }
            }
            let more = async {
                let _turn = self.turn.lock().await;
                std::future::poll_fn(|cx| self.poll_more(cx, least, most)).await
            };
            tokio::select! {
                biased;
                () = changed => {}
                read = more => read?,
            }
        }
    }

    /// Moves what has arrived to the buffer.
    fn poll_more(&self, cx: &mut Context<'_>, least: usize, most: usize) -> Poll<Result<()>> {
        let mut state = lock(&self.state);
        let room = most.saturating_sub(state.buffer.len());
        if room == 0 || state.buffer.len() >= least || state.end != End::Open {
            return Poll::Ready(Ok(()));
        }
        // Cancel-safe: dropping the future loses nothing and keeps the waker.
        let chunk = ready!(pin!(state.stream.read_chunk(room)).poll(cx));
        Poll::Ready(match chunk {
            Ok(Some(chunk)) => {
                state.buffer.extend_from_slice(&chunk);
                Ok(())
            }
            Ok(None) => {
                state.end = End::Finished;
                Ok(())
            }
            Err(ReadError::Reset(code)) => {
                let text = format!("the peer reset the stream with code {code}");
                Err(failure::stream_ended(text).with_detail("code", code.into_inner().to_string()))
            }
            Err(ReadError::ConnectionLost(error)) => Err(failure::connection_lost(&error)),
            Err(other) => Err(failure::stream_ended(other.to_string())),
        })
    }
}

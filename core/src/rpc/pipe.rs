//! A pair of connections in one process, with the flow control, reset and stop of a network stream.

use std::sync::{Arc, Mutex, MutexGuard, OnceLock};
use std::task::{Context, Poll, Waker};

use bytes::BytesMut;
use tokio::sync::{Mutex as AsyncMutex, mpsc, watch};
use tokio::task::AbortHandle;

use super::transport::{BiStream, BoxFuture, CloseCause, Connection, RecvHalf, SendHalf, StreamError};
use crate::ids::EndpointId;
use crate::sync::lock;

/// Streams that may wait to be accepted.
const BACKLOG: usize = 1024;

/// One end of an in-process connection.
pub struct PipeConnection {
    remote: Option<EndpointId>,
    objects: bool,
    open: mpsc::Sender<BiStream>,
    accept: AsyncMutex<mpsc::Receiver<BiStream>>,
    closed: watch::Sender<Option<CloseCause>>,
}

/// Makes two connected ends. `client` is what the server sees as its peer, and `server` the other way round.
pub fn pair(client: Option<EndpointId>, server: Option<EndpointId>) -> (Arc<PipeConnection>, Arc<PipeConnection>) {
    ends(client, server, false)
}

/// Makes two connected ends of one program; `objects`: it passes objects instead of encoded bodies.
pub(crate) fn ends(
    client: Option<EndpointId>,
    server: Option<EndpointId>,
    objects: bool,
) -> (Arc<PipeConnection>, Arc<PipeConnection>) {
    let (to_server, from_client) = mpsc::channel(BACKLOG);
    let (to_client, from_server) = mpsc::channel(BACKLOG);
    let (closed, _) = watch::channel(None);
    let near = PipeConnection {
        remote: server,
        objects,
        open: to_server,
        accept: AsyncMutex::new(from_server),
        closed: closed.clone(),
    };
    let accept = AsyncMutex::new(from_client);
    let far = PipeConnection { remote: client, objects, open: to_client, accept, closed };
    (Arc::new(near), Arc::new(far))
}

async fn wait_closed(mut closed: watch::Receiver<Option<CloseCause>>) -> CloseCause {
    match closed.wait_for(Option::is_some).await {
        Ok(cause) => cause.clone().unwrap_or_else(|| CloseCause::lost("closed")),
        Err(_) => CloseCause::lost("closed"),
    }
}

impl Connection for PipeConnection {
    fn remote(&self) -> Option<EndpointId> {
        self.remote
    }

    fn open_bi(&self) -> BoxFuture<'_, Result<BiStream, CloseCause>> {
        Box::pin(async {
            if let Some(cause) = self.close_cause() {
                return Err(cause);
            }
            let there = Direction::new(self.closed.subscribe(), self.window_bytes());
            let back = Direction::new(self.closed.subscribe(), self.window_bytes());
            let far = BiStream { send: Box::new(Sender::new(back.clone())), recv: Box::new(Receiver(there.clone())) };
            self.open.send(far).await.map_err(|_| CloseCause::lost("closed"))?;
            Ok(BiStream { send: Box::new(Sender::new(there)), recv: Box::new(Receiver(back)) })
        })
    }

    fn accept_bi(&self) -> BoxFuture<'_, Result<BiStream, CloseCause>> {
        Box::pin(async {
            let mut accept = self.accept.lock().await;
            tokio::select! {
                stream = accept.recv() => stream.ok_or_else(|| CloseCause::lost("closed")),
                cause = self.closed() => Err(cause),
            }
        })
    }

    fn closed(&self) -> BoxFuture<'static, CloseCause> {
        Box::pin(wait_closed(self.closed.subscribe()))
    }

    fn close_cause(&self) -> Option<CloseCause> {
        self.closed.borrow().clone()
    }

    fn passes_objects(&self) -> bool {
        self.objects
    }

    fn close(&self, code: u32, reason: &str) {
        self.closed.send_if_modified(|cause| {
            let first = cause.is_none();
            if first {
                *cause = Some(CloseCause { code: Some(code.into()), reason: reason.to_owned() });
            }
            first
        });
    }
}

/// One direction of a stream: at most one window of bytes on their way.
struct Direction {
    state: Mutex<State>,
    window: usize,
    closed: watch::Receiver<Option<CloseCause>>,
    closer: OnceLock<AbortHandle>,
}

#[derive(Default)]
struct State {
    bytes: BytesMut,
    finished: bool,
    reset: Option<u64>,
    stopped: Option<u64>,
    reader: Option<Waker>,
    writer: Option<Waker>,
    watcher: Option<Waker>,
}

impl State {
    fn wake_all(&mut self) {
        for waker in [self.reader.take(), self.writer.take(), self.watcher.take()].into_iter().flatten() {
            waker.wake();
        }
    }
}

impl Direction {
    fn new(closed: watch::Receiver<Option<CloseCause>>, window: usize) -> Arc<Self> {
        let direction = Arc::new(Self { state: Mutex::default(), window, closed, closer: OnceLock::new() });
        let weak = Arc::downgrade(&direction);
        let mut closed = direction.closed.clone();
        let closer = tokio::spawn(async move {
            let _ = closed.wait_for(Option::is_some).await;
            if let Some(direction) = weak.upgrade() {
                direction.lock().wake_all();
            }
        });
        let _ = direction.closer.set(closer.abort_handle());
        direction
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    fn lost(&self) -> Option<StreamError> {
        self.closed.borrow().clone().map(StreamError::Lost)
    }
}

impl Drop for Direction {
    fn drop(&mut self) {
        if let Some(closer) = self.closer.get() {
            closer.abort();
        }
    }
}

struct Sender {
    direction: Arc<Direction>,
    ended: bool,
}

impl Sender {
    fn new(direction: Arc<Direction>) -> Self {
        Self { direction, ended: false }
    }
}

impl SendHalf for Sender {
    fn poll_write(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<Result<usize, StreamError>> {
        let mut state = self.direction.lock();
        if let Some(code) = state.stopped {
            return Poll::Ready(Err(StreamError::Aborted(code)));
        }
        if let Some(error) = self.direction.lost() {
            return Poll::Ready(Err(error));
        }
        let room = self.direction.window.saturating_sub(state.bytes.len());
        if room == 0 {
            state.writer = Some(cx.waker().clone());
            return Poll::Pending;
        }
        let part = &bytes[..room.min(bytes.len())];
        state.bytes.extend_from_slice(part);
        if let Some(reader) = state.reader.take() {
            reader.wake();
        }
        Poll::Ready(Ok(part.len()))
    }

    fn finish(&mut self) {
        self.ended = true;
        let mut state = self.direction.lock();
        state.finished = true;
        state.wake_all();
    }

    fn reset(&mut self, code: u32) {
        self.ended = true;
        let mut state = self.direction.lock();
        state.reset = Some(code.into());
        state.bytes.clear();
        state.wake_all();
    }

    fn poll_stopped(&mut self, cx: &mut Context<'_>) -> Poll<StreamError> {
        let mut state = self.direction.lock();
        if let Some(code) = state.stopped {
            return Poll::Ready(StreamError::Aborted(code));
        }
        if let Some(error) = self.direction.lost() {
            return Poll::Ready(error);
        }
        state.watcher = Some(cx.waker().clone());
        Poll::Pending
    }
}

impl Drop for Sender {
    fn drop(&mut self) {
        if !self.ended {
            self.reset(0);
        }
    }
}

struct Receiver(Arc<Direction>);

impl RecvHalf for Receiver {
    fn poll_read(&mut self, cx: &mut Context<'_>, max: usize, into: &mut BytesMut) -> Poll<Result<usize, StreamError>> {
        let mut state = self.0.lock();
        if let Some(code) = state.reset {
            return Poll::Ready(Err(StreamError::Aborted(code)));
        }
        if !state.bytes.is_empty() {
            let n = state.bytes.len().min(max);
            let part = state.bytes.split_to(n);
            into.extend_from_slice(&part);
            if let Some(writer) = state.writer.take() {
                writer.wake();
            }
            return Poll::Ready(Ok(n));
        }
        if state.finished {
            return Poll::Ready(Ok(0));
        }
        if let Some(error) = self.0.lost() {
            return Poll::Ready(Err(error));
        }
        state.reader = Some(cx.waker().clone());
        Poll::Pending
    }

    fn stop(&mut self, code: u32) {
        let mut state = self.0.lock();
        state.stopped.get_or_insert(code.into());
        state.bytes.clear();
        state.wake_all();
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        if !self.0.lock().finished {
            self.stop(0);
        }
    }
}

//! The transport of calls over iroh connections.

use std::future::Future;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};

use bytes::{Buf, Bytes, BytesMut};
use iroh::TransportAddr;
use iroh::endpoint::{
    Connection as IrohConnection, ConnectionError, ReadError, RecvStream, SendStream, VarInt, WriteError,
};

use crate::admission::Source;
use crate::ids::EndpointId;
use crate::rpc::{BiStream, BoxFuture, CloseCause, Connection, RecvHalf, SendHalf, StreamError};

/// One iroh connection.
pub(crate) struct QuicConnection(IrohConnection);

impl QuicConnection {
    pub(crate) fn new(connection: IrohConnection) -> Self {
        Self(connection)
    }
}

/// Translates why a connection ended.
pub(crate) fn close_cause(error: &ConnectionError) -> CloseCause {
    match error {
        ConnectionError::ApplicationClosed(close) => CloseCause {
            code: Some(close.error_code.into_inner()),
            reason: String::from_utf8_lossy(&close.reason).into_owned(),
        },
        other => CloseCause::lost(other.to_string()),
    }
}

fn bi_stream((send, recv): (SendStream, RecvStream)) -> BiStream {
    BiStream { send: Box::new(QuicSend { stream: send, stopped: None }), recv: Box::new(QuicRecv(recv)) }
}

impl Connection for QuicConnection {
    fn remote(&self) -> Option<EndpointId> {
        Some(EndpointId(*self.0.remote_id().as_bytes()))
    }

    fn source(&self) -> Source {
        let paths = self.0.paths();
        let path = paths.iter().find(|path| path.is_selected()).or_else(|| paths.iter().next());
        match path.map(|path| path.remote_addr().clone()) {
            Some(TransportAddr::Ip(addr)) => Source::of_ip(addr.ip()),
            Some(TransportAddr::Relay(url)) => Source::Relay(url.to_string()),
            // Nobody knows: it shares one rate with all of its kind.
            _ => Source::Relay(String::new()),
        }
    }

    fn open_bi(&self) -> BoxFuture<'_, Result<BiStream, CloseCause>> {
        Box::pin(async { self.0.open_bi().await.map(bi_stream).map_err(|e| close_cause(&e)) })
    }

    fn accept_bi(&self) -> BoxFuture<'_, Result<BiStream, CloseCause>> {
        Box::pin(async { self.0.accept_bi().await.map(bi_stream).map_err(|e| close_cause(&e)) })
    }

    fn closed(&self) -> BoxFuture<'static, CloseCause> {
        let connection = self.0.clone();
        Box::pin(async move { close_cause(&connection.closed().await) })
    }

    fn close_cause(&self) -> Option<CloseCause> {
        self.0.close_reason().map(|error| close_cause(&error))
    }

    fn datagrams_received(&self) -> Option<u64> {
        Some(self.0.stats().udp_rx.datagrams)
    }

    fn close(&self, code: u32, reason: &str) {
        self.0.close(VarInt::from_u32(code), reason.as_bytes());
    }
}

struct QuicSend {
    stream: SendStream,
    /// Made at the first wait, kept until the stream ends.
    stopped: Option<Pin<Box<dyn Future<Output = StreamError> + Send>>>,
}

fn write_error(error: WriteError) -> StreamError {
    match error {
        WriteError::Stopped(code) => StreamError::Aborted(code.into_inner()),
        WriteError::ConnectionLost(error) => StreamError::Lost(close_cause(&error)),
        other => StreamError::Lost(CloseCause::lost(other.to_string())),
    }
}

impl SendHalf for QuicSend {
    fn poll_write(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<Result<usize, StreamError>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes).map_err(write_error)
    }

    fn poll_write_owned(&mut self, cx: &mut Context<'_>, bytes: &mut Bytes) -> Poll<Result<(), StreamError>> {
        let mut chunk = [bytes.clone()];
        let mut chunks = &mut chunk[..];
        // Cancel-safe: nothing is written unless the future is ready, and dropping it keeps the waker.
        let written = pin!(self.stream.write_many_chunks(&mut chunks)).poll(cx);
        written.map_ok(|n| bytes.advance(n)).map_err(write_error)
    }

    fn finish(&mut self) {
        let _ = self.stream.finish();
    }

    fn reset(&mut self, code: u32) {
        let _ = self.stream.reset(VarInt::from_u32(code));
    }

    fn poll_stopped(&mut self, cx: &mut Context<'_>) -> Poll<StreamError> {
        let stopped = self.stopped.get_or_insert_with(|| {
            let stopped = self.stream.stopped();
            Box::pin(async move {
                match stopped.await {
                    Ok(Some(code)) => StreamError::Aborted(code.into_inner()),
                    // Finished and acknowledged: nothing can be stopped any more.
                    Ok(None) => std::future::pending().await,
                    Err(error) => StreamError::Lost(CloseCause::lost(error.to_string())),
                }
            })
        });
        stopped.as_mut().poll(cx)
    }
}

struct QuicRecv(RecvStream);

impl RecvHalf for QuicRecv {
    fn poll_read(&mut self, cx: &mut Context<'_>, max: usize, into: &mut BytesMut) -> Poll<Result<usize, StreamError>> {
        // Cancel-safe: dropping the future loses nothing and keeps the waker.
        match pin!(self.0.read_chunk(max)).poll(cx) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(Ok(Some(chunk))) => {
                let n = chunk.len();
                if into.is_empty() {
                    // The common case, one packet holding whole frames, is taken over without a copy.
                    *into = BytesMut::from(chunk);
                } else {
                    into.extend_from_slice(&chunk);
                }
                Poll::Ready(Ok(n))
            }
            Poll::Ready(Ok(None)) => Poll::Ready(Ok(0)),
            Poll::Ready(Err(error)) => Poll::Ready(Err(match error {
                ReadError::Reset(code) => StreamError::Aborted(code.into_inner()),
                ReadError::ConnectionLost(error) => StreamError::Lost(close_cause(&error)),
                other => StreamError::Lost(CloseCause::lost(other.to_string())),
            })),
        }
    }

    fn stop(&mut self, code: u32) {
        let _ = self.0.stop(VarInt::from_u32(code));
    }
}

//! Frames over one stream: assembling what arrives, flushing what leaves, with the frame timer.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::BytesMut;
use tokio::time::{Instant, Sleep};

use super::budget::{Queued, Share};
use super::outflow::{GATHERED, Outflow};
use super::transport::{BiStream, RecvHalf, SendHalf, StreamError};
use crate::frame::{Frame, FrameBuffer, FrameError};
use crate::limits;

/// Largest piece read at once.
const READ_CHUNK: usize = 64 * 1024;

/// Turns for which little is held back: a host that is the root of the runtime gets its turn after five tasks.
const HELD_TURNS: u32 = 7;

/// Why no frame comes.
#[derive(Debug)]
pub(crate) enum ReadError {
    /// The bytes are no frames.
    Framing(FrameError),
    /// A frame was not complete in time.
    TimedOut,
    /// The payload of a frame is longer than what is due here; its length.
    TooLong(usize),
    /// The peer reset the stream, or the connection ended.
    Stream(StreamError),
}

/// One bidirectional stream of frames.
pub(crate) struct FrameStream {
    send: Box<dyn SendHalf>,
    recv: Box<dyn RecvHalf>,
    inbox: FrameBuffer,
    input_ended: bool,
    got_bytes: bool,
    max_payload: usize,
    out: Outflow,
    /// Turns of the runtime for which what is queued is held back.
    held_turns: u32,
    frame_timer: Option<Pin<Box<Sleep>>>,
    share: Option<Share>,
    queued: Option<Queued>,
    finish_wanted: bool,
    finished: bool,
    /// The peer takes nothing any more.
    refused: bool,
}

impl FrameStream {
    pub(crate) fn new(stream: BiStream) -> Self {
        Self {
            send: stream.send,
            recv: stream.recv,
            inbox: FrameBuffer::new(),
            input_ended: false,
            got_bytes: false,
            max_payload: limits::MAX_BODY_SIZE,
            out: Outflow::default(),
            held_turns: 0,
            frame_timer: None,
            share: None,
            queued: None,
            finish_wanted: false,
            finished: false,
            refused: false,
        }
    }

    /// Counts large frames against the budget of the connection.
    pub(crate) fn share_budget(&mut self, share: Share) {
        self.share = Some(share);
    }

    /// Takes what keeps the last frame counted until it is decoded; `None` for a small one.
    pub(crate) fn take_queued(&mut self) -> Option<Queued> {
        self.queued.take()
    }

    /// Refuses longer payloads as soon as their length is known, before they fill memory.
    pub(crate) fn limit_payload(&mut self, bytes: usize) {
        self.max_payload = bytes;
    }

    /// Returns what has arrived of a frame that did not become one.
    pub(crate) fn payload_start(&self) -> &[u8] {
        self.inbox.payload_start()
    }

    /// Tells whether any byte has arrived.
    pub(crate) fn got_bytes(&self) -> bool {
        self.got_bytes
    }

    /// Returns the next frame; `None` at the end of the input. Nothing is lost if the caller goes away.
    pub(crate) fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Frame>, ReadError>> {
        loop {
            match self.take_frame() {
                Ok(Some(frame)) => return Poll::Ready(Ok(Some(frame))),
                Ok(None) => {}
                Err(error) => return Poll::Ready(Err(ReadError::Framing(error))),
            }
            if let Some(payload) = self.inbox.partial().map(|(length, _)| length.saturating_sub(1))
                && payload > self.max_payload
            {
                return Poll::Ready(Err(ReadError::TooLong(payload)));
            }
            if self.input_ended {
                return Poll::Ready(self.inbox.finish().map(|()| None).map_err(ReadError::Framing));
            }
            if self.share.as_ref().is_some_and(|share| !share.may_read(cx)) {
                self.frame_timer = None; // Our pause is not the peer's delay.
                return Poll::Pending;
            }
            self.inbox.make_room();
            match self.recv.poll_read(cx, READ_CHUNK, self.inbox.buffer_mut()) {
                Poll::Ready(Ok(0)) => self.input_ended = true,
                Poll::Ready(Ok(_)) => {
                    self.got_bytes = true;
                    let held = self.inbox.buffer_mut().len();
                    if let Some(share) = &mut self.share {
                        share.holds(held);
                    }
                }
                Poll::Ready(Err(error)) => return Poll::Ready(Err(ReadError::Stream(error))),
                Poll::Pending => return self.poll_frame_timer(cx),
            }
        }
    }

    fn take_frame(&mut self) -> Result<Option<Frame>, FrameError> {
        let frame = self.inbox.next()?;
        if let Some(frame) = &frame {
            self.frame_timer = None;
            self.queued = self.share.as_mut().and_then(|share| share.complete(frame.payload.len()));
        }
        Ok(frame)
    }

    /// Returns the next frame if it has arrived already. Bytes that are no frame wait for [`Self::poll_frame`].
    pub(crate) fn arrived_frame(&mut self) -> Option<Frame> {
        self.take_frame().ok().flatten()
    }

    fn poll_frame_timer(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Frame>, ReadError>> {
        if self.inbox.partial().is_none() {
            self.frame_timer = None;
            return Poll::Pending;
        }
        let timer = self
            .frame_timer
            .get_or_insert_with(|| Box::pin(tokio::time::sleep_until(Instant::now() + limits::FRAME_READ_TIMEOUT)));
        timer.as_mut().poll(cx).map(|()| Err(ReadError::TimedOut))
    }

    /// Tells whether a write was refused: what is queued from then on goes nowhere.
    pub(crate) fn is_refused(&self) -> bool {
        self.refused
    }

    /// Queues complete frames.
    pub(crate) fn queue(&mut self, frames: Vec<u8>) {
        if !self.refused {
            self.out.push(frames);
        }
    }

    /// Holds back what is queued for some turns of the runtime, if it is little: a host that waited for room fills its
    /// window again meanwhile, and more leaves in one write.
    pub(crate) fn hold_back(&mut self) {
        if self.out.len() < GATHERED {
            self.held_turns = HELD_TURNS;
        }
    }

    /// Tells whether a turn has passed while something was held back: a moment to look at the host again.
    pub(crate) fn holds_back(&self) -> bool {
        (1..HELD_TURNS).contains(&self.held_turns)
    }

    /// Holds nothing back any more.
    pub(crate) fn let_go(&mut self) {
        self.held_turns = 0;
    }

    /// Returns the bytes that wait for the peer's window.
    pub(crate) fn pending(&self) -> usize {
        self.out.len()
    }

    /// Writes what is queued, then ends the direction if that was asked.
    pub(crate) fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), StreamError>> {
        self.held_turns = self.held_turns.saturating_sub(1);
        if self.held_turns > 0 {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        while let Some(front) = self.out.front() {
            match self.send.poll_write_owned(cx, front) {
                Poll::Ready(Ok(())) => {}
                Poll::Ready(Err(error)) => {
                    self.refused = true;
                    self.out = Outflow::default();
                    return Poll::Ready(Err(error));
                }
                Poll::Pending => return Poll::Pending,
            }
        }
        if self.finish_wanted && !self.finished && !self.refused {
            self.finished = true;
            self.send.finish();
        }
        Poll::Ready(Ok(()))
    }

    /// Ends our direction once everything queued is written.
    pub(crate) fn finish(&mut self) {
        self.finish_wanted = true;
    }

    /// Resets our direction unless it is finished, and stops the peer's.
    pub(crate) fn abort(&mut self, code: u32) {
        if !self.finished {
            self.finished = true;
            self.send.reset(code);
        }
        self.stop(code);
    }

    /// Stops the peer's direction.
    pub(crate) fn stop(&mut self, code: u32) {
        if !self.input_ended {
            self.input_ended = true;
            *self.inbox.buffer_mut() = BytesMut::new();
            self.recv.stop(code);
        }
    }

    /// Resolves when the peer stops our direction or the connection ends.
    pub(crate) fn poll_stopped(&mut self, cx: &mut Context<'_>) -> Poll<StreamError> {
        self.send.poll_stopped(cx)
    }
}

//! What leaves on one stream: frames that wait for the peer's window, gathered into few writes.

use std::collections::VecDeque;

use bytes::Bytes;

use crate::engine::append;

/// Smaller pieces are gathered into one write of at least this size: about what one system call sends.
pub(crate) const GATHERED: usize = 16 * 1024;

/// Bytes in the order in which they leave. What has left is not kept, however long a stream lives.
#[derive(Default)]
pub(crate) struct Outflow {
    front: Bytes,
    full: VecDeque<Bytes>,
    gathering: Vec<u8>,
    /// Bytes behind the front.
    behind: usize,
}

impl Outflow {
    /// Appends complete frames.
    pub(crate) fn push(&mut self, frames: Vec<u8>) {
        self.behind += frames.len();
        if !self.gathering.is_empty() && self.gathering.len() + frames.len() > GATHERED {
            self.full.push_back(std::mem::take(&mut self.gathering).into());
        }
        append(&mut self.gathering, frames);
    }

    /// Returns the bytes that wait.
    pub(crate) fn len(&self) -> usize {
        self.front.len() + self.behind
    }

    /// Returns the first piece, of which a writer takes what it has written; `None` if nothing waits.
    pub(crate) fn front(&mut self) -> Option<&mut Bytes> {
        if self.front.is_empty() {
            self.front = match self.full.pop_front() {
                Some(next) => next,
                None => std::mem::take(&mut self.gathering).into(),
            };
            self.behind -= self.front.len();
        }
        (!self.front.is_empty()).then_some(&mut self.front)
    }
}

#[cfg(test)]
mod tests {
    use bytes::Buf;

    use super::*;

    #[test]
    fn small_frames_are_gathered_and_keep_their_order() {
        let mut outflow = Outflow::default();
        assert!(outflow.front().is_none());
        outflow.push(vec![1; 100]);
        outflow.push(vec![2; 100]);
        assert_eq!(outflow.front().map(|front| front.len()), Some(200), "one write");
        outflow.front().expect("a rest").advance(150);
        outflow.push(vec![3; GATHERED]);
        outflow.push(vec![4; 10]);
        assert_eq!(outflow.len(), 50 + GATHERED + 10);
        let mut order = Vec::new();
        while let Some(front) = outflow.front() {
            order.push((front[0], front.len()));
            front.advance(front.len());
        }
        assert_eq!(order, [(2, 50), (3, GATHERED), (4, 10)]);
        assert_eq!(outflow.len(), 0);
    }
}

//! Whole documents over the directions of a stream.

use std::future::poll_fn;

use bytes::BytesMut;

use crate::rpc::{RecvHalf, SendHalf};

/// Reads to the end of the direction; the error tells whether there was too much.
pub(super) async fn read_to_end(recv: &mut dyn RecvHalf, limit: usize) -> Result<BytesMut, bool> {
    let mut bytes = BytesMut::new();
    loop {
        let room = limit + 1 - bytes.len();
        match poll_fn(|cx| recv.poll_read(cx, room, &mut bytes)).await {
            Ok(0) => return Ok(bytes),
            Ok(_) if bytes.len() > limit => return Err(true),
            Ok(_) => {}
            Err(_) => return Err(false),
        }
    }
}

/// Writes everything and ends the direction.
pub(super) async fn write_all(send: &mut dyn SendHalf, bytes: &[u8]) -> Result<(), ()> {
    write_part(send, bytes).await?;
    send.finish();
    Ok(())
}

/// Writes everything; more follows.
pub(super) async fn write_part(send: &mut dyn SendHalf, mut bytes: &[u8]) -> Result<(), ()> {
    while !bytes.is_empty() {
        let n = poll_fn(|cx| send.poll_write(cx, bytes)).await.map_err(|_| ())?;
        bytes = bytes.get(n..).unwrap_or_default();
    }
    Ok(())
}

//! Deadlines on the wire: relative time that is left, and an absolute instant for legacy peers (section 14).

use std::time::Duration;

use super::metadata::TIMEOUT_KEY;
use super::{StreamHeader, texts};
use crate::limits;
use crate::status::RpcStatus;

/// Digits of the relative form.
const MAX_DIGITS: usize = 12;

/// Returns the milliseconds that a received call has left; `None` if it has no deadline.
///
/// # Errors
///
/// INVALID_ARGUMENT for a malformed relative form, DEADLINE_EXCEEDED if the time is over.
pub fn remaining_ms(
    now_epoch_ms: i64,
    deadline_epoch_ms: i64,
    timeout_ms: Option<&str>,
) -> Result<Option<u64>, RpcStatus> {
    let left = match timeout_ms {
        Some(text) => parse(text).ok_or_else(texts::invalid_timeout)?,
        None if deadline_epoch_ms <= 0 => return Ok(None),
        None => deadline_epoch_ms.saturating_add(limits::DEADLINE_SKEW_MS).saturating_sub(now_epoch_ms),
    };
    match u64::try_from(left) {
        Ok(left) if left > 0 => Ok(Some(left)),
        _ => Err(texts::deadline_expired()),
    }
}

fn parse(text: &str) -> Option<i64> {
    let digits = (1..=MAX_DIGITS).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse().ok()).flatten()
}

/// Writes both forms of a deadline into a header that is about to be sent; `None` if no time is left.
pub fn tell_deadline(header: &mut StreamHeader, now_epoch_ms: i64, left: Duration) -> Option<()> {
    if left.is_zero() {
        return None;
    }
    let ms = i64::try_from(left.as_nanos().div_ceil(1_000_000)).unwrap_or(i64::MAX);
    header.deadline_epoch_ms = now_epoch_ms.saturating_add(ms);
    let most = 10i64.pow(MAX_DIGITS as u32) - 1;
    header.metadata.push((TIMEOUT_KEY.to_owned(), ms.min(most).to_string()));
    Some(())
}

//! Deadlines on the wire: relative time that is left, and an absolute instant for legacy peers (section 14).

use std::time::Duration;

use super::metadata::TIMEOUT_KEY;
use super::texts;
use crate::limits;
use crate::status::RpcStatus;

/// Digits of the relative form.
const MAX_DIGITS: usize = 12;
/// Longest time that the relative form can say.
const MAX_TIMEOUT_MS: i64 = 999_999_999_999;

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

/// Returns what is sent of a deadline: the absolute instant and the text of `aster-timeout-ms`, both rounded up;
/// `None` if no time is left.
pub fn outgoing_deadline(now_epoch_ms: i64, left: Duration) -> Option<(i64, String)> {
    if left.is_zero() {
        return None;
    }
    let ms = i64::try_from(left.as_nanos().div_ceil(1_000_000)).unwrap_or(i64::MAX);
    Some((now_epoch_ms.saturating_add(ms), ms.min(MAX_TIMEOUT_MS).to_string()))
}

/// Adds the relative form of a deadline to metadata that is about to be sent and returns the absolute form; `None`
/// if no time is left.
pub fn tell_deadline(metadata: &mut Vec<(String, String)>, now_epoch_ms: i64, left: Duration) -> Option<i64> {
    let (deadline_epoch_ms, timeout_ms) = outgoing_deadline(now_epoch_ms, left)?;
    metadata.push((TIMEOUT_KEY.to_owned(), timeout_ms));
    Some(deadline_epoch_ms)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_sent_is_rounded_up_and_never_over() {
        let sent = |left| outgoing_deadline(1000, left);
        assert_eq!(sent(Duration::ZERO), None);
        assert_eq!(sent(Duration::from_nanos(1)), Some((1001, "1".to_owned())));
        assert_eq!(sent(Duration::from_micros(1500)), Some((1002, "2".to_owned())));
        assert_eq!(sent(Duration::MAX), Some((i64::MAX, "9".repeat(MAX_DIGITS))));
    }
}

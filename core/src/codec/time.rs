//! Texts and ranges of timestamps, dates and durations (`codec.md` sections 2, 4 and 7).
//!
//! Everything is an exact integer: microseconds or days.

/// Microseconds of 0001-01-01T00:00:00Z.
const MIN_TIMESTAMP: i64 = -62_135_596_800_000_000;
/// Microseconds of 9999-12-31T23:59:59.999999Z.
const MAX_TIMESTAMP: i64 = 253_402_300_799_999_999;
/// Days of 0001-01-01.
const MIN_DATE: i64 = -719_162;
/// Days of 9999-12-31.
const MAX_DATE: i64 = 2_932_896;
const SECOND: i64 = 1_000_000;
const DAY: i64 = 86_400;

/// Tells whether microseconds are a timestamp.
pub(super) fn is_timestamp(micros: i64) -> bool {
    (MIN_TIMESTAMP..=MAX_TIMESTAMP).contains(&micros)
}

/// Tells whether days are a date.
pub(super) fn is_date(days: i64) -> bool {
    (MIN_DATE..=MAX_DATE).contains(&days)
}

/// Splits microseconds into whole seconds, rounded down, and nanoseconds.
pub(super) fn split(micros: i64) -> (i64, u32) {
    (micros.div_euclid(SECOND), (micros.rem_euclid(SECOND) * 1000) as u32)
}

/// Joins what [`split`] gave; `None` if it does not fit.
pub(super) fn join(seconds: i64, nanos: u32) -> Option<i64> {
    let micros = i128::from(seconds) * i128::from(SECOND) + i128::from(nanos / 1000);
    i64::try_from(micros).ok()
}

/// Returns year, month and day of a date.
fn civil(days: i64) -> (i64, i64, i64) {
    // Counted from 0000-03-01, so that the leap day is the last of its year.
    let shifted = days + 719_468;
    let (era, of_era) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

/// Returns the days of a calendar day; `None` if there is no such day.
fn days(year: i64, month: i64, day: i64) -> Option<i64> {
    if !(1..=9999).contains(&year) || !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    let shifted = if month <= 2 { year - 1 } else { year };
    let (era, of_era) = (shifted.div_euclid(400), shifted.rem_euclid(400));
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let out = era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468;
    (civil(out) == (year, month, day)).then_some(out)
}

/// Writes a date.
pub(super) fn date_text(value: i64) -> String {
    let (year, month, day) = civil(value);
    format!("{year:04}-{month:02}-{day:02}")
}

/// Writes a timestamp in UTC, with six fraction digits or none.
pub(super) fn timestamp_text(micros: i64) -> String {
    let (seconds, fraction) = (micros.div_euclid(SECOND), micros.rem_euclid(SECOND));
    let of_day = seconds.rem_euclid(DAY);
    let (hour, minute, second) = (of_day / 3600, of_day / 60 % 60, of_day % 60);
    let fraction = if fraction == 0 { String::new() } else { format!(".{fraction:06}") };
    format!("{}T{hour:02}:{minute:02}:{second:02}{fraction}Z", date_text(seconds.div_euclid(DAY)))
}

/// Writes a duration in seconds.
pub(super) fn duration_text(micros: i64) -> String {
    let sign = if micros < 0 { "-" } else { "" };
    let whole = micros.unsigned_abs();
    let (seconds, fraction) = (whole / SECOND as u64, whole % SECOND as u64);
    let fraction = if fraction == 0 { String::new() } else { format!(".{fraction:06}") };
    format!("{sign}{seconds}{fraction}s")
}

/// Reads a date.
pub(super) fn parse_date(text: &str) -> Option<i64> {
    let mut at = Cursor(text.as_bytes());
    let out = at.date()?;
    at.0.is_empty().then_some(out)
}

/// Reads a timestamp with its zone.
pub(super) fn parse_timestamp(text: &str) -> Option<i64> {
    let mut at = Cursor(text.as_bytes());
    let day = at.date()?;
    at.expect(b'T')?;
    let hour = at.digits(2).filter(|n| *n < 24)?;
    at.expect(b':')?;
    let minute = at.digits(2).filter(|n| *n < 60)?;
    at.expect(b':')?;
    let second = at.digits(2).filter(|n| *n < 60)?;
    let fraction = at.fraction()?;
    let offset = match at.byte()? {
        b'Z' => 0,
        sign @ (b'+' | b'-') => {
            let hours = at.digits(2).filter(|n| *n < 24)?;
            at.expect(b':')?;
            let minutes = at.digits(2).filter(|n| *n < 60)?;
            let offset = hours * 3600 + minutes * 60;
            if sign == b'+' { offset } else { -offset }
        }
        _ => return None,
    };
    let seconds = day * DAY + hour * 3600 + minute * 60 + second - offset;
    let out = seconds.checked_mul(SECOND)?.checked_add(fraction)?;
    (at.0.is_empty() && is_timestamp(out)).then_some(out)
}

/// Reads a duration.
pub(super) fn parse_duration(text: &str) -> Option<i64> {
    let (negative, text) = text.strip_prefix('-').map_or((false, text), |rest| (true, rest));
    let mut at = Cursor(text.as_bytes());
    let length = at.0.iter().take_while(|c| c.is_ascii_digit()).count();
    if !(1..=13).contains(&length) {
        return None;
    }
    let seconds = i128::from(at.digits(length)?);
    let fraction = i128::from(at.fraction()?);
    at.expect(b's')?;
    let micros = seconds * i128::from(SECOND) + fraction;
    let out = i64::try_from(if negative { -micros } else { micros }).ok()?;
    at.0.is_empty().then_some(out)
}

struct Cursor<'t>(&'t [u8]);

impl Cursor<'_> {
    fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    fn expect(&mut self, wanted: u8) -> Option<()> {
        (self.byte()? == wanted).then_some(())
    }

    fn digits(&mut self, count: usize) -> Option<i64> {
        let mut out = 0i64;
        for _ in 0..count {
            let digit = self.byte().filter(u8::is_ascii_digit)?;
            out = out.checked_mul(10)?.checked_add(i64::from(digit - b'0'))?;
        }
        Some(out)
    }

    fn date(&mut self) -> Option<i64> {
        let year = self.digits(4)?;
        self.expect(b'-')?;
        let month = self.digits(2)?;
        self.expect(b'-')?;
        days(year, month, self.digits(2)?)
    }

    /// Reads a fraction of a second, if there is one: six digits, and zeros beyond.
    fn fraction(&mut self) -> Option<i64> {
        let [b'.', rest @ ..] = self.0 else { return Some(0) };
        self.0 = rest;
        let length = rest.iter().take_while(|c| c.is_ascii_digit()).count();
        let (shown, more) = (length.min(6), length.saturating_sub(6));
        let mut out = if length == 0 { return None } else { self.digits(shown)? };
        for _ in shown..6 {
            out *= 10;
        }
        for _ in 0..more {
            self.expect(b'0')?;
        }
        Some(out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_day_has_one_text() {
        for day in (MIN_DATE..=MAX_DATE).step_by(17).chain([MIN_DATE, MAX_DATE]) {
            assert_eq!(parse_date(&date_text(day)), Some(day));
        }
        assert_eq!(parse_date("2023-02-29"), None);
        assert_eq!(parse_date("0000-01-01"), None);
    }

    #[test]
    fn texts_of_times() {
        for micros in [MIN_TIMESTAMP, -1, 0, 1, MAX_TIMESTAMP] {
            assert_eq!(parse_timestamp(&timestamp_text(micros)), Some(micros));
            assert_eq!(parse_duration(&duration_text(micros)), Some(micros));
        }
        assert_eq!(parse_duration(&duration_text(i64::MIN)), Some(i64::MIN));
        assert_eq!(duration_text(-1), "-0.000001s");
        assert_eq!(parse_timestamp("2024-05-06T09:08:09.5+02:00"), parse_timestamp("2024-05-06T07:08:09.500Z"));
        assert_eq!(parse_timestamp("0001-01-01T00:00:00+01:00"), None);
        assert_eq!(parse_duration("9223372036854.775808s"), None);
    }
}

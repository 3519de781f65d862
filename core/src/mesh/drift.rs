//! Clocks of the mesh: whose differ from those of most (`trust.md` section 11).

use std::collections::BTreeMap;

use crate::error::{Error, ErrorKind, Result};

/// How clocks are judged, in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DriftConfig {
    /// Age up to which a message counts, in either direction.
    pub replay_window_ms: u64,
    /// Difference from the median that is tolerated.
    pub drift_tolerance_ms: u64,
    /// Interval of leases.
    pub lease_heartbeat_ms: u64,
    /// Time after joining in which nobody is judged, and for which a clock must be right again.
    pub grace_period_ms: u64,
    /// Offsets without which there is no median.
    pub min_peers_for_median: usize,
}

impl Default for DriftConfig {
    fn default() -> Self {
        Self {
            replay_window_ms: 30_000,
            drift_tolerance_ms: 5000,
            lease_heartbeat_ms: 900_000,
            grace_period_ms: 60_000,
            min_peers_for_median: 3,
        }
    }
}

impl DriftConfig {
    /// Returns the defaults with what the environment says instead (`config.md` section 2).
    ///
    /// # Errors
    ///
    /// CONFIG naming the variable that is no number of milliseconds.
    pub fn from_env(env: &BTreeMap<String, String>) -> Result<Self> {
        let read = |name: &str, default: u64| match env.get(name).map(|text| text.trim()) {
            None | Some("") => Ok(default),
            Some(text) => text.parse().map_err(|_| {
                let shown = text.escape_debug();
                Error::new(ErrorKind::Config, format!("{name}: expected a number of milliseconds, not '{shown}'"))
            }),
        };
        let default = Self::default();
        Ok(Self {
            replay_window_ms: read("ASTER_REPLAY_WINDOW_MS", default.replay_window_ms)?,
            drift_tolerance_ms: read("ASTER_CLOCK_DRIFT_TOLERANCE_MS", default.drift_tolerance_ms)?,
            grace_period_ms: read("ASTER_GRACE_PERIOD_MS", default.grace_period_ms)?,
            ..default
        })
    }

    /// Returns the median, of two the higher one; `None` for too few offsets.
    pub fn median(&self, offsets: impl IntoIterator<Item = i64>) -> Option<i64> {
        let mut sorted: Vec<_> = offsets.into_iter().collect();
        if sorted.len() < self.min_peers_for_median.max(1) {
            return None;
        }
        sorted.sort_unstable();
        sorted.get(sorted.len() / 2).copied()
    }

    /// Tells whether an offset differs too much from the median.
    pub fn drifts(&self, offset: i64, median: i64) -> bool {
        offset.abs_diff(median) > self.drift_tolerance_ms
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_environment_has_the_defaults() {
        let env = |name: &str, text: &str| BTreeMap::from([(name.to_owned(), text.to_owned())]);
        assert_eq!(DriftConfig::from_env(&env("ASTER_OTHER", "1")).unwrap(), DriftConfig::default());
        assert_eq!(DriftConfig::from_env(&env("ASTER_REPLAY_WINDOW_MS", "7")).unwrap().replay_window_ms, 7);
        assert_eq!(DriftConfig::from_env(&env("ASTER_CLOCK_DRIFT_TOLERANCE_MS", " 8 ")).unwrap().drift_tolerance_ms, 8);
        assert_eq!(DriftConfig::from_env(&env("ASTER_GRACE_PERIOD_MS", "")).unwrap().grace_period_ms, 60_000);
        let error = DriftConfig::from_env(&env("ASTER_GRACE_PERIOD_MS", "-1")).unwrap_err();
        assert_eq!(error.message(), "ASTER_GRACE_PERIOD_MS: expected a number of milliseconds, not '-1'");
    }
}

//! Clocks of the mesh: whose differ from those of most (`trust.md` section 11).

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

//! Token buckets: how often somebody may ask (`trust.md` section 6).

use std::collections::HashMap;
use std::hash::Hash;
use std::net::{IpAddr, Ipv6Addr};
use std::time::{Duration, Instant};

use crate::limits::MAX_RATE_BUCKETS;

/// Where a connection comes from, as far as rates are concerned.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Source {
    /// The machine itself, or unknown: no rate.
    Exempt,
    /// An IPv4 /24.
    V4([u8; 3]),
    /// An IPv6 /56.
    V6([u8; 7]),
    /// A relay.
    Relay(String),
}

impl Source {
    /// Returns the network of an address.
    pub fn of_ip(ip: IpAddr) -> Self {
        match ip {
            IpAddr::V4(ip) if ip.is_loopback() => Self::Exempt,
            IpAddr::V4(ip) => {
                let [a, b, c, _] = ip.octets();
                Self::V4([a, b, c])
            }
            IpAddr::V6(Ipv6Addr::LOCALHOST) => Self::Exempt,
            IpAddr::V6(ip) => match ip.to_ipv4_mapped() {
                Some(ip) => Self::of_ip(ip.into()),
                None => {
                    let [a, b, c, d, e, f, g, ..] = ip.octets();
                    Self::V6([a, b, c, d, e, f, g])
                }
            },
        }
    }
}

/// Buckets of many askers, a bounded number of them.
#[derive(Debug)]
pub(super) struct Rates<K> {
    buckets: HashMap<K, Bucket>,
    burst: f64,
    per_second: f64,
    cleaned: Option<Instant>,
}

#[derive(Clone, Copy, Debug)]
struct Bucket {
    tokens: f64,
    at: Instant,
}

/// How often full buckets are sought, at most.
const CLEANING: Duration = Duration::from_secs(1);

impl<K: Eq + Hash> Rates<K> {
    /// Makes buckets with their size and what they regain in a second.
    pub(super) fn new((burst, per_second): (f64, f64)) -> Self {
        Self { buckets: HashMap::new(), burst, per_second, cleaned: None }
    }

    fn refilled(&self, bucket: Bucket, now: Instant) -> f64 {
        let gained = now.saturating_duration_since(bucket.at).as_secs_f64() * self.per_second;
        (bucket.tokens + gained).min(self.burst)
    }

    /// Takes one token. False: there is none, or nobody can be remembered any more.
    pub(super) fn take(&mut self, key: K, now: Instant) -> bool {
        if self.buckets.len() >= MAX_RATE_BUCKETS && !self.buckets.contains_key(&key) && !self.clean(now) {
            return false;
        }
        let bucket = self.buckets.get(&key).copied().unwrap_or(Bucket { tokens: self.burst, at: now });
        let tokens = self.refilled(bucket, now);
        let taken = tokens >= 1.0;
        self.buckets.insert(key, Bucket { tokens: if taken { tokens - 1.0 } else { tokens }, at: now });
        taken
    }

    /// Takes more from a bucket, down to nothing.
    pub(super) fn charge(&mut self, key: &K, cost: f64) {
        if let Some(bucket) = self.buckets.get_mut(key) {
            bucket.tokens = (bucket.tokens - cost).max(0.0);
        }
    }

    /// Forgets full buckets. True: there is room again.
    fn clean(&mut self, now: Instant) -> bool {
        if self.cleaned.is_some_and(|at| now.saturating_duration_since(at) < CLEANING) {
            return false;
        }
        self.cleaned = Some(now);
        let (burst, per_second) = (self.burst, self.per_second);
        self.buckets.retain(|_, bucket| {
            bucket.tokens + now.saturating_duration_since(bucket.at).as_secs_f64() * per_second < burst
        });
        self.buckets.len() < MAX_RATE_BUCKETS
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_empties_and_fills_again() {
        let mut rates = Rates::new((20.0, 1.0));
        let start = Instant::now();
        assert_eq!((0..30).filter(|_| rates.take("a", start)).count(), 20);
        assert!(rates.take("b", start), "others have their own");
        let later = start + Duration::from_secs(3);
        assert_eq!((0..30).filter(|_| rates.take("a", later)).count(), 3);
        let much_later = start + Duration::from_secs(1000);
        assert_eq!((0..30).filter(|_| rates.take("a", much_later)).count(), 20);
    }

    #[test]
    fn tr13_denials_cost_five() {
        let mut rates = Rates::new((20.0, 1.0));
        let start = Instant::now();
        let denied = (0..30).take_while(|_| {
            let taken = rates.take("a", start);
            rates.charge(&"a", crate::limits::DENIAL_COST - 1.0);
            taken
        });
        assert_eq!(denied.count(), 4);
    }

    #[test]
    fn tr17_strangers_without_limit_take_bounded_room() {
        let mut rates = Rates::new((20.0, 1.0));
        let start = Instant::now();
        assert_eq!((0..MAX_RATE_BUCKETS + 10).filter(|n| rates.take(*n, start)).count(), MAX_RATE_BUCKETS);
        assert!(rates.take(0, start), "who is known goes on");
        let later = start + Duration::from_secs(30);
        assert!(rates.take(usize::MAX, later), "full buckets need no memory");
        assert_eq!(rates.buckets.len(), 1);
    }

    #[test]
    fn networks_are_what_rates_count() {
        let source = |text: &str| Source::of_ip(text.parse().unwrap());
        assert_eq!(source("127.0.0.1"), Source::Exempt);
        assert_eq!(source("::1"), Source::Exempt);
        assert_eq!(source("::ffff:127.0.0.1"), Source::Exempt);
        assert_eq!(source("10.1.2.3"), source("10.1.2.250"));
        assert_ne!(source("10.1.2.3"), source("10.1.3.3"));
        assert_eq!(source("::ffff:10.1.2.3"), source("10.1.2.4"));
        assert_eq!(source("2001:db8:1:100::1"), source("2001:db8:1:1ff::2"));
        assert_ne!(source("2001:db8:1:100::1"), source("2001:db8:1:200::1"));
    }
}

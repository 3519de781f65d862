//! Runs properties: as many cases as `ASTER_PROPERTY_CASES` says, from the seed `ASTER_PROPERTY_SEED`.

#![allow(dead_code, reason = "each test binary uses its part")]

use std::hash::{BuildHasher, RandomState};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use proptest::test_runner::{Config, RngSeed};

fn setting(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name} is no number: {text}")))
}

fn first_seed() -> u64 {
    setting("ASTER_PROPERTY_SEED").unwrap_or_else(|| RandomState::new().hash_one(0u8))
}

/// Runs a property with choices that differ each time; says the seed of the case that fails.
pub fn run(name: &str, cases: u64, property: impl Fn(&mut Choices)) {
    let (first, cases) = (first_seed(), setting("ASTER_PROPERTY_CASES").unwrap_or(cases));
    println!("{name}: {cases} cases from seed {first}");
    for seed in (0..cases).map(|case| first.wrapping_add(case)) {
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| property(&mut Choices::new(seed)))) {
            eprintln!("{name} fails; repeat with ASTER_PROPERTY_SEED={seed} ASTER_PROPERTY_CASES=1");
            resume_unwind(panic);
        }
    }
}

/// Returns the configuration of properties that proptest runs; says the seed.
pub fn config(cases: u32) -> Config {
    let seed = first_seed();
    let cases = setting("ASTER_PROPERTY_CASES").map_or(cases, |cases| u32::try_from(cases).unwrap_or(u32::MAX));
    println!("{cases} cases; repeat with ASTER_PROPERTY_SEED={seed}");
    Config { cases, failure_persistence: None, rng_seed: RngSeed::Fixed(seed), ..Config::default() }
}

/// A source of choices that one seed determines.
pub struct Choices(u64);

impl Choices {
    /// Starts from a seed; neighbouring seeds have nothing in common.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        // A counter and a bijection of it: every seed is as good as another.
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    }

    /// Returns a number below `bound`.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    /// Returns one of some.
    pub fn pick<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.below(of.len() as u64) as usize]
    }

    /// Returns a number of a random number of bits.
    pub fn bits(&mut self) -> u64 {
        self.next() >> self.below(64)
    }

    /// Returns some text: of ASCII, of Latin-1, of two-byte units, or of any character.
    pub fn text(&mut self) -> String {
        const CHARACTERS: [char; 12] = ['a', 'Z', '"', '\\', '\n', '\0', 'é', 'ÿ', 'Ā', '你', '\u{ffff}', '😀'];
        let (length, kinds) = (self.below(6), self.pick(&[6, 8, 11, 12]));
        (0..length).map(|_| self.pick(&CHARACTERS[..kinds])).collect()
    }
}

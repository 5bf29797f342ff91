//! Rounds of inputs.

use std::env;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::Path;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// The seed of the rounds that `make test` makes.
const SEED: u64 = 0x2545_f491_4f6c_dd1d;

/// How often a good input is changed, at most.
const MOST_CHANGES: u64 = 8;

/// Numbers at which things break.
const EDGES: &[u32] = &[0, 1, 2, 0x7f, 0x80, 0xff, 0x100, 0x7fff, 0x8000, 0xffff, 0x7fff_ffff, 0x8000_0000, u32::MAX];

/// How long a run of one byte is made, at most.
const LONGEST_RUN: u64 = 4096;

/// What is fuzzed.
pub(crate) struct Fuzz<'a> {
    /// What it is called where something is found.
    pub(crate) name: &'a str,
    /// How many rounds `make test` makes.
    pub(crate) rounds: u64,
    /// Inputs that are right, or nearly.
    pub(crate) good: &'a [Vec<u8>],
    /// Words that mean something in them.
    pub(crate) words: &'a [&'a str],
}

impl Fuzz<'_> {
    /// Gives `target` one input after the other; it panics where something is wrong.
    pub(crate) fn run(&self, target: impl Fn(&[u8])) {
        let seconds = env::var("NC_FUZZ_SECONDS").ok().map(|text| text.parse().expect("NC_FUZZ_SECONDS is a number"));
        let until = seconds.map(|seconds| Instant::now() + Duration::from_secs(seconds));
        let seed = seed(until.is_some());
        let mut round = 0;
        while until.map_or(round < self.rounds, |until| Instant::now() < until) {
            let input = self.input(&mut Chance::new(seed, round));
            if let Err(panic) = catch_unwind(AssertUnwindSafe(|| target(&input))) {
                let kept = self.keep(&input);
                eprintln!("{}: round {round} of seed {seed}, the input is in {kept}", self.name);
                resume_unwind(panic);
            }
            round += 1;
        }
        println!("{}: {round} rounds of seed {seed}", self.name);
    }

    fn input(&self, chance: &mut Chance) -> Vec<u8> {
        let mut bytes = chance.of(self.good).clone();
        for _ in 0..=chance.below(MOST_CHANGES) {
            self.change(&mut bytes, chance);
        }
        bytes
    }

    fn change(&self, bytes: &mut Vec<u8>, chance: &mut Chance) {
        let at = chance.at(bytes.len() + 1);
        let end = at + chance.at(bytes.len() - at + 1);
        match chance.below(10) {
            0 if at < bytes.len() => bytes[at] ^= 1 << chance.below(8),
            1 if at < bytes.len() => bytes[at] = chance.byte(),
            2 => drop(bytes.drain(at..end)),
            3 => {
                let copy = bytes[at..end].to_vec();
                bytes.splice(at..at, copy);
            }
            4 => {
                let (other, room) = (chance.of(self.good), bytes.len() - at);
                let from = chance.at(other.len() + 1);
                let part = &other[from..(from + room).min(other.len())];
                bytes.splice(at..at + part.len(), part.iter().copied());
            }
            5 => bytes.truncate(at),
            6 => {
                let run = vec![chance.byte(); usize::try_from(chance.below(LONGEST_RUN)).expect("it is small")];
                bytes.splice(at..at, run);
            }
            7 if at + 4 <= bytes.len() => bytes[at..at + 4].copy_from_slice(&chance.of(EDGES).to_be_bytes()),
            8 if at + 2 <= bytes.len() => bytes[at..at + 2].copy_from_slice(&chance.of(EDGES).to_be_bytes()[2..]),
            _ if !self.words.is_empty() => {
                let word = chance.of(self.words).bytes();
                bytes.splice(at..at, word);
            }
            _ => {}
        }
    }

    /// Keeps an input for whoever looks why it is one too many.
    fn keep(&self, input: &[u8]) -> String {
        let place = Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("fuzz");
        let path = place.join(self.name.replace(' ', "-"));
        let kept = fs::create_dir_all(&place).and_then(|()| fs::write(&path, input));
        kept.map_or_else(|error| error.to_string(), |()| path.display().to_string())
    }
}

fn seed(long: bool) -> u64 {
    match env::var("NC_FUZZ_SEED") {
        Ok(text) => text.parse().expect("NC_FUZZ_SEED is a number"),
        Err(_) if long => {
            SystemTime::now().duration_since(UNIX_EPOCH).map_or(SEED, |now| u64::from(now.subsec_nanos()))
        }
        Err(_) => SEED,
    }
}

/// Numbers that nobody would guess and that come the same each time: xorshift64*.
pub(crate) struct Chance(u64);

impl Chance {
    fn new(seed: u64, round: u64) -> Self {
        let mut chance = Self((seed ^ round.wrapping_mul(0x9e37_79b9_7f4a_7c15)) | 1);
        chance.next();
        chance
    }

    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 16
    }

    fn below(&mut self, most: u64) -> u64 {
        self.next() % most.max(1)
    }

    fn at(&mut self, length: usize) -> usize {
        usize::try_from(self.below(length as u64)).expect("it is below a length")
    }

    fn byte(&mut self) -> u8 {
        self.next().to_le_bytes()[0]
    }

    fn of<'t, T>(&mut self, all: &'t [T]) -> &'t T {
        &all[self.at(all.len())]
    }
}

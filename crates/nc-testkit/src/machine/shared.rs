//! One machine for all tests of a file, which have it one after the other.

use std::ops::Deref;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;

use super::Machine;
use crate::skip;

/// A machine that is made for the first test that wants it, and made anew after a test that failed.
#[derive(Debug)]
pub struct Shared {
    machine: Mutex<Option<Machine>>,
    make: fn() -> Machine,
}

impl Shared {
    /// One that `make` makes.
    #[must_use]
    pub const fn new(make: fn() -> Machine) -> Self {
        Self { machine: Mutex::new(None), make }
    }

    /// Returns the machine, once nobody else has it. `None` where this host can boot none: `what` is then noted as skipped.
    ///
    /// # Panics
    /// Where it can, and the machine cannot be made.
    pub fn lend(&self, what: &str) -> Option<Lent<'_>> {
        if let Err(why) = Machine::can() {
            skip(what, &why);
            return None;
        }
        let mut lent = self.machine.lock().unwrap_or_else(PoisonError::into_inner);
        if lent.is_none() {
            *lent = Some((self.make)());
        }
        Some(Lent(lent))
    }
}

/// A machine that is given back on drop.
#[derive(Debug)]
pub struct Lent<'a>(MutexGuard<'a, Option<Machine>>);

impl Deref for Lent<'_> {
    type Target = Machine;

    fn deref(&self) -> &Machine {
        self.0.as_ref().expect("a lent machine is there")
    }
}

impl Drop for Lent<'_> {
    fn drop(&mut self) {
        // Nobody knows in what state a failed test leaves it.
        if thread::panicking() {
            drop(self.0.take());
        }
    }
}

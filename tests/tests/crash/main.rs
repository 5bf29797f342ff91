//! Kills each program at each of its failpoints while people talk, and has each operation fail there as on a full disk or
//! a busy store. Whatever happens: each message is answered once, the ledger agrees, and recovery begins at once.
#![expect(clippy::expect_used, reason = "a test stops at the first surprise")]

mod administration;
mod faults;
mod house;
mod release;
mod troubles;

use nc_testkit::{Action, Errno};

#[test]
fn what_is_installed_has_no_failpoints() {
    release::nothing_installed_is_armed();
}

#[test]
fn a_command_that_is_killed_anywhere_can_be_typed_again() {
    administration::killed_at_every_point();
}

#[test]
fn in_trouble_and_killed_everywhere_each_message_is_answered_once() {
    troubles::killed_at_every_point();
}

#[test]
fn killed_at_every_failpoint_each_message_is_answered_once() {
    house::at_every_point(Action::Kill);
}

/// In two halves, side by side: a run that fails waits 5 s for the next.
#[test]
fn without_room_for_any_operation_each_message_is_answered_once() {
    house::at_points(Action::Fail(Errno::ENOSPC), |number| number % 2 == 0);
}

#[test]
fn without_room_for_the_other_operations_each_message_is_answered_once() {
    house::at_points(Action::Fail(Errno::ENOSPC), |number| number % 2 == 1);
}

/// As with no room; `make crash` does these two.
fn is_long() -> bool {
    std::env::var_os("NC_CRASH").is_some()
}

#[test]
fn whatever_is_busy_once_each_message_is_answered_once() {
    if is_long() {
        house::at_every_point(Action::Fail(Errno::EBUSY));
    }
}

#[test]
fn whatever_the_disk_fails_at_each_message_is_answered_once() {
    if is_long() {
        house::at_every_point(Action::Fail(Errno::EIO));
    }
}

#[test]
fn on_a_disk_that_is_full_again_and_again_each_message_is_answered_once() {
    faults::full_disk();
}

#[test]
fn on_a_read_only_file_system_nothing_starts_and_nothing_is_lost() {
    faults::read_only();
}

#[test]
fn while_the_store_is_locked_messages_wait_and_are_answered_once() {
    faults::kept_lock();
}

#[test]
fn while_a_session_is_locked_its_message_waits_and_is_answered_once() {
    faults::kept_session_lock();
}

#[test]
fn whatever_the_clock_says_each_message_is_answered_once() {
    faults::clock();
}

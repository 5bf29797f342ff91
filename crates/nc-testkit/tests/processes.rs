//! The end of a family of processes, as tests use it to stand for a machine that dies.

use std::process::Command;

use nc_testkit::{PATIENCE, processes, wait_until};

#[test]
fn none_lives_to_see_the_end_of_what_it_started() {
    let dir = tempfile::tempdir().expect("a directory");
    // Each shell writes down that its child ended before itself.
    let script = "sh -c 'sleep 3600; : >\"$1/inner\"' sh \"$1\"; : >\"$1/outer\"";
    for _again in 0..20 {
        let mut child = Command::new("sh").args(["-c", script, "sh"]).arg(dir.path()).spawn().expect("started");
        let pid = i32::try_from(child.id()).expect("a number");
        wait_until(PATIENCE, "all of it is there", || {
            processes::below(pid).last().is_some_and(|process| process.name == "sleep")
        });
        let below = processes::below(pid);
        assert_eq!(below.iter().map(|process| process.name.as_str()).collect::<Vec<_>>(), ["sh", "sleep"]);
        processes::kill_all(pid);
        child.wait().expect("it ended");
        assert!(!below.iter().any(processes::lives));
        assert_eq!(std::fs::read_dir(dir.path()).expect("a directory").count(), 0);
    }
}

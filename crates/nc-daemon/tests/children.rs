//! How children end is known, whatever ends them. Alone in its process: all children are waited for.

use std::process::Command;
use std::time::Duration;

use nc_daemon::holder::{Children, Ended};
use nix::sys::signal::Signal;

#[test]
fn every_end_is_told_once_and_by_its_kind() {
    let cases = [
        ("exit 0", Ended::Exited(0)),
        ("exit 78", Ended::Exited(78)),
        ("kill -KILL $$", Ended::Killed(Signal::SIGKILL)),
        // A signal without a name.
        ("kill -40 $$", Ended::KilledNameless),
        // Whoever stops and goes on has not ended.
        // Continued only once it has stopped: before, that would do nothing, and it would stay stopped for good.
        (
            "(until grep -q '^State:.T' /proc/$$/status; do :; done; kill -CONT $$) & kill -STOP $$; wait; exit 3",
            Ended::Exited(3),
        ),
    ];
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let mut children = Children::listen().expect("ends are listened for");
        let mut started = Vec::new();
        for (script, ended) in cases {
            let mut command = Command::new("/bin/bash");
            command.args(["-c", script]);
            started.push((children.spawn(&mut command).expect("a child starts"), ended));
        }
        let mut seen = Vec::new();
        while seen.len() < started.len() {
            let next = tokio::time::timeout(Duration::from_secs(20), children.next()).await;
            seen.push(next.expect("a child ends in time"));
        }
        seen.sort_by_key(|(pid, _)| *pid);
        started.sort_by_key(|(pid, _)| *pid);
        assert_eq!(seen, started);
    });
}

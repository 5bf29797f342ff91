//! What each program can and cannot do.

use crate::house::{house, run, victim};
use crate::probe::{OF_ROOT, PROGRAMS, Wall, hold, within};

fn wall(attempt: impl Into<String>, open_to: &'static [&'static str]) -> Wall {
    (attempt.into(), open_to)
}

#[test]
fn only_channels_and_the_runner_open_an_internet_socket() {
    let Some(machine) = house("programs without the network") else { return };
    hold(&machine, PROGRAMS, &[wall("socket AF_INET", &["nc-slack", "nc-whatsapp", "nc-runner"])]);
}

#[test]
fn no_program_reads_the_credentials_of_another_or_signals_it() {
    let Some(machine) = house("programs kept from one another") else { return };
    let (runner, slack) = (victim(&machine, &run(&machine)), victim(&machine, "nc-slack@victim.service"));
    let mut walls = vec![
        wall("read /etc/nanoclaw/credentials/ANTHROPIC_API_KEY", &[]),
        wall("read /etc/nanoclaw/channels/slack@victim/ANTHROPIC_API_KEY", &[]),
        // Runs are of one user, and workspaces are.
        wall(format!("signal {}", runner.pid), &["nc-runner"]),
        wall(format!("signal {}", slack.pid), &["nc-slack"]),
    ];
    for victim in [&runner, &slack] {
        walls.push(wall(format!("read {}", victim.credential), &[]));
        walls.push(wall(format!("read /proc/{}/root{}", victim.pid, victim.credential), &[]));
        walls.push(wall(format!("read /proc/{}/environ", victim.pid), &[]));
    }
    for daemon in ["nc-router.service", "nc-ipcd.service"] {
        let pid = machine.show(daemon, "MainPID");
        walls.push(wall(format!("signal {pid}"), &[]));
        walls.push(wall(format!("read /proc/{pid}/environ"), &[]));
    }
    hold(&machine, PROGRAMS.iter().filter(|(program, _)| *program != OF_ROOT), &walls);
}

#[test]
fn each_program_writes_only_what_is_its_own() {
    let Some(machine) = house("what each program may write") else { return };
    let session = machine.sh("dirname $(ls -d /var/lib/nanoclaw/data/sessions/*/*/work)");
    let session = session.trim_end();
    let below = |path: &str, open_to| wall(format!("write /var/lib/nanoclaw/{path}"), open_to);
    let at_run = |path: &str, open_to| wall(format!("write /run/nanoclaw/{path}"), open_to);
    let storers = &["nc-router", "nc-ipcd", "nc-scheduler", "nc-slack", "nc-whatsapp", "nc-runner", "nc-notice"];
    hold(
        &machine,
        PROGRAMS,
        &[
            below("", &[]),
            below("store", storers),
            below("groups", &["nc-runner"]),
            below("groups/main", &["nc-runner"]),
            below("data", &[]),
            below("data/sessions", &["nc-router", "nc-runner"]),
            wall(format!("write {session}/in"), &["nc-router"]),
            wall(format!("write {session}/work"), &["nc-runner"]),
            below("data/rejected", &["nc-ipcd"]),
            below("data/media/in", &["nc-slack", "nc-whatsapp"]),
            below("data/media/out", &["nc-ipcd", "nc-slack", "nc-whatsapp"]),
            below("data/logs", &["nc-runner"]),
            below("data/scheduler", &["nc-scheduler"]),
            below("data/whatsapp/probe", &["nc-whatsapp"]),
            below("data/ipc", &[]),
            at_run("", &[]),
            at_run("runs", &["nc-runner"]),
            at_run("channel", &["nc-slack", "nc-whatsapp"]),
            at_run("talk", &[]),
            wall("write /etc/nanoclaw", &[]),
            wall("write /usr/local/libexec/nanoclaw", &[]),
        ],
    );
}

#[test]
fn only_the_runner_reaches_a_container_engine_and_only_the_router_asks_for_runs() {
    let Some(machine) = house("what each program reaches") else { return };
    let all =
        &["nc-router", "nc-ipcd", "nc-scheduler", "nc-slack", "nc-whatsapp", "nc-runner", "nc-notice", "nc-sweep"];
    hold(
        &machine,
        PROGRAMS,
        &[
            wall("connect /run/docker.sock", &["nc-runner"]),
            wall("connect /run/nanoclaw/runner.sock", &["nc-router"]),
            wall("connect /run/dbus/system_bus_socket", &[]),
            wall("connect /run/systemd/private", &["nc-sweep"]),
            wall("connect /run/systemd/notify", all),
            wall("connect /run/nanoclaw/router.sock", all),
        ],
    );
}

#[test]
fn nothing_is_below_run_but_what_is_named() {
    let Some(machine) = house("what programs find below /run") else { return };
    for (program, unit) in PROGRAMS {
        let found = within(&machine, unit, &["list /run".to_owned()]);
        let names: Vec<&str> = found["list /run"].split(' ').collect();
        // systemd adds the unit's credentials and the place where it hands mounts in.
        let mut wanted = vec!["nanoclaw", "systemd"];
        match *program {
            "nc-slack" => wanted.insert(0, "credentials"),
            "nc-runner" => wanted = vec!["credentials", "docker.sock", "nanoclaw", "systemd", "untouched"],
            _ => {}
        }
        assert_eq!(names, wanted, "{program}");
    }
}

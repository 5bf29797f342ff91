//! What the agents of an installation under units can reach.

use serde_json::Value;

use crate::house::{balances, house, is_answered};

#[test]
fn no_way_out_of_a_sandbox_is_found_below_a_unit() {
    let Some(machine) = house("proving the walls") else { return };
    let said = machine.command(["nanoclawctl", "prove", "main", "--json"]).output();
    assert!(said.success(), "{}: {}\n{}", said.status, said.stdout, said.stderr);
    let proof: Value = serde_json::from_str(&said.stdout).expect("JSON");
    let uid = machine.ok(["id", "-u", "nc-runner"]);
    assert_eq!(
        (&proof["failed"], proof["uid"].to_string()),
        (&Value::from(0), uid.trim().to_owned()),
        "{}",
        said.stdout
    );
    for one in proof["tries"].as_array().expect("tries").iter().filter(|one| one["state"] != "pass") {
        println!("{}: {}", one["try"], one["inside"]);
    }
    let state = |name: &str| {
        let tries = proof["tries"].as_array().expect("tries");
        tries.iter().find(|one| one["try"] == name).and_then(|one| one["state"].as_str()).map(str::to_owned)
    };
    let proved = [
        "the store",
        "all sessions",
        "a file of the host by its path",
        "a file of the host by an open descriptor",
        "the first process: /proc",
        "a signal to a process of the host",
        "a socket of the host by its path",
        "output without end",
        // Refused to the runner's unit too, and proved outside of it.
        "the first process: ptrace",
        "new privileges",
        "namespaces of others",
    ];
    for name in proved {
        assert_eq!(state(name).as_deref(), Some("pass"), "{name}: {}", said.stdout);
    }
    is_answered(&machine, "main", "after the proof");
    balances(&machine);
}

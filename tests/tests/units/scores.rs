//! How exposed each program is, by `systemd-analyze security`. It counts words; tests in a booted machine measure effects.

use crate::stage::{Stage, is_possible};

const WHAT: &str = "exposure of the units";

/// The most that a service may have, in tenths, by the beginning of its name; what is not named here has no network.
const MOST: &[(&str, u32)] = &[
    ("nc-runner@", 25),
    ("nc-slack@", 15),
    ("nc-whatsapp@", 15),
    // Only root may start units.
    ("nc-sweep.", 8),
    // Only root may make control groups of version 1, and give them away; it does so once, and no bytes of others reach it.
    ("nc-sandboxes.", 12),
];

const MOST_WITHOUT_NETWORK: u32 = 5;

fn most(service: &str) -> u32 {
    MOST.iter().find(|(name, _)| service.starts_with(name)).map_or(MOST_WITHOUT_NETWORK, |(_, most)| *most)
}

/// A line for each service that is more exposed than it may be.
fn exposed(stage: &Stage) -> Vec<String> {
    let too_much = |service: String| {
        let threshold = format!("--threshold={}", most(&service));
        let said = stage.ask("systemd-analyze", &["security", "--offline=true", "--no-pager", &threshold, &service]);
        let last = said.text.lines().last().unwrap_or_default().to_owned();
        assert!(last.contains("Overall exposure level"), "{service}: {}", said.text);
        (!said.success).then_some(last)
    };
    stage.units_of_kind(".service").into_iter().filter_map(too_much).collect()
}

#[test]
fn no_service_is_more_exposed_than_its_kind_may_be() {
    if !is_possible(WHAT) {
        return;
    }
    let stage = Stage::complete();
    assert_eq!(exposed(&stage), [""; 0]);
    let loose = |text: &str| text.replace("ProtectSystem=strict\n", "").replace("CapabilityBoundingSet=\n", "");
    stage.change("nc-.service.d/10-common.conf", loose);
    let mut services = stage.units_of_kind(".service");
    // It says itself which capability it has.
    services.retain(|service| !service.starts_with("nc-sandboxes."));
    assert!(exposed(&stage).len() == services.len(), "not every service is noticed to be too exposed");
}

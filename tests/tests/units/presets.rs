//! What a distribution's `systemctl preset` makes of the units.

use crate::stage::{Stage, is_possible};

#[test]
fn the_presets_enable_the_target_and_no_channel() {
    if !is_possible("presets of the units") {
        return;
    }
    let stage = Stage::complete();
    let channels = ["nc-slack@x.service", "nc-slack@x.socket", "nc-whatsapp@x.service", "nc-whatsapp@x.socket"];
    let all = [&["nanoclaw.target"], &channels[..]].concat();
    let is_enabled = |unit: &str| stage.ask("systemctl", &["is-enabled", unit]).text == "enabled";
    let said = stage.ask("systemctl", &[&["enable"], &channels[..]].concat());
    assert!(said.success && channels.iter().all(|unit| is_enabled(unit)), "{}", said.text);
    let said = stage.ask("systemctl", &[&["preset"], &all[..]].concat());
    assert!(said.success, "{}", said.text);
    assert!(is_enabled("nanoclaw.target"), "{}", said.text);
    for unit in channels {
        assert!(!is_enabled(unit), "{unit} is enabled");
    }
}

//! The owners are told of a unit that has failed, whatever of the toolkit still runs.
#![expect(clippy::expect_used, reason = "a test stops at the first surprise")]

mod support;

use std::fs;
use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;

use rusqlite::Connection;
use support::House;

impl House {
    fn bell(&self, name: &str) -> (UnixDatagram, PathBuf) {
        let path = self.run_dir().join(name);
        fs::create_dir_all(path.parent().expect("a directory")).expect("a directory");
        let bell = UnixDatagram::bind(&path).expect("a bell");
        bell.set_nonblocking(true).expect("a bell that does not block");
        (bell, path)
    }

    fn owner_in_slack(&self) {
        let chat = nc_store::NewChat { channel: "slack:acme", platform_id: "D1", name: None, is_group: false };
        let mut store = self.store();
        let chat = store.ensure_chat(&chat).expect("a chat");
        store.upsert_user("slack:U1", None).expect("a user");
        let sql = Connection::open(self.path().join("store/messages.db")).expect("the store");
        sql.execute("INSERT INTO user_roles (user_id, role, granted_at) VALUES ('slack:U1', 'owner', 0)", ())
            .expect("a role");
        sql.execute("INSERT INTO user_dms VALUES ('slack:U1', 'slack:acme', ?1, 0)", [chat.0]).expect("a direct chat");
    }

    fn told(&self) -> Vec<String> {
        let sql = Connection::open(self.path().join("store/messages.db")).expect("the store");
        let mut told = sql
            .prepare("SELECT d.channel || ' ' || d.content FROM sends s JOIN deliveries d ON d.id = s.delivery_id ORDER BY 1")
            .expect("a query");
        told.query_map((), |row| row.get(0)).expect("rows").collect::<Result<_, _>>().expect("texts")
    }
}

fn rung(bell: &UnixDatagram) -> bool {
    bell.recv(&mut [0; 16]).is_ok()
}

#[test]
fn owners_are_told_in_every_channel_without_the_router_and_once_an_hour() {
    let house = House::with_main();
    house.owner_in_slack();
    let (router, _) = house.bell("router.sock");
    let (slack, _) = house.bell("channel/slack@acme.sock");
    let said = house.ok(&["notice", "nc-router.service"]);
    assert_eq!(said, "nc-router.service has failed; the owners are told by slack:acme, terminal\n");
    let told = house.told();
    assert_eq!(told.len(), 2, "{told:?}");
    assert!(told[0].starts_with("slack:acme ") && told[1].starts_with("terminal "), "{told:?}");
    assert!(
        told.iter().all(|text| text.contains("nc-router.service has failed") && text.contains("journalctl -u")),
        "{told:?}"
    );
    assert!(rung(&slack), "the channel was not rung");
    assert!(!rung(&router), "the router was rung: where it has failed, that starts it again");
    assert!(house.store().open_notices().expect("notices").is_empty());
    // Not a test of the hour's end, which may come between the two: then it is told again.
    let again = house.ok(&["notice", "nc-router.service"]);
    assert!(again.contains("less than an hour ago") || again.contains("are told by"), "{again}");
}

#[test]
fn a_channel_that_has_failed_is_not_rung_and_still_gets_its_copy() {
    let house = House::with_main();
    house.owner_in_slack();
    let (slack, _) = house.bell("channel/slack@acme.sock");
    house.ok(&["notice", "nc-slack@acme.service"]);
    assert_eq!(house.told().len(), 2);
    assert!(!rung(&slack), "what has failed was rung, which starts it again");
}

#[test]
fn a_notice_that_nobody_can_get_yet_stays_open() {
    let house = House::with_main();
    let sql = Connection::open(house.path().join("store/messages.db")).expect("the store");
    sql.execute("DELETE FROM user_roles", ()).expect("nobody is an owner");
    assert!(house.ok(&["notice", "nc-ipcd.service"]).contains("no owner can be reached yet"));
    assert_eq!(house.store().open_notices().expect("notices").len(), 1);
}

#[test]
fn what_is_no_unit_is_refused_and_without_a_store_a_person_must_look() {
    let house = House::new();
    for bad in ["nc-router", "../x.service", "a b.service"] {
        let ran = house.ctl(&["notice", bad]);
        assert_eq!(ran.status, 64, "{bad}: {}", ran.stderr);
    }
    let ran = house.ctl(&["notice", "nc-router.service"]);
    assert_eq!(ran.status, 78, "{}", ran.stderr);
    assert!(ran.stderr.contains("there is no store"), "{}", ran.stderr);
}

#[test]
fn a_wrong_configuration_is_told_of_by_what_is_right_in_it() {
    let house = House::with_main();
    fs::write(house.path().join("nanoclaw.toml"), "max_runs = \"many\"\nno_such_key = 1\n").expect("a configuration");
    assert_eq!(house.ctl(&["ledger"]).status, 78);
    let said = house.ok(&["notice", "nc-router.service"]);
    assert_eq!(said, "nc-router.service has failed; the owners are told by terminal\n");
    let told = house.told();
    assert!(
        told[0].contains("the configuration is wrong: ") && told[0].contains("nanoclaw.toml:1: max_runs"),
        "{told:?}"
    );
}

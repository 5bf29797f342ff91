//! Giving trees away and making mount points, where an agent has laid traps.
#![expect(clippy::expect_used, reason = "a test stops at the first surprise")]

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};
use std::path::Path;

use nc_sandbox::{
    FIRST_UNNAMED_UID, Identity, LAST_UNNAMED_UID, Point, give_tree, let_group_only_read, let_owner_use,
    prepare_mount_points,
};
use nix::unistd::{Gid, Uid};

const AGENT: u32 = LAST_UNNAMED_UID;

const IDENTITY: Identity = Identity::Drop { uid: AGENT, gid: AGENT };

fn owner(path: &Path) -> u32 {
    fs::symlink_metadata(path).expect("it is there").uid()
}

fn is_root(what: &str) -> bool {
    let root = nix::unistd::geteuid().is_root();
    if !root {
        println!("skipped: only root {what}");
    }
    root
}

#[test]
fn a_tree_is_given_away_without_following_a_link() {
    if !is_root("gives files away") {
        return;
    }
    let place = tempfile::tempdir().expect("a directory");
    let (tree, outside) = (place.path().join("tree"), place.path().join("outside"));
    fs::create_dir_all(tree.join("a/b/c")).expect("a tree");
    fs::create_dir(&outside).expect("a directory");
    for file in [tree.join("top"), tree.join("a/b/c/deep"), outside.join("file")] {
        fs::write(file, "x").expect("a file");
    }
    symlink(&outside, tree.join("a/directory")).expect("a link");
    symlink(outside.join("file"), tree.join("a/file")).expect("a link");
    give_tree(&tree, IDENTITY).expect("given");
    for given in ["", "top", "a", "a/b/c", "a/b/c/deep", "a/directory", "a/file"] {
        assert_eq!(owner(&tree.join(given)), AGENT, "{given:?}");
    }
    assert_eq!((owner(&outside), owner(&outside.join("file"))), (0, 0), "what the links lead to stays root's");
}

#[test]
fn what_an_administrator_puts_into_a_given_tree_is_given_too() {
    if !is_root("gives files away") {
        return;
    }
    let place = tempfile::tempdir().expect("a directory");
    let tree = place.path().join("tree");
    fs::create_dir_all(tree.join("old")).expect("a tree");
    give_tree(&tree, IDENTITY).expect("given");
    fs::create_dir_all(tree.join("new/below")).expect("a directory of root's");
    fs::write(tree.join("CLAUDE.md"), "x").expect("a file of root's");
    give_tree(&tree, IDENTITY).expect("given again");
    for given in ["new", "new/below", "CLAUDE.md", "old"] {
        assert_eq!(owner(&tree.join(given)), AGENT, "{given:?}");
    }
}

#[test]
fn nothing_is_given_away_where_the_sandbox_is_our_own_user() {
    let place = tempfile::tempdir().expect("a directory");
    give_tree(place.path(), Identity::Own).expect("nothing to do");
    assert_eq!(owner(place.path()), Uid::effective().as_raw());
    assert_eq!((Identity::Own.uid(), Identity::Own.gid()), (Uid::effective().as_raw(), Gid::effective().as_raw()));
}

#[test]
fn a_mount_point_is_what_it_should_be_whatever_was_there() {
    let place = tempfile::tempdir().expect("a directory");
    let (work, outside) = (place.path().join("work"), place.path().join("outside"));
    fs::create_dir(&work).expect("a directory");
    fs::create_dir(&outside).expect("a directory");
    symlink(&outside, work.join("agent")).expect("a link");
    fs::create_dir_all(work.join("inbound.db/full")).expect("a directory");
    fs::write(work.join("global"), "x").expect("a file");
    fs::create_dir(work.join("inbox")).expect("what it should be");
    let points =
        [Point::Directory("agent"), Point::File("inbound.db"), Point::Directory("global"), Point::Directory("inbox")];
    prepare_mount_points(&work, &points, Identity::Own, "r1").expect("made");
    let kind = |name: &str| fs::symlink_metadata(work.join(name)).expect("it is there").file_type();
    assert!(
        kind("agent").is_dir() && kind("global").is_dir() && kind("inbox").is_dir() && kind("inbound.db").is_file()
    );
    assert!(kind("misplaced-r1-agent").is_symlink() && kind("misplaced-r1-global").is_file());
    assert!(work.join("misplaced-r1-inbound.db/full").is_dir() && !work.join("misplaced-r1-inbox").exists());
    prepare_mount_points(&work, &points, Identity::Own, "r2").expect("nothing to do");
    assert!(!work.join("misplaced-r2-agent").exists());
}

#[test]
fn an_installation_decides_whose_its_sandboxes_are() {
    if !is_root("can be somebody else") {
        return;
    }
    let place = tempfile::tempdir().expect("a directory");
    let of = || Identity::for_installation(place.path()).expect("an identity");
    let Identity::Drop { uid, gid } = of() else { panic!("root is nobody's sandbox") };
    assert!((FIRST_UNNAMED_UID..=LAST_UNNAMED_UID).contains(&uid) && uid == gid);
    assert_eq!(of(), Identity::Drop { uid, gid }, "always the same");
    chown(place.path(), Some(4711), Some(4712)).expect("it is given away");
    assert_eq!(of(), Identity::Drop { uid: 4711, gid: 4712 });
    chown(place.path(), Some(4711), Some(0)).expect("it is given away");
    assert_eq!(of(), Identity::Drop { uid: 4711, gid: 4711 }, "never root's group");
    let missing = Identity::for_installation(&place.path().join("missing")).expect_err("there is none");
    assert!(missing.to_string().contains("missing"), "{missing}");
}

#[test]
fn who_has_shut_himself_out_is_let_in_and_no_link_is_followed() {
    let place = tempfile::tempdir().expect("a directory");
    let (tree, outside) = (place.path().join("tree"), place.path().join("outside"));
    fs::create_dir_all(tree.join("deep/deeper")).expect("a tree");
    fs::write(tree.join("file"), "x").expect("a file");
    fs::write(tree.join("program"), "x").expect("a file");
    fs::write(&outside, "x").expect("a file");
    symlink(&outside, tree.join("link")).expect("a link");
    let mode = |path: &Path| fs::metadata(path).expect("it is there").permissions().mode() & 0o7777;
    let set = |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("a mode");
    set(&tree.join("program"), 0o710);
    for shut in [outside.as_path(), &tree.join("file"), &tree.join("deep/deeper"), &tree.join("deep"), &tree] {
        set(shut, 0);
    }
    let_owner_use(&tree, Identity::Own).expect("let in");
    let found = [tree.clone(), tree.join("deep"), tree.join("file"), tree.join("program")].map(|path| mode(&path));
    assert_eq!(found, [0o700, 0o700, 0o600, 0o710]);
    set(&tree.join("deep/deeper"), 0o700);
    assert_eq!(mode(&outside), 0, "what a link leads to stays as it is");
    let_owner_use(&tree.join("none"), Identity::Own).expect_err("there is nothing of that name");
}

#[test]
fn in_a_directory_that_is_left_to_its_owner_the_group_reads_what_is_made_and_writes_nothing() {
    let place = tempfile::tempdir().expect("a directory");
    let mode = |path: &Path| fs::metadata(path).expect("it is there").permissions().mode() & 0o7777;
    let make = |name: &str, mode| {
        let path = place.path().join(name);
        fs::create_dir(&path).expect("a directory");
        fs::set_permissions(&path, PermissionsExt::from_mode(mode)).expect("its mode");
        path
    };
    let shared = make("shared", 0o770);
    let_group_only_read(&shared).expect("left to its owner");
    assert_eq!(mode(&shared), 0o750);
    fs::create_dir(shared.join("below")).expect("a directory");
    fs::write(shared.join("below/file"), "x").expect("a file");
    // Without access lists the umask decides.
    if mode(&shared.join("below")) & 0o022 == 0 && mode(&shared.join("below")) & 0o005 == 0 {
        assert_eq!(mode(&shared.join("below/file")) & 0o066, 0o040);
    }
    let private = make("private", 0o700);
    let_group_only_read(&private).expect("nothing to be done");
    assert_eq!(mode(&private), 0o700);
}

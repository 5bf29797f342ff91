//! What an agent may use, tried to the end inside of its sandbox, in root's installation and in an ordinary user's.
#![expect(clippy::expect_used, reason = "a test stops at the first surprise")]

mod house;

use house::{House, text};

#[test]
fn what_lies_in_memory_is_bounded() {
    for house in House::each() {
        let mounts = house.script("cat /proc/self/mountinfo");
        for (target, size) in [("/tmp", 524_288), ("/dev/shm", 262_144), ("/home/node", 262_144)] {
            let line = mounts.lines().find(|line| line.split(' ').nth(4) == Some(target)).expect("it is a mount");
            assert!(line.contains(&format!("size={size}k")), "{line}");
        }
        for line in mounts.lines().filter(|line| line.contains(" - tmpfs ")) {
            let read_only = line.split(' ').nth(5).expect("options").split(',').any(|option| option == "ro");
            assert!(line.contains("size=") || read_only, "neither bounded nor read-only: {line}");
        }
    }
}

#[test]
fn a_fork_bomb_ends_inside() {
    // A name that no process of another run of the tests has.
    let name = format!("bomb{}", std::process::id());
    for house in House::each() {
        house::install(&house.group("main").join("probe"), &house.group("main").join(&name));
        house.settle();
        let count = |processes: u32| -> u32 {
            house.limits(processes, 2 << 30);
            let said = house.script(&format!("exec /workspace/agent/{name} forks"));
            let count = said.strip_prefix("forks: ").and_then(|rest| rest.split(' ').next()?.parse().ok());
            count.unwrap_or_else(|| panic!("in {} installation: {said:?}", house.whose))
        };
        let few = count(64);
        assert!((50..64).contains(&few), "{few} of 64 in {} installation", house.whose);
        let more = count(200);
        assert!((180..200).contains(&more), "{more} of 200: the limit is what counts");
        let left = nc_testkit::processes::all().iter().filter(|process| process.name == name).count();
        assert_eq!(left, 0, "nothing of it is left when the runner has ended");
    }
}

#[test]
fn a_memory_hog_ends_inside() {
    const MIB: u64 = 1024 * 1024;
    for house in House::each() {
        let most = |limit: u64| -> u64 {
            house.limits(256, limit * MIB);
            let output = house.probed(&["memory"]);
            let said = text(&output.stdout);
            assert!(!said.contains("no limit"), "in {} installation: {said}", house.whose);
            let numbers = said.split_whitespace().filter_map(|word| word.parse::<u64>().ok());
            numbers.max().unwrap_or_else(|| panic!("in {} installation: {} {said:?}", house.whose, output.status))
        };
        let little = most(256);
        assert!((128..=256).contains(&little), "{little} MiB of 256 in {} installation", house.whose);
        let more = most(640);
        assert!((512..=640).contains(&more), "{more} MiB of 640: the limit is what counts");
    }
}

//! A full disk: nothing is changed, however little room there is.

use nc_testkit::skip;

use crate::tree::{Tree, ran, shell_that_mounts};

/// Arguments: install.sh, the programs, a directory for the disk, newer programs. The disk has room for two versions, less
/// what fills it. Prints how many installations and upgrades were refused.
const SCRIPT: &str = r#"
mount -t tmpfs -o size=4m none "$3"
list() { (cd "$3" && find . ! -name filler -printf '%p %m\n' && find . -type f ! -name filler -exec cksum {} +) | sort; }
run() {
    status=0
    "$1" --built="$2" --destdir="$3/dest" 2>said || status=$?
    case $status in
        0) return 0 ;;
        78) tail -n 1 said | grep -q '^install.sh: .*as it was before' || { cat said; exit 1; } ;;
        *) cat said; echo "exit status $status"; exit 1 ;;
    esac
    refused=$((refused + 1))
    return 1
}
refused=0
for round in installed upgraded; do
    list "$@" >before
    for left in 0 4 16 60 150 2500; do
        free=$(df -k --output=avail "$3" | tail -n 1)
        if [ "$free" -gt "$left" ]; then dd if=/dev/zero of="$3/filler" bs=1k count=$((free - left)) 2>/dev/null; fi
        if run "$@"; then rm -f "$3/filler"; break; fi
        rm -f "$3/filler"
        list "$@" | diff before -
    done
    [ "$status" = 0 ] || { echo "it is never $round"; exit 1; }
    echo "$round after $refused"
    cp -R "$4"/. "$2"
done
"#;

#[test]
fn on_a_full_disk_nothing_is_changed() {
    let Some(mut shell) = shell_that_mounts(SCRIPT) else {
        return skip("installing on a full disk", "this machine gives no mount namespace");
    };
    let (tree, newer) = (Tree::new(), Tree::new());
    newer.newer();
    std::fs::create_dir(tree.path("disk")).expect("a directory");
    shell.args([tree.path("tree/install.sh"), tree.path("built"), tree.path("disk"), newer.path("built")]);
    let said = ran(shell.current_dir(tree.path("")));
    assert_eq!(said.code, Some(0), "{}\n{}", said.stdout, said.stderr);
    let counts: Vec<usize> = said.stdout.lines().filter_map(|line| line.rsplit(' ').next()?.parse().ok()).collect();
    assert!(
        counts.len() == 2 && counts[0] >= 4 && counts[1] >= counts[0] + 3,
        "it was hardly ever full: {}",
        said.stdout
    );
}

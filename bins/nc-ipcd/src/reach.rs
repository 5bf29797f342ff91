//! Whether the system tells of changes that are made elsewhere.

use std::path::Path;

use nix::sys::statfs::{FsType, statfs};

/// File systems that another kernel writes, so that this one tells nothing of it: FUSE and virtiofs, 9p, NFS, SMB and CIFS,
/// `VirtualBox`. The numbers are those of statfs(2) and of the drivers' sources.
const ELSEWHERE: &[u32] = &[0x6573_5546, 0x0102_1997, 0x6969, 0xFE53_4D42, 0xFF53_4D42, 0x786F_4256];

/// Whether changes below `path` may be made where no inotify of this kernel sees them. One that cannot be asked counts as local.
pub(crate) fn is_elsewhere(path: &Path) -> bool {
    statfs(path).is_ok_and(|found| names_another_kernel(found.filesystem_type()))
}

/// The kernel's type is wider or narrower by platform; its low 32 bits are the number.
fn names_another_kernel(kind: FsType) -> bool {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the low 32 bits are what is compared")]
    let number = kind.0 as u32;
    ELSEWHERE.contains(&number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_machines_own_file_systems_are_here_and_shared_ones_elsewhere() {
        assert!(!is_elsewhere(Path::new("/proc")));
        assert!(!is_elsewhere(Path::new("/dev/shm")));
        assert!(!is_elsewhere(Path::new("/no such place")));
        assert!(names_another_kernel(FsType(0x6573_5546)));
        assert!(names_another_kernel(FsType(0x0102_1997)));
    }
}

//! Time zones by name, from the system's own files.
//!
//! jiff finds a zone by walking through the whole of `/usr/share/zoneinfo`, which takes milliseconds in each program of
//! each run. A zone whose name is known lies in one file; whoever may read files reads it and hands its bytes over.

use std::path::{Path, PathBuf};

use jiff::tz::TimeZone;

/// Where the files are, as hier(7) and tzfile(5) have it.
const DIRECTORY: &str = "/usr/share/zoneinfo";

/// The file of the zone `name`, `None` where no zone can be called so (an empty part, a dot, a character outside
/// letters, digits, `_`, `+` and `-`).
#[must_use]
pub fn zone_file(name: &str) -> Option<PathBuf> {
    let plain = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric() || b"_+-".contains(&b));
    name.split('/').all(plain).then(|| Path::new(DIRECTORY).join(name))
}

/// The name of the zone that lies at `path`, as `/etc/localtime` points to it; `None` where it lies elsewhere.
#[must_use]
pub fn zone_name(path: &Path) -> Option<&str> {
    let (_, name) = path.to_str()?.rsplit_once("/zoneinfo/")?;
    zone_file(name).map(|_| name)
}

/// The zone `name` out of the bytes of its file, `None` where they are no zone.
#[must_use]
pub fn zone_from(name: &str, bytes: &[u8]) -> Option<TimeZone> {
    TimeZone::tzif(name, bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_never_leads_out_of_the_directory() {
        for name in ["Europe/Paris", "UTC", "Etc/GMT+5", "America/Argentina/Buenos_Aires", "America/Port-au-Prince"] {
            assert_eq!(zone_file(name).unwrap(), Path::new(DIRECTORY).join(name));
        }
        for name in ["", "/etc/passwd", "../x", "a/../b", "a//b", "Europe/", "tzdata.zi", "a\0b", "Zürich"] {
            assert_eq!(zone_file(name), None, "{name:?}");
        }
    }

    #[test]
    fn a_link_says_its_zone() {
        assert_eq!(zone_name(Path::new("/usr/share/zoneinfo/Europe/Paris")), Some("Europe/Paris"));
        assert_eq!(zone_name(Path::new("../usr/share/zoneinfo/Etc/UTC")), Some("Etc/UTC"));
        assert_eq!(zone_name(Path::new("/etc/zone")), None);
        assert_eq!(zone_from("X", b"no zone"), None);
    }
}

//! Takes the one file that we want out of a package. Everything else in it is passed over.

use std::fs::File;
use std::io::{self, Read, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use flate2::read::GzDecoder;
use tar::{Archive, EntryType};

/// Where the binary lies in its package.
const WANTED: &[u8] = b"package/claude";

/// The largest binary, and the most that a package may unpack to, in bytes: more than twice what they have now.
const LARGEST: u64 = 1 << 30;

/// How many files a package may have: it has four.
const MOST_FILES: usize = 1000;

/// Why a package cannot be unpacked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BadPackage {
    /// It cannot be read, or the binary cannot be written.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// There is no such file in it.
    #[error("there is no package/claude in it")]
    Without,
    /// It is not a plain file.
    #[error("package/claude in it is not a regular file")]
    NotPlain,
    /// It is larger than anything that we would take for it.
    #[error("it unpacks to more than {LARGEST} bytes or {MOST_FILES} files")]
    TooLarge,
}

/// Unpacks the binary from the package that `input` gives to the new file `to`, and writes it through to the disk.
pub(crate) fn binary(input: impl Read, to: &Path) -> Result<(), BadPackage> {
    let mut archive = Archive::new(GzDecoder::new(input).take(LARGEST));
    for (count, entry) in archive.entries()?.enumerate() {
        let mut entry = entry?;
        if count >= MOST_FILES {
            return Err(BadPackage::TooLarge);
        }
        if *entry.path_bytes() != *WANTED {
            continue;
        }
        if !matches!(entry.header().entry_type(), EntryType::Regular | EntryType::Continuous) {
            return Err(BadPackage::NotPlain);
        }
        let size = entry.size();
        if size > LARGEST {
            return Err(BadPackage::TooLarge);
        }
        let mut file = File::options().write(true).create_new(true).mode(0o755).open(to)?;
        if io::copy(&mut entry, &mut file)? != size {
            return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
        }
        file.flush()?;
        file.sync_all()?;
        return Ok(());
    }
    Err(BadPackage::Without)
}

#[cfg(test)]
mod tests {
    use flate2::Compression;
    use flate2::write::GzEncoder;
    use tar::{Builder, Header};

    use super::*;

    fn package(entries: &[(&str, EntryType, &[u8])]) -> Vec<u8> {
        let mut builder = Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
        for (name, kind, content) in entries {
            let mut header = Header::new_gnu();
            // Names that the crate itself would refuse to write are what a hostile package has.
            header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
            header.set_entry_type(*kind);
            header.set_mode(0o644);
            header.set_size(content.len() as u64);
            header.set_cksum();
            builder.append(&header, *content).unwrap();
        }
        builder.into_inner().unwrap().finish().unwrap()
    }

    fn unpacked(package: &[u8]) -> Result<Vec<u8>, String> {
        let dir = tempfile::tempdir().unwrap();
        let to = dir.path().join("claude");
        let result = binary(package, &to).map_err(|error| error.to_string());
        let others = std::fs::read_dir(dir.path()).unwrap().flatten().filter(|e| e.path() != to).count();
        assert_eq!(others, 0, "something else was unpacked");
        result.map(|()| std::fs::read(to).unwrap())
    }

    const FILE: EntryType = EntryType::Regular;

    #[test]
    fn only_the_binary_comes_out() {
        let all = package(&[
            ("package/package.json", FILE, b"{}"),
            ("../../etc/passwd", FILE, b"root"),
            ("/package/claude", FILE, b"wrong"),
            ("package/../package/claude", FILE, b"wrong"),
            ("package/claude", FILE, b"right"),
            ("package/claude", FILE, b"later"),
        ]);
        assert_eq!(unpacked(&all).unwrap(), b"right");
    }

    #[test]
    fn what_is_wrong_with_a_package_is_said() {
        assert_eq!(
            unpacked(&package(&[("package/other", FILE, b"x")])).unwrap_err(),
            "there is no package/claude in it"
        );
        for kind in [EntryType::Symlink, EntryType::Link, EntryType::Directory, EntryType::Fifo] {
            let said = unpacked(&package(&[("package/claude", kind, b"")])).unwrap_err();
            assert!(said.contains("not a regular file"), "{said}");
        }
        let many: Vec<_> = (0..=MOST_FILES).map(|_| ("package/other", FILE, &b""[..])).collect();
        assert!(unpacked(&package(&many)).unwrap_err().contains("unpacks to more than"));
        let whole = package(&[("package/claude", FILE, &vec![7; 100_000])]);
        for wrong in [&whole[..whole.len() / 2], b"no gzip", b""] {
            assert!(unpacked(wrong).is_err());
        }
    }
}

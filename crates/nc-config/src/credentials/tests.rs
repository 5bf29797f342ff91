use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;

use tempfile::TempDir;

use super::*;

const KEY: &str = "ANTHROPIC_API_KEY";

/// A directory of credentials with one file.
fn kept(name: &str, content: &[u8], mode: u32) -> TempDir {
    let dir = TempDir::new().unwrap();
    fs::set_permissions(dir.path(), Permissions::from_mode(0o700)).unwrap();
    fs::write(dir.path().join(name), content).unwrap();
    fs::set_permissions(dir.path().join(name), Permissions::from_mode(mode)).unwrap();
    dir
}

fn values(credentials: &Credentials) -> Vec<(&'static str, String)> {
    credentials.iter().map(|(name, secret)| (name, secret.expose().to_owned())).collect()
}

fn one(name: &'static str, value: &str) -> Credentials {
    Credentials::from_variables(|n| (n == name).then(|| value.into())).unwrap()
}

#[test]
fn a_file_is_read_without_its_line_end() {
    for content in ["hunter2", "hunter2\n", "hunter2\r\n", "  hunter2 \n"] {
        let dir = kept(KEY, content.as_bytes(), 0o600);
        assert_eq!(values(&Credentials::from_directory(dir.path()).unwrap()), [(KEY, "hunter2".to_owned())]);
    }
    let longest = [vec![b'x'; MAX_SECRET_BYTES], b"\n".to_vec()].concat();
    let dir = kept(KEY, &longest, 0o400);
    assert_eq!(values(&Credentials::from_directory(dir.path()).unwrap())[0].1.len(), MAX_SECRET_BYTES);
    let nowhere = dir.path().join("nowhere");
    assert!(Credentials::from_directory(&nowhere).unwrap().is_empty());
}

#[test]
fn what_cannot_be_a_credential_is_refused_by_its_name_and_not_shown() {
    let too_long = vec![b'x'; MAX_SECRET_BYTES + 1];
    let cases: [(&[u8], &str); 7] = [
        (b"", "is empty"),
        (b" \n", "is empty"),
        (b"hun\0ter2", "has a NUL in it"),
        (b"hunter2\nhunter3\n", "has a line break"),
        (b"hunter2\xff", "is not UTF-8"),
        (&too_long, "has more than 16384 bytes"),
        (&[&too_long[..], b"\n"].concat(), "has more than 16384 bytes"),
    ];
    for (content, reason) in cases {
        let dir = kept(KEY, content, 0o600);
        let error = Credentials::from_directory(dir.path()).unwrap_err();
        let said = format!("{error} {error:?}");
        assert!(said.contains(reason) && said.contains(KEY) && !said.contains("hunter"), "{said}");
        let variable = |name: &str| (name == KEY).then(|| std::os::unix::ffi::OsStringExt::from_vec(content.to_vec()));
        match Credentials::from_variables(variable) {
            Ok(none) => assert!(content.is_empty() && none.is_empty()),
            Err(error) => assert!(error.to_string().contains(reason) && error.to_string().contains(KEY), "{error}"),
        }
    }
}

#[test]
fn what_others_may_read_is_refused_with_what_mends_it() {
    for mode in [0o640, 0o604, 0o660, 0o601] {
        let dir = kept(KEY, b"hunter2", mode);
        let said = Credentials::from_directory(dir.path()).unwrap_err().to_string();
        assert!(said.contains(&format!("(mode {mode:04o}): chmod 600 ")) && said.contains(KEY), "{said}");
    }
    let dir = kept(KEY, b"hunter2", 0o600);
    for mode in [0o750, 0o701, 0o705] {
        fs::set_permissions(dir.path(), Permissions::from_mode(mode)).unwrap();
        let said = Credentials::from_directory(dir.path()).unwrap_err().to_string();
        assert!(said.contains(&format!("(mode {mode:04o}): chmod 700 ")), "{said}");
    }
    // systemd's are its own to guard.
    assert_eq!(values(&directory::read(dir.path(), Care::Others, CredentialSource::Systemd).unwrap()).len(), 1);
}

#[test]
fn what_systemd_loads_as_a_directory_is_found_under_the_names_that_it_gives() {
    for prefix in ["nanoclaw_", "nanoclaw.encrypted_"] {
        let dir = kept(&format!("{prefix}{KEY}"), b"hunter2", 0o440);
        assert_eq!(values(&directory::read(dir.path(), Care::Others, CredentialSource::Systemd).unwrap()).len(), 1);
    }
    assert_eq!(encrypted_name(KEY), "nanoclaw.encrypted_ANTHROPIC_API_KEY");
    let dir = kept("nanoclaw_ANTHROPIC_API_KEY", b"hunter2", 0o440);
    let systemd = || directory::read(dir.path(), Care::Others, CredentialSource::Systemd).unwrap();
    assert_eq!(values(&systemd()), [(KEY, "hunter2".to_owned())]);
    fs::write(dir.path().join(KEY), "hunter3").unwrap();
    assert_eq!(values(&systemd()), [(KEY, "hunter3".to_owned())]);
    fs::remove_file(dir.path().join(KEY)).unwrap();
    assert!(Credentials::from_directory(dir.path()).unwrap().is_empty(), "our own files have no such names");
}

#[test]
fn what_is_no_file_is_refused_and_nothing_waits() {
    let dir = kept("other", b"", 0o600);
    fs::create_dir(dir.path().join(KEY)).unwrap();
    let said = Credentials::from_directory(dir.path()).unwrap_err().to_string();
    assert!(said.contains("is not a regular file"), "{said}");
    fs::remove_dir(dir.path().join(KEY)).unwrap();
    nix::unistd::mkfifo(&dir.path().join(KEY), nix::sys::stat::Mode::S_IRUSR).unwrap();
    let said = Credentials::from_directory(dir.path()).unwrap_err().to_string();
    assert!(said.contains("is not a regular file"), "{said}");
    let said = Credentials::from_directory(&dir.path().join("other")).unwrap_err().to_string();
    assert!(said.contains("is not a directory"), "{said}");
}

#[test]
fn what_is_handed_on_arrives() {
    let all = Credentials::from_variables(|name| Some(format!("value of {name}=✓").into())).unwrap();
    let bytes = all.to_hand_on();
    assert_eq!(bytes.len(), bytes.capacity());
    let arrived = Credentials::handed_on(&bytes).unwrap();
    assert_eq!(values(&arrived), values(&all));
    assert_eq!(values(&arrived).len(), CREDENTIALS.len());
    assert!(Credentials::handed_on(&Credentials::default().to_hand_on()).unwrap().is_empty());
    for wrong in
        [&b"x"[..], b"\0", b"ANTHROPIC_API_KEY\0", b"ANTHROPIC_API_KEY=\0", b"HOME=x\0", b"ANTHROPIC_API_KEY=x"]
    {
        assert!(matches!(Credentials::handed_on(wrong), Err(CredentialError::Handed)), "{wrong:?}");
    }
}

#[test]
fn the_first_place_that_has_a_name_wins() {
    let all = one(KEY, "first").or(one(KEY, "second")).or(one("AWS_REGION", "eu-west-1"));
    assert_eq!(values(&all), [(KEY, "first".to_owned()), ("AWS_REGION", "eu-west-1".to_owned())]);
}

#[test]
fn nothing_prints_a_value() {
    let all = one(KEY, "hunter2");
    assert!(!format!("{all:?} {:?}", all.iter().collect::<Vec<_>>()).contains("hunter"));
    assert!(format!("{all:?}").contains(KEY));
}

#[test]
fn a_provider_says_what_it_lacks() {
    let lacking = |all: &Credentials| all.lacking(Provider::Claude).unwrap_or_default();
    assert!(lacking(&Credentials::default()).contains("ANTHROPIC_API_KEY"));
    assert!(!lacking(&Credentials::default()).contains("AWS_REGION"));
    assert!(!lacking(&one("ANTHROPIC_BASE_URL", "http://127.0.0.1")).is_empty());
    assert_eq!(lacking(&one(KEY, "x")), "");
    assert!(lacking(&one(BEDROCK, "x")).contains("AWS_REGION is not"));
    assert_eq!(lacking(&one(BEDROCK, "x").or(one(REGION, "eu-west-1"))), "");
    assert_eq!(lacking(&one(BEDROCK, "x").or(one(KEY, "x"))), "");
    assert_eq!(Credentials::default().lacking(Provider::Echo), None);
    assert!(one(KEY, "x").only(Provider::Echo).is_empty());
    assert_eq!(values(&one(KEY, "x").only(Provider::Claude)).len(), 1);
}

#[test]
fn every_name_is_a_file_name_and_a_variable() {
    for known in CREDENTIALS {
        assert!(known.name.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_'), "{known:?}");
        assert!(known.about.ends_with('.'), "{known:?}");
    }
}

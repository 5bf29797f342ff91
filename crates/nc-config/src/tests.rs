//! Whole configurations, good and bad, as they lie in a directory.

mod misplaced;
mod passed_over;

use std::error::Error as _;
use std::ffi::OsString;
use std::fs;
use std::os::unix::ffi::OsStringExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use proptest::prelude::*;
use tempfile::TempDir;

use crate::load::load_with;
use crate::{Config, ConfigError, Doorbell, Loaded, LogLevel, Options, Source, env_name, example};

/// A directory with these files; a name with a slash makes the directory before it.
fn installation(files: &[(&str, &[u8])]) -> TempDir {
    let dir = TempDir::new().unwrap();
    for (name, text) in files {
        let path = dir.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    dir
}

fn load_set(dir: &Path, environment: &[(&str, &str)], set: &[&str]) -> Result<Loaded, ConfigError> {
    let options = Options { dir: Some(dir.to_owned()), set: set.iter().map(|s| (*s).to_owned()).collect() };
    load_with(&options, environment.iter().map(|(name, value)| (name.into(), value.into())).collect())
}

fn load_text(text: &str) -> Result<Loaded, ConfigError> {
    load_set(installation(&[("nanoclaw.toml", text.as_bytes())]).path(), &[], &[])
}

/// The error with its causes, the directory written as `DIR`.
fn complaint(dir: &Path, result: Result<Loaded, ConfigError>) -> String {
    let error = result.expect_err("a bad configuration was taken");
    let cause = error.source().map(|cause| format!(": {cause}")).unwrap_or_default();
    format!("{error}{cause}").replace(dir.to_str().unwrap(), "DIR")
}

fn defaults() -> Config {
    load_text("").unwrap().config
}

#[test]
fn without_a_file_everything_is_default() {
    let dir = installation(&[]);
    let loaded = load_set(dir.path(), &[], &[]).unwrap();
    let config = &loaded.config;
    assert_eq!(config.assistant_name, "Andy");
    assert_eq!((config.max_runs, config.log_level), (5, LogLevel::Info));
    assert_eq!((config.idle_timeout, config.run_timeout), (Duration::from_secs(1800), Duration::from_secs(1800)));
    assert_eq!((config.max_output, config.provider), (10 << 20, crate::Provider::Auto));
    assert_eq!((config.model.as_str(), &config.claude_path), ("", &None));
    assert!(config.channel("terminal").enabled && !config.idle_exit && !config.assistant_has_own_number);
    assert!(!config.timezone_name.is_empty());
    assert_eq!(loaded.installation.run_dir(), dir.path().join("data/run"));
    assert!(loaded.settings.iter().all(|setting| setting.source == Source::Default), "{:?}", loaded.settings);
}

#[test]
fn the_example_names_every_key_and_is_the_defaults() {
    let lines = |line: &str| -> String {
        let is_prose = line.starts_with("# ") || line == "#";
        if is_prose { String::new() } else { line.trim_start_matches('#').to_owned() }
    };
    let uncommented: Vec<String> = example().lines().map(lines).collect();
    let loaded = load_text(&uncommented.join("\n")).unwrap();
    assert_eq!(loaded.config, defaults());
    let without_default = |key: &&crate::Key| key.default.is_some();
    let from_file = loaded.settings.iter().filter(|setting| setting.source != Source::Default).count();
    assert_eq!(from_file, crate::KEYS.iter().filter(without_default).count());
    for key in crate::KEYS {
        assert!(example().contains(key.name.rsplit('.').next().unwrap()), "{}", key.name);
        assert!(example().contains(key.about), "{}", key.name);
    }
}

#[test]
fn the_example_in_the_root_is_the_one_of_the_table() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../nanoclaw.toml.example");
    if std::env::var_os("UPDATE_EXAMPLE").is_some() {
        fs::write(&path, example()).unwrap();
    }
    let written = fs::read_to_string(path).unwrap();
    assert_eq!(written, example(), "run this test with UPDATE_EXAMPLE=1");
}

#[test]
fn an_option_wins_over_the_environment_over_files_over_the_default() {
    let dir = installation(&[
        ("nanoclaw.toml", b"max_runs = 1\nimage = 'a'\nassistant_name = 'A'\nlog_level = 'warn'\n"),
        ("nanoclaw.toml.d/20-b.toml", b"\n\nimage = 'c'"),
        ("nanoclaw.toml.d/10-a.toml", b"image = 'b'\nassistant_name = 'B'\n"),
        ("nanoclaw.toml.d/30-ignored.toml.off", b"image = "),
    ]);
    let environment = [("NANOCLAW_LOG_LEVEL", "debug"), ("NANOCLAW_MAX_RUNS", "2"), ("HOME", "/"), ("NANOCLAWX", "1")];
    let loaded = load_set(dir.path(), &environment, &["max_runs=3", "channels.terminal.enabled=false"]).unwrap();
    let shown: Vec<String> = loaded
        .settings
        .iter()
        .filter(|setting| setting.source != Source::Default)
        .map(|setting| format!("{} = {} ({})", setting.key, setting.value, setting.source))
        .collect();
    let file = |name: &str| dir.path().join(name).display().to_string();
    assert_eq!(
        shown,
        [
            format!("assistant_name = \"B\" ({}:2)", file("nanoclaw.toml.d/10-a.toml")),
            "log_level = \"debug\" (environment variable NANOCLAW_LOG_LEVEL)".to_owned(),
            "max_runs = 3 (option --set)".to_owned(),
            format!("image = \"c\" ({}:3)", file("nanoclaw.toml.d/20-b.toml")),
            "channels.terminal.enabled = false (option --set)".to_owned(),
        ]
    );
    assert_eq!((loaded.config.max_runs, loaded.config.log_level), (3, LogLevel::Debug));
}

#[test]
fn every_kind_of_value_is_read() {
    let text = "timezone = 'utc'\nidle_timeout = '1500ms'\nmax_output = '4KiB'\nrun_dir = '/run/x'\ndata_dir = 'd'\n\
                max_runs = 0x10\nassistant_name = 'Zoë Å'\nassistant_has_own_number = true\nruntime = 'bubblewrap'\n\
                [channels.terminal]\nenabled = false\ntrigger = '^bot\\b'\n[channels.'terminal:x']\nenabled = true\n";
    let loaded = load_text(text).unwrap();
    let config = &loaded.config;
    assert_eq!(config.timezone_name, "UTC");
    assert_eq!((config.idle_timeout, config.max_output, config.max_runs), (Duration::from_millis(1500), 4096, 16));
    assert_eq!(config.channel("terminal").trigger.as_deref(), Some("^bot\\b"));
    assert!(config.channel("terminal:x").enabled && !config.channel("terminal:y").enabled);
    assert!(
        loaded
            .installation
            .session_dir(nc_model::GroupId(1), "s")
            .outbound_db
            .ends_with("d/sessions/1/s/work/outbound.db")
    );
    assert_eq!(
        loaded.installation.doorbell(Doorbell::Channel("slack:acme")),
        PathBuf::from("/run/x/channel/slack@acme.sock")
    );
    assert_eq!(load_text("data_dir = 'd'").unwrap().config.run_dir, PathBuf::from("d/run"));
    assert_eq!(load_text("\u{feff}max_runs = 2\r\n").unwrap().config.max_runs, 2);
}

#[test]
fn what_drives_the_model_is_one_of_three_and_the_rest_may_be_empty() {
    let config = load_text("provider = 'claude'\nmodel = 'opus'\nclaude_path = 'bin/claude'").unwrap().config;
    assert_eq!((config.provider, config.model.as_str()), (crate::Provider::Claude, "opus"));
    assert_eq!(config.claude_path.as_deref(), Some(Path::new("bin/claude")));
    let cases = [
        ("provider = 'gpt'", "provider is \"gpt\": write one of \"auto\", \"echo\", \"claude\""),
        ("provider = ''", "provider is \"\": write one of \"auto\""),
        ("model = 'a b'", "model is \"a b\": write the name of a model"),
        ("claude_path = \"a\\u0000b\"", "claude_path is \"a\\0b\": write a path"),
    ];
    for (text, expected) in cases {
        let said = complaint(Path::new("/nowhere"), load_text(text));
        assert!(said.contains(expected), "{text:?}: {said}");
    }
}

#[test]
fn a_bad_file_is_named_with_line_key_and_what_is_allowed() {
    let long = format!("image = '{}'", "x".repeat(300));
    let cases: &[(&str, &str)] = &[
        ("max_runs = 0", "DIR/nanoclaw.toml:1: max_runs is 0: write a whole number from 1 to 1000"),
        ("\nmax_runs = '5'", "DIR/nanoclaw.toml:2: max_runs is \"5\": write a whole number from 1 to 1000"),
        ("max_runs = -1", "max_runs is -1: write"),
        ("max_runs = 1.5", "max_runs is a value of type float: write a whole number from 1 to 1000"),
        ("max_runs = 99999999999999999999999999999999999999999999", "write a whole number from 1 to 1000"),
        ("max_runs = [1]", "max_runs is a value of type array"),
        ("[max_runs]\nx = 1", "max_runs is a value of type table"),
        ("max_run = 1", "DIR/nanoclaw.toml:1: unknown key \"max_run\", did you mean \"max_runs\"?"),
        ("x = 1", "unknown key \"x\": `nanoclawctl config show` lists the keys"),
        ("'a\\nb' = 1", "unknown key \"a\\\\nb\""),
        ("a.b = 1", "unknown key \"a\""),
        ("max_runs = 1\nmax_runs = 2", "line 2 is not TOML: duplicate key"),
        ("max_runs", "\"DIR/nanoclaw.toml\" line 1 is not TOML"),
        ("a = \"\0\"", "line 1 is not TOML"),
        ("timezone = 'Mars/Olympus'", "timezone is \"Mars/Olympus\": write a name of the IANA list"),
        ("timezone = '../etc/passwd'", "timezone is \"../etc/passwd\": write"),
        ("timezone = ''", "timezone is \"\": write"),
        ("idle_timeout = '0s'", "idle_timeout is \"0s\": write a duration from \"1s\" to \"24h\", such as \"90s\""),
        ("idle_timeout = 30", "idle_timeout is 30: write a duration"),
        ("idle_timeout = '25h'", "idle_timeout is \"25h\": write a duration"),
        ("max_output = '10MB'", "max_output is \"10MB\": write a size from \"4KiB\" to \"1GiB\", such as \"10MiB\""),
        (
            "log_level = 'loud'",
            "log_level is \"loud\": write one of \"error\", \"warn\", \"info\", \"debug\", \"trace\"",
        ),
        ("log_level = 3", "log_level is 3: write one of"),
        (
            "runtime = 'docker'",
            "runtime is \"docker\": not available in this version, which has \"auto\", \"bubblewrap\"",
        ),
        ("assistant_name = ' '", "assistant_name is \" \": write 1 to 64 characters"),
        ("assistant_name = \"a\\nb\"", "assistant_name is \"a\\nb\": write 1 to 64 characters"),
        ("assistant_has_own_number = 'yes'", "assistant_has_own_number is \"yes\": write true or false"),
        ("image = '-v'", "image is \"-v\": write the name of an image"),
        (&long, "xxx…\": write the name of an image"),
        ("data_dir = ''", "data_dir is \"\": write a path"),
        ("data_dir = \"a\\u0000b\"", "data_dir is \"a\\0b\": write a path"),
        (
            "[channels.terminal]\ntrigger = ''",
            "nanoclaw.toml:2: channels.terminal.trigger is not valid: the pattern is empty",
        ),
        ("[channels.terminal]\ntrigger = '('", "the pattern \"(\" is not a regular expression: unclosed group"),
        ("[channels.terminal]\nx = 1", "unknown key \"channels.terminal.x\""),
        (
            "[channels.terminl]\nenabled = true",
            "nanoclaw.toml:1: unknown key \"channels.terminl\", did you mean \"channels.terminal\"?",
        ),
        ("channels = 1", "channels is not a table: write [channels] with keys below it"),
        ("channels.terminal = 1", "channels.terminal is not a table"),
    ];
    for (text, expected) in cases {
        let dir = installation(&[("nanoclaw.toml", text.as_bytes())]);
        let complaint = complaint(dir.path(), load_set(dir.path(), &[], &[]));
        assert!(complaint.contains(expected), "{text:?}\n got {complaint}\nwant {expected}");
        assert!(complaint.len() < 400 && complaint.lines().count() == 1, "{complaint}");
    }
}

#[test]
fn a_value_that_another_overrides_is_still_checked() {
    let dir = installation(&[("nanoclaw.toml", b"max_runs = 0")]);
    assert!(complaint(dir.path(), load_set(dir.path(), &[], &["max_runs=1"])).contains("max_runs is 0"));
}

#[test]
fn a_bad_variable_or_option_is_named() {
    type Case<'a> = (&'a [(&'a str, &'a str)], &'a [&'a str], &'a str);
    let dir = installation(&[]);
    let cases: &[Case<'_>] = &[
        (&[("NANOCLAW_MAX_RUNS", "many")], &[], "environment variable NANOCLAW_MAX_RUNS: max_runs is \"many\": write"),
        (&[("NANOCLAW_MAX_RUN", "1")], &[], "NANOCLAW_MAX_RUN: unknown key \"max_run\", did you mean \"max_runs\"?"),
        (&[("NANOCLAW_", "1")], &[], "environment variable NANOCLAW_: unknown key \"\""),
        (&[("NANOCLAW_CHANNELS__TERMINAL__TRIGGER", "")], &[], "the pattern is empty"),
        (&[], &["max_runs"], "option --set: \"max_runs\" is not KEY=VALUE, such as max_runs=3"),
        (&[], &["max_runs=\n"], "option --set: max_runs is \"\\n\": write"),
        (&[], &["=1"], "option --set: unknown key \"\""),
        (&[], &["dir=/x"], "unknown key \"dir\""),
        (&[], &["max_runs=1=2"], "max_runs is \"1=2\""),
    ];
    for (environment, set, expected) in cases {
        let complaint = complaint(dir.path(), load_set(dir.path(), environment, set));
        assert!(complaint.contains(expected), "{environment:?} {set:?}: {complaint}");
    }
    let raw = |name: &[u8], value: &[u8]| (OsString::from_vec(name.to_vec()), OsString::from_vec(value.to_vec()));
    let options = Options { dir: Some(dir.path().to_owned()), set: Vec::new() };
    let not_utf8 = load_with(&options, vec![raw(b"NANOCLAW_IMAGE", b"\xff")]);
    assert_eq!(complaint(dir.path(), not_utf8), "environment variable NANOCLAW_IMAGE: the value is not UTF-8");
    assert!(load_with(&options, vec![raw(b"NANOCLAW_\xff", b"1")]).is_err());
    assert!(load_with(&options, vec![raw(b"OTHER\xff", b"\xff")]).is_ok());
}

#[test]
fn what_is_no_file_is_named() {
    let huge = vec![b'#'; 1024 * 1024 + 1];
    let cases: &[(&str, &[u8], &str)] = &[
        ("nanoclaw.toml/x", b"", "\"DIR/nanoclaw.toml\" is not a configuration file: it is not a regular file"),
        ("nanoclaw.toml.d", b"", "cannot read \"DIR/nanoclaw.toml.d\": Not a directory"),
        ("nanoclaw.toml", b"a\n\xff", "\"DIR/nanoclaw.toml\" is not a configuration file: line 2 is not UTF-8"),
        ("nanoclaw.toml", &huge, "it is larger than 1048576 bytes"),
        ("nanoclaw.toml.d/a.toml", b"x", "\"DIR/nanoclaw.toml.d/a.toml\" line 1 is not TOML"),
    ];
    for (name, bytes, expected) in cases {
        let dir = installation(&[(name, bytes)]);
        let complaint = complaint(dir.path(), load_set(dir.path(), &[], &[]));
        assert!(complaint.contains(expected), "{name}: {complaint}");
    }
}

#[test]
fn a_pipe_in_place_of_the_file_does_not_hang() {
    let dir = installation(&[]);
    let mode = nix::sys::stat::Mode::S_IRUSR | nix::sys::stat::Mode::S_IWUSR;
    nix::unistd::mkfifo(&dir.path().join("nanoclaw.toml"), mode).unwrap();
    assert!(complaint(dir.path(), load_set(dir.path(), &[], &[])).contains("it is not a regular file"));
}

#[test]
fn a_file_or_directory_without_permission_is_named() {
    use std::os::unix::fs::PermissionsExt as _;
    let dir = installation(&[("nanoclaw.toml", b""), ("below/nanoclaw.toml", b"")]);
    let close = |name: &str| fs::set_permissions(dir.path().join(name), fs::Permissions::from_mode(0o000)).unwrap();
    close("nanoclaw.toml");
    close("below");
    fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
    // Root reads everything; the file system's user is this thread's own, so no other test notices.
    let nobody = nix::unistd::Uid::from_raw(65534);
    let before = nix::unistd::setfsuid(nobody);
    let of_file = load_set(dir.path(), &[], &[]);
    let of_directory = load_set(&dir.path().join("below"), &[], &[]);
    nix::unistd::setfsuid(before);
    let of_file = complaint(dir.path(), of_file);
    assert_eq!(of_file, "cannot read \"DIR/nanoclaw.toml\": Permission denied (os error 13)");
    let of_directory = complaint(dir.path(), of_directory);
    assert_eq!(of_directory, "cannot read \"DIR/below/nanoclaw.toml\": Permission denied (os error 13)");
    fs::set_permissions(dir.path().join("below"), fs::Permissions::from_mode(0o700)).unwrap();
}

#[test]
fn a_directory_that_is_not_there_is_named_with_who_gave_it() {
    let dir = installation(&[("file", b"")]);
    let missing = dir.path().join("missing");
    let by_option = complaint(dir.path(), load_set(&missing, &[], &[]));
    assert_eq!(
        by_option,
        "the installation \"DIR/missing\", given by option --dir, cannot be used: No such file or directory (os error 2)"
    );
    let by_variable =
        |path: PathBuf| load_with(&Options::default(), vec![(OsString::from("NANOCLAW_DIR"), path.into_os_string())]);
    let of_file = complaint(dir.path(), by_variable(dir.path().join("file")));
    assert_eq!(
        of_file,
        "the installation \"DIR/file\", given by environment variable NANOCLAW_DIR, cannot be used: not a directory"
    );
    assert!(complaint(dir.path(), by_variable(PathBuf::new())).contains("NANOCLAW_DIR"));
    assert_eq!(by_variable(dir.path().to_owned()).unwrap().installation.dir(), dir.path());
}

#[test]
fn options_reach_a_child_by_its_environment() {
    let set = ["max_runs=3", "channels.terminal.enabled=false", "odd"].map(str::to_owned).to_vec();
    let environment = Options { dir: None, set }.environment();
    let pairs: Vec<(&str, &str)> = environment.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    assert_eq!(pairs, [("NANOCLAW_MAX_RUNS", "3"), ("NANOCLAW_CHANNELS__TERMINAL__ENABLED", "false")]);
    let dir = installation(&[]);
    assert_eq!(load_set(dir.path(), &pairs, &[]).unwrap().config.max_runs, 3);
    assert_eq!(env_name("run_timeout"), "NANOCLAW_RUN_TIMEOUT");
}

/// Texts that are mostly made of what stands in a configuration.
fn soup() -> impl Strategy<Value = String> {
    let key =
        prop::sample::select(crate::KEYS.iter().map(|key| key.name.replace("<name>", "terminal")).collect::<Vec<_>>());
    let value = prop_oneof![
        Just("1".to_owned()),
        Just("true".to_owned()),
        Just("\"30m\"".to_owned()),
        Just("{ a = [1, 2.5] }".to_owned()),
        Just("1979-05-27T07:32:00Z".to_owned()),
        "\"[a-zA-Z0-9 ./-]{0,12}\"",
        ".{0,8}",
    ];
    let line = prop_oneof![(key, value).prop_map(|(key, value)| format!("{key} = {value}")), ".{0,12}"];
    prop::collection::vec(line, 0..5).prop_map(|lines| lines.join("\n"))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn any_file_is_read_or_refused_by_name(text in soup()) {
        if let Err(error) = load_text(&text) {
            prop_assert!(error.to_string().contains("nanoclaw.toml"), "{}", error);
        }
    }

    #[test]
    fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
        let dir = installation(&[("nanoclaw.toml", &bytes)]);
        if let Err(error) = load_set(dir.path(), &[], &[]) {
            prop_assert!(error.to_string().contains("nanoclaw.toml"), "{}", error);
        }
    }

    #[test]
    fn any_option_is_read_or_refused(set in prop_oneof![".{0,20}", "(max_runs|image|timezone|data_dir)=.{0,20}"]) {
        let dir = installation(&[]);
        if let Err(error) = load_set(dir.path(), &[], &[&set]) {
            prop_assert!(error.to_string().starts_with("option --set: "), "{}", error);
        }
    }

    #[test]
    fn what_config_show_prints_reads_back_as_the_same(runs in 1_u32..=1000, ms in 1000_u64..86_400_000, name in "[a-zA-Z\"'\\\\é]{1,20}") {
        let set = [format!("max_runs={runs}"), format!("idle_timeout={ms}ms"), format!("assistant_name={name}")];
        let dir = installation(&[]);
        let first = load_set(dir.path(), &[], &set.each_ref().map(String::as_str)).unwrap();
        let line = |setting: &crate::Setting| format!("{} = {}\n", setting.key, setting.value);
        let text: String = first.settings.iter().filter(|setting| !setting.value.is_empty()).map(line).collect();
        prop_assert_eq!(load_text(&text).unwrap().config, first.config);
    }
}

//! Credentials on their way to an agent: from the environment of `nanoclawctl up` or from files through memory to the
//! agent's standard input, and nowhere else. The agent is a stand-in that writes down what it gets.
#![expect(clippy::expect_used, reason = "a test stops at the first surprise")]

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use nc_testkit::{PATIENCE, Signal, Toolkit, claude_stand_in, processes, wait_for};
use serde_json::{Value, json};
use tempfile::TempDir;

/// A user that no machine knows by name.
const NOBODY_BY_NAME: u32 = 61_998;

const SECRET: &str = "hunter2-of-the-environment";

/// Keeps what it is told and stays, without an answer.
const AGENT: &str = "#!/bin/sh\ncd /workspace/agent\ncat >told.part\nenv >environment\nls -l /app/claude >binary 2>&1\n\
                     mv told.part told\nexec sleep 3600\n";

/// An installation whose agents keep what they are told.
struct House {
    kit: Toolkit,
    _programs: TempDir,
}

impl House {
    fn of(user: Option<u32>) -> Self {
        let programs = TempDir::new().expect("a directory");
        fs::set_permissions(programs.path(), Permissions::from_mode(0o755)).expect("a mode");
        for name in ["nanoclawctl", "nc-router", "nc-ipcd", "nc-runner"] {
            install(&nc_testkit::programs().join(name), &programs.path().join(name));
        }
        let agent = programs.path().join("script");
        fs::write(&agent, AGENT).expect("a script");
        install(&agent, &programs.path().join("nc-agent"));
        claude_stand_in(&programs.path().join("claude"), "version 2.1.331", None);
        let mut kit = match user {
            Some(user) => Toolkit::as_user_with_programs(user, programs.path()),
            None => Toolkit::with_programs(programs.path()),
        };
        kit.set(&format!("claude_path={}", programs.path().join("claude").display()));
        kit.ctl_ok(["group", "add", "Main", "--folder", "main", "--main"]);
        Self { kit, _programs: programs }
    }

    /// That of whoever runs the test and, where that is root, an ordinary user's too.
    fn each() -> Vec<Self> {
        let mut all = vec![Self::of(None)];
        if nix::unistd::geteuid().is_root() {
            all.push(Self::of(Some(NOBODY_BY_NAME)));
        } else {
            nc_testkit::skip("root's installation", "the test does not run as root");
        }
        all
    }

    fn group(&self, name: &str) -> PathBuf {
        self.kit.installation().groups_dir().join("main").join(name)
    }

    fn keep(&self, name: &str, value: &str) {
        let dir = self.kit.dir().join("credentials");
        fs::create_dir_all(&dir).expect("a directory");
        fs::write(dir.join(name), value).expect("a file");
        for (path, mode) in [(dir.join(name), 0o600), (dir, 0o700)] {
            fs::set_permissions(&path, Permissions::from_mode(mode)).expect("a mode");
            chown(&path, self.kit.user(), self.kit.user()).expect("an owner");
        }
    }

    /// Says something, and returns what the agent was told then.
    fn told(&self) -> Value {
        let user = self.kit.store().owners().expect("owners").remove(0);
        let user = user.strip_prefix("terminal:").expect("a user of a terminal").to_owned();
        let mut talk = self.kit.program("nanoclawctl");
        let talk = talk.args(["talk", "--once", "hello"]).stdout(Stdio::null()).stderr(Stdio::null());
        let mut talking = talk.spawn().expect("talk starts");
        let told = wait_for(PATIENCE, || fs::read_to_string(self.group("told")).ok());
        talking.kill().expect("it is there");
        talking.wait().expect("it ends");
        let told = told.unwrap_or_else(|| panic!("the agent was told nothing; {user}:\n{}", self.kit.log()));
        serde_json::from_str(&told).expect("a start object")
    }
}

/// By another process: a descriptor of ours could live on in a child of another test, and nobody could start it meanwhile.
fn install(from: &Path, to: &Path) {
    let copied = Command::new("install").args(["-m", "755"]).args([from, to]).status();
    assert!(copied.expect("install starts").success(), "{} is copied", from.display());
}

fn has(bytes: &[u8], part: &str) -> bool {
    bytes.windows(part.len()).any(|window| window == part.as_bytes())
}

/// What the environment, the arguments and the descriptors of `pid` show of the credentials.
fn shown(pid: i32) -> Vec<&'static str> {
    let of = |name: &str| fs::read(format!("/proc/{pid}/{name}")).unwrap_or_default();
    let mut shown = Vec::new();
    shown.extend(has(&of("environ"), SECRET).then_some("environ"));
    shown.extend(has(&of("cmdline"), SECRET).then_some("cmdline"));
    let links = fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
    let links = links.filter_map(|fd| fs::read_link(fd.path()).ok());
    shown.extend(links.map(|to| to.display().to_string()).any(|to| to.contains("nanoclaw-handover")).then_some("fd"));
    shown
}

/// The files below `dir` with a credential in them, but for those of the agent itself.
fn files_with_it(dir: &Path) -> Vec<PathBuf> {
    let grep = Command::new("grep").args(["-rlaF", SECRET]).arg(dir).output().expect("grep starts");
    let names = String::from_utf8_lossy(&grep.stdout).into_owned();
    names.lines().map(PathBuf::from).filter(|path| !path.ends_with("main/told")).collect()
}

#[test]
fn what_the_environment_of_up_has_reaches_the_agent_and_lies_nowhere_else() {
    for mut house in House::each() {
        house
            .kit
            .env("ANTHROPIC_API_KEY", SECRET)
            .env("ANTHROPIC_BASE_URL", "http://127.0.0.1:9")
            .env("AWS_REGION", "");
        house.kit.env("HTTPS_PROXY", "http://proxy.example:3128");
        house.keep("ANTHROPIC_API_KEY", "hunter2-of-a-file");
        house.keep("ANTHROPIC_MODEL", "a-model\n");
        house.kit.up();
        let told = house.told();
        let credentials = json!({"ANTHROPIC_API_KEY": SECRET, "ANTHROPIC_BASE_URL": "http://127.0.0.1:9", "ANTHROPIC_MODEL": "a-model"});
        assert_eq!((&told["credentials"], told["provider"].as_str()), (&credentials, Some("claude")));
        let environment = fs::read_to_string(house.group("environment")).expect("an environment");
        for line in ["IS_SANDBOX=1", "CLAUDE_CONFIG_DIR=/home/node/.claude", "HTTPS_PROXY=http://proxy.example:3128"] {
            assert!(environment.lines().any(|given| given == line), "{line} is not in\n{environment}");
        }
        assert!(!environment.contains("hunter2"), "{environment}");
        let binary = fs::read_to_string(house.group("binary")).expect("a binary");
        assert!(binary.starts_with("-rwxr-xr-x"), "{binary}");

        let up = house.kit.up_ref().pid();
        // The test would see it: `up` was given it by its environment, and holds the memory. Only root sees that.
        let root_sees: &[&str] = if nix::unistd::geteuid().is_root() { &["environ", "fd"] } else { &[] };
        assert_eq!(shown(up), root_sees);
        // The agent itself, as which it goes on.
        assert_ne!(house.kit.process("sleep").pid, up);
        let below = processes::below(up);
        for name in ["nc-router", "nc-ipcd", "nc-runner", "bwrap", "sleep"] {
            assert!(below.iter().any(|process| process.name == name), "there is no {name}");
        }
        for process in below {
            assert_eq!(shown(process.pid), Vec::<&str>::new(), "{process:?}");
        }
        if house.kit.user().is_some() {
            let owner = |pid: i32| fs::metadata(format!("/proc/{pid}/environ")).expect("a process").uid();
            assert_eq!(owner(house.kit.process("nc-router").pid), NOBODY_BY_NAME, "this test could not tell");
            assert_eq!((owner(up), owner(house.kit.process("nc-runner").pid)), (0, 0), "others of its user may look");
        }
        assert_eq!(files_with_it(house.kit.beside()), Vec::<PathBuf>::new());
        assert!(!house.kit.log().contains("hunter2"), "{}", house.kit.log());
        assert_eq!(house.kit.stop(Signal::SIGTERM), Some(0));
    }
}

#[test]
fn an_agent_gets_what_its_provider_uses_and_nothing_where_it_uses_nothing() {
    let mut house = House::of(None);
    house.kit.env("ANTHROPIC_API_KEY", SECRET);
    house.kit.ctl_ok(["group", "edit", "main", "--provider", "echo"]);
    house.kit.up();
    let told = house.told();
    assert_eq!((&told["credentials"], told["provider"].as_str()), (&json!({}), Some("echo")));
    assert!(fs::read_to_string(house.group("binary")).expect("a look").contains("No such file"));
    let environment = fs::read_to_string(house.group("environment")).expect("an environment");
    assert!(!environment.contains("IS_SANDBOX"), "{environment}");
}

#[test]
fn without_a_credential_the_echo_stands_in_and_does_not_get_the_models_name() {
    let mut house = House::of(None);
    house.kit.set("model=opus");
    house.kit.up();
    let told = house.told();
    assert_eq!((told["provider"].as_str(), told.get("model")), (Some("echo"), None), "{told}");
}

#[test]
fn what_cannot_be_had_is_said_to_whoever_starts_it() {
    let mut house = House::of(None);
    let run = |house: &House| -> Output { nc_testkit::finish(house.kit.program("nanoclawctl").arg("run")) };
    let said = |output: &Output| String::from_utf8_lossy(&output.stderr).into_owned();
    let output = run(&house);
    assert!(
        output.status.success() && said(&output).contains("no model answers, only the echo: there is no credential")
    );
    house.kit.set("provider=claude");
    let output = run(&house);
    assert_eq!(output.status.code(), Some(78), "{}", said(&output));
    assert!(
        said(&output).contains("the provider is claude, which cannot work: there is no credential"),
        "{}",
        said(&output)
    );
    house.kit.env("ANTHROPIC_API_KEY", SECRET);
    let output = run(&house);
    assert!(said(&output).contains("Claude Code 2.1.331 answers"), "{}", said(&output));
    assert!(said(&output).contains("with ANTHROPIC_API_KEY (environment)"), "{}", said(&output));
    assert_eq!(said(&output).matches("nanoclawctl: ").count(), 1, "{}", said(&output));
    house.kit.env("ANTHROPIC_API_KEY", "two\nlines");
    let output = run(&house);
    assert_eq!(output.status.code(), Some(78), "{}", said(&output));
    assert!(said(&output).contains("environment variable ANTHROPIC_API_KEY has a line break"), "{}", said(&output));
}

#[test]
fn where_only_the_binary_is_missing_it_is_fetched_and_where_that_fails_the_echo_answers() {
    let mut kit = Toolkit::new();
    let bin = kit.beside().join("bin");
    fs::create_dir(&bin).expect("a directory");
    let npm = kit.beside().join("npm");
    fs::write(&npm, "#!/bin/sh\necho \"npm was asked for $7 $ANTHROPIC_API_KEY\" >&2\nexit 1\n").expect("a script");
    install(&npm, &bin.join("npm"));
    kit.env("PATH", &bin.display().to_string()).env("ANTHROPIC_API_KEY", SECRET);
    let run = |kit: &Toolkit| {
        let input = kit.beside().join("input");
        fs::write(&input, "hello\n").expect("an input");
        let input = fs::File::open(&input).expect("an input");
        let output = nc_testkit::finish(kit.program("nanoclawctl").arg("run").stdin(input));
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (output.status.code(), text(&output.stdout), text(&output.stderr))
    };
    let (status, printed, said) = run(&kit);
    assert_eq!(status, Some(0), "{said}");
    assert!(printed.starts_with("You said: hello\n"), "{printed}");
    for words in
        ["it is fetched", "npm was asked for", "could not be fetched", "no model answers, only the echo: there is no"]
    {
        assert_eq!(said.matches(words).count(), 1, "{words:?}: {said}");
    }
    assert!(!said.contains(SECRET), "{said}");
    kit.set("provider=claude");
    let (status, printed, said) = run(&kit);
    assert_eq!((status, printed.as_str()), (Some(78), ""), "{said}");
    assert!(said.contains("the provider is claude, which cannot work: there is no Claude Code binary"), "{said}");
}

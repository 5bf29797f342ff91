//! An installation with a credential and a binary, as root's and as an ordinary user's.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;
use std::thread::{self, JoinHandle};

use nc_testkit::messages_api::{MessagesApi, Reply, Request};
use nc_testkit::processes::{self, Process};
use nc_testkit::{PATIENCE, Toolkit, finish, wait_for};
use serde_json::{Value, json};

/// A user that no machine knows by name.
pub(crate) const NOBODY_BY_NAME: u32 = 61_997;

/// The credential, which nobody but the API may see.
pub(crate) const KEY: &str = "sk-ant-dummy-0123456789abcdef";

/// An installation that runs, and the API that it asks.
pub(crate) struct House {
    pub(crate) kit: Toolkit,
    pub(crate) api: MessagesApi,
}

/// An empty installation of whoever runs the test and, where that is root, one of an ordinary user.
pub(crate) fn kits() -> Vec<Toolkit> {
    let mut all = vec![Toolkit::new()];
    if nix::unistd::geteuid().is_root() {
        all.push(Toolkit::as_user(NOBODY_BY_NAME));
    } else {
        nc_testkit::skip("root's installation with Claude Code", "the test does not run as root");
    }
    all
}

impl House {
    /// One whose API gives these replies to the turns of its conversation; none where there is no real binary.
    pub(crate) fn scripted(what: &str, kit: Toolkit, replies: impl IntoIterator<Item = Reply>) -> Option<Self> {
        Self::real(what, kit, MessagesApi::scripted(replies).expect("an API"))
    }

    /// One with the real binary.
    pub(crate) fn real(what: &str, kit: Toolkit, api: MessagesApi) -> Option<Self> {
        let binary = nc_testkit::real_claude(what)?;
        let own = kit.beside().join("claude");
        // Where every user reaches it; a checkout may lie below a directory that only its owner enters.
        if fs::hard_link(&binary, &own).is_err() {
            fs::copy(&binary, &own).expect("the binary is copied");
        }
        Some(Self::with(kit, api, &own))
    }

    /// One with this binary.
    pub(crate) fn with(mut kit: Toolkit, api: MessagesApi, binary: &Path) -> Self {
        kit.env("ANTHROPIC_API_KEY", KEY).env("ANTHROPIC_BASE_URL", &api.url());
        kit.set(&format!("claude_path={}", binary.display()));
        kit.ctl_ok(["group", "add", "Main", "--folder", "main", "--main"]);
        kit.up();
        Self { kit, api }
    }

    /// Says `text`, and returns what is printed until it is dealt with.
    pub(crate) fn says(&self, text: &str) -> String {
        let output = self.kit.talk_once(text);
        let (printed, said) = (string(&output.stdout), string(&output.stderr));
        assert!(output.status.success(), "{}\n{printed}{said}\n{}", output.status, self.about());
        printed
    }

    /// Says `text`; the reply is waited for in another thread, which gives what talk did.
    pub(crate) fn begins_to_say(&self, text: &str) -> JoinHandle<Output> {
        let mut command = self.kit.program("nanoclawctl");
        command.args(["talk", "--once", text]);
        thread::spawn(move || finish(&mut command))
    }

    /// The turns of the conversation so far.
    pub(crate) fn turns(&self) -> Vec<Request> {
        self.api.requests().into_iter().filter(Request::is_turn).collect()
    }

    /// The process of Claude Code: the child of nc-agent.
    pub(crate) fn claude(&self) -> Process {
        let agent = self.kit.process("nc-agent");
        let child = || processes::below(agent.pid).into_iter().find(|process| process.parent == agent.pid);
        wait_for(PATIENCE, child).unwrap_or_else(|| panic!("the agent has no Claude Code\n{}", self.about()))
    }

    /// A file in the main group's folder.
    pub(crate) fn group(&self, name: &str) -> PathBuf {
        self.kit.installation().groups_dir().join("main").join(name)
    }

    /// Every message has ended in one way, and nothing was sent twice.
    pub(crate) fn balances(&self) {
        let check = self.kit.ctl(["ledger", "--check"]);
        assert!(check.status.success(), "{}\n{}", string(&check.stdout), self.about());
    }

    /// What the programs and the agents said, for a test that fails.
    pub(crate) fn about(&self) -> String {
        let logs = self.group("logs");
        let logs = fs::read_dir(logs).into_iter().flatten().flatten().map(|entry| entry.path());
        let agents: Vec<_> = logs.map(|log| fs::read_to_string(log).unwrap_or_default()).collect();
        format!("{}\n{}", self.kit.log(), agents.join("\n--\n"))
    }
}

/// A turn that runs a shell command.
pub(crate) fn bash(command: &str) -> Reply {
    Reply::tool("Bash", json!({"command": command, "timeout": 100_000, "description": "a command"}))
}

/// Everything that a request says, as one text.
pub(crate) fn whole(request: &Request) -> String {
    request.body.to_string()
}

/// What the newest result of a tool in a request says.
pub(crate) fn tool_result(request: &Request) -> String {
    let messages = request.body["messages"].as_array().cloned().unwrap_or_default();
    let parts = messages.iter().rev().filter_map(|message| message["content"].as_array());
    let result = parts.flatten().find(|part| part["type"] == "tool_result").expect("a tool's result");
    match &result["content"] {
        Value::String(text) => text.clone(),
        parts => parts.as_array().into_iter().flatten().filter_map(|part| part["text"].as_str()).collect(),
    }
}

pub(crate) fn string(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

//! The provider claude with the real Claude Code, and a model's API that says what a test tells it to.

mod archive;
mod errors;
mod files;
mod lost;
mod places;
mod stand_in;
mod tls;
mod turns;

use std::ffi::OsString;
use std::fs;
use std::path::PathBuf;
use std::process::Stdio;

use nc_testkit::messages_api::{MessagesApi, Reply, Request};
use nc_testkit::processes;
use nc_wire::start::{Credentials, StartObject};
use serde_json::json;

use crate::session::{Agent, Session, program, start_object};

/// The credential, which nobody but the API may see.
const KEY: &str = "sk-ant-secret-0123456789";

/// A session whose agent is Claude Code.
struct House {
    session: Session,
    api: MessagesApi,
    binary: PathBuf,
}

impl House {
    /// One whose API gives these replies to the turns of its conversation.
    fn new(what: &str, replies: impl IntoIterator<Item = Reply>) -> Option<Self> {
        Self::with(what, MessagesApi::scripted(replies).expect("an API"))
    }

    fn with(what: &str, api: MessagesApi) -> Option<Self> {
        let binary = nc_testkit::real_claude(what)?;
        Some(Self::with_binary(binary, api))
    }

    fn with_binary(binary: PathBuf, api: MessagesApi) -> Self {
        let session = Session::new();
        for directory in ["agent", "global", "home"] {
            fs::create_dir(session.work().join(directory)).expect("a directory");
        }
        Self { session, api, binary }
    }

    fn object(&self) -> StartObject {
        let given = [("ANTHROPIC_API_KEY", KEY.to_owned()), ("ANTHROPIC_BASE_URL", self.api.url())];
        let credentials = Credentials(given.map(|(name, value)| (name.to_owned(), value)).into());
        StartObject { provider: "claude".to_owned(), credentials, ..start_object("") }
    }

    fn start(&self) -> Agent {
        self.start_with(&self.object(), &[])
    }

    fn start_with(&self, object: &StartObject, arguments: &[&str]) -> Agent {
        self.start_in(object, arguments, &[])
    }

    fn start_in(&self, object: &StartObject, arguments: &[&str], environment: &[(&str, OsString)]) -> Agent {
        let mut command = program(&self.session.work());
        let path = std::env::var_os("PATH").expect("a PATH");
        command.env("PATH", path).env("HOME", self.session.work().join("home"));
        command.arg("--claude").arg(&self.binary).args(arguments).envs(environment.iter().map(|(n, v)| (n, v)));
        command.stdin(Stdio::piped()).stderr(self.session.log_file());
        Agent::start(&mut command, &object.to_json())
    }

    /// The turns of the conversation so far.
    fn turns(&self) -> Vec<Request> {
        self.api.requests().into_iter().filter(Request::is_turn).collect()
    }

    /// The process of Claude Code that an agent has.
    fn claude_of(agent: &Agent) -> i32 {
        let own = i32::try_from(agent.id()).expect("a process id");
        let children: Vec<i32> = processes::below(own).iter().filter(|p| p.parent == own).map(|p| p.pid).collect();
        assert_eq!(children.len(), 1, "one process of Claude Code: {children:?}");
        children[0]
    }

    /// A file that a shell command waits for, and the command.
    fn gate(&self, name: &str) -> (PathBuf, String) {
        let gate = self.session.work().join(name);
        let command = format!("while [ ! -e '{}' ]; do sleep 0.02; done; echo open", gate.display());
        (gate, command)
    }
}

/// A turn that runs a shell command.
fn bash(command: &str) -> Reply {
    Reply::tool("Bash", json!({"command": command, "timeout": 50_000, "description": "a command"}))
}

/// Everything that a request says, as one text.
fn whole(request: &Request) -> String {
    request.body.to_string()
}

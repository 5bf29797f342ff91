//! A conversation, kept as Markdown before Claude Code makes it shorter.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use jiff::ZonedDateTime;
use jiff::tz::TimeZone;
use serde_json::Value;

use crate::parts::beginning;

/// How much of a transcript is read, and how much of it a line may be, in bytes. Guesses: what is longer holds images.
const MAX_TRANSCRIPT: u64 = 256 * 1024 * 1024;
const MAX_LINE: usize = 4 * 1024 * 1024;

/// How much of one entry is kept, in bytes, as NanoClaw always had it; and how many entries, the newest. With both the file has
/// 10 MB at most.
const MAX_ENTRY: usize = 2000;
const MAX_ENTRIES: usize = 5000;

/// How long the part of the name is that tells what it was about.
const MAX_SLUG: usize = 50;

/// How many conversations of one name there may be on a day.
const MAX_NAMESAKES: u32 = 1000;

/// One thing that was said.
#[derive(Debug, PartialEq, Eq)]
struct Entry {
    by_agent: bool,
    text: String,
}

/// What a transcript holds of a conversation.
#[derive(Debug, Default)]
struct Conversation {
    title: Option<String>,
    entries: std::collections::VecDeque<Entry>,
    left_out: usize,
}

/// Writes what was said in `transcript` into a new file of `directory`, and returns which.
///
/// The file is called by the day and by what the conversation was about.
pub(super) fn keep(transcript: &Path, directory: &Path, agent: &str, zone: &TimeZone) -> io::Result<PathBuf> {
    let conversation = read(BufReader::new(File::open(transcript)?.take(MAX_TRANSCRIPT)))?;
    let now = jiff::Timestamp::now().to_zoned_datetime(zone.clone());
    nc_failpoint::before("archive", "make_directory")?;
    fs::create_dir_all(directory)?;
    let slug = conversation.slug().unwrap_or_else(|| format!("conversation-{}", now.strftime("%H%M")));
    let (path, mut file) = create(directory, &format!("{}-{slug}", now.strftime("%Y-%m-%d")))?;
    nc_failpoint::before("archive", "write")?;
    file.write_all(conversation.markdown(agent, &now).as_bytes())?;
    Ok(path)
}

fn create(directory: &Path, name: &str) -> io::Result<(PathBuf, File)> {
    let mut options = File::options();
    options.write(true).create_new(true).mode(0o640);
    for number in 1..=MAX_NAMESAKES {
        let suffix = if number == 1 { String::new() } else { format!("-{number}") };
        let path = directory.join(format!("{name}{suffix}.md"));
        nc_failpoint::before("archive", "create")?;
        match options.open(&path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            opened => return opened.map(|file| (path, file)),
        }
    }
    Err(io::Error::other("there are too many of this name"))
}

fn read(mut transcript: impl io::BufRead) -> io::Result<Conversation> {
    let mut conversation = Conversation::default();
    let mut line = Vec::new();
    loop {
        line.clear();
        let length = transcript.by_ref().take(MAX_LINE as u64).read_until(b'\n', &mut line)?;
        if length == 0 {
            return Ok(conversation);
        }
        // What is cut off is no JSON, and neither is the rest of it.
        if let Ok(value) = serde_json::from_slice(&line) {
            conversation.add(&value);
        }
    }
}

impl Conversation {
    fn add(&mut self, line: &Value) {
        let text = |name: &str| line[name].as_str().filter(|text| !text.trim().is_empty());
        if let Some(title) = text("customTitle").or(text("aiTitle")).or(text("summary")) {
            self.title = Some(title.to_owned());
        }
        let by_agent = match line["type"].as_str() {
            Some("user") => false,
            Some("assistant") => true,
            _ => return,
        };
        // What helpers said to each other, and what Claude Code said to the model, is no part of the conversation.
        if line["isSidechain"] == true || line["isMeta"] == true {
            return;
        }
        let said = said(&line["message"]["content"]);
        if said.trim().is_empty() {
            return;
        }
        if self.entries.len() == MAX_ENTRIES {
            self.entries.pop_front();
            self.left_out += 1;
        }
        let kept = beginning(&said, MAX_ENTRY);
        let text = if kept.len() < said.len() { format!("{kept}…") } else { said };
        self.entries.push_back(Entry { by_agent, text });
    }

    /// What it was about, in small letters, figures and hyphens; none where that leaves nothing.
    fn slug(&self) -> Option<String> {
        let first = || self.entries.iter().find(|entry| !entry.by_agent).map(|entry| without_markup(&entry.text));
        let title = self.title.clone().or_else(first)?;
        let mut slug = String::new();
        for c in title.chars().flat_map(char::to_lowercase) {
            match c {
                c if c.is_alphanumeric() => slug.push(c),
                _ if slug.is_empty() || slug.ends_with('-') => {}
                _ => slug.push('-'),
            }
            if slug.len() >= MAX_SLUG {
                break;
            }
        }
        let slug = slug.trim_end_matches('-');
        (!slug.is_empty()).then(|| slug.to_owned())
    }

    fn markdown(&self, agent: &str, now: &ZonedDateTime) -> String {
        let title = self.title.as_deref().unwrap_or("Conversation").replace(char::is_control, " ");
        let mut text = format!("# {title}\n\nKept {}.\n", now.strftime("%Y-%m-%d %H:%M"));
        if self.left_out > 0 {
            // Writing to a String cannot fail.
            _ = writeln!(text, "\n({} earlier entries are left out.)", self.left_out);
        }
        for entry in &self.entries {
            let who = if entry.by_agent { agent } else { "User" };
            _ = writeln!(text, "\n---\n\n**{who}**: {}", entry.text);
        }
        text
    }
}

/// The texts of a message, and which tools it used.
fn said(content: &Value) -> String {
    match content {
        Value::String(text) => text.clone(),
        Value::Array(blocks) => blocks.iter().filter_map(block).collect::<Vec<_>>().join("\n"),
        _ => String::new(),
    }
}

fn block(block: &Value) -> Option<String> {
    match block["type"].as_str()? {
        "text" => block["text"].as_str().map(str::to_owned),
        "tool_use" => Some(format!("({})", block["name"].as_str()?)),
        _ => None,
    }
}

/// The text between the tags of a prompt.
fn without_markup(text: &str) -> String {
    let mut plain = String::new();
    let mut in_tag = false;
    for c in text.chars() {
        match c {
            '<' => in_tag = true,
            '>' if in_tag => {
                in_tag = false;
                plain.push(' ');
            }
            c if !in_tag => plain.push(c),
            _ => {}
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use tempfile::TempDir;

    use super::*;

    fn kept(lines: &[Value], directory: &Path) -> (String, String) {
        let transcript = directory.join("transcript.jsonl");
        let text: Vec<String> = lines.iter().map(Value::to_string).collect();
        fs::write(&transcript, text.join("\n")).unwrap();
        let path = keep(&transcript, &directory.join("conversations"), "Andy", &TimeZone::UTC).unwrap();
        (path.file_name().unwrap().to_str().unwrap().to_owned(), fs::read_to_string(path).unwrap())
    }

    fn user(content: &Value) -> Value {
        json!({"type": "user", "message": {"content": content}})
    }

    #[test]
    fn what_was_said_is_kept_under_a_name_that_tells_what_it_was() {
        let root = TempDir::new().unwrap();
        let today = jiff::Timestamp::now().to_zoned_datetime(TimeZone::UTC).strftime("%Y-%m-%d").to_string();
        let lines = [
            json!({"type": "queue-operation", "content": "not this"}),
            user(&json!("<context timezone=\"UTC\"/>\n<message id=\"2\" from=\"home\">Où est le café?</message>")),
            json!({"type": "assistant", "message": {"content": [
                {"type": "thinking", "thinking": "not this"},
                {"type": "tool_use", "name": "Bash", "input": {}},
                {"type": "text", "text": "Here."},
            ]}}),
            user(&json!([{"type": "tool_result", "content": "not this"}])),
            json!({"type": "user", "isMeta": true, "message": {"content": "not this"}}),
            json!({"type": "assistant", "isSidechain": true, "message": {"content": "not this"}}),
            user(&json!("x".repeat(3000))),
        ];
        let (name, text) = kept(&lines, root.path());
        assert_eq!(name, format!("{today}-où-est-le-café.md"));
        assert!(text.contains("**User**: <context") && text.contains("**Andy**: (Bash)\nHere.\n"), "{text}");
        assert!(text.contains(&format!("{}…", "x".repeat(2000))) && !text.contains("not this"), "{text}");
        let (again, _) = kept(&lines, root.path());
        assert_eq!(again, format!("{today}-où-est-le-café-2.md"));
        let (titled, text) = kept(&[json!({"type": "summary", "summary": "../A  Trip/to\nRome!"})], root.path());
        assert_eq!(titled, format!("{today}-a-trip-to-rome.md"));
        assert!(text.starts_with("# ../A  Trip/to Rome!\n"));
    }

    #[test]
    fn a_name_is_never_empty_or_too_long() {
        let root = TempDir::new().unwrap();
        let (name, _) = kept(&[], root.path());
        assert!(name[10..].starts_with("-conversation-"), "{name}");
        let (name, _) = kept(&[user(&json!("???"))], root.path());
        assert!(name[10..].starts_with("-conversation-"), "{name}");
        let (name, _) = kept(&[user(&json!("字".repeat(200)))], root.path());
        assert!(name.len() < 80, "{name}");
    }

    #[test]
    fn of_a_long_conversation_the_newest_is_kept() {
        let root = TempDir::new().unwrap();
        let lines: Vec<Value> = (0..MAX_ENTRIES + 3).map(|n| user(&json!(format!("entry {n}.")))).collect();
        let (_, text) = kept(&lines, root.path());
        assert!(
            text.contains("(3 earlier entries are left out.)")
                && !text.contains("entry 2.")
                && text.contains("entry 3.")
        );
    }
}

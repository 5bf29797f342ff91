//! What the router itself answers to a command.

use std::fs;
use std::io;
use std::path::Path;

use nc_model::command::Does;
use nc_store::Figures;

/// How many names of a folder are shown, and how many are looked at. Guesses: what a person reads in a chat, and what takes
/// a few milliseconds.
const SHOWN: usize = 100;
const LOOKED_AT: usize = 10_000;

/// How much of one name is shown, in characters.
const NAME_CHARS: usize = 100;

/// Whether a command ends the session.
pub(crate) fn closes(does: Does) -> bool {
    does == Does::Clear
}

/// The answer to a command, in a session that has used `figures`; none where there is no session yet.
pub(crate) fn answer(does: Does, folder: &Path, figures: Option<Figures>) -> String {
    let used = || figures.map_or_else(|| "There is no session yet.".to_owned(), |figures| words(&figures));
    match does {
        Does::Clear => "Session cleared.".to_owned(),
        Does::Compact => "There is nothing to compact: this agent's model keeps no conversation.".to_owned(),
        Does::Context => format!("This agent's model does not say what it holds. {}", used()),
        Does::Cost => used(),
        Does::Files => listing(folder).unwrap_or_else(|error| format!("The group's folder cannot be listed: {error}.")),
        Does::Nothing => String::new(),
    }
}

fn words(figures: &Figures) -> String {
    let Figures { runs, turns, input_tokens, output_tokens, cost_usd } = figures;
    let cost = cost_usd.map_or_else(|| "no cost is known".to_owned(), |usd| format!("{usd:.4} USD"));
    format!(
        "This session, as counted by the host: runs {runs}, turns {turns}, input tokens {input_tokens}, output tokens {output_tokens}; {cost}."
    )
}

/// The names in a folder, each on its line, bounded. Nothing there is opened or followed: an agent made it.
fn listing(folder: &Path) -> io::Result<String> {
    let (mut names, mut more) = (Vec::new(), false);
    for entry in fs::read_dir(folder)? {
        if names.len() >= LOOKED_AT {
            more = true;
            break;
        }
        let entry = entry?;
        let is_dir = entry.file_type().is_ok_and(|kind| kind.is_dir());
        names.push(shown(&entry.file_name().to_string_lossy(), is_dir));
    }
    if names.is_empty() {
        return Ok("The group's folder is empty.".to_owned());
    }
    names.sort_unstable();
    let left = names.len().saturating_sub(SHOWN);
    names.truncate(SHOWN);
    if left > 0 || more {
        let at_least = if more { "at least " } else { "" };
        names.push(format!("… and {at_least}{left} more"));
    }
    Ok(format!("Files of the group:\n{}", names.join("\n")))
}

fn shown(name: &str, is_dir: bool) -> String {
    let mut text: String = name.chars().take(NAME_CHARS).map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect();
    if name.chars().count() > NAME_CHARS {
        text.push('…');
    }
    if is_dir {
        text.push('/');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_listed_by_name_and_within_bounds() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path();
        assert_eq!(answer(Does::Files, folder, None), "The group's folder is empty.");
        fs::create_dir(folder.join("notes")).unwrap();
        fs::write(folder.join("CLAUDE.md"), "x").unwrap();
        fs::write(folder.join("two\nlines"), "x").unwrap();
        std::os::unix::fs::symlink("/etc", folder.join("link")).unwrap();
        let expected = "Files of the group:\nCLAUDE.md\nlink\nnotes/\ntwo\u{fffd}lines";
        assert_eq!(answer(Does::Files, folder, None), expected);
        for n in 0..200 {
            fs::write(folder.join(format!("z{n:03}{}", "é".repeat(100))), "").unwrap();
        }
        let long = answer(Does::Files, folder, None);
        assert!(long.ends_with("… and 104 more") && long.lines().count() == 102, "{long}");
        assert!(long.len() < 30_000);
        let gone = answer(Does::Files, &folder.join("nowhere"), None);
        assert!(gone.starts_with("The group's folder cannot be listed: "), "{gone}");
    }

    #[test]
    fn figures_are_told_and_their_absence_too() {
        let figures = Figures { runs: 2, turns: 3, input_tokens: 40, output_tokens: 5, cost_usd: Some(0.25) };
        let cost = answer(Does::Cost, Path::new("/"), Some(figures));
        let expected =
            "This session, as counted by the host: runs 2, turns 3, input tokens 40, output tokens 5; 0.2500 USD.";
        assert_eq!(cost, expected);
        let free = answer(Does::Cost, Path::new("/"), Some(Figures { cost_usd: None, ..figures }));
        assert!(free.ends_with("no cost is known."), "{free}");
        assert_eq!(answer(Does::Cost, Path::new("/"), None), "There is no session yet.");
        assert!(answer(Does::Context, Path::new("/"), Some(figures)).contains("runs 2"));
    }
}

//! Commands that people write to agents: a first word that begins with `/`.

use crate::access::Standing;
use crate::rule;

/// One command that is not simply text for the agent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Command {
    name: &'static str,
    does: Does,
    /// Whether a model that has commands of its own is given it.
    native: bool,
}

/// What a command asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Does {
    /// A new session: what was said before is forgotten.
    Clear,
    /// The conversation made shorter.
    Compact,
    /// How much of the conversation the model holds.
    Context,
    /// What the session has cost.
    Cost,
    /// The names in the group's folder.
    Files,
    /// Something of the program that drives the model: nothing that a chat may ask for.
    Nothing,
}

/// Every command, in the order in which people are told of them. The first five are for owners and admins.
const COMMANDS: &[Command] = &[
    Command { name: "/clear", does: Does::Clear, native: false },
    Command { name: "/compact", does: Does::Compact, native: true },
    Command { name: "/context", does: Does::Context, native: true },
    Command { name: "/cost", does: Does::Cost, native: true },
    Command { name: "/files", does: Does::Files, native: false },
    Command { name: "/help", does: Does::Nothing, native: false },
    Command { name: "/login", does: Does::Nothing, native: false },
    Command { name: "/logout", does: Does::Nothing, native: false },
    Command { name: "/doctor", does: Does::Nothing, native: false },
    Command { name: "/config", does: Does::Nothing, native: false },
    Command { name: "/remote-control", does: Does::Nothing, native: false },
];

/// What becomes of a command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Gate {
    /// The agent's model is given it as it stands.
    Native,
    /// The router carries it out and answers.
    Do(Does),
    /// The router answers with these words; the second is the rule that decided.
    Refuse(String, &'static str),
}

/// Decides on a text that would engage an agent; none where it is no command of ours and goes to the agent.
///
/// The first word counts, in any case. `native` says whether what drives the agent's model has commands of its own.
#[must_use]
pub fn gate(text: &str, standing: Standing, native: bool) -> Option<Gate> {
    let word = text.split_whitespace().next().filter(|word| word.starts_with('/'))?;
    let command = COMMANDS.iter().find(|command| command.name.eq_ignore_ascii_case(word))?;
    Some(if command.does == Does::Nothing {
        Gate::Refuse(format!("{} does not reach an agent. {}", command.name, allowed()), rule::COMMAND_CLOSED)
    } else if !standing.may_manage() {
        Gate::Refuse(format!("{} needs an admin.", command.name), rule::COMMAND_REFUSED)
    } else if command.native && native {
        Gate::Native
    } else {
        Gate::Do(command.does)
    })
}

/// What people may write, in words.
fn allowed() -> String {
    let names: Vec<&str> = COMMANDS.iter().filter(|c| c.does != Does::Nothing).map(|c| c.name).collect();
    let (last, first) = names.split_last().unwrap_or((&"", &[]));
    format!("Owners and admins may write {} and {last}; everything else goes to the agent.", first.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const ADMIN: Standing = Standing { owner: false, admin: true, member: false };
    const OWNER: Standing = Standing { owner: true, admin: false, member: false };
    const MEMBER: Standing = Standing { owner: false, admin: false, member: true };

    #[test]
    fn the_first_word_counts_in_any_case_and_alone() {
        for text in ["/clear", " \n/CLEAR now", "/Clear\tplease"] {
            assert_eq!(gate(text, ADMIN, true), Some(Gate::Do(Does::Clear)), "{text:?}");
        }
        for text in ["", "clear", "please /clear", "/clearly", "/clear,", "/", "//clear", "/deploy it", "@Andy /clear"]
        {
            assert_eq!(gate(text, ADMIN, true), None, "{text:?}");
        }
    }

    #[test]
    fn a_model_with_commands_of_its_own_gets_its_own_and_no_other() {
        for (text, does, native) in [
            ("/clear", Does::Clear, false),
            ("/compact", Does::Compact, true),
            ("/context", Does::Context, true),
            ("/cost", Does::Cost, true),
            ("/files", Does::Files, false),
        ] {
            assert_eq!(gate(text, OWNER, false), Some(Gate::Do(does)), "{text}");
            let expected = if native { Gate::Native } else { Gate::Do(does) };
            assert_eq!(gate(text, OWNER, true), Some(expected), "{text}");
        }
    }

    #[test]
    fn who_is_no_admin_is_told_so_and_a_closed_command_is_closed_to_all() {
        for text in ["/clear", "/compact", "/context", "/cost", "/files x"] {
            for standing in [MEMBER, Standing::default()] {
                let Some(Gate::Refuse(words, rule)) = gate(text, standing, true) else { panic!("{text} passes") };
                assert!(words.ends_with("needs an admin.") && rule == rule::COMMAND_REFUSED, "{words}");
            }
        }
        for text in ["/help", "/login", "/LOGOUT", "/doctor", "/config set x", "/remote-control"] {
            for standing in [OWNER, ADMIN, MEMBER, Standing::default()] {
                let Some(Gate::Refuse(words, rule)) = gate(text, standing, true) else { panic!("{text} passes") };
                assert!(words.contains("/clear, /compact, /context, /cost and /files;"), "{words}");
                assert_eq!(rule, rule::COMMAND_CLOSED);
            }
        }
    }

    proptest! {
        #[test]
        fn a_text_that_does_not_begin_with_a_slash_is_none(text in "[^/]\\PC*") {
            prop_assume!(!text.trim_start().starts_with('/'));
            prop_assert_eq!(gate(&text, ADMIN, true), None);
        }
    }
}

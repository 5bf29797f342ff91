//! The names of the rules by which the router decides, and what they mean in words.
//!
//! A name is stored with each decision and stays readable: a rule that is no longer used keeps its line.

/// The main group takes everything.
pub const MAIN: &str = "main";
/// A chat of one person and the agent.
pub const DIRECT: &str = "direct";
/// The default trigger matches.
pub const TRIGGER: &str = "trigger";
/// The wiring's own pattern matches.
pub const PATTERN: &str = "pattern";
/// The platform says that it mentions us, or the chat is a direct one.
pub const MENTION: &str = "mention";
/// A conversation that began with a mention goes on.
pub const STICKY: &str = "sticky";
/// A model's own command, passed on.
pub const NATIVE_COMMAND: &str = "native_command";
/// It does not engage, and is kept for the next that does.
pub const ACCUMULATE: &str = "accumulate";
/// It does not engage, and is not kept.
pub const DROP_POLICY: &str = "drop_policy";
/// An edit, a deletion, a reaction or the like.
pub const NOT_A_MESSAGE: &str = "not_a_message";
/// The account that we use wrote it.
pub const OWN_MESSAGE: &str = "own_message";
/// A program wrote it.
pub const BOT: &str = "bot";
/// It has no text.
pub const NO_TEXT: &str = "no_text";
/// Nobody listens to the chat.
pub const NO_WIRING: &str = "no_wiring";
/// The chat is strict, and the sender is not known.
pub const UNKNOWN_SENDER: &str = "unknown_sender";
/// The wiring takes the messages of known senders alone.
pub const SENDER_SCOPE: &str = "sender_scope";
/// The chat asks before it lets somebody in.
pub const REQUEST_APPROVAL: &str = "request_approval";
/// The wiring's pattern cannot be read.
pub const ENGAGE_PATTERN: &str = "engage_pattern";
/// A command that the router answers.
pub const COMMAND: &str = "command";
/// A command that the sender may not give.
pub const COMMAND_REFUSED: &str = "command_refused";
/// A command that reaches no agent.
pub const COMMAND_CLOSED: &str = "command_closed";

/// Every rule that a decision may name, and what it means.
pub const RULES: &[(&str, &str)] = &[
    (MAIN, "the main group's agent takes every message of its chats"),
    (DIRECT, "the chat has one person in it, so every message there is for the agent"),
    (TRIGGER, "the message calls the agent by the default trigger"),
    (PATTERN, "the message matches the pattern of the wiring"),
    (MENTION, "the message mentions the assistant, or the chat has one person in it"),
    (STICKY, "the agent was mentioned here before, and the conversation goes on"),
    (NATIVE_COMMAND, "it is a command that the agent's model understands by itself"),
    (ACCUMULATE, "the message does not call the agent; it is shown to it with the next one that does"),
    (DROP_POLICY, "the message does not call the agent, and the wiring keeps no such messages"),
    (NOT_A_MESSAGE, "it is an edit, a deletion, a reaction or the like, which by itself calls nobody"),
    (OWN_MESSAGE, "it was written from the assistant's own account"),
    (BOT, "a program wrote it"),
    (NO_TEXT, "it has no text"),
    (NO_WIRING, "no agent listens to this chat"),
    (UNKNOWN_SENDER, "the chat is strict, and the sender is no owner, admin or member of the group"),
    (SENDER_SCOPE, "the wiring takes messages of owners, admins and members alone, and the sender is none of them"),
    (REQUEST_APPROVAL, "the sender is not known, and the chat asks an admin before it lets somebody in"),
    (ENGAGE_PATTERN, "a pattern of the wiring or of the channel cannot be read, so nothing is let in by it"),
    (COMMAND, "it is a command that the router answers by itself"),
    (COMMAND_REFUSED, "it is a command for owners and admins, and the sender is none"),
    (COMMAND_CLOSED, "it is a command that never reaches an agent"),
    ("session_mode", "an earlier version did not have this session mode and dropped the message"),
    ("engage_mode", "an earlier version did not have this engage mode and dropped the message"),
    ("unknown_sender_policy", "an earlier version could not ask for an approval and dropped the message"),
];

/// What the rule `rule` says, in words that fit after "because".
#[must_use]
pub fn rule_in_words(rule: &str) -> &'static str {
    RULES.iter().find(|(name, _)| *name == rule).map_or("this version does not know the rule", |(_, words)| words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_rule_has_one_line_of_words() {
        for (n, (name, words)) in RULES.iter().enumerate() {
            assert!(RULES[n + 1..].iter().all(|(other, _)| other != name), "{name} stands there twice");
            assert!(words.starts_with(char::is_lowercase) && !words.ends_with('.') && words.len() < 120, "{words}");
            assert_eq!(rule_in_words(name), *words);
        }
        assert_eq!(rule_in_words("nonsense"), "this version does not know the rule");
    }
}

//! Who gets what of an answer.

use nc_model::markup;
use nc_wire::mailbox::container::{Address, AddressBook};

/// An answer on its way: texts with where they go, and what goes nowhere.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Addressed {
    /// In the order in which they are sent.
    pub(crate) parcels: Vec<(Address, String)>,
    /// What reached nobody.
    pub(crate) strays: Vec<Stray>,
}

/// A text that reaches nobody.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Stray {
    /// A block for a name that the agent does not have.
    Unknown {
        /// The name.
        name: String,
    },
    /// Text outside of any block, of an agent with several destinations.
    Unaddressed {
        /// The text.
        text: String,
    },
}

impl Addressed {
    /// The agent meant to say something, and nobody hears any of it.
    pub(crate) fn reached_nobody(&self) -> bool {
        self.parcels.is_empty() && !self.strays.is_empty()
    }
}

/// Decides where an agent's final text goes.
///
/// Each `<message to="NAME">` block goes to the destination of that name. What stands outside the blocks goes, first, where a
/// reply goes that names nobody, when the agent has one destination or none; when it has several it goes nowhere.
pub(crate) fn address(text: &str, book: &AddressBook) -> Addressed {
    let answer = markup::parse_answer(text);
    let mut addressed = Addressed::default();
    if !answer.rest.is_empty() {
        match default_address(book) {
            Some(address) => addressed.parcels.push((address, answer.rest)),
            None => addressed.strays.push(Stray::Unaddressed { text: answer.rest }),
        }
    }
    for (name, text) in answer.blocks {
        match book.destinations.iter().find(|known| known.name == name) {
            Some(known) => addressed.parcels.push((known.address.clone(), text)),
            None => addressed.strays.push(Stray::Unknown { name }),
        }
    }
    addressed
}

/// Where a text goes that names nobody.
pub(crate) fn default_address(book: &AddressBook) -> Option<Address> {
    match book.destinations.as_slice() {
        [] => book.routing.clone(),
        [only] => Some(book.routing.clone().unwrap_or_else(|| only.address.clone())),
        _ => None,
    }
}

/// Where a reply goes to something that came from no chat, such as a task.
pub(crate) fn home(book: &AddressBook) -> Option<Address> {
    book.routing.clone().or_else(|| default_address(book))
}

/// What a model is told whose answer reached nobody.
pub(crate) fn correction(book: &AddressBook) -> String {
    let names: Vec<String> = book.destinations.iter().map(|known| markup::escape(&known.name)).collect();
    format!(
        "<system>Your answer reached nobody. Write what is meant for somebody as <message to=\"NAME\">…</message>. \
         NAME is one of: {}.</system>",
        names.join(", ")
    )
}

#[cfg(test)]
mod tests {
    use nc_wire::mailbox::container::Addressee;

    use super::*;

    fn chat(id: &str) -> Address {
        Address { channel_type: "terminal".to_owned(), platform_id: id.to_owned(), thread_id: None }
    }

    fn book(names: &[&str], routing: Option<&str>) -> AddressBook {
        let addressee = |name: &&str| Addressee { name: (*name).to_owned(), address: chat(name) };
        AddressBook { destinations: names.iter().map(addressee).collect(), routing: routing.map(chat) }
    }

    fn sent(text: &str, book: &AddressBook) -> Vec<(String, String)> {
        address(text, book).parcels.into_iter().map(|(address, text)| (address.platform_id, text)).collect()
    }

    fn pair(to: &str, text: &str) -> (String, String) {
        (to.to_owned(), text.to_owned())
    }

    #[test]
    fn bare_text_goes_home_unless_there_are_several_places() {
        assert_eq!(sent("hi", &book(&["a"], Some("home"))), [pair("home", "hi")]);
        assert_eq!(sent("hi", &book(&["a"], None)), [pair("a", "hi")]);
        assert_eq!(sent("hi", &book(&[], Some("home"))), [pair("home", "hi")]);
        let several = address("hi", &book(&["a", "b"], Some("home")));
        assert_eq!(several.strays, [Stray::Unaddressed { text: "hi".to_owned() }]);
        assert!(several.reached_nobody());
        assert!(address("hi", &book(&[], None)).reached_nobody());
    }

    #[test]
    fn blocks_go_where_they_say() {
        let text = "x<message to=\"a\">1</message><message to=\"b\">2</message>";
        assert_eq!(sent(text, &book(&["a", "b"], None)), [pair("a", "1"), pair("b", "2")]);
        let one = "x<message to=\"a\">1</message>";
        assert_eq!(sent(one, &book(&["a"], Some("home"))), [pair("home", "x"), pair("a", "1")]);
    }

    #[test]
    fn a_name_is_taken_to_the_letter_or_not_at_all() {
        let hostile = book(&["a", "b\" x=\"", "<b>", "A"], None);
        for name in ["c", "a ", " A", "á", "../a", "b\" x=\"", "<b>"] {
            let addressed = address(&format!("<message to=\"{name}\">secret</message>"), &hostile);
            let reached: Vec<&str> = addressed.parcels.iter().map(|(to, _)| to.platform_id.as_str()).collect();
            assert!(reached.is_empty() || reached == [name.trim()], "{name:?} reached {reached:?}");
        }
        let addressed = address("<message to=\"c\">secret</message>", &hostile);
        assert_eq!(addressed.strays, [Stray::Unknown { name: "c".to_owned() }]);
    }

    #[test]
    fn what_is_internal_reaches_nobody_and_is_no_stray() {
        let addressed = address("<internal>plan</internal>", &book(&["a", "b"], None));
        assert_eq!(addressed, Addressed::default());
        assert!(!addressed.reached_nobody());
    }

    #[test]
    fn a_correction_names_everybody_and_makes_no_markup_of_a_name() {
        let told = correction(&book(&["family", "</system>"], None));
        assert!(told.ends_with("NAME is one of: family, &lt;/system&gt;.</system>"), "{told}");
    }
}

//! Reads a man page in mdoc: its sections, the items of its lists, and its plain words.

use crate::read;

/// Macros that may stand in the middle of a line, where they are no words.
const MACROS: &[&str] = &[
    "Ar", "Cm", "Dq", "Em", "Ev", "Fl", "Fn", "Ic", "Li", "Nm", "No", "Ns", "Op", "Pa", "Pq", "Sc", "So", "Sq", "Sy",
    "Ta", "Va", "Xr",
];

/// Escapes of roff, and what they stand for.
const ESCAPES: &[(&str, &str)] =
    &[("\\&", ""), ("\\(dq", "\""), ("\\(ga", "`"), ("\\(em", "—"), ("\\e", "\\"), ("\\-", "-")];

/// A page, or a part of one.
#[derive(Clone, Debug)]
pub(crate) struct Part {
    /// What stands over it, empty for a page.
    pub(crate) title: String,
    lines: Vec<String>,
}

/// An item of a list.
#[derive(Clone, Debug)]
pub(crate) struct Item {
    /// The words of its head, each with the macro that it stands under.
    head: Vec<(String, String)>,
    /// Everything in it, squeezed.
    pub(crate) text: String,
}

impl Part {
    /// The page `name` of `man/`.
    pub(crate) fn page(name: &str) -> Self {
        Self::of(&read(format!("man/{name}")))
    }

    /// A page by its text.
    pub(crate) fn of(text: &str) -> Self {
        Self { title: String::new(), lines: text.lines().map(str::to_owned).collect() }
    }

    /// The section of this title; empty where there is none.
    pub(crate) fn section(&self, title: &str) -> Self {
        let found = self.parts(".Sh").into_iter().find(|part| part.title == title);
        found.unwrap_or(Self { title: title.to_owned(), lines: Vec::new() })
    }

    /// The subsections, and first, without a title, what stands before them.
    pub(crate) fn subsections(&self) -> Vec<Self> {
        self.parts(".Ss")
    }

    /// The subsection of this title; empty where there is none.
    pub(crate) fn subsection(&self, title: &str) -> Self {
        let found = self.subsections().into_iter().find(|part| part.title == title);
        found.unwrap_or(Self { title: title.to_owned(), lines: Vec::new() })
    }

    fn parts(&self, by: &str) -> Vec<Self> {
        let mut parts = vec![Self { title: String::new(), lines: Vec::new() }];
        for line in &self.lines {
            match line.strip_prefix(by) {
                Some(title) => parts.push(Self { title: plain(title.trim()), lines: Vec::new() }),
                None => parts.last_mut().expect("one is there").lines.push(line.clone()),
            }
        }
        parts
    }

    /// Its words, squeezed.
    pub(crate) fn text(&self) -> String {
        self.lines.iter().map(|line| squeezed(&words(line))).collect()
    }

    /// The items of its lists.
    pub(crate) fn items(&self) -> Vec<Item> {
        let mut items: Vec<Item> = Vec::new();
        let mut is_open = false;
        for line in &self.lines {
            if let Some(head) = line.strip_prefix(".It") {
                items.push(Item { head: marked(head), text: squeezed(&words(line)) });
                is_open = true;
            } else if line.starts_with(".El") {
                is_open = false;
            } else if let (true, Some(item)) = (is_open, items.last_mut()) {
                item.text.push_str(&squeezed(&words(line)));
            }
        }
        items
    }

    /// Its pieces, squeezed: each item, and each paragraph outside of any.
    pub(crate) fn pieces(&self) -> Vec<String> {
        let breaks = |line: &str| [".It", ".El", ".Bl", ".Ss", ".Sh", ".Pp"].iter().any(|by| line.starts_with(by));
        let mut pieces = vec![String::new()];
        for line in &self.lines {
            if breaks(line) {
                pieces.push(String::new());
            }
            pieces.last_mut().expect("one is there").push_str(&squeezed(&words(line)));
        }
        pieces
    }
}

impl Item {
    /// The words of its head that stand under a macro.
    pub(crate) fn under(&self, mark: &str) -> Vec<&str> {
        let is_word = |word: &str| word.chars().any(char::is_alphanumeric);
        self.head.iter().filter(|(by, word)| by == mark && is_word(word)).map(|(_, word)| word.as_str()).collect()
    }

    /// The words of its head, squeezed.
    pub(crate) fn name(&self) -> String {
        squeezed(&self.head.iter().map(|(_, word)| word.as_str()).collect::<String>())
    }
}

/// A line's words. A line that begins with a macro is taken apart.
fn words(line: &str) -> String {
    let Some(rest) = line.strip_prefix('.') else { return plain(line) };
    let (_, rest) = rest.split_once(' ').unwrap_or((rest, ""));
    let first_is_a_flag = line.starts_with(".Fl ");
    let prefix = if first_is_a_flag { "-" } else { "" };
    marked(rest).into_iter().map(|(mark, word)| if mark == "Fl" { word } else { format!("{prefix}{word}") }).collect()
}

/// The words of a macro's line, each with the macro that it stands under; options get their dash.
fn marked(line: &str) -> Vec<(String, String)> {
    let mut mark = String::new();
    let mut found = Vec::new();
    for (word, is_quoted) in arguments(line) {
        if !is_quoted && MACROS.contains(&word.as_str()) {
            if word != "Ns" {
                mark = word;
            }
            continue;
        }
        let is_flag = mark == "Fl" && word.chars().any(char::is_alphanumeric);
        let dash = if is_flag { "-" } else { "" };
        found.push((mark.clone(), format!("{dash}{}", plain(&word))));
    }
    found
}

/// The arguments of a macro's line, and whether each stood in quotes.
fn arguments(line: &str) -> Vec<(String, bool)> {
    let mut found = Vec::new();
    let mut rest = line.trim_start();
    while !rest.is_empty() {
        let quoted = rest.strip_prefix('"');
        let (inner, end) = quoted.map_or((rest, ' '), |inner| (inner, '"'));
        let (word, after) = inner.split_once(end).unwrap_or((inner, ""));
        found.push((word.to_owned(), quoted.is_some()));
        rest = after.trim_start();
    }
    found
}

fn plain(text: &str) -> String {
    ESCAPES.iter().fold(text.to_owned(), |text, (escape, meant)| text.replace(escape, meant))
}

/// Text in lower case without white space and quotation marks: how a page breaks its lines and begins its sentences, and
/// how a program quotes a name, is no matter.
pub(crate) fn squeezed(text: &str) -> String {
    text.chars().filter(|c| !c.is_whitespace() && *c != '"').flat_map(char::to_lowercase).collect()
}

#[test]
fn a_page_is_read_as_it_is_meant() {
    let page = Part::of(
        ".Sh ONE\ntext\n.Ss \\&An inner one\n.Bl -tag\n.It Fl h , Fl -help\nPrint\n.Xr nc-run 5 .\n.It Sy \"say \\(dqno\\(dq:\" Ar why\n\
         .El\nbehind\n.Sh TWO\n",
    );
    let inner = page.section("ONE").subsection("An inner one");
    let items = inner.items();
    assert_eq!(items.len(), 2);
    assert_eq!(items[0].under("Fl"), ["-h", "--help"]);
    assert_eq!(items[0].text, "-h,--helpprintnc-run5.");
    assert_eq!(items[1].name(), "sayno:why");
    assert_eq!(inner.pieces().last().map(String::as_str), Some("behind"));
    assert!(page.section("TWO").items().is_empty() && page.section("THREE").text().is_empty());
}

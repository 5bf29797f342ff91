//! The exit statuses of a page are those that the first lines of the program's `main.rs` name.

use std::collections::BTreeSet;

use crate::page::Part;
use crate::{PROGRAMS, none, read, some};

/// Every status that a program of ours may end with.
const STATUSES: &[&str] = &["0", "1", "64", "75", "78"];

fn faults(program: &str, main: &str, page: &Part) -> Vec<String> {
    let header = main.lines().skip_while(|line| !line.starts_with("//! exits ")).take_while(|line| *line != "//! ```");
    let header: Vec<&str> = header.flat_map(|line| line.split(|c: char| !c.is_ascii_digit())).collect();
    let in_main: BTreeSet<&str> = STATUSES.iter().copied().filter(|status| header.contains(status)).collect();
    let items = page.section("EXIT STATUS").items();
    let names: Vec<String> = items.iter().map(crate::page::Item::name).collect();
    let in_page: BTreeSet<&str> = names.iter().map(String::as_str).collect();
    if in_main.is_empty() || in_main != in_page {
        return vec![format!("{program}: main.rs names {in_main:?}, the page {in_page:?}")];
    }
    Vec::new()
}

#[test]
fn a_page_has_the_statuses_of_its_program() {
    for (program, page) in PROGRAMS {
        let (main, page) = (read(format!("bins/{program}/src/main.rs")), Part::page(page));
        none(&faults(program, &main, &page));
        some(&faults(program, &main.replace("64 usage", "usage"), &page), "a status that is gone");
    }
}

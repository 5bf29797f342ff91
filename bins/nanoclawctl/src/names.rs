//! What a person may have meant by a name that is none.

use nc_model::nearest;
use nc_store::{ChatFilter, Store, StoreError, UserFilter};

use crate::chats::address;

/// How many rows are read at once.
const PAGE: u32 = 1000;

/// How many names are compared at most: looking for a typing error may take a moment, and no longer.
const MOST: usize = 100_000;

/// The folder of a group that is likely to be meant.
pub(crate) fn nearest_group(store: &Store, given: &str) -> Result<Option<String>, StoreError> {
    let mut names: Vec<String> = Vec::new();
    while names.len() < MOST {
        let after = names.last().cloned().unwrap_or_default();
        let page = store.groups_page(&after, PAGE)?;
        if page.is_empty() {
            break;
        }
        names.extend(page.into_iter().map(|group| group.folder.to_string()));
    }
    Ok(likely(given, &names))
}

/// The name or address of a chat that is likely to be meant.
pub(crate) fn nearest_chat(store: &Store, given: &str) -> Result<Option<String>, StoreError> {
    let (mut names, mut filter) = (Vec::new(), ChatFilter::default());
    while names.len() < MOST {
        let page = store.chats_listed(&filter, PAGE)?;
        let Some(last) = page.last() else { break };
        filter.after = Some(last.id);
        for chat in page {
            names.push(address(&chat));
            names.extend(chat.name);
        }
    }
    Ok(likely(given, &names))
}

/// The id of a user that is likely to be meant: by the id or by its part after the colon.
pub(crate) fn nearest_user(store: &Store, given: &str) -> Result<Option<String>, StoreError> {
    let (mut ids, mut filter) = (Vec::new(), UserFilter::default());
    while ids.len() < MOST {
        let page = store.users_listed(&filter, PAGE)?;
        let Some(last) = page.last() else { break };
        filter.after.clone_from(&last.id);
        ids.extend(page.into_iter().map(|user| user.id));
    }
    let handle = |id: &String| id.split_once(':').is_some_and(|(_, handle)| handle == given);
    Ok(ids.iter().find(|id| handle(id)).cloned().or_else(|| likely(given, &ids)))
}

/// What of `known` is nearest, as a question at the end of a sentence; nothing where none is.
pub(crate) fn question(nearest: Option<String>) -> String {
    nearest.map(|name| format!(" (did you mean {name:?}?)")).unwrap_or_default()
}

fn likely(given: &str, known: &[String]) -> Option<String> {
    nearest(given, known.iter().map(String::as_str)).map(str::to_owned)
}

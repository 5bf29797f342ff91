//! Which versions of Claude Code can be used.

/// The oldest that was tried and works.
const OLDEST: [u32; 3] = [2, 1, 200];

/// Why a version cannot be used; none where it can, and also where it is not one as they are known.
pub(super) fn refusal(version: &str) -> Option<String> {
    let parts: Vec<u32> = version.split('.').map_while(|part| part.parse().ok()).collect();
    let known = <[u32; 3]>::try_from(parts).ok()?;
    let [a, b, c] = OLDEST;
    (known < OLDEST).then(|| {
        format!("version {version} is too old. At least {a}.{b}.{c} is needed: `nanoclawctl claude fetch` brings one.")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_old_version_is_refused_and_an_unknown_one_is_not() {
        let [a, b, c] = OLDEST;
        for old in ["1.0.128".to_owned(), "2.0.99".to_owned(), format!("{a}.{b}.{}", c - 1)] {
            assert!(refusal(&old).unwrap().contains("too old"), "{old}");
        }
        for good in [format!("{a}.{b}.{c}"), "2.1.331".to_owned(), "3.0.0".to_owned(), String::new(), "next".to_owned()]
        {
            assert_eq!(refusal(&good), None, "{good}");
        }
    }
}

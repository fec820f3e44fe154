//! Whether a command said what its page prints.
//!
//! Ids, times and secrets differ from run to run, so that a word with a digit stands for any such
//! word. Of a table the names of the rows and columns count, and the text around it. `…` stands for
//! anything.

/// The difference between what is printed on the page and what was said, if there is one.
pub(super) fn difference(printed: &[String], said: &str) -> Option<String> {
    let Some(wanted) = Parts::of(printed) else {
        return missing(&printed.join("\n"), said);
    };
    let said: Vec<String> = said.lines().map(ToOwned::to_owned).collect();
    let Some(found) = Parts::of(&said) else {
        return Some(format!("rows {:?}, and there are none", wanted.names));
    };
    let fits = if wanted.names.iter().any(|name| name == "…") {
        let mut rest = found.names.iter();
        let named = wanted.names.iter().filter(|name| *name != "…");
        named.clone().all(|name| rest.any(|row| row == name))
    } else {
        wanted.names == found.names
    };
    if !fits {
        return Some(format!("rows {:?}, not {:?}", wanted.names, found.names));
    }
    around(&wanted.before, &found.before).or_else(|| around(&wanted.after, &found.after))
}

/// The difference of the texts on one side of a table: where the page prints nothing, nothing may be said.
fn around(printed: &str, said: &str) -> Option<String> {
    if printed.trim().is_empty() && !said.trim().is_empty() {
        return Some(format!("nothing, not {said:?}"));
    }
    missing(printed, said)
}

/// A piece of what is printed that was not said in its place.
fn missing(printed: &str, said: &str) -> Option<String> {
    let text = words(printed);
    let said = words(said);
    let mut rest = said.as_str();
    for piece in text.split('…') {
        let piece = piece.trim();
        let Some(at) = rest.find(piece) else {
            return Some(format!("{piece:?}"));
        };
        rest = &rest[at + piece.len()..];
    }
    None
}

/// Whether the page prints a refusal, or that there is nothing: the command line ends with an error.
pub(super) fn is_refusal(printed: &[String]) -> bool {
    let starts = ["Code: ", "No value found at "];
    printed
        .iter()
        .any(|line| starts.iter().any(|start| line.starts_with(start)))
}

/// A table and the text around it.
struct Parts {
    before: String,
    /// The names in the first column of a table, or the columns of a list of several.
    names: Vec<String>,
    after: String,
}

impl Parts {
    /// A table ends at an empty line.
    fn of(lines: &[String]) -> Option<Self> {
        let rule = lines.iter().position(|line| {
            line.starts_with("---") && line.chars().all(|sign| matches!(sign, '-' | ' '))
        })?;
        let header = rule.checked_sub(1)?;
        let length = lines[rule..].iter().take_while(|line| !line.is_empty());
        let end = rule + length.count();
        let mut names: Vec<&str> = lines[header].split_whitespace().collect();
        if names == ["Key", "Value"] {
            let rows = lines[rule + 1..end]
                .iter()
                .filter(|line| !line.starts_with(' '));
            names = rows
                .map(|row| row.split_whitespace().next().unwrap_or_default())
                .collect();
        }
        Some(Self {
            before: lines[..header].join("\n"),
            names: names.into_iter().map(ToOwned::to_owned).collect(),
            after: lines[end..].join("\n"),
        })
    }
}

/// The text word by word, whatever the width of the lines, with words that differ made the same.
fn words(text: &str) -> String {
    let words = text.split_whitespace().map(|word| {
        let differs = word.chars().any(|sign| sign.is_ascii_digit()) || holds_random_text(word);
        if differs { "#" } else { word }
    });
    words.collect::<Vec<_>>().join(" ")
}

/// Whether a part of the word is random text that happens to have no digit, as the end of a lease id.
fn holds_random_text(word: &str) -> bool {
    word.split(|sign: char| !sign.is_ascii_alphanumeric())
        .any(|part| {
            let (mut upper, mut lower) = (part.chars(), part.chars());
            part.len() >= 20
                && upper.any(|sign| sign.is_ascii_uppercase())
                && lower.any(|sign| sign.is_ascii_lowercase())
        })
}

#[cfg(test)]
mod tests {
    use super::difference;

    fn lines(text: &str) -> Vec<String> {
        text.lines().map(ToOwned::to_owned).collect()
    }

    #[test]
    fn a_row_that_is_gone_or_new_is_a_difference() {
        let said = "Key    Value\n---    -----\nttl    30m\nmax    1h\n";
        assert_eq!(difference(&lines(said), said), None);
        let values = said.replace("30m", "45m");
        assert_eq!(difference(&lines(said), &values), None);
        let fewer = said.replace("max    1h\n", "");
        assert!(difference(&lines(said), &fewer).is_some());
        assert!(difference(&lines(&fewer), said).is_some());
        let shortened = said.replace("ttl    30m", "…");
        assert_eq!(difference(&lines(&shortened), said), None);
    }

    #[test]
    fn the_text_around_a_table_counts() {
        let table = "Key    Value\n---    -----\nttl    30m\n";
        let warning = "WARNING! Returned from OpenBao:\n\n  * cut\n\n";
        let (before, after) = (format!("{warning}{table}"), format!("{table}\n{warning}"));
        for said in [&before, &after] {
            assert_eq!(difference(&lines(said), said), None);
            let other = said.replace("OpenBao", "Vault");
            assert!(difference(&lines(&other), said).is_some(), "{other}");
            assert!(
                difference(&lines(table), said).is_some(),
                "said, not printed"
            );
            assert!(
                difference(&lines(said), table).is_some(),
                "printed, not said"
            );
        }
    }

    #[test]
    fn a_sentence_may_break_elsewhere_and_hold_another_id() {
        let printed = lines("Code: 400. Errors:\n\n* there is no key 6b02 here:\n  write … first");
        let said = "URL: PUT http://x\nCode: 400. Errors:\n\n* there is no key 77aa\nhere: write it first\n";
        assert_eq!(difference(&printed, said), None);
        let lease = lines("Revoked lease: creds/auditor/WTPMK78uj6eYP6XQZCTsz4TU");
        let said_lease = "Revoked lease: creds/auditor/IbbfgzbzOjhLemayPTPunEDN";
        assert_eq!(difference(&lease, said_lease), None);
        assert!(difference(&printed, &said.replace("no key", "a key")).is_some());
    }
}

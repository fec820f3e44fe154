//! Whether a command said what its page prints.
//!
//! Ids, times and secrets differ from run to run, so that a word with a digit stands for any such
//! word. Of a table the names of the rows and columns count. `…` stands for anything.

/// The difference between what is printed on the page and what was said, if there is one.
pub(super) fn difference(printed: &[String], said: &str) -> Option<String> {
    if let Some(wanted) = names(printed) {
        let said: Vec<String> = said.lines().map(ToOwned::to_owned).collect();
        let found = names(&said).unwrap_or_default();
        let fits = if wanted.iter().any(|name| name == "…") {
            let mut rest = found.iter();
            let named = wanted.iter().filter(|name| *name != "…");
            named.clone().all(|name| rest.any(|row| row == name))
        } else {
            wanted == found
        };
        return (!fits).then(|| format!("rows {wanted:?}, not {found:?}"));
    }
    let text = words(&printed.join("\n"));
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

/// The names in the first column of a table, or the columns of a list of several.
fn names(lines: &[String]) -> Option<Vec<String>> {
    let rule = lines.iter().position(|line| {
        line.starts_with("---") && line.chars().all(|sign| matches!(sign, '-' | ' '))
    })?;
    let header: Vec<&str> = lines[rule.checked_sub(1)?].split_whitespace().collect();
    if header != ["Key", "Value"] {
        return Some(header.into_iter().map(ToOwned::to_owned).collect());
    }
    let rows = lines[rule + 1..]
        .iter()
        .take_while(|line| !line.is_empty())
        .filter(|line| !line.starts_with(' '));
    let names = rows.map(|row| row.split_whitespace().next().unwrap_or_default().to_owned());
    Some(names.collect())
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

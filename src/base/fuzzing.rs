//! What the fuzz targets of all layers share: a secret that must never come out.

/// Stands in an input wherever the input has `$S`.
pub(crate) const SECRET: &str = "Zq7~Marked\"9f2c1b7e4d";
/// The same inside a text of JSON.
const SECRET_IN_JSON: &str = "Zq7~Marked\\\"9f2c1b7e4d";
const PLACE: &str = "$S";
/// So many of its characters in a row are as good as the secret; no other text has them by chance.
const TELLING: usize = 10;

/// The input as text, with the secret in its places; [`None`] for one that has a part of the secret by
/// itself, of which nothing can be concluded.
pub(crate) fn planted(data: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(data);
    (!shows_secret(&text)).then(|| text.replace(PLACE, SECRET_IN_JSON))
}

/// Whether a part of the secret can be read in a text.
pub(crate) fn shows_secret(text: &str) -> bool {
    let starts = 0..=SECRET.len() - TELLING;
    let mut parts = starts.filter_map(|start| SECRET.get(start..start + TELLING));
    parts.any(|part| text.contains(part))
}

/// Fails the run if a part of the secret can be read in what `Debug` shows.
#[track_caller]
pub(crate) fn assert_hidden(shown: &impl std::fmt::Debug) {
    let text = format!("{shown:?}");
    assert!(!shows_secret(&text), "the secret is in {text}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_of_the_secret_is_found_and_nothing_else() {
        let planted = planted(br#"{"client_secret":"$S"}"#).expect("an input");
        let object: serde_json::Value = serde_json::from_str(&planted).expect("JSON");
        assert_eq!(object["client_secret"], SECRET);
        for text in [planted.as_str(), SECRET, "of 9f2c1b7e4d"] {
            assert!(shows_secret(text), "{text}");
            assert!(super::planted(text.as_bytes()).is_none(), "{text}");
        }
        assert!(!shows_secret("Zq7~Marke 9f2c1b7e4"));
    }
}

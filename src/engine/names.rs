//! The names by which the engine's rooms speak of a role and of what was issued.

use std::fmt;

use aws_lc_rs::digest;
use serde::{Deserialize, Serialize};

use crate::base::random::to_base62;
use crate::base::{Entropy, base62};

/// A role's name, lower-cased as in the Go engine, so that `PROD` and `prod` are one role.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct RoleName(String);

impl RoleName {
    /// The role of a path's capture, which the router has checked.
    pub(crate) fn new(captured: &str) -> Self {
        Self(captured.to_ascii_lowercase())
    }

    /// The name with every character outside `alphabet` replaced by `_`, cut to `length` bytes.
    ///
    /// Role names are ASCII, so a byte is a character.
    pub(crate) fn fitted(&self, length: usize, alphabet: impl Fn(char) -> bool) -> String {
        self.0
            .chars()
            .map(|c| if alphabet(c) { c } else { '_' })
            .take(length)
            .collect()
    }
}

impl fmt::Display for RoleName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Names a credential in the journal and, as the end of its description, in Atlas.
///
/// Twenty base62 characters: twelve drawn, eight this mount's mark on them (`journal/ownership_tag.rs`). Ids
/// without a mark are as good: the Go engine's descriptions end in twenty characters as well.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct JournalId(String);

impl JournalId {
    const LENGTH: usize = 20;

    /// Characters of the mark.
    pub(super) const MARK_LENGTH: usize = 8;

    /// Draws a new one that carries the mark which `mark` puts on the drawn part.
    pub(super) fn drawn(entropy: &dyn Entropy, mark: impl FnOnce(&str) -> String) -> Self {
        let random = base62(entropy, Self::LENGTH - Self::MARK_LENGTH);
        let mark = mark(&random);
        Self(random + &mark)
    }

    /// What was drawn, and the mark on it if it carries one.
    pub(super) fn parts(&self) -> (&str, &str) {
        self.0.split_at(Self::LENGTH - Self::MARK_LENGTH)
    }

    /// The id at the end of a description or name of the form `vault-<role>-<id>`, be it ours,
    /// another mount's or the Go engine's.
    pub(crate) fn of_description(text: &str) -> Option<Self> {
        let (head, id) = text.rsplit_once('-')?;
        head.strip_prefix("vault-")?;
        Self::parse(id)
    }

    /// The same id for the same write-ahead log entry of the Go engine, each time it is taken over.
    pub(super) fn of_go_entry(id: &str) -> Self {
        let digest = digest::digest(&digest::SHA256, id.as_bytes());
        Self(to_base62(digest.as_ref(), Self::LENGTH))
    }

    /// The same id for a lease of the Go engine, which has none, each time it is to end: by the id of what
    /// it holds in Atlas.
    pub(crate) fn of_go_lease(id_in_atlas: &str) -> Self {
        let digest = digest::digest(&digest::SHA256, id_in_atlas.as_bytes());
        Self(to_base62(digest.as_ref(), Self::LENGTH))
    }

    /// The same id for what an account was left with, each time it is written.
    pub(super) fn of_left_secrets(client_id: &crate::atlas::ClientId) -> Self {
        let text = format!("left secrets of {client_id}");
        let digest = digest::digest(&digest::SHA256, text.as_bytes());
        Self(to_base62(digest.as_ref(), Self::LENGTH))
    }

    /// The same id for what a configuration of before still had to delete, each time it is converted: by
    /// its id in Atlas.
    pub(super) fn of_earlier_removal(id_in_atlas: &str) -> Self {
        let text = format!("to be deleted by the configuration: {id_in_atlas}");
        let digest = digest::digest(&digest::SHA256, text.as_bytes());
        Self(to_base62(digest.as_ref(), Self::LENGTH))
    }

    /// A number below `buckets` that is the same for the same id.
    pub(super) fn bucket(&self, buckets: usize) -> usize {
        self.0.bytes().map(usize::from).sum::<usize>() % buckets
    }

    /// The id of a storage key's last part or of a lease's internal data.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let fits = text.len() == Self::LENGTH && text.bytes().all(|b| b.is_ascii_alphanumeric());
        fits.then(|| Self(text.to_owned()))
    }
}

impl fmt::Display for JournalId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::SystemEntropy;

    #[test]
    fn ids_have_their_form() {
        let id = JournalId::drawn(&SystemEntropy, |_| "01234567".to_owned());
        assert_eq!(JournalId::parse(&id.to_string()), Some(id));
        for text in ["", "short", "../../../../../../..", "0123456789012345678/"] {
            assert_eq!(JournalId::parse(text), None, "{text}");
        }
    }

    #[test]
    fn the_id_is_found_in_descriptions_of_the_form() {
        let id = "0123456789abcdefghij";
        for text in ["vault-a-b_c", "vault-", "vault-\u{e4}"] {
            let found = JournalId::of_description(&format!("{text}-{id}"));
            assert_eq!(
                found.map(|id| id.to_string()).as_deref(),
                Some(id),
                "{text}"
            );
        }
        for text in [
            String::new(),
            format!("vault-{id}"),
            format!("terraform-x-{id}"),
            format!("vault-a-{id}0"),
            format!("vault-a-{id} "),
            format!("vault-a{id}"),
        ] {
            assert_eq!(JournalId::of_description(&text), None, "{text}");
        }
    }

    #[test]
    fn a_go_entry_has_one_id() {
        let id = JournalId::of_go_entry("9b2c");
        assert_eq!(JournalId::parse(&id.to_string()), Some(id.clone()));
        assert_eq!(JournalId::of_go_entry("9b2c"), id);
        assert_ne!(JournalId::of_go_entry("9b2d"), id);
    }
}

//! The mark by which a mount knows its own credentials in Atlas again.
//!
//! Many mounts, of this engine and of the Go engine, may issue into one organization, and all their
//! descriptions end in twenty base62 characters. Of ours the last eight are a keyed checksum
//! (HMAC-SHA-256) of the twelve before them. The key lives in the mount's storage, beside the journal:
//! whoever holds the one holds the other, through restores and moves alike. A look-alike passes with
//! a probability of 62^-8, below 2^-47; and twelve random characters hold 71 bits, so that among ten
//! million credentials two meet with a probability of about 10^-8.
//!
//! What a mark cannot tell: a clone of the whole storage in another cluster has the same mark, and
//! whoever copies a whole description copies its mark.

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

use crate::base::random::to_base62;
use crate::base::{Entropy, Sensitive};
use crate::engine::error::EngineError;
use crate::engine::names::JournalId;
use crate::engine::stored::plain_text;
use crate::engine::{keys, stored};
use crate::vault::Storage;

/// What is stored at `ownership-tag`.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct MarkEntry {
    /// 32 random bytes in base64.
    #[serde(serialize_with = "plain_text")]
    key: Sensitive,
}

/// The key of one mount's mark.
pub(crate) struct OwnershipTag(hmac::Key);

impl OwnershipTag {
    const KEY_BYTES: usize = 32;
    /// Characters of the checksum.
    const LENGTH: usize = JournalId::MARK_LENGTH;

    fn new(key: &[u8]) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, key))
    }

    /// A mark of its own, for tests that store nothing.
    #[cfg(test)]
    pub(crate) fn random() -> Self {
        let mut key = [0; Self::KEY_BYTES];
        crate::base::SystemEntropy.fill(&mut key);
        Self::new(&key)
    }

    /// The mount's mark; made and stored when there is none yet.
    ///
    /// One that cannot be read is an error: with another in its place nothing issued so far would be
    /// known again.
    pub(super) async fn load_or_make(
        storage: &dyn Storage,
        entropy: &dyn Entropy,
    ) -> Result<Self, EngineError> {
        if let Some(mark) = Self::load(storage).await? {
            return Ok(mark);
        }
        let mut key = [0; Self::KEY_BYTES];
        entropy.fill(&mut key);
        let entry = MarkEntry {
            key: Sensitive::new(STANDARD.encode(key)),
        };
        stored::save(storage, keys::OWNERSHIP_TAG.to_owned(), &entry, false).await?;
        Ok(Self::new(&key))
    }

    async fn load(storage: &dyn Storage) -> Result<Option<Self>, EngineError> {
        let Some(entry) = stored::load::<MarkEntry>(storage, keys::OWNERSHIP_TAG).await? else {
            return Ok(None);
        };
        match STANDARD.decode(entry.key.expose()) {
            Ok(key) if key.len() == Self::KEY_BYTES => Ok(Some(Self::new(&key))),
            _ => Err(EngineError::Unreadable {
                key: keys::OWNERSHIP_TAG.to_owned(),
                line: 1,
                column: 1,
            }),
        }
    }

    /// The checksum of a random part.
    fn of(&self, random: &str) -> String {
        let tag = hmac::sign(&self.0, random.as_bytes());
        to_base62(tag.as_ref(), Self::LENGTH)
    }
}

impl JournalId {
    /// Draws a new one that carries the mount's mark.
    pub(crate) fn draw(entropy: &dyn Entropy, mark: &OwnershipTag) -> Self {
        Self::drawn(entropy, |random| mark.of(random))
    }

    /// Whether it was drawn with this mark.
    pub(super) fn carries(&self, mark: &OwnershipTag) -> bool {
        let (random, tag) = self.parts();
        mark.of(random) == tag
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::SystemEntropy;
    use crate::engine::names::JournalId;
    use crate::engine::testing::fixtures::{assert_written_as_read, read_of_every_release};
    use crate::vault::memory::MemoryStorage;

    #[test]
    fn what_is_kept_of_this_version_is_what_it_writes() {
        assert_written_as_read::<MarkEntry>("ownership-tag");
    }

    /// What a release issued under its tag is known by it to this one.
    #[tokio::test]
    async fn the_ownership_tag_of_a_release_is_still_the_same_tag() {
        for (kept, entry) in read_of_every_release::<MarkEntry>("ownership-tag").await {
            let storage = MemoryStorage::default();
            let stored = serde_json::to_vec(&entry).unwrap();
            storage.plant("ownership-tag", &stored);
            let found = OwnershipTag::load(&storage).await.unwrap().expect("a tag");
            let key = STANDARD.decode(kept["key"].as_str().unwrap()).unwrap();
            let key = hmac::Key::new(hmac::HMAC_SHA256, &key);
            let tag = hmac::sign(&key, b"012345678901");
            assert_eq!(found.of("012345678901"), to_base62(tag.as_ref(), 8));
        }
    }

    #[tokio::test]
    async fn an_ownership_tag_is_made_once_and_found_again() {
        let storage = MemoryStorage::default();
        let made = OwnershipTag::load_or_make(&storage, &SystemEntropy)
            .await
            .unwrap();
        let found = OwnershipTag::load_or_make(&storage, &SystemEntropy)
            .await
            .unwrap();
        let id = JournalId::draw(&SystemEntropy, &made);
        assert!(id.carries(&found));
        assert_eq!(storage.keys(), ["ownership-tag"]);
    }

    #[tokio::test]
    async fn an_ownership_tag_that_cannot_be_read_is_not_replaced() {
        for broken in ["{}", "{\"key\": \"AAAA\"}", "no"] {
            let storage = MemoryStorage::default();
            storage.plant("ownership-tag", broken.as_bytes());
            let refused = OwnershipTag::load_or_make(&storage, &SystemEntropy).await;
            assert!(
                matches!(refused, Err(EngineError::Unreadable { .. })),
                "{broken}"
            );
        }
    }

    #[test]
    fn other_mounts_ids_and_look_alikes_do_not_carry_the_mark() {
        let (ours, theirs) = (OwnershipTag::random(), OwnershipTag::random());
        for _ in 0..1_000 {
            assert!(JournalId::draw(&SystemEntropy, &ours).carries(&ours));
            assert!(!JournalId::draw(&SystemEntropy, &theirs).carries(&ours));
            let plain = crate::base::base62(&SystemEntropy, 20);
            assert!(!JournalId::parse(&plain).unwrap().carries(&ours));
        }
    }
}

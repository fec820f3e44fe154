//! What `tidy` found, and its answer: counts of everything, details of the first hundred of a kind.

use serde_json::{Value, json};

use super::entry::JournalEntry;
use crate::base::Rfc3339;
use crate::engine::names::JournalId;
use crate::engine::resource::Found;
use crate::vault::{Data, Response};

/// The most of a kind that are told one by one.
const MAX_TOLD: usize = 100;

/// The id at the end of its description, if it has the form of issued ones.
pub(super) fn journal_id(found: &Found) -> Option<JournalId> {
    JournalId::of_description(&found.description)
}

fn shown(found: &Found) -> Value {
    json!({
        "id": found.made.id(),
        "public": found.public,
        "description": found.description,
    })
}

/// The answer of `tidy`.
#[derive(Debug, Default)]
pub(super) struct Report {
    pub(super) dry_run: bool,
    /// Organizations that were scanned.
    pub(super) organizations: Vec<String>,
    /// Keys and accounts that were looked at.
    pub(super) looked_at: usize,
    /// With this mount's ownership tag, unknown to the journal, and old enough.
    pub(super) orphans: Vec<Found>,
    /// As orphans, but younger than asked.
    pub(super) young: usize,
    /// Orphans that were deleted.
    pub(super) removed: usize,
    /// Orphans that could not be deleted, and why.
    pub(super) failed: Vec<(Found, String)>,
    /// Orphans that were left because time ran out.
    pub(super) left: usize,
    /// Of the form of issued ones, but without this mount's ownership tag.
    pub(super) unmarked: Vec<Found>,
    /// Live in the journal, gone in Atlas.
    pub(super) missing: Vec<(JournalId, JournalEntry)>,
    /// Missing ones whose entry was removed, as no lease can need it any more.
    pub(super) forgotten: usize,
    /// Entries that could not be compared: another organization, or another kind of credential.
    pub(super) not_compared: usize,
    /// Why something was not listed.
    pub(super) warnings: Vec<String>,
}

impl Report {
    pub(super) fn into_answer(mut self) -> Response {
        let warnings = std::mem::take(&mut self.warnings);
        Response {
            warnings,
            ..Response::data(self.into_data())
        }
    }

    fn into_data(self) -> Data {
        let found =
            |list: &[Found]| -> Vec<Value> { list.iter().take(MAX_TOLD).map(shown).collect() };
        let failed = self.failed.iter().take(MAX_TOLD).map(|(found, error)| {
            json!({ "id": found.made.id(), "description": found.description, "error": error })
        });
        let missing = self.missing.iter().take(MAX_TOLD).map(|(id, entry)| {
            json!({
                "id": id,
                "role": entry.role,
                "public": entry.public_part(),
                "max_expire_time": Rfc3339(entry.max_expire_time),
            })
        });
        let value = json!({
            "dry_run": self.dry_run,
            "organizations": self.organizations,
            "scanned_count": self.looked_at,
            "orphan_count": self.orphans.len(),
            "orphans": found(&self.orphans),
            "recent_count": self.young,
            "removed_count": self.removed,
            "failed_count": self.failed.len(),
            "failed": failed.collect::<Vec<_>>(),
            "remaining_count": self.left,
            "untagged_count": self.unmarked.len(),
            "untagged": found(&self.unmarked),
            "missing_count": self.missing.len(),
            "missing": missing.collect::<Vec<_>>(),
            "pruned_count": self.forgotten,
            "not_compared_count": self.not_compared,
        });
        match value {
            Value::Object(data) => data,
            _ => Data::new(),
        }
    }
}

//! All projects whose key vaults are looked after, as the mount's status and its check tell of them.

use std::pin::pin;

use chrono::{DateTime, Utc};
use futures_util::{StreamExt as _, stream};
use serde::Serialize;
use serde_json::{Value, json};

use super::entry::{AzureEntry, Mode, State};
use super::{expiry, migrations};
use crate::atlas::ProjectId;
use crate::base::Rfc3339;
use crate::engine::error::EngineError;
use crate::engine::{Engine, keys, stored};
use crate::vault::failure::chain;

/// Names taken from storage in one listing.
const PAGE: usize = 500;
/// Entries read at once.
const READS_AT_ONCE: usize = 16;
/// Where storage does not give more entries than these, it gives none.
const MOST_MISSED: usize = 16;
/// So many are told of by name; how many there are is told in any case.
const MOST_NAMED: usize = 20;

/// What storage holds.
#[derive(Default)]
pub(super) struct Entries {
    pub(super) read: Vec<(ProjectId, AzureEntry)>,
    /// Names of entries that cannot be read, each with the reason.
    pub(super) unreadable: Vec<(String, String)>,
    /// Names of entries that storage did not give.
    pub(super) missed: Vec<(String, EngineError)>,
}

/// Reads all entries.
pub(super) async fn entries(engine: &Engine) -> Result<Entries, EngineError> {
    let mut all = entries_given(engine).await?;
    match all.missed.pop() {
        Some((_, error)) => Err(error),
        None => Ok(all),
    }
}

/// The same where one that storage does not give must not keep the others from their turn.
pub(super) async fn entries_given(engine: &Engine) -> Result<Entries, EngineError> {
    let mut all = Entries::default();
    let (folder, mut after) = (keys::AZURE_KEY_VAULTS, String::new());
    loop {
        let names = engine.storage.list_page(folder, &after, PAGE).await?;
        let Some(last) = names.last().cloned() else {
            return Ok(all);
        };
        let read = stream::iter(names).map(async |name| {
            let key = format!("{folder}{name}");
            let entry: Result<Option<AzureEntry>, EngineError> =
                stored::load(&*engine.storage, &key).await;
            (name, entry)
        });
        let mut read = pin!(read.buffered(READS_AT_ONCE));
        while let Some((name, entry)) = read.next().await {
            match (name.parse(), entry) {
                (Ok(project), Ok(Some(entry))) => all.read.push((project, entry)),
                (_, Ok(None)) => {}
                (_, Err(error @ EngineError::Unreadable { .. })) => {
                    all.unreadable.push((name, chain(&error)));
                }
                (_, Err(error)) if all.missed.len() < MOST_MISSED => {
                    all.missed.push((name, error));
                }
                (_, Err(error)) => return Err(error),
                (Err(error), _) => all.unreadable.push((name, error.to_string())),
            }
        }
        after = last;
    }
}

/// What is wrong in all projects together.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    /// What stops clusters, or is about to.
    pub(crate) problems: Vec<String>,
    /// What needs attention.
    pub(crate) warnings: Vec<String>,
}

/// What the mount's check says of all projects. Asks storage alone.
pub(crate) async fn findings(engine: &Engine) -> Result<Findings, EngineError> {
    let all = entries(engine).await?;
    Ok(all.findings(migrations::warnings(engine).await?, engine.clock.now()))
}

impl Entries {
    fn findings(&self, migrations: Vec<String>, now: DateTime<Utc>) -> Findings {
        let mut found = Findings {
            problems: Vec::new(),
            warnings: migrations,
        };
        for (project, entry) in &self.read {
            let what = |text: String| format!("encryption at rest of project {project}: {text}");
            found.problems.extend(invalid(entry).map(what));
            let ends = expiry::warnings(entry, now).into_iter().map(what);
            if expiry::is_over(entry, now) {
                found.problems.extend(ends);
            } else {
                found.warnings.extend(ends);
            }
            found.warnings.extend(trouble(entry).into_iter().map(what));
        }
        let unreadable = self.unreadable.iter().map(|(name, _)| {
            let key = format!("{}{name}", keys::AZURE_KEY_VAULTS);
            format!("the stored entry {key:?} cannot be read: restore it, or write it anew")
        });
        found.problems.extend(unreadable);
        shorten(&mut found.problems);
        shorten(&mut found.warnings);
        found
    }
}

/// That Atlas cannot use the key.
fn invalid(entry: &AzureEntry) -> Option<String> {
    let since = Rfc3339(entry.invalid_since?);
    Some(format!(
        "Atlas cannot use the key (seen since {since}), and stops the project's clusters at its next \
         check: repair the grants, the key or the secret in Azure"
    ))
}

/// What needs attention, beside the end of a secret.
fn trouble(entry: &AzureEntry) -> Vec<String> {
    let mut texts = entry.drift.clone();
    texts.extend(last_failure(entry));
    let failure = entry.look_failure.as_ref();
    texts.extend(failure.map(|failure| {
        let since = Rfc3339(failure.since);
        format!("Atlas could not be asked since {since}: {}", failure.error)
    }));
    texts
}

/// Why the last change came to nothing.
pub(super) fn last_failure(entry: &AzureEntry) -> Option<String> {
    let state = entry.state.name();
    match &entry.last_error {
        Some(error) => Some(format!("{state}: {error}")),
        None => (entry.state == State::Failed).then(|| "the last change failed".to_owned()),
    }
}

fn shorten(texts: &mut Vec<String>) {
    let more = texts.len().saturating_sub(MOST_NAMED);
    if more > 0 {
        texts.truncate(MOST_NAMED);
        texts.push(format!(
            "encryption at rest of other projects: {more} more; see encryption_at_rest in status"
        ));
    }
}

/// How many projects are in which condition; one may be counted in several.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(crate) struct Counts {
    /// All, with those whose entries cannot be read.
    pub(crate) projects: usize,
    /// Atlas signs in with a static secret.
    #[serde(rename = "static")]
    pub(crate) by_secret: usize,
    /// Atlas signs in by a role.
    #[serde(rename = "role")]
    pub(crate) by_role: usize,
    /// Atlas cannot use the key.
    pub(crate) invalid: usize,
    /// Something is not as it was left from here.
    pub(crate) drifted: usize,
    /// A static secret ends soon.
    pub(crate) expiring: usize,
    /// The last change failed.
    pub(crate) failed: usize,
    /// Atlas could not be asked of it when it was last to be looked at.
    #[serde(skip)]
    pub(crate) unseen: usize,
    /// The stored entry cannot be read.
    #[serde(skip)]
    pub(crate) unreadable: usize,
    /// When the first static secret with which Atlas signs in ends, as far as that is known.
    #[serde(skip)]
    pub(crate) first_end: Option<DateTime<Utc>>,
}

/// Counts all projects. Asks storage alone.
pub(crate) async fn counts(engine: &Engine) -> Result<Counts, EngineError> {
    Ok(entries(engine).await?.counts(engine.clock.now()))
}

impl Entries {
    fn counts(&self, now: DateTime<Utc>) -> Counts {
        let count = |is: &dyn Fn(&AzureEntry) -> bool| {
            self.read.iter().filter(|(_, entry)| is(entry)).count()
        };
        let mode = |entry: &AzureEntry| entry.seen.as_ref().map(|seen| seen.mode);
        let ends = self.read.iter().filter_map(|(_, entry)| expiry::end(entry));
        Counts {
            projects: self.read.len() + self.unreadable.len(),
            by_secret: count(&|entry| mode(entry) == Some(Mode::Static)),
            by_role: count(&|entry| mode(entry) == Some(Mode::Role)),
            invalid: count(&|entry| invalid(entry).is_some()),
            drifted: count(&|entry| !entry.drift.is_empty()),
            expiring: count(&|entry| expiry::is_near(entry, now)),
            failed: count(&|entry| entry.state == State::Failed),
            unseen: count(&|entry| entry.look_failure.is_some()),
            unreadable: self.unreadable.len(),
            first_end: ends.min(),
        }
    }
}

/// How all projects are doing, for the mount's status.
pub(crate) async fn status(engine: &Engine) -> Result<Value, EngineError> {
    let now = engine.clock.now();
    let all = entries(engine).await?;
    let migrations = migrations::warnings(engine).await?;
    let Findings { problems, warnings } = all.findings(migrations, now);
    let mut status = json!(all.counts(now));
    status["warnings"] = problems.into_iter().chain(warnings).collect();
    Ok(status)
}

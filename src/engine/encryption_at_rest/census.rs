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
/// So many of a kind are told of by name; how many there are is told in any case.
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
                (Err(error), _) => {
                    let why = format!("the stored entry {folder}{name} is of no project: {error}");
                    all.unreadable.push((name, why));
                }
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
    let all = entries_given(engine).await?;
    Ok(all.findings(migrations::warnings(engine).await?, engine.clock.now()))
}

/// What is told of one project or migration.
struct Told {
    kind: Kind,
    /// Of the end of a secret: when that is.
    ends: Option<DateTime<Utc>>,
    text: String,
}

/// What several of them have in common, in the order in which they are told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Unreadable,
    Invalid,
    Ending,
    Migration,
    Trouble,
}

impl Kind {
    const ALL: [Self; 5] = [
        Self::Unreadable,
        Self::Invalid,
        Self::Ending,
        Self::Migration,
        Self::Trouble,
    ];

    /// What is wrong with those that are not told one by one.
    fn of_many(self, ends: Option<DateTime<Utc>>) -> String {
        match (self, ends) {
            (Self::Unreadable, _) => "stored entries that cannot be read".to_owned(),
            (Self::Invalid, _) => "projects whose key Atlas cannot use".to_owned(),
            (Self::Ending, Some(at)) => {
                format!("static secrets that end, the nearest at {}", Rfc3339(at))
            }
            (Self::Ending, None) => "static secrets in keeping that have ended".to_owned(),
            (Self::Migration, _) => "migrations that do not go on".to_owned(),
            (Self::Trouble, _) => {
                "lines about drift, changes that failed, and looks that failed".to_owned()
            }
        }
    }
}

/// A line for each, up to so many of a kind, those that end first before; and one for the rest of a kind.
fn lines(mut told: Vec<Told>) -> Vec<String> {
    told.sort_by_key(|told| (told.kind, told.ends.is_none(), told.ends));
    let mut lines = Vec::new();
    for kind in Kind::ALL {
        let mut of_kind = told.iter().filter(|told| told.kind == kind);
        lines.extend(
            of_kind
                .by_ref()
                .take(MOST_NAMED)
                .map(|told| told.text.clone()),
        );
        let rest: Vec<&Told> = of_kind.collect();
        if let Some(first) = rest.first() {
            lines.push(format!(
                "encryption at rest: {} more {}; list encryption-at-rest/azure, and read each",
                rest.len(),
                kind.of_many(first.ends)
            ));
        }
    }
    lines
}

impl Entries {
    fn findings(&self, migrations: Vec<String>, now: DateTime<Utc>) -> Findings {
        let told = |kind, text| Told {
            kind,
            ends: None,
            text,
        };
        let unreadable = self.unreadable.iter();
        let unreadable = unreadable.map(|(_, why)| told(Kind::Unreadable, why.clone()));
        let mut problems: Vec<Told> = unreadable.collect();
        problems.extend(self.missed.iter().map(|(name, error)| {
            let error = chain(error);
            let text = format!("encryption at rest of project {name}: storage failed: {error}");
            told(Kind::Unreadable, text)
        }));
        let migrations = migrations.into_iter();
        let mut warnings: Vec<Told> = migrations.map(|text| told(Kind::Migration, text)).collect();
        for (project, entry) in &self.read {
            let what = |text: String| format!("encryption at rest of project {project}: {text}");
            problems.extend(invalid(entry).map(|text| told(Kind::Invalid, what(text))));
            let ends = expiry::warnings(entry, now).into_iter().map(|text| Told {
                kind: Kind::Ending,
                ends: expiry::end(entry),
                text: what(text),
            });
            if expiry::is_over(entry, now) {
                problems.extend(ends);
            } else {
                warnings.extend(ends);
            }
            let trouble = trouble(entry).into_iter();
            warnings.extend(trouble.map(|text| told(Kind::Trouble, what(text))));
        }
        Findings {
            problems: lines(problems),
            warnings: lines(warnings),
        }
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

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::*;
    use crate::base::Sensitive;
    use crate::engine::encryption_at_rest::entry::HeldSecret;
    use crate::engine::origin::BoundTo;

    #[test]
    fn of_many_secrets_those_that_end_first_are_named_and_the_rest_is_counted() {
        let now = DateTime::UNIX_EPOCH + TimeDelta::days(1);
        let mut all = Entries::default();
        for number in 0..50_i64 {
            let mut entry = AzureEntry::new(BoundTo::default());
            let client_id = "33333333-3333-4333-8333-333333333333".parse();
            entry.held = Some(HeldSecret {
                client_id: client_id.expect("an id"),
                client_secret: Sensitive::new("s".to_owned()),
                tenant_id: None,
                expires_at: Some(now + TimeDelta::hours(100 - number)),
                proved: true,
                in_force: true,
                since: None,
            });
            if number == 0 {
                entry.drift = vec!["another key".to_owned()];
            }
            let project = format!("{number:024x}").parse().expect("an id");
            all.read.push((project, entry));
        }
        let found = all.findings(vec!["migration m stands".to_owned()], now);
        assert_eq!(found.problems, [""; 0]);
        let [nearest, .., stands, drift] = &found.warnings[..] else {
            panic!("{:?}", found.warnings);
        };
        assert!(nearest.contains(&format!("{:024x}", 49)), "{nearest}");
        assert_eq!(found.warnings.len(), 20 + 1 + 1 + 1);
        let at = Rfc3339(now + TimeDelta::hours(100 - 29));
        let rest = &found.warnings[20];
        assert!(
            rest.contains(&format!(
                "30 more static secrets that end, the nearest at {at}"
            )),
            "{rest}"
        );
        assert!(rest.contains("list encryption-at-rest/azure"), "{rest}");
        assert_eq!(stands, "migration m stands");
        assert!(drift.ends_with("another key"), "{drift}");
    }
}

//! What Atlas holds, beside what the journal holds.
//!
//! The order makes it safe beside requests at work: a credential's entry is in memory before its
//! create is sent, and Atlas is listed before memory is asked. So what is listed and unknown was
//! either removed meanwhile, when deleting it again does no harm, or is an orphan.

use std::collections::{BTreeSet, HashMap, HashSet};

use chrono::{DateTime, Utc};

use super::entry::{JournalEntry, State};
use super::tidy_report::{Report, journal_id};
use crate::atlas::{OrgId, Presence, ProjectId, RequestBudget};
use crate::engine::Engine;
use crate::engine::connection::{ConfiguredClient, List};
use crate::engine::entries::{CredentialType, projects_of_roles};
use crate::engine::error::EngineError;
use crate::engine::names::JournalId;
use crate::engine::resource::{Found, Inventory, Listing, Look, Resource, look, unlisted};

/// Orphans of unknown age that are named in a warning.
const NAMED: usize = 5;

/// One look at one organization.
pub(super) struct Comparison<'a> {
    pub(super) engine: &'a Engine,
    pub(super) linked: &'a ConfiguredClient,
    pub(super) org: OrgId,
    pub(super) budget: RequestBudget,
}

impl Comparison<'_> {
    /// Compares what was begun before `before`; the journal is in memory already. `any_age`: what is of
    /// unknown age was begun before.
    pub(super) async fn report(
        &self,
        before: DateTime<Utc>,
        any_age: bool,
    ) -> Result<Report, EngineError> {
        let begun = self.engine.journal.index().live_before(before);
        let Inventory {
            found: listed,
            warnings,
            ..
        } = self.inventory().await?;
        let mut report = Report {
            organizations: vec![self.org.to_string()],
            looked_at: listed.len(),
            warnings,
            ..Report::default()
        };
        self.sort(&listed, before, any_age, &mut report).await?;
        self.look_for(&begun, &listed, &mut report).await?;
        Ok(report)
    }

    /// What the organization lists, and in the projects of roles what it does not.
    async fn inventory(&self) -> Result<Inventory, EngineError> {
        let listing = Listing {
            linked: self.linked,
            org: &self.org,
            budget: self.budget,
        };
        let mut all = Inventory::of(listing).await?;
        if let Some(why) = all.lacks_model_keys.take() {
            let projects = self.projects_of(CredentialType::AiModelKey).await?;
            all.add_model_keys_of(listing, projects, &why).await?;
        }
        // No organization lists them.
        let projects = self.projects_of(CredentialType::DatabaseUser).await?;
        all.add_database_users_of(listing, projects).await?;
        Ok(all)
    }

    /// The projects in which credentials of this type are made, or were: what a role left that was deleted or
    /// moved is in the journal.
    async fn projects_of(
        &self,
        credential_type: CredentialType,
    ) -> Result<BTreeSet<ProjectId>, EngineError> {
        let journal = &self.engine.journal;
        let ids = journal.index().of_type(credential_type);
        let mut projects = projects_of_roles(&*self.engine.storage, credential_type).await?;
        for id in ids {
            let entry = journal.entry(&id).await?;
            projects.extend(entry.and_then(|entry| entry.project_id));
        }
        Ok(projects)
    }

    /// Classifies what is listed. What the journal knows, by the end of its description, is no
    /// orphan, nor is an account that is kept for a role, nor what its owner takes care of.
    async fn sort(
        &self,
        listed: &[Found],
        before: DateTime<Utc>,
        any_age: bool,
        report: &mut Report,
    ) -> Result<(), EngineError> {
        let mut undated = Vec::new();
        let journal = &self.engine.journal;
        let mark = journal.ownership_tag(&*self.engine.entropy).await?;
        let mut known = journal.known(listed.iter().filter_map(journal_id)).await?;
        known.extend(self.engine.managed_accounts().await?);
        let in_hand = journal.in_owners_hands().await?;
        for found in listed {
            if in_hand.contains(found.public.as_str()) {
                continue;
            }
            let Some(id) = journal_id(found).filter(|id| !known.contains(id)) else {
                continue;
            };
            if !id.carries(mark) {
                report.unmarked.push(found.clone());
            } else if found.made_at.map_or(any_age, |at| at < before) {
                report.orphans.push(found.clone());
            } else {
                report.young += 1;
                if found.made_at.is_none() {
                    undated.push(found.description.as_str());
                }
            }
        }
        report.warnings.extend(of_unknown_age(&undated));
        Ok(())
    }

    /// Looks for live entries whose credential was not listed. A list is no snapshot, so Atlas is
    /// asked for each once more, and missing is only what is proved to be gone.
    async fn look_for(
        &self,
        begun: &[JournalId],
        listed: &[Found],
        report: &mut Report,
    ) -> Result<(), EngineError> {
        let present: HashSet<JournalId> = listed.iter().filter_map(journal_id).collect();
        let mut unknown: HashMap<List, Vec<Missing>> = HashMap::new();
        for id in begun.iter().filter(|id| !present.contains(id)) {
            let Some(entry) = self.engine.journal.entry(id).await? else {
                continue;
            };
            if !self.linked.serves(&entry.origin) {
                report.not_compared += 1;
                continue;
            }
            match look(self.linked, entry.made(), &self.org, self.budget).await {
                Look::Proved(Presence::Gone) if entry.state == State::Active => {
                    report.missing.push((id.clone(), entry));
                }
                Look::Proved(_) => {}
                Look::Unknown(list, made) => {
                    let missing = (made, id.clone(), entry);
                    unknown.entry(list).or_default().push(missing);
                }
                Look::NotCompared => report.not_compared += 1,
            }
        }
        for (list, missing) in unknown {
            self.look_through(&list, missing, report).await;
        }
        Ok(())
    }

    /// Reads a list twice for all those in it that Atlas does not know one by one.
    async fn look_through(&self, list: &List, missing: Vec<Missing>, report: &mut Report) {
        let sought = missing.iter().map(|(made, ..)| made.clone()).collect();
        let Ok(gone) = unlisted(self.linked, list, sought, self.budget).await else {
            report.not_compared += missing.len();
            return;
        };
        let gone = missing.into_iter().filter_map(|(made, id, entry)| {
            (gone.contains(&made) && entry.state == State::Active).then_some((id, entry))
        });
        report.missing.extend(gone);
    }
}

/// What Atlas does not know, and whose it is.
type Missing = (Resource, JournalId, JournalEntry);

/// What is told of orphans of which nobody can say how old they are.
fn of_unknown_age(undated: &[&str]) -> Option<String> {
    let named = undated.iter().take(NAMED).copied();
    let named = named.collect::<Vec<_>>().join(", ");
    (!undated.is_empty()).then(|| {
        format!(
            "{} orphans are counted as recent, as Atlas does not tell when they were made ({named}): \
             min_age=0 deletes them too",
            undated.len()
        )
    })
}

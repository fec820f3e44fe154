//! What Atlas holds, beside what the journal holds.
//!
//! The order makes it safe beside requests at work: a credential's entry is in memory before its
//! create is sent, and Atlas is listed before memory is asked. So what is listed and unknown was
//! either removed meanwhile, when deleting it again does no harm, or is an orphan.

use std::collections::{HashMap, HashSet};

use chrono::{DateTime, Utc};

use super::entry::{JournalEntry, State};
use super::tidy_report::{Report, journal_id};
use crate::atlas::{ClientId, OrgId, Presence, RequestBudget};
use crate::engine::Engine;
use crate::engine::connection::ConfiguredClient;
use crate::engine::entries::projects_of_database_users;
use crate::engine::error::EngineError;
use crate::engine::names::JournalId;
use crate::engine::resource::{Found, Inventory, Look, list, look};

/// One look at one organization.
pub(super) struct Comparison<'a> {
    pub(super) engine: &'a Engine,
    pub(super) linked: &'a ConfiguredClient,
    pub(super) org: OrgId,
    pub(super) budget: RequestBudget,
}

impl Comparison<'_> {
    /// Compares what was begun before `before`; the journal is in memory already.
    pub(super) async fn report(&self, before: DateTime<Utc>) -> Result<Report, EngineError> {
        let begun = self.engine.journal.index().live_before(before);
        let projects = projects_of_database_users(&*self.engine.storage).await?;
        let Inventory {
            found: listed,
            warnings,
        } = list(self.linked, &self.org, projects, self.budget).await?;
        let mut report = Report {
            organizations: vec![self.org.to_string()],
            looked_at: listed.len(),
            warnings,
            ..Report::default()
        };
        self.sort(&listed, before, &mut report).await?;
        self.look_for(&begun, &listed, &mut report).await?;
        Ok(report)
    }

    /// Classifies what is listed. What the journal knows, by the end of its description, is no
    /// orphan, nor is an account that is kept for a role, nor what its owner takes care of.
    async fn sort(
        &self,
        listed: &[Found],
        before: DateTime<Utc>,
        report: &mut Report,
    ) -> Result<(), EngineError> {
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
            } else if found.made_at.is_some_and(|at| at < before) {
                report.orphans.push(found.clone());
            } else {
                report.young += 1;
            }
        }
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
        let mut unknown = HashMap::new();
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
                Look::AccountUnknown(account) => {
                    unknown.insert(account, (id.clone(), entry));
                }
                Look::NotCompared => report.not_compared += 1,
            }
        }
        self.look_for_accounts(unknown, report).await;
        Ok(())
    }

    /// Lists all accounts twice for those that Atlas does not know one by one.
    async fn look_for_accounts(
        &self,
        mut unknown: HashMap<ClientId, (JournalId, JournalEntry)>,
        report: &mut Report,
    ) {
        let sought = unknown.keys().cloned().collect();
        let atlas = &self.linked.atlas;
        let unlisted = atlas.unlisted_service_accounts(&self.org, sought, self.budget);
        let Ok(unlisted) = unlisted.await else {
            report.not_compared += unknown.len();
            return;
        };
        unknown.retain(|account, _| unlisted.contains(account));
        let missing = unknown.into_values();
        report
            .missing
            .extend(missing.filter(|(_, entry)| entry.state == State::Active));
    }
}

//! What Atlas holds, beside what the journal holds.
//!
//! The order makes it safe beside requests at work: a credential's entry is in memory before its
//! create is sent, and Atlas is listed before memory is asked. So what is listed and unknown was
//! either removed meanwhile, when deleting it again does no harm, or is a stray.

use std::collections::HashSet;

use chrono::{DateTime, Utc};

use super::entry::{JournalEntry, JournalId, Made, Stage};
use super::tidy_report::{Found, Report};
use crate::atlas::{AtlasError, Level, OrgId, Patience};
use crate::engine::Engine;
use crate::engine::connection::Linked;
use crate::engine::creds::kept_accounts;
use crate::engine::error::EngineError;

/// One look at one organization.
pub(super) struct Comparison<'a> {
    pub(super) engine: &'a Engine,
    pub(super) linked: &'a Linked,
    pub(super) org: OrgId,
    pub(super) patience: Patience,
}

impl Comparison<'_> {
    /// Compares what was begun before `before`; the journal is in memory already.
    pub(super) async fn report(&self, before: DateTime<Utc>) -> Result<Report, EngineError> {
        let begun = self.engine.journal.index().live_before(before);
        let listed = self.listed().await?;
        let mut report = Report {
            organizations: vec![self.org.to_string()],
            looked_at: listed.len(),
            ..Report::default()
        };
        self.sort(&listed, before, &mut report).await?;
        self.look_for(&begun, &listed, &mut report).await?;
        Ok(report)
    }

    async fn listed(&self) -> Result<Vec<Found>, EngineError> {
        let listing =
            |error| EngineError::atlas("listing the organization's keys and accounts", error);
        let (atlas, org) = (&self.linked.atlas, &self.org);
        let keys = atlas.list_org_api_keys(org, self.patience).await;
        let keys = keys.map_err(listing)?.into_iter().map(|key| Found {
            made: Made::ApiKey(org.clone(), key.id),
            public: key.public_key,
            description: key.description,
        });
        let level = Level::Org(org.clone());
        let accounts = atlas.list_service_accounts(&level, self.patience).await;
        let accounts = accounts.map_err(listing)?.into_iter();
        let accounts = accounts.map(|account| Found {
            public: account.client_id.to_string(),
            made: Made::ServiceAccount(org.clone(), account.client_id),
            description: account.name,
        });
        Ok(keys.chain(accounts).collect())
    }

    /// Sorts what is listed. What the journal knows, by the end of its description, is no stray, nor
    /// is an account that is kept for a role.
    async fn sort(
        &self,
        listed: &[Found],
        before: DateTime<Utc>,
        report: &mut Report,
    ) -> Result<(), EngineError> {
        let journal = &self.engine.journal;
        let mark = journal.mark(&*self.engine.entropy).await?;
        let mut known = journal
            .known(listed.iter().filter_map(Found::journal_id))
            .await?;
        known.extend(kept_accounts(self.engine).await?);
        for found in listed {
            let Some(id) = found.journal_id().filter(|id| !known.contains(id)) else {
                continue;
            };
            if !id.carries(mark) {
                report.unmarked.push(found.clone());
            } else if found.made_at().is_some_and(|at| at < before) {
                report.strays.push(found.clone());
            } else {
                report.young += 1;
            }
        }
        Ok(())
    }

    /// Looks for live entries whose credential was not listed. A list is no snapshot, so Atlas is
    /// asked for each once more.
    async fn look_for(
        &self,
        begun: &[JournalId],
        listed: &[Found],
        report: &mut Report,
    ) -> Result<(), EngineError> {
        let present: HashSet<JournalId> = listed.iter().filter_map(Found::journal_id).collect();
        for id in begun.iter().filter(|id| !present.contains(id)) {
            let Some(entry) = self.engine.journal.entry(id).await? else {
                continue;
            };
            if !self.linked.serves(&entry.origin) {
                report.not_compared += 1;
                continue;
            }
            match self.is_gone(&entry).await {
                Some(true) if entry.stage == Stage::Live => {
                    report.missing.push((id.clone(), entry));
                }
                Some(_) => {}
                None => report.not_compared += 1,
            }
        }
        Ok(())
    }

    /// [`None`]: it cannot be told, or not from here.
    async fn is_gone(&self, entry: &JournalEntry) -> Option<bool> {
        let (atlas, patience) = (&self.linked.atlas, self.patience);
        match entry.made()? {
            Made::ApiKey(org, id) if org == self.org => told(
                atlas.api_key(&org, &id, patience).await,
                AtlasError::says_api_key_is_gone,
            ),
            Made::ServiceAccount(org, id) if org == self.org => told(
                atlas.service_account(&Level::Org(org), &id, patience).await,
                AtlasError::says_account_or_secret_is_gone,
            ),
            Made::Secret(level, account, secret) => {
                let asked = atlas.service_account(&level, &account, patience).await;
                match asked {
                    Ok(seen) => Some(seen.secrets.iter().all(|each| each.id != secret)),
                    // An account that left its project lives on in the organization.
                    Err(error) => (matches!(level, Level::Org(_))
                        && error.says_account_or_secret_is_gone())
                    .then_some(true),
                }
            }
            // Nobody but its holder can ask for a token.
            Made::Token(_) | Made::ApiKey(..) | Made::ServiceAccount(..) => None,
        }
    }
}

fn told<T>(asked: Result<T, AtlasError>, says_gone: fn(&AtlasError) -> bool) -> Option<bool> {
    match asked {
        Ok(_) => Some(false),
        Err(error) => says_gone(&error).then_some(true),
    }
}

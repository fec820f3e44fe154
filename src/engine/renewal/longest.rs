//! The longest lifetime that an organization allows to secrets, asked of Atlas now and then.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use chrono::{DateTime, TimeDelta, Utc};
use tokio::time::timeout_at;

use crate::atlas::{Atlas, Hours, OrgId, Patience};

/// Atlas allows five such reads a minute, for all who ask.
const REMEMBERED_FOR: TimeDelta = TimeDelta::hours(1);
const MAX_REMEMBERED: usize = 100;

/// What was answered for each organization.
#[derive(Default)]
pub(crate) struct LongestSecrets {
    by_org: Mutex<HashMap<OrgId, (DateTime<Utc>, Hours)>>,
    /// Held while Atlas is asked, so that many who need the answer ask once.
    asking: tokio::sync::Mutex<()>,
}

impl LongestSecrets {
    /// The longest lifetime; where Atlas does not tell this credential, that of all organizations.
    pub(crate) async fn of(
        &self,
        atlas: &Atlas,
        org: &OrgId,
        now: DateTime<Utc>,
        patience: Patience,
    ) -> Hours {
        let Ok(_asking) = timeout_at(patience.deadline, self.asking.lock()).await else {
            return Hours::LONGEST_SECRET;
        };
        let remembered = self.locked().get(org).copied();
        if let Some((_, hours)) = remembered.filter(|(at, _)| now - *at < REMEMBERED_FOR) {
            return hours;
        }
        match atlas.organization_settings(org, patience).await {
            Ok(settings) => {
                let longest = settings.longest_secret.unwrap_or(Hours::LONGEST_SECRET);
                let mut by_org = self.locked();
                if by_org.len() >= MAX_REMEMBERED {
                    by_org.clear();
                }
                by_org.insert(org.clone(), (now, longest));
                longest
            }
            Err(error) => {
                tracing::debug!(%org, %error, "the organization's longest secret lifetime is not known");
                remembered.map_or(Hours::LONGEST_SECRET, |(_, hours)| hours)
            }
        }
    }

    fn locked(&self) -> std::sync::MutexGuard<'_, HashMap<OrgId, (DateTime<Utc>, Hours)>> {
        self.by_org.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

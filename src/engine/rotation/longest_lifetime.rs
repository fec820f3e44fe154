//! The longest lifetime that an organization allows to secrets, asked of Atlas now and then, with all that
//! its settings tell.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, timeout_at};

use crate::atlas::{Atlas, AtlasError, Hours, OrgId, OrganizationSettings, Origin, RequestBudget};
use crate::engine::Engine;

/// Atlas allows five such reads a minute, for all who ask.
const REMEMBERED_FOR: Duration = Duration::from_hours(1);
/// Whoever wants to see the settings, and not only to keep to them, is told what was read within this.
const SHOWN_FOR: Duration = Duration::from_mins(5);
/// Where Atlas does not tell, it is asked again after this.
const ASKED_AGAIN_AFTER: Duration = Duration::from_mins(1);
/// The answer is good to have, and nothing waits for it longer than this.
const BUDGET: Duration = Duration::from_secs(5);
const MAX_REMEMBERED: usize = 100;

/// What was answered for each organization of an origin.
#[derive(Default)]
pub(crate) struct LongestSecrets {
    by_org: Mutex<HashMap<(Origin, OrgId), Answer>>,
    /// Held while Atlas is asked, so that many who need the answer ask once.
    asking: tokio::sync::Mutex<()>,
}

#[derive(Clone)]
struct Answer {
    /// [`None`]: Atlas never told.
    told: Option<Told>,
    /// Monotonic.
    good_until: Duration,
}

#[derive(Clone)]
struct Told {
    settings: OrganizationSettings,
    /// Monotonic.
    read_at: Duration,
}

impl Answer {
    fn longest(&self) -> Hours {
        let longest = self
            .told
            .as_ref()
            .and_then(|told| told.settings.longest_secret);
        longest.unwrap_or(Hours::LONGEST_SECRET)
    }
}

impl LongestSecrets {
    /// The longest lifetime, at this monotonic time; where Atlas does not tell this credential, or not soon, what it told
    /// last, or else that of all organizations.
    async fn of(&self, atlas: &Atlas, org: &OrgId, now: Duration, budget: RequestBudget) -> Hours {
        if let Some(answer) = self
            .known(atlas, org)
            .filter(|answer| now < answer.good_until)
        {
            return answer.longest();
        }
        let budget = RequestBudget {
            deadline: budget.deadline.min(Instant::now() + BUDGET),
            ..budget
        };
        let asking = timeout_at(budget.deadline, self.asking.lock()).await;
        let known = self.known(atlas, org);
        match known.filter(|answer| asking.is_err() || now < answer.good_until) {
            Some(answer) => answer.longest(),
            None if asking.is_err() => Hours::LONGEST_SECRET,
            None => self.ask(atlas, org, now, budget).await,
        }
    }

    async fn ask(&self, atlas: &Atlas, org: &OrgId, now: Duration, budget: RequestBudget) -> Hours {
        let error = match self.read(atlas, org, now, budget).await {
            Ok(settings) => return settings.longest_secret.unwrap_or(Hours::LONGEST_SECRET),
            Err(error) => error,
        };
        tracing::debug!(
            %org,
            %error,
            "could not read the organization's maximum secret lifetime"
        );
        let answer = Answer {
            told: self.known(atlas, org).and_then(|answer| answer.told),
            good_until: now + ASKED_AGAIN_AFTER,
        };
        let longest = answer.longest();
        self.remember(atlas, org, answer);
        longest
    }

    /// The settings, a few minutes old at most at this monotonic time. Where Atlas does not tell, that is
    /// for the caller to say, and nothing is forgotten.
    async fn settings(
        &self,
        atlas: &Atlas,
        org: &OrgId,
        now: Duration,
        budget: RequestBudget,
    ) -> Result<OrganizationSettings, AtlasError> {
        let told = self.known(atlas, org).and_then(|answer| answer.told);
        match told.filter(|told| now.saturating_sub(told.read_at) < SHOWN_FOR) {
            Some(told) => Ok(told.settings),
            None => self.read(atlas, org, now, budget).await,
        }
    }

    async fn read(
        &self,
        atlas: &Atlas,
        org: &OrgId,
        now: Duration,
        budget: RequestBudget,
    ) -> Result<OrganizationSettings, AtlasError> {
        let settings = atlas.organization_settings(org, budget).await?;
        let told = Told {
            settings: settings.clone(),
            read_at: now,
        };
        let answer = Answer {
            told: Some(told),
            good_until: now + REMEMBERED_FOR,
        };
        self.remember(atlas, org, answer);
        Ok(settings)
    }

    fn remember(&self, atlas: &Atlas, org: &OrgId, answer: Answer) {
        let mut by_org = self.locked();
        if by_org.len() >= MAX_REMEMBERED {
            by_org.clear();
        }
        by_org.insert((atlas.origin().clone(), org.clone()), answer);
    }

    fn known(&self, atlas: &Atlas, org: &OrgId) -> Option<Answer> {
        let key = (atlas.origin().clone(), org.clone());
        self.locked().get(&key).cloned()
    }

    fn locked(&self) -> std::sync::MutexGuard<'_, HashMap<(Origin, OrgId), Answer>> {
        self.by_org.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Engine {
    /// The longest lifetime that an organization allows to secrets, as far as it is known.
    pub(crate) async fn longest_secret(
        &self,
        atlas: &Atlas,
        org: &OrgId,
        budget: RequestBudget,
    ) -> Hours {
        let now = self.clock.monotonic();
        self.longest_secrets.of(atlas, org, now, budget).await
    }

    /// An organization's settings, a few minutes old at most, for whoever wants to see them.
    pub(crate) async fn settings_of(
        &self,
        atlas: &Atlas,
        org: &OrgId,
        budget: RequestBudget,
    ) -> Result<OrganizationSettings, AtlasError> {
        let now = self.clock.monotonic();
        self.longest_secrets.settings(atlas, org, now, budget).await
    }

    /// The lifetime to ask of Atlas: as wanted, but no longer than the organization allows.
    pub(crate) async fn secret_lifetime(
        &self,
        atlas: &Atlas,
        org: &OrgId,
        wanted: Hours,
        budget: RequestBudget,
    ) -> Hours {
        let longest = self.longest_secret(atlas, org, budget).await;
        wanted.min(longest).max(Hours::SHORTEST_SECRET)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::atlas::{Credential, Priority, Transports};
    use crate::base::{Sensitive, SystemClock, SystemEntropy};
    use crate::engine::entries::ConfigEntry;

    #[tokio::test(start_paused = true)]
    async fn nothing_waits_for_long_for_somebody_else_who_asks() {
        let key = Credential::ApiKey {
            public_key: "abcdefgh".to_owned(),
            private_key: Sensitive::new("01234567-89ab-cdef-0123-456789abcdef".to_owned()),
        };
        let settings = ConfigEntry::default().settings().expect("settings");
        let atlas = Atlas::new(
            &settings,
            key,
            Arc::new(SystemClock),
            Arc::new(SystemEntropy),
            &Transports::default(),
        );
        let atlas = atlas.expect("a client");
        let org = "5cf5a45a9ccf6400e60981b7".parse().expect("an id");
        let longest = LongestSecrets::default();
        let _asking = longest.asking.lock().await;
        let begun = Instant::now();
        let budget = RequestBudget::within(Duration::from_mins(1), Priority::Background);
        let hours = longest.of(&atlas, &org, Duration::ZERO, budget).await;
        assert_eq!(hours, Hours::LONGEST_SECRET);
        assert!(begun.elapsed() < Duration::from_secs(6));
    }
}

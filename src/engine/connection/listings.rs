//! One list of an organization's or a project's keys or accounts for all who look through it at the same
//! time.
//!
//! What Atlas made without our hearing of it is found by its description in the list of all. That list
//! is one for the organization, whatever is sought in it, and its requests come out of the budget of
//! everybody: so it is read once for all. A list proves something about a create only if it was begun
//! after that was given up; who seeks says since when a list counts.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, timeout_at};

use super::linked::ConfiguredClient;
use crate::atlas::{
    ApiKeyId, AtlasError, ClientId, Level, ModelKeyId, OrgId, OwnDatabaseUser, ProjectId,
    RequestBudget,
};
use crate::engine::error::EngineError;
use crate::vault::failure::chain;

/// A tenth of what Atlas allows. After so many lists within a minute a request that undoes its
/// create leaves the look to the next periodic run, which looks once for all.
const MAX_OF_MINUTE: usize = 20;
const MINUTE: Duration = Duration::from_mins(1);
/// Places and kinds whose lists are known at once; a mount has one or two organizations, and a few projects
/// in which AI model API keys and database users are made.
const MAX_KNOWN: usize = 64;

/// What an organization or a project has of one kind, as of one moment.
#[derive(Debug)]
pub(crate) enum Listed {
    /// Ids of API keys and their descriptions.
    ApiKeys(Vec<(ApiKeyId, String)>),
    /// Ids of service accounts and their names.
    ServiceAccounts(Vec<(ClientId, String)>),
    /// Ids of a project's AI model API keys and their names.
    ModelKeys(ProjectId, Vec<(ModelKeyId, String)>),
    /// A project's database users with passwords.
    DatabaseUsers(ProjectId, Vec<OwnDatabaseUser>),
    /// Atlas does not know the project.
    NoProject,
}

/// A list in which a kind of credential is found by its description.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum List {
    ApiKeys(OrgId),
    ServiceAccounts(OrgId),
    ModelKeys(ProjectId),
    DatabaseUsers(ProjectId),
}

impl fmt::Display for List {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ApiKeys(org) | Self::ServiceAccounts(org) => write!(f, "organization {org}"),
            Self::ModelKeys(project) | Self::DatabaseUsers(project) => {
                write!(f, "project {project}")
            }
        }
    }
}

/// Since when a list counts, and how urgent it is.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Search {
    /// A list that was begun before proves nothing.
    since: Instant,
    /// The periodic run does the same a little later, for all at once.
    can_wait: bool,
}

impl Search {
    /// For a periodic run: one list serves all that was given up before now.
    pub(crate) fn of_tick() -> Self {
        Self {
            since: Instant::now(),
            can_wait: false,
        }
    }

    /// For a request that undoes what it may have made.
    pub(crate) fn of_request() -> Self {
        Self {
            can_wait: true,
            ..Self::of_tick()
        }
    }
}

/// A list that was read, or why it was not.
type Outcome = Result<Arc<Listed>, Arc<str>>;

/// The reading of one list.
#[derive(Default)]
struct Flight {
    /// Held while the list is read, so that all others wait for it.
    reading: tokio::sync::Mutex<()>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// The last list that was read, and when that was begun.
    last: Option<(Instant, Outcome)>,
    /// When lists were begun within the last minute.
    begun: VecDeque<Instant>,
}

impl Flight {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn since(&self, since: Instant) -> Option<Outcome> {
        let state = self.state();
        let (begun, outcome) = state.last.as_ref()?;
        (*begun >= since).then(|| outcome.clone())
    }

    /// Notes that a list is begun; false: there were enough within a minute.
    fn begin(&self, search: Search, now: Instant) -> bool {
        let mut state = self.state();
        while state
            .begun
            .front()
            .is_some_and(|begun| now - *begun >= MINUTE)
        {
            state.begun.pop_front();
        }
        let many = state.begun.len() >= MAX_OF_MINUTE;
        if many && search.can_wait {
            return false;
        }
        if many {
            state.begun.pop_front();
        }
        state.begun.push_back(now);
        true
    }

    fn is_idle(&self, now: Instant) -> bool {
        let state = self.state();
        state
            .begun
            .back()
            .is_none_or(|begun| now - *begun >= MINUTE)
    }
}

/// The lists of one client, which sees what its credential may see.
#[derive(Default)]
pub(crate) struct Listings {
    flights: Mutex<HashMap<List, Arc<Flight>>>,
}

impl Listings {
    fn flight(&self, list: &List) -> Arc<Flight> {
        let mut flights = self.flights.lock().unwrap_or_else(PoisonError::into_inner);
        if flights.len() >= MAX_KNOWN {
            let now = Instant::now();
            flights.retain(|_, flight| Arc::strong_count(flight) > 1 || !flight.is_idle(now));
        }
        Arc::clone(flights.entry(list.clone()).or_default())
    }

    /// Drops the lists that nobody waits for: what was read is out of date.
    pub(crate) fn forget(&self) {
        let flights = self.flights.lock().unwrap_or_else(PoisonError::into_inner);
        for flight in flights.values() {
            if Arc::strong_count(flight) == 1 {
                flight.state().last = None;
            }
        }
    }
}

impl ConfiguredClient {
    /// What an organization or a project has of a kind: read now, or by somebody else since the search began.
    pub(crate) async fn listed(
        &self,
        list: &List,
        search: Search,
        budget: RequestBudget,
    ) -> Result<Arc<Listed>, EngineError> {
        let flight = self.listings.flight(list);
        if let Some(outcome) = flight.since(search.since) {
            return shared(outcome);
        }
        let reading = timeout_at(budget.deadline, flight.reading.lock()).await;
        let _reading = reading.map_err(|_| EngineError::LeftToTick)?;
        if let Some(outcome) = flight.since(search.since) {
            return shared(outcome);
        }
        let begun = Instant::now();
        if !flight.begin(search, begun) {
            return Err(EngineError::LeftToTick);
        }
        let read = self.read_list(list, budget).await;
        let read =
            read.map_err(|error| EngineError::atlas(&format!("looking through {list}"), error));
        let (outcome, answer) = match read {
            Ok(listed) => {
                let listed = Arc::new(listed);
                (Ok(Arc::clone(&listed)), Ok(listed))
            }
            Err(error) => (Err(Arc::from(chain(&error))), Err(error)),
        };
        flight.state().last = Some((begun, outcome));
        answer
    }

    async fn read_list(&self, list: &List, budget: RequestBudget) -> Result<Listed, AtlasError> {
        match list {
            List::ApiKeys(org) => {
                let keys = self.atlas.list_org_api_keys(org, budget).await?;
                let keys = keys.into_iter().map(|key| (key.id, key.description));
                Ok(Listed::ApiKeys(keys.collect()))
            }
            List::ServiceAccounts(org) => {
                let level = Level::Org(org.clone());
                let accounts = self.atlas.list_service_accounts(&level, budget).await?;
                let accounts = accounts.into_iter().map(|each| (each.client_id, each.name));
                Ok(Listed::ServiceAccounts(accounts.collect()))
            }
            List::ModelKeys(project) => {
                let level = Level::Project(project.clone());
                let keys = match self.atlas.list_model_keys(&level, budget).await {
                    Err(error) if error.says_project_is_gone() => return Ok(Listed::NoProject),
                    keys => keys?.into_iter().map(|key| (key.id, key.name)),
                };
                Ok(Listed::ModelKeys(project.clone(), keys.collect()))
            }
            List::DatabaseUsers(project) => {
                let users = match self.atlas.list_database_users(project, budget).await {
                    Err(error) if error.says_project_is_gone() => return Ok(Listed::NoProject),
                    users => users?,
                };
                let users = users.into_iter().filter_map(|user| {
                    let tag = user.tag().to_owned();
                    user.username()
                        .map(|username| OwnDatabaseUser { username, tag })
                });
                Ok(Listed::DatabaseUsers(project.clone(), users.collect()))
            }
        }
    }
}

fn shared(outcome: Outcome) -> Result<Arc<Listed>, EngineError> {
    outcome.map_err(|text| EngineError::ListFailed(text.to_string()))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::engine::testing::TestMount;

    const NOTHING: Vec<String> = Vec::new();

    async fn lists(mount: &TestMount) -> u64 {
        let asked = mount.atlas.operations().await;
        asked["listOrgApiKeys"].as_u64().unwrap_or_default()
    }

    async fn creates_that(mount: &TestMount, action: Value) {
        let fault = json!({
            "operation": "createOrgApiKey", "count": 0, "action": {"kind": action},
        });
        mount.atlas.fault(fault).await;
    }

    async fn fail_at_once(mount: &TestMount, count: usize) {
        let asked = (0..count).map(|_| mount.read("creds/reader"));
        for outcome in futures_util::future::join_all(asked).await {
            outcome.expect_err("no answer");
        }
    }

    /// The bucket is everybody's. The old code read one list a minute for each of them.
    #[tokio::test]
    async fn sixty_creates_that_never_arrived_cost_one_list_a_minute() {
        let mount = TestMount::with_role(json!({})).await;
        creates_that(&mount, json!("close")).await;
        fail_at_once(&mount, 60).await;
        assert!(lists(&mount).await <= 3, "{}", lists(&mount).await);
        assert_eq!(mount.journal_keys().len(), 60);
        mount.atlas.forget_requests().await;
        mount.tick_for(9).await;
        // One a minute; an aged nonce makes it two.
        assert!(lists(&mount).await <= 18, "{}", lists(&mount).await);
        assert_eq!(mount.journal_keys().len(), 60, "too young for a proof");
        mount.tick_for(3).await;
        assert_eq!(mount.journal_keys(), NOTHING);
        assert!(lists(&mount).await <= 24);
    }

    /// Not listed twice is not listed at two ticks.
    #[tokio::test]
    async fn one_list_is_one_look_for_each_of_its_entries() {
        let mount = TestMount::with_role(json!({})).await;
        creates_that(&mount, json!("close")).await;
        fail_at_once(&mount, 10).await;
        mount.advance(Duration::from_mins(11)).await;
        mount.tick().await.expect("a tick");
        assert_eq!(mount.journal_keys().len(), 10);
        mount.tick_for(1).await;
        assert_eq!(mount.journal_keys(), NOTHING);
    }

    #[tokio::test]
    async fn what_was_made_all_the_same_is_found_in_a_shared_list_and_removed_at_once() {
        let mount = TestMount::with_role(json!({})).await;
        creates_that(&mount, json!("lose_answer")).await;
        fail_at_once(&mount, 20).await;
        assert_eq!(mount.atlas.credentials().await, NOTHING);
        assert_eq!(mount.journal_keys(), NOTHING);
        // Answers are lost one after the other, so that more than one list is begun.
        let lists = lists(&mount).await;
        assert!(lists <= 10, "{lists}");
    }

    #[tokio::test]
    async fn after_a_few_looks_in_a_minute_requests_leave_the_rest_to_the_periodic_run() {
        let mount = TestMount::with_role(json!({})).await;
        creates_that(&mount, json!("lose_answer")).await;
        for _ in 0..MAX_OF_MINUTE + 4 {
            mount.read("creds/reader").await.expect_err("no answer");
        }
        assert_eq!(lists(&mount).await, MAX_OF_MINUTE as u64);
        assert_eq!(mount.atlas.credentials().await.len(), 4);
        mount.tick_for(1).await;
        assert_eq!(mount.atlas.credentials().await, NOTHING);
        assert_eq!(mount.journal_keys(), NOTHING);
        assert_eq!(lists(&mount).await, MAX_OF_MINUTE as u64 + 1);
    }

    #[tokio::test]
    async fn a_list_that_cannot_be_read_is_asked_for_once() {
        let mount = TestMount::with_role(json!({})).await;
        let refused = json!({
            "operation": "listOrgApiKeys", "count": 0,
            "action": {"kind": "answer", "status": 403, "code": "ACCESS_FORBIDDEN"},
        });
        mount.atlas.fault(refused).await;
        creates_that(&mount, json!("close")).await;
        fail_at_once(&mount, 30).await;
        assert!(lists(&mount).await <= 3, "{}", lists(&mount).await);
        mount.atlas.forget_requests().await;
        mount.tick_for(1).await;
        assert_eq!(lists(&mount).await, 1);
    }

    #[tokio::test(start_paused = true)]
    async fn a_list_from_before_a_search_does_not_count() {
        let flight = Flight::default();
        let begun = Instant::now();
        assert!(flight.begin(Search::of_request(), begun));
        flight.state().last = Some((begun, Ok(Arc::new(Listed::ApiKeys(Vec::new())))));
        assert!(flight.since(begun).is_some());
        tokio::time::advance(Duration::from_millis(1)).await;
        assert!(flight.since(Instant::now()).is_none());
        for _ in 1..MAX_OF_MINUTE {
            assert!(flight.begin(Search::of_request(), Instant::now()));
        }
        assert!(!flight.begin(Search::of_request(), Instant::now()));
        assert!(flight.begin(Search::of_tick(), Instant::now()));
        tokio::time::advance(MINUTE).await;
        assert!(flight.begin(Search::of_request(), Instant::now()));
    }
}

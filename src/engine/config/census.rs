//! What belongs to which origin, counted in storage.

use std::collections::BTreeMap;
use std::fmt;

use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::{Value, json};

use crate::atlas::Origin;
use crate::base::Counted;
use crate::engine::error::EngineError;
use crate::engine::journal::Owner;
use crate::engine::origin::{BoundTo, Origins};
use crate::engine::{Engine, keys, stored};

/// Names taken from storage in one listing.
const PAGE: usize = 500;
/// Entries read at once.
const READS_AT_ONCE: usize = 16;

/// How many entries of each kind belong to one origin.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) struct Counts {
    credentials: usize,
    static_roles: usize,
    managed_accounts: usize,
    key_vaults: usize,
    removals: usize,
}

/// Counts by origin.
#[derive(Debug, Default)]
pub(super) struct Census(BTreeMap<Origin, Counts>);

/// The part of any entry that says where it belongs.
#[derive(Deserialize)]
struct Place {
    #[serde(default)]
    origin: BoundTo,
}

#[derive(Deserialize)]
struct Issued {
    #[serde(flatten)]
    place: Place,
    #[serde(default)]
    owner: Owner,
    ended: Option<IgnoredAny>,
}

#[derive(Deserialize)]
struct Accounts {
    current: Option<Place>,
    #[serde(default)]
    retired: Vec<Retired>,
}

#[derive(Deserialize)]
struct Retired {
    account: Place,
}

impl Census {
    /// Counts everything. What cannot be read is not counted; nobody could send it anywhere.
    pub(super) async fn take(engine: &Engine, origins: &Origins) -> Result<Self, EngineError> {
        let mut census = Self::default();
        let count = |place: &Place| origins.home(&place.origin).clone();
        for issued in entries::<Issued>(engine, keys::ISSUED).await? {
            // Of what was ended nothing is left there.
            if issued.ended.is_none() {
                census.of(count(&issued.place)).add(&issued.owner);
            }
        }
        for place in entries::<Place>(engine, keys::STATIC_ROLES).await? {
            census.of(count(&place)).static_roles += 1;
        }
        for accounts in entries::<Accounts>(engine, keys::MANAGED_ACCOUNTS).await? {
            let retired = accounts.retired.into_iter().map(|each| each.account);
            for place in accounts.current.into_iter().chain(retired) {
                census.of(count(&place)).managed_accounts += 1;
            }
        }
        for place in entries::<Place>(engine, keys::AZURE_KEY_VAULTS).await? {
            census.of(count(&place)).key_vaults += 1;
        }
        Ok(census)
    }

    fn of(&mut self, origin: Origin) -> &mut Counts {
        self.0.entry(origin).or_default()
    }

    /// What belongs to an origin.
    pub(super) fn at(&self, origin: &Origin) -> Counts {
        self.0.get(origin).copied().unwrap_or_default()
    }

    /// What belongs to others than this one.
    pub(super) fn elsewhere(&self, origin: &Origin) -> impl Iterator<Item = (&Origin, Counts)> {
        let counts = self.0.iter().map(|(home, counts)| (home, *counts));
        counts.filter(move |(home, _)| *home != origin)
    }
}

impl Counts {
    /// Counts an entry of the journal.
    fn add(&mut self, owner: &Owner) {
        match owner {
            Owner::Lease | Owner::ManagedAccount => self.credentials += 1,
            Owner::Root => self.removals += 1,
            Owner::StaticRole { .. } => self.static_roles += 1,
        }
    }

    /// What is there beside what the configuration holds itself, if anything.
    pub(super) fn beside_the_configuration(self) -> Option<Self> {
        let others = Self {
            removals: 0,
            ..self
        };
        (others != Self::default()).then_some(others)
    }

    /// The counts by name, for answers.
    pub(super) fn data(self) -> Value {
        json!({
            "credentials": self.credentials,
            "static_roles": self.static_roles,
            "managed_accounts": self.managed_accounts,
            "key_vaults": self.key_vaults,
            "pending_deletions": self.removals,
        })
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let counts = [
            Counted(self.credentials, "issued credential"),
            Counted(self.static_roles, "static role"),
            Counted(
                self.managed_accounts,
                "service account of access token roles",
            ),
            Counted(self.key_vaults, "encryption-at-rest project"),
            Counted(self.removals, "replaced credential of the configuration"),
        ];
        let texts = counts.iter().filter(|counted| counted.0 > 0);
        let texts: Vec<_> = texts.map(ToString::to_string).collect();
        f.write_str(&texts.join(", "))
    }
}

/// The entries of a folder that can be read.
async fn entries<T: serde::de::DeserializeOwned + Send>(
    engine: &Engine,
    folder: &'static str,
) -> Result<Vec<T>, EngineError> {
    let mut all = Vec::new();
    let mut after = String::new();
    loop {
        let names = engine.storage.list_page(folder, &after, PAGE).await?;
        let Some(last) = names.last().cloned() else {
            return Ok(all);
        };
        let read: Vec<Option<T>> = stream::iter(names)
            .map(async |name| {
                match stored::load(&*engine.storage, &format!("{folder}{name}")).await {
                    Err(EngineError::Unreadable { .. }) => Ok(None),
                    outcome => outcome,
                }
            })
            .buffer_unordered(READS_AT_ONCE)
            .try_collect()
            .await?;
        all.extend(read.into_iter().flatten());
        after = last;
    }
}

//! The one state of the simulator, and a call as a handler sees it.

use std::net::IpAddr;

use chrono::{DateTime, Utc};
use serde_json::Value;

use crate::auth::Nonces;
use crate::clock::after;
use crate::errors::ApiError;
use crate::faults::Faults;
use crate::http::Query;
use crate::limits::Limits;
use crate::log::RequestLog;
use crate::operations::Params;
use crate::page::Page;
use crate::roles::{self, Level};
use crate::settings::Settings;
use crate::state::Holder;
use crate::world::World;

/// Everything that changes, behind one lock that is never held across a wait.
#[derive(Debug, Default)]
pub(crate) struct Core {
    pub(crate) settings: Settings,
    pub(crate) world: World,
    pub(crate) nonces: Nonces,
    pub(crate) limits: Limits,
    pub(crate) faults: Faults,
    pub(crate) log: RequestLog,
    /// Counts signed-in requests; turns the order of role arrays.
    pub(crate) turn: usize,
}

/// Who signed in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Principal {
    /// An API key, by id.
    Key(String),
    /// A service account and the secret that minted its token.
    Account {
        client_id: String,
        secret_id: String,
    },
}

impl Principal {
    /// The principal's id: of the key, or the client id.
    pub(crate) fn id(&self) -> &str {
        match self {
            Self::Key(id) => id,
            Self::Account { client_id, .. } => client_id,
        }
    }
}

/// One authenticated and authorized call.
pub(crate) struct Call<'a> {
    pub(crate) world: &'a mut World,
    pub(crate) settings: &'a Settings,
    pub(crate) now: DateTime<Utc>,
    pub(crate) principal: &'a Principal,
    /// The principal's organization.
    pub(crate) org_id: &'a str,
    pub(crate) address: IpAddr,
    pub(crate) params: &'a Params,
    pub(crate) query: &'a Query,
    pub(crate) body: Value,
    /// Path and query of the request.
    pub(crate) target: &'a str,
    pub(crate) turn: usize,
}

impl Call<'_> {
    /// A parameter of the path; empty if the path has none of this name.
    pub(crate) fn param(&self, name: &str) -> &str {
        let found = self.params.iter().find(|(known, _)| *known == name);
        found.map_or("", |(_, value)| value)
    }

    /// The page asked for.
    pub(crate) fn page(&self) -> Result<Page, ApiError> {
        Page::of(self.query, self.settings)
    }

    pub(crate) fn take_body(&mut self) -> Value {
        std::mem::take(&mut self.body)
    }

    /// Project level if the path names a project, else organization level.
    pub(crate) fn level(&self) -> Level<'_> {
        match self.param("groupId") {
            "" => Level::Org,
            id => Level::Project(id),
        }
    }

    /// What the caller holds; nothing once it has been deleted.
    pub(crate) fn caller(&self) -> Holder {
        let holder = match self.principal {
            Principal::Key(id) => self.world.keys.get(id).map(|key| &key.holder),
            Principal::Account { client_id, .. } => self
                .world
                .accounts
                .get(client_id)
                .map(|account| &account.holder),
        };
        holder.map_or_else(
            || Holder::new(self.org_id, self.now),
            |holder| Holder {
                access_list: Vec::new(),
                ..holder.clone()
            },
        )
    }

    /// Whether the caller is an Organization Owner.
    pub(crate) fn caller_owns_org(&self) -> bool {
        self.caller()
            .org_roles
            .iter()
            .any(|role| role == "ORG_OWNER")
    }

    /// Checks roles to be granted at this level.
    pub(crate) fn roles(
        &self,
        wanted: &[String],
        level: Level<'_>,
    ) -> Result<Vec<String>, ApiError> {
        roles::check(wanted, level, &self.caller(), self.settings)
    }

    /// When something added to an access list now takes effect.
    pub(crate) fn entry_effective_at(&self) -> DateTime<Utc> {
        after(self.now, self.settings.access_entry_delay_seconds)
    }

    /// The turn of role arrays in this answer.
    pub(crate) fn role_turn(&self) -> usize {
        if self.settings.shuffle_roles {
            self.turn
        } else {
            0
        }
    }
}

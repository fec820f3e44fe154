//! Private endpoints to a project's key vault: what Atlas makes, Azure approves, and Atlas then sees.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::clock::after;

/// A private endpoint.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct PrivateEndpoint {
    pub(crate) id: String,
    pub(crate) region: String,
    pub(crate) created_at: DateTime<Utc>,
    /// When somebody approved it in Azure.
    pub(crate) approved_at: Option<DateTime<Utc>>,
    pub(crate) deleted_at: Option<DateTime<Utc>>,
    /// Something went wrong with it.
    pub(crate) trouble: Option<Trouble>,
}

/// What can go wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(crate) enum Trouble {
    PendingRecreation,
    Failed,
}

/// How Atlas shows an endpoint. Source: Atlas documentation on private endpoints for Azure Key Vault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(crate) enum Status {
    Initiating,
    PendingAcceptance,
    Active,
    PendingRecreation,
    Failed,
    Deleting,
}

impl PrivateEndpoint {
    /// Whether the data nodes reach the vault through it.
    pub(crate) fn carries(&self, now: DateTime<Utc>) -> bool {
        self.deleted_at.is_none()
            && self.trouble.is_none()
            && self.approved_at.is_some_and(|at| at <= now)
    }

    /// What Atlas says of it, which comes that many seconds after the fact.
    pub(crate) fn status(&self, now: DateTime<Utc>, lag_seconds: u64) -> Status {
        let seen = |at: DateTime<Utc>| after(at, lag_seconds) <= now;
        match self.trouble {
            _ if self.deleted_at.is_some() => Status::Deleting,
            Some(Trouble::PendingRecreation) => Status::PendingRecreation,
            Some(Trouble::Failed) => Status::Failed,
            None if self.approved_at.is_some_and(seen) => Status::Active,
            None if seen(self.created_at) => Status::PendingAcceptance,
            None => Status::Initiating,
        }
    }

    /// Whether it is still there.
    pub(crate) fn exists(&self, now: DateTime<Utc>, lag_seconds: u64) -> bool {
        self.deleted_at
            .is_none_or(|at| now < after(at, lag_seconds))
    }
}

//! Which calls share a rate limit, and the limits Atlas starts from.
//!
//! Atlas counts per endpoint set and scope. The numbers are no part of the API's contract, so they
//! only seed the limiter, which then follows what Atlas says.
//! Source: Atlas documentation, "Atlas Administration API Rate Limits", 2026-04-10.

use super::ids::{ClientId, Level, OrgId, ProjectId};

/// Calls that are counted together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum EndpointSet {
    /// API keys and their access lists.
    ApiKeys,
    /// Service accounts, their secrets and access lists.
    ServiceAccounts,
    /// AI model API keys.
    ModelKeys,
    /// Database users.
    DatabaseUsers,
    /// Clusters, of which only the state is read.
    Clusters,
    /// Settings of an organization.
    OrganizationSettings,
    /// The list of organizations.
    OrganizationList,
    /// One project.
    Projects,
    /// Registrations of other clouds' principals.
    CloudProviderAccess,
    /// Encryption at rest with a customer's key.
    EncryptionAtRest,
    /// The root of the API.
    Root,
    /// The token endpoint, counted per client and address.
    Tokens,
    /// The revocation of tokens, which Atlas's limit on minting does not name.
    TokenRevocations,
}

impl EndpointSet {
    /// What an operator calls it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::ApiKeys => "API keys",
            Self::ServiceAccounts => "service accounts",
            Self::ModelKeys => "AI model API keys",
            Self::DatabaseUsers => "database users",
            Self::Clusters => "clusters",
            Self::OrganizationSettings => "organization settings",
            Self::OrganizationList => "organizations",
            Self::Projects => "projects",
            Self::CloudProviderAccess => "cloud provider access",
            Self::EncryptionAtRest => "encryption at rest",
            Self::Root => "root",
            Self::Tokens => "access tokens",
            Self::TokenRevocations => "revocations of access tokens",
        }
    }
}

/// Whose requests are counted.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Scope {
    Org(OrgId),
    Project(ProjectId),
    /// The credential of this client.
    User,
    /// A service account at the token endpoint.
    Client(ClientId),
}

impl Scope {
    /// Whose requests these are; empty for the client's own credential.
    pub(super) fn id(&self) -> &str {
        match self {
            Self::Org(id) => id.as_str(),
            Self::Project(id) => id.as_str(),
            Self::User => "",
            Self::Client(id) => id.as_str(),
        }
    }
}

impl From<&Level> for Scope {
    fn from(level: &Level) -> Self {
        match level {
            Level::Org(id) => Self::Org(id.clone()),
            Level::Project(id) => Self::Project(id.clone()),
        }
    }
}

/// One counter of Atlas's.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct BucketKey {
    pub(super) set: EndpointSet,
    pub(super) scope: Scope,
}

/// The size of a token bucket and how it fills.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Rate {
    /// The most tokens it holds.
    pub(super) capacity: u32,
    /// Tokens that are added ...
    pub(super) refill: u32,
    /// ... in so many seconds.
    pub(super) seconds: u32,
}

impl Rate {
    const fn per_minute(capacity: u32, refill: u32) -> Self {
        Self {
            capacity,
            refill,
            seconds: 60,
        }
    }
}

impl BucketKey {
    /// The limit in Atlas's documentation.
    pub(super) fn documented_rate(&self) -> Rate {
        match (self.set, &self.scope) {
            (EndpointSet::OrganizationSettings, _) => Rate::per_minute(10, 5),
            (EndpointSet::OrganizationList | EndpointSet::Root, _) => Rate::per_minute(300, 100),
            (EndpointSet::Tokens, _) => Rate::per_minute(10, 10),
            (EndpointSet::TokenRevocations, _) => Rate::per_minute(100, 100),
            (EndpointSet::CloudProviderAccess | EndpointSet::EncryptionAtRest, _) => {
                Rate::per_minute(2000, 1000)
            }
            // Recorded with answers; how fast it fills is not documented.
            (EndpointSet::DatabaseUsers, _) => Rate::per_minute(10_000, 5_000),
            (EndpointSet::Projects, _) | (_, Scope::Project(_)) => Rate::per_minute(1200, 500),
            // No limit is documented of AI model API keys: they begin with that of API keys.
            _ => Rate::per_minute(500, 250),
        }
    }

    /// Whether revocations draw on it, so that some of it is kept for them.
    pub(super) fn serves_revocations(&self) -> bool {
        matches!(
            self.set,
            EndpointSet::ApiKeys
                | EndpointSet::ServiceAccounts
                | EndpointSet::ModelKeys
                | EndpointSet::DatabaseUsers
        )
    }
}

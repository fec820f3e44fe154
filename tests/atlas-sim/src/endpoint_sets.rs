//! Which operations share a rate limit, and how large it is by default.

use crate::operations::Operation;
use crate::settings::{BucketSize, Settings};

/// What a bucket belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scope {
    Project,
    Org,
    User,
}

/// Operations that share buckets. Source: Atlas documentation "Atlas Administration API Rate
/// Limits"; it names no set for AI model keys and clusters, so they have no bucket here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Set {
    ApiKeys,
    ServiceAccounts,
    OrgSettings,
    Organizations,
    OrganizationsListCreate,
    Projects,
    ProjectsListCreate,
    CloudProviderAccess,
    DatabaseUsers,
    EncryptionAtRest,
    Root,
    RateLimits,
    Unlimited,
}

/// One endpoint set in one scope.
#[derive(Debug)]
pub(crate) struct Endpoints {
    pub(crate) id: &'static str,
    pub(crate) name: &'static str,
    pub(crate) set: Set,
    pub(crate) scope: Scope,
    size: BucketSize,
}

const fn endpoints(
    id: &'static str,
    name: &'static str,
    set: Set,
    scope: Scope,
    capacity: u64,
    refill_rate: u64,
) -> Endpoints {
    let size = BucketSize {
        capacity,
        refill_rate,
        refill_seconds: 60,
    };
    Endpoints {
        id,
        name,
        set,
        scope,
        size,
    }
}

/// The default buckets.
pub(crate) const ENDPOINT_SETS: [Endpoints; 14] = [
    endpoints(
        "apiKeys_group",
        "API Keys",
        Set::ApiKeys,
        Scope::Project,
        1_200,
        500,
    ),
    endpoints(
        "apiKeys_org",
        "API Keys",
        Set::ApiKeys,
        Scope::Org,
        500,
        250,
    ),
    endpoints(
        "serviceAccounts_group",
        "Service Accounts",
        Set::ServiceAccounts,
        Scope::Project,
        1_200,
        500,
    ),
    endpoints(
        "serviceAccounts_org",
        "Service Accounts",
        Set::ServiceAccounts,
        Scope::Org,
        500,
        250,
    ),
    endpoints(
        "orgSettings_org",
        "Organization Settings",
        Set::OrgSettings,
        Scope::Org,
        10,
        5,
    ),
    endpoints(
        "organizations_org",
        "Organizations",
        Set::Organizations,
        Scope::Org,
        500,
        250,
    ),
    endpoints(
        "organizations_user",
        "Organizations",
        Set::OrganizationsListCreate,
        Scope::User,
        300,
        100,
    ),
    endpoints(
        "projects_group",
        "Projects",
        Set::Projects,
        Scope::Project,
        1_200,
        500,
    ),
    endpoints(
        "projects_user",
        "Projects",
        Set::ProjectsListCreate,
        Scope::User,
        1_200,
        500,
    ),
    endpoints(
        "cloudProviderAccess_group",
        "Cloud Provider Access",
        Set::CloudProviderAccess,
        Scope::Project,
        2_000,
        1_000,
    ),
    // The capacity is recorded; how it is refilled is not known.
    endpoints(
        "databaseUsers_group",
        "Database Users",
        Set::DatabaseUsers,
        Scope::Project,
        10_000,
        5_000,
    ),
    endpoints(
        "encryptionAtRest_group",
        "Encryption at Rest",
        Set::EncryptionAtRest,
        Scope::Project,
        2_000,
        1_000,
    ),
    endpoints("root_user", "Root", Set::Root, Scope::User, 300, 100),
    endpoints(
        "rateLimitsInspection_user",
        "Rate Limits Inspection",
        Set::RateLimits,
        Scope::User,
        300,
        100,
    ),
];

impl Endpoints {
    /// The size in force.
    pub(crate) fn size(&self, settings: &Settings) -> BucketSize {
        settings.buckets.get(self.id).copied().unwrap_or(self.size)
    }

    /// The size by default.
    pub(crate) fn default_size(&self) -> BucketSize {
        self.size
    }

    /// Whether the operation draws from this bucket.
    pub(crate) fn holds(&self, operation: &Operation) -> bool {
        self.set == operation.set && self.scope == operation.scope()
    }
}

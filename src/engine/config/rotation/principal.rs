//! Who the configuration signs in as, in Atlas: a key, or an account of its own.

use crate::atlas::{ApiKeyId, ClientId, OrgId};
use crate::engine::resource::Resource;

/// A key or an account as a whole, known by its id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Principal {
    /// A programmatic API key.
    ApiKey(OrgId, ApiKeyId),
    /// A service account with all its secrets.
    ServiceAccount(OrgId, ClientId),
}

impl From<Principal> for Resource {
    fn from(principal: Principal) -> Self {
        match principal {
            Principal::ApiKey(org, id) => Self::ApiKey(org, id),
            Principal::ServiceAccount(org, id) => Self::ServiceAccount(org, id),
        }
    }
}

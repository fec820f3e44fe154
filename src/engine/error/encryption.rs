//! Why something about encryption at rest was not done, where that is not told by a failed call alone.

use crate::atlas::{ApplicationId, AtlasError, ServicePrincipalId, TenantId};

/// Why a project's way into its key vault was not changed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum EncryptionError {
    /// Nothing was written for the project.
    #[error(
        "this project has no registered service principal: write tenant_id and \
         service_principal_id first"
    )]
    NotRegistered,
    /// Azure does not know the principal, or not yet.
    #[error(
        "Atlas cannot sign in as service principal {service_principal_id} in tenant {tenant_id}: \
         create it with \"az ad sp create --id {application_id}\", give its object id (not the \
         application id), wait some minutes"
    )]
    PrincipalUnknown {
        /// The object id.
        service_principal_id: ServicePrincipalId,
        /// The directory.
        tenant_id: TenantId,
        /// Atlas's application.
        application_id: ApplicationId,
        /// Atlas's words.
        #[source]
        source: AtlasError,
    },
    /// Something is under way that has to end first.
    #[error("this project's entry is {state}: let that end, or apply, rotate or roll back first")]
    UnderWay {
        /// The state.
        state: &'static str,
    },
    /// Deleting would lose the only copy of a secret here.
    #[error(
        "a static secret is in keeping, and with it the way back: give force=true to delete it too"
    )]
    SecretInKeeping,
    /// A registration that somebody else may have made.
    #[error(
        "deauthorize: this engine did not make the registration for certain, so it does not \
         remove it; remove it in Atlas, or delete without deauthorize"
    )]
    NotOurs,
    /// Atlas keeps a registration that is used.
    #[error("deauthorize: Atlas still uses this role for {features}")]
    StillUsed {
        /// The features that use it.
        features: String,
        /// Atlas's words.
        #[source]
        source: AtlasError,
    },
}

//! Why something about encryption at rest was not done, where that is not told by a failed call alone.

use crate::atlas::{AtlasError, AzurePrincipal, RoleId};

/// Why a project's way into its key vault was not changed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum EncryptionError {
    /// Nothing was written for the project.
    #[error(
        "this project has no registered service principal: write tenant_id and \
         service_principal_id first"
    )]
    NotRegistered,
    /// There is no key to change the way to.
    #[error("encryption at rest with Azure Key Vault is off in this project")]
    Off,
    /// Atlas signs in by a registration that is not this entry's.
    #[error("Atlas uses role {role}, which is not this entry's")]
    OtherRole {
        /// The registration.
        role: RoleId,
    },
    /// What Atlas tries only after the change.
    #[error(
        "this project uses private networking: Atlas validates only after the change, and stops \
         the clusters if a grant is missing; such a change is not served yet"
    )]
    PrivateNetworking,
    /// Atlas could not use the key, or did not take the change.
    #[error(
        "Atlas could not use the key with this role; nothing was changed, the static credentials \
         stay in force. {advice}"
    )]
    Refused {
        /// What to do.
        advice: &'static str,
        /// Atlas's words.
        #[source]
        source: AtlasError,
    },
    /// Azure does not know the principal, or not yet.
    #[error(
        "Atlas cannot sign in as service principal {} in tenant {}: create it with \"az ad sp \
         create --id {}\", give its object id (not the application id), wait some minutes",
        principal.object,
        principal.tenant,
        principal.application
    )]
    PrincipalUnknown {
        /// Atlas's application in the customer's directory.
        principal: Box<AzurePrincipal>,
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
    /// There is nothing to go back to.
    #[error("no static secret in keeping: write client_id and client_secret first")]
    NoSecretInKeeping,
    /// Atlas does not let the project go back.
    #[error(
        "Atlas refuses the way back; nothing was changed: restore the grants of service principal \
         {principal}"
    )]
    WayBackRefused {
        /// The object id.
        principal: String,
        /// Atlas's words.
        #[source]
        source: AtlasError,
    },
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

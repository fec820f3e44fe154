//! Why something about encryption at rest was not done, where that is not told by a failed call alone.

use super::EngineError;
use crate::atlas::{
    AtlasError, AzurePrincipal, EndpointStatus, Lack, ProjectId, RoleId, ServicePrincipalId,
};

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
    /// The same, where it could be switched on.
    #[error(
        "encryption at rest with Azure Key Vault is off in this project: give enable=true and \
         subscription_id, resource_group_name, key_vault_name, key_identifier"
    )]
    NotEnabled,
    /// It is on already, with another key than it was to be switched on with.
    #[error(
        "encryption at rest is on already, with key {key}: enable changes no key; leave it out to \
         change the credential alone"
    )]
    OnWithOtherKey {
        /// The key that is used.
        key: String,
    },
    /// Atlas signs in by a registration that is not this entry's.
    #[error("Atlas uses role {role}, which is not this entry's; give adopt=true to take it over")]
    OtherRole {
        /// The registration.
        role: RoleId,
    },
    /// It is to be taken over, and the project does not list it.
    #[error("adopt: Atlas uses role {role}, which is not among the project's registrations")]
    UnknownRole {
        /// The registration.
        role: RoleId,
    },
    /// What Atlas tries only after the change.
    #[error(
        "this project uses private networking: Atlas validates only after the change, and stops \
         the clusters if a grant is missing; it may refuse the way back. Change a project without \
         private networking first that has the same vault, key and principal; or check the grants, \
         then give accept_unvalidated=true and accept_no_way_back=true"
    )]
    PrivateNetworking,
    /// The same, where another project was the proof.
    #[error(
        "project {project} was the proof for this vault, key and principal, and is none any more: it {why}. \
         This project uses private networking, so that Atlas validates only after the change: repair the \
         other one first; or check the grants, then give accept_unvalidated=true and \
         accept_no_way_back=true"
    )]
    ProofIsOver {
        /// The other one.
        project: ProjectId,
        /// How it differs by now.
        why: &'static str,
    },
    /// The same of the way back while nothing asks for it.
    #[error(
        "this project uses private networking, and Atlas may be able to use its key as it is: it would \
         try the secret in keeping only after the change, and stop the clusters if that does not work; \
         make sure that it does, then give accept_unvalidated=true and accept_no_way_back=true"
    )]
    PrivateWayBack,
    /// A change that is not sent again, as Atlas takes it unseen or its migration was stopped, is not shown.
    #[error(
        "no answer told whether Atlas took the change, and Atlas does not show it: it is \
         not sent again unless it is ordered again"
    )]
    NotTaken,
    /// The same of a new secret: Atlas shows none.
    #[error(
        "no answer told whether Atlas took the new static secret, and Atlas does not show which one it \
         holds: with private networking it is not sent again unless it is ordered again: leave both in \
         Azure, and rotate (without client_secret: the same one)"
    )]
    NewSecretUnanswered,
    /// The secret to go back to works no more.
    #[error(
        "the static secret in keeping has expired, and with private networking Atlas would take it \
         unseen: write client_id and client_secret of one that works first"
    )]
    SecretExpired,
    /// Nobody can tell why Atlas does not go back, and all works as it is.
    #[error(
        "Atlas gave no clear answer to the way back, and can use the key by the role: roll back \
         again if that is still wanted"
    )]
    WayBackUnanswered,
    /// Nobody may expect any more that the change comes.
    #[error(
        "not sent again, as it was ordered too long ago{last}: apply again if it is still wanted"
    )]
    OrderTooOld {
        /// What came of the last try, in brackets; empty if that is not known.
        last: String,
    },
    /// The same of a static secret.
    #[error(
        "the static secret is not sent, as that was ordered too long ago{last}: order it again if it is \
         still wanted; rotate does so without client_secret"
    )]
    SecretOrderTooOld {
        /// What came of the last try, in brackets; empty if that is not known.
        last: String,
    },
    /// What somebody else set is not written over by the way back.
    #[error(
        "Atlas uses role {role}, which is not this entry's: what somebody else set is not written over; \
         take it over with apply and adopt=true first"
    )]
    RoleOfOthers {
        /// The registration.
        role: RoleId,
    },
    /// A secret is not sent as one of another application.
    #[error(
        "Atlas signs in as application {shown}, and the secret here is of {own}: no secret was sent; write \
         client_id and client_secret of the present one first, with force=true in the place of another"
    )]
    OtherApplication {
        /// Which one Atlas shows.
        shown: String,
        /// Which one is known here.
        own: String,
    },
    /// One answer may be an old one.
    #[error("{what} (one answer may be an old one: Atlas is asked again)")]
    SeenOnce {
        /// What ends a way back, once it is seen again.
        what: String,
    },
    /// A new secret and the one before were both sent, and no answer tells which is in force.
    #[error(
        "Atlas can use the key, with the new secret or with the one before: leave both in Azure, and rotate \
         again"
    )]
    EitherSecret,
    /// Somebody does not want the change any more, and nothing was sent.
    #[error("the change was called off")]
    CalledOff,
    /// The data nodes can reach no vault at all.
    #[error(
        "this project uses private networking, and has no private endpoint to the key vault: make and \
         approve one first"
    )]
    NoEndpoint,
    /// The data nodes cannot reach the vault.
    #[error("private endpoint in {region} is {status}; approve it in Azure first")]
    EndpointNotActive {
        /// Where it is.
        region: String,
        /// How it stands.
        status: EndpointStatus,
    },
    /// Atlas could not use the key, or did not take the change.
    #[error(
        "Atlas could not use the key with this role; nothing was changed, {in_force}. {advice}"
    )]
    Refused {
        /// What is as before.
        in_force: &'static str,
        /// What to do.
        advice: String,
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
    /// Atlas says that it is registered, and the project does not show it.
    #[error(
        "Atlas refuses service principal {principal} as registered already, and project {project} does \
         not show it: it may be registered in another project, and has to be removed there first"
    )]
    PrincipalElsewhere {
        /// The principal.
        principal: ServicePrincipalId,
        /// The project that wants it.
        project: ProjectId,
        /// Atlas's words.
        #[source]
        source: AtlasError,
    },
    /// Something is under way that has to end first.
    #[error(
        "this project's entry is {state}: that has to end first, and the user guide says what leads out of it"
    )]
    UnderWay {
        /// The state.
        state: &'static str,
    },
    /// Deleting would lose the only copy of a secret here.
    #[error(
        "a static secret is in keeping, and with it the way back: give force=true to delete it too"
    )]
    SecretInKeeping,
    /// Another in its place would lose the only copy of it here.
    #[error(
        "the static secret in keeping may still be needed, and Atlas shows none: to give Atlas \
         another, use rotate; to keep another instead, give force=true"
    )]
    SecretNeeded,
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
    /// The configured credential may not do it.
    #[error("the configured credential needs the role Project Owner in project {project}")]
    NeedsOwner {
        /// The project.
        project: ProjectId,
        /// Atlas's words.
        #[source]
        source: AtlasError,
    },
    /// Atlas signs in without a secret.
    #[error("this project signs in by role {role}; there is no secret to rotate")]
    NoSecretToRotate {
        /// The registration.
        role: RoleId,
    },
    /// A new secret needs to be sent with the ids of its application.
    #[error(
        "Atlas does not show with which application it signs in, so no secret was sent: write \
         client_id and client_secret of the present one first"
    )]
    ApplicationUnknown,
    /// There is none of an earlier rotation.
    #[error(
        "client_secret is missing: give the new secret; none of an earlier rotation is kept that could \
         be tried again"
    )]
    NoSecretToTryAgain,
    /// A new secret that Atlas tries only after it was taken.
    #[error(
        "this project uses private networking: Atlas tries the new secret only after the change, \
         and stops the clusters if it does not work; leave the one before in Azure, then give \
         accept_unvalidated=true"
    )]
    UnvalidatedSecret,
    /// The same, without one that is known to work.
    #[error(
        "this project uses private networking, and no secret in keeping is known to work: if the new \
         one does not, Atlas stops the clusters and there may be no way back; write client_id and \
         client_secret of the present one first, then give accept_unvalidated=true and \
         accept_no_way_back=true"
    )]
    NoKnownSecret,
    /// Atlas did not take a new secret.
    #[error("Atlas refused the new secret ({code}); the one before stays in force; {advice}")]
    SecretRefused {
        /// Atlas's code.
        code: String,
        /// What to do.
        advice: &'static str,
        /// Atlas's words.
        #[source]
        source: AtlasError,
    },
    /// The same, where an earlier attempt may have been taken.
    #[error(
        "Atlas refused the new secret ({code}) when it was sent again, as the first answer was \
         lost: Atlas may hold the new one or the one before, so leave both in Azure, and rotate \
         again, without client_secret to try this one once more; {advice}"
    )]
    SecretRefusedAgain {
        /// Atlas's code.
        code: String,
        /// What to do.
        advice: &'static str,
        /// Atlas's words.
        #[source]
        source: AtlasError,
    },
    /// The role turned out not to work, and the secret in keeping is in force again.
    #[error(
        "Atlas could not use the key by the role, and the project was changed back to the static \
         secret in keeping: look at the grants, then apply again"
    )]
    RoleTakenBack,
    /// A new secret turned out not to work, and the one before is in force again.
    #[error("the new secret did not work; the one before was sent again and is in force")]
    SecretTakenBack,
    /// A new secret turned out not to work, and there is none that is known to work, to go back to.
    #[error(
        "the new secret does not work, and the one before is not in keeping, or not known to work: rotate \
         again, before Atlas stops the project's clusters"
    )]
    NewSecretInvalid,
    /// Nothing was written of this name.
    #[error(
        "there is no such migration: write project_ids, tenant_id and service_principal_id to it \
         first"
    )]
    NoSuchMigration,
    /// What is at work is neither changed nor forgotten.
    #[error("this migration is {state}: give action=pause first, or let it end")]
    MigrationAtWork {
        /// The state.
        state: &'static str,
    },
    /// An order that means nothing now.
    #[error("action: {action} means nothing while this migration is {state}")]
    MigrationState {
        /// The order.
        action: &'static str,
        /// The state.
        state: &'static str,
    },
    /// Atlas had not taken it yet when it was called off.
    #[error(
        "the change was called off, and took effect all the same: the project is on its role, where it may \
         stay, or be rolled back"
    )]
    CameLate,
    /// What is accepted is for a plan that somebody else has made anew.
    #[error(
        "plan_id: the migration was planned anew since: read it, and give its plan_id with what is accepted \
         for its projects"
    )]
    OtherPlan,
    /// Nothing is there to be changed back.
    #[error("action: this migration has changed no project, so there is nothing to roll back")]
    NothingMigrated,
    /// A project that was changed must not be lost sight of.
    #[error(
        "project_ids: project {project} was changed by this migration and has to stay in it: make \
         another migration"
    )]
    MigratedProject {
        /// The project.
        project: ProjectId,
    },
    /// More projects than one entry may hold.
    #[error(
        "all_static: the credential sees more than {most} projects: make several migrations with \
         project_ids"
    )]
    TooManyProjects {
        /// How many there may be.
        most: usize,
    },
    /// A registration that somebody else may have made.
    #[error(
        "deauthorize: this engine did not make the registration for certain, so it does not \
         remove it; remove it in Atlas, or delete without deauthorize"
    )]
    NotOurs,
    /// A registration that is used.
    #[error("deauthorize: Atlas still uses this role for {features}")]
    StillUsed {
        /// The features that use it.
        features: String,
    },
}

impl EngineError {
    /// The same, naming the one role that all of a project's encryption takes where the configured
    /// credential lacks a role: what a single call needs may be less.
    pub(crate) fn in_project(self, project: &ProjectId) -> Self {
        match self {
            Self::Atlas { source, .. } if matches!(source.lack(), Some(Lack::Role(_))) => {
                let project = project.clone();
                EncryptionError::NeedsOwner { project, source }.into()
            }
            other => other,
        }
    }
}

impl EncryptionError {
    /// Whether the wall clock alone says so.
    pub(crate) fn is_by_clock(&self) -> bool {
        matches!(self, Self::SecretExpired | Self::SecretOrderTooOld { .. })
    }
}

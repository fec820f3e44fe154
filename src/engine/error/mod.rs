//! What the engine's work can end in, and the one mapping to the host's kinds of error.

mod encryption;
mod kinds;
mod rotation;
mod text;

use chrono::{DateTime, Utc};

pub(crate) use self::encryption::EncryptionError;
pub(crate) use self::rotation::RotationError;
use self::text::{listed, no_free_slot, refusal_advice};
use super::keys;
use crate::atlas::{
    AtlasError, ClientId, DatabaseUsername, MOST_DATABASE_USERS, OrgId, Origin, ProjectId,
    SecretId, SettingsError,
};
use crate::base::Rfc3339;
use crate::vault::failure::READ_ONLY_TEXT;
use crate::vault::{StorageError, SystemViewError};

/// Why the engine did not do as asked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum EngineError {
    /// What the user gave is wrong; every fault with its field.
    #[error("{0}")]
    BadInput(String),
    /// There is no configuration.
    #[error("this mount is not configured: write a credential to its config path first")]
    NotConfigured,
    /// There is no such role.
    #[error("there is no role {0:?}: write it under roles/ first")]
    NoSuchRole(String),
    /// A role binds to an address that nobody knows.
    #[error(
        "role {0:?} has bind_to_caller, and the server does not know the address of this request: ask it over \
         TCP"
    )]
    CallerAddressUnknown(String),
    /// A role no longer says what was made for it.
    #[error("role {0:?} was changed while its credential was being created: read again")]
    RoleChanged(String),
    /// There is no such static role.
    #[error("there is no static role {0:?}: write it under static-roles/ first")]
    NoSuchStaticRole(String),
    /// A static role's first rotation has not succeeded yet.
    #[error("static role {name:?} has no secret yet: its first rotation {state}")]
    NoSecretYet {
        /// The static role.
        name: String,
        /// How far it is, or why it fails.
        state: String,
    },
    /// A secret could not be renewed.
    #[error(transparent)]
    Rotation(#[from] RotationError),
    /// Something about encryption at rest was not done.
    #[error(transparent)]
    Encryption(#[from] EncryptionError),
    /// A patch needs something to change.
    #[error("there is no role {0:?} to patch: write it first")]
    NothingToPatch(String),
    /// The role of a lease is gone, so nobody says how long the lease may live on.
    #[error("role {0:?} was deleted: the lease cannot be extended and ends when it is due")]
    RoleOfLeaseGone(String),
    /// Somebody ended a lease's credential.
    #[error("this credential was ended at {at} by {by}: read a new one from creds/{role}")]
    CredentialEnded {
        /// The role.
        role: String,
        /// When.
        at: Rfc3339,
        /// Who.
        by: String,
    },
    /// Nothing in the journal has this name. It is not repeated: it may be anything.
    #[error(
        "there is no such issued credential: give the journal id, the public key, the client id, the \
         id of the AI model API key or the name of the database user of one that is listed under issued/; \
         a lease of the Go engine is ended with its lease"
    )]
    NoSuchCredential,
    /// The lease does not hold what its end needs.
    #[error("the lease's internal data has no usable {field}: {reason}")]
    BrokenLease {
        /// The key of the internal data.
        field: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// A stored entry is not in a shape that this version knows.
    #[error(
        "the stored entry {key:?} cannot be read (line {line}, column {column}); {}",
        way_out(key)
    )]
    Unreadable {
        /// The storage key.
        key: String,
        /// Where reading stopped.
        line: usize,
        /// Where reading stopped.
        column: usize,
    },
    /// An earlier version's storage, on a node that may not write. The host's own words at the end make
    /// it forward the request to the one that may.
    #[error(
        "this mount's storage is of an earlier version, and the active node converts it at its start: \
         {READ_ONLY_TEXT}"
    )]
    NotConverted,
    /// A later version's storage.
    #[error(
        "this mount's storage is of version {stored}, and this plugin knows version {known}: use the \
         later plugin, or restore the storage"
    )]
    LaterStorage {
        /// What is stored.
        stored: u32,
        /// The latest that is known here.
        known: u32,
    },
    /// The configuration cannot be used.
    #[error("{}: {reason}", .0.field(), reason = .0)]
    Settings(#[from] SettingsError),
    /// What is asked for belongs to an origin to which the configuration does not lead.
    #[error(
        "this belongs to {bound}, and this mount's configuration leads to {present}, where it is \
         neither sent nor looked for: write the secret for {bound} to config with \
         base_url={bound}; or, if what belongs there is reached at {present} now, move it with \
         config/move \
         (from={bound}, needs the sudo capability)"
    )]
    OtherOrigin {
        /// Where it belongs.
        bound: Origin,
        /// Where the configuration leads.
        present: Origin,
    },
    /// Atlas refused the configured credential.
    #[error(
        "Atlas refused the configured credential: write a valid one to this mount's config path"
    )]
    CredentialRefused(#[source] AtlasError),
    /// Atlas did not do as asked.
    #[error("{advice}")]
    Atlas {
        /// What was being done, and for a refusal what to check.
        advice: String,
        /// What Atlas said.
        source: AtlasError,
    },
    /// A credential was made but could not be completed, and is removed.
    #[error("the credential was not completed and {undone}")]
    NotCompleted {
        /// What became of the incomplete credential.
        undone: &'static str,
        /// Why it was not completed.
        #[source]
        source: Box<EngineError>,
    },
    /// Atlas could not be asked about a configuration that it was never asked about.
    #[error("the configuration was stored unverified, and Atlas could not be asked now either")]
    StillUnverified(#[source] Box<EngineError>),
    /// Nobody knows in which organization to look.
    #[error(
        "the organization of the credential is not known: write organization_id to this mount's \
         config path"
    )]
    OrganizationUnknown,
    /// What was made in a project cannot be told from what is gone.
    #[error(
        "the configured credential has no access to project {project:?}, and organization \
         {organization}, which does not know the credential that was created there, may not be \
         the one in which it was created: write a credential of its organization to this mount's \
         config path; \
         or make sure that it is gone in Atlas, then end the lease with lease revoke -force -prefix"
    )]
    ProjectOutOfSight {
        /// The project; empty for none.
        project: String,
        /// Where it was looked for.
        organization: OrgId,
    },
    /// A create may have taken effect, but Atlas does not list what it made, or not yet.
    #[error("resource is not visible in Atlas yet")]
    NotListedYet,
    /// Atlas knows nothing of what it may not know yet everywhere.
    #[error(
        "Atlas does not find it, which is not conclusive within two minutes of its creation, or \
         of when this process first saw it: try again in two minutes"
    )]
    NotProvedGone,
    /// Enough lists were read within a minute, or no time is left for one; a periodic run looks for
    /// all at once.
    #[error("the next periodic run searches for it, together with all others")]
    LeftToTick,
    /// Who read the list for all who seek in it did not succeed.
    #[error("a list that several requests waited for could not be read: {0}")]
    ListFailed(String),
    /// The configured credential could make something that it could never delete.
    #[error(
        "the configured credential is not an Organization Owner, so it could not delete what it \
         creates for this role: grant it that Atlas role; the engine checks again after a minute"
    )]
    CannotRemove,
    /// Others work on the same thing, and the caller's time was over first.
    #[error("{what} is locked by another request; retry")]
    Busy {
        /// What is worked on.
        what: String,
    },
    /// As many requests wait for the same as may.
    #[error(
        "{waiting} requests already wait for {awaited}: try again when some of them are answered"
    )]
    TooManyWaiting {
        /// How many are ahead.
        waiting: usize,
        /// What they wait for.
        awaited: String,
    },
    /// The account of a role is not there.
    #[error(
        "service account {0} does not exist where the role says: check client_id and \
         organization_id \
         or project_id of the role"
    )]
    NoSuchAccount(ClientId),
    /// A service account holds as many secrets as Atlas allows.
    #[error("{}", no_free_slot(client_id, *taken, frees_at.as_ref()))]
    NoFreeSlot {
        /// The account.
        client_id: ClientId,
        /// How many it holds.
        taken: usize,
        /// When the next one issued here ends, at the latest; [`None`]: none was issued here.
        frees_at: Option<DateTime<Utc>>,
    },
    /// Whether an earlier attempt made a secret is not known yet.
    #[error(
        "the outcome of an earlier attempt to add a secret to service account {0} is not known \
         yet: try again in a minute"
    )]
    Unsettled(ClientId),
    /// Something must be deleted first that nobody ordered to be deleted, and that is held.
    #[error("{what}: something must be deleted there first, and deletions are on hold: {held}")]
    Held {
        /// Where.
        what: String,
        /// By what.
        held: String,
    },
    /// A person ordered what would delete something by its age, and the clock is not believed.
    #[error(
        "{what}: a secret must be deleted there first because of its age, and {held}; wait until \
         the clocks agree, delete it in Atlas, or give force=true where that is offered"
    )]
    ClockDoubted {
        /// Where.
        what: String,
        /// Why.
        held: String,
    },
    /// This process must not touch Atlas.
    #[error(
        "MONGODBATLAS_HOLD=all is set in the environment of the server process, so nothing is sent to \
         Atlas: no credential is issued, none is revoked (its lease may become irrevocable), and no \
         lease of one secret of a service account or of a database user is renewed; start the server without it to go on"
    )]
    EverythingHeld,
    /// An attempt's secret cannot be told from one that somebody else made, so none is deleted.
    #[error(
        "service account {client_id} has unrecognized secrets ({}): cannot tell which one this \
         mount created, so none was deleted; delete the unused ones in Atlas",
        listed(candidates)
    )]
    Ambiguous {
        /// The account.
        client_id: ClientId,
        /// The secrets among which it is.
        candidates: Vec<SecretId>,
    },
    /// The secret of a lease has ended.
    #[error(
        "the lease's secret has expired, so the lease cannot be extended: read a new credential"
    )]
    SecretExpired,
    /// A new secret ends before it can be used.
    #[error(
        "Atlas created a credential that has already expired by this server's clock: check the \
         clock of this server"
    )]
    EndsAtOnce,
    /// The secret of a lease is gone in Atlas.
    #[error(
        "the lease's secret of service account {0} was deleted in Atlas: read a new \
             credential"
    )]
    SecretGone(ClientId),
    /// The database user of a lease is gone in Atlas.
    #[error(
        "Atlas does not know database user {0:?} of this lease any more, or knows another user of that \
         name, so the lease cannot be extended: read a new credential"
    )]
    DatabaseUserGone(DatabaseUsername),
    /// Somebody else has the name that a database user was to get, and there is no other.
    #[error(
        "the project has a database user {username:?} already, and the role's username_template gives no \
         other name: put {{{{random 20}}}} into it, or wait until whoever has that name is gone"
    )]
    UsernameTaken {
        /// The name.
        username: DatabaseUsername,
        /// What Atlas says.
        source: AtlasError,
    },
    /// A project has as many database users as Atlas allows.
    #[error(
        "project {project} has {alive} database users and Atlas allows no more \
         (GROUP_USERS_LIMIT_EXCEEDED; {MOST_DATABASE_USERS}, unless its support allows more): revoke \
         leases or delete users that are not needed, and give the role a max_live; this is no missing \
         right"
    )]
    TooManyDatabaseUsers {
        /// The project.
        project: ProjectId,
        /// How many there were before it was asked for, others' included.
        alive: usize,
    },
    /// Nothing signs in as the account of a token any more.
    #[error(
        "no secret of service account {0} works any more, so its access token cannot be revoked; \
         it expires within an hour"
    )]
    NoWorkingSecret(ClientId),
    /// An account has as many live access tokens as Atlas allows.
    #[error(
        "role {role:?} has {alive} active access tokens, Atlas's limit: the next one ends at \
         {next_end}; revoke leases that are not needed"
    )]
    TooManyTokens {
        /// The role.
        role: String,
        /// How many live.
        alive: usize,
        /// When the next one ends.
        next_end: Rfc3339,
    },
    /// The mount is about to end.
    #[error("this mount is being disabled or moved: nothing new is made in Atlas for it")]
    BeingDisabled,
    /// Everything that was issued here is being ended.
    #[error(
        "this mount is being drained since {since} by {by}: nothing new is made; a write of config (no \
         field is needed) ends that"
    )]
    Draining {
        /// Since when.
        since: Rfc3339,
        /// By whose order.
        by: String,
    },
    /// A role has as many credentials as it may.
    #[error(
        "role {role:?} has {live} active credentials, of at most {max_live}: revoke some, wait \
         until \
         leases end, or raise the role's max_live"
    )]
    TooManyLive {
        /// The role.
        role: String,
        /// How many there are, incomplete ones included.
        live: usize,
        /// How many there may be.
        max_live: u32,
    },
    /// The caller went away before the answer was ready.
    #[error("the request was cancelled before the credential was complete: read a new one")]
    CallerGone,
    /// Storage failed.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// The host did not tell what it must tell.
    #[error(transparent)]
    SystemView(#[from] SystemViewError),
}

/// What helps where an entry cannot be read.
fn way_out(key: &str) -> &'static str {
    // A write of these reads what is there: what a change has come to must not be forgotten unasked.
    let is_kept = [keys::AZURE_KEY_VAULTS, keys::AZURE_MIGRATIONS];
    if is_kept.iter().any(|folder| key.starts_with(folder)) {
        "restore it, or delete it with force=true and write it anew"
    } else {
        "write it anew or restore it"
    }
}

impl EngineError {
    /// An entry that is no JSON of its shape. The text itself may be secret and is not repeated.
    pub(crate) fn unreadable(key: &str, error: &serde_json::Error) -> Self {
        Self::Unreadable {
            key: key.to_owned(),
            line: error.line(),
            column: error.column(),
        }
    }

    /// A failed call to Atlas, told with what it was for.
    pub(crate) fn atlas(doing: &str, source: AtlasError) -> Self {
        match &source {
            AtlasError::Unauthenticated { .. } => Self::CredentialRefused(source),
            AtlasError::Refused {
                status: 401 | 403, ..
            } => Self::Atlas {
                advice: format!("{doing}: {}", refusal_advice(source.lack())),
                source,
            },
            AtlasError::Refused { .. }
            | AtlasError::RateLimited { .. }
            | AtlasError::ServerFault { .. }
            | AtlasError::NoAnswer { .. }
            | AtlasError::UnexpectedAnswer { .. }
            | AtlasError::MalformedAnswer { .. } => Self::Atlas {
                advice: doing.to_owned(),
                source,
            },
        }
    }

    /// Whether nothing but Atlas's rate limit was in the way: nothing failed, it only has to wait.
    pub(crate) fn is_rate_limited(&self) -> bool {
        match self {
            Self::Atlas { source, .. } => matches!(source, AtlasError::RateLimited { .. }),
            Self::NotCompleted { source, .. } => source.is_rate_limited(),
            _ => false,
        }
    }

    /// The same failure of a request whose role was deleted meanwhile: that is why it ended.
    pub(crate) fn because_role_was_deleted(self, role: &str) -> Self {
        let deleted = Self::NoSuchRole(role.to_owned());
        match self {
            Self::NotCompleted { undone, .. } => Self::NotCompleted {
                undone,
                source: Box::new(deleted),
            },
            _ => deleted,
        }
    }

    /// Whether Atlas knows the credential and refused all the same: for want of a role or an address.
    pub(crate) fn says_no_right(&self) -> bool {
        matches!(
            self,
            Self::Atlas {
                source: AtlasError::Refused {
                    status: 401 | 403,
                    ..
                },
                ..
            }
        )
    }

    /// Whether nothing failed: it has to wait, or it is on hold.
    pub(crate) fn is_mere_wait(&self) -> bool {
        matches!(
            self,
            Self::Held { .. } | Self::ClockDoubted { .. } | Self::Draining { .. }
        ) || self.is_rate_limited()
    }

    /// Whether what was asked of Atlas may have been done all the same.
    pub(crate) fn outcome_unknown(&self) -> bool {
        match self {
            Self::Atlas { source, .. } | Self::CredentialRefused(source) => {
                source.outcome_unknown()
            }
            _ => false,
        }
    }
}

//! Why a secret could not be rotated, where that is not told by a failed call alone.

use chrono::{DateTime, Utc};

use crate::atlas::{AtlasError, ClientId, Hours, SecretId, SettingsError};
use crate::base::Rfc3339;

/// Why a rotation did not get on.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RotationError {
    /// Atlas does not know the account, or not where it is looked for.
    #[error(
        "client_id: Atlas knows no service account {client_id} in {place}; was it deleted by hand?"
    )]
    AccountGone {
        /// The account.
        client_id: ClientId,
        /// The organization or project.
        place: String,
        /// Atlas's words.
        #[source]
        source: AtlasError,
    },
    /// Atlas does not know the organization or project, or keeps it from the credential.
    #[error("{field}: Atlas knows no such organization or project, or not with this credential")]
    PlaceUnknown {
        /// The field that names it.
        field: &'static str,
        /// Atlas's words.
        #[source]
        source: AtlasError,
    },
    /// Both slots are taken by secrets that may be in use.
    #[error(
        "the account already holds two secrets, Atlas's limit: {kept} is kept for those who still \
         use it until {} at the latest; wait, delete it in Atlas, or give force=true where that is \
         offered",
        Rfc3339(*until)
    )]
    SlotsFull {
        /// The secret that is in the way.
        kept: SecretId,
        /// When it is removed.
        until: DateTime<Utc>,
    },
    /// Both slots are taken, one of them by a secret that somebody else made and uses.
    #[error(
        "the account already holds two secrets, Atlas's limit: {stray} was not created by this \
         mount and was used at {}; find out who uses it and delete it in Atlas, or wait until one \
         day after its last use; force=true deletes it at once and locks its user out",
        Rfc3339(*used_at)
    )]
    StrayInUse {
        /// The secret that is in the way.
        stray: SecretId,
        /// When it was last used, as far as Atlas tells.
        used_at: DateTime<Utc>,
    },
    /// Both slots are taken, one of them by a secret that somebody may just have made.
    #[error(
        "the account already holds two secrets, Atlas's limit: {stray} was probably not created \
         by this mount and is less than a day old; find its owner and delete it in Atlas if it is \
         not needed, rotate manually, or wait until it is a day old and unused"
    )]
    StrayIsNew {
        /// The secret that is in the way.
        stray: SecretId,
    },
    /// Both slots are taken, and the present secret may be in either.
    #[error(
        "the account already holds two secrets, Atlas's limit, and Atlas does not say which of \
         them is in use here, so none is deleted, even with force=true: delete the other one in \
         Atlas and try again"
    )]
    PresentUnknown,
    /// The account's own secret no longer signs in, so that an operator must act.
    #[error(
        "client_secret: the account's own secret cannot obtain an access token; it may have \
         expired or been deleted: write a working one"
    )]
    OwnSecretRefused(#[source] AtlasError),
    /// A new secret mints no token.
    #[error(
        "the new secret cannot obtain an access token yet; readers keep the current one, and the \
         new one is tried again"
    )]
    NotProved(#[source] AtlasError),
    /// A new secret never minted a token.
    #[error("the new secret could not obtain an access token within ten minutes and was abandoned")]
    GivenUp(#[source] AtlasError),
    /// Atlas refused to make a secret.
    #[error(
        "creating a secret of {} h; if Atlas finds that too long for the organization, give a \
         shorter secret_ttl", .hours.get()
    )]
    NotCreated {
        /// The lifetime asked for.
        hours: Hours,
        /// Atlas's words.
        #[source]
        source: AtlasError,
    },
    /// Asked for again right after a rotation.
    #[error(
        "it was rotated {seconds_ago} s ago; wait until {}, or give force=true",
        Rfc3339(*until)
    )]
    TooSoon {
        /// Since the last rotation.
        seconds_ago: i64,
        /// When it may be rotated again.
        until: DateTime<Utc>,
    },
    /// Earlier rotations have left too much behind.
    #[error(
        "earlier rotations left credentials in Atlas that could not be removed yet; see this \
         mount's config for the reason, and try again once they are gone"
    )]
    TooManyRemovals,
    /// Another rotation of the same account holds it for longer than the caller waits.
    #[error("another rotation of this credential is in progress; retry")]
    Busy,
    /// The account's own credential cannot be used.
    #[error("client_secret: {0}")]
    Unusable(#[source] SettingsError),
}

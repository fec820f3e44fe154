//! The one mapping of the engine's errors to the host's kinds.

use super::EngineError;
use crate::atlas::AtlasError;
use crate::vault::StorageError;
use crate::vault::failure::Failure;

impl From<EngineError> for Failure {
    fn from(error: EngineError) -> Self {
        match &error {
            EngineError::BadInput(_)
            | EngineError::NotConfigured
            | EngineError::NoSuchRole(_)
            | EngineError::CallerAddressUnknown(_)
            | EngineError::NoSuchStaticRole(_)
            | EngineError::NoSecretYet { .. }
            | EngineError::Rotation(_)
            | EngineError::Encryption(_)
            | EngineError::RoleOfLeaseGone(_)
            | EngineError::CredentialEnded { .. }
            | EngineError::NoSuchCredential
            | EngineError::Settings(_)
            | EngineError::OrganizationUnknown
            | EngineError::CannotRemove
            | EngineError::NoSuchAccount(_)
            | EngineError::NoFreeSlot { frees_at: None, .. }
            | EngineError::Ambiguous { .. }
            | EngineError::SecretExpired
            | EngineError::SecretGone(_)
            | EngineError::DatabaseUserGone(_)
            | EngineError::UsernameTaken { .. }
            | EngineError::TooManyDatabaseUsers { .. }
            | EngineError::Atlas {
                source: AtlasError::Refused { .. },
                ..
            } => Self::bad_request(&error),
            EngineError::Atlas {
                source: AtlasError::RateLimited { .. },
                ..
            }
            | EngineError::TooManyLive { .. }
            | EngineError::TooManyWaiting { .. }
            | EngineError::NoFreeSlot { .. }
            | EngineError::TooManyTokens { .. } => Self::coded(429, &error),
            EngineError::Busy { .. }
            | EngineError::NotProvedGone
            | EngineError::Unsettled(_)
            | EngineError::Held { .. }
            | EngineError::ClockDoubted { .. }
            | EngineError::EverythingHeld
            | EngineError::Draining { .. }
            | EngineError::BeingDisabled => Self::coded(503, &error),
            EngineError::NothingToPatch(_) => Self::coded(404, &error),
            EngineError::NotCompleted { .. } | EngineError::StillUnverified(_) => by_cause(error),
            // The host knows its own words: the read-only text makes it forward the request.
            EngineError::Storage(StorageError::Refused(text)) => Self::HostText(text.clone()),
            EngineError::NotConverted => Self::HostText(error.to_string()),
            EngineError::BrokenLease { .. }
            | EngineError::LaterStorage { .. }
            | EngineError::OtherOrigin { .. }
            | EngineError::ProjectOutOfSight { .. }
            | EngineError::Unreadable { .. }
            | EngineError::CredentialRefused(_)
            | EngineError::Atlas { .. }
            | EngineError::NotListedYet
            | EngineError::LeftToTick
            | EngineError::ListFailed(_)
            | EngineError::NoWorkingSecret(_)
            | EngineError::EndsAtOnce
            | EngineError::RoleChanged(_)
            | EngineError::CallerGone
            | EngineError::Storage(_)
            | EngineError::SystemView(_) => Self::internal(&error),
        }
    }
}

/// The kind of the cause, with the text of the whole.
fn by_cause(error: EngineError) -> Failure {
    let text = crate::vault::failure::chain(&error);
    let (EngineError::NotCompleted { source, .. } | EngineError::StillUnverified(source)) = error
    else {
        return Failure::Internal(text);
    };
    match Failure::from(*source) {
        Failure::BadRequest(_) => Failure::BadRequest(text),
        Failure::Coded { status, .. } => Failure::Coded { status, text },
        // A text of the host must reach it unchanged.
        kept
        @ (Failure::HostText(_) | Failure::UnsupportedOperation | Failure::UnsupportedPath) => kept,
        Failure::Internal(_) => Failure::Internal(text),
    }
}

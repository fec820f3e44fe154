//! `encryption-at-rest/azure/<project_id>/rotate`: its fields and its handler.

use std::sync::Arc;

use chrono::{DateTime, Utc};

use super::answer::answer;
use super::entry::{Accepted, AzureEntry};
use super::input;
use super::paths::{budget, load, lock, project, put_back, shows};
use super::rotate::{self, RotateRequest};
use crate::base::Sensitive;
use crate::engine::error::{EncryptionError, EngineError};
use crate::engine::origin::BoundTo;
use crate::engine::{Engine, OPERATION_PREFIX};
use crate::framework::{Call, Display, Faults, Field, Fields, Path, PathOperation};
use crate::vault::{Operation, Response};

/// The path of a rotation.
pub(super) fn path() -> Path<Engine> {
    Path::new("encryption-at-rest/azure/{project_id}/rotate")
        .help(
            "Let Atlas sign in to the key vault with a new static secret.",
            "The secret is one of the application that Atlas signs in with now, made in Azure beside \
             the present one, which stays there until the answer says. Nothing but the secret is \
             changed. Atlas tries it at once, and where it refuses it the one before stays in force \
             and the new one is not kept. Where an answer was lost it is kept, and without \
             client_secret it is sent once more. A project that signs in by a role has no secret.",
        )
        .display(Display::operation(
            OPERATION_PREFIX,
            "rotate",
            "azure-key-vault-secret",
        ))
        .field(input::project_id())
        .field(
            Field::text("client_secret")
                .about(
                    "The new secret. It is never shown again. Without it that of an earlier rotation is \
                     sent once more, of which nobody knows whether Atlas took it.",
                )
                .sensitive(),
        )
        .field(Field::text("client_secret_expires_at").about(
            "When the new secret expires, in RFC 3339. Atlas does not know it, so nobody warns \
             before without it.",
        ))
        .field(
            Field::boolean("accept_unvalidated")
                .about(
                    "With private networking: change it although Atlas tries the new secret only \
                     afterwards, and stops the clusters if it does not work.",
                )
                .default(false),
        )
        .field(
            Field::boolean("accept_no_way_back")
                .about(
                    "With private networking: also change it where no secret in keeping is known to \
                     work, to which it could go back.",
                )
                .default(false),
        )
        .operation(
            Operation::Update,
            PathOperation::new(change_secret)
                .summary("Give Atlas a new static secret.")
                .answers(shows()),
        )
        .forwarded()
}

/// Reads what is asked for.
fn request(fields: &Fields, now: DateTime<Utc>) -> Result<RotateRequest, EngineError> {
    let mut faults = Faults::new();
    let secret = fields.filled("client_secret", &mut faults);
    let expires_at = input::secret_end(fields, now, &mut faults);
    // With private networking Atlas would take it, and no new password of Azure's looks like this.
    if let Some(why) = input::secret_id(fields) {
        faults.add("client_secret", why);
    }
    if !faults.is_empty() {
        return Err(EngineError::BadInput(faults.to_string()));
    }
    Ok(RotateRequest {
        client_secret: secret.map(|secret| Sensitive::new(secret.to_owned())),
        expires_at,
        accepted: Accepted {
            unvalidated: fields.boolean("accept_unvalidated").unwrap_or(false),
            no_way_back: fields.boolean("accept_no_way_back").unwrap_or(false),
        },
    })
}

/// Whether the end of the new secret is known.
fn is_dated(entry: &AzureEntry) -> bool {
    let held = entry.held.as_ref().and_then(|held| held.expires_at);
    let pending = entry.pending.as_ref();
    pending.map_or(held, |pending| pending.expires_at).is_some()
}

async fn change_secret(engine: Arc<Engine>, call: Call) -> Result<Option<Response>, EngineError> {
    let project = project(&call)?;
    let request = request(&call.fields, engine.clock.now())?;
    let _lock = lock(&engine, &project, &call).await?;
    let before = load(&engine, &project).await?;
    let linked = match &before {
        Some(entry) => engine.connection.linked_to(&entry.origin).await?,
        None => engine.connection.linked().await?,
    };
    let is_new = before.is_none();
    if is_new && request.client_secret.is_none() {
        return Err(EncryptionError::NoSecretToTryAgain.into());
    }
    let fresh = || AzureEntry::new(BoundTo::client(&linked));
    let mut entry = before.unwrap_or_else(fresh);
    let (atlas, budget) = (&linked.atlas.until(&call.caller.gone), budget(&call));
    let rotated = rotate::rotate(&engine, atlas, &project, &mut entry, request, budget).await;
    let is_empty = entry.pending.is_none() && entry.held.is_none();
    if rotated.is_err() && is_new && is_empty {
        // Nothing came of it, and nothing was known before. With a secret in it, what is stored may be
        // the only copy of what Atlas holds.
        put_back(&engine, &project, None).await?;
    }
    rotated.map_err(|error| error.in_project(&project))?;
    let mut answer = answer(&entry, engine.clock.now());
    if !is_dated(&entry) {
        answer.warnings.push(
            "client_secret_expires_at was not given: nobody warns before the secret expires"
                .to_owned(),
        );
    }
    Ok(Some(answer))
}

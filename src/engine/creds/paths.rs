//! `creds/<role>`: a credential for as long as its lease.

use std::sync::Arc;

use super::issue::issue;
use super::{account_secret, renew, revoke, revoke_token};
use crate::engine::error::EngineError;
use crate::engine::roles::CredentialType;
use crate::engine::{Engine, OPERATION_PREFIX};
use crate::framework::{Answer, Call, Display, Field, Path, PathOperation, SecretType};
use crate::vault::{Operation, Response};

/// The path from which credentials are read.
pub(crate) fn paths() -> Vec<Path<Engine>> {
    vec![
        Path::new("creds/{name}")
            .help(
                "Issue a credential of a role.",
                "Reads a programmatic API key, a service account or an access token, as the role \
                 says, with the role's access list and projects. It is deleted or revoked in Atlas \
                 when its lease ends. The lease of an access token cannot be renewed: read a new \
                 one.",
            )
            .display(Display::operation(OPERATION_PREFIX, "generate", ""))
            .field(Field::lowercase("name").about("Name of the role."))
            .operation(
                Operation::Read,
                operation().display(Display::operation("", "", "credentials")),
            )
            .operation(
                Operation::Update,
                operation().display(Display::operation("", "", "credentials2")),
            )
            .forwarded(),
    ]
}

fn operation() -> PathOperation<Engine> {
    PathOperation::new(creds)
        .summary("Issue a credential of the role.")
        .answers(Answer::new(
            200,
            "A credential and its lease.",
            [
                Field::text("public_key").about("Public key of an API key."),
                Field::text("private_key")
                    .about("Private key of an API key.")
                    .sensitive(),
                Field::text("description").about("Description of an API key in Atlas."),
                Field::text("client_id")
                    .about("Client id of a service account; of an access token, the one it is of."),
                Field::text("client_secret")
                    .about("Secret of a service account.")
                    .sensitive(),
                Field::time("client_secret_expires_at")
                    .about("When Atlas stops taking the service account's secret."),
                Field::text("access_token")
                    .about("Access token, to be sent as a bearer token.")
                    .sensitive(),
                Field::text("token_type").about("Always Bearer."),
                Field::time("expires_at").about("When Atlas stops taking the access token."),
                Field::text("name").about("Name of a service account in Atlas."),
                Field::text("organization_id").about("The organization it belongs to."),
                Field::text("project_id").about("The project it was made for, if any."),
            ],
        ))
}

async fn creds(engine: Arc<Engine>, call: Call) -> Result<Option<Response>, EngineError> {
    issue(engine, call).await
}

/// How leases are renewed and revoked, by type.
pub(crate) fn secret_types() -> Vec<SecretType<Engine>> {
    vec![
        SecretType::new(
            CredentialType::ProgrammaticApiKey.name(),
            revoke::revoke_api_key,
        )
        .renew(renew::renew_api_key),
        SecretType::new(
            CredentialType::ServiceAccount.name(),
            revoke::revoke_service_account,
        )
        .renew(renew::renew_service_account),
        SecretType::new(account_secret::LEASE_TYPE, revoke::revoke_account_secret)
            .renew(renew::renew_account_secret),
        SecretType::new(
            CredentialType::AccessToken.name(),
            revoke_token::revoke_access_token,
        ),
    ]
}

//! Secrets of a service account.

use chrono::TimeDelta;

use crate::body::{Fields, required};
use crate::core::Call;
use crate::errors::ApiError;
use crate::http::Answer;
use crate::resources::accounts;
use crate::settings::Verdict;
use crate::state::Secret;
use crate::view::{self, Shown};

/// Shortest lifetime. Source: Atlas documentation "Rotate Service Account Secrets".
const MIN_HOURS: i64 = 8;

pub(crate) fn create(call: &mut Call<'_>) -> Result<Answer, ApiError> {
    let body = call.take_body();
    let id = accounts::own_id(call)?;
    accounts::check_manageable(call, &id)?;
    let fields = Fields::new(&body, &["secretExpiresAfterHours"])?;
    let hours = required(
        fields.integer("secretExpiresAfterHours")?,
        "secretExpiresAfterHours",
    )?;
    check_hours(call, call.org_id, hours)?;
    let settings = call.settings;
    let mut answer = Answer::no_content();
    if let Some(account) = call.world.account_mut(&id) {
        if account
            .creating_secret_until
            .is_some_and(|until| call.now < until)
        {
            return Err(busy());
        }
        let limit = settings.max_secrets_per_account;
        if account.secrets.len() >= limit {
            let detail = format!("A service account cannot have more than {limit} secrets.");
            return Err(ApiError::set(&settings.secret_beyond_limit, detail).with(limit));
        }
        let secret = Secret::new(call.now, hours);
        answer = Answer::created(view::secret(&secret, Shown::Clear, call.now, settings));
        account.add_secret(secret, settings.older_secret_seconds);
        let takes = settings.secret_create_millis.min(60_000);
        answer.hold_millis = takes;
        account.creating_secret_until = i64::try_from(takes)
            .ok()
            .and_then(TimeDelta::try_milliseconds)
            .and_then(|takes| call.now.checked_add_signed(takes));
    }
    Ok(answer)
}

/// 409 to a create while another one runs. Source: Terraform's rotation guide.
fn busy() -> ApiError {
    let detail = "Another request changes the service account; try again.";
    ApiError::new(409, "DATA_CONCURRENCY_ERROR", detail)
}

/// Refuses a lifetime outside the organization's range.
pub(super) fn check_hours(call: &Call<'_>, org_id: &str, hours: i64) -> Result<(), ApiError> {
    let max = call
        .world
        .orgs
        .get(org_id)
        .map_or(8_760, crate::state::Org::max_secret_hours);
    if (MIN_HOURS..=max).contains(&hours) {
        return Ok(());
    }
    let detail = format!("The lifetime of a secret must be between {MIN_HOURS} and {max} hours.");
    let error = ApiError::set(&call.settings.secret_hours_out_of_range, detail.clone());
    Err(error.field("secretExpiresAfterHours", detail))
}

/// Deletes a secret at once, with the tokens minted from it.
pub(crate) fn delete(call: &mut Call<'_>) -> Result<Answer, ApiError> {
    let id = accounts::own_id(call)?;
    accounts::check_manageable(call, &id)?;
    let secret_id = call.param("secretId").to_owned();
    let detail = format!("Cannot find secret {secret_id}.");
    let unknown = ApiError::set(&call.settings.unknown_secret, detail).with(secret_id.clone());
    let world = &mut *call.world;
    let Some(account) = world.accounts.get_mut(&id) else {
        return Err(unknown);
    };
    let Some(place) = account
        .secrets
        .iter()
        .position(|secret| secret.id == secret_id)
    else {
        return Err(unknown);
    };
    if account.secrets.len() == 1 && call.settings.delete_last_secret == Verdict::Refuse {
        return Err(ApiError::new(
            400,
            "BAD_REQUEST",
            "The last secret cannot be deleted.",
        ));
    }
    account.secrets.remove(place);
    if call.settings.tokens_die_with_secret {
        let tokens = &mut world.tokens;
        account.tokens.retain(|text| {
            let of_secret = tokens
                .get(text)
                .is_some_and(|token| token.secret_id == secret_id);
            if of_secret {
                tokens.remove(text);
            }
            !of_secret
        });
    }
    Ok(Answer::no_content())
}

//! Settings of an organization.

use serde_json::{Map, Value};

use crate::body::Fields;
use crate::core::Call;
use crate::dispatch::unknown_org;
use crate::errors::ApiError;
use crate::http::Answer;

const FLAGS: [&str; 5] = [
    "apiAccessListRequired",
    "genAIFeaturesEnabled",
    "multiFactorAuthRequired",
    "restrictEmployeeAccess",
    "streamsCrossGroupEnabled",
];
const FIELDS: [&str; 9] = [
    "apiAccessListRequired",
    "genAIFeaturesEnabled",
    "multiFactorAuthRequired",
    "restrictEmployeeAccess",
    "streamsCrossGroupEnabled",
    "maxServiceAccountSecretValidityInHours",
    "customSessionTimeouts",
    "operationsContact",
    "securityContact",
];

pub(crate) fn read(call: &mut Call<'_>) -> Result<Answer, ApiError> {
    let id = call.param("orgId");
    let org = call
        .world
        .orgs
        .get(id)
        .ok_or_else(|| unknown_org(id, call.settings))?;
    Ok(Answer::ok(Value::Object(org.settings.clone())))
}

/// Changes the settings given; the others stay.
pub(crate) fn update(call: &mut Call<'_>) -> Result<Answer, ApiError> {
    let body = call.take_body();
    let changes = checked(&body)?;
    let id = call.param("orgId").to_owned();
    if let Some(org) = call.world.orgs.get_mut(&id) {
        for (name, value) in changes {
            if value.is_null() {
                org.settings.remove(&name);
            } else {
                org.settings.insert(name, value);
            }
        }
    }
    read(call)
}

/// The settings of a body; `null` clears one.
fn checked(body: &Value) -> Result<Map<String, Value>, ApiError> {
    const MAX_HOURS: &str = "maxServiceAccountSecretValidityInHours";
    let fields = Fields::new(body, &FIELDS)?;
    for flag in FLAGS {
        fields.flag(flag)?;
    }
    let hours = fields.integer(MAX_HOURS)?;
    if hours.is_some_and(|hours| !(8..=8_760).contains(&hours)) {
        return Err(ApiError::bad_field(MAX_HOURS, "must be between 8 and 8760"));
    }
    if let Some(timeouts) = fields.value("customSessionTimeouts") {
        const NAMES: [&str; 2] = [
            "absoluteSessionTimeoutInSeconds",
            "idleSessionTimeoutInSeconds",
        ];
        let timeouts = Fields::new(timeouts, &NAMES)?;
        for name in NAMES {
            timeouts.integer(name)?;
        }
    }
    fields.text("securityContact")?;
    let contact = fields
        .value("operationsContact")
        .filter(|contact| !contact.is_null());
    if contact.is_some() && fields.text("operationsContact")? == Some("") {
        return Err(ApiError::bad_field(
            "operationsContact",
            "must not be empty",
        ));
    }
    Ok(body.as_object().cloned().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn values_are_checked() {
        assert!(checked(&json!({"maxServiceAccountSecretValidityInHours": 8})).is_ok());
        assert!(checked(&json!({"operationsContact": null})).is_ok());
        for bad in [
            json!({"maxServiceAccountSecretValidityInHours": 7}),
            json!({"maxServiceAccountSecretValidityInHours": 8_761}),
            json!({"maxServiceAccountSecretValidityInHours": "8"}),
            json!({"apiAccessListRequired": "yes"}),
            json!({"apiAccessListRequired": null}),
            json!({"operationsContact": ""}),
            json!({"color": "red"}),
        ] {
            assert!(checked(&bad).is_err(), "{bad}");
        }
    }
}

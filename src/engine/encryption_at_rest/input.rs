//! What a write asks for, checked as far as that goes without Atlas.

use std::fmt::Display;
use std::str::FromStr;
use std::time::Duration;

use chrono::{DateTime, Utc};

use super::entry::{
    AzureEntry, DEFAULT_OBSERVE, DEFAULT_SETTLE, HeldSecret, LONGEST_SETTLE, Principal,
};
use crate::atlas::ApplicationId;
use crate::base::Sensitive;
use crate::framework::{Faults, Field, Fields};

/// Atlas's own application in Azure. Source: Atlas documentation, "Enable Secretless Authentication for
/// Azure Key Vault".
const ATLAS_APP: &str = "9efedfcc-2eca-4b27-a613-0cad1e114cb7";
/// So long a change may be watched.
pub(super) const LONGEST_OBSERVE: Duration = Duration::from_hours(24);

/// A write whose fields are in order; what is not given stays as it is.
pub(super) struct Input {
    pub(super) principal: Option<Principal>,
    pub(super) held: Option<HeldSecret>,
    pub(super) keep_static: Option<bool>,
    pub(super) observe: Option<Duration>,
    pub(super) settle: Option<Duration>,
}

/// The fields of a project's entry.
pub(super) fn fields() -> Vec<Field> {
    let [tenant_id, service_principal_id, atlas_azure_app_id] = principal_fields();
    vec![
        project_id(),
        tenant_id,
        service_principal_id,
        atlas_azure_app_id,
        Field::text("client_id").about(
            "Application whose secret Atlas signs in with now, to be taken into keeping; with \
             client_secret.",
        ),
        Field::text("client_secret")
            .about("That secret. It is never shown again.")
            .sensitive(),
        Field::text("client_secret_expires_at")
            .about("When that secret expires, in RFC 3339. Atlas does not know it."),
        Field::boolean("keep_static")
            .about("Keep the static secret after the role has proved itself.")
            .default(false),
        Field::seconds("observe")
            .about("How long a change is watched before it counts as done.")
            .default(DEFAULT_OBSERVE.as_secs()),
        Field::seconds("settle")
            .about(
                "How long after a change Atlas may say that the key is not valid before that counts: \
                 with private networking it tries the key later, and five minutes count at least. An hour \
                 at most.",
            )
            .default(DEFAULT_SETTLE.as_secs()),
    ]
}

/// The fields that name a principal.
pub(super) fn principal_fields() -> [Field; 3] {
    [
        Field::text("tenant_id")
            .about("Directory in Azure that holds the key vault; with service_principal_id."),
        Field::text("service_principal_id").about(
            "Object id, in that directory, of the service principal of Atlas's application; not \
             the application's id.",
        ),
        Field::text("atlas_azure_app_id")
            .about("Atlas's application in Azure.")
            .default(ATLAS_APP),
    ]
}

/// The project, which all paths name.
pub(super) fn project_id() -> Field {
    Field::text("project_id")
        .about("Project whose encryption it is.")
        .required()
}

impl Input {
    /// Reads a write to an entry that is (or is not yet) there; what is wrong goes to `faults`.
    pub(super) fn read(
        fields: &Fields,
        stored: Option<&AzureEntry>,
        now: DateTime<Utc>,
        faults: &mut Faults,
    ) -> Self {
        let observe = fields.duration("observe");
        if observe.is_some_and(|observe| observe > LONGEST_OBSERVE) {
            faults.add("observe", "must be at most 24 hours");
        }
        let settle = fields.duration("settle");
        if settle.is_some_and(|settle| settle > LONGEST_SETTLE) {
            faults.add("settle", "must be at most an hour");
        }
        let input = Self {
            principal: principal(
                fields,
                stored.and_then(|entry| entry.principal.as_ref()),
                faults,
            ),
            held: held(fields, stored, now, faults),
            keep_static: fields.boolean("keep_static"),
            observe,
            settle,
        };
        if stored.is_none() && input.principal.is_none() && input.held.is_none() {
            faults.add(
                "tenant_id",
                "is missing: give it with service_principal_id to register the principal, or \
                 client_id and client_secret to have the present secret kept",
            );
        }
        input
    }
}

/// The principal that is given, or that is there; [`None`] where there is none, or something is wrong.
pub(super) fn principal(
    fields: &Fields,
    before: Option<&Principal>,
    faults: &mut Faults,
) -> Option<Principal> {
    let tenant_id = id("tenant_id", fields, faults);
    let service_principal_id = id("service_principal_id", fields, faults);
    let app = id("atlas_azure_app_id", fields, faults);
    let names = ["tenant_id", "service_principal_id"];
    if before.is_none() && names.iter().all(|name| fields.text(name).is_none()) {
        if app.is_some() {
            faults.add(
                "atlas_azure_app_id",
                "goes with tenant_id and service_principal_id",
            );
        }
        return None;
    }
    let tenant_id = tenant_id.or_else(|| before.map(|known| known.tenant.clone()));
    let service_principal_id =
        service_principal_id.or_else(|| before.map(|known| known.object.clone()));
    for (name, is_there) in [
        ("tenant_id", tenant_id.is_some()),
        ("service_principal_id", service_principal_id.is_some()),
    ] {
        if !is_there && fields.text(name).is_none() {
            faults.add(name, "is missing: give tenant_id and service_principal_id");
        }
    }
    let app = app.or_else(|| before.map(|known| known.application.clone()));
    let given = Principal {
        tenant: tenant_id?,
        object: service_principal_id?,
        application: app.or_else(|| ATLAS_APP.parse().ok())?,
    };
    if before.is_some_and(|known| *known != given) {
        faults.add(
            "service_principal_id",
            "cannot be changed with tenant_id and atlas_azure_app_id: delete this entry and write \
             another",
        );
        return None;
    }
    Some(given)
}

/// The secret that is handed in; the one in keeping, where its end alone is.
fn held(
    fields: &Fields,
    stored: Option<&AzureEntry>,
    now: DateTime<Utc>,
    faults: &mut Faults,
) -> Option<HeldSecret> {
    let client_id = id("client_id", fields, faults);
    let secret = fields.filled("client_secret", faults);
    let secret = secret.map(|text| Sensitive::new(text.to_owned()));
    let expires_at = secret_end(fields, now, faults);
    match (client_id, secret) {
        (Some(client_id), Some(client_secret)) => Some(HeldSecret {
            client_id,
            client_secret,
            tenant_id: None,
            expires_at,
            proved: false,
            in_force: false,
            since: Some(now),
        }),
        (Some(_), None) => {
            faults.add("client_secret", "is missing: it goes with client_id");
            None
        }
        (None, Some(_)) if fields.text("client_id").is_none() => {
            faults.add("client_id", "is missing: it goes with client_secret");
            None
        }
        (None, None)
            if expires_at.is_some() && stored.is_some_and(|entry| entry.pending.is_some()) =>
        {
            faults.add(
                "client_secret_expires_at",
                "may be of the new secret or of the one before: give it with rotate, without client_secret",
            );
            None
        }
        (None, None) if expires_at.is_some() => {
            let kept = stored.and_then(|entry| entry.held.clone());
            if kept.is_none() {
                faults.add(
                    "client_secret_expires_at",
                    "goes with client_id and client_secret, as no secret is in keeping",
                );
            }
            kept.map(|kept| HeldSecret { expires_at, ..kept })
        }
        _ => None,
    }
}

/// Why a secret that is given may be none: the portal shows the Secret ID of each password for good, and the
/// password once. Old tools made passwords that look like it.
pub(super) fn secret_id(fields: &Fields) -> Option<String> {
    let secret = fields.text("client_secret")?.trim();
    let is_uuid = secret.parse::<ApplicationId>().is_ok();
    is_uuid.then(|| {
        "is a UUID, as the Secret ID is that Azure's portal shows beside a password: the password itself is \
         its Value"
            .to_owned()
    })
}

/// When a secret that is handed in expires, which is not over.
pub(super) fn secret_end(
    fields: &Fields,
    now: DateTime<Utc>,
    faults: &mut Faults,
) -> Option<DateTime<Utc>> {
    let name = "client_secret_expires_at";
    let end = time(name, fields, faults);
    if end.is_some_and(|end| end <= now) {
        faults.add(name, "is over: hand in a secret that lives");
    }
    end
}

fn time(name: &'static str, fields: &Fields, faults: &mut Faults) -> Option<DateTime<Utc>> {
    let text = fields.text(name)?.trim();
    let time = DateTime::parse_from_rfc3339(text).ok();
    if time.is_none() {
        faults.add(name, "is no time in RFC 3339, such as 2027-01-31T12:00:00Z");
    }
    time.map(|time| time.with_timezone(&Utc))
}

fn id<T: FromStr>(name: &'static str, fields: &Fields, faults: &mut Faults) -> Option<T>
where
    T::Err: Display,
{
    let text = fields.text(name)?.trim();
    match text.parse() {
        Ok(id) => Some(id),
        Err(error) => {
            faults.add(name, format!("{error}"));
            None
        }
    }
}

//! What a read of the configuration answers: everything but secrets.

use serde_json::json;

use super::rotation;
use crate::atlas::OrgId;
use crate::base::Rfc3339;
use crate::engine::Engine;
use crate::engine::entries::ConfigEntry;
use crate::engine::error::EngineError;
use crate::framework::Field;
use crate::vault::Data;

/// The fields of the answer, for the table of paths.
pub(super) fn answer() -> Vec<Field> {
    vec![
        Field::text("credential_type").about("What this mount signs in with."),
        Field::text("public_key").about("Public key, of an API key."),
        Field::text("client_id").about("Client id, of a service account."),
        Field::time("client_secret_expires_at")
            .about("When the service account's secret expires, if Atlas said so."),
        Field::text("organization_id")
            .about("Organization of the credential; empty if it is not known."),
        Field::text("base_url").about("Address of Atlas."),
        Field::text("api_version").about("Version of the Atlas Administration API."),
        Field::text("ca_certificate").about("PEM certificates trusted beside the system's."),
        Field::seconds("request_timeout").about("Time for one HTTP request to Atlas."),
        Field::boolean("hold").about(
            "Present while automatic deletions and rotations are \
                        suspended.",
        ),
        Field::map("draining")
            .about("Present while the mount is being drained: since when, and by whose order."),
        Field::seconds("rotation_period").about("Time from one rotation to the next; 0 is none."),
        Field::text("rotation_schedule").about("When it is rotated, five cron fields in UTC."),
        Field::seconds("rotation_window").about(
            "Grace period after the scheduled time, within which a rotation may still \
                    start; 0 is no limit.",
        ),
        Field::boolean("disable_automated_rotation")
            .about("Whether it is rotated manually only, whatever the period or schedule."),
        Field::time("last_rotated").about("When it was last rotated here, if it was."),
        Field::time("next_rotation").about("When it is rotated next, if automatically."),
        Field::int("rotation_failures").about("Failures in a row, if the last rotation failed."),
        Field::time("failing_since").about("When the first of them was."),
        Field::text("last_error").about("Why the last one failed."),
        Field::time("next_retry_time").about("When the rotation is tried again."),
        Field::time("last_missed_rotation")
            .about("The last rotation that did not start within its window, until one succeeds."),
        Field::int("pending_deletions")
            .about("How many replaced or incomplete credentials are still to be deleted in Atlas, as the active node knows."),
    ]
}

/// Everything but secrets.
pub(super) async fn shown(engine: &Engine, entry: &ConfigEntry) -> Result<Data, EngineError> {
    let organization_id = entry.organization_id.as_ref().map_or("", OrgId::as_str);
    let always = [
        ("credential_type", json!(entry.credential_type().name())),
        ("organization_id", json!(organization_id)),
        ("base_url", json!(entry.base_url())),
        ("api_version", json!(entry.api_version())),
        ("ca_certificate", json!(entry.ca_certificate)),
        ("request_timeout", json!(entry.request_timeout().as_secs())),
    ];
    let mut data: Data = always
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .collect();
    if entry.hold {
        data.insert("hold".to_owned(), json!(true));
    }
    if let Some(draining) = &entry.draining {
        data.insert("draining".to_owned(), json!(draining.shown()));
    }
    if let Some(client_id) = &entry.client_id {
        data.insert("client_id".to_owned(), json!(client_id));
        if let Some(expires_at) = entry.client_secret_expires_at {
            data.insert(
                "client_secret_expires_at".to_owned(),
                json!(Rfc3339(expires_at)),
            );
        }
    } else {
        data.insert("public_key".to_owned(), json!(entry.public_key));
    }
    rotation::show(engine, entry, &mut data).await?;
    Ok(data)
}

/// Whether Atlas has not accepted the configuration's credential since it was stored.
pub(crate) async fn is_unverified(engine: &Engine, entry: &ConfigEntry) -> bool {
    entry.unverified
        && match engine.connection.linked().await {
            Ok(linked) => !linked.atlas.was_accepted(),
            Err(_) => true,
        }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::Value;

    use super::*;
    use crate::engine::entries::CredentialType;
    use crate::engine::journal::{JournalEntry, Owner};
    use crate::engine::testing::TestMount;
    use crate::vault::Operation;

    /// The fields that the API document tells of the answer.
    async fn declared(mount: &TestMount) -> BTreeSet<String> {
        let help = mount.ask(Operation::Help, "", json!({})).await;
        let document = TestMount::data(help)["openapi"].clone();
        let answer = &document["paths"]["/config"]["get"]["responses"]["200"];
        let schema = &answer["content"]["application/json"]["schema"];
        let name = schema["ref"].as_str().expect("a schema");
        let name = name.rsplit('/').next().expect("a name");
        let properties = &document["components"]["schemas"][name]["properties"];
        let properties = properties.as_object().expect("properties");
        properties.keys().cloned().collect()
    }

    /// A configuration, stored as it is with everything that can be shown.
    fn everything(mut stored: Value, mount: &TestMount) -> Value {
        let now = mount.now();
        stored["hold"] = json!(true);
        stored["draining"] = json!({ "since": now, "display_name": "token", "entity_id": "" });
        stored["client_secret_expires_at"] = json!(now);
        let failure = json!({ "failures": 1, "since": now, "error": "no", "next_retry_time": now });
        stored["rotation"] = json!({
            "rotation_schedule": "0 3 * * *", "last_rotated": now, "next_rotation": now,
            "failure": failure, "last_missed_rotation": now,
        });
        stored
    }

    #[tokio::test]
    async fn every_field_of_the_answer_is_declared_and_none_else() {
        let mut shown = BTreeSet::new();
        let mut mount = TestMount::new().await;
        for config in [mount.atlas.key_config(), mount.atlas.account_config()] {
            mount.write("config", config).await.expect("written");
            let data = TestMount::data(mount.read("config").await);
            shown.extend(data.keys().cloned());
            let stored = mount.storage.value("config");
            let stored = serde_json::from_slice(&stored).expect("JSON");
            let full = everything(stored, &mount).to_string();
            mount.storage.plant("config", full.as_bytes());
            let left = JournalEntry {
                owner: Owner::Root,
                ..JournalEntry::begun(String::new(), CredentialType::ServiceAccount, mount.now())
            };
            mount.plant_entry("0123456789abcdefghij", &left);
            mount.restart().await;
            let data = TestMount::data(mount.read("config").await);
            shown.extend(data.keys().cloned());
        }
        assert_eq!(shown, declared(&mount).await);
    }
}

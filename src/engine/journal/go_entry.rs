//! What the Go engine left in its write-ahead log, taken over into the journal.

use std::sync::Arc;

use serde::Deserialize;

use super::entry::JournalEntry;
use crate::atlas::{ApiKeyId, OrgId, ProjectId};
use crate::engine::Engine;
use crate::engine::entries::CredentialType;
use crate::engine::error::EngineError;
use crate::engine::names::JournalId;
use crate::framework::WalEntry;

/// The kind of the Go engine's write-ahead log entries.
pub(crate) const GO_WAL_KIND: &str = "programmatic_api_key";

/// What the Go engine wrote; most entries hold only `Role`, which is the key's description.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct GoEntry {
    role: String,
    #[serde(rename = "ProjectID")]
    project_id: String,
    #[serde(rename = "OrganizationID")]
    organization_id: String,
    #[serde(rename = "ProgrammaticAPIKeyID")]
    api_key_id: String,
}

/// Takes an entry that the Go engine left in its write-ahead log over into the journal, from where it
/// is rolled back like any other: with pauses, shown in `status`, and held when the unasked is.
///
/// The Go engine removed such an entry before it answered, so that no lease belongs to it.
pub(crate) async fn take_over_go_entry(
    engine: Arc<Engine>,
    wal: WalEntry,
) -> Result<(), EngineError> {
    let unreadable = |error| EngineError::unreadable(&format!("wal/{}", wal.id), &error);
    let go: GoEntry = serde_json::from_value(wal.data).map_err(unreadable)?;
    let entry = JournalEntry {
        description: go.role,
        organization_id: go.organization_id.parse::<OrgId>().ok(),
        project_id: go.project_id.parse::<ProjectId>().ok(),
        programmatic_api_key_id: go.api_key_id.parse::<ApiKeyId>().ok(),
        // Its origin is that of before, like everything of the Go engine.
        ..JournalEntry::begun(
            String::new(),
            CredentialType::ProgrammaticApiKey,
            wal.created_at,
        )
    };
    // A description of another form is none that the Go engine drew: a key of a person could have it.
    if JournalId::of_description(&entry.description).is_none() && entry.made().is_none() {
        tracing::warn!(
            id = wal.id,
            description = entry.description,
            "write-ahead log entry does not identify a key; dropping it"
        );
        return Ok(());
    }
    let id = JournalId::of_go_entry(&wal.id);
    tracing::info!(
        id = wal.id,
        journal_id = %id,
        "moved a write-ahead log entry of the Go engine to the journal"
    );
    engine.journal.write(&id, &entry).await
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use crate::base::{SystemEntropy, base62};
    use crate::engine::testing::TestMount;

    const NOTHING: Vec<String> = Vec::new();

    fn plant_wal(mount: &TestMount, id: &str, data: &Value) {
        let created_at = mount.now().timestamp();
        let entry = json!({"type": "programmatic_api_key", "data": data, "created_at": created_at});
        let key = format!("wal/{id}");
        mount.storage.plant(&key, entry.to_string().as_bytes());
    }

    fn go_data(description: &str, org: &str, key: &str) -> Value {
        json!({
            "Role": description, "ProjectID": "", "OrganizationID": org,
            "ProgrammaticAPIKeyID": key,
        })
    }

    #[tokio::test]
    async fn entries_of_the_go_engine_are_finished() {
        let mut mount = TestMount::new().await;
        mount.take_over(mount.atlas.key_config()).await;
        let description = |name: &str| format!("vault-{name}-{}", base62(&SystemEntropy, 20));
        let [by_id, by_role, never] = ["a", "b", "c"].map(description);
        let key = mount.atlas.plant_key(&by_id).await;
        mount.atlas.plant_key(&by_role).await;
        for person in ["", "reader", "vault-b"] {
            mount.atlas.plant_key(person).await;
        }
        plant_wal(&mount, "1", &go_data(&by_id, mount.atlas.org(), &key));
        plant_wal(&mount, "2", &go_data(&by_role, "", ""));
        plant_wal(&mount, "3", &go_data(&never, "", ""));
        plant_wal(&mount, "4", &go_data("", "", ""));
        plant_wal(&mount, "5", &go_data("", "", &key));
        plant_wal(&mount, "6", &go_data("reader", "", ""));
        mount.tick_for(5).await;
        assert_eq!(mount.journal_keys().len(), 6, "too young");
        mount.tick_for(10).await;
        assert_eq!(mount.journal_keys(), NOTHING);
        let mut left = mount.atlas.credentials().await;
        left.sort_unstable();
        assert_eq!(left, ["", "reader", "vault-b"], "people's keys");
    }
}

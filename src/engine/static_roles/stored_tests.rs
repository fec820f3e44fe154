//! What is stored of a static role is read as it was written, and written as it was read.

use serde_json::json;

use crate::engine::static_roles::entry::StaticRoleEntry;

/// Its next secret was asked for, another is retired, a rotation has failed, one has missed its window,
/// and its present secret was deleted in Atlas.
#[test]
fn a_role_with_a_rotation_under_way_keeps_its_stored_shape() {
    let stored = json!({
        "client_id": "mdb_sa_id_5cf5a45a9ccf6400e60981b7",
        "organization_id": "5cf5a45a9ccf6400e60981b6",
        "project_id": "5cf5a45a9ccf6400e60981b5",
        "origin": "https://cloud.mongodb.com",
        "rotation_mode": "self",
        "rotation_schedule": "0 3 * * SUN",
        "rotation_window": 3_600_000_000_000_u64,
        "secret_ttl": 2_592_000_000_000_000_u64,
        "overlap": 3_600_000_000_000_u64,
        "current": {
            "id": "6b02741eb9c9ed02f9000001", "client_secret": "mdb_sa_sk_present",
            "expires_at": "2026-09-09T09:09:09Z",
        },
        "other_secrets": {
            "pending": {
                "known_secret_ids": ["6b02741eb9c9ed02f9000001", "6b02741eb9c9ed02f9000002"],
                "since": "2026-08-08T08:08:08Z",
                "asked_at": "2026-08-08T08:09:08Z",
                "requests": [{ "sent_at": "2026-08-08T08:09:08Z", "ended_within_ms": 850 }],
            },
            "retiring": [{
                "id": "6b02741eb9c9ed02f9000002", "since": "2026-08-07T08:08:08Z",
                "next_check_time": "2026-08-07T09:08:08Z", "in_use": false, "failures": 0,
            }],
        },
        "last_rotated": "2026-08-07T08:08:08Z",
        "next_rotation": "2026-08-16T03:00:00Z",
        "failure": {
            "failures": 3, "since": "2026-08-08T08:08:08Z", "error": "no answer",
            "next_retry_time": "2026-08-08T08:16:08Z",
        },
        "last_missed_rotation": "2026-08-02T03:00:00Z",
        "lost_since": "2026-08-08T07:00:00Z",
    });
    let entry: StaticRoleEntry = serde_json::from_value(stored.clone()).expect("a role");
    assert_eq!(serde_json::to_value(entry).expect("JSON"), stored);
}

//! What is stored of a rotation that is under way is read as it was written, and written as it was read.

use serde_json::{Value, json};

use crate::engine::entries::ConfigEntry;

fn read_and_written(stored: &Value) -> Value {
    let entry: ConfigEntry = serde_json::from_value(stored.clone()).expect("a configuration");
    serde_json::to_value(entry).expect("JSON")
}

/// A service account: its next secret was asked for and is proved, another is retired, a rotation has
/// failed, and one has missed its window.
#[test]
fn the_rotation_of_an_account_keeps_its_stored_shape() {
    let stored = json!({
        "public_key": "", "private_key": "",
        "client_id": "mdb_sa_id_5cf5a45a9ccf6400e60981b7", "client_secret": "mdb_sa_sk_present",
        "client_secret_expires_at": "2026-09-09T09:09:09Z",
        "organization_id": "5cf5a45a9ccf6400e60981b6",
        "origin": "https://cloud.mongodb.com",
        "rotation": {
            "rotation_schedule": "0 3 * * SUN",
            "rotation_window": 3_600_000_000_000_u64,
            "disable_automated_rotation": false,
            "client_secret_id": "6b02741eb9c9ed02f9000001",
            "other_secrets": {
                "pending": {
                    "known_secret_ids": ["6b02741eb9c9ed02f9000001", "6b02741eb9c9ed02f9000002"],
                    "since": "2026-08-08T08:08:08Z",
                    "asked_at": "2026-08-08T08:09:08Z",
                    "requests": [{
                        "sent_at": "2026-08-08T08:09:08Z", "atlas_ahead_ms": -12,
                        "ended_within_ms": 850,
                    }],
                    "new_secret": {
                        "id": "6b02741eb9c9ed02f9000003", "client_secret": "mdb_sa_sk_next",
                        "expires_at": "2026-10-10T10:10:10Z",
                    },
                },
                "retiring": [{
                    "id": "6b02741eb9c9ed02f9000002", "since": "2026-08-07T08:08:08Z",
                    "next_check_time": "2026-08-07T09:08:08Z", "in_use": true, "failures": 2,
                }],
            },
            "last_rotated": "2026-08-07T08:08:08Z",
            "next_rotation": "2026-08-16T03:00:00Z",
            "failure": {
                "failures": 3, "since": "2026-08-08T08:08:08Z", "error": "no answer",
                "next_retry_time": "2026-08-08T08:16:08Z",
            },
            "last_missed_rotation": "2026-08-02T03:00:00Z",
        },
    });
    assert_eq!(read_and_written(&stored), stored);
}

/// An API key: what its rotations left is in the journal.
#[test]
fn the_rotation_of_a_key_keeps_its_stored_shape() {
    let stored = json!({
        "public_key": "abcdefgh", "private_key": "01234567-89ab-cdef-0123-456789abcdef",
        "organization_id": "5cf5a45a9ccf6400e60981b6",
        "origin": "https://cloud.mongodb.com",
        "rotation": {
            "rotation_period": 86_400_000_000_000_u64,
            "disable_automated_rotation": true,
            "other_secrets": {},
            "last_rotated": "2026-08-07T08:08:08Z",
        },
    });
    assert_eq!(read_and_written(&stored), stored);
}

//! What each release stored is read by this one, and what is kept of this one is what it writes.

use super::StorageVersion;
use crate::engine::entries::{ConfigEntry, RoleEntry};
use crate::engine::journal::JournalEntry;
use crate::engine::origin::Origins;
use crate::engine::process::ServerHold;
use crate::engine::rotation_state::ClientSecret;
use crate::engine::static_roles::StaticRoleEntry;
use crate::engine::testing::TestMount;
use crate::engine::testing::fixtures::{Entries, assert_written_as_read, releases, stored};

#[test]
fn what_is_kept_of_this_version_is_what_it_writes() {
    assert_written_as_read::<ConfigEntry>("config");
    assert_written_as_read::<RoleEntry>("roles/");
    assert_written_as_read::<JournalEntry>("issued/");
    assert_written_as_read::<StaticRoleEntry>("static-roles/");
    assert_written_as_read::<ClientSecret>("present-secrets/");
    assert_written_as_read::<Origins>("origins");
    assert_written_as_read::<StorageVersion>("storage-version");
}

/// The path that shows an entry, for those that one shows by itself.
fn path(key: &str) -> Option<String> {
    let (folder, name) = key.split_once('/').unwrap_or((key, ""));
    match folder {
        "config" | "roles" | "issued" | "static-roles" | "encryption-at-rest" => {
            Some(key.to_owned())
        }
        "encryption-at-rest-migrations" => Some(format!("encryption-at-rest/migrations/{name}")),
        _ => None,
    }
}

/// A mount on these entries, in a server that sends nothing to Atlas.
async fn mount_on(entries: &Entries, config: &Entries) -> TestMount {
    let mut mount = TestMount::new().await;
    mount.storage.unplant("storage-version");
    for (key, value) in config.iter().chain(entries) {
        mount.storage.plant(key, value.to_string().as_bytes());
    }
    mount.restart_held(ServerHold::All).await;
    mount
}

#[tokio::test]
async fn what_every_release_stored_is_read_and_shown() {
    for release in releases() {
        let files = stored(&release);
        let config = files.get("config-api-key").expect("a configuration");
        for (file, entries) in &files {
            let mount = mount_on(entries, config).await;
            for key in entries.keys() {
                let Some(path) = path(key) else { continue };
                let shown = mount.read(&path).await;
                assert!(
                    matches!(shown, Ok(Some(_))),
                    "{release}/{file}: {path}: {shown:?}"
                );
            }
            let unreadable = mount.figure("entries", "unreadable").await;
            assert_eq!(unreadable, 0, "{release}/{file}");
            let kept = mount.storage.keys();
            let lost: Vec<&String> = entries.keys().filter(|key| !kept.contains(key)).collect();
            assert!(lost.is_empty(), "{release}/{file}: {lost:?}");
        }
    }
}

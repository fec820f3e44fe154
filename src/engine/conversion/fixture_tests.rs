//! What each release stored is read by this one, and what is kept of this one is what it writes.

use super::StorageVersion;
use crate::engine::entries::{ConfigEntry, RoleEntry};
use crate::engine::journal::JournalEntry;
use crate::engine::origin::{BoundTo, Origins};
use crate::engine::rotation_state::ClientSecret;
use crate::engine::static_roles::StaticRoleEntry;
use crate::engine::testing::fixtures::{
    assert_written_as_read, mount_on, read_of_every_release, releases, stored,
};

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

#[tokio::test]
async fn what_every_release_stored_is_read_and_shown() {
    for release in releases() {
        for (file, entries) in &stored(&release) {
            let mount = mount_on(&release, entries).await;
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

/// No path shows these by itself.
#[tokio::test]
async fn nothing_that_a_release_stored_is_left_out_when_it_is_read() {
    for (kept, read) in read_of_every_release::<ClientSecret>("present-secrets/").await {
        assert_eq!(read.value.expose(), kept["client_secret"]);
        assert_eq!(read.id.is_some(), kept.get("id").is_some());
        assert_eq!(read.expires_at.is_some(), kept.get("expires_at").is_some());
    }
    for (kept, read) in read_of_every_release::<Origins>("origins").await {
        let first = &kept["legacy_origin"];
        let moved = first.as_str().and_then(|first| kept["moves"].get(first));
        let legacy = BoundTo::default();
        assert_eq!(read.home(&legacy).as_str(), *moved.unwrap_or(first));
    }
}

//! Mounts that commit eda73bf left in the middle of everything go on with this engine, and nothing is
//! lost: what lives is renewed and revoked, what was half-made goes, what was begun is finished.
//!
//! Looked at are answers and what Atlas holds, not stored keys.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::recorded::{Old, Recorded};

/// The server ticks once a minute, and what was never made is looked for twice.
const TICKS: Duration = Duration::from_mins(6);

/// Everything that is half-made, begun or due, and is over once enough time has passed.
struct Ends {
    /// Half-made credentials of leases, and what root rotation and the Go engine left: at once.
    begun: BTreeSet<String>,
    /// Outlived its lease; the reaper waits for 15 minutes after a start.
    due: BTreeSet<String>,
    /// Managed for a role that is another by now: with its last token.
    retired: BTreeSet<String>,
    /// The same and the half-made of a mount that is held: not before somebody ends the hold.
    held: BTreeSet<String>,
    /// With their leases.
    leased: BTreeSet<String>,
}

fn text(value: &Value) -> String {
    value.as_str().expect("a text").to_owned()
}

fn array(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

impl Ends {
    fn of(recorded: &Recorded) -> Self {
        let (atlas, held) = (recorded.old("atlas"), recorded.old("atlas-held"));
        let mut begun = recorded.named(&half_made(atlas));
        let wal = atlas
            .folder("wal/")
            .map(|(_, entry)| text(&entry["data"]["Role"]));
        begun.extend(recorded.named(&wal.collect::<Vec<_>>()));
        let of_root = removals(atlas);
        begun.extend(recorded.named(&of_root));
        begun.extend(of_root.into_iter().filter(|id| recorded.ids().contains(id)));
        let mut on_hold = recorded.named(&half_made(held));
        on_hold.extend(recorded.named(&removals(held)));
        on_hold.extend(of_roles(held, &["short"]));
        let retired = array(&atlas.stored["token-accounts/changed"]["retired"]);
        let retired = retired
            .iter()
            .map(|each| text(&each["account"]["client_id"]));
        let mut leased = of_roles(
            atlas,
            &[
                "org-key",
                "project-key",
                "wide-key",
                "org-account",
                "project-account",
            ],
        );
        for path in ["atlas-pending", "atlas-retiring", "atlas-held"] {
            leased.extend(of_roles(recorded.old(path), &["key"]));
        }
        let of_go =
            text(&recorded.lease("go")["secret"]["internal_data"]["programmatic_api_key_id"]);
        leased.insert(of_go);
        let ends = Self {
            begun,
            due: of_roles(atlas, &["short", "short-account"]),
            retired: retired.collect(),
            held: on_hold,
            leased,
        };
        // The recording is what it is meant to be.
        let counts = [
            &ends.begun,
            &ends.due,
            &ends.retired,
            &ends.held,
            &ends.leased,
        ];
        assert_eq!(counts.map(BTreeSet::len), [8, 2, 1, 3, 9]);
        ends
    }
}

/// Descriptions of what was on its way, whether or not Atlas made it.
fn half_made(old: &Old) -> Vec<String> {
    let entries = old.folder("issued/");
    let making = entries.filter(|(_, entry)| entry["stage"] == "making");
    making
        .map(|(_, entry)| text(&entry["description"]))
        .collect()
}

/// Names or ids of what the rotation of a mount's own key left to be deleted.
fn removals(old: &Old) -> Vec<String> {
    let removals = array(&old.stored["config"]["rotation"]["removals"]);
    let name = |each: &Value| {
        let by_id = each.get("programmatic_api_key_id");
        text(by_id.unwrap_or(&each["description"]))
    };
    removals.iter().map(name).collect()
}

/// Ids in Atlas of what was handed out from these roles.
fn of_roles(old: &Old, roles: &[&str]) -> BTreeSet<String> {
    let live = roles.iter().flat_map(|role| old.entries(role, "live"));
    let id = |(_, entry): (&str, &Value)| {
        let of_key = entry.get("programmatic_api_key_id");
        text(of_key.unwrap_or(&entry["client_id"]))
    };
    live.map(id).collect()
}

/// The present secret of each static role, by name.
fn static_secrets(old: &Old) -> Vec<(&str, &Value)> {
    let roles = old.folder("static-roles/");
    roles.map(|(name, role)| (name, &role["current"])).collect()
}

/// Waits until `is_so`, for some ticks.
async fn until(what: &str, is_so: impl AsyncFn() -> Result<(), String>) {
    let give_up = Instant::now() + TICKS;
    while let Err(reason) = is_so().await {
        assert!(Instant::now() < give_up, "{what}: {reason}");
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
}

fn is(found: &Value, wanted: &Value) -> Result<(), String> {
    if found == wanted {
        return Ok(());
    }
    Err(format!("{found} is not {wanted}"))
}

impl Recorded {
    /// Waits until Atlas holds what was recorded but for these, and nothing else.
    async fn is_left(&self, what: &str, ended: &[&BTreeSet<String>]) {
        let mut left = self.ids();
        for id in ended.iter().copied().flatten() {
            assert!(left.remove(id), "{id} ends twice");
        }
        until(what, async || {
            let there = self.ids_there().await;
            let (stray, lost) = (there.difference(&left), left.difference(&there));
            let differ = [stray.collect::<Vec<_>>(), lost.collect()];
            is(&json!(differ), &json!([[], []]))
        })
        .await;
    }

    /// The ids of an account's secrets in Atlas, the oldest first.
    async fn secrets(&self, client_id: &Value) -> Value {
        let account = self.atlas.known(client_id.as_str().expect("an id")).await;
        array(&account["secrets"])
            .iter()
            .map(|secret| secret["id"].clone())
            .collect()
    }

    /// What readers of a static role are given.
    async fn given(&self, name: &str) -> Value {
        let mount = &self.old("atlas").mount;
        let given = mount.read(&format!("static-creds/{name}")).await;
        given.data().clone()
    }

    async fn mints(&self, given: &Value) -> bool {
        let [client_id, secret] = ["client_id", "client_secret"].map(|name| text(&given[name]));
        self.atlas.mints(&client_id, &secret).await
    }

    async fn revoke(&self, ids: &[&str]) {
        for id in ids {
            let revoked = self.old("atlas").mount.revoke(id).await;
            assert!(revoked.ok(), "{id}: {revoked:?}");
        }
    }

    /// Everything is there as it was, by its new words.
    async fn is_known(&self) {
        for old in self.mounts.values() {
            old.mount.serves().await;
            let listed = old.mount.list("issued").await;
            for (id, entry) in old.folder("issued/") {
                let state = match entry["stage"].as_str() {
                    Some("making") => "pending",
                    Some("live") => "active",
                    _ => "managed",
                };
                let info = &listed.data()["key_info"][id];
                assert_eq!(info["state"], state, "{id}: {info}");
                assert_eq!(info["role"], entry["role"], "{id}: {info}");
                assert_eq!(
                    info["credential_type"], entry["credential_type"],
                    "{id}: {info}"
                );
            }
            for (name, role) in old.folder("roles/") {
                let shown = old.mount.read(&format!("roles/{name}")).await;
                for field in ["organization_id", "project_id", "roles", "ip_addresses"] {
                    let stored = &role[field];
                    let stored = if stored.is_null() { &json!([]) } else { stored };
                    assert_eq!(shown.data()[field], *stored, "{name}: {shown:?}");
                }
                for field in ["ttl", "max_ttl"] {
                    let seconds = role[field].as_u64().expect("a number") / 1_000_000_000;
                    assert_eq!(shown.data()[field], seconds, "{name}: {shown:?}");
                }
            }
            let config = old.mount.read("config").await;
            for field in ["public_key", "client_id"] {
                let stored = old.stored["config"]
                    .get(field)
                    .filter(|value| **value != "");
                assert_eq!(config.data().get(field), stored, "{config:?}");
            }
        }
    }

    /// Who reads a static role gets a secret that works, whatever becomes of its rotation.
    async fn static_roles_are_read(&self) {
        for (name, current) in static_secrets(self.old("atlas")) {
            let given = self.given(name).await;
            // Somebody deleted that one in Atlas before; who rotates by hand is told.
            assert_eq!(self.mints(&given).await, name != "lost", "{name}");
            // Its successor was stored already, and may be published by now.
            if name != "pending-made" {
                assert_eq!(given["client_secret"], current["client_secret"], "{name}");
            }
        }
    }

    /// Leases of every type but access tokens can be renewed, the Go engine's among them.
    async fn leases_are_renewed(&self) {
        for (id, lease) in &self.leases {
            let renewed = self.old("atlas").mount.renew(id, 0).await;
            let renewable = lease["secret"]["renewable"] == true;
            assert_eq!(renewed.ok(), renewable, "{id}: {renewed:?}");
        }
    }

    /// The rotations that had come as far as a stored secret are finished with that one, and a
    /// replaced secret whose deletion Atlas refused before goes.
    async fn rotations_are_finished(&self) {
        let role = &self.old("atlas").stored["static-roles/pending-made"];
        let made = &role["renewal"]["pending"]["made"];
        until("the rotation of a static role", async || {
            is(
                &self.given("pending-made").await["client_secret"],
                &made["client_secret"],
            )
        })
        .await;
        let config = &self.old("atlas-pending").stored["config"];
        let made = &config["rotation"]["renewal"]["pending"]["made"]["id"];
        let retiring = &self.old("atlas-retiring").stored["config"];
        let current = &retiring["rotation"]["client_secret_id"];
        for (config, secret) in [(config, made), (retiring, current)] {
            until("one secret of the mount's own account", async || {
                is(&self.secrets(&config["client_id"]).await, &json!([secret]))
            })
            .await;
        }
        let shown = self.old("atlas").mount.read("config").await;
        assert!(shown.data().get("pending_deletions").is_none(), "{shown:?}");
        // Of the account managed for tokens, too: nobody has a token of the older one.
        let managed = &self.old("atlas").stored["token-accounts/reader"]["current"];
        let newest = &managed["secrets"][1]["id"];
        until("one secret of a managed account", async || {
            is(&self.secrets(&managed["client_id"]).await, &json!([newest]))
        })
        .await;
    }

    /// Only what a person has to decide is still on its way: eda73bf did not store by which clock it
    /// had asked for a secret, and another may be a stranger's.
    async fn is_settled(&self) {
        let mount = &self.old("atlas").mount;
        until("the end of what was half-made", async || {
            let listed = mount.list("issued").await;
            let entries = listed.data()["key_info"].as_object().expect("entries");
            let pending = entries.values().filter(|entry| {
                entry["state"] == "pending" && entry.get("owner").is_none_or(Value::is_null)
            });
            let roles: BTreeSet<String> = pending.map(|entry| text(&entry["role"])).collect();
            is(&json!(roles), &json!(["ci-doubt", "ci-half"]))
        })
        .await;
        for role in ["ci-doubt", "ci-half"] {
            let client_id = &self.old("atlas").stored[&format!("roles/{role}")]["client_id"];
            let secrets = self.secrets(client_id).await;
            assert_eq!(
                array(&secrets).len(),
                if role == "ci-half" { 2 } else { 3 },
                "{role}"
            );
        }
    }

    /// Hours later: each account of a static role has its one secret, if nothing was lost of it.
    async fn replaced_secrets_are_gone(&self) {
        let old = self.old("atlas");
        for name in ["admin", "self", "project", "retiring", "pending-made"] {
            let role = &old.stored[&format!("static-roles/{name}")];
            let made = role["renewal"]["pending"]["made"].get("id");
            let secret = made.unwrap_or(&role["current"]["id"]);
            until(name, async || {
                is(&self.secrets(&role["client_id"]).await, &json!([secret]))
            })
            .await;
        }
        // The role is deleted, the account stays with its secret; the one before it has gone.
        let mut left = old.folder("static-leaving/").map(|(_, role)| role);
        let left = left.find(|role| role["renewal"].get("retiring").is_some());
        let left = left.expect("a deleted static role");
        let current = &left["current"]["id"];
        until("what a deleted role left", async || {
            is(&self.secrets(&left["client_id"]).await, &json!([current]))
        })
        .await;
    }

    /// Every mount makes new credentials, and takes none of its own for an orphan.
    async fn mounts_work(&self) {
        for (path, role) in [
            ("atlas", "go"),
            ("atlas", "reader"),
            ("atlas-pending", "key"),
            ("atlas-retiring", "key"),
            ("atlas-held", "key"),
        ] {
            let mount = &self.old(path).mount;
            let lease = mount.issue(role).await.lease_id();
            let revoked = mount.revoke(&lease).await;
            assert!(revoked.ok(), "{path}: {revoked:?}");
            let report = mount.write("tidy", json!({ "min_age": 0 })).await;
            assert_eq!(report.data()["orphans"], json!([]), "{path}");
            assert_eq!(report.data()["missing"], json!([]), "{path}");
        }
    }

    /// What every takeover comes to within minutes.
    async fn goes_on(&self, ends: &Ends) {
        self.is_known().await;
        self.static_roles_are_read().await;
        self.leases_are_renewed().await;
        // What was never made is known ten minutes after; the reaper begins a quarter of an hour after
        // a start.
        self.turn(Duration::from_mins(16)).await;
        let over = [&ends.begun, &ends.due];
        self.is_left("what was begun or outlived its lease ends", &over)
            .await;
        self.is_settled().await;
        self.rotations_are_finished().await;
        self.static_roles_are_read().await;
    }
}

#[tokio::test]
async fn mounts_of_the_first_shapes_are_taken_over_and_nothing_is_lost() {
    let mut recorded = Recorded::put().await;
    let ends = Ends::of(&recorded);
    recorded.bao.restart().await;
    recorded.goes_on(&ends).await;
    let Ends {
        begun,
        due,
        retired,
        held,
        leased,
    } = &ends;
    recorded.mounts_work().await;

    // Who holds an access token can have it revoked, of either account of the role.
    let tokens = [recorded.leases_of("reader"), recorded.leases_of("changed")].concat();
    assert_eq!(tokens.len(), 3);
    recorded.revoke(&tokens).await;
    recorded.turn(Duration::from_hours(3)).await;
    recorded
        .is_left("a retired account ends", &[begun, due, retired])
        .await;
    recorded.replaced_secrets_are_gone().await;

    let mount = &recorded.old("atlas-held").mount;
    assert!(mount.write("config", json!({ "hold": false })).await.ok());
    recorded
        .is_left("the hold ends", &[begun, due, retired, held])
        .await;

    let all: Vec<&str> = recorded.leases.keys().map(String::as_str).collect();
    recorded.revoke(&all).await;
    recorded
        .is_left("leases end", &[begun, due, retired, held, leased])
        .await;
    for role in ["ci", "ci-project"] {
        let client_id = &recorded.old("atlas").stored[&format!("roles/{role}")]["client_id"];
        let secrets = recorded.secrets(client_id).await;
        assert_eq!(
            array(&secrets).len(),
            1,
            "{role}: its own, which no lease has"
        );
    }

    // A lost secret that nobody used for a day was nobody's: what it stood in the way of goes on.
    recorded.turn(Duration::from_hours(25)).await;
    for name in ["pending-lost", "self-pending"] {
        until(name, async || {
            let role = recorded
                .old("atlas")
                .mount
                .read(&format!("static-roles/{name}"))
                .await;
            is(&role.data()["rotation_in_progress"], &json!(false))
        })
        .await;
        assert!(recorded.mints(&recorded.given(name).await).await, "{name}");
    }
    recorded
        .is_left("nothing else", &[begun, due, retired, held, leased])
        .await;
}

#[tokio::test]
async fn a_first_start_that_is_cut_short_is_gone_on_with_by_the_next() {
    let mut recorded = Recorded::put().await;
    let ends = Ends::of(&recorded);
    for millis in [0, 40, 150] {
        let bao = &mut recorded.bao;
        bao.crash_and_crash_in_the_start(Duration::from_millis(millis))
            .await;
    }
    recorded.bao.start_after_a_kill().await;
    recorded.goes_on(&ends).await;
    // Started once more, on what the new one stored.
    let clock = recorded.bao.clock.as_ref().expect("a clock to turn");
    clock.start_anew(recorded.bao.reload()).await;
    recorded.static_roles_are_read().await;
    recorded.mounts_work().await;
}

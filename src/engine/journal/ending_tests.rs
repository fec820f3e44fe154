//! What is ended is gone and stays gone; what must not be ended is refused.

use std::time::Duration;

use serde_json::{Value, json};

use crate::engine::process::ServerHold;
use crate::engine::testing::{Atlas, Outcome, TestMount};
use crate::vault::{Data, Failure, Operation, Replication, Secret};

pub(super) const HOUR: Duration = Duration::from_hours(1);
pub(super) const NOTHING: Vec<String> = Vec::new();

/// A kind of credential that can be ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Key,
    ProjectKey,
    Account,
    ProjectAccount,
    Secret,
    ProjectSecret,
}

const KINDS: [Kind; 6] = [
    Kind::Key,
    Kind::ProjectKey,
    Kind::Account,
    Kind::ProjectAccount,
    Kind::Secret,
    Kind::ProjectSecret,
];

/// A mount whose role `reader` issues this kind.
pub(super) async fn mount_of(kind: Kind) -> TestMount {
    let mount = TestMount::configured().await;
    let project = mount.atlas.project(0).to_owned();
    let mut role = match kind {
        Kind::Key | Kind::Account | Kind::Secret => {
            json!({ "organization_id": mount.atlas.org(), "roles": "ORG_MEMBER" })
        }
        _ => json!({ "project_id": project, "roles": "GROUP_READ_ONLY" }),
    };
    if !matches!(kind, Kind::Key | Kind::ProjectKey) {
        role["credential_type"] = json!("service_account");
    }
    let holder = match kind {
        Kind::Secret => Some(json!({})),
        Kind::ProjectSecret => Some(json!({
            "project_roles": {project.clone(): ["GROUP_READ_ONLY"]}, "home_project": project,
        })),
        _ => None,
    };
    if let Some(holder) = holder {
        role["client_id"] = json!(mount.atlas.make_account(0, holder).await);
        role["roles"] = json!("");
    }
    role["ttl"] = json!("1h");
    role["max_ttl"] = json!("4h");
    mount.write("roles/reader", role).await.expect("a role");
    mount
}

pub(super) fn text<'a>(data: &'a Data, name: &str) -> &'a str {
    data[name].as_str().expect("a text")
}

pub(super) fn id(lease: &Secret) -> &str {
    text(&lease.internal_data, "journal_id")
}

pub(super) fn public(data: &Data) -> &str {
    let public = data.get("public_key").or_else(|| data.get("client_id"));
    public.and_then(Value::as_str).expect("a public part")
}

pub(super) async fn end(mount: &TestMount, name: &str) -> Outcome {
    let path = format!("issued/{name}");
    mount.ask(Operation::Delete, &path, json!({})).await
}

/// The text of a refusal with status 400.
#[track_caller]
pub(super) fn refused(outcome: Outcome) -> String {
    match outcome {
        Err(Failure::BadRequest(text)) => text,
        other => panic!("{other:?}"),
    }
}

/// Ids of everything in Atlas that is not the seed's: keys, accounts, and secrets of accounts.
pub(super) async fn alive(mount: &TestMount, data: &Data) -> bool {
    if let Some(key) = data.get("public_key") {
        let state = mount.atlas.state().await;
        let keys = state["keys"].as_array().cloned().unwrap_or_default();
        return keys.iter().any(|each| each["public_key"] == *key);
    }
    let (account, secret) = (text(data, "client_id"), text(data, "client_secret"));
    mount.atlas.mints(account, secret).await
}

#[tokio::test]
async fn each_kind_is_ended_by_each_of_its_names() {
    for kind in KINDS {
        for by_public_part in [true, false] {
            let mount = mount_of(kind).await;
            let (data, lease) = mount.issue("reader").await;
            let name = if by_public_part {
                public(&data)
            } else {
                id(&lease)
            };
            assert!(alive(&mount, &data).await, "{kind:?}");
            let answer = end(&mount, name).await.expect("ended");
            assert!(answer.is_none(), "{kind:?} {answer:?}");
            assert!(!alive(&mount, &data).await, "{kind:?}");
            for name in [public(&data), id(&lease)] {
                let shown = TestMount::data(mount.read(&format!("issued/{name}")).await);
                assert_eq!(shown["state"], "ended", "{kind:?}");
                assert_eq!(shown["ended_by"], "token");
                assert_eq!(shown["ended_by_entity_id"], "");
                assert!(shown["ended_at"].as_str().is_some_and(|at| at.len() == 20));
                assert_eq!(shown.get("ended"), None);
            }
            let listed = TestMount::data(mount.list("issued/").await);
            let listed = &listed["key_info"][id(&lease)];
            assert_eq!(listed["state"], "ended");
            assert_eq!(listed["ended_by"], "token");
            assert_eq!(mount.figure("entries", "ended").await, 1);
            assert_eq!(mount.figure("entries", "active").await, 0);
        }
    }
}

/// Nothing of it is in Atlas, so that neither an outage nor a missing configuration is in the way.
#[tokio::test]
async fn the_lease_of_what_was_ended_is_not_renewed_and_ends_without_atlas() {
    for kind in KINDS {
        let mut mount = mount_of(kind).await;
        let (_, lease) = mount.issue("reader").await;
        let (_, other) = mount.issue("reader").await;
        end(&mount, id(&lease)).await.expect("ended");
        for restarted in [false, true] {
            if restarted {
                mount.restart().await;
            }
            mount.atlas.forget_requests().await;
            let text = refused(mount.renew(&lease).await);
            assert!(
                text.contains("this credential was ended at 20")
                    && text.contains(" by token: read a new one from creds/reader"),
                "{text}"
            );
            assert_eq!(mount.atlas.request_count().await, 0, "{kind:?}");
        }
        mount.renew(&other).await.expect("the other one lives");
        let force = json!({ "force": true });
        mount
            .ask(Operation::Delete, "config", force)
            .await
            .expect("no configuration");
        refused(mount.renew(&lease).await);
        mount.restart_held(ServerHold::All).await;
        mount.atlas.forget_requests().await;
        mount.revoke(&lease).await.expect("revoked");
        mount.revoke(&other).await.expect_err("its key is alive");
        assert_eq!(mount.atlas.request_count().await, 0);
        assert_eq!(mount.journal_keys(), [format!("issued/{}", id(&other))]);
    }
}

/// An address that the mount has left is not asked for what is not there any more.
#[tokio::test]
async fn the_lease_of_what_was_ended_ends_at_another_address() {
    let mount = mount_of(Kind::Key).await;
    let (_, lease) = mount.issue("reader").await;
    let (_, other) = mount.issue("reader").await;
    end(&mount, id(&lease)).await.expect("ended");
    let elsewhere = Atlas::another().await;
    mount
        .write("config", elsewhere.key_and_organization())
        .await
        .expect("written");
    assert!(refused(mount.renew(&lease).await).contains("was ended"));
    mount.revoke(&lease).await.expect("revoked");
    mount.revoke(&other).await.expect_err("it is at another");
    let unreachable = end(&mount, id(&other)).await.expect_err("elsewhere");
    assert!(
        unreachable.to_string().contains("belongs to"),
        "{unreachable}"
    );
    assert_eq!(mount.journal_keys(), [format!("issued/{}", id(&other))]);
}

#[tokio::test]
async fn what_storage_did_not_note_is_completed_by_the_same_order() {
    for kind in KINDS {
        let mount = mount_of(kind).await;
        let (data, lease) = mount.issue("reader").await;
        mount.storage.fail_after(Some(0));
        end(&mount, id(&lease)).await.expect_err("no storage");
        mount.storage.fail_after(None);
        assert!(!alive(&mount, &data).await);
        assert_eq!(mount.figure("entries", "active").await, 1, "{kind:?}");
        let told = TestMount::warnings(end(&mount, id(&lease)).await);
        assert_eq!(told, ["it was gone from Atlas already"], "{kind:?}");
        refused(mount.renew(&lease).await);
        mount.atlas.forget_requests().await;
        let told = TestMount::warnings(end(&mount, id(&lease)).await);
        assert!(told[0].contains("it was ended before, at 20"), "{told:?}");
        assert_eq!(mount.atlas.request_count().await, 0);
    }
}

/// Atlas did not say that it is gone, so it may be alive.
#[tokio::test]
async fn what_atlas_does_not_delete_is_not_ended() {
    let mount = mount_of(Kind::Key).await;
    let (data, lease) = mount.issue("reader").await;
    for action in [
        json!({"kind": "answer", "status": 403, "code": "ACCESS_FORBIDDEN"}),
        json!({"kind": "answer", "status": 404, "code": "SOMETHING_ELSE"}),
        json!({"kind": "answer", "status": 200, "text": "<html>"}),
    ] {
        let fault = json!({ "operation": "deleteOrgApiKey", "count": 0, "action": action });
        mount.atlas.fault(fault).await;
        end(&mount, public(&data)).await.expect_err("not deleted");
        mount.atlas.no_more_faults().await;
        let shown = TestMount::data(mount.read(&format!("issued/{}", id(&lease))).await);
        assert_eq!(shown["state"], "active");
        mount.renew(&lease).await.expect("it lives");
    }
    assert!(alive(&mount, &data).await);
}

#[tokio::test]
async fn what_is_unknown_is_not_taken_for_ended() {
    let mount = mount_of(Kind::Key).await;
    mount.issue("reader").await;
    mount.atlas.forget_requests().await;
    for unknown in ["abcdefghabcdefghabcd", "nobody", "mdb_sa_id_0"] {
        let text = refused(end(&mount, unknown).await);
        assert!(
            text.contains("no such issued credential") && !text.contains(unknown),
            "{text}"
        );
    }
    assert_eq!(mount.atlas.request_count().await, 0);
}

/// Also when one of them was ended: the order given again must not end the other.
#[tokio::test]
async fn a_client_id_of_several_secrets_is_refused_with_the_list() {
    let mount = mount_of(Kind::Secret).await;
    let (data, first) = mount.issue("reader").await;
    let (_, second) = mount.issue("reader").await;
    let account = text(&data, "client_id");
    for ended in [false, true] {
        if ended {
            end(&mount, id(&first)).await.expect("ended");
        }
        let state = if ended { "ended" } else { "active" };
        let text = refused(end(&mount, account).await);
        for part in [
            "2 credentials are parts of",
            &format!("{} ({state})", id(&first)),
            &format!("{} (active)", id(&second)),
        ] {
            assert!(text.contains(part), "{text}");
        }
    }
    assert_eq!(mount.atlas.secrets(account).await.len(), 1);
    let shown = TestMount::data(mount.read(&format!("issued/{account}")).await);
    assert_eq!(shown["id"], id(&second), "the one that is of use");
}

#[tokio::test]
async fn an_access_token_and_the_account_managed_for_it_are_refused_with_the_way_to_go() {
    let role = json!({ "credential_type": "access_token", "ip_addresses": "" });
    let mount = TestMount::with_role(role).await;
    let (data, lease) = mount.issue("reader").await;
    mount.issue("reader").await;
    let token = refused(end(&mount, id(&lease)).await);
    assert!(token.contains("revoke its lease"), "{token}");
    let account = refused(end(&mount, text(&data, "client_id")).await);
    assert!(account.contains("delete the role"), "{account}");
    assert_eq!(mount.figure("entries", "ended").await, 0);
    assert_eq!(mount.atlas.credentials().await.len(), 1);
}

#[tokio::test]
async fn what_is_incomplete_is_refused() {
    let mount = mount_of(Kind::Key).await;
    for operation in ["deleteOrgApiKey", "createOrgAccessEntry"] {
        let fault = json!({
            "operation": operation, "count": 0,
            "action": {"kind": "answer", "status": 403, "code": "ACCESS_FORBIDDEN"},
        });
        mount.atlas.fault(fault).await;
    }
    mount
        .write("roles/reader", json!({ "ip_addresses": "192.0.2.1" }))
        .await
        .expect("a role");
    mount.read("creds/reader").await.expect_err("half-made");
    let name = mount.journal_keys().remove(0);
    let name = name.trim_start_matches("issued/");
    assert!(refused(end(&mount, name).await).contains("is incomplete: it is being created"));
    assert_eq!(mount.figure("entries", "pending").await, 1);
}

#[tokio::test]
async fn what_the_mount_signs_in_with_is_refused() {
    let mount = TestMount::configured().await;
    let role = json!({ "organization_id": mount.atlas.org(), "roles": "ORG_OWNER" });
    mount.write("roles/reader", role).await.expect("a role");
    let (data, lease) = mount.issue("reader").await;
    let config = json!({
        "public_key": data["public_key"], "private_key": data["private_key"],
    });
    mount.write("config", config).await.expect("written");
    for name in [id(&lease), public(&data)] {
        let text = refused(end(&mount, name).await);
        assert!(text.contains("config/rotate-root"), "{text}");
    }
    assert!(alive(&mount, &data).await);
}

#[tokio::test]
async fn an_account_that_became_a_static_roles_is_refused() {
    let mut mount = TestMount::configured().await;
    let account = mount.atlas.account(json!(["ORG_MEMBER"])).await;
    let role = json!({
        "client_id": account.client_id, "organization_id": mount.atlas.org(), "rotation_period": 0,
        "client_secret": account.secret, "skip_initial_rotation": true,
    });
    mount
        .write("static-roles/rotates", role)
        .await
        .expect("a static role");
    let name = "0".repeat(20);
    let entry = json!({
        "state": "active", "role": "reader", "credential_type": "service_account",
        "description": format!("vault-reader-{name}"), "organization_id": mount.atlas.org(),
        "client_id": account.client_id, "display_name": "", "entity_id": "",
        "issued_at": mount.now(), "max_expire_time": "9999-01-01T00:00:00Z",
    });
    let key = format!("issued/{name}");
    mount.storage.plant(&key, entry.to_string().as_bytes());
    mount.restart().await;
    let text = refused(end(&mount, &account.client_id).await);
    assert!(text.contains("rotate-role/rotates"), "{text}");
    assert!(mount.atlas.mints(&account.client_id, &account.secret).await);
}

#[tokio::test]
async fn a_node_that_may_not_act_forwards_it() {
    let mount = mount_of(Kind::Key).await;
    let (data, lease) = mount.issue("reader").await;
    mount.atlas.forget_requests().await;
    mount.system.set_replication(Replication(24_576));
    let forwarded = end(&mount, id(&lease)).await.expect_err("read-only");
    assert!(matches!(forwarded, Failure::HostText(_)), "{forwarded:?}");
    assert_eq!(mount.atlas.request_count().await, 0);
    assert!(alive(&mount, &data).await);
}

/// The renewal has asked before whether it was ended, and waits for Atlas meanwhile.
#[tokio::test]
async fn a_renewal_under_way_is_refused_when_its_credential_is_ended() {
    let mount = mount_of(Kind::Secret).await;
    let (_, lease) = mount.issue("reader").await;
    let slow = json!({
        "operation": "getOrgServiceAccount", "action": {"kind": "delay", "seconds": 0.4, "after_effect": true},
    });
    mount.atlas.fault(slow).await;
    let ends = async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        end(&mount, id(&lease)).await
    };
    let (renewed, ended) = tokio::join!(mount.renew(&lease), ends);
    ended.expect("ended");
    assert!(refused(renewed).contains("was ended"));
    let shown = TestMount::data(mount.read(&format!("issued/{}", id(&lease))).await);
    assert_eq!(shown["state"], "ended");
}

/// While one ends it, its lease is renewed and revoked: whatever comes first, it is not alive after.
#[tokio::test]
async fn an_end_beside_a_renewal_or_a_revocation_leaves_nothing_alive() {
    for revokes in [false, true] {
        for delay in [0.0, 0.03, 0.06] {
            let mount = mount_of(Kind::Key).await;
            let (data, lease) = mount.issue("reader").await;
            let longer = json!({ "max_ttl": "9h" });
            mount.write("roles/reader", longer).await.expect("a role");
            let slow = json!({
                "operation": "deleteOrgApiKey", "action": {"kind": "delay", "seconds": delay},
            });
            mount.atlas.fault(slow).await;
            let beside = async {
                tokio::time::sleep(Duration::from_millis(15)).await;
                if revokes {
                    mount.revoke(&lease).await
                } else {
                    mount.renew(&lease).await
                }
            };
            let (ended, beside) = tokio::join!(end(&mount, id(&lease)), beside);
            assert!(!alive(&mount, &data).await);
            ended.expect("ended");
            if revokes {
                beside.expect("revoked");
                assert_eq!(mount.journal_keys(), NOTHING);
                assert_eq!(mount.figure("entries", "ended").await, 0);
            } else {
                let shown = TestMount::data(mount.read(&format!("issued/{}", id(&lease))).await);
                assert_eq!(shown["state"], "ended");
                refused(mount.renew(&lease).await);
            }
        }
    }
}

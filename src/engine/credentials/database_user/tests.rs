//! Database users from role to revocation, where nothing fails.

use std::time::Duration;

use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use crate::engine::testing::TestMount;
use crate::vault::{Data, Failure, Operation, Secret};

pub(super) const NOTHING: Vec<String> = Vec::new();
pub(super) const HOUR: Duration = Duration::from_hours(1);
const DAY: Duration = Duration::from_hours(24);

/// A mount with the role `reader` of this type in the first project, and what `fields` adds. The project has
/// the clusters `east` and `west`.
pub(super) async fn mount_with(fields: Value) -> TestMount {
    let mount = TestMount::configured().await;
    for name in ["east", "west"] {
        let cluster = json!({ "project_id": mount.atlas.project(0), "name": name });
        mount.atlas.control("POST", "/clusters", cluster).await;
    }
    write_role(&mount, fields).await;
    mount
}

pub(super) async fn write_role(mount: &TestMount, fields: Value) {
    let mut role = json!({
        "credential_type": "database_user", "project_id": mount.atlas.project(0),
        "database_roles": "readWrite@app", "ttl": "1h", "max_ttl": "8h", "max_live": 50,
    });
    for (key, value) in fields.as_object().into_iter().flatten() {
        role[key] = value.clone();
    }
    mount.write("roles/reader", role).await.expect("a role");
}

/// The mount signs in with a key that has these Atlas roles in the first project, and no more.
async fn sign_in_as(mount: &TestMount, roles: &[&str]) {
    let key = json!({
        "org_id": mount.atlas.org(), "desc": "seed", "org_roles": ["ORG_MEMBER"],
        "project_roles": { mount.atlas.project(0): roles },
    });
    let key = mount.atlas.control("POST", "/keys", key).await;
    let mut config = mount.atlas.key_and_organization();
    for part in ["public_key", "private_key"] {
        config[part] = key[part].clone();
    }
    mount.write("config", config).await.expect("configured");
}

/// The one user that there is.
pub(super) async fn the_user(mount: &TestMount) -> Value {
    let users = mount.atlas.database_users().await;
    let [user] = users.try_into().expect("one user");
    user
}

pub(super) async fn ends(mount: &TestMount) -> DateTime<Utc> {
    let user = the_user(mount).await;
    let text = user["delete_after"].as_str().expect("a moment");
    text.parse().expect("a moment")
}

/// Whether Atlas deletes the user so long from now, to the seconds by which clocks differ.
pub(super) async fn ends_in(mount: &TestMount, life: Duration) -> bool {
    let left = ends(mount).await - mount.now();
    let life = chrono::TimeDelta::from_std(life).expect("a duration");
    (left - life).abs() <= chrono::TimeDelta::minutes(1)
}

pub(super) fn text<'a>(data: &'a Data, field: &str) -> &'a str {
    data[field].as_str().expect("a text")
}

/// A lease as the server keeps it, which asks for so much more time.
fn renewed_by(lease: &Secret, increment: Duration) -> Secret {
    let mut lease = lease.clone();
    lease.increment = increment;
    lease
}

#[tokio::test]
async fn a_user_signs_in_until_it_is_revoked() {
    let mount = mount_with(json!({})).await;
    let (data, lease) = mount.issue("reader").await;
    let fields: Vec<&String> = data.keys().collect();
    assert_eq!(
        fields,
        [
            "database",
            "organization_id",
            "password",
            "project_id",
            "username"
        ]
    );
    assert_eq!(data["database"], "admin");
    assert_eq!(data["project_id"], mount.atlas.project(0));
    assert_eq!(data["organization_id"], mount.atlas.org());
    assert!(text(&data, "username").starts_with("vault-reader-"));
    let password = text(&data, "password");
    assert_eq!(password.len(), 32);
    assert!(password.bytes().all(|byte| byte.is_ascii_alphanumeric()));
    let user = the_user(&mount).await;
    assert_eq!(user["description"], data["username"]);
    assert_eq!(
        user["roles"],
        json!([{"databaseName": "app", "roleName": "readWrite"}])
    );
    assert!(ends_in(&mount, HOUR * 2).await);
    for cluster in ["east", "west"] {
        assert!(mount.atlas.lets_in(cluster, &data).await, "{cluster}");
    }
    for stored in mount.storage.keys() {
        let value = String::from_utf8_lossy(&mount.storage.value(&stored)).into_owned();
        assert!(!value.contains(password), "{stored}");
    }
    assert!(!json!(lease.internal_data).to_string().contains(password));
    mount.revoke(&lease).await.expect("revoked");
    assert!(!mount.atlas.lets_in("east", &data).await);
    assert_eq!(mount.atlas.credentials().await, NOTHING);
    assert_eq!(mount.journal_keys(), NOTHING);
    mount.revoke(&lease).await.expect("and once more");
}

#[tokio::test]
async fn rights_and_scopes_go_to_atlas_as_the_role_has_them() {
    let mount = mount_with(json!({
        "database_roles": [
            "read@app.orders.2026", {"roleName": "readWrite", "databaseName": "other"},
        ],
        "scopes": r#"["west", {"name": "lake", "type": "DATA_LAKE"}]"#,
    }))
    .await;
    let read = TestMount::data(mount.read("roles/reader").await);
    assert_eq!(
        (&read["database_roles"], &read["scopes"], &read["wait"]),
        (
            &json!(["read@app.orders.2026", "readWrite@other"]),
            &json!(["west", "lake:DATA_LAKE"]),
            &json!(30)
        )
    );
    let (data, _) = mount.issue("reader").await;
    let user = the_user(&mount).await;
    assert_eq!(
        user["roles"],
        json!([
            {"databaseName": "app", "roleName": "read", "collectionName": "orders.2026"},
            {"databaseName": "other", "roleName": "readWrite"},
        ])
    );
    assert!(mount.atlas.lets_in("west", &data).await);
    assert!(!mount.atlas.lets_in("east", &data).await);
}

/// Atlas is told an end by its own clock.
#[tokio::test]
async fn each_renewal_moves_the_end_that_atlas_has_set() {
    let mount = mount_with(json!({ "scopes": "west" })).await;
    let (_, mut lease) = mount.issue("reader").await;
    lease.issue_time = Some(mount.now());
    mount.advance(HOUR / 2).await;
    let before = the_user(&mount).await;
    let answer = mount
        .renew(&lease)
        .await
        .expect("renewed")
        .expect("an answer");
    assert!(answer.data.is_none());
    assert!(ends_in(&mount, HOUR * 2).await);
    let after = the_user(&mount).await;
    for same in ["roles", "scopes", "labels", "description"] {
        assert_eq!(before[same], after[same], "{same}");
    }
    // A shorter one takes nothing away, as the server may not get to know of it; and asks Atlas to change nothing.
    mount.atlas.forget_requests().await;
    let shorter = renewed_by(&lease, HOUR / 4);
    mount.renew(&shorter).await.expect("renewed");
    assert!(ends_in(&mount, HOUR * 2).await);
    let asked = mount.atlas.operations().await;
    assert_eq!(asked["updateDatabaseUser"], Value::Null);
    // What people have changed in Atlas meanwhile stays.
    for _ in 0..14 {
        mount.advance(HOUR / 2).await;
        mount.renew(&lease).await.expect("renewed");
    }
    // The eighth hour is near: the last one ends there.
    assert!(ends(&mount).await - mount.now() < chrono::TimeDelta::minutes(91));
}

#[tokio::test]
async fn a_lease_runs_six_days_at_most_until_it_is_renewed() {
    let mount = mount_with(json!({ "ttl": "10d", "max_ttl": "30d" })).await;
    let answer = mount.read("creds/reader").await.expect("issued");
    let answer = answer.expect("an answer");
    assert_eq!(
        answer.warnings,
        [
            "TTL of \"240h\" exceeded the effective max_ttl of \"144h\"; TTL value is capped accordingly"
        ]
    );
    let mut lease = answer.secret.expect("a lease");
    assert_eq!((lease.ttl, lease.max_ttl), (DAY * 6, DAY * 6));
    assert!(ends_in(&mount, DAY * 6 + HOUR).await);
    lease.issue_time = Some(mount.now());
    mount.advance(DAY * 5).await;
    // As who asks for more than the role gives.
    let long = renewed_by(&lease, DAY * 20);
    let answer = mount
        .renew(&long)
        .await
        .expect("renewed")
        .expect("an answer");
    let renewed = answer.secret.expect("a lease");
    assert_eq!((renewed.ttl, renewed.max_ttl), (DAY * 6, DAY * 11));
    assert!(ends_in(&mount, DAY * 6 + HOUR).await);
    // Without a ttl the server's default counts, and is bounded too.
    write_role(&mount, json!({ "ttl": 0, "max_ttl": 0 })).await;
    let answer = mount
        .renew(&lease)
        .await
        .expect("renewed")
        .expect("an answer");
    assert_eq!(answer.secret.expect("a lease").ttl, DAY * 6);
    let found = TestMount::data(mount.read("check/reader").await);
    let warnings = found["warnings"].to_string();
    assert!(warnings.contains("max_ttl of \\\"144h\\\""), "{warnings}");
}

/// Nobody renews or revokes it: Vault is gone for good.
#[tokio::test]
async fn atlas_deletes_a_user_whose_lease_is_lost() {
    let mount = mount_with(json!({})).await;
    let (data, lease) = mount.issue("reader").await;
    mount.advance(Duration::from_mins(119)).await;
    assert!(mount.atlas.lets_in("east", &data).await);
    mount.advance(Duration::from_mins(2)).await;
    assert!(!mount.atlas.lets_in("east", &data).await);
    assert_eq!(mount.atlas.credentials().await, NOTHING);
    mount.revoke(&lease).await.expect("gone is as good");
    assert_eq!(mount.journal_keys(), NOTHING);
}

#[tokio::test]
async fn a_role_is_refused_with_what_does_not_go_with_it() {
    let mount = mount_with(json!({})).await;
    for (field, value) in [
        ("organization_id", json!(mount.atlas.org())),
        ("roles", json!("GROUP_OWNER")),
        ("project_roles", json!("GROUP_OWNER")),
        (
            "project_assignments",
            json!({ mount.atlas.project(1): ["GROUP_OWNER"] }),
        ),
        ("ip_addresses", json!("192.0.2.1")),
        ("cidr_blocks", json!("10.0.0.0/8")),
        ("client_id", json!("mdb_sa_id_0123456789abcdef01234567")),
        ("cloud", json!("AWS")),
        ("project_id", json!("")),
        ("project_id", json!("x")),
        ("database_roles", json!("")),
        ("database_roles", json!("read")),
        ("database_roles", json!([["read@app"]])),
        ("scopes", json!("a b")),
        ("wait", json!("soon")),
        ("username_template", json!("{{if}}")),
        ("username_template", json!("..")),
        ("username_template", json!("a\nb")),
    ] {
        let refused = mount.write("roles/reader", json!({ field: value })).await;
        assert!(
            matches!(&refused, Err(Failure::BadRequest(text)) if text.contains(&format!("{field}: "))),
            "{field}: {refused:?}"
        );
    }
    for field in [
        "database_roles",
        "scopes",
        "wait",
        "username_template",
        "password_policy",
    ] {
        let mut other = json!({ "organization_id": mount.atlas.org(), "roles": "ORG_MEMBER" });
        other[field] = json!(if field == "database_roles" {
            "a@b"
        } else {
            "5"
        });
        let refused = mount.write("roles/other", other).await;
        let refused = refused.expect_err("refused").to_string();
        let told = format!("{field}: only for credential_type database_user");
        assert!(refused.contains(&told), "{refused}");
    }
    let emptied = mount
        .write("roles/reader", json!({ "ip_addresses": "" }))
        .await;
    assert_eq!(TestMount::warnings(emptied), NOTHING);
    let unbounded = mount.write("roles/reader", json!({ "max_live": 0 })).await;
    let [warning] = TestMount::warnings(unbounded).try_into().expect("one");
    assert!(warning.contains("100 database users"), "{warning}");
}

#[tokio::test]
async fn fields_are_changed_and_taken_away_one_by_one() {
    let mount = mount_with(json!({ "wait": "5s", "scopes": "west" })).await;
    for (change, field, after) in [
        (json!({ "ttl": 60 }), "wait", json!(5)),
        (json!({ "wait": 0 }), "wait", json!(0)),
        (json!({ "wait": null }), "wait", json!(30)),
        (json!({ "scopes": null }), "scopes", json!([])),
        (
            json!({ "username_template": " x" }),
            "username_template",
            json!(" x"),
        ),
        (
            json!({ "username_template": null }),
            "username_template",
            json!(""),
        ),
        (
            json!({ "password_policy": "p" }),
            "password_policy",
            json!("p"),
        ),
    ] {
        let patched = mount.ask(Operation::Patch, "roles/reader", change.clone());
        patched.await.expect("patched");
        let read = TestMount::data(mount.read("roles/reader").await);
        assert_eq!(read[field], after, "{change}");
    }
}

#[tokio::test]
async fn a_name_has_the_form_of_the_roles_template() {
    let template = "v_{{.DisplayName}}_{{.RoleName | uppercase}}_{{random 8}} /@%";
    let mount = mount_with(json!({ "username_template": template })).await;
    let (data, mut lease) = mount.issue("reader").await;
    let name = text(&data, "username");
    assert!(
        name.starts_with("v_token_READER_") && name.ends_with(" /@%"),
        "{name}"
    );
    assert_eq!(name.chars().count(), "v_token_READER_".len() + 8 + 4);
    let user = the_user(&mount).await;
    assert!(
        user["description"]
            .as_str()
            .is_some_and(|text| text.starts_with("vault-reader-"))
    );
    // Special as it is, it is renewed, shown and deleted.
    lease.issue_time = Some(mount.now());
    mount.advance(HOUR / 2).await;
    mount.renew(&lease).await.expect("renewed");
    assert!(ends_in(&mount, HOUR * 2).await);
    mount.revoke(&lease).await.expect("revoked");
    assert_eq!(mount.atlas.credentials().await, NOTHING);
}

#[tokio::test]
async fn a_password_is_made_by_the_servers_policy() {
    let mount = mount_with(json!({ "password_policy": "long" })).await;
    let (data, _) = mount.issue("reader").await;
    assert_eq!(data["password"], "by-the-policy-p@ss/word");
    assert!(mount.atlas.lets_in("east", &data).await);
    for (policy, told) in [
        ("short", "less than 8"),
        ("none", "is there a policy \"none\""),
    ] {
        write_role(&mount, json!({ "password_policy": policy })).await;
        let refused = mount.read("creds/reader").await.expect_err("no password");
        assert!(
            matches!(&refused, Failure::BadRequest(text) if text.contains(told)),
            "{refused}"
        );
        let found = TestMount::data(mount.read("check/reader").await);
        assert!(
            found["problems"][0]
                .as_str()
                .is_some_and(|text| text.contains(told))
        );
    }
    // That no answer comes says nothing of the policy, and a client may try again.
    write_role(&mount, json!({ "password_policy": "silent" })).await;
    let refused = mount.read("creds/reader").await.expect_err("no password");
    assert!(
        matches!(&refused, Failure::Internal(text) if !text.contains("is there a policy")),
        "{refused}"
    );
    assert_eq!(mount.journal_keys().len(), 1, "nothing was begun");
}

#[tokio::test]
async fn a_role_allows_so_many_users_at_once() {
    let mount = mount_with(json!({ "max_live": 2 })).await;
    let (_, lease) = mount.issue("reader").await;
    mount.issue("reader").await;
    let refused = mount.read("creds/reader").await;
    assert!(
        matches!(refused, Err(Failure::Coded { status: 429, .. })),
        "{refused:?}"
    );
    mount.revoke(&lease).await.expect("revoked");
    mount.issue("reader").await;
}

/// Nothing here needs a right in the organization.
#[tokio::test]
async fn a_database_access_admin_of_the_project_is_enough() {
    let mount = mount_with(json!({})).await;
    sign_in_as(&mount, &["GROUP_DATABASE_ACCESS_ADMIN", "GROUP_READ_ONLY"]).await;
    let (_, mut lease) = mount.issue("reader").await;
    lease.issue_time = Some(mount.now());
    mount.advance(HOUR / 2).await;
    mount.renew(&lease).await.expect("renewed");
    mount.revoke(&lease).await.expect("revoked");
    let lost = json!({ "operation": "createDatabaseUser", "action": {"kind": "lose_answer"} });
    mount.atlas.fault(lost).await;
    mount.read("creds/reader").await.expect_err("no answer");
    assert_eq!(mount.atlas.credentials().await, NOTHING);
    assert_eq!(mount.journal_keys(), NOTHING);
    let found = TestMount::data(mount.read("check/reader").await);
    assert_eq!(found["problems"], json!([]), "{found:?}");
    assert_eq!(found["database_users"], 0);
    sign_in_as(&mount, &["GROUP_READ_ONLY"]).await;
    let refused = mount
        .read("creds/reader")
        .await
        .expect_err("it may only read");
    assert!(
        refused
            .to_string()
            .contains("Project Database Access Admin"),
        "{refused}"
    );
    assert_eq!(mount.journal_keys(), NOTHING);
    let found = TestMount::data(mount.read("check/reader").await);
    let problem = found["problems"][0].as_str().expect("a problem");
    assert!(
        problem.contains("(GROUP_OWNER or GROUP_DATABASE_ACCESS_ADMIN)"),
        "{problem}"
    );
}

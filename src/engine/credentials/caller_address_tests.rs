//! Roles with `bind_to_caller`: whose address it is, where it goes, and where it cannot go.

use serde_json::{Value, json};

use super::*;
use crate::engine::testing::{Outcome, TestMount};
use crate::vault::{Data, Failure, Operation};

/// An address that a caller from the internet may have.
const CALLER: &str = "198.51.100.7";

/// The access list in Atlas of the only key or account there.
async fn access_list(mount: &TestMount) -> Value {
    let state = mount.atlas.state().await;
    let all = ["keys", "accounts"].into_iter();
    let all = all.flat_map(|list| state[list].as_array().cloned().unwrap_or_default());
    let mut ours = all.filter(|one| one["desc"] != "seed" && one["name"] != "seed");
    let list = ours.next().expect("a credential")["access_list"].clone();
    assert!(ours.next().is_none(), "several credentials");
    list
}

/// The role `reader` bound to its callers, with other fields.
async fn mount(fields: Value) -> TestMount {
    let mount = TestMount::with_role(json!({ "bind_to_caller": true })).await;
    mount.write_reader(fields).await;
    mount
}

async fn issued(mount: &TestMount, caller: &str) -> (Data, Vec<String>) {
    let answer = mount.read_from("creds/reader", caller).await;
    let answer = answer.expect("issued").expect("an answer");
    let lease = answer.secret.expect("a lease").internal_data;
    let id = lease["journal_id"].as_str().expect("an id").to_owned();
    let shown = TestMount::data(mount.read(&format!("issued/{id}")).await);
    (shown, answer.warnings)
}

fn refusal(outcome: Outcome) -> String {
    match outcome {
        Err(Failure::BadRequest(text)) => text,
        other => panic!("not refused: {other:?}"),
    }
}

#[test]
fn an_address_is_read_in_every_form_that_a_host_may_give() {
    for (text, want) in [
        ("198.51.100.7", "198.51.100.7"),
        (" 198.51.100.7 ", "198.51.100.7"),
        ("198.51.100.7:41234", "198.51.100.7"),
        ("::ffff:198.51.100.7", "198.51.100.7"),
        ("[::ffff:198.51.100.7]:41234", "198.51.100.7"),
        ("2001:db8::7", "2001:db8::7"),
        ("[2001:db8::7]", "2001:db8::7"),
        ("[2001:db8::7]:41234", "2001:db8::7"),
        ("fe80::1%eth0", "fe80::1"),
        ("[fe80::1%eth0]:41234", "fe80::1"),
        ("::1", "::1"),
        // As a gateway to IPv6 shows callers over IPv4.
        ("64:ff9b::cb00:7109", "203.0.113.9"),
        ("[64:ff9b::203.0.113.9]:41234", "203.0.113.9"),
    ] {
        assert_eq!(read(text), want.parse().ok(), "{text}");
    }
    for text in [
        "",
        " ",
        "@",
        "/run/bao.sock",
        "localhost",
        "[::1",
        "0.0.0.0",
        "::",
        "::ffff:0.0.0.0",
        "64:ff9b::",
        "224.0.0.1",
        "::ffff:239.1.2.3",
        "255.255.255.255",
        "ff02::1",
        "%eth0",
    ] {
        assert_eq!(read(text), None, "{text}");
    }
}

#[test]
fn addresses_that_atlas_does_not_see_are_told_by_their_kind() {
    for (text, kind) in [
        ("127.0.0.1", Some("a loopback")),
        ("::1", Some("a loopback")),
        ("10.0.0.1", Some("a private")),
        ("172.31.255.255", Some("a private")),
        ("192.168.0.1", Some("a private")),
        ("100.64.0.1", Some("a private")),
        ("100.127.255.255", Some("a private")),
        ("fd00::1", Some("a private")),
        ("192.0.0.8", Some("a private")),
        ("198.18.0.1", Some("a private")),
        ("198.19.255.255", Some("a private")),
        ("240.0.0.1", Some("a private")),
        ("fec0::1", Some("a private")),
        ("64:ff9b:1::a00:1", Some("a private")),
        ("169.254.1.1", Some("a link-local")),
        ("fe80::1", Some("a link-local")),
        ("198.51.100.7", None),
        ("172.32.0.1", None),
        ("192.0.1.1", None),
        ("198.20.0.1", None),
        ("223.255.255.255", None),
        ("100.63.255.255", None),
        ("100.128.0.1", None),
        ("2001:db8::7", None),
    ] {
        let address = text.parse().expect("an address");
        assert_eq!(local_kind(address), kind, "{text}");
        let warned = warning(address);
        assert_eq!(warned.is_some(), kind.is_some(), "{text}");
        assert!(warned.is_none_or(|warned| warned.contains(text)), "{text}");
    }
}

#[tokio::test]
async fn the_callers_address_joins_the_list_of_the_role_or_is_all_of_it() {
    for kind in ["programmatic_api_key", "service_account"] {
        let mount = mount(json!({ "credential_type": kind })).await;
        let (shown, warnings) = issued(&mount, CALLER).await;
        assert_eq!(
            access_list(&mount).await,
            json!(["192.0.2.1", CALLER]),
            "{kind}"
        );
        assert_eq!(shown["bound_address"], CALLER, "{kind}");
        assert_eq!(warnings, Vec::<String>::new(), "{kind}");
        let role = TestMount::data(mount.read("roles/reader").await);
        assert_eq!(
            role["ip_addresses"],
            json!(["192.0.2.1"]),
            "the role is as it was"
        );
    }
    for kind in ["programmatic_api_key", "service_account"] {
        let fields = json!({ "credential_type": kind, "ip_addresses": "" });
        let mount = mount(fields).await;
        issued(&mount, "[::ffff:198.51.100.7]:41234").await;
        assert_eq!(access_list(&mount).await, json!([CALLER]), "{kind}");
    }
    let project = json!({
        "organization_id": "", "roles": "GROUP_READ_ONLY", "ip_addresses": CALLER,
    });
    let mount = TestMount::with_role(json!({ "bind_to_caller": true })).await;
    let project_id = mount.atlas.project(0).to_owned();
    let mut project = project;
    project["project_id"] = json!(project_id);
    mount.write("roles/reader", project).await.expect("a role");
    issued(&mount, CALLER).await;
    assert_eq!(access_list(&mount).await, json!([CALLER]), "each once");
}

#[tokio::test]
async fn without_an_address_nothing_is_asked_of_atlas() {
    let mount = mount(json!({})).await;
    mount.atlas.forget_requests().await;
    for caller in ["", "0.0.0.0"] {
        let told = refusal(mount.read_from("creds/reader", caller).await);
        assert!(told.contains("bind_to_caller"), "{told}");
        assert!(told.contains("\"reader\""), "{told}");
    }
    assert_eq!(mount.atlas.request_count().await, 0);
    assert_eq!(mount.journal_keys(), Vec::<String>::new());
    mount.write_reader(json!({ "bind_to_caller": false })).await;
    let answer = mount.read_from("creds/reader", "").await;
    answer.expect("issued").expect("an answer");
}

#[tokio::test]
async fn a_local_address_is_bound_with_a_warning() {
    let mount = mount(json!({})).await;
    let (shown, warnings) = issued(&mount, "10.1.2.3").await;
    assert_eq!(shown["bound_address"], "10.1.2.3");
    let [warning] = warnings.try_into().expect("one warning");
    assert!(warning.contains("10.1.2.3, a private address"), "{warning}");
}

#[tokio::test]
async fn a_lease_is_renewed_and_revoked_from_anywhere() {
    let mount = mount(json!({})).await;
    let answer = mount.read_from("creds/reader", CALLER).await;
    let lease = answer.expect("issued").expect("an answer").secret;
    let mut lease = lease.expect("a lease");
    lease.issue_time = Some(mount.now());
    // The tests' requests about leases come from nowhere.
    mount.renew(&lease).await.expect("renewed");
    assert_eq!(access_list(&mount).await, json!(["192.0.2.1", CALLER]));
    mount.revoke(&lease).await.expect("revoked");
    assert_eq!(mount.atlas.credentials().await, Vec::<String>::new());
    assert_eq!(mount.journal_keys(), Vec::<String>::new());
}

#[tokio::test]
async fn what_has_no_access_list_of_its_own_is_refused_with_the_field() {
    let mount = TestMount::configured().await;
    let account = mount.atlas.account(json!(["ORG_MEMBER"])).await;
    let org = json!({ "organization_id": mount.atlas.org(), "bind_to_caller": true });
    for (fields, reason) in [
        (
            json!({ "credential_type": "access_token", "roles": "ORG_MEMBER" }),
            "not with credential_type access_token",
        ),
        (
            json!({ "credential_type": "service_account", "client_id": account.client_id }),
            "not with client_id",
        ),
        (
            json!({
                "credential_type": "ai_model_key", "organization_id": "",
                "project_id": mount.atlas.project(0),
            }),
            "not with credential_type ai_model_key",
        ),
        (
            json!({
                "credential_type": "database_user", "organization_id": "",
                "project_id": mount.atlas.project(0), "database_roles": "read@app",
            }),
            "not with credential_type database_user",
        ),
    ] {
        let mut role = org.clone();
        for (name, value) in fields.as_object().into_iter().flatten() {
            role[name] = value.clone();
        }
        let told = refusal(mount.write("roles/r", role.clone()).await);
        assert!(
            told.contains(&format!("bind_to_caller: {reason}")),
            "{told}"
        );
        assert!(mount.read("roles/r").await.expect("an answer").is_none());
        // Nor is the type changed of a role that is bound already.
        let bound = json!({
            "organization_id": mount.atlas.org(), "roles": "ORG_MEMBER", "bind_to_caller": true,
        });
        mount.write("roles/r", bound).await.expect("a bound role");
        let before = mount.storage.value("roles/r");
        let mut change = fields.clone();
        change["roles"] = fields.get("roles").cloned().unwrap_or(json!(""));
        let told = refusal(mount.write("roles/r", change).await);
        assert!(
            told.contains(&format!("bind_to_caller: {reason}")),
            "{told}"
        );
        assert_eq!(mount.storage.value("roles/r"), before);
        let deleted = mount.ask(Operation::Delete, "roles/r", json!({}));
        deleted.await.expect("deleted");
        role["bind_to_caller"] = json!(false);
        mount.write("roles/r", role).await.expect("a role");
        let role = TestMount::data(mount.read("roles/r").await);
        assert!(!role.contains_key("bind_to_caller"), "{role:?}");
        mount
            .ask(Operation::Delete, "roles/r", json!({}))
            .await
            .expect("deleted");
    }
}

#[tokio::test]
async fn the_field_is_written_patched_and_read() {
    let mount = TestMount::with_role(json!({})).await;
    let bound = async || {
        let role = TestMount::data(mount.read("roles/reader").await);
        let stored: Value =
            serde_json::from_slice(&mount.storage.value("roles/reader")).expect("JSON");
        (
            role["bind_to_caller"].clone(),
            stored.get("bind_to_caller").cloned(),
        )
    };
    // A role without it is stored as the Go engine stores it.
    assert_eq!(bound().await, (json!(false), None));
    for (operation, given, want) in [
        (Operation::Update, json!("true"), true),
        (Operation::Update, json!(null), true),
        (Operation::Patch, json!(null), false),
        (Operation::Patch, json!(true), true),
        (Operation::Update, json!(false), false),
    ] {
        let change = json!({ "bind_to_caller": given });
        mount
            .ask(operation, "roles/reader", change)
            .await
            .expect("written");
        assert_eq!(bound().await.0, want, "{operation:?} {given}");
    }
    let told = refusal(
        mount
            .write("roles/reader", json!({ "bind_to_caller": "" }))
            .await,
    );
    assert!(told.contains("bind_to_caller"), "{told}");
    // 200 entries are Atlas's limit, and one of them is the caller's.
    let addresses: Vec<String> = (0..200).map(|last| format!("192.0.2.{last}")).collect();
    mount
        .write_reader(json!({ "ip_addresses": addresses }))
        .await;
    let told = refusal(
        mount
            .write("roles/reader", json!({ "bind_to_caller": true }))
            .await,
    );
    assert!(
        told.contains("with bind_to_caller the caller's address is one of them"),
        "{told}"
    );
}

/// It was all that was on the access list.
#[tokio::test]
async fn taking_the_last_address_away_is_warned_of() {
    let mount = TestMount::with_role(json!({ "ip_addresses": "" })).await;
    for (operation, given) in [
        (Operation::Update, json!(false)),
        (Operation::Patch, json!(null)),
    ] {
        mount
            .write_reader(json!({ "bind_to_caller": true, "ip_addresses": "" }))
            .await;
        let change = json!({ "bind_to_caller": given });
        let taken = mount.ask(operation, "roles/reader", change.clone()).await;
        let [warning] = TestMount::warnings(taken).try_into().expect("one warning");
        assert!(
            warning.starts_with("without bind_to_caller the access list is empty"),
            "{warning}"
        );
        // Nothing is taken away any more.
        let again = mount.ask(operation, "roles/reader", change).await;
        assert_eq!(TestMount::warnings(again), Vec::<String>::new());
    }
    mount
        .write_reader(json!({ "bind_to_caller": true, "cidr_blocks": "192.0.2.0/24" }))
        .await;
    let other = mount
        .write("roles/reader", json!({ "bind_to_caller": false }))
        .await;
    assert_eq!(TestMount::warnings(other), Vec::<String>::new());
}

#[tokio::test]
async fn a_bound_role_has_an_access_list_although_none_is_written() {
    let mount = mount(json!({})).await;
    let emptied = mount
        .write("roles/reader", json!({ "ip_addresses": "" }))
        .await;
    assert_eq!(TestMount::warnings(emptied), Vec::<String>::new());
    let own = json!({ "id": mount.atlas.key_id(), "entries": ["127.0.0.1"] });
    mount.atlas.control("POST", "/access-lists", own).await;
    let settings = json!({ "apiAccessListRequired": true });
    mount.atlas.change_organization(settings).await;
    let found = TestMount::data(mount.read("check/reader").await);
    assert_eq!(found["access_list_required"], true);
    assert_eq!(found["ok"], true, "{found:?}");
    mount
        .write_reader(json!({ "bind_to_caller": false, "ip_addresses": "" }))
        .await;
    let found = TestMount::data(mount.read("check/reader").await);
    assert!(
        found["problems"]
            .to_string()
            .contains("requires access lists"),
        "{found:?}"
    );
}

#[tokio::test]
async fn a_role_that_is_bound_meanwhile_does_not_hand_out_what_is_not() {
    let mount = TestMount::with_role(json!({})).await;
    let slow = json!({
        "operation": "createOrgApiKey", "action": {"kind": "delay", "seconds": 0.5},
    });
    mount.atlas.fault(slow).await;
    let reading = mount.read_from("creds/reader", CALLER);
    let binding = async {
        tokio::time::sleep(std::time::Duration::from_millis(200)).await;
        mount.write_reader(json!({ "bind_to_caller": true })).await;
    };
    let (outcome, ()) = tokio::join!(reading, binding);
    assert!(
        matches!(&outcome, Err(Failure::Internal(text)) if text.contains("was changed while")),
        "{outcome:?}"
    );
    assert_eq!(mount.atlas.credentials().await, Vec::<String>::new());
}

//! What a write's answer tells of slips in its input: fields that are not known, empty secrets, names
//! that Atlas does not list, access lists that admit everybody.

use serde_json::{Value, json};

use super::testing::{Outcome, TestMount};
use crate::vault::{Data, Failure, Operation};

#[track_caller]
fn refusal(outcome: Outcome) -> String {
    match outcome {
        Err(Failure::BadRequest(text)) => text,
        other => panic!("not refused: {other:?}"),
    }
}

async fn role(mount: &TestMount) -> Data {
    TestMount::data(mount.read("roles/reader").await)
}

#[tokio::test]
async fn every_write_names_the_fields_that_it_ignored() {
    let mount = TestMount::with_role(json!({})).await;
    let account = mount.atlas.account(json!(["ORG_MEMBER"])).await;
    let static_role = json!({
        "client_id": account.client_id, "organization_id": mount.atlas.org(),
    });
    let role = json!({"organization_id": mount.atlas.org(), "roles": "ORG_MEMBER"});
    let writes = [
        (Operation::Update, "config", json!({})),
        (Operation::Create, "roles/new", role),
        (Operation::Update, "roles/reader", json!({"ttl": 60})),
        (Operation::Patch, "roles/reader", json!({"ttl": 60})),
        (Operation::Create, "static-roles/app", static_role),
        (Operation::Update, "static-roles/app", json!({"overlap": 0})),
        (Operation::Update, "rotate-role/app", json!({"force": true})),
        (Operation::Update, "config/rotate-root", json!({})),
        (Operation::Update, "tidy", json!({})),
        (Operation::Update, "creds/reader", json!({})),
        (Operation::Delete, "roles/new", json!({})),
        (Operation::Delete, "static-roles/app", json!({})),
    ];
    for (operation, path, mut body) in writes {
        body["max_tll"] = json!("1h");
        body["cidr_block"] = json!("10.0.0.0/8");
        let told = TestMount::warnings(mount.ask(operation, path, body).await);
        let want = "Endpoint ignored these unrecognized parameters: [cidr_block max_tll]";
        let found = told.iter().filter(|text| *text == want).count();
        assert_eq!(found, 1, "{operation:?} {path}: {told:?}");
    }
}

#[tokio::test]
async fn empty_parts_of_a_credential_are_refused_and_change_nothing() {
    let mount = TestMount::configured().await;
    let stored = mount.storage.value("config");
    for body in [
        json!({"public_key": "", "private_key": ""}),
        json!({"public_key": " ", "private_key": "\t"}),
        json!({"private_key": ""}),
        json!({"private_key": null}),
        json!({"client_id": "", "client_secret": ""}),
        json!({"public_key": "abcdefgh", "private_key": "x", "client_secret": ""}),
    ] {
        let told = refusal(mount.write("config", body.clone()).await);
        assert!(told.contains("must not be empty"), "{body}: {told}");
        assert!(!told.contains("not both"), "{body}: {told}");
        assert_eq!(mount.storage.value("config"), stored, "{body}");
    }
    let fresh = TestMount::new().await;
    let told = refusal(fresh.write("config", json!({"public_key": ""})).await);
    assert!(told.contains("public_key: must not be empty"), "{told}");

    let account = mount.atlas.account(json!(["ORG_MEMBER"])).await;
    let org = mount.atlas.org();
    for body in [
        json!({"client_id": "", "organization_id": org}),
        json!({"client_id": account.client_id, "organization_id": org, "client_secret": " "}),
    ] {
        let told = refusal(mount.write("static-roles/app", body.clone()).await);
        assert!(told.contains("must not be empty"), "{body}: {told}");
    }
    let adopted = json!({"client_id": account.client_id, "organization_id": org});
    mount
        .write("static-roles/app", adopted)
        .await
        .expect("written");
    let told = refusal(
        mount
            .write("static-roles/app", json!({"client_secret": ""}))
            .await,
    );
    assert!(told.contains("client_secret: must not be empty"), "{told}");
}

#[tokio::test]
async fn an_empty_text_is_no_number_and_no_decision() {
    let mount = TestMount::with_role(json!({"max_live": 3})).await;
    let account = mount.atlas.account(json!(["ORG_MEMBER"])).await;
    let adopted = json!({
        "client_id": account.client_id, "organization_id": mount.atlas.org(), "overlap": "2h",
    });
    let written = mount.write("static-roles/app", adopted).await;
    written.expect("written");
    let stored =
        || ["config", "roles/reader", "static-roles/app"].map(|key| mount.storage.value(key));
    let before = stored();
    for (path, name) in [
        ("config", "rotation_period"),
        ("config", "rotation_window"),
        ("config", "request_timeout"),
        ("config", "hold"),
        ("config", "disable_automated_rotation"),
        ("config", "verify_connection"),
        ("roles/reader", "max_live"),
        ("static-roles/app", "overlap"),
        ("static-roles/app", "secret_ttl"),
        ("static-roles/app", "rotation_period"),
        ("static-roles/app", "skip_initial_rotation"),
        ("tidy", "dry_run"),
        ("tidy", "min_age"),
        ("issued-end", "dry_run"),
    ] {
        for empty in ["", " "] {
            let told = refusal(mount.write(path, json!({name: empty})).await);
            let want = format!("{name}: must not be empty; leave it out");
            assert!(told.contains(&want), "{path}: {told}");
        }
    }
    assert_eq!(stored(), before);
}

#[tokio::test]
async fn an_access_list_that_is_an_empty_text_is_warned_of() {
    let mount = TestMount::configured().await;
    let org = mount.atlas.org();
    let role = |more: Value| {
        let mut role = json!({"organization_id": org, "roles": "ORG_MEMBER"});
        let fields = role.as_object_mut().expect("an object");
        fields.extend(more.as_object().expect("an object").clone());
        role
    };
    for (more, warned) in [
        (json!({"ip_addresses": ""}), true),
        (json!({"cidr_blocks": ""}), true),
        (
            json!({"ip_addresses": "", "cidr_blocks": "10.0.0.0/8"}),
            false,
        ),
        (json!({"ip_addresses": []}), false),
        (json!({}), false),
    ] {
        let told = TestMount::warnings(mount.write("roles/open", role(more.clone())).await);
        let found = told
            .iter()
            .any(|text| text.contains("an empty access list"));
        assert_eq!(found, warned, "{more}: {told:?}");
        let deleted = mount.ask(Operation::Delete, "roles/open", json!({})).await;
        deleted.expect("deleted");
    }
}

#[tokio::test]
async fn access_lists_are_kept_as_written_and_sent_canonical_once() {
    let mount = TestMount::with_role(json!({
        "ip_addresses": ["2001:DB8:0:0::1", "192.0.2.9", "192.0.2.9"],
        "cidr_blocks": "2001:0db8::/32,10.0.0.0/8",
    }))
    .await;
    let read = role(&mount).await;
    let written = json!(["2001:DB8:0:0::1", "192.0.2.9", "192.0.2.9"]);
    assert_eq!(read["ip_addresses"], written);
    assert_eq!(read["cidr_blocks"], json!(["2001:0db8::/32", "10.0.0.0/8"]));
    let (data, _) = mount.issue("reader").await;
    let state = mount.atlas.state().await;
    let keys = state["keys"].as_array().expect("keys");
    let key = keys
        .iter()
        .find(|key| key["public_key"] == data["public_key"])
        .expect("the key");
    let entries = key["access_list"].to_string();
    for (entry, count) in [("192.0.2.9", 1), ("2001:db8:0:0:0:0:0:1", 1)] {
        let found = entries.matches(&format!("\"{entry}\"")).count();
        assert_eq!(found, count, "{entry} in {entries}");
    }
}

#[tokio::test]
async fn two_hundred_addresses_may_be_written_twice() {
    let mount = TestMount::configured().await;
    let addresses: Vec<String> = (0..400).map(|n| format!("192.0.2.{}", n % 200)).collect();
    mount
        .write_reader(json!({ "ip_addresses": addresses }))
        .await;
    let addresses: Vec<String> = (0..201).map(|n| format!("198.51.{n}.1")).collect();
    let told = refusal(
        mount
            .write("roles/reader", json!({ "ip_addresses": addresses }))
            .await,
    );
    assert!(told.contains("at most 200"), "{told}");
}

#[tokio::test]
async fn a_list_that_admits_everybody_is_warned_of_at_the_write() {
    let mount = TestMount::with_role(json!({})).await;
    for list in [
        json!({"ip_addresses": "0.0.0.0"}),
        json!({"cidr_blocks": "0.0.0.0/0"}),
        json!({"cidr_blocks": "::/0"}),
        json!({"ip_addresses": "::"}),
    ] {
        let told = TestMount::warnings(mount.write("roles/reader", list.clone()).await);
        assert!(
            told.iter().any(|text| text.contains("every address")),
            "{list}: {told:?}"
        );
        let check = TestMount::data(mount.read("check/reader").await);
        assert!(check["warnings"].to_string().contains("every address"));
        let shut = json!({"ip_addresses": "192.0.2.1", "cidr_blocks": ""});
        assert!(TestMount::warnings(mount.write("roles/reader", shut).await).is_empty());
    }
}

#[tokio::test]
async fn a_role_that_atlas_does_not_list_is_stored_with_a_warning() {
    let mount = TestMount::with_role(json!({})).await;
    let told = TestMount::warnings(
        mount
            .write("roles/reader", json!({"roles": "ORG_READONLY,ORG_MEMBER"}))
            .await,
    );
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].contains("\"ORG_READONLY\"") && told[0].contains("ORG_READ_ONLY?"));
    assert_eq!(role(&mount).await["roles"][0], "ORG_READONLY");
    let check = TestMount::data(mount.read("check/reader").await);
    assert!(check["warnings"].to_string().contains("ORG_READ_ONLY?"));
}

#[tokio::test]
async fn what_is_in_the_wrong_field_is_reported_with_the_right_one() {
    let mount = TestMount::configured().await;
    let org = mount.atlas.org();
    for (body, part) in [
        (json!({"ip_addresses": "10.1.2.0/24"}), "use cidr_blocks"),
        (json!({"ip_addresses": "10.1.2.3/24"}), "use cidr_blocks"),
        (json!({"cidr_blocks": "10.1.2.3"}), "use ip_addresses"),
        (
            json!({"roles": "ORG_MEMBER,GROUP_OWNER"}),
            "only Atlas roles of the organization fit here, ORG_…, not \"GROUP_OWNER\"",
        ),
    ] {
        let mut role = json!({"organization_id": org, "roles": "ORG_MEMBER"});
        role.as_object_mut()
            .expect("an object")
            .extend(body.as_object().expect("an object").clone());
        let told = refusal(mount.write("roles/r", role).await);
        assert!(told.contains(part), "{body}: {told}");
    }
    let told = refusal(mount.write("roles/-x", json!({})).await);
    assert!(told.contains("\"-x\" cannot be a name"), "{told}");
    let schedule = json!({"rotation_schedule": "0 0 3 * * *"});
    let told = refusal(mount.write("config", schedule).await);
    assert!(told.contains("five cron fields in UTC"), "{told}");
}

/// What Atlas answers where the credential may not edit access lists.
async fn refuse_access_lists(mount: &TestMount, code: &str) {
    let fault = json!({
        "operation": "createOrgAccessEntry", "count": 1,
        "action": {"kind": "answer", "status": 401, "code": code},
    });
    mount.atlas.fault(fault).await;
}

#[tokio::test]
async fn a_missing_right_is_named_after_one_request_and_nothing_is_left() {
    for code in [
        "API_KEY_ACCESS_LIST_ACCESS_DENIED",
        "API_KEY_WHITELIST_ACCESS_DENIED",
    ] {
        let mount = TestMount::with_role(json!({})).await;
        refuse_access_lists(&mount, code).await;
        mount.atlas.forget_requests().await;
        let told = refusal(mount.read("creds/reader").await);
        for part in ["Organization Owner", code, "was removed from Atlas again"] {
            assert!(told.contains(part), "{part}: {told}");
        }
        assert!(
            !told.contains("refused the configured credential"),
            "{told}"
        );
        let asked = mount.atlas.operations().await;
        assert_eq!(asked["createOrgAccessEntry"], 1, "{asked}");
        assert_eq!(mount.atlas.credentials().await, Vec::<String>::new());
        assert_eq!(mount.journal_keys(), Vec::<String>::new());
    }
}

/// Every text of an answer, however deep.
fn texts(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::String(text) => found.push(text.clone()),
        Value::Array(items) => items.iter().for_each(|item| texts(item, found)),
        Value::Object(map) => map.values().for_each(|item| texts(item, found)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// Whether a text shows a time with parts of a second, or in another form than RFC 3339.
fn shows_an_odd_time(text: &str) -> bool {
    let bytes = text.as_bytes();
    bytes.windows(10).any(|part| {
        let clock = |at: usize, sign: u8| part[at] == sign;
        let digits = [0, 1, 3, 4, 6, 7]
            .iter()
            .all(|at| part[*at].is_ascii_digit());
        digits && clock(2, b':') && clock(5, b':') && matches!(part[8], b'.' | b' ')
    })
}

#[tokio::test]
async fn no_answer_shows_parts_of_a_second() {
    assert!(shows_an_odd_time("at 2026-11-29T10:00:00.123Z"));
    assert!(shows_an_odd_time("at 2026-11-29 10:00:00 UTC"));
    assert!(!shows_an_odd_time("at 2026-11-29T10:00:00Z: x"));
    let mount = TestMount::with_role(json!({"credential_type": "service_account"})).await;
    let config = json!({"rotation_period": "30d"});
    mount.write("config", config).await.expect("written");
    mount
        .write("config/rotate-root", json!({}))
        .await
        .expect("rotated");
    let account = mount.atlas.account(json!(["ORG_MEMBER"])).await;
    let static_role = json!({
        "client_id": account.client_id, "organization_id": mount.atlas.org(),
        "rotation_period": "1d", "overlap": "2h",
    });
    mount
        .write("static-roles/app", static_role)
        .await
        .expect("written");
    mount
        .write("rotate-role/app", json!({"force": true}))
        .await
        .expect("rotated");
    let (_, lease) = mount.issue("reader").await;
    let id = lease.internal_data["journal_id"]
        .as_str()
        .expect("an id")
        .to_owned();
    let fault = json!({"count": 0, "action": {"kind": "answer", "status": 503}});
    mount.atlas.fault(fault).await;
    mount.advance(std::time::Duration::from_hours(48)).await;
    mount.tick().await.expect("a tick");
    mount.atlas.no_more_faults().await;
    let mut found = Vec::new();
    for path in [
        "config",
        "status",
        "check",
        "check/reader",
        "roles/reader",
        "static-roles/app",
        "static-creds/app",
        "creds/reader",
        &format!("issued/{id}"),
    ] {
        let answer = mount.read(path).await.expect(path).expect(path);
        found.extend(answer.warnings);
        texts(&json!(answer.data), &mut found);
    }
    let list = mount
        .list("issued/")
        .await
        .expect("a list")
        .expect("a list");
    texts(&json!(list.data), &mut found);
    for path in ["tidy", "rotate-role/app"] {
        let told = match mount.write(path, json!({})).await {
            Ok(answer) => json!(answer.and_then(|answer| answer.data)),
            Err(failure) => json!(failure.to_string()),
        };
        texts(&told, &mut found);
    }
    let odd: Vec<&String> = found
        .iter()
        .filter(|text| shows_an_odd_time(text))
        .collect();
    assert!(odd.is_empty(), "{odd:#?}");
    let times = found
        .iter()
        .filter(|text| text.contains('T') && text.contains(':'));
    assert!(times.count() > 10, "the answers hold times: {found:?}");
}

#[tokio::test]
async fn every_operation_of_the_api_document_has_a_summary() {
    let mount = TestMount::new().await;
    let help = mount.ask(Operation::Help, "", json!({})).await;
    let document = TestMount::data(help)["openapi"].clone();
    let paths = document["paths"].as_object().expect("paths").clone();
    let methods = ["get", "post", "patch", "delete"];
    let mut count = 0;
    for (path, item) in &paths {
        for method in methods {
            let Some(operation) = item.get(method) else {
                continue;
            };
            count += 1;
            let summary = operation["summary"].as_str().unwrap_or_default();
            assert!(summary.ends_with('.'), "{method} {path}: {summary:?}");
        }
    }
    assert!(count > 20, "{count}");
}

//! What the engine may send to Atlas about encryption at rest: the log of the simulator against the list.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

/// Operations that only read.
const READS: [&str; 4] = [
    "getEncryptionAtRest",
    "listCloudProviderAccess",
    "getCloudProviderAccess",
    "listRestPrivateEndpoints",
];
/// The kinds of credentials, of which a change names one.
const ROLE: [&str; 1] = ["roleId"];
const STATIC: [&str; 3] = ["tenantID", "clientID", "secret"];

/// The requests about one project's encryption that the engine itself sent.
fn of_project<'a>(log: &'a Value, project: &'a str) -> impl Iterator<Item = &'a Value> {
    let requests = log["requests"].as_array().expect("a list").iter();
    let prefix = format!("/api/atlas/v2/groups/{project}/");
    requests
        .filter(|request| request["challenge"] == false && request["principal"] != "other-writer")
        .filter(move |request| {
            let path = request["path"].as_str().unwrap_or_default();
            path.starts_with(&prefix)
        })
}

/// The bodies of all changes of a project's encryption.
pub(super) fn changes(log: &Value, project: &str) -> Vec<Value> {
    of_project(log, project)
        .filter(|request| request["operation_id"] == "updateEncryptionAtRest")
        .map(|request| request["body"].clone())
        .collect()
}

fn names(body: &Value) -> BTreeSet<&str> {
    let fields = body.as_object().expect("an object");
    fields.keys().map(String::as_str).collect()
}

/// Fails at any request that changes more than the credential of a project with one of these keys.
pub(super) fn is_allowed(log: &Value, keys: &BTreeMap<String, Value>) {
    let held = log["requests"].as_array().expect("a list").len();
    let told = log["count"].as_u64().expect("a count");
    assert_eq!(u64::try_from(held), Ok(told), "the log is whole");
    for (project, key) in keys {
        for request in of_project(log, project) {
            let body = &request["body"];
            match request["operation_id"].as_str().unwrap_or_default() {
                operation if READS.contains(&operation) => assert_eq!(body, &Value::Null),
                "createCloudProviderAccess" | "authorizeProviderAccessRole" => {
                    is_registration(body);
                }
                "deauthorizeProviderAccessRole" => assert_eq!(body, &Value::Null),
                "updateEncryptionAtRest" => is_change_of_credential(body, key),
                _ => panic!("not to be sent for encryption at rest: {request}"),
            }
        }
    }
}

fn is_registration(body: &Value) {
    let fields = [
        "atlasAzureAppId",
        "providerName",
        "servicePrincipalId",
        "tenantId",
    ];
    assert_eq!(names(body), fields.into(), "{body}");
    assert_eq!(body["providerName"], "AZURE");
}

/// The key as it was, and one credential.
fn is_change_of_credential(body: &Value, key: &Value) {
    assert_eq!(names(body), ["azureKeyVault"].into(), "{body}");
    let block = &body["azureKeyVault"];
    assert_eq!(block["enabled"], json!(true), "{body}");
    let mut rest = block.as_object().expect("an object").clone();
    rest.remove("enabled");
    let given: BTreeSet<&str> = names(block);
    let (role, fixed): (BTreeSet<_>, BTreeSet<_>) = (ROLE.into(), STATIC.into());
    let by_role = given.is_superset(&role) && given.is_disjoint(&fixed);
    let by_secret = given.is_superset(&fixed) && given.is_disjoint(&role);
    assert!(by_role != by_secret, "one kind of credential: {body}");
    rest.retain(|name, _| !role.contains(name.as_str()) && !fixed.contains(name.as_str()));
    assert_eq!(&Value::Object(rest), key, "the key is carried over: {body}");
}

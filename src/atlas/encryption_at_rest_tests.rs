//! Tests of the calls on encryption at rest.

use super::*;
use crate::atlas::KeyVaultRefusal;
use crate::atlas::fake::{Fake, HEX, Reply, budget, project_id};

const TENANT: &str = "11111111-aaaa-4111-8111-111111111111";
const CLIENT: &str = "22222222-bbbb-4222-8222-222222222222";
const SECRET: &str = "s3cr~t\"of the customer";
const PATH: &str = "/api/atlas/v2/groups/32b6e34b3d91647abb20e7b8/encryptionAtRest";
const KEY: &str = r#""azureEnvironment":"AZURE","subscriptionID":"44444444-4444-4444-8444-444444444444","resourceGroupName":"Group","keyVaultName":"Vault","keyIdentifier":"https://vault.vault.azure.net/keys/k/01""#;

/// An answer whose Azure block is on and has these fields beside those of the key.
fn answer(fields: &str) -> String {
    format!(
        r#"{{"awsKms":{{"enabled":true,"roleId":"{HEX}"}},"googleCloudKms":{{"enabled":false}},
        "enabledForSearchNodes":true,"azureKeyVault":{{"enabled":true,{KEY},{fields}}}}}"#
    )
}

fn of_role() -> String {
    format!(r#""roleId":"{HEX}","valid":true"#)
}

fn of_secret() -> String {
    format!(r#""tenantID":"{TENANT}","clientID":"{CLIENT}","valid":true"#)
}

fn key() -> VaultKey {
    serde_json::from_str(&format!("{{{KEY}}}")).expect("a key")
}

fn role() -> RoleId {
    HEX.parse().expect("an id")
}

/// Lets the project with this key sign in by the role.
async fn set_role(atlas: &Atlas, key: &VaultKey) -> Result<AzureKeyVault, AtlasError> {
    let role = role();
    let credential = VaultCredential::Role(&role);
    atlas
        .set_vault_credential(&project_id(), key, credential, budget(30))
        .await
}

#[tokio::test]
async fn the_present_configuration_is_read() {
    let (fake, atlas) = Fake::signed_in(|_| Reply::new(200, &answer(&of_secret()))).await;
    let vault = atlas.azure_key_vault(&project_id(), budget(5)).await;
    let vault = vault.expect("an answer").expect("it is on");
    assert_eq!(vault.key, key());
    assert_eq!(vault.client_id, Some(CLIENT.parse().expect("an id")));
    assert_eq!((vault.role_id.clone(), vault.valid), (None, Some(true)));
    assert!(!vault.is_private());
    assert_eq!(fake.requests()[1].line(), format!("GET {PATH}"));
    let off = r#"{"azureKeyVault":{"enabled":false,"valid":false,"roleId":null}}"#;
    let (_fake, atlas) = Fake::signed_in(move |_| Reply::new(200, off)).await;
    let vault = atlas.azure_key_vault(&project_id(), budget(5)).await;
    assert_eq!(vault.expect("an answer"), None);
    let off = r#"{"azureKeyVault":{"enabled":false,"requirePrivateNetworking":true}}"#;
    let (_fake, atlas) = Fake::signed_in(move |_| Reply::new(200, off)).await;
    let setup = atlas.azure_key_vault_setup(&project_id(), budget(5)).await;
    let setup = setup.expect("an answer");
    assert_eq!(
        (setup.vault, setup.off_private_networking),
        (None, Some(true))
    );
}

/// Else a gateway's `{}` would be taken for a project that is not encrypted.
#[tokio::test]
async fn only_atlas_says_that_it_is_off() {
    for body in [
        "{}".to_owned(),
        r#"{"azureKeyVault":null}"#.to_owned(),
        r#"{"azureKeyVault":{}}"#.to_owned(),
        r#"{"azureKeyVault":{"enabled":true}}"#.to_owned(),
        answer(&of_role()).replace("\"keyVaultName\"", "\"other\""),
        answer(&of_role().replace(HEX, "no id")),
    ] {
        let (_fake, atlas) = Fake::signed_in(move |_| Reply::new(200, &body)).await;
        let vault = atlas.azure_key_vault(&project_id(), budget(5)).await;
        vault.expect_err("nothing is known");
    }
}

#[tokio::test]
async fn a_change_to_a_role_sends_the_key_and_the_role_and_nothing_else() {
    let (fake, atlas) = Fake::signed_in(|_| Reply::new(200, &answer(&of_role()))).await;
    let role = role();
    let vault = atlas
        .set_vault_credential(
            &project_id(),
            &key(),
            VaultCredential::Role(&role),
            budget(30),
        )
        .await
        .expect("changed");
    assert_eq!(vault.role_id, Some(role.clone()));
    let request = &fake.requests()[1];
    assert_eq!(request.line(), format!("PATCH {PATH}"));
    assert_eq!(
        request.body,
        format!(r#"{{"azureKeyVault":{{"enabled":true,{KEY},"roleId":"{HEX}"}}}}"#)
    );
    let media_type = Some("application/vnd.atlas.2025-03-12+json");
    assert_eq!(request.header("content-type"), media_type);
    let private = VaultKey {
        require_private_networking: Some(true),
        ..key()
    };
    let outcome = atlas
        .set_vault_credential(
            &project_id(),
            &private,
            VaultCredential::Role(&role),
            budget(30),
        )
        .await;
    let error = outcome.expect_err("the answer shows no private networking");
    assert!(error.outcome_unknown());
    let sent = fake.requests().pop().expect("a request").body;
    assert!(
        sent.contains(r#""requirePrivateNetworking":true,"roleId""#),
        "{sent}"
    );
}

#[tokio::test]
async fn a_secret_is_sent_and_shown_nowhere() {
    let secret = Sensitive::new(SECRET.to_owned());
    let (tenant_id, client_id) = (
        TENANT.parse().expect("an id"),
        CLIENT.parse().expect("an id"),
    );
    let credential = VaultCredential::Secret {
        tenant_id: &tenant_id,
        client_id: &client_id,
        secret: &secret,
    };
    assert!(!format!("{credential:?}").contains("s3cr"));
    let (fake, atlas) = Fake::signed_in(|_| Reply::new(200, &answer(&of_secret()))).await;
    let outcome = atlas
        .set_vault_credential(&project_id(), &key(), credential, budget(30))
        .await;
    assert!(!format!("{outcome:?}").contains("s3cr"));
    outcome.expect("changed");
    let body: serde_json::Value = serde_json::from_str(&fake.requests()[1].body).expect("JSON");
    assert_eq!(body["azureKeyVault"]["secret"], SECRET);
    assert!(body["azureKeyVault"].get("roleId").is_none());
    // Whatever comes back, the secret is in no error.
    for reply in [
        Reply::error(400, "INVALID_AZURE_CREDENTIALS"),
        Reply::new(200, &answer(&of_role())),
        Reply::new(200, "s3cr~t"),
        Reply::error(500, &format!("REFUSED_{}", json_text(SECRET))),
        Reply::new(400, &repeated()),
    ] {
        let (_fake, atlas) = Fake::signed_in(move |_| reply.clone()).await;
        let outcome = atlas
            .set_vault_credential(&project_id(), &key(), credential, budget(30))
            .await;
        let error = outcome.expect_err("not changed for certain");
        assert!(!format!("{error:?}").contains(SECRET), "{error:?}");
    }
}

/// A text as it stands in JSON.
fn json_text(text: &str) -> String {
    let quoted = serde_json::json!(text).to_string();
    quoted.trim_matches('"').to_owned()
}

/// A validator that tells of what it was sent, and a gateway that shows all of it.
fn repeated() -> String {
    let sent = serde_json::json!({"azureKeyVault": {"secret": SECRET}}).to_string();
    let fault = serde_json::json!({
        "field": "azureKeyVault.secret", "description": format!("'{SECRET}' is too long"),
    });
    let body = serde_json::json!({
        "error": 400, "errorCode": "INVALID_AZURE_CREDENTIALS",
        "detail": format!("secret {SECRET} of {sent}"),
        "badRequestDetail": {"fields": [fault]},
    });
    body.to_string()
}

#[tokio::test]
async fn an_answer_that_shows_something_else_leaves_the_outcome_open() {
    let shown = answer(&of_role());
    for body in [
        answer(&of_secret()),
        shown.replace("keys/k/01", "keys/k/02"),
        shown.replace("\"Vault\"", "\"vault\""),
        shown.replace(HEX, "32b6e34b3d91647abb20e7b9"),
        r#"{"azureKeyVault":{"enabled":false}}"#.to_owned(),
        "{}".to_owned(),
    ] {
        let (fake, atlas) = Fake::signed_in(move |_| Reply::new(200, &body)).await;
        let outcome = set_role(&atlas, &key()).await;
        let error = outcome.expect_err("not as it was sent");
        assert!(error.outcome_unknown(), "{error:?}");
        assert_eq!(fake.count("PATCH", PATH), 1);
    }
}

#[tokio::test]
async fn with_private_networking_static_credentials_may_still_be_shown() {
    let both = format!(
        r#"{},"requirePrivateNetworking":true,"tenantID":"{TENANT}","clientID":"{CLIENT}""#,
        of_role().replace("true", "false")
    );
    let (_fake, atlas) = Fake::signed_in(move |_| Reply::new(200, &answer(&both))).await;
    let key = VaultKey {
        require_private_networking: Some(true),
        ..key()
    };
    let vault = set_role(&atlas, &key).await.expect("accepted");
    assert_eq!((vault.is_private(), vault.valid), (true, Some(false)));
    assert!(vault.client_id.is_some());
}

/// Between two of them somebody else may have changed the key.
#[tokio::test]
async fn a_change_that_may_have_taken_effect_is_not_sent_again() {
    for reply in [
        Reply::error(500, "UNEXPECTED_ERROR"),
        Reply::error(503, ""),
        Reply::new(200, &answer(&of_role())).cut(),
        Reply::new(202, ""),
    ] {
        let (fake, atlas) = Fake::signed_in(move |_| reply.clone()).await;
        let outcome = set_role(&atlas, &key()).await;
        assert!(outcome.expect_err("unknown").outcome_unknown());
        assert_eq!(fake.count("PATCH", PATH), 1);
    }
    let (fake, atlas) =
        Fake::signed_in(|_| Reply::error(400, "NO_PERMISSION_TO_ENCRYPT_DECRYPT")).await;
    let outcome = set_role(&atlas, &key()).await;
    let error = outcome.expect_err("refused");
    assert!(!error.outcome_unknown());
    assert_eq!(error.key_vault_refusal(), Some(KeyVaultRefusal::NoAccess));
    assert_eq!(fake.count("PATCH", PATH), 1);
}

/// Atlas tries the key first, which may take longer than requests are given in general.
#[tokio::test]
async fn a_change_is_waited_for_longer_than_other_requests() {
    let slow = |_: &str| Reply::new(200, &answer(&of_role())).after(Duration::from_secs(1));
    let (fake, atlas) = Fake::signed_in(slow).await;
    drop(atlas);
    let atlas = fake.bearer_client_with_timeout(Duration::from_millis(400));
    let outcome = set_role(&atlas, &key()).await;
    outcome.expect("in time");
    let read = atlas.azure_key_vault(&project_id(), budget(1)).await;
    read.expect_err("a read is not waited for so long");
}

/// Cut off, nobody would know what came of it, and what Atlas takes unseen is not sent again.
#[tokio::test]
async fn a_change_is_not_begun_without_the_time_for_its_answer() {
    let (fake, atlas) = Fake::signed_in(|_| Reply::new(200, &answer(&of_role()))).await;
    let role = role();
    let credential = VaultCredential::Role(&role);
    let (project, key) = (project_id(), key());
    let changed = atlas.set_vault_credential(&project, &key, credential, budget(20));
    let error = changed.await.expect_err("no time");
    assert!(!error.outcome_unknown(), "{error:?}");
    assert_eq!(fake.count("PATCH", PATH), 0);
}

/// The project may be another by then, and whoever ordered it may not want it any more.
#[tokio::test]
async fn a_change_does_not_wait_for_its_turn() {
    let limited = |_: &str| Reply::error(429, "RATE_LIMITED").with("retry-after", "20");
    let (fake, atlas) = Fake::signed_in(limited).await;
    let started = std::time::Instant::now();
    for _ in 0..2 {
        let error = set_role(&atlas, &key()).await.expect_err("limited");
        assert!(matches!(error, AtlasError::RateLimited { .. }), "{error:?}");
    }
    assert!(started.elapsed() < Duration::from_secs(10));
    assert_eq!(fake.count("PATCH", PATH), 1);
}

//! Tests of the calls on registrations of Azure principals.

use super::*;
use crate::atlas::fake::{Fake, HEX, Reply, budget, project_id};

const TENANT: &str = "11111111-aaaa-4111-8111-111111111111";
const PRINCIPAL: &str = "22222222-bbbb-4222-8222-222222222222";
const APP: &str = "9efedfcc-2eca-4b27-a613-0cad1e114cb7";
const PATH: &str = "/api/atlas/v2/groups/32b6e34b3d91647abb20e7b8/cloudProviderAccess";

fn principal() -> AzurePrincipal {
    AzurePrincipal {
        tenant: TENANT.parse().expect("an id"),
        object: PRINCIPAL.parse().expect("an id"),
        application: APP.parse().expect("an id"),
    }
}

fn role_id() -> RoleId {
    HEX.parse().expect("an id")
}

/// A registration in the form of the description's `CloudProviderAccessAzureServicePrincipal`.
fn registration(principal: &str) -> String {
    format!(
        r#"{{"_id":"{HEX}","providerName":"AZURE","tenantId":"{}","servicePrincipalId":"{principal}",
        "atlasAzureAppId":"{APP}","createdDate":"2026-08-10T03:02:57Z","featureUsages":
        [{{"featureType":"ENCRYPTION_AT_REST","featureId":{{"groupId":"{HEX}"}}}}]}}"#,
        TENANT.to_uppercase()
    )
}

#[tokio::test]
async fn a_principal_is_registered_and_authorized_with_the_same_ids() {
    let (fake, atlas) = Fake::signed_in(|_| Reply::new(200, &registration(PRINCIPAL))).await;
    let (project, principal) = (project_id(), principal());
    let made = atlas
        .register_azure_principal(&project, &principal, budget(5))
        .await
        .expect("a registration");
    assert_eq!(made.id, role_id());
    assert_eq!(made.feature_usages[0].feature_type, "ENCRYPTION_AT_REST");
    atlas
        .authorize_azure_principal(&project, &made.id, &principal, budget(5))
        .await
        .expect("the same");
    let sent: Vec<(String, String)> = fake
        .requests()
        .into_iter()
        .skip(1)
        .map(|request| (request.line(), request.body))
        .collect();
    let body = format!(
        r#"{{"atlasAzureAppId":"{APP}","providerName":"AZURE","servicePrincipalId":"{PRINCIPAL}","tenantId":"{TENANT}"}}"#
    );
    assert_eq!(
        sent,
        [
            (format!("POST {PATH}"), body.clone()),
            (format!("PATCH {PATH}/{HEX}"), body)
        ]
    );
}

#[tokio::test]
async fn a_registration_that_may_have_been_made_is_not_sent_again() {
    let other = "33333333-cccc-4333-8333-333333333333";
    for reply in [
        Reply::error(500, "UNEXPECTED_ERROR"),
        Reply::new(200, &registration(PRINCIPAL)).cut(),
        Reply::new(200, "{}"),
        Reply::new(201, &registration(PRINCIPAL)),
        Reply::new(200, &registration(other)),
        Reply::new(404, "<html>"),
    ] {
        let (fake, atlas) = Fake::signed_in(move |_| reply.clone()).await;
        let made = atlas
            .register_azure_principal(&project_id(), &principal(), budget(5))
            .await;
        let error = made.expect_err("nothing certain");
        assert!(error.outcome_unknown(), "{error:?}");
        assert_eq!(fake.count("POST", PATH), 1);
    }
}

#[tokio::test]
async fn refusals_are_told_apart_and_nothing_is_sent_again() {
    for (status, code, registered, unknown) in [
        (409, "DUPLICATE_AZURE_SERVICE_PRINCIPAL", true, false),
        (400, "CANNOT_AUTHENTICATE_SERVICE_PRINCIPAL", false, true),
        (
            400,
            "CLOUD_PROVIDER_ACCESS_AZURE_SERVICE_PRINCIPAL_INVALID",
            false,
            true,
        ),
        (400, "BAD_REQUEST", false, false),
    ] {
        let (fake, atlas) = Fake::signed_in(move |_| Reply::error(status, code)).await;
        let made = atlas
            .register_azure_principal(&project_id(), &principal(), budget(5))
            .await;
        let error = made.expect_err("refused");
        assert!(!error.outcome_unknown());
        let told = (
            error.says_principal_is_registered(),
            error.says_principal_is_unknown(),
        );
        assert_eq!(told, (registered, unknown), "{code}");
        assert_eq!(fake.count("POST", PATH), 1);
    }
}

#[tokio::test]
async fn registrations_are_listed_whole_or_not_at_all() {
    let list = format!(
        r#"{{"awsIamRoles":[{{"roleId":"{HEX}","providerName":"AWS"}}],"gcpServiceAccounts":[],
        "azureServicePrincipals":[{}]}}"#,
        registration(&PRINCIPAL.to_uppercase())
    );
    let (_fake, atlas) = Fake::signed_in(move |_| Reply::new(200, &list)).await;
    let listed = atlas.azure_registrations(&project_id(), budget(5)).await;
    let listed = listed.expect("a list");
    assert_eq!(listed.len(), 1);
    assert!(listed[0].is_of(&principal()), "case does not matter");
    for body in ["{}", "[]", r#"{"azureServicePrincipals":null}"#] {
        let (_fake, atlas) = Fake::signed_in(move |_| Reply::new(200, body)).await;
        let listed = atlas.azure_registrations(&project_id(), budget(5)).await;
        listed.expect_err("no list of Atlas's");
    }
}

#[tokio::test]
async fn a_registration_is_removed_or_proved_gone() {
    let list = |shown: bool| {
        let one = registration(PRINCIPAL);
        let list = if shown { one } else { String::new() };
        Reply::new(200, &format!(r#"{{"azureServicePrincipals":[{list}]}}"#))
    };
    for (reply, there, want) in [
        (Reply::new(204, ""), false, Some(Deletion::Deleted)),
        (
            Reply::error(404, "RESOURCE_NOT_FOUND"),
            false,
            Some(Deletion::AlreadyGone),
        ),
        (Reply::new(202, ""), false, Some(Deletion::AlreadyGone)),
        (Reply::error(404, "RESOURCE_NOT_FOUND"), true, None),
        (Reply::new(202, ""), true, None),
        (Reply::error(404, "GROUP_NOT_FOUND"), false, None),
        (
            Reply::error(400, "AZURE_SERVICE_PRINCIPAL_IN_USE"),
            false,
            None,
        ),
    ] {
        let (fake, atlas) = Fake::signed_in(move |line| {
            if line.starts_with("GET") {
                list(there)
            } else {
                reply.clone()
            }
        })
        .await;
        let outcome = atlas
            .deauthorize_azure_principal(&project_id(), &role_id(), budget(5))
            .await;
        assert_eq!(outcome.as_ref().ok(), want.as_ref(), "{outcome:?}");
        let target = format!("{PATH}/AZURE/{HEX}");
        assert!(fake.count("DELETE", &target) >= 1);
        if let Err(error) = outcome
            && error.says_principal_is_in_use()
        {
            assert_eq!(fake.count("GET", PATH), 0);
        }
    }
}

#[tokio::test]
async fn an_empty_list_from_a_gateway_proves_nothing_gone() {
    for body in [r#"{"results":[]}"#, "{}"] {
        let (_fake, atlas) = Fake::signed_in(move |line| {
            if line.starts_with("GET") {
                Reply::new(200, body)
            } else {
                Reply::new(202, "")
            }
        })
        .await;
        let outcome = atlas
            .deauthorize_azure_principal(&project_id(), &role_id(), budget(5))
            .await;
        assert!(outcome.expect_err("not proved").outcome_unknown());
    }
}

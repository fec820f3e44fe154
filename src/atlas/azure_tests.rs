//! The calls about Azure, one after the other as a project is brought over, against the simulator.
//!
//! With `ATLAS_EXCHANGES` set, the exchanges are written into that folder, to be held against Atlas's
//! description with those of the other tests.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use super::connections::Transports;
use super::fake::{budget, settings};
use super::{
    ApplicationId, Atlas, AzurePrincipal, Credential, Deletion, EndpointStatus, KeyVaultRefusal,
    ProjectId, TenantId, VaultCredential, VaultKey,
};
use crate::base::{Sensitive, SystemClock, SystemEntropy};

const APP: &str = "9efedfcc-2eca-4b27-a613-0cad1e114cb7";
const OWN_APP: &str = "33333333-3333-4333-8333-333333333333";

/// A simulator, with a customer's Azure in it.
struct Cloud {
    running: atlas_sim::Running,
    http: reqwest::Client,
    atlas: Atlas,
    project: ProjectId,
    principal: AzurePrincipal,
    tenant: TenantId,
    client: ApplicationId,
    secret: Sensitive,
    key: VaultKey,
    own: String,
}

fn exchanges() -> Option<PathBuf> {
    let folder = PathBuf::from(std::env::var_os("ATLAS_EXCHANGES")?);
    std::fs::create_dir_all(&folder).expect("the folder for exchanges");
    Some(folder.join("client_azure.jsonl"))
}

async fn control(
    running: &atlas_sim::Running,
    http: &reqwest::Client,
    path: &str,
    body: Value,
) -> Value {
    let request = http.post(format!("{}{path}", running.control()));
    let request = request.header("content-type", "application/json");
    let answer = request.body(body.to_string()).send().await;
    let answer = answer.expect("an answer");
    assert!(answer.status().is_success(), "{path}");
    let text = answer.text().await.expect("a body");
    serde_json::from_str(&text).unwrap_or_default()
}

fn text(body: &Value, name: &str) -> String {
    body[name].as_str().expect("a text").to_owned()
}

impl Cloud {
    async fn start() -> Self {
        let options = atlas_sim::Options {
            exchanges: exchanges(),
            ..atlas_sim::Options::default()
        };
        let running = atlas_sim::start(options).await.expect("a simulator");
        let http = reqwest::Client::builder().no_proxy().build();
        let http = http.expect("a client");
        let make = async |path: &str, body: Value| control(&running, &http, path, body).await;
        let tenant = text(&make("/azure/tenants", json!({})).await, "tenant_id");
        let in_tenant = |app: &str| json!({"tenant_id": tenant, "app_id": app});
        let of_atlas = make("/azure/principals", in_tenant(APP)).await;
        let own = make("/azure/principals", in_tenant(OWN_APP)).await;
        let secret = make("/azure/secrets", in_tenant(OWN_APP)).await;
        let vault = json!({"tenant_id": tenant, "vault": "v"});
        let key = make("/azure/vaults", vault).await;
        let seed = running.seed();
        let credential = Credential::ApiKey {
            public_key: seed.api_key.public_key.clone(),
            private_key: Sensitive::new(seed.api_key.private_key.clone()),
        };
        let (clock, entropy) = (Arc::new(SystemClock), Arc::new(SystemEntropy));
        let transports = Transports::default();
        let settings = settings(running.api());
        let atlas = Atlas::new(&settings, credential, clock, entropy, &transports);
        let atlas = atlas.expect("a client");
        let principal_id = text(&of_atlas, "service_principal_id");
        Self {
            atlas: atlas.looking_again_after(Duration::ZERO),
            project: seed.project_ids[0].parse().expect("an id"),
            principal: AzurePrincipal {
                tenant: tenant.parse().expect("an id"),
                object: principal_id.parse().expect("an id"),
                application: APP.parse().expect("an id"),
            },
            tenant: tenant.parse().expect("an id"),
            client: OWN_APP.parse().expect("an id"),
            secret: Sensitive::new(text(&secret, "client_secret")),
            key: serde_json::from_value(key).expect("a key"),
            own: text(&own, "service_principal_id"),
            running,
            http,
        }
    }

    async fn grant(&self, principal: &str) {
        for role in ["Reader", "Key Vault Crypto User"] {
            let grant = json!({"vault": "v", "service_principal_id": principal, "role": role});
            control(&self.running, &self.http, "/azure/grants", grant).await;
        }
    }

    fn static_secret(&self) -> VaultCredential<'_> {
        VaultCredential::Secret {
            tenant_id: &self.tenant,
            client_id: &self.client,
            secret: &self.secret,
        }
    }
}

#[tokio::test]
async fn a_project_is_brought_from_a_secret_to_a_role() {
    let cloud = Cloud::start().await;
    let Cloud {
        atlas,
        project,
        principal,
        key,
        ..
    } = &cloud;
    let vault = async || atlas.azure_key_vault(project, budget(5)).await;
    assert_eq!(vault().await.expect("an answer"), None);
    cloud.grant(&cloud.own).await;
    let set = async |credential| {
        atlas
            .set_vault_credential(project, key, credential, budget(30))
            .await
    };
    set(cloud.static_secret()).await.expect("on");
    let before = vault().await.expect("an answer").expect("it is on");
    assert_eq!((&before.key, before.valid), (key, Some(true)));

    let made = atlas.register_azure_principal(project, principal, budget(5));
    let role = made.await.expect("a registration").id;
    let again = atlas.register_azure_principal(project, principal, budget(5));
    let again = again.await.expect_err("twice");
    assert!(again.says_principal_is_registered());
    let listed = atlas.azure_registrations(project, budget(5)).await;
    let listed = listed.expect("a list");
    assert!(
        listed
            .iter()
            .any(|one| one.id == role && one.is_of(principal))
    );
    atlas
        .authorize_azure_principal(project, &role, principal, budget(5))
        .await
        .expect("authorized");

    let refused = set(VaultCredential::Role(&role)).await;
    let refused = refused.expect_err("no grant yet");
    assert_eq!(refused.key_vault_refusal(), Some(KeyVaultRefusal::NoAccess));
    assert_eq!(vault().await.expect("an answer"), Some(before));
    cloud.grant(&principal.object.to_string()).await;
    set(VaultCredential::Role(&role)).await.expect("changed");
    let after = vault().await.expect("an answer").expect("it is on");
    assert_eq!(
        (after.role_id.as_ref(), after.client_id, after.valid),
        (Some(&role), None, Some(true))
    );
    let back = set(cloud.static_secret()).await.expect_err("no way back");
    assert_eq!(
        back.key_vault_refusal(),
        Some(KeyVaultRefusal::StaticCredentials)
    );
    let removal = async || {
        let removal = atlas.deauthorize_azure_principal(project, &role, budget(5));
        removal.await
    };
    let in_use = removal().await.expect_err("in use");
    assert!(in_use.says_principal_is_in_use());
    let off = json!({"project_id": project, "azureKeyVault": {}});
    control(&cloud.running, &cloud.http, "/encryption", off).await;
    assert_eq!(removal().await.expect("removed"), Deletion::Deleted);
    assert_eq!(removal().await.expect("gone"), Deletion::AlreadyGone);
}

#[tokio::test]
async fn private_endpoints_and_what_a_private_project_answers_are_read() {
    let cloud = Cloud::start().await;
    let Cloud {
        atlas,
        project,
        principal,
        ..
    } = &cloud;
    let endpoint = json!({
        "project_id": project, "region": "US_EAST", "create": true, "approved": true,
    });
    control(&cloud.running, &cloud.http, "/private-endpoints", endpoint).await;
    let endpoints = atlas.azure_private_endpoints(project, budget(5)).await;
    let endpoints = endpoints.expect("a list");
    assert_eq!(endpoints[0].status, EndpointStatus::Active);
    cloud.grant(&cloud.own).await;
    let key = VaultKey {
        require_private_networking: Some(true),
        ..cloud.key.clone()
    };
    let set = async |credential| {
        atlas
            .set_vault_credential(project, &key, credential, budget(30))
            .await
    };
    set(cloud.static_secret()).await.expect("accepted");
    control(
        &cloud.running,
        &cloud.http,
        "/clock",
        json!({"advance_seconds": 60}),
    )
    .await;
    let role = atlas.register_azure_principal(project, principal, budget(5));
    let role = role.await.expect("a registration").id;
    atlas
        .authorize_azure_principal(project, &role, principal, budget(5))
        .await
        .expect("authorized");
    let accepted = set(VaultCredential::Role(&role)).await;
    let accepted = accepted.expect("accepted without a grant");
    assert_eq!(
        (accepted.valid, accepted.client_id.is_some()),
        (Some(false), true)
    );
    let dropped = atlas
        .set_vault_credential(
            project,
            &cloud.key,
            VaultCredential::Role(&role),
            budget(30),
        )
        .await;
    assert_eq!(
        dropped.expect_err("refused").key_vault_refusal(),
        Some(KeyVaultRefusal::PrivateEndpoints)
    );
}

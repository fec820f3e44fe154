//! The server, mounts and roles that a soak works on.

use serde_json::{Value, json};

use crate::support::bao::Extras;
use crate::support::{Bao, Mount};

/// Roles that issue keys and accounts of their own.
pub(crate) const ROLES: [&str; 7] = [
    "key", "short", "project", "narrow", "account", "model", "user",
];

/// The role of access tokens.
pub(crate) const TOKEN: &str = "token";

/// The role that adds secrets to an account of somebody else's.
pub(crate) const SECRET: &str = "secret";

/// What keeps the simulator's own accounts apart from those of the engine.
const SOMEBODY: &str = "seed";

/// A server on disk with two mounts, each with an Atlas of its own.
pub(crate) struct Stage {
    pub(crate) bao: Bao,
    /// Issues credentials and keeps a static role.
    pub(crate) app: Mount,
    /// Rotates its own key.
    pub(crate) root: Mount,
    /// Gets secrets by the role [`SECRET`]; has none of its own.
    pub(crate) shared_account: String,
    /// Of the static role.
    pub(crate) static_account: String,
}

impl Stage {
    pub(crate) async fn set() -> Self {
        let extras = Extras {
            turnable: true,
            ..Extras::default()
        };
        let bao = Bao::on_disk_with(extras).await;
        assert!(bao.register(&[]).await.ok());
        let [app, root] = [mount(&bao).await, mount(&bao).await];
        let shared_account = account(&app, 0).await["client_id"].clone();
        let stage = Self {
            shared_account: text(&shared_account),
            static_account: static_role(&app).await,
            bao,
            app,
            root,
        };
        for role in ROLES.into_iter().chain([TOKEN, SECRET]) {
            stage.app.role(role, stage.role_body(role)).await;
        }
        stage.root.org_role("key", 600, 0).await;
        stage
    }

    fn role_body(&self, role: &str) -> Value {
        let (org, project) = (self.app.atlas.org(), self.app.atlas.project(0));
        let mut body = match role {
            "project" => json!({ "project_id": project, "roles": "GROUP_READ_ONLY" }),
            "narrow" => json!({
                "organization_id": org, "roles": "ORG_MEMBER", "ip_addresses": "192.0.2.1",
                "bind_to_caller": true, "project_assignments": { project: ["GROUP_READ_ONLY"] },
            }),
            "account" => json!({
                "credential_type": "service_account", "organization_id": org,
                "roles": "ORG_MEMBER", "cidr_blocks": "192.0.2.0/24",
                "project_id": project, "project_roles": "GROUP_READ_ONLY",
            }),
            SECRET => json!({
                "credential_type": "service_account", "organization_id": org,
                "client_id": self.shared_account,
            }),
            "model" => json!({ "credential_type": "ai_model_key", "project_id": project }),
            "user" => json!({
                "credential_type": "database_user", "project_id": project,
                "database_roles": "readWrite@app", "wait": 2,
            }),
            TOKEN => json!({
                "credential_type": "access_token", "organization_id": org, "roles": "ORG_MEMBER",
            }),
            _ => json!({ "organization_id": org, "roles": "ORG_MEMBER" }),
        };
        let (ttl, max_ttl) = match role {
            "short" => (5, 10),
            _ => (3_600, 36_000),
        };
        body["ttl"] = json!(ttl);
        body["max_ttl"] = json!(max_ttl);
        body
    }
}

async fn mount(bao: &Bao) -> Mount {
    let mount = Mount::on(&bao.client()).await;
    let room = json!({
        "rate_limits": false, "max_api_keys_per_org": 100_000,
        "max_service_accounts_per_org": 100_000, "max_tokens_per_account": 100_000,
        "token_requests_per_minute": 0, "max_database_users_per_project": 100_000,
    });
    mount.atlas.settings(room).await;
    mount.configure().await;
    mount
}

async fn account(mount: &Mount, secret_hours: u32) -> Value {
    let body = json!({
        "org_id": mount.atlas.org(), "name": SOMEBODY, "org_roles": ["ORG_MEMBER"],
        "secret_hours": secret_hours,
    });
    mount.atlas.control("POST", "/accounts", body).await
}

/// Answers the client id of the account.
async fn static_role(mount: &Mount) -> String {
    let account = account(mount, 8_760).await;
    let role = json!({
        "client_id": account["client_id"], "client_secret": account["client_secret"],
        "organization_id": mount.atlas.org(), "rotation_period": 0, "overlap": "1h",
    });
    let written = mount.write("static-roles/app", role).await;
    assert!(written.ok(), "{written:?}");
    text(&account["client_id"])
}

pub(crate) fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

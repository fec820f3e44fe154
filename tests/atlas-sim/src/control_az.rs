//! The control port runs commands of `az`.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use chrono::{DateTime, Utc};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::az::{Command, Scope};
use crate::azure::{Azure, ClientSecret, Grant, Principal, Right, Vault};
use crate::clock::{after, text};
use crate::control::{Input, Outcome, Refused};
use crate::ids;
use crate::server::Sim;
use crate::settings::Settings;

const YEAR_SECONDS: u64 = 365 * 86_400;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Line {
    /// Where the one who runs the command is signed in.
    tenant_id: String,
    command: String,
}

pub(crate) async fn run(State(sim): State<Arc<Sim>>, Input(line): Input<Line>) -> Outcome {
    let command = Command::parse(&line.command).map_err(Refused::bad)?;
    let now = sim.clock.now();
    let core = &mut *sim.caught_up(now);
    let mut session = Session {
        azure: &mut core.world.azure,
        settings: &core.settings,
        tenant_id: &line.tenant_id,
        now,
    };
    session.run(command).map(Json)
}

/// Somebody signed in to a tenant.
struct Session<'a> {
    azure: &'a mut Azure,
    settings: &'a Settings,
    tenant_id: &'a str,
    now: DateTime<Utc>,
}

impl Session<'_> {
    fn run(&mut self, command: Command) -> Result<Value, Refused> {
        match command {
            Command::CreatePrincipal { app_id } => self.create_principal(app_id),
            Command::AddSecret { app_id, years } => self.add_secret(&app_id, years),
            Command::AssignRole {
                principal_id,
                role,
                scope,
            } => self.grant(&principal_id, &Right::Role(role), |vault| {
                scope.holds(vault)
            }),
            Command::SetPolicy {
                principal_id,
                vault: name,
                permissions,
            } => self.grant(&principal_id, &Right::Keys(permissions), |vault| {
                vault.name.eq_ignore_ascii_case(&name)
            }),
        }
    }

    fn create_principal(&mut self, app_id: String) -> Result<Value, Refused> {
        let tenant = self.azure.tenant_mut(self.tenant_id);
        let tenant = tenant.ok_or_else(|| Refused::missing("tenant", self.tenant_id))?;
        if tenant.principal_of(&app_id).is_some() {
            let text = format!("application {app_id} has a service principal here already");
            return Err(Refused::bad(text));
        }
        let principal = Principal {
            id: ids::uuid(),
            app_id,
            works_from: after(self.now, self.settings.azure_principal_delay_seconds),
            secrets: Vec::new(),
        };
        let answer = json!({"id": principal.id, "appId": principal.app_id});
        tenant.principals.insert(principal.id.clone(), principal);
        Ok(answer)
    }

    fn add_secret(&mut self, app_id: &str, years: u64) -> Result<Value, Refused> {
        if !(1..=2).contains(&years) {
            return Err(Refused::bad("a client secret lives for two years at most"));
        }
        let tenant = self.azure.tenant_mut(self.tenant_id);
        let principal = tenant.and_then(|tenant| tenant.principal_of_mut(app_id));
        let principal = principal.ok_or_else(|| Refused::missing("application", app_id))?;
        let secret = ClientSecret {
            id: ids::uuid(),
            value: ids::azure_secret(),
            works_from: after(self.now, self.settings.azure_secret_delay_seconds),
            expires_at: after(self.now, years * YEAR_SECONDS),
        };
        let answer = json!({
            "appId": app_id, "password": secret.value, "tenant": self.tenant_id,
            "expiresAt": text(secret.expires_at),
        });
        principal.secrets.push(secret);
        Ok(answer)
    }

    /// Grants in every vault of the tenant that is meant; one at least must be.
    fn grant(
        &mut self,
        principal_id: &str,
        right: &Right,
        is_meant: impl Fn(&Vault) -> bool,
    ) -> Result<Value, Refused> {
        let tenant = self.azure.tenant(self.tenant_id);
        let principal = tenant.and_then(|tenant| tenant.principal(principal_id));
        principal.ok_or_else(|| Refused::missing("service principal", principal_id))?;
        let from = after(self.now, self.settings.azure_grant_delay_seconds);
        let own = self.tenant_id;
        let vaults = self.azure.vaults_mut();
        let mut granted = Vec::new();
        for vault in vaults.filter(|vault| vault.tenant_id.eq_ignore_ascii_case(own)) {
            if is_meant(vault) {
                granted.push(vault.name.clone());
                vault.grants.push(Grant {
                    principal_id: principal_id.to_owned(),
                    right: right.clone(),
                    from,
                    until: None,
                });
            }
        }
        if granted.is_empty() {
            return Err(Refused::bad("there is no such vault in this tenant"));
        }
        Ok(json!({"vaults": granted}))
    }
}

impl Scope {
    fn holds(&self, vault: &Vault) -> bool {
        let same = |wanted: &Option<String>, name: &str| {
            let fits = |wanted: &String| wanted.eq_ignore_ascii_case(name);
            wanted.as_ref().is_none_or(fits)
        };
        self.subscription_id
            .eq_ignore_ascii_case(&vault.subscription_id)
            && same(&self.resource_group, &vault.resource_group)
            && same(&self.vault, &vault.name)
    }
}

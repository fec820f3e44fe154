//! The control port's hands on the state: what exists, and making and deleting it directly.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use chrono::{DateTime, Utc};
use ipnet::IpNet;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::clock::text;
use crate::control::{Input, Outcome, Refused};
use crate::control_azure;
use crate::control_database;
use crate::control_encryption;
use crate::control_model_keys;
use crate::ids;
use crate::seed;
use crate::server::Sim;
use crate::settings::Settings;
use crate::state::{AccessEntry, Account, ApiKey, Holder, LastUsed, Secret};
use crate::view;
use crate::world::World;

/// Everything that exists, without any secret in clear.
pub(crate) fn describe(world: &World, settings: &Settings, now: DateTime<Utc>) -> Value {
    let orgs = world.orgs.values();
    let orgs = orgs.map(|org| json!({"id": org.id, "name": org.name, "settings": org.settings}));
    let projects = world.projects.values().map(|project| {
        json!({
            "id": project.id, "org_id": project.org_id, "name": project.name,
            "azure_principals": project.azure_principals.keys().collect::<Vec<_>>(),
            "model_keys": control_model_keys::describe(project),
            "database_users": control_database::describe_users(project),
            "clusters": control_database::describe_clusters(project, settings),
            "key_vault_enabled": project.encryption.is_on(),
            "encryption": control_encryption::describe(project, &world.azure, settings, now),
        })
    });
    let keys = world
        .keys
        .values()
        .filter(|key| key.holder.exists())
        .map(|key| {
            let mut body = holder(&key.holder);
            body["id"] = json!(key.id);
            body["public_key"] = json!(key.public_key);
            body["desc"] = json!(key.description);
            body
        });
    let accounts = world
        .accounts
        .values()
        .filter(|account| account.holder.exists());
    let tokens = world
        .tokens
        .values()
        .filter(|token| now < token.expires_at)
        .map(|token| {
            json!({
                "client_id": token.client_id, "secret_id": token.secret_id,
                "expires_at": text(token.expires_at),
            })
        });
    json!({
        "now": text(now), "orgs": orgs.collect::<Vec<_>>(),
        "projects": projects.collect::<Vec<_>>(), "keys": keys.collect::<Vec<_>>(),
        "accounts": accounts.map(|account| describe_account(account, world, now)).collect::<Vec<_>>(),
        "tokens": tokens.collect::<Vec<_>>(),
        "azure": control_azure::describe(&world.azure, now),
        "cluster_stops": control_encryption::stops(world),
    })
}

fn describe_account(account: &Account, world: &World, now: DateTime<Utc>) -> Value {
    let secrets = account.secrets.iter().map(|secret| {
        json!({
            "id": secret.id, "created_at": text(secret.created_at),
            "expires_at": text(secret.expires_at), "expired": now >= secret.expires_at,
            "last_used_at": secret.last_used.seen(now, 0).map(text),
        })
    });
    let live = account.tokens.iter().filter(|token| {
        world
            .tokens
            .get(*token)
            .is_some_and(|token| now < token.expires_at)
    });
    let mut body = holder(&account.holder);
    body["client_id"] = json!(account.client_id);
    body["name"] = json!(account.name);
    body["description"] = json!(account.description);
    body["secrets"] = json!(secrets.collect::<Vec<_>>());
    body["live_tokens"] = json!(live.count());
    body
}

fn holder(holder: &Holder) -> Value {
    let list = holder
        .access_list
        .iter()
        .map(|entry| view::entry_name(entry.net));
    json!({
        "org_id": holder.org_id, "org_roles": holder.org_roles,
        "project_roles": holder.project_roles, "access_list": list.collect::<Vec<_>>(),
        "created_at": text(holder.created_at), "home_project": holder.home_project,
    })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewOrg {
    name: String,
    #[serde(default)]
    settings: serde_json::Map<String, Value>,
}

pub(crate) async fn create_org(State(sim): State<Arc<Sim>>, Input(new): Input<NewOrg>) -> Outcome {
    let mut org = seed::org(&ids::object_id(sim.clock.now()), &new.name);
    org.settings.extend(new.settings);
    let answer = json!({"id": org.id});
    sim.lock().world.orgs.insert(org.id.clone(), org);
    Ok(Json(answer))
}

pub(crate) async fn delete_org(
    State(sim): State<Arc<Sim>>,
    Path(id): Path<String>,
) -> Result<StatusCode, Refused> {
    let world = &mut sim.lock().world;
    if !world.orgs.contains_key(&id) {
        return Err(Refused::missing("organization", &id));
    }
    world.projects.retain(|_, project| project.org_id != id);
    world.remove_org(&id);
    Ok(StatusCode::NO_CONTENT)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewProject {
    org_id: String,
    name: String,
}

pub(crate) async fn create_project(
    State(sim): State<Arc<Sim>>,
    Input(new): Input<NewProject>,
) -> Outcome {
    let now = sim.clock.now();
    let world = &mut sim.lock().world;
    if !world.orgs.contains_key(&new.org_id) {
        return Err(Refused::missing("organization", &new.org_id));
    }
    let project = seed::project(&ids::object_id(now), &new.org_id, &new.name, now);
    let answer = json!({"id": project.id});
    world.projects.insert(project.id.clone(), project);
    Ok(Json(answer))
}

pub(crate) async fn delete_project(
    State(sim): State<Arc<Sim>>,
    Path(id): Path<String>,
) -> Result<StatusCode, Refused> {
    let world = &mut sim.lock().world;
    if !world.projects.contains_key(&id) {
        return Err(Refused::missing("project", &id));
    }
    world.delete_project(&id);
    Ok(StatusCode::NO_CONTENT)
}

/// What a new key and a new account have in common.
#[derive(Deserialize)]
pub(crate) struct NewHolder {
    org_id: String,
    #[serde(default)]
    org_roles: Vec<String>,
    #[serde(default)]
    project_roles: BTreeMap<String, Vec<String>>,
    #[serde(default)]
    access_list: Vec<String>,
    #[serde(default)]
    home_project: Option<String>,
}

impl NewHolder {
    fn build(self, world: &World, now: DateTime<Utc>) -> Result<Holder, Refused> {
        if !world.orgs.contains_key(&self.org_id) {
            return Err(Refused::missing("organization", &self.org_id));
        }
        let projects = self.project_roles.keys();
        if let Some(id) = projects
            .chain(&self.home_project)
            .find(|id| !world.projects.contains_key(*id))
        {
            return Err(Refused::missing("project", id));
        }
        let mut holder = Holder::new(&self.org_id, now);
        holder.access_list = entries(&self.access_list, now)?;
        holder.org_roles = self.org_roles;
        holder.project_roles = self.project_roles;
        holder.home_project = self.home_project;
        Ok(holder)
    }
}

fn entries(list: &[String], now: DateTime<Utc>) -> Result<Vec<AccessEntry>, Refused> {
    let entry = |text: &String| {
        let net = text
            .parse::<IpNet>()
            .or_else(|_| text.parse::<std::net::IpAddr>().map(IpNet::from));
        net.map(|net| AccessEntry {
            net: net.trunc(),
            created_at: now,
            effective_at: now,
            count: 0,
            last_used: LastUsed::default(),
            last_address: None,
        })
        .map_err(|_| Refused::bad(format!("access list: {text} is no address or block")))
    };
    list.iter().map(entry).collect()
}

#[derive(Deserialize)]
pub(crate) struct NewKey {
    #[serde(default)]
    desc: Option<String>,
    #[serde(flatten)]
    holder: NewHolder,
}

pub(crate) async fn create_key(State(sim): State<Arc<Sim>>, Input(new): Input<NewKey>) -> Outcome {
    let now = sim.clock.now();
    let world = &mut sim.lock().world;
    let key = ApiKey {
        id: ids::object_id(now),
        public_key: ids::public_key(),
        private_key: ids::private_key(),
        description: new.desc.unwrap_or_else(|| "by control".to_owned()),
        holder: new.holder.build(world, now)?,
    };
    let answer = json!({
        "id": key.id, "public_key": key.public_key, "private_key": key.private_key,
    });
    world.add_key(key);
    Ok(Json(answer))
}

pub(crate) async fn delete_key(
    State(sim): State<Arc<Sim>>,
    Path(id): Path<String>,
) -> Result<StatusCode, Refused> {
    let now = sim.clock.now();
    let core = &mut *sim.lock();
    core.world
        .key(&id)
        .ok_or_else(|| Refused::missing("key", &id))?;
    core.world.delete_key(&id, now, &core.settings);
    Ok(StatusCode::NO_CONTENT)
}

#[derive(Deserialize)]
pub(crate) struct NewAccount {
    #[serde(default)]
    name: Option<String>,
    #[serde(default)]
    description: Option<String>,
    /// Lifetime of the first secret in hours; 0 for an account without a secret.
    #[serde(default = "a_year")]
    secret_hours: i64,
    #[serde(flatten)]
    holder: NewHolder,
}

fn a_year() -> i64 {
    8_760
}

pub(crate) async fn create_account(
    State(sim): State<Arc<Sim>>,
    Input(new): Input<NewAccount>,
) -> Outcome {
    let now = sim.clock.now();
    let world = &mut sim.lock().world;
    let name = new.name.unwrap_or_else(|| "by control".to_owned());
    let account = Account {
        client_id: ids::client_id(now),
        description: new.description.unwrap_or_else(|| name.clone()),
        name,
        secrets: if new.secret_hours > 0 {
            vec![Secret::new(now, new.secret_hours)]
        } else {
            Vec::new()
        },
        tokens: Vec::new(),
        creating_secret_until: None,
        holder: new.holder.build(world, now)?,
    };
    let secret = account.secrets.first();
    let answer = json!({
        "client_id": account.client_id, "secret_id": secret.map(|secret| &secret.id),
        "client_secret": secret.map(|secret| &secret.value),
    });
    world.accounts.insert(account.client_id.clone(), account);
    Ok(Json(answer))
}

pub(crate) async fn delete_account(
    State(sim): State<Arc<Sim>>,
    Path(id): Path<String>,
) -> Result<StatusCode, Refused> {
    let now = sim.clock.now();
    let core = &mut *sim.lock();
    let account = core.world.account(&id);
    account.ok_or_else(|| Refused::missing("account", &id))?;
    core.world.delete_account(&id, now, &core.settings);
    Ok(StatusCode::NO_CONTENT)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewSecret {
    client_id: String,
    #[serde(default = "a_year")]
    hours: i64,
    /// Instead of now.
    #[serde(default)]
    created_at: Option<DateTime<Utc>>,
}

/// Adds a secret as Atlas would, cut of the older ones included, but without the limit of two.
pub(crate) async fn create_secret(
    State(sim): State<Arc<Sim>>,
    Input(new): Input<NewSecret>,
) -> Outcome {
    let now = sim.clock.now();
    let mut core = sim.lock();
    let older_seconds = core.settings.older_secret_seconds;
    let account = core.world.account_mut(&new.client_id);
    let account = account.ok_or_else(|| Refused::missing("account", &new.client_id))?;
    let mut secret = Secret::new(now, new.hours);
    secret.created_at = new.created_at.unwrap_or(secret.created_at);
    let answer = json!({
        "id": secret.id, "client_secret": secret.value, "expires_at": text(secret.expires_at),
    });
    account.add_secret(secret, older_seconds);
    Ok(Json(answer))
}

/// Deletes a secret wherever it is, with the tokens minted from it.
pub(crate) async fn delete_secret(
    State(sim): State<Arc<Sim>>,
    Path(id): Path<String>,
) -> Result<StatusCode, Refused> {
    let world = &mut sim.lock().world;
    let mut accounts = world.accounts.values_mut();
    let account = accounts.find(|account| account.secret(&id).is_some());
    let account = account.ok_or_else(|| Refused::missing("secret", &id))?;
    account.secrets.retain(|secret| secret.id != id);
    world.tokens.retain(|_, token| token.secret_id != id);
    Ok(StatusCode::NO_CONTENT)
}

/// Kills all tokens of an account.
pub(crate) async fn delete_tokens(
    State(sim): State<Arc<Sim>>,
    Path(client_id): Path<String>,
) -> Result<StatusCode, Refused> {
    let world = &mut sim.lock().world;
    let account = world.account_mut(&client_id);
    account
        .ok_or_else(|| Refused::missing("account", &client_id))?
        .tokens
        .clear();
    world.tokens.retain(|_, token| token.client_id != client_id);
    Ok(StatusCode::NO_CONTENT)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewList {
    /// Id of a key, or a client id.
    id: String,
    entries: Vec<String>,
}

/// Replaces the access list of a key or account.
pub(crate) async fn set_access_list(
    State(sim): State<Arc<Sim>>,
    Input(new): Input<NewList>,
) -> Result<StatusCode, Refused> {
    let list = entries(&new.entries, sim.clock.now())?;
    let world = &mut sim.lock().world;
    let holder = match world.keys.get_mut(&new.id) {
        Some(key) => Some(&mut key.holder),
        None => world
            .accounts
            .get_mut(&new.id)
            .map(|account| &mut account.holder),
    };
    let holder = holder.ok_or_else(|| Refused::missing("key or account", &new.id))?;
    holder.access_list = list;
    Ok(StatusCode::NO_CONTENT)
}

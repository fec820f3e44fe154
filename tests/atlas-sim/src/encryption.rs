//! What a project holds for encryption at rest, and Atlas's checks of it as time goes by.
//!
//! Atlas tries the key at each change, when it is asked, and every quarter of an hour. A key that
//! is refused at a scheduled check stops the project's clusters; one that is out of reach does not.
//! Source: Atlas documentation, "Encryption at Rest using Customer Key Management".
//!
//! Time is caught up with before anything is read or changed, so that a clock turned by a day has
//! had all checks of that day, each with what held then.

use std::collections::BTreeSet;

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::azure::{Azure, KeyCheck, KeyUse, Route, SignIn};
use crate::clock::after;
use crate::settings::Settings;
use crate::state::Project;
use crate::world::World;

/// The static credentials in the Azure block.
pub(crate) const STATIC: [&str; 3] = ["tenantID", "clientID", "secret"];

/// A project's encryption at rest.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Encryption {
    /// The Azure block, its secret included; empty while it is off.
    pub(crate) vault: Map<String, Value>,
    /// Other providers' blocks by name, those that are on.
    pub(crate) others: Map<String, Value>,
    pub(crate) search_nodes: bool,
    /// How often `search_nodes` was flipped: in Atlas each time makes all search nodes anew.
    pub(crate) search_node_changes: u64,
    pub(crate) watch: Watch,
}

/// Where Atlas's checks stand.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Watch {
    /// Scheduled checks are counted from here.
    anchor: DateTime<Utc>,
    /// All checks up to here were made.
    done_until: DateTime<Utc>,
    /// When the data nodes will have tried the last change, if they have not; private networking.
    pub(crate) verdict_at: Option<DateTime<Utc>>,
    /// The role in force was seen to work.
    pub(crate) proved: bool,
    /// The project's clusters are stopped.
    pub(crate) stopped: bool,
    /// How often they were stopped.
    pub(crate) stops: u64,
}

impl Encryption {
    /// A block that is switched off may still say how the vault was reached.
    pub(crate) fn is_on(&self) -> bool {
        !self.vault.is_empty() && self.vault.get("enabled") != Some(&Value::Bool(false))
    }

    /// The registration that the block names.
    pub(crate) fn role_id(&self) -> Option<&str> {
        self.vault.get("roleId").and_then(Value::as_str)
    }

    pub(crate) fn is_private(&self) -> bool {
        is_private(&self.vault)
    }

    /// Switches everything of Azure off.
    pub(crate) fn clear(&mut self) {
        self.vault.clear();
        self.watch = Watch {
            stops: self.watch.stops,
            ..Watch::default()
        };
    }

    /// Takes a new Azure block. `proved` tells that its credentials were tried and work.
    pub(crate) fn set(
        &mut self,
        vault: Map<String, Value>,
        proved: bool,
        settings: &Settings,
        now: DateTime<Utc>,
    ) {
        if !self.is_on() || settings.key_check_restarts_on_change {
            self.watch.anchor = now;
        }
        self.vault = vault;
        self.watch.done_until = now;
        self.watch.verdict_at = (!proved).then(|| after(now, settings.private_verdict_seconds));
        self.watch.proved = false;
        if proved {
            self.prove();
        }
    }

    /// The credentials work: of a role's project nothing static is left.
    pub(crate) fn prove(&mut self) {
        self.watch.proved = true;
        if self.role_id().is_some() {
            self.vault
                .retain(|name, _| !STATIC.contains(&name.as_str()));
        }
    }
}

impl Project {
    /// What a check sees now; `None` while it is off, or not tried yet.
    pub(crate) fn key_check(&self, azure: &Azure, now: DateTime<Utc>) -> Option<KeyCheck> {
        let Encryption { vault, watch, .. } = &self.encryption;
        if !self.encryption.is_on() || watch.verdict_at.is_some_and(|at| now < at) {
            return None;
        }
        Some(azure.check(&self.key_use(vault, now), now))
    }

    /// How Atlas uses the key that the block names. Where there is a role, it counts.
    pub(crate) fn key_use<'a>(
        &'a self,
        vault: &'a Map<String, Value>,
        now: DateTime<Utc>,
    ) -> KeyUse<'a> {
        let sign_in = match vault.get("roleId").and_then(Value::as_str) {
            Some(role_id) => {
                let principal = self.azure_principals.get(role_id);
                SignIn::Principal {
                    tenant_id: principal.map_or("", |principal| &principal.tenant_id),
                    id: principal.map_or("", |principal| &principal.principal_id),
                    app_id: principal.map_or("", |principal| &principal.app_id),
                }
            }
            None => SignIn::Secret {
                tenant_id: text(vault, "tenantID"),
                client_id: text(vault, "clientID"),
                secret: text(vault, "secret"),
            },
        };
        let mut endpoints = self.private_endpoints.values();
        KeyUse {
            sign_in,
            subscription_id: text(vault, "subscriptionID"),
            resource_group: text(vault, "resourceGroupName"),
            vault: text(vault, "keyVaultName"),
            key_identifier: text(vault, "keyIdentifier"),
            route: if !is_private(vault) {
                Route::Internet
            } else if endpoints.any(|endpoint| endpoint.carries(now)) {
                Route::PrivateEndpoint
            } else {
                Route::Nowhere
            },
        }
    }
}

/// A text of the Azure block; empty if there is none of this name.
pub(crate) fn text<'a>(vault: &'a Map<String, Value>, name: &str) -> &'a str {
    vault.get(name).and_then(Value::as_str).unwrap_or_default()
}

pub(crate) fn is_private(vault: &Map<String, Value>) -> bool {
    vault.get("requirePrivateNetworking") == Some(&Value::Bool(true))
}

/// Makes all checks that were due since the last time.
pub(crate) fn catch_up(world: &mut World, settings: &Settings, now: DateTime<Utc>) {
    let World {
        azure, projects, ..
    } = world;
    let lag = settings.private_endpoint_seconds;
    for project in projects.values_mut() {
        let endpoints = &mut project.private_endpoints;
        endpoints.retain(|_, endpoint| endpoint.exists(now, lag));
        let watch = &project.encryption.watch;
        if !project.encryption.is_on() || now <= watch.done_until {
            continue;
        }
        for moment in events(watch, azure, settings, now) {
            pass(project, azure, moment, settings);
        }
        project.encryption.watch.done_until = now;
    }
}

/// When something happens until `now`: the verdict of the data nodes, and of the scheduled checks the
/// first after each change in Azure. Those in between see what that one saw.
fn events(
    watch: &Watch,
    azure: &Azure,
    settings: &Settings,
    now: DateTime<Utc>,
) -> BTreeSet<DateTime<Utc>> {
    let since = watch.done_until;
    let moments = azure.moments().chain(watch.verdict_at);
    let moments = moments.filter(|moment| since < *moment && *moment <= now);
    let checks = moments
        .chain([since])
        .filter_map(|moment| first_check(watch.anchor, moment, settings.key_check_seconds))
        .map(|check| {
            if check <= since {
                after(check, settings.key_check_seconds)
            } else {
                check
            }
        });
    let verdict = watch.verdict_at.into_iter();
    checks
        .chain(verdict)
        .filter(|event| *event <= now)
        .collect()
}

/// The first scheduled check that is not before `moment`; `None` if there are no such checks.
fn first_check(
    anchor: DateTime<Utc>,
    moment: DateTime<Utc>,
    period_seconds: u64,
) -> Option<DateTime<Utc>> {
    let period = i64::try_from(period_seconds)
        .ok()
        .filter(|period| *period > 0)?;
    let period_millis = period.checked_mul(1_000)?;
    let passed = (moment - anchor).num_milliseconds().max(1);
    let rounds = (passed + period_millis - 1) / period_millis;
    anchor.checked_add_signed(TimeDelta::try_milliseconds(
        rounds.checked_mul(period_millis)?,
    )?)
}

/// What happens to the project at an event.
fn pass(project: &mut Project, azure: &Azure, moment: DateTime<Utc>, settings: &Settings) {
    let Some(check) = project.key_check(azure, moment) else {
        return;
    };
    let encryption = &mut project.encryption;
    let is_scheduled =
        first_check(encryption.watch.anchor, moment, settings.key_check_seconds) == Some(moment);
    encryption.watch.verdict_at = None;
    match check {
        KeyCheck::Usable => {
            encryption.prove();
            encryption.watch.stopped &= !is_scheduled;
        }
        KeyCheck::Refused(_) if is_scheduled && !encryption.watch.stopped => {
            encryption.watch.stopped = true;
            encryption.watch.stops += 1;
        }
        KeyCheck::Refused(_) | KeyCheck::Unreachable => {}
    }
}

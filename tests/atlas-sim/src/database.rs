//! Database users of a project, and the clusters that let them in.
//!
//! A changed user is known to Atlas at once, and to each cluster of its scopes a while later. Until
//! then the cluster says `PENDING` and lets in whom it knew before. Source: Atlas API,
//! `ClusterStatus`: "When status is Pending, new users can't log in."
//!
//! The clusters are those that encryption at rest stops: a stopped one lets nobody in.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::clock::after;
use crate::ids;
use crate::settings::Settings;
use crate::state::{Project, readable};
use crate::world::World;

/// The database that users with a password belong to.
pub(crate) const ADMIN: &str = "admin";
/// The kind of scope that names a cluster.
pub(crate) const CLUSTER: &str = "CLUSTER";

/// A database user that signs in with a password.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct DatabaseUser {
    pub(crate) username: String,
    pub(crate) password: String,
    pub(crate) roles: Vec<Value>,
    /// What the user may reach; everything of the project if there is none.
    pub(crate) scopes: Vec<Scope>,
    pub(crate) labels: Value,
    pub(crate) description: Option<String>,
    /// When Atlas deletes the user; `None` for one that stays.
    pub(crate) delete_after: Option<DateTime<Utc>>,
    pub(crate) created_at: DateTime<Utc>,
    pub(crate) deleted_at: Option<DateTime<Utc>>,
}

/// One cluster, or another thing that a user may reach.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Scope {
    pub(crate) name: String,
    #[serde(rename = "type")]
    pub(crate) kind: String,
}

impl DatabaseUser {
    /// Whether reads show it, lag included.
    pub(crate) fn readable(&self, now: DateTime<Utc>, settings: &Settings) -> bool {
        readable(self.created_at, self.deleted_at, now, settings)
    }

    /// Whether it really exists.
    pub(crate) fn exists(&self) -> bool {
        self.deleted_at.is_none()
    }

    /// Whether its scopes take in the cluster of this name.
    fn reaches(&self, cluster: &str) -> bool {
        let mut scopes = self.scopes.iter();
        self.scopes.is_empty() || scopes.any(|scope| scope.kind == CLUSTER && scope.name == cluster)
    }
}

/// Whether a cluster can have this name. Source: Atlas API, `^[a-zA-Z0-9][a-zA-Z0-9-]*$`.
pub(crate) fn is_cluster_name(name: &str) -> bool {
    let mut bytes = name.bytes();
    let first = bytes.next();
    first.is_some_and(|byte| byte.is_ascii_alphanumeric())
        && bytes.all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

/// A cluster of a project.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Cluster {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) created_at: DateTime<Utc>,
    pub(crate) paused: bool,
    /// Neither Atlas nor a user reaches it.
    pub(crate) unreachable: bool,
    /// It applies nothing and says so.
    pub(crate) stuck: bool,
    /// Whom it lets in: passwords by user name.
    users: BTreeMap<String, String>,
    waiting: Vec<Change>,
}

/// What a cluster is to apply.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Change {
    due: DateTime<Utc>,
    username: String,
    /// `None` for a user that is to be refused.
    password: Option<String>,
}

impl Cluster {
    pub(crate) fn new(name: String, now: DateTime<Utc>) -> Self {
        Self {
            id: ids::object_id(now),
            name,
            created_at: now,
            paused: false,
            unreachable: false,
            stuck: false,
            users: BTreeMap::new(),
            waiting: Vec::new(),
        }
    }

    /// What Atlas says of the changes ordered.
    pub(crate) fn status(&self, settings: &Settings) -> &'static str {
        let is_silent = self.paused && !settings.paused_cluster_pending;
        if self.stuck || (!self.waiting.is_empty() && !is_silent) {
            "PENDING"
        } else {
            "APPLIED"
        }
    }

    /// Whom it knows now.
    pub(crate) fn users(&self) -> impl Iterator<Item = &String> {
        self.users.keys()
    }

    /// Takes an order; none overtakes an earlier one.
    fn order(
        &mut self,
        username: &str,
        password: Option<&str>,
        at: DateTime<Utc>,
        settings: &Settings,
    ) {
        let due = after(at, settings.cluster_apply_seconds);
        let last = self.waiting.last().map_or(due, |change| change.due);
        self.waiting.push(Change {
            due: due.max(last),
            username: username.to_owned(),
            password: password.map(str::to_owned),
        });
    }

    fn apply_due(&mut self, now: DateTime<Utc>) {
        let due = self.waiting.iter().take_while(|change| change.due <= now);
        let due = due.count();
        for change in self.waiting.drain(..due) {
            match change.password {
                Some(password) => self.users.insert(change.username, password),
                None => self.users.remove(&change.username),
            };
        }
    }
}

impl Project {
    /// An existing user.
    pub(crate) fn database_user(&self, username: &str) -> Option<&DatabaseUser> {
        let mut users = self.database_users.iter();
        users.find(|user| user.exists() && user.username == username)
    }

    /// Whether encryption at rest has stopped the clusters.
    pub(crate) fn clusters_are_stopped(&self, settings: &Settings) -> bool {
        settings.encrypted_clusters && self.encryption.watch.stopped
    }

    /// Adds a cluster that knows the project's users from the start.
    pub(crate) fn add_cluster(&mut self, mut cluster: Cluster) {
        let users = self.database_users.iter();
        let known = users.filter(|user| user.exists() && user.reaches(&cluster.name));
        cluster.users = known
            .map(|user| (user.username.clone(), user.password.clone()))
            .collect();
        self.clusters.insert(cluster.name.clone(), cluster);
    }

    /// Adds a user or puts it in the place of the one of its name.
    pub(crate) fn put_database_user(
        &mut self,
        user: DatabaseUser,
        now: DateTime<Utc>,
        settings: &Settings,
    ) {
        let mut users = self.database_users.iter_mut();
        let present = users.find(|other| other.exists() && other.username == user.username);
        for cluster in self.clusters.values_mut() {
            let was_let_in = present
                .as_ref()
                .is_some_and(|before| before.reaches(&cluster.name));
            let password = user.reaches(&cluster.name).then_some(&*user.password);
            if was_let_in || password.is_some() {
                cluster.order(&user.username, password, now, settings);
            }
        }
        match present {
            Some(present) => *present = user,
            None => self.database_users.push(user),
        }
    }

    /// Deletes a user; whether it was there.
    pub(crate) fn delete_database_user(
        &mut self,
        username: &str,
        at: DateTime<Utc>,
        settings: &Settings,
    ) -> bool {
        let mut users = self.database_users.iter_mut();
        let Some(user) = users.find(|user| user.exists() && user.username == username) else {
            return false;
        };
        user.deleted_at = Some(at);
        for cluster in self.clusters.values_mut() {
            if user.reaches(&cluster.name) {
                cluster.order(username, None, at, settings);
            }
        }
        true
    }

    /// Whether the cluster lets this user in now; if not, why.
    pub(crate) fn sign_in(
        &self,
        cluster: &Cluster,
        username: &str,
        password: &str,
        settings: &Settings,
    ) -> Result<(), &'static str> {
        if self.clusters_are_stopped(settings) {
            Err("the cluster is stopped, as its key cannot be used")
        } else if cluster.paused {
            Err("the cluster is paused")
        } else if cluster.unreachable {
            Err("the cluster is unreachable")
        } else {
            match cluster.users.get(username) {
                None => Err("the cluster does not know the user"),
                Some(known) if known != password => Err("the cluster knows another password"),
                Some(_) => Ok(()),
            }
        }
    }
}

/// Deletes the users whose time is over, and has the clusters apply what was due.
pub(crate) fn catch_up(world: &mut World, settings: &Settings, now: DateTime<Utc>) {
    for project in world.projects.values_mut() {
        for (username, gone_at) in over(project, settings, now) {
            project.delete_database_user(&username, gone_at, settings);
        }
        let lag = settings.read_lag_after_delete_seconds;
        project
            .database_users
            .retain(|user| user.deleted_at.is_none_or(|gone| now < after(gone, lag)));
        if project.clusters_are_stopped(settings) {
            continue;
        }
        let clusters = project.clusters.values_mut();
        for cluster in clusters.filter(|one| !one.paused && !one.unreachable && !one.stuck) {
            cluster.apply_due(now);
        }
    }
}

/// The users that Atlas has deleted by itself until `now`, with the moments.
fn over(
    project: &Project,
    settings: &Settings,
    now: DateTime<Utc>,
) -> Vec<(String, DateTime<Utc>)> {
    let delay = settings.database_user_delete_delay_seconds;
    let users = project.database_users.iter().filter(|user| user.exists());
    let ends = users.filter_map(|user| {
        let gone_at = after(user.delete_after?, delay);
        Some((user.username.clone(), gone_at))
    });
    ends.filter(|(_, gone_at)| *gone_at <= now).collect()
}

//! Credentials of the type `database_user`: a name and a password with which MongoDB's own clients sign in to
//! the clusters of a project.
//!
//! A user is made, found and deleted in its project. Atlas is told to delete it by itself an hour after its
//! lease, which each renewal moves: where nobody comes back, it is gone all the same. A name may be taken by
//! a stranger before or after; so a user is ours only if it also carries the text of its journal entry.

mod check;
#[cfg(test)]
mod fault_tests;
mod grant;
#[cfg(test)]
mod inventory_tests;
#[cfg(test)]
mod name_tests;
#[cfg(test)]
mod role_tests;
mod template;
#[cfg(test)]
mod tests;
mod wait;
#[cfg(test)]
mod wait_tests;

use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::json;

pub(crate) use self::grant::{
    DEFAULT_WAIT, DatabaseGrant, names_come_again, short_database_roles, short_scopes,
};
use self::template::Context;
use super::grant::Grant;
use super::granted::Granted;
use super::issued::Issued;
use super::kind::{CredentialKind, Revoked};
use super::lease::{budget, linked, required};
use super::lease_ttl::LeaseTtl;
use super::pending::PendingCredential;
use super::report::{CheckContext, Report};
use super::revoke::{delete, is_new};
use crate::atlas::{
    Atlas, DatabaseUsername, IdError, Kept, MOST_DATABASE_USERS, NewDatabaseUser, OrgId,
    OwnDatabaseUser, Priority, ProjectId, RequestBudget, SIGN_IN_DATABASE,
};
use crate::base::{Sensitive, base62};
use crate::engine::Engine;
use crate::engine::entries::{CredentialType, RoleEntry};
use crate::engine::error::EngineError;
use crate::engine::journal::{Owner, State};
use crate::engine::names::RoleName;
use crate::engine::resource::Resource;
use crate::framework::{Faults, Field, LeaseCall};
use crate::vault::{Data, Response};

/// The longest that a lease may run until it is renewed: Atlas takes an end within a week.
/// Source: Atlas API, `deleteAfterDate`.
const LONGEST_LEASE: Duration = Duration::from_hours(6 * 24);
/// From the end of a lease to where Atlas deletes its user by itself. A lease begins with the answer, and the
/// server tries a failing revocation again for some minutes.
const DELETED_AFTER: Duration = Duration::from_hours(1);
/// From so many users of a project on it is told how many there are.
const MANY_USERS: usize = 90;
/// Characters of a password that is made here: 190 bits.
const PASSWORD: usize = 32;
/// The shortest that Atlas takes. Source: Atlas API, `CloudDatabaseUser`.
const SHORTEST_PASSWORD: usize = 8;
/// So many names are drawn where one is taken.
const MOST_NAMES: u32 = 3;

/// The type.
pub(super) struct DatabaseUser;

#[async_trait]
impl CredentialKind for DatabaseUser {
    fn credential_type(&self) -> CredentialType {
        CredentialType::DatabaseUser
    }

    /// For the user's description, of at most 100 characters. Source: Atlas API, `CloudDatabaseUser`.
    /// It is the name too, if the role has no template, and a dot is no letter of those that Atlas names.
    fn fitted(&self, role: &RoleName) -> String {
        role.fitted(73, |c| c.is_ascii_alphanumeric() || "-_".contains(c))
    }

    fn grant(&self, role: &RoleEntry, faults: &mut Faults) -> Option<Grant> {
        grant::grant(role, faults)
    }

    fn bounded(&self, life: LeaseTtl, elapsed: Duration) -> LeaseTtl {
        life.until_next_renewal(LONGEST_LEASE, elapsed)
    }

    /// Atlas deletes it by itself.
    fn outlives_lease(&self) -> bool {
        false
    }

    async fn check(
        &self,
        context: &CheckContext<'_>,
        grant: &Grant,
        report: &mut Report,
    ) -> Result<(), EngineError> {
        match (&grant.project, &grant.database) {
            (Some(project), Some(database)) => {
                check::check(context, project, database, report).await
            }
            _ => Ok(()),
        }
    }

    fn has_access_list(&self) -> bool {
        false
    }

    /// A user is deleted in its project.
    fn ends_in_organization(&self) -> bool {
        false
    }

    /// Source: Atlas API, `createDatabaseUser`, but for the role of stream processing, which is seldom meant.
    fn project_managers(&self) -> &'static [(&'static str, &'static str)] {
        &[
            ("Project Owner", "GROUP_OWNER"),
            (
                "Project Database Access Admin",
                "GROUP_DATABASE_ACCESS_ADMIN",
            ),
        ]
    }

    async fn issue(&self, granted: Granted<'_>) -> Result<Response, EngineError> {
        let mut pending = PendingCredential::begin(self, granted, Owner::Lease).await?;
        let made = create(&mut pending, granted.name).await;
        pending.finish(self, granted, made, answer).await
    }

    fn answer_fields(&self) -> Vec<Field> {
        vec![
            Field::text("username").about("Name of a database user."),
            Field::text("password")
                .about("Password of a database user.")
                .sensitive(),
            Field::text("database")
                .about("Database at which a database user signs in (authSource)."),
        ]
    }

    /// Each renewal moves it.
    async fn ends_at(
        &self,
        _: &Engine,
        _: &LeaseCall,
    ) -> Result<Option<DateTime<Utc>>, EngineError> {
        Ok(None)
    }

    async fn prolong(
        &self,
        engine: &Engine,
        call: &LeaseCall,
        length: Duration,
    ) -> Result<(), EngineError> {
        let linked = linked(engine, call).await?;
        let project: ProjectId = required(call, "project_id")?;
        let user = own_user(call)?;
        // Revocations come first.
        let budget = RequestBudget {
            priority: Priority::Rotate,
            ..budget(call)
        };
        let kept = linked
            .atlas
            .keep_database_user(&project, &user, length + DELETED_AFTER, budget)
            .await
            .map_err(|error| {
                EngineError::atlas("moving the end that Atlas has set the database user", error)
            })?;
        match kept {
            Kept::Until => Ok(()),
            Kept::Gone if is_new(engine, call).await? => Err(EngineError::NotProvedGone),
            Kept::Gone => Err(EngineError::DatabaseUserGone(user.username)),
        }
    }

    async fn revoke(&self, engine: &Engine, call: &LeaseCall) -> Result<Revoked, EngineError> {
        let made = Resource::DatabaseUser(
            required(call, "organization_id")?,
            required(call, "project_id")?,
            own_user(call)?,
        );
        delete(engine, call, &made).await
    }
}

/// The user of a lease.
fn own_user(call: &LeaseCall) -> Result<OwnDatabaseUser, EngineError> {
    Ok(OwnDatabaseUser {
        username: required(call, "database_username")?,
        tag: required(call, "description")?,
    })
}

/// When Atlas is to delete the user of a lease that runs so long from now, in Atlas's time.
fn deleted_at(atlas: &Atlas, length: Duration) -> DateTime<Utc> {
    let now = atlas.atlas_now();
    let length = TimeDelta::from_std(length + DELETED_AFTER).unwrap_or(TimeDelta::zero());
    now.checked_add_signed(length).unwrap_or(now)
}

/// What was made, and where.
struct Made {
    user: DatabaseUsername,
    password: Sensitive,
    project: ProjectId,
    org: OrgId,
}

async fn create(pending: &mut PendingCredential, role: &RoleName) -> Result<Made, EngineError> {
    let (Some(project), Some(grant)) = (
        pending.grant.project.clone(),
        pending.grant.database.clone(),
    ) else {
        let unnamed = format!("role {role} names no project");
        return Err(EngineError::BadInput(unnamed));
    };
    let password = password(&pending.engine, &grant.password_policy).await?;
    // Should the project be gone one day, the user is, if it is that organization which does not know it.
    let org = pending.organization().await?;
    pending.entry.organization_id = Some(org.clone());
    let alive = count(pending, &project).await?;
    let mut new = NewDatabaseUser {
        user: OwnDatabaseUser {
            username: name(pending, role, &grant)?,
            tag: pending.entry.description.clone(),
        },
        password,
        roles: grant.roles.clone(),
        scopes: grant.scopes.clone(),
        made_at: pending.engine.clock.now(),
        ends_at: deleted_at(&pending.atlas, pending.life.length()),
    };
    make(pending, role, &org, &project, &grant, &mut new, alive).await?;
    if !grant.wait.is_zero() {
        // Should the process end while it waits, the next one knows what was made.
        pending.record(State::Pending).await?;
        let warnings = wait::until_known(pending, &project, &grant).await?;
        pending.warnings.extend(warnings);
    }
    if alive + 1 >= MANY_USERS {
        pending.warnings.push(format!(
            "project {project} has {} database users with this one; Atlas allows {MOST_DATABASE_USERS}, \
             unless its support allows more",
            alive + 1
        ));
    }
    Ok(Made {
        user: new.user.username,
        password: new.password,
        project,
        org,
    })
}

/// Makes the user, under another name where one is taken.
async fn make(
    pending: &mut PendingCredential,
    role: &RoleName,
    org: &OrgId,
    project: &ProjectId,
    grant: &DatabaseGrant,
    new: &mut NewDatabaseUser,
    alive: usize,
) -> Result<(), EngineError> {
    let mut names = 1;
    let shown = loop {
        pending.sent = true;
        let made = pending
            .atlas
            .create_database_user(project, new, pending.budget)
            .await;
        match made {
            Ok(shown) => break shown,
            Err(error) if error.says_too_many_users() => {
                return Err(EngineError::TooManyDatabaseUsers {
                    project: project.clone(),
                    alive,
                });
            }
            Err(error) if error.says_name_taken() && grant.template.is_some() => {
                let taken = std::mem::replace(&mut new.user.username, name(pending, role, grant)?);
                names += 1;
                if taken == new.user.username {
                    return Err(EngineError::UsernameTaken {
                        username: taken,
                        source: error,
                    });
                }
                if names > MOST_NAMES {
                    return Err(EngineError::atlas("creating the database user", error));
                }
            }
            Err(error) => return Err(EngineError::atlas("creating the database user", error)),
        }
    };
    if shown.username().as_ref() == Some(&new.user.username) {
        // From here on it is known by its name, so that one with other rights is removed for certain.
        let made = Resource::DatabaseUser(org.clone(), project.clone(), new.user.clone());
        pending.entry.note(&made);
    }
    let shown = shown.shows(new);
    shown.map_err(|error| EngineError::atlas("creating the database user", error))
}

/// How many users the project has. Whoever may not see that could not delete one either: only what is seen is
/// known to be ours.
async fn count(pending: &PendingCredential, project: &ProjectId) -> Result<usize, EngineError> {
    let listed = pending
        .atlas
        .list_database_users(project, pending.budget)
        .await;
    let listed = listed
        .map_err(|error| EngineError::atlas("listing the project's database users", error))?;
    Ok(listed.len())
}

/// A name by the role's template; without one, that of its journal entry, which nobody else has.
fn name(
    pending: &PendingCredential,
    role: &RoleName,
    grant: &DatabaseGrant,
) -> Result<DatabaseUsername, EngineError> {
    let unfit = |reason: String| {
        EngineError::BadInput(format!(
            "username_template of role {role} gives no name that Atlas takes: {reason}"
        ))
    };
    let text = match &grant.template {
        None => pending.entry.description.clone(),
        Some(template) => {
            let context = Context {
                display_name: &pending.entry.display_name,
                role_name: &role.to_string(),
                now: pending.engine.clock.now(),
                entropy: &*pending.engine.entropy,
            };
            let text = template.render(&context);
            text.map_err(|error| unfit(error.to_string()))?
        }
    };
    text.parse()
        .map_err(|error: IdError| unfit(error.to_string()))
}

/// A new password, by the server's policy of that name if one is given.
async fn password(engine: &Engine, policy: &str) -> Result<Sensitive, EngineError> {
    if policy.is_empty() {
        return Ok(Sensitive::new(base62(&*engine.entropy, PASSWORD)));
    }
    let made = engine.system.password_of(policy).await;
    let made = made.map_err(|error| {
        if !error.refused {
            return EngineError::SystemView(error);
        }
        EngineError::BadInput(format!(
            "password_policy: {error}; is there a policy {policy:?} under sys/policies/password/?"
        ))
    })?;
    if made.expose().chars().count() < SHORTEST_PASSWORD {
        return Err(EngineError::BadInput(format!(
            "password_policy: policy {policy:?} gives a password of less than {SHORTEST_PASSWORD} \
             characters, which Atlas does not take"
        )));
    }
    Ok(made)
}

fn answer(pending: &PendingCredential, made: &Made) -> Issued {
    let data = Data::from_iter([
        ("username".to_owned(), json!(made.user)),
        ("password".to_owned(), json!(made.password.expose())),
        ("database".to_owned(), json!(SIGN_IN_DATABASE)),
        ("organization_id".to_owned(), json!(made.org)),
        ("project_id".to_owned(), json!(made.project)),
    ]);
    let internal = Data::from_iter([
        ("database_username".to_owned(), json!(made.user)),
        ("description".to_owned(), json!(pending.entry.description)),
        ("organization_id".to_owned(), json!(made.org)),
        ("project_id".to_owned(), json!(made.project)),
    ]);
    Issued { data, internal }
}

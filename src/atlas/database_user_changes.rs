//! Database users who are there: prolong, delete, prove gone.
//!
//! A user is known to Atlas by its name alone, and a name is free again the moment its user is gone. So who
//! has the name is looked at before each request that changes or deletes, also where one is sent again:
//! the one before may have taken effect, and somebody else have the name by now.

use std::time::Duration;

use chrono::{DateTime, SubsecRound as _, TimeDelta, Utc};

use crate::base::Rfc3339;

use super::api_keys::{Deletion, mismatch};
use super::call::{Call, RequestBudget};
use super::client::{Atlas, Tried, parsed};
use super::database_users::{
    Content, DatabaseUser, OwnDatabaseUser, SET, SIGN_IN_DATABASE, user_path,
};
use super::endpoints::Scope;
use super::error::AtlasError;
use super::hidden::Hidden;
use super::ids::ProjectId;
use super::presence::{Presence, after_look_in_project};
use super::retry::Tries;

const READ: &str = "getDatabaseUser";
const UPDATE: &str = "updateDatabaseUser";
const DELETE: &str = "deleteDatabaseUser";

/// Whether a user lives as long as was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kept {
    /// It does, as Atlas has shown.
    Until,
    /// It is gone, or another has its name.
    Gone,
}

/// Who has the name of a user.
enum Holder {
    /// The user itself.
    Itself(DatabaseUser),
    /// Not the user, as Atlas shows it at this moment, which proves nothing; and what is to be told where it
    /// is there all the same.
    Another(AtlasError),
    /// Nobody that Atlas shows.
    Nobody(AtlasError),
}

impl Atlas {
    async fn holder(
        &self,
        project: &ProjectId,
        user: &OwnDatabaseUser,
        budget: RequestBudget,
    ) -> Result<Holder, AtlasError> {
        match self.database_user(project, &user.username, budget).await {
            Ok(seen) if seen.is(user) => Ok(Holder::Itself(seen)),
            Ok(seen) => {
                if !seen.is_marked() {
                    // A person's; or ours, from which a person has taken the labels.
                    tracing::warn!(
                        username = user.username.as_str(),
                        %project,
                        description = user.tag,
                        "database user of a lease's name lacks the engine's label; it is left alone"
                    );
                }
                Ok(Holder::Another(mismatch(READ)))
            }
            Err(error) if error.may_say_unknown() => Ok(Holder::Nobody(error)),
            Err(error) => Err(error),
        }
    }

    /// Has Atlas keep a user for so long from now at the least, in Atlas's time. What it may do and reach stays
    /// as Atlas shows it at that moment, and an end that is later as well. Success is what Atlas has shown.
    ///
    /// Source: Atlas API `updateDatabaseUser`.
    pub(crate) async fn keep_database_user(
        &self,
        project: &ProjectId,
        user: &OwnDatabaseUser,
        life: Duration,
        budget: RequestBudget,
    ) -> Result<Kept, AtlasError> {
        let mut tries = Tries::default();
        let mut until = None;
        loop {
            let seen = match self.holder(project, user, budget).await? {
                Holder::Itself(seen) => seen,
                Holder::Another(error) | Holder::Nobody(error) => {
                    return match self.listed_presence(project, user, budget).await? {
                        Presence::Gone => Ok(Kept::Gone),
                        Presence::Present => Err(error),
                    };
                }
            };
            // Atlas has told its time by now.
            let until = *until.get_or_insert_with(|| end(self.atlas_now(), life));
            if lives(&seen, until) {
                return Ok(Kept::Until);
            }
            let call = update(project, user, &seen, until);
            match self.send_once(&call, &mut tries, budget).await {
                Ok(answer) => {
                    let kept: DatabaseUser = parsed(UPDATE, &answer)?;
                    let is_it = kept.is(user) && kept.may(&seen.roles, &seen.scopes);
                    return if is_it && lives(&kept, until) {
                        Ok(Kept::Until)
                    } else {
                        Err(mismatch(UPDATE))
                    };
                }
                Err(Tried::Again(_)) => {}
                Err(Tried::Last(error)) => return Err(error),
            }
        }
    }

    /// Deletes a user, unless its name is another's by now: then it is gone.
    /// Source: Atlas API `deleteDatabaseUser`.
    ///
    /// No code is documented for one that is not there: after a 404 or 400, or a delete of unknown outcome,
    /// it counts as gone once two lists lack it; as deleted, if it was shown before. A project that is gone
    /// is an error: whether that is proof, the caller knows.
    pub(crate) async fn delete_database_user(
        &self,
        project: &ProjectId,
        user: &OwnDatabaseUser,
        budget: RequestBudget,
    ) -> Result<Deletion, AtlasError> {
        let path = user_path(project, &user.username);
        let call = Call::delete(DELETE, &path, SET, Scope::Project(project.clone()));
        let mut tries = Tries::default();
        let (mut was_shown, mut may_have_deleted, mut unknown_outcome) = (false, false, None);
        let left = loop {
            let holder = match self.holder(project, user, budget).await {
                Ok(holder) => holder,
                Err(gone) if gone.says_project_is_gone() => return Err(gone),
                Err(error) => return Err(unknown_outcome.unwrap_or(error)),
            };
            match holder {
                Holder::Itself(_) => was_shown = true,
                // Atlas may delete what it does not show yet, and nobody else is hit.
                Holder::Nobody(_) if user.has_own_name() => {}
                Holder::Another(error) | Holder::Nobody(error) => {
                    break unknown_outcome.unwrap_or(error);
                }
            }
            match self.send_once(&call, &mut tries, budget).await {
                Ok(_) => return Ok(Deletion::Deleted),
                Err(Tried::Again(error)) => {
                    if error.may_have_taken_effect() {
                        unknown_outcome = Some(error);
                    }
                }
                Err(Tried::Last(error)) if error.outcome_unknown() || error.may_say_unknown() => {
                    may_have_deleted |= error.outcome_unknown();
                    break error;
                }
                Err(Tried::Last(error)) => return Err(unknown_outcome.unwrap_or(error)),
            }
            may_have_deleted |= unknown_outcome.is_some();
        };
        let look = self.listed_presence(project, user, budget).await;
        // A delete that Atlas refused deleted nothing, whatever it showed before.
        let may_be_ours = was_shown && may_have_deleted;
        let deletion = after_look_in_project(left, look)?;
        Ok(if may_be_ours {
            Deletion::Deleted
        } else {
            deletion
        })
    }

    /// What Atlas shows of a user; [`None`]: it does not know it, or knows another of its name, which is half a
    /// proof that it is gone. Source: Atlas API `getDatabaseUser`.
    pub(crate) async fn see_database_user(
        &self,
        project: &ProjectId,
        user: &OwnDatabaseUser,
        budget: RequestBudget,
    ) -> Result<Option<Presence>, AtlasError> {
        Ok(match self.holder(project, user, budget).await? {
            Holder::Itself(_) => Some(Presence::Present),
            Holder::Another(_) | Holder::Nobody(_) => None,
        })
    }

    async fn listed_presence(
        &self,
        project: &ProjectId,
        user: &OwnDatabaseUser,
        budget: RequestBudget,
    ) -> Result<Presence, AtlasError> {
        let sought = vec![user.clone()];
        let unlisted = self.unlisted_database_users(project, sought, budget);
        Ok(if unlisted.await?.is_empty() {
            Presence::Present
        } else {
            Presence::Gone
        })
    }

    /// Those of `sought` that two complete lists do not show. Only for users that Atlas does not know.
    /// Source: Atlas API `listDatabaseUsers`.
    pub(crate) async fn unlisted_database_users(
        &self,
        project: &ProjectId,
        mut sought: Vec<OwnDatabaseUser>,
        budget: RequestBudget,
    ) -> Result<Vec<OwnDatabaseUser>, AtlasError> {
        let mut looks = self.looks(budget);
        while !sought.is_empty() && looks.next().await? {
            let listed = self.list_database_users(project, budget).await?;
            sought.retain(|user| !listed.iter().any(|each| each.is(user)));
        }
        Ok(sought)
    }
}

/// The end of a life in whole seconds, as Atlas keeps it.
fn end(now: DateTime<Utc>, life: Duration) -> DateTime<Utc> {
    let life = TimeDelta::from_std(life).unwrap_or(TimeDelta::zero());
    let rounded_up = life + TimeDelta::milliseconds(999);
    let end = now.checked_add_signed(rounded_up).unwrap_or(now);
    end.trunc_subsecs(0)
}

fn lives(user: &DatabaseUser, until: DateTime<Utc>) -> bool {
    user.delete_after_date.is_some_and(|at| at >= until)
}

/// Atlas wants all of a user: what is not to change, as it was shown just now.
fn update(
    project: &ProjectId,
    user: &OwnDatabaseUser,
    seen: &DatabaseUser,
    until: DateTime<Utc>,
) -> Call {
    let content = Content {
        group_id: project,
        database_name: SIGN_IN_DATABASE,
        username: &user.username,
        password: None,
        roles: &seen.roles,
        scopes: &seen.scopes,
        description: &seen.description,
        labels: &seen.labels,
        delete_after_date: Rfc3339(until),
    };
    let path = user_path(project, &user.username);
    let scope = Scope::Project(project.clone());
    let content = content.into_bytes();
    Call::patch_once(UPDATE, &path, SET, scope, content, Hidden::NOTHING).repeatable()
}

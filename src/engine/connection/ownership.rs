//! Whether the configured credential may delete what it makes: only an Organization Owner may.
//!
//! A configuration that was stored unseen, or that the Go engine wrote, says nothing of it. So Atlas is
//! asked once before something is made: what could never be deleted again is not made at all.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::timeout_at;

use super::identity::identify;
use super::linked::ConfiguredClient;
use crate::atlas::{AtlasError, RequestBudget};
use crate::base::Clock;
use crate::engine::error::EngineError;

/// How long an answer other than yes is believed: somebody may be giving the role right now.
const ASKED_AGAIN_AFTER: Duration = Duration::from_mins(1);

/// What is known of one credential.
#[derive(Debug, Default)]
pub(crate) struct Ownership {
    seen: Mutex<Seen>,
    /// Held while Atlas is asked, so that all who wait for it share one answer.
    asking: tokio::sync::Mutex<()>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Seen {
    /// Atlas was not asked, or refused a deletion since.
    #[default]
    Unknown,
    /// Kept until Atlas refuses a deletion.
    Owner,
    /// Atlas said no, or did not say; asked at this moment of the monotonic clock.
    Other { rights: Rights, at: Duration },
}

/// What Atlas says of the credential.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rights {
    /// It may delete what it makes.
    MayDelete,
    /// It may not.
    MayNotDelete,
    /// Atlas does not say.
    Untold,
}

impl Rights {
    fn of_owner(is_owner: Option<bool>) -> Self {
        match is_owner {
            Some(true) => Self::MayDelete,
            Some(false) => Self::MayNotDelete,
            None => Self::Untold,
        }
    }
}

impl Ownership {
    /// What was seen when the configuration was stored, believed as if it were seen at `now` of the
    /// monotonic clock.
    pub(crate) fn of_stored(owner: Option<bool>, now: Duration) -> Self {
        let seen = match owner {
            Some(true) => Seen::Owner,
            Some(false) => Seen::Other {
                rights: Rights::MayNotDelete,
                at: now,
            },
            None => Seen::Unknown,
        };
        Self {
            seen: Mutex::new(seen),
            asking: tokio::sync::Mutex::default(),
        }
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What Atlas answered to a deletion. Refused for want of a right: the role was taken away, or the
    /// access list does not admit this server. Atlas is asked before the next is made.
    pub(crate) fn learn_from(&self, error: &AtlasError) {
        let mut seen = self.seen();
        if *seen == Seen::Owner && error.says_forbidden() {
            *seen = Seen::Unknown;
        }
    }

    fn known(&self, now: Duration) -> Option<Rights> {
        match *self.seen() {
            Seen::Unknown => None,
            Seen::Owner => Some(Rights::MayDelete),
            Seen::Other { rights, at } => {
                (now.saturating_sub(at) < ASKED_AGAIN_AFTER).then_some(rights)
            }
        }
    }
}

/// Whether the credential may delete what it makes.
pub(crate) async fn rights(
    linked: &ConfiguredClient,
    clock: &dyn Clock,
    budget: RequestBudget,
) -> Result<Rights, EngineError> {
    let ownership = &linked.ownership;
    if let Some(known) = ownership.known(clock.monotonic()) {
        return Ok(known);
    }
    let asking = timeout_at(budget.deadline, ownership.asking.lock()).await;
    let _asking = asking.map_err(|_| EngineError::Busy {
        what: "the check of the configured credential's rights".to_owned(),
    })?;
    if let Some(known) = ownership.known(clock.monotonic()) {
        return Ok(known);
    }
    // A service account is looked up in its organization; an API key tells it by itself.
    let org = match (&linked.client_id, &linked.organization_id) {
        (Some(_), None) => Some(linked.own_organization(budget).await?),
        (_, org) => org.clone(),
    };
    let identity = identify(linked, org.as_ref(), budget).await;
    let identity = identity.map_err(|error| {
        EngineError::atlas(
            "asking Atlas whether the configured credential could delete what it makes",
            error,
        )
    })?;
    let rights = Rights::of_owner(identity.is_owner());
    *ownership.seen() = match rights {
        Rights::MayDelete => Seen::Owner,
        rights => Seen::Other {
            rights,
            at: clock.monotonic(),
        },
    };
    Ok(rights)
}

/// Fails where the credential could not delete what it makes. Nothing was made then.
pub(crate) async fn require(
    linked: &ConfiguredClient,
    clock: &dyn Clock,
    budget: RequestBudget,
) -> Result<(), EngineError> {
    match rights(linked, clock, budget).await? {
        Rights::MayNotDelete => Err(EngineError::CannotRemove),
        Rights::MayDelete | Rights::Untold => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use futures_util::future::join_all;
    use serde_json::{Value, json};

    use crate::engine::testing::TestMount;
    use crate::vault::{Failure, Operation, Secret};

    /// A mount whose configuration holds a key with these roles of the organization and of a project,
    /// stored unseen.
    async fn mount_with_key(org_roles: Value, project_roles: Value) -> (TestMount, String) {
        let mount = TestMount::new().await;
        let key = json!({
            "org_id": mount.atlas.org(), "desc": "seed", "org_roles": org_roles,
            "project_roles": {mount.atlas.project(0): project_roles},
        });
        let key = mount.atlas.control("POST", "/keys", key).await;
        let mut config = mount.atlas.key_config();
        config["public_key"] = key["public_key"].clone();
        config["private_key"] = key["private_key"].clone();
        config["organization_id"] = json!(mount.atlas.org());
        config["verify_connection"] = json!(false);
        mount.write("config", config).await.expect("stored unseen");
        let role = json!({
            "project_id": mount.atlas.project(0), "roles": "GROUP_READ_ONLY",
        });
        mount.write("roles/reader", role).await.expect("a role");
        mount.atlas.forget_requests().await;
        let id = key["id"].as_str().expect("an id").to_owned();
        (mount, id)
    }

    async fn assert_refused(mount: &TestMount) {
        let refused = mount.read("creds/reader").await;
        assert!(
            matches!(&refused, Err(Failure::BadRequest(text)) if text.contains("Organization Owner")),
            "{refused:?}"
        );
        assert_eq!(mount.atlas.credentials().await, Vec::<String>::new());
        assert_eq!(mount.journal_keys(), Vec::<String>::new());
    }

    async fn looks(mount: &TestMount) -> Value {
        mount.atlas.operations().await["getSystemStatus"].clone()
    }

    #[tokio::test]
    async fn a_project_owner_makes_nothing_that_it_could_not_delete() {
        let (mount, _) = mount_with_key(json!([]), json!(["GROUP_OWNER"])).await;
        let together = (0..5).map(|_| assert_refused(&mount));
        join_all(together).await;
        assert_eq!(looks(&mount).await, 1, "asked once for all");
        mount.advance(Duration::from_secs(59)).await;
        assert_refused(&mount).await;
        assert_eq!(looks(&mount).await, 1);
        mount.advance(Duration::from_secs(2)).await;
        assert_refused(&mount).await;
        assert_eq!(looks(&mount).await, 2, "a no is asked again after a minute");
    }

    #[tokio::test]
    async fn an_owner_is_asked_for_once() {
        let (mount, _) = mount_with_key(json!(["ORG_OWNER"]), json!([])).await;
        for _ in 0..3 {
            mount.issue("reader").await;
            mount.advance(Duration::from_mins(2)).await;
        }
        assert_eq!(looks(&mount).await, 1);
    }

    #[tokio::test]
    async fn a_yes_ends_when_a_deletion_is_refused() {
        let (mount, _) = mount_with_key(json!(["ORG_OWNER"]), json!([])).await;
        let (_, lease) = mount.issue("reader").await;
        let refusal = json!({
            "operation": "deleteOrgApiKey",
            "action": {"kind": "answer", "status": 403, "code": "USER_UNAUTHORIZED"},
        });
        mount.atlas.fault(refusal).await;
        mount.revoke(&lease).await.expect_err("refused");
        mount.issue("reader").await;
        assert_eq!(looks(&mount).await, 2);
    }

    /// A lease of the Go engine, which works with a Project Owner's key.
    #[tokio::test]
    async fn a_lease_of_a_project_owner_ends_in_its_project_and_is_deleted_by_an_owner() {
        let mut mount = TestMount::new().await;
        let project = mount.atlas.project(0).to_owned();
        let owner = json!({
            "org_id": mount.atlas.org(), "desc": "seed", "org_roles": [],
            "project_roles": {project.clone(): ["GROUP_OWNER"]},
        });
        let owner = mount.atlas.control("POST", "/keys", owner).await;
        let mut config = mount.atlas.key_config();
        for part in ["public_key", "private_key"] {
            config[part] = owner[part].clone();
        }
        mount.take_over(config).await;
        let key = json!({
            "org_id": mount.atlas.org(), "desc": "vault-reader-x", "org_roles": ["ORG_MEMBER"],
            "project_roles": {project.clone(): ["GROUP_READ_ONLY"]},
        });
        let key = mount.atlas.control("POST", "/keys", key).await;
        let internal = json!({
            "secret_type": "programmatic_api_key", "programmatic_api_key_id": key["id"],
            "project_id": project, "organization_id": "", "role": "reader",
        });
        let lease = Secret {
            internal_data: internal.as_object().cloned().expect("an object"),
            ..Secret::default()
        };
        for _ in 0..2 {
            mount.revoke(&lease).await.expect("ended in the project");
        }
        let state = mount.atlas.state().await;
        let keys = state["keys"].as_array().expect("keys");
        let left = keys.iter().find(|each| each["id"] == key["id"]);
        let left = left.expect("it cannot be deleted");
        assert_eq!(left["project_roles"], json!({}), "{left}");
        let [stored] = mount.journal_keys().try_into().expect("one entry");
        let shown = TestMount::data(mount.read(&stored).await);
        assert_eq!(shown["state"], "pending");
        assert_eq!(shown["programmatic_api_key_id"], key["id"]);
        assert!(shown["pending_deletion_since"].is_string());
        mount.tick_for(10).await;
        assert_eq!(mount.journal_keys(), [stored], "it rests");
        assert_eq!(mount.figure("entries", "pending").await, 1);
        let kept = mount.ask(Operation::Delete, "config", json!({})).await;
        assert!(kept.is_err(), "the entry needs a configuration");
        let owner = mount.atlas.key_config();
        mount.write("config", owner).await.expect("an owner");
        mount.tick_for(20).await;
        assert_eq!(mount.atlas.credentials().await, Vec::<String>::new());
        assert_eq!(mount.journal_keys(), Vec::<String>::new());
    }
}

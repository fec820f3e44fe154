//! The end of a lease whose credential the configured one may not delete: a Project Owner can make a key
//! in its project and take it out again, but only an Organization Owner deletes it.
//!
//! Nothing of the kind is made here. It is for leases of the Go engine, which works with such a key, and
//! of configurations that were stored unseen.

use super::kind::CredentialKind;
use super::lease::{budget, internal, journal_id};
use crate::atlas::{OrgId, ProjectId, RequestBudget};
use crate::engine::Engine;
use crate::engine::connection::ConfiguredClient;
use crate::engine::connection::ownership::{Rights, rights};
use crate::engine::error::EngineError;
use crate::engine::journal::{JournalEntry, State};
use crate::engine::names::JournalId;
use crate::engine::origin::BoundTo;
use crate::engine::resource::Resource;
use crate::framework::LeaseCall;

/// Takes the credential out of its project, as the Go engine does, once an entry in the journal shows
/// what is left and has it deleted by a credential that may. `refused`: why it was not deleted.
pub(super) async fn end_in_project(
    kind: &dyn CredentialKind,
    engine: &Engine,
    call: &LeaseCall,
    linked: &ConfiguredClient,
    made: &Resource,
    refused: EngineError,
) -> Result<(), EngineError> {
    let Some(project) = internal::<ProjectId>(call, "project_id")? else {
        return Err(refused);
    };
    let Some(projects) = reach(engine, call, project.clone()).await? else {
        return Err(refused);
    };
    let budget = budget(call);
    if rights(linked, &*engine.clock, budget).await? != Rights::MayNotDelete {
        return Err(refused);
    }
    let id = leave_in_journal(kind, engine, call, &project, made).await?;
    for project in &projects {
        take_out(linked, project, made, budget).await?;
    }
    tracing::warn!(
        journal_id = %id,
        %project,
        "the configured credential may not delete this API key: it was removed from its project, \
         and will be deleted once an Organization Owner is configured"
    );
    Ok(())
}

/// The projects out of which the credential has to be taken to be of no use; [`None`] if it would be of
/// use all the same, or nobody knows: one that was made in the organization has roles there too.
async fn reach(
    engine: &Engine,
    call: &LeaseCall,
    project: ProjectId,
) -> Result<Option<Vec<ProjectId>>, EngineError> {
    let Some(id) = journal_id(call) else {
        // The Go engine names the organization of what it made there alone.
        let org = internal::<OrgId>(call, "organization_id")?;
        return Ok(org.is_none().then(|| vec![project]));
    };
    let entry = engine.journal.entry(&id).await?;
    let entry = entry.filter(|entry| entry.project_id.as_ref() == Some(&project));
    Ok(entry.map(|entry| [vec![project], entry.further_project_ids].concat()))
}

/// Writes, or changes, the entry by which the periodic run deletes it. The same one however often
/// the host asks.
async fn leave_in_journal(
    kind: &dyn CredentialKind,
    engine: &Engine,
    call: &LeaseCall,
    project: &ProjectId,
    made: &Resource,
) -> Result<JournalId, EngineError> {
    let known = journal_id(call);
    let id = known.unwrap_or_else(|| JournalId::of_go_lease(made.id()));
    let now = engine.clock.now();
    let role = call.internal_text("role").unwrap_or_default();
    let entry = engine.journal.entry(&id).await?;
    let mut entry = match entry {
        Some(entry) => entry,
        None => JournalEntry {
            project_id: Some(project.clone()),
            origin: BoundTo::of_lease(call)?,
            issued_at: call.secret.issue_time.unwrap_or(now),
            ..JournalEntry::begun(role.to_owned(), kind.credential_type(), now)
        },
    };
    entry.state = State::Pending;
    entry.pending_deletion_since.get_or_insert(now);
    entry.note(made);
    engine.journal.write(&id, &entry).await?;
    Ok(id)
}

async fn take_out(
    linked: &ConfiguredClient,
    project: &ProjectId,
    made: &Resource,
    budget: RequestBudget,
) -> Result<(), EngineError> {
    let (atlas, what) = (&linked.atlas, format!("taking it out of project {project}"));
    let outcome = match made {
        Resource::ApiKey(_, id) => {
            let gone = atlas.unassign_api_key_from_project(project, id, budget);
            gone.await
        }
        Resource::ServiceAccount(_, id) => {
            let gone = atlas.remove_service_account_from_project(project, id, budget);
            gone.await
        }
        // All else ends where it was made.
        _ => return Ok(()),
    };
    match outcome {
        Err(error) if error.says_project_is_gone() => Ok(()),
        outcome => outcome
            .map(drop)
            .map_err(|error| EngineError::atlas(&what, error)),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use crate::engine::testing::TestMount;
    use crate::vault::Secret;

    /// A credential that an Organization Owner made from this role, and a Project Owner's key that is the
    /// mount's since.
    async fn demoted(role: Value, owned: &[usize]) -> (TestMount, Secret, String) {
        let mount = TestMount::configured().await;
        mount
            .write("roles/reader", role_at(&mount, &role))
            .await
            .expect("a role");
        let (data, lease) = mount.issue("reader").await;
        let mut projects = json!({});
        for number in owned {
            projects[mount.atlas.project(*number)] = json!(["GROUP_OWNER"]);
        }
        let key = json!({
            "org_id": mount.atlas.org(), "desc": "seed", "org_roles": [], "project_roles": projects,
        });
        let key = mount.atlas.control("POST", "/keys", key).await;
        let mut config = mount.atlas.key_and_organization();
        for part in ["public_key", "private_key"] {
            config[part] = key[part].clone();
        }
        config["verify_connection"] = json!(false);
        mount.write("config", config).await.expect("stored unseen");
        let public_key = data["public_key"].as_str().expect("a key").to_owned();
        (mount, lease, public_key)
    }

    /// The role with its places filled in.
    fn role_at(mount: &TestMount, role: &Value) -> Value {
        let text = role
            .to_string()
            .replace("O0", mount.atlas.org())
            .replace("P0", mount.atlas.project(0))
            .replace("P1", mount.atlas.project(1));
        serde_json::from_str(&text).expect("a role")
    }

    async fn key(mount: &TestMount, public_key: &str) -> Value {
        let state = mount.atlas.state().await;
        let mut keys = state["keys"]
            .as_array()
            .cloned()
            .unwrap_or_default()
            .into_iter();
        let found = keys.find(|key| key["public_key"] == public_key);
        found.expect("it was not deleted")
    }

    /// Out of its project it would still have its roles in the organization, and in its other projects.
    #[tokio::test]
    async fn what_reaches_further_than_its_project_is_not_taken_for_revoked() {
        let in_organization = json!({
            "organization_id": "O0", "project_id": "P0", "roles": "ORG_OWNER",
            "project_roles": "GROUP_READ_ONLY",
        });
        let in_two_projects = json!({
            "project_id": "P0", "roles": "GROUP_READ_ONLY",
            "project_assignments": {"P1": ["GROUP_READ_ONLY"]},
        });
        for role in [in_organization, in_two_projects] {
            let (mount, lease, public_key) = demoted(role, &[0]).await;
            for _ in 0..2 {
                mount.revoke(&lease).await.expect_err("it is of use");
            }
            let key = key(&mount, &public_key).await;
            let roles = [&key["org_roles"], &key["project_roles"]];
            assert_ne!(roles, [&json!([]), &json!({})], "{key}");
            mount
                .write("config", mount.atlas.key_config())
                .await
                .expect("an owner");
            mount.revoke(&lease).await.expect("revoked");
            assert_eq!(mount.atlas.credentials().await, Vec::<String>::new());
            assert_eq!(mount.journal_keys(), Vec::<String>::new());
        }
    }

    #[tokio::test]
    async fn a_key_of_projects_ends_when_it_is_out_of_all_of_them() {
        let role = json!({
            "project_id": "P0", "roles": "GROUP_READ_ONLY",
            "project_assignments": {"P1": ["GROUP_READ_ONLY"]},
        });
        let (mount, lease, public_key) = demoted(role, &[0, 1]).await;
        mount.revoke(&lease).await.expect("out of both");
        let key = key(&mount, &public_key).await;
        assert_eq!(key["project_roles"], json!({}), "{key}");
    }

    /// The Go engine names the organization of what it made there.
    #[tokio::test]
    async fn a_lease_of_the_go_engine_for_an_organizations_key_is_not_ended_in_a_project() {
        let role = json!({
            "organization_id": "O0", "project_id": "P0", "roles": "ORG_MEMBER",
            "project_roles": "GROUP_READ_ONLY",
        });
        let (mut mount, lease, public_key) = demoted(role, &[0]).await;
        let config = mount.storage.value("config");
        let mut config: Value = serde_json::from_slice(&config).expect("JSON");
        // As the Go engine stores it.
        for ours in ["origin", "unverified"] {
            config.as_object_mut().expect("an object").remove(ours);
        }
        mount.take_over(config).await;
        let id = &lease.internal_data["programmatic_api_key_id"];
        let id = id.as_str().expect("an id");
        let lease = mount.go_lease(id, mount.atlas.org(), mount.atlas.project(0));
        let refused = mount.revoke(&lease).await.expect_err("it is of use");
        assert!(
            refused.to_string().contains("deleting API key"),
            "{refused}"
        );
        assert_ne!(key(&mount, &public_key).await["project_roles"], json!({}));
    }

    /// Whatever a gateway makes of the answers, the project itself shows whether the key is out of it.
    #[tokio::test]
    async fn a_key_is_out_of_its_project_by_what_the_project_lists() {
        let role = json!({ "project_id": "P0", "roles": "GROUP_READ_ONLY" });
        for (action, out) in [
            (json!({"kind": "lose_answer"}), true),
            (json!({"kind": "answer", "status": 202}), false),
            (
                json!({"kind": "answer", "status": 404, "code": "RESOURCE_NOT_FOUND"}),
                false,
            ),
        ] {
            let (mount, lease, public_key) = demoted(role.clone(), &[0]).await;
            let fault = json!({"operation": "removeGroupApiKey", "count": 0, "action": action});
            mount.atlas.fault(fault).await;
            let revoked = mount.revoke(&lease).await;
            assert_eq!(revoked.is_ok(), out, "{action}: {revoked:?}");
            let reach = key(&mount, &public_key).await["project_roles"].clone();
            assert_eq!(reach == json!({}), out, "{action}: {reach}");
        }
    }
}

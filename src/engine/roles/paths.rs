//! `roles/` and `roles/<name>`: create, update, patch, read, delete, list.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use super::advice;
use crate::atlas::ClientId;
use crate::engine::account_use::{self, User};
use crate::engine::credentials::{
    DEFAULT_WAIT, Grant, has_own_access_list, retire_account, short_database_roles, short_scopes,
};
use crate::engine::entries::{ANY_SCOPE, CredentialType, RoleEntry};
use crate::engine::error::EngineError;
use crate::engine::keyed_mutex::KeyedGuard;
use crate::engine::names::RoleName;
use crate::engine::{Engine, OPERATION_PREFIX, keys, stored};
use crate::framework::{Call, Display, Faults, Field, Fields, Page, Path, list, merge_patch};
use crate::vault::{Data, Operation, Response};

/// The paths of roles.
pub(crate) fn paths() -> Vec<Path<Engine>> {
    vec![
        Path::new("roles/?")
            .help("List the roles.", "Names of all roles of this mount.")
            .display(Display::operation(OPERATION_PREFIX, "list", "roles"))
            .fields(Page::fields())
            .on(Operation::List, list_roles)
            .summary(Operation::List, "List the roles."),
        Path::new("roles/{name}")
            .help(
                "Manage the roles that credentials are issued from.",
                "A role says what is issued, at which organization or project, with which Atlas \
                 roles, from where it may be used, and for how long. Absent fields keep their \
                 values.",
            )
            .display(Display::operation(OPERATION_PREFIX, "", "role"))
            .fields(fields())
            .exists(exists)
            .on(Operation::Read, read)
            .on_write(write)
            .on(Operation::Patch, write)
            .on(Operation::Delete, delete)
            .summary(Operation::Read, "Read a role.")
            .summary_of_write("Create or update a role.")
            .summary(Operation::Patch, "Change some fields of a role.")
            .summary(Operation::Delete, "Delete a role.")
            .writes_forwarded(),
    ]
}

fn fields() -> Vec<Field> {
    vec![
        Field::lowercase("name")
            .about("Name of the role; case does not matter.")
            .required(),
        Field::text("credential_type")
            .about("What is issued.")
            .one_of(&CredentialType::NAMES)
            .default(CredentialType::NAMES[0]),
        Field::text("organization_id").about(
            "Organization in which the credential is created, with the Atlas roles in \
                    roles.",
        ),
        Field::text("project_id").about(
            "Project in which the credential is created, always so with credential_type \
             ai_model_key and database_user; with organization_id, the project to which it is assigned with \
             project_roles.",
        ),
        Field::comma_texts("roles").about(
            "Atlas roles: ORG_… with organization_id, GROUP_… with project_id alone. Required, \
             except with client_id or credential_type ai_model_key or database_user.",
        ),
        Field::comma_texts("project_roles")
            .about("Atlas roles (GROUP_…) in project_id, when organization_id is given too."),
        Field::map_of_lists("project_assignments")
            .about("Further projects of the organization: project id to list of Atlas roles."),
        Field::comma_texts("ip_addresses")
            .about("Addresses from which the credential may be used, IPv4 or IPv6."),
        Field::comma_texts("cidr_blocks")
            .about("Networks from which the credential may be used, in CIDR notation."),
        Field::boolean("bind_to_caller").refuse_empty_text().about(
            "Whether the address from which a credential is asked for, as the server saw it, joins its \
             access list. For API keys, and for service accounts made for each lease.",
        ),
        Field::text("client_id").about(
            "Existing service account, for credential_type service_account: each lease is a \
             secret of this account, at most two at a time, instead of a new account. \
             organization_id, or project_id alone, says where the account is managed; its roles, \
             projects and access list are not changed.",
        ),
        Field::text("cloud").about(
            "For credential_type ai_model_key: the cloud provider in which the key may be used, as \
             Atlas calls it. ANY if empty.",
        ),
        Field::text("geography").about(
            "For credential_type ai_model_key: the geography in which the key may be used, as Atlas \
             calls it. ANY if empty.",
        ),
        Field::texts_or_objects("database_roles").about(
            "For credential_type database_user, and required there: what a user may do, each as \
             role@database or role@database.collection, or as Atlas's object of roleName, databaseName \
             and collectionName.",
        ),
        Field::texts_or_objects("scopes").about(
            "For credential_type database_user: where a user may sign in, each the name of a cluster, or \
             name:DATA_LAKE or name:STREAM, or Atlas's object of name and type. Everywhere in the \
             project if empty.",
        ),
        Field::seconds("wait").refuse_empty_text().about(
            "For credential_type database_user: how long creds holds a new user back until the clusters \
             know it, at the most; then it answers with a warning. 30s if not given, 0 for not at all.",
        ),
        Field::text("username_template").about(
            "For credential_type database_user: the form of a user's name, as Vault's database engine has \
             it. If empty, vault-<role>-<20 characters>.",
        ),
        Field::text("password_policy").about(
            "For credential_type database_user: the server's password policy (sys/policies/password) by \
             which passwords are made. If empty, 32 letters and digits.",
        ),
        Field::text("database_name")
            .about("Not used; kept for compatibility.")
            .deprecated(),
        Field::seconds("ttl").about("Lease time; 0 means the mount's default."),
        Field::seconds("max_ttl").about(
            "Maximum lease time with all renewals, counted from the issue; 0 means the \
                    mount's maximum.",
        ),
        Field::int("max_live").refuse_empty_text().about(
            "Maximum number of active credentials of this role, including those being created; \
             beyond it, creds answers 429. 0 means no limit. Credentials issued by the Go engine \
             do not count.",
        ),
    ]
}

fn name(call: &Call) -> RoleName {
    RoleName::new(call.fields.captured("name"))
}

async fn exists(engine: Arc<Engine>, call: Call) -> Result<bool, EngineError> {
    Ok(engine.role(&name(&call)).await?.is_some())
}

async fn list_roles(engine: Arc<Engine>, call: Call) -> Result<Option<Response>, EngineError> {
    let names = Page::of(&call.fields)
        .keys(&*engine.storage, keys::ROLES)
        .await?;
    Ok(Some(list(names)))
}

async fn read(engine: Arc<Engine>, call: Call) -> Result<Option<Response>, EngineError> {
    let role = engine.role(&name(&call)).await?;
    Ok(role.map(|role| Response::data(shown(&role))))
}

/// Deletes a role. It is marked first, so that whoever issues from it ends: nothing is handed out
/// after the answer. Waits for a write of the same role, and for nothing that waits for Atlas.
async fn delete(engine: Arc<Engine>, call: Call) -> Result<Option<Response>, EngineError> {
    let name = name(&call);
    let _mark = engine.role_uses.delete(&name);
    let _lock = writing(&engine, &name, &call).await?;
    engine.storage.delete(&keys::role(&name)).await?;
    retire_account(&engine, &name).await?;
    Ok(None)
}

/// The right to write or delete a role. Of two partial writes at once none undoes the other, and none
/// brings back what was deleted meanwhile.
async fn writing(engine: &Engine, name: &RoleName, call: &Call) -> Result<KeyedGuard, EngineError> {
    let guard = engine.role_writes.wait(name, call.caller.deadline).await;
    guard.ok_or_else(|| EngineError::Busy {
        what: format!("role {name}"),
    })
}

async fn write(engine: Arc<Engine>, call: Call) -> Result<Option<Response>, EngineError> {
    let name = name(&call);
    let (Change { before, role, .. }, guards) = take_change(&engine, &name, &call).await?;
    let saved = stored::save(&*engine.storage, keys::role(&name), &role, false).await;
    // What failed may have been stored all the same.
    engine.role_uses.written(&name);
    saved?;
    drop(guards);
    let mut warnings = advice::warnings(&role);
    warnings.extend(advice::emptied_access_list(&call.fields, &before, &role));
    Ok((!warnings.is_empty()).then(|| Response {
        warnings,
        ..Response::default()
    }))
}

/// The role as a write makes it, with the locks of the role and of an account that is new to it. The
/// account is waited for first: others may have it in hand for as long as Atlas takes.
async fn take_change(
    engine: &Engine,
    name: &RoleName,
    call: &Call,
) -> Result<(Change, (KeyedGuard, Option<KeyedGuard>)), EngineError> {
    let mut wanted = changed(engine, name, call).await?.new_account;
    loop {
        let guard_of_account = match &wanted {
            Some(id) => {
                Some(account_use::take(engine, id, User::Roles, call.caller.deadline).await?)
            }
            None => None,
        };
        let guard = writing(engine, name, call).await?;
        let change = changed(engine, name, call).await?;
        if change.new_account == wanted {
            return Ok((change, (guard, guard_of_account)));
        }
        wanted = change.new_account;
    }
}

/// What a write makes of the role that is stored now.
struct Change {
    /// As it was.
    before: RoleEntry,
    role: RoleEntry,
    /// An account that the role did not name before.
    new_account: Option<ClientId>,
}

async fn changed(engine: &Engine, name: &RoleName, call: &Call) -> Result<Change, EngineError> {
    let patches = call.operation == Operation::Patch;
    let stored_role = engine.role(name).await?;
    if stored_role.is_none() && patches {
        return Err(EngineError::NothingToPatch(name.to_string()));
    }
    let before = stored_role.unwrap_or_default();
    let mut role = before.clone();
    let mut faults = Faults::new();
    apply(&mut role, &call.fields, patches, &mut faults);
    check(&role, &mut faults);
    if !faults.is_empty() {
        return Err(EngineError::BadInput(faults.to_string()));
    }
    let new_account = role.client_id.parse().ok();
    Ok(Change {
        new_account: new_account.filter(|_| role.client_id != before.client_id),
        before,
        role,
    })
}

/// Takes over what is given. In a patch, `null` takes a value away; else it empties texts and lists,
/// and leaves everything of which it is no value.
fn apply(role: &mut RoleEntry, fields: &Fields, patches: bool, faults: &mut Faults) {
    let text = |name: &str| fields.text(name).map(|text| text.trim().to_owned());
    let texts = |name: &str| fields.list(name);
    let set = |value: Option<String>, target: &mut String| {
        if let Some(value) = value {
            *target = value;
        }
    };
    set(text("organization_id"), &mut role.organization_id);
    set(text("project_id"), &mut role.project_id);
    set(text("database_name"), &mut role.database_name);
    set(text("client_id"), &mut role.client_id);
    set(text("cloud"), &mut role.cloud);
    set(text("geography"), &mut role.geography);
    set(text("password_policy"), &mut role.password_policy);
    // Blanks at its ends are part of it.
    let template = fields.text("username_template").map(ToOwned::to_owned);
    set(template, &mut role.username_template);
    if let Some(roles) = texts("database_roles") {
        role.database_roles = short_database_roles(roles);
    }
    if let Some(scopes) = texts("scopes") {
        role.scopes = short_scopes(scopes);
    }
    for (name, target) in [
        ("roles", &mut role.roles),
        ("project_roles", &mut role.project_roles),
        ("ip_addresses", &mut role.ip_addresses),
        ("cidr_blocks", &mut role.cidr_blocks),
    ] {
        if let Some(list) = texts(name) {
            *target = list;
        }
    }
    if patches {
        merge_assignments(role, fields);
    } else if let Some(assignments) = fields.map_of_lists("project_assignments") {
        role.project_assignments = assignments;
    }
    apply_scalars(role, fields, patches, faults);
    let unset = fields.is_null("credential_type");
    let kind = fields.text("credential_type").filter(|_| !unset);
    match kind.map(CredentialType::named) {
        Some(Some(kind)) => role.credential_type = kind,
        Some(None) => faults.add(
            "credential_type",
            format!("give one of {}", CredentialType::NAMES.join(", ")),
        ),
        None if unset && patches => role.credential_type = CredentialType::default(),
        None => {}
    }
    // Nothing written takes it away, so it goes with the type that it is for.
    if role.credential_type != CredentialType::DatabaseUser && fields.duration("wait").is_none() {
        role.wait = None;
    }
}

/// A patch takes away the projects that it names with `null`, and leaves those it does not name.
fn merge_assignments(role: &mut RoleEntry, fields: &Fields) {
    const FIELD: &str = "project_assignments";
    let stored = Data::from_iter([(FIELD.to_owned(), json!(role.project_assignments))]);
    let merged = merge_patch(stored, fields).remove(FIELD);
    // The field's kind has checked what is given.
    let merged = merged.and_then(|merged| serde_json::from_value(merged).ok());
    role.project_assignments = merged.unwrap_or_default();
}

fn apply_scalars(role: &mut RoleEntry, fields: &Fields, patches: bool, faults: &mut Faults) {
    for (name, target) in [("ttl", &mut role.ttl), ("max_ttl", &mut role.max_ttl)] {
        if let Some(duration) = fields.duration(name) {
            *target = duration;
        } else if patches && fields.is_null(name) {
            *target = Duration::ZERO;
        }
    }
    if patches || !fields.is_null("bind_to_caller") {
        role.bind_to_caller = fields
            .boolean("bind_to_caller")
            .unwrap_or(role.bind_to_caller);
    }
    if let Some(wait) = fields.duration("wait") {
        role.wait = Some(wait.as_secs());
    } else if patches && fields.is_null("wait") {
        role.wait = None;
    }
    let is_absent = !patches && fields.is_null("max_live");
    match fields
        .int("max_live")
        .filter(|_| !is_absent)
        .map(u32::try_from)
    {
        Some(Ok(most)) => role.max_live = most,
        Some(Err(_)) => faults.add(
            "max_live",
            "give 0 for no limit, or a number of credentials",
        ),
        None => {}
    }
}

fn check(role: &RoleEntry, faults: &mut Faults) {
    Grant::of(role, faults);
    if !role.ttl.is_zero() && !role.max_ttl.is_zero() && role.ttl > role.max_ttl {
        faults.add("ttl", "must not be longer than max_ttl");
    }
}

fn shown(role: &RoleEntry) -> Data {
    let value = json!({
        "credential_type": role.credential_type.name(),
        "organization_id": role.organization_id,
        "project_id": role.project_id,
        "roles": role.roles,
        "project_roles": role.project_roles,
        "project_assignments": role.project_assignments,
        "ip_addresses": role.ip_addresses,
        "cidr_blocks": role.cidr_blocks,
        "client_id": role.client_id,
        "database_name": role.database_name,
        "ttl": role.ttl.as_secs(),
        "max_ttl": role.max_ttl.as_secs(),
        "max_live": role.max_live,
    });
    let mut data = match value {
        Value::Object(data) => data,
        _ => Data::new(),
    };
    if has_own_access_list(role) {
        data.insert("bind_to_caller".to_owned(), json!(role.bind_to_caller));
    }
    if role.credential_type == CredentialType::AiModelKey {
        for (field, text) in [("cloud", &role.cloud), ("geography", &role.geography)] {
            let scope = if text.is_empty() { ANY_SCOPE } else { text };
            data.insert(field.to_owned(), json!(scope));
        }
    }
    if role.credential_type == CredentialType::DatabaseUser {
        data.extend([
            ("database_roles".to_owned(), json!(role.database_roles)),
            ("scopes".to_owned(), json!(role.scopes)),
            (
                "wait".to_owned(),
                json!(role.wait.unwrap_or(DEFAULT_WAIT.as_secs())),
            ),
            (
                "username_template".to_owned(),
                json!(role.username_template),
            ),
            ("password_policy".to_owned(), json!(role.password_policy)),
        ]);
    }
    data
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::testing::{Outcome, TestMount};
    use crate::vault::Failure;

    async fn role(mount: &TestMount) -> Data {
        TestMount::data(mount.read("roles/reader").await)
    }

    async fn patch(mount: &TestMount, change: Value) -> Outcome {
        mount.ask(Operation::Patch, "roles/reader", change).await
    }

    #[tokio::test]
    async fn a_patch_merges_the_projects() {
        let mount = TestMount::configured().await;
        let [first, second, third] = ["1", "2", "3"].map(|end| format!("{end:0>24}"));
        let assigned = json!({ &first: ["GROUP_OWNER"], &second: ["GROUP_OWNER"] });
        mount
            .write_reader(json!({ "project_assignments": assigned }))
            .await;
        let change = json!({ &first: null, &third: ["GROUP_READ_ONLY"] });
        patch(&mount, json!({ "project_assignments": change }))
            .await
            .expect("patched");
        assert_eq!(
            role(&mount).await["project_assignments"],
            json!({ &second: ["GROUP_OWNER"], &third: ["GROUP_READ_ONLY"] })
        );
        patch(&mount, json!({ "ttl": 60 })).await.expect("patched");
        let kept = role(&mount).await["project_assignments"].clone();
        assert_eq!(kept.as_object().map(serde_json::Map::len), Some(2));
        patch(&mount, json!({ "project_assignments": null }))
            .await
            .expect("patched");
        assert_eq!(role(&mount).await["project_assignments"], json!({}));
        mount
            .write("roles/reader", json!({ "project_assignments": assigned }))
            .await
            .expect("updated");
        let update = json!({ "project_assignments": { &third: ["GROUP_OWNER"] } });
        mount
            .write("roles/reader", update.clone())
            .await
            .expect("updated");
        assert_eq!(
            role(&mount).await["project_assignments"],
            update["project_assignments"],
            "an update replaces"
        );
    }

    #[tokio::test]
    async fn null_is_no_value_but_in_a_patch() {
        let given = json!({
            "ttl": 60, "max_ttl": 600, "max_live": 5, "credential_type": "service_account",
        });
        let mount = TestMount::with_role(given.clone()).await;
        let nulls =
            json!({ "ttl": null, "max_ttl": null, "max_live": null, "credential_type": null });
        mount
            .write("roles/reader", nulls.clone())
            .await
            .expect("updated");
        let read = role(&mount).await;
        for (name, value) in given.as_object().into_iter().flatten() {
            assert_eq!(&read[name], value, "{name}");
        }
        patch(&mount, nulls).await.expect("patched");
        let read = role(&mount).await;
        for name in ["ttl", "max_ttl", "max_live"] {
            assert_eq!(read[name], 0, "{name}");
        }
        assert_eq!(read["credential_type"], "programmatic_api_key");
    }

    #[tokio::test]
    async fn a_patch_of_nothing_is_answered_404() {
        let mount = TestMount::configured().await;
        let refused = patch(&mount, json!({ "ttl": 60 })).await;
        assert!(
            matches!(refused, Err(Failure::Coded { status: 404, .. })),
            "{refused:?}"
        );
    }
}

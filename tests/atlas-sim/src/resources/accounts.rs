//! Service accounts, in an organization or as a project sees them.

use serde_json::{Value, json};

use crate::access::role_missing;
use crate::body::{Fields, account_text, required};
use crate::core::{Call, Principal};
use crate::errors::ApiError;
use crate::http::Answer;
use crate::ids;
use crate::resources::secrets;
use crate::roles::{Level, turned};
use crate::settings::{Again, Verdict};
use crate::state::{Account, Holder, Secret};
use crate::view;

pub(crate) fn list(call: &mut Call<'_>) -> Result<Answer, ApiError> {
    call.query.flag("includeSystemManaged", false)?;
    let page = call.page()?;
    let turn = call.role_turn();
    let level = call.level();
    let accounts = call.world.accounts.values();
    let shown = accounts.filter(|account| {
        belongs(account, call.org_id, level) && account.holder.readable(call.now, call.settings)
    });
    Ok(page.cut(shown.collect(), call.target, |account| {
        view::account(
            account,
            project_of(level),
            None,
            call.now,
            call.settings,
            turn,
        )
    }))
}

fn belongs(account: &Account, org_id: &str, level: Level<'_>) -> bool {
    account.holder.org_id == org_id
        && match level {
            Level::Org => true,
            Level::Project(id) => account.holder.project_roles.contains_key(id),
        }
}

fn project_of(level: Level<'_>) -> Option<&str> {
    match level {
        Level::Org => None,
        Level::Project(id) => Some(id),
    }
}

pub(crate) fn create(call: &mut Call<'_>) -> Result<Answer, ApiError> {
    let body = call.take_body();
    let org_id = call.org_id.to_owned();
    let account = from_body(call, &body, &org_id)?;
    check_room(call, &org_id)?;
    Ok(Answer::created(add(call, account)))
}

/// Adds a new account and shows it with its first secret in clear.
pub(super) fn add(call: &mut Call<'_>, account: Account) -> Value {
    let project = account.holder.home_project.as_deref();
    let secret = account.secrets.first().map(|secret| secret.id.as_str());
    let answer = view::account(
        &account,
        project,
        secret,
        call.now,
        call.settings,
        call.role_turn(),
    );
    call.world
        .accounts
        .insert(account.client_id.clone(), account);
    answer
}

/// An account as a create's body describes it, at the level of the call.
pub(super) fn from_body(call: &Call<'_>, body: &Value, org_id: &str) -> Result<Account, ApiError> {
    const FIELDS: [&str; 4] = ["name", "description", "roles", "secretExpiresAfterHours"];
    let fields = Fields::new(body, &FIELDS)?;
    let name = account_text(required(fields.text("name")?, "name")?, "name", 64)?;
    let text = required(fields.text("description")?, "description")?;
    let description = account_text(text, "description", 250)?;
    let wanted = required(fields.texts("roles")?, "roles")?;
    if wanted.is_empty() {
        return Err(ApiError::bad_field("roles", "must hold at least one role"));
    }
    let hours = required(
        fields.integer("secretExpiresAfterHours")?,
        "secretExpiresAfterHours",
    )?;
    secrets::check_hours(call, org_id, hours)?;
    let roles = call.roles(&wanted, call.level())?;
    let mut holder = Holder::new(org_id, call.now);
    match call.level() {
        Level::Org => holder.org_roles = roles,
        Level::Project(id) => {
            holder.org_roles = vec!["ORG_MEMBER".to_owned()];
            holder.project_roles.insert(id.to_owned(), roles);
            holder.home_project = Some(id.to_owned());
        }
    }
    Ok(Account {
        client_id: ids::client_id(call.now),
        name,
        description,
        secrets: vec![Secret::new(call.now, hours)],
        tokens: Vec::new(),
        creating_secret_until: None,
        holder,
    })
}

fn check_room(call: &Call<'_>, org_id: &str) -> Result<(), ApiError> {
    let limit = call.settings.max_service_accounts_per_org;
    if call.world.accounts.len() < limit || call.world.count_accounts(org_id) < limit {
        return Ok(());
    }
    let detail =
        format!("The organization {org_id} cannot have more than {limit} service accounts.");
    let error = ApiError::new(400, "MAX_SERVICE_ACCOUNTS_PER_ORG_EXCEEDED", detail);
    Err(error.with(limit).with(org_id))
}

pub(crate) fn read(call: &mut Call<'_>) -> Result<Answer, ApiError> {
    let id = call.param("clientId");
    let level = call.level();
    let account = call.world.accounts.get(id).filter(|account| {
        belongs(account, call.org_id, level) && account.holder.readable(call.now, call.settings)
    });
    let account = account.ok_or_else(|| unknown(call, id))?;
    let turn = call.role_turn();
    let body = view::account(
        account,
        project_of(level),
        None,
        call.now,
        call.settings,
        turn,
    );
    Ok(Answer::ok(body))
}

pub(crate) fn update(call: &mut Call<'_>) -> Result<Answer, ApiError> {
    let body = call.take_body();
    let id = own_id(call)?;
    let fields = Fields::new(&body, &["name", "description", "roles"])?;
    let checked = |name, max| match fields.text(name)? {
        Some(text) => account_text(text, name, max).map(Some),
        None => Ok(None),
    };
    let name = checked("name", 64)?;
    let description = checked("description", 250)?;
    let roles = match fields.texts("roles")? {
        Some(roles) if roles.is_empty() => {
            return Err(ApiError::bad_field("roles", "must hold at least one role"));
        }
        Some(roles) => Some(call.roles(&roles, call.level())?),
        None => None,
    };
    let project = project_of(call.level()).map(str::to_owned);
    if let Some(account) = call.world.account_mut(&id) {
        account.name = name.unwrap_or_else(|| account.name.clone());
        account.description = description.unwrap_or_else(|| account.description.clone());
        match (roles, project) {
            (Some(roles), None) => account.holder.org_roles = roles,
            (Some(roles), Some(project)) => {
                account.holder.project_roles.insert(project, roles);
            }
            (None, _) => {}
        }
    }
    read(call)
}

/// At organization level the account is gone; at project level it is only unassigned.
pub(crate) fn delete(call: &mut Call<'_>) -> Result<Answer, ApiError> {
    let id = own_id(call)?;
    if let Level::Project(project) = call.level() {
        let project = project.to_owned();
        if let Some(account) = call.world.account_mut(&id) {
            account.holder.project_roles.remove(&project);
        }
        return Ok(Answer::no_content());
    }
    let itself = matches!(call.principal, Principal::Account { client_id, .. } if *client_id == id);
    if itself && call.settings.delete_self == Verdict::Refuse {
        return Err(ApiError::new(
            400,
            "BAD_REQUEST",
            "A service account cannot delete itself.",
        ));
    }
    call.world.delete_account(&id, call.now, call.settings);
    Ok(Answer::no_content())
}

pub(crate) fn groups(call: &mut Call<'_>) -> Result<Answer, ApiError> {
    let id = own_id(call)?;
    let page = call.page()?;
    let turn = call.role_turn();
    let projects = call
        .world
        .account(&id)
        .map(|account| &account.holder.project_roles);
    let projects: Vec<_> = projects.into_iter().flatten().collect();
    Ok(page.cut(
        projects,
        call.target,
        |(project, roles)| json!({"groupId": project, "roles": turned(roles.clone(), turn)}),
    ))
}

/// Assigns an account of the organization to the project.
pub(crate) fn invite(call: &mut Call<'_>) -> Result<Answer, ApiError> {
    let body = call.take_body();
    let id = call.param("clientId").to_owned();
    let project = call.param("groupId").to_owned();
    let account = call.world.account(&id).ok_or_else(|| unknown(call, &id))?;
    if account.holder.org_id != call.org_id {
        let detail = format!("Cannot find service account {id}.");
        return Err(ApiError::set(&call.settings.invite_foreign_account, detail).with(id));
    }
    let fields = Fields::new(&body, &["roles"])?;
    let wanted = required(fields.texts("roles")?, "roles")?;
    if wanted.is_empty() {
        return Err(ApiError::bad_field("roles", "must hold at least one role"));
    }
    let roles = call.roles(&wanted, Level::Project(&project))?;
    if roles.len() != wanted.len() {
        return Err(ApiError::bad_field("roles", "must not name a role twice"));
    }
    let again = call.settings.invite_again;
    if account.holder.project_roles.contains_key(&project) && again == Again::Refuse {
        let detail = "The service account is in the project already.";
        return Err(ApiError::set(&call.settings.invite_again_refusal, detail));
    }
    if let Some(account) = call.world.account_mut(&id) {
        let held = account.holder.project_roles.entry(project).or_default();
        if again == Again::Replace {
            held.clear();
        }
        held.extend(roles);
        held.sort();
        held.dedup();
    }
    read(call)
}

/// Client id of the path's account, which exists at the level of the call.
pub(super) fn own_id(call: &Call<'_>) -> Result<String, ApiError> {
    let id = call.param("clientId");
    match call.world.account(id) {
        Some(account) if belongs(account, call.org_id, call.level()) => Ok(id.to_owned()),
        _ => Err(unknown(call, id)),
    }
}

/// Refuses a project owner the secrets of an account made in a project that reaches further.
/// Source: Atlas documentation "Rotate Service Account Secrets".
pub(super) fn check_manageable(call: &Call<'_>, id: &str) -> Result<(), ApiError> {
    let (Level::Project(project), Some(account)) = (call.level(), call.world.account(id)) else {
        return Ok(());
    };
    let holder = &account.holder;
    let member_counts = call.settings.automatic_member_is_org_access;
    let in_org = holder
        .org_roles
        .iter()
        .any(|role| role != "ORG_MEMBER" || member_counts);
    let elsewhere = holder.project_roles.keys().any(|other| other != project);
    if holder.home_project.is_some() && (in_org || elsewhere) && !call.caller_owns_org() {
        return Err(role_missing(call.settings));
    }
    Ok(())
}

fn unknown(call: &Call<'_>, id: &str) -> ApiError {
    let detail = format!("Cannot find service account {id}.");
    ApiError::set(&call.settings.unknown_service_account, detail).with(id)
}

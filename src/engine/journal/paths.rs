//! `issued/` and `issued/<id>`: the inventory of what is alive. Never a secret.

use std::sync::Arc;

use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use serde_json::{Value, json};

use super::ending::{Ending, end};
use super::entry::{End, EndedBy, JournalEntry, Part, State};
use super::own::{refuse_in_hand, refuse_managed};
use super::owner::Owner;
use super::store::{PAGE, READS_AT_ONCE};
use super::tidy;
use crate::atlas::{Priority, RequestBudget};
use crate::base::Rfc3339;
use crate::engine::error::EngineError;
use crate::engine::names::JournalId;
use crate::engine::{Engine, OPERATION_PREFIX, keys};
use crate::framework::{Answer, Call, Display, Field, Page, Path, PathOperation, list_with_info};
use crate::vault::system_view::may_act;
use crate::vault::{Data, Operation, Response};

/// So many entries are named in an error; how many there are is told in any case.
const MOST_LISTED: usize = 10;

/// The paths of the journal.
pub(crate) fn paths() -> Vec<Path<Engine>> {
    vec![issued_list(), issued(), tidy::path()]
}

fn issued_list() -> Path<Engine> {
    Path::new("issued/?")
        .help(
            "List the credentials that were issued and are not known to be gone.",
            "Journal ids, with role, type, public part, times and state of each. The periodic function \
             deletes incomplete ones (pending). Credentials issued by the Go engine are not listed.",
        )
        .display(Display::operation(OPERATION_PREFIX, "list", "issued"))
        .fields(Page::fields())
        .on(Operation::List, list)
        .summary(Operation::List, "List the issued credentials.")
}

fn issued() -> Path<Engine> {
    Path::new("issued/{id:any}")
        .help(
            "Show one issued credential, or end it.",
            "By journal id, which is the end of the description in Atlas, by public key, by client id, by \
             the id of an AI model API key or by the name of a database user: who got it, from which \
             role, when, and when it ends at the latest. Never a secret. A delete ends it: it is \
             deleted in Atlas at once, its lease can no longer be renewed and is revoked without \
             Atlas, and the entry stays as ended until then. Access tokens end with their leases only.",
        )
        .display(Display::operation(OPERATION_PREFIX, "", "issued"))
        .field(Field::text("id").about(
            "Journal id, public key, client id, id of an AI model API key or name of a database user.",
        ))
        .operation(
            Operation::Read,
            PathOperation::new(read)
                .display(Display::operation("", "read", "issued-credential"))
                .summary("Show one issued credential.")
                .answers(Answer::new(200, "An issued credential.", answer())),
        )
        .operation(
            Operation::Delete,
            PathOperation::new(end_one)
                .display(Display::operation("", "end", "issued-credential"))
                .summary("Delete one issued credential in Atlas before its lease ends."),
        )
        .writes_forwarded()
}

fn answer() -> Vec<Field> {
    vec![
        Field::text("id").about("Journal id."),
        Field::text("state").about(
            "pending: being created, or incomplete and to be deleted. active: issued, not yet revoked. \
             managed: a service account with which access tokens of a role are minted. ended: deleted \
             in Atlas before its lease; the entry goes with the lease.",
        ),
        Field::text("owner").about(
            "Whose it is, unless a lease's. root: what the configuration's credential was, or is to \
             become. static_role: what a static role left at its account. managed_account: managed for \
             access tokens. Each owner deletes its own.",
        ),
        Field::text("static_role").about("Name of the static role that left it, if one did."),
        Field::text("role")
            .about("Role it was issued from; empty if imported from the Go engine, or if owner is root or static_role."),
        Field::text("credential_type").about("What it is."),
        Field::text("description").about(
            "Its text in Atlas: description of a key or database user, name of an account or AI model API key.",
        ),
        Field::text("organization_id").about("Organization it belongs to."),
        Field::text("project_id").about("Project in which it was created, if in one."),
        Field::text("config_organization_id")
            .about("Organization of the configured credential that created it, if that was known."),
        Field::text("programmatic_api_key_id").about("Atlas's id of a programmatic API key."),
        Field::text("public_key").about("Public key of a programmatic API key."),
        Field::text("client_id").about("Client id of the service account, unless it is a key."),
        Field::text("ai_model_key_id").about("Atlas's id of an AI model API key."),
        Field::text("bound_address").about(
            "The caller's address on its access list, if bind_to_caller of the role put it there.",
        ),
        Field::text("database_username").about("Name of a database user."),
        Field::text("secret_id").about(
            "Atlas's id of the secret: of one secret of an existing service account, or of the secret \
             with which an access token was minted.",
        ),
        Field::comma_texts("candidate_secret_ids").about(
            "Secrets of the existing service account, of which this mount may have created one; it \
             cannot tell which.",
        ),
        Field::comma_texts("retiring_secret_ids").about(
            "Replaced secrets that a deleted static role, or the configuration's former account, was \
             left with; each is deleted after its overlap.",
        ),
        Field::comma_texts("further_project_ids")
            .about("Further projects that it can access, if it was created in one."),
        Field::text("origin").about("Address of the Atlas in which it was created."),
        Field::time("pending_deletion_since").about(
            "Since when its lease has ended while the configured credential may not delete it.",
        ),
        Field::time("ended_at").about("When it was ended before its lease, if it was."),
        Field::text("ended_by").about("Display name of the token of whoever ended it."),
        Field::text("ended_by_entity_id").about("The identity entity of who ended it, if any."),
        Field::text("display_name").about("Display name of the caller's token."),
        Field::text("entity_id").about("The caller's identity entity, if any."),
        Field::time("issued_at").about("When it was asked for."),
        Field::time("max_expire_time").about(
            "No renewal reaches past this; each renewal of a database user with a max_ttl of more than six \
             days moves it.",
        ),
        Field::seconds("ttl").about("Longest that its lease was given, at issue or by a renewal."),
        Field::time("past_ttl_since").about(
            "When its lease ended, if it is still active: nobody renewed or revoked it. Shown by the \
             active node 15 minutes later, counted from the start of the plugin if that was after it.",
        ),
    ]
}

/// What is stored, as people are shown it. What is absent is left out.
fn shown(engine: &Engine, id: &JournalId, entry: &JournalEntry) -> Data {
    let mut data = match json!(entry) {
        Value::Object(data) => data,
        _ => Data::new(),
    };
    for internal in ["owner", "part", "ended", "config_organization_id"] {
        data.remove(internal);
    }
    data.insert("id".to_owned(), json!(id));
    data.insert("state".to_owned(), state(entry));
    data.extend(owner(entry));
    data.extend(times(entry));
    data.extend(entry.part.as_ref().map(part).unwrap_or_default());
    data.extend(ended(entry));
    data.extend(past_ttl(engine, id));
    if let Some(since) = entry.pending_deletion_since {
        data.insert("pending_deletion_since".to_owned(), json!(Rfc3339(since)));
    }
    data
}

fn state(entry: &JournalEntry) -> Value {
    json!(entry.state.to_string())
}

/// Whose it is, if it has nothing to do with a lease.
fn owner(entry: &JournalEntry) -> Data {
    let shown = entry.owner.shown().map(|owner| ("owner", owner));
    let name = match &entry.owner {
        Owner::StaticRole { name } => Some(("static_role", name.as_str())),
        Owner::Lease | Owner::Root | Owner::ManagedAccount => None,
    };
    let fields = shown.into_iter().chain(name);
    fields
        .map(|(field, text)| (field.to_owned(), json!(text)))
        .collect()
}

/// Of which account it is a part, and which part.
fn part(part: &Part) -> Data {
    let mut shown = vec![("client_id", json!(part.client_id()))];
    match part {
        Part::Secret(secret) => {
            shown.extend(secret.secret_id.as_ref().map(|id| ("secret_id", json!(id))));
            if !secret.candidates.is_empty() {
                shown.push(("candidate_secret_ids", json!(secret.candidates)));
            }
        }
        Part::Token { secret_id, .. } => shown.push(("secret_id", json!(secret_id))),
        Part::Secrets(left) => {
            let retiring = left.others.retiring.iter().map(|each| &each.id);
            shown.push(("retiring_secret_ids", json!(retiring.collect::<Vec<_>>())));
            shown.extend(left.project_id.as_ref().map(|id| ("project_id", json!(id))));
        }
    }
    let shown = shown.into_iter();
    shown
        .map(|(name, value)| (name.to_owned(), value))
        .collect()
}

fn times(entry: &JournalEntry) -> [(String, Value); 2] {
    [
        ("issued_at".to_owned(), json!(Rfc3339(entry.issued_at))),
        (
            "max_expire_time".to_owned(),
            json!(Rfc3339(entry.max_expire_time)),
        ),
    ]
}

/// Since when its lease is over though it is active. Memory knows, which is kept where the node may act.
fn past_ttl(engine: &Engine, id: &JournalId) -> Data {
    let now = engine.clock.now();
    let since = engine.journal.index().past_ttl_since(id, now);
    let since = since.map(|since| ("past_ttl_since".to_owned(), json!(Rfc3339(since))));
    since.into_iter().collect()
}

/// When and by whom it was ended, if it was.
fn ended(entry: &JournalEntry) -> Data {
    let Some(End { at, by }) = &entry.ended else {
        return Data::new();
    };
    Data::from_iter([
        ("ended_at".to_owned(), json!(Rfc3339(*at))),
        ("ended_by".to_owned(), json!(by.display_name)),
        ("ended_by_entity_id".to_owned(), json!(by.entity_id)),
    ])
}

fn info(entry: &JournalEntry) -> Data {
    let mut data = Data::from_iter([
        ("role".to_owned(), json!(entry.role)),
        (
            "credential_type".to_owned(),
            json!(entry.credential_type.name()),
        ),
        (
            "public".to_owned(),
            json!(entry.public_part().unwrap_or_default()),
        ),
        ("state".to_owned(), state(entry)),
    ]);
    data.extend(owner(entry));
    data.extend(times(entry));
    data.extend(ended(entry));
    data
}

async fn list(engine: Arc<Engine>, call: Call) -> Result<Option<Response>, EngineError> {
    fill_where_it_may_act(&engine).await?;
    let page = Page::of(&call.fields);
    let names = page.keys(&*engine.storage, keys::ISSUED).await?;
    let entries: Vec<_> = read_entries(&engine, names)
        .map_ok(|(name, entry)| {
            let mut details = entry.as_ref().map(info).unwrap_or_default();
            let id = JournalId::parse(&name).filter(|_| entry.is_some());
            details.extend(id.map(|id| past_ttl(&engine, &id)).unwrap_or_default());
            (name, details)
        })
        .try_collect()
        .await?;
    Ok(Some(list_with_info(entries)))
}

/// Reads entries a few at once, in order. One that cannot be read, or is gone by now, is [`None`].
fn read_entries(
    engine: &Engine,
    names: Vec<String>,
) -> impl futures_util::Stream<Item = Result<(String, Option<JournalEntry>), EngineError>> {
    stream::iter(names)
        .map(async |name| {
            let Some(id) = JournalId::parse(&name) else {
                return Ok((name, None));
            };
            match engine.journal.entry(&id).await {
                Ok(entry) => Ok((name, entry)),
                Err(EngineError::Unreadable { .. }) => Ok((name, None)),
                Err(error) => Err(error),
            }
        })
        .buffered(READS_AT_ONCE)
}

async fn read(engine: Arc<Engine>, call: Call) -> Result<Option<Response>, EngineError> {
    let asked = call.fields.captured("id");
    let in_memory = fill_where_it_may_act(&engine).await?;
    if let Some(id) = JournalId::parse(asked)
        && let Some(entry) = engine.journal.entry(&id).await?
    {
        return Ok(Some(Response::data(shown(&engine, &id, &entry))));
    }
    let found = if in_memory {
        find_in_memory(&engine, asked).await?
    } else {
        find_in_storage(&engine, asked).await?
    };
    Ok(found.map(|(id, entry)| Response::data(shown(&engine, &id, &entry))))
}

/// Fills memory where it is kept: on a node that may not act nobody would tell it of all changes.
async fn fill_where_it_may_act(engine: &Engine) -> Result<bool, EngineError> {
    let may = may_act(&*engine.system).await?;
    if may {
        engine.journal.fill().await?;
    }
    Ok(may)
}

async fn find_in_memory(
    engine: &Engine,
    public: &str,
) -> Result<Option<(JournalId, JournalEntry)>, EngineError> {
    let mut found = engine.journal.index().with_public_part(public);
    // Of several, one that is of use.
    found.sort_by_key(|(_, state)| *state == State::Ended);
    let Some((id, _)) = found.into_iter().next() else {
        return Ok(None);
    };
    let entry = engine.journal.entry(&id).await?;
    Ok(entry.map(|entry| (id, entry)))
}

async fn end_one(engine: Arc<Engine>, call: Call) -> Result<Option<Response>, EngineError> {
    let id = named(&engine, call.fields.captured("id")).await?;
    let budget = RequestBudget {
        deadline: call.caller.deadline,
        priority: Priority::Revoke,
    };
    let warning = match end(&engine, &id, &EndedBy::of(&call), budget).await? {
        Ending::Deleted => return Ok(None),
        Ending::AlreadyGone => "it was gone from Atlas already".to_owned(),
        Ending::Before(End { at, by }) => format!(
            "it was ended before, at {} by {:?}",
            Rfc3339(at),
            by.display_name
        ),
    };
    Ok(Some(Response {
        warnings: vec![warning],
        ..Response::default()
    }))
}

/// The one entry that goes by this name. Ended ones count: the same order given again must not end
/// another credential of the same account.
async fn named(engine: &Engine, asked: &str) -> Result<JournalId, EngineError> {
    if let Some(id) = JournalId::parse(asked)
        && engine.journal.entry(&id).await?.is_some()
    {
        return Ok(id);
    }
    engine.journal.fill().await?;
    let mut found = engine.journal.index().with_public_part(asked);
    // The account itself, where it is kept for tokens, which have its client id too.
    let kept = found.iter().position(|(_, state)| *state == State::Managed);
    if let Some(place) = kept {
        return Ok(found.swap_remove(place).0);
    }
    match found.as_slice() {
        [] => {
            refuse_in_hand(engine, asked).await?;
            refuse_managed(engine, asked).await?;
            Err(EngineError::NoSuchCredential)
        }
        [(id, _)] => Ok(id.clone()),
        several => Err(EngineError::BadInput(format!(
            "{} credentials are parts of {asked}: give the journal id of one: {}",
            several.len(),
            listed(several)
        ))),
    }
}

fn listed(entries: &[(JournalId, State)]) -> String {
    let shown = entries.iter().take(MOST_LISTED);
    let mut texts: Vec<_> = shown.map(|(id, state)| format!("{id} ({state})")).collect();
    if entries.len() > MOST_LISTED {
        texts.push("and others, see issued/".to_owned());
    }
    texts.join(", ")
}

/// On a node that may not act memory is not kept: nobody would tell it of all changes.
async fn find_in_storage(
    engine: &Engine,
    public: &str,
) -> Result<Option<(JournalId, JournalEntry)>, EngineError> {
    let (mut after, mut less) = (String::new(), None);
    loop {
        let page = Page {
            after,
            limit: Some(PAGE),
        };
        let names = page.keys(&*engine.storage, keys::ISSUED).await?;
        let Some(last) = names.last().cloned() else {
            return Ok(less);
        };
        let mut entries = std::pin::pin!(read_entries(engine, names));
        while let Some((name, entry)) = entries.try_next().await? {
            if let Some(entry) = entry.filter(|entry| entry.public_part() == Some(public))
                && let Some(id) = JournalId::parse(&name)
            {
                // Of several, one that is of use, as on the active node.
                if entry.state != State::Ended && !entry.owner.takes_care() {
                    return Ok(Some((id, entry)));
                }
                less.get_or_insert((id, entry));
            }
        }
        after = last;
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::engine::testing::TestMount;
    use crate::vault::Replication;

    #[tokio::test]
    async fn an_issued_credential_is_found_by_each_of_its_names() {
        let mount = TestMount::with_role(json!({})).await;
        let (data, lease) = mount.issue("reader").await;
        let id = lease.internal_data["journal_id"].as_str().unwrap();
        let public = data["public_key"].as_str().unwrap();
        for standby in [8_224, 24_576] {
            mount.system.set_replication(Replication(standby));
            for name in [id, public] {
                let shown = TestMount::data(mount.read(&format!("issued/{name}")).await);
                assert_eq!(shown["id"], id, "{name}");
                assert_eq!(shown["public_key"], data["public_key"]);
                assert_eq!(shown["description"], data["description"]);
                assert_eq!(shown["organization_id"], mount.atlas.org());
                assert_eq!(shown["credential_type"], "programmatic_api_key");
                assert_eq!(shown["state"], "active");
                assert_eq!(shown["display_name"], "token");
                let text = json!(shown).to_string();
                assert!(!text.contains(data["private_key"].as_str().unwrap()));
            }
            for unknown in ["issued/abcdefghabcdefghabcd", "issued/nobody"] {
                assert!(mount.read(unknown).await.expect("an answer").is_none());
            }
        }
    }

    #[tokio::test]
    async fn a_service_account_is_found_by_its_client_id_after_a_restart() {
        let role = json!({ "credential_type": "service_account" });
        let mut mount = TestMount::with_role(role).await;
        let (data, _) = mount.issue("reader").await;
        mount.restart().await;
        let client_id = data["client_id"].as_str().unwrap();
        let shown = TestMount::data(mount.read(&format!("issued/{client_id}")).await);
        assert_eq!(shown["client_id"], data["client_id"]);
        let text = json!(shown).to_string();
        assert!(!text.contains(data["client_secret"].as_str().unwrap()));
    }

    #[tokio::test]
    async fn the_list_describes_each_and_comes_in_pages() {
        let mount = TestMount::with_role(json!({})).await;
        let mut ids = Vec::new();
        for _ in 0..3 {
            let (_, lease) = mount.issue("reader").await;
            ids.push(lease.internal_data["journal_id"].clone());
        }
        ids.sort_by_key(|id| id.as_str().unwrap_or_default().to_owned());
        let all = TestMount::data(mount.list("issued/").await);
        assert_eq!(all["keys"], json!(ids));
        let first = &all["key_info"][ids[0].as_str().unwrap()];
        assert_eq!(first["role"], "reader");
        assert_eq!(first["state"], "active");
        assert_eq!(first["public"].as_str().map(str::len), Some(8));
        let page = json!({ "after": ids[0], "limit": 1 });
        let page = TestMount::data(mount.ask(Operation::List, "issued/", page).await);
        assert_eq!(page["keys"], json!([ids[1]]));
        mount.storage.plant("issued/00000000000000000000", b"no");
        let all = TestMount::data(mount.list("issued/").await);
        assert_eq!(all["keys"].as_array().map(Vec::len), Some(4));
    }
}

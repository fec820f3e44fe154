//! The drain of a mount: `issued-end` orders it, or tells what it would come to. The order is
//! stored with the configuration, the journal carries it out at the periodic runs.

#[cfg(test)]
mod course_tests;
#[cfg(test)]
mod faults_tests;
#[cfg(test)]
mod refusals_tests;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use serde_json::{Value, json};

use crate::atlas::OrgId;
use crate::base::Counted;
use crate::engine::config::{begin_draining, of_organization};
use crate::engine::entries::Draining;
use crate::engine::error::EngineError;
use crate::engine::journal::Left;
use crate::engine::process::ServerHold;
use crate::engine::waiters::{Awaited, Crowd};
use crate::engine::{Engine, OPERATION_PREFIX, credentials, journal};
use crate::framework::{Answer, Call, Display, Field, Path, PathOperation};
use crate::vault::{Data, Operation, Response};

/// The path of `issued-end`.
pub(crate) fn paths() -> Vec<Path<Engine>> {
    vec![path()]
}

fn path() -> Path<Engine> {
    Path::new("issued-end")
        .help(
            "End every credential that was issued, before the mount is disabled.",
            "Drains the mount: creds/ and rotations answer 503, and everything that was issued \
             and still exists is deleted in Atlas in the background, even if its lease was lost. \
             The path status shows the progress. A write of config (no field is needed) ends the \
             drain. Repeating the request changes nothing, but immediately retries what failed. \
             Accounts and current secrets of static roles stay.",
        )
        .display(Display::operation(
            OPERATION_PREFIX,
            "end",
            "issued-credentials",
        ))
        .field(
            Field::text("organization_id")
                .about(
                    "The organization of this mount's configuration, to confirm that this is \
                        the right mount.",
                )
                .required(),
        )
        .field(
            Field::boolean("dry_run")
                .about("Only report what would be ended; nothing is changed.")
                .default(true),
        )
        .operation(
            Operation::Update,
            PathOperation::new(order)
                .summary("End every credential that was issued.")
                .answers(Answer::new(200, "What is left to be ended.", answer())),
        )
        .forwarded()
}

fn answer() -> Vec<Field> {
    vec![
        Field::boolean("dry_run").about("Whether nothing was changed."),
        Field::text("organization_id").about("The organization of the configuration."),
        Field::map("draining")
            .about("Since when the mount is being drained, and by whom; null: it is not."),
        Field::int("remaining").about("Entries of the journal that still have to be ended."),
        Field::map("remaining_by_state")
            .about("The same by state as in issued, and unreadable: damaged entries."),
        Field::map("remaining_by_type").about("Pending and active ones by type of credential."),
    ]
}

async fn order(engine: Arc<Engine>, call: Call) -> Result<Option<Response>, EngineError> {
    let dry_run = call.fields.boolean("dry_run").unwrap_or(true);
    let _waiter = engine
        .waiters
        .enter(Crowd::Operators, [Awaited::Configuration])?;
    if !dry_run {
        refuse_while_held(&engine)?;
    }
    let (org, deadline) = (organization(&call)?, call.caller.deadline);
    let draining = if dry_run {
        of_organization(&engine, &org, deadline).await?.draining
    } else {
        let order = Draining::ordered(&engine, &call);
        let draining = begin_draining(&engine, order, &org, deadline).await?;
        // The order stands, whatever becomes of the answer.
        engine.journal.rest_no_more();
        engine.tasks.spawn(first_round(Arc::clone(&engine)));
        Some(draining)
    };
    let left = engine.journal.left().await?;
    Ok(Some(Response {
        warnings: warnings(&left, &call),
        ..Response::data(Data::from_iter([
            ("dry_run".to_owned(), json!(dry_run)),
            ("organization_id".to_owned(), json!(org)),
            (
                "draining".to_owned(),
                draining.map_or(Value::Null, |draining| json!(draining.shown())),
            ),
            ("remaining".to_owned(), json!(left.total())),
            ("remaining_by_state".to_owned(), left.by_stage()),
            ("remaining_by_type".to_owned(), left.by_type()),
        ]))
    }))
}

/// Nothing would be ended in a process whose environment holds it.
fn refuse_while_held(engine: &Engine) -> Result<(), EngineError> {
    match engine.process.hold {
        ServerHold::Off => Ok(()),
        ServerHold::All => Err(EngineError::EverythingHeld),
        hold @ ServerHold::Unasked => Err(EngineError::BadInput(format!(
            "dry_run: {}={} is set in the environment of the server process: start the server without \
             it, or give dry_run=true",
            ServerHold::VARIABLE,
            hold.name()
        ))),
    }
}

fn organization(call: &Call) -> Result<OrgId, EngineError> {
    let given = call.fields.text("organization_id").unwrap_or_default();
    given
        .trim()
        .parse()
        .map_err(|error| EngineError::BadInput(format!("organization_id: {error}")))
}

/// What the counts do not tell.
fn warnings(left: &Left, call: &Call) -> Vec<String> {
    let mut warnings = Vec::new();
    if left.tokens > 0 {
        warnings.push(format!(
            "Atlas revokes an access token only for those who have it: those that remain ({}) end \
             with the service account of their role, which the drain deletes",
            Counted(left.tokens as u64, "token")
        ));
    }
    warnings.push(format!(
        "leases that the Go engine issued are not counted and not ended, as they have no journal entry: \
         they end with lease revoke -prefix {}, which needs Atlas",
        call.mount_point
    ));
    warnings
}

/// The first round of a drain that was just ordered; the periodic runs do what it leaves.
async fn first_round(engine: Arc<Engine>) {
    let (journal, kept) = tokio::join!(journal::tick(&engine), credentials::reconcile(&engine));
    let logged = journal::log_drain(&engine).await;
    if let Err(error) = journal.and(kept).and(logged) {
        tracing::debug!(
            %error,
            "first round of a drain failed; the periodic function continues it"
        );
    }
}

//! `config/move`: the same Atlas under another address, where nobody has the secret any more.
//!
//! What is stored is bound to the address it was given for, and a writer of `config` must bring the
//! secret to change that. This path does without, so it is for the operators of the server alone: it
//! is a root path, and needs the `sudo` capability.

use std::sync::Arc;

use serde_json::json;

use super::address;
use super::census::Census;
use super::deletion::go_leases;
use super::paths::{check_settings, load, verify};
use crate::atlas::{Origin, Priority, RequestBudget};
use crate::engine::entries::ConfigEntry;
use crate::engine::error::EngineError;
use crate::engine::origin::{BoundTo, Origins};
use crate::engine::waiters::{Awaited, Crowd};
use crate::engine::{Engine, OPERATION_PREFIX, keys, stored};
use crate::framework::{Answer, Call, Display, Faults, Field, Path, PathOperation};
use crate::vault::{Data, Operation, Response};

/// The path, which the host lets only holders of `sudo` write.
pub(crate) const MOVE_PATH: &str = "config/move";

pub(super) fn path() -> Path<Engine> {
    Path::new(MOVE_PATH)
        .help(
            "Move this mount to another address of the same Atlas, secrets and leases included.",
            "For a gateway, a private certificate authority, or Atlas under another name, if \
             nobody has the secret any more. From then on, stored secrets are sent to the new \
             address, and leases are renewed and revoked there, so this needs the sudo \
             capability. The configured credential is verified at the new address before anything \
             is stored, unless verify_connection is false.",
        )
        .display(Display::operation(
            OPERATION_PREFIX,
            "move",
            "configuration",
        ))
        .field(Field::text("base_url").about("The new address of Atlas."))
        .field(Field::text("ca_certificate").about(
            "PEM certificates to trust beside the system's, instead of the previous \
                        ones.",
        ))
        .field(Field::text("from").about(
            "Address whose secrets and leases are moved; by default the configuration's own. With \
             another one, the configuration stays where it is. With the same one as base_url, \
             what was once moved away from it belongs there again.",
        ))
        .field(
            Field::boolean("verify_connection")
                .about("Whether to verify the credential at the new address first.")
                .default(true),
        )
        .operation(
            Operation::Update,
            PathOperation::new(relocate)
                .summary("Move this mount to another address of the same Atlas.")
                .answers(Answer::new(
                    200,
                    "What was moved.",
                    [
                        Field::text("from").about("Where it belonged."),
                        Field::text("to").about("Where it belongs now."),
                        Field::map("carried").about("How many entries of each kind."),
                    ],
                )),
        )
        .forwarded()
}

/// A move, checked.
struct Relocation {
    from: Origin,
    to: Origin,
    /// The configuration as it is to be.
    entry: ConfigEntry,
}

impl Relocation {
    /// Whether something is to belong again where it was once carried away from.
    fn comes_back(&self) -> bool {
        self.from == self.to
    }
}

async fn relocate(engine: Arc<Engine>, call: Call) -> Result<Option<Response>, EngineError> {
    let awaited = Awaited::Configuration;
    let _waiter = engine.waiters.enter(Crowd::Operators, [awaited])?;
    let _lock = engine.root.lock_first(call.caller.deadline).await?;
    let origins = engine.connection.origins().await?;
    let stored = load(&engine).await?.ok_or(EngineError::NotConfigured)?;
    let mut planned = planned(stored.clone(), &origins, &call)?;
    let linked = engine.connection.link(&planned.entry).await?;
    let budget = RequestBudget {
        deadline: call.caller.deadline,
        priority: Priority::Rotate,
    };
    if call.fields.boolean("verify_connection").unwrap_or(true) {
        let given = planned.entry.organization_id.as_ref();
        planned.entry.organization_id = verify(&linked, given, budget).await?;
    }
    let mut after = (*origins).clone();
    after.carry(&planned.from, &planned.to);
    // What comes back is counted where it will be: at its address there is nothing yet.
    let seen = if planned.comes_back() {
        &after
    } else {
        &*origins
    };
    let counts = Census::take(&engine, seen).await?.at(&planned.from);
    address::remember_organization(&engine, &stored, &planned.entry, true, budget).await?;
    let mut moved = (*engine.connection.origins().await?).clone();
    moved.carry(&planned.from, &planned.to);
    // The table first: should the second write fail, all is still where it was, and the same request
    // completes it.
    engine.connection.store_origins(moved).await?;
    let key = keys::CONFIG.to_owned();
    let saved = stored::save(&*engine.storage, key, &planned.entry, true).await;
    engine.connection.reset();
    saved?;
    let Relocation { from, to, .. } = planned;
    tracing::info!(%from, %to, "secrets and leases moved to another address");
    Ok(Some(Response {
        warnings: vec![go_leases(&call)],
        ..Response::data(Data::from_iter([
            ("from".to_owned(), json!(from)),
            ("to".to_owned(), json!(to)),
            ("carried".to_owned(), counts.data()),
        ]))
    }))
}

fn planned(
    mut entry: ConfigEntry,
    origins: &Origins,
    call: &Call,
) -> Result<Relocation, EngineError> {
    let mut faults = Faults::new();
    let given = |name: &str| call.fields.text(name).map(str::trim);
    let own = origins.home(&entry.origin).clone();
    let from = match given("from").map(str::parse::<Origin>) {
        None => own.clone(),
        Some(Ok(from)) => from,
        Some(Err(error)) => {
            faults.add("from", error.to_string());
            own.clone()
        }
    };
    let is_own = from == own;
    if given("base_url").is_none() && given("ca_certificate").is_none() && is_own {
        faults.add(
            "base_url",
            "give the new address, or from, or ca_certificate",
        );
    }
    // What was carried away from one address belongs there again; the configuration stays.
    let base_url = given("base_url");
    let comes_back =
        !is_own && base_url.is_some_and(|text| text.parse().is_ok_and(|to: Origin| to == from));
    if let Some(text) = base_url.filter(|_| !comes_back) {
        text.clone_into(&mut entry.base_url);
    }
    if let Some(text) = given("ca_certificate") {
        text.clone_into(&mut entry.ca_certificate);
    }
    check_settings(&entry, &mut faults);
    let to = if comes_back {
        Ok(from.clone())
    } else {
        entry.base_url().parse::<Origin>()
    };
    if comes_back && origins.carried_to(&from).is_none() {
        faults.add("from", format!("nothing was moved away from {from}"));
    }
    if !is_own && !comes_back && to.as_ref().is_ok_and(|to| *to != own) {
        let reason = format!(
            "the configuration belongs to {own}: move that first, without from; then what belongs to \
             {from}"
        );
        faults.add("from", reason);
    }
    match to {
        Ok(to) if faults.is_empty() => {
            if is_own {
                entry.origin = BoundTo::origin(to.clone());
            }
            Ok(Relocation { from, to, entry })
        }
        _ => Err(EngineError::BadInput(faults.to_string())),
    }
}

//! A toy engine and what tests of the framework share.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use proptest::prelude::*;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::answers;
use super::builder::{Description, Framework};
use super::call::{Call, LeaseCall};
use super::field::{Faults, Field, Fields};
use super::path::Path;
use super::secret_type::{Lease, SecretType};
use super::wal::WalEntry;
use crate::vault::memory::{FixedSystemView, MemoryStorage};
use crate::vault::{Backend, Caller, Data, Failure, Mount, Operation, Request, Response, Tasks};

/// An engine that notes what it was asked to do.
#[derive(Default)]
pub(super) struct Toy {
    noted: Mutex<Vec<String>>,
}

impl Toy {
    pub(super) fn note(&self, text: impl Into<String>) {
        let mut noted = self.noted.lock().unwrap_or_else(PoisonError::into_inner);
        noted.push(text.into());
    }

    pub(super) fn noted(&self) -> Vec<String> {
        let noted = self.noted.lock().unwrap_or_else(PoisonError::into_inner);
        noted.clone()
    }
}

/// A mount in memory.
pub(super) struct ToyMount {
    pub(super) engine: Arc<Toy>,
    pub(super) storage: Arc<MemoryStorage>,
    pub(super) system: Arc<FixedSystemView>,
    pub(super) mount: Mount,
}

impl ToyMount {
    pub(super) fn new() -> Self {
        let storage = Arc::new(MemoryStorage::default());
        let system = Arc::new(FixedSystemView::default());
        let mount = Mount {
            uuid: "toy".to_owned(),
            storage: Arc::<MemoryStorage>::clone(&storage),
            system: Arc::<FixedSystemView>::clone(&system),
            tasks: Tasks::new(&CancellationToken::new()),
        };
        Self {
            engine: Arc::default(),
            storage,
            system,
            mount,
        }
    }
}

pub(super) fn data(value: Value) -> Data {
    match value {
        Value::Object(map) => map,
        other => panic!("no object: {other}"),
    }
}

pub(super) fn request(operation: Operation, path: &str, body: Value) -> Request {
    Request {
        operation,
        path: path.to_owned(),
        data: data(body),
        secret: None,
        mount_point: "toy/".to_owned(),
        display_name: "token".to_owned(),
        entity_id: String::new(),
        remote_address: String::new(),
        caller: Caller::waiting(Duration::from_mins(1)),
    }
}

/// Fields given by a body, all of which are right.
pub(super) fn fields_of(declared: Vec<Field>, body: Value) -> Fields {
    let mut faults = Faults::new();
    let fields = Fields::decode(&declared.into(), data(body), Vec::new(), &mut faults);
    assert_eq!(faults, Faults::new());
    fields
}

/// Any JSON of moderate size.
pub(super) fn json_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "\\PC{0,20}".prop_map(Value::from),
        "[-+0-9a-fxsmhd=:,._ ]{0,12}".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map("[a-z]{0,4}", inner, 0..4)
                .prop_map(|map| map.into_iter().collect::<serde_json::Map<_, _>>().into()),
        ]
    })
}

async fn note(toy: Arc<Toy>, call: Call) -> Result<Option<Response>, Failure> {
    toy.note(format!(
        "{} {}",
        call.operation.word(),
        call.fields.captured("name")
    ));
    Ok(Some(Response::data(data(
        json!({"name": call.fields.captured("name")}),
    ))))
}

pub(super) async fn nothing(toy: Arc<Toy>, call: Call) -> Result<Option<Response>, Failure> {
    toy.note(format!("{} {}", call.operation.word(), call.path));
    Ok(None)
}

async fn is_known(_: Arc<Toy>, call: Call) -> Result<bool, Failure> {
    Ok(call.fields.captured("name") == "known")
}

async fn names(_: Arc<Toy>, _: Call) -> Result<Option<Response>, Failure> {
    Ok(Some(answers::list(vec!["known".to_owned()])))
}

async fn issue(_: Arc<Toy>, _: Call) -> Result<Option<Response>, Failure> {
    Ok(Some(Lease::default().answer(
        "key",
        Data::new(),
        Data::new(),
    )))
}

async fn end_lease(toy: Arc<Toy>, _: LeaseCall) -> Result<(), Failure> {
    toy.note("revoked");
    Ok(())
}

async fn undo(toy: Arc<Toy>, _: WalEntry) -> Result<(), Failure> {
    toy.note("undone");
    Ok(())
}

async fn periodic(toy: Arc<Toy>) -> Result<(), Failure> {
    toy.note("ticked");
    Err(Failure::Internal("atlas does not answer".to_owned()))
}

fn table() -> Vec<Path<Toy>> {
    vec![
        Path::new("roles/?").on(Operation::List, names),
        Path::new("roles/{name}")
            .field(Field::lowercase("name"))
            .field(Field::seconds("ttl"))
            .field(Field::seconds("max_ttl"))
            .exists(is_known)
            .on(Operation::Read, note)
            .on_write(note)
            .on(Operation::Delete, nothing)
            .writes_forwarded(),
        Path::new("creds/{name}")
            .on(Operation::Read, issue)
            .forwarded(),
        Path::new("mixed")
            .on(Operation::Read, nothing)
            .on(Operation::Update, nothing),
        Path::new("any/{rest:any}").on(Operation::Read, nothing),
        Path::new("any/first").on(Operation::Read, note),
    ]
}

async fn start(toy: Arc<Toy>) -> Result<(), Failure> {
    toy.note("initialized");
    Ok(())
}

pub(super) fn description() -> Description<Toy> {
    Description::new()
        .about("A toy.")
        .paths(table())
        .secret(SecretType::new("key", end_lease))
        .wal("key", undo)
        .periodic(periodic)
        .on_initialize(start)
        .on_invalidate(async |toy: Arc<Toy>, key: String| toy.note(key))
}

pub(super) fn framework(toy: &ToyMount) -> Framework<Toy> {
    Arc::new(description()).serve(Arc::clone(&toy.engine), toy.mount.clone())
}

pub(super) async fn ask(toy: &ToyMount, request: Request) -> Result<Option<Response>, Failure> {
    framework(toy).handle(request).await
}

pub(super) async fn failure(operation: Operation, path: &str, body: Value) -> Failure {
    let answer = ask(&ToyMount::new(), request(operation, path, body)).await;
    answer.expect_err("is refused")
}

pub(super) async fn answer(operation: Operation, path: &str, body: Value) -> Response {
    let answer = ask(&ToyMount::new(), request(operation, path, body)).await;
    answer.expect("succeeds").expect("answers")
}

//! A toy engine and what tests of the framework share.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use proptest::prelude::*;
use serde_json::Value;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::field::{Faults, Field, Fields};
use crate::vault::memory::{FixedSystemView, MemoryStorage};
use crate::vault::{Caller, Data, Mount, Operation, Request};

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
            config: [].into(),
            storage: Arc::<MemoryStorage>::clone(&storage),
            system: Arc::<FixedSystemView>::clone(&system),
            tasks: TaskTracker::new(),
            cancel: CancellationToken::new(),
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
        id: "1".to_owned(),
        operation,
        path: path.to_owned(),
        data: data(body),
        secret: None,
        mount_point: "toy/".to_owned(),
        mount_accessor: String::new(),
        display_name: "token".to_owned(),
        entity_id: String::new(),
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

//! Storage as a host serves it on a brokered connection, in memory, with a switch for each way in
//! which a host's storage can behave.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard},
};

use mongodbatlas::protocol::backend::pb::{
    Empty, StorageDeleteArgs, StorageDeleteReply, StorageEntry, StorageGetArgs, StorageGetReply,
    StorageIsTransactionalReply, StorageListArgs, StorageListPageArgs, StorageListReply,
    StoragePutArgs, StoragePutReply,
    storage_server::{Storage, StorageServer},
};
use serde_json::Value;
use tonic::{Code, Request, Response, Status};

/// What storage of a standby says to a write.
pub(crate) const READ_ONLY: &str = "cannot write to readonly storage";

/// How storage takes the calls that come.
#[derive(Clone, Debug)]
pub(crate) enum Mood {
    /// It does what it is asked.
    Works,
    /// It refuses writes with this text.
    ReadOnly(&'static str),
    /// It refuses everything with this text.
    Refusing(&'static str),
    /// Its calls fail as calls.
    Failing(Code, &'static str),
    /// It never answers.
    Hanging,
}

/// There is no storage: what a host's probes offer.
pub(crate) const MISSING: Mood = Mood::Failing(
    Code::Unknown,
    "missing storage implementation: this should not happen",
);

/// One mount's storage. Clones are the same storage.
#[derive(Clone)]
pub(crate) struct Store(Arc<Mutex<State>>);

struct State {
    entries: BTreeMap<String, StorageEntry>,
    mood: Mood,
    /// Whether it pages and knows of transactions, as `OpenBao` and not `HashiCorp` Vault.
    is_openbao: bool,
    calls: Vec<String>,
}

impl Store {
    /// Empty storage of an `OpenBao` server.
    pub(crate) fn new() -> Self {
        Self(Arc::new(Mutex::new(State {
            entries: BTreeMap::new(),
            mood: Mood::Works,
            is_openbao: true,
            calls: Vec::new(),
        })))
    }

    /// Empty storage of a `HashiCorp` Vault server.
    pub(crate) fn of_vault() -> Self {
        let store = Self::new();
        store.state().is_openbao = false;
        store
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().expect("no test panics with the lock")
    }

    /// Changes how calls are taken from now on.
    pub(crate) fn set(&self, mood: Mood) {
        self.state().mood = mood;
    }

    /// All keys, sorted.
    pub(crate) fn keys(&self) -> Vec<String> {
        self.state().entries.keys().cloned().collect()
    }

    /// The keys of the journal.
    pub(crate) fn issued(&self) -> Vec<String> {
        let mut keys = self.keys();
        keys.retain(|key| key.starts_with("issued/"));
        keys
    }

    /// The stored JSON of a key.
    pub(crate) fn json(&self, key: &str) -> Option<Value> {
        let state = self.state();
        let entry = state.entries.get(key)?;
        Some(serde_json::from_slice(&entry.value).expect("stored values are JSON"))
    }

    /// Stores a value behind the plugin's back.
    pub(crate) fn plant(&self, key: &str, value: impl Into<Vec<u8>>) {
        let entry = StorageEntry {
            key: key.to_owned(),
            value: value.into(),
            seal_wrap: false,
        };
        self.state().entries.insert(key.to_owned(), entry);
    }

    /// Whether a second encryption was asked for.
    pub(crate) fn is_sealed(&self, key: &str) -> bool {
        let state = self.state();
        state.entries.get(key).is_some_and(|entry| entry.seal_wrap)
    }

    /// Forgets the calls so far.
    pub(crate) fn forget_calls(&self) {
        self.state().calls.clear();
    }

    /// The calls since then, as `put config`, whether or not they were let through.
    pub(crate) fn calls(&self) -> Vec<String> {
        self.state().calls.clone()
    }

    /// Those of them that write.
    pub(crate) fn writes(&self) -> Vec<String> {
        let mut calls = self.calls();
        calls.retain(|call| call.starts_with("put ") || call.starts_with("delete "));
        calls
    }

    /// Takes a call: the text of a refusal, empty for none.
    async fn take(&self, call: &'static str, key: &str) -> Result<String, Status> {
        let mood = {
            let mut state = self.state();
            state.calls.push(format!("{call} {key}"));
            state.mood.clone()
        };
        match mood {
            Mood::ReadOnly(text) if matches!(call, "put" | "delete") => return Ok(text.to_owned()),
            Mood::Works | Mood::ReadOnly(_) => {}
            Mood::Refusing(text) => return Ok(text.to_owned()),
            Mood::Failing(code, text) => return Err(Status::new(code, text)),
            Mood::Hanging => std::future::pending().await,
        }
        if key.split('/').any(|part| part == "..") {
            return Ok("relative paths not supported".to_owned());
        }
        Ok(String::new())
    }

    fn children(&self, prefix: &str) -> Vec<String> {
        let state = self.state();
        let below = state.entries.keys();
        let below = below.filter_map(|key| key.strip_prefix(prefix));
        let first = |rest: &str| rest.split_inclusive('/').next().map(str::to_owned);
        let mut children: Vec<String> = below.filter_map(first).collect();
        children.dedup();
        children
    }
}

/// The service.
pub(crate) fn server(store: &Store) -> StorageServer<Store> {
    StorageServer::new(store.clone())
        .max_decoding_message_size(i32::MAX as usize)
        .max_encoding_message_size(i32::MAX as usize)
}

#[tonic::async_trait]
impl Storage for Store {
    async fn list(
        &self,
        request: Request<StorageListArgs>,
    ) -> Result<Response<StorageListReply>, Status> {
        let args = request.into_inner();
        let err = self.take("list", &args.prefix).await?;
        let keys = if err.is_empty() {
            self.children(&args.prefix)
        } else {
            Vec::new()
        };
        Ok(Response::new(StorageListReply { keys, err }))
    }

    async fn list_page(
        &self,
        request: Request<StorageListPageArgs>,
    ) -> Result<Response<StorageListReply>, Status> {
        if !self.state().is_openbao {
            return Err(Status::unimplemented("unknown method ListPage"));
        }
        let args = request.into_inner();
        let err = self.take("list", &args.prefix).await?;
        let mut keys = if err.is_empty() {
            self.children(&args.prefix)
        } else {
            Vec::new()
        };
        keys.retain(|key| *key > args.after);
        if let Ok(limit @ 1..) = usize::try_from(args.limit) {
            keys.truncate(limit);
        }
        Ok(Response::new(StorageListReply { keys, err }))
    }

    async fn get(
        &self,
        request: Request<StorageGetArgs>,
    ) -> Result<Response<StorageGetReply>, Status> {
        let key = request.into_inner().key;
        let err = self.take("get", &key).await?;
        let entry = if err.is_empty() {
            self.state().entries.get(&key).cloned()
        } else {
            None
        };
        Ok(Response::new(StorageGetReply { entry, err }))
    }

    async fn put(
        &self,
        request: Request<StoragePutArgs>,
    ) -> Result<Response<StoragePutReply>, Status> {
        let Some(entry) = request.into_inner().entry else {
            let err = "cannot write nil entry".to_owned();
            return Ok(Response::new(StoragePutReply { err }));
        };
        let err = self.take("put", &entry.key).await?;
        if err.is_empty() {
            self.state().entries.insert(entry.key.clone(), entry);
        }
        Ok(Response::new(StoragePutReply { err }))
    }

    async fn delete(
        &self,
        request: Request<StorageDeleteArgs>,
    ) -> Result<Response<StorageDeleteReply>, Status> {
        let key = request.into_inner().key;
        let err = self.take("delete", &key).await?;
        if err.is_empty() {
            self.state().entries.remove(&key);
        }
        Ok(Response::new(StorageDeleteReply { err }))
    }

    async fn is_transactional(
        &self,
        _: Request<Empty>,
    ) -> Result<Response<StorageIsTransactionalReply>, Status> {
        if !self.state().is_openbao {
            return Err(Status::unimplemented("unknown method IsTransactional"));
        }
        self.take("is-transactional", "").await?;
        let transactional = true;
        Ok(Response::new(StorageIsTransactionalReply { transactional }))
    }
}

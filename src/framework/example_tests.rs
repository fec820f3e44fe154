//! How an engine is written with the framework: a table of paths, each with its fields and handlers.

use std::sync::Arc;

use serde_json::json;

use super::builder::Framework;
use super::toy::{data, request};
use super::{Call, Description, Field, Path};
use crate::vault::memory::{FixedSystemView, MemoryStorage};
use crate::vault::{Backend as _, Failure, Mount, Operation, Response, StorageEntry, Tasks};

/// The engine: what its handlers share.
struct Notes {
    mount: Mount,
}

async fn write(notes: Arc<Notes>, call: Call) -> Result<Option<Response>, Failure> {
    let text = call.fields.text("text").unwrap_or_default();
    let entry = StorageEntry {
        key: format!("notes/{}", call.fields.captured("name")),
        value: text.as_bytes().to_vec(),
        seal_wrap: false,
    };
    let stored = notes.mount.storage.put(entry).await;
    stored.map_err(|error| Failure::internal(&error))?;
    Ok(None)
}

async fn read(notes: Arc<Notes>, call: Call) -> Result<Option<Response>, Failure> {
    let key = format!("notes/{}", call.fields.captured("name"));
    let stored = notes.mount.storage.get(&key).await;
    let stored = stored.map_err(|error| Failure::internal(&error))?;
    Ok(stored.map(|entry| {
        let text = String::from_utf8_lossy(&entry.value).into_owned();
        Response::data(data(json!({ "text": text })))
    }))
}

fn engine(mount: Mount) -> Framework<Notes> {
    let notes = Arc::new(Notes {
        mount: mount.clone(),
    });
    let described = Description::new().about("Keeps notes.").path(
        Path::new("notes/{name}")
            .help("Write or read a note.", "Its name is in lower case.")
            .field(Field::lowercase("name").about("Name of the note."))
            .field(Field::text("text").about("The note itself."))
            .on(Operation::Read, read)
            .on(Operation::Update, write),
    );
    // An engine with several mounts keeps the description, and serves each mount from it.
    Arc::new(described).serve(notes, mount)
}

#[tokio::test]
async fn an_engine_is_a_table_of_paths_with_handlers() {
    let engine = engine(Mount {
        uuid: "a-mount".to_owned(),
        storage: Arc::new(MemoryStorage::default()),
        system: Arc::new(FixedSystemView::default()),
        tasks: Tasks::new(&tokio_util::sync::CancellationToken::new()),
    });
    let note = json!({ "text": "water the plants" });
    let written = engine.handle(request(Operation::Update, "notes/today", note));
    assert!(written.await.expect("written").is_none(), "204");

    let read = engine.handle(request(Operation::Read, "notes/TODAY", json!({})));
    let answer = read.await.expect("read").expect("a note");
    assert_eq!(
        answer.data,
        Some(data(json!({ "text": "water the plants" })))
    );

    let unknown = engine.handle(request(Operation::Read, "nowhere", json!({})));
    assert!(matches!(unknown.await, Err(Failure::UnsupportedPath)));
}

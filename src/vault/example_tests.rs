//! How a backend answers a server: what the framework does for every engine, done by hand.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use serde_json::json;
use tokio_util::sync::CancellationToken;

use super::memory::{FixedSystemView, MemoryStorage};
use super::{
    Backend, Caller, Data, Factory, Failure, Mount, Operation, Request, Response, SpecialPaths,
    Tasks,
};

/// One mount, which says hello.
struct Hello {
    mount: Mount,
}

#[async_trait]
impl Backend for Hello {
    async fn initialize(&self) -> Result<(), Failure> {
        Ok(())
    }

    async fn handle(&self, request: Request) -> Result<Option<Response>, Failure> {
        match (request.operation, request.path.as_str()) {
            (Operation::Read, "hello") => {
                let data = Data::from_iter([("mount".to_owned(), json!(self.mount.uuid))]);
                Ok(Some(Response::data(data)))
            }
            (_, "hello") => Err(Failure::UnsupportedOperation),
            _ => Err(Failure::UnsupportedPath),
        }
    }

    async fn exists(&self, _: Request) -> Result<Option<bool>, Failure> {
        Ok(None)
    }

    fn special_paths(&self) -> SpecialPaths {
        SpecialPaths::default()
    }

    async fn invalidate(&self, _: &str) {}
}

/// What the plugin's process is given: it makes a backend for each mount.
struct Hellos;

#[async_trait]
impl Factory for Hellos {
    async fn create(&self, mount: Mount) -> Result<Arc<dyn Backend>, Failure> {
        Ok(Arc::new(Hello { mount }))
    }

    fn version(&self) -> &'static str {
        "v0.0.0"
    }
}

#[tokio::test]
async fn a_factory_makes_a_backend_for_each_mount() {
    let mount = Mount {
        uuid: "a-mount".to_owned(),
        storage: Arc::new(MemoryStorage::default()),
        system: Arc::new(FixedSystemView::default()),
        tasks: Tasks::new(&CancellationToken::new()),
    };
    let backend = Hellos.create(mount).await.expect("a backend");
    backend.initialize().await.expect("initialized");
    let ask = |operation, path: &str| Request {
        operation,
        path: path.to_owned(),
        data: Data::new(),
        secret: None,
        mount_point: "hello/".to_owned(),
        display_name: "token".to_owned(),
        entity_id: String::new(),
        remote_address: String::new(),
        caller: Caller::waiting(Duration::from_mins(1)),
    };
    let answer = backend.handle(ask(Operation::Read, "hello")).await;
    let answer = answer.expect("answered").expect("an answer");
    assert_eq!(answer.data.expect("data")["mount"], "a-mount");
    let refused = backend.handle(ask(Operation::Delete, "hello")).await;
    assert!(matches!(refused, Err(Failure::UnsupportedOperation)));
}

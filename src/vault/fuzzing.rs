//! What fuzzing feeds of this layer: a mount behind the gRPC service, without a host and a socket.

use std::sync::Arc;
use std::time::Duration;

use prost::Message;
use tokio_util::sync::CancellationToken;
use tonic::metadata::MetadataMap;
use tonic::{Extensions, Request};

use super::backend::{Factory, Mount};
use super::instance::Instance;
use super::memory::{FixedSystemView, MemoryStorage};
use super::pb::pb::{self, backend_server::Backend as _};
use super::server::Server;
use super::tasks::Tasks;
use super::wire;
use crate::goplugin::fuzzing::broker;
pub(crate) use crate::goplugin::fuzzing::logged;

/// A mount, and the service through which the host asks it.
pub(crate) struct Served {
    server: Server,
}

impl Served {
    /// Makes and initializes a mount on this storage.
    pub(crate) async fn new(factory: Arc<dyn Factory>, storage: Arc<MemoryStorage>) -> Self {
        let tasks = Tasks::new(&CancellationToken::new());
        let mount = Mount {
            uuid: "a-mount".to_owned(),
            storage,
            system: Arc::new(FixedSystemView::default()),
            tasks: tasks.clone(),
        };
        let backend = factory.create(mount).await;
        let server = Server::new(factory, broker(), CancellationToken::new());
        if let Ok(backend) = backend {
            let uuid = "a-mount".to_owned();
            server.put(Instance {
                backend,
                tasks,
                uuid,
            });
        }
        let initialized = server.initialize(asking(pb::InitializeArgs {})).await;
        assert!(initialized.is_ok(), "the mount is in the table");
        Self { server }
    }

    /// Asks what a host asks with these bytes; the first one tells the message. Answers the text of the
    /// answer, or nothing for bytes that are no message.
    pub(crate) async fn message(&self, bytes: &[u8]) -> String {
        let Some((kind, bytes)) = bytes.split_first() else {
            return String::new();
        };
        match kind % 8 {
            0 => self.exists(bytes).await,
            1 => match pb::InvalidateKeyArgs::decode(bytes) {
                Ok(args) => shown(self.server.invalidate_key(asking(args)).await),
                Err(_) => String::new(),
            },
            2 => shown(self.server.special_paths(asking(pb::Empty {})).await),
            3 => shown(self.server.initialize(asking(pb::InitializeArgs {})).await),
            4 => timeouts(bytes),
            _ => match pb::HandleRequestArgs::decode(bytes) {
                Ok(args) => self.request(args).await,
                Err(_) => String::new(),
            },
        }
    }

    async fn exists(&self, bytes: &[u8]) -> String {
        match pb::HandleExistenceCheckArgs::decode(bytes) {
            Ok(args) => shown(self.server.handle_existence_check(asking(args)).await),
            Err(_) => String::new(),
        }
    }

    /// Asks a request. Its answer is JSON where the host reads it as such.
    pub(crate) async fn request(&self, args: pb::HandleRequestArgs) -> String {
        let reply = self.server.handle_request(asking(args)).await;
        if let Ok(reply) = &reply
            && let Some(response) = &reply.get_ref().response
        {
            let lease = response.secret.as_ref();
            let internal = lease.map_or("null", |lease| lease.internal_data.as_str());
            for text in [response.data.as_str(), internal] {
                let read = serde_json::from_str::<serde_json::Value>(text);
                assert!(read.is_ok_and(|json| json.is_object() || json.is_null()));
            }
        }
        shown(reply)
    }

    /// The same of its parts.
    pub(crate) async fn ask(&self, operation: &str, path: &str, data: &str) -> String {
        let request = pb::Request {
            operation: operation.to_owned(),
            path: path.to_owned(),
            data: data.to_owned(),
            ..pb::Request::default()
        };
        let request = Some(request);
        self.request(pb::HandleRequestArgs {
            request,
            ..pb::HandleRequestArgs::default()
        })
        .await
    }

    /// Ends the mount.
    pub(crate) async fn close(&self) {
        self.server.close(Duration::ZERO).await;
    }
}

/// A call of the mount, by a host that waits but a moment.
fn asking<T>(message: T) -> Request<T> {
    let mut metadata = MetadataMap::new();
    for (name, value) in [("multiplex_id", "1"), ("grpc-timeout", "200m")] {
        if let Ok(value) = value.parse() {
            metadata.insert(name, value);
        }
    }
    Request::from_parts(metadata, Extensions::default(), message)
}

/// The text of an answer as it goes out.
fn shown<T: Message>(reply: Result<tonic::Response<T>, tonic::Status>) -> String {
    match reply {
        Ok(reply) => String::from_utf8_lossy(&reply.into_inner().encode_to_vec()).into_owned(),
        Err(status) => format!("{status:?}"),
    }
}

fn timeouts(bytes: &[u8]) -> String {
    let timeout = wire::grpc_timeout(&String::from_utf8_lossy(bytes));
    format!("{timeout:?}")
}

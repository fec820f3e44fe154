//! The gRPC service: decode, find the instance, call, encode. Decides nothing else.

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tokio::task::spawn_blocking;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tonic::metadata::MetadataMap;
use tonic::service::Routes;
use tonic::{Request, Response, Status};

use super::backend::{Factory, Mount};
use super::failure::Failure;
use super::host::{HostStorage, HostSystemView, MAX_MESSAGE_BYTES};
use super::instance::{Instance, Instances};
use super::pb::logical::plugin_version_server::{PluginVersion, PluginVersionServer};
use super::pb::pb::backend_server::{Backend, BackendServer};
use super::pb::pluginutil::multiplexing::plugin_multiplexing_server::{
    PluginMultiplexing, PluginMultiplexingServer,
};
use super::pb::pluginutil::multiplexing::{
    MultiplexingSupportRequest, MultiplexingSupportResponse,
};
use super::pb::{logical, pb};
use super::request::{Caller, Operation};
use super::tasks::Tasks;
use super::wire;
use crate::goplugin::{Broker, Channel, Cookie, Plugin};

/// A secrets engine, as hosts know it: the cookie of backend plugins, and the version of their
/// protocol that has `AutoMTLS` and multiplexing. Source: `sdk/plugin` of Vault's SDK.
pub(crate) const PLUGIN: Plugin = Plugin {
    cookie: Cookie {
        name: "VAULT_BACKEND_PLUGIN",
        value: "6669da05-b1c8-4f49-97d9-c8e5bed98e20",
    },
    protocol_version: 5,
};

/// Requests of the API carry no deadline of their own; the server gives up after 90 s by default,
/// so that an answer after this would reach nobody.
const MAX_DURATION: Duration = Duration::from_secs(85);

/// Up to this size a request is decoded at once, in a millisecond or two.
const LARGE_BYTES: usize = 256 * 1_024;
/// More values than any request of sense has. Whoever looks at each of them, or lets go of them, would
/// hold up all others.
const MOST_VALUES: usize = 100_000;

/// Serves the mounts of this process.
#[derive(Clone)]
pub(crate) struct Server {
    shared: Arc<Shared>,
}

struct Shared {
    factory: Arc<dyn Factory>,
    broker: Broker,
    instances: Instances,
    process: CancellationToken,
}

impl Server {
    /// A server that makes mounts with `factory` and reaches the host through `broker`; `process`
    /// is cancelled when the process is about to end.
    #[must_use]
    pub(crate) fn new(
        factory: Arc<dyn Factory>,
        broker: Broker,
        process: CancellationToken,
    ) -> Self {
        let instances = Instances::default();
        Self {
            shared: Arc::new(Shared {
                factory,
                broker,
                instances,
                process,
            }),
        }
    }

    /// Adds Vault's services.
    #[must_use]
    pub(crate) fn add_to(&self, routes: Routes) -> Routes {
        let backend = BackendServer::new(self.clone())
            .max_decoding_message_size(MAX_MESSAGE_BYTES)
            .max_encoding_message_size(MAX_MESSAGE_BYTES);
        routes
            .add_service(backend)
            .add_service(PluginVersionServer::new(self.clone()))
            .add_service(PluginMultiplexingServer::new(self.clone()))
    }

    /// Puts a mount into the table that no host set up.
    #[cfg(any(test, fuzzing))]
    pub(super) fn put(&self, instance: Instance) {
        let _ = self.shared.instances.insert("1".to_owned(), instance);
    }

    /// Ends every mount; work still under way after `grace` is cut off.
    pub(crate) async fn close(&self, grace: Duration) {
        self.shared.instances.close_all(grace).await;
    }
}

impl Shared {
    /// Makes an instance; on failure nothing of it remains.
    async fn set_up(&self, args: pb::SetupArgs) -> Result<Instance, String> {
        let channel: Channel = self
            .broker
            .dial(args.broker_id)
            .await
            .map_err(|error| super::failure::chain(&error))?;
        let storage = HostStorage::new(channel.clone());
        storage.probe().await.map_err(|reason| {
            format!("the server's storage cannot be reached over the brokered connection: {reason}")
        })?;
        let tasks = Tasks::new(&self.process);
        let mount = Mount {
            uuid: args.backend_uuid.clone(),
            storage: Arc::new(storage),
            system: Arc::new(HostSystemView::new(channel)),
            tasks: tasks.clone(),
        };
        match self.factory.create(mount).await {
            Ok(backend) => Ok(Instance {
                backend,
                tasks,
                uuid: args.backend_uuid,
            }),
            Err(failure) => {
                tasks.close(Duration::ZERO).await;
                Err(failure.to_string())
            }
        }
    }
}

/// Decodes a request: a large one beside the runtime, so that nobody else waits for it.
async fn decoded(request: pb::Request, caller: Caller) -> Result<super::request::Request, Failure> {
    if request.data.len() <= LARGE_BYTES {
        return wire::request(request, caller);
    }
    let decode = move || {
        let request = wire::request(request, caller)?;
        let values: usize = request.data.values().map(values).sum();
        if values > MOST_VALUES {
            let text = format!("the request has {values} values; the most is {MOST_VALUES}");
            return Err(Failure::BadRequest(text));
        }
        Ok(request)
    };
    let decoding = spawn_blocking(decode).await;
    decoding.unwrap_or_else(|_| {
        let text = "the plugin ended while it read the request";
        Err(Failure::Internal(text.to_owned()))
    })
}

/// How many there are in it. JSON was read to a bounded depth.
fn values(value: &Value) -> usize {
    1 + match value {
        Value::Array(items) => items.iter().map(values).sum(),
        Value::Object(fields) => fields.values().map(values).sum(),
        _ => 0,
    }
}

/// When nobody waits for the answer any more.
fn deadline(metadata: &MetadataMap) -> Instant {
    let header = metadata
        .get("grpc-timeout")
        .and_then(|value| value.to_str().ok());
    let duration = header
        .and_then(wire::grpc_timeout)
        .map_or(MAX_DURATION, |given| given.min(MAX_DURATION));
    Instant::now() + duration
}

#[tonic::async_trait]
impl Backend for Server {
    async fn handle_request(
        &self,
        request: Request<pb::HandleRequestArgs>,
    ) -> Result<Response<pb::HandleRequestReply>, Status> {
        let instance = self.shared.instances.of(request.metadata())?;
        let gone = CancellationToken::new();
        let caller = Caller {
            deadline: deadline(request.metadata()),
            gone: gone.clone(),
        };
        // This future is dropped when the host gives up; the work then learns it from the token.
        let guard = gone.drop_guard();
        let request = request.into_inner().request.unwrap_or_default();
        let operation = Operation::from_word(&request.operation);
        let outcome = match decoded(request, caller).await {
            Ok(request) => instance.handle(request).await,
            Err(failure) => Err(failure),
        };
        guard.disarm();
        Ok(Response::new(wire::reply(operation, outcome)))
    }

    async fn handle_existence_check(
        &self,
        request: Request<pb::HandleExistenceCheckArgs>,
    ) -> Result<Response<pb::HandleExistenceCheckReply>, Status> {
        let instance = self.shared.instances.of(request.metadata())?;
        let caller = Caller {
            deadline: deadline(request.metadata()),
            gone: CancellationToken::new(),
        };
        let request = request.into_inner().request.unwrap_or_default();
        let outcome = match decoded(request, caller).await {
            Ok(request) => instance.exists(request).await,
            Err(failure) => Err(failure),
        };
        Ok(Response::new(wire::existence(outcome)))
    }

    async fn special_paths(
        &self,
        request: Request<pb::Empty>,
    ) -> Result<Response<pb::SpecialPathsReply>, Status> {
        let instance = self.shared.instances.of(request.metadata())?;
        let paths = wire::paths(instance.backend.special_paths());
        Ok(Response::new(pb::SpecialPathsReply { paths: Some(paths) }))
    }

    async fn setup(
        &self,
        request: Request<pb::SetupArgs>,
    ) -> Result<Response<pb::SetupReply>, Status> {
        let id = Instances::id(request.metadata())?;
        let in_use = || "this multiplex_id is in use: the server must draw a new one".to_owned();
        if self.shared.instances.contains(&id) {
            return Ok(Response::new(pb::SetupReply { err: in_use() }));
        }
        let err = match self.shared.set_up(request.into_inner()).await {
            Ok(instance) => match self.shared.instances.insert(id, instance) {
                Ok(()) => String::new(),
                Err(second) => {
                    second.close(Duration::ZERO).await;
                    in_use()
                }
            },
            Err(text) => text,
        };
        Ok(Response::new(pb::SetupReply { err }))
    }

    async fn initialize(
        &self,
        request: Request<pb::InitializeArgs>,
    ) -> Result<Response<pb::InitializeReply>, Status> {
        let instance = self.shared.instances.of(request.metadata())?;
        let err = instance.initialize().await.err().map(wire::error);
        Ok(Response::new(pb::InitializeReply { err }))
    }

    async fn r#type(&self, request: Request<pb::Empty>) -> Result<Response<pb::TypeReply>, Status> {
        self.shared.instances.of(request.metadata())?;
        Ok(Response::new(pb::TypeReply {
            r#type: wire::SECRETS_ENGINE,
        }))
    }

    async fn invalidate_key(
        &self,
        request: Request<pb::InvalidateKeyArgs>,
    ) -> Result<Response<pb::Empty>, Status> {
        let instance = self.shared.instances.of(request.metadata())?;
        instance.backend.invalidate(&request.into_inner().key).await;
        Ok(Response::new(pb::Empty {}))
    }

    async fn cleanup(&self, request: Request<pb::Empty>) -> Result<Response<pb::Empty>, Status> {
        self.shared.instances.clean_up(request.metadata()).await?;
        Ok(Response::new(pb::Empty {}))
    }
}

#[tonic::async_trait]
impl PluginVersion for Server {
    async fn version(
        &self,
        request: Request<logical::Empty>,
    ) -> Result<Response<logical::VersionReply>, Status> {
        self.shared.instances.of(request.metadata())?;
        let plugin_version = self.shared.factory.version().to_owned();
        Ok(Response::new(logical::VersionReply { plugin_version }))
    }
}

#[tonic::async_trait]
impl PluginMultiplexing for Server {
    async fn multiplexing_support(
        &self,
        _: Request<MultiplexingSupportRequest>,
    ) -> Result<Response<MultiplexingSupportResponse>, Status> {
        Ok(Response::new(MultiplexingSupportResponse {
            supported: true,
        }))
    }
}

//! A mount: Vault's calls to one instance in a plugin, and the services it is given for them.

use std::{collections::BTreeMap, time::Duration};

use mongodbatlas::protocol::backend::{
    logical::{self, plugin_version_client::PluginVersionClient},
    pb::{
        Empty, HandleExistenceCheckArgs, HandleRequestArgs, InitializeArgs, InvalidateKeyArgs,
        Request as Asked, Secret, SetupArgs, backend_client::BackendClient,
    },
};
use serde_json::{Value, json};
use tonic::{Request, Status, service::Routes, transport::Channel};

use crate::{
    answer::{self, Answer, Failure, Lease},
    host::Plugin,
    store::{self, Store},
    view::{self, View},
};

/// The metadata key that names an instance.
pub(crate) const MULTIPLEX_ID: &str = "multiplex_id";

/// A message for the instances of these ids; a host names exactly one.
pub(crate) fn addressed<T>(message: T, ids: &[&str]) -> Request<T> {
    let mut request = Request::new(message);
    for id in ids {
        let id = id.parse().expect("printable ASCII");
        request.metadata_mut().append(MULTIPLEX_ID, id);
    }
    request
}

/// What a host offers to one mount.
#[derive(Clone)]
pub(crate) struct HostSide {
    /// Its storage.
    pub(crate) store: Store,
    /// Its system view.
    pub(crate) view: View,
}

impl HostSide {
    /// An active node of `OpenBao`.
    pub(crate) fn new() -> Self {
        Self::with(Store::new())
    }

    /// An active node with this storage.
    pub(crate) fn with(store: Store) -> Self {
        let view = View::new();
        Self { store, view }
    }

    /// The services.
    pub(crate) fn routes(&self) -> Routes {
        Routes::default()
            .add_service(store::server(&self.store))
            .add_service(view::server(&self.view))
    }
}

/// One mount, set up or not.
#[derive(Clone)]
pub(crate) struct Mount {
    /// Its multiplexing id.
    pub(crate) id: String,
    /// What the host offers.
    pub(crate) host: HostSide,
    channel: Channel,
}

impl Plugin {
    /// A mount that is still to be set up, under an id of its own.
    pub(crate) fn unmounted(&mut self, host: &HostSide) -> Mount {
        Mount {
            id: format!("mount{:05}", self.next_mount()),
            host: host.clone(),
            channel: self.channel.clone(),
        }
    }

    /// Sets a mount up as a host does; the text of the failure, empty for none.
    pub(crate) async fn set_up(&mut self, mount: &Mount) -> String {
        let broker_id = self.next_mount();
        self.listen(broker_id, mount.host.routes()).await;
        mount.set_up(broker_id).await
    }

    /// A mount that is ready for requests.
    pub(crate) async fn mount(&mut self, host: &HostSide) -> Mount {
        let mount = self.unmounted(host);
        assert_eq!(self.set_up(&mount).await, "");
        assert_eq!(mount.initialize().await, None);
        mount
    }
}

impl Mount {
    /// The same instance, whatever is set up under the id.
    pub(crate) fn backend(&self) -> BackendClient<Channel> {
        BackendClient::new(self.channel.clone())
            .max_decoding_message_size(i32::MAX as usize)
            .max_encoding_message_size(i32::MAX as usize)
    }

    /// A message to this instance.
    pub(crate) fn to<T>(&self, message: T) -> Request<T> {
        addressed(message, &[&self.id])
    }

    /// Setup over a brokered connection; the text of the failure, empty for none.
    pub(crate) async fn set_up(&self, broker_id: u32) -> String {
        let config = [
            ("plugin_name", "mongodbatlas"),
            ("plugin_type", "secret"),
            ("plugin_version", ""),
        ];
        let config = config.map(|(key, value)| (key.to_owned(), value.to_owned()));
        let args = SetupArgs {
            broker_id,
            config: BTreeMap::from(config),
            backend_uuid: "6e5f4f1a-0000-0000-0000-000000000000".to_owned(),
        };
        let reply = self.backend().setup(self.to(args)).await;
        reply.expect("Setup is answered").into_inner().err
    }

    /// Initialize; what failed.
    pub(crate) async fn initialize(&self) -> Option<Failure> {
        let reply = self.backend().initialize(self.to(InitializeArgs {})).await;
        let reply = reply.expect("Initialize is answered").into_inner();
        reply.err.map(answer::failure)
    }

    /// Type.
    pub(crate) async fn kind(&self) -> Result<u32, Status> {
        let reply = self.backend().r#type(self.to(Empty {})).await;
        reply.map(|reply| reply.into_inner().r#type)
    }

    /// The version that the plugin reports.
    pub(crate) async fn version(&self) -> String {
        let mut client = PluginVersionClient::new(self.channel.clone());
        let reply = client.version(self.to(logical::Empty {})).await;
        reply
            .expect("Version is answered")
            .into_inner()
            .plugin_version
    }

    /// Cleanup.
    pub(crate) async fn clean_up(&self) -> Result<(), Status> {
        self.backend().cleanup(self.to(Empty {})).await.map(drop)
    }

    /// Another node changed a key.
    pub(crate) async fn invalidate(&self, key: &str) {
        let args = InvalidateKeyArgs {
            key: key.to_owned(),
        };
        let reply = self.backend().invalidate_key(self.to(args)).await;
        reply.expect("InvalidateKey is answered");
    }

    /// A request as it stands.
    pub(crate) async fn send(&self, request: Asked) -> Result<Answer, Status> {
        let args = HandleRequestArgs {
            storage_id: 0,
            request: Some(request),
        };
        let reply = self.backend().handle_request(self.to(args)).await?;
        Ok(Answer::read(reply.into_inner()))
    }

    /// A request that must be answered, as every request must.
    pub(crate) async fn ask(&self, operation: &str, path: &str, data: Value) -> Answer {
        let answer = self.send(asked(operation, path, &data)).await;
        answer.expect("a request is never answered by a gRPC status")
    }

    /// A read.
    pub(crate) async fn read(&self, path: &str) -> Answer {
        self.ask("read", path, Value::Null).await
    }

    /// A write as the host makes it: create or update, as the existence check says.
    pub(crate) async fn write(&self, path: &str, data: Value) -> Answer {
        let check = self.exists(path, data.clone()).await;
        let operation = match check {
            Ok(Some(false)) => "create",
            _ => "update",
        };
        self.ask(operation, path, data).await
    }

    /// A write that must succeed.
    pub(crate) async fn write_well(&self, path: &str, data: Value) {
        let answer = self.write(path, data).await;
        assert!(answer.is_success(), "{answer:?}");
    }

    /// An existence check: nothing where the path does not tell.
    pub(crate) async fn exists(&self, path: &str, data: Value) -> Result<Option<bool>, Failure> {
        let args = HandleExistenceCheckArgs {
            storage_id: 0,
            request: Some(asked("update", path, &data)),
        };
        let reply = self.backend().handle_existence_check(self.to(args)).await;
        let reply = reply.expect("an existence check is answered").into_inner();
        match reply.err {
            Some(error) => Err(answer::failure(error)),
            None => Ok(reply.check_found.then_some(reply.exists)),
        }
    }

    /// The end of a lease.
    pub(crate) async fn revoke(&self, lease: &Lease) -> Answer {
        self.about_lease("revoke", "creds/role", lease, Value::Null)
            .await
    }

    /// A request about a lease: the path that made it, the data of that answer.
    pub(crate) async fn about_lease(
        &self,
        operation: &str,
        path: &str,
        lease: &Lease,
        data: Value,
    ) -> Answer {
        let mut request = asked(operation, path, &data);
        request.secret = Some(lease.secret.clone());
        let answer = self.send(request).await;
        answer.expect("a request is never answered by a gRPC status")
    }

    /// The host's tick.
    pub(crate) async fn tick(&self) -> Answer {
        let mut request = Request::new(HandleRequestArgs {
            storage_id: 0,
            request: Some(asked("rollback", "", &Value::Null)),
        });
        request.set_timeout(Duration::from_secs(90));
        let id = self.id.parse().expect("printable ASCII");
        request.metadata_mut().insert(MULTIPLEX_ID, id);
        let reply = self.backend().handle_request(request).await;
        Answer::read(reply.expect("a tick is answered").into_inner())
    }
}

/// A request as hosts make them.
pub(crate) fn asked(operation: &str, path: &str, data: &Value) -> Asked {
    Asked {
        id: "9f86d081-884c-7d65-9a2f-eaa0c55ad015".to_owned(),
        operation: operation.to_owned(),
        path: path.to_owned(),
        data: data.to_string(),
        client_token: "hmac".to_owned(),
        display_name: "token".to_owned(),
        mount_point: "mongodbatlas/".to_owned(),
        mount_type: "mongodbatlas".to_owned(),
        ..Asked::default()
    }
}

/// A lease that some version of some engine made, as the host sends it back.
pub(crate) fn lease(internal: &Value) -> Lease {
    let internal_data = internal.to_string();
    let secret = Secret {
        lease_options: Some(mongodbatlas::protocol::backend::pb::LeaseOptions {
            ttl: 3_600_000_000_000,
            renewable: true,
            increment: 0,
            issue_time: Some(prost_types::Timestamp {
                seconds: 1_700_000_000,
                nanos: 5,
            }),
            max_ttl: 0,
        }),
        internal_data,
        lease_id: String::new(),
    };
    let internal = internal.as_object().cloned().unwrap_or_default();
    Lease { secret, internal }
}

/// A role of the organization.
pub(crate) fn org_role(org: &str) -> Value {
    json!({"organization_id": org, "roles": "ORG_READ_ONLY"})
}

//! The system view as a host serves it on a brokered connection; a test sets its answers.

use std::{
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use mongodbatlas::protocol::backend::{
    logical::PluginEnvironment,
    pb::{
        CachingDisabledReply, ClusterInfoReply, Empty, EntityInfoArgs, EntityInfoReply,
        GeneratePasswordFromPolicyReply, GeneratePasswordFromPolicyRequest, GroupsForEntityReply,
        LocalMountReply, MlockEnabledReply, PluginEnvReply, ReplicationStateReply, TaintedReply,
        TtlReply,
        system_view_server::{SystemView, SystemViewServer},
    },
};
use tonic::{Request, Response, Status};

/// Replication states as real servers tell them.
pub(crate) mod state {
    /// A node that may write.
    pub(crate) const ACTIVE: i32 = 8_224;
    /// A standby that answers reads.
    pub(crate) const STANDBY: i32 = 24_576;
    /// A performance secondary's active node.
    pub(crate) const SECONDARY: i32 = 8_256;
}

/// Whether questions are answered.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Presence {
    /// They are.
    Answers,
    /// There is no system view: what a host's probes offer.
    Missing,
    /// Nobody ever answers.
    Hangs,
}

/// One mount's system view. Clones are the same.
#[derive(Clone)]
pub(crate) struct View(Arc<Mutex<Answers>>);

#[derive(Clone, Copy)]
struct Answers {
    default_ttl: Duration,
    max_ttl: Duration,
    replication: i32,
    local: bool,
    tainted: bool,
    presence: Presence,
}

impl View {
    /// The view of an active node with the TTLs of a server that nobody tuned.
    pub(crate) fn new() -> Self {
        let month = Duration::from_hours(768);
        Self(Arc::new(Mutex::new(Answers {
            default_ttl: month,
            max_ttl: month,
            replication: state::ACTIVE,
            local: false,
            tainted: false,
            presence: Presence::Answers,
        })))
    }

    fn answers(&self) -> MutexGuard<'_, Answers> {
        self.0.lock().expect("no test panics with the lock")
    }

    /// Tunes the mount.
    pub(crate) fn tune(&self, default_ttl: Duration, max_ttl: Duration) {
        let mut answers = self.answers();
        answers.default_ttl = default_ttl;
        answers.max_ttl = max_ttl;
    }

    /// Moves the node, and says whether the mount is local to its cluster.
    pub(crate) fn place(&self, replication: i32, local: bool) {
        let mut answers = self.answers();
        answers.replication = replication;
        answers.local = local;
    }

    /// The mount is being disabled.
    pub(crate) fn taint(&self) {
        self.answers().tainted = true;
    }

    /// Changes whether questions are answered.
    pub(crate) fn set(&self, presence: Presence) {
        self.answers().presence = presence;
    }

    async fn answer<T>(&self, pick: impl FnOnce(Answers) -> T) -> Result<Response<T>, Status> {
        let answers = *self.answers();
        match answers.presence {
            Presence::Answers => Ok(Response::new(pick(answers))),
            Presence::Missing => Err(Status::unknown(
                "missing system view implementation: this should not happen",
            )),
            Presence::Hangs => std::future::pending().await,
        }
    }
}

/// The service.
pub(crate) fn server(view: &View) -> SystemViewServer<View> {
    SystemViewServer::new(view.clone())
}

fn ttl(time: Duration) -> TtlReply {
    let ttl = i64::try_from(time.as_nanos()).expect("less than 292 years");
    TtlReply { ttl }
}

fn not_asked<T>() -> Result<Response<T>, Status> {
    Err(Status::unimplemented("this engine has no use for it"))
}

#[tonic::async_trait]
impl SystemView for View {
    async fn default_lease_ttl(&self, _: Request<Empty>) -> Result<Response<TtlReply>, Status> {
        self.answer(|answers| ttl(answers.default_ttl)).await
    }

    async fn max_lease_ttl(&self, _: Request<Empty>) -> Result<Response<TtlReply>, Status> {
        self.answer(|answers| ttl(answers.max_ttl)).await
    }

    async fn tainted(&self, _: Request<Empty>) -> Result<Response<TaintedReply>, Status> {
        self.answer(|answers| TaintedReply {
            tainted: answers.tainted,
        })
        .await
    }

    async fn caching_disabled(
        &self,
        _: Request<Empty>,
    ) -> Result<Response<CachingDisabledReply>, Status> {
        self.answer(|_| CachingDisabledReply { disabled: false })
            .await
    }

    async fn replication_state(
        &self,
        _: Request<Empty>,
    ) -> Result<Response<ReplicationStateReply>, Status> {
        self.answer(|answers| ReplicationStateReply {
            state: answers.replication,
        })
        .await
    }

    async fn mlock_enabled(
        &self,
        _: Request<Empty>,
    ) -> Result<Response<MlockEnabledReply>, Status> {
        self.answer(|_| MlockEnabledReply { enabled: false }).await
    }

    async fn local_mount(&self, _: Request<Empty>) -> Result<Response<LocalMountReply>, Status> {
        self.answer(|answers| LocalMountReply {
            local: answers.local,
        })
        .await
    }

    async fn entity_info(
        &self,
        _: Request<EntityInfoArgs>,
    ) -> Result<Response<EntityInfoReply>, Status> {
        not_asked()
    }

    async fn plugin_env(&self, _: Request<Empty>) -> Result<Response<PluginEnvReply>, Status> {
        let plugin_environment = PluginEnvironment {
            vault_version: "2.7.2".to_owned(),
            ..PluginEnvironment::default()
        };
        self.answer(|_| PluginEnvReply {
            plugin_environment: Some(plugin_environment),
            err: String::new(),
        })
        .await
    }

    async fn groups_for_entity(
        &self,
        _: Request<EntityInfoArgs>,
    ) -> Result<Response<GroupsForEntityReply>, Status> {
        not_asked()
    }

    async fn generate_password_from_policy(
        &self,
        _: Request<GeneratePasswordFromPolicyRequest>,
    ) -> Result<Response<GeneratePasswordFromPolicyReply>, Status> {
        not_asked()
    }

    async fn cluster_info(&self, _: Request<Empty>) -> Result<Response<ClusterInfoReply>, Status> {
        not_asked()
    }
}

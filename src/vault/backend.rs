//! What a mount can be asked, and what it is made from.

use std::sync::Arc;

use async_trait::async_trait;

use super::failure::Failure;
use super::request::{Request, Response};
use super::storage::Storage;
use super::system_view::SystemView;
use super::tasks::Tasks;

/// One mount's backend.
#[async_trait]
pub(crate) trait Backend: Send + Sync {
    /// After Setup; storage may be written now, except on a standby. Fails only where nothing
    /// else is right: the host keeps a mount whose backend refuses everything.
    async fn initialize(&self) -> Result<(), Failure>;

    /// One request. [`None`]: 404 on read and list, 204 on a write.
    async fn handle(&self, request: Request) -> Result<Option<Response>, Failure>;

    /// Whether the object of a write exists; [`None`] where the path does not tell. Reads only.
    async fn exists(&self, request: Request) -> Result<Option<bool>, Failure>;

    /// Paths and storage keys that the host treats in a special way.
    fn special_paths(&self) -> SpecialPaths;

    /// Another node wrote or deleted this key: drop what was derived from it.
    async fn invalidate(&self, key: &str);
}

/// Paths relative to the mount, with a trailing `*` as prefix; storage keys, with a trailing `/`
/// as prefix.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct SpecialPaths {
    /// Paths whose caller needs the `sudo` capability.
    pub root: Vec<String>,
    /// Paths that need no token.
    pub unauthenticated: Vec<String>,
    /// Keys that are not replicated.
    pub local_storage: Vec<String>,
    /// Keys that get a second encryption where the seal supports it.
    pub seal_wrap_storage: Vec<String>,
}

/// What a backend is made from. In the host's probes storage and system view refuse every call.
#[derive(Clone)]
pub(crate) struct Mount {
    /// Stable over restarts and reloads; empty in probes.
    pub uuid: String,
    /// The mount's storage; read-only until [`Backend::initialize`].
    pub storage: Arc<dyn Storage>,
    /// The host's view of the mount.
    pub system: Arc<dyn SystemView>,
    /// Owns every task of the mount; what is started here is waited for at Cleanup.
    pub tasks: Tasks,
}

/// Makes a backend for each mount.
#[async_trait]
pub(crate) trait Factory: Send + Sync {
    /// Makes one mount's backend: quickly, without the outside world, without writing.
    async fn create(&self, mount: Mount) -> Result<Arc<dyn Backend>, Failure>;

    /// The version the plugin reports: `vX.Y.Z`, or empty for none.
    fn version(&self) -> &str;
}

//! How an engine tells what it serves: once, for all its mounts.

use std::sync::Arc;

use super::call::{Handler, handler};
use super::path::Path;
use super::row::Row;
use super::secret_type::SecretType;
use super::wal::{self, WalEntry};
use crate::base::{Clock, SystemClock};
use crate::vault::{Failure, Mount, SpecialPaths};

/// What an engine serves on each of its mounts. The order of calls that build it is of no matter, but
/// that of paths: the first that matches is asked.
pub(crate) struct Description<E> {
    pub(super) clock: Arc<dyn Clock>,
    pub(super) about: &'static str,
    pub(super) rows: Vec<Row<E>>,
    pub(super) secrets: Vec<SecretType<E>>,
    pub(super) log: wal::Log<E>,
    pub(super) special: SpecialPaths,
    pub(super) before_each: Option<Handler<E, (), ()>>,
    pub(super) initialize: Option<Handler<E, (), ()>>,
    pub(super) periodic: Option<Handler<E, (), ()>>,
    pub(super) invalidate: Option<Handler<E, String, ()>>,
}

/// An engine on one mount. Only what is the mount's own is here, so that a further mount costs little.
pub(crate) struct Framework<E> {
    pub(super) engine: Arc<E>,
    pub(super) mount: Mount,
    pub(super) described: Arc<Description<E>>,
    pub(super) log_position: wal::Position,
}

impl<E: Send + Sync + 'static> Description<E> {
    /// So far nothing is served.
    #[must_use]
    pub(crate) fn new() -> Self {
        Self {
            clock: Arc::new(SystemClock),
            about: "",
            rows: Vec::new(),
            secrets: Vec::new(),
            log: wal::Log::default(),
            special: SpecialPaths::default(),
            before_each: None,
            initialize: None,
            periodic: None,
            invalidate: None,
        }
    }

    /// Serves an engine on a mount.
    #[must_use]
    pub(crate) fn serve(self: &Arc<Self>, engine: Arc<E>, mount: Mount) -> Framework<E> {
        Framework {
            engine,
            mount,
            described: Arc::clone(self),
            log_position: wal::Position::default(),
        }
    }

    /// The clock by which entries of the write-ahead log age.
    #[must_use]
    pub(crate) fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// What the engine is for, told by the help of the mount itself.
    #[must_use]
    pub(crate) fn about(mut self, about: &'static str) -> Self {
        self.about = about;
        self
    }

    /// Serves a path.
    #[must_use]
    pub(crate) fn path(mut self, path: Path<E>) -> Self {
        self.rows.push(Row::new(path));
        self
    }

    /// Serves paths.
    #[must_use]
    pub(crate) fn paths(self, paths: impl IntoIterator<Item = Path<E>>) -> Self {
        paths.into_iter().fold(self, Self::path)
    }

    /// Renews and revokes leases of a kind.
    #[must_use]
    pub(crate) fn secret(mut self, kind: SecretType<E>) -> Self {
        self.secrets.push(kind);
        self
    }

    /// Undoes what write-ahead log entries of a kind tell. On success the entry is deleted; on an
    /// error it stays for the next periodic run.
    #[must_use]
    pub(crate) fn wal<X, Work>(
        mut self,
        kind: &'static str,
        undo: impl Fn(Arc<E>, WalEntry) -> Work + Send + Sync + 'static,
    ) -> Self
    where
        Work: Future<Output = Result<(), X>> + Send + 'static,
        X: Into<Failure>,
    {
        self.log.handlers.insert(kind, handler(undo));
        self
    }

    /// Paths and keys that the host treats in a special way.
    #[must_use]
    pub(crate) fn special(mut self, special: SpecialPaths) -> Self {
        self.special = special;
        self
    }

    /// Called before each request, lease and periodic run: where it fails, that fails too. Not before
    /// what is answered without storage, nor before an existence check, which cannot be forwarded.
    #[must_use]
    pub(crate) fn before_each<X, Work>(
        mut self,
        function: impl Fn(Arc<E>) -> Work + Send + Sync + 'static,
    ) -> Self
    where
        Work: Future<Output = Result<(), X>> + Send + 'static,
        X: Into<Failure>,
    {
        self.before_each = Some(handler(move |engine, ()| function(engine)));
        self
    }

    /// Called by [`Backend::initialize`].
    #[must_use]
    pub(crate) fn on_initialize<X, Work>(
        mut self,
        function: impl Fn(Arc<E>) -> Work + Send + Sync + 'static,
    ) -> Self
    where
        Work: Future<Output = Result<(), X>> + Send + 'static,
        X: Into<Failure>,
    {
        self.initialize = Some(handler(move |engine, ()| function(engine)));
        self
    }

    /// The periodic function: called by the host about every minute, where this node may act for the mount.
    #[must_use]
    pub(crate) fn periodic<X, Work>(
        mut self,
        function: impl Fn(Arc<E>) -> Work + Send + Sync + 'static,
    ) -> Self
    where
        Work: Future<Output = Result<(), X>> + Send + 'static,
        X: Into<Failure>,
    {
        self.periodic = Some(handler(move |engine, ()| function(engine)));
        self
    }

    /// Called by [`Backend::invalidate`] with the storage key that another node changed.
    #[must_use]
    pub(crate) fn on_invalidate<Work>(
        mut self,
        function: impl Fn(Arc<E>, String) -> Work + Send + Sync + 'static,
    ) -> Self
    where
        Work: Future<Output = ()> + Send + 'static,
    {
        self.invalidate = Some(handler(move |engine, key| {
            let work = function(engine, key);
            async move {
                work.await;
                Ok::<(), Failure>(())
            }
        }));
        self
    }
}

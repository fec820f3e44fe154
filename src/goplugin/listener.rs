//! The main socket: where it lies, who may open it, and the authenticated connections on it.

use std::{
    io,
    os::unix::fs::{PermissionsExt as _, chown},
    path::{Path, PathBuf},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use futures_util::{Stream, StreamExt as _, stream};
use nix::unistd::Group;
use rustls::ServerConfig;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{UnixListener, UnixStream},
    time::{sleep, timeout},
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};
use tonic::transport::server::Connected;

use super::connection_tracker::{ConnectionGuard, ConnectionTracker};
use crate::base::{Entropy, base62};

/// TLS handshakes going on at once; each waiting client takes one of these places.
const MAX_HANDSHAKES: usize = 16;
/// How long one client may take for its TLS handshake. Go's gRPC allows 20 s for a connection, and
/// a host whose start fails leaves its mounts without a backend.
const HANDSHAKE_LIMIT: Duration = Duration::from_secs(20);
/// Pause after a failed accept, mostly for want of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// How often a new name is drawn when the one before is taken.
const NAME_ATTEMPTS: usize = 8;

/// Why the socket cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SocketError {
    /// It could not be made.
    #[error(
        "cannot make the socket {}; the directory must be writable and its path short (set \
         PLUGIN_UNIX_SOCKET_DIR or TMPDIR)", path.display()
    )]
    Bind {
        /// The last path that was tried.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// The group is neither a number nor known.
    #[error("PLUGIN_UNIX_SOCKET_GROUP names no group of this system: {0:?}")]
    UnknownGroup(String),
    /// The group exists and the file cannot be handed to it.
    #[error("cannot hand the socket to the group in PLUGIN_UNIX_SOCKET_GROUP")]
    Permissions(#[source] io::Error),
}

/// A listening socket, whose file is removed when this is dropped.
#[derive(Debug)]
pub(crate) struct Listener {
    socket: UnixListener,
    file: SocketFile,
}

#[derive(Debug)]
struct SocketFile(PathBuf);

impl Drop for SocketFile {
    fn drop(&mut self) {
        // Nothing can be done about a file that somebody else removed or guards.
        let _ = std::fs::remove_file(&self.0);
    }
}

impl Listener {
    /// Makes a socket of a new name in `directory` and listens on it.
    ///
    /// With `group`, a number or a name, the group may connect too. Source of the rules:
    /// hashicorp/go-plugin v1.8.0, `server.go` (`serverListener_unix`).
    pub(crate) fn bind(
        directory: &Path,
        group: Option<&str>,
        entropy: &dyn Entropy,
    ) -> Result<Self, SocketError> {
        let (socket, file) = bind_new_name(directory, entropy)?;
        if let Some(group) = group.filter(|group| !group.is_empty()) {
            chown(&file.0, None, Some(group_id(group)?)).map_err(SocketError::Permissions)?;
            let mode = std::fs::Permissions::from_mode(0o660);
            std::fs::set_permissions(&file.0, mode).map_err(SocketError::Permissions)?;
        }
        Ok(Self { socket, file })
    }

    /// The socket's absolute path.
    pub(crate) fn path(&self) -> &Path {
        &self.file.0
    }

    /// The connections of clients that TLS has let in; never ends and never fails.
    ///
    /// Handshakes go on side by side, so that a slow client does not keep others out.
    pub(crate) fn connections(
        self,
        tls: Arc<ServerConfig>,
        tracker: ConnectionTracker,
    ) -> impl Stream<Item = io::Result<Connection>> {
        let acceptor = TlsAcceptor::from(tls);
        stream::unfold(self, |listener| async {
            Some((listener.accept().await, listener))
        })
        .map(move |socket| handshake(acceptor.clone(), socket))
        .buffer_unordered(MAX_HANDSHAKES)
        .filter_map(move |stream| {
            let connection = stream.map(|stream| {
                Ok(Connection {
                    stream,
                    _guard: tracker.track(),
                })
            });
            async { connection }
        })
    }

    async fn accept(&self) -> UnixStream {
        loop {
            match self.socket.accept().await {
                Ok((stream, _)) => return stream,
                Err(error) => {
                    tracing::warn!(%error, "cannot accept a connection; retrying");
                    sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }
}

fn bind_new_name(
    directory: &Path,
    entropy: &dyn Entropy,
) -> Result<(UnixListener, SocketFile), SocketError> {
    let failed = |path: &Path, source| SocketError::Bind {
        path: path.to_owned(),
        source,
    };
    let directory = std::path::absolute(directory).map_err(|error| failed(directory, error))?;
    let mut attempt = 0;
    loop {
        attempt += 1;
        let path = directory.join(format!("plugin{}", base62(entropy, 12)));
        match UnixListener::bind(&path) {
            Ok(socket) => return Ok((socket, SocketFile(path))),
            Err(error) if error.kind() == io::ErrorKind::AddrInUse && attempt < NAME_ATTEMPTS => {}
            Err(error) => return Err(failed(&path, error)),
        }
    }
}

fn group_id(group: &str) -> Result<u32, SocketError> {
    if let Ok(id) = group.parse() {
        return Ok(id);
    }
    match Group::from_name(group) {
        Ok(Some(found)) => Ok(found.gid.as_raw()),
        Ok(None) | Err(_) => Err(SocketError::UnknownGroup(group.to_owned())),
    }
}

async fn handshake(acceptor: TlsAcceptor, socket: UnixStream) -> Option<TlsStream<UnixStream>> {
    match timeout(HANDSHAKE_LIMIT, acceptor.accept(socket)).await {
        Ok(Ok(stream)) => Some(stream),
        Ok(Err(error)) => {
            tracing::warn!(%error, "rejected a connection: TLS handshake failed");
            None
        }
        Err(_) => {
            tracing::warn!(
                limit_seconds = HANDSHAKE_LIMIT.as_secs(),
                "dropped a connection: TLS handshake timed out"
            );
            None
        }
    }
}

/// An authenticated connection of the host.
pub(crate) struct Connection {
    stream: TlsStream<UnixStream>,
    _guard: ConnectionGuard,
}

impl Connected for Connection {
    type ConnectInfo = ();

    fn connect_info(&self) -> Self::ConnectInfo {}
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

/// One slice at a time, as in [`Joined`](super::joined::Joined).
impl AsyncWrite for Connection {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        data: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, data)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU8, Ordering};

    use super::*;

    /// Draws each name twice before it comes to the next.
    struct Stuttering(AtomicU8);

    impl Entropy for Stuttering {
        fn fill(&self, bytes: &mut [u8]) {
            bytes.fill(self.0.fetch_add(1, Ordering::Relaxed) / 2);
        }
    }

    #[tokio::test]
    async fn a_name_that_is_taken_is_not_used() {
        let folder = tempfile::tempdir().unwrap();
        let entropy = Stuttering(AtomicU8::new(0));
        let first = Listener::bind(folder.path(), None, &entropy).unwrap();
        let second = Listener::bind(folder.path(), None, &entropy).unwrap();
        assert_eq!(first.path(), folder.path().join("plugin000000000000"));
        assert_eq!(second.path(), folder.path().join("plugin111111111111"));
    }

    #[tokio::test]
    async fn the_file_is_gone_when_listening_ends() {
        let folder = tempfile::tempdir().unwrap();
        let listener = Listener::bind(folder.path(), None, &crate::base::SystemEntropy).unwrap();
        let path = listener.path().to_owned();
        assert!(path.exists());
        drop(listener);
        assert!(!path.exists());
    }

    #[tokio::test]
    async fn a_directory_that_cannot_hold_a_socket_is_named() {
        let missing = Path::new("/nowhere/at/all");
        let error = Listener::bind(missing, None, &crate::base::SystemEntropy).unwrap_err();
        assert!(
            error.to_string().contains("/nowhere/at/all/plugin"),
            "{error}"
        );
        let long = Path::new("/tmp").join("x".repeat(120));
        Listener::bind(&long, None, &crate::base::SystemEntropy).unwrap_err();
    }

    #[test]
    fn a_group_is_a_number_or_a_known_name() {
        assert_eq!(group_id("4711").unwrap(), 4711);
        assert_eq!(group_id("root").unwrap(), 0);
        assert!(matches!(
            group_id("no such group"),
            Err(SocketError::UnknownGroup(_))
        ));
    }
}

//! The main socket: that its file stays, and the authenticated connections on it.

use std::{
    io,
    path::Path,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use futures_util::{Stream, StreamExt as _, stream};
use rustls::ServerConfig;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{UnixListener, UnixStream},
    sync::watch,
    time::{sleep, timeout},
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};
use tonic::transport::server::Connected;

use super::connection_tracker::{ConnectionGuard, ConnectionTracker};
use super::socket_file::{Found, SocketError, SocketFile};
use crate::base::{Entropy, chain};

/// TLS handshakes going on at once; each waiting client takes one of these places.
const MAX_HANDSHAKES: usize = 16;
/// How long one client may take for its TLS handshake. Go's gRPC allows 20 s for a connection, and
/// a host whose start fails leaves its mounts without a backend.
const HANDSHAKE_LIMIT: Duration = Duration::from_secs(20);
/// Pause after a failed accept, mostly for want of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// How often it is seen after that the socket's file is still there.
const FILE_CHECK: Duration = Duration::from_secs(10);
/// A listening socket, whose file is removed when this is dropped.
#[derive(Debug)]
pub(crate) struct Listener {
    socket: UnixListener,
    file: SocketFile,
    /// The file is gone and could not be made again, or another is in its place: said once.
    is_lost: bool,
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
        let (socket, file) = SocketFile::bind(directory, group, entropy)?;
        Ok(Self {
            socket,
            file,
            is_lost: false,
        })
    }

    /// The socket's absolute path.
    pub(crate) fn path(&self) -> &Path {
        self.file.path()
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
        let start = (self, tracker.changes());
        stream::unfold(start, |(mut listener, mut changes)| async {
            Some((listener.accept(&mut changes).await, (listener, changes)))
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

    /// `changes` tells when a connection begins or ends.
    async fn accept(&mut self, changes: &mut watch::Receiver<usize>) -> UnixStream {
        loop {
            tokio::select! {
                accepted = self.socket.accept() => match accepted {
                    Ok((stream, _)) => return stream,
                    Err(error) => {
                        tracing::warn!(%error, "cannot accept a connection; retrying");
                        sleep(ACCEPT_PAUSE).await;
                    }
                },
                // A host whose connection ended comes back at once.
                Ok(()) = changes.changed() => self.keep_file(),
                () = sleep(FILE_CHECK) => self.keep_file(),
            }
        }
    }

    /// Makes the file anew if somebody cleaned it away: a host whose connection breaks would not find
    /// this process again. Where that fails, whoever is connected is served on; the process ends with
    /// the last connection, and the host starts another.
    fn keep_file(&mut self) {
        match self.file.found() {
            Found::Own => self.is_lost = false,
            Found::Gone => self.make_again(),
            Found::Another => {
                if !self.is_lost {
                    tracing::error!(
                        path = %self.path().display(),
                        "another file stands in the socket's place; the server cannot reconnect"
                    );
                }
                self.is_lost = true;
            }
        }
    }

    fn make_again(&mut self) {
        match self.file.bind_again() {
            Ok(socket) => {
                let path = self.path().display();
                tracing::warn!(%path, "the socket's file was gone; it was made again");
                self.socket = socket;
                self.is_lost = false;
            }
            Err(error) if !self.is_lost => {
                tracing::error!(
                    error = chain(&error),
                    "the socket's file is gone and cannot be made again; the server cannot reconnect"
                );
                self.is_lost = true;
            }
            Err(_) => {}
        }
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
    use std::os::unix::fs::MetadataExt as _;
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
        assert!(error.to_string().contains("does not exist"), "{error}");
        let long = Path::new("/tmp").join("x".repeat(120));
        let error = Listener::bind(&long, None, &crate::base::SystemEntropy).unwrap_err();
        assert!(error.to_string().contains("107 bytes"), "{error}");
    }

    #[tokio::test]
    async fn a_file_that_is_gone_is_made_anew_under_its_name() {
        let folder = tempfile::tempdir().unwrap();
        let group = std::fs::metadata(folder.path()).unwrap().gid().to_string();
        let entropy = &crate::base::SystemEntropy;
        let mut listener = Listener::bind(folder.path(), Some(&group), entropy).unwrap();
        let path = listener.path().to_owned();
        let mode = || std::fs::metadata(&path).unwrap().mode() & 0o777;
        assert_eq!(mode(), 0o660);
        std::fs::remove_file(&path).unwrap();
        let tracker = ConnectionTracker::default();
        let mut changes = tracker.changes();
        let _connection = tracker.track();
        let client = async {
            while !path.exists() {
                tokio::task::yield_now().await;
            }
            UnixStream::connect(&path).await.unwrap()
        };
        tokio::join!(listener.accept(&mut changes), client);
        assert_eq!(mode(), 0o660);
    }

    #[tokio::test(start_paused = true)]
    async fn a_file_is_missed_also_while_nothing_happens() {
        let folder = tempfile::tempdir().unwrap();
        let entropy = &crate::base::SystemEntropy;
        let mut listener = Listener::bind(folder.path(), None, entropy).unwrap();
        let path = listener.path().to_owned();
        std::fs::remove_file(&path).unwrap();
        let mut changes = ConnectionTracker::default().changes();
        let waited = timeout(FILE_CHECK * 2, listener.accept(&mut changes)).await;
        assert!(waited.is_err() && path.exists());
    }

    #[tokio::test]
    async fn a_file_that_cannot_be_made_is_tried_again() {
        let folder = tempfile::tempdir().unwrap();
        let entropy = &crate::base::SystemEntropy;
        let mut listener = Listener::bind(folder.path(), None, entropy).unwrap();
        std::fs::remove_dir_all(folder.path()).unwrap();
        listener.keep_file();
        assert!(listener.is_lost);
        std::fs::create_dir(folder.path()).unwrap();
        listener.keep_file();
        assert!(listener.path().exists() && !listener.is_lost);
    }

    #[tokio::test]
    async fn another_file_in_its_place_is_told_and_left() {
        let folder = tempfile::tempdir().unwrap();
        let entropy = &crate::base::SystemEntropy;
        let mut listener = Listener::bind(folder.path(), None, entropy).unwrap();
        let path = listener.path().to_owned();
        listener.keep_file();
        assert!(!listener.is_lost, "its own");
        std::fs::remove_file(&path).unwrap();
        std::fs::write(&path, "another's").unwrap();
        listener.keep_file();
        assert!(listener.is_lost, "a file");
        std::fs::remove_file(&path).unwrap();
        listener.keep_file();
        assert!(!listener.is_lost, "made again");
        std::fs::remove_file(&path).unwrap();
        std::os::unix::fs::symlink("/nowhere", &path).unwrap();
        listener.keep_file();
        assert!(listener.is_lost, "a link that leads nowhere");
        assert_eq!(std::fs::read_link(&path).unwrap(), Path::new("/nowhere"));
    }
}

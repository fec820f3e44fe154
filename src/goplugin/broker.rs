//! Numbered connections back to the host.
//!
//! The host listens on a socket of its own for each number, tells us its address on a stream, and
//! names the number in a call of the application. Either may come first. Only this direction is
//! here: we never serve a numbered connection ourselves. Source: hashicorp/go-plugin v1.8.0,
//! `grpc_broker.go`.

use std::{
    collections::HashMap,
    io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use hyper_util::rt::TokioIo;
use rustls::{ClientConfig, pki_types::ServerName};
use tokio::{
    net::UnixStream,
    sync::oneshot,
    time::{Instant, timeout},
};
use tokio_rustls::{TlsConnector, client::TlsStream};
use tonic::transport::{Channel, Endpoint, Uri};
use tower::service_fn;

use super::{pb::plugin::ConnInfo, tls};

/// How long an address and the call that asks for it wait for each other.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long connecting to the host's listener may take, TLS included.
const CONNECT_LIMIT: Duration = Duration::from_secs(5);
/// Numbers open at once; a host has one a mount, for the moments of its set-up.
const MAX_PENDING: usize = 4096;
/// Longest address kept; a Unix socket's path has at most 107 bytes.
const MAX_ADDRESS_BYTES: usize = 256;
/// Flow control: how much of one message, and of all, may be on its way unread.
pub(crate) const STREAM_WINDOW_BYTES: u32 = 1 << 20;
/// See [`STREAM_WINDOW_BYTES`].
pub(crate) const CONNECTION_WINDOW_BYTES: u32 = 4 << 20;

/// Why a numbered connection is not to be had.
#[derive(Debug, thiserror::Error)]
pub enum DialError {
    /// The host never said where it listens.
    #[error(
        "timeout waiting for connection info of brokered connection {id} ({} s)", PATIENCE.as_secs()
    )]
    NoAddress {
        /// The connection's number.
        id: u32,
    },
    /// The host named a kind of address that is not supported, or a broken one.
    #[error("brokered connection {id} is not at an absolute path of a Unix socket")]
    Address {
        /// The connection's number.
        id: u32,
    },
    /// The number is being waited for already.
    #[error("brokered connection {id} is asked for twice")]
    AskedTwice {
        /// The connection's number.
        id: u32,
    },
    /// More numbers are waited for than any host hands out.
    #[error("too many brokered connections are waited for ({MAX_PENDING})")]
    TooMany,
}

/// Finds the host's numbered connections; clones share one table.
#[derive(Debug, Clone)]
pub struct Broker {
    pending: Arc<Mutex<HashMap<u32, Pending>>>,
    tls: Arc<ClientConfig>,
}

/// A number of which one half is known.
#[derive(Debug)]
enum Pending {
    /// A call waits for the address.
    Asked(oneshot::Sender<ConnInfo>),
    /// The address waits for the call.
    Told(ConnInfo, Instant),
}

impl Pending {
    fn is_over(&self) -> bool {
        match self {
            Self::Asked(waiting) => waiting.is_closed(),
            Self::Told(_, since) => since.elapsed() >= PATIENCE,
        }
    }
}

impl Broker {
    pub(crate) fn new(tls: Arc<ClientConfig>) -> Self {
        Self {
            pending: Arc::default(),
            tls,
        }
    }

    /// Takes note of an address that the host sent.
    pub(crate) fn told(&self, info: ConnInfo) {
        let id = info.service_id;
        if info.address.len() > MAX_ADDRESS_BYTES {
            tracing::warn!(
                id,
                "passed over a brokered connection: its address is too long"
            );
            return;
        }
        let mut pending = self.pending();
        let info = match pending.remove(&id) {
            Some(Pending::Asked(waiting)) => match waiting.send(info) {
                Ok(()) => return,
                Err(info) => info,
            },
            _ => info,
        };
        if pending.len() < MAX_PENDING {
            pending.insert(id, Pending::Told(info, Instant::now()));
        } else {
            tracing::warn!(
                id,
                "passed over a brokered connection: too many are unclaimed"
            );
        }
    }

    /// The connection of number `id`, for as long as the channel lives.
    ///
    /// Waits at most 5 s for the host to tell the address. It connects at the first call, and again
    /// when the connection broke. Each number can be dialled once.
    pub async fn dial(&self, id: u32) -> Result<Channel, DialError> {
        let info = match self.ask(id)? {
            Asked::Known(info) => info,
            Asked::Waiting(told) => match timeout(PATIENCE, told).await {
                Ok(Ok(info)) => info,
                Ok(Err(_)) | Err(_) => return Err(DialError::NoAddress { id }),
            },
        };
        let path = socket_path(&info).ok_or(DialError::Address { id })?;
        Ok(channel(path, &self.tls))
    }

    fn ask(&self, id: u32) -> Result<Asked, DialError> {
        let mut pending = self.pending();
        match pending.remove(&id) {
            Some(Pending::Told(info, _)) => return Ok(Asked::Known(info)),
            Some(other) => {
                pending.insert(id, other);
                return Err(DialError::AskedTwice { id });
            }
            None if pending.len() >= MAX_PENDING => return Err(DialError::TooMany),
            None => {}
        }
        let (waiting, told) = oneshot::channel();
        pending.insert(id, Pending::Asked(waiting));
        Ok(Asked::Waiting(told))
    }

    /// The table, without the halves that found no other half in time.
    fn pending(&self) -> MutexGuard<'_, HashMap<u32, Pending>> {
        // No code panics while it holds the lock, and the table is whole after every statement.
        let mut pending = self.pending.lock().unwrap_or_else(PoisonError::into_inner);
        pending.retain(|_, half| !half.is_over());
        pending
    }
}

enum Asked {
    Known(ConnInfo),
    Waiting(oneshot::Receiver<ConnInfo>),
}

fn socket_path(info: &ConnInfo) -> Option<PathBuf> {
    let path = Path::new(&info.address);
    (info.network == "unix" && path.is_absolute()).then(|| path.to_owned())
}

/// A channel that connects lazily; nothing in it is retried or timed out but the connecting.
fn channel(path: PathBuf, tls: &Arc<ClientConfig>) -> Channel {
    let connector = TlsConnector::from(Arc::clone(tls));
    Endpoint::from_static("http://localhost")
        .initial_stream_window_size(STREAM_WINDOW_BYTES)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
        .connect_with_connector_lazy(service_fn(move |_: Uri| {
            let connecting = connect(path.clone(), connector.clone());
            async {
                let stream = timeout(CONNECT_LIMIT, connecting).await??;
                Ok::<_, io::Error>(TokioIo::new(stream))
            }
        }))
}

async fn connect(path: PathBuf, connector: TlsConnector) -> io::Result<TlsStream<UnixStream>> {
    let name = ServerName::try_from(tls::NAME).map_err(io::Error::other)?;
    let socket = UnixStream::connect(path).await?;
    connector.connect(name, socket).await
}

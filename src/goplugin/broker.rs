//! Numbered connections back to the host.
//!
//! The host listens on a socket of its own for each number, tells us its address on a stream, and
//! names the number in a call of the application. Either may come first. Only this direction is
//! here: we never serve a numbered connection ourselves. Source: hashicorp/go-plugin v1.8.0,
//! `grpc_broker.go`.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use rustls::ClientConfig;
use tokio::{
    sync::oneshot,
    time::{Instant, timeout},
};
use tokio_rustls::TlsConnector;

use super::{channel::Channel, pb::plugin::ConnInfo};

/// How long an address and the call that asks for it wait for each other. A host that stands still for
/// some seconds between the two must not lose the mount, which would stay without a backend.
/// (go-plugin's own broker waits 5 s.)
const ADDRESS_DEADLINE: Duration = Duration::from_secs(20);
/// Numbers open at once; a host has one a mount, for the moments of its set-up.
const MAX_PENDING: usize = 1024;
/// Longest address kept; a Unix socket's path has at most 107 bytes.
const MAX_ADDRESS_BYTES: usize = 256;
/// Flow control: how much of one message, and of all, may be on its way unread.
pub(crate) const STREAM_WINDOW_BYTES: u32 = 1 << 20;
/// See [`STREAM_WINDOW_BYTES`].
pub(crate) const CONNECTION_WINDOW_BYTES: u32 = 4 << 20;

/// Why a numbered connection is not to be had.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DialError {
    /// The host never said where it listens.
    #[error(
        "timeout waiting for connection info of brokered connection {id} ({} s)", ADDRESS_DEADLINE.as_secs()
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
pub(crate) struct Broker {
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
            Self::Told(_, since) => since.elapsed() >= ADDRESS_DEADLINE,
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
    pub(crate) fn announce(&self, info: ConnInfo) {
        let id = info.service_id;
        if info.address.len() > MAX_ADDRESS_BYTES {
            tracing::warn!(id, "ignored a brokered connection: its address is too long");
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
            tracing::warn!(id, "ignored a brokered connection: too many are unclaimed");
        }
    }

    /// The connection of number `id`, for as long as the channel lives.
    ///
    /// Waits at most 20 s for the host to tell the address. It connects at the first call, and again
    /// when the connection broke. Each number can be dialled once.
    pub(crate) async fn dial(&self, id: u32) -> Result<Channel, DialError> {
        let info = match self.ask(id)? {
            Asked::Known(info) => info,
            Asked::Waiting(told) => match timeout(ADDRESS_DEADLINE, told).await {
                Ok(Ok(info)) => info,
                Ok(Err(_)) | Err(_) => return Err(DialError::NoAddress { id }),
            },
        };
        let path = socket_path(&info).ok_or(DialError::Address { id })?;
        Ok(Channel::new(
            path,
            TlsConnector::from(Arc::clone(&self.tls)),
        ))
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use tempfile::TempDir;
    use tokio::{task::JoinSet, time::sleep};
    use tokio_util::sync::CancellationToken;
    use tonic::{service::Routes, transport::Server};
    use tonic_health::{
        pb::{HealthCheckRequest, health_client::HealthClient},
        server::health_reporter,
    };

    use super::*;
    use crate::base::SystemEntropy;
    use crate::goplugin::{
        connection_tracker::ConnectionTracker,
        listener::Listener,
        tls::{self, Identity},
    };

    /// A host with its listeners, and the broker of its plugin.
    struct Host {
        identity: Identity,
        plugin: Identity,
        folder: TempDir,
        servers: JoinSet<()>,
        stop: CancellationToken,
        broker: Broker,
    }

    impl Host {
        fn new() -> Self {
            let (identity, plugin) = (Identity::of_host(), Identity::of_plugin());
            let broker =
                Broker::new(tls::client_config(&plugin, &identity.certificate_der()).unwrap());
            let folder = tempfile::tempdir().unwrap();
            Self {
                identity,
                plugin,
                folder,
                servers: JoinSet::new(),
                stop: CancellationToken::new(),
                broker,
            }
        }

        /// Serves health on a new socket; answers what the host would send.
        fn listen(&mut self, id: u32) -> ConnInfo {
            let listener = Listener::bind(self.folder.path(), None, &SystemEntropy).unwrap();
            let info = info(id, "unix", listener.path().to_str().unwrap());
            let tls = tls::server_config(&self.identity, &self.plugin.certificate_der()).unwrap();
            let connections = listener.connections(tls, ConnectionTracker::default());
            let stop = self.stop.clone().cancelled_owned();
            self.servers.spawn(async {
                let routes = Routes::new(health_reporter().1);
                let server = Server::builder().add_routes(routes);
                server
                    .serve_with_incoming_shutdown(connections, stop)
                    .await
                    .unwrap();
            });
            info
        }

        /// Closes all listeners and connections.
        async fn hang_up(&mut self) {
            std::mem::take(&mut self.stop).cancel();
            std::mem::take(&mut self.servers).join_all().await;
        }
    }

    fn info(service_id: u32, network: &str, address: &str) -> ConnInfo {
        ConnInfo {
            service_id,
            network: network.into(),
            address: address.into(),
            knock: None,
        }
    }

    async fn works(channel: Channel) -> bool {
        HealthClient::with_origin(channel, Channel::origin())
            .check(HealthCheckRequest::default())
            .await
            .is_ok()
    }

    /// A broker whose numbers are never connected.
    fn unconnected() -> Broker {
        Host::new().broker
    }

    #[tokio::test]
    async fn an_address_may_come_before_or_after_it_is_asked_for() {
        let mut host = Host::new();
        let first = host.listen(1);
        host.broker.announce(first);
        assert!(works(host.broker.dial(1).await.unwrap()).await);

        let (second, third) = (host.listen(2), host.listen(3));
        let broker = host.broker.clone();
        let tell_later = async {
            broker.announce(third);
            broker.announce(second);
        };
        let (second, third, ()) = tokio::join!(broker.dial(2), broker.dial(3), tell_later);
        assert!(works(second.unwrap()).await && works(third.unwrap()).await);
        assert!(host.broker.pending().is_empty());
    }

    #[tokio::test]
    async fn a_broken_connection_is_made_anew_at_the_same_address() {
        let mut host = Host::new();
        let first = host.listen(1);
        host.broker.announce(first.clone());
        let channel = host.broker.dial(1).await.unwrap();
        assert!(works(channel.clone()).await);
        host.hang_up().await;
        assert!(!works(channel.clone()).await);
        let second = host.listen(2);
        std::fs::rename(second.address, first.address).unwrap();
        assert!(works(channel).await);
    }

    #[tokio::test]
    async fn a_listener_that_is_not_the_host_is_not_talked_to() {
        let mut host = Host::new();
        host.identity = Identity::of_host();
        let stranger = host.listen(1);
        host.broker.announce(stranger);
        assert!(!works(host.broker.dial(1).await.unwrap()).await);
    }

    #[tokio::test(start_paused = true)]
    async fn an_address_that_never_comes_is_waited_for_twenty_seconds() {
        let broker = unconnected();
        let start = Instant::now();
        let error = broker.dial(7).await.unwrap_err();
        assert_eq!(start.elapsed(), ADDRESS_DEADLINE);
        assert!(
            error
                .to_string()
                .starts_with("timeout waiting for connection info"),
            "{error}"
        );
        assert!(broker.pending().is_empty(), "nothing is left behind");
    }

    #[tokio::test(start_paused = true)]
    async fn a_host_that_stands_still_for_some_seconds_is_waited_for() {
        let host = Host::new();
        let path = host.folder.path().join("slow");
        // Takes connections into its backlog and never looks at them.
        let _listener = std::os::unix::net::UnixListener::bind(&path).unwrap();
        host.broker
            .announce(info(7, "unix", path.to_str().unwrap()));
        let channel = host.broker.dial(7).await.unwrap();
        let start = Instant::now();
        assert!(!works(channel).await);
        assert!(start.elapsed() >= Duration::from_secs(15));
    }

    #[tokio::test(start_paused = true)]
    async fn a_host_that_stands_still_between_the_address_and_the_call_is_set_up() {
        let broker = unconnected();
        let stall = Duration::from_secs(15);
        broker.announce(info(7, "unix", "/socket"));
        sleep(stall).await;
        assert!(broker.dial(7).await.is_ok());

        let tell_late = async {
            sleep(stall).await;
            broker.announce(info(8, "unix", "/socket"));
        };
        let (dialled, ()) = tokio::join!(broker.dial(8), tell_late);
        assert!(dialled.is_ok());
        assert!(broker.pending().is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn an_unclaimed_address_is_dropped_after_twenty_seconds() {
        let broker = unconnected();
        broker.announce(info(7, "unix", "/socket"));
        sleep(ADDRESS_DEADLINE).await;
        assert!(matches!(
            broker.dial(7).await,
            Err(DialError::NoAddress { id: 7 })
        ));
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_that_was_given_up_leaves_its_number_free() {
        let broker = unconnected();
        timeout(Duration::from_secs(1), broker.dial(7))
            .await
            .unwrap_err();
        broker.announce(info(7, "unix", "/socket"));
        broker.dial(7).await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn a_number_cannot_be_asked_for_twice_at_once() {
        let broker = unconnected();
        let (first, second) = tokio::join!(broker.dial(7), broker.dial(7));
        assert!(matches!(first, Err(DialError::NoAddress { id: 7 })));
        assert!(matches!(second, Err(DialError::AskedTwice { id: 7 })));
    }

    #[tokio::test(start_paused = true)]
    async fn the_table_does_not_grow_without_end() {
        let broker = unconnected();
        for id in 0..3_000 {
            broker.announce(info(id, "unix", "/socket"));
        }
        assert_eq!(broker.pending().len(), MAX_PENDING);
        assert!(matches!(
            broker.dial(u32::MAX).await,
            Err(DialError::TooMany)
        ));
        broker.dial(0).await.unwrap();
    }

    #[tokio::test]
    async fn other_networks_and_relative_paths_are_refused() {
        let broker = unconnected();
        for (network, address) in [("tcp", "127.0.0.1:1"), ("", "/socket"), ("unix", "socket")] {
            broker.announce(info(7, network, address));
            assert!(
                matches!(broker.dial(7).await, Err(DialError::Address { id: 7 })),
                "{network}"
            );
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn any_address_is_answered_without_panic(
            id in any::<u32>(), network in "unix|tcp|\\PC{0,8}", address in any::<String>(),
        ) {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .start_paused(true)
                .build()?;
            runtime.block_on(async {
                let broker = Broker::new(some_tls());
                broker.announce(info(id, &network, &address));
                if let Ok(channel) = broker.dial(id).await {
                    assert!(!works(channel).await);
                }
            });
        }
    }

    fn some_tls() -> Arc<ClientConfig> {
        static TLS: std::sync::OnceLock<Arc<ClientConfig>> = std::sync::OnceLock::new();
        let make = || {
            tls::client_config(
                &Identity::of_plugin(),
                &Identity::of_host().certificate_der(),
            )
        };
        Arc::clone(TLS.get_or_init(|| make().unwrap()))
    }
}

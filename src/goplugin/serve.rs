//! The life of a plugin process, from the environment that a host gave it to its end.

use std::{
    io::{self, Write as _},
    path::Path,
    pin::pin,
    sync::Arc,
    time::Duration,
};

use futures_util::future::{BoxFuture, Either, select};
use rustls::ServerConfig;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tonic::{service::Routes, transport::Server};

use super::{
    broker::{Broker, CONNECTION_WINDOW_BYTES, STREAM_WINDOW_BYTES},
    connection_tracker::ConnectionTracker,
    environment::Environment,
    handshake::{Cookie, Handshake, HandshakeError},
    listener::Listener,
    memory::Bursts,
    process::{ProcessError, Signals, lock_memory_if_asked},
    services,
    socket_file::SocketError,
    tls::{self, Identity, TlsError},
};
use crate::base::{SystemClock, SystemEntropy};

/// A host kills the process 2 s after it asked it to end. This much of it is the application's ...
const CLOSE_LIMIT: Duration = Duration::from_millis(1200);
/// ... and this much is for the answers that are still on their way.
const DRAIN_LIMIT: Duration = Duration::from_millis(300);
/// Requests at once on one connection, which serves all mounts: past it every request waits, also one
/// that needs nothing. So this is no limit to be met; how many may wait for what is the application's
/// to say.
const MAX_STREAMS: u32 = 65_536;
/// Requests that a host may cancel at once before we have looked at them: all there can be. The
/// library's default of 20 guards against hostile clients; ours is authenticated.
const MAX_RESET_STREAMS: usize = 65_536;

/// What a host must know of a plugin to start it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Plugin {
    /// Says what kind of plugin this is.
    pub cookie: Cookie,
    /// The one version of the application's protocol that is spoken.
    pub protocol_version: u32,
}

/// What the process offers to the application in it.
#[derive(Debug, Clone)]
pub(crate) struct Context {
    /// Dials numbered connections back to the host.
    pub broker: Broker,
    /// Cancelled when the process is about to end. Cancelling it does not end the process.
    pub cancel: CancellationToken,
}

/// What runs in the process.
pub(crate) struct Application {
    /// Its services. They set their own limits of message size.
    pub routes: Routes,
    /// Run once when the process ends, after `cancel`, for at most 1.2 s. Requests may be going on.
    pub close: BoxFuture<'static, ()>,
}

/// Why the process could not serve.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ServeError {
    /// The host and the plugin do not fit.
    #[error(transparent)]
    Handshake(#[from] HandshakeError),
    /// The operating system refused something.
    #[error(transparent)]
    Process(#[from] ProcessError),
    /// TLS could not be set up.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// There is no socket to listen on.
    #[error(transparent)]
    Socket(#[from] SocketError),
    /// The host does not read our side of the handshake.
    #[error(
        "cannot write the handshake line to stdout; the server no longer reads it: it ended or gave the plugin \
         up, and its own log says why"
    )]
    Stdout(#[source] io::Error),
    /// The server ended by itself.
    #[error("the gRPC server failed")]
    Server(#[from] tonic::transport::Error),
}

/// Serves `application` to the host that started this process, until the host or the system ends it.
///
/// Returns after an orderly end, in less than 2 s from the moment it was asked for, whatever the
/// application's requests do. Nothing but the handshake's line is written to stdout.
pub(crate) async fn serve(
    environment: &Environment,
    plugin: Plugin,
    application: impl FnOnce(Context) -> Application,
) -> Result<(), ServeError> {
    let handshake = Handshake::read(environment, plugin.cookie, plugin.protocol_version)?;
    lock_memory_if_asked(environment)?;
    let mut signals = Signals::install()?;
    let ends = Ends::make(environment, &handshake)?;
    let line = handshake.line(ends.listener.path(), &ends.certificate);
    let tracker = ConnectionTracker::default();
    let connections = ends.listener.connections(ends.tls, tracker.clone());

    let stop = CancellationToken::new();
    let application = application(Context {
        broker: ends.broker.clone(),
        cancel: stop.child_token(),
    });
    let routes = services::add_to(application.routes, ends.broker, &stop).await;
    let bursts = Bursts::watch();
    let mut server = pin!(
        server()
            .layer(bursts.layer())
            .add_routes(routes)
            .serve_with_incoming_shutdown(connections, stop.clone().cancelled_owned())
    );
    print(&line).map_err(ServeError::Stdout)?;
    tracing::debug!("plugin process started");

    let reason = tokio::select! {
        // In this order: the server may end as soon as `stop` is cancelled, and the application
        // must be closed all the same.
        biased;
        () = stop.cancelled() => "the host asked for it",
        () = signals.terminated() => "SIGTERM",
        () = tracker.ended() => "the host is gone",
        result = &mut server => return Ok(result?),
    };
    tracing::debug!(reason, "plugin process stopping");
    stop.cancel();
    wind_down(server, application.close).await;
    Ok(())
}

/// Our ends of the connections in both directions.
struct Ends {
    listener: Listener,
    tls: Arc<ServerConfig>,
    certificate: Vec<u8>,
    broker: Broker,
}

impl Ends {
    fn make(environment: &Environment, handshake: &Handshake<'_>) -> Result<Self, ServeError> {
        let host = tls::host_certificate(handshake.client_certificate)?;
        let identity = Identity::generate(&SystemClock)?;
        let directory = socket_directory(environment);
        let group = environment.variable("PLUGIN_UNIX_SOCKET_GROUP");
        Ok(Self {
            listener: Listener::bind(directory, group, &SystemEntropy)?,
            tls: tls::server_config(&identity, &host)?,
            broker: Broker::new(tls::client_config(&identity, &host)?),
            certificate: identity.certificate().to_vec(),
        })
    }
}

fn server() -> Server {
    Server::builder()
        .initial_stream_window_size(STREAM_WINDOW_BYTES)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
        .max_concurrent_streams(MAX_STREAMS)
        .http2_max_pending_accept_reset_streams(Some(MAX_RESET_STREAMS))
}

/// Makes a socket where [`serve`] would, and removes it: the folder, if that went well. Called within a
/// runtime.
pub(crate) fn try_socket(environment: &Environment) -> Result<&Path, SocketError> {
    let directory = socket_directory(environment);
    let group = environment.variable("PLUGIN_UNIX_SOCKET_GROUP");
    Listener::bind(directory, group, &SystemEntropy)?;
    Ok(directory)
}

fn socket_directory(environment: &Environment) -> &Path {
    let named = |name| environment.variable(name).filter(|path| !path.is_empty());
    let directory = named("PLUGIN_UNIX_SOCKET_DIR").or_else(|| named("TMPDIR"));
    Path::new(directory.unwrap_or("/tmp"))
}

fn print(line: &str) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    stdout.write_all(line.as_bytes())?;
    stdout.flush()
}

/// Closes the application while its last answers go out, and waits for neither longer than it may.
async fn wind_down(
    server: impl Future<Output = Result<(), tonic::transport::Error>> + Unpin,
    close: BoxFuture<'static, ()>,
) {
    let closed = match select(Box::pin(timeout(CLOSE_LIMIT, close)), server).await {
        Either::Left((closed, server)) => {
            let drained = timeout(DRAIN_LIMIT, server).await;
            if drained.is_err() {
                tracing::warn!("requests were aborted because the plugin process stopped");
            }
            closed
        }
        Either::Right((_, closing)) => closing.await,
    };
    if closed.is_err() {
        tracing::warn!(
            limit_seconds = CLOSE_LIMIT.as_secs_f32(),
            "the plugin did not shut down in time"
        );
    }
}

#[cfg(test)]
mod tests {
    use std::{
        future::{pending, ready},
        sync::atomic::{AtomicBool, Ordering},
    };

    use tokio::time::{Instant, sleep};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_end_does_not_wait_for_ever() {
        let start = Instant::now();
        wind_down(pending(), Box::pin(pending())).await;
        assert_eq!(start.elapsed(), CLOSE_LIMIT + DRAIN_LIMIT);
        assert!(
            start.elapsed() < Duration::from_millis(1800),
            "the host kills after 2 s"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn requests_in_flight_do_not_hold_up_an_application_that_is_closed() {
        let start = Instant::now();
        wind_down(pending(), Box::pin(ready(()))).await;
        assert_eq!(start.elapsed(), DRAIN_LIMIT);
    }

    #[tokio::test(start_paused = true)]
    async fn the_application_is_closed_even_when_the_last_connection_is_gone() {
        let closed = Arc::new(AtomicBool::new(false));
        let flag = Arc::clone(&closed);
        let close = async move {
            sleep(Duration::from_secs(1)).await;
            flag.store(true, Ordering::Relaxed);
        };
        wind_down(ready(Ok(())), Box::pin(close)).await;
        assert!(closed.load(Ordering::Relaxed));
    }

    #[test]
    fn the_hosts_directory_comes_before_the_systems() {
        let directory = |variables: &[(&'static str, &'static str)]| {
            let environment = variables.iter().copied().collect();
            socket_directory(&environment).to_owned()
        };
        assert_eq!(directory(&[]), Path::new("/tmp"));
        assert_eq!(directory(&[("TMPDIR", "/t")]), Path::new("/t"));
        let both = [("TMPDIR", "/t"), ("PLUGIN_UNIX_SOCKET_DIR", "/s")];
        assert_eq!(directory(&both), Path::new("/s"));
        let empty = [("TMPDIR", "/t"), ("PLUGIN_UNIX_SOCKET_DIR", "")];
        assert_eq!(directory(&empty), Path::new("/t"));
    }
}

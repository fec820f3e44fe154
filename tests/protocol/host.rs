//! The host's side of go-plugin, as small as it can be and as strict as the Go library: it starts
//! the binary, reads the line, connects, opens the streams, and listens for brokered connections.
//!
//! Vault's services are not known here: `mount` serves them with [`Plugin::listen`].

use std::{path::Path, sync::Arc};

use base64::{Engine as _, engine::general_purpose::STANDARD_NO_PAD};
use hyper_util::rt::TokioIo;
use mongodbatlas::protocol::goplugin::plugin::{
    ConnInfo, Empty, StdioData, grpc_broker_client::GrpcBrokerClient,
    grpc_controller_client::GrpcControllerClient, grpc_stdio_client::GrpcStdioClient,
};
use rustls::{ClientConfig, ServerConfig, SupportedProtocolVersion, pki_types::ServerName};
use tempfile::TempDir;
use tokio::{
    io::DuplexStream,
    net::{UnixListener, UnixStream},
    sync::{mpsc, watch},
    task::JoinSet,
};
use tokio_rustls::{TlsAcceptor, TlsConnector, client::TlsStream};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{
    Streaming,
    service::Routes,
    transport::{Channel, Endpoint, Server, Uri},
};

use crate::{
    identity::{self, BOTH_VERSIONS},
    launch::{Exit, Launch, Process},
};

/// The fields of the line.
pub(crate) struct Line {
    /// All of them, in order.
    pub(crate) fields: Vec<String>,
}

impl Line {
    /// Splits as the host does.
    pub(crate) fn parse(line: &str) -> Self {
        Self {
            fields: line.trim().split('|').map(str::to_owned).collect(),
        }
    }

    /// Where the plugin listens.
    pub(crate) fn socket(&self) -> &Path {
        Path::new(&self.fields[3])
    }

    /// The plugin's certificate, in DER.
    pub(crate) fn certificate(&self) -> Vec<u8> {
        STANDARD_NO_PAD
            .decode(&self.fields[5])
            .expect("unpadded standard base64")
    }
}

impl Launch {
    /// Starts the binary and does what a host does before its first call of the application.
    pub(crate) async fn start(self) -> Plugin {
        Plugin::greet(self.spawn()).await
    }
}

/// A plugin that is connected.
pub(crate) struct Plugin {
    /// Its process.
    pub(crate) process: Process,
    /// What it answered.
    pub(crate) line: Line,
    /// The main connection.
    pub(crate) channel: Channel,
    /// What it sends on the broker's stream: nothing, until that ends.
    pub(crate) broker_replies: Streaming<ConnInfo>,
    /// What it sends on the stream of its output: nothing, until that ends.
    pub(crate) stdio: Streaming<StdioData>,
    broker: mpsc::Sender<ConnInfo>,
    /// Brokered connections that are open.
    pub(crate) open: watch::Sender<usize>,
    /// Ends the brokered servers when it is dropped.
    listeners: JoinSet<()>,
    sockets: TempDir,
    mounts: u32,
}

/// The first number of a brokered connection that [`Plugin::next_mount`] hands out.
const FIRST_MOUNT: u32 = 1_000;

impl Plugin {
    async fn greet(mut process: Process) -> Self {
        let line = Line::parse(&process.line().await);
        let tls = process
            .identity
            .client_config(&line.certificate(), BOTH_VERSIONS);
        let channel = channel(line.socket(), tls);
        let (broker, infos) = mpsc::channel(16);
        let broker_replies = GrpcBrokerClient::new(channel.clone())
            .start_stream(ReceiverStream::new(infos))
            .await
            .expect("the broker's stream is answered at once")
            .into_inner();
        let stdio = GrpcStdioClient::new(channel.clone()).stream_stdio(()).await;
        let stdio = stdio.expect("the stream of output opens").into_inner();
        let sockets = tempfile::tempdir().expect("a folder for brokered sockets");
        let listeners = JoinSet::new();
        Self {
            process,
            line,
            channel,
            broker_replies,
            stdio,
            broker,
            open: watch::Sender::new(0),
            listeners,
            sockets,
            mounts: FIRST_MOUNT,
        }
    }

    /// Tells the plugin an address, whatever it may be.
    pub(crate) async fn tell(&self, info: ConnInfo) {
        self.broker
            .send(info)
            .await
            .expect("the broker's stream is open");
    }

    /// The number of the next mount, as the host counts them for a process.
    pub(crate) fn next_mount(&mut self) -> u32 {
        self.mounts += 1;
        self.mounts
    }

    /// Serves `routes` as brokered connection `id` to this plugin alone, and tells it where.
    pub(crate) async fn listen(&mut self, id: u32, routes: Routes) {
        let tls = self
            .process
            .identity
            .server_config(&self.line.certificate());
        self.listen_with(id, routes, tls).await;
    }

    /// As [`Plugin::listen`], with any certificate and any pool of clients.
    pub(crate) async fn listen_with(&mut self, id: u32, routes: Routes, tls: Arc<ServerConfig>) {
        let path = self.sockets.path().join(format!("plugin{id}"));
        let listener = UnixListener::bind(&path).expect("a new socket");
        let acceptor = TlsAcceptor::from(tls);
        self.listeners
            .spawn(serve(listener, acceptor, routes, self.open.clone()));
        let address = path.display().to_string();
        self.tell(ConnInfo {
            service_id: id,
            network: "unix".to_owned(),
            address,
            knock: None,
        })
        .await;
    }

    /// Another main connection.
    pub(crate) fn reconnect(&self, versions: &[&'static SupportedProtocolVersion]) -> Channel {
        let tls = self
            .process
            .identity
            .client_config(&self.line.certificate(), versions);
        channel(self.line.socket(), tls)
    }

    /// Asks the plugin to end, and waits for that.
    pub(crate) async fn shutdown(self) -> Exit {
        let mut controller = GrpcControllerClient::new(self.channel.clone());
        controller
            .shutdown(Empty {})
            .await
            .expect("Shutdown is answered");
        self.process.exit().await
    }

    /// Drops every connection as the system does for a host that was killed; the process stays.
    pub(crate) fn die(self) -> Process {
        self.process
    }
}

/// Serves one brokered listener. Each connection is carried through a pipe in memory, because the
/// server library does not take a TLS stream as it is.
async fn serve(
    listener: UnixListener,
    acceptor: TlsAcceptor,
    routes: Routes,
    open: watch::Sender<usize>,
) {
    let (connections, incoming) = mpsc::channel::<std::io::Result<DuplexStream>>(1);
    let mut carriers = JoinSet::new();
    carriers.spawn(async move {
        let server = Server::builder().add_routes(routes);
        server
            .serve_with_incoming(ReceiverStream::new(incoming))
            .await
            .expect("a server runs");
    });
    while let Ok((socket, _)) = listener.accept().await {
        // A plugin with a wrong certificate is refused here, and sees that its calls fail.
        if let Ok(mut stream) = acceptor.accept(socket).await {
            // Go's gRPC takes no connection on which HTTP/2 was not agreed.
            if stream.get_ref().1.alpn_protocol() != Some(b"h2") {
                continue;
            }
            open.send_modify(|open| *open += 1);
            let open = open.clone();
            let (mut near, far) = tokio::io::duplex(1 << 16);
            connections
                .send(Ok(far))
                .await
                .expect("the server takes connections");
            carriers.spawn(async move {
                // It ends as it likes; the calls on it are what is looked at.
                let _ = tokio::io::copy_bidirectional(&mut stream, &mut near).await;
                open.send_modify(|open| *open -= 1);
            });
        }
    }
}

/// A channel over the socket, with the given certificate or none.
pub(crate) fn channel(socket: &Path, tls: ClientConfig) -> Channel {
    let (socket, tls) = (socket.to_owned(), Arc::new(tls));
    Endpoint::from_static("http://localhost").connect_with_connector_lazy(tower::service_fn(
        move |_: Uri| {
            let (socket, tls) = (socket.clone(), Arc::clone(&tls));
            async move { Ok::<_, std::io::Error>(TokioIo::new(connect(&socket, tls).await?)) }
        },
    ))
}

/// A TLS connection over the socket.
pub(crate) async fn connect(
    socket: &Path,
    tls: Arc<ClientConfig>,
) -> std::io::Result<TlsStream<UnixStream>> {
    let stream = UnixStream::connect(socket).await?;
    let name = ServerName::try_from(identity::NAME).expect("a name");
    TlsConnector::from(tls).connect(name, stream).await
}

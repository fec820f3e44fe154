//! A connection to the host over which gRPC goes: made at the first call, and again when it broke.
//!
//! Calls go to HTTP/2 as they are: a host is asked some ten times for each of its requests, and each
//! mount has such a connection, so that queues and layers in between would be paid for each time.

use std::error::Error;
use std::fmt;
use std::future::poll_fn;
use std::io;
use std::path::PathBuf;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use h2::client::{Builder, SendRequest};
use h2::{RecvStream, SendStream};
use http::{Request, Response};
use http_body::{Body as _, Frame};
use rustls::pki_types::ServerName;
use tokio::net::UnixStream;
use tokio::sync::Mutex;
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::timeout;
use tokio_rustls::{TlsConnector, client::TlsStream};
use tonic::body::Body;
use tonic::transport::Uri;
use tower::Service;

use super::broker::{CONNECTION_WINDOW_BYTES, STREAM_WINDOW_BYTES};
use super::joined::Joined;
use super::tls;

/// How long connecting to the host's listener may take, TLS included. A host that stands still for
/// some seconds must not lose the mount.
const CONNECT_LIMIT: Duration = Duration::from_secs(20);

/// What a call may fail with before there is an answer.
pub(crate) type ChannelError = Box<dyn Error + Send + Sync>;

/// One numbered connection; clones share it.
#[derive(Clone)]
pub(crate) struct Channel {
    shared: Arc<Shared>,
}

impl fmt::Debug for Channel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = &self.shared.path;
        f.debug_struct("Channel")
            .field("path", path)
            .finish_non_exhaustive()
    }
}

struct Shared {
    path: PathBuf,
    tls: TlsConnector,
    /// Held while a connection is being made, so that it is made once.
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    open: Option<Open>,
    /// The tasks that read and write, of a connection that takes no more, too, until its last answer
    /// came. They end with the last clone of the channel.
    drivers: JoinSet<()>,
}

struct Open {
    requests: SendRequest<Bytes>,
    driver: AbortHandle,
}

impl Open {
    /// To send a request with, unless the connection broke or the host takes no more on it.
    async fn ready(&self) -> Option<SendRequest<Bytes>> {
        if self.driver.is_finished() {
            return None;
        }
        self.requests.clone().ready().await.ok()
    }
}

impl Channel {
    /// Connects nothing yet.
    pub(super) fn new(path: PathBuf, tls: TlsConnector) -> Self {
        let shared = Shared {
            path,
            tls,
            state: Mutex::default(),
        };
        Self {
            shared: Arc::new(shared),
        }
    }

    /// To a listener at this path, which is nobody's host.
    #[cfg(test)]
    pub(crate) fn to(path: PathBuf) -> Self {
        let (host, plugin) = (tls::Identity::of_host(), tls::Identity::of_plugin());
        let tls = tls::client_config(&plugin, &host.certificate_der()).unwrap();
        Self::new(path, TlsConnector::from(tls))
    }

    /// What stands for the host in the calls' addresses.
    #[must_use]
    pub(crate) fn origin() -> Uri {
        Uri::from_static("http://localhost")
    }
}

impl Shared {
    async fn requests(&self) -> Result<SendRequest<Bytes>, ChannelError> {
        let mut state = self.state.lock().await;
        if let Some(open) = &state.open
            && let Some(ready) = open.ready().await
        {
            return Ok(ready);
        }
        state.open = None;
        while state.drivers.try_join_next().is_some() {}
        let connecting = self.connect(&mut state.drivers);
        let made = timeout(CONNECT_LIMIT, connecting).await??;
        let ready = made.requests.clone().ready().await?;
        state.open = Some(made);
        Ok(ready)
    }

    async fn connect(&self, drivers: &mut JoinSet<()>) -> Result<Open, ChannelError> {
        let (requests, connection) = Builder::new()
            .initial_window_size(STREAM_WINDOW_BYTES)
            .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
            .enable_push(false)
            .handshake(Joined(self.stream().await?))
            .await?;
        let driver = drivers.spawn(async {
            // Whoever waits for an answer is told why there is none.
            let _ = connection.await;
        });
        Ok(Open { requests, driver })
    }

    async fn stream(&self) -> io::Result<TlsStream<UnixStream>> {
        let name = ServerName::try_from(tls::NAME).map_err(io::Error::other)?;
        let socket = UnixStream::connect(&self.path).await?;
        self.tls.connect(name, socket).await
    }
}

impl Service<Request<Body>> for Channel {
    type Response = Response<Answer>;
    type Error = ChannelError;
    type Future = BoxFuture<'static, Result<Self::Response, Self::Error>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        Box::pin(exchange(Arc::clone(&self.shared), request))
    }
}

/// Sends a request whole; answers what the host answers, with its content still to come.
async fn exchange(
    shared: Arc<Shared>,
    request: Request<Body>,
) -> Result<Response<Answer>, ChannelError> {
    let mut requests = shared.requests().await?;
    let (head, content) = request.into_parts();
    let (answer, mut stream) = requests.send_request(Request::from_parts(head, ()), false)?;
    // A host that answers early does not read the rest: its answer tells more than this failure.
    let sent = send(content, &mut stream).await;
    match answer.await {
        Ok(answer) => {
            let (head, content) = answer.into_parts();
            Ok(Response::from_parts(head, Answer(content)))
        }
        Err(error) => Err(sent.err().unwrap_or_else(|| error.into())),
    }
}

/// Sends the content as fast as the host takes it.
async fn send(content: Body, stream: &mut SendStream<Bytes>) -> Result<(), ChannelError> {
    let mut content = pin!(content);
    while let Some(frame) = poll_fn(|context| content.as_mut().poll_frame(context)).await {
        let frame = frame.inspect_err(|_| {
            // What is half sent is never answered.
            stream.send_reset(h2::Reason::CANCEL);
        })?;
        // Requests of gRPC have no trailers.
        let Ok(mut data) = frame.into_data() else {
            continue;
        };
        while !data.is_empty() {
            stream.reserve_capacity(data.len());
            let room = poll_fn(|context| stream.poll_capacity(context)).await;
            let room = room.ok_or("the host closed the call")??;
            stream.send_data(data.split_to(room.min(data.len())), false)?;
        }
    }
    Ok(stream.send_data(Bytes::new(), true)?)
}

/// The content of an answer.
pub(crate) struct Answer(RecvStream);

impl http_body::Body for Answer {
    type Data = Bytes;
    type Error = h2::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, h2::Error>>> {
        let stream = &mut self.0;
        Poll::Ready(match ready!(stream.poll_data(context)) {
            Some(Ok(data)) => {
                // What was handed on makes room for more.
                let released = stream.flow_control().release_capacity(data.len());
                Some(released.map(|()| Frame::data(data)))
            }
            Some(Err(error)) => Some(Err(error)),
            None => {
                let trailers = ready!(stream.poll_trailers(context)).transpose();
                trailers.map(|trailers| trailers.map(Frame::trailers))
            }
        })
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_end_stream()
    }
}

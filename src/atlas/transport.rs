//! One HTTP exchange with Atlas: request out, whole answer in, within a time and a size.
//!
//! Knows nothing of sign-in, pace or retries. Redirects are never followed: a credential goes to
//! the configured address or nowhere.

use std::sync::Arc;
use std::time::Duration;

use http::header::{ACCEPT, AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use tokio::time::{Instant, timeout_at};
use url::{Position, Url};
use zeroize::Zeroizing;

use crate::base::Sensitive;

use super::connections::{Connections, Transports};
use super::error::TransportFault;
use super::hidden;
use super::origin::Origin;
use super::settings::{Settings, SettingsError};

/// The longest answer that is read. A page of 500 API keys is a tenth of it.
pub(super) const MAX_ANSWER_BYTES: usize = 4 * 1024 * 1024;

/// A request, ready but for the sign-in; it can be sent again.
#[derive(Debug)]
pub(super) struct Request<'a> {
    pub(super) method: Method,
    pub(super) url: Url,
    pub(super) accept: HeaderValue,
    /// Content type and content.
    pub(super) body: Option<(HeaderValue, &'a [u8])>,
    /// How long it may take at the least, whatever is set for requests in general.
    pub(super) patience: Duration,
}

impl Request<'_> {
    /// Path and query as they stand on the request line.
    pub(super) fn target(&self) -> &str {
        &self.url[Position::BeforePath..Position::AfterQuery]
    }
}

/// A whole answer.
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    /// Wiped when dropped: it may hold a private key.
    pub(super) body: Zeroizing<Vec<u8>>,
    /// The credential that its request carried, if any.
    pub(super) signed_with: Option<Sensitive>,
}

/// The way to one address, over connections that other clients may share.
pub(super) struct Transport {
    connections: Arc<Connections>,
    base: Url,
    origin: Origin,
    request_timeout: Duration,
}

impl Transport {
    pub(super) fn new(settings: &Settings, transports: &Transports) -> Result<Self, SettingsError> {
        Ok(Self {
            connections: transports.connections(settings)?,
            base: settings.base_url.clone(),
            origin: Origin::of(&settings.base_url),
            request_timeout: settings.request_timeout,
        })
    }

    #[cfg(test)]
    pub(super) fn connections(&self) -> &Arc<Connections> {
        &self.connections
    }

    /// Where everything goes.
    pub(super) fn origin(&self) -> &Origin {
        &self.origin
    }

    /// The full address of a path with its query, both percent-encoded already.
    pub(super) fn url(&self, path_and_query: &str) -> Url {
        let mut url = self.base.clone();
        let (path, query) = match path_and_query.split_once('?') {
            Some((path, query)) => (path, Some(query)),
            None => (path_and_query, None),
        };
        url.set_path(path);
        url.set_query(query);
        url
    }

    /// Sends the request and reads the answer, until `deadline` or the request timeout is over.
    pub(super) async fn exchange(
        &self,
        request: &Request<'_>,
        authorization: Option<HeaderValue>,
        deadline: Instant,
    ) -> Result<Answer, TransportFault> {
        let start = Instant::now();
        if deadline <= start {
            return Err(TransportFault::NoTimeLeft);
        }
        let end = start
            .checked_add(self.request_timeout.max(request.patience))
            .map_or(deadline, |end| end.min(deadline));
        let signed_with = authorization.as_ref().and_then(hidden::credential);
        let outgoing = prepare(request, authorization);
        let answer = timeout_at(end, self.send_and_read(outgoing))
            .await
            .unwrap_or_else(|_| Err(TransportFault::Timeout { after: end - start }))?;
        Ok(Answer {
            signed_with,
            ..answer
        })
    }

    async fn send_and_read(&self, outgoing: reqwest::Request) -> Result<Answer, TransportFault> {
        let ride = self.connections.board();
        let mut incoming = ride.http().execute(outgoing).await.map_err(fault)?;
        let announced = content_length(incoming.headers()).unwrap_or(8 * 1024);
        // Room for all of it at once: growing would leave copies behind that nobody wipes.
        let mut body = Zeroizing::new(Vec::with_capacity(announced.min(MAX_ANSWER_BYTES)));
        while let Some(chunk) = incoming.chunk().await.map_err(fault)? {
            if body.len() + chunk.len() > MAX_ANSWER_BYTES {
                return Err(TransportFault::TooLong {
                    max_bytes: MAX_ANSWER_BYTES,
                });
            }
            body.extend_from_slice(&chunk);
        }
        Ok(Answer {
            status: incoming.status(),
            headers: std::mem::take(incoming.headers_mut()),
            body,
            signed_with: None,
        })
    }
}

fn prepare(request: &Request<'_>, authorization: Option<HeaderValue>) -> reqwest::Request {
    let mut outgoing = reqwest::Request::new(request.method.clone(), request.url.clone());
    let headers = outgoing.headers_mut();
    headers.insert(ACCEPT, request.accept.clone());
    if let Some(authorization) = authorization {
        headers.insert(AUTHORIZATION, authorization);
    }
    if let Some((content_type, content)) = &request.body {
        headers.insert(CONTENT_TYPE, content_type.clone());
        *outgoing.body_mut() = Some(content.to_vec().into());
    }
    outgoing
}

fn content_length(headers: &HeaderMap) -> Option<usize> {
    headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

fn fault(error: reqwest::Error) -> TransportFault {
    // The address is known and only makes the text longer.
    let error = error.without_url();
    if error.is_connect() || error.is_builder() {
        TransportFault::Connect(error.into())
    } else {
        TransportFault::Broken(error.into())
    }
}

#[cfg(test)]
mod tests {
    use rustls::pki_types::PrivateKeyDer;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;
    use tokio::task::JoinSet;
    use tokio_rustls::TlsAcceptor;

    use super::*;
    use crate::atlas::fake::{Fake, Reply, settings};
    use crate::atlas::settings::Pem;

    async fn exchange(fake: &Fake, deadline: Duration) -> Result<Answer, TransportFault> {
        let transport = Transport::new(&settings(&fake.base_url()), &Transports::default())
            .expect("a transport");
        let request = Request {
            method: Method::GET,
            url: transport.url(TARGET),
            accept: HeaderValue::from_static("application/json"),
            body: None,
            patience: Duration::ZERO,
        };
        transport
            .exchange(&request, None, Instant::now() + deadline)
            .await
    }

    const TARGET: &str = "/api/atlas/v2/groups/a%2Fb:invite?pageNum=1";
    const PATIENT: Duration = Duration::from_secs(20);

    #[tokio::test]
    async fn the_target_stands_on_the_request_line_as_given() {
        let fake = Fake::start(|_| Reply::new(200, "{}")).await;
        exchange(&fake, PATIENT).await.expect("an answer");
        let requests = fake.requests();
        assert_eq!(requests[0].target, TARGET);
        assert_eq!(requests[0].header("user-agent"), Some("test/1 (os;arch)"));
    }

    #[tokio::test]
    async fn redirects_are_not_followed() {
        let fake = Fake::start(|_| Reply::new(302, "").with("location", "/elsewhere")).await;
        let answer = exchange(&fake, PATIENT).await.expect("an answer");
        assert_eq!(answer.status, 302);
        assert_eq!(fake.requests().len(), 1);
    }

    #[tokio::test]
    async fn a_long_answer_is_cut_off() {
        let fake = Fake::start(|_| Reply::new(200, &"x".repeat(MAX_ANSWER_BYTES + 1))).await;
        let fault = exchange(&fake, PATIENT).await.err().expect("a fault");
        assert!(matches!(fault, TransportFault::TooLong { .. }), "{fault:?}");
        assert!(fault.maybe_sent());
    }

    #[tokio::test]
    async fn a_broken_answer_is_no_answer() {
        let fake = Fake::start(|_| Reply::new(200, "{\"id\":1}").cut()).await;
        let fault = exchange(&fake, PATIENT).await.err().expect("a fault");
        assert!(matches!(fault, TransportFault::Broken(_)), "{fault:?}");
    }

    #[tokio::test]
    async fn the_deadline_ends_a_slow_exchange() {
        let fake = Fake::start(|_| Reply::new(200, "{}").after(Duration::from_secs(30))).await;
        let fault = exchange(&fake, Duration::from_millis(50))
            .await
            .err()
            .expect("a fault");
        assert!(matches!(fault, TransportFault::Timeout { .. }), "{fault:?}");
        let fault = exchange(&fake, Duration::ZERO)
            .await
            .err()
            .expect("a fault");
        assert!(matches!(fault, TransportFault::NoTimeLeft), "{fault:?}");
    }

    #[tokio::test]
    async fn a_closed_port_means_nothing_was_sent() {
        let address = Fake::start(|_| Reply::new(200, "{}")).await.base_url();
        let transport =
            Transport::new(&settings(&address), &Transports::default()).expect("a transport");
        let request = Request {
            method: Method::POST,
            url: transport.url("/"),
            accept: HeaderValue::from_static("application/json"),
            body: Some((HeaderValue::from_static("application/json"), b"{}")),
            patience: Duration::ZERO,
        };
        let deadline = Instant::now() + PATIENT;
        let fault = transport
            .exchange(&request, None, deadline)
            .await
            .err()
            .expect("a fault");
        assert!(!fault.maybe_sent(), "{fault:?}");
    }

    /// Answers TLS connections with a certificate that is nobody's but this test's.
    async fn tls_server() -> (JoinSet<()>, String, Pem) {
        let signed = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("one");
        let key = PrivateKeyDer::try_from(signed.signing_key.serialize_der()).expect("a key");
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_no_client_auth()
            .with_single_cert(vec![signed.cert.der().clone()], key)
            .expect("a server");
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let acceptor = TlsAcceptor::from(Arc::new(config));
            while let Ok((stream, _)) = listener.accept().await {
                if let Ok(mut stream) = acceptor.accept(stream).await {
                    let mut request = [0; 4_096];
                    let _ = stream.read(&mut request).await;
                    let reply = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}";
                    let _ = stream.write_all(reply).await;
                    let _ = stream.shutdown().await;
                }
            }
        });
        let pem = signed.cert.pem().parse().expect("a certificate");
        (tasks, format!("https://localhost:{port}"), pem)
    }

    #[tokio::test]
    async fn a_certificate_is_trusted_only_if_it_is_given() {
        let (_tasks, address, pem) = tls_server().await;
        let other = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("one");
        let other: Pem = other.cert.pem().parse().expect("a certificate");
        // The first is still there, with a connection and a session, when the other is asked for.
        let transports = Transports::default();
        let mut kept = Vec::new();
        for (pem, trusted) in [(pem, true), (other, false)] {
            let settings = Settings {
                ca_certificate: Some(pem),
                ..settings(&address)
            };
            let transport = Transport::new(&settings, &transports).expect("a transport");
            let request = Request {
                method: Method::GET,
                url: transport.url("/"),
                accept: HeaderValue::from_static("application/json"),
                body: None,
                patience: Duration::ZERO,
            };
            let outcome = transport
                .exchange(&request, None, Instant::now() + PATIENT)
                .await;
            match outcome {
                Ok(answer) => assert!(trusted && answer.status == 200),
                Err(fault) => assert!(!trusted && !fault.maybe_sent(), "{fault:?}"),
            }
            kept.push(transport);
        }
    }
}

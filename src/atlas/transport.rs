//! One HTTP exchange with Atlas: request out, whole answer in, within a time and a size.
//!
//! Knows nothing of sign-in, pace or retries. Redirects are never followed: a credential goes to
//! the configured address or nowhere.

use std::time::Duration;

use http::header::{ACCEPT, AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use tokio::time::{Instant, timeout_at};
use url::{Position, Url};
use zeroize::Zeroizing;

use super::error::TransportFault;
use super::settings::{Settings, SettingsError};

/// The longest answer that is read. A page of 500 API keys is a tenth of it.
pub(super) const MAX_ANSWER_BYTES: usize = 4 * 1024 * 1024;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
const IDLE_CONNECTION: Duration = Duration::from_mins(1);

/// A request, ready but for the sign-in; it can be sent again.
#[derive(Debug)]
pub(super) struct Request<'a> {
    pub(super) method: Method,
    pub(super) url: Url,
    pub(super) accept: HeaderValue,
    /// Content type and content.
    pub(super) body: Option<(HeaderValue, &'a [u8])>,
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
}

/// The connections to one address.
pub(super) struct Transport {
    http: reqwest::Client,
    base: Url,
    request_timeout: Duration,
}

impl Transport {
    pub(super) fn new(settings: &Settings) -> Result<Self, SettingsError> {
        let mut builder = reqwest::Client::builder()
            .user_agent(&settings.user_agent)
            .redirect(reqwest::redirect::Policy::none())
            .referer(false)
            .connect_timeout(CONNECT_TIMEOUT.min(settings.request_timeout))
            .pool_idle_timeout(IDLE_CONNECTION)
            .tls_version_min(reqwest::tls::Version::TLS_1_2);
        if settings.base_url.scheme() == "http" {
            // Loopback without TLS: the platform's certificates are not needed, nor need they exist.
            builder = builder.tls_certs_only([]);
        } else if let Some(pem) = &settings.ca_certificate {
            builder = builder.tls_certs_merge(pem.certificates().iter().cloned());
        }
        let http = builder
            .build()
            .map_err(|error| SettingsError::Tls(error.into()))?;
        Ok(Self {
            http,
            base: settings.base_url.clone(),
            request_timeout: settings.request_timeout,
        })
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
            .checked_add(self.request_timeout)
            .map_or(deadline, |end| end.min(deadline));
        let outgoing = prepare(request, authorization);
        timeout_at(end, self.send_and_read(outgoing))
            .await
            .unwrap_or_else(|_| Err(TransportFault::Timeout { after: end - start }))
    }

    async fn send_and_read(&self, outgoing: reqwest::Request) -> Result<Answer, TransportFault> {
        let mut incoming = self.http.execute(outgoing).await.map_err(fault)?;
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
    use super::*;
    use crate::atlas::fake::{Fake, Reply, settings};

    async fn exchange(fake: &Fake, deadline: Duration) -> Result<Answer, TransportFault> {
        let transport = Transport::new(&settings(&fake.base_url())).expect("a transport");
        let request = Request {
            method: Method::GET,
            url: transport.url(TARGET),
            accept: HeaderValue::from_static("application/json"),
            body: None,
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
        let transport = Transport::new(&settings(&address)).expect("a transport");
        let request = Request {
            method: Method::POST,
            url: transport.url("/"),
            accept: HeaderValue::from_static("application/json"),
            body: Some((HeaderValue::from_static("application/json"), b"{}")),
        };
        let deadline = Instant::now() + PATIENT;
        let fault = transport
            .exchange(&request, None, deadline)
            .await
            .err()
            .expect("a fault");
        assert!(!fault.maybe_sent(), "{fault:?}");
    }
}

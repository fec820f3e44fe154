//! For unit tests: an HTTP/1.1 responder that records what it is asked and answers by a closure.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::base::time::TestClock;
use crate::base::{Clock, Sensitive, SystemClock, SystemEntropy};

use super::call::RequestBudget;
use super::client::Atlas;
use super::connections::Transports;
use super::ids::{ApiKeyId, ClientId, OrgId, ProjectId};
use super::limiter::Priority;
use super::settings::{Credential, Settings};

pub(super) const HEX: &str = "32b6e34b3d91647abb20e7b8";

/// A request as it came in.
#[derive(Debug, Clone)]
pub(super) struct Received {
    pub(super) method: String,
    pub(super) target: String,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: String,
}

impl Received {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        let mut matching = self.headers.iter().filter(|(n, _)| n == name);
        matching.next().map(|(_, value)| value.as_str())
    }

    /// Method and target.
    pub(super) fn line(&self) -> String {
        format!("{} {}", self.method, self.target)
    }

    /// Whether it carries an `Authorization` header of this scheme.
    pub(super) fn signed(&self, scheme: &str) -> bool {
        self.header("authorization")
            .is_some_and(|value| value.starts_with(scheme))
    }
}

/// What the closure answers.
#[derive(Debug, Clone)]
pub(super) struct Reply {
    status: u16,
    headers: Vec<(String, String)>,
    body: String,
    cut: bool,
    delay: Duration,
}

impl Reply {
    pub(super) fn new(status: u16, body: &str) -> Self {
        Self {
            status,
            headers: Vec::new(),
            body: body.to_owned(),
            cut: false,
            delay: Duration::ZERO,
        }
    }

    /// An error in Atlas's own form.
    pub(super) fn error(status: u16, code: &str) -> Self {
        let body = format!(r#"{{"error":{status},"errorCode":"{code}","detail":"No."}}"#);
        Self::new(status, &body)
    }

    /// A Digest challenge.
    pub(super) fn challenge(nonce: &str, stale: bool) -> Self {
        let value = format!(
            "Digest realm=\"MMS Public API\", domain=\"\", nonce=\"{nonce}\", algorithm=MD5, \
             qop=\"auth\", stale={stale}"
        );
        Self::error(401, "UNEXPECTED_ERROR").with("www-authenticate", &value)
    }

    /// A token endpoint's answer.
    pub(super) fn token(token: &str) -> Self {
        let body =
            format!(r#"{{"access_token":"{token}","expires_in":3600,"token_type":"Bearer"}}"#);
        Self::new(200, &body).with("content-type", "application/json")
    }

    pub(super) fn with(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Closes the connection before the last byte.
    pub(super) fn cut(mut self) -> Self {
        self.cut = true;
        self
    }

    pub(super) fn after(mut self, delay: Duration) -> Self {
        self.delay = delay;
        self
    }
}

type Handler = dyn Fn(&Received) -> Reply + Send + Sync;

struct Shared {
    handler: Box<Handler>,
    requests: Mutex<Vec<Received>>,
}

/// The responder; it stops when dropped.
pub(super) struct Fake {
    address: std::net::SocketAddr,
    shared: Arc<Shared>,
    _accepting: JoinSet<()>,
}

impl Fake {
    pub(super) async fn start(
        handler: impl Fn(&Received) -> Reply + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let shared = Arc::new(Shared {
            handler: Box::new(handler),
            requests: Mutex::default(),
        });
        let mut accepting = JoinSet::new();
        accepting.spawn(accept(listener, Arc::clone(&shared)));
        Self {
            address,
            shared,
            _accepting: accepting,
        }
    }

    pub(super) fn base_url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(super) fn requests(&self) -> Vec<Received> {
        let requests = self.shared.requests.lock();
        requests.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// How many requests had this method and a target that begins so.
    pub(super) fn count(&self, method: &str, target: &str) -> usize {
        let requests = self.requests();
        let mine = |r: &&Received| r.method == method && r.target.starts_with(target);
        requests.iter().filter(mine).count()
    }

    /// A client with an API key.
    pub(super) fn digest_client(&self) -> Atlas {
        self.digest_client_at(Arc::new(SystemClock))
    }

    /// A client with an API key and a time of its own.
    pub(super) fn digest_client_at(&self, clock: Arc<dyn Clock>) -> Atlas {
        let credential = Credential::ApiKey {
            public_key: "abcdefgh".to_owned(),
            private_key: Sensitive::new("9f2c-private".to_owned()),
        };
        self.client(credential, clock)
    }

    /// Answers all but the token calls by method and target, with a client that has a service account.
    pub(super) async fn signed_in(
        handler: impl Fn(&str) -> Reply + Send + Sync + 'static,
    ) -> (Self, Atlas) {
        let fake = Self::start(move |received| match received.target.as_str() {
            "/api/oauth/token" => Reply::token("t"),
            _ => handler(&received.line()),
        })
        .await;
        let atlas = fake.bearer_client();
        (fake, atlas)
    }

    /// A client with a service account.
    pub(super) fn bearer_client(&self) -> Atlas {
        self.bearer_client_at(Arc::new(SystemClock))
    }

    /// A client with a service account and a time of its own.
    pub(super) fn bearer_client_at(&self, clock: Arc<dyn Clock>) -> Atlas {
        self.client(service_account(), clock)
    }

    /// A client with a service account that gives one request so long.
    pub(super) fn bearer_client_with_timeout(&self, request_timeout: Duration) -> Atlas {
        let settings = Settings {
            request_timeout,
            ..settings(&self.base_url())
        };
        let clock = Arc::new(SystemClock);
        client(&settings, &Transports::default(), service_account(), clock)
    }

    fn client(&self, credential: Credential, clock: Arc<dyn Clock>) -> Atlas {
        self.client_over(&Transports::default(), credential, clock)
    }

    /// A client that shares connections.
    pub(super) fn client_over(
        &self,
        transports: &Transports,
        credential: Credential,
        clock: Arc<dyn Clock>,
    ) -> Atlas {
        client(&settings(&self.base_url()), transports, credential, clock)
    }
}

fn service_account() -> Credential {
    Credential::ServiceAccount {
        client_id: client_id(),
        client_secret: Sensitive::new("mdb_sa_sk_x".to_owned()),
    }
}

fn client(
    settings: &Settings,
    transports: &Transports,
    credential: Credential,
    clock: Arc<dyn Clock>,
) -> Atlas {
    let entropy = Arc::new(SystemEntropy);
    let atlas = Atlas::new(settings, credential, clock, entropy, transports);
    atlas.expect("a client").looking_again_after(Duration::ZERO)
}

/// A clock that stands still until it is turned.
pub(super) fn test_clock() -> Arc<TestClock> {
    let start = "2026-08-10T03:02:57Z".parse().expect("a time");
    Arc::new(TestClock::at(start))
}

pub(super) fn settings(base_url: &str) -> Settings {
    Settings {
        base_url: base_url.parse().expect("a URL"),
        api_version: "2025-03-12".parse().expect("a version"),
        ca_certificate: None,
        request_timeout: Duration::from_secs(10),
        user_agent: "test/1 (os;arch)".to_owned(),
    }
}

pub(super) fn org_id() -> OrgId {
    HEX.parse().expect("an id")
}

pub(super) fn project_id() -> ProjectId {
    HEX.parse().expect("an id")
}

pub(super) fn api_key_id() -> ApiKeyId {
    HEX.parse().expect("an id")
}

pub(super) fn client_id() -> ClientId {
    format!("mdb_sa_id_{HEX}").parse().expect("an id")
}

pub(super) fn budget(seconds: u64) -> RequestBudget {
    RequestBudget {
        deadline: Instant::now() + Duration::from_secs(seconds),
        priority: Priority::Issue,
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        connections.spawn(converse(stream, Arc::clone(&shared)));
    }
}

async fn converse(stream: TcpStream, shared: Arc<Shared>) -> io::Result<()> {
    let mut stream = BufReader::new(stream);
    while let Some(received) = read_request(&mut stream).await? {
        let reply = (shared.handler)(&received);
        let requests = shared.requests.lock();
        requests
            .unwrap_or_else(PoisonError::into_inner)
            .push(received);
        tokio::time::sleep(reply.delay).await;
        stream.write_all(render(&reply).as_bytes()).await?;
        if reply.cut {
            break;
        }
    }
    Ok(())
}

async fn read_request(stream: &mut BufReader<TcpStream>) -> io::Result<Option<Received>> {
    let mut line = String::new();
    if stream.read_line(&mut line).await? == 0 {
        return Ok(None);
    }
    let mut words = line.split_whitespace().map(str::to_owned);
    let (method, target) = (words.next(), words.next());
    let mut headers = Vec::new();
    loop {
        let mut header = String::new();
        stream.read_line(&mut header).await?;
        let Some((name, value)) = header.split_once(':') else {
            break;
        };
        headers.push((name.to_lowercase(), value.trim().to_owned()));
    }
    let mut received = Received {
        method: method.unwrap_or_default(),
        target: target.unwrap_or_default(),
        headers,
        body: String::new(),
    };
    let length = received.header("content-length").unwrap_or("0").parse();
    let mut body = vec![0; length.unwrap_or(0)];
    stream.read_exact(&mut body).await?;
    received.body = String::from_utf8_lossy(&body).into_owned();
    Ok(Some(received))
}

fn render(reply: &Reply) -> String {
    let length = reply.body.len() + usize::from(reply.cut);
    let mut text = format!(
        "HTTP/1.1 {} Some Reason\r\ncontent-length: {length}\r\n",
        reply.status
    );
    let typed = reply.headers.iter().any(|(name, _)| name == "content-type");
    if !typed {
        let media_type = match reply.status {
            200..=299 => "application/vnd.atlas.2025-03-12+json;charset=utf-8",
            _ => "application/json",
        };
        text.extend(["content-type: ", media_type, "\r\n"]);
    }
    for (name, value) in &reply.headers {
        text.extend([name, ": ", value, "\r\n"]);
    }
    text + "\r\n" + &reply.body
}

//! A running simulator and a client that signs in either way, written apart from the server's code.

use std::path::PathBuf;

use atlas_sim::{Options, Running, Seed};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use md5::{Digest as _, Md5};
use reqwest::header::HeaderMap;
use reqwest::{Client, Method, RequestBuilder};
use serde_json::{Value, json};

/// Newest published version.
pub(crate) const NEWEST: &str = "application/vnd.atlas.2025-03-12+json";

/// A running simulator.
pub(crate) struct Atlas {
    sim: Running,
    http: Client,
}

/// How a request signs in.
#[derive(Clone)]
pub(crate) enum Auth {
    Nobody,
    Key(String, String),
    Token(String),
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
    pub(crate) body: Value,
}

impl Answer {
    pub(crate) fn code(&self) -> &str {
        self.body["errorCode"].as_str().unwrap_or_default()
    }

    /// Status and error code.
    pub(crate) fn refusal(&self) -> (u16, &str) {
        (self.status, self.code())
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map_or("", |value| value.to_str().unwrap())
    }

    /// The body of a success.
    pub(crate) fn ok(self) -> Value {
        assert!(
            (200..300).contains(&self.status),
            "{} {}",
            self.status,
            self.text
        );
        self.body
    }

    pub(crate) fn text(self, field: &str) -> String {
        let body = self.ok();
        body[field]
            .as_str()
            .unwrap_or_else(|| panic!("no {field} in {body}"))
            .to_owned()
    }
}

/// A digest challenge and the count of its uses.
pub(crate) struct Challenge {
    pub(crate) nonce: String,
    pub(crate) count: u32,
}

impl Challenge {
    pub(crate) fn of(answer: &Answer) -> Self {
        let header = answer.header("www-authenticate");
        let nonce = header
            .split("nonce=\"")
            .nth(1)
            .and_then(|rest| rest.split('"').next());
        Self {
            nonce: nonce.expect("a nonce").to_owned(),
            count: 1,
        }
    }

    /// The header that answers this challenge.
    pub(crate) fn answer(&self, key: (&str, &str), method: &str, uri: &str) -> String {
        let realm = "MMS Public API";
        let (user, password) = key;
        let nonce = &self.nonce;
        let count = format!("{:08x}", self.count);
        let secret = md5(&format!("{user}:{realm}:{password}"));
        let request = md5(&format!("{method}:{uri}"));
        let response = md5(&format!(
            "{secret}:{nonce}:{count}:00112233aabbccdd:auth:{request}"
        ));
        format!(
            "Digest username=\"{user}\", realm=\"{realm}\", nonce=\"{nonce}\", uri=\"{uri}\", \
             response=\"{response}\", algorithm=\"MD5\", cnonce=\"00112233aabbccdd\", qop=auth, nc={count}"
        )
    }
}

fn md5(text: &str) -> String {
    let bytes = Md5::digest(text.as_bytes());
    let digits: Vec<String> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    digits.concat()
}

/// The file for the exchanges of a test.
fn exchanges(test: &str) -> PathBuf {
    let folder = std::env::var_os("ATLAS_EXCHANGES").map_or_else(
        || PathBuf::from(env!("CARGO_TARGET_TMPDIR")).with_file_name("atlas-exchanges"),
        PathBuf::from,
    );
    std::fs::create_dir_all(&folder).unwrap();
    let file = folder.join(format!("{test}.jsonl"));
    if file.exists() {
        std::fs::remove_file(&file).unwrap();
    }
    file
}

impl Atlas {
    /// Starts with Atlas's limits and defaults; `test` names the file of exchanges.
    pub(crate) async fn start(test: &str) -> Self {
        Self::with(Options {
            exchanges: Some(exchanges(test)),
            ..Options::default()
        })
        .await
    }

    /// Starts without a file of exchanges, for what the description cannot allow.
    pub(crate) async fn unrecorded() -> Self {
        Self::with(Options::default()).await
    }

    async fn with(options: Options) -> Self {
        Self {
            sim: atlas_sim::start(options).await.unwrap(),
            http: Client::builder().no_proxy().build().unwrap(),
        }
    }

    pub(crate) fn seed(&self) -> &Seed {
        self.sim.seed()
    }

    pub(crate) fn api(&self) -> &str {
        self.sim.api()
    }

    pub(crate) fn http(&self) -> &Client {
        &self.http
    }

    /// The owner's API key.
    pub(crate) fn owner(&self) -> Auth {
        let key = &self.seed().api_key;
        Auth::Key(key.public_key.clone(), key.private_key.clone())
    }

    pub(crate) fn org(&self) -> String {
        format!("/orgs/{}", self.seed().org_id)
    }

    pub(crate) fn project(&self) -> String {
        format!("/groups/{}", self.seed().project_ids[0])
    }

    /// A request that is not yet signed in; `path` is below `/api/atlas/v2`.
    pub(crate) fn request(&self, method: &str, path: &str, body: Option<&Value>) -> RequestBuilder {
        let url = format!("{}/api/atlas/v2{path}", self.api());
        let request = self
            .http
            .request(Method::from_bytes(method.as_bytes()).unwrap(), url)
            .header("accept", NEWEST);
        match body {
            Some(body) => request
                .header("content-type", NEWEST)
                .body(body.to_string()),
            None => request,
        }
    }

    /// Sends as `auth`; digest takes its two steps.
    pub(crate) async fn send(
        &self,
        auth: &Auth,
        request: RequestBuilder,
    ) -> Result<Answer, reqwest::Error> {
        let request = match auth {
            Auth::Nobody => request,
            Auth::Token(token) => request.header("authorization", format!("Bearer {token}")),
            Auth::Key(user, password) => {
                let (_, built) = request.try_clone().unwrap().build_split();
                let built = built?;
                let first = read(request.try_clone().unwrap().send().await?).await?;
                if first.status != 401 {
                    return Ok(first);
                }
                let uri = &built.url().as_str()[self.api().len()..];
                let header =
                    Challenge::of(&first).answer((user, password), built.method().as_str(), uri);
                request.header("authorization", header)
            }
        };
        read(request.send().await?).await
    }

    pub(crate) async fn call(
        &self,
        auth: &Auth,
        method: &str,
        path: &str,
        body: Option<Value>,
    ) -> Answer {
        let request = self.request(method, path, body.as_ref());
        self.send(auth, request).await.unwrap()
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.call(&self.owner(), "GET", path, None).await
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> Answer {
        self.call(&self.owner(), "POST", path, Some(body)).await
    }

    pub(crate) async fn patch(&self, path: &str, body: Value) -> Answer {
        self.call(&self.owner(), "PATCH", path, Some(body)).await
    }

    pub(crate) async fn delete(&self, path: &str) -> Answer {
        self.call(&self.owner(), "DELETE", path, None).await
    }

    /// A request to one of the token endpoints.
    pub(crate) async fn oauth(&self, path: &str, client: (&str, &str), form: &str) -> Answer {
        let basic = STANDARD.encode(format!("{}:{}", client.0, client.1));
        let request = self
            .http
            .post(format!("{}/api/oauth/{path}", self.api()))
            .header("authorization", format!("Basic {basic}"))
            .header("content-type", "application/x-www-form-urlencoded")
            .body(form.to_owned());
        read(request.send().await.unwrap()).await.unwrap()
    }

    pub(crate) async fn mint(&self, client: (&str, &str)) -> Answer {
        self.oauth("token", client, "grant_type=client_credentials")
            .await
    }

    /// A bearer token of this client.
    pub(crate) async fn token(&self, client: (&str, &str)) -> Auth {
        Auth::Token(self.mint(client).await.text("access_token"))
    }

    /// Client id and secret of the seed's account.
    pub(crate) fn client(&self) -> (&str, &str) {
        let account = &self.seed().service_account;
        (&account.client_id, &account.client_secret)
    }

    pub(crate) async fn control(&self, method: &str, path: &str, body: Value) -> Answer {
        let url = format!("{}{path}", self.sim.control());
        let mut request = self
            .http
            .request(Method::from_bytes(method.as_bytes()).unwrap(), url);
        if !body.is_null() {
            request = request
                .header("content-type", "application/json")
                .body(body.to_string());
        }
        read(request.send().await.unwrap()).await.unwrap()
    }

    pub(crate) async fn settings(&self, changes: Value) {
        self.control("POST", "/settings", changes).await.ok();
    }

    pub(crate) async fn advance(&self, seconds: u64) {
        self.control("POST", "/clock", json!({"advance_seconds": seconds}))
            .await
            .ok();
    }

    pub(crate) async fn state(&self) -> Value {
        self.control("GET", "/state", Value::Null).await.ok()
    }

    /// A new key made through the control port.
    pub(crate) async fn key(&self, org_roles: Value, project_roles: Value) -> Auth {
        let body = json!({
            "org_id": self.seed().org_id, "org_roles": org_roles, "project_roles": project_roles,
        });
        let key = self.control("POST", "/keys", body).await.ok();
        let field = |name: &str| key[name].as_str().unwrap().to_owned();
        Auth::Key(field("public_key"), field("private_key"))
    }
}

async fn read(response: reqwest::Response) -> Result<Answer, reqwest::Error> {
    let status = response.status().as_u16();
    let headers = response.headers().clone();
    let text = response.text().await?;
    let body = serde_json::from_str(&text).unwrap_or(Value::Null);
    Ok(Answer {
        status,
        headers,
        text,
        body,
    })
}

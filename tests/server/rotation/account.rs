//! Service accounts at the simulator, what a reader does with their secrets, and readers who never
//! stop.

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::support::{Atlas, Client, Mount};

/// The server ticks once a minute; whatever one periodic run leaves to the next is done by then.
pub(super) const THREE_TICKS: Duration = Duration::from_secs(210);

/// A service account in the organization, made by somebody else.
pub(super) struct Account {
    pub(super) client_id: String,
    /// The secret that it had from the first.
    pub(super) client_secret: String,
}

impl Account {
    pub(super) async fn new(mount: &Mount, name: &str, role: &str) -> Self {
        let body = json!({ "org_id": mount.atlas.org(), "name": name, "org_roles": [role] });
        let made = mount.atlas.control("POST", "/accounts", body).await;
        Self {
            client_id: text(&made["client_id"]),
            client_secret: text(&made["client_secret"]),
        }
    }

    /// A write that puts it into the engine's care, with these fields beside.
    pub(super) fn role(&self, mount: &Mount, extra: &Value) -> Value {
        let mut role = json!({
            "client_id": self.client_id, "organization_id": mount.atlas.org(),
            "client_secret": self.client_secret,
        });
        let fields = role.as_object_mut().expect("an object");
        fields.extend(extra.as_object().expect("an object").clone());
        role
    }

    /// Writes that role, which must be taken; answers what it warns of.
    pub(super) async fn adopt(&self, mount: &Mount, name: &str, extra: Value) -> String {
        let role = self.role(mount, &extra);
        let written = mount.write(&format!("static-roles/{name}"), role).await;
        assert!(written.ok(), "{name}: {written:?}");
        written.warnings()
    }

    /// How many secrets Atlas holds for it.
    pub(super) async fn secrets(&self, mount: &Mount) -> usize {
        let known = mount.atlas.known(&self.client_id).await;
        known["secrets"].as_array().map_or(0, Vec::len)
    }
}

pub(super) fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

/// Readers mint all the time here; the pace that Atlas sets for that is not what is tested.
pub(super) async fn let_everybody_mint(mount: &Mount) {
    let settings = json!({ "token_requests_per_minute": 0, "max_tokens_per_account": 1_000_000 });
    mount.atlas.settings(settings).await;
}

/// The present secret of a static role, which must be there.
pub(super) async fn secret(mount: &Mount, name: &str) -> String {
    let answer = mount.read(&format!("static-creds/{name}")).await;
    text(&answer.data()["client_secret"])
}

/// Whether the secret mints an access token.
pub(super) async fn mints(mount: &Mount, client_id: &str, secret: &str) -> bool {
    mount.atlas.mints(client_id, secret).await
}

/// What a reader came to see.
#[derive(Debug, Default)]
pub(super) struct Seen {
    /// Secrets read, each of which minted.
    pub(super) minted: usize,
    /// Reads that the server refused.
    pub(super) refused: usize,
    /// Different secrets.
    pub(super) secrets: usize,
}

/// Readers of static roles who read and mint over and over, as fast as a busy application.
pub(super) struct Readers {
    working: JoinSet<Seen>,
    end: CancellationToken,
}

impl Readers {
    pub(super) fn of(mount: &Mount, names: &[&str]) -> Self {
        let end = CancellationToken::new();
        let mut working = JoinSet::new();
        for name in names {
            let path = format!("{}/static-creds/{name}", mount.path);
            let (client, atlas) = (mount.client.clone(), Arc::clone(&mount.atlas));
            working.spawn(read_on(client, path, atlas, end.clone()));
        }
        Self { working, end }
    }

    /// Ends them; one that held a secret which did not mint fails the test here.
    pub(super) async fn stop(self) -> Vec<Seen> {
        self.end.cancel();
        self.working.join_all().await
    }
}

async fn read_on(client: Client, path: String, atlas: Arc<Atlas>, end: CancellationToken) -> Seen {
    let mut seen = Seen::default();
    let mut last = Arc::<str>::from("");
    loop {
        // Whoever ends this wants to know what is read now.
        let is_last = end.is_cancelled();
        let answer = client.read(&path).await;
        if answer.ok() {
            let secret = text(&answer.data()["client_secret"]);
            let mints = atlas
                .mints(&text(&answer.data()["client_id"]), &secret)
                .await;
            assert!(mints, "{path}: a secret that was read mints no token");
            seen.minted += 1;
            if *last != *secret {
                seen.secrets += 1;
                last = secret.into();
            }
        } else {
            seen.refused += 1;
        }
        if is_last {
            return seen;
        }
        tokio::time::sleep(Duration::from_millis(30)).await;
    }
}

/// Waits until `is_so`, for at most three ticks.
pub(super) async fn until(what: &str, is_so: impl AsyncFn() -> bool) {
    let give_up = Instant::now() + THREE_TICKS;
    while !is_so().await {
        assert!(Instant::now() < give_up, "not seen in time: {what}");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

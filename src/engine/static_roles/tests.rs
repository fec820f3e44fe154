//! Static roles on a mount, against the Atlas simulator.

use std::time::Duration;

use serde_json::{Value, json};

use crate::engine::testing::{Account, TestMount};
use crate::vault::{Data, Failure};

pub(super) const DAY: u64 = 86_400;
pub(super) const HOUR: u64 = 3_600;

/// A mount, an account, and a role `app` that rotates it every day.
pub(super) struct Rotated {
    pub(super) mount: TestMount,
    pub(super) account: Account,
}

impl Rotated {
    pub(super) async fn every_day() -> Self {
        Self::with(json!({"rotation_period": DAY})).await
    }

    pub(super) async fn with(options: Value) -> Self {
        let mount = TestMount::configured().await;
        let account = mount.atlas.account(json!(["ORG_MEMBER"])).await;
        let rotated = Self { mount, account };
        let written = rotated.write(options).await;
        assert!(
            matches!(written, Ok(ref warnings) if warnings.is_empty()),
            "{written:?}"
        );
        rotated
    }

    /// A mount and an account that no role has yet.
    pub(super) async fn not_yet_adopted(roles: Value) -> Self {
        let mount = TestMount::configured().await;
        let account = mount.atlas.account(roles).await;
        Self { mount, account }
    }

    /// What a read warns of.
    pub(super) async fn warnings(&self, path: &str) -> Vec<String> {
        self.mount.read_warnings(path).await
    }

    pub(super) fn role(&self, options: Value) -> Value {
        let mut role = json!({
            "client_id": self.account.client_id, "organization_id": self.mount.atlas.org(),
        });
        let (Value::Object(role), Value::Object(options)) = (&mut role, options) else {
            panic!("options are an object");
        };
        role.extend(options);
        Value::Object(role.clone())
    }

    /// Writes the role: warnings, or why it was refused.
    pub(super) async fn write(&self, options: Value) -> Result<Vec<String>, String> {
        refusal(
            self.mount
                .write("static-roles/app", self.role(options))
                .await,
        )
    }

    /// What readers get.
    pub(super) async fn creds(&self) -> Data {
        TestMount::data(self.mount.read("static-creds/app").await)
    }

    pub(super) async fn shown(&self) -> Data {
        TestMount::data(self.mount.read("static-roles/app").await)
    }

    pub(super) async fn secret(&self) -> String {
        let creds = self.creds().await;
        creds["client_secret"]
            .as_str()
            .expect("a secret")
            .to_owned()
    }

    /// Whether what readers get works.
    pub(super) async fn works(&self) -> bool {
        let secret = self.secret().await;
        self.mount
            .atlas
            .mints(&self.account.client_id, &secret)
            .await
    }

    pub(super) async fn mints(&self, secret: &str) -> bool {
        self.mount
            .atlas
            .mints(&self.account.client_id, secret)
            .await
    }

    pub(super) async fn secrets_at_atlas(&self) -> usize {
        self.mount
            .atlas
            .secrets(&self.account.client_id)
            .await
            .len()
    }

    pub(super) async fn tick(&self) {
        self.mount.tick().await.expect("a tick");
    }

    /// Turns the clock and lets the host tick.
    pub(super) async fn pass(&self, seconds: u64) {
        self.mount.advance(Duration::from_secs(seconds)).await;
        self.tick().await;
    }
}

/// Warnings of an answer, or the text of a refusal.
pub(super) fn refusal(outcome: crate::engine::testing::Outcome) -> Result<Vec<String>, String> {
    match outcome {
        Ok(answer) => Ok(answer.map(|answer| answer.warnings).unwrap_or_default()),
        Err(failure @ (Failure::BadRequest(_) | Failure::Coded { .. })) => Err(failure.to_string()),
        Err(failure) => Err(format!("not the user's fault: {failure}")),
    }
}

/// What the mount's status says of its static roles.
pub(super) async fn status(app: &Rotated) -> Value {
    let status = TestMount::data(app.mount.read("status").await);
    status["static_roles"].clone()
}

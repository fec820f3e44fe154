//! Crowds of readers that wait for Atlas: whoever asks for something else does not wait behind them.

use std::time::{Duration, Instant};

use serde_json::json;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::support::{Answer, Bao, Mount};

/// Far more than a request takes that does not wait behind the crowd.
const SOON: Duration = Duration::from_secs(20);

/// One crowd at a time: each is a thousand connections on the same machine.
static TURN: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

type Crowd = JoinSet<Result<Answer, reqwest::Error>>;

fn readers(crowd: &mut Crowd, mount: &Mount, role: &str, count: usize) {
    for _ in 0..count {
        let client = mount.client.clone();
        let path = format!("{}/creds/{role}", mount.path);
        crowd.spawn(async move { client.try_call("GET", &path, None).await });
    }
}

/// The answers of as many of the crowd as are refused; the others go on waiting.
async fn refused(crowd: &mut Crowd, count: usize) -> Vec<Answer> {
    let give_up = Instant::now() + Duration::from_mins(2);
    let mut answers = Vec::new();
    while answers.len() < count {
        let left = give_up.saturating_duration_since(Instant::now());
        let answer = timeout(left, crowd.join_next()).await;
        let answer = answer.unwrap_or_else(|_| panic!("{} were answered", answers.len()));
        let answer = answer.expect("one more").expect("no panic");
        let answer = answer.expect("an answer");
        assert_eq!(answer.status, 429, "{answer:?}");
        answers.push(answer);
    }
    answers
}

/// Everything that must go on beside the crowd.
struct Beside {
    mount: Mount,
    other: Mount,
    renewed: String,
    revoked: String,
}

impl Beside {
    async fn prepare(bao: &Bao) -> Self {
        let mount = Mount::on(&bao.client()).await;
        mount.configure().await;
        // Atlas's limits are not what the crowd waits for.
        let room = json!({"capacity": 10_000, "refill_rate": 10_000, "refill_seconds": 1});
        let buckets = json!({"apiKeys_org": room, "serviceAccounts_org": room});
        mount.atlas.settings(json!({ "buckets": buckets })).await;
        mount.org_role("kept", 3_600, 0).await;
        let account = json!({"org_id": mount.atlas.org(), "org_roles": ["ORG_MEMBER"]});
        let account = mount.atlas.control("POST", "/accounts", account).await;
        let role = json!({
            "client_id": account["client_id"], "organization_id": mount.atlas.org(),
            "rotation_period": "30d",
        });
        let written = mount.write("static-roles/app", role).await;
        assert!(written.ok(), "{written:?}");
        let other = Mount::on(&bao.client()).await;
        other.configure().await;
        other.org_role("reader", 3_600, 0).await;
        Self {
            renewed: mount.issue("kept").await.lease_id(),
            revoked: mount.issue("kept").await.lease_id(),
            mount,
            other,
        }
    }

    async fn goes_on(&self) {
        let everything = async {
            let creds = self.mount.read("static-creds/app").await;
            assert!(creds.ok(), "{creds:?}");
            let renewed = self.mount.renew(&self.renewed, 60).await;
            assert!(renewed.ok(), "{renewed:?}");
            let revoked = self.mount.revoke(&self.revoked).await;
            assert!(revoked.ok(), "{revoked:?}");
            self.other.issue("reader").await;
            assert!(self.mount.list("roles").await.ok());
            let status = self.mount.read("status").await;
            status.data()["atlas"]["waiting_requests"].as_u64()
        };
        let waiting = timeout(SOON, everything).await;
        let waiting = waiting.expect("nothing waits behind the crowd");
        assert!(waiting > Some(0), "the crowd still waits");
    }
}

#[tokio::test]
async fn a_crowd_that_reads_one_account_keeps_nobody_else_waiting() {
    let _turn = TURN.lock().await;
    let bao = Bao::dev();
    let beside = Beside::prepare(&bao).await;
    let mount = &beside.mount;
    let account =
        json!({"org_id": mount.atlas.org(), "org_roles": ["ORG_MEMBER"], "secret_hours": 0});
    let account = mount.atlas.control("POST", "/accounts", account).await;
    let role = json!({
        "credential_type": "service_account", "organization_id": mount.atlas.org(),
        "client_id": account["client_id"], "ttl": "1h", "max_ttl": "24h",
    });
    mount.role("shared", role).await;
    let hang = json!({
        "operation": "getOrgServiceAccount", "count": 0, "action": {"kind": "hang"},
    });
    mount.atlas.fault(hang).await;
    let mut crowd = Crowd::new();
    readers(&mut crowd, mount, "shared", 1_200);
    for answer in refused(&mut crowd, 1_200 - 64).await {
        let text = answer.errors();
        assert!(
            text.contains("64 requests already wait for service account"),
            "{text}"
        );
    }
    beside.goes_on().await;
}

#[tokio::test]
async fn a_crowd_before_a_hanging_atlas_keeps_nobody_else_waiting() {
    let _turn = TURN.lock().await;
    let bao = Bao::dev();
    let beside = Beside::prepare(&bao).await;
    let mount = &beside.mount;
    let hang = json!({
        "operation": "createOrgApiKey", "count": 0, "action": {"kind": "hang"},
    });
    mount.atlas.fault(hang).await;
    let mut crowd = Crowd::new();
    for number in 0..10 {
        let role = format!("r{number}");
        mount.org_role(&role, 3_600, 0).await;
        readers(&mut crowd, mount, &role, 115);
    }
    for answer in refused(&mut crowd, 1_150 - 1_024).await {
        let text = answer.errors();
        assert!(
            text.contains("1024 requests already wait for Atlas on this mount"),
            "{text}"
        );
    }
    beside.goes_on().await;
}

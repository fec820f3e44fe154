//! `status`: how the engine is doing. Never a secret.
//!
//! Each feature tells its own part: one function that answers a JSON object, one line here.

use std::sync::Arc;

use serde_json::{Value, json};

use super::error::EngineError;
use super::{
    Engine, OPERATION_PREFIX, config, encryption_at_rest, journal, keys, static_roles, stored,
    unasked,
};
use crate::atlas::{CallOutcome, Queue};
use crate::base::Rfc3339;
use crate::engine::entries::ConfigEntry;
use crate::framework::{Answer, Call, Display, Field, Path, PathOperation};
use crate::vault::system_view::may_act;
use crate::vault::{Data, Operation, Response};

/// The path of the status.
pub(crate) fn paths() -> Vec<Path<Engine>> {
    vec![
        Path::new("status")
            .help(
                "Show the state of the engine.",
                "Version, configuration without secrets, figures of the journal, what rollback and \
                 reaper did since the start of this process, their last errors, and Atlas's rate \
                 limits. Only the active node does the work; other nodes show only what is stored.",
            )
            .display(Display::operation(OPERATION_PREFIX, "", "status"))
            .operation(
                Operation::Read,
                PathOperation::new(read)
                    .summary("Show the state of the engine.")
                    .answers(Answer::new(200, "The state of the engine.", answer())),
            ),
    ]
}

fn answer() -> Vec<Field> {
    vec![
        Field::text("version").about("Version of the plugin."),
        Field::map("mount").about(
            "Path of the mount, and the id by which log lines name it (field mount).",
        ),
        Field::text("node").about(
            "active: this node does the mount's work. standby: another node does, and shows the \
             figures.",
        ),
        Field::map("configuration")
            .about(
                "Type and organization of the credential, whether hold is on, whether it was stored \
                 unverified and Atlas has not accepted it since, and the state of its rotation.",
            ),
        Field::map("hold").about(
            "What suspends automatic deletions and rotations: configuration (field hold), \
             environment (MONGODBATLAS_HOLD), and clock (since, reason, until) while the clocks of \
             this server and of Atlas do not agree.",
        ),
        Field::map("draining").about(
            "While the mount is drained (issued-end): since when and by whom, what the environment holds, \
             and on the active node what remains (0: nothing is left), how many this process ended, how \
             many fail, and the last error.",
        ),
        Field::map("static_roles").about(
            "On the active node: how many static roles there are, which fail, whose secrets \
             expire before any rotation is expected, and when the next rotation takes place.",
        ),
        Field::map("encryption_at_rest").about(
            "On the active node: how many projects' key vaults are looked after, how Atlas signs in \
             to them (static, role), of how many it says that the key cannot be used (invalid), that \
             differ from what was set (drifted), whose static secret ends within 30 days (expiring), \
             whose last change failed, and of each what is wrong (warnings).",
        ),
        Field::map("journal").about(
            "On the active node: entries by state, what rollback and reaper did, their last errors.",
        ),
        Field::map("ambiguous_secrets").about(
            "On the active node: secrets of which the engine cannot tell whether this mount \
             created them: the number of such entries, and of each its storage key, account and \
             candidates. None is deleted: delete the unused ones in Atlas.",
        ),
        Field::map("atlas").about(
            "On the active node: whether Atlas answers, the last outcome of each kind of call, \
             rate limits in use, and periodic work that waits for them.",
        ),
    ]
}

async fn read(engine: Arc<Engine>, call: Call) -> Result<Option<Response>, EngineError> {
    let acts = may_act(&*engine.system).await?;
    let mount = json!({
        "path": call.mount_point,
        "id": engine.mount_id,
    });
    let mut data = Data::from_iter([
        ("version".to_owned(), json!(engine.version)),
        ("mount".to_owned(), mount),
        (
            "node".to_owned(),
            json!(if acts { "active" } else { "standby" }),
        ),
        ("configuration".to_owned(), configuration(&engine).await?),
        ("hold".to_owned(), unasked::status(&engine).await?),
        ("draining".to_owned(), journal::drain_status(&engine).await?),
    ]);
    if acts {
        data.insert("journal".to_owned(), journal::state(&engine).await?);
        let roles = static_roles::summary(&engine).await?;
        data.insert("static_roles".to_owned(), roles);
        let projects = encryption_at_rest::status(&engine).await?;
        data.insert("encryption_at_rest".to_owned(), projects);
        let ambiguous = engine.ambiguous.listed();
        data.insert("ambiguous_secrets".to_owned(), ambiguous);
        data.insert("atlas".to_owned(), atlas(&engine).await);
    }
    Ok(Some(Response::data(data)))
}

async fn configuration(engine: &Engine) -> Result<Value, EngineError> {
    let entry: Option<ConfigEntry> = stored::load(&*engine.storage, keys::CONFIG).await?;
    let Some(entry) = entry else {
        return Ok(Value::Null);
    };
    Ok(json!({
            "credential_type": entry.credential_type().name(),
            "organization_id": entry.organization_id,
            "hold": entry.hold,
            "unverified": config::is_unverified(engine, &entry).await,
            "rotation": config::rotation_state(engine, &entry).await?,
    }))
}

/// Says in the log which version serves the mount from now on, and what it took over from whatever
/// served it before. A mount serves all the same where storage cannot be read.
pub(crate) async fn log_start(engine: &Engine) {
    let count = async |prefix: &str| match engine.storage.list(prefix).await {
        Ok(keys) => Some(keys.len()),
        Err(_) => None,
    };
    let entry: Result<Option<ConfigEntry>, _> = stored::load(&*engine.storage, keys::CONFIG).await;
    let credential = match &entry {
        Ok(Some(entry)) => entry.credential_type().name(),
        Ok(None) => "none",
        Err(_) => "unreadable",
    };
    let (roles, static_roles, issued) = tokio::join!(
        count(keys::ROLES),
        count(keys::STATIC_ROLES),
        count(keys::ISSUED)
    );
    tracing::info!(
        version = engine.version,
        credential,
        roles,
        static_roles,
        issued,
        "serving the mount"
    );
}

/// Without a usable configuration there is no client, and nothing to tell of it.
async fn atlas(engine: &Engine) -> Value {
    match engine.connection.linked().await {
        Ok(linked) => {
            let (waiting, waiting_of_process) = engine.waiters.counts();
            let queues: Vec<Value> = linked.atlas.queues().iter().map(queue).collect();
            let reached = engine.connection.reached();
            let calls: Data = reached.calls.iter().map(outcome).collect();
            json!({
                "reachable": reached.reachable(),
                "unreachable_since": reached.unreachable_since.map(Rfc3339),
                "last_answer": reached.last_answer.map(Rfc3339),
                "calls": calls,
                "rate_limits": queues,
                "waiting_requests": waiting,
                "waiting_requests_of_all_mounts": waiting_of_process,
                "waiting_work_count": engine.rate_waits.count(),
                "waiting_work": engine.rate_waits.listed(),
            })
        }
        Err(_) => Value::Null,
    }
}

fn outcome((operation, outcome): (&&'static str, &CallOutcome)) -> (String, Value) {
    let error = outcome.last_error.as_ref();
    let shown = json!({
        "last_success": outcome.last_success.map(Rfc3339),
        "last_error": error.map(|(_, text)| text),
        "last_error_time": error.map(|(at, _)| Rfc3339(*at)),
    });
    ((*operation).to_owned(), shown)
}

fn queue(queue: &Queue) -> Value {
    json!({
        "calls": queue.calls,
        "scope": queue.scope,
        "tokens": queue.tokens.floor(),
        "retry_after": queue.blocked_for.map(|wait| wait.as_secs() + 1),
        "capacity": queue.capacity,
        "waiting": queue.waiting,
        "in_flight": queue.in_flight,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::testing::TestMount;
    use crate::vault::Replication;

    #[tokio::test]
    async fn status_is_there_before_the_configuration() {
        let mount = TestMount::new().await;
        let status = TestMount::data(mount.read("status").await);
        assert_eq!(status["version"], "v0.0.0");
        assert_eq!(status["node"], "active");
        assert_eq!(status["configuration"], Value::Null);
        assert_eq!(status["journal"]["entries"]["active"], 0);
        assert_eq!(status["atlas"], Value::Null);
    }

    #[tokio::test]
    async fn status_shows_the_state_and_no_secret() {
        let mount = TestMount::with_role(json!({})).await;
        let (data, _) = mount.issue("reader").await;
        let status = TestMount::data(mount.read("status").await);
        assert_eq!(
            status["configuration"]["organization_id"],
            mount.atlas.org()
        );
        assert_eq!(status["configuration"]["hold"], false);
        assert_eq!(status["journal"]["entries"]["active"], 1);
        assert_eq!(status["atlas"]["rate_limits"][0]["calls"], "API keys");
        let text = json!(status).to_string();
        let config = mount.atlas.key_config();
        for secret in [&config["private_key"], &data["private_key"]] {
            assert!(!text.contains(secret.as_str().unwrap()), "{text}");
        }
    }

    async fn atlas_of(mount: &TestMount) -> Value {
        TestMount::data(mount.read("status").await)["atlas"].clone()
    }

    #[tokio::test]
    async fn status_shows_since_when_atlas_does_not_answer_and_how_each_kind_of_call_went() {
        let mount = TestMount::with_role(json!({})).await;
        let atlas = atlas_of(&mount).await;
        assert_eq!(atlas["reachable"], true, "{atlas}");
        assert!(
            atlas["calls"]["listOrgs"]["last_success"].is_string(),
            "{atlas}"
        );
        let away = json!({"count": 0, "unauthenticated": true, "action": {"kind": "close"}});
        mount.atlas.fault(away).await;
        let since = json!(Rfc3339(mount.now()));
        mount.read("check").await.expect_err("Atlas is away");
        mount.advance(std::time::Duration::from_mins(1)).await;
        mount.read("check").await.expect_err("Atlas is away");
        let atlas = atlas_of(&mount).await;
        assert_eq!(atlas["reachable"], false, "{atlas}");
        assert_eq!(atlas["unreachable_since"], since, "{atlas}");
        let calls = &atlas["calls"]["listOrgs"];
        let error = calls["last_error"].as_str().unwrap_or_default();
        assert!(error.contains("no answer from Atlas"), "{atlas}");
        assert_ne!(calls["last_error_time"], since, "the last one: {atlas}");
        mount.atlas.no_more_faults().await;
        mount.read("check").await.expect("Atlas is back");
        let atlas = atlas_of(&mount).await;
        assert_eq!(atlas["reachable"], true, "{atlas}");
        assert!(atlas["unreachable_since"].is_null(), "{atlas}");
    }

    /// The address was mistyped: that says nothing of the Atlas in use.
    #[tokio::test]
    async fn a_configuration_that_was_refused_stays_out_of_the_record() {
        let mount = TestMount::configured().await;
        let mut wrong = mount.atlas.key_config();
        wrong["base_url"] = json!("http://127.0.0.1:9");
        mount
            .write("config", wrong)
            .await
            .expect_err("nobody answers");
        assert_eq!(atlas_of(&mount).await["reachable"], true);
    }

    #[tokio::test]
    async fn revocations_that_atlas_refuses_are_counted_and_told() {
        let mount = TestMount::with_role(json!({})).await;
        let (_, lease) = mount.issue("reader").await;
        let refusal = json!({
            "operation": "deleteOrgApiKey", "count": 2,
            "action": {"kind": "answer", "status": 403, "code": "ACCESS_FORBIDDEN"},
        });
        mount.atlas.fault(refusal).await;
        for _ in 0..2 {
            mount.revoke(&lease).await.expect_err("refused");
        }
        let journal = TestMount::data(mount.read("status").await)["journal"].clone();
        assert_eq!(journal["revocations"]["revocations_failed"], 2, "{journal}");
        assert_eq!(journal["failures"], 2);
        let error = &journal["errors"][0];
        assert_eq!(error["during"], "revocation");
        assert_eq!(error["id"], lease.internal_data["journal_id"]);
        mount.revoke(&lease).await.expect("revoked");
        let journal = TestMount::data(mount.read("status").await)["journal"].clone();
        let want = json!({"revoked": 1, "revocations_failed": 2});
        assert_eq!(journal["revocations"], want);
    }

    #[tokio::test]
    async fn status_names_the_mount_as_people_and_as_the_log_do() {
        let mount = TestMount::new().await;
        let status = TestMount::data(mount.read("status").await);
        let want = json!({
            "path": "mongodbatlas/", "id": "a-mount",
        });
        assert_eq!(status["mount"], want);
    }

    #[tokio::test]
    async fn a_secret_that_a_rotation_replaces_in_time_is_no_reason_to_warn() {
        let mount = TestMount::new().await;
        let mut config = mount.atlas.account_config();
        config["rotation_period"] = json!("5d");
        mount.write("config", config).await.expect("configured");
        mount
            .write("config/rotate-root", json!({}))
            .await
            .expect("rotated");
        for _ in 0..3 {
            mount.advance(std::time::Duration::from_hours(48)).await;
            mount.tick().await.expect("a tick");
            for path in ["check", "config"] {
                let answer = mount.read(path).await.expect(path).expect(path);
                let data = json!(answer.data);
                let told = (answer.warnings, data["warnings"].clone());
                assert!(
                    told.0.is_empty() && (told.1.is_null() || told.1 == json!([])),
                    "{path}: {told:?}"
                );
            }
        }
        let by_hand = json!({"rotation_period": 0});
        mount.write("config", by_hand).await.expect("changed");
        let found = TestMount::data(mount.read("check").await);
        let told = found["warnings"].to_string();
        assert!(told.contains("client_secret expires at"), "{told}");
    }

    #[tokio::test]
    async fn a_standby_shows_what_is_stored() {
        let mount = TestMount::configured().await;
        let account = mount.atlas.account_config();
        mount.write("config", account).await.expect("written");
        mount.system.set_replication(Replication(24_576));
        let status = TestMount::data(mount.read("status").await);
        assert_eq!(status["node"], "standby");
        assert_eq!(
            status["configuration"]["credential_type"],
            "service_account"
        );
        assert!(!status.contains_key("journal"));
    }
}

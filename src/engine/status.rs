//! `status`: how the engine is doing. Never a secret.
//!
//! Each feature tells its own part: one function that answers a JSON object, one line here.

use std::sync::Arc;

use serde_json::{Value, json};

use super::config::ConfigEntry;
use super::error::EngineError;
use super::{Engine, OPERATION_PREFIX, config, journal, keys, static_roles, stored, unasked};
use crate::atlas::Queue;
use crate::framework::{Answer, Call, Display, Field, Path, PathOperation};
use crate::vault::system_view::may_act;
use crate::vault::{Data, Operation, Response};

/// The path of the status.
pub(crate) fn paths() -> Vec<Path<Engine>> {
    vec![
        Path::new("status")
            .help(
                "Show how the engine is doing.",
                "Version, configuration without secrets, figures of the journal, what rollback and \
                 reaper did since the start of this process, their last errors, and how Atlas's rate \
                 limits stand. Work is done by the active node alone: any other shows only what is \
                 stored.",
            )
            .display(Display::operation(OPERATION_PREFIX, "", "status"))
            .operation(
                Operation::Read,
                PathOperation::new(read)
                    .summary("Show how the engine is doing.")
                    .answers(Answer::new(200, "How the engine is doing.", answer())),
            ),
    ]
}

fn answer() -> Vec<Field> {
    vec![
        Field::text("version").about("Version of the plugin."),
        Field::text("node").about(
            "active: this node does the mount's work. standby: another one does; figures are there.",
        ),
        Field::map("configuration")
            .about(
                "Type and organization of the credential, whether hold is on, whether it was stored \
                 unverified and Atlas has not accepted it since, and how its rotation goes.",
            ),
        Field::map("hold").about(
            "What holds deletions and rotations that nobody asks for: configuration (field hold), \
             environment (MONGODBATLAS_HOLD), and clock (since, reason, until) while the clocks of \
             this server and of Atlas do not agree.",
        ),
        Field::map("static_roles").about(
            "On the active node: how many static roles there are, which fail, whose secrets end \
             without a rotation to rely on, and when the next rotation comes.",
        ),
        Field::map("journal").about(
            "On the active node: entries by state, what rollback and reaper did, their last errors.",
        ),
        Field::map("undecidable_secrets").about(
            "On the active node: secrets that this mount may have made, or somebody else: how many \
             entries are about such ones, and of each its storage key, account and candidates. None is \
             deleted: delete in Atlas what nobody uses.",
        ),
        Field::map("atlas").about(
            "On the active node: rate limits that are not at rest, and work of the ticks that is due \
             and waits for them.",
        ),
    ]
}

async fn read(engine: Arc<Engine>, _: Call) -> Result<Option<Response>, EngineError> {
    let acts = may_act(&*engine.system).await?;
    let mut data = Data::from_iter([
        ("version".to_owned(), json!(engine.version)),
        (
            "node".to_owned(),
            json!(if acts { "active" } else { "standby" }),
        ),
        ("configuration".to_owned(), configuration(&engine).await?),
        ("hold".to_owned(), unasked::status(&engine).await?),
    ]);
    if acts {
        data.insert("journal".to_owned(), journal::state(&engine).await?);
        let roles = static_roles::summary(&engine).await?;
        data.insert("static_roles".to_owned(), roles);
        let undecidable = engine.undecidable.listed();
        data.insert("undecidable_secrets".to_owned(), undecidable);
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
            "unverified": is_unverified(engine, &entry).await,
            "rotation": config::rotation(&entry),
    }))
}

/// Whether Atlas has not accepted the configuration's credential since it was stored.
pub(crate) async fn is_unverified(engine: &Engine, entry: &ConfigEntry) -> bool {
    entry.unverified
        && match engine.connection.linked().await {
            Ok(linked) => !linked.atlas.was_accepted(),
            Err(_) => true,
        }
}

/// Without a usable configuration there is no client, and nothing to tell of it.
async fn atlas(engine: &Engine) -> Value {
    match engine.connection.linked().await {
        Ok(linked) => {
            let (waiting, waiting_of_process) = engine.waiters.counts();
            let queues: Vec<Value> = linked.atlas.queues().iter().map(queue).collect();
            json!({
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
        assert_eq!(status["journal"]["entries"]["live"], 0);
        assert_eq!(status["atlas"], Value::Null);
    }

    #[tokio::test]
    async fn status_tells_the_state_and_no_secret() {
        let mount = TestMount::with_role(json!({})).await;
        let (data, _) = mount.issue("reader").await;
        let status = TestMount::data(mount.read("status").await);
        assert_eq!(
            status["configuration"]["organization_id"],
            mount.atlas.org()
        );
        assert_eq!(status["configuration"]["hold"], false);
        assert_eq!(status["journal"]["entries"]["live"], 1);
        assert_eq!(status["atlas"]["rate_limits"][0]["calls"], "API keys");
        let text = json!(status).to_string();
        let config = mount.atlas.key_config();
        for secret in [&config["private_key"], &data["private_key"]] {
            assert!(!text.contains(secret.as_str().unwrap()), "{text}");
        }
    }

    #[tokio::test]
    async fn a_standby_tells_what_is_stored() {
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

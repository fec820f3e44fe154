//! `tidy`: compares Atlas with the journal. Removes only what carries this mount's mark.
//!
//! The path and what it removes; what is compared and how is in `comparison`.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use tokio::time::Instant;

use super::comparison::Comparison;
use super::index::REAPED_AFTER;
use super::tidy_report::Report;
use crate::atlas::{Priority, RequestBudget};
use crate::engine::connection::ConfiguredClient;
use crate::engine::error::EngineError;
use crate::engine::resource::remove;
use crate::engine::unasked::{Permit, held};
use crate::engine::waiters::Crowd;
use crate::engine::{Engine, OPERATION_PREFIX};
use crate::framework::{Answer, Call, Display, Field, Path, PathOperation};
use crate::vault::failure::chain;
use crate::vault::{Operation, Response};

/// Default of `min_age`.
const MIN_AGE: Duration = Duration::from_hours(1);

/// The path of `tidy`.
pub(super) fn path() -> Path<Engine> {
    Path::new("tidy")
        .help(
            "Compare the keys, accounts and database users in Atlas with the journal, and delete orphans.",
            "An orphan carries this mount's ownership tag (the last characters of its description) and \
             is unknown to the journal, as after a restore from an old snapshot. What other mounts, \
             the Go engine or people created is never deleted: if its description has the same form, \
             it is reported as untagged. Entries whose credential is gone in Atlas are reported as \
             missing; without dry_run they are removed once their last possible lease is over. An \
             account or key with a copy of a whole description counts as an orphan: do not copy \
             descriptions. Database users are listed in the projects that roles name.",
        )
        .display(Display::operation(OPERATION_PREFIX, "tidy", ""))
        .field(
            Field::boolean("dry_run")
                .about("Only report; nothing is removed.")
                .default(true),
        )
        .field(
            Field::seconds("min_age")
                .refuse_empty_text()
                .about("Orphans younger than this are kept.")
                .default(MIN_AGE.as_secs()),
        )
        .operation(
            Operation::Update,
            PathOperation::new(tidy)
                .summary("Compare Atlas with the journal, and delete orphans.")
                .answers(Answer::new(200, "What was found and done.", answer())),
        )
        .forwarded()
}

fn answer() -> Vec<Field> {
    vec![
        Field::boolean("dry_run").about("Whether nothing was removed."),
        Field::comma_texts("organizations").about("Organizations that were scanned."),
        Field::int("scanned_count").about("Keys and accounts in Atlas that were compared."),
        Field::int("orphan_count")
            .about("With this mount's ownership tag, unknown to the journal; listed in orphans."),
        Field::int("recent_count").about("Such ones, but younger than min_age."),
        Field::int("removed_count").about("Orphans that were deleted."),
        Field::int("failed_count").about("Orphans that could not be deleted; failed says why."),
        Field::int("remaining_count").about("Orphans left because time ran out: run it again."),
        Field::int("untagged_count").about(
            "With a description of the same form, but without this mount's tag; never deleted.",
        ),
        Field::int("missing_count")
            .about("Active in the journal, gone in Atlas; listed in missing."),
        Field::int("pruned_count")
            .about("Missing ones whose entry was removed, their last possible lease being over."),
        Field::int("not_compared_count")
            .about("Entries of other organizations or kinds, which were not compared."),
    ]
}

async fn tidy(engine: Arc<Engine>, call: Call) -> Result<Option<Response>, EngineError> {
    let dry_run = call.fields.boolean("dry_run").unwrap_or(true);
    let min_age = call.fields.duration("min_age").unwrap_or(MIN_AGE);
    if !dry_run && let Some(by) = held(&engine).await? {
        return Err(EngineError::BadInput(format!(
            "dry_run: {by}, or give dry_run=true"
        )));
    }
    let _waiter = engine.waiters.enter(Crowd::Operators, [])?;
    let now = engine.clock.now();
    let budget = RequestBudget {
        deadline: call.caller.deadline,
        priority: Priority::Background,
    };
    engine.journal.fill().await?;
    let linked = engine.connection.linked().await?;
    let comparison = Comparison {
        engine: &engine,
        org: linked.own_organization(budget).await?,
        linked: &linked,
        budget,
    };
    let mut report = comparison
        .report(before(now, min_age), min_age.is_zero())
        .await?;
    report.dry_run = dry_run;
    if !dry_run {
        remove_strays(&engine, &linked, budget, &mut report).await;
        forget_missing(&engine, now, &mut report).await?;
    }
    // A look that passed over something says nothing of what it did not see, and one that saw nothing at all is
    // none.
    let is_whole = report.warnings.is_empty();
    if min_age <= MIN_AGE && (is_whole || report.looked_at > 0) {
        let left = report.orphans.len() - report.removed;
        let measures = &engine.measures;
        measures.note_orphans(left, report.removed, is_whole, now);
    }
    Ok(Some(report.into_answer()))
}

fn before(now: DateTime<Utc>, min_age: Duration) -> DateTime<Utc> {
    let age = TimeDelta::from_std(min_age).unwrap_or(TimeDelta::MAX);
    now.checked_sub_signed(age)
        .unwrap_or(DateTime::<Utc>::MIN_UTC)
}

/// Deletes the orphans, as far as the caller waits; one failure does not stop the others.
async fn remove_strays(
    engine: &Engine,
    linked: &ConfiguredClient,
    budget: RequestBudget,
    report: &mut Report,
) {
    for (number, stray) in report.orphans.iter().enumerate() {
        if Instant::now() >= budget.deadline {
            report.left = report.orphans.len() - number;
            break;
        }
        match remove(linked, &stray.made, Permit::ORDERED, budget).await {
            Ok(_) => {
                report.removed += 1;
                tracing::info!(description = stray.description, "deleted an orphan");
            }
            Err(error) => {
                let now = engine.clock.now();
                engine.journal.tally().failed(now, "tidy", None, &error);
                report.failed.push((stray.clone(), chain(&error)));
            }
        }
    }
}

/// Until then the lease's own end removes the entry: a revocation of what is gone succeeds.
async fn forget_missing(
    engine: &Engine,
    now: DateTime<Utc>,
    report: &mut Report,
) -> Result<(), EngineError> {
    for (id, entry) in &report.missing {
        if now - entry.max_expire_time > REAPED_AFTER {
            engine.journal.remove(id).await?;
            report.forgotten += 1;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::base::{SystemEntropy, base62};
    use crate::engine::testing::TestMount;
    use crate::vault::{Data, Failure};

    const DAY: Duration = Duration::from_hours(24);

    async fn tidied(mount: &TestMount, dry_run: bool) -> Data {
        TestMount::data(mount.write("tidy", json!({ "dry_run": dry_run })).await)
    }

    /// As after a restore of a snapshot from before the credentials were issued.
    fn forget_journal(mount: &TestMount) {
        for key in mount.journal_keys() {
            mount.storage.unplant(&key);
        }
    }

    #[tokio::test]
    async fn orphans_are_reported_then_removed() {
        for kind in ["programmatic_api_key", "service_account"] {
            let mut mount = TestMount::with_role(json!({ "credential_type": kind })).await;
            for _ in 0..2 {
                mount.issue("reader").await;
            }
            forget_journal(&mount);
            mount.restart().await;
            let young = tidied(&mount, false).await;
            assert_eq!(
                (&young["recent_count"], &young["orphan_count"]),
                (&json!(2), &json!(0))
            );
            mount.advance(Duration::from_hours(2)).await;
            let (known, _) = mount.issue("reader").await;
            let dry = tidied(&mount, true).await;
            assert_eq!(
                (&dry["orphan_count"], &dry["removed_count"]),
                (&json!(2), &json!(0))
            );
            assert_eq!(dry["orphans"].as_array().map(Vec::len), Some(2));
            assert_eq!(mount.atlas.credentials().await.len(), 3);
            let wet = tidied(&mount, false).await;
            assert_eq!(wet["removed_count"], 2, "{wet:?}");
            let name = known.get("description").or_else(|| known.get("name"));
            let left = mount.atlas.credentials().await;
            assert_eq!(json!(left), json!([name]));
        }
    }

    /// Such as one that a later version wrote.
    #[tokio::test]
    async fn a_credential_whose_entry_cannot_be_read_is_no_orphan() {
        let mut mount = TestMount::with_role(json!({})).await;
        mount.issue("reader").await;
        let key = mount.journal_keys().remove(0);
        mount
            .storage
            .plant(&key, b"{\"state\": \"of a later version\"}");
        mount.restart().await;
        mount.advance(Duration::from_hours(2)).await;
        let done = tidied(&mount, false).await;
        assert_eq!(
            (&done["orphan_count"], &done["removed_count"]),
            (&json!(0), &json!(0))
        );
        assert_eq!(mount.atlas.credentials().await.len(), 1);
    }

    #[tokio::test]
    async fn what_others_made_is_never_touched() {
        let mut mount = TestMount::with_role(json!({})).await;
        let beside = TestMount::beside(&mount).await;
        mount.issue("reader").await;
        beside.issue("reader").await;
        let go = format!("vault-reader-{}", base62(&SystemEntropy, 20));
        let marked = mount.atlas.credentials().await.remove(0);
        for other in [go.as_str(), "vault-reader", "mine", &format!("{marked}x")] {
            mount.atlas.plant_key(other).await;
        }
        mount.advance(DAY).await;
        let report = tidied(&mount, false).await;
        assert_eq!(report["orphan_count"], 0);
        assert_eq!(
            report["untagged_count"], 2,
            "the other mount's and the Go engine's"
        );
        forget_journal(&mount);
        mount.restart().await;
        let report = tidied(&mount, false).await;
        assert_eq!(report["removed_count"], 1, "{report:?}");
        let left = mount.atlas.credentials().await;
        assert_eq!(left.len(), 5);
        assert!(left.contains(&go) && !left.contains(&marked));
        let report = tidied(&beside, false).await;
        assert_eq!(
            (&report["orphan_count"], &report["missing_count"]),
            (&json!(0), &json!(0))
        );
    }

    #[tokio::test]
    async fn an_entry_whose_credential_is_gone_is_kept_while_its_lease_may_live() {
        let mount = TestMount::with_role(json!({ "max_ttl": "3h" })).await;
        let (_, lease) = mount.issue("reader").await;
        let (_, kept) = mount.issue("reader").await;
        mount.revoke(&kept).await.expect("revoked");
        mount.atlas.forget_credentials().await;
        mount.advance(Duration::from_hours(2)).await;
        let report = tidied(&mount, false).await;
        assert_eq!(
            (&report["missing_count"], &report["pruned_count"]),
            (&json!(1), &json!(0))
        );
        assert_eq!(
            report["missing"][0]["id"],
            lease.internal_data["journal_id"]
        );
        assert_eq!(mount.journal_keys().len(), 1);
        mount.advance(Duration::from_hours(3)).await;
        assert_eq!(tidied(&mount, true).await["missing_count"], 1);
        assert_eq!(mount.journal_keys().len(), 1);
        assert_eq!(tidied(&mount, false).await["pruned_count"], 1);
        assert_eq!(mount.journal_keys(), Vec::<String>::new());
    }

    #[tokio::test]
    async fn a_failure_does_not_keep_the_others() {
        let mut mount = TestMount::with_role(json!({})).await;
        for _ in 0..3 {
            mount.issue("reader").await;
        }
        forget_journal(&mount);
        mount.restart().await;
        mount.advance(DAY).await;
        mount
            .atlas
            .fault(json!({
                "operation": "deleteOrgApiKey",
                "action": {"kind": "answer", "status": 403, "code": "ACCESS_FORBIDDEN"},
            }))
            .await;
        let report = tidied(&mount, false).await;
        assert_eq!(
            (&report["removed_count"], &report["failed_count"]),
            (&json!(2), &json!(1))
        );
        let error = report["failed"][0]["error"].as_str().unwrap_or_default();
        assert!(error.contains("ACCESS_FORBIDDEN"), "{error}");
    }

    #[tokio::test]
    async fn held_deletions_let_tidy_only_look() {
        let mount = TestMount::with_role(json!({})).await;
        let hold = json!({ "hold": true });
        mount.write("config", hold).await.expect("held");
        let refused = mount.write("tidy", json!({ "dry_run": false })).await;
        assert!(
            matches!(refused, Err(Failure::BadRequest(_))),
            "{refused:?}"
        );
        let looked = mount.write("tidy", Value::Null).await;
        assert_eq!(TestMount::data(looked)["dry_run"], true);
    }
}

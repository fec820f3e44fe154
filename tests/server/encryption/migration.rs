//! Many projects on three nodes: planned, changed one by one, stopped by a missing grant, with the leader
//! killed and another one sent away in between, and taken back.
//!
//! `MIGRATED_PROJECTS=200` makes a larger run by hand, and prints its figures.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::customer::{Customer, text};
use crate::support::{Answer, Cluster, Mount};

/// How many projects `scripts/test` has.
const USUAL: usize = 20;
const MIGRATION: &str = "encryption-at-rest/migrations/all";

fn wanted() -> usize {
    let given = std::env::var("MIGRATED_PROJECTS").ok();
    let given = given.and_then(|text| text.parse().ok());
    given.unwrap_or(USUAL).max(USUAL)
}

fn is_by_hand() -> bool {
    std::env::var_os("MIGRATED_PROJECTS").is_some()
}

/// A customer's projects, by what stands in their way.
struct Fleet {
    customer: Customer,
    /// Nothing; of the first three the static secret is in keeping.
    ready: Vec<String>,
    /// The principal is granted nothing on their vault.
    ungranted: Vec<String>,
    off: Vec<String>,
    on_role: String,
    private: Vec<String>,
    before: BTreeMap<String, Value>,
}

/// So many of the ready ones can be taken back.
const KEPT: usize = 3;

impl Fleet {
    async fn of(customer: Customer) -> Self {
        let all = wanted();
        let (ungranted, off, private) = (all / 10, all / 10, all * 3 / 20);
        let key = customer.vault("kv").await;
        customer.grant("kv").await;
        let other = customer.vault("kv-other").await;
        let ready = all - ungranted - off - private - 1;
        let mut fleet = Self {
            ready: Vec::new(),
            ungranted: Vec::new(),
            off: Vec::new(),
            on_role: customer.encrypted("on-role", &key).await,
            private: Vec::new(),
            before: BTreeMap::new(),
            customer,
        };
        let customer = &fleet.customer;
        for number in 0..ready {
            fleet
                .ready
                .push(customer.encrypted(&format!("ready-{number}"), &key).await);
        }
        for number in 0..ungranted {
            let name = format!("ungranted-{number}");
            fleet
                .ungranted
                .push(customer.encrypted(&name, &other).await);
        }
        for number in 0..off {
            fleet
                .off
                .push(customer.project(&format!("off-{number}")).await);
        }
        for number in 0..private {
            let name = format!("private-{number}");
            fleet.private.push(customer.private(&name, &key).await);
        }
        let mut before = BTreeMap::new();
        for project in fleet.all() {
            before.insert(project.clone(), customer.held(&project).await);
        }
        fleet.before = before;
        fleet
    }

    /// In the order in which they are given.
    fn all(&self) -> Vec<String> {
        let mut all = self.ready.clone();
        all.extend(self.ungranted.iter().cloned());
        all.extend(self.off.iter().cloned());
        all.push(self.on_role.clone());
        all.extend(self.private.iter().cloned());
        all
    }

    fn order(&self) -> Value {
        let mut order = self.customer.ids();
        order["project_ids"] = json!(self.all());
        order["interval"] = json!("1s");
        order["observe"] = json!("10s");
        order
    }

    async fn read(&self) -> Value {
        self.customer.mount.read(MIGRATION).await.data().clone()
    }

    async fn act(&self, action: &str) -> Answer {
        let body = json!({ "action": action });
        self.customer.mount.write(MIGRATION, body).await
    }

    /// Waits until the migration is as it should be; while there is no leader nobody answers.
    async fn until(&self, what: &str, is: impl Fn(&Value) -> bool) -> Value {
        // Two looks that prove a private project are almost a minute apart, whatever `interval` says.
        let private = Duration::from_mins(1) * u32::try_from(self.private.len()).unwrap();
        let public = Duration::from_secs(6) * u32::try_from(wanted()).unwrap();
        let limit = Duration::from_mins(4) + public + private;
        let give_up = Instant::now() + limit;
        let path = format!("{}/{MIGRATION}", self.customer.mount.path);
        let mut last = String::new();
        loop {
            if let Ok(answer) = self
                .customer
                .mount
                .client
                .try_call("GET", &path, None)
                .await
            {
                if answer.ok() && is(&answer.body["data"]) {
                    return answer.body["data"].clone();
                }
                last = answer.body["data"].to_string();
            }
            assert!(Instant::now() < give_up, "in vain: {what}: {last}");
            tokio::time::sleep(Duration::from_millis(300)).await;
        }
    }

    async fn is_in(&self, state: &str) -> Value {
        self.until(state, |read| read["state"] == state).await
    }

    /// What stands of a project in the migration.
    fn row(read: &Value, project: &str) -> Value {
        let rows = read["rows"].as_array().expect("rows").iter();
        let mut found = rows.filter(|row| row["project_id"] == project);
        found
            .next()
            .unwrap_or_else(|| panic!("{project}: {read}"))
            .clone()
    }

    /// Each project is on its role or as it was, as its row says.
    async fn is_whole(&self, read: &Value) {
        for project in self.all() {
            let row = Self::row(read, &project);
            if project == self.on_role || row["step"] == "changed" {
                self.customer.is_on_its_role(&project).await;
            } else {
                let held = self.customer.held(&project).await;
                assert_eq!(held, self.before[&project], "{row}");
            }
        }
        self.customer.nothing_else_was_touched().await;
    }
}

/// The plan is right on every project, and changes nothing.
async fn the_plan_is_right(fleet: &Fleet) -> Value {
    let customer = &fleet.customer;
    let planned = customer.mount.write(MIGRATION, fleet.order()).await;
    assert!(planned.ok(), "{planned:?}");
    let plan = fleet.is_in("planned").await;
    let proved = format!("same vault proved by {}", fleet.on_role);
    for (projects, verdict) in [
        (&fleet.ready, "ready"),
        (&fleet.ungranted, "ready"),
        (&fleet.off, "not enabled"),
        (&vec![fleet.on_role.clone()], "already on a role"),
        (&fleet.private, proved.as_str()),
    ] {
        for project in projects {
            let row = Fleet::row(&plan, project);
            assert_eq!(row["verdicts"][0], verdict, "{row}");
        }
    }
    for (number, project) in fleet.ready.iter().enumerate() {
        let verdicts = Fleet::row(&plan, project)["verdicts"].to_string();
        let has_none = verdicts.contains("way back: none");
        assert_eq!(has_none, number >= KEPT, "{verdicts}");
    }
    assert_eq!(plan["grants"].as_array().map(Vec::len), Some(4), "{plan}");
    for project in fleet.all() {
        if project == fleet.on_role {
            continue;
        }
        assert_eq!(customer.held(&project).await, fleet.before[&project]);
        assert!(customer.changes(&project).await.is_empty());
    }
    assert_eq!(customer.registrations(&fleet.ungranted[0]).await, 0);
    plan
}

/// One project is on its role already, and of some the secret is in keeping: written through a standby,
/// which hands it on.
async fn prepare(fleet: &Fleet, standby: &Mount) {
    let path = Customer::path(&fleet.on_role);
    let registered = standby.write(&path, fleet.customer.ids()).await;
    assert!(registered.ok(), "{registered:?}");
    let applied = standby.write(&format!("{path}/apply"), json!({})).await;
    assert_eq!(applied.data()["mode"], "role", "{applied:?}");
    for project in &fleet.ready[..KEPT] {
        let mut body = fleet.customer.ids_and_secret();
        body["keep_static"] = json!(true);
        let kept = standby.write(&Customer::path(project), body).await;
        assert!(kept.ok(), "{kept:?}");
    }
}

async fn new_leader(fleet: &mut Fleet, cluster: &Cluster) -> usize {
    let leader = cluster.leader().await;
    fleet.customer.mount.client = cluster.client(leader);
    fleet.customer.mount.serves().await;
    leader
}

#[tokio::test]
async fn a_migration_ends_whole_through_missing_grants_and_lost_leaders() {
    let mut cluster = Cluster::start(3).await;
    let mount = Mount::on(&cluster.client(0)).await;
    mount.configure().await;
    let settings = json!({
        "private_verdict_seconds": 2, "static_credentials_after_role": "accept",
    });
    mount.atlas.settings(settings).await;
    let customer = Customer::of(mount).await;
    let mut fleet = Fleet::of(customer).await;
    let standby = Mount {
        client: cluster.client(1),
        path: fleet.customer.mount.path.clone(),
        atlas: fleet.customer.mount.atlas.clone(),
    };
    // It learns of the mount a moment after it was made.
    standby.serves().await;
    prepare(&fleet, &standby).await;
    the_plan_is_right(&fleet).await;

    let started = Instant::now();
    let begun = standby.write(MIGRATION, json!({ "action": "start" })).await;
    assert!(begun.ok(), "{begun:?}");
    let some = u64::try_from(fleet.ready.len() / 3).unwrap();
    let is_half = |read: &Value| read["done"].as_u64() >= Some(some);
    let half = fleet.until("some are through", is_half).await;
    assert_eq!(half["state"], "running", "{half}");
    cluster.nodes[0].kill();
    cluster.bury(0);
    new_leader(&mut fleet, &cluster).await;
    let stopped = fleet.is_in("paused").await;
    assert_eq!(stopped["failed"], 1, "{stopped}");
    let error = text(&Fleet::row(&stopped, &fleet.ungranted[0]), "error");
    assert!(error.contains("INVALID_AZURE_CREDENTIALS"), "{error}");
    fleet.is_whole(&stopped).await;

    fleet.customer.grant("kv-other").await;
    let resumed = fleet.act("resume").await;
    assert!(resumed.ok(), "{resumed:?}");
    let away = fleet
        .customer
        .mount
        .client
        .call("PUT", "sys/step-down", None)
        .await;
    assert!(away.ok(), "{away:?}");
    new_leader(&mut fleet, &cluster).await;
    let done = fleet.is_in("done").await;
    let took = started.elapsed();
    let through = fleet.ready.len() + fleet.ungranted.len() + fleet.private.len();
    assert_eq!(done["done"], through, "{done}");
    assert_eq!(done["failed"], 0, "{done}");
    fleet.is_whole(&done).await;
    if is_by_hand() {
        let requests = fleet.customer.mount.atlas.operations().await;
        eprintln!("{} projects in {} s: {requests}", wanted(), took.as_secs());
    }
    is_taken_back(&fleet).await;
}

/// Those whose secret is in keeping go back, and of the others it is told why not.
async fn is_taken_back(fleet: &Fleet) {
    let order = fleet.act("rollback").await;
    assert!(order.ok(), "{order:?}");
    let back = fleet.is_in("rolled_back").await;
    assert_eq!(back["done"], KEPT, "{back}");
    for project in &fleet.ready[..KEPT] {
        let held = fleet.customer.held(project).await;
        assert_eq!(held["vault"], fleet.before[project]["vault"]);
    }
    for project in fleet.ready[KEPT..].iter().chain(&fleet.private) {
        fleet.customer.is_on_its_role(project).await;
        let row = Fleet::row(&back, project);
        assert_eq!(row["step"], "kept", "{row}");
        assert!(
            text(&row, "error").contains("no static secret in keeping"),
            "{row}"
        );
    }
    let read = fleet.read().await;
    let rows = read.to_string();
    assert!(!rows.contains(&fleet.customer.secret), "a secret is shown");
    fleet.customer.nothing_else_was_touched().await;
}

//! How often a host is asked for one of its requests, and how many of these questions follow each other.
//!
//! A host is played here that answers each question late by the same time, so that what is asked side by
//! side shows as one.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tonic::service::Routes;
use tower::util::{MapFutureLayer, MapRequestLayer};

use crate::answer::{Answer, Lease};
use crate::atlas::Atlas;
use crate::host::Plugin;
use crate::launch::Launch;
use crate::line;
use crate::mount::{HostSide, Mount, org_role};

/// How late each answer is. The simulator answers at once.
const LATE: Duration = Duration::from_millis(50);

/// The methods that were called, such as `Get`.
type Log = Arc<Mutex<Vec<String>>>;

/// Prints both for each operation.
pub(crate) async fn host_calls() {
    let atlas = Atlas::start().await;
    atlas.without_limits().await;
    let mut plugin = Launch::new().start().await;
    let host = HostSide::new();
    let log = Log::default();
    let mount = plugin.unmounted(&host);
    let id = plugin.next_mount();
    plugin.listen(id, late(&host, &log)).await;
    assert_eq!(mount.set_up(id).await, "");
    assert_eq!(mount.initialize().await, None);
    mount.write_well("config", atlas.config()).await;
    let roles = [
        ("an API key", "key", json!({})),
        (
            "an access token",
            "token",
            json!({ "credential_type": "access_token" }),
        ),
    ];
    for (what, name, more) in roles {
        let mut role = org_role(atlas.org());
        if let (Value::Object(role), Value::Object(more)) = (&mut role, more) {
            role.extend(more);
        }
        mount.write_well(&format!("roles/{name}"), role).await;
        let path = format!("creds/{name}");
        // What is done once, at the first, is not what each costs.
        leased(&mount.read(&path).await);
        let lease = told(&log, &format!("to issue {what}"), mount.read(&path)).await;
        let Some(lease) = lease.lease else { continue };
        let ask = |operation| about(&mount, operation, &path, &lease);
        let options = lease.secret.lease_options.as_ref();
        if options.is_some_and(|options| options.renewable) {
            told(&log, &format!("to renew {what}"), ask("renew")).await;
        }
        told(&log, &format!("to revoke {what}"), ask("revoke")).await;
    }
    let role = mount.read("roles/key");
    told(&log, "to read a role", role).await;
    let role = mount.write("roles/key", org_role(atlas.org()));
    told(&log, "to write a role", role).await;
    told(&log, "to read config", mount.read("config")).await;
    let config = mount.write("config", json!({ "request_timeout": 20 }));
    told(&log, "to change config", config).await;
    told(&log, "for a tick with nothing to do", mount.tick()).await;
    end(plugin).await;
}

async fn end(plugin: Plugin) {
    let exit = plugin.shutdown().await;
    assert!(exit.status.success(), "{:?}", exit.status);
}

fn leased(answer: &Answer) {
    assert!(answer.is_success(), "{answer:?}");
}

async fn about(mount: &Mount, operation: &str, path: &str, lease: &Lease) -> Answer {
    mount.about_lease(operation, path, lease, Value::Null).await
}

/// The services of a host that takes its time and notes who asks for what.
fn late(host: &HostSide, log: &Log) -> Routes {
    let log = Arc::clone(log);
    let noted = MapRequestLayer::new(move |request: http::Request<_>| {
        let method = request.uri().path().rsplit('/').next();
        let method = method.unwrap_or_default().to_owned();
        log.lock().expect("nobody panics with it").push(method);
        request
    });
    let late = MapFutureLayer::new(|answer| async move {
        tokio::time::sleep(LATE).await;
        answer.await
    });
    let routes = host.routes().into_axum_router();
    Routes::from(routes.layer(late).layer(noted))
}

async fn told(log: &Log, what: &str, operation: impl Future<Output = Answer>) -> Answer {
    log.lock().expect("nobody panics with it").clear();
    let started = Instant::now();
    let answer = operation.await;
    let rounds = started.elapsed().as_secs_f64() / LATE.as_secs_f64();
    leased(&answer);
    let calls = std::mem::take(&mut *log.lock().expect("nobody panics with it"));
    line(
        &format!("calls to the host {what}"),
        format!(
            "{} in {:.0} round trips ({})",
            calls.len(),
            rounds.floor(),
            calls.join(", ")
        ),
    );
    answer
}

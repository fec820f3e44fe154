//! Setup: the brokered connection, probes, and what Setup and Initialize may not do.

use std::time::{Duration, Instant};

use mongodbatlas::protocol::backend::pb::Empty;
use tokio::time::{sleep, timeout};
use tonic::{Code, service::Routes};

use crate::{
    host::Plugin,
    identity::Identity,
    launch::Launch,
    mount::{HostSide, Mount},
    store::{MISSING, Mood, READ_ONLY, Store},
    view::Presence,
};

/// What a call to an unknown instance fails with.
const NO_INSTANCE: &str = "no backend instance found";

async fn is_unknown(mount: &Mount) -> bool {
    let refused = mount.kind().await;
    refused.is_err_and(|status| status.message() == NO_INSTANCE)
}

/// Fails to set up with a text that names the brokered connection, leaves nothing, and can be set up
/// later.
async fn fails_and_recovers(plugin: &mut Plugin, mount: &Mount, failing: u32) {
    let text = mount.set_up(failing).await;
    assert!(text.contains("over the brokered connection"), "{text}");
    assert!(is_unknown(mount).await);
    assert_eq!(plugin.set_up(mount).await, "", "a good one follows");
    assert_eq!(mount.kind().await.ok(), Some(1));
}

#[tokio::test]
async fn without_an_address_setup_fails_after_twenty_seconds() {
    let mut plugin = Launch::new().start().await;
    let mount = plugin.unmounted(&HostSide::new());
    let start = Instant::now();
    let text = mount.set_up(77).await;
    assert!(
        text.contains("timeout waiting for connection info"),
        "{text}"
    );
    assert!(start.elapsed() > Duration::from_millis(19_900));
    assert!(start.elapsed() < Duration::from_secs(24));
    assert!(is_unknown(&mount).await, "nothing is left behind");
    assert_eq!(plugin.set_up(&mount).await, "", "a good one follows");
    assert_eq!(mount.kind().await.ok(), Some(1));
}

#[tokio::test]
async fn the_address_may_come_after_setup_began() {
    let mut plugin = Launch::new().start().await;
    let host = HostSide::new();
    let (first, second) = (plugin.unmounted(&host), plugin.unmounted(&host));
    let late = async {
        sleep(Duration::from_millis(200)).await;
        plugin.listen(8, host.routes()).await;
        plugin.listen(7, host.routes()).await;
    };
    let (first, second, ()) = tokio::join!(first.set_up(7), second.set_up(8), late);
    assert_eq!((first.as_str(), second.as_str()), ("", ""));
}

#[tokio::test]
async fn a_brokered_listener_that_is_not_the_hosts_is_refused() {
    let mut plugin = Launch::new().start().await;
    let mount = plugin.unmounted(&HostSide::new());
    let stranger = Identity::generate().server_config(&plugin.line.certificate());
    plugin.listen_with(7, mount.host.routes(), stranger).await;
    fails_and_recovers(&mut plugin, &mount, 7).await;
}

/// With TLS 1.3 the listener judges our certificate only after our handshake is done.
#[tokio::test]
async fn a_brokered_listener_that_refuses_us_fails_setup() {
    let mut plugin = Launch::new().start().await;
    let mount = plugin.unmounted(&HostSide::new());
    let other = Identity::generate();
    let refusing = plugin.process.identity.server_config(&other.certificate);
    plugin.listen_with(7, mount.host.routes(), refusing).await;
    fails_and_recovers(&mut plugin, &mount, 7).await;
}

#[tokio::test]
async fn storage_that_cannot_be_asked_fails_setup() {
    let mut plugin = Launch::new().start().await;
    let mount = plugin.unmounted(&HostSide::new());
    mount
        .host
        .store
        .set(Mood::Failing(Code::Unavailable, "closing"));
    let text = plugin.set_up(&mount).await;
    assert!(
        text.contains("storage") && text.contains("closing"),
        "{text}"
    );
    assert!(is_unknown(&mount).await);
    mount.host.store.set(Mood::Works);
    assert_eq!(plugin.set_up(&mount).await, "", "a good one follows");
}

#[tokio::test]
async fn storage_that_never_answers_fails_setup_in_time() {
    let mut plugin = Launch::new().start().await;
    let mount = plugin.unmounted(&HostSide::new());
    mount.host.store.set(Mood::Hanging);
    let limit = Duration::from_secs(30);
    let text = timeout(limit, plugin.set_up(&mount)).await.expect("an end");
    assert!(text.contains("timed out after"), "{text}");
}

/// On `HashiCorp` Vault `IsTransactional` is unknown, and a listener may serve nothing at all.
#[tokio::test]
async fn storage_without_transactions_is_good_enough() {
    let mut plugin = Launch::new().start().await;
    let host = HostSide::with(Store::of_vault());
    let mount = plugin.unmounted(&host);
    assert_eq!(plugin.set_up(&mount).await, "");
    let bare = plugin.unmounted(&host);
    plugin.listen(7, Routes::default()).await;
    assert_eq!(bare.set_up(7).await, "");
}

/// What a host asks to find out what kind of plugin a file is.
#[tokio::test]
async fn a_probe_without_storage_and_system_view_is_answered_at_once() {
    let mut plugin = Launch::new().start().await;
    let host = HostSide::new();
    host.store.set(MISSING);
    host.view.set(Presence::Missing);
    let start = Instant::now();
    let mount = plugin.unmounted(&host);
    assert_eq!(plugin.set_up(&mount).await, "");
    assert_eq!(mount.kind().await.ok(), Some(1));
    let version = concat!("v", env!("CARGO_PKG_VERSION"));
    assert_eq!(mount.version().await, version);
    let exit = plugin.shutdown().await;
    assert_eq!(exit.status.code(), Some(0));
    assert!(
        start.elapsed() < Duration::from_secs(4),
        "{:?}",
        start.elapsed()
    );
}

#[tokio::test]
async fn registered_as_unversioned_it_reports_no_version() {
    let launch = Launch::new().argument("--unversioned");
    let mut plugin = launch.start().await;
    let mount = plugin.mount(&HostSide::new()).await;
    assert_eq!(mount.version().await, "");
}

#[tokio::test]
async fn setup_writes_nothing_and_initialize_needs_no_writes() {
    let mut plugin = Launch::new().start().await;
    let host = HostSide::new();
    host.store
        .set(Mood::ReadOnly("cannot write to storage during setup"));
    let mount = plugin.unmounted(&host);
    assert_eq!(plugin.set_up(&mount).await, "");
    assert_eq!(host.store.writes(), [""; 0]);
    host.store.set(Mood::ReadOnly(READ_ONLY));
    assert_eq!(mount.initialize().await, None);
    assert!(mount.read("config").await.is_nothing());
    // Tried again by each request, until it can be stored.
    assert_eq!(host.store.writes(), ["put storage-version"; 2]);
    assert_eq!(host.store.keys(), [""; 0]);
    host.store.set(Mood::Works);
    assert!(mount.read("config").await.is_nothing());
    assert_eq!(host.store.keys(), ["storage-version"]);
}

#[tokio::test]
async fn an_id_in_use_is_not_set_up_twice() {
    let mut plugin = Launch::new().start().await;
    let mount = plugin.mount(&HostSide::new()).await;
    let text = plugin.set_up(&mount).await;
    assert!(text.contains("in use"), "{text}");
    assert!(mount.read("config").await.is_nothing(), "the first goes on");
}

#[tokio::test]
async fn of_two_setups_of_an_id_at_once_one_wins() {
    let mut plugin = Launch::new().start().await;
    let mount = plugin.unmounted(&HostSide::new());
    plugin.listen(7, mount.host.routes()).await;
    plugin.listen(8, mount.host.routes()).await;
    let (one, other) = tokio::join!(mount.set_up(7), mount.set_up(8));
    let failed: Vec<_> = [one, other].into_iter().filter(|t| !t.is_empty()).collect();
    assert_eq!(failed.len(), 1, "{failed:?}");
    assert!(failed[0].contains("in use"), "{failed:?}");
    let mut open = plugin.open.subscribe();
    let one_left = timeout(Duration::from_secs(20), open.wait_for(|open| *open == 1)).await;
    one_left
        .expect("the other is closed")
        .expect("the host lives");
    assert!(mount.read("config").await.is_nothing());
}

#[tokio::test]
async fn a_setup_that_the_host_gives_up_leaves_nothing() {
    let mut plugin = Launch::new().start().await;
    let mount = plugin.unmounted(&HostSide::new());
    timeout(Duration::from_millis(300), mount.set_up(77))
        .await
        .expect_err("it waits for the address");
    assert!(is_unknown(&mount).await);
    assert_eq!(plugin.set_up(&mount).await, "", "a good one follows");
    plugin.listen(77, mount.host.routes()).await;
    assert!(mount.read("config").await.is_nothing());
}

#[tokio::test]
async fn the_host_learns_what_is_local_and_what_is_sealed() {
    let mut plugin = Launch::new().start().await;
    let mount = plugin.mount(&HostSide::new()).await;
    let reply = mount.backend().special_paths(mount.to(Empty {})).await;
    let paths = reply.expect("answered").into_inner().paths.expect("paths");
    assert_eq!(paths.root, ["config/move"]);
    assert_eq!(paths.unauthenticated, [""; 0]);
    assert!(paths.local_storage.contains(&"wal/".to_owned()));
    assert!(paths.seal_wrap_storage.contains(&"config".to_owned()));
    assert_eq!(
        paths.allow_snapshot_read, [""; 0],
        "snapshots are never read"
    );
}

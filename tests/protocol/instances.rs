//! Many mounts in one process: ids, separate state, the end of one, the death of all.

use std::time::{Duration, Instant};

use mongodbatlas::protocol::backend::{
    logical::{self, plugin_version_client::PluginVersionClient},
    pb::{
        Empty, HandleExistenceCheckArgs, HandleRequestArgs, InitializeArgs, InvalidateKeyArgs,
        SetupArgs, backend_client::BackendClient,
    },
    pluginutil::multiplexing::{
        MultiplexingSupportRequest, plugin_multiplexing_client::PluginMultiplexingClient,
    },
};
use serde_json::{Value, json};
use tokio::time::timeout;
use tonic::{Code, Status, transport::Channel};

use crate::{
    atlas::{Atlas, eventually},
    host::Plugin,
    launch::Launch,
    mount::{HostSide, addressed, org_role},
    store::Mood,
};

#[tokio::test]
async fn several_mounts_may_share_the_process() {
    let plugin = Launch::new().start().await;
    let mut client = PluginMultiplexingClient::new(plugin.channel.clone());
    let reply = client.multiplexing_support(MultiplexingSupportRequest {});
    assert!(reply.await.expect("answered").into_inner().supported);
}

#[tokio::test]
async fn mounts_of_one_process_keep_apart() {
    let mut plugin = Launch::new().start().await;
    let (one, other) = (HostSide::new(), HostSide::new());
    let (one, other) = (plugin.mount(&one).await, plugin.mount(&other).await);
    let org = "5f0000000000000000000001";
    one.write_well("roles/mine", org_role(org)).await;
    assert!(other.read("roles/mine").await.is_nothing());
    assert!(other.ask("list", "roles/", Value::Null).await.data()["keys"].is_null());
    one.clean_up().await.expect("cleaned up");
    let gone = one.send(crate::mount::asked("read", "config", &Value::Null));
    assert_eq!(gone.await.expect_err("no more").code(), Code::Unknown);
    other.write_well("roles/mine", org_role(org)).await;
    assert!(other.read("roles/mine").await.is_success());
}

/// Each call that is for an instance, made for the instances of these ids.
async fn call_all(channel: &Channel, ids: &[&str]) -> Vec<(&'static str, Result<(), Status>)> {
    let mut client = BackendClient::new(channel.clone());
    let mut version = PluginVersionClient::new(channel.clone());
    let setup = addressed(SetupArgs::default(), ids);
    let request = addressed(HandleRequestArgs::default(), ids);
    let check = addressed(HandleExistenceCheckArgs::default(), ids);
    let key = addressed(InvalidateKeyArgs::default(), ids);
    let mut calls = vec![
        (
            "HandleRequest",
            client.handle_request(request).await.map(drop),
        ),
        (
            "HandleExistenceCheck",
            client.handle_existence_check(check).await.map(drop),
        ),
        (
            "SpecialPaths",
            client
                .special_paths(addressed(Empty {}, ids))
                .await
                .map(drop),
        ),
        (
            "Initialize",
            client
                .initialize(addressed(InitializeArgs {}, ids))
                .await
                .map(drop),
        ),
        (
            "Type",
            client.r#type(addressed(Empty {}, ids)).await.map(drop),
        ),
        ("InvalidateKey", client.invalidate_key(key).await.map(drop)),
        (
            "Cleanup",
            client.cleanup(addressed(Empty {}, ids)).await.map(drop),
        ),
        (
            "Version",
            version
                .version(addressed(logical::Empty {}, ids))
                .await
                .map(drop),
        ),
    ];
    if ids != ["unknown"] {
        calls.push(("Setup", client.setup(setup).await.map(drop)));
    }
    calls
}

#[tokio::test]
async fn a_call_names_exactly_one_instance() {
    let mut plugin = Launch::new().start().await;
    let mount = plugin.mount(&HostSide::new()).await;
    for ids in [&[][..], &[""], &[&mount.id, &mount.id], &[&mount.id, ""]] {
        for (call, outcome) in call_all(&plugin.channel, ids).await {
            let status = outcome.err().unwrap_or_else(|| panic!("{call} of {ids:?}"));
            assert!(status.message().contains("multiplex_id"), "{call} {status}");
        }
    }
    assert!(mount.read("config").await.is_nothing(), "it goes on");
}

#[tokio::test]
async fn an_instance_that_was_never_set_up_is_not_found() {
    let plugin = Launch::new().start().await;
    for (call, outcome) in call_all(&plugin.channel, &["unknown"]).await {
        let status = outcome.err().unwrap_or_else(|| panic!("{call}"));
        assert_eq!(status.message(), "no backend instance found", "{call}");
    }
}

#[tokio::test]
async fn cleanup_closes_the_brokered_connection_and_may_come_twice() {
    let mut plugin = Launch::new().start().await;
    let mount = plugin.mount(&HostSide::new()).await;
    let other = plugin.mount(&HostSide::new()).await;
    assert_eq!(*plugin.open.borrow(), 2);
    mount.clean_up().await.expect("cleaned up");
    let mut open = plugin.open.subscribe();
    let closed = timeout(Duration::from_secs(20), open.wait_for(|open| *open == 1)).await;
    closed.expect("closed").expect("the host lives");
    let again = mount.clean_up().await.expect_err("it is unknown now");
    assert_eq!(again.message(), "no backend instance found");
    assert_eq!(plugin.set_up(&mount).await, "", "the id is free again");
    assert!(other.read("config").await.is_nothing());
}

#[tokio::test]
async fn a_failed_setup_closes_its_brokered_connection() {
    let mut plugin = Launch::new().start().await;
    let mount = plugin.unmounted(&HostSide::new());
    mount
        .host
        .store
        .set(Mood::Failing(Code::Internal, "no use"));
    assert_ne!(plugin.set_up(&mount).await, "");
    let mut open = plugin.open.subscribe();
    let closed = timeout(Duration::from_secs(20), open.wait_for(|open| *open == 0)).await;
    closed.expect("closed").expect("the host lives");
}

/// A request waits for storage for ever: it is cut off, and other mounts do not notice.
#[tokio::test]
async fn cleanup_does_not_wait_for_ever_for_work_under_way() {
    let mut plugin = Launch::new().start().await;
    let mount = plugin.mount(&HostSide::new()).await;
    let other = plugin.mount(&HostSide::new()).await;
    let reads = || {
        let calls = mount.host.store.calls();
        calls.iter().filter(|call| *call == "get config").count()
    };
    // The mount's beginning reads the configuration too.
    let before = reads();
    mount.host.store.set(Mood::Hanging);
    let request = mount.ask("read", "config", Value::Null);
    let start = Instant::now();
    let cleaning = async {
        eventually("the request is under way", async || reads() > before).await;
        let cleaned = mount.clean_up().await;
        assert!(other.read("config").await.is_nothing());
        cleaned
    };
    let (answer, cleaned) = tokio::join!(request, cleaning);
    cleaned.expect("cleaned up");
    assert!(answer.failure().text.contains("closed"), "{answer:?}");
    assert!(start.elapsed() < Duration::from_secs(15));
}

#[tokio::test]
async fn shutdown_is_in_time_with_requests_under_way() {
    let mut plugin = Launch::new().start().await;
    let atlas = Atlas::start().await;
    let mount = plugin.mount(&HostSide::new()).await;
    atlas.configure(&mount).await;
    let hang = json!({"operation": "createOrgApiKey", "action": {"kind": "hang"}});
    atlas.fault(hang).await;
    let stuck = mount.clone();
    let request = stuck.send(crate::mount::asked("read", "creds/role", &Value::Null));
    let ending = async {
        atlas.until_asked("createOrgApiKey").await;
        plugin.shutdown().await
    };
    let (_, exit) = tokio::join!(request, ending);
    assert_eq!(exit.status.code(), Some(0), "{exit:?}");
    assert!(exit.took < Duration::from_secs(2), "{exit:?}");
    assert_eq!(mount.host.store.issued().len(), 1, "a record is left");
}

/// A host that finds its plugin dead sets up, initializes, and sends the request once more.
#[tokio::test]
async fn after_a_crash_setup_and_initialize_are_enough() {
    let atlas = Atlas::start().await;
    let host = HostSide::new();
    let mut plugin = Launch::new().start().await;
    let mount = plugin.mount(&host).await;
    atlas.configure(&mount).await;
    let lease = mount.read("creds/role").await.lease();
    let account = mount.read("creds/account").await.lease();
    plugin.process.kill().await;
    let mut plugin: Plugin = Launch::new().start().await;
    let mount = plugin.mount(&host).await;
    assert!(mount.revoke(&lease).await.is_success());
    assert_eq!(atlas.credentials().await.len(), 1);
    let lease = mount.read("creds/role").await.lease();
    for lease in [lease, account] {
        assert!(mount.revoke(&lease).await.is_success());
    }
    assert_eq!(atlas.credentials().await, [""; 0]);
    assert_eq!(host.store.issued(), [""; 0]);
    assert!(mount.tick().await.is_success());
}

//! Roles with `bind_to_caller`: whose address comes onto the access list, by the way a request takes.

use serde_json::{Value, json};

use crate::support::bao::{Extras, free_port};
use crate::support::{Answer, Bao, Client, Mount};

/// Adds the role `bound` of this type, whose access list is that of its callers alone.
async fn role(mount: &Mount, kind: &str) {
    let body = json!({
        "credential_type": kind, "organization_id": mount.atlas.org(), "roles": "ORG_MEMBER",
        "bind_to_caller": true, "ttl": 600, "max_ttl": 3_600,
    });
    mount.role("bound", body).await;
}

/// Reads the role as this client.
async fn read(mount: &Mount, client: &Client) -> Answer {
    client.read(&format!("{}/creds/bound", mount.path)).await
}

fn public(issued: &Answer) -> &str {
    let data = issued.data();
    let part = data["public_key"].as_str().or(data["client_id"].as_str());
    part.expect("a public part")
}

/// What Atlas and the journal have of it, which must be the same address.
async fn bound_to(mount: &Mount, issued: &Answer) -> Value {
    let known = mount.atlas.known(public(issued)).await;
    let shown = mount.read(&format!("issued/{}", public(issued))).await;
    let address = shown.data()["bound_address"].clone();
    assert_eq!(known["access_list"].as_array().map(Vec::len), Some(1));
    address
}

#[tokio::test]
async fn each_caller_gets_a_credential_for_its_own_address() {
    let mount = Mount::configured().await;
    let others = mount.client.from([127, 0, 0, 2]);
    for kind in ["programmatic_api_key", "service_account"] {
        role(&mount, kind).await;
        for (client, address) in [(&mount.client, "127.0.0.1"), (&others, "127.0.0.2")] {
            let issued = read(&mount, client).await;
            let known = mount.atlas.known(public(&issued)).await;
            assert_eq!(known["access_list"], json!([address]), "{kind}");
            assert_eq!(bound_to(&mount, &issued).await, address, "{kind}");
            let warned = issued.warnings();
            assert!(
                warned.contains(&format!("{address}, a loopback address")),
                "{warned}"
            );
            // The lease goes on and ends from anywhere.
            let renewal = json!({ "lease_id": issued.lease_id(), "increment": 900 });
            for client in [&mount.client, &others] {
                let renewed = client.write("sys/leases/renew", renewal.clone()).await;
                assert!(renewed.ok(), "{kind}: {renewed:?}");
            }
            let end = json!({ "lease_id": issued.lease_id(), "sync": true });
            let other = mount.client.from([127, 0, 0, 4]);
            assert!(other.write("sys/leases/revoke", end).await.ok(), "{kind}");
            assert!(mount.atlas.known(public(&issued)).await.is_null(), "{kind}");
        }
    }
    let role = mount.read("roles/bound").await;
    assert_eq!(role.data()["ip_addresses"], json!([]));
    assert_eq!(role.data()["bind_to_caller"], true);
}

#[tokio::test]
async fn behind_a_proxy_the_listener_says_who_the_caller_is() {
    let port = free_port();
    let listeners = format!(
        "listener \"tcp\" {{ address = \"127.0.0.1:{port}\" tls_disable = true \
         x_forwarded_for_authorized_addrs = [\"127.0.0.1\"] }}\n\
         listener \"unix\" {{ address = \"{{folder}}/bao.sock\" tls_disable = true }}\n"
    );
    let extras = Extras {
        config: listeners,
        ..Extras::default()
    };
    let bao = Bao::on_disk_with(extras).await;
    let registered = bao.register(&[]).await;
    assert!(registered.ok(), "{registered:?}");
    let mount = Mount::on(&bao.client()).await;
    mount.configure().await;
    role(&mount, "programmatic_api_key").await;
    let proxy = Client::new(&format!("http://127.0.0.1:{port}"), &bao.root_token);
    for (forwarded, address) in [
        ("203.0.113.9", "203.0.113.9"),
        ("2001:db8::7", "2001:db8::7"),
        ("::ffff:203.0.113.9", "203.0.113.9"),
    ] {
        let issued = read(&mount, &proxy.over(forwards(forwarded))).await;
        assert_eq!(bound_to(&mount, &issued).await, address, "{forwarded}");
        assert_eq!(issued.warnings(), "", "{forwarded}");
    }
    // A listener without the setting believes no header.
    let issued = read(&mount, &mount.client.over(forwards("203.0.113.9"))).await;
    assert_eq!(bound_to(&mount, &issued).await, "127.0.0.1");

    let credentials = mount.atlas.credentials().await;
    let socket = bao.plugin_folder.with_file_name("bao.sock");
    let local = reqwest::Client::builder().unix_socket(socket);
    let refused = read(&mount, &mount.client.over(local)).await;
    assert_eq!(refused.status, 400, "{refused:?}");
    assert!(
        refused
            .errors()
            .contains("role \"bound\" has bind_to_caller"),
        "{refused:?}"
    );
    assert_eq!(mount.atlas.credentials().await, credentials);
}

/// A proxy that forwards for this address.
fn forwards(address: &str) -> reqwest::ClientBuilder {
    let mut headers = reqwest::header::HeaderMap::new();
    headers.insert("X-Forwarded-For", address.parse().expect("a header"));
    reqwest::Client::builder().default_headers(headers)
}

//! A customer's Azure for the page on encryption at rest, and the command `az` to work there.

use serde_json::{Value, json};

use super::stage::{Stage, put_program};
use crate::encryption::customer::{Customer, OWN_APP};
use crate::support::Mount;

/// How many projects the page migrates.
const PROJECTS: usize = 50;

/// `az` of the simulated Azure, with its options for what is printed.
const AZ: &str = r#"#!/bin/bash
set -euo pipefail
line=az query=.
while [ $# -gt 0 ]; do
  case "$1" in
    --query) query=".$2"; shift 2 ;;
    --output) shift 2 ;;
    *) line="$line '$1'"; shift ;;
  esac
done
body=$(jq --null-input --arg tenant "$TENANT" --arg line "$line" '{tenant_id: $tenant, command: $line}')
curl --silent --show-error --fail-with-body --noproxy '*' --header 'Content-Type: application/json' \
  --data "$body" "$CONTROL/azure/az" | jq --raw-output "$query"
"#;

/// Plays the person who types a secret where the page asks for it.
const TYPED: &str = r#"read() {
  case "$1" in
    -rsp) printf -v "$3" %s "$APP_SECRET" ;;
    *) builtin read "$@" ;;
  esac
}"#;

/// The customer of the page: a directory, three vaults, and projects that sign in there with a secret.
pub(super) async fn customer(stage: &mut Stage) -> Customer {
    put_program(&stage.program("az"), AZ);
    let mount = Mount {
        client: stage.bao.client(),
        path: "mongodbatlas".to_owned(),
        atlas: stage.atlas.clone(),
    };
    let customer = Customer::without_principal(mount).await;
    let [key, archive] = [
        customer.vault("payments-kv").await,
        customer.vault("archive-kv").await,
    ];
    for number in 0..2 {
        let project = stage.atlas.project(number).to_owned();
        customer.encrypt(&project, &key, &customer.secret).await;
    }
    delta(stage, &customer, &key).await;
    let epsilon = customer.project("epsilon").await;
    stage.set("EPSILON", &epsilon).await;
    gamma(stage, &customer).await;
    let mut projects = Vec::new();
    for number in 0..PROJECTS {
        let name = format!("shop-{number:02}");
        projects.push(match number {
            20 | 21 => customer.encrypted(&name, &archive).await,
            30 | 31 => customer.project(&name).await,
            _ => customer.encrypted(&name, &key).await,
        });
    }
    for (name, value) in [
        ("TENANT", customer.tenant.as_str()),
        ("APP", OWN_APP),
        ("APP_SECRET", &customer.secret),
        ("PROJECTS", &projects.join(",")),
    ] {
        stage.set(name, value).await;
    }
    let typing = stage.run("root", TYPED).await;
    assert!(typing.ok, "{}", typing.said);
    customer
}

/// A project with private networking, alone on its key.
async fn gamma(stage: &Stage, customer: &Customer) {
    let gamma = stage.atlas.project(2).to_owned();
    let endpoint = json!({
        "project_id": gamma, "region": "US_EAST_2", "create": true, "approved": true,
    });
    let path = "/private-endpoints";
    stage.atlas.control("POST", path, endpoint).await;
    let mut key = customer.vault("inner-kv").await;
    key["requirePrivateNetworking"] = json!(true);
    customer.encrypt(&gamma, &key, &customer.secret).await;
}

/// A project with a secret of its own, which ends in the course of the page.
async fn delta(stage: &mut Stage, customer: &Customer, key: &Value) {
    let secret = json!({ "tenant_id": customer.tenant, "app_id": OWN_APP });
    let secret = stage.atlas.control("POST", "/azure/secrets", secret).await;
    let text = |name: &str| secret[name].as_str().expect("a text").to_owned();
    let delta = customer.project("delta").await;
    customer.encrypt(&delta, key, &text("client_secret")).await;
    stage.set("DELTA", &delta).await;
    stage.set("ENDED", &text("id")).await;
}

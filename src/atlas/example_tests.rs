//! How the client is used: one credential, a limit of time and a priority for each call, ids that are
//! parsed, answers that are checked.

use std::sync::Arc;
use std::time::Duration;

use super::fake::{Fake, Reply, settings};
use super::{
    Atlas, Credential, Deletion, Level, NewApiKey, OrgId, Priority, RequestBudget, Transports,
};
use crate::base::{Sensitive, SystemClock, SystemEntropy};

#[tokio::test]
async fn an_api_key_is_created_used_and_deleted() {
    let fake = Fake::start(|request| match (request.signed("Digest"), &*request.method) {
        (false, _) => Reply::challenge("nonce", false),
        (true, "POST") => Reply::new(
            200,
            r#"{"id": "32b6e34b3d91647abb20e7b8", "publicKey": "public", "privateKey": "private"}"#,
        ),
        (true, _) => Reply::new(204, ""),
    })
    .await;
    let credential = Credential::ApiKey {
        public_key: "public".to_owned(),
        private_key: Sensitive::new("private".to_owned()),
    };
    let settings = settings(&fake.base_url());
    let atlas = Atlas::new(
        &settings,
        credential,
        Arc::new(SystemClock),
        Arc::new(SystemEntropy),
        &Transports::default(),
    );
    let atlas = atlas.expect("a client");
    let org: OrgId = "5cf5a45a9ccf6400e60981b7".parse().expect("an id");

    // Each call says how long its caller waits, and what it is for.
    let issue = RequestBudget::within(Duration::from_secs(10), Priority::Issue);
    let key = NewApiKey {
        description: "vault-reader-0123456789abcdefghij".to_owned(),
        roles: vec!["ORG_READ_ONLY".to_owned()],
    };
    let created = atlas
        .create_api_key(&Level::Org(org.clone()), &key, issue)
        .await
        .expect("a key");
    // The one way to the text of a secret.
    assert_eq!(created.private_key.expose(), "private");

    let revoke = RequestBudget::within(Duration::from_secs(10), Priority::Revoke);
    let deletion = atlas.delete_api_key(&org, &created.id, revoke).await;
    assert_eq!(deletion.expect("deleted"), Deletion::Deleted);
}

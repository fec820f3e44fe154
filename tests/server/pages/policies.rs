//! The policies of `docs/policies.md`: what each person may do, and who is refused.

use super::stage::{POLICIES, Stage};

const PEOPLE: [&str; 6] = [
    "administrator",
    "role-editor",
    "security-operator",
    "on-call",
    "application",
    "scraper",
];

/// Commands of an operator's life, and who of these may run them. Those who may not come first,
/// so that the command still has something to do.
const COMMANDS: &[(&str, &[&str])] = &[
    // What hands out credentials.
    ("bao read mongodbatlas/creds/auditor", &["application"]),
    ("bao read mongodbatlas/creds/deployer", &[]),
    (
        "bao read mongodbatlas/static-creds/operator",
        &["application"],
    ),
    // What decides who gets which.
    (
        "bao write mongodbatlas/roles/owner organization_id=$ORG roles=ORG_OWNER",
        &["role-editor"],
    ),
    (
        "bao patch mongodbatlas/roles/auditor ttl=20m",
        &["role-editor"],
    ),
    (
        "bao write mongodbatlas/static-roles/operator rotation_period=40d",
        &["role-editor"],
    ),
    (
        "bao write mongodbatlas/static-roles/operator overlap=0",
        &["role-editor", "on-call"],
    ),
    (
        "bao write mongodbatlas/rotate-role/operator force=true",
        &["role-editor", "on-call"],
    ),
    // What the mount signs in with, and where.
    (
        "bao write mongodbatlas/config public_key=$ATLAS_PUBLIC_KEY private_key=$ATLAS_PRIVATE_KEY",
        &["administrator"],
    ),
    (
        "bao write mongodbatlas/config request_timeout=20s",
        &["administrator"],
    ),
    (
        "bao write mongodbatlas/config/move base_url=$ATLAS_URL",
        &[],
    ),
    (
        "bao read mongodbatlas/config",
        &["administrator", "on-call"],
    ),
    (
        "bao write mongodbatlas/config/rotate-root force=true",
        &["administrator", "on-call"],
    ),
    // What shows how it goes.
    (
        "bao read mongodbatlas/status",
        &[
            "administrator",
            "role-editor",
            "security-operator",
            "on-call",
        ],
    ),
    (
        "bao read mongodbatlas/check",
        &[
            "administrator",
            "role-editor",
            "security-operator",
            "on-call",
        ],
    ),
    (
        "bao read mongodbatlas/check/auditor",
        &["administrator", "role-editor", "on-call"],
    ),
    (
        "bao list -detailed mongodbatlas/issued",
        &["administrator", "role-editor", "on-call"],
    ),
    (
        "bao read sys/mounts/mongodbatlas",
        &["administrator", "on-call"],
    ),
    ("bao secrets list", &["administrator", "on-call"]),
    (
        "bao read sys/leases type=irrevocable",
        &["administrator", "on-call"],
    ),
    (
        "bao list sys/leases/lookup/mongodbatlas/creds/auditor",
        &["administrator", "on-call"],
    ),
    (
        "bao write -field=hash sys/audit-hash/file input=abcdefgh",
        &["on-call"],
    ),
    ("bao read -format=json sys/metrics", &["on-call"]),
    (
        "bao read -format=json mongodbatlas/metrics",
        &["on-call", "scraper"],
    ),
    // How Atlas signs in to key vaults.
    (
        "bao write mongodbatlas/encryption-at-rest/azure/$ALPHA client_id=$APP client_secret=x",
        &["security-operator"],
    ),
    (
        "bao write mongodbatlas/encryption-at-rest/azure/$ALPHA/apply dry_run=true",
        &["security-operator"],
    ),
    (
        "bao read mongodbatlas/encryption-at-rest/azure/$ALPHA",
        &["security-operator", "on-call"],
    ),
    (
        "bao list mongodbatlas/encryption-at-rest/azure",
        &["security-operator", "on-call"],
    ),
    (
        "bao read mongodbatlas/encryption-at-rest/azure/$ALPHA/check",
        &["security-operator", "on-call"],
    ),
    (
        "bao write mongodbatlas/encryption-at-rest/migrations/all project_ids=$ALPHA \
         tenant_id=$APP service_principal_id=$APP",
        &["security-operator"],
    ),
    (
        "bao read mongodbatlas/encryption-at-rest/migrations/all",
        &["security-operator", "on-call"],
    ),
    (
        "bao list mongodbatlas/encryption-at-rest/migrations",
        &["security-operator", "on-call"],
    ),
    (
        "bao delete mongodbatlas/encryption-at-rest/migrations/all",
        &["security-operator"],
    ),
    (
        "bao delete mongodbatlas/encryption-at-rest/azure/$ALPHA force=true",
        &["security-operator"],
    ),
    // What ends credentials.
    (
        "bao write mongodbatlas/tidy dry_run=false",
        &["administrator", "on-call"],
    ),
    ("bao delete mongodbatlas/issued/$PUBLIC_KEY", &["on-call"]),
    (
        "bao write mongodbatlas/issued-end organization_id=$ORG",
        &["administrator"],
    ),
    (
        "bao lease revoke -sync -prefix mongodbatlas/creds/auditor",
        &["administrator", "on-call"],
    ),
    (
        "bao lease revoke -prefix mongodbatlas/creds/",
        &["administrator", "on-call"],
    ),
    (
        "bao lease revoke -prefix mongodbatlas/",
        &["administrator", "on-call"],
    ),
    (
        "bao lease revoke -force -prefix mongodbatlas/creds/auditor",
        &["on-call"],
    ),
    (
        "bao lease revoke -force -prefix mongodbatlas/",
        &["on-call"],
    ),
    (
        "bao delete mongodbatlas/roles/owner",
        &["role-editor", "on-call"],
    ),
    (
        "bao delete mongodbatlas/static-roles/operator",
        &["role-editor"],
    ),
    // What ends the mount.
    (
        "bao plugin reload -plugin=mongodbatlas",
        &["administrator", "on-call"],
    ),
    ("bao read sys/plugins/catalog", &["administrator"]),
    ("bao list sys/plugins/catalog/secret", &["administrator"]),
    (
        "bao secrets tune -default-lease-ttl=1h -max-lease-ttl=24h mongodbatlas",
        &["administrator"],
    ),
    ("bao path-help mongodbatlas", &PEOPLE),
    ("bao path-help mongodbatlas/roles/x", &PEOPLE),
    (
        "bao write mongodbatlas/issued-end organization_id=$ORG dry_run=false",
        &["administrator"],
    ),
    ("bao write -force mongodbatlas/config", &["administrator"]),
    (
        "bao delete mongodbatlas/config force=true",
        &["administrator"],
    ),
    ("bao secrets disable mongodbatlas", &["administrator"]),
    ("bao secrets enable mongodbatlas", &["administrator"]),
    (
        "bao plugin deregister -version=v0.1.0 secret mongodbatlas",
        &["administrator"],
    ),
    // What would give a person every other right.
    (
        "bao policy write more - <<<'path \"*\" { capabilities = [\"sudo\"] }'",
        &[],
    ),
    ("bao secrets enable -path=other kv", &[]),
];

#[tokio::test]
async fn each_person_may_do_the_own_work_and_nothing_else() {
    let mut stage = Stage::configured().await;
    for prepared in [
        "bao write mongodbatlas/roles/deployer project_id=$ALPHA roles=GROUP_READ_ONLY ttl=30m",
        "bao write mongodbatlas/static-roles/operator client_id=$CLIENT_ID organization_id=$ORG",
        "PUBLIC_KEY=$(bao read -field=public_key mongodbatlas/creds/auditor)",
        "APP=33333333-3333-4333-8333-333333333333",
    ] {
        let outcome = stage.run("root", prepared).await;
        assert!(outcome.ok, "{prepared}: {}", outcome.said);
    }
    for (command, allowed) in COMMANDS {
        let mut people = PEOPLE;
        people.sort_by_key(|who| allowed.contains(who));
        for who in people {
            let outcome = stage.run(who, command).await;
            let refused = outcome.said.contains("permission denied");
            assert_eq!(
                refused,
                !allowed.contains(&who),
                "{POLICIES}: {who}: {command}\n{}",
                outcome.said
            );
            assert!(refused || outcome.ok, "{who}: {command}\n{}", outcome.said);
        }
    }
}

#[tokio::test]
async fn an_application_gives_its_own_credential_back_and_no_other() {
    let mut stage = Stage::configured().await;
    let lease = "bao read -field=lease_id mongodbatlas/creds/auditor";
    let own = stage.run("application", lease).await.said;
    assert_eq!(stage.atlas.credentials().await.len(), 1);
    let revoke = format!("bao lease revoke -sync {own}");
    for who in ["role-editor", "application"] {
        let outcome = stage.run(who, &revoke).await;
        assert_eq!(outcome.ok, who == "application", "{who}: {}", outcome.said);
    }
    assert!(stage.atlas.credentials().await.is_empty());

    // Somebody with `default` alone gives back all that the token read.
    stage.run("application", lease).await;
    let given = stage.run("application", "bao token revoke -self").await;
    assert!(given.ok, "{}", given.said);
    stage
        .atlas
        .empties(std::time::Duration::from_secs(30))
        .await;
}

#[tokio::test]
async fn names_in_policies_are_in_lower_case_on_openbao() {
    let mut stage = Stage::configured().await;
    let write = "bao policy write upper - <<<'path \"mongodbatlas/creds/AUDITOR\" { capabilities = [\"read\"] }'";
    let outcome = stage.run("root", write).await;
    assert!(outcome.ok, "{}", outcome.said);
    for (who, role) in [("upper", "AUDITOR"), ("upper", "auditor")] {
        let read = format!(
            "BAO_TOKEN=$(bao token create -field=token -policy={who}) bao read mongodbatlas/creds/{role}"
        );
        let outcome = stage.run("root", &read).await;
        assert!(
            outcome.said.contains("permission denied"),
            "{role}: {}",
            outcome.said
        );
    }
    let outcome = stage
        .run("application", "bao read mongodbatlas/creds/AUDITOR")
        .await;
    assert!(outcome.ok, "{}", outcome.said);
}

/// Why `docs/policies.md` says that `denied_parameters` does not limit a role editor: the server compares
/// the value as it is written, and a list can be written in several ways.
#[tokio::test]
async fn a_denied_atlas_role_passes_when_it_is_written_in_another_way() {
    let mut stage = Stage::configured().await;
    let policy = "bao policy write denied - <<<'path \"mongodbatlas/roles/*\" {\n  \
                  capabilities = [\"create\", \"update\"]\n  \
                  denied_parameters = { \"roles\" = [\"ORG_OWNER\"] }\n}'";
    let outcome = stage.run("root", policy).await;
    assert!(outcome.ok, "{}", outcome.said);
    for (given, passes) in [
        ("roles=ORG_OWNER", false),
        ("roles=ORG_OWNER,ORG_MEMBER", true),
        ("- <<<'{\"roles\": [\"ORG_OWNER\"]}'", true),
    ] {
        let role = "mongodbatlas/roles/owner organization_id=$ORG";
        let written = format!("bao write {role} roles=ORG_MEMBER");
        let outcome = stage.run("root", &written).await;
        assert!(outcome.ok, "{}", outcome.said);
        let write = format!(
            "BAO_TOKEN=$(bao token create -field=token -policy=denied) bao write mongodbatlas/roles/owner {given}"
        );
        let outcome = stage.run("root", &write).await;
        assert_eq!(outcome.ok, passes, "{given}: {}", outcome.said);
        let refused = outcome.said.contains("permission denied");
        assert_eq!(refused, !passes, "{given}: {}", outcome.said);
        let read = "bao read -field=roles mongodbatlas/roles/owner";
        let stored = stage.run("root", read).await.said;
        assert_eq!(stored.contains("ORG_OWNER"), passes, "{given}: {stored}");
    }
}

/// At night somebody may have to stop a migration, and nobody has to start one.
#[tokio::test]
async fn on_call_may_pause_a_migration_and_do_nothing_else_with_it() {
    let mut stage = Stage::configured().await;
    let migration = "bao write mongodbatlas/encryption-at-rest/migrations/all";
    let app = "33333333-3333-4333-8333-333333333333";
    let plan = format!("{migration} project_ids=$ALPHA tenant_id={app} service_principal_id={app}");
    let outcome = stage.run("root", &plan).await;
    assert!(outcome.ok, "{}", outcome.said);
    for (order, may) in [
        ("action=pause", true),
        // No policy refuses an empty write: the engine does.
        ("-force", true),
        ("dry_run=true", false),
        ("action=start", false),
        ("action=pause max_failures=9", false),
        ("max_failures=9", false),
    ] {
        let written = match order {
            "-force" => migration.replace("write", "write -force"),
            fields => format!("{migration} {fields}"),
        };
        let outcome = stage.run("on-call", &written).await;
        let refused = outcome.said.contains("permission denied");
        assert_eq!(refused, !may, "{order}: {}", outcome.said);
        let is_empty = outcome.said.contains("action: is missing");
        assert_eq!(is_empty, order == "-force", "{order}: {}", outcome.said);
    }
}

/// The policy `without-consents` of the page, beside that of the security operator.
#[tokio::test]
async fn the_consents_for_private_projects_can_be_withheld() {
    let mut stage = Stage::configured().await;
    let token = "BAO_TOKEN=$(bao token create -field=token -policy=security-operator \
                 -policy=without-consents)";
    let path = "mongodbatlas/encryption-at-rest";
    let app = "33333333-3333-4333-8333-333333333333";
    let ids = format!("project_ids=$ALPHA tenant_id={app} service_principal_id={app}");
    for (order, may) in [
        (
            format!("azure/$ALPHA client_id={app} client_secret=x"),
            true,
        ),
        ("azure/$ALPHA/apply dry_run=true".to_owned(), true),
        (
            "azure/$ALPHA/apply dry_run=true accept_unvalidated=true".to_owned(),
            false,
        ),
        (
            "azure/$ALPHA/rotate client_secret=x accept_unvalidated=true".to_owned(),
            false,
        ),
        (
            "azure/$ALPHA/rotate client_secret=x accept_no_way_back=true".to_owned(),
            false,
        ),
        (
            "azure/$ALPHA/rollback accept_unvalidated=true".to_owned(),
            false,
        ),
        (
            "azure/$ALPHA/rollback accept_no_way_back=true".to_owned(),
            false,
        ),
        (format!("migrations/all {ids}"), true),
        (
            format!("migrations/all {ids} accept_no_way_back=true"),
            false,
        ),
    ] {
        let outcome = stage
            .run("root", &format!("{token} bao write {path}/{order}"))
            .await;
        assert_eq!(outcome.ok, may, "{order}: {}", outcome.said);
        let refused = outcome.said.contains("permission denied");
        assert_eq!(refused, !may, "{order}: {}", outcome.said);
    }
}

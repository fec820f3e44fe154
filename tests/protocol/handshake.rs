//! The start of the process: who may start it, what it answers, and what it refuses.

use std::{ffi::OsStr, os::unix::ffi::OsStrExt as _};

use crate::{
    host::{Line, connect},
    identity::{BOTH_VERSIONS, Identity},
    launch::{COOKIE, Exit, Launch},
};

async fn refused(launch: Launch) -> Exit {
    let exit = launch.spawn().exit().await;
    assert_eq!(exit.status.code(), Some(1), "{exit:?}");
    assert_eq!(exit.stdout, "", "stdout belongs to the handshake");
    assert!(!exit.stderr.is_empty(), "a reason is given");
    exit
}

#[tokio::test]
async fn started_by_hand_it_says_so_on_stderr() {
    let exit = refused(Launch::new().without(COOKIE.0)).await;
    assert!(exit.stderr.contains("server starts it"), "{}", exit.stderr);
}

#[tokio::test]
async fn another_kind_of_plugin_is_not_served() {
    refused(Launch::new().variable(COOKIE.0, "926a0820-aea2-be28-51d6-83cdf00e8edb")).await;
    let database = Launch::new().without(COOKIE.0).variable(
        "VAULT_DATABASE_PLUGIN",
        "926a0820-aea2-be28-51d6-83cdf00e8edb",
    );
    refused(database).await;
}

#[tokio::test]
async fn a_host_without_version_five_is_refused() {
    for offered in ["3,4", "4,3", "6", "", "five"] {
        let exit = refused(Launch::new().variable("PLUGIN_PROTOCOL_VERSIONS", offered)).await;
        assert!(
            exit.stderr.contains("PLUGIN_PROTOCOL_VERSIONS"),
            "{}",
            exit.stderr
        );
    }
    refused(Launch::new().without("PLUGIN_PROTOCOL_VERSIONS")).await;
}

#[tokio::test]
async fn version_five_is_chosen_among_others() {
    for offered in ["5", "5,6", "6,5"] {
        let launch = Launch::new().variable("PLUGIN_PROTOCOL_VERSIONS", offered);
        let plugin = launch.start().await;
        assert_eq!(plugin.line.fields[1], "5", "of {offered}");
    }
}

#[tokio::test]
async fn stdout_is_one_line_of_six_fields() {
    let plugin = Launch::new().start().await;
    let fields = plugin.line.fields.clone();
    assert_eq!(fields.len(), 6, "{fields:?}");
    assert_eq!(
        (&*fields[0], &*fields[2], &*fields[4]),
        ("1", "unix", "grpc")
    );
    assert!(plugin.line.socket().is_absolute());
    let exit = plugin.shutdown().await;
    assert_eq!(exit.stdout, "", "nothing follows the line");
}

#[tokio::test]
async fn a_seventh_field_says_that_the_broker_is_not_multiplexed() {
    let asking = Launch::new()
        .variable("PLUGIN_MULTIPLEX_GRPC", "true")
        .start()
        .await;
    assert_eq!(asking.line.fields.len(), 7);
    assert_eq!(asking.line.fields[6], "false");
    let silent = Launch::new()
        .variable("PLUGIN_MULTIPLEX_GRPC", "")
        .start()
        .await;
    assert_eq!(silent.line.fields.len(), 6);
}

#[tokio::test]
async fn the_line_holds_the_certificate_that_is_served() {
    let plugin = Launch::new().start().await;
    assert!(
        plugin.line.fields[5].len() > 50,
        "shorter ones are not looked at"
    );
    let told = plugin.line.certificate();
    let tls = plugin.process.identity.client_config(&told, BOTH_VERSIONS);
    let stream = connect(plugin.line.socket(), tls.into()).await;
    let stream = stream.expect("the name, the time and the key's uses are right for a server");
    let served = stream
        .get_ref()
        .1
        .peer_certificates()
        .expect("a certificate");
    assert_eq!(served, [told.into()]);
}

#[tokio::test]
async fn a_broken_host_certificate_is_named_as_the_reason() {
    let two = Identity::generate().pem.repeat(2);
    let hollow = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    let cut = Identity::generate().pem[..200].to_owned();
    for pem in ["", "no PEM at all", hollow, &cut, &two] {
        let exit = refused(Launch::new().variable("PLUGIN_CLIENT_CERT", pem)).await;
        assert!(
            exit.stderr.contains("PLUGIN_CLIENT_CERT"),
            "{}",
            exit.stderr
        );
    }
    refused(Launch::new().without("PLUGIN_CLIENT_CERT")).await;
}

#[tokio::test]
async fn unknown_arguments_and_variables_are_let_pass() {
    let mut process = Launch::new()
        .argument("-tls-skip-verify=true")
        .argument("-ca-cert")
        .argument("/nowhere")
        .argument(OsStr::from_bytes(b"\xff"))
        .variable("BAO_PLUGIN_OF_TOMORROW", "\u{1}\u{fffd}")
        .spawn();
    assert_eq!(Line::parse(&process.line().await).fields.len(), 6);
}

#[tokio::test]
async fn version_and_help_are_for_people() {
    let exit = Launch::new()
        .without(COOKIE.0)
        .argument("--version")
        .spawn()
        .exit()
        .await;
    let want = concat!(
        "vault-plugin-secrets-mongodbatlas v",
        env!("CARGO_PKG_VERSION"),
        "\n"
    );
    assert_eq!((exit.status.code(), &*exit.stdout), (Some(0), want));
    let exit = Launch::new()
        .without(COOKIE.0)
        .argument("--help")
        .spawn()
        .exit()
        .await;
    assert_eq!(exit.status.code(), Some(0));
    assert!(exit.stdout.contains("plugin register"), "{}", exit.stdout);
}

//! Messages on the wire: large ones, ones of later versions, and ones that are none.

use bytes::{Buf as _, BufMut as _};
use mongodbatlas::protocol::backend::pb::{HandleRequestArgs, HandleRequestReply};
use proptest::{
    collection::vec,
    prelude::{Strategy, any},
    strategy::ValueTree as _,
    test_runner::TestRunner,
};
use prost::Message;
use serde_json::{Value, json};
use tonic::{
    Code, Status,
    client::Grpc,
    codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder},
    codegen::http::uri::PathAndQuery,
    metadata::MetadataValue,
};

use crate::{
    answer::Answer,
    atlas::Atlas,
    host::Plugin,
    launch::Launch,
    logging::lines,
    mount::{HostSide, Mount, asked, org_role},
    store::MISSING,
};

const MEBIBYTE: usize = 1 << 20;

async fn bare() -> (Plugin, Mount) {
    let mut plugin = Launch::new().start().await;
    let mount = plugin.mount(&HostSide::new()).await;
    (plugin, mount)
}

#[tokio::test]
async fn twenty_mebibytes_pass_in_requests_answers_and_storage() {
    let (_plugin, mount) = bare().await;
    let mut role = org_role("5f0000000000000000000001");
    role["database_name"] = "x".repeat(20 * MEBIBYTE).into();
    assert!(mount.write("roles/a", role).await.is_success());
    let answer = mount.read("roles/a").await;
    let stored = answer.data()["database_name"].as_str().map(str::len);
    assert_eq!(stored, Some(20 * MEBIBYTE));
}

/// The bytes of a message as they are.
struct Raw;

impl Codec for Raw {
    type Encode = Vec<u8>;
    type Decode = HandleRequestReply;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self
    }

    fn decoder(&mut self) -> Self {
        Self
    }
}

impl Encoder for Raw {
    type Item = Vec<u8>;
    type Error = Status;

    fn encode(&mut self, item: Vec<u8>, buffer: &mut EncodeBuf<'_>) -> Result<(), Status> {
        buffer.put_slice(&item);
        Ok(())
    }
}

impl Decoder for Raw {
    type Item = HandleRequestReply;
    type Error = Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<Self::Item>, Status> {
        let bytes = buffer.copy_to_bytes(buffer.remaining());
        let reply = HandleRequestReply::decode(bytes);
        reply.map(Some).map_err(|_| Status::internal("no protobuf"))
    }
}

/// A request of any bytes.
async fn send(mount: &Mount, plugin: &Plugin, bytes: Vec<u8>) -> Result<Answer, Status> {
    let mut client = Grpc::new(plugin.channel.clone());
    client.ready().await.expect("connected");
    let path = PathAndQuery::from_static("/pb.Backend/HandleRequest");
    let reply = client.unary(mount.to(bytes), path, Raw).await?;
    Ok(Answer::read(reply.into_inner()))
}

/// A field of a number that no version uses, of wire type 2.
fn unknown_field() -> Vec<u8> {
    let mut field = Vec::new();
    prost::encoding::encode_key(
        4_000,
        prost::encoding::WireType::LengthDelimited,
        &mut field,
    );
    prost::encoding::encode_varint(5, &mut field);
    field.extend(b"later");
    field
}

#[tokio::test]
async fn unknown_fields_and_metadata_are_ignored() {
    let (plugin, mount) = bare().await;
    let mut request = asked("list", "roles/", &Value::Null).encode_to_vec();
    request.extend(unknown_field());
    let mut bytes = Vec::new();
    prost::encoding::encode_key(2, prost::encoding::WireType::LengthDelimited, &mut bytes);
    prost::encoding::encode_varint(request.len() as u64, &mut bytes);
    bytes.extend(request);
    bytes.extend(unknown_field());
    let answer = send(&mount, &plugin, bytes).await.expect("answered");
    assert!(answer.is_success(), "{answer:?}");
    let mut request = mount.to(HandleRequestArgs {
        storage_id: 9,
        request: Some(asked("list", "roles/", &Value::Null)),
    });
    let metadata = request.metadata_mut();
    metadata.insert("snapshot_id", MetadataValue::from_static("7"));
    metadata.insert_bin("later-bin", MetadataValue::from_bytes(b"\xff\x00"));
    let reply = mount.backend().handle_request(request).await;
    let answer = Answer::read(reply.expect("answered").into_inner());
    assert!(answer.is_success(), "{answer:?}");
}

#[tokio::test]
async fn bytes_that_are_no_message_are_refused_and_harm_nothing() {
    let (plugin, mount) = bare().await;
    let endless = vec![0xff; 64];
    let longer_than_it_is = vec![0x12, 0x7f, 0x01];
    let no_text = vec![0x12, 0x04, 0x1a, 0x02, 0xff, 0xfe];
    for bytes in [endless, longer_than_it_is, no_text] {
        let refused = send(&mount, &plugin, bytes).await.expect_err("no message");
        assert_ne!(refused.code(), Code::Ok);
        assert!(mount.read("config").await.is_nothing(), "it goes on");
    }
    let nothing = send(&mount, &plugin, Vec::new()).await.expect("a message");
    assert!(!nothing.is_success(), "{nothing:?}");
}

const OPERATIONS: [&str; 14] = [
    "create",
    "update",
    "read",
    "list",
    "delete",
    "patch",
    "help",
    "renew",
    "revoke",
    "rollback",
    "resolve-path",
    "scan",
    "header",
    "",
];

const PATHS: [&str; 10] = [
    "",
    "config",
    "config/",
    "roles",
    "roles/",
    "roles/a",
    "creds/a",
    "creds/../a",
    "nowhere",
    "roles/\u{1F600}",
];

const FIELDS: [&str; 22] = [
    "public_key",
    "private_key",
    "client_id",
    "client_secret",
    "organization_id",
    "api_version",
    "ca_certificate",
    "request_timeout",
    "verify_connection",
    "force",
    "name",
    "credential_type",
    "project_id",
    "roles",
    "project_roles",
    "project_assignments",
    "ip_addresses",
    "cidr_blocks",
    "ttl",
    "max_ttl",
    "after",
    "limit",
];

/// Any JSON, of the kinds that fields are given in and worse.
fn any_json() -> impl Strategy<Value = Value> {
    let leaf = proptest::prop_oneof![
        proptest::strategy::Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "\\PC{0,12}".prop_map(Value::from),
        "[0-9]{1,20}[smhd]?".prop_map(Value::from),
        "(ORG|GROUP)_[A-Z_]{1,12}".prop_map(Value::from),
        "[0-9a-f]{24}".prop_map(Value::from),
        "[0-9.:/]{1,20}".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 16, 4, |inner| {
        proptest::prop_oneof![
            vec(inner.clone(), 0..4).prop_map(Value::from),
            vec(("\\PC{0,8}", inner), 0..4)
                .prop_map(|pairs| Value::Object(pairs.into_iter().collect())),
        ]
    })
}

/// Any object, of known fields more often than not.
fn any_data() -> impl Strategy<Value = Value> {
    let name = proptest::prop_oneof![
        4 => proptest::sample::select(&FIELDS[..]).prop_map(str::to_owned),
        1 => "\\PC{0,8}",
    ];
    vec((name, any_json()), 0..8).prop_map(|pairs| Value::Object(pairs.into_iter().collect()))
}

fn draw<T>(runner: &mut TestRunner, strategy: &impl Strategy<Value = T>) -> T {
    strategy.new_tree(runner).expect("a value").current()
}

async fn is_alive(plugin: Plugin, mount: &Mount) {
    let role = org_role("5f0000000000000000000001");
    mount.write_well("roles/alive", role).await;
    let exit = plugin.shutdown().await;
    assert_eq!(exit.status.code(), Some(0), "{exit:?}");
    for line in lines(&exit.stderr) {
        assert_ne!(line["@module"], "panic", "{line:?}");
    }
}

/// Every operation at every path with any data gets an answer that a host can read.
#[tokio::test]
async fn any_data_at_any_path_is_answered() {
    let (plugin, mount) = bare().await;
    let atlas = Atlas::start().await;
    atlas.without_limits().await;
    let mut runner = TestRunner::deterministic();
    let data = any_data();
    for operation in OPERATIONS {
        for path in PATHS {
            for _ in 0..2 {
                let mut data = draw(&mut runner, &data);
                // Nothing but the simulator is ever called.
                data["base_url"] = atlas.address().into();
                let mut request = asked(operation, path, &data);
                request.secret = Some(crate::mount::lease(&data).secret);
                let answer = mount.send(request).await;
                answer.unwrap_or_else(|status| panic!("{status}: {operation} {path} {data}"));
                let _ = mount.exists(path, data).await;
            }
        }
    }
    is_alive(plugin, &mount).await;
}

/// Random bytes, and messages with some bytes changed, never end the process.
#[tokio::test]
async fn any_bytes_are_answered_or_refused() {
    let (plugin, mount) = bare().await;
    let mut runner = TestRunner::deterministic();
    let bytes = vec(any::<u8>(), 0..200);
    let operation = proptest::sample::select(&OPERATIONS[..]);
    let path = proptest::sample::select(&PATHS[1..]);
    let change = (any::<proptest::sample::Index>(), any::<u8>());
    for _ in 0..300 {
        // What it is does not matter; Answer::read has judged it.
        let _ = send(&mount, &plugin, draw(&mut runner, &bytes)).await;
        let request = asked(
            draw(&mut runner, &operation),
            draw(&mut runner, &path),
            &json!({"ttl": "1h", "roles": ["a"]}),
        );
        let args = HandleRequestArgs {
            storage_id: 0,
            request: Some(request),
        };
        let mut message = args.encode_to_vec();
        for _ in 0..3 {
            let (place, byte) = draw(&mut runner, &change);
            let place = place.index(message.len());
            message[place] = byte;
        }
        let _ = send(&mount, &plugin, message).await;
    }
    is_alive(plugin, &mount).await;
}

/// The same where the host offers nothing, as in a probe.
#[tokio::test]
async fn any_request_without_storage_is_answered() {
    let (plugin, mount) = bare().await;
    mount.host.store.set(MISSING);
    for operation in OPERATIONS {
        for path in PATHS {
            mount.ask(operation, path, json!({})).await;
        }
    }
    mount.host.store.set(crate::store::Mood::Works);
    is_alive(plugin, &mount).await;
}

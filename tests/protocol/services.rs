//! go-plugin's own services: health, broker, stdio, controller.

use std::time::Duration;

use mongodbatlas::protocol::goplugin::plugin::{ConnInfo, Empty};
use prost::Message;
use tokio::time::timeout;
use tonic::{
    Code, Request, client::Grpc, codegen::http::uri::PathAndQuery, service::Routes,
    transport::Channel,
};
use tonic_health::{
    ServingStatus,
    pb::{HealthCheckRequest, HealthCheckResponse, health_client::HealthClient},
};
use tonic_prost::ProstCodec;

use crate::launch::Launch;

async fn health(channel: &Channel, service: &str) -> Result<i32, Code> {
    let request = HealthCheckRequest {
        service: service.to_owned(),
    };
    let answer = HealthClient::new(channel.clone()).check(request).await;
    answer
        .map(|answer| answer.into_inner().status)
        .map_err(|status| status.code())
}

#[tokio::test]
async fn health_is_serving_from_the_first_moment() {
    let plugin = Launch::new().start().await;
    let serving = Ok(ServingStatus::Serving as i32);
    assert_eq!(health(&plugin.channel, "plugin").await, serving);
    assert_eq!(health(&plugin.channel, "").await, serving);
    assert_eq!(health(&plugin.channel, "else").await, Err(Code::NotFound));
}

#[tokio::test]
async fn the_streams_stay_open_and_silent_whatever_the_host_tells() {
    let mut plugin = Launch::new().start().await;
    let info = |service_id, network: &str, address: &str| ConnInfo {
        service_id,
        network: network.to_owned(),
        address: address.to_owned(),
        knock: None,
    };
    plugin.tell(info(1, "unix", "/nowhere")).await;
    plugin.tell(info(1, "unix", "/told/twice")).await;
    plugin.tell(info(0, "", "")).await;
    plugin.tell(info(u32::MAX, "tcp", "127.0.0.1:1")).await;
    plugin.tell(info(2, "unix", &"long".repeat(10_000))).await;
    for id in 10..10_000 {
        plugin.tell(info(id, "unix", "/nowhere")).await;
    }
    for id in 3..6 {
        plugin.listen(id, Routes::default()).await;
    }
    let moment = Duration::from_millis(200);
    timeout(moment, plugin.broker_replies.message())
        .await
        .expect_err("the broker stays open");
    timeout(moment, plugin.stdio.message())
        .await
        .expect_err("stdio stays open");
    assert!(health(&plugin.channel, "plugin").await.is_ok());
}

/// Any message as a later version of the protocol might send it.
#[derive(Clone, PartialEq, Message)]
struct OfTomorrow {
    #[prost(string, tag = "1")]
    service: String,
    #[prost(string, tag = "4000")]
    unknown: String,
    #[prost(message, optional, tag = "4001")]
    nested: Option<Box<OfTomorrow>>,
}

#[tokio::test]
async fn unknown_fields_and_metadata_are_ignored() {
    let plugin = Launch::new().start().await;
    let nested = Some(Box::new(OfTomorrow::default()));
    let message = OfTomorrow {
        service: "plugin".to_owned(),
        unknown: "x".repeat(1000),
        nested,
    };
    let mut request = Request::new(message);
    request
        .metadata_mut()
        .insert("snapshot_id", "7".parse().expect("a value"));
    request.metadata_mut().insert_bin(
        "unknown-bin",
        tonic::metadata::MetadataValue::from_bytes(b"\xff"),
    );
    let mut client = Grpc::new(plugin.channel.clone());
    client.ready().await.expect("connected");
    let path = PathAndQuery::from_static("/grpc.health.v1.Health/Check");
    let codec = ProstCodec::<OfTomorrow, HealthCheckResponse>::default();
    let answer = client
        .unary(request, path, codec)
        .await
        .expect("answered")
        .into_inner();
    assert_eq!(answer.status, ServingStatus::Serving as i32);
}

#[tokio::test]
async fn an_unknown_service_is_unimplemented() {
    let plugin = Launch::new().start().await;
    let mut client = Grpc::new(plugin.channel.clone());
    client.ready().await.expect("connected");
    let path = PathAndQuery::from_static("/plugin.Tomorrow/Call");
    let codec = ProstCodec::<Empty, Empty>::default();
    let status = client
        .unary(Request::new(Empty {}), path, codec)
        .await
        .expect_err("unknown");
    assert_eq!(status.code(), Code::Unimplemented);
}

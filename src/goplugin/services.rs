//! The services that every plugin answers beside the application's: broker, controller, stdio, health.

use futures_util::{StreamExt as _, stream};
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status, Streaming, codegen::BoxStream, service::Routes};
use tonic_health::{ServingStatus, server::health_reporter};

use super::{
    broker::Broker,
    pb::plugin::{
        ConnInfo, Empty, StdioData,
        grpc_broker_server::{GrpcBroker, GrpcBrokerServer},
        grpc_controller_server::{GrpcController, GrpcControllerServer},
        grpc_stdio_server::{GrpcStdio, GrpcStdioServer},
    },
};

/// The name under which a host asks for the plugin's health.
const HEALTH_SERVICE: &str = "plugin";

/// Adds this layer's services to the application's. `stop` ends the process: the controller sets
/// it off, and the streams that otherwise live as long as the process end with it.
pub(crate) async fn add_to(routes: Routes, broker: Broker, stop: &CancellationToken) -> Routes {
    let (reporter, health) = health_reporter();
    reporter
        .set_service_status(HEALTH_SERVICE, ServingStatus::Serving)
        .await;
    routes
        .add_service(health)
        .add_service(GrpcBrokerServer::new(BrokerService {
            broker,
            stop: stop.clone(),
        }))
        .add_service(GrpcControllerServer::new(Controller { stop: stop.clone() }))
        .add_service(GrpcStdioServer::new(Stdio { stop: stop.clone() }))
}

struct BrokerService {
    broker: Broker,
    stop: CancellationToken,
}

#[tonic::async_trait]
impl GrpcBroker for BrokerService {
    type StartStreamStream = BoxStream<ConnInfo>;

    /// Takes the host's addresses for as long as it sends; we have none to tell.
    async fn start_stream(
        &self,
        request: Request<Streaming<ConnInfo>>,
    ) -> Result<Response<Self::StartStreamStream>, Status> {
        let broker = self.broker.clone();
        let replies = request
            .into_inner()
            .filter_map(move |info| {
                match info {
                    Ok(info) => broker.announce(info),
                    Err(error) => tracing::debug!(%error, "the broker's stream failed"),
                }
                async { None }
            })
            .take_until(self.stop.clone().cancelled_owned());
        Ok(Response::new(Box::pin(replies)))
    }
}

struct Controller {
    stop: CancellationToken,
}

#[tonic::async_trait]
impl GrpcController for Controller {
    async fn shutdown(&self, _: Request<Empty>) -> Result<Response<Empty>, Status> {
        self.stop.cancel();
        Ok(Response::new(Empty {}))
    }
}

struct Stdio {
    stop: CancellationToken,
}

#[tonic::async_trait]
impl GrpcStdio for Stdio {
    type StreamStdioStream = BoxStream<StdioData>;

    /// Stays open and silent: nothing is printed but log lines, which go to stderr.
    async fn stream_stdio(
        &self,
        _: Request<()>,
    ) -> Result<Response<Self::StreamStdioStream>, Status> {
        let silence = stream::pending().take_until(self.stop.clone().cancelled_owned());
        Ok(Response::new(Box::pin(silence)))
    }
}

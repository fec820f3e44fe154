//! The plugin assembled: environment, log, runtime, and the engine behind the protocol.

use std::error::Error;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use tonic::service::Routes;

use crate::base::{SystemClock, SystemEntropy, chain};
use crate::engine::{EngineFactory, ProcessSettings, ServerHold};
use crate::goplugin::{Application, Context, Environment, log, process, serve};
use crate::vault::Server;
use crate::vault::server::PLUGIN;

/// Registered with this argument, the plugin reports no version: a mount without one takes it up at
/// its next reload.
const UNVERSIONED: &str = "--unversioned";
/// How much is logged.
pub(crate) const LOG_LEVEL: &str = "MONGODBATLAS_LOG_LEVEL";
const CRATES: &[&str] = &["mongodbatlas", "vault_plugin_secrets_mongodbatlas"];
/// How long work under way may go on once the process is asked to end.
const CLOSE_GRACE: Duration = Duration::from_millis(1_100);
/// Threads for what blocks or computes for long. They end by themselves when they are not needed.
const BLOCKING_THREADS: usize = 64;
/// What is still running after the orderly end is not waited for longer than this.
const LEFTOVERS_LIMIT: Duration = Duration::from_millis(50);

/// What a process of the plugin came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Served {
    /// The host ended it in order.
    Ended,
    /// It could not serve; the log says why.
    Failed,
    /// No host started it: a person did.
    NoHost,
}

impl From<Served> for ExitCode {
    fn from(served: Served) -> Self {
        match served {
            Served::Ended => Self::SUCCESS,
            Served::Failed | Served::NoHost => Self::FAILURE,
        }
    }
}

/// Keeps what the process holds out of core dumps, and gives it the open files that a crowd of readers
/// needs. Called before anything else.
pub fn prepare_process() {
    process::forbid_core_dumps();
    process::allow_many_open_files();
}

/// Serves the engine to the host that started this process, until the host ends it.
///
/// The host gives its part in the environment (go-plugin's magic cookie, the certificate, the protocol
/// versions) and reads ours from standard output: one line, the handshake.
#[must_use]
pub fn serve_host() -> Served {
    let environment = Environment::of_process();
    if !PLUGIN.cookie.is_in(&environment) {
        return Served::NoHost;
    }
    let log = log::start(log::Settings {
        crates: CRATES,
        level: environment.variable(LOG_LEVEL),
    });
    let settings = ProcessSettings::of_environment(|name| environment.variable(name));
    let outcome = settings
        .map_err(Into::into)
        .and_then(|settings| run(&environment, settings));
    if let Err(error) = &outcome {
        let error = chain(error.as_ref());
        tracing::error!(error, "the plugin failed to start or to serve");
        if log.is_off() {
            eprintln!("the plugin failed to start or to serve: {error}");
        }
    }
    drop(log);
    if outcome.is_ok() {
        Served::Ended
    } else {
        Served::Failed
    }
}

fn run(environment: &Environment, settings: ProcessSettings) -> Result<(), Box<dyn Error>> {
    // One thread: nearly all that is done here is waiting, and each step of a request would otherwise
    // wake another thread. What computes for long has threads of its own (`spawn_blocking`).
    let runtime = tokio::runtime::Builder::new_current_thread()
        .max_blocking_threads(BLOCKING_THREADS)
        .enable_all()
        .build()?;
    if settings.hold != ServerHold::Off {
        tracing::warn!(
            hold = settings.hold.name(),
            "MONGODBATLAS_HOLD is set in the environment of the server process"
        );
    }
    let application = move |context| application(context, settings);
    let outcome = runtime.block_on(serve(environment, PLUGIN, application));
    runtime.shutdown_timeout(LEFTOVERS_LIMIT);
    Ok(outcome?)
}

fn application(context: Context, settings: ProcessSettings) -> Application {
    let unversioned = std::env::args_os().any(|argument| argument == UNVERSIONED);
    let version = if unversioned {
        String::new()
    } else {
        version()
    };
    let factory = EngineFactory::new(version, Arc::new(SystemClock), Arc::new(SystemEntropy))
        .with_settings(settings);
    let server = Server::new(Arc::new(factory), context.broker, context.cancel);
    let routes = server.add_to(Routes::default());
    Application {
        routes,
        close: Box::pin(async move { server.close(CLOSE_GRACE).await }),
    }
}

/// What the server is told: the release's tag.
pub(crate) fn version() -> String {
    format!("v{}", env!("CARGO_PKG_VERSION"))
}

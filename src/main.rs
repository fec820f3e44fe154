//! The plugin's process: environment, logging, exit code. No decisions.

use std::{
    error::Error,
    io::{self, Write as _},
    process::ExitCode,
    sync::Arc,
    thread,
    time::Duration,
};

use mongodbatlas::base::{SystemClock, SystemEntropy};
use mongodbatlas::engine::{EngineFactory, ProcessSettings, ServerHold};
use mongodbatlas::goplugin::{Application, Context, Environment, log, process, serve};
use mongodbatlas::vault::Server;
use mongodbatlas::vault::server::PLUGIN;
use tonic::service::Routes;

const NAME: &str = "vault-plugin-secrets-mongodbatlas";
/// Registered with this argument, the plugin reports no version: a mount without one takes it up at
/// its next reload.
const UNVERSIONED: &str = "--unversioned";
const CRATES: &[&str] = &["mongodbatlas", "vault_plugin_secrets_mongodbatlas"];
/// How long work under way may go on once the process is asked to end.
const CLOSE_GRACE: Duration = Duration::from_millis(1_100);
/// What is still running after the orderly end is not waited for longer than this.
const LEFTOVERS_LIMIT: Duration = Duration::from_millis(50);

fn main() -> ExitCode {
    process::forbid_core_dumps();
    process::allow_many_open_files();
    if let Some(text) = answer_to_a_person(std::env::args().skip(1)) {
        return print(&text);
    }
    let environment = Environment::of_process();
    if !PLUGIN.cookie.is_in(&environment) {
        eprintln!("{}", by_hand());
        return ExitCode::FAILURE;
    }
    let log = log::start(log::Settings {
        crates: CRATES,
        level: environment.variable("MONGODBATLAS_LOG_LEVEL"),
    });
    let settings = ProcessSettings::of_environment(|name| environment.variable(name));
    let outcome = settings
        .map_err(Into::into)
        .and_then(|settings| run(environment, settings));
    if let Err(error) = &outcome {
        tracing::error!(error = chain(error.as_ref()), "the plugin cannot serve");
    }
    drop(log);
    if outcome.is_ok() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

fn run(environment: Environment, settings: ProcessSettings) -> Result<(), Box<dyn Error>> {
    let workers = thread::available_parallelism().map_or(2, |cpus| cpus.get().clamp(2, 4));
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(workers)
        .max_blocking_threads(8)
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
    let unversioned = std::env::args().any(|argument| argument == UNVERSIONED);
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

fn version() -> String {
    format!("v{}", env!("CARGO_PKG_VERSION"))
}

/// The error and its causes in one line.
fn chain(error: &dyn Error) -> String {
    std::iter::successors(error.source(), |&cause| cause.source())
        .fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}

/// What to print and leave, if the arguments ask for that. A host may configure any others.
fn answer_to_a_person(mut arguments: impl Iterator<Item = String>) -> Option<String> {
    arguments.find_map(|argument| match argument.as_str() {
        "--version" | "-version" => Some(format!("{NAME} v{}\n", env!("CARGO_PKG_VERSION"))),
        "--help" | "-help" | "-h" => Some(help()),
        _ => None,
    })
}

fn print(text: &str) -> ExitCode {
    let printed = io::stdout().lock().write_all(text.as_bytes());
    if printed.is_ok() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

fn by_hand() -> String {
    format!(
        "This is a secrets engine for Vault and OpenBao. A server starts it; it does nothing when \
         run by hand.\nSee `{NAME} --help` for how to register it."
    )
}

fn help() -> String {
    format!(
        "\
{NAME} v{version}

The MongoDB Atlas secrets engine for HashiCorp Vault and OpenBao. This program is a plugin:
a Vault or OpenBao server starts it, talks to it and ends it. It does nothing when run by hand.

To use it (with `bao` in place of `vault` for OpenBao):

  1. Put this file into the server's plugin_directory.
  2. Register it under its checksum:
       vault plugin register -sha256=\"$(sha256sum {NAME} | cut -d' ' -f1)\" \\
           -command={NAME} secret mongodbatlas
  3. Enable it:
       vault secrets enable mongodbatlas

Options:
  --version       print the version
  --help          print this text
  --unversioned   (argument at registration) report no version to the server, so that a mount
                  without one takes this file up at its next reload

Environment (of the server, or `-env` at registration):
  MONGODBATLAS_LOG_LEVEL   trace, debug, info, warn, error or off; default debug, which the
                           server filters by its own level
  MONGODBATLAS_VERIFY_CONNECTION
                           false: a write of config does not ask Atlas about the credential,
                           unless it gives verify_connection=true; default true
  MONGODBATLAS_HOLD        true: nothing is written to Atlas unasked, revocations go on; all:
                           nothing is sent to Atlas at all. For a server that was restored from
                           a snapshot: set it in the environment of the server process
",
        version = env!("CARGO_PKG_VERSION"),
    )
}

//! The command: handles flags, or serves the plugin. No decisions.

use std::io::{self, Write as _};
use std::process::ExitCode;

use mongodbatlas::{Served, prepare_process, self_test, serve_host};

const NAME: &str = "vault-plugin-secrets-mongodbatlas";

fn main() -> ExitCode {
    prepare_process();
    // A host may configure an argument that is not UTF-8.
    let arguments = std::env::args_os().skip(1);
    let arguments: Vec<String> = arguments
        .map(|argument| argument.to_string_lossy().into_owned())
        .collect();
    if arguments.iter().any(|argument| argument == "--self-test") {
        return test_here();
    }
    if let Some(text) = handle_flags(&arguments) {
        return print(&text);
    }
    let served = serve_host();
    if served == Served::NoHost {
        eprintln!("{}", run_manually());
    }
    served.into()
}

/// Prints what a server would meet here; fails if that keeps it from starting the plugin.
fn test_here() -> ExitCode {
    let found = self_test();
    let printed = print(&found.report);
    if found.is_good {
        printed
    } else {
        ExitCode::FAILURE
    }
}

/// What to print and leave, if the arguments ask for that. A host may configure any others.
fn handle_flags(arguments: &[String]) -> Option<String> {
    arguments
        .iter()
        .find_map(|argument| match argument.as_str() {
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

fn run_manually() -> String {
    format!(
        "This is a secrets engine for Vault and OpenBao. A server starts it; it does nothing when \
         run manually.\nSee `{NAME} --help` for how to register it."
    )
}

fn help() -> String {
    format!(
        "\
{NAME} v{version}

The MongoDB Atlas secrets engine for HashiCorp Vault and OpenBao. This program is a plugin:
a Vault or OpenBao server starts it, talks to it and ends it. It does nothing when run manually.

To use it (with `bao` in place of `vault` for OpenBao):

  1. Put this file into the server's plugin_directory, under a name with its version.
  2. Register it under its checksum, which stands in the signed SHA256SUMS of its release:
       vault plugin register -sha256=<checksum> \\
           -command={NAME}_v{version} secret mongodbatlas
  3. Enable it:
       vault secrets enable mongodbatlas

Options:
  --version       print the version
  --help          print this text
  --self-test     say what a server would meet when it starts this file here: socket folder,
                  trusted certificates, memory lock, clock, environment; ends with status 1 if it
                  could not start it. Run it as the server's user, in the server's environment
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

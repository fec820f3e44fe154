//! Starts the simulator: one line of JSON on stdout tells where it is and who may sign in.

use std::path::PathBuf;

use atlas_sim::{Options, start};
use serde_json::json;
use tokio::signal::unix::{SignalKind, signal};

const USAGE: &str = "usage: atlas-sim [--api-port N] [--control-port N] [--exchanges FILE] \
[--seed-org-key PUBLIC:PRIVATE] [--settings JSON]";

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let options = parse(std::env::args().skip(1))?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let running = start(options).await?;
    announce(&running)?;
    tokio::select! {
        result = running.serve() => result.map_err(Into::into),
        _ = terminate.recv() => Ok(()),
        _ = interrupt.recv() => Ok(()),
    }
}

#[expect(
    clippy::print_stdout,
    reason = "the one line by which whoever started the simulator finds it"
)]
fn announce(running: &atlas_sim::Running) -> Result<(), serde_json::Error> {
    let mut line = serde_json::to_value(running.seed())?;
    line["api"] = json!(running.api());
    line["control"] = json!(running.control());
    println!("{line}");
    Ok(())
}

fn parse(mut arguments: impl Iterator<Item = String>) -> Result<Options, String> {
    let mut options = Options::default();
    while let Some(flag) = arguments.next() {
        let value = arguments
            .next()
            .ok_or_else(|| format!("{flag} needs a value\n{USAGE}"))?;
        let port = || {
            value
                .parse()
                .map_err(|_| format!("{flag}: {value} is no port"))
        };
        match flag.as_str() {
            "--api-port" => options.api_port = port()?,
            "--control-port" => options.control_port = port()?,
            "--exchanges" => options.exchanges = Some(PathBuf::from(value)),
            "--seed-org-key" => options.seed_key = Some(seed_key(&value)?),
            "--settings" => {
                let settings = serde_json::from_str(&value);
                options.settings = Some(settings.map_err(|error| format!("--settings: {error}"))?);
            }
            _ => return Err(format!("unknown flag {flag}\n{USAGE}")),
        }
    }
    Ok(options)
}

/// `PUBLIC:PRIVATE`; the public key must have Atlas's form, so that answers keep to its description.
fn seed_key(value: &str) -> Result<(String, String), String> {
    let (public, private) = value
        .split_once(':')
        .ok_or_else(|| "--seed-org-key: give PUBLIC:PRIVATE".to_owned())?;
    let right = public.len() == 8 && public.bytes().all(|byte| byte.is_ascii_lowercase());
    if !right || private.is_empty() || !private.is_ascii() {
        return Err(
            "--seed-org-key: eight lower-case letters, a colon, the private key".to_owned(),
        );
    }
    Ok((public.to_owned(), private.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(arguments: &[&str]) -> Result<Options, String> {
        parse(arguments.iter().map(|text| (*text).to_owned()))
    }

    #[test]
    fn flags_are_read() {
        let options = parsed(&["--api-port", "80", "--seed-org-key", "abcdefgh:x"]).unwrap();
        assert_eq!(options.api_port, 80);
        assert_eq!(
            options.seed_key,
            Some(("abcdefgh".to_owned(), "x".to_owned()))
        );
    }

    #[test]
    fn wrong_flags_are_refused() {
        for arguments in [
            &["--api-port"][..],
            &["--api-port", "x"],
            &["--seed-org-key", "short:x"],
            &["--colour", "red"],
            &["--settings", "{\"no_such\": 1}"],
        ] {
            assert!(parsed(arguments).is_err(), "{arguments:?}");
        }
    }
}

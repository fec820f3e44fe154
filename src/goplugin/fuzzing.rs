//! What fuzzing feeds of this layer: the host's environment and certificate, and log lines.

use std::io::{self, Write};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use rustls::client::danger::ServerCertVerifier as _;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use serde_json::{Map, Value};
use tracing::{Dispatch, Level, level_filters::LevelFilter};
use tracing_subscriber::{Registry, layer::SubscriberExt as _};

use super::broker::Broker;
use super::environment::Environment;
use super::handshake::{Cookie, Handshake};
use super::line::{Fields, render};
use super::log::HostLayer;
use super::pinned::Pinned;
use super::queue::Queue;
use super::socket_file::named_group;
use super::tls::{self, Identity};
use crate::base::fuzzing::{SECRET, assert_hidden, shows_secret};
use crate::base::{Clock as _, Sensitive, SystemClock};

const COOKIE: Cookie = Cookie {
    name: "PLUGIN_OF_FUZZING",
    value: "f00d",
};
const VERSION: u32 = 5;
/// An error names what is wrong and repeats little of what it was given.
const LONGEST_ERROR: usize = 2_000;

/// The variables of a host: versions, multiplexing and what is set beside them in a line each, then the
/// certificate. Where the input begins with a zero byte, the rest is the certificate in DER.
pub(crate) fn handshake(data: &[u8]) {
    let (lines, pem) = if let Some((0, der)) = data.split_first() {
        ("5\ntrue\n\n".to_owned(), pem_of(der))
    } else {
        let text = String::from_utf8_lossy(data);
        let end = text.match_indices('\n').nth(2).map(|(at, _)| at + 1);
        let (lines, pem) = text.split_at(end.unwrap_or(text.len()));
        (lines.to_owned(), pem.to_owned())
    };
    let mut lines = lines.lines();
    let mut next = || lines.next().unwrap_or_default().to_owned();
    let environment = Environment::from_iter([
        ("PLUGIN_OF_FUZZING".to_owned(), "f00d".to_owned()),
        ("PLUGIN_PROTOCOL_VERSIONS".to_owned(), next()),
        ("PLUGIN_MULTIPLEX_GRPC".to_owned(), next()),
        ("BAO_VERSION".to_owned(), next()),
        ("PLUGIN_CLIENT_CERT".to_owned(), pem),
    ]);
    match Handshake::read(&environment, COOKIE, VERSION) {
        Ok(handshake) => answer(&handshake),
        Err(error) => assert_short(&error),
    }
}

fn answer(handshake: &Handshake<'_>) {
    match tls::host_certificate(handshake.client_certificate) {
        Ok(certificate) => take(&certificate),
        Err(error) => assert_short(&error),
    }
    let line = handshake.line(Path::new("/tmp/plugin1"), identity().certificate());
    let body = line.strip_suffix('\n').unwrap_or_default();
    let fields = body.split('|').count();
    assert!(fields == 6 || fields == 7, "{line:?}");
    assert!(!body.contains('\n') && body.starts_with("1|5|unix|"));
}

/// A certificate that was read once is read again, is the one that is pinned, and no other is.
fn take(certificate: &CertificateDer<'static>) {
    let again = tls::host_certificate(&pem_of(certificate)).ok();
    assert_eq!(again.as_ref(), Some(certificate));
    let server = tls::server_config(identity(), certificate);
    let client = tls::client_config(identity(), certificate);
    assert!(server.is_ok() && client.is_ok());
    let pinned = Pinned::new(certificate.clone(), &aws_lc_rs::default_provider());
    let Ok(name) = ServerName::try_from(tls::NAME) else {
        return;
    };
    let now = UnixTime::since_unix_epoch(std::time::Duration::from_hours(500_000));
    let shown = |shown, beside| pinned.verify_server_cert(shown, beside, &name, &[], now);
    assert!(shown(certificate, &[]).is_ok());
    assert!(shown(certificate, std::slice::from_ref(certificate)).is_err());
    let mut other = certificate.to_vec();
    other.push(0);
    assert!(shown(&CertificateDer::from(other), &[]).is_err());
}

fn pem_of(der: &[u8]) -> String {
    let text = STANDARD.encode(der);
    format!("-----BEGIN CERTIFICATE-----\n{text}\n-----END CERTIFICATE-----\n")
}

#[expect(
    clippy::expect_used,
    reason = "without an identity nothing can be fuzzed"
)]
fn identity() -> &'static Identity {
    static IDENTITY: LazyLock<Identity> =
        LazyLock::new(|| Identity::generate(&SystemClock).expect("an identity"));
    &IDENTITY
}

fn assert_short(error: &impl std::error::Error) {
    let text = format!("{error} {error:?}");
    assert!(text.len() < LONGEST_ERROR, "{text}");
}

/// A name in the first line, then groups: what is found stands in the line of that name.
pub(crate) fn group(text: &str) {
    let (name, groups) = text.split_once('\n').unwrap_or((text, ""));
    if let Some(id) = named_group(groups.as_bytes(), name) {
        let mut lines = groups.lines().filter_map(|line| line.split_once(':'));
        let is_it = |rest: &str| rest.split(':').any(|field| field.parse() == Ok(id));
        assert!(
            lines.any(|(first, rest)| first == name && is_it(rest)),
            "{id}"
        );
    }
}

/// A broker that no host ever tells anything.
#[expect(clippy::expect_used, reason = "without it nothing can be fuzzed")]
pub(crate) fn broker() -> Broker {
    static TLS: LazyLock<Arc<rustls::ClientConfig>> = LazyLock::new(|| {
        let own = CertificateDer::from(identity().certificate().to_vec());
        tls::client_config(identity(), &own).expect("a configuration")
    });
    Broker::new(Arc::clone(&TLS))
}

/// A message in the first line, then a field a line: `name=value`. The value is a secret, as the engine
/// holds one, where it is `$S`.
pub(crate) fn log_line(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    if shows_secret(&text) {
        return;
    }
    let mut lines = text.split('\n');
    let message = lines.next().unwrap_or_default();
    let mut fields = Fields::message(message);
    let mut outer = Fields::default();
    for line in lines {
        let (name, value) = line.split_once('=').unwrap_or((line, ""));
        outer.set(name.trim_end(), Value::Null);
        fields.set(name, value_of(value));
    }
    fields.inherit(&outer);
    check_line(&render(SystemClock.now(), Level::WARN, message, fields));
    let written = logged(|| {
        let secret = format!("{:?}", Sensitive::new(SECRET.to_owned()));
        let span = tracing::info_span!("mount", mount = %message, held = %secret);
        let _inside = span.entered();
        tracing::debug!(text = %text, secret = %secret, "{message}");
    });
    let lines = written.split_inclusive(|byte| *byte == b'\n');
    assert_eq!(lines.count(), 1);
}

fn value_of(text: &str) -> Value {
    if text == "$S" {
        return format!("{:?}", Sensitive::new(SECRET.to_owned())).into();
    }
    serde_json::from_str(text).unwrap_or_else(|_| text.into())
}

/// What a host needs of a line, and what nobody may read in it.
fn check_line(line: &[u8]) {
    assert!(line.len() < 64 * 1024, "{} bytes", line.len());
    let object: Option<Map<String, Value>> = serde_json::from_slice(line).ok();
    let object = object.unwrap_or_default();
    for key in ["@level", "@message", "@module", "@timestamp"] {
        assert!(object.get(key).is_some_and(Value::is_string), "{object:?}");
    }
    let inside = line.strip_suffix(b"\n").unwrap_or_default();
    assert!(!inside.contains(&b'\n') && !inside.is_empty());
    assert_hidden(&object);
}

/// The log lines of some work, each of them one that a host can read and without the secret.
pub(crate) fn logged(work: impl FnOnce()) -> Vec<u8> {
    static OUTPUT: LazyLock<(Dispatch, Queue, Written)> = LazyLock::new(|| {
        let written = Written::default();
        let queue = Queue::start(Box::new(written.clone()));
        let layer = HostLayer {
            crates: &["mongodbatlas"],
            level: LevelFilter::TRACE,
            queue: queue.clone(),
        };
        let dispatch = Dispatch::new(Registry::default().with(layer));
        (dispatch, queue, written)
    });
    // One at a time, so that the lines are of this work.
    static ONE: Mutex<()> = Mutex::new(());
    let _one = ONE.lock().unwrap_or_else(PoisonError::into_inner);
    let (dispatch, queue, written) = &*OUTPUT;
    written.bytes().clear();
    tracing::dispatcher::with_default(dispatch, work);
    let lines = all_lines(queue, written);
    for line in lines.split_inclusive(|byte| *byte == b'\n') {
        check_line(line);
    }
    lines
}

/// What was pushed so far. Flushing alone gives up after a moment, in which a busy machine may write
/// nothing; so a line of its own tells that all before it are written.
fn all_lines(queue: &Queue, written: &Written) -> Vec<u8> {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let last = format!("line {}\n", COUNT.fetch_add(1, Ordering::Relaxed));
    let is_last = |line: &[u8]| line == last.as_bytes();
    loop {
        queue.push(last.clone().into_bytes());
        queue.flush();
        let mut bytes = written.bytes();
        let lines = || bytes.split_inclusive(|byte| *byte == b'\n');
        if lines().any(is_last) {
            let of_work = lines().take_while(|line| !is_last(line));
            // Of an earlier end that was pushed more than once.
            let of_work = of_work.filter(|line| !line.starts_with(b"line "));
            let own: Vec<u8> = of_work.flatten().copied().collect();
            bytes.clear();
            return own;
        }
    }
}

/// An output that keeps everything.
#[derive(Clone, Default)]
struct Written(Arc<Mutex<Vec<u8>>>);

impl Written {
    fn bytes(&self) -> MutexGuard<'_, Vec<u8>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Write for Written {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.bytes().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

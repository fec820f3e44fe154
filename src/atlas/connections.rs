//! The connections of a process to Atlas, shared by the clients that reach it in the same way.
//!
//! A mount costs little more than what it stores: the trusted certificates, the TLS sessions and the
//! connections are there once for all mounts with the same address, certificates and times. Everything
//! that belongs to a credential (nonces, tokens, limits) is the client's own and none of this knows it.

use std::env::split_paths;
use std::iter;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, SystemTime};

use rustls::ClientConfig;
use rustls::client::Resumption;
use rustls::crypto::aws_lc_rs;
use rustls::version::{TLS12, TLS13};
use rustls_platform_verifier::Verifier;

use super::lookups::Lookups;
use super::origin::Origin;
use super::settings::{Pem, Settings, SettingsError};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// A connection that died unnoticed is found out while a request waits on it, not by its timeout.
const PING_INTERVAL: Duration = Duration::from_secs(10);
const PING_TIMEOUT: Duration = Duration::from_secs(10);
const IDLE_CONNECTION: Duration = Duration::from_mins(1);
/// TLS sessions remembered; all are of one host.
const SESSIONS: usize = 8;

/// Requests at once on one lane. A server lets a hundred or so through on one connection of HTTP/2;
/// the next one would wait behind them unseen, be it a revocation of another mount.
const MAX_ABOARD: usize = 64;
/// The most lanes; past them the emptiest is taken.
const MAX_LANES: usize = 32;

/// The connections of this process. Clones are the same.
#[derive(Clone, Default)]
pub(crate) struct Transports {
    open: Arc<Mutex<Vec<Weak<Connections>>>>,
}

impl Transports {
    /// The connections for these settings, made if there are none that are the same in all that
    /// decides who is spoken to. They are closed with the last client that uses them.
    pub(super) fn connections(
        &self,
        settings: &Settings,
    ) -> Result<Arc<Connections>, SettingsError> {
        let terms = Terms::of(settings);
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.retain(|connections| connections.strong_count() > 0);
        let mut known = open.iter().filter_map(Weak::upgrade);
        if let Some(same) = known.find(|connections| connections.terms == terms) {
            return Ok(same);
        }
        let made = Arc::new(Connections::new(terms)?);
        open.push(Arc::downgrade(&made));
        Ok(made)
    }
}

/// All that decides who is spoken to, and how.
#[derive(Debug, Clone, PartialEq)]
struct Terms {
    origin: Origin,
    /// Trusted beside the platform's certificates.
    trusted: Option<Pem>,
    /// Which the platform's certificates are; [`None`]: there is no TLS.
    platform: Option<PlatformTrust>,
    connect_timeout: Duration,
    user_agent: String,
}

impl Terms {
    fn of(settings: &Settings) -> Self {
        let is_plain = settings.base_url.scheme() == "http";
        Self {
            origin: Origin::of(&settings.base_url),
            trusted: settings.ca_certificate.clone(),
            platform: (!is_plain).then(PlatformTrust::now),
            connect_timeout: CONNECT_TIMEOUT.min(settings.request_timeout),
            user_agent: settings.user_agent.clone(),
        }
    }

    fn tls(&self) -> Result<ClientConfig, SettingsError> {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let failed = |error: rustls::Error| SettingsError::Tls(error.into());
        let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(&[&TLS13, &TLS12])
            .map_err(failed)?;
        let mut tls = if self.platform.is_none() {
            // Loopback without TLS: the platform's certificates are not needed, nor need they exist.
            let nobody = rustls::RootCertStore::empty();
            builder.with_root_certificates(nobody).with_no_client_auth()
        } else {
            let extra = self.trusted.iter().flat_map(Pem::certificates).cloned();
            let verifier = Verifier::new_with_extra_roots(extra, provider).map_err(failed)?;
            builder
                .dangerous()
                .with_custom_certificate_verifier(Arc::new(verifier))
                .with_no_client_auth()
        };
        tls.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        tls.resumption = Resumption::in_memory_sessions(SESSIONS);
        Ok(tls)
    }
}

/// Whether the platform has certificates to trust.
pub(crate) fn check_platform_trust() -> Result<(), SettingsError> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let made = Verifier::new(provider).map(|_| ());
    made.map_err(|error| SettingsError::Tls(error.into()))
}

/// The files of the platform's certificates, as they were when they were last read: an operator who
/// puts them right and writes the configuration again is not held to those of before.
#[derive(Debug, Clone, PartialEq)]
struct PlatformTrust(Vec<(PathBuf, Option<(SystemTime, u64)>)>);

impl PlatformTrust {
    fn now() -> Self {
        let found = openssl_probe::probe();
        // The variable SSL_CERT_DIR may name several, which is one that does not exist to the probe.
        let folders = found.cert_dir.into_iter();
        let folders = folders.flat_map(|folders| split_paths(&folders).collect::<Vec<_>>());
        let places = found
            .cert_file
            .into_iter()
            .chain(folders.flat_map(with_content));
        let stamped = places.map(|place| {
            let about = std::fs::metadata(&place).ok();
            let stamp = about.and_then(|about| Some((about.modified().ok()?, about.len())));
            (place, stamp)
        });
        Self(stamped.collect())
    }
}

/// A folder and the files in it, sorted: what is put right in place leaves the folder as it was.
fn with_content(folder: PathBuf) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(&folder).into_iter().flatten();
    let mut places: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    places.sort();
    places.push(folder);
    places
}

/// The connections to one address.
pub(super) struct Connections {
    terms: Terms,
    tls: ClientConfig,
    lookups: Lookups,
    first: Arc<Lane>,
    /// Beside the first, while that is full.
    more: Mutex<Vec<Arc<Lane>>>,
}

/// With HTTP/2, one connection.
struct Lane {
    http: reqwest::Client,
    aboard: AtomicUsize,
}

impl Lane {
    fn open(
        terms: &Terms,
        tls: ClientConfig,
        lookups: Lookups,
    ) -> Result<Arc<Self>, reqwest::Error> {
        let mut builder = reqwest::Client::builder()
            .user_agent(&terms.user_agent)
            .redirect(reqwest::redirect::Policy::none())
            .referer(false)
            .connect_timeout(terms.connect_timeout)
            .pool_idle_timeout(IDLE_CONNECTION)
            .http2_keep_alive_interval(PING_INTERVAL)
            .http2_keep_alive_timeout(PING_TIMEOUT)
            // What may be sent again, and how fast, is decided by whoever knows what it does in Atlas.
            .retry(reqwest::retry::never())
            .dns_resolver(lookups)
            .tls_backend_preconfigured(tls);
        if terms.platform.is_none() {
            // No proxy shall see a credential in clear.
            builder = builder.no_proxy();
        }
        Ok(Arc::new(Self {
            http: builder.build()?,
            aboard: AtomicUsize::new(0),
        }))
    }

    fn aboard(&self) -> usize {
        self.aboard.load(Ordering::Relaxed)
    }
}

impl Connections {
    fn new(terms: Terms) -> Result<Self, SettingsError> {
        let tls = terms.tls()?;
        let lookups = Lookups::of_system(terms.connect_timeout);
        let first = Lane::open(&terms, tls.clone(), lookups.clone());
        Ok(Self {
            first: first.map_err(|error| SettingsError::Tls(error.into()))?,
            more: Mutex::default(),
            terms,
            tls,
            lookups,
        })
    }

    fn more(&self) -> MutexGuard<'_, Vec<Arc<Lane>>> {
        self.more.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A place on the first lane that has one, else on a new lane, else on the emptiest.
    pub(super) fn board(&self) -> Ride<'_> {
        let mut more = self.more();
        let lane = self.lane(&mut more);
        lane.aboard.fetch_add(1, Ordering::Relaxed);
        Ride {
            connections: self,
            lane,
        }
    }

    fn lane(&self, more: &mut Vec<Arc<Lane>>) -> Arc<Lane> {
        let emptiest = more.iter().fold(&self.first, |emptiest, lane| {
            if lane.aboard() < emptiest.aboard() {
                lane
            } else {
                emptiest
            }
        });
        let is_free = |lane: &&Arc<Lane>| lane.aboard() < MAX_ABOARD;
        let mut lanes = iter::once(&self.first).chain(more.iter());
        let lane = Arc::clone(lanes.find(is_free).unwrap_or(emptiest));
        if lane.aboard() < MAX_ABOARD || more.len() + 1 >= MAX_LANES {
            return lane;
        }
        match Lane::open(&self.terms, self.tls.clone(), self.lookups.clone()) {
            Ok(new) => {
                more.push(Arc::clone(&new));
                new
            }
            Err(_) => lane,
        }
    }

    #[cfg(test)]
    pub(super) fn lane_count(&self) -> usize {
        self.more().len() + 1
    }
}

/// A request's place, free again when this is dropped.
pub(super) struct Ride<'a> {
    connections: &'a Connections,
    lane: Arc<Lane>,
}

impl Ride<'_> {
    pub(super) fn http(&self) -> &reqwest::Client {
        &self.lane.http
    }
}

impl Drop for Ride<'_> {
    fn drop(&mut self) {
        let mut more = self.connections.more();
        self.lane.aboard.fetch_sub(1, Ordering::Relaxed);
        // The crowd is gone, and with it what it needed.
        if self.connections.first.aboard() == 0 && more.iter().all(|lane| lane.aboard() == 0) {
            more.clear();
        }
    }
}

#[cfg(test)]
#[path = "connections_tests.rs"]
mod tests;

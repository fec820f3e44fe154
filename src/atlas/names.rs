//! The addresses of a name: the machine's files are read, its name servers are asked, and nothing else.
//!
//! A static binary must not load the host's modules of another libc (`nsswitch.conf`), and the system's own
//! lookup blocks a thread until it has an answer. The files are read at each lookup, which is rare, so
//! that a change of them holds without a reload; and nothing is remembered, so that no address outlives
//! its time to live. Servers are asked in their order, as the first may know names that others do not.

use std::collections::VecDeque;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::PathBuf;
use std::pin::pin;
use std::time::Duration;

use futures_util::future::{Either, select};
use hickory_resolver::TokioResolver;
use hickory_resolver::config::{NameServerConfig, ResolveHosts, ResolverConfig, ResolverOpts};
use hickory_resolver::lookup::Lookup;
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::net::{DnsError, NetError};
use hickory_resolver::proto::rr::Name;
use tokio::time::{Instant, timeout};

use super::name_files::{ResolvConf, in_hosts};

const PORT: u16 = 53;
/// How long the addresses of the other family are waited for once there are some: not every name server
/// answers when it is asked for them.
const SECOND_FAMILY: Duration = Duration::from_millis(500);

/// Why a name has no address.
#[derive(Debug, thiserror::Error)]
pub(super) enum NameError {
    #[error(
        "the name {name} is not known to the name servers in /etc/resolv.conf ({servers}), nor to /etc/hosts"
    )]
    Unknown { name: String, servers: String },
    #[error(
        "no name server answered for {name} in {} s: look whether those in /etc/resolv.conf ({servers}) \
         can be reached from this machine", tenths(*waited)
    )]
    Silence {
        name: String,
        servers: String,
        waited: Duration,
    },
    #[error(
        "the name servers in /etc/resolv.conf ({servers}) answered too slowly, or not each time: no address of \
         {name} in {} s", tenths(*waited)
    )]
    Slow {
        name: String,
        servers: String,
        waited: Duration,
    },
    #[error(
        "the name {name} cannot be looked up: look at the name servers in /etc/resolv.conf ({servers})"
    )]
    Failed {
        name: String,
        servers: String,
        source: Box<NetError>,
    },
}

/// Where names are looked up.
#[derive(Debug, Clone)]
pub(super) struct Names {
    hosts: PathBuf,
    resolv_conf: PathBuf,
    port: u16,
}

impl Names {
    pub(super) fn of_system() -> Self {
        Self {
            hosts: "/etc/hosts".into(),
            resolv_conf: "/etc/resolv.conf".into(),
            port: PORT,
        }
    }

    /// At least one address; those of IPv4 first, as access lists know callers by them almost everywhere.
    /// Ends by itself within `limit`.
    pub(super) async fn look_up(
        &self,
        name: &str,
        limit: Duration,
    ) -> Result<Vec<IpAddr>, NameError> {
        let found = in_hosts(&self.hosts, name);
        if !found.is_empty() {
            return Ok(found);
        }
        if is_localhost(name) {
            return Ok(vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()]);
        }
        let conf = ResolvConf::read(&self.resolv_conf);
        let start = Instant::now();
        let mut servers = Servers::of(&conf, self.port, start + limit);
        let asked = timeout(limit, servers.ask_for_each(conf.names(name))).await;
        asked
            .unwrap_or(Err(NetError::Timeout))
            .map_err(|error| match error {
                NetError::Timeout if servers.have_answered => NameError::Slow {
                    name: name.to_owned(),
                    servers: conf.told(),
                    waited: start.elapsed(),
                },
                error => failure(name, &conf, error, start.elapsed()),
            })
    }

    /// For whoever was not even asked.
    pub(super) fn silence(&self, name: &str, waited: Duration) -> NameError {
        let conf = ResolvConf::read(&self.resolv_conf);
        failure(name, &conf, NetError::Timeout, waited)
    }
}

/// In seconds.
fn tenths(waited: Duration) -> f32 {
    (waited.as_secs_f32() * 10.0).round() / 10.0
}

fn is_localhost(name: &str) -> bool {
    let name = name.trim_end_matches('.').to_ascii_lowercase();
    name == "localhost" || name.ends_with(".localhost")
}

fn is_unknown(error: &NetError) -> bool {
    matches!(error, NetError::Dns(DnsError::NoRecordsFound(_)))
}

/// Whether nothing came from a server.
fn is_silence(error: &NetError) -> bool {
    matches!(error, NetError::Timeout | NetError::Io(_))
}

fn failure(name: &str, conf: &ResolvConf, error: NetError, waited: Duration) -> NameError {
    let name = name.to_owned();
    let servers = conf.told();
    match error {
        NetError::Timeout => NameError::Silence {
            name,
            servers,
            waited,
        },
        error if is_unknown(&error) => NameError::Unknown { name, servers },
        error => NameError::Failed {
            name,
            servers,
            source: Box::new(error),
        },
    }
}

/// The name servers, the next to be asked first.
struct Servers {
    queue: VecDeque<NameServerConfig>,
    options: ResolverOpts,
    /// The longest that one question may take.
    patience: Duration,
    /// When the lookup is over.
    end: Instant,
    /// Something came from one of them, be it of no use.
    have_answered: bool,
}

impl Servers {
    fn of(conf: &ResolvConf, port: u16, end: Instant) -> Self {
        let queue = conf.servers.iter().map(|server| at_port(*server, port));
        let mut options = ResolverOpts::default();
        options.attempts = 0;
        options.edns0 = false;
        options.cache_size = 0;
        options.use_hosts_file = ResolveHosts::Never;
        Self {
            queue: queue.collect(),
            options,
            patience: conf.timeout,
            end,
            have_answered: false,
        }
    }

    /// The addresses of the first name that has some.
    async fn ask_for_each(&mut self, names: Vec<String>) -> Result<Vec<IpAddr>, NetError> {
        let mut failed = None;
        for name in names {
            match self.ask(&name).await {
                Ok(found) => return Ok(found),
                // Nobody answers for another name either.
                Err(error) if is_silence(&error) => return Err(error),
                Err(error) => failed = failed.filter(|_| is_unknown(&error)).or(Some(error)),
            }
        }
        Err(failed.unwrap_or(NetError::NoConnections))
    }

    /// The addresses from the first server that knows whether there are any. One that does not answer
    /// well is not asked first again. Of several failures what a server said counts, not another's silence.
    async fn ask(&mut self, name: &str) -> Result<Vec<IpAddr>, NetError> {
        let mut name = Name::from_str_relaxed(name)?;
        name.set_fqdn(true);
        let mut failed = None;
        for left in (0..self.queue.len()).rev() {
            let Some(server) = self.queue.front().cloned() else {
                break;
            };
            self.options.timeout = self.turn(left);
            let answer = self.ask_one(server, &name).await;
            self.have_answered |= !answer.as_ref().is_err_and(is_silence);
            match answer {
                Err(error) if !is_unknown(&error) => {
                    failed = failed.filter(|said| !is_silence(said)).or(Some(error));
                }
                answer => return answer,
            }
            self.queue.rotate_left(1);
        }
        Err(failed.unwrap_or(NetError::NoConnections))
    }

    /// How long a server is waited for where so many are `left` after it. The last one has all the time there
    /// is; before, each has its turn, and time is left for what comes after a server that is silent.
    fn turn(&self, left: usize) -> Duration {
        let time = self.end.saturating_duration_since(Instant::now());
        let turns = match u32::try_from(left) {
            Ok(0) => 1,
            left => left.unwrap_or(u32::MAX).saturating_add(2),
        };
        self.patience.min(time / turns)
    }

    async fn ask_one(
        &self,
        server: NameServerConfig,
        name: &Name,
    ) -> Result<Vec<IpAddr>, NetError> {
        let config = ResolverConfig::from_parts(None, Vec::new(), vec![server]);
        let runtime = TokioRuntimeProvider::default();
        let mut builder = TokioResolver::builder_with_config(config, runtime);
        *builder.options_mut() = self.options.clone();
        let resolver = builder.build()?;
        let four = pin!(resolver.ipv4_lookup(name.clone()));
        let six = pin!(resolver.ipv6_lookup(name.clone()));
        let (four, six) = match select(four, six).await {
            Either::Left((Ok(four), six)) => (Ok(four), for_a_moment(six).await),
            Either::Left((four, six)) => (four, six.await),
            Either::Right((Ok(six), four)) => (for_a_moment(four).await, Ok(six)),
            Either::Right((six, four)) => (four.await, six),
        };
        both(four, six)
    }
}

async fn for_a_moment(
    lookup: impl Future<Output = Result<Lookup, NetError>>,
) -> Result<Lookup, NetError> {
    let waited = timeout(SECOND_FAMILY, lookup).await;
    waited.unwrap_or(Err(NetError::Timeout))
}

/// All addresses, if there are some; else that there are none, if both answers say so.
fn both(
    four: Result<Lookup, NetError>,
    six: Result<Lookup, NetError>,
) -> Result<Vec<IpAddr>, NetError> {
    let found: Vec<IpAddr> = [&four, &six].into_iter().flatten().flat_map(ips).collect();
    match (four, six) {
        _ if !found.is_empty() => Ok(found),
        (Err(four), Err(six)) if is_unknown(&four) => Err(six),
        (Err(error), _) | (_, Err(error)) => Err(error),
        (Ok(_), Ok(_)) => Err(NetError::Message("an answer without an address")),
    }
}

fn ips(lookup: &Lookup) -> impl Iterator<Item = IpAddr> {
    let records = lookup.answers().iter();
    records.filter_map(|record| record.data.ip_addr())
}

fn at_port(server: IpAddr, port: u16) -> NameServerConfig {
    let mut named = NameServerConfig::udp_and_tcp(server);
    for connection in &mut named.connections {
        connection.port = port;
    }
    named
}

#[cfg(test)]
#[path = "names_tests.rs"]
pub(super) mod tests;

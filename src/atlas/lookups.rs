//! Names are looked up few at a time, and each before the wait for its connection is over.

use std::fmt;
use std::future::Future;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use tokio::sync::Semaphore;
use tokio::time::timeout;

use super::names::{NameError, Names};

/// Lookups at once for one address of Atlas, as each opens sockets. Whoever waits for its turn waits no
/// longer than for its connection.
const AT_ONCE: usize = 8;

type Found = Pin<Box<dyn Future<Output = Result<Vec<IpAddr>, NameError>> + Send>>;
type Lookup = dyn Fn(String) -> Found + Send + Sync;

/// Looks names up. Clones share the places.
#[derive(Clone)]
pub(super) struct Lookups {
    places: Arc<Semaphore>,
    names: Names,
    limit: Duration,
    lookup: Arc<Lookup>,
}

impl fmt::Debug for Lookups {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lookups").finish_non_exhaustive()
    }
}

impl Lookups {
    /// As the machine's files say. A failed lookup is over, and says its reason, before a connection
    /// fails that is waited for as long as `connect_timeout`.
    pub(super) fn of_system(connect_timeout: Duration) -> Self {
        Self::in_files(Names::of_system(), connect_timeout)
    }

    fn in_files(names: Names, connect_timeout: Duration) -> Self {
        let limit = connect_timeout * 9 / 10;
        // A moment less than whoever waits for it, as it alone knows what the servers said.
        let within = limit * 49 / 50;
        let asked = names.clone();
        Self::by(names, limit, move |name| {
            let asked = asked.clone();
            Box::pin(async move { asked.look_up(&name, within).await })
        })
    }

    fn by(
        names: Names,
        limit: Duration,
        lookup: impl Fn(String) -> Found + Send + Sync + 'static,
    ) -> Self {
        Self {
            places: Arc::new(Semaphore::new(AT_ONCE)),
            names,
            limit,
            lookup: Arc::new(lookup),
        }
    }

    async fn in_turn(&self, name: &str) -> Result<Vec<IpAddr>, NameError> {
        let looked_up = async {
            // Nobody closes the places.
            let _place = self.places.acquire().await.ok();
            (self.lookup)(name.to_owned()).await
        };
        let found = timeout(self.limit, looked_up).await;
        found.unwrap_or_else(|_| Err(self.names.silence(name, self.limit)))
    }
}

impl Resolve for Lookups {
    fn resolve(&self, name: Name) -> Resolving {
        let lookups = self.clone();
        Box::pin(async move {
            let found = lookups.in_turn(name.as_str()).await?;
            let found = found.into_iter().map(|ip| SocketAddr::new(ip, 0));
            let addresses: Addrs = Box::new(found);
            Ok(addresses)
        })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use tokio::net::UdpSocket;
    use tokio::task::JoinSet;
    use tokio::time::Instant;

    use super::*;
    use crate::atlas::names::tests::Machine;
    use crate::base::chain;

    const LIMIT: Duration = Duration::from_secs(9);

    fn name() -> Name {
        "cloud.mongodb.com".parse().unwrap()
    }

    fn nobody_answers(begun: &Arc<AtomicUsize>) -> Lookups {
        let begun = Arc::clone(begun);
        Lookups::by(Names::of_system(), LIMIT, move |_| {
            begun.fetch_add(1, Ordering::SeqCst);
            Box::pin(std::future::pending())
        })
    }

    #[tokio::test]
    async fn a_name_server_that_stays_silent_holds_a_few_places_and_no_longer_than_somebody_waits()
    {
        let begun = Arc::<AtomicUsize>::default();
        let lookups = nobody_answers(&begun);
        let mut crowd = JoinSet::new();
        for _ in 0..3 * AT_ONCE {
            crowd.spawn(lookups.resolve(name()));
        }
        while begun.load(Ordering::SeqCst) < AT_ONCE {
            tokio::task::yield_now().await;
        }
        tokio::task::yield_now().await;
        assert_eq!(begun.load(Ordering::SeqCst), AT_ONCE);
        crowd.abort_all();
        while crowd.join_next().await.is_some() {}
        assert_eq!(lookups.places.available_permits(), AT_ONCE);
    }

    #[tokio::test(start_paused = true)]
    async fn who_waits_for_a_turn_is_told_why_too() {
        let lookups = nobody_answers(&Arc::default());
        let start = Instant::now();
        let mut crowd = JoinSet::new();
        for _ in 0..=AT_ONCE {
            let lookups = lookups.clone();
            crowd.spawn(async move { lookups.in_turn("cloud.mongodb.com").await });
        }
        while let Some(failed) = crowd.join_next().await {
            let text = failed.unwrap().unwrap_err().to_string();
            assert!(
                text.starts_with("no name server answered for cloud.mongodb.com in 9 s"),
                "{text}"
            );
        }
        assert_eq!(start.elapsed(), LIMIT);
    }

    #[tokio::test]
    async fn a_connection_that_fails_for_its_name_says_so_before_it_times_out() {
        let silent = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let machine = Machine::with(silent.local_addr().unwrap().port(), "nameserver 127.0.0.1");
        let connect_timeout = Duration::from_secs(1);
        let lookups = Lookups::in_files(machine.names(), connect_timeout);
        let builder = reqwest::Client::builder().no_proxy();
        let builder = builder.connect_timeout(connect_timeout);
        let http = builder.dns_resolver(lookups).build().unwrap();
        let failed = http.get("http://cloud.mongodb.com/").send().await;
        let failed = failed.unwrap_err();
        assert!(failed.is_connect(), "nothing was sent");
        let text = chain(&failed);
        assert!(
            text.contains("no name server answered for cloud.mongodb.com in 0.9 s: look whether"),
            "{text}"
        );
        assert!(text.contains("/etc/resolv.conf (127.0.0.1)"), "{text}");
    }

    #[tokio::test]
    async fn this_machine_is_found() {
        let name = "localhost".parse().unwrap();
        let lookups = Lookups::of_system(LIMIT);
        let mut found = lookups.resolve(name).await.unwrap();
        assert!(found.any(|address| address.ip().is_loopback()));
    }
}

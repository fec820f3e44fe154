//! Names are looked up few at a time.
//!
//! The system's own lookup blocks a thread until it has an answer or gives up, and nothing ends it
//! earlier. A name server that stays silent would else take, with a crowd of readers of one mount, all
//! threads that the process has for what blocks.

use std::fmt;
use std::io;
use std::net::{SocketAddr, ToSocketAddrs as _};
use std::sync::Arc;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;

/// Lookups at once for one address of Atlas. Whoever waits for its turn waits no longer than for its
/// connection.
const AT_ONCE: usize = 2;

type Lookup = dyn Fn(&str) -> io::Result<Vec<SocketAddr>> + Send + Sync;

/// Looks names up. Clones share the places.
#[derive(Clone)]
pub(super) struct Lookups {
    places: Arc<Semaphore>,
    lookup: Arc<Lookup>,
}

impl fmt::Debug for Lookups {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lookups").finish_non_exhaustive()
    }
}

impl Lookups {
    /// As the system does.
    pub(super) fn of_system() -> Self {
        Self::by(|name| Ok((name, 0).to_socket_addrs()?.collect()))
    }

    fn by(lookup: impl Fn(&str) -> io::Result<Vec<SocketAddr>> + Send + Sync + 'static) -> Self {
        Self {
            places: Arc::new(Semaphore::new(AT_ONCE)),
            lookup: Arc::new(lookup),
        }
    }
}

impl Resolve for Lookups {
    fn resolve(&self, name: Name) -> Resolving {
        let Self { places, lookup } = self.clone();
        Box::pin(async move {
            let place = places.acquire_owned().await?;
            // One that has begun goes on to its end, whoever still waits for it, and keeps its place.
            let found = spawn_blocking(move || {
                let _place = place;
                lookup(name.as_str())
            });
            let addresses: Addrs = Box::new(found.await??.into_iter());
            Ok(addresses)
        })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::mpsc;
    use std::time::Duration;

    use tokio::time::timeout;

    use super::*;

    fn name() -> Name {
        "cloud.mongodb.com".parse().unwrap()
    }

    #[tokio::test]
    async fn a_name_server_that_stays_silent_holds_two_threads() {
        let (answer, answers) = mpsc::channel::<()>();
        let (begun, answers) = (Arc::<AtomicUsize>::default(), Mutex::new(answers));
        let lookups = Lookups::by({
            let begun = Arc::clone(&begun);
            move |_| {
                begun.fetch_add(1, Ordering::SeqCst);
                answers.lock().unwrap().recv().map_err(io::Error::other)?;
                Ok(vec![SocketAddr::from(([192, 0, 2, 1], 0))])
            }
        });
        // Whoever gives up leaves what was begun behind.
        for _ in 0..4 {
            let waited = timeout(Duration::from_millis(20), lookups.resolve(name()));
            assert!(waited.await.is_err());
        }
        let mut third = tokio::task::JoinSet::new();
        third.spawn(lookups.resolve(name()));
        while begun.load(Ordering::SeqCst) < AT_ONCE {
            tokio::task::yield_now().await;
        }
        assert_eq!(begun.load(Ordering::SeqCst), AT_ONCE);
        for _ in 0..=AT_ONCE {
            answer.send(()).unwrap();
        }
        let found = third.join_next().await.unwrap().unwrap();
        let found: Vec<_> = found.unwrap().collect();
        assert_eq!(found, [SocketAddr::from(([192, 0, 2, 1], 0))]);
        assert_eq!(begun.load(Ordering::SeqCst), AT_ONCE + 1);
    }

    #[tokio::test]
    async fn the_system_is_asked() {
        let name = "localhost".parse().unwrap();
        let mut found = Lookups::of_system().resolve(name).await.unwrap();
        assert!(found.any(|address| address.ip().is_loopback()));
    }
}

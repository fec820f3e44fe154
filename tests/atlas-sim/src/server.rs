//! Starts and stops the two ports.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::Router;
use chrono::{DateTime, Utc};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use crate::clock::Clock;
use crate::control;
use crate::core::Core;
use crate::gateway;
use crate::log::Exchanges;
use crate::seed::{self, Seed};
use crate::settings::Settings;
use crate::wire::{Listener, Peer};

/// How to start.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Port of the API; 0 for any free one.
    pub api_port: u16,
    /// Port of the control interface; 0 for any free one.
    pub control_port: u16,
    /// File that every exchange of the API is appended to, one JSON object a line.
    pub exchanges: Option<PathBuf>,
    /// Public and private key of the seed's API key; made up if absent.
    pub seed_key: Option<(String, String)>,
    /// Other settings than the defaults.
    pub settings: Option<Settings>,
}

/// What both ports share.
#[derive(Debug)]
pub(crate) struct Sim {
    core: Mutex<Core>,
    pub(crate) clock: Clock,
    pub(crate) exchanges: Option<Exchanges>,
    /// Address of the API, `http://127.0.0.1:port`.
    pub(crate) base: String,
    pub(crate) seed: Seed,
    initial: Settings,
}

impl Sim {
    /// The state; never held across an await.
    pub(crate) fn lock(&self) -> MutexGuard<'_, Core> {
        self.core.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The state, in which all has happened that was due by then.
    pub(crate) fn caught_up(&self, now: DateTime<Utc>) -> MutexGuard<'_, Core> {
        let mut guard = self.lock();
        let core = &mut *guard;
        core.world.catch_up(&core.settings, now);
        guard
    }

    /// Back to the seed, the first settings and the machine's time.
    pub(crate) fn reset(&self) {
        self.clock.reset();
        let mut core = self.lock();
        *core = Core {
            settings: self.initial.clone(),
            ..Core::default()
        };
        self.seed.plant(&mut core.world, self.clock.now());
    }
}

/// A running simulator; dropping it stops it.
#[derive(Debug)]
pub struct Running {
    sim: Arc<Sim>,
    control: String,
    tasks: JoinSet<io::Result<()>>,
}

impl Running {
    /// Address of the API, such as `http://127.0.0.1:4000`.
    #[must_use]
    pub fn api(&self) -> &str {
        &self.sim.base
    }

    /// Address of the control port.
    #[must_use]
    pub fn control(&self) -> &str {
        &self.control
    }

    /// What exists from the start.
    #[must_use]
    pub fn seed(&self) -> &Seed {
        &self.sim.seed
    }

    /// Serves until one of the ports fails.
    pub async fn serve(mut self) -> io::Result<()> {
        match self.tasks.join_next().await {
            Some(Ok(result)) => result,
            Some(Err(error)) => Err(io::Error::other(error)),
            None => Ok(()),
        }
    }
}

/// Binds both ports on the loopback address and starts to serve.
pub async fn start(options: Options) -> io::Result<Running> {
    let api = bind(options.api_port).await?;
    let control = bind(options.control_port).await?;
    let exchanges = options
        .exchanges
        .as_deref()
        .map(Exchanges::open)
        .transpose()?;
    let seed = seed::make(options.seed_key);
    let sim = Arc::new(Sim {
        core: Mutex::default(),
        clock: Clock::default(),
        exchanges,
        base: format!("http://{}", api.local_addr()?),
        seed,
        initial: options.settings.unwrap_or_default(),
    });
    sim.reset();
    let control_base = format!("http://{}", control.local_addr()?);
    let mut tasks = JoinSet::new();
    let service = Router::new()
        .fallback(gateway::serve)
        .with_state(Arc::clone(&sim))
        .into_make_service_with_connect_info::<Peer>();
    tasks.spawn(async move { axum::serve(Listener(api), service).await });
    let service = control::router(Arc::clone(&sim));
    tasks.spawn(async move { axum::serve(control, service).await });
    Ok(Running {
        sim,
        control: control_base,
        tasks,
    })
}

async fn bind(port: u16) -> io::Result<TcpListener> {
    TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, port))).await
}

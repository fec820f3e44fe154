//! Hours and days of encrypted projects: the clocks of plugin and simulator are turned, and the server's
//! own periodic runs do the rest.

use std::time::{Duration, Instant};

use super::customer::{Customer, text};
use crate::support::{Bao, Mount};

/// A few periodic runs.
const LIMIT: Duration = Duration::from_mins(4);

/// A customer on a server of its own, whose plugin's clock can be turned.
pub(super) struct Timed {
    pub(super) bao: Bao,
    pub(super) customer: Customer,
}

impl Timed {
    pub(super) async fn new() -> Self {
        let bao = Bao::dev_with_clock();
        let mount = Mount::on(&bao.client()).await;
        mount.configure().await;
        let customer = Customer::of(mount).await;
        Self { bao, customer }
    }

    /// Time passes, for the plugin, Atlas and Azure.
    pub(super) async fn passes(&self, by: Duration) {
        self.customer.mount.atlas.turn_clock(by).await;
        self.bao.clock.as_ref().expect("a clock to turn").turn(by);
    }

    /// Waits until the project's entry is in this state.
    pub(super) async fn reaches(&self, project: &str, state: &str) {
        self.until(&format!("{project} {state}"), async || {
            self.customer.state(project).await == state
        })
        .await;
    }

    pub(super) async fn until(&self, what: &str, is: impl AsyncFn() -> bool) {
        let give_up = Instant::now() + LIMIT;
        while !is().await {
            let now = self.customer.mount.list("encryption-at-rest/azure").await;
            let mut read = Vec::new();
            if Instant::now() >= give_up {
                for key in now.data()["keys"].as_array().expect("a list") {
                    let project = key.as_str().expect("an id");
                    read.push(self.customer.read(project).await);
                }
            }
            assert!(Instant::now() < give_up, "in vain: {what}: {read:#?}");
            tokio::time::sleep(Duration::from_millis(300)).await;
        }
    }

    /// What the project shows.
    pub(super) async fn shows(&self, project: &str, name: &str) -> serde_json::Value {
        self.customer.read(project).await.data()[name].clone()
    }

    /// A text of that.
    pub(super) async fn shown(&self, project: &str, name: &str) -> String {
        text(self.customer.read(project).await.data(), name)
    }
}

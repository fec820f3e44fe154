//! Mounts that lost their backend, and what an operator does about them.
//!
//! A server that is told to reload a plugin ends its process and starts another. If that one is
//! killed before it is set up, the server leaves the mount without a backend, and may go on to use
//! the dead process for every mount of the plugin. No plugin can help that; a reload, and if that
//! fails a restart of the server, does. Whatever else takes a mount away is a fault.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::run::{Soak, ask, lock};
use crate::support::{Answer, Mount};

/// A new leader has its mounts some time after it is active, and a killed plugin is started anew.
const SERVES_WITHIN: Duration = Duration::from_mins(1);

/// Long enough for a plugin that was killed to be noticed and started anew.
const COMES_BACK_WITHIN: Duration = Duration::from_secs(5);

impl Soak {
    fn mounts(&self) -> [&Mount; 2] {
        [&self.stage.app, &self.stage.root]
    }

    /// Every mount answers, without anybody's help.
    pub(super) async fn all_serve(&self) -> Result<(), String> {
        for mount in self.mounts() {
            if let Some(last) = is_silent(mount, SERVES_WITHIN).await {
                let path = &mount.path;
                let log = self.stage.bao.log.text();
                let why: Vec<&str> = log
                    .lines()
                    .filter(|line| line.contains("failed to create mount entry"))
                    .collect();
                return Err(format!("{path} does not come back: {last:?}; {why:?}"));
            }
        }
        Ok(())
    }

    /// After a reload that a kill of the plugin may have met: reloads again, restarts the server
    /// where that does not help, and revokes what could not be revoked meanwhile.
    pub(super) async fn mend(&mut self) -> Result<(), String> {
        let mut silent = 0;
        for mount in self.mounts() {
            silent += usize::from(is_silent(mount, COMES_BACK_WITHIN).await.is_some());
        }
        if silent == 0 {
            return Ok(());
        }
        lock(&self.outcomes).without_backend += silent;
        let body = json!({ "plugin": "mongodbatlas" });
        let client = self.stage.app.client.clone();
        let path = "sys/plugins/reload/backend";
        if !client.write(path, body).await.ok() {
            self.stage.bao.restart().await;
        }
        self.all_serve().await?;
        let leases = client.read("sys/leases?type=irrevocable").await;
        let leases = leases.data()["leases"].as_array().cloned();
        for lease in leases.unwrap_or_default() {
            let lease = lease["lease_id"].as_str().expect("an id").to_owned();
            self.revoke(lease).await;
        }
        Ok(())
    }
}

/// The last answer of a mount that gives none of its own for so long.
async fn is_silent(mount: &Mount, limit: Duration) -> Option<Option<Answer>> {
    let give_up = Instant::now() + limit;
    loop {
        let answer = ask(mount, "GET", "config", None::<Value>).await;
        if answer.as_ref().is_some_and(Answer::ok) {
            return None;
        }
        if Instant::now() > give_up {
            return Some(answer);
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

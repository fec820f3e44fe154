//! The host's storage and system view, asked over the brokered connection.

use std::future::Future;
use std::mem::take;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use tokio::time::timeout;
use tonic::{Code, Response as Reply, Status};

use super::pb::pb;
use super::pb::pb::storage_client::StorageClient;
use super::pb::pb::system_view_client::SystemViewClient;
use super::storage::{Storage, StorageEntry, StorageError, page_of};
use super::system_view::{Replication, SystemView, SystemViewError};
use crate::base::Sensitive;
use crate::base::time::from_go_nanos;
use crate::goplugin::Channel;

/// Go's largest message; values up to it pass.
pub(super) const MAX_MESSAGE_BYTES: usize = i32::MAX as usize;

/// Storage may have to wait for a quorum; past this the request fails rather than hangs.
const STORAGE_DEADLINE: Duration = Duration::from_secs(20);
const SYSTEM_VIEW_DEADLINE: Duration = Duration::from_secs(5);
/// A server that stands still for some seconds while it unseals is waited for: a set-up that fails
/// leaves the mount without a backend until somebody reloads it.
const PROBE_DEADLINE: Duration = Duration::from_secs(20);

/// What the host says in a probe, where a mount has no storage.
const MISSING_STORAGE: &str = "missing storage";

/// Storage of one mount, served by the host.
pub(super) struct HostStorage {
    client: StorageClient<Channel>,
    /// Cleared once the host turned out not to know `ListPage` (`HashiCorp` Vault).
    pages: AtomicBool,
}

impl HostStorage {
    pub(super) fn new(channel: Channel) -> Self {
        let client = StorageClient::with_origin(channel, Channel::origin())
            .max_decoding_message_size(MAX_MESSAGE_BYTES)
            .max_encoding_message_size(MAX_MESSAGE_BYTES);
        Self {
            client,
            pages: AtomicBool::new(true),
        }
    }

    /// Whether calls get through at all. With TLS 1.3 the host judges our certificate only after
    /// our handshake is done, so without this a broken connection would show much later.
    pub(super) async fn probe(&self) -> Result<(), String> {
        let mut client = self.client.clone();
        match timeout(PROBE_DEADLINE, client.is_transactional(pb::Empty {})).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(status)) if status.code() == Code::Unimplemented => Ok(()),
            Ok(Err(status)) if status.message().starts_with(MISSING_STORAGE) => Ok(()),
            Ok(Err(status)) => Err(status_text(&status)),
            Err(_) => Err(timed_out(PROBE_DEADLINE)),
        }
    }
}

fn status_text(status: &Status) -> String {
    format!("{}: {}", status.code(), status.message())
}

fn timed_out(deadline: Duration) -> String {
    format!("timed out after {} s", deadline.as_secs())
}

/// Both ways in which storage says no become one error; `refusal` picks the text of an answer.
async fn ask<T>(
    operation: &'static str,
    key: &str,
    call: impl Future<Output = Result<Reply<T>, Status>>,
    refusal: impl FnOnce(&mut T) -> String,
) -> Result<T, StorageError> {
    let no_answer = |reason| StorageError::NoAnswer {
        operation,
        key: key.to_owned(),
        reason,
    };
    let mut answer = match timeout(STORAGE_DEADLINE, call).await {
        Ok(Ok(reply)) => reply.into_inner(),
        Ok(Err(status)) => return Err(no_answer(status_text(&status))),
        Err(_) => return Err(no_answer(timed_out(STORAGE_DEADLINE))),
    };
    let text = refusal(&mut answer);
    if text.is_empty() {
        Ok(answer)
    } else {
        Err(StorageError::Refused(text))
    }
}

#[async_trait]
impl Storage for HostStorage {
    async fn get(&self, key: &str) -> Result<Option<StorageEntry>, StorageError> {
        let mut client = self.client.clone();
        let args = pb::StorageGetArgs {
            key: key.to_owned(),
            txn: String::new(),
        };
        let answer = ask("get", key, client.get(args), |reply| take(&mut reply.err)).await?;
        Ok(answer.entry.map(|entry| StorageEntry {
            key: entry.key,
            value: entry.value,
            seal_wrap: entry.seal_wrap,
        }))
    }

    async fn put(&self, entry: StorageEntry) -> Result<(), StorageError> {
        let mut client = self.client.clone();
        let key = entry.key.clone();
        let entry = pb::StorageEntry {
            key: entry.key,
            value: entry.value,
            seal_wrap: entry.seal_wrap,
        };
        let args = pb::StoragePutArgs {
            entry: Some(entry),
            txn: String::new(),
        };
        ask("put", &key, client.put(args), |reply| take(&mut reply.err))
            .await
            .map(drop)
    }

    async fn delete(&self, key: &str) -> Result<(), StorageError> {
        let mut client = self.client.clone();
        let args = pb::StorageDeleteArgs {
            key: key.to_owned(),
            txn: String::new(),
        };
        ask("delete", key, client.delete(args), |reply| {
            take(&mut reply.err)
        })
        .await
        .map(drop)
    }

    async fn list(&self, prefix: &str) -> Result<Vec<String>, StorageError> {
        let mut client = self.client.clone();
        let args = pb::StorageListArgs {
            prefix: prefix.to_owned(),
            txn: String::new(),
        };
        let answer = ask("list", prefix, client.list(args), |reply| {
            take(&mut reply.err)
        })
        .await?;
        Ok(page_of(answer.keys, "", usize::MAX))
    }

    async fn list_page(
        &self,
        prefix: &str,
        after: &str,
        limit: usize,
    ) -> Result<Vec<String>, StorageError> {
        if self.pages.load(Ordering::Relaxed) {
            let mut client = self.client.clone();
            let args = pb::StorageListPageArgs {
                prefix: prefix.to_owned(),
                after: after.to_owned(),
                limit: i32::try_from(limit).unwrap_or(i32::MAX),
                txn: String::new(),
            };
            let call = async {
                match client.list_page(args).await {
                    Err(status) if status.code() == Code::Unimplemented => {
                        self.pages.store(false, Ordering::Relaxed);
                        Ok(Reply::new(None))
                    }
                    other => other.map(|reply| Reply::new(Some(reply.into_inner()))),
                }
            };
            let refusal = |reply: &mut Option<pb::StorageListReply>| {
                reply
                    .as_mut()
                    .map(|reply| take(&mut reply.err))
                    .unwrap_or_default()
            };
            if let Some(answer) = ask("list", prefix, call, refusal).await? {
                return Ok(answer.keys);
            }
        }
        Ok(page_of(self.list(prefix).await?, after, limit))
    }
}

/// The host's view of one mount.
pub(super) struct HostSystemView {
    client: SystemViewClient<Channel>,
}

impl HostSystemView {
    pub(super) fn new(channel: Channel) -> Self {
        Self {
            client: SystemViewClient::with_origin(channel, Channel::origin()),
        }
    }
}

async fn question<T>(
    question: &'static str,
    call: impl Future<Output = Result<Reply<T>, Status>>,
) -> Result<T, SystemViewError> {
    match timeout(SYSTEM_VIEW_DEADLINE, call).await {
        Ok(Ok(reply)) => Ok(reply.into_inner()),
        Ok(Err(status)) => Err(SystemViewError {
            question,
            reason: status_text(&status),
            // As the host's side of it answers; a connection that breaks has other codes.
            refused: matches!(
                status.code(),
                Code::Internal | Code::InvalidArgument | Code::NotFound
            ),
        }),
        Err(_) => Err(SystemViewError {
            question,
            reason: timed_out(SYSTEM_VIEW_DEADLINE),
            refused: false,
        }),
    }
}

#[async_trait]
impl SystemView for HostSystemView {
    async fn default_lease_ttl(&self) -> Result<Duration, SystemViewError> {
        let mut client = self.client.clone();
        let answer = question(
            "the default lease TTL",
            client.default_lease_ttl(pb::Empty {}),
        );
        Ok(from_go_nanos(answer.await?.ttl))
    }

    async fn max_lease_ttl(&self) -> Result<Duration, SystemViewError> {
        let mut client = self.client.clone();
        let answer = question("the max lease TTL", client.max_lease_ttl(pb::Empty {}));
        Ok(from_go_nanos(answer.await?.ttl))
    }

    async fn tainted(&self) -> Result<bool, SystemViewError> {
        let mut client = self.client.clone();
        Ok(
            question("whether the mount is tainted", client.tainted(pb::Empty {}))
                .await?
                .tainted,
        )
    }

    async fn replication(&self) -> Result<Replication, SystemViewError> {
        let mut client = self.client.clone();
        let answer = question(
            "the replication state",
            client.replication_state(pb::Empty {}),
        );
        Ok(Replication(answer.await?.state))
    }

    async fn local_mount(&self) -> Result<bool, SystemViewError> {
        let mut client = self.client.clone();
        Ok(question(
            "whether the mount is local",
            client.local_mount(pb::Empty {}),
        )
        .await?
        .local)
    }

    async fn server_version(&self) -> Result<String, SystemViewError> {
        let mut client = self.client.clone();
        let answer = question("the server's version", client.plugin_env(pb::Empty {})).await?;
        Ok(answer
            .plugin_environment
            .map(|env| env.vault_version)
            .unwrap_or_default())
    }

    async fn password_of(&self, policy: &str) -> Result<Sensitive, SystemViewError> {
        let mut client = self.client.clone();
        let request = pb::GeneratePasswordFromPolicyRequest {
            policy_name: policy.to_owned(),
        };
        let answer = question(
            "a password by a policy",
            client.generate_password_from_policy(request),
        );
        Ok(Sensitive::new(answer.await?.password))
    }
}

#[cfg(test)]
mod tests {
    use tokio::net::UnixListener;
    use tokio::time::sleep;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_host_that_stands_still_for_some_seconds_does_not_lose_the_mount() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("slow");
        let listener = UnixListener::bind(&path).unwrap();
        let stall = async {
            sleep(Duration::from_secs(15)).await;
            drop(listener.accept().await);
        };
        let storage = HostStorage::new(Channel::to(path));
        let (outcome, ()) = tokio::join!(storage.probe(), stall);
        let reason = outcome.unwrap_err();
        assert!(!reason.contains("timed out"), "{reason}");
    }
}

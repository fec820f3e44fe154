//! One mount of the process, and the table in which it is found by its multiplexing id.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tonic::Status;
use tonic::metadata::MetadataMap;
use tracing::Instrument as _;

use super::backend::Backend;
use super::failure::Failure;
use super::request::{Request, Response};
use super::tasks::{Closed, Tasks};

/// The metadata key by which the host names an instance.
const MULTIPLEX_ID: &str = "multiplex_id";

/// How long Cleanup waits for work under way: what changes Atlas should reach an end that storage
/// knows of before storage goes.
const CLEANUP_GRACE: Duration = Duration::from_secs(5);

/// One mount: its backend and its tasks.
#[derive(Clone)]
pub(super) struct Instance {
    pub(super) backend: Arc<dyn Backend>,
    pub(super) tasks: Tasks,
    /// The mount's UUID, for log lines; empty in probes.
    pub(super) uuid: String,
}

impl Instance {
    fn span(&self, operation: &'static str) -> tracing::Span {
        tracing::info_span!("mount", mount = %self.uuid, operation)
    }

    /// Handles a request in a task of its own: it ends orderly when the host gives up.
    pub(super) async fn handle(&self, request: Request) -> Result<Option<Response>, Failure> {
        let span = self.span(request.operation.word());
        let backend = Arc::clone(&self.backend);
        let work = async move { backend.handle(request).await };
        self.tasks.to_the_end(work).instrument(span).await?
    }

    /// Asks whether the object of a write exists.
    pub(super) async fn exists(&self, request: Request) -> Result<Option<bool>, Failure> {
        let span = self.span("existence-check");
        let backend = Arc::clone(&self.backend);
        let work = async move { backend.exists(request).await };
        self.tasks.to_the_end(work).instrument(span).await?
    }

    /// Prepares the mount for requests.
    pub(super) async fn initialize(&self) -> Result<(), Failure> {
        let span = self.span("initialize");
        let backend = Arc::clone(&self.backend);
        let work = async move { backend.initialize().await };
        self.tasks.to_the_end(work).instrument(span).await?
    }

    /// Ends the mount's tasks.
    pub(super) async fn close(&self, grace: Duration) {
        if self.tasks.close(grace).await == Closed::CutShort {
            tracing::warn!(
                mount = %self.uuid,
                grace_seconds = grace.as_secs_f32(),
                "mount closed while work was in progress; the next periodic run checks its \
                 journal entries"
            );
        }
    }
}

/// The mounts of the process.
#[derive(Default)]
pub(super) struct Instances {
    by_id: Mutex<HashMap<String, Instance>>,
}

impl Instances {
    fn table(&self) -> MutexGuard<'_, HashMap<String, Instance>> {
        self.by_id.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The id that a call carries: exactly one, and not empty.
    pub(super) fn id(metadata: &MetadataMap) -> Result<String, Status> {
        let mut values = metadata.get_all(MULTIPLEX_ID).iter();
        match (values.next(), values.next()) {
            (Some(id), None) if !id.is_empty() => id
                .to_str()
                .map(ToOwned::to_owned)
                .map_err(|_| Status::invalid_argument("multiplex_id is not printable ASCII")),
            (Some(_), None) => Err(Status::invalid_argument("multiplex_id is empty")),
            (None, _) => Err(Status::invalid_argument("the call carries no multiplex_id")),
            (Some(_), Some(_)) => Err(Status::invalid_argument(
                "the call carries more than one multiplex_id",
            )),
        }
    }

    /// The instance that a call is for.
    pub(super) fn of(&self, metadata: &MetadataMap) -> Result<Instance, Status> {
        let id = Self::id(metadata)?;
        self.table().get(&id).cloned().ok_or_else(no_instance)
    }

    pub(super) fn contains(&self, id: &str) -> bool {
        self.table().contains_key(id)
    }

    /// Puts the instance into the table; gives it back if the id has been taken meanwhile.
    pub(super) fn insert(&self, id: String, instance: Instance) -> Result<(), Instance> {
        match self.table().entry(id) {
            Entry::Occupied(_) => Err(instance),
            Entry::Vacant(place) => {
                place.insert(instance);
                Ok(())
            }
        }
    }

    /// Takes the instance of a call out of the table and ends it.
    pub(super) async fn clean_up(&self, metadata: &MetadataMap) -> Result<(), Status> {
        let id = Self::id(metadata)?;
        let instance = self.table().remove(&id).ok_or_else(no_instance)?;
        instance.close(CLEANUP_GRACE).await;
        Ok(())
    }

    /// Ends every instance, all at the same time.
    pub(super) async fn close_all(&self, grace: Duration) {
        let instances: Vec<Instance> = self.table().drain().map(|(_, instance)| instance).collect();
        futures_util::future::join_all(instances.iter().map(|instance| instance.close(grace)))
            .await;
    }
}

/// The words of the Go SDK, which operators may search for.
fn no_instance() -> Status {
    Status::unknown("no backend instance found")
}

#[cfg(test)]
mod tests {
    use tonic::metadata::MetadataValue;

    use super::*;

    #[test]
    fn an_id_is_one_and_not_empty() {
        let mut metadata = MetadataMap::new();
        assert!(Instances::id(&metadata).is_err());
        metadata.insert(MULTIPLEX_ID, MetadataValue::from_static(""));
        assert!(Instances::id(&metadata).is_err());
        metadata.insert(MULTIPLEX_ID, MetadataValue::from_static("a1B2"));
        assert_eq!(Instances::id(&metadata).unwrap(), "a1B2");
        metadata.append(MULTIPLEX_ID, MetadataValue::from_static("c3D4"));
        assert!(Instances::id(&metadata).is_err());
    }

    #[tokio::test]
    async fn an_unknown_id_is_refused_in_the_words_of_the_sdk() {
        let instances = Instances::default();
        let mut metadata = MetadataMap::new();
        metadata.insert(MULTIPLEX_ID, MetadataValue::from_static("a1B2"));
        assert_eq!(
            instances.of(&metadata).err().unwrap().message(),
            "no backend instance found"
        );
        assert!(instances.clean_up(&metadata).await.is_err());
    }
}

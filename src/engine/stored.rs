//! Reading and writing stored shapes: JSON, as the Go engine writes it.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::error::EngineError;
use crate::base::Sensitive;
use crate::vault::{Storage, StorageEntry};

/// The shape stored at a key; [`None`] if there is nothing.
pub(super) async fn load<T: DeserializeOwned>(
    storage: &dyn Storage,
    key: &str,
) -> Result<Option<T>, EngineError> {
    let Some(entry) = storage.get(key).await? else {
        return Ok(None);
    };
    serde_json::from_slice(&entry.value)
        .map(Some)
        .map_err(|error| EngineError::unreadable(key, &error))
}

/// Stores a shape; `seal_wrap` asks for a second encryption where the seal supports it.
pub(super) async fn save<T: Serialize>(
    storage: &dyn Storage,
    key: String,
    value: &T,
    seal_wrap: bool,
) -> Result<(), EngineError> {
    let value = serde_json::to_vec(value).map_err(|error| EngineError::unreadable(&key, &error))?;
    Ok(storage
        .put(StorageEntry {
            key,
            value,
            seal_wrap,
        })
        .await?)
}

/// For `#[serde(deserialize_with = "…")]`: Go writes an empty list or map as `null`.
pub(super) fn null_as_default<'de, T, D>(deserializer: D) -> Result<T, D::Error>
where
    T: Default + Deserialize<'de>,
    D: Deserializer<'de>,
{
    Option::<T>::deserialize(deserializer).map(Option::unwrap_or_default)
}

/// For `#[serde(serialize_with = "…")]`: a stored shape's opting in to plain text.
pub(super) fn plain_text<S: Serializer>(
    value: &Sensitive,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(value.expose())
}

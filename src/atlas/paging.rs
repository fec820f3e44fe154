//! Lists that Atlas answers page by page.

use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::call::{Call, Patience};
use super::client::Atlas;
use super::error::{AnswerFault, AtlasError};

/// The largest page Atlas gives.
const ITEMS_PER_PAGE: usize = 500;
/// Far more than Atlas's own limits on what an organization can hold.
const MAX_PAGES: u32 = 100;

#[derive(Deserialize)]
pub(super) struct Page<T> {
    pub(super) results: Vec<T>,
}

impl Atlas {
    /// Walks all pages of a list and keeps what `keep` makes of each item.
    ///
    /// The total that Atlas names is an estimate, so the walk ends with the first page that is not
    /// full. Nothing holds the list still meanwhile: an item may be missed while others go.
    pub(super) async fn walk<T: DeserializeOwned, U>(
        &self,
        call: Call,
        patience: Patience,
        mut keep: impl FnMut(T) -> Option<U>,
    ) -> Result<Vec<U>, AtlasError> {
        let operation = call.operation;
        let list = call.target;
        let mut call = Call {
            target: String::new(),
            ..call
        };
        let mut kept = Vec::new();
        for page in 1..=MAX_PAGES {
            call.target = format!("{list}?itemsPerPage={ITEMS_PER_PAGE}&pageNum={page}");
            let Page { results }: Page<T> = self.fetch(&call, patience).await?;
            let full = results.len() >= ITEMS_PER_PAGE;
            kept.extend(results.into_iter().filter_map(&mut keep));
            if !full {
                return Ok(kept);
            }
        }
        Err(AtlasError::MalformedAnswer {
            operation,
            source: AnswerFault::Endless {
                max_pages: MAX_PAGES,
            },
        })
    }
}

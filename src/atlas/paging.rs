//! Lists that Atlas answers page by page.

use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::api_keys::null_as_default;
use super::call::{Call, RequestBudget};
use super::client::Atlas;
use super::error::{AnswerFault, AtlasError};

/// The largest page Atlas gives.
pub(super) const ITEMS_PER_PAGE: usize = 500;
/// Far more than Atlas's own limits on what an organization can hold.
const MAX_PAGES: u32 = 100;

/// One page. Without its results it is none of Atlas's.
#[derive(Deserialize)]
pub(super) struct Page<T> {
    pub(super) results: Vec<T>,
    #[serde(default, deserialize_with = "null_as_default")]
    links: Vec<Link>,
}

/// Its address is never followed: recorded ones name an internal host.
#[derive(Deserialize)]
struct Link {
    #[serde(default, deserialize_with = "null_as_default")]
    rel: String,
}

impl<T> Page<T> {
    /// Whether another page may follow: this one is full, or links a next one, as it does should Atlas
    /// give smaller pages than were asked for.
    pub(super) fn may_go_on(&self) -> bool {
        self.results.len() >= ITEMS_PER_PAGE || self.links_next()
    }

    fn links_next(&self) -> bool {
        self.links.iter().any(|link| link.rel == "next")
    }
}

impl Atlas {
    /// Walks all pages of a list and keeps what `keep` makes of each item.
    ///
    /// The total that Atlas names is an estimate, so the walk ends with the first page that is neither
    /// full nor links another; an empty one that does is none of Atlas's, and proves nothing. Nothing holds the list still meanwhile: an item may be missed while others go.
    pub(super) async fn walk<T: DeserializeOwned + Send + 'static, U>(
        &self,
        call: Call,
        budget: RequestBudget,
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
            let page: Page<T> = self.fetch(&call, budget).await?;
            if page.results.is_empty() && page.links_next() {
                let source = AnswerFault::EmptyPage;
                return Err(AtlasError::MalformedAnswer { operation, source });
            }
            let goes_on = page.may_go_on();
            kept.extend(page.results.into_iter().filter_map(&mut keep));
            if !goes_on {
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

//! Lists page by page, links, and the envelope.

use serde_json::{Map, Value, json};

use crate::errors::ApiError;
use crate::http::{Answer, Query};
use crate::settings::Settings;

/// Host of every link: an internal one, as in recorded answers, that no client may follow.
const LINK_HOST: &str = "http://atlas-internal.invalid:8080";

/// Which page a request wants.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Page {
    number: usize,
    size: usize,
    count: bool,
}

impl Page {
    /// Reads `pageNum`, `itemsPerPage` and `includeCount`.
    pub(crate) fn of(query: &Query, settings: &Settings) -> Result<Self, ApiError> {
        let number = |name: &str, default: usize, max: usize| match query.get(name) {
            None => Ok(default),
            Some(text) => text
                .parse::<usize>()
                .ok()
                .filter(|value| (1..=max).contains(value))
                .ok_or_else(|| {
                    let detail = format!("Invalid value of query parameter {name}.");
                    ApiError::set(&settings.bad_page, detail).with(name)
                }),
        };
        Ok(Self {
            number: number("pageNum", 1, 1_000_000)?,
            size: number("itemsPerPage", 100, 500)?,
            count: query.flag("includeCount", true)?,
        })
    }

    /// One page of `items`; only its own items are rendered.
    pub(crate) fn cut<T>(
        self,
        items: Vec<T>,
        target: &str,
        render: impl FnMut(T) -> Value,
    ) -> Answer {
        let total = items.len();
        let start = (self.number - 1).saturating_mul(self.size);
        let mut links = vec![self_link(target)];
        if self.number > 1 {
            links.push(self.neighbour("previous", target, self.number - 1));
        }
        if start.saturating_add(self.size) < total {
            links.push(self.neighbour("next", target, self.number + 1));
        }
        let page = items.into_iter().skip(start).take(self.size);
        let results: Vec<Value> = page.map(render).collect();
        let mut body = json!({"links": links, "results": results});
        if self.count {
            body["totalCount"] = json!(total);
        }
        Answer::ok(body)
    }

    fn neighbour(self, rel: &str, target: &str, number: usize) -> Value {
        let path = target.split('?').next().unwrap_or_default();
        let size = self.size;
        let count = self.count;
        let href =
            format!("{LINK_HOST}{path}?includeCount={count}&pageNum={number}&itemsPerPage={size}");
        json!({"href": href, "rel": rel})
    }
}

/// A link to the thing itself.
pub(crate) fn self_link(path: &str) -> Value {
    json!({"href": format!("{LINK_HOST}{path}"), "rel": "self"})
}

/// Wraps a body as `?envelope=true` asks: lists get a `status` beside their results, other bodies
/// become the `content`.
pub(crate) fn envelope(body: Option<Value>, status: u16) -> Value {
    match body {
        Some(Value::Object(mut list)) if list.contains_key("results") => {
            list.insert("status".to_owned(), json!(status));
            Value::Object(list)
        }
        Some(content) => json!({"status": status, "content": content}),
        None => json!({"status": status, "content": Map::new()}),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(query: &str) -> Result<Value, u16> {
        Page::of(&Query::parse(query), &Settings::default())
            .map(|page| page.cut((1..=5).collect(), "/x", |item| json!(item)))
            .map(|answer| answer.body.unwrap())
            .map_err(|error| error.status)
    }

    #[test]
    fn a_page_holds_its_items_and_links_its_neighbours() {
        let body = page("pageNum=2&itemsPerPage=2").unwrap();
        assert_eq!(body["results"], json!([3, 4]));
        assert_eq!(body["totalCount"], 5);
        let rels: Vec<&Value> = body["links"]
            .as_array()
            .unwrap()
            .iter()
            .map(|link| &link["rel"])
            .collect();
        assert_eq!(rels, ["self", "previous", "next"]);
    }

    #[test]
    fn a_page_beyond_the_end_is_empty_and_the_count_can_be_left_out() {
        let body = page("pageNum=9&includeCount=false").unwrap();
        assert_eq!(body["results"], json!([]));
        assert!(body.get("totalCount").is_none());
    }

    #[test]
    fn bad_numbers_are_refused() {
        for query in [
            "pageNum=0",
            "itemsPerPage=501",
            "itemsPerPage=x",
            "includeCount=1",
        ] {
            assert_eq!(page(query), Err(400), "{query}");
        }
    }

    #[test]
    fn the_envelope_goes_around_or_beside() {
        assert_eq!(
            envelope(Some(json!({"a": 1})), 200),
            json!({"status": 200, "content": {"a": 1}})
        );
        assert_eq!(
            envelope(Some(json!({"results": []})), 200),
            json!({"status": 200, "results": []})
        );
    }
}

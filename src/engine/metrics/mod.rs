//! `metrics`: what a monitoring system asks for every minute. Numbers alone; the labels are of fixed sets,
//! so that there are as many series with one role as with thousands, and none names anybody.
//!
//! Counters are kept by those who count, in memory and from zero when the process begins; the rest is
//! looked up when it is asked for.

mod family;
mod gather;
#[cfg(test)]
mod measure_tests;
mod scrapes;
mod stored;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod values_tests;
#[cfg(test)]
mod waits_tests;

use std::sync::Arc;

use serde_json::json;

pub(crate) use self::scrapes::Scrapes;
use super::error::EngineError;
use super::{Engine, OPERATION_PREFIX};
use crate::framework::{Answer, Call, Display, Field, Path, PathOperation};
use crate::vault::{Data, Operation, Response};

/// The path of the metrics.
pub(crate) fn paths() -> Vec<Path<Engine>> {
    vec![
        Path::new("metrics")
            .help(
                "Show the metrics of the engine.",
                "Gauges, counters and samples in the shape of sys/metrics; with format=prometheus as \
                 text that Prometheus scrapes. Counters begin at 0 with the process of the active node, \
                 which alone answers. Labels are of fixed sets: none names a role, a caller or a secret.",
            )
            .display(Display::operation(OPERATION_PREFIX, "", "metrics"))
            .field(
                Field::text("format")
                    .about("Empty for data, prometheus for the text that Prometheus scrapes."),
            )
            .operation(
                Operation::Read,
                PathOperation::new(read)
                    .summary("Show the metrics of the engine.")
                    .answers(Answer::new(200, "The metrics of the engine.", answer())),
            )
            .forwarded(),
    ]
}

fn answer() -> Vec<Field> {
    vec![
        Field::text("Timestamp").about("When the metrics were gathered."),
        Field::map("Gauges").about("Values that go up and down: Name, Labels, Value."),
        Field::map("Points").about("Always empty, as sys/metrics has it."),
        Field::map("Counters")
            .about("Values that grow while the process lives: Name, Labels, Count, Sum."),
        Field::map("Samples")
            .about("How long work took, in seconds: Name, Labels, Count, Sum, Buckets."),
    ]
}

async fn read(engine: Arc<Engine>, call: Call) -> Result<Option<Response>, EngineError> {
    let format = call.fields.text("format").unwrap_or_default();
    if !["", "prometheus"].contains(&format) {
        return Err(EngineError::BadInput(
            "format: must be empty or prometheus".to_owned(),
        ));
    }
    let families = gather::gather(&engine).await;
    if format.is_empty() {
        let now = engine.clock.now().format("%Y-%m-%d %H:%M:%S +0000 UTC");
        return Ok(Some(Response::data(families.data(&now.to_string()))));
    }
    let (content_type, text) = families.text()?;
    // The server answers with exactly this; it decodes what is Base64.
    let text = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, text);
    Ok(Some(Response::data(Data::from_iter([
        ("http_status_code".to_owned(), json!(200)),
        ("http_content_type".to_owned(), json!(content_type)),
        ("http_raw_body".to_owned(), json!(text)),
    ]))))
}

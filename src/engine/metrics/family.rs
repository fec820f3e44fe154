//! Families of metrics, and the two forms in which they are told.

use prometheus::proto::{
    Bucket, Counter, Gauge, Histogram, LabelPair, Metric, MetricFamily, MetricType,
};
use prometheus::{Encoder as _, TextEncoder};
use serde_json::{Value, json};

use crate::engine::error::EngineError;
use crate::engine::measures::{BOUNDS, Durations};
use crate::vault::Data;

/// The names of a metric's labels, each with the value of one series.
pub(super) type Labels<'a> = &'a [(&'static str, &'a str)];

/// Metrics as they are gathered, each family once and in the order in which it was first named.
#[derive(Default)]
pub(super) struct Families(Vec<MetricFamily>);

impl Families {
    /// A value that goes up and down.
    #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^53")]
    pub(super) fn gauge(&mut self, name: &str, help: &str, labels: Labels<'_>, value: usize) {
        self.measure(name, help, labels, value as f64);
    }

    /// The same, of a value that is no count.
    pub(super) fn measure(&mut self, name: &str, help: &str, labels: Labels<'_>, value: f64) {
        let mut gauge = Gauge::default();
        gauge.set_value(value);
        let mut metric = labelled(labels);
        metric.set_gauge(gauge);
        self.add(name, help, MetricType::GAUGE, metric);
    }

    /// A value that only grows while the process lives.
    #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^53")]
    pub(super) fn counter(&mut self, name: &str, help: &str, labels: Labels<'_>, value: u64) {
        self.sum(name, help, labels, value as f64);
    }

    /// The same, of a sum that is no count.
    pub(super) fn sum(&mut self, name: &str, help: &str, labels: Labels<'_>, value: f64) {
        let mut counter = Counter::default();
        counter.set_value(value);
        let mut metric = labelled(labels);
        metric.set_counter(counter);
        self.add(name, help, MetricType::COUNTER, metric);
    }

    /// How long something took.
    pub(super) fn durations(&mut self, name: &str, help: &str, labels: Labels<'_>, of: &Durations) {
        let mut so_far = 0;
        let buckets = BOUNDS.iter().zip(of.within).map(|(bound, within)| {
            so_far += within;
            let mut bucket = Bucket::default();
            bucket.set_upper_bound(*bound);
            bucket.set_cumulative_count(so_far);
            bucket
        });
        let mut histogram = Histogram::default();
        histogram.set_bucket(buckets.collect());
        histogram.set_sample_count(of.count);
        histogram.set_sample_sum(of.sum);
        let mut metric = labelled(labels);
        metric.set_histogram(histogram);
        self.add(name, help, MetricType::HISTOGRAM, metric);
    }

    fn add(&mut self, name: &str, help: &str, kind: MetricType, metric: Metric) {
        let name = format!("mongodbatlas_{name}");
        let known = self.0.iter_mut().find(|family| family.name() == name);
        if let Some(family) = known {
            family.mut_metric().push(metric);
            return;
        }
        let mut family = MetricFamily::default();
        family.set_name(name);
        family.set_help(help.to_owned());
        family.set_field_type(kind);
        family.set_metric(vec![metric]);
        self.0.push(family);
    }

    /// As Prometheus reads it.
    pub(super) fn text(&self) -> Result<(String, String), EngineError> {
        let (encoder, mut text) = (TextEncoder::new(), String::new());
        let outcome = encoder.encode_utf8(&self.0, &mut text);
        outcome.map_err(|error| EngineError::BadInput(format!("format: {error}")))?;
        Ok((encoder.format_type().to_owned(), text))
    }

    /// As `sys/metrics` of the server tells its own.
    pub(super) fn data(&self, timestamp: &str) -> Data {
        let of = |kind: MetricType| {
            let families = self.0.iter();
            let families = families.filter(move |family| family.get_field_type() == kind);
            let series = families.flat_map(|family| {
                let metrics = family.get_metric().iter();
                metrics.map(|metric| shown(family.name(), kind, metric))
            });
            series.collect::<Value>()
        };
        Data::from_iter([
            ("Timestamp".to_owned(), json!(timestamp)),
            ("Gauges".to_owned(), of(MetricType::GAUGE)),
            ("Points".to_owned(), json!([])),
            ("Counters".to_owned(), of(MetricType::COUNTER)),
            ("Samples".to_owned(), of(MetricType::HISTOGRAM)),
        ])
    }
}

fn labelled(labels: Labels<'_>) -> Metric {
    let pairs = labels.iter().map(|(name, value)| {
        let mut pair = LabelPair::default();
        pair.set_name((*name).to_owned());
        pair.set_value((*value).to_owned());
        pair
    });
    Metric::from_label(pairs.collect())
}

fn shown(name: &str, kind: MetricType, metric: &Metric) -> Value {
    let labels = metric.get_label().iter();
    let labels = labels.map(|pair| (pair.name().to_owned(), json!(pair.value())));
    let labels = Value::Object(labels.collect());
    match kind {
        MetricType::COUNTER => {
            let count = metric.get_counter().get_value();
            json!({"Name": name, "Labels": labels, "Count": count, "Sum": count})
        }
        MetricType::HISTOGRAM => {
            let histogram = metric.get_histogram();
            let (count, sum) = (histogram.get_sample_count(), histogram.get_sample_sum());
            let buckets = histogram.get_bucket().iter().map(|bucket| {
                json!({"UpperBound": bucket.upper_bound(), "Count": bucket.cumulative_count()})
            });
            let buckets = buckets.collect::<Value>();
            json!({"Name": name, "Labels": labels, "Count": count, "Sum": sum, "Buckets": buckets})
        }
        _ => json!({"Name": name, "Labels": labels, "Value": metric.get_gauge().get_value()}),
    }
}

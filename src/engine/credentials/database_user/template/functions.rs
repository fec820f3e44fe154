//! What a template can call.

use aws_lc_rs::digest;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::{Context, TemplateError, Value, go_time};
use crate::base::base62;

/// As long as a name can be.
const MOST: i64 = 1_024;
/// Characters of a checksum that stands for what was cut off.
const CHECKSUM: usize = 8;

/// The functions of Vault's templates, and Go's `printf`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Function {
    Random,
    Truncate,
    TruncateSha256,
    Uppercase,
    Lowercase,
    Replace,
    Sha256,
    Base64,
    UnixTime,
    UnixTimeMillis,
    Timestamp,
    Uuid,
    Printf,
}

/// By name, with the number of arguments; `printf` takes any number from one on.
const FUNCTIONS: [(&str, Function, usize); 13] = [
    ("random", Function::Random, 1),
    ("truncate", Function::Truncate, 2),
    ("truncate_sha256", Function::TruncateSha256, 2),
    ("uppercase", Function::Uppercase, 1),
    ("lowercase", Function::Lowercase, 1),
    ("replace", Function::Replace, 3),
    ("sha256", Function::Sha256, 1),
    ("base64", Function::Base64, 1),
    ("unix_time", Function::UnixTime, 0),
    ("unix_time_millis", Function::UnixTimeMillis, 0),
    ("timestamp", Function::Timestamp, 1),
    ("uuid", Function::Uuid, 0),
    ("printf", Function::Printf, 1),
];

impl Function {
    pub(super) fn named(name: &str) -> Option<Self> {
        let found = FUNCTIONS.iter().find(|(known, ..)| *known == name);
        found.map(|(_, function, _)| *function)
    }

    fn entry(self) -> (&'static str, usize) {
        let found = FUNCTIONS.iter().find(|(_, function, _)| *function == self);
        found.map_or(("", 0), |(name, _, arguments)| (name, *arguments))
    }

    /// Whether it takes so many arguments.
    pub(super) fn takes(self, number: usize) -> Result<(), TemplateError> {
        let (name, wanted) = self.entry();
        if number == wanted || self == Self::Printf && number > wanted {
            return Ok(());
        }
        Err(TemplateError::new(format!(
            "{name} takes {wanted} arguments, what is piped into it included, and is given {number}"
        )))
    }

    pub(super) fn call(
        self,
        arguments: Vec<Value>,
        context: &Context<'_>,
    ) -> Result<Value, TemplateError> {
        self.takes(arguments.len())?;
        let mut given = Arguments {
            function: self.entry().0,
            values: arguments.into_iter(),
        };
        let text = match self {
            Self::Random => base62(context.entropy, given.length(1)?),
            Self::Truncate => {
                let length = given.length(1)?;
                cut(&given.text()?, length).to_owned()
            }
            Self::TruncateSha256 => {
                let length = given.length(CHECKSUM + 1)?;
                truncate_sha256(&given.text()?, length)
            }
            Self::Uppercase => given.text()?.to_uppercase(),
            Self::Lowercase => given.text()?.to_lowercase(),
            Self::Replace => {
                let (find, put) = (given.text()?, given.text()?);
                replace(&given.text()?, &find, &put)?
            }
            Self::Sha256 => sha256(&given.text()?),
            Self::Base64 => STANDARD.encode(given.text()?),
            Self::UnixTime => context.now.timestamp().to_string(),
            Self::UnixTimeMillis => context.now.timestamp_millis().to_string(),
            Self::Timestamp => go_time::format(&given.text()?, context.now),
            Self::Uuid => uuid(context),
            Self::Printf => {
                let form = given.text()?;
                printf(&form, given.values)?
            }
        };
        Ok(Value::Text(text))
    }
}

/// What a function is given, one after the other.
struct Arguments {
    function: &'static str,
    values: std::vec::IntoIter<Value>,
}

impl Arguments {
    fn wrong(&self, wanted: &str) -> TemplateError {
        TemplateError::new(format!("{} wants {wanted}", self.function))
    }

    fn text(&mut self) -> Result<String, TemplateError> {
        match self.values.next() {
            Some(Value::Text(text)) => Ok(text),
            _ => Err(self.wrong("text here, in quotes, and not a number")),
        }
    }

    /// A number of characters.
    fn length(&mut self, least: usize) -> Result<usize, TemplateError> {
        let number = match self.values.next() {
            Some(Value::Number(number)) if number <= MOST => usize::try_from(number).ok(),
            _ => None,
        };
        number
            .filter(|number| *number >= least)
            .ok_or_else(|| self.wrong(&format!("a number from {least} to {MOST} first")))
    }
}

/// At most so many bytes of a text, and no half character.
fn cut(text: &str, length: usize) -> &str {
    &text[..text.floor_char_boundary(length)]
}

fn truncate_sha256(text: &str, length: usize) -> String {
    if text.len() <= length {
        return text.to_owned();
    }
    let kept = cut(text, length - CHECKSUM);
    let checksum = sha256(&text[kept.len()..]);
    format!("{kept}{}", cut(&checksum, CHECKSUM))
}

fn sha256(text: &str) -> String {
    let digest = digest::digest(&digest::SHA256, text.as_bytes());
    hex(digest.as_ref())
}

fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digits = bytes.iter().flat_map(|byte| [byte >> 4, byte & 0x0f]);
    digits
        .map(|digit| char::from(DIGITS[usize::from(digit)]))
        .collect()
}

/// An empty text would be found between any two characters, as Go has it, which nobody means.
fn replace(text: &str, find: &str, put: &str) -> Result<String, TemplateError> {
    if find.is_empty() {
        return Err(TemplateError::new("replace wants a text to look for"));
    }
    if text.matches(find).count().saturating_mul(put.len()) > super::LONGEST_VALUE {
        return Err(TemplateError::new("it gives a text that is too long"));
    }
    Ok(text.replace(find, put))
}

fn uuid(context: &Context<'_>) -> String {
    let mut bytes = [0_u8; 16];
    context.entropy.fill(&mut bytes);
    // Version 4, variant 1. Source: RFC 9562, section 5.4.
    bytes[6] = bytes[6] & 0x0f | 0x40;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let digits = hex(&bytes);
    let parts = [
        &digits[..8],
        &digits[8..12],
        &digits[12..16],
        &digits[16..20],
        &digits[20..],
    ];
    parts.join("-")
}

/// Go's `printf` with `%s`, `%v`, `%d` and `%%`.
fn printf(form: &str, mut values: std::vec::IntoIter<Value>) -> Result<String, TemplateError> {
    let mut text = String::new();
    let mut letters = form.chars();
    while let Some(letter) = letters.next() {
        if letter != '%' {
            text.push(letter);
            continue;
        }
        let verb = letters.next();
        if verb == Some('%') {
            text.push('%');
            continue;
        }
        let value = match (verb, values.next()) {
            (Some('s' | 'v'), Some(value @ Value::Text(_)))
            | (Some('d' | 'v'), Some(value @ Value::Number(_))) => value,
            (Some('s' | 'v' | 'd'), None) => {
                return Err(TemplateError::new("printf has more verbs than values"));
            }
            _ => {
                return Err(TemplateError::new(
                    "printf knows %s for text, %d for numbers, %v for both, and %%",
                ));
            }
        };
        text.push_str(&value.into_text());
    }
    if values.next().is_some() {
        return Err(TemplateError::new("printf has more values than verbs"));
    }
    Ok(text)
}

//! The form of a username, in the language in which Vault's own engines have it.
//!
//! That is Go's `text/template` with functions of Vault's. Of the language there is what makes a name: text,
//! the two values that a database engine gives, texts and numbers, calls, pipes and parentheses. Conditions,
//! loops and variables are refused where the role is written.
//! Source: Vault documentation, "Username Templating"; `sdk/helper/template` of Vault.
//!
//! An error tells where in the template something is wrong, and never repeats the template.

mod functions;
mod go_time;
mod lexer;
mod parse;
#[cfg(test)]
mod tests;

use chrono::{DateTime, Utc};

use self::functions::Function;
use crate::base::Entropy;

/// No name is longer, nor anything on the way to one.
const LONGEST_VALUE: usize = 8 * 1_024;
/// Display names and roles are seldom longer.
const LONG_VALUE: usize = 100;

/// Why a template is none, or gives no text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(in crate::engine) struct TemplateError(String);

impl TemplateError {
    fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }
}

/// A template that can be rendered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::engine) struct Template(Vec<Piece>);

/// What a template is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Text(String),
    Action(Pipeline),
}

/// Calls of which each has the result of the one before as its last argument.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Pipeline(Vec<Command>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Command {
    Value(Operand),
    Call(Function, Vec<Operand>),
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Operand {
    Text(String),
    Number(i64),
    DisplayName,
    RoleName,
    Group(Pipeline),
}

/// What an operand or a call comes to.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Value {
    Text(String),
    Number(i64),
}

/// What a template is rendered with.
pub(in crate::engine) struct Context<'a> {
    /// How the caller's token is shown to people.
    pub(in crate::engine) display_name: &'a str,
    pub(in crate::engine) role_name: &'a str,
    pub(in crate::engine) now: DateTime<Utc>,
    pub(in crate::engine) entropy: &'a dyn Entropy,
}

impl Value {
    fn into_text(self) -> String {
        match self {
            Self::Text(text) => text,
            Self::Number(number) => number.to_string(),
        }
    }
}

impl Template {
    pub(in crate::engine) fn parse(text: &str) -> Result<Self, TemplateError> {
        parse::parse(text)
    }

    pub(in crate::engine) fn render(&self, context: &Context<'_>) -> Result<String, TemplateError> {
        let mut rendered = String::new();
        for piece in &self.0 {
            match piece {
                Piece::Text(text) => rendered.push_str(text),
                Piece::Action(pipeline) => {
                    rendered.push_str(&pipeline.value(context)?.into_text());
                }
            }
            short_enough(&rendered)?;
        }
        Ok(rendered)
    }

    /// How many characters of a name are drawn at the least, whoever asks: what is drawn may be cut off again.
    pub(in crate::engine) fn drawn(&self) -> usize {
        // As long as the values in it may get.
        let long = "x".repeat(LONG_VALUE);
        let with = |byte: u8| {
            self.render(&Context {
                display_name: &long,
                role_name: &long,
                now: DateTime::UNIX_EPOCH,
                entropy: &Same(byte),
            })
        };
        let [Ok(one), Ok(other)] = [0, 0x11].map(with) else {
            return 0;
        };
        let pairs = one.chars().zip(other.chars());
        pairs.filter(|(one, other)| one != other).count()
    }
}

/// Draws the same each time.
struct Same(u8);

impl Entropy for Same {
    fn fill(&self, bytes: &mut [u8]) {
        bytes.fill(self.0);
    }
}

impl Pipeline {
    fn value(&self, context: &Context<'_>) -> Result<Value, TemplateError> {
        let mut result = None;
        for command in &self.0 {
            let value = match command {
                Command::Value(operand) => operand.value(context)?,
                Command::Call(function, operands) => {
                    let arguments = operands.iter().map(|operand| operand.value(context));
                    let arguments = arguments.chain(result.take().map(Ok));
                    function.call(arguments.collect::<Result<Vec<_>, _>>()?, context)?
                }
            };
            if let Value::Text(text) = &value {
                short_enough(text)?;
            }
            result = Some(value);
        }
        result.ok_or_else(|| TemplateError::new("{{ }} is empty"))
    }
}

impl Operand {
    fn value(&self, context: &Context<'_>) -> Result<Value, TemplateError> {
        Ok(match self {
            Self::Text(text) => Value::Text(text.clone()),
            Self::Number(number) => Value::Number(*number),
            Self::DisplayName => Value::Text(context.display_name.to_owned()),
            Self::RoleName => Value::Text(context.role_name.to_owned()),
            Self::Group(pipeline) => pipeline.value(context)?,
        })
    }
}

fn short_enough(text: &str) -> Result<(), TemplateError> {
    if text.len() > LONGEST_VALUE {
        return Err(TemplateError::new("it gives a text that is too long"));
    }
    Ok(())
}

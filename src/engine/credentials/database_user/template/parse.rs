//! From a template's text to its pieces.

use std::iter::Peekable;
use std::vec::IntoIter;

use super::functions::Function;
use super::lexer::{Lexer, Placed, Token, fault};
use super::{Command, Operand, Piece, Pipeline, Template, TemplateError};

/// The longest template.
const LONGEST: usize = 4 * 1_024;
/// Parentheses within parentheses.
const DEEPEST: usize = 16;

/// Reads a template.
pub(super) fn parse(text: &str) -> Result<Template, TemplateError> {
    if text.len() > LONGEST {
        let reason = format!("must not be longer than {LONGEST} bytes");
        return Err(TemplateError::new(reason));
    }
    let mut pieces = Vec::new();
    let (mut at, mut trims) = (0, false);
    loop {
        let opening = text[at..].find("{{").map(|found| at + found);
        let mut plain = &text[at..opening.unwrap_or(text.len())];
        if trims {
            plain = plain.trim_start();
        }
        let Some(opening) = opening else {
            push_text(&mut pieces, plain);
            return Ok(Template(pieces));
        };
        let mut inside = opening + "{{".len();
        let dash = text[inside..].strip_prefix('-');
        if dash.is_some_and(|rest| rest.starts_with(char::is_whitespace)) {
            plain = plain.trim_end();
            inside += 1;
        }
        push_text(&mut pieces, plain);
        if text[inside..].trim_start().starts_with("/*") {
            (at, trims) = comment(text, inside)?;
            continue;
        }
        let action = Lexer::new(text, inside).action()?;
        (at, trims) = (action.end, action.trims);
        let mut parser = Parser {
            tokens: action.tokens.into_iter().peekable(),
            opening,
        };
        let pipeline = parser.pipeline(0)?;
        if let Some((at, _)) = parser.tokens.next() {
            return Err(fault(at, "this ) closes nothing"));
        }
        pieces.push(Piece::Action(pipeline));
    }
}

fn push_text(pieces: &mut Vec<Piece>, text: &str) {
    if !text.is_empty() {
        pieces.push(Piece::Text(text.to_owned()));
    }
}

/// Where it goes on behind a comment, and whether white space there is dropped.
fn comment(text: &str, at: usize) -> Result<(usize, bool), TemplateError> {
    let end = text[at..].find("*/").map(|found| at + found + 2);
    let end = end.ok_or_else(|| fault(at, "this comment has no end"))?;
    let rest = text[end..].trim_start();
    let (rest, trims) = match rest.strip_prefix('-') {
        Some(rest) => (rest, true),
        None => (rest, false),
    };
    let rest = rest.strip_prefix("}}");
    let rest = rest.ok_or_else(|| fault(at, "a comment stands alone between {{ and }}"))?;
    Ok((text.len() - rest.len(), trims))
}

/// The words of one action that are still to be read.
struct Parser {
    tokens: Peekable<IntoIter<Placed>>,
    /// Where the action begins.
    opening: usize,
}

impl Parser {
    fn pipeline(&mut self, depth: usize) -> Result<Pipeline, TemplateError> {
        if depth > DEEPEST {
            return Err(fault(
                self.opening,
                "too many parentheses within each other",
            ));
        }
        let mut commands = Vec::new();
        loop {
            commands.push(self.command(!commands.is_empty(), depth)?);
            if self
                .tokens
                .next_if(|(_, token)| *token == Token::Pipe)
                .is_none()
            {
                return Ok(Pipeline(commands));
            }
        }
    }

    /// A call, or one value at the beginning of a pipeline. `piped`: it is given the result of another.
    fn command(&mut self, piped: bool, depth: usize) -> Result<Command, TemplateError> {
        let ends = |token: &Token| matches!(token, Token::Pipe | Token::Close);
        let first = self.tokens.next_if(|(_, token)| !ends(token));
        let Some((at, first)) = first else {
            return Err(fault(self.opening, "a value or a function is missing here"));
        };
        let Token::Word(name) = first else {
            let value = self.operand(at, first, depth)?;
            let is_alone = self.tokens.peek().is_none_or(|(_, token)| ends(token));
            if piped || !is_alone {
                return Err(fault(at, "only a function takes values"));
            }
            return Ok(Command::Value(value));
        };
        let function = Function::named(&name).ok_or_else(|| unknown(at))?;
        let mut operands = Vec::new();
        while let Some((at, token)) = self.tokens.next_if(|(_, token)| !ends(token)) {
            operands.push(self.operand(at, token, depth)?);
        }
        function.takes(operands.len() + usize::from(piped))?;
        Ok(Command::Call(function, operands))
    }

    fn operand(&mut self, at: usize, token: Token, depth: usize) -> Result<Operand, TemplateError> {
        Ok(match token {
            Token::Text(text) => Operand::Text(text),
            Token::Number(number) => Operand::Number(number),
            Token::Field(name) if name == "DisplayName" => Operand::DisplayName,
            Token::Field(name) if name == "RoleName" => Operand::RoleName,
            Token::Field(_) => return Err(fault(at, "give .DisplayName or .RoleName")),
            // A function without arguments may stand as one.
            Token::Word(name) => {
                let function = Function::named(&name).ok_or_else(|| unknown(at))?;
                function.takes(0)?;
                Operand::Group(Pipeline(vec![Command::Call(function, Vec::new())]))
            }
            Token::Open => {
                let group = self.pipeline(depth + 1)?;
                match self.tokens.next() {
                    Some((_, Token::Close)) => Operand::Group(group),
                    _ => return Err(fault(at, "this ( has no )")),
                }
            }
            Token::Pipe | Token::Close => return Err(fault(at, "a value is missing here")),
        })
    }
}

fn unknown(at: usize) -> TemplateError {
    fault(
        at,
        "there is no such function here: use random, truncate, truncate_sha256, uppercase, lowercase, \
         replace, sha256, base64, unix_time, unix_time_millis, timestamp, uuid or printf",
    )
}

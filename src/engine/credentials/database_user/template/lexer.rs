//! The words of one action, from behind `{{` to its `}}`.

use super::TemplateError;

/// A word, and the byte at which it begins.
pub(super) type Placed = (usize, Token);

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Token {
    Text(String),
    Number(i64),
    Field(String),
    Word(String),
    Pipe,
    Open,
    Close,
}

/// Where reading stands in a template.
pub(super) struct Lexer<'a> {
    text: &'a str,
    at: usize,
}

/// What was read of an action.
pub(super) struct Action {
    pub(super) tokens: Vec<Placed>,
    /// Behind its `}}`.
    pub(super) end: usize,
    /// Whether white space behind it is dropped.
    pub(super) trims: bool,
}

/// Bytes are counted from 1, as people do.
pub(super) fn fault(at: usize, text: &str) -> TemplateError {
    TemplateError::new(format!("at byte {}: {text}", at + 1))
}

impl<'a> Lexer<'a> {
    pub(super) fn new(text: &'a str, at: usize) -> Self {
        Self { text, at }
    }

    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    /// Reads as many characters as fit.
    fn take_while(&mut self, fits: impl Fn(char) -> bool) -> &'a str {
        let rest = self.rest();
        let end = rest.find(|c| !fits(c)).unwrap_or(rest.len());
        self.at += end;
        &rest[..end]
    }

    pub(super) fn action(mut self) -> Result<Action, TemplateError> {
        let begun = self.at;
        let mut tokens = Vec::new();
        loop {
            let spaced = !self.take_while(char::is_whitespace).is_empty();
            for (sign, trims) in [("}}", false), ("-}}", true)] {
                if self.rest().starts_with(sign) && (spaced || !trims) {
                    return Ok(Action {
                        tokens,
                        end: self.at + sign.len(),
                        trims,
                    });
                }
            }
            let at = self.at;
            let Some(next) = self.rest().chars().next() else {
                return Err(fault(begun, "{{ has no }}"));
            };
            tokens.push((at, self.token(at, next)?));
        }
    }

    fn token(&mut self, at: usize, next: char) -> Result<Token, TemplateError> {
        let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let single = match next {
            '|' => Token::Pipe,
            '(' => Token::Open,
            ')' => Token::Close,
            '"' => return self.quoted(at),
            '`' => return self.raw(at),
            '.' => {
                self.at += 1;
                return Ok(Token::Field(self.take_while(is_part).to_owned()));
            }
            '-' | '0'..='9' => {
                let number = self.take_while(|c| c == '-' || c.is_ascii_alphanumeric());
                let number = number.parse().map(Token::Number);
                return number.map_err(|_| fault(at, "this is no whole number"));
            }
            c if is_part(c) => return Ok(Token::Word(self.take_while(is_part).to_owned())),
            _ => {
                return Err(fault(
                    at,
                    "only functions, .DisplayName, .RoleName, texts in quotes, whole numbers, | and \
                     parentheses are understood",
                ));
            }
        };
        self.at += next.len_utf8();
        Ok(single)
    }

    /// A text as it stands, between backquotes.
    fn raw(&mut self, at: usize) -> Result<Token, TemplateError> {
        self.at += 1;
        let text = self.take_while(|c| c != '`').to_owned();
        self.close(at)?;
        Ok(Token::Text(text))
    }

    fn close(&mut self, at: usize) -> Result<(), TemplateError> {
        if self.rest().is_empty() {
            return Err(fault(at, "a text has no closing quote"));
        }
        self.at += 1;
        Ok(())
    }

    /// A text between double quotes, with the commoner of Go's escapes.
    fn quoted(&mut self, at: usize) -> Result<Token, TemplateError> {
        self.at += 1;
        let mut text = String::new();
        loop {
            text.push_str(self.take_while(|c| c != '"' && c != '\\'));
            if !self.rest().starts_with('\\') {
                self.close(at)?;
                return Ok(Token::Text(text));
            }
            let escaped = self.rest().chars().nth(1);
            text.push(match escaped {
                Some('n') => '\n',
                Some('t') => '\t',
                Some(same @ ('"' | '\\' | '\'')) => same,
                _ => return Err(fault(self.at, "this escape is not understood")),
            });
            self.at += 2;
        }
    }
}

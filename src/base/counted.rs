//! Numbers with their noun, for texts that people read.

use std::fmt;

/// `1 attempt`, `5 attempts`: for nouns whose plural is an `s` more.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Counted<N>(pub N, pub &'static str);

impl<N: fmt::Display + PartialEq + From<u8>> fmt::Display for Counted<N> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(count, noun) = self;
        let ending = if *count == N::from(1) { "" } else { "s" };
        write!(formatter, "{count} {noun}{ending}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_stands_alone() {
        let texts = [0_u32, 1, 2].map(|count| Counted(count, "attempt").to_string());
        assert_eq!(texts, ["0 attempts", "1 attempt", "2 attempts"]);
    }
}

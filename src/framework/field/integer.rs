//! Integers in the forms that Go's source takes: `12`, `0x1f`, `0b1`, `0o7`, `017`, `1_000`.

/// Reads an integer with optional sign. Source: `strconv.ParseInt` of Go with base 0.
pub(super) fn parse(text: &str) -> Option<i64> {
    let (negative, unsigned) = match text.as_bytes().first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    let (radix, digits) = radix_of(unsigned);
    if digits.is_empty() && unsigned != "0" || !underscores_separate_digits(unsigned, digits) {
        return None;
    }
    let mut value: i128 = 0;
    for digit in digits.chars().filter(|character| *character != '_') {
        value = value * i128::from(radix) + i128::from(digit.to_digit(radix)?);
        if value > i128::from(i64::MAX) + 1 {
            return None;
        }
    }
    i64::try_from(if negative { -value } else { value }).ok()
}

fn radix_of(unsigned: &str) -> (u32, &str) {
    let prefixes = [
        ("0x", 16),
        ("0X", 16),
        ("0b", 2),
        ("0B", 2),
        ("0o", 8),
        ("0O", 8),
    ];
    let marked = prefixes
        .iter()
        .find_map(|(prefix, radix)| Some((*radix, unsigned.strip_prefix(prefix)?)));
    marked
        .or_else(|| Some((8, unsigned.strip_prefix('0')?)))
        .unwrap_or((10, unsigned))
}

/// A leading `_` is fine only behind a prefix such as `0x` or `0`.
fn underscores_separate_digits(unsigned: &str, digits: &str) -> bool {
    !digits.ends_with('_')
        && !digits.contains("__")
        && (digits.len() < unsigned.len() || !digits.starts_with('_'))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn every_form_is_read() {
        for (text, want) in [
            ("0", 0),
            ("00", 0),
            ("12", 12),
            ("-12", -12),
            ("+12", 12),
            ("0x1f", 31),
            ("0X1F", 31),
            ("-0x1f", -31),
            ("0b101", 5),
            ("0o17", 15),
            ("017", 15),
            ("0_17", 15),
            ("1_000", 1_000),
            ("0x_1f", 31),
            ("9223372036854775807", i64::MAX),
            ("-9223372036854775808", i64::MIN),
        ] {
            assert_eq!(parse(text), Some(want), "{text}");
        }
    }

    #[test]
    fn other_texts_are_no_integers() {
        for text in [
            "",
            "-",
            "x",
            "1.5",
            "08",
            "0x",
            "0b2",
            "1__0",
            "_1",
            "1_",
            "0x1_",
            " 1",
            "--1",
            "9223372036854775808",
            "-9223372036854775809",
            "1e3",
            "٣",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_answered(text in "\\PC{0,40}") {
            let _ = parse(&text);
        }

        #[test]
        fn decimal_numbers_come_back(number: i64) {
            prop_assert_eq!(parse(&number.to_string()), Some(number));
        }
    }
}

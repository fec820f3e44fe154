//! Chance as an argument: where random bytes come from, and text and delays drawn from them.

use std::time::Duration;

/// A source of random bytes; tests pass one that repeats itself.
pub(crate) trait Entropy: Send + Sync {
    /// Fills `bytes` with random data.
    fn fill(&self, bytes: &mut [u8]);
}

/// The operating system's random source.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct SystemEntropy;

impl Entropy for SystemEntropy {
    #[expect(
        clippy::expect_used,
        reason = "Linux's getrandom does not fail once the system is up; without it nothing could be named safely"
    )]
    fn fill(&self, bytes: &mut [u8]) {
        getrandom::fill(bytes).expect("the operating system gives random bytes");
    }
}

/// How long to wait after so many failures in a row: doubles from `first` up to `longest`, less a
/// random part of up to a half, so that what failed together does not come back together.
pub(crate) fn backoff(
    failures: u32,
    first: Duration,
    longest: Duration,
    entropy: &dyn Entropy,
) -> Duration {
    with_random_part(doubled(failures, first, longest), entropy)
}

/// `first` after one failure, doubled by each further one up to `longest`.
pub(crate) fn doubled(failures: u32, first: Duration, longest: Duration) -> Duration {
    let doubled = first.saturating_mul(1 << failures.saturating_sub(1).min(16));
    doubled.min(longest)
}

/// A wait less a random part of up to a half.
pub(crate) fn with_random_part(whole: Duration, entropy: &dyn Entropy) -> Duration {
    let mut random = [0_u8; 1];
    entropy.fill(&mut random);
    let [byte] = random;
    whole.mul_f64(0.5 + f64::from(byte) / 512.0)
}

const BASE62: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// Draws `length` characters of `[0-9A-Za-z]`, each equally likely.
pub(crate) fn base62(entropy: &dyn Entropy, length: usize) -> String {
    // Bytes of 248 and more are thrown away: 248 is the largest multiple of 62 below 256.
    const UNBIASED_BELOW: u8 = 248;
    let mut text = String::with_capacity(length);
    let mut pool = [0_u8; 32];
    while text.len() < length {
        entropy.fill(&mut pool);
        let fair = pool.iter().filter(|byte| **byte < UNBIASED_BELOW);
        text.extend(
            fair.take(length - text.len())
                .map(|byte| char::from(BASE62[usize::from(byte % 62)])),
        );
    }
    text
}

/// Writes the first 16 of `bytes` in base62, as so many last digits of the number they are.
#[must_use]
pub(crate) fn to_base62(bytes: &[u8], length: usize) -> String {
    let taken = bytes.iter().take(16);
    let mut number = taken.fold(0_u128, |number, byte| number << 8 | u128::from(*byte));
    let mut digit = || {
        let rest = usize::try_from(number % 62).unwrap_or_default();
        number /= 62;
        char::from(BASE62[rest])
    };
    (0..length).map(|_| digit()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_written_in_base62() {
        assert_eq!(to_base62(&[], 3), "000");
        assert_eq!(to_base62(&[63], 3), "110");
        assert_eq!(to_base62(&[1, 0], 3), "840");
        assert_eq!(to_base62(&[255; 40], 20).len(), 20);
    }

    #[test]
    fn base62_has_the_length_and_the_alphabet() {
        let text = base62(&SystemEntropy, 20);
        assert_eq!(text.len(), 20);
        assert!(text.bytes().all(|byte| byte.is_ascii_alphanumeric()));
        assert_ne!(text, base62(&SystemEntropy, 20));
    }

    #[test]
    fn bytes_that_would_bias_the_draw_are_skipped() {
        struct Alternating;
        impl Entropy for Alternating {
            fn fill(&self, bytes: &mut [u8]) {
                for (index, byte) in bytes.iter_mut().enumerate() {
                    *byte = if index % 2 == 0 { 255 } else { 61 };
                }
            }
        }
        assert_eq!(base62(&Alternating, 3), "zzz");
    }
}

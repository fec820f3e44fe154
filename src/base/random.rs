//! Chance as an argument: where random bytes come from, and text drawn from them.

/// A source of random bytes; tests pass one that repeats itself.
pub trait Entropy: Send + Sync {
    /// Fills `bytes` with random data.
    fn fill(&self, bytes: &mut [u8]);
}

/// The operating system's random source.
#[derive(Debug, Default, Clone, Copy)]
pub struct SystemEntropy;

impl Entropy for SystemEntropy {
    #[expect(
        clippy::expect_used,
        reason = "Linux's getrandom does not fail once the system is up; without it nothing could be named safely"
    )]
    fn fill(&self, bytes: &mut [u8]) {
        getrandom::fill(bytes).expect("the operating system gives random bytes");
    }
}

const BASE62: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// Draws `length` characters of `[0-9A-Za-z]`, each equally likely.
pub fn base62(entropy: &dyn Entropy, length: usize) -> String {
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

#[cfg(test)]
mod tests {
    use super::*;

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

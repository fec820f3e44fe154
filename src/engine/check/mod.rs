//! Whether the configured credential can do what is asked of it, found out by reads alone.

pub(crate) mod paths;
mod role;
#[cfg(test)]
mod tests;

//! A minimal host drives the plugin's process.

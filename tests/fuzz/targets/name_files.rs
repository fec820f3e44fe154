#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| mongodbatlas::fuzzing::run("name_files", data));

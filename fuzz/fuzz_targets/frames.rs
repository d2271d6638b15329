#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| malote_hostile::check("frames", bytes));

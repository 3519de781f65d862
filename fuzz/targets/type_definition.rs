//! Type definitions of peers, with their hashes repaired, and the bodies that follow them.

#![no_main]

use aster_fuzz::{repair, select};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    if let Some((subject, body)) = select(input) {
        let mut body = body.to_vec();
        repair(&mut body);
        subject.check_xlang(&body);
    }
});

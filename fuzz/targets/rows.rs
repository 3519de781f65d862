//! Rows as a peer may send them, and the definitions in front of them.

#![no_main]

use aster_fuzz::select;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    if let Some((subject, body)) = select(input) {
        subject.check_row(body);
        subject.check_row_definitions(body);
    }
});

//! XLANG bodies as a peer may send them.

#![no_main]

use aster_fuzz::select;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    if let Some((subject, body)) = select(input) {
        subject.check_xlang(body);
    }
});

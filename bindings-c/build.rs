//! Gives the shared library its soname: `libaster.so.<ABI major>`.

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-changed=src/version.rs");
    let source = std::fs::read_to_string("src/version.rs").expect("src/version.rs is part of the crate");
    let major = source
        .lines()
        .find_map(|line| line.strip_prefix("pub const ASTER_ABI_MAJOR: u32 = ")?.strip_suffix(';'))
        .expect("src/version.rs has ASTER_ABI_MAJOR");
    if std::env::var("CARGO_CFG_TARGET_OS").as_deref() == Ok("linux") {
        println!("cargo:rustc-cdylib-link-arg=-Wl,-soname,libaster.so.{major}");
    }
}

//! Option structs: they grow at their end, and `struct_size` tells which version the caller was compiled with.

use std::mem::MaybeUninit;

use aster_core::error::Result;

use crate::handle::null_argument;
use crate::slice::invalid_argument;

/// Largest struct a caller may claim to have; a wild size is an error and not a read of a whole page.
const MAX_STRUCT_SIZE: usize = 4096;

/// A struct of C that begins with `size_t struct_size`.
///
/// # Safety
///
/// The type is `repr(C)`, its first field is `struct_size: usize`, and all zero bits are a value of it.
pub(crate) unsafe trait Growing: Copy {}

/// Reads options: a shorter struct is completed with zeros, a longer one must be zero in what we do not know.
/// NULL means all defaults.
///
/// # Safety
///
/// `ptr` is NULL or valid for reading as many bytes as its first field says.
pub(crate) unsafe fn read<T: Growing>(ptr: *const T, name: &str) -> Result<T> {
    let mut options = MaybeUninit::<T>::zeroed();
    if ptr.is_null() {
        // SAFETY: zeros are a value, as the trait says.
        return Ok(unsafe { options.assume_init() });
    }
    // SAFETY: the first field of every such struct; passed on from the caller.
    let size = unsafe { ptr.cast::<usize>().read_unaligned() };
    check_size(size, name)?;
    let bytes = ptr.cast::<u8>();
    for offset in size_of::<T>()..size {
        // SAFETY: the caller vouches for `size` bytes.
        if unsafe { bytes.add(offset).read() } != 0 {
            return Err(invalid_argument(name, "sets a field that this library does not know"));
        }
    }
    // SAFETY: both sides are valid for the shorter of the two sizes; zeros complete the value.
    unsafe {
        std::ptr::copy_nonoverlapping(bytes, options.as_mut_ptr().cast::<u8>(), size.min(size_of::<T>()));
        Ok(options.assume_init())
    }
}

/// Fills a struct that the caller made with its `INIT`: as much as the caller's version has room for.
///
/// # Safety
///
/// `ptr` is NULL or valid for writing as many bytes as its first field says.
pub(crate) unsafe fn write<T: Growing>(ptr: *mut T, name: &str, value: &T) -> Result<()> {
    // SAFETY: the first field of every such struct; passed on from the caller.
    let size = match unsafe { ptr.cast::<usize>().as_ref() } {
        Some(size) => *size,
        None => return Err(null_argument(name)),
    };
    check_size(size, name)?;
    let header = size_of::<usize>();
    let count = size.min(size_of::<T>()) - header;
    // SAFETY: both sides are valid for `header + count` bytes; the caller's size stays.
    unsafe {
        let from = std::ptr::from_ref(value).cast::<u8>().add(header);
        std::ptr::copy_nonoverlapping(from, ptr.cast::<u8>().add(header), count);
    }
    Ok(())
}

fn check_size(size: usize, name: &str) -> Result<()> {
    if (size_of::<usize>()..=MAX_STRUCT_SIZE).contains(&size) {
        return Ok(());
    }
    Err(invalid_argument(name, "has no struct_size: make it with its INIT macro"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[repr(C)]
    #[derive(Clone, Copy)]
    struct Sample {
        struct_size: usize,
        first: u64,
        second: u64,
    }
    // SAFETY: repr(C), struct_size first, plain numbers.
    unsafe impl Growing for Sample {}

    #[test]
    fn shorter_and_longer_structs_are_read() {
        let short = [16usize, 5, 99];
        let long = [32usize, 5, 6, 0];
        let unknown = [32usize, 5, 6, 1];
        for wrong in [0usize, 7, 5000] {
            let sample = [wrong, 5, 6];
            // SAFETY: the size is refused before more is read.
            assert!(unsafe { read(sample.as_ptr().cast::<Sample>(), "options") }.is_err());
        }
        // SAFETY: the arrays are as long as their first field says.
        unsafe {
            let sample = read(short.as_ptr().cast::<Sample>(), "options").unwrap();
            assert_eq!((sample.first, sample.second), (5, 0));
            let sample = read(long.as_ptr().cast::<Sample>(), "options").unwrap();
            assert_eq!((sample.first, sample.second), (5, 6));
            assert!(read(unknown.as_ptr().cast::<Sample>(), "options").is_err());
            assert_eq!(read(std::ptr::null::<Sample>(), "options").unwrap().struct_size, 0);
        }
    }

    #[test]
    fn writing_respects_the_size_of_the_caller() {
        let value = Sample { struct_size: 24, first: 1, second: 2 };
        let mut target = [16usize, 0, 77];
        // SAFETY: the array is longer than its first field says.
        unsafe { write(target.as_mut_ptr().cast::<Sample>(), "out", &value) }.unwrap();
        assert_eq!(target, [16, 1, 77]);
    }
}

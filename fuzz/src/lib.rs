//! What the fuzz targets share: schemas of the vectors, their properties, and a count of memory.

mod memory;
mod subject;

pub use memory::bounded;
pub use subject::{Subject, repair, select};

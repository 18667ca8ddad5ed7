//! SQL values from and to the tags of the guest ABI.

mod decode;
mod encode;
#[cfg(test)]
mod hostile;
mod reader;

pub use decode::{Returned, param, returned};
pub use encode::{put_shape, put_text, put_u32, put_value};
pub use reader::{Malformed, Reader};

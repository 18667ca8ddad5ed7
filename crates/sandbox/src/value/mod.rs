//! SQL values from and to the tags of the guest ABI.

mod decode;
mod encode;
mod exchange;
#[cfg(test)]
mod hostile;
mod json;
mod param;
mod reader;
mod sent;

pub use decode::returned;
pub use encode::{put_shape, put_text, put_u32, put_value};
pub use exchange::Exchange;
pub use param::Param;
pub use reader::{Malformed, Reader};
pub use sent::Returned;

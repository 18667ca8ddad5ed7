//! Functions of json and jsonb.
//!
//! Both are text here (jsonb in its canonical form), and values inside them are parts of that
//! text: [`scan`] walks over it without building trees, so that looking something up in a large document
//! costs no more than reading it, and nesting can't exhaust the stack.

mod access;
mod build;
mod contain;
mod modify;
pub(crate) mod scan;
mod show;
pub(crate) mod write;

use crate::Scalar;
use crate::set::SetFunction;
pub(crate) use build::key;

pub(crate) static FAMILIES: [&[Scalar]; 5] = [access::SCALARS, build::SCALARS, contain::SCALARS, modify::SCALARS, show::SCALARS];
pub(crate) static SET_FUNCTIONS: &[SetFunction] = access::SET_FUNCTIONS;

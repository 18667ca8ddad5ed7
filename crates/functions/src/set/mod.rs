//! Functions that return rows.

use types::{Datum, Result, Type};

use crate::Environment;

mod generate;

/// The rows of one call.
pub type Rows = Box<dyn Iterator<Item = Result<Vec<Datum>>> + Send>;

/// A set-returning function.
#[derive(Debug)]
pub struct SetFunction {
    pub name: &'static str,
    pub args: &'static [Type],
    pub variadic: bool,
    /// Output columns; may be polymorphic. One column means that the function returns a set of
    /// scalars.
    pub columns: &'static [(&'static str, Type)],
    /// No rows when an argument is NULL: whoever calls checks.
    pub strict: bool,
    pub run: fn(&dyn Environment, &[Datum]) -> Result<Rows>,
}

pub(crate) fn families() -> impl Iterator<Item = &'static SetFunction> {
    FAMILIES.iter().chain(&crate::scalar::array::SET_FUNCTIONS).copied().flatten()
}

static FAMILIES: [&[SetFunction]; 4] = [
    generate::SET_FUNCTIONS,
    crate::scalar::catalog::SET_FUNCTIONS,
    crate::scalar::json::SET_FUNCTIONS,
    crate::scalar::regex::SET_FUNCTIONS,
];

impl SetFunction {
    pub(crate) const fn new(
        name: &'static str,
        args: &'static [Type],
        columns: &'static [(&'static str, Type)],
        run: fn(&dyn Environment, &[Datum]) -> Result<Rows>,
    ) -> SetFunction {
        SetFunction {
            name,
            args,
            variadic: false,
            columns,
            strict: true,
            run,
        }
    }

    /// Called with NULLs, too.
    pub(crate) const fn lax(mut self) -> SetFunction {
        self.strict = false;
        self
    }
}

/// Rows of one column, from values that are all there.
pub(crate) fn column(values: Vec<Datum>) -> Rows {
    Box::new(values.into_iter().map(|value| Ok(vec![value])))
}

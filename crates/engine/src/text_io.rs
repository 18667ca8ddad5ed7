//! Values as text on their way to and from a client.

use std::sync::Arc;

use types::text::TextStyle;
use types::{Datum, NO_TYPMOD, Result, Type, vector_oid};

use crate::context::StatementContext;
use crate::plan::ColumnDesc;

/// Prints and reads values as the session's settings have it.
pub enum TextIo {
    /// Types whose text depends on settings only.
    Plain(TextStyle),
    /// The `reg*` types are names in the catalog.
    Catalog(Arc<StatementContext>),
}

impl TextIo {
    /// Whether values of this type print as names in the catalog.
    pub(crate) fn needs_catalog(ty: Type) -> bool {
        match ty {
            Type::Regclass | Type::Regtype | Type::Regproc | Type::Regnamespace | Type::Regrole => true,
            Type::Array(element) => TextIo::needs_catalog(*element),
            _ => false,
        }
    }

    /// Appends a value that is not NULL.
    pub fn print(&self, ty: Type, datum: &Datum, out: &mut String) -> Result<()> {
        match self {
            TextIo::Plain(style) => {
                types::text::format(ty, datum, style, out);
                Ok(())
            }
            TextIo::Catalog(context) => functions::cast::print(&**context, ty, datum, out),
        }
    }

    /// Appends a column's value that is not NULL: where the column is a vector, as one.
    pub fn print_column(&self, column: &ColumnDesc, datum: &Datum, out: &mut String) -> Result<()> {
        match datum {
            Datum::Array(array) if vector_oid(column.ty, column.typmod).is_some() => {
                for (i, value) in array.values.iter().enumerate() {
                    if i > 0 {
                        out.push(' ');
                    }
                    self.print(array.element, value, out)?;
                }
                Ok(())
            }
            _ => self.print(column.ty, datum, out),
        }
    }

    pub fn read(&self, ty: Type, text: &str) -> Result<Datum> {
        match self {
            TextIo::Plain(style) => types::text::parse(ty, NO_TYPMOD, text, style),
            TextIo::Catalog(context) => functions::cast::read(&**context, ty, text.to_string()),
        }
    }
}

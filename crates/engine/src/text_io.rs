//! Values as text on their way to and from a client.

use std::sync::Arc;

use types::text::TextStyle;
use types::{Datum, NO_TYPMOD, Result, Type};

use crate::context::StatementContext;

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

    pub fn read(&self, ty: Type, text: &str) -> Result<Datum> {
        match self {
            TextIo::Plain(style) => types::text::parse(ty, NO_TYPMOD, text, style),
            TextIo::Catalog(context) => functions::cast::read(&**context, ty, text.to_string()),
        }
    }
}

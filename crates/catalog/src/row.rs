//! Small words to write rows with.

use types::{Array, Datum, Type};

use crate::privilege::{Acl, PUBLIC};
use crate::{Privilege, Snapshot};

pub(crate) const NULL: Datum = Datum::Null;

pub(crate) const TEXT_ARRAY: Type = Type::Array(&Type::Text);
pub(crate) const NAME_ARRAY: Type = Type::Array(&Type::Name);
pub(crate) const CHAR_ARRAY: Type = Type::Array(&Type::Char);
pub(crate) const OID_ARRAY: Type = Type::Array(&Type::Oid);
pub(crate) const INT2_ARRAY: Type = Type::Array(&Type::Int2);

/// No rows: of a feature that does not exist here, or whose rows the engine makes.
pub(crate) fn none(_: &crate::SystemContext) -> Vec<crate::Row> {
    vec![]
}

pub(crate) fn text(value: impl Into<String>) -> Datum {
    Datum::Text(value.into())
}

pub(crate) fn opt_text(value: Option<impl Into<String>>) -> Datum {
    value.map_or(NULL, text)
}

/// A value of the type `"char"`.
pub(crate) fn letter(value: char) -> Datum {
    Datum::Text(value.to_string())
}

pub(crate) fn boolean(value: bool) -> Datum {
    Datum::Bool(value)
}

/// information_schema's yes_or_no.
pub(crate) fn yes(value: bool) -> Datum {
    text(if value { "YES" } else { "NO" })
}

pub(crate) fn oid(value: u32) -> Datum {
    Datum::Oid(value)
}

pub(crate) fn int2(value: i16) -> Datum {
    Datum::Int2(value)
}

pub(crate) fn int4(value: i32) -> Datum {
    Datum::Int4(value)
}

pub(crate) fn int8(value: i64) -> Datum {
    Datum::Int8(value)
}

/// A count as the catalogs' smallint; what does not fit is not a count that anything here reaches.
pub(crate) fn count(value: usize) -> Datum {
    Datum::Int2(i16::try_from(value).unwrap_or(i16::MAX))
}

/// The column number of an index into `Table::columns`.
pub(crate) fn attnum(column: usize) -> i16 {
    i16::try_from(column + 1).unwrap_or(i16::MAX)
}

pub(crate) fn array(element: Type, values: impl IntoIterator<Item = Datum>) -> Datum {
    Datum::array(element, values.into_iter().collect())
}

pub(crate) fn text_array(values: impl IntoIterator<Item = impl Into<String>>) -> Datum {
    array(Type::Text, values.into_iter().map(text))
}

/// An int2vector or oidvector: an array whose first element has the subscript 0.
pub(crate) fn vector(element: Type, values: impl IntoIterator<Item = Datum>) -> Datum {
    let values: Vec<Datum> = values.into_iter().collect();
    let dims = vec![(i32::try_from(values.len()).unwrap_or(i32::MAX), 0)];
    Datum::Array(Box::new(Array { element, dims, values }))
}

/// `aclitem[]`, as text: `{postgres=arwdDxt/postgres,=r/postgres}`.
pub(crate) fn acl(snapshot: &Snapshot, acl: Option<&Acl>) -> Datum {
    match acl {
        None => NULL,
        Some(acl) => text_array(acl_items(snapshot, acl)),
    }
}

pub(crate) fn acl_items(snapshot: &Snapshot, acl: &Acl) -> Vec<String> {
    acl.0
        .iter()
        .map(|item| {
            let mut privileges = String::new();
            for privilege in Privilege::ALL.into_iter().filter(|privilege| item.privileges.contains(privilege)) {
                privileges.push(privilege.letter());
                if item.grantable.contains(&privilege) {
                    privileges.push('*');
                }
            }
            let grantee = if item.grantee == PUBLIC {
                String::new()
            } else {
                acl_name(snapshot, item.grantee)
            };
            format!("{grantee}={privileges}/{}", acl_name(snapshot, item.grantor))
        })
        .collect()
}

/// A role's name inside an aclitem, which has a quoting rule of its own.
fn acl_name(snapshot: &Snapshot, role: u32) -> String {
    let name = role_name(snapshot, role);
    let plain = name.chars().all(|c| c.is_alphanumeric() || c == '_');
    if plain {
        name
    } else {
        format!("\"{}\"", name.replace('"', "\"\""))
    }
}

/// A role's name, or PostgreSQL's words for one that is gone.
pub(crate) fn role_name(snapshot: &Snapshot, role: u32) -> String {
    snapshot
        .role_by_oid(role)
        .map_or_else(|| format!("unknown (OID={role})"), |role| role.name.clone())
}

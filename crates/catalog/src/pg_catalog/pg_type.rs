//! `pg_type`: the types there are. Drivers choose their codecs by it, so every field is PostgreSQL's.

use types::{Datum, NO_TYPMOD, SCALARS, Type};

use super::pg_class::oid_of;
use crate::builtin::{PG_CATALOG_OID, SUPERUSER_OID};
use crate::row::*;
use crate::{Finder, Row, SystemContext, SystemTable};

pub const TABLE: SystemTable = SystemTable {
    oid: 1247,
    schema: "pg_catalog",
    name: "pg_type",
    columns: &[
        ("oid", Type::Oid),
        ("typname", Type::Name),
        ("typnamespace", Type::Oid),
        ("typowner", Type::Oid),
        ("typlen", Type::Int2),
        ("typbyval", Type::Bool),
        ("typtype", Type::Char),
        ("typcategory", Type::Char),
        ("typispreferred", Type::Bool),
        ("typisdefined", Type::Bool),
        ("typdelim", Type::Char),
        ("typrelid", Type::Oid),
        ("typsubscript", Type::Regproc),
        ("typelem", Type::Oid),
        ("typarray", Type::Oid),
        ("typinput", Type::Regproc),
        ("typoutput", Type::Regproc),
        ("typreceive", Type::Regproc),
        ("typsend", Type::Regproc),
        ("typmodin", Type::Regproc),
        ("typmodout", Type::Regproc),
        ("typanalyze", Type::Regproc),
        ("typalign", Type::Char),
        ("typstorage", Type::Char),
        ("typnotnull", Type::Bool),
        ("typbasetype", Type::Oid),
        ("typtypmod", Type::Int4),
        ("typndims", Type::Int4),
        ("typcollation", Type::Oid),
        ("typdefaultbin", Type::Text),
        ("typdefault", Type::Text),
        ("typacl", TEXT_ARRAY),
    ],
    rows,
    finders: &[
        Finder {
            column: "oid",
            rows: by_oid,
        },
        Finder {
            column: "typname",
            rows: by_name,
        },
    ],
};

/// What `pg_type` says beyond `types::SCALARS`, with the OIDs of support functions (`pg_proc` has them).
struct BaseType {
    oid: u32,
    by_value: bool,
    kind: char,
    delimiter: char,
    subscript: u32,
    element: u32,
    input: u32,
    output: u32,
    receive: u32,
    send: u32,
    modin: u32,
    modout: u32,
    align: char,
    storage: char,
    collation: u32,
}

/// Source: PostgreSQL 15's `pg_type`.
#[rustfmt::skip] // a table, one row per line
const BASE_TYPES: &[BaseType] = &[
    BaseType { oid: 16, by_value: true, kind: 'b', delimiter: ',', subscript: 0, element: 0, input: 1242, output: 1243, receive: 2436, send: 2437, modin: 0, modout: 0, align: 'c', storage: 'p', collation: 0 },
    BaseType { oid: 17, by_value: false, kind: 'b', delimiter: ',', subscript: 0, element: 0, input: 1244, output: 31, receive: 2412, send: 2413, modin: 0, modout: 0, align: 'i', storage: 'x', collation: 0 },
    BaseType { oid: 18, by_value: true, kind: 'b', delimiter: ',', subscript: 0, element: 0, input: 1245, output: 33, receive: 2434, send: 2435, modin: 0, modout: 0, align: 'c', storage: 'p', collation: 0 },
    BaseType { oid: 19, by_value: false, kind: 'b', delimiter: ',', subscript: 6180, element: 18, input: 34, output: 35, receive: 2422, send: 2423, modin: 0, modout: 0, align: 'c', storage: 'p', collation: 950 },
    BaseType { oid: 20, by_value: true, kind: 'b', delimiter: ',', subscript: 0, element: 0, input: 460, output: 461, receive: 2408, send: 2409, modin: 0, modout: 0, align: 'd', storage: 'p', collation: 0 },
    BaseType { oid: 21, by_value: true, kind: 'b', delimiter: ',', subscript: 0, element: 0, input: 38, output: 39, receive: 2404, send: 2405, modin: 0, modout: 0, align: 's', storage: 'p', collation: 0 },
    BaseType { oid: 23, by_value: true, kind: 'b', delimiter: ',', subscript: 0, element: 0, input: 42, output: 43, receive: 2406, send: 2407, modin: 0, modout: 0, align: 'i', storage: 'p', collation: 0 },
    BaseType { oid: 24, by_value: true, kind: 'b', delimiter: ',', subscript: 0, element: 0, input: 44, output: 45, receive: 2444, send: 2445, modin: 0, modout: 0, align: 'i', storage: 'p', collation: 0 },
    BaseType { oid: 25, by_value: false, kind: 'b', delimiter: ',', subscript: 0, element: 0, input: 46, output: 47, receive: 2414, send: 2415, modin: 0, modout: 0, align: 'i', storage: 'x', collation: 100 },
    BaseType { oid: 26, by_value: true, kind: 'b', delimiter: ',', subscript: 0, element: 0, input: 1798, output: 1799, receive: 2418, send: 2419, modin: 0, modout: 0, align: 'i', storage: 'p', collation: 0 },
    BaseType { oid: 114, by_value: false, kind: 'b', delimiter: ',', subscript: 0, element: 0, input: 321, output: 322, receive: 323, send: 324, modin: 0, modout: 0, align: 'i', storage: 'x', collation: 0 },
    BaseType { oid: 700, by_value: true, kind: 'b', delimiter: ',', subscript: 0, element: 0, input: 200, output: 201, receive: 2424, send: 2425, modin: 0, modout: 0, align: 'i', storage: 'p', collation: 0 },
    BaseType { oid: 701, by_value: true, kind: 'b', delimiter: ',', subscript: 0, element: 0, input: 214, output: 215, receive: 2426, send: 2427, modin: 0, modout: 0, align: 'd', storage: 'p', collation: 0 },
    BaseType { oid: 705, by_value: false, kind: 'p', delimiter: ',', subscript: 0, element: 0, input: 109, output: 110, receive: 2416, send: 2417, modin: 0, modout: 0, align: 'c', storage: 'p', collation: 0 },
    BaseType { oid: 1042, by_value: false, kind: 'b', delimiter: ',', subscript: 0, element: 0, input: 1044, output: 1045, receive: 2430, send: 2431, modin: 2913, modout: 2914, align: 'i', storage: 'x', collation: 100 },
    BaseType { oid: 1043, by_value: false, kind: 'b', delimiter: ',', subscript: 0, element: 0, input: 1046, output: 1047, receive: 2432, send: 2433, modin: 2915, modout: 2916, align: 'i', storage: 'x', collation: 100 },
    BaseType { oid: 1082, by_value: true, kind: 'b', delimiter: ',', subscript: 0, element: 0, input: 1084, output: 1085, receive: 2468, send: 2469, modin: 0, modout: 0, align: 'i', storage: 'p', collation: 0 },
    BaseType { oid: 1083, by_value: true, kind: 'b', delimiter: ',', subscript: 0, element: 0, input: 1143, output: 1144, receive: 2470, send: 2471, modin: 2909, modout: 2910, align: 'd', storage: 'p', collation: 0 },
    BaseType { oid: 1114, by_value: true, kind: 'b', delimiter: ',', subscript: 0, element: 0, input: 1312, output: 1313, receive: 2474, send: 2475, modin: 2905, modout: 2906, align: 'd', storage: 'p', collation: 0 },
    BaseType { oid: 1184, by_value: true, kind: 'b', delimiter: ',', subscript: 0, element: 0, input: 1150, output: 1151, receive: 2476, send: 2477, modin: 2907, modout: 2908, align: 'd', storage: 'p', collation: 0 },
    BaseType { oid: 1186, by_value: false, kind: 'b', delimiter: ',', subscript: 0, element: 0, input: 1160, output: 1161, receive: 2478, send: 2479, modin: 2903, modout: 2904, align: 'd', storage: 'p', collation: 0 },
    BaseType { oid: 1700, by_value: false, kind: 'b', delimiter: ',', subscript: 0, element: 0, input: 1701, output: 1702, receive: 2460, send: 2461, modin: 2917, modout: 2918, align: 'i', storage: 'm', collation: 0 },
    BaseType { oid: 2205, by_value: true, kind: 'b', delimiter: ',', subscript: 0, element: 0, input: 2218, output: 2219, receive: 2452, send: 2453, modin: 0, modout: 0, align: 'i', storage: 'p', collation: 0 },
    BaseType { oid: 2206, by_value: true, kind: 'b', delimiter: ',', subscript: 0, element: 0, input: 2220, output: 2221, receive: 2454, send: 2455, modin: 0, modout: 0, align: 'i', storage: 'p', collation: 0 },
    BaseType { oid: 2249, by_value: false, kind: 'p', delimiter: ',', subscript: 0, element: 0, input: 2290, output: 2291, receive: 2402, send: 2403, modin: 0, modout: 0, align: 'd', storage: 'x', collation: 0 },
    BaseType { oid: 2276, by_value: true, kind: 'p', delimiter: ',', subscript: 0, element: 0, input: 2294, output: 2295, receive: 0, send: 0, modin: 0, modout: 0, align: 'i', storage: 'p', collation: 0 },
    BaseType { oid: 2277, by_value: false, kind: 'p', delimiter: ',', subscript: 0, element: 0, input: 2296, output: 2297, receive: 2502, send: 2503, modin: 0, modout: 0, align: 'd', storage: 'x', collation: 0 },
    BaseType { oid: 2278, by_value: true, kind: 'p', delimiter: ',', subscript: 0, element: 0, input: 2298, output: 2299, receive: 3120, send: 3121, modin: 0, modout: 0, align: 'i', storage: 'p', collation: 0 },
    BaseType { oid: 2279, by_value: true, kind: 'p', delimiter: ',', subscript: 0, element: 0, input: 2300, output: 2301, receive: 0, send: 0, modin: 0, modout: 0, align: 'i', storage: 'p', collation: 0 },
    BaseType { oid: 2283, by_value: true, kind: 'p', delimiter: ',', subscript: 0, element: 0, input: 2312, output: 2313, receive: 0, send: 0, modin: 0, modout: 0, align: 'i', storage: 'p', collation: 0 },
    BaseType { oid: 2950, by_value: false, kind: 'b', delimiter: ',', subscript: 0, element: 0, input: 2952, output: 2953, receive: 2961, send: 2962, modin: 0, modout: 0, align: 'c', storage: 'p', collation: 0 },
    BaseType { oid: 3802, by_value: false, kind: 'b', delimiter: ',', subscript: 6098, element: 0, input: 3806, output: 3804, receive: 3805, send: 3803, modin: 0, modout: 0, align: 'i', storage: 'x', collation: 0 },
    BaseType { oid: 4089, by_value: true, kind: 'b', delimiter: ',', subscript: 0, element: 0, input: 4084, output: 4085, receive: 4087, send: 4088, modin: 0, modout: 0, align: 'i', storage: 'p', collation: 0 },
    BaseType { oid: 4096, by_value: true, kind: 'b', delimiter: ',', subscript: 0, element: 0, input: 4098, output: 4092, receive: 4094, send: 4095, modin: 0, modout: 0, align: 'i', storage: 'p', collation: 0 },
];

const ARRAY_IN: u32 = 750;
const ARRAY_OUT: u32 = 751;
const ARRAY_RECEIVE: u32 = 2400;
const ARRAY_SEND: u32 = 2401;
const ARRAY_ANALYZE: u32 = 3816;
const ARRAY_SUBSCRIPT: u32 = 6179;

/// How values of a type lie in PostgreSQL's rows, as `pg_attribute` repeats it.
pub(super) struct Layout {
    pub length: i16,
    pub by_value: bool,
    pub align: char,
    pub storage: char,
    pub collation: u32,
}

pub(super) fn layout(ty: Type) -> Layout {
    let base = base_type(ty);
    match ty {
        Type::Array(_) => Layout {
            length: -1,
            by_value: false,
            align: array_align(base),
            storage: 'x',
            collation: array_collation(base),
        },
        other => Layout {
            length: other.scalar().length,
            by_value: base.by_value,
            align: base.align,
            storage: base.storage,
            collation: base.collation,
        },
    }
}

fn base_type(ty: Type) -> &'static BaseType {
    let oid = ty.scalar().oid;
    let index = BASE_TYPES
        .binary_search_by_key(&oid, |base| base.oid)
        .expect("every row of SCALARS has one in BASE_TYPES: tested");
    &BASE_TYPES[index]
}

fn array_align(element: &BaseType) -> char {
    if element.align == 'd' { 'd' } else { 'i' }
}

fn array_collation(element: &BaseType) -> u32 {
    element.collation
}

fn rows(_: &SystemContext) -> Vec<Row> {
    all_types().map(row).collect()
}

fn by_oid(_: &SystemContext, value: &Datum) -> Vec<Row> {
    oid_of(value).and_then(Type::from_oid).map(row).into_iter().collect()
}

fn by_name(_: &SystemContext, value: &Datum) -> Vec<Row> {
    let Some(name) = value.as_str() else { return vec![] };
    all_types().filter(|ty| ty.catalog_name() == name).map(row).collect()
}

/// Every type and array type.
pub(crate) fn all_types() -> impl Iterator<Item = Type> {
    SCALARS
        .iter()
        .flat_map(|scalar| std::iter::once(scalar.ty).chain(scalar.ty.array_type()))
}

fn row(ty: Type) -> Row {
    let scalar = ty.scalar();
    let base = base_type(ty);
    let is_array = ty.element().is_some();
    let either = |array: u32, own: u32| oid(if is_array { array } else { own });
    let layout = layout(ty);
    let pseudo = base.kind == 'p';
    vec![
        oid(ty.oid()),
        text(ty.catalog_name()),
        oid(PG_CATALOG_OID),
        oid(SUPERUSER_OID),
        int2(layout.length),
        boolean(layout.by_value),
        letter(base.kind), // an array of a pseudo-type is one itself
        letter(if pseudo { scalar.category } else { ty.category() }),
        boolean(ty.is_preferred()),
        boolean(true), // typisdefined
        letter(base.delimiter),
        oid(0), // typrelid
        either(ARRAY_SUBSCRIPT, base.subscript),
        either(scalar.oid, base.element),
        either(0, scalar.array_oid),
        either(ARRAY_IN, base.input),
        either(ARRAY_OUT, base.output),
        either(ARRAY_RECEIVE, base.receive),
        either(ARRAY_SEND, base.send),
        oid(base.modin),
        oid(base.modout),
        either(ARRAY_ANALYZE, 0),
        letter(layout.align),
        letter(layout.storage),
        boolean(false), // typnotnull
        oid(0),         // typbasetype
        int4(NO_TYPMOD),
        int4(0), // typndims
        oid(layout.collation),
        NULL, // typdefaultbin
        NULL, // typdefault
        NULL, // typacl
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_scalar_has_a_base_type() {
        assert!(BASE_TYPES.is_sorted_by_key(|base| base.oid));
        assert_eq!(BASE_TYPES.len(), SCALARS.len());
        all_types().for_each(|ty| assert_eq!(row(ty).len(), TABLE.columns.len()));
    }
}

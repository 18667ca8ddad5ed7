//! SQL types and their OIDs (PostgreSQL's `pg_type.dat`).

/// A SQL type. Length and precision (`varchar(10)`, `numeric(5,2)`) are a typmod, kept beside it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Type {
    Bool,
    Int2,
    Int4,
    Int8,
    Float4,
    Float8,
    Numeric,
    Text,
    Varchar,
    Bpchar,
    /// The internal 1-byte type `"char"`; a datum of it is `Datum::Text` of at most one character.
    Char,
    /// A datum of it is `Datum::Text`.
    Name,
    Bytea,
    Date,
    Time,
    Timestamp,
    Timestamptz,
    Interval,
    Uuid,
    Json,
    Jsonb,
    Oid,
    /// The `reg*` types: an OID that reads and prints as a name. A datum of them is `Datum::Oid`.
    Regclass,
    Regtype,
    Regproc,
    Regnamespace,
    Regrole,
    /// A one-dimensional or nested array of a scalar type.
    Array(&'static Type),
    /// An anonymous row; a datum of it is `Datum::Record`.
    Record,
    Void,
    Trigger,
    /// A literal or parameter whose type is not decided yet; a datum of it is `Datum::Text`.
    Unknown,
    /// Polymorphic pseudo-types of built-in function signatures; no value has them.
    Any,
    AnyElement,
    AnyArray,
}

/// No length, precision or scale given.
pub const NO_TYPMOD: i32 = -1;

/// The typmod of a system table's column that is an int2vector or oidvector in PostgreSQL: an array of int2 or oid here,
/// of which clients are told the vector's type, and which is written as one: `1 2`.
pub const VECTOR_TYPMOD: i32 = -2;

/// The name of a vector type, by its OID.
pub fn vector_name(oid: u32) -> Option<&'static str> {
    match oid {
        22 => Some("int2vector"),
        30 => Some("oidvector"),
        _ => None,
    }
}

/// The OID of the vector type, where a column of this type and typmod is one.
pub fn vector_oid(ty: Type, typmod: i32) -> Option<u32> {
    match ty {
        Type::Array(Type::Int2) if typmod == VECTOR_TYPMOD => Some(22),
        Type::Array(Type::Oid) if typmod == VECTOR_TYPMOD => Some(30),
        _ => None,
    }
}

/// Every type that a column or a value can have, arrays aside: (type, OID, array type's OID,
/// name in the catalog, SQL name, length in bytes or -1 if variable, category, preferred).
/// Source: PostgreSQL 15, `src/include/catalog/pg_type.dat`.
pub const SCALARS: &[Scalar] = &[
    scalar(Type::Bool, 16, 1000, "bool", "boolean", 1, 'B', true),
    scalar(Type::Bytea, 17, 1001, "bytea", "bytea", -1, 'U', false),
    scalar(Type::Char, 18, 1002, "char", "\"char\"", 1, 'Z', false),
    scalar(Type::Name, 19, 1003, "name", "name", 64, 'S', false),
    scalar(Type::Int8, 20, 1016, "int8", "bigint", 8, 'N', false),
    scalar(Type::Int2, 21, 1005, "int2", "smallint", 2, 'N', false),
    scalar(Type::Int4, 23, 1007, "int4", "integer", 4, 'N', false),
    scalar(Type::Regproc, 24, 1008, "regproc", "regproc", 4, 'N', false),
    scalar(Type::Text, 25, 1009, "text", "text", -1, 'S', true),
    scalar(Type::Oid, 26, 1028, "oid", "oid", 4, 'N', true),
    scalar(Type::Json, 114, 199, "json", "json", -1, 'U', false),
    scalar(Type::Float4, 700, 1021, "float4", "real", 4, 'N', false),
    scalar(Type::Float8, 701, 1022, "float8", "double precision", 8, 'N', true),
    scalar(Type::Bpchar, 1042, 1014, "bpchar", "character", -1, 'S', false),
    scalar(Type::Varchar, 1043, 1015, "varchar", "character varying", -1, 'S', false),
    scalar(Type::Date, 1082, 1182, "date", "date", 4, 'D', false),
    scalar(Type::Time, 1083, 1183, "time", "time without time zone", 8, 'D', false),
    scalar(
        Type::Timestamp,
        1114,
        1115,
        "timestamp",
        "timestamp without time zone",
        8,
        'D',
        false,
    ),
    scalar(
        Type::Timestamptz,
        1184,
        1185,
        "timestamptz",
        "timestamp with time zone",
        8,
        'D',
        true,
    ),
    scalar(Type::Interval, 1186, 1187, "interval", "interval", 16, 'T', true),
    scalar(Type::Numeric, 1700, 1231, "numeric", "numeric", -1, 'N', false),
    scalar(Type::Regclass, 2205, 2210, "regclass", "regclass", 4, 'N', false),
    scalar(Type::Regtype, 2206, 2211, "regtype", "regtype", 4, 'N', false),
    scalar(Type::Uuid, 2950, 2951, "uuid", "uuid", 16, 'U', false),
    scalar(Type::Jsonb, 3802, 3807, "jsonb", "jsonb", -1, 'U', false),
    scalar(Type::Regnamespace, 4089, 4090, "regnamespace", "regnamespace", 4, 'N', false),
    scalar(Type::Regrole, 4096, 4097, "regrole", "regrole", 4, 'N', false),
    scalar(Type::Record, 2249, 2287, "record", "record", -1, 'P', false),
    scalar(Type::Void, 2278, 0, "void", "void", 4, 'P', false),
    scalar(Type::Trigger, 2279, 0, "trigger", "trigger", 4, 'P', false),
    scalar(Type::Unknown, 705, 0, "unknown", "unknown", -2, 'X', false),
    scalar(Type::Any, 2276, 0, "any", "\"any\"", 4, 'P', false),
    scalar(Type::AnyElement, 2283, 0, "anyelement", "anyelement", 4, 'P', false),
    scalar(Type::AnyArray, 2277, 0, "anyarray", "anyarray", -1, 'P', false),
];

/// One row of [`SCALARS`].
#[derive(Debug)]
pub struct Scalar {
    pub ty: Type,
    pub oid: u32,
    /// 0 where there is no array type.
    pub array_oid: u32,
    /// `pg_type.typname`.
    pub name: &'static str,
    /// As `format_type` prints it.
    pub sql_name: &'static str,
    /// `pg_type.typlen`.
    pub length: i16,
    /// `pg_type.typcategory`.
    pub category: char,
    /// `pg_type.typispreferred`.
    pub preferred: bool,
}

#[allow(clippy::too_many_arguments)] // a row of a table, written as one
const fn scalar(
    ty: Type,
    oid: u32,
    array_oid: u32,
    name: &'static str,
    sql_name: &'static str,
    length: i16,
    category: char,
    preferred: bool,
) -> Scalar {
    Scalar {
        ty,
        oid,
        array_oid,
        name,
        sql_name,
        length,
        category,
        preferred,
    }
}

impl Type {
    /// The type's row in [`SCALARS`]; for an array, its element's.
    pub fn scalar(self) -> &'static Scalar {
        let base = match self {
            Type::Array(element) => *element,
            other => other,
        };
        SCALARS
            .iter()
            .find(|s| s.ty == base)
            .expect("every type but arrays has a row in SCALARS")
    }

    pub fn oid(self) -> u32 {
        match self {
            Type::Bool => 16,
            Type::Int4 => 23,
            Type::Int8 => 20,
            Type::Text => 25,
            Type::Array(element) => element.scalar().array_oid,
            other => other.scalar().oid,
        }
    }

    pub fn from_oid(oid: u32) -> Option<Type> {
        SCALARS.iter().find_map(|s| match oid {
            0 => None,
            o if o == s.oid => Some(s.ty),
            o if o == s.array_oid => Some(Type::Array(&s.ty)),
            _ => None,
        })
    }

    /// The type of a lower-case type name without typmod, in any of PostgreSQL's spellings
    /// (`int`, `int4`, `character varying`, `_int4`, `text[]`); None where there is none.
    pub fn from_name(name: &str) -> Option<Type> {
        if let Some(element) = name.strip_suffix("[]") {
            return Type::from_name(element.trim_end()).and_then(Type::array_of);
        }
        let alias = match name {
            "int" => "integer",
            "float" => "double precision",
            "decimal" | "dec" => "numeric",
            "character varying" | "char varying" => "varchar",
            "nchar" => "character",
            "timestamp" => "timestamp without time zone",
            "time" => "time without time zone",
            "bool" => "boolean",
            "string" => return None,
            other => other,
        };
        if let Some(found) = SCALARS.iter().find(|s| s.sql_name == alias || s.name == alias) {
            return Some(found.ty);
        }
        alias
            .strip_prefix('_')
            .and_then(|element| SCALARS.iter().find(|s| s.name == element))
            .and_then(|s| s.ty.array_type())
    }

    /// The array type over this one; None for pseudo-types and for arrays.
    pub fn array_type(self) -> Option<Type> {
        SCALARS
            .iter()
            .find(|s| s.ty == self && s.array_oid != 0)
            .map(|s| Type::Array(&s.ty))
    }

    /// As [`Type::array_type`], but an array of arrays is the same type (PostgreSQL does not
    /// distinguish `int[]` from `int[][]`).
    pub fn array_of(self) -> Option<Type> {
        match self {
            Type::Array(_) => Some(self),
            other => other.array_type(),
        }
    }

    /// An array's element type.
    pub fn element(self) -> Option<Type> {
        match self {
            Type::Array(element) => Some(*element),
            _ => None,
        }
    }

    /// `pg_type.typcategory`.
    pub fn category(self) -> char {
        match self {
            Type::Array(_) => 'A',
            Type::AnyArray => 'P',
            other => other.scalar().category,
        }
    }

    /// `pg_type.typispreferred`.
    pub fn is_preferred(self) -> bool {
        !matches!(self, Type::Array(_)) && self.scalar().preferred
    }

    pub fn is_string(self) -> bool {
        self.category() == 'S'
    }

    pub fn is_integer(self) -> bool {
        matches!(self, Type::Int2 | Type::Int4 | Type::Int8)
    }

    /// `pg_type.typname`.
    pub fn catalog_name(self) -> String {
        match self {
            Type::Array(element) => format!("_{}", element.scalar().name),
            other => other.scalar().name.to_string(),
        }
    }

    /// `format_type(oid, typmod)`: `character varying(10)`, `numeric(5,2)`, `integer[]`.
    pub fn format(self, typmod: i32) -> String {
        if let Type::Array(element) = self {
            return format!("{}[]", element.format(typmod));
        }
        let name = self.scalar().sql_name;
        if typmod < 0 {
            return name.to_string();
        }
        match self {
            Type::Varchar | Type::Bpchar => format!("{name}({})", typmod - 4),
            Type::Numeric => {
                let (precision, scale) = numeric_typmod_parts(typmod);
                format!("{name}({precision},{scale})")
            }
            Type::Time => format!("time({typmod}) without time zone"),
            Type::Timestamp => format!("timestamp({typmod}) without time zone"),
            Type::Timestamptz => format!("timestamp({typmod}) with time zone"),
            Type::Interval => crate::text::declared_interval(typmod),
            _ => name.to_string(),
        }
    }
}

/// The typmod of `numeric(precision, scale)`: PostgreSQL's packing, plus its 4-byte header offset.
pub fn numeric_typmod(precision: i32, scale: i32) -> i32 {
    ((precision << 16) | (scale & 0x7ff)) + 4
}

/// (precision, scale) of a numeric typmod that is not [`NO_TYPMOD`]; scale is sign-extended from 11 bits.
pub fn numeric_typmod_parts(typmod: i32) -> (i32, i32) {
    let packed = typmod - 4;
    let scale = ((packed & 0x7ff) ^ 0x400) - 0x400;
    ((packed >> 16) & 0xffff, scale)
}

impl std::fmt::Display for Type {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.format(NO_TYPMOD))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_oids_go_both_ways() {
        for s in SCALARS {
            assert_eq!(Type::from_oid(s.oid), Some(s.ty));
            assert_eq!(s.ty.oid(), s.oid);
            assert_eq!(Type::from_name(s.name), Some(s.ty), "{}", s.name);
            if s.array_oid != 0 {
                let array = s.ty.array_type().unwrap();
                assert_eq!(array.oid(), s.array_oid);
                assert_eq!(Type::from_oid(s.array_oid), Some(array));
            }
        }
    }

    #[test]
    fn types_print_as_format_type_does() {
        assert_eq!(Type::Varchar.format(14), "character varying(10)");
        assert_eq!(Type::Numeric.format(numeric_typmod(5, 2)), "numeric(5,2)");
        assert_eq!(Type::Array(&Type::Int4).format(NO_TYPMOD), "integer[]");
    }
}

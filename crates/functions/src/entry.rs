//! The rows of the registry: what a function and an operator are.

use types::{Datum, Result, Type};

use crate::Environment;

/// The implementation of a scalar function.
pub type Run = fn(&dyn Environment, &[Datum]) -> Result<Datum>;

/// A scalar function. The tables of them are in [`crate::scalar`], one file per family.
#[derive(Debug)]
pub struct Scalar {
    pub name: &'static str,
    /// May hold the polymorphic types `Any`, `AnyElement` and `AnyArray`.
    pub args: &'static [Type],
    /// The last argument may be given any number of times, at least once.
    pub variadic: bool,
    /// May be polymorphic like `args`.
    pub ret: Type,
    /// NULL in, NULL out: `run` is not called when an argument is NULL.
    pub strict: bool,
    pub volatility: Volatility,
    pub run: Run,
    pub native: Option<Native>,
    /// How the polymorphic arguments depend on each other.
    pub family: Family,
    /// `run` wants to know the types of its arguments: one more argument at the end, made by
    /// [`types_argument`]. [`crate::resolve::Resolved::types_argument`] carries it. Without it `run` guesses
    /// from the values, which is wrong for `reg*` types, varchar, and NULLs.
    pub typed: bool,
    /// Argument names, for `make_interval(days => 10)`; empty where PostgreSQL has none.
    pub names: &'static [&'static str],
    /// The last `defaults.len()` arguments may be left out; these texts are their values.
    pub defaults: &'static [&'static str],
}

/// What PostgreSQL's pseudo-types say beyond [`Type::AnyElement`] and [`Type::AnyArray`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Family {
    /// `anyelement`, `anyarray`: all of one type exactly.
    Same,
    /// `anynonarray`: as `Same`, and not an array.
    NonArray,
    /// `anycompatible`, `anycompatiblearray`: converted to a common type.
    Compatible,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Volatility {
    Immutable,
    Stable,
    Volatile,
}

/// An arrow kernel that means exactly the same for these argument types, errors included
/// (overflow is SQLSTATE 22003, division by zero 22012).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Native {
    Eq,
    NotEq,
    Lt,
    LtEq,
    Gt,
    GtEq,
    Add,
    Sub,
    Mul,
    Div,
    Rem,
}

/// An operator and the function behind it. `left` is None for a prefix operator.
#[derive(Debug)]
pub struct Operator {
    pub symbol: &'static str,
    pub left: Option<Type>,
    pub right: Type,
    pub function: &'static Scalar,
}

impl Scalar {
    /// A strict, immutable function: what most are.
    pub(crate) const fn new(name: &'static str, args: &'static [Type], ret: Type, run: Run) -> Scalar {
        Scalar {
            name,
            args,
            variadic: false,
            ret,
            strict: true,
            volatility: Volatility::Immutable,
            run,
            native: None,
            family: Family::Same,
            typed: false,
            names: &[],
            defaults: &[],
        }
    }

    /// Called with NULLs, too.
    pub(crate) const fn lax(mut self) -> Scalar {
        self.strict = false;
        self
    }

    /// Says what [`Scalar::new`] assumes, where the entries of a table differ.
    pub(crate) const fn immutable(mut self) -> Scalar {
        self.volatility = Volatility::Immutable;
        self
    }

    pub(crate) const fn stable(mut self) -> Scalar {
        self.volatility = Volatility::Stable;
        self
    }

    pub(crate) const fn volatile(mut self) -> Scalar {
        self.volatility = Volatility::Volatile;
        self
    }

    pub(crate) const fn variadic(mut self) -> Scalar {
        self.variadic = true;
        self
    }

    pub(crate) const fn native(mut self, native: Native) -> Scalar {
        self.native = Some(native);
        self
    }

    pub(crate) const fn family(mut self, family: Family) -> Scalar {
        self.family = family;
        self
    }

    pub(crate) const fn typed(mut self) -> Scalar {
        self.typed = true;
        self
    }

    pub(crate) const fn named(mut self, names: &'static [&'static str]) -> Scalar {
        self.names = names;
        self
    }

    pub(crate) const fn defaults(mut self, defaults: &'static [&'static str]) -> Scalar {
        self.defaults = defaults;
        self
    }
}

/// No SQL text can hold a NUL, so no value of a user's can be taken for the types argument.
const TYPES_MARK: &str = "\0types";

/// Begins a record that holds JSON, written already: [`crate`]'s aggregates, which are not told of their arguments'
/// types, get records this way. No value of a user's can be taken for it either.
pub const WRITTEN_MARK: &str = "\0json";

/// The value that tells a [`Scalar::typed`] function the types of its other arguments.
pub fn types_argument(types: &[Type]) -> Datum {
    let types = types.iter().map(|ty| Datum::Oid(ty.oid()));
    Datum::Record([Datum::text(TYPES_MARK)].into_iter().chain(types).collect())
}

/// What a function may know about the type of an argument.
#[derive(Clone, Debug)]
pub struct Shape {
    pub ty: Type,
    /// The fields of a record, or of an array's records, where they are known: `row_to_json(t)` shows their names.
    pub fields: Vec<(String, Shape)>,
}

impl Shape {
    pub(crate) fn of(ty: Type) -> Shape {
        Shape { ty, fields: Vec::new() }
    }

    fn to_datum(&self) -> Datum {
        named(Datum::Oid(self.ty.oid()), &self.fields)
    }

    fn from_datum(datum: &Datum) -> Shape {
        let Datum::Record(parts) = datum else {
            return Shape::of(type_of_oid(Some(datum)));
        };
        let field = |pair: &[Datum]| match pair {
            [name, shape] => Some((name.as_str()?.to_string(), Shape::from_datum(shape))),
            _ => None,
        };
        Shape {
            ty: type_of_oid(parts.first()),
            fields: parts[1..].chunks(2).filter_map(field).collect(),
        }
    }
}

/// A type's OID, or a record of it with the names and shapes of its fields.
fn named(ty: Datum, fields: &[(String, Shape)]) -> Datum {
    if fields.is_empty() {
        return ty;
    }
    let fields = fields
        .iter()
        .flat_map(|(name, shape)| [Datum::text(name.as_str()), shape.to_datum()]);
    Datum::Record([ty].into_iter().chain(fields).collect())
}

/// Adds the fields of those arguments that are records to what [`types_argument`] made.
pub fn name_fields(types: Datum, fields: Vec<Vec<(String, Shape)>>) -> Datum {
    let Datum::Record(parts) = types else { return types };
    // The mark comes first.
    let fields = [Vec::new()].into_iter().chain(fields).chain(std::iter::repeat(Vec::new()));
    Datum::Record(parts.into_iter().zip(fields).map(|(part, fields)| named(part, &fields)).collect())
}

fn type_of_oid(datum: Option<&Datum>) -> Type {
    match datum {
        Some(Datum::Oid(oid)) => Type::from_oid(*oid).unwrap_or(Type::Text),
        _ => Type::Text,
    }
}

/// The arguments of a [`Scalar::typed`] function without the types argument, and each one's shape.
pub(crate) fn split_shapes(args: &[Datum]) -> (&[Datum], Vec<Shape>) {
    if let Some((Datum::Record(fields), rest)) = args.split_last()
        && let Some(Datum::Text(mark)) = fields.first()
        && mark == TYPES_MARK
    {
        let mut shapes: Vec<Shape> = fields[1..].iter().map(Shape::from_datum).collect();
        shapes.resize(rest.len(), Shape::of(Type::Text));
        return (rest, shapes);
    }
    (args, args.iter().map(|arg| Shape::of(crate::argument::type_of(arg))).collect())
}

/// As [`split_shapes`], types only.
pub(crate) fn split_types(args: &[Datum]) -> (&[Datum], Vec<Type>) {
    let (args, shapes) = split_shapes(args);
    (args, shapes.into_iter().map(|shape| shape.ty).collect())
}

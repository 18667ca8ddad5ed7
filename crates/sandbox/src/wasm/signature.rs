//! How a module's function is called: which of the two forms its export's type is, for the types that
//! were declared in SQL.

use std::sync::Arc;

use types::Type;
use wasmtime::{ExternType, Module, ValType};

use super::cache::Code;
use super::component;
use super::scalar::Scalar;
use crate::error::Error;
use crate::source::FunctionSource;

/// The form of an export.
#[derive(Clone, Debug)]
pub enum Signature {
    /// A component's function.
    Component(Arc<component::Signature>),
    /// Arguments and result are numbers of WebAssembly. It is not called where an argument is NULL.
    Plain { params: Vec<Scalar>, result: Option<Scalar> },
    /// Arguments and answer lie in the module's memory.
    Buffer,
}

/// The parameters and the result of the buffer form: `(pointer, length) -> pointer << 32 | length`.
const BUFFER: (&str, &str) = ("ii", "I");

/// How the function of `code` is called.
pub fn of(source: &FunctionSource, code: &Code) -> Result<Signature, Error> {
    match code {
        Code::Module(module) => choose(source, module.module()),
        Code::Component(component) => component::choose(source, component).map(|signature| Signature::Component(Arc::new(signature))),
    }
}

/// The plain form where the export has it, else the buffer form, else an error that says what was expected.
fn choose(source: &FunctionSource, module: &Module) -> Result<Signature, Error> {
    let Some(ExternType::Func(ty)) = module.get_export(&source.name) else {
        return Err(Error::Host("an export is gone".into()));
    };
    let found = (letters(ty.params()), letters(ty.results()));
    // A set is no number.
    let plain = if source.set { None } else { plain(source) };
    if let Some((params, result)) = &plain
        && found == spelled(params, *result)
    {
        return Ok(Signature::Plain {
            params: params.clone(),
            result: *result,
        });
    }
    if (found.0.as_str(), found.1.as_str()) != BUFFER {
        return Err(unfit(
            source,
            &found,
            plain.as_ref().map(|(params, result)| spelled(params, *result)),
        ));
    }
    let lacks = |what: &str| Error::Definition {
        message: format!("the module does not export {what}, which a function with its arguments in memory needs"),
        detail: None,
        hint: Some("Export a memory named \"memory\" and a function \"alloc\" (i32) -> i32.".into()),
    };
    if !matches!(module.get_export("memory"), Some(ExternType::Memory(_))) {
        return Err(lacks("a memory named \"memory\""));
    }
    match module.get_export("alloc") {
        Some(ExternType::Func(ty)) if letters(ty.params()) == "i" && letters(ty.results()) == "i" => Ok(Signature::Buffer),
        _ => Err(lacks("a function \"alloc\" (i32) -> i32")),
    }
}

/// The plain form of the declaration; None where a type of it has none.
fn plain(source: &FunctionSource) -> Option<(Vec<Scalar>, Option<Scalar>)> {
    let params = source.args.iter().map(|ty| Scalar::of(*ty)).collect::<Option<Vec<_>>>()?;
    let result = match source.returns {
        Type::Void => None,
        ty => Some(Scalar::of(ty)?),
    };
    Some((params, result))
}

fn spelled(params: &[Scalar], result: Option<Scalar>) -> (String, String) {
    let params = params.iter().map(|scalar| scalar.letter()).collect();
    (params, result.map(Scalar::letter).into_iter().collect())
}

fn unfit(source: &FunctionSource, found: &(String, String), plain: Option<(String, String)>) -> Error {
    let buffer = spell(BUFFER.0, BUFFER.1);
    let expected = match plain {
        Some((params, result)) => format!("{}, or {buffer} with its arguments in memory", spell(&params, &result)),
        None => format!("{buffer}, its arguments in memory"),
    };
    Error::Definition {
        message: format!("the module's function \"{}\" has the wrong signature", source.name),
        detail: Some(format!("It is {}.", spell(&found.0, &found.1))),
        hint: Some(format!("{} must be {expected}.", source.signature())),
    }
}

/// A letter for each type: `i` i32, `I` i64, `f` f32, `F` f64, `?` any other.
pub fn letters(types: impl Iterator<Item = ValType>) -> String {
    types
        .map(|ty| match ty {
            ValType::I32 => 'i',
            ValType::I64 => 'I',
            ValType::F32 => 'f',
            ValType::F64 => 'F',
            ValType::V128 | ValType::Ref(_) => '?',
        })
        .collect()
}

/// `(i32, i64) -> i32`.
pub fn spell(params: &str, results: &str) -> String {
    let names = |letters: &str| {
        let names: Vec<&str> = letters
            .chars()
            .map(|letter| match letter {
                'i' => "i32",
                'I' => "i64",
                'f' => "f32",
                'F' => "f64",
                _ => "a type that SQL has no value for",
            })
            .collect();
        names.join(", ")
    };
    match results {
        "" => format!("({})", names(params)),
        results => format!("({}) -> {}", names(params), names(results)),
    }
}

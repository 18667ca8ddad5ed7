//! Whether a component's function is what was declared in SQL, and how its values cross.

use types::Type;
use wasmtime::component::types::{ComponentFunc, ComponentItem, Type as Found};

use super::plan::{Plan, spelled};
use super::{Compiled, label};
use crate::error::Error;
use crate::host::world::{ERROR, EVENT, OUTCOME, PACKAGE, Shape, spell_function};
use crate::source::FunctionSource;

#[derive(Debug)]
pub struct Signature {
    pub parameters: Vec<Plan>,
    pub answer: Answer,
    /// It is a `result`: what it holds otherwise is an error.
    pub fails: bool,
}

#[derive(Debug)]
pub enum Answer {
    Nothing,
    Value(Plan),
    /// A list of the set's values.
    Set(Plan),
    /// A list of the table's rows, each a record or a tuple.
    Table(Vec<Plan>),
    /// What is to become of a trigger's row.
    Outcome,
}

impl Answer {
    /// Whether a function without a `result` gives anything.
    pub fn is_something(&self) -> bool {
        match self {
            Answer::Nothing => false,
            Answer::Value(_) | Answer::Set(_) | Answer::Table(_) | Answer::Outcome => true,
        }
    }
}

pub fn choose(source: &FunctionSource, compiled: &Compiled) -> Result<Signature, Error> {
    let component = compiled.pre.component();
    let export = component
        .component_type()
        .get_export(component.engine(), &label(&source.name))
        .map(|export| export.ty);
    let Some(ComponentItem::ComponentFunc(found)) = export else {
        return Err(Error::Host("an export is gone".into()));
    };
    let expected = expected(source)?;
    fit(source, &found).ok_or_else(|| Error::Definition {
        message: format!("the component's function \"{}\" has the wrong signature", label(&source.name)),
        detail: Some(format!("It is {}.", spell_function(&found))),
        hint: Some(format!(
            "{} must be {expected}. Each may be an option, which holds NULL, and all of the result a result<..., string>.",
            source.signature()
        )),
    })
}

fn fit(source: &FunctionSource, found: &ComponentFunc) -> Option<Signature> {
    if found.async_() {
        return None;
    }
    let parameters = match source.is_trigger() {
        true => {
            let mut parameters = found.params();
            let (Some((_, event)), None) = (parameters.next(), parameters.next()) else {
                return None;
            };
            EVENT.is(&event).then(Vec::new)?
        }
        false => parameters(source, found)?,
    };
    let mut results = found.results();
    let (result, fails) = match results.next() {
        Some(Found::Result(result)) => {
            let err = result.err()?;
            if !Shape::Text.is(&err) && !ERROR.is(&err) {
                return None;
            }
            (result.ok(), true)
        }
        result => (result, false),
    };
    let answer = match (source.set, source.returns, result) {
        (false, Type::Void, None) => Answer::Nothing,
        (false, Type::Trigger, Some(found)) => OUTCOME.is(&found).then_some(Answer::Outcome)?,
        (false, ty, Some(found)) => Answer::Value(Plan::of(ty, &found)?),
        (true, ty, Some(Found::List(list))) if source.columns.is_empty() => Answer::Set(Plan::of(ty, &list.ty())?),
        (true, _, Some(Found::List(list))) => Answer::Table(columns(source, &list.ty())?),
        _ => return None,
    };
    Some(Signature { parameters, answer, fails })
}

fn parameters(source: &FunctionSource, found: &ComponentFunc) -> Option<Vec<Plan>> {
    if found.params().len() != source.args.len() {
        return None;
    }
    let plans = source.args.iter().zip(found.params()).map(|(ty, (_, found))| Plan::of(*ty, &found));
    plans.collect()
}

/// A table's rows: a tuple, or a record whose fields are called as the columns are.
fn columns(source: &FunctionSource, row: &Found) -> Option<Vec<Plan>> {
    let columns = source.columns.iter();
    match row {
        Found::Tuple(tuple) if tuple.types().len() == columns.len() => {
            columns.zip(tuple.types()).map(|((_, ty), found)| Plan::of(*ty, &found)).collect()
        }
        Found::Record(record) if record.fields().len() == columns.len() => columns
            .zip(record.fields())
            .map(|((name, ty), field)| {
                if label(name) == field.name {
                    Plan::of(*ty, &field.ty)
                } else {
                    None
                }
            })
            .collect(),
        _ => None,
    }
}

/// `(s32, string) -> list<s32>`, for people.
fn expected(source: &FunctionSource) -> Result<String, Error> {
    if source.is_trigger() {
        return Ok(format!("({EVENT}) -> {OUTCOME}, of \"{PACKAGE}triggers\""));
    }
    let spelled = |ty: Type| spelled(ty).ok_or_else(|| Error::Unsupported(format!("{ty} in a function that is a WebAssembly component")));
    let parameters = source.args.iter().map(|ty| spelled(*ty)).collect::<Result<Vec<_>, _>>()?.join(", ");
    let result = match (source.set, source.returns) {
        (false, Type::Void) => return Ok(format!("({parameters})")),
        (false, ty) => spelled(ty)?,
        (true, ty) if source.columns.is_empty() => format!("list<{}>", spelled(ty)?),
        (true, _) => {
            let columns = source.columns.iter().map(|(_, ty)| spelled(*ty)).collect::<Result<Vec<_>, _>>()?;
            format!("list<tuple<{}>>", columns.join(", "))
        }
    };
    Ok(format!("({parameters}) -> {result}"))
}

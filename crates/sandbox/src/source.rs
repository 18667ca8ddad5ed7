//! What the catalog knows of a function and the sandbox needs.

use types::Type;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Language {
    JavaScript,
    Python,
    Wasm,
}

impl Language {
    /// As error contexts spell it.
    pub fn name(self) -> &'static str {
        match self {
            Language::JavaScript => "JavaScript",
            Language::Python => "Python",
            Language::Wasm => "WebAssembly",
        }
    }
}

/// A function as it was declared.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct FunctionSource {
    pub language: Language,
    /// The SQL function's own name, which the body defines.
    pub name: String,
    pub body: String,
    pub args: Vec<Type>,
    /// The type of one result; `Type::Record` where `columns` names its fields (RETURNS TABLE).
    pub returns: Type,
    /// RETURNS SETOF and RETURNS TABLE: called through [`crate::Instance::call_set`].
    pub set: bool,
    pub columns: Vec<(String, Type)>,
}

impl FunctionSource {
    /// RETURNS TRIGGER: called through [`crate::Instance::call_trigger`].
    pub fn is_trigger(&self) -> bool {
        self.returns == Type::Trigger
    }

    /// `f(integer, text)`, as error messages name it.
    pub fn signature(&self) -> String {
        let args: Vec<String> = self.args.iter().map(Type::to_string).collect();
        format!("{}({})", self.name, args.join(", "))
    }
}

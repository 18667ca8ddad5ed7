//! Users' functions and procedures.

use policy::Rights;
use serde::{Deserialize, Serialize};
use types::Type;

use crate::Acl;

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Function {
    pub oid: u32,
    pub schema: String,
    pub name: String,
    /// The owner's role OID.
    pub owner: u32,
    pub language: Language,
    pub args: Vec<Argument>,
    pub returns: Returns,
    /// As it was given: source text, or for WASM the text form, base64, hex or file path.
    pub body: String,
    pub volatility: Volatility,
    /// Not called with a NULL argument; the result is NULL then.
    pub strict: bool,
    pub security_definer: bool,
    /// SET search_path: in force for all that it runs; `"$user"` not replaced. None: it has none of its own.
    #[serde(default)]
    pub search_path: Option<Vec<String>>,
    /// The search path of its creation: its argument defaults' names are looked up along it, and a SECURITY DEFINER function's that has no
    /// other. A record without it finds only `pg_catalog`.
    #[serde(default)]
    pub created_path: Vec<String>,
    #[serde(default)]
    pub purpose: Option<String>,
    /// Counts the changes of this descriptor. What is prepared or cached for a function is so for one version.
    pub version: u64,
    /// What its sandbox may do.
    pub rights: Rights,
    pub enabled: bool,
    /// Refused system calls that were forgiven when it was last enabled or defined. The server counts them all (`Live::violations`), outside
    /// any transaction; the fifth since then disables the function.
    #[serde(default)]
    pub forgiven_violations: u32,
    /// Its owner lets it keep values in `heliosdb.storage`, where the server asks for that.
    #[serde(default)]
    pub storage_consent: bool,
    #[serde(default)]
    pub is_procedure: bool,
    /// Of an aggregate: then there is no body, and the language is that of its parts' SQL face.
    #[serde(default)]
    pub aggregate: Option<Aggregate>,
    /// None: the default, EXECUTE for everybody.
    #[serde(default)]
    pub acl: Option<Acl>,
    #[serde(default)]
    pub comment: Option<String>,
}

/// What CREATE AGGREGATE said: the value goes from state to state through `transition`, once for each row.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Aggregate {
    /// OID of the function that takes the state and a row's arguments to the next state.
    pub transition: u32,
    #[serde(with = "crate::stored_type")]
    pub state: Type,
    /// OID of the function that takes the last state to the result; None: the state is the result.
    #[serde(default)]
    pub finalizer: Option<u32>,
    /// The first state, as text; None: NULL.
    #[serde(default)]
    pub initial: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Argument {
    #[serde(default)]
    pub name: Option<String>,
    #[serde(with = "crate::stored_type")]
    pub ty: Type,
    /// SQL text of the expression. Arguments after one with a default have one too.
    #[serde(default)]
    pub default: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Returns {
    Scalar(#[serde(with = "crate::stored_type")] Type),
    SetOf(#[serde(with = "crate::stored_type")] Type),
    Table(#[serde(with = "crate::stored_type::named")] Vec<(String, Type)>),
    Trigger,
    Void,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Language {
    #[serde(rename = "javascript")]
    JavaScript,
    Python,
    Wasm,
    Sql,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Volatility {
    Immutable,
    Stable,
    Volatile,
}

impl Function {
    /// `function`, `procedure` or `aggregate`.
    pub fn kind(&self) -> &'static str {
        match &self.aggregate {
            _ if self.is_procedure => "procedure",
            Some(_) => "aggregate",
            None => "function",
        }
    }

    /// The search path that is in force in it whoever calls; None: the one around its call.
    pub fn own_path(&self) -> Option<&[String]> {
        match &self.search_path {
            Some(path) => Some(path),
            None if self.security_definer => Some(&self.created_path),
            None => None,
        }
    }

    pub fn arg_types(&self) -> Vec<Type> {
        self.args.iter().map(|arg| arg.ty).collect()
    }

    /// How many of the last arguments may be left out.
    pub fn default_count(&self) -> usize {
        self.args.iter().filter(|arg| arg.default.is_some()).count()
    }

    /// `name(integer, text)`: as errors and commands name it.
    pub fn signature(&self) -> String {
        let types: Vec<String> = self.args.iter().map(|arg| arg.ty.to_string()).collect();
        format!("{}({})", types::ident::quote_ident(&self.name), types.join(", "))
    }
}

/// A search path as SHOW prints it and SET reads it.
pub fn print_path(path: &[String]) -> String {
    match path {
        [] => "\"\"".to_string(),
        path => path
            .iter()
            .map(|schema| types::ident::quote_ident(schema))
            .collect::<Vec<_>>()
            .join(", "),
    }
}

impl Language {
    pub const ALL: [Language; 4] = [Language::JavaScript, Language::Python, Language::Wasm, Language::Sql];

    /// `pg_language.lanname`, and what follows LANGUAGE.
    pub fn name(self) -> &'static str {
        match self {
            Language::JavaScript => "javascript",
            Language::Python => "python",
            Language::Wasm => "wasm",
            Language::Sql => "sql",
        }
    }

    /// Of a lower-case name, PL-style aliases included.
    pub fn from_name(name: &str) -> Option<Language> {
        match name {
            "javascript" | "js" | "plv8" | "pljs" | "pljavascript" => Some(Language::JavaScript),
            "python" | "py" | "plpython" | "plpythonu" | "plpython3u" | "plpython3" => Some(Language::Python),
            "wasm" | "webassembly" | "plwasm" => Some(Language::Wasm),
            "sql" => Some(Language::Sql),
            _ => None,
        }
    }

    /// `pg_language.oid`. SQL's is PostgreSQL's; the others come from the range that no PostgreSQL release uses.
    pub fn oid(self) -> u32 {
        match self {
            Language::JavaScript => 9001,
            Language::Python => 9002,
            Language::Wasm => 9003,
            Language::Sql => 14,
        }
    }
}

impl From<Language> for policy::Language {
    fn from(language: Language) -> policy::Language {
        match language {
            Language::JavaScript => policy::Language::JavaScript,
            Language::Python => policy::Language::Python,
            Language::Wasm => policy::Language::Wasm,
            Language::Sql => policy::Language::Sql,
        }
    }
}

impl Returns {
    /// The type of the result, or of one row of it.
    pub fn ty(&self) -> Type {
        match self {
            Returns::Scalar(ty) | Returns::SetOf(ty) => *ty,
            Returns::Table(columns) => match columns.as_slice() {
                [(_, ty)] => *ty,
                _ => Type::Record,
            },
            Returns::Trigger => Type::Trigger,
            Returns::Void => Type::Void,
        }
    }

    pub fn is_set(&self) -> bool {
        match self {
            Returns::SetOf(_) | Returns::Table(_) => true,
            Returns::Scalar(_) | Returns::Trigger | Returns::Void => false,
        }
    }
}

impl Volatility {
    /// `pg_proc.provolatile`.
    pub fn letter(self) -> char {
        match self {
            Volatility::Immutable => 'i',
            Volatility::Stable => 's',
            Volatility::Volatile => 'v',
        }
    }

    pub fn sql(self) -> &'static str {
        match self {
            Volatility::Immutable => "IMMUTABLE",
            Volatility::Stable => "STABLE",
            Volatility::Volatile => "VOLATILE",
        }
    }
}

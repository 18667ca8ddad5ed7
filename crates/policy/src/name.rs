//! Names of tables and functions, and patterns over them.
//!
//! A pattern is a name or `schema.name`, each folded like an identifier unless quoted, each with `*` for any run of characters of
//! that one name. The rules, from narrow to wide:
//!
//! - `users`, `user_*`: what an unqualified reference to the name would find, that is, the first of that name on the search path that is
//!   in force for the function's call.
//! - `app.users`, `app.*`, `tenant_*.users`: in the schemas that match.
//! - `*`: in every schema. It is the one unqualified pattern that looks beyond the search path: the document calls it "all tables".
//! - The schemas of the system (`heliosdb`, `pg_catalog`, `information_schema`, every `pg_...` but temporary ones) are covered only by a
//!   pattern that spells the schema out: `heliosdb.alerts`, `pg_catalog.*`. No star and no search path reaches them.

use types::ident;

use crate::glob::Glob;

/// A table or function that a statement names, found by the engine.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ObjectName {
    pub schema: String,
    pub name: String,
    /// An unqualified reference to `name` would find this very object through the search path.
    pub visible: bool,
    /// The role whose SQL privileges count for it where they are not the caller's: the owner of the view that reads it.
    pub as_role: Option<u32>,
}

impl ObjectName {
    pub fn new(schema: impl Into<String>, name: impl Into<String>, visible: bool) -> ObjectName {
        ObjectName {
            schema: schema.into(),
            name: name.into(),
            visible,
            as_role: None,
        }
    }

    pub fn as_role(mut self, role: Option<u32>) -> ObjectName {
        self.as_role = role;
        self
    }

    /// `schema.name`, as the log and error messages show it: quoted only where its parts would be unclear.
    pub fn qualified(&self) -> String {
        let mut text = String::with_capacity(self.schema.len() + self.name.len() + 1);
        put_piece(&self.schema, &mut text);
        text.push('.');
        put_piece(&self.name, &mut text);
        text
    }

    /// The pattern that covers just this object, as short as it can be.
    pub fn pattern(&self) -> NamePattern {
        let unqualified = self.visible && !is_reserved_schema(&self.schema);
        NamePattern {
            schema: (!unqualified).then(|| Glob::literal(&self.schema)),
            name: Glob::literal(&self.name),
        }
    }
}

/// Whether the schema is the system's: only a pattern that spells it out covers what is in it, and no function writes there.
pub fn is_reserved_schema(schema: &str) -> bool {
    match schema {
        "heliosdb" | "information_schema" => true,
        // `pg_temp_7` is the user's own.
        _ => schema.starts_with("pg_") && !(schema == "pg_temp" || schema.starts_with("pg_temp_")),
    }
}

/// Longer patterns are refused; a qualified identifier has at most 127 bytes.
const MAX_PATTERN_BYTES: usize = 256;

/// Cutting it, as identifiers are cut, would make the pattern of another name.
const TOO_LONG: &str = "a name in it is longer than 63 bytes";

#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NamePattern {
    schema: Option<Glob>,
    name: Glob,
}

impl NamePattern {
    pub fn parse(text: &str) -> Result<NamePattern, &'static str> {
        if text.len() > MAX_PATTERN_BYTES {
            return Err("it is longer than 256 bytes");
        }
        let mut parts = vec![Glob::literal("")];
        let mut chars = text.chars().peekable();
        while let Some(c) = chars.next() {
            let Some(part) = parts.last_mut() else { return Err("it is empty") };
            match c {
                '.' => parts.push(Glob::literal("")),
                '*' => part.push_star(),
                '"' => part.push_text(&quoted(&mut chars)?),
                c if c.is_whitespace() || c.is_control() => return Err("a name with blanks must be in double quotes"),
                '\'' | ',' | ';' | '(' | ')' => return Err("a name with punctuation must be in double quotes"),
                c => {
                    let mut word = String::from(c);
                    while let Some(c) = chars
                        .next_if(|c| !matches!(c, '.' | '*' | '"' | '\'' | ',' | ';' | '(' | ')') && !c.is_whitespace() && !c.is_control())
                    {
                        word.push(c);
                    }
                    if word.len() > ident::MAX_IDENTIFIER_BYTES {
                        return Err(TOO_LONG);
                    }
                    part.push_text(&ident::fold(&word));
                }
            }
        }
        if parts.iter().any(Glob::is_empty) {
            return Err("a name in it is empty");
        }
        let bytes = |part: &Glob| part.pieces().iter().map(String::len).sum::<usize>();
        if parts.iter().any(|part| bytes(part) > ident::MAX_IDENTIFIER_BYTES) {
            return Err(TOO_LONG);
        }
        match <[Glob; 2]>::try_from(parts) {
            Ok([schema, name]) => Ok(NamePattern {
                schema: Some(schema),
                name,
            }),
            Err(parts) => match <[Glob; 1]>::try_from(parts) {
                Ok([name]) => Ok(NamePattern { schema: None, name }),
                Err(_) => Err("it has more parts than schema and name"),
            },
        }
    }

    /// Whether what it means depends on a search path: it names no schema, and is not the star that covers all.
    pub fn follows_search_path(&self) -> bool {
        self.schema.is_none() && !self.name.is_star()
    }

    /// The same names in one schema.
    pub fn in_schema(&self, schema: &str) -> NamePattern {
        NamePattern {
            schema: Some(Glob::literal(schema)),
            name: self.name.clone(),
        }
    }

    /// The unqualified pattern of just this name.
    pub(crate) fn of_name(name: &str) -> NamePattern {
        NamePattern {
            schema: None,
            name: Glob::literal(name),
        }
    }

    pub fn matches(&self, object: &ObjectName) -> bool {
        let in_schema = match &self.schema {
            Some(schema) if is_reserved_schema(&object.schema) => schema.as_literal() == Some(object.schema.as_str()),
            Some(schema) => schema.matches(&object.schema),
            None => !is_reserved_schema(&object.schema) && (object.visible || self.name.is_star()),
        };
        in_schema && self.name.matches(&object.name)
    }

    /// Whether everything that `other` matches, under whatever search path, this matches too.
    pub fn covers(&self, other: &NamePattern) -> bool {
        let schema = match (&self.schema, &other.schema) {
            (None, None) => true,
            // `*` is every ordinary schema; another unqualified pattern is a search path that may change.
            (None, Some(theirs)) => self.name.is_star() && !spells_reserved(theirs),
            (Some(ours), None) => ours.is_star(),
            (Some(ours), Some(theirs)) if spells_reserved(theirs) => ours == theirs,
            (Some(ours), Some(theirs)) => ours.covers(theirs),
        };
        schema && self.name.covers(&other.name)
    }

    /// Whether some object may be matched by both, under some search path.
    pub fn overlaps(&self, other: &NamePattern) -> bool {
        let schema = match (&self.schema, &other.schema) {
            (None, None) => true,
            (None, Some(qualified)) | (Some(qualified), None) => !spells_reserved(qualified),
            (Some(ours), Some(theirs)) if spells_reserved(ours) || spells_reserved(theirs) => ours == theirs,
            (Some(ours), Some(theirs)) => ours.overlaps(theirs),
        };
        schema && self.name.overlaps(&other.name)
    }
}

fn spells_reserved(schema: &Glob) -> bool {
    schema.as_literal().is_some_and(is_reserved_schema)
}

fn quoted(chars: &mut std::iter::Peekable<std::str::Chars<'_>>) -> Result<String, &'static str> {
    let mut name = String::new();
    loop {
        match chars.next() {
            None => return Err("a double quote in it is not closed"),
            Some('\0') => return Err("it contains a zero character"),
            Some('"') => {
                if chars.next_if_eq(&'"').is_none() {
                    break;
                }
                name.push('"');
            }
            Some(c) => name.push(c),
        }
    }
    Ok(name)
}

/// The canonical text of one name: what reads back as the same pattern, quoted only where it must be.
fn put_component(glob: &Glob, out: &mut String) {
    for (index, piece) in glob.pieces().iter().enumerate() {
        if index > 0 {
            out.push('*');
        }
        put_piece(piece, out);
    }
}

fn put_piece(piece: &str, out: &mut String) {
    if piece
        .bytes()
        .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'_' | b'$' | b'-'))
    {
        out.push_str(piece);
    } else {
        out.push('"');
        out.push_str(&piece.replace('"', "\"\""));
        out.push('"');
    }
}

impl std::fmt::Display for NamePattern {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut text = String::new();
        if let Some(schema) = &self.schema {
            put_component(schema, &mut text);
            text.push('.');
        }
        put_component(&self.name, &mut text);
        f.write_str(&text)
    }
}

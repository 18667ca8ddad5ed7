//! Who may do what, and whose things are: GRANT and REVOKE of privileges and memberships, OWNER TO, REASSIGN OWNED, DROP OWNED.

use sqlparser::parser::{Parser, ParserError};
use sqlparser::tokenizer::Token;

use super::function::{FunctionName, RoutineKind, function_name, qualified};
use super::{at_end, expect_word, fold, own_error, word, words};

type Parsed<T> = std::result::Result<T, ParserError>;

#[derive(Clone, Debug)]
pub enum Access {
    Grant(GrantPrivileges),
    Membership(Membership),
    OwnerTo { name: OwnedName, if_exists: bool, owner: RoleName },
    ReassignOwned { from: Vec<RoleName>, to: RoleName },
    DropOwned { roles: Vec<RoleName>, cascade: bool },
    DefaultPrivileges,
}

/// `GRANT ... ON ...` and `REVOKE ... ON ...`.
#[derive(Clone, Debug)]
pub struct GrantPrivileges {
    pub revoke: bool,
    /// WITH GRANT OPTION; of a REVOKE: GRANT OPTION FOR.
    pub option: bool,
    /// None: ALL.
    pub privileges: Option<Vec<String>>,
    /// Whether a list of columns stands behind one.
    pub columns: bool,
    pub target: Target,
    pub grantees: Vec<RoleName>,
    pub granted_by: Option<RoleName>,
    pub cascade: bool,
}

#[derive(Clone, Debug)]
pub enum Target {
    Tables(Vec<ObjectName>),
    Sequences(Vec<ObjectName>),
    Routines(RoutineKind, Vec<FunctionName>),
    Schemas(Vec<String>),
    Databases(Vec<String>),
    AllTables(Vec<String>),
    AllSequences(Vec<String>),
    AllRoutines(RoutineKind, Vec<String>),
    /// Kinds of objects that have no privileges here.
    Other(String),
}

/// (schema, name)
pub type ObjectName = (Option<String>, String);

/// `GRANT role TO role` and `REVOKE role FROM role`.
#[derive(Clone, Debug)]
pub struct Membership {
    pub revoke: bool,
    /// WITH ADMIN OPTION; of a REVOKE: ADMIN OPTION FOR.
    pub admin: bool,
    pub roles: Vec<String>,
    pub members: Vec<RoleName>,
    pub granted_by: Option<RoleName>,
}

/// A role as a statement names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RoleName {
    Named(String),
    CurrentUser,
    SessionUser,
    Public,
}

/// What OWNER TO gives away. Functions have their own ALTER.
#[derive(Clone, Debug)]
pub enum OwnedName {
    Table(ObjectName),
    View(ObjectName),
    Schema(String),
    Database(String),
}

impl Access {
    /// The command's name: what the client is told when it is done.
    pub fn command(&self) -> &'static str {
        match self {
            Access::Grant(grant) if grant.revoke => "REVOKE",
            Access::Grant(_) => "GRANT",
            Access::Membership(membership) if membership.revoke => "REVOKE ROLE",
            Access::Membership(_) => "GRANT ROLE",
            Access::OwnerTo { name, .. } => match name {
                OwnedName::Table(_) => "ALTER TABLE",
                OwnedName::View(_) => "ALTER VIEW",
                OwnedName::Schema(_) => "ALTER SCHEMA",
                OwnedName::Database(_) => "ALTER DATABASE",
            },
            Access::ReassignOwned { .. } => "REASSIGN OWNED",
            Access::DropOwned { .. } => "DROP OWNED",
            Access::DefaultPrivileges => "ALTER DEFAULT PRIVILEGES",
        }
    }
}

impl Target {
    /// The objects' names, for the audit log.
    pub fn describe(&self) -> String {
        let objects = |list: &[ObjectName]| list.iter().map(object_text).collect::<Vec<_>>().join(", ");
        match self {
            Target::Tables(list) | Target::Sequences(list) => objects(list),
            Target::Routines(_, list) => list.iter().map(|function| function.name.clone()).collect::<Vec<_>>().join(", "),
            Target::Schemas(list) | Target::Databases(list) => list.join(", "),
            Target::AllTables(list) | Target::AllSequences(list) | Target::AllRoutines(_, list) => {
                format!("all in schema {}", list.join(", "))
            }
            Target::Other(kind) => kind.clone(),
        }
    }
}

impl RoleName {
    pub fn describe(&self) -> &str {
        match self {
            RoleName::Named(name) => name,
            RoleName::CurrentUser => "current_user",
            RoleName::SessionUser => "session_user",
            RoleName::Public => "public",
        }
    }
}

impl Membership {
    pub fn describe(&self) -> String {
        self.roles.join(", ")
    }
}

impl OwnedName {
    pub fn describe(&self) -> String {
        match self {
            OwnedName::Table(name) | OwnedName::View(name) => object_text(name),
            OwnedName::Schema(name) | OwnedName::Database(name) => name.clone(),
        }
    }
}

fn object_text((schema, name): &ObjectName) -> String {
    match schema {
        Some(schema) => format!("{schema}.{name}"),
        None => name.clone(),
    }
}

/// Whether a statement that begins with these words, and whose third last is `OWNER`, is read here.
pub fn is_ours(first: &str, second: &str, third_last: &str) -> bool {
    match (first, second) {
        // The capability forms are recognized before.
        ("GRANT" | "REVOKE", _) | ("REASSIGN", _) => true,
        ("DROP", "OWNED") | ("ALTER", "DEFAULT") => true,
        ("ALTER", "TABLE" | "VIEW" | "SCHEMA" | "DATABASE") => third_last == "OWNER",
        _ => false,
    }
}

pub fn parse(parser: &mut Parser<'_>) -> Parsed<Access> {
    let access = if word(parser, "GRANT") {
        grant(parser, false)?
    } else if word(parser, "REVOKE") {
        grant(parser, true)?
    } else if word(parser, "REASSIGN") {
        for expected in ["OWNED", "BY"] {
            expect_word(parser, expected)?;
        }
        let from = role_names(parser)?;
        expect_word(parser, "TO")?;
        Access::ReassignOwned {
            from,
            to: role_name(parser)?,
        }
    } else if words(parser, &["DROP", "OWNED"]) {
        expect_word(parser, "BY")?;
        Access::DropOwned {
            roles: role_names(parser)?,
            cascade: cascade(parser),
        }
    } else if words(parser, &["ALTER", "DEFAULT"]) {
        expect_word(parser, "PRIVILEGES")?;
        while parser.peek_token().token != Token::EOF {
            parser.next_token();
        }
        Access::DefaultPrivileges
    } else {
        expect_word(parser, "ALTER")?;
        owner_to(parser)?
    };
    at_end(parser)?;
    Ok(access)
}

fn owner_to(parser: &mut Parser<'_>) -> Parsed<Access> {
    let mut if_exists = false;
    let name = if word(parser, "TABLE") {
        if_exists = words(parser, &["IF", "EXISTS"]);
        let _ = word(parser, "ONLY");
        OwnedName::Table(qualified(parser)?)
    } else if word(parser, "VIEW") {
        if_exists = words(parser, &["IF", "EXISTS"]);
        OwnedName::View(qualified(parser)?)
    } else if word(parser, "SCHEMA") {
        OwnedName::Schema(fold(&parser.parse_identifier()?))
    } else {
        expect_word(parser, "DATABASE")?;
        OwnedName::Database(fold(&parser.parse_identifier()?))
    };
    for expected in ["OWNER", "TO"] {
        expect_word(parser, expected)?;
    }
    Ok(Access::OwnerTo {
        name,
        if_exists,
        owner: role_name(parser)?,
    })
}

fn grant(parser: &mut Parser<'_>, revoke: bool) -> Parsed<Access> {
    let option_for = revoke && words(parser, &["GRANT", "OPTION", "FOR"]);
    let admin_for = revoke && !option_for && words(parser, &["ADMIN", "OPTION", "FOR"]);
    let mut names: Vec<String> = vec![];
    let mut columns = false;
    let mut all = false;
    loop {
        let ident = parser.parse_identifier()?;
        all |= names.is_empty() && ident.quote_style.is_none() && ident.value.eq_ignore_ascii_case("all");
        if all {
            let _ = word(parser, "PRIVILEGES");
        }
        names.push(fold(&ident));
        if parser.consume_token(&Token::LParen) {
            columns = true;
            parser.parse_comma_separated(Parser::parse_identifier)?;
            parser.expect_token(&Token::RParen)?;
        }
        if all || !parser.consume_token(&Token::Comma) {
            break;
        }
    }
    if !all && !option_for && word(parser, if revoke { "FROM" } else { "TO" }) {
        return membership(parser, revoke, admin_for, names);
    }
    if admin_for {
        let next = parser.peek_token();
        return parser.expected("FROM", next);
    }
    expect_word(parser, "ON")?;
    let target = target(parser)?;
    expect_word(parser, if revoke { "FROM" } else { "TO" })?;
    let mut grantees = vec![grantee(parser)?];
    while parser.consume_token(&Token::Comma) {
        grantees.push(grantee(parser)?);
    }
    let option = if revoke {
        option_for
    } else {
        words(parser, &["WITH", "GRANT", "OPTION"])
    };
    let granted_by = granted_by(parser)?;
    Ok(Access::Grant(GrantPrivileges {
        revoke,
        option,
        privileges: (!all).then_some(names),
        columns,
        target,
        grantees,
        granted_by,
        cascade: revoke && cascade(parser),
    }))
}

fn membership(parser: &mut Parser<'_>, revoke: bool, admin_for: bool, roles: Vec<String>) -> Parsed<Access> {
    let members = role_names(parser)?;
    let admin = if revoke {
        admin_for
    } else {
        words(parser, &["WITH", "ADMIN", "OPTION"])
    };
    let granted_by = granted_by(parser)?;
    // A membership that others were granted on the strength of an admin option stays, as in PostgreSQL 15.
    let _ = revoke && cascade(parser);
    Ok(Access::Membership(Membership {
        revoke,
        admin,
        roles,
        members,
        granted_by,
    }))
}

fn target(parser: &mut Parser<'_>) -> Parsed<Target> {
    if word(parser, "ALL") {
        return all_in_schema(parser);
    }
    for (name, kind) in [
        ("FUNCTION", RoutineKind::Function),
        ("PROCEDURE", RoutineKind::Procedure),
        ("ROUTINE", RoutineKind::Routine),
    ] {
        if word(parser, name) {
            return Ok(Target::Routines(kind, parser.parse_comma_separated(function_name)?));
        }
    }
    if word(parser, "SCHEMA") {
        return Ok(Target::Schemas(names(parser)?));
    }
    if word(parser, "DATABASE") {
        return Ok(Target::Databases(names(parser)?));
    }
    if word(parser, "SEQUENCE") {
        return Ok(Target::Sequences(parser.parse_comma_separated(qualified)?));
    }
    for kind in ["LANGUAGE", "TYPE", "DOMAIN", "TABLESPACE", "PARAMETER", "LARGE", "FOREIGN"] {
        // Each of these may be a table's name, which stands before TO.
        let before_to =
            |token: Token| matches!(&token, Token::Word(next) if matches!(next.value.to_ascii_uppercase().as_str(), "TO" | "FROM"));
        let next = parser.peek_nth_token(1).token;
        if !before_to(next.clone()) && !matches!(next, Token::Comma | Token::Period) && word(parser, kind) {
            while !matches!(parser.peek_token().token, Token::EOF) && !before_to(parser.peek_token().token) {
                parser.next_token();
            }
            return Ok(Target::Other(kind.to_string()));
        }
    }
    let _ = word(parser, "TABLE");
    Ok(Target::Tables(parser.parse_comma_separated(qualified)?))
}

fn all_in_schema(parser: &mut Parser<'_>) -> Parsed<Target> {
    let what = parser.peek_token();
    let kind = fold(&parser.parse_identifier()?);
    for expected in ["IN", "SCHEMA"] {
        expect_word(parser, expected)?;
    }
    let schemas = names(parser)?;
    Ok(match kind.as_str() {
        "tables" => Target::AllTables(schemas),
        "sequences" => Target::AllSequences(schemas),
        "functions" => Target::AllRoutines(RoutineKind::Function, schemas),
        "procedures" => Target::AllRoutines(RoutineKind::Procedure, schemas),
        "routines" => Target::AllRoutines(RoutineKind::Routine, schemas),
        _ => return parser.expected("TABLES, SEQUENCES, FUNCTIONS, PROCEDURES or ROUTINES", what),
    })
}

fn names(parser: &mut Parser<'_>) -> Parsed<Vec<String>> {
    parser.parse_comma_separated(|parser| Ok(fold(&parser.parse_identifier()?)))
}

/// A grantee, perhaps behind the old word GROUP.
fn grantee(parser: &mut Parser<'_>) -> Parsed<RoleName> {
    let is_group = matches!(&parser.peek_nth_token(1).token, Token::Word(_));
    if is_group
        && !matches!(&parser.peek_nth_token(1).token, Token::Word(next) if matches!(next.value.to_ascii_uppercase().as_str(), "WITH" | "GRANTED" | "CASCADE" | "RESTRICT"))
    {
        let _ = word(parser, "GROUP");
    }
    role_name(parser)
}

fn granted_by(parser: &mut Parser<'_>) -> Parsed<Option<RoleName>> {
    match words(parser, &["GRANTED", "BY"]) {
        true => role_name(parser).map(Some),
        false => Ok(None),
    }
}

fn cascade(parser: &mut Parser<'_>) -> bool {
    let cascade = word(parser, "CASCADE");
    if !cascade {
        let _ = word(parser, "RESTRICT");
    }
    cascade
}

pub fn role_names(parser: &mut Parser<'_>) -> Parsed<Vec<RoleName>> {
    parser.parse_comma_separated(role_name)
}

pub fn role_name(parser: &mut Parser<'_>) -> Parsed<RoleName> {
    let next = parser.peek_token();
    if matches!(next.token, Token::SingleQuotedString(_)) {
        return parser.expected("a role", next);
    }
    let ident = parser.parse_identifier()?;
    let name = fold(&ident);
    Ok(match (ident.quote_style, name.as_str()) {
        (None, "current_user" | "current_role") => RoleName::CurrentUser,
        (None, "session_user") => RoleName::SessionUser,
        // A role of this name cannot be, so that PostgreSQL does not look at the quotes.
        (_, "public") => RoleName::Public,
        (None, "none") => return own_error("role name \"none\" is reserved"),
        _ => RoleName::Named(name),
    })
}

#[cfg(test)]
mod tests {
    use crate::parse::{Access, Placeholders, Statement, Target};

    fn check(sql: &str, expected: impl Fn(&Access) -> bool) {
        let statements = crate::parse::parse(sql, Placeholders::Dollar).unwrap();
        match &statements[0].kind {
            Statement::Access(access) => assert!(expected(access), "{sql}: {access:?}"),
            other => panic!("{sql}: {other:?}"),
        }
    }

    #[test]
    fn grants_are_told_from_memberships() {
        check(
            "GRANT select ON t TO a",
            |access| matches!(access, Access::Grant(grant) if !grant.revoke),
        );
        check(
            "GRANT a, b TO c WITH ADMIN OPTION",
            |access| matches!(access, Access::Membership(m) if m.admin && m.roles.len() == 2),
        );
        check(
            "REVOKE ADMIN OPTION FOR a FROM b CASCADE",
            |access| matches!(access, Access::Membership(m) if m.admin && m.revoke),
        );
        check(
            "REVOKE GRANT OPTION FOR ALL ON t FROM a CASCADE",
            |access| matches!(access, Access::Grant(g) if g.option && g.cascade && g.privileges.is_none()),
        );
        check(
            "GRANT select (a, b), update ON t TO public",
            |access| matches!(access, Access::Grant(g) if g.columns),
        );
        check(
            "GRANT ALL PRIVILEGES ON ALL TABLES IN SCHEMA s TO a GRANTED BY CURRENT_USER",
            |access| matches!(access, Access::Grant(g) if g.granted_by.is_some() && matches!(g.target, Target::AllTables(_))),
        );
        check(
            "GRANT USAGE ON LANGUAGE python TO a",
            |access| matches!(access, Access::Grant(g) if matches!(g.target, Target::Other(_))),
        );
        check(
            "GRANT SELECT ON type TO a",
            |access| matches!(access, Access::Grant(g) if matches!(g.target, Target::Tables(_))),
        );
        check("ALTER TABLE IF EXISTS s.t OWNER TO a", |access| {
            matches!(access, Access::OwnerTo { if_exists: true, .. })
        });
    }

    #[test]
    fn what_is_no_grant_is_a_syntax_error() {
        for sql in [
            "GRANT",
            "GRANT select",
            "GRANT select ON TO a",
            "GRANT select ON t TO",
            "GRANT select ON t FROM a",
            "REVOKE select ON t TO a",
            "GRANT a TO b c",
            "GRANT a TO 'b'",
            "REVOKE ADMIN OPTION FOR a ON t FROM b",
            "GRANT ALL ON ALL THINGS IN SCHEMA s TO a",
            "DROP OWNED",
            "REASSIGN OWNED BY a",
            "ALTER TABLE t OWNER TO none",
        ] {
            assert!(crate::parse::parse(sql, Placeholders::Dollar).is_err(), "{sql}");
        }
    }
}

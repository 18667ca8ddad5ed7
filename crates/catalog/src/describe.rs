//! Objects as SQL text: what the `pg_get_*def` functions print. Expressions are printed as they were written.

use types::ident::{quote_ident, quote_literal};

use crate::{
    AuditAction, AuditTrigger, ConstraintKind, ForeignKeyAction, Function, Index, IndexKey, IndexTarget, Returns, SystemContext, Table,
    TableKind, Trigger, TriggerEvent, Volatility, name,
};

/// `CREATE INDEX ...`; `pretty` leaves out what the search path and precedence make needless.
pub(crate) fn index(context: &SystemContext, table: &Table, index: &Index, pretty: bool) -> String {
    let unique = if index.unique { "UNIQUE " } else { "" };
    let on = if pretty {
        name::shown_table(context, table)
    } else {
        name::qualified(&table.schema, &table.name)
    };
    let keys: Vec<String> = index
        .keys
        .iter()
        .map(|key| format!("{}{}", index_target(table, key), index_order(key)))
        .collect();
    let mut sql = format!(
        "CREATE {unique}INDEX {} ON {on} USING btree ({})",
        quote_ident(&index.name),
        keys.join(", ")
    );
    if !index.include.is_empty() {
        sql += &format!(" INCLUDE ({})", column_list(table, &index.include));
    }
    if index.nulls_not_distinct {
        sql += " NULLS NOT DISTINCT";
    }
    if let Some(predicate) = &index.predicate {
        sql += &if pretty {
            format!(" WHERE {predicate}")
        } else {
            format!(" WHERE ({predicate})")
        };
    }
    sql
}

/// The column or expression alone.
pub(crate) fn index_target(table: &Table, key: &IndexKey) -> String {
    match &key.target {
        IndexTarget::Column(column) => quote_ident(column_name(table, *column)),
        IndexTarget::Expression(sql, _) if is_call(sql) => sql.clone(),
        IndexTarget::Expression(sql, _) => format!("({sql})"),
    }
}

fn index_order(key: &IndexKey) -> &'static str {
    match (key.descending, key.nulls_first) {
        (false, false) => "",
        (false, true) => " NULLS FIRST",
        (true, true) => " DESC",
        (true, false) => " DESC NULLS LAST",
    }
}

/// Whether an expression is one function call and needs no parentheses: a name, then one pair of parentheses to the end.
fn is_call(sql: &str) -> bool {
    let Some(open) = sql.find('(') else { return false };
    let (name, rest) = sql.split_at(open);
    if name.is_empty() || !name.chars().all(|c| c.is_alphanumeric() || c == '_' || c == '.') {
        return false;
    }
    let mut depth = 0usize;
    for (at, c) in rest.char_indices() {
        match c {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            '\'' | '"' => return false,
            _ => {}
        }
        if depth == 0 {
            return at + 1 == rest.len();
        }
    }
    false
}

pub(crate) fn primary_key(table: &Table) -> Option<String> {
    table
        .primary_key
        .as_ref()
        .map(|key| format!("PRIMARY KEY ({})", column_list(table, &key.columns)))
}

/// A constraint as it stands in CREATE TABLE.
pub(crate) fn constraint(context: &SystemContext, table: &Table, columns: &[usize], kind: &ConstraintKind, pretty: bool) -> String {
    match kind {
        ConstraintKind::Check { expression } if pretty => format!("CHECK ({expression})"),
        ConstraintKind::Check { expression } => format!("CHECK (({expression}))"),
        ConstraintKind::Unique { nulls_not_distinct, .. } => {
            let nulls = if *nulls_not_distinct { " NULLS NOT DISTINCT" } else { "" };
            format!("UNIQUE{nulls} ({})", column_list(table, columns))
        }
        ConstraintKind::ForeignKey {
            table: target,
            columns: target_columns,
            on_update,
            on_delete,
            match_full,
        } => {
            let (name, list) = match context.snapshot.table_by_oid(*target) {
                Some(target) => (name::shown_table(context, target), column_list(target, target_columns)),
                None => ("???".to_string(), String::new()),
            };
            let mut sql = format!("FOREIGN KEY ({}) REFERENCES {name}({list})", column_list(table, columns));
            if *match_full {
                sql += " MATCH FULL";
            }
            sql += &action(" ON UPDATE", *on_update);
            sql += &action(" ON DELETE", *on_delete);
            sql
        }
    }
}

fn action(event: &str, action: ForeignKeyAction) -> String {
    match action_name(action) {
        "NO ACTION" => String::new(),
        name => format!("{event} {name}"),
    }
}

pub(crate) fn action_name(action: ForeignKeyAction) -> &'static str {
    match action {
        ForeignKeyAction::NoAction => "NO ACTION",
        ForeignKeyAction::Restrict => "RESTRICT",
        ForeignKeyAction::Cascade => "CASCADE",
        ForeignKeyAction::SetNull => "SET NULL",
        ForeignKeyAction::SetDefault => "SET DEFAULT",
    }
}

fn column_list(table: &Table, columns: &[usize]) -> String {
    columns
        .iter()
        .map(|column| quote_ident(column_name(table, *column)))
        .collect::<Vec<_>>()
        .join(", ")
}

fn column_name(table: &Table, column: usize) -> &str {
    table.columns.get(column).map_or("?column?", |column| &column.name)
}

/// `CREATE TRIGGER ...`; `pretty` leaves out what the search path and precedence make needless.
pub(crate) fn trigger(context: &SystemContext, table: &Table, trigger: &Trigger, pretty: bool) -> String {
    let mut events = trigger.events.clone();
    events.sort();
    let events: Vec<String> = events
        .into_iter()
        .map(|event| match event {
            TriggerEvent::Update if !trigger.columns.is_empty() => format!("UPDATE OF {}", column_list(table, &trigger.columns)),
            other => other.word().to_string(),
        })
        .collect();
    let on = if pretty {
        name::shown_table(context, table)
    } else {
        name::qualified(&table.schema, &table.name)
    };
    let mut sql = format!(
        "CREATE TRIGGER {} {} {} ON {on} FOR EACH {}",
        quote_ident(&trigger.name),
        trigger.timing.word(),
        events.join(" OR "),
        trigger.level.word()
    );
    if let Some(condition) = &trigger.condition {
        sql += &if pretty {
            format!(" WHEN ({condition})")
        } else {
            format!(" WHEN (({condition}))")
        };
    }
    sql + " " + &trigger_action(context, trigger)
}

/// The same of a trigger on the audit log.
pub(crate) fn audit_trigger(context: &SystemContext, trigger: &AuditTrigger) -> String {
    let mut sql = format!(
        "CREATE TRIGGER {} AFTER INSERT ON heliosdb.audit_log FOR EACH ROW",
        quote_ident(&trigger.name)
    );
    if let Some(condition) = &trigger.condition {
        sql += &format!(" WHEN ({condition})");
    }
    sql + " " + &audit_trigger_action(context, trigger)
}

/// `BEGIN SELECT 1; END`, or the call of a function.
pub(crate) fn audit_trigger_action(context: &SystemContext, trigger: &AuditTrigger) -> String {
    match &trigger.action {
        AuditAction::Body(statements) => format!("BEGIN {}; END", statements.join("; ")),
        AuditAction::Function { oid, args } => trigger_call(context, *oid, args),
    }
}

/// `EXECUTE FUNCTION f('a')`.
pub(crate) fn trigger_action(context: &SystemContext, trigger: &Trigger) -> String {
    trigger_call(context, trigger.function, &trigger.args)
}

fn trigger_call(context: &SystemContext, function: u32, args: &[String]) -> String {
    let function = match context.snapshot.function_by_oid(function) {
        Some(function) if name::is_function_visible(context, function) => quote_ident(&function.name),
        Some(function) => name::qualified(&function.schema, &function.name),
        None => "???".to_string(),
    };
    let args: Vec<String> = args.iter().map(|arg| quote_literal(arg)).collect();
    format!("EXECUTE FUNCTION {function}({})", args.join(", "))
}

/// A view's SELECT, with the semicolon that PostgreSQL prints.
pub(crate) fn view(table: &Table) -> Option<String> {
    match &table.kind {
        TableKind::View { definition } => Some(format!("{};", definition.trim_end().trim_end_matches(';'))),
        TableKind::Table | TableKind::Sequence(_) | TableKind::System(_) => None,
    }
}

/// `x integer, y text DEFAULT 'q'`.
pub(crate) fn arguments(function: &Function, defaults: bool) -> String {
    let argument = |arg: &crate::Argument| {
        let name = arg.name.as_ref().map(|name| format!("{} ", quote_ident(name))).unwrap_or_default();
        let default = arg
            .default
            .as_ref()
            .filter(|_| defaults)
            .map(|default| format!(" DEFAULT {default}"))
            .unwrap_or_default();
        // A procedure's arguments show their mode, as PostgreSQL 14 and later print them.
        let mode = if function.is_procedure { "IN " } else { "" };
        format!("{mode}{name}{}{default}", arg.ty)
    };
    function.args.iter().map(argument).collect::<Vec<_>>().join(", ")
}

/// None for a procedure.
pub(crate) fn result(function: &Function) -> Option<String> {
    if function.is_procedure {
        return None;
    }
    Some(match &function.returns {
        Returns::Scalar(ty) => ty.to_string(),
        Returns::SetOf(ty) => format!("SETOF {ty}"),
        Returns::Table(columns) => {
            let columns: Vec<String> = columns.iter().map(|(name, ty)| format!("{} {ty}", quote_ident(name))).collect();
            format!("TABLE({})", columns.join(", "))
        }
        Returns::Trigger => "trigger".to_string(),
        Returns::Void => "void".to_string(),
    })
}

/// `CREATE OR REPLACE FUNCTION ...`, laid out as PostgreSQL does.
pub(crate) fn function(function: &Function) -> String {
    let what = if function.is_procedure { "PROCEDURE" } else { "FUNCTION" };
    let mut sql = format!(
        "CREATE OR REPLACE {what} {}({})\n",
        name::qualified(&function.schema, &function.name),
        arguments(function, true)
    );
    if let Some(result) = result(function) {
        sql += &format!(" RETURNS {result}\n");
    }
    sql += &format!(" LANGUAGE {}\n", function.language.name());
    let mut options = vec![];
    match function.volatility {
        Volatility::Volatile => {}
        Volatility::Immutable | Volatility::Stable => options.push(function.volatility.sql()),
    }
    if function.strict {
        options.push("STRICT");
    }
    if function.security_definer {
        options.push("SECURITY DEFINER");
    }
    if !options.is_empty() {
        sql += &format!(" {}\n", options.join(" "));
    }
    if let Some(path) = &function.search_path {
        let schemas: Vec<String> = path.iter().map(|schema| quote_literal(schema)).collect();
        sql += &format!(
            " SET search_path TO {}\n",
            if schemas.is_empty() { "''".into() } else { schemas.join(", ") }
        );
    }
    if let Some(purpose) = &function.purpose {
        sql += &format!(" PURPOSE {}\n", quote_literal(purpose));
    }
    let tag = dollar_tag(&function.body, &what.to_lowercase());
    sql + &format!("AS {tag}{}{tag}\n", function.body)
}

/// A dollar quote that does not occur in the body.
fn dollar_tag(body: &str, word: &str) -> String {
    let mut tag = format!("${word}$");
    while body.contains(&tag) {
        tag.insert(tag.len() - 1, 'x');
    }
    tag
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_need_no_parentheses() {
        assert!(is_call("lower(a)"));
        assert!(is_call("f(g(a), b)"));
        assert!(!is_call("lower(a) || lower(b)"));
        assert!(!is_call("a + 1"));
        assert!(!is_call("(a)"));
    }

    #[test]
    fn a_body_cannot_close_its_quotes() {
        assert_eq!(dollar_tag("return 1", "function"), "$function$");
        assert_eq!(dollar_tag("$function$", "function"), "$functionx$");
    }
}

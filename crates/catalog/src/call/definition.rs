//! `pg_get_*`: objects as SQL text, and names of things by OID.

use types::{Datum, Result, SqlError, SqlState};

use super::{Answer, mismatch, oid, text};
use crate::row::role_name;
use crate::{Generated, Relation, SystemContext, Table, describe, name};

pub(super) const ANSWERS: &[(&str, Answer)] = &[
    // Stored expressions are SQL text already.
    ("pg_get_expr", |_, args| Ok(args.first().cloned().unwrap_or_default())),
    ("pg_get_indexdef", index),
    ("pg_get_constraintdef", constraint),
    ("pg_get_triggerdef", trigger),
    ("pg_get_viewdef", view),
    ("pg_get_functiondef", function),
    ("pg_get_function_arguments", |context, args| {
        of_function(context, "pg_get_function_arguments", args, |f| Some(describe::arguments(f, true)))
    }),
    ("pg_get_function_identity_arguments", |context, args| {
        of_function(context, "pg_get_function_identity_arguments", args, |f| {
            Some(describe::arguments(f, false))
        })
    }),
    ("pg_get_function_result", |context, args| {
        of_function(context, "pg_get_function_result", args, describe::result)
    }),
    ("pg_get_function_arg_default", argument_default),
    ("pg_get_userbyid", |context, args| {
        Ok(Datum::Text(role_name(context.snapshot, oid("pg_get_userbyid", args, 0)?)))
    }),
    ("pg_get_serial_sequence", serial_sequence),
    ("pg_sequence_parameters", sequence_parameters),
    ("pg_sequence_last_value", sequence_last_value),
    ("pg_describe_object", describe_object),
    ("pg_encoding_to_char", |_, args| {
        Ok(Datum::text(if args.first().and_then(Datum::as_i64) == Some(6) {
            "UTF8"
        } else {
            ""
        }))
    }),
    ("pg_char_to_encoding", char_to_encoding),
    ("getdatabaseencoding", |_, _| Ok(Datum::text("UTF8"))),
    ("pg_client_encoding", |_, _| Ok(Datum::text("UTF8"))),
    ("pg_column_is_updatable", |context, args| {
        Ok(Datum::Bool(is_updatable(context, "pg_column_is_updatable", args)?))
    }),
    ("pg_relation_is_updatable", |context, args| {
        Ok(Datum::Int4(if is_updatable(context, "pg_relation_is_updatable", args)? {
            28
        } else {
            0
        }))
    }),
    ("pg_relation_is_publishable", |context, args| {
        Ok(Datum::Bool(is_updatable(context, "pg_relation_is_publishable", args)?))
    }),
    ("pg_index_column_has_property", index_column_property),
    ("pg_index_has_property", |_, args| method_property("pg_index_has_property", args)),
    ("pg_indexam_has_property", |_, args| {
        method_property("pg_indexam_has_property", args)
    }),
    ("pg_tablespace_location", |_, _| Ok(Datum::text(""))),
    ("pg_is_in_recovery", |_, _| Ok(Datum::Bool(false))),
    ("pg_jit_available", |_, _| Ok(Datum::Bool(false))),
    ("row_security_active", |_, _| Ok(Datum::Bool(false))),
    // Of what does not exist here: rules, partitions, extended statistics, parsed SQL bodies, versions of collations.
    ("pg_get_ruledef", null),
    ("pg_get_function_sqlbody", null),
    ("pg_get_partkeydef", null),
    ("pg_get_partition_constraintdef", null),
    ("pg_partition_root", null),
    ("pg_partition_ancestors", |_, _| Ok(Datum::array(types::Type::Regclass, vec![]))),
    ("pg_get_statisticsobjdef", null),
    ("pg_get_statisticsobjdef_columns", null),
    ("pg_get_statisticsobjdef_expressions", null),
    ("pg_get_replica_identity_index", null),
    ("pg_collation_actual_version", null),
    ("pg_database_collation_actual_version", null),
];

fn null(_: &SystemContext, _: &[Datum]) -> Result<Datum> {
    Ok(Datum::Null)
}

fn opt(text: Option<String>) -> Datum {
    text.map_or(Datum::Null, Datum::Text)
}

/// (oid) or (oid, column number, pretty).
fn index(context: &SystemContext, args: &[Datum]) -> Result<Datum> {
    let Some(Relation::Index(table, oid)) = context.snapshot.relation_by_oid(oid("pg_get_indexdef", args, 0)?) else {
        return Ok(Datum::Null);
    };
    let column = args.get(1).and_then(Datum::as_i64).unwrap_or(0);
    let pretty = args.get(2).and_then(Datum::as_bool).unwrap_or(false);
    let indexes = table.all_indexes();
    let Some(index) = indexes.iter().find(|index| index.oid == oid) else {
        return Ok(Datum::Null);
    };
    if column == 0 {
        return Ok(Datum::Text(describe::index(context, &table, index, pretty)));
    }
    let Some(position) = usize::try_from(column).ok().and_then(|column| column.checked_sub(1)) else {
        return Ok(Datum::text(""));
    };
    let key = index.keys.get(position).map(|key| describe::index_target(&table, key));
    let include = position
        .checked_sub(index.keys.len())
        .and_then(|at| index.include.get(at))
        .and_then(|column| table.columns.get(*column));
    Ok(Datum::Text(
        key.or_else(|| include.map(|column| types::ident::quote_ident(&column.name)))
            .unwrap_or_default(),
    ))
}

fn constraint(context: &SystemContext, args: &[Datum]) -> Result<Datum> {
    let wanted = oid("pg_get_constraintdef", args, 0)?;
    let pretty = args.get(1).and_then(Datum::as_bool).unwrap_or(false);
    let Some(table) = context.snapshot.table_of_constraint(wanted) else {
        return Ok(Datum::Null);
    };
    if table.primary_key.as_ref().is_some_and(|key| key.oid == wanted) {
        return Ok(opt(describe::primary_key(table)));
    }
    let found = table.constraints.iter().find(|constraint| constraint.oid == wanted);
    Ok(opt(found.map(|found| {
        describe::constraint(context, table, &found.columns, &found.kind, pretty)
    })))
}

fn function(context: &SystemContext, args: &[Datum]) -> Result<Datum> {
    let function = context.snapshot.function_by_oid(oid("pg_get_functiondef", args, 0)?);
    if let Some(function) = function
        && function.aggregate.is_some()
    {
        return Err(SqlError::new(
            SqlState::WrongObjectType,
            format!("\"{}\" is an aggregate function", function.name),
        ));
    }
    of_function(context, "pg_get_functiondef", args, |f| Some(describe::function(f)))
}

/// (oid [, pretty]).
fn trigger(context: &SystemContext, args: &[Datum]) -> Result<Datum> {
    let wanted = oid("pg_get_triggerdef", args, 0)?;
    let pretty = args.get(1).and_then(Datum::as_bool).unwrap_or(false);
    let on_audit_log = context.snapshot.audit_triggers().into_iter().find(|trigger| trigger.oid == wanted);
    if let Some(trigger) = on_audit_log {
        return Ok(Datum::Text(describe::audit_trigger(context, trigger)));
    }
    let found = context.snapshot.user_tables().find_map(|table| {
        let trigger = table.triggers.iter().find(|trigger| trigger.oid == wanted)?;
        Some(describe::trigger(context, table, trigger, pretty))
    });
    Ok(opt(found))
}

/// (oid | text [, pretty | wrap column]).
fn view(context: &SystemContext, args: &[Datum]) -> Result<Datum> {
    let relation = match args.first() {
        Some(Datum::Text(text)) => Some(name::relation(context, text)?),
        _ => context.snapshot.relation_by_oid(oid("pg_get_viewdef", args, 0)?),
    };
    match relation {
        Some(Relation::Table(table)) => Ok(opt(describe::view(&table))),
        Some(Relation::Index(..)) | None => Ok(Datum::Null),
    }
}

fn of_function(context: &SystemContext, name: &str, args: &[Datum], describe: fn(&crate::Function) -> Option<String>) -> Result<Datum> {
    let wanted = oid(name, args, 0)?;
    if let Some(function) = context.snapshot.function_by_oid(wanted) {
        return Ok(opt(describe(function)));
    }
    let builtin = context.live.builtin_functions();
    let Some(function) = builtin.iter().find(|function| function.oid == wanted) else {
        return Ok(Datum::Null);
    };
    let set = if function.set { "SETOF " } else { "" };
    Ok(match name {
        "pg_get_function_result" => Datum::Text(format!("{set}{}", function.ret)),
        "pg_get_function_arguments" | "pg_get_function_identity_arguments" => {
            Datum::Text(function.args.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "))
        }
        _ => Datum::Null,
    })
}

fn argument_default(context: &SystemContext, args: &[Datum]) -> Result<Datum> {
    let function = context.snapshot.function_by_oid(oid("pg_get_function_arg_default", args, 0)?);
    let position = args
        .get(1)
        .and_then(Datum::as_i64)
        .and_then(|n| usize::try_from(n).ok())
        .and_then(|n| n.checked_sub(1));
    Ok(opt(function.and_then(|function| function.args.get(position?)?.default.clone())))
}

/// (table as text, column): the sequence that the column owns.
fn serial_sequence(context: &SystemContext, args: &[Datum]) -> Result<Datum> {
    let (table_name, column_name) = (text("pg_get_serial_sequence", args, 0)?, text("pg_get_serial_sequence", args, 1)?);
    let missing = |table: &str| {
        SqlError::new(
            SqlState::UndefinedColumn,
            format!("column \"{column_name}\" of relation \"{table}\" does not exist"),
        )
    };
    let table = match name::relation(context, table_name)? {
        Relation::Table(table) => table,
        Relation::Index(table, _) => return Err(missing(&table.name)),
    };
    let column = table.column(column_name).ok_or_else(|| missing(&table.name))?;
    if let Some(Generated::Identity { sequence, .. }) = &column.generated
        && let Some(sequence) = context.snapshot.table_by_oid(*sequence)
    {
        return Ok(Datum::Text(name::qualified(&sequence.schema, &sequence.name)));
    }
    let owned = |candidate: &&std::sync::Arc<Table>| candidate.sequence().is_some_and(|s| s.owned_by == Some((table.oid, column.attnum)));
    Ok(opt(context
        .snapshot
        .user_tables()
        .find(owned)
        .map(|sequence| name::qualified(&sequence.schema, &sequence.name))))
}

fn sequence<'a>(context: &'a SystemContext, name: &str, args: &[Datum]) -> Result<&'a std::sync::Arc<Table>> {
    let wanted = oid(name, args, 0)?;
    let table = context.snapshot.table_by_oid(wanted);
    let missing = || SqlError::new(SqlState::UndefinedTable, format!("could not open relation with OID {wanted}"));
    let table = table.ok_or_else(missing)?;
    match table.sequence() {
        Some(_) => Ok(table),
        None => Err(SqlError::new(
            SqlState::WrongObjectType,
            format!("\"{}\" is not a sequence", table.name),
        )),
    }
}

fn sequence_parameters(context: &SystemContext, args: &[Datum]) -> Result<Datum> {
    let table = sequence(context, "pg_sequence_parameters", args)?;
    let sequence = table.sequence().ok_or_else(|| mismatch("pg_sequence_parameters"))?;
    Ok(Datum::Record(vec![
        Datum::Int8(sequence.start),
        Datum::Int8(sequence.min),
        Datum::Int8(sequence.max),
        Datum::Int8(sequence.increment),
        Datum::Bool(sequence.cycle),
        Datum::Int8(sequence.cache),
        Datum::Oid(sequence.ty.oid()),
    ]))
}

fn sequence_last_value(context: &SystemContext, args: &[Datum]) -> Result<Datum> {
    let table = sequence(context, "pg_sequence_last_value", args)?;
    Ok(context.live.sequence_last_value(table).map_or(Datum::Null, Datum::Int8))
}

fn describe_object(context: &SystemContext, args: &[Datum]) -> Result<Datum> {
    let object = oid("pg_describe_object", args, 1)?;
    if let Some(function) = context.snapshot.function_by_oid(object) {
        return Ok(Datum::Text(format!("function {}", function.signature())));
    }
    let kind = |table: &Table| match table.relkind() {
        'v' => "view",
        'S' => "sequence",
        _ => "table",
    };
    Ok(match context.snapshot.relation_by_oid(object) {
        Some(relation @ Relation::Index(..)) => Datum::Text(format!("index {}", name::shown(context, &relation))),
        Some(Relation::Table(table)) => Datum::Text(format!("{} {}", kind(&table), name::shown_table(context, &table))),
        None => opt(context
            .snapshot
            .schema_by_oid(object)
            .map(|schema| format!("schema {}", schema.name))),
    })
}

fn char_to_encoding(_: &SystemContext, args: &[Datum]) -> Result<Datum> {
    let name = text("pg_char_to_encoding", args, 0)?;
    let utf8 = ["utf8", "utf-8", "unicode"].iter().any(|known| name.eq_ignore_ascii_case(known));
    Ok(Datum::Int4(if utf8 { 6 } else { -1 }))
}

/// Tables are, views are not.
fn is_updatable(context: &SystemContext, name: &str, args: &[Datum]) -> Result<bool> {
    Ok(context
        .snapshot
        .table_by_oid(oid(name, args, 0)?)
        .is_some_and(|table| table.is_table()))
}

fn index_column_property(context: &SystemContext, args: &[Datum]) -> Result<Datum> {
    let Some(Relation::Index(table, oid)) = context.snapshot.relation_by_oid(oid("pg_index_column_has_property", args, 0)?) else {
        return Ok(Datum::Null);
    };
    let position = args
        .get(1)
        .and_then(Datum::as_i64)
        .and_then(|n| usize::try_from(n).ok())
        .and_then(|n| n.checked_sub(1));
    let indexes = table.all_indexes();
    let Some(key) = indexes
        .iter()
        .find(|index| index.oid == oid)
        .and_then(|index| index.keys.get(position?))
    else {
        return Ok(Datum::Null);
    };
    Ok(match text("pg_index_column_has_property", args, 2)?.to_ascii_lowercase().as_str() {
        "asc" => Datum::Bool(!key.descending),
        "desc" => Datum::Bool(key.descending),
        "nulls_first" => Datum::Bool(key.nulls_first),
        "nulls_last" => Datum::Bool(!key.nulls_first),
        "orderable" | "returnable" | "search_array" | "search_nulls" => Datum::Bool(true),
        "distance_orderable" => Datum::Bool(false),
        _ => Datum::Null,
    })
}

/// Of btree.
fn method_property(name: &str, args: &[Datum]) -> Result<Datum> {
    Ok(match text(name, args, 1)?.to_ascii_lowercase().as_str() {
        "can_order" | "can_unique" | "can_multi_col" | "can_include" | "index_scan" | "backward_scan" => Datum::Bool(true),
        "can_exclude" | "clusterable" | "bitmap_scan" => Datum::Bool(false),
        _ => Datum::Null,
    })
}

//! Columns, rows and short ways of the system tables.

use std::collections::{BTreeMap, HashSet};

use catalog::{SystemTable, system_tables};
use types::{Datum, Type};

use crate::fixture::Session;

fn find(schema: &str, name: &str) -> &'static SystemTable {
    system_tables()
        .find(|table| table.schema == schema && table.name == name)
        .expect("a system table")
}

#[test]
fn oids_and_names_are_unique() {
    let (mut oids, mut names) = (HashSet::new(), HashSet::new());
    for table in system_tables() {
        assert!(oids.insert(table.oid), "{table:?}");
        assert!(names.insert((table.schema, table.name)), "{table:?}");
        let columns: HashSet<_> = table.columns.iter().map(|(name, _)| name).collect();
        assert_eq!(columns.len(), table.columns.len(), "{table:?}");
    }
}

/// Ours, for PostgreSQL's types that do not exist here.
fn stand_in(postgres: &str) -> Type {
    match postgres {
        "xid" => Type::Oid,
        "pg_node_tree" | "inet" | "pg_lsn" | "anyarray" => Type::Text,
        "pg_ndistinct" | "pg_dependencies" | "pg_mcv_list" => Type::Bytea,
        "_aclitem" | "_pg_statistic" => Type::Array(&Type::Text),
        "int2vector" => Type::Array(&Type::Int2),
        "oidvector" => Type::Array(&Type::Oid),
        "sql_identifier" => Type::Name,
        "cardinal_number" => Type::Int4,
        "character_data" | "yes_or_no" => Type::Varchar,
        "time_stamp" => Type::Timestamptz,
        "char" => Type::Char,
        name => Type::from_name(name).unwrap_or_else(|| panic!("no type {name}")),
    }
}

#[test]
fn columns_are_those_of_postgres_15_in_its_order() {
    let mut postgres = BTreeMap::new();
    for line in include_str!("postgres-15/columns.txt").lines() {
        let mut parts = line.splitn(3, ' ');
        let (name, oid, columns) = (parts.next().unwrap(), parts.next().unwrap(), parts.next().unwrap());
        let columns: Vec<(&str, Type)> = columns
            .split(", ")
            .map(|column| column.split_once(' ').unwrap())
            .map(|(n, t)| (n, stand_in(t)))
            .collect();
        postgres.insert(name, (oid.parse::<u32>().unwrap(), columns));
    }
    for table in system_tables().filter(|table| table.schema != "heliosdb") {
        let (oid, columns) = postgres
            .remove(format!("{table:?}").as_str())
            .unwrap_or_else(|| panic!("{table:?} is not in columns.txt"));
        assert_eq!(table.oid, oid, "{table:?}");
        assert_eq!(table.columns, columns, "{table:?}");
    }
    assert!(postgres.is_empty(), "columns.txt has more: {postgres:?}");
}

fn plain(value: &Datum) -> String {
    match value {
        Datum::Null => "NULL".to_string(),
        Datum::Bool(value) => if *value { "t" } else { "f" }.to_string(),
        Datum::Text(value) => value.clone(),
        other => other.as_i64().expect("an integer").to_string(),
    }
}

#[test]
fn types_are_those_of_postgres_15() {
    let session = Session::new();
    let mut rows = find("pg_catalog", "pg_type").scan(&session.context(), None);
    rows.sort_by_key(|row| row[0].as_i64());
    let ours: Vec<String> = rows.iter().map(|row| row.iter().map(plain).collect::<Vec<_>>().join(" ")).collect();
    let postgres: Vec<&str> = include_str!("postgres-15/types.txt").lines().collect();
    assert_eq!(ours.len(), postgres.len());
    for (ours, postgres) in ours.iter().zip(postgres) {
        assert_eq!(ours, postgres);
    }
}

#[test]
fn every_support_function_of_a_type_is_in_pg_proc() {
    let session = Session::new();
    let procs = find("pg_catalog", "pg_proc").scan(&session.context(), None);
    let procs: HashSet<i64> = procs.iter().filter_map(|row| row[0].as_i64()).collect();
    let types = find("pg_catalog", "pg_type");
    for row in types.scan(&session.context(), None) {
        for ((name, ty), value) in types.columns.iter().zip(&row) {
            let oid = value.as_i64().unwrap_or(0);
            assert!(
                *ty != Type::Regproc || oid == 0 || procs.contains(&oid),
                "{} {name} {oid}",
                plain(&row[1])
            );
        }
    }
}

fn fits(value: &Datum, ty: Type) -> bool {
    match value {
        Datum::Null => true,
        Datum::Bool(_) => ty == Type::Bool,
        Datum::Int2(_) => ty == Type::Int2,
        Datum::Int4(_) => ty == Type::Int4,
        Datum::Int8(_) => ty == Type::Int8,
        Datum::Float4(_) => ty == Type::Float4,
        Datum::Float8(_) => ty == Type::Float8,
        Datum::Text(text) => matches!(ty, Type::Text | Type::Varchar | Type::Name) || (ty == Type::Char && text.chars().count() <= 1),
        Datum::Oid(_) => matches!(ty, Type::Oid | Type::Regproc | Type::Regtype | Type::Regclass),
        Datum::Timestamptz(_) => ty == Type::Timestamptz,
        Datum::Bytea(_) => ty == Type::Bytea,
        Datum::Array(array) => {
            ty == Type::from_oid(ty.oid()).unwrap()
                && ty.element() == Some(array.element)
                && array.values.iter().all(|v| fits(v, array.element))
        }
        _ => false,
    }
}

#[test]
fn every_row_has_the_types_of_its_columns() {
    let session = Session::new();
    let mut empty = vec![];
    for table in system_tables() {
        let rows = table.scan(&session.context(), None);
        if rows.is_empty() {
            empty.push(table.name);
        }
        for row in rows {
            assert_eq!(row.len(), table.columns.len(), "{table:?}");
            for ((name, ty), value) in table.columns.iter().zip(&row) {
                assert!(fits(value, *ty), "{table:?}.{name}: {value:?} is no {ty}");
            }
        }
    }
    // The fixture gives rows to everything that can have some here.
    assert!(
        !empty.contains(&"pg_depend") && !empty.contains(&"parameters") && !empty.contains(&"referential_constraints"),
        "{empty:?}"
    );
}

#[test]
fn a_finder_gives_what_a_full_scan_gives() {
    let session = Session::new();
    let context = session.context();
    for table in system_tables() {
        let all = table.scan(&context, None);
        for finder in table.finders {
            let column = table
                .columns
                .iter()
                .position(|(name, _)| *name == finder.column)
                .expect("a finder's column");
            for row in &all {
                let value = &row[column];
                let matching = |rows: &[Vec<Datum>]| {
                    let mut rows: Vec<String> = rows
                        .iter()
                        .filter(|row| plain_eq(&row[column], value))
                        .map(|row| format!("{row:?}"))
                        .collect();
                    rows.sort();
                    rows
                };
                assert_eq!(
                    matching(&(finder.rows)(&context, value)),
                    matching(&all),
                    "{table:?} {} = {value:?}",
                    finder.column
                );
            }
            for stranger in [Datum::Null, Datum::Oid(4_000_000_000), Datum::text("nosuch"), Datum::Int8(-1)] {
                let found = (finder.rows)(&context, &stranger);
                assert!(
                    found.iter().all(|row| !plain_eq(&row[column], &stranger)),
                    "{table:?} {}",
                    finder.column
                );
            }
        }
    }
}

fn plain_eq(left: &Datum, right: &Datum) -> bool {
    match (left, right) {
        (Datum::Text(left), Datum::Text(right)) => left == right,
        _ => left.as_i64().is_some() && left.as_i64() == right.as_i64(),
    }
}

/// The named columns of the rows whose column `by` has this value.
fn look(table: &str, by: (&str, &str), columns: &[&str]) -> Vec<String> {
    let session = Session::new();
    let system = find("pg_catalog", table);
    let at = |name: &str| {
        system
            .columns
            .iter()
            .position(|(column, _)| *column == name)
            .unwrap_or_else(|| panic!("no column {name}"))
    };
    let rows = system.scan(&session.context(), None);
    let rows = rows.iter().filter(|row| shown(&row[at(by.0)]) == by.1);
    rows.map(|row| columns.iter().map(|name| shown(&row[at(name)])).collect::<Vec<_>>().join("|"))
        .collect()
}

fn shown(value: &Datum) -> String {
    match value {
        Datum::Null => String::new(),
        Datum::Array(array) => array.values.iter().map(plain).collect::<Vec<_>>().join(" "),
        other => plain(other),
    }
}

#[test]
fn columns_of_a_table_are_as_postgres_describes_them() {
    let columns = [
        "attnum",
        "attname",
        "atttypid",
        "attlen",
        "atttypmod",
        "attbyval",
        "attalign",
        "attstorage",
        "attnotnull",
        "atthasdef",
        "attidentity",
        "attgenerated",
        "attcollation",
    ];
    // PostgreSQL 15's answer, but for attndims, which is the same.
    let expected = [
        "1|id|23|4|-1|t|i|p|t|t|||0",
        "2|name|1043|-1|44|f|i|x|t|t|||100",
        "3|salary|1700|-1|655366|f|i|m|f|f|||0",
        "4|boss|23|4|-1|t|i|p|f|f|||0",
        "5|department|20|8|-1|t|d|p|f|f|||0",
        "6|code|23|4|-1|t|i|p|t|f|a||0",
        "7|twice|23|4|-1|t|i|p|f|t||s|0",
        "8|tags|1009|-1|-1|f|i|x|f|f|||100",
        "9|Born On|1082|4|-1|t|i|p|f|f|||0",
    ];
    assert_eq!(look("pg_attribute", ("attrelid", "16390"), &columns), expected);
}

#[test]
fn indexes_are_as_postgres_describes_them() {
    let columns = [
        "indexrelid",
        "indnatts",
        "indnkeyatts",
        "indisunique",
        "indnullsnotdistinct",
        "indisprimary",
        "indkey",
        "indcollation",
        "indclass",
        "indoption",
    ];
    let expected = [
        "16392|1|1|t|f|t|1|0|1978|0",
        "16396|2|2|f|f|f|0 3|100 0|3126 3125|0 3",
        "16397|3|2|t|t|f|5 4 6|0 0|3124 1978|0 1",
    ];
    assert_eq!(look("pg_index", ("indrelid", "16390"), &columns), expected);
}

#[test]
fn constraints_are_as_postgres_describes_them() {
    let columns = [
        "conname",
        "contype",
        "conkey",
        "confkey",
        "confupdtype",
        "confdeltype",
        "confmatchtype",
        "connoinherit",
        "conindid",
        "conpfeqop",
    ];
    let expected = [
        "people_pkey|p|1|| | | |t|16392|",
        "people_salary_check|c|3|| | | |f|0|",
        "people_boss_fkey|f|4|1|a|n|s|t|16392|96",
        "people_department_fkey|f|5|1|c|a|f|t|16386|410",
    ];
    assert_eq!(look("pg_constraint", ("conrelid", "16390"), &columns), expected);
}

#[test]
fn functions_are_as_postgres_describes_them() {
    let columns = [
        "proname",
        "prokind",
        "prosecdef",
        "proisstrict",
        "proretset",
        "provolatile",
        "pronargs",
        "pronargdefaults",
        "prorettype",
        "proargtypes",
        "proallargtypes",
        "proargmodes",
        "proargnames",
        "proargdefaults",
    ];
    assert_eq!(look("pg_proc", ("oid", "16410"), &columns), ["add|f|f|t|f|i|2|1|23|23 23|||x y|1"]);
    assert_eq!(
        look("pg_proc", ("oid", "16411"), &columns),
        ["audited|f|t|f|t|v|1|0|2249|25|25 23 1009|i t t|x a B|"]
    );
    assert_eq!(look("pg_proc", ("oid", "16412"), &columns), ["tidy|p|f|f|f|v|1|0|2278|23|||a|"]);
}

#[test]
fn triggers_on_the_audit_log_are_listed() {
    let session = Session::new();
    let triggers = find("pg_catalog", "pg_trigger");
    let log = Datum::Oid(catalog::heliosdb::AUDIT_LOG_OID);
    let rows = triggers.scan(&session.context(), Some(("tgrelid", &log)));
    let shown: Vec<String> = rows
        .iter()
        .map(|row| [0, 3, 4, 5, 6, 13].map(|column| plain(&row[column])).join(" "))
        .collect();
    assert_eq!(shown, ["16421 All of it 16411 5 D 1", "16420 denials 0 5 O 0"]);
    assert_eq!(triggers.scan(&session.context(), None).len(), 2);
    let classes = find("pg_catalog", "pg_class");
    let at = classes.columns.iter().position(|(name, _)| *name == "relhastriggers").unwrap();
    let row = classes.scan(&session.context(), Some(("oid", &log)));
    assert_eq!(plain(&row[0][at]), "t");
    // Whoever may only read the log does not see what watches it.
    let described = |user: u32| {
        let mut session = Session::new();
        session.user = user;
        find("information_schema", "triggers").scan(&session.context(), None).len()
    };
    assert_eq!((described(catalog::SUPERUSER_OID), described(crate::fixture::READER)), (2, 0));
}

#[test]
fn what_shows_secrets_is_not_for_everybody() {
    let mut session = Session::new();
    session.user = crate::fixture::READER;
    for (schema, name, readable) in [
        ("pg_catalog", "pg_authid", false),
        ("pg_catalog", "pg_shadow", false),
        ("pg_catalog", "pg_roles", true),
        ("pg_catalog", "pg_class", true),
        ("heliosdb", "audit_log", false),
        ("heliosdb", "alerts", false),
    ] {
        let table = session.snapshot.table(schema, name).unwrap();
        assert_eq!(
            session
                .snapshot
                .has_table_privilege(session.user, table, catalog::Privilege::Select),
            readable,
            "{name}"
        );
        assert!(
            !session
                .snapshot
                .has_table_privilege(session.user, table, catalog::Privilege::Insert),
            "{name}"
        );
    }
    // Another's query text is hidden.
    let activity = find("pg_catalog", "pg_stat_activity").scan(&session.context(), None);
    assert!(
        activity
            .iter()
            .all(|row| row.iter().all(|value| value.as_str() != Some("SELECT 1")))
    );
}

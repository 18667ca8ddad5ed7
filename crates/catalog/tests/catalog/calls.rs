//! Catalog functions: what PostgreSQL 15 answers for the fixture's objects.

use catalog::{call, call_names};
use types::Datum;

use crate::fixture::*;

fn text(value: &str) -> Datum {
    Datum::text(value)
}

fn oid(value: u32) -> Datum {
    Datum::Oid(value)
}

fn print(value: &Datum) -> String {
    match value {
        Datum::Null => "NULL".to_string(),
        Datum::Bool(value) => value.to_string(),
        Datum::Text(value) => value.clone(),
        Datum::Array(array) => format!("{{{}}}", array.values.iter().map(print).collect::<Vec<_>>().join(",")),
        Datum::Record(fields) => format!("({})", fields.iter().map(print).collect::<Vec<_>>().join(",")),
        other => other.as_i64().map_or_else(|| format!("{other:?}"), |value| value.to_string()),
    }
}

/// The answer as text, or the error as `SQLSTATE message`.
fn ask(session: &Session, name: &str, args: &[Datum]) -> String {
    match call(&session.context(), name, args) {
        Ok(value) => print(&value),
        Err(error) => format!("{} {}", error.state().code(), error.message()),
    }
}

fn check(name: &str, args: &[Datum], expected: &str) {
    assert_eq!(ask(&Session::new(), name, args), expected, "{name}({args:?})");
}

#[test]
fn triggers_on_the_audit_log() {
    let body = "CREATE TRIGGER denials AFTER INSERT ON heliosdb.audit_log FOR EACH ROW WHEN (NEW.allowed = false) \
                BEGIN SELECT heliosdb.alert('a', NEW.error); SELECT 2; END";
    check("pg_get_triggerdef", &[oid(DENIALS)], body);
    check("pg_get_triggerdef", &[oid(DENIALS), Datum::Bool(true)], body);
    check(
        "pg_get_triggerdef",
        &[oid(DENIALS + 1)],
        "CREATE TRIGGER \"All of it\" AFTER INSERT ON heliosdb.audit_log FOR EACH ROW EXECUTE FUNCTION audited('it''s')",
    );
    check("pg_get_triggerdef", &[oid(1)], "NULL");
}

#[test]
fn names_and_oids() {
    check("regclassin", &[text("people")], "16390");
    check("regclassin", &[text("public.people_pkey")], "16392");
    check("regclassin", &[text("pg_class")], "1259");
    check("regclassin", &[text("123")], "123");
    check("regclassin", &[text("-")], "0");
    check("regclassin", &[text("PEOPLE")], "16390");
    check("regclassin", &[text("postgres.public.people")], "16390");
    check("regclassin", &[text("\"People\"")], "42P01 relation \"People\" does not exist");
    check(
        "regclassin",
        &[text("public.nosuch")],
        "42P01 relation \"public.nosuch\" does not exist",
    );
    check("regclassin", &[text("nosuch.people")], "3F000 schema \"nosuch\" does not exist");
    check("regclassin", &[text("\"x")], "42602 invalid name syntax");
    check("regclassin", &[text("")], "42602 invalid name syntax");
    check(
        "regclassin",
        &[text("a.b.c.d")],
        "42601 improper relation name (too many dotted names): a.b.c.d",
    );
    check(
        "regclassin",
        &[text("99999999999")],
        "22003 value \"99999999999\" is out of range for type oid",
    );
    check("regclassout", &[oid(PEOPLE)], "people");
    check("regclassout", &[oid(0)], "-");
    check("regclassout", &[oid(77)], "77");
    check("regclassout", &[Datum::Null], "NULL");
    check("to_regclass", &[text("nosuch.people")], "NULL");
    check("regtypein", &[text("integer")], "23");
    check("regtypein", &[text("pg_catalog.int4")], "23");
    check("regtypein", &[text("numeric(5,2)")], "1700");
    check("regtypein", &[text("timestamp(3) with time zone")], "1184");
    check("regtypein", &[text("varchar(5)[]")], "1015");
    check("regtypein", &[text("\"char\"")], "18");
    check("regtypein", &[text("char")], "1042");
    check("regtypein", &[text("nosuch")], "42704 type \"nosuch\" does not exist");
    check("regtypeout", &[oid(1015)], "character varying[]");
    check("regprocin", &[text("add")], "16410");
    check("regprocin", &[text("int4recv")], "2406");
    check("regprocin", &[text("nosuch")], "42883 function \"nosuch\" does not exist");
    check("regprocout", &[oid(2406)], "int4recv");
    check("regprocout", &[oid(ADD)], "add");
    check("to_regprocedure", &[text("add(int, integer)")], "16410");
    check("to_regprocedure", &[text("add(int)")], "NULL");
    check("to_regprocedure", &[text("add")], "22P02 expected a left parenthesis");
    check("regnamespacein", &[text("public")], "2200");
    check("regnamespaceout", &[oid(11)], "pg_catalog");
    check("regrolein", &[text("reader")], "16430");
    check("regrolein", &[text("nosuch")], "42704 role \"nosuch\" does not exist");
    check("regroleout", &[oid(16432)], "\"odd name\"");
    check("pg_get_userbyid", &[oid(10)], "postgres");
    check("pg_get_userbyid", &[oid(77)], "unknown (OID=77)");
}

#[test]
fn names_are_qualified_where_the_path_does_not_find_them() {
    let mut session = Session::new();
    session.path = vec!["pg_catalog".to_string()];
    assert_eq!(ask(&session, "regclassout", &[oid(PEOPLE)]), "public.people");
    assert_eq!(ask(&session, "pg_table_is_visible", &[oid(PEOPLE)]), "false");
    assert_eq!(ask(&session, "pg_function_is_visible", &[oid(ADD)]), "false");
    assert_eq!(
        ask(&session, "pg_get_indexdef", &[oid(PEOPLE_PKEY), Datum::Int4(0), Datum::Bool(true)]),
        "CREATE UNIQUE INDEX people_pkey ON public.people USING btree (id)"
    );
    check("pg_table_is_visible", &[oid(PEOPLE)], "true");
    check("pg_table_is_visible", &[oid(PEOPLE_PKEY)], "true");
    check("pg_table_is_visible", &[oid(1259)], "true");
    check("pg_table_is_visible", &[oid(77)], "NULL");
    check("pg_function_is_visible", &[oid(ADD)], "true");
    check("pg_type_is_visible", &[oid(23)], "true");
    check("pg_type_is_visible", &[oid(77)], "NULL");
}

#[test]
fn definitions() {
    let (yes, no) = (Datum::Bool(true), Datum::Bool(false));
    check(
        "pg_get_indexdef",
        &[oid(PEOPLE_LOWER_NAME)],
        "CREATE INDEX people_lower_name ON public.people USING btree (lower((name)::text), salary DESC) WHERE (salary > (1)::numeric)",
    );
    check(
        "pg_get_indexdef",
        &[oid(DEPARTMENT_INDEX)],
        "CREATE UNIQUE INDEX people_department_boss_code_idx ON public.people USING btree (department, boss DESC NULLS LAST) INCLUDE (code) NULLS NOT DISTINCT",
    );
    check("pg_get_indexdef", &[oid(DEPARTMENT_INDEX), Datum::Int4(2), no.clone()], "boss");
    check("pg_get_indexdef", &[oid(DEPARTMENT_INDEX), Datum::Int4(3), no.clone()], "code");
    check("pg_get_indexdef", &[oid(DEPARTMENT_INDEX), Datum::Int4(-1), no], "");
    check("pg_get_indexdef", &[oid(PEOPLE)], "NULL");
    check("pg_get_constraintdef", &[oid(16391), yes.clone()], "PRIMARY KEY (id)");
    check("pg_get_constraintdef", &[oid(16387)], "UNIQUE (name)");
    check("pg_get_constraintdef", &[oid(16393)], "CHECK ((salary > (0)::numeric))");
    check("pg_get_constraintdef", &[oid(16393), yes], "CHECK (salary > (0)::numeric)");
    check(
        "pg_get_constraintdef",
        &[oid(16394)],
        "FOREIGN KEY (boss) REFERENCES people(id) ON DELETE SET NULL",
    );
    check(
        "pg_get_constraintdef",
        &[oid(16395)],
        "FOREIGN KEY (department) REFERENCES departments(id) MATCH FULL ON UPDATE CASCADE",
    );
    check("pg_get_constraintdef", &[oid(77)], "NULL");
    check("pg_get_viewdef", &[oid(16402)], "SELECT id, name FROM people;");
    check("pg_get_viewdef", &[text("rich"), Datum::Bool(true)], "SELECT id, name FROM people;");
    check("pg_get_viewdef", &[oid(PEOPLE)], "NULL");
    check("pg_get_expr", &[text("a + 1"), oid(PEOPLE)], "a + 1");
    check("pg_get_serial_sequence", &[text("people"), text("id")], "public.people_id_seq");
    check("pg_get_serial_sequence", &[text("people"), text("code")], "public.people_code_seq");
    check("pg_get_serial_sequence", &[text("people"), text("name")], "NULL");
    check(
        "pg_get_serial_sequence",
        &[text("people"), text("zz")],
        "42703 column \"zz\" of relation \"people\" does not exist",
    );
}

#[test]
fn function_definitions() {
    check("pg_get_function_arguments", &[oid(ADD)], "x integer, y integer DEFAULT 1");
    check("pg_get_function_identity_arguments", &[oid(ADD)], "x integer, y integer");
    check("pg_get_function_result", &[oid(ADD)], "integer");
    check("pg_get_function_result", &[oid(AUDITED)], "TABLE(a integer, \"B\" text[])");
    check("pg_get_function_result", &[oid(16412)], "NULL");
    check("pg_get_function_arguments", &[oid(16412)], "IN a integer");
    check("pg_get_function_arg_default", &[oid(ADD), Datum::Int4(2)], "1");
    check("pg_get_function_result", &[oid(870)], "text");
    check(
        "pg_get_functiondef",
        &[oid(ADD)],
        "CREATE OR REPLACE FUNCTION public.add(x integer, y integer DEFAULT 1)\n RETURNS integer\n LANGUAGE javascript\n IMMUTABLE STRICT\nAS $function$function add() { return 1 }$function$\n",
    );
    check(
        "pg_get_functiondef",
        &[oid(AUDITED)],
        "CREATE OR REPLACE FUNCTION public.audited(x text)\n RETURNS TABLE(a integer, \"B\" text[])\n LANGUAGE python\n SECURITY DEFINER\n PURPOSE 'what it''s for'\nAS $function$function audited() { return 1 }$function$\n",
    );
    check(
        "pg_get_functiondef",
        &[oid(16412)],
        "CREATE OR REPLACE PROCEDURE public.tidy(IN a integer)\n LANGUAGE javascript\nAS $procedure$function tidy() { return 1 }$procedure$\n",
    );
    check("pg_get_functiondef", &[oid(77)], "NULL");
}

#[test]
fn comments() {
    check("obj_description", &[oid(PEOPLE), text("pg_class")], "all of them");
    check("obj_description", &[oid(PEOPLE)], "all of them");
    check("obj_description", &[oid(PEOPLE), text("pg_proc")], "NULL");
    check("obj_description", &[oid(PEOPLE), text("nosuch")], "NULL");
    check("obj_description", &[oid(DEPARTMENT_INDEX), text("pg_class")], "an index");
    check("obj_description", &[oid(AUDITED), text("pg_proc")], "what it's for");
    check("obj_description", &[oid(2200), text("pg_namespace")], "standard public schema");
    check("col_description", &[oid(PEOPLE), Datum::Int4(2)], "in full");
    check("col_description", &[oid(PEOPLE), Datum::Int4(1)], "NULL");
    check(
        "shobj_description",
        &[oid(5), text("pg_database")],
        "default administrative connection database",
    );
}

#[test]
fn privileges() {
    check("has_table_privilege", &[text("people"), text("SELECT")], "true");
    check("has_table_privilege", &[text("reader"), text("people"), text("SELECT")], "false");
    check(
        "has_table_privilege",
        &[oid(READER), oid(PEOPLE), text("select, insert with grant option")],
        "false",
    );
    check("has_table_privilege", &[oid(READER), oid(1259), text("select")], "true");
    check(
        "has_table_privilege",
        &[oid(PEOPLE), text("FOO")],
        "22023 unrecognized privilege type: \"FOO\"",
    );
    check(
        "has_table_privilege",
        &[text("nobody"), text("people"), text("select")],
        "42704 role \"nobody\" does not exist",
    );
    check("has_table_privilege", &[oid(99), text("select")], "NULL");
    check(
        "has_table_privilege",
        &[text("nosuch"), text("select")],
        "42P01 relation \"nosuch\" does not exist",
    );
    check("has_column_privilege", &[text("people"), text("name"), text("select")], "true");
    check(
        "has_column_privilege",
        &[text("people"), text("zz"), text("select")],
        "42703 column \"zz\" of relation \"people\" does not exist",
    );
    check(
        "has_column_privilege",
        &[text("reader"), oid(PEOPLE), Datum::Int2(2), text("select")],
        "false",
    );
    check("has_column_privilege", &[oid(PEOPLE), Datum::Int2(99), text("select")], "NULL");
    check(
        "has_function_privilege",
        &[text("reader"), text("add(int,int)"), text("execute")],
        "true",
    );
    check("has_function_privilege", &[oid(ADD), text("execute")], "true");
    check("has_schema_privilege", &[text("reader"), text("public"), text("usage")], "true");
    check("has_schema_privilege", &[text("reader"), text("public"), text("create")], "false");
    check(
        "has_schema_privilege",
        &[text("nosuch"), text("usage")],
        "3F000 schema \"nosuch\" does not exist",
    );
    check(
        "has_database_privilege",
        &[text("reader"), text("postgres"), text("connect")],
        "true",
    );
    check(
        "has_database_privilege",
        &[text("reader"), text("postgres"), text("create")],
        "false",
    );
    check(
        "has_database_privilege",
        &[text("nosuch"), text("connect")],
        "3D000 database \"nosuch\" does not exist",
    );
    check("has_sequence_privilege", &[text("tickets"), text("usage")], "true");
    check("pg_has_role", &[text("reader"), text("writers"), text("member")], "true");
    check("pg_has_role", &[text("writers"), text("reader"), text("usage")], "false");
    check(
        "pg_has_role",
        &[text("reader"), text("writers"), text("member with admin option")],
        "false",
    );
    check("pg_has_role", &[text("writers"), text("usage")], "true");
    check(
        "pg_has_role",
        &[text("nosuch"), text("usage")],
        "42704 role \"nosuch\" does not exist",
    );
    check(
        "pg_has_role",
        &[text("reader"), text("writers"), text("own")],
        "22023 unrecognized privilege type: \"own\"",
    );
}

#[test]
fn acls() {
    check("acldefault", &[text("r"), oid(10)], "{postgres=arwdDxt/postgres}");
    check("acldefault", &[text("f"), oid(10)], "{=X/postgres,postgres=X/postgres}");
    check("acldefault", &[text("n"), oid(10)], "{postgres=UC/postgres}");
    check("acldefault", &[text("d"), oid(10)], "{=Tc/postgres,postgres=CTc/postgres}");
    check("acldefault", &[text("c"), oid(10)], "{}");
    let items = Datum::array(types::Type::Text, vec![text("=U/postgres"), text("\"odd name\"=U*C/postgres")]);
    check(
        "aclexplode",
        &[items],
        "{(10,0,USAGE,false),(10,16432,USAGE,true),(10,16432,CREATE,false)}",
    );
    // A role that is gone is not PUBLIC.
    let gone = Datum::array(types::Type::Text, vec![text("\"unknown (OID=77)\"=U/postgres")]);
    check("aclexplode", &[gone], "{(10,77,USAGE,false)}");
    let stranger = Datum::array(types::Type::Text, vec![text("nosuch=U/postgres")]);
    check("aclexplode", &[stranger], "42704 role \"nosuch\" does not exist");
}

#[test]
fn the_rest() {
    check("pg_encoding_to_char", &[Datum::Int4(6)], "UTF8");
    check("pg_encoding_to_char", &[Datum::Int4(77)], "");
    check("pg_char_to_encoding", &[text("utf8")], "6");
    check("pg_relation_size", &[oid(PEOPLE)], "8192");
    check("pg_relation_size", &[oid(77)], "NULL");
    check("pg_sequence_parameters", &[oid(16403)], "(5,1,1000,5,true,1,23)");
    check("pg_sequence_parameters", &[oid(PEOPLE)], "42809 \"people\" is not a sequence");
    check("pg_sequence_last_value", &[oid(16403)], "5");
    check(
        "pg_index_column_has_property",
        &[oid(DEPARTMENT_INDEX), Datum::Int4(2), text("desc")],
        "true",
    );
    check("pg_relation_is_publishable", &[oid(PEOPLE)], "true");
    check("pg_describe_object", &[oid(1259), oid(PEOPLE), Datum::Int4(0)], "table people");
    check("nosuch", &[], "XX000 the catalog does not answer nosuch");
}

/// Whatever the arguments, an answer or an error: never a panic.
#[test]
fn strange_arguments_do_not_panic() {
    let session = Session::new();
    let strange = [
        text(""),
        text("\u{0}(("),
        text("a.b.c.d.e"),
        oid(u32::MAX),
        Datum::Int4(i32::MIN),
        Datum::Int8(-1),
        Datum::Bool(true),
        Datum::Null,
        oid(PEOPLE),
        oid(DEPARTMENT_INDEX),
    ];
    for name in call_names() {
        let _ = call(&session.context(), name, &[]);
        for first in &strange {
            let _ = call(&session.context(), name, std::slice::from_ref(first));
            for second in &strange {
                let _ = call(&session.context(), name, &[first.clone(), second.clone()]);
                for third in &strange {
                    let _ = call(&session.context(), name, &[first.clone(), second.clone(), third.clone()]);
                }
            }
        }
    }
}

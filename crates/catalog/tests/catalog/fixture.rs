//! A catalog with one of everything, as these statements make it in PostgreSQL:
//!
//! ```sql
//! create table departments(id bigint primary key, name text not null unique);
//! create table people(id serial primary key, name varchar(40) not null default 'nobody', salary numeric(10,2) check (salary > 0),
//!     boss int references people(id) on delete set null, department bigint, code int generated always as identity,
//!     twice int generated always as (boss * 2) stored, tags text[], "Born On" date,
//!     foreign key (department) references departments(id) match full on update cascade);
//! create index people_lower_name on people (lower(name), salary desc) where salary > 1;
//! create unique index on people (department, boss desc nulls last) include (code) nulls not distinct;
//! create view rich as select id, name from people;
//! create sequence tickets as int start 5 increment 5 maxvalue 1000 cycle;
//! ```

use catalog::*;
use policy::Rights;
use types::{Type, numeric_typmod};

pub const DEPARTMENTS: u32 = 16384;
pub const PEOPLE: u32 = 16390;
pub const PEOPLE_PKEY: u32 = 16392;
pub const PEOPLE_LOWER_NAME: u32 = 16396;
pub const DEPARTMENT_INDEX: u32 = 16397;
pub const ADD: u32 = 16410;
pub const AUDITED: u32 = 16411;
pub const DENIALS: u32 = 16420;
pub const READER: u32 = 16430;
pub const WRITERS: u32 = 16431;

pub struct Session {
    pub snapshot: Snapshot,
    pub path: Vec<String>,
    pub user: u32,
}

impl Session {
    pub fn new() -> Session {
        let snapshot = Snapshot::bootstrap().apply(&changes());
        Session {
            snapshot,
            path: vec!["pg_catalog".to_string(), "public".to_string()],
            user: SUPERUSER_OID,
        }
    }

    pub fn context(&self) -> SystemContext<'_> {
        SystemContext {
            snapshot: &self.snapshot,
            database: "postgres",
            current_user: self.user,
            search_path: &self.path,
            live: &Running,
        }
    }
}

/// What a server would answer.
struct Running;

impl Live for Running {
    fn settings(&self) -> Vec<Setting> {
        vec![Setting {
            name: "TimeZone".to_string(),
            value: "UTC".to_string(),
            context: "user",
            vartype: "string",
            ..Setting::default()
        }]
    }

    fn violations(&self, function: u32) -> u32 {
        if function == ADD { 7 } else { 0 }
    }

    fn builtin_functions(&self) -> Vec<BuiltinFunction> {
        let lower = |oid, ty: &'static [Type]| BuiltinFunction {
            oid,
            name: "lower",
            args: ty,
            variadic: false,
            ret: Type::Text,
            set: false,
            strict: true,
            kind: 'f',
            volatility: 'i',
        };
        vec![lower(870, &[Type::Text])]
    }

    fn sessions(&self) -> Vec<SessionInfo> {
        vec![SessionInfo {
            pid: 7,
            user: SUPERUSER_OID,
            state: "active",
            query: "SELECT 1".to_string(),
            ..SessionInfo::default()
        }]
    }

    fn table_size(&self, _: &Table) -> i64 {
        8192
    }

    fn sequence_last_value(&self, _: &Table) -> Option<i64> {
        Some(5)
    }
}

pub fn table(oid: u32, name: &str, kind: TableKind, columns: Vec<Column>) -> Table {
    Table {
        oid,
        schema: "public".to_string(),
        name: name.to_string(),
        owner: SUPERUSER_OID,
        kind,
        columns,
        primary_key: None,
        constraints: vec![],
        indexes: vec![],
        triggers: vec![],
        search_path: vec!["public".to_string()],
        version: 1,
        acl: None,
        comment: None,
    }
}

fn not_null(name: &str, ty: Type, attnum: i16) -> Column {
    Column {
        not_null: true,
        ..Column::new(name, ty, attnum)
    }
}

fn sequence(start: i64, increment: i64, max: i64, cycle: bool, owned_by: Option<(u32, i16)>) -> TableKind {
    TableKind::Sequence(Sequence {
        ty: Type::Int4,
        start,
        increment,
        min: 1,
        max,
        cache: 1,
        cycle,
        owned_by,
    })
}

fn constraint(oid: u32, name: &str, columns: Vec<usize>, kind: ConstraintKind) -> Constraint {
    Constraint {
        oid,
        name: name.to_string(),
        columns,
        kind,
        comment: None,
    }
}

fn key(target: IndexTarget, descending: bool, nulls_first: bool) -> IndexKey {
    IndexKey {
        target,
        descending,
        nulls_first,
    }
}

pub fn function(oid: u32, name: &str, args: Vec<Argument>, returns: Returns) -> Function {
    Function {
        oid,
        schema: "public".to_string(),
        name: name.to_string(),
        owner: SUPERUSER_OID,
        language: Language::JavaScript,
        args,
        returns,
        body: format!("function {name}() {{ return 1 }}"),
        volatility: Volatility::Volatile,
        strict: false,
        security_definer: false,
        search_path: None,
        created_path: vec!["public".to_string()],
        purpose: None,
        version: 1,
        rights: Rights::default(),
        enabled: true,
        forgiven_violations: 0,
        storage_consent: false,
        is_procedure: false,
        aggregate: None,
        acl: None,
        comment: None,
    }
}

pub fn argument(name: &str, ty: Type, default: Option<&str>) -> Argument {
    Argument {
        name: Some(name.to_string()),
        ty,
        default: default.map(str::to_string),
    }
}

fn departments() -> Table {
    Table {
        primary_key: Some(Key {
            oid: 16385,
            index_oid: 16386,
            name: "departments_pkey".to_string(),
            columns: vec![0],
        }),
        constraints: vec![constraint(
            16387,
            "departments_name_key",
            vec![1],
            ConstraintKind::Unique {
                index_oid: 16388,
                nulls_not_distinct: false,
            },
        )],
        ..table(
            DEPARTMENTS,
            "departments",
            TableKind::Table,
            vec![not_null("id", Type::Int8, 1), not_null("name", Type::Text, 2)],
        )
    }
}

fn people() -> Table {
    let foreign = |table, on_update, on_delete, match_full| ConstraintKind::ForeignKey {
        table,
        columns: vec![0],
        on_update,
        on_delete,
        match_full,
    };
    let columns = vec![
        Column {
            default: Some("nextval('people_id_seq'::regclass)".to_string()),
            ..not_null("id", Type::Int4, 1)
        },
        Column {
            typmod: 44,
            default: Some("'nobody'::character varying".to_string()),
            comment: Some("in full".to_string()),
            ..not_null("name", Type::Varchar, 2)
        },
        Column {
            typmod: numeric_typmod(10, 2),
            ..Column::new("salary", Type::Numeric, 3)
        },
        Column::new("boss", Type::Int4, 4),
        Column::new("department", Type::Int8, 5),
        Column {
            generated: Some(Generated::Identity {
                always: true,
                sequence: 16401,
            }),
            ..not_null("code", Type::Int4, 6)
        },
        Column {
            generated: Some(Generated::Stored("(boss * 2)".to_string())),
            ..Column::new("twice", Type::Int4, 7)
        },
        Column::new("tags", Type::Array(&Type::Text), 8),
        Column::new("Born On", Type::Date, 9),
    ];
    let lower = IndexTarget::Expression("lower((name)::text)".to_string(), Type::Text);
    Table {
        primary_key: Some(Key {
            oid: 16391,
            index_oid: PEOPLE_PKEY,
            name: "people_pkey".to_string(),
            columns: vec![0],
        }),
        constraints: vec![
            constraint(
                16393,
                "people_salary_check",
                vec![2],
                ConstraintKind::Check {
                    expression: "salary > (0)::numeric".to_string(),
                },
            ),
            constraint(
                16394,
                "people_boss_fkey",
                vec![3],
                foreign(PEOPLE, ForeignKeyAction::NoAction, ForeignKeyAction::SetNull, false),
            ),
            constraint(
                16395,
                "people_department_fkey",
                vec![4],
                foreign(DEPARTMENTS, ForeignKeyAction::Cascade, ForeignKeyAction::NoAction, true),
            ),
        ],
        indexes: vec![
            Index {
                oid: PEOPLE_LOWER_NAME,
                name: "people_lower_name".to_string(),
                unique: false,
                keys: vec![key(lower, false, false), key(IndexTarget::Column(2), true, true)],
                include: vec![],
                predicate: Some("salary > (1)::numeric".to_string()),
                nulls_not_distinct: false,
                comment: None,
            },
            Index {
                oid: DEPARTMENT_INDEX,
                name: "people_department_boss_code_idx".to_string(),
                unique: true,
                keys: vec![key(IndexTarget::Column(4), false, false), key(IndexTarget::Column(3), true, false)],
                include: vec![5],
                predicate: None,
                nulls_not_distinct: true,
                comment: Some("an index".to_string()),
            },
        ],
        comment: Some("all of them".to_string()),
        ..table(PEOPLE, "people", TableKind::Table, columns)
    }
}

pub fn changes() -> Vec<Change> {
    let view_columns = vec![
        Column::new("id", Type::Int4, 1),
        Column {
            typmod: 44,
            ..Column::new("name", Type::Varchar, 2)
        },
    ];
    let view = TableKind::View {
        definition: "SELECT id, name FROM people".to_string(),
    };
    vec![
        Change::PutTable(departments()),
        Change::PutTable(people()),
        Change::PutTable(table(
            16400,
            "people_id_seq",
            sequence(1, 1, i64::from(i32::MAX), false, Some((PEOPLE, 1))),
            vec![],
        )),
        Change::PutTable(table(
            16401,
            "people_code_seq",
            sequence(1, 1, i64::from(i32::MAX), false, Some((PEOPLE, 6))),
            vec![],
        )),
        Change::PutTable(table(16402, "rich", view, view_columns)),
        Change::PutTable(table(16403, "tickets", sequence(5, 5, 1000, true, None), vec![])),
        Change::PutFunction(Function {
            volatility: Volatility::Immutable,
            strict: true,
            ..function(
                ADD,
                "add",
                vec![argument("x", Type::Int4, None), argument("y", Type::Int4, Some("1"))],
                Returns::Scalar(Type::Int4),
            )
        }),
        Change::PutFunction(Function {
            language: Language::Python,
            security_definer: true,
            purpose: Some("what it's for".to_string()),
            ..function(
                AUDITED,
                "audited",
                vec![argument("x", Type::Text, None)],
                Returns::Table(vec![("a".to_string(), Type::Int4), ("B".to_string(), Type::Array(&Type::Text))]),
            )
        }),
        Change::PutFunction(Function {
            is_procedure: true,
            aggregate: None,
            ..function(16412, "tidy", vec![argument("a", Type::Int4, None)], Returns::Void)
        }),
        Change::PutAuditTrigger(AuditTrigger {
            oid: DENIALS,
            name: "denials".to_string(),
            owner: SUPERUSER_OID,
            search_path: vec!["public".to_string()],
            condition: Some("NEW.allowed = false".to_string()),
            action: AuditAction::Body(vec!["SELECT heliosdb.alert('a', NEW.error)".to_string(), "SELECT 2".to_string()]),
            enabled: true,
            since: 7,
            comment: None,
        }),
        Change::PutAuditTrigger(AuditTrigger {
            oid: DENIALS + 1,
            name: "All of it".to_string(),
            owner: SUPERUSER_OID,
            search_path: vec![],
            condition: None,
            action: AuditAction::Function {
                oid: AUDITED,
                args: vec!["it's".to_string()],
            },
            enabled: false,
            since: 1,
            comment: None,
        }),
        Change::PutRole(Role {
            login: true,
            member_of: vec![WRITERS],
            ..Role::new(READER, "reader")
        }),
        Change::PutRole(Role::new(WRITERS, "writers")),
        Change::PutRole(Role {
            settings: vec![("timezone".to_string(), "UTC".to_string())],
            ..Role::new(16432, "odd name")
        }),
    ]
}

//! A host in memory and short ways to write plans. No test file uses all of it.
#![allow(dead_code)]

use std::collections::HashMap;
use std::ops::{Bound, RangeBounds};
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use catalog::{Argument, Column, Function, Key, Language, Returns, Sequence, Table, TableKind, Volatility};
use functions::Environment;
use functions::resolve::{Target, resolve_call, resolve_operator};
use query::ir::{AggregateCall, AggregateTarget, ColumnId, Expr, Rel, SortKey};
use query::{BatchIter, Host, Row, RowIter, ScanBounds};
use types::text::TextStyle;
use types::{Datum, NO_TYPMOD, Result, SqlError, Type};

pub struct Session(TextStyle);

impl Environment for Session {
    fn transaction_timestamp(&self) -> i64 {
        0
    }
    fn statement_timestamp(&self) -> i64 {
        0
    }
    fn text_style(&self) -> &TextStyle {
        &self.0
    }
    fn setting(&self, _name: &str) -> Option<String> {
        None
    }
    fn set_setting(&self, _name: &str, value: &str, _local: bool) -> Result<String> {
        Ok(value.to_string())
    }
    fn current_user(&self) -> &str {
        "postgres"
    }
    fn session_user(&self) -> &str {
        "postgres"
    }
    fn current_database(&self) -> &str {
        "postgres"
    }
    fn current_schemas(&self, _implicit: bool) -> Vec<String> {
        vec!["public".to_string()]
    }
    fn backend_pid(&self) -> i32 {
        1
    }
    fn is_superuser(&self) -> bool {
        true
    }
    fn catalog_call(&self, name: &'static str, _args: &[Datum]) -> Result<Datum> {
        Err(SqlError::unsupported(name))
    }
    fn check_cancelled(&self) -> Result<()> {
        Ok(())
    }
}

type Body = Arc<dyn Fn(&[Datum]) -> Result<Datum> + Send + Sync>;

pub struct Memory {
    session: Session,
    pub params: Vec<Datum>,
    pub tables: HashMap<u32, Vec<Row>>,
    pub bodies: HashMap<String, Body>,
    /// The sizes of the batches that users' functions were called with.
    pub calls: Mutex<Vec<usize>>,
    /// Batches that scans gave out.
    pub batches: AtomicUsize,
    pub bounds: Mutex<Vec<ScanBounds>>,
    /// From this check on, the statement is cancelled.
    pub cancel_after: AtomicUsize,
}

impl Memory {
    pub fn new() -> Memory {
        Memory {
            session: Session(TextStyle::default()),
            params: vec![],
            tables: HashMap::new(),
            bodies: HashMap::new(),
            calls: Mutex::default(),
            batches: AtomicUsize::new(0),
            bounds: Mutex::default(),
            cancel_after: AtomicUsize::new(usize::MAX),
        }
    }

    pub fn with(mut self, table: &Table, rows: Vec<Row>) -> Memory {
        self.tables.insert(table.oid, rows);
        self
    }

    pub fn body(mut self, name: &str, body: impl Fn(&[Datum]) -> Result<Datum> + Send + Sync + 'static) -> Memory {
        self.bodies.insert(name.to_string(), Arc::new(body));
        self
    }

    pub fn host(self) -> (Arc<Memory>, Arc<dyn Host>) {
        let memory = Arc::new(self);
        (memory.clone(), memory)
    }
}

impl Host for Memory {
    fn environment(&self) -> &dyn Environment {
        &self.session
    }

    fn params(&self) -> &[Datum] {
        &self.params
    }

    fn scan_backward(&self, table: &Table, _columns: &[usize], _bounds: &ScanBounds) -> Result<BatchIter> {
        panic!("{} is in no order", table.name)
    }

    fn scan(&self, table: &Table, columns: &[usize], bounds: &ScanBounds) -> Result<BatchIter> {
        self.bounds.lock().unwrap().push(bounds.clone());
        let inside = |row: &&Row| {
            bounds.iter().all(|(column, low, high)| {
                let key = |bound: &Bound<Datum>| bound.clone().map(|datum| types::compare::Key(vec![datum]));
                (key(low), key(high)).contains(&types::compare::Key(vec![row[*column].clone()]))
            })
        };
        let rows = self.tables[&table.oid].iter().filter(inside);
        let rows: Vec<Row> = rows
            .map(|row| columns.iter().map(|column| row[*column].clone()).collect())
            .collect();
        let batches: Vec<Vec<Row>> = rows.chunks(100).map(<[Row]>::to_vec).collect();
        self.batches.fetch_add(batches.len(), Ordering::Relaxed);
        Ok(Box::new(batches.into_iter().map(Ok)))
    }

    fn get(&self, table: &Table, key: &[Datum], columns: &[usize]) -> Result<Option<Row>> {
        let of_key = &table.primary_key.as_ref().unwrap().columns;
        let same = |row: &&Row| {
            of_key
                .iter()
                .zip(key)
                .all(|(column, value)| types::compare::compare(&row[*column], value).is_eq())
        };
        Ok(self.tables[&table.oid]
            .iter()
            .find(same)
            .map(|row| columns.iter().map(|column| row[*column].clone()).collect()))
    }

    fn call(&self, function: &Arc<Function>, rows: usize, args: &[&[Datum]]) -> Result<Vec<Datum>> {
        self.calls.lock().unwrap().push(rows);
        let row = |index: usize| -> Row { args.iter().map(|column| column[index].clone()).collect() };
        (0..rows).map(|index| self.bodies[&function.name](&row(index))).collect()
    }

    fn call_set(&self, function: &Arc<Function>, args: Vec<Datum>) -> Result<RowIter> {
        match self.bodies[&function.name](&args)? {
            Datum::Array(array) => Ok(Box::new(array.values.into_iter().map(|value| Ok(vec![value])))),
            other => Ok(Box::new(std::iter::once(Ok(vec![other])))),
        }
    }

    fn check_cancelled(&self) -> Result<()> {
        if self
            .cancel_after
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1))
            .is_err()
        {
            return Err(SqlError::new(
                types::SqlState::QueryCanceled,
                "canceling statement due to user request",
            ));
        }
        Ok(())
    }
}

/// A table of this name and these columns; the first is its primary key.
pub fn table(name: &str, columns: &[(&str, Type)]) -> Table {
    static OID: AtomicU32 = AtomicU32::new(20_000);
    let oid = OID.fetch_add(10, Ordering::Relaxed);
    let columns = columns
        .iter()
        .enumerate()
        .map(|(index, (name, ty))| Column::new(*name, *ty, index as i16 + 1))
        .collect();
    Table {
        oid,
        schema: "public".to_string(),
        name: name.to_string(),
        owner: 10,
        kind: TableKind::Table,
        columns,
        primary_key: Some(Key {
            oid: oid + 1,
            index_oid: oid + 2,
            name: format!("{name}_pkey"),
            columns: vec![0],
        }),
        constraints: vec![],
        indexes: vec![],
        triggers: vec![],
        search_path: vec![],
        version: 1,
        acl: None,
        comment: None,
    }
}

/// The same table of a kind that is never worth DataFusion.
pub fn on_local_road(table: &Table) -> Table {
    let sequence = Sequence {
        ty: Type::Int8,
        start: 1,
        increment: 1,
        min: 1,
        max: 1,
        cache: 1,
        cycle: false,
        owned_by: None,
    };
    Table {
        kind: TableKind::Sequence(sequence),
        ..table.clone()
    }
}

pub fn user_function(name: &str, args: &[Type], returns: Type, volatility: Volatility) -> Arc<Function> {
    Arc::new(Function {
        oid: 30_000,
        schema: "public".to_string(),
        name: name.to_string(),
        owner: 10,
        language: Language::JavaScript,
        args: args
            .iter()
            .map(|ty| Argument {
                name: None,
                ty: *ty,
                default: None,
            })
            .collect(),
        returns: Returns::Scalar(returns),
        body: String::new(),
        volatility,
        strict: true,
        security_definer: false,
        search_path: None,
        created_path: vec![],
        purpose: None,
        version: 1,
        rights: policy::Rights::of(policy::Policy::default_policy()),
        enabled: true,
        forgiven_violations: 0,
        storage_consent: false,
        is_procedure: false,
        aggregate: None,
        acl: None,
        comment: None,
    })
}

fn fresh() -> ColumnId {
    static NEXT: AtomicU32 = AtomicU32::new(1);
    ColumnId(NEXT.fetch_add(1, Ordering::Relaxed))
}

/// A relation and its columns as expressions.
#[derive(Clone)]
pub struct Query {
    pub rel: Rel,
    pub columns: Vec<Expr>,
}

impl Query {
    fn new(rel: Rel) -> Query {
        let columns = rel.columns().into_iter().map(|(id, ty)| Expr::Column { id, ty }).collect();
        Query { rel, columns }
    }

    pub fn scan(table: &Table) -> Query {
        let columns = table
            .columns
            .iter()
            .enumerate()
            .map(|(index, column)| (fresh(), column.ty, index))
            .collect();
        Query::new(Rel::Scan {
            table: Arc::new(table.clone()),
            columns,
        })
    }

    pub fn get(table: &Table, key: Expr) -> Query {
        let columns = table
            .columns
            .iter()
            .enumerate()
            .map(|(index, column)| (fresh(), column.ty, index))
            .collect();
        Query::new(Rel::PointGet {
            table: Arc::new(table.clone()),
            key: vec![key],
            columns,
        })
    }

    pub fn values(types: &[Type], rows: Vec<Vec<Datum>>) -> Query {
        let constant = |(datum, ty): (Datum, &Type)| Expr::Const(datum, *ty);
        let rows = rows
            .into_iter()
            .map(|row| row.into_iter().zip(types).map(constant).collect())
            .collect();
        Query::new(Rel::Values {
            columns: types.iter().map(|ty| (fresh(), *ty)).collect(),
            rows,
        })
    }

    pub fn one() -> Query {
        Query::new(Rel::OneRow)
    }

    pub fn rel(rel: Rel) -> Query {
        Query::new(rel)
    }

    pub fn col(&self, index: usize) -> Expr {
        self.columns[index].clone()
    }

    pub fn filter(self, predicate: Expr) -> Query {
        Query {
            rel: Rel::Filter {
                input: Box::new(self.rel),
                predicate,
            },
            columns: self.columns,
        }
    }

    pub fn select(self, exprs: Vec<Expr>) -> Query {
        Query::new(Rel::Project {
            input: Box::new(self.rel),
            exprs: exprs.into_iter().map(|expr| (fresh(), expr)).collect(),
        })
    }

    pub fn join(self, kind: query::ir::JoinKind, right: Query, on: Option<Expr>) -> Query {
        Query::new(Rel::Join {
            kind,
            left: Box::new(self.rel),
            right: Box::new(right.rel),
            on,
            lateral: false,
        })
    }

    pub fn lateral(self, kind: query::ir::JoinKind, right: Query, on: Option<Expr>) -> Query {
        Query::new(Rel::Join {
            kind,
            left: Box::new(self.rel),
            right: Box::new(right.rel),
            on,
            lateral: true,
        })
    }

    pub fn group(self, groups: Vec<Expr>, aggregates: Vec<AggregateCall>) -> Query {
        self.group_sets(groups, None, aggregates)
    }

    pub fn group_sets(self, groups: Vec<Expr>, sets: Option<Vec<Vec<usize>>>, aggregates: Vec<AggregateCall>) -> Query {
        let groups = groups.into_iter().map(|expr| (fresh(), expr)).collect();
        let aggregates = aggregates.into_iter().map(|call| (fresh(), call)).collect();
        Query::new(Rel::Aggregate {
            input: Box::new(self.rel),
            groups,
            sets,
            aggregates,
        })
    }

    pub fn sort(self, keys: Vec<SortKey>) -> Query {
        Query {
            rel: Rel::Sort {
                input: Box::new(self.rel),
                keys,
            },
            columns: self.columns,
        }
    }

    pub fn limit(self, limit: Option<i64>, offset: Option<i64>) -> Query {
        let count = |count: Option<i64>| count.map(|count| Expr::Const(Datum::Int8(count), Type::Int8));
        Query {
            rel: Rel::Limit {
                input: Box::new(self.rel),
                limit: count(limit),
                offset: count(offset),
            },
            columns: self.columns,
        }
    }

    pub fn distinct(self) -> Query {
        Query {
            rel: Rel::Distinct {
                input: Box::new(self.rel),
                on: None,
            },
            columns: self.columns,
        }
    }

    pub fn distinct_on(self, on: Vec<Expr>) -> Query {
        Query {
            rel: Rel::Distinct {
                input: Box::new(self.rel),
                on: Some(on),
            },
            columns: self.columns,
        }
    }

    pub fn set(self, kind: query::ir::SetOpKind, all: bool, right: Query) -> Query {
        let columns = self.columns.iter().map(|column| (fresh(), column.ty())).collect();
        Query::new(Rel::SetOp {
            kind,
            all,
            left: Box::new(self.rel),
            right: Box::new(right.rel),
            columns,
        })
    }

    pub fn window(self, calls: Vec<query::ir::WindowCall>) -> Query {
        Query::new(Rel::Window {
            input: Box::new(self.rel),
            calls: calls.into_iter().map(|call| (fresh(), call)).collect(),
        })
    }

    pub fn scalar(self) -> Expr {
        let ty = self.columns[0].ty();
        Expr::Scalar {
            query: Box::new(self.rel),
            ty,
        }
    }

    pub fn exists(self) -> Expr {
        Expr::Exists(Box::new(self.rel))
    }

    pub fn run(&self, host: &Arc<dyn Host>) -> Result<Vec<Row>> {
        query::execute(&self.rel, host)?.collect()
    }
}

/// Columns of a Values, Function or SetOp to be named by hand.
pub fn ids(types: &[Type]) -> Vec<(ColumnId, Type)> {
    types.iter().map(|ty| (fresh(), *ty)).collect()
}

pub fn int(value: i32) -> Expr {
    Expr::Const(Datum::Int4(value), Type::Int4)
}

pub fn text(value: &str) -> Expr {
    Expr::Const(Datum::text(value), Type::Text)
}

pub fn number(value: &str) -> Datum {
    Datum::Numeric(value.parse().unwrap())
}

pub fn op(symbol: &str, left: Expr, right: Expr) -> Expr {
    let found = resolve_operator(symbol, Some(left.ty()), right.ty()).unwrap();
    let cast = |expr: Expr, to: Type| {
        if expr.ty() == to || to == Type::Any {
            expr
        } else {
            Expr::Cast {
                arg: Box::new(expr),
                to,
                typmod: NO_TYPMOD,
                explicit: false,
            }
        }
    };
    let args = vec![cast(left, found.left.unwrap()), cast(right, found.right)];
    Expr::Call {
        function: found.function,
        args,
        ty: found.ret,
    }
}

pub fn call(name: &str, args: Vec<Expr>) -> Expr {
    let types: Vec<Type> = args.iter().map(Expr::ty).collect();
    let found = resolve_call(name, &types).unwrap();
    let Target::Scalar(function) = found.target else {
        panic!("{name} is not a scalar function")
    };
    Expr::Call {
        function,
        args,
        ty: found.ret,
    }
}

pub fn aggregate(name: &str, args: Vec<Expr>) -> AggregateCall {
    let types: Vec<Type> = args.iter().map(Expr::ty).collect();
    let found = resolve_call(name, &types).unwrap();
    let Target::Aggregate(function) = found.target else {
        panic!("{name} is not an aggregate")
    };
    AggregateCall {
        function: AggregateTarget::Builtin(function),
        args,
        distinct: false,
        filter: None,
        order_by: vec![],
        ty: found.ret,
    }
}

pub fn user_call(function: &Arc<Function>, args: Vec<Expr>) -> Expr {
    let Returns::Scalar(ty) = function.returns else {
        panic!("not scalar")
    };
    Expr::UserCall {
        function: function.clone(),
        args,
        ty,
    }
}

pub fn asc(expr: Expr) -> SortKey {
    SortKey {
        expr,
        descending: false,
        nulls_first: false,
    }
}

pub fn desc(expr: Expr) -> SortKey {
    SortKey {
        expr,
        descending: true,
        nulls_first: true,
    }
}

/// Rows as text, one line each, as psql would show the values.
pub fn shown(rows: &[Row]) -> Vec<String> {
    let value = |datum: &Datum| match datum {
        Datum::Null => "-".to_string(),
        Datum::Bool(value) => value.to_string(),
        Datum::Int2(value) => value.to_string(),
        Datum::Int4(value) => value.to_string(),
        Datum::Int8(value) => value.to_string(),
        Datum::Float8(value) => value.to_string(),
        Datum::Numeric(value) => value.to_string(),
        Datum::Text(value) => value.clone(),
        Datum::Array(array) => format!("{{{}}}", shown(std::slice::from_ref(&array.values)).join("")),
        other => format!("{other:?}"),
    };
    rows.iter().map(|row| row.iter().map(value).collect::<Vec<_>>().join(" ")).collect()
}

pub fn sorted(rows: &[Row]) -> Vec<String> {
    let mut lines = shown(rows);
    lines.sort();
    lines
}

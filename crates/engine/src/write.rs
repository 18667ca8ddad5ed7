//! Writing rows: INSERT, UPDATE and DELETE over the rows that their input plan found.
//!
//! The life of a written row: its new values are computed; NOT NULL and CHECK are tested; its key is
//! locked, and every unique entry; if somebody changed what is locked since the statement's snapshot,
//! READ COMMITTED starts the statement over with a fresh one and REPEATABLE READ refuses; then
//! the row and its entries go into the transaction's buffer.

use std::sync::Arc;

use catalog::{ConstraintKind, Table, TriggerEvent};
use query::ir::{ColumnId, Expr};
use query::{Host, Row};
use storage::LockMode;
use types::{Datum, Result, SqlError, SqlState, Type};

use crate::bind::{Binder, Names, Scope};
use crate::context::StatementContext;
use crate::plan::{ConflictAction, Delete, Insert, OnConflict, Returning, Update};
use crate::table::{self, UniqueKey};
use crate::trigger::Triggers;

/// Why a statement did not end.
#[derive(Debug)]
pub enum Stop {
    Error(SqlError),
    /// A row that it wants to write changed since its snapshot: READ COMMITTED runs it again.
    Restart,
}

impl From<SqlError> for Stop {
    fn from(error: SqlError) -> Stop {
        Stop::Error(error)
    }
}

impl From<storage::Error> for Stop {
    fn from(error: storage::Error) -> Stop {
        Stop::Error(error.into())
    }
}

/// What a writing statement did.
#[derive(Debug, Default)]
pub struct Written {
    pub rows: u64,
    pub returned: Vec<Row>,
}

/// A table prepared for writing: its constraints bound once for the whole statement.
struct Writer<'a> {
    context: &'a Arc<StatementContext>,
    host: Arc<dyn Host>,
    table: Arc<Table>,
    types: Vec<Type>,
    unique: Vec<UniqueKey>,
    checks: Vec<Check>,
}

struct Check {
    name: String,
    columns: Vec<ColumnId>,
    condition: Expr,
}

pub fn insert(plan: &Insert, context: &Arc<StatementContext>) -> Result<Written, Stop> {
    let writer = Writer::new(context, plan.table.clone())?;
    let (events, assigned) = match plan.on_conflict.as_ref().map(|conflict| &conflict.action) {
        Some(ConflictAction::Update { assignments, .. }) => (
            &[TriggerEvent::Insert, TriggerEvent::Update][..],
            assignments.iter().map(|(index, _)| *index).collect(),
        ),
        Some(ConflictAction::Nothing) | None => (&[TriggerEvent::Insert][..], vec![]),
    };
    let triggers = Triggers::new(context, &plan.table, events, &assigned)?;
    triggers.before_statement(events)?;
    let host: Arc<dyn Host> = context.clone();
    let mut rows = query::execute(&plan.input, &host)?;
    // A source that reads the table must not see the rows that it adds, nor what a function does meanwhile.
    if plan.touched.reads.iter().any(|table| table.oid == plan.table.oid) || !plan.touched.calls.is_empty() || !triggers.is_empty() {
        let all = rows.collect::<Result<Vec<Row>>>()?;
        rows = Box::new(all.into_iter().map(Ok));
    }
    let mut written = Written::default();
    for row in rows {
        context.check_cancelled()?;
        let Some(Some(row)) = triggers.before_row(TriggerEvent::Insert, None, Some(row?))? else {
            continue;
        };
        writer.check(&row)?;
        let stored = match &plan.on_conflict {
            None => {
                let stored = writer.insert(row)?;
                triggers.written(TriggerEvent::Insert, None, Some(&stored));
                stored
            }
            Some(conflict) => match writer.insert_or(row, conflict, &triggers)? {
                Some(stored) => stored,
                None => continue,
            },
        };
        written.rows += 1;
        writer.returning(plan.returning.as_ref(), stored, &[], &mut written)?;
    }
    triggers.after(events)?;
    Ok(written)
}

pub fn update(plan: &Update, context: &Arc<StatementContext>) -> Result<Written, Stop> {
    let writer = Writer::new(context, plan.table.clone())?;
    let events = &[TriggerEvent::Update];
    let triggers = Triggers::new(context, &plan.table, events, &plan.assigned)?;
    triggers.before_statement(events)?;
    let host: Arc<dyn Host> = context.clone();
    let found = query::execute(&plan.input, &host)?.collect::<Result<Vec<Row>>>()?;
    let width = plan.table.columns.len();
    let mut written = Written::default();
    let mut done = std::collections::HashSet::new();
    for mut row in found {
        context.check_cancelled()?;
        let others = row.split_off(1 + width + plan.assigned.len());
        let values = row.split_off(1 + width);
        let old = row.split_off(1);
        let Some(Datum::Bytea(key)) = row.pop() else {
            return Err(SqlError::internal("a scan gives the row's key").into());
        };
        // Joined with several rows: the first one counts, as in PostgreSQL.
        if !done.insert(key.clone()) {
            continue;
        }
        let mut new = old.clone();
        for (index, value) in plan.assigned.iter().zip(values) {
            new[*index] = value;
        }
        writer.lock_existing(&key)?;
        let Some(Some(new)) = triggers.before_row(TriggerEvent::Update, Some(&old), Some(new))? else {
            continue;
        };
        writer.check(&new)?;
        if !triggers.is_empty() {
            writer.untouched(&key, &old, "updated")?;
        }
        writer.replace(&key, &old, &new)?;
        triggers.written(TriggerEvent::Update, Some(&old), Some(&new));
        written.rows += 1;
        writer.returning(plan.returning.as_ref(), new, &others, &mut written)?;
    }
    triggers.after(events)?;
    Ok(written)
}

pub fn delete(plan: &Delete, context: &Arc<StatementContext>) -> Result<Written, Stop> {
    let writer = Writer::new(context, plan.table.clone())?;
    let events = &[TriggerEvent::Delete];
    let triggers = Triggers::new(context, &plan.table, events, &[])?;
    triggers.before_statement(events)?;
    let host: Arc<dyn Host> = context.clone();
    let found = query::execute(&plan.input, &host)?.collect::<Result<Vec<Row>>>()?;
    let width = plan.table.columns.len();
    let mut written = Written::default();
    let mut done = std::collections::HashSet::new();
    for mut row in found {
        context.check_cancelled()?;
        let others = row.split_off(1 + width);
        let old = row.split_off(1);
        let Some(Datum::Bytea(key)) = row.pop() else {
            return Err(SqlError::internal("a scan gives the row's key").into());
        };
        if !done.insert(key.clone()) {
            continue;
        }
        writer.lock_existing(&key)?;
        if triggers.before_row(TriggerEvent::Delete, Some(&old), None)?.is_none() {
            continue;
        }
        if !triggers.is_empty() {
            writer.untouched(&key, &old, "deleted")?;
        }
        writer.remove(&key, &old)?;
        triggers.written(TriggerEvent::Delete, Some(&old), None);
        written.rows += 1;
        writer.returning(plan.returning.as_ref(), old, &others, &mut written)?;
    }
    triggers.after(events)?;
    Ok(written)
}

impl<'a> Writer<'a> {
    fn new(context: &'a Arc<StatementContext>, table: Arc<Table>) -> Result<Writer<'a>> {
        let mut checks = vec![];
        for constraint in &table.constraints {
            let ConstraintKind::Check { expression } = &constraint.kind else {
                continue;
            };
            let names = Names {
                snapshot: &context.catalog,
                search_path: &table.search_path,
            };
            let mut binder = Binder::new(names, &**context, crate::parse::Source::new(expression.as_str()), &[]);
            let entry = binder.row_of(&table, &table.name);
            let columns = entry.columns.iter().map(|column| column.id).collect();
            let scope = Scope {
                tables: vec![entry],
                parent: None,
            };
            // A position in the constraint's text would be taken for one in the statement.
            let condition = crate::parse::parse_expression(expression)
                .and_then(|node| binder.condition(&node, &scope))
                .map_err(SqlError::without_position)?;
            crate::call::may_call_stored(&binder.touched, context)?;
            checks.push(Check {
                name: constraint.name.clone(),
                columns,
                condition,
            });
        }
        Ok(Writer {
            context,
            host: context.clone(),
            types: table.columns.iter().map(|column| column.ty).collect(),
            unique: table::unique_keys(&table).collect(),
            checks,
            table,
        })
    }

    /// NOT NULL and CHECK.
    fn check(&self, row: &[Datum]) -> Result<()> {
        for (value, column) in row.iter().zip(&self.table.columns) {
            if column.not_null && !column.dropped && value.is_null() {
                return Err(self.telling(
                    || self.failing_row(row),
                    SqlError::new(
                        SqlState::NotNullViolation,
                        format!(
                            "null value in column \"{}\" of relation \"{}\" violates not-null constraint",
                            column.name, self.table.name
                        ),
                    )
                    .table(&self.table.schema, &self.table.name)
                    .column(&column.name),
                ));
            }
        }
        for check in &self.checks {
            let holds = query::eval(&check.condition, &check.columns, row, &self.host)?;
            // NULL passes: only false violates.
            if matches!(holds, Datum::Bool(false)) {
                return Err(self.telling(
                    || self.failing_row(row),
                    SqlError::new(
                        SqlState::CheckViolation,
                        format!(
                            "new row for relation \"{}\" violates check constraint \"{}\"",
                            self.table.name, check.name
                        ),
                    )
                    .table(&self.table.schema, &self.table.name)
                    .constraint(&check.name),
                ));
            }
        }
        Ok(())
    }

    /// A DETAIL shows values of the row: only to whoever may read the table.
    fn telling(&self, detail: impl FnOnce() -> String, error: SqlError) -> SqlError {
        match self.context.calls.may_read(self.context, &self.table) {
            true => error.detail(detail()),
            false => error,
        }
    }

    fn failing_row(&self, row: &[Datum]) -> String {
        let values: Vec<String> = row
            .iter()
            .zip(&self.table.columns)
            .filter(|(_, c)| !c.dropped)
            .map(|(value, column)| self.print(value, column.ty))
            .collect();
        format!("Failing row contains ({}).", values.join(", "))
    }

    fn print(&self, value: &Datum, ty: Type) -> String {
        if value.is_null() {
            return "null".to_string();
        }
        let mut text = String::new();
        match functions::cast::print(&**self.context, ty, value, &mut text) {
            // PostgreSQL cuts values in messages at 64 bytes.
            Ok(()) if text.len() > 64 => {
                let cut = (0..=64).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
                format!("{}...", &text[..cut])
            }
            Ok(()) => text,
            Err(_) => "?".to_string(),
        }
    }

    fn duplicate(&self, key: &UniqueKey, row: &[Datum]) -> SqlError {
        let names: Vec<String> = key
            .columns
            .iter()
            .map(|index| types::ident::quote_ident(&self.table.columns[*index].name))
            .collect();
        let values: Vec<String> = key
            .columns
            .iter()
            .map(|index| self.print(&row[*index], self.table.columns[*index].ty))
            .collect();
        let error = SqlError::new(
            SqlState::UniqueViolation,
            format!("duplicate key value violates unique constraint \"{}\"", key.name),
        )
        .table(&self.table.schema, &self.table.name)
        .constraint(&key.name);
        let detail = || format!("Key ({})=({}) already exists.", names.join(", "), values.join(", "));
        self.telling(detail, error)
    }

    fn new_row_key(&self, row: &[Datum]) -> Result<Vec<u8>> {
        match &self.table.primary_key {
            Some(primary) => {
                let values: Vec<Datum> = primary.columns.iter().map(|index| row[*index].clone()).collect();
                table::row_key(&self.table, &values)
            }
            None => Ok(table::numbered_row_key(&self.table, self.context.db.next_row_number(&self.table)?)),
        }
    }

    /// Locks a key for writing and makes sure that the snapshot still tells the truth about it.
    fn lock(&self, key: &[u8]) -> Result<(), Stop> {
        let txn = &self.context.txn;
        self.context.lock_row(key, LockMode::Exclusive)?;
        if txn.changed_since_snapshot(key)? {
            return Err(self.changed());
        }
        Ok(())
    }

    fn lock_existing(&self, key: &[u8]) -> Result<(), Stop> {
        self.lock(key)
    }

    fn changed(&self) -> Stop {
        match self.context.isolation {
            storage::Isolation::ReadCommitted => Stop::Restart,
            storage::Isolation::RepeatableRead | storage::Isolation::Serializable => Stop::Error(SqlError::new(
                SqlState::TRSerializationFailure,
                "could not serialize access due to concurrent update",
            )),
        }
    }

    fn insert(&self, row: Row) -> Result<Row, Stop> {
        match self.conflict(&self.unique, &row)? {
            Some((key, _)) => Err(Stop::Error(self.duplicate(key, &row))),
            None => {
                self.store(&self.new_row_key(&row)?, &row)?;
                Ok(row)
            }
        }
    }

    /// The first of these unique keys that another row already has, and that row's key. Every key is locked.
    fn conflict<'u>(&self, keys: impl IntoIterator<Item = &'u UniqueKey>, row: &[Datum]) -> Result<Option<(&'u UniqueKey, Vec<u8>)>, Stop> {
        for unique in keys {
            let existing = match unique.index {
                None => {
                    let values: Vec<Datum> = unique.columns.iter().map(|index| row[*index].clone()).collect();
                    let key = table::row_key(&self.table, &values)?;
                    self.lock(&key)?;
                    self.context.txn.get(&key)?.map(|_| key)
                }
                Some(_) => {
                    let Some(entry) = table::unique_entry(&self.table, unique, row)? else {
                        continue;
                    };
                    self.lock(&entry)?;
                    self.context.txn.get(&entry)?.map(|key| key.to_vec())
                }
            };
            if let Some(existing) = existing {
                return Ok(Some((unique, existing)));
            }
        }
        Ok(None)
    }

    /// INSERT ... ON CONFLICT: the stored row, or None where nothing was written.
    fn insert_or(&self, row: Row, on_conflict: &OnConflict, triggers: &Triggers) -> Result<Option<Row>, Stop> {
        // The target is asked first: whoever meets it does not violate another key on the way.
        let is_target = |unique: &&UniqueKey| on_conflict.target.as_ref().is_none_or(|target| *target == unique.columns);
        let Some((_, existing)) = self.conflict(self.unique.iter().filter(is_target), &row)? else {
            if let Some((other, _)) = self.conflict(self.unique.iter().filter(|unique| !is_target(unique)), &row)? {
                return Err(Stop::Error(self.duplicate(other, &row)));
            }
            let key = self.new_row_key(&row)?;
            self.store(&key, &row)?;
            if let ConflictAction::Update { .. } = &on_conflict.action {
                self.context.claim_conflict_row(&key);
            }
            triggers.written(TriggerEvent::Insert, None, Some(&row));
            return Ok(Some(row));
        };
        let ConflictAction::Update {
            assignments,
            filter,
            existing: of_existing,
            excluded,
        } = &on_conflict.action
        else {
            return Ok(None);
        };
        self.lock(&existing)?;
        let bytes = self.context.txn.get(&existing)?.ok_or(Stop::Restart)?;
        if self.context.is_conflict_row(&existing) {
            return Err(Stop::Error(
                SqlError::new(
                    SqlState::CardinalityViolation,
                    "ON CONFLICT DO UPDATE command cannot affect row a second time",
                )
                .hint("Ensure that no rows proposed for insertion within the same command have duplicate constrained values."),
            ));
        }
        let all: Vec<usize> = (0..self.types.len()).collect();
        let old = crate::row::decode(&bytes, &self.types, &all)?;
        let columns: Vec<ColumnId> = of_existing.iter().chain(excluded).copied().collect();
        let both: Vec<Datum> = old.iter().chain(&row).cloned().collect();
        let eval = |expr: &Expr| query::eval(expr, &columns, &both, &self.host);
        if let Some(filter) = filter
            && !matches!(eval(filter)?, Datum::Bool(true))
        {
            return Ok(None);
        }
        self.context.claim_conflict_row(&existing);
        let mut new = old.clone();
        for (index, value) in assignments {
            new[*index] = eval(value)?;
        }
        let Some(Some(new)) = triggers.before_row(TriggerEvent::Update, Some(&old), Some(new))? else {
            return Ok(None);
        };
        self.check(&new)?;
        if !triggers.is_empty() {
            self.untouched(&existing, &old, "updated")?;
        }
        self.replace(&existing, &old, &new)?;
        if self.table.primary_key.is_some() {
            self.context.claim_conflict_row(&self.new_row_key(&new)?);
        }
        triggers.written(TriggerEvent::Update, Some(&old), Some(&new));
        Ok(Some(new))
    }

    /// A trigger function has not written the very row that fired it.
    fn untouched(&self, key: &[u8], old: &[Datum], verb: &str) -> Result<()> {
        let all: Vec<usize> = (0..self.types.len()).collect();
        let encoded = |row: &[Datum]| crate::row::encode(row, self.types.iter().copied());
        let same = match self.context.txn.get(key)? {
            None => false,
            Some(bytes) => encoded(&crate::row::decode(&bytes, &self.types, &all)?)? == encoded(old)?,
        };
        if same {
            return Ok(());
        }
        Err(SqlError::new(
            SqlState::TriggeredDataChangeViolation,
            format!("tuple to be {verb} was already modified by an operation triggered by the current command"),
        )
        .hint("Consider using an AFTER trigger instead of a BEFORE trigger to propagate changes to other rows."))
    }

    fn store(&self, key: &[u8], row: &[Datum]) -> Result<(), Stop> {
        let bytes = crate::row::encode(row, self.types.iter().copied())?;
        self.context.txn.put(key, &bytes)?;
        for unique in &self.unique {
            if let Some(entry) = table::unique_entry(&self.table, unique, row)? {
                self.context.txn.put(&entry, key)?;
            }
        }
        Ok(())
    }

    fn remove(&self, key: &[u8], row: &[Datum]) -> Result<(), Stop> {
        self.context.txn.delete(key)?;
        for unique in &self.unique {
            if let Some(entry) = table::unique_entry(&self.table, unique, row)? {
                self.lock(&entry)?;
                self.context.txn.delete(&entry)?;
            }
        }
        Ok(())
    }

    /// Writes a row in the place of another; its key may have changed.
    fn replace(&self, key: &[u8], old: &[Datum], new: &[Datum]) -> Result<(), Stop> {
        let moved = match &self.table.primary_key {
            None => None,
            Some(_) => Some(self.new_row_key(new)?).filter(|new_key| new_key != key),
        };
        let new_key = moved.as_deref().unwrap_or(key);
        if moved.is_some() {
            self.lock(new_key)?;
            if self.context.txn.get(new_key)?.is_some() {
                return Err(Stop::Error(self.duplicate(&self.unique[0], new)));
            }
            self.context.txn.delete(key)?;
        }
        let bytes = crate::row::encode(new, self.types.iter().copied())?;
        self.context.txn.put(new_key, &bytes)?;
        for unique in &self.unique {
            let before = table::unique_entry(&self.table, unique, old)?;
            let after = table::unique_entry(&self.table, unique, new)?;
            if before == after {
                if let (Some(entry), Some(_)) = (&after, &moved) {
                    self.context.txn.put(entry, new_key)?;
                }
                continue;
            }
            if let Some(entry) = &before {
                self.lock(entry)?;
                self.context.txn.delete(entry)?;
            }
            if let Some(entry) = &after {
                self.lock(entry)?;
                if self.context.txn.get(entry)?.is_some() {
                    return Err(Stop::Error(self.duplicate(unique, new)));
                }
                self.context.txn.put(entry, new_key)?;
            }
        }
        Ok(())
    }

    fn returning(&self, returning: Option<&Returning>, row: Row, others: &[Datum], written: &mut Written) -> Result<()> {
        let Some(returning) = returning else { return Ok(()) };
        let mut all = row;
        all.extend_from_slice(others);
        let values = returning
            .exprs
            .iter()
            .map(|expr| query::eval(expr, &returning.row, &all, &self.host))
            .collect::<Result<Row>>()?;
        written.returned.push(values);
        Ok(())
    }
}

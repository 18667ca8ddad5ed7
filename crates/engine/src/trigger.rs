//! Triggers at work: which of a table's fire in a statement, and when.
//!
//! The life of a written row: the BEFORE ROW triggers see it in the order of their names, each the row that
//! the one before it left, and any of them may leave it out; the row is checked and written; once all rows of
//! the statement are, the AFTER ROW triggers see each of them, and the statement's own triggers fire last.
//! A trigger function runs in the statement's transaction with the rights that it was granted, within the
//! privileges of whoever runs the statement; what it writes fires triggers too, as deep as functions may call.

use std::cell::RefCell;
use std::sync::Arc;

use catalog::{Function, Table, Trigger, TriggerEvent, TriggerLevel, TriggerTiming};
use query::ir::{ColumnId, Expr};
use query::{Evaluator, Host, Row};
use sandbox::{TriggerCall, TriggerRow};
use types::{Datum, NO_TYPMOD, Result, SqlError, SqlState, Type};

use crate::bind::{Binder, Names, Scope};
use crate::context::StatementContext;

/// The triggers of one table that a statement may fire.
pub struct Triggers {
    context: Arc<StatementContext>,
    table: Arc<Table>,
    /// Indexes of the columns that triggers see.
    live: Vec<usize>,
    armed: Vec<Armed>,
    /// What the AFTER ROW triggers have to see.
    written: RefCell<Vec<WrittenRow>>,
}

/// One trigger, ready to fire.
struct Armed {
    trigger: Trigger,
    events: Vec<TriggerEvent>,
    function: Arc<Function>,
    call: TriggerCall,
    condition: Option<Evaluator>,
}

struct WrittenRow {
    event: TriggerEvent,
    new: Option<Row>,
    old: Option<Row>,
}

impl Triggers {
    /// Those that fire for these events; `assigned` are the columns that an UPDATE sets.
    pub fn new(context: &Arc<StatementContext>, table: &Arc<Table>, events: &[TriggerEvent], assigned: &[usize]) -> Result<Triggers> {
        let mut triggers = Triggers {
            context: context.clone(),
            table: table.clone(),
            live: table.live_columns().map(|(index, _)| index).collect(),
            armed: vec![],
            written: RefCell::new(vec![]),
        };
        for trigger in table.triggers.iter().filter(|trigger| trigger.enabled) {
            let fires = |event: &TriggerEvent| {
                let of_columns = *event != TriggerEvent::Update
                    || trigger.columns.is_empty()
                    || trigger.columns.iter().any(|column| assigned.contains(column));
                trigger.events.contains(event) && of_columns
            };
            let events: Vec<TriggerEvent> = events.iter().copied().filter(fires).collect();
            if !events.is_empty() {
                let armed = triggers.arm(trigger, events)?;
                triggers.armed.push(armed);
            }
        }
        Ok(triggers)
    }

    fn arm(&self, trigger: &Trigger, events: Vec<TriggerEvent>) -> Result<Armed> {
        let function = self
            .context
            .catalog
            .function_by_oid(trigger.function)
            .ok_or_else(|| SqlError::internal(format!("the function of trigger {} is gone", trigger.name)))?;
        let condition = match &trigger.condition {
            None => None,
            Some(text) => {
                let condition = Condition::bind(&self.context, &self.table, text, &trigger.search_path)?;
                let columns: Vec<ColumnId> = condition.new.iter().chain(&condition.old).copied().collect();
                let host: Arc<dyn Host> = self.context.clone();
                Some(Evaluator::new(&condition.expr, &columns, &host)?)
            }
        };
        let columns = self
            .live
            .iter()
            .filter_map(|index| self.table.columns.get(*index))
            .map(|column| (column.name.clone(), column.ty))
            .collect();
        Ok(Armed {
            call: TriggerCall {
                op: "",
                when: trigger.timing.word(),
                level: trigger.level.word(),
                name: trigger.name.clone(),
                table_schema: self.table.schema.clone(),
                table_name: self.table.name.clone(),
                args: trigger.args.clone(),
                columns,
            },
            trigger: trigger.clone(),
            events,
            function: function.clone(),
            condition,
        })
    }

    /// Whether the statement fires any.
    pub fn is_empty(&self) -> bool {
        self.armed.is_empty()
    }

    fn at(&self, timing: TriggerTiming, level: TriggerLevel, event: TriggerEvent) -> impl Iterator<Item = &Armed> {
        self.armed
            .iter()
            .filter(move |armed| armed.trigger.timing == timing && armed.trigger.level == level && armed.events.contains(&event))
    }

    /// Before any row: BEFORE ... FOR EACH STATEMENT.
    pub fn before_statement(&self, events: &[TriggerEvent]) -> Result<()> {
        self.statement(TriggerTiming::Before, events)
    }

    fn statement(&self, timing: TriggerTiming, events: &[TriggerEvent]) -> Result<()> {
        for event in events {
            for armed in self.at(timing, TriggerLevel::Statement, *event) {
                if self.wanted(armed, None, None)? {
                    self.fire(armed, *event, None, None)?;
                }
            }
        }
        Ok(())
    }

    /// The row to write instead; None: none. Of a DELETE the row is the old one.
    pub fn before_row(&self, event: TriggerEvent, old: Option<&[Datum]>, new: Option<Row>) -> Result<Option<Option<Row>>> {
        let mut new = new;
        for armed in self.at(TriggerTiming::Before, TriggerLevel::Row, event) {
            if !self.wanted(armed, new.as_deref(), old)? {
                continue;
            }
            match self.fire(armed, event, new.as_deref(), old)? {
                TriggerRow::Skip => return Ok(None),
                TriggerRow::GoOn(None) => {}
                TriggerRow::GoOn(Some(values)) => {
                    if let Some(row) = &mut new {
                        self.put(row, values)?;
                    }
                }
            }
        }
        Ok(Some(new))
    }

    /// A row has been written: the AFTER ROW triggers see it once the statement is through.
    pub fn written(&self, event: TriggerEvent, old: Option<&[Datum]>, new: Option<&[Datum]>) {
        if self.at(TriggerTiming::After, TriggerLevel::Row, event).next().is_some() {
            self.written.borrow_mut().push(WrittenRow {
                event,
                new: new.map(<[Datum]>::to_vec),
                old: old.map(<[Datum]>::to_vec),
            });
        }
    }

    /// Every row has been written: the AFTER triggers.
    pub fn after(&self, events: &[TriggerEvent]) -> Result<()> {
        for row in self.written.take() {
            for armed in self.at(TriggerTiming::After, TriggerLevel::Row, row.event) {
                if self.wanted(armed, row.new.as_deref(), row.old.as_deref())? {
                    self.fire(armed, row.event, row.new.as_deref(), row.old.as_deref())?;
                }
            }
        }
        // As PostgreSQL does: the UPDATE of an INSERT ... ON CONFLICT ends first.
        let ended: Vec<TriggerEvent> = events.iter().rev().copied().collect();
        self.statement(TriggerTiming::After, &ended)
    }

    /// WHEN.
    fn wanted(&self, armed: &Armed, new: Option<&[Datum]>, old: Option<&[Datum]>) -> Result<bool> {
        let Some(condition) = &armed.condition else { return Ok(true) };
        let width = self.table.columns.len();
        let mut both = Vec::with_capacity(2 * width);
        for row in [new, old] {
            match row {
                Some(row) => both.extend_from_slice(row),
                None => both.resize(both.len() + width, Datum::Null),
            }
        }
        Ok(matches!(condition.eval(&both)?, Datum::Bool(true)))
    }

    fn fire(&self, armed: &Armed, event: TriggerEvent, new: Option<&[Datum]>, old: Option<&[Datum]>) -> Result<TriggerRow> {
        self.context.cancel.check()?;
        let call = TriggerCall {
            op: event.word(),
            ..armed.call.clone()
        };
        let seen = |row: &[Datum]| -> Row { self.live.iter().filter_map(|index| row.get(*index).cloned()).collect() };
        let (new, old) = (new.map(seen), old.map(seen));
        self.context
            .calls
            .call_trigger(&self.context, &armed.function, &call, new.as_deref(), old.as_deref())
    }

    /// The values that a trigger gave, as the columns hold them.
    fn put(&self, row: &mut [Datum], values: Row) -> Result<()> {
        for (index, value) in self.live.iter().zip(values) {
            let (Some(column), Some(place)) = (self.table.columns.get(*index), row.get_mut(*index)) else {
                return Err(SqlError::internal("a trigger's row is wider than its table"));
            };
            *place = match column.typmod {
                NO_TYPMOD => value,
                typmod => functions::cast::cast(&*self.context, value, column.ty, column.ty, typmod, false)?,
            };
        }
        Ok(())
    }
}

/// A WHEN condition, bound over the columns of NEW and OLD.
pub struct Condition {
    pub expr: Expr,
    pub new: Vec<ColumnId>,
    pub old: Vec<ColumnId>,
}

impl Condition {
    /// `search_path`: that of the trigger's creation.
    pub fn bind(context: &StatementContext, table: &Arc<Table>, text: &str, search_path: &[String]) -> Result<Condition> {
        let names = Names {
            snapshot: &context.catalog,
            search_path,
        };
        let mut binder = Binder::new(names, context, crate::parse::Source::new(text), &[]);
        let (new, old) = (binder.row_of(table, "new"), binder.row_of(table, "old"));
        let ids = |entry: &crate::bind::ScopeTable| entry.columns.iter().map(|column| column.id).collect();
        let (new_ids, old_ids) = (ids(&new), ids(&old));
        let scope = Scope {
            tables: vec![new, old],
            parent: None,
        };
        let node = crate::parse::parse_expression(text)?;
        let expr = binder.condition(&node, &scope).map_err(SqlError::without_position)?;
        if !binder.touched.reads.is_empty() {
            return Err(SqlError::new(
                SqlState::FeatureNotSupported,
                "cannot use subquery in trigger WHEN condition",
            ));
        }
        crate::call::may_call_stored(&binder.touched, context)?;
        if expr.ty() != Type::Bool {
            return Err(SqlError::internal("a condition is boolean"));
        }
        Ok(Condition {
            expr,
            new: new_ids,
            old: old_ids,
        })
    }

    /// Whether it looks at (NEW, OLD).
    pub fn uses(&self) -> (bool, bool) {
        let mut used = (false, false);
        uses(&self.expr, &mut |id| {
            used.0 |= self.new.contains(&id);
            used.1 |= self.old.contains(&id);
        });
        used
    }
}

/// Every column that an expression names, its subqueries included.
pub fn uses(expr: &Expr, see: &mut dyn FnMut(ColumnId)) {
    if let Expr::Column { id, .. } = expr {
        see(*id);
    }
    expr.for_each_child(&mut |child| uses(child, see));
}

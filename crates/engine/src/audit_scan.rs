//! Reading `heliosdb.audit_log`.
//!
//! The life of a scan: bounds on `id` and `timestamp` become a range of ids; the range is walked block by block, oldest or
//! newest first. Where a block's summary rules out what the query asks for, nothing of it is read. Otherwise the columns that
//! the query compares say which rows are wanted, and those that it shows make the rows; what blocks do not hold (`details`,
//! the hashes) is read from the rows themselves, one by one. Where there is no block, the rows are read and compared.
//!
//! A query that only counts asks for [`WEIGHT`]: rows of a block that are equal in the columns asked for come as one then.

use std::collections::HashMap;
use std::ops::{Bound, RangeInclusive};
use std::sync::Arc;

use audit::block::{Column, Piece, Value};
use audit::stored::View;
use audit::{EventType, Row};
use catalog::heliosdb::AUDIT_LOG_WEIGHT as WEIGHT;
use query::{BatchIter, ScanBounds};
use storage::{Bytes, Direction, LogRead};
use types::{Datum, Result, SqlError};

use crate::audit_blocks::{block_of, ids_of};
use crate::audit_log::{self, AuditLog};
use crate::cancel::Cancel;

/// The columns that bound the ids: their places in `heliosdb.audit_log`.
const ID: usize = 0;
const TIMESTAMP: usize = 1;

/// The first batch is small, because many queries want a few rows.
const FIRST_BATCH_ROWS: usize = 64;

/// So many rows are read at a time from the newest on where there is no block.
const BACKWARD_ROWS: u64 = 256;

/// Of so many rows in a row, one has to be wanted for reading them all to be cheaper than reading the wanted ones.
const SPARSE: u64 = 8;

/// The rows of `heliosdb.audit_log` between the bounds, in the order of their ids. Rows outside may be among them.
pub fn scan(audit: &Arc<AuditLog>, columns: &[usize], bounds: &ScanBounds, direction: Direction, cancel: Arc<Cancel>) -> Result<BatchIter> {
    // Who reads the log finds what happened before, routine rows that nobody waited for included.
    audit.settle()?;
    let (filter, ids) = filter(audit, bounds)?;
    let mut scan = Scan {
        audit: audit.clone(),
        columns: columns.to_vec(),
        filter,
        first: *ids.start(),
        last: *ids.end(),
        direction,
        cancel,
        batch_rows: FIRST_BATCH_ROWS,
        run: Run::Made(vec![].into_iter()),
    };
    Ok(Box::new(std::iter::from_fn(move || scan.batch().transpose())))
}

/// What a row must have to be wanted.
#[derive(Default)]
struct Filter {
    event_type: Option<EventType>,
    function: Option<String>,
    allowed: Option<bool>,
    /// All of it, as columns.
    equal: Vec<(Column, Wanted)>,
}

enum Wanted {
    Text(String),
    Number(i64),
}

fn filter(audit: &AuditLog, bounds: &ScanBounds) -> Result<(Filter, RangeInclusive<u64>)> {
    let (mut first, mut last) = (audit.first_id(), audit.last_id());
    let mut filter = Filter::default();
    for (column, low, high) in bounds {
        match *column {
            ID => {
                if let Bound::Included(value) | Bound::Excluded(value) = low {
                    first = first.max(value.as_i64().map_or(1, |id| u64::try_from(id).unwrap_or(1)));
                }
                if let Bound::Included(value) | Bound::Excluded(value) = high {
                    last = last.min(value.as_i64().map_or(last, |id| u64::try_from(id).unwrap_or(0)));
                }
            }
            TIMESTAMP => {
                if let Bound::Included(Datum::Timestamptz(from)) | Bound::Excluded(Datum::Timestamptz(from)) = low {
                    first = first.max(audit.first_at(*from)?);
                }
                if let Bound::Included(Datum::Timestamptz(to)) | Bound::Excluded(Datum::Timestamptz(to)) = high
                    && *to < i64::MAX
                {
                    last = last.min(audit.first_at(to + 1)?.saturating_sub(1));
                }
            }
            place => {
                let (Some(column), Bound::Included(low), Bound::Included(high)) = (Column::at(place), low, high) else {
                    continue;
                };
                let wanted = match (low, high) {
                    (Datum::Text(low), Datum::Text(high)) if low == high => Wanted::Text(low.clone()),
                    (Datum::Int8(low), Datum::Int8(high)) if low == high => Wanted::Number(*low),
                    (Datum::Bool(low), Datum::Bool(high)) if low == high => Wanted::Number(i64::from(*low)),
                    _ => continue,
                };
                match (column, &wanted) {
                    (Column::EventType, Wanted::Text(name)) => match EventType::from_name(name) {
                        Some(event_type) => filter.event_type = Some(event_type),
                        // No row has it.
                        None => last = 0,
                    },
                    (Column::FunctionName, Wanted::Text(name)) => filter.function = Some(name.clone()),
                    (Column::Allowed, Wanted::Number(allowed)) => filter.allowed = Some(*allowed == 1),
                    _ => {}
                }
                filter.equal.push((column, wanted));
            }
        }
    }
    Ok((filter, first..=last))
}

impl Filter {
    fn wants(&self, row: &View) -> bool {
        self.equal.iter().all(|(column, wanted)| match (column.of(row), wanted) {
            (Value::Text(text), Wanted::Text(wanted)) => text == Some(wanted),
            (Value::Number(number), Wanted::Number(wanted)) => number == Some(*wanted),
            (Value::Text(_), Wanted::Number(_)) | (Value::Number(_), Wanted::Text(_)) => false,
        })
    }
}

struct Scan {
    audit: Arc<AuditLog>,
    columns: Vec<usize>,
    filter: Filter,
    /// What is still to be read.
    first: u64,
    last: u64,
    direction: Direction,
    cancel: Arc<Cancel>,
    batch_rows: usize,
    run: Run,
}

/// What has been begun.
enum Run {
    /// Rows that are there already.
    Made(std::vec::IntoIter<query::Row>),
    /// The ids of wanted rows.
    Wanted(std::vec::IntoIter<u64>),
    /// Rows that are to be compared.
    Read(LogRead),
}

impl Scan {
    /// The next rows; None at the end.
    fn batch(&mut self) -> Result<Option<Vec<query::Row>>> {
        loop {
            self.cancel.check()?;
            let rows = self.of_run()?;
            if !rows.is_empty() {
                self.batch_rows = (self.batch_rows * 4).min(query::BATCH_ROWS);
                return Ok(Some(rows));
            }
            if self.first > self.last {
                return Ok(None);
            }
            let block = block_of(match self.direction {
                Direction::Forward => self.first,
                Direction::Backward => self.last,
            });
            let ids = self.first.max(*ids_of(block).start())..=self.last.min(*ids_of(block).end());
            match self.audit.blocks.summary(block) {
                Some(summary)
                    if !summary.may_have(self.filter.event_type, self.filter.allowed)
                        || self.filter.function.as_ref().is_some_and(|name| !summary.may_have_function(name)) =>
                {
                    self.pass(&ids);
                }
                Some(_) => match self.in_block(block, &ids)? {
                    Some(run) => {
                        self.run = run;
                        self.pass(&ids);
                    }
                    None => self.audit.blocks.forget(block),
                },
                None => self.read(ids)?,
            }
        }
    }

    fn pass(&mut self, ids: &RangeInclusive<u64>) {
        match self.direction {
            Direction::Forward => self.first = ids.end() + 1,
            Direction::Backward => self.last = ids.start() - 1,
        }
    }

    /// Rows of what has been begun; none at its end.
    fn of_run(&mut self) -> Result<Vec<query::Row>> {
        let count = self.batch_rows;
        match &mut self.run {
            Run::Made(rows) => Ok(rows.take(count).collect()),
            Run::Wanted(ids) => {
                let ids: Vec<u64> = ids.take(count).collect();
                self.fetch(&ids)
            }
            Run::Read(read) => {
                let mut rows = vec![];
                for item in read {
                    let (id, bytes) = item?;
                    rows.extend(wanted_row(&self.filter, &self.columns, id, &bytes)?);
                    if rows.len() == count {
                        break;
                    }
                }
                Ok(rows)
            }
        }
    }

    /// Begins to read rows that are in no block.
    fn read(&mut self, ids: RangeInclusive<u64>) -> Result<()> {
        match self.direction {
            Direction::Forward => {
                self.run = Run::Read(self.audit.read(ids.clone()));
                self.pass(&ids);
            }
            Direction::Backward => {
                let some = (*ids.start()).max(ids.end().saturating_sub(BACKWARD_ROWS - 1))..=*ids.end();
                let mut rows = vec![];
                for item in self.audit.read(some.clone()) {
                    let (id, bytes) = item?;
                    rows.extend(wanted_row(&self.filter, &self.columns, id, &bytes)?);
                }
                rows.reverse();
                self.run = Run::Made(rows.into_iter());
                self.pass(&some);
            }
        }
        Ok(())
    }

    /// Begins with a block; None if it is damaged or, since a moment ago, not there.
    fn in_block(&self, block: u64, ids: &RangeInclusive<u64>) -> Result<Option<Run>> {
        let first_id = *ids_of(block).start();
        let shown: Option<Vec<Shown>> = self.columns.iter().map(|place| Shown::at(*place)).collect();
        let mut wanted_columns: Vec<Column> = self.filter.equal.iter().map(|(column, _)| *column).collect();
        for shown in shown.iter().flatten() {
            if let Shown::Column(column) = shown {
                wanted_columns.push(*column);
            }
        }
        let mut stored: Vec<(Column, Bytes)> = vec![];
        for column in wanted_columns {
            if stored.iter().all(|(known, _)| *known != column) {
                let Some(bytes) = self.audit.blocks.piece(block, column.place())? else {
                    return Ok(None);
                };
                stored.push((column, bytes));
            }
        }
        let mut pieces: Vec<(Column, Piece)> = vec![];
        for (column, bytes) in &stored {
            match Piece::decode(first_id, *column, bytes) {
                Ok(piece) if piece.rows() as u64 == ids_of(block).end() - first_id + 1 => pieces.push((*column, piece)),
                _ => return Ok(None),
            }
        }
        let piece = |column: Column| pieces.iter().find(|(known, _)| *known == column).map(|(_, piece)| piece);

        let offset = |id: u64| usize::try_from(id - first_id).unwrap_or(usize::MAX);
        let mut rows: Vec<usize> = (offset(*ids.start())..=offset(*ids.end())).collect();
        for (column, wanted) in &self.filter.equal {
            let Some(piece) = piece(*column) else { return Ok(None) };
            match wanted {
                Wanted::Text(text) => piece.retain_text(&mut rows, text),
                Wanted::Number(number) => rows.retain(|row| piece.value(*row) == Value::Number(Some(*number))),
            }
        }
        let backward = self.direction == Direction::Backward;
        if backward {
            rows.reverse();
        }
        let Some(shown) = shown else {
            let ids: Vec<u64> = rows.into_iter().map(|row| first_id + row as u64).collect();
            return Ok(Some(Run::Wanted(ids.into_iter())));
        };
        let shown: Option<Vec<Cell>> = shown
            .into_iter()
            .map(|shown| match shown {
                Shown::Id => Some(Cell::Id),
                Shown::Weight => Some(Cell::Weight),
                Shown::Column(column) => piece(column).map(|piece| Cell::Of(column, piece)),
            })
            .collect();
        let Some(shown) = shown else { return Ok(None) };
        let made: Vec<query::Row> = if shown.iter().any(|cell| matches!(cell, Cell::Weight)) {
            let merged = merged(&shown, &rows);
            merged
                .into_iter()
                .map(|(row, weight)| made(&shown, first_id, row, weight))
                .collect()
        } else {
            rows.into_iter().map(|row| made(&shown, first_id, row, 1)).collect()
        };
        Ok(Some(Run::Made(made.into_iter())))
    }

    /// Rows by their ids, in the order of these.
    fn fetch(&self, ids: &[u64]) -> Result<Vec<query::Row>> {
        let (Some(low), Some(high)) = (ids.iter().min(), ids.iter().max()) else {
            return Ok(vec![]);
        };
        if high - low < ids.len() as u64 * SPARSE {
            let mut found = HashMap::with_capacity(ids.len());
            let wanted: std::collections::HashSet<u64> = ids.iter().copied().collect();
            for item in self.audit.read(*low..=*high) {
                let (id, bytes) = item?;
                if wanted.contains(&id) {
                    found.insert(id, bytes);
                }
            }
            let rows = ids
                .iter()
                .filter_map(|id| found.remove(id).map(|bytes| row(&self.columns, *id, &bytes)));
            return rows.collect();
        }
        let mut rows = Vec::with_capacity(ids.len());
        for id in ids {
            match self.audit.get(*id)? {
                Some(bytes) => rows.push(row(&self.columns, *id, &bytes)?),
                // Removed by retention in the meantime.
                None if *id < self.audit.first_id() => {}
                None => return Err(audit_log::missing(*id)),
            }
        }
        Ok(rows)
    }
}

/// What a block can show.
enum Shown {
    Id,
    Weight,
    Column(Column),
}

impl Shown {
    fn at(place: usize) -> Option<Shown> {
        match place {
            ID => Some(Shown::Id),
            WEIGHT => Some(Shown::Weight),
            place => Column::at(place).map(Shown::Column),
        }
    }
}

enum Cell<'p, 'a> {
    Id,
    Weight,
    Of(Column, &'p Piece<'a>),
}

fn made(shown: &[Cell], first_id: u64, row: usize, weight: u64) -> query::Row {
    let number = |number: u64| Datum::Int8(i64::try_from(number).unwrap_or(i64::MAX));
    shown
        .iter()
        .map(|cell| match cell {
            Cell::Id => number(first_id + row as u64),
            Cell::Weight => number(weight),
            Cell::Of(column, piece) => match (column, piece.value(row)) {
                (_, Value::Text(None) | Value::Number(None)) => Datum::Null,
                (_, Value::Text(Some(text))) => Datum::text(text),
                (Column::Timestamp, Value::Number(Some(micros))) => Datum::Timestamptz(micros),
                (Column::Allowed, Value::Number(Some(allowed))) => Datum::Bool(allowed == 1),
                (_, Value::Number(Some(number))) => Datum::Int8(number),
            },
        })
        .collect()
}

/// One row for all that are equal in what is shown, and how many they are, in the order of the first ones.
fn merged(shown: &[Cell], rows: &[usize]) -> Vec<(usize, u64)> {
    let mut factors = vec![];
    let mut combinations: usize = 1;
    for cell in shown {
        let piece = match cell {
            Cell::Weight => continue,
            Cell::Id => return rows.iter().map(|row| (*row, 1)).collect(),
            Cell::Of(_, piece) => piece,
        };
        let next = piece.codes().and_then(|codes| combinations.checked_mul(codes));
        let Some(next) = next else {
            return rows.iter().map(|row| (*row, 1)).collect();
        };
        factors.push((piece, combinations));
        combinations = next;
    }
    let combination = |row: usize| {
        factors
            .iter()
            .map(|(piece, factor)| piece.code(row).unwrap_or(0) * factor)
            .sum::<usize>()
    };
    let mut out: Vec<(usize, u64)> = vec![];
    // Few combinations are counted in a table, many in a map.
    if combinations <= 1 << 16 {
        let mut places = vec![usize::MAX; combinations];
        for row in rows {
            let place = &mut places[combination(*row)];
            if *place == usize::MAX {
                *place = out.len();
                out.push((*row, 0));
            }
            out[*place].1 += 1;
        }
    } else {
        let mut places = HashMap::new();
        for row in rows {
            let place = *places.entry(combination(*row)).or_insert(out.len());
            if place == out.len() {
                out.push((*row, 0));
            }
            out[place].1 += 1;
        }
    }
    out
}

fn row(columns: &[usize], id: u64, bytes: &[u8]) -> Result<query::Row> {
    let view = View::decode(bytes)?;
    shown_row(columns, id, &view)
}

fn wanted_row(filter: &Filter, columns: &[usize], id: u64, bytes: &[u8]) -> Result<Option<query::Row>> {
    let view = View::decode(bytes)?;
    match filter.wants(&view) {
        true => shown_row(columns, id, &view).map(Some),
        false => Ok(None),
    }
}

fn shown_row(columns: &[usize], id: u64, view: &View) -> Result<query::Row> {
    let row = Row {
        id,
        event: view.to_event().map_err(SqlError::from)?,
        prev_hash: view.prev_hash,
        hash: view.hash,
    };
    Ok(columns
        .iter()
        .map(|column| match *column {
            WEIGHT => Datum::Int8(1),
            column => audit_log::value(&row, column),
        })
        .collect())
}

//! Window functions.
//!
//! The input is sorted by one call's PARTITION BY and ORDER BY after the other, each call adds its
//! column, and rows leave in the last call's order, as PostgreSQL's do.

use std::ops::Range;
use std::sync::Arc;

use types::{Datum, Result, SqlError, SqlState, Type};

use super::basic::Late;
use super::sort::{compare_keys, directed, key_of};
use super::{Source, State, collect};
use crate::compare::normal;
use crate::env::Env;
use crate::eval::eval_all;
use crate::host::{BATCH_ROWS, Row};
use crate::ir::{FrameUnit, WindowTarget};
use crate::local::range_frame::RangeEdge;
use crate::plan::{Edge, Target, WindowNode};

pub(super) fn open(input: Box<dyn Source>, calls: Arc<[WindowNode]>, env: &Env) -> Box<dyn Source> {
    let env = env.clone();
    Late::boxed(move || {
        let mut rows = collect(input, &env)?;
        for call in &*calls {
            rows = window(rows, call, &env)?;
        }
        Ok(rows)
    })
}

/// A row with what the call needs of it.
struct Line {
    partition: Row,
    order: Row,
    row: Row,
}

fn window(rows: Vec<Row>, call: &WindowNode, env: &Env) -> Result<Vec<Row>> {
    let line = |row: Row| {
        let partition = call
            .partition_by
            .iter()
            .map(|(node, ty)| Ok(normal(node.eval(&row, env)?, *ty)))
            .collect::<Result<_>>()?;
        Ok(Line {
            partition,
            order: key_of(&call.order_by, &row, env)?,
            row,
        })
    };
    let mut lines = rows.into_iter().map(line).collect::<Result<Vec<Line>>>()?;
    let by_partition = |left: &Line, right: &Line| {
        let each = left
            .partition
            .iter()
            .zip(&right.partition)
            .map(|(left, right)| directed(left, right, false, false));
        each.fold(std::cmp::Ordering::Equal, std::cmp::Ordering::then)
    };
    lines.sort_by(|left, right| by_partition(left, right).then_with(|| compare_keys(&call.order_by, &left.order, &right.order)));
    let mut out = Vec::with_capacity(lines.len());
    for partition in lines.chunk_by(|left, right| by_partition(left, right).is_eq()) {
        env.host.check_cancelled()?;
        out.extend(Partition::new(partition, call, env)?.values()?);
    }
    let each = lines.into_iter().zip(out).map(|(line, value)| {
        let mut row = line.row;
        row.push(value);
        row
    });
    Ok(each.collect())
}

struct Partition<'a> {
    lines: &'a [Line],
    call: &'a WindowNode,
    env: &'a Env,
    /// The peer group of each row, and each group's rows.
    group_of: Vec<usize>,
    groups: Vec<Range<usize>>,
}

impl<'a> Partition<'a> {
    fn new(lines: &'a [Line], call: &'a WindowNode, env: &'a Env) -> Result<Partition<'a>> {
        let mut groups = vec![];
        let mut group_of = Vec::with_capacity(lines.len());
        for peers in lines.chunk_by(|left, right| compare_keys(&call.order_by, &left.order, &right.order).is_eq()) {
            let start = group_of.len();
            group_of.resize(start + peers.len(), groups.len());
            groups.push(start..start + peers.len());
        }
        Ok(Partition {
            lines,
            call,
            env,
            group_of,
            groups,
        })
    }

    fn values(&self) -> Result<Vec<Datum>> {
        let count = self.lines.len();
        let peers = |index: usize| self.groups[self.group_of[index]].clone();
        let each = |value: &dyn Fn(usize) -> Datum| Ok((0..count).map(value).collect());
        match &self.call.target {
            WindowTarget::RowNumber => each(&|index| integer(index + 1)),
            WindowTarget::Rank => each(&|index| integer(peers(index).start + 1)),
            WindowTarget::DenseRank => each(&|index| integer(self.group_of[index] + 1)),
            WindowTarget::PercentRank => each(&|index| {
                Datum::Float8(if count > 1 {
                    peers(index).start as f64 / (count - 1) as f64
                } else {
                    0.0
                })
            }),
            WindowTarget::CumeDist => each(&|index| Datum::Float8(peers(index).end as f64 / count as f64)),
            WindowTarget::Ntile => self.ntile(),
            WindowTarget::Lag => (0..count).map(|index| self.shifted(index, -1)).collect(),
            WindowTarget::Lead => (0..count).map(|index| self.shifted(index, 1)).collect(),
            WindowTarget::FirstValue => self.framed(|frame| Ok(frame.start)),
            WindowTarget::LastValue => self.framed(|frame| Ok(frame.end - 1)),
            WindowTarget::NthValue => self.nth_value(),
            WindowTarget::UserAggregate(aggregate) => self.aggregate(&Target::User {
                aggregate: aggregate.clone(),
                distinct: false,
            }),
            WindowTarget::Aggregate(function) => {
                let target = Target::Builtin {
                    function,
                    types: self.call.types.clone(),
                    distinct: false,
                };
                self.aggregate(&target)
            }
        }
    }

    fn argument(&self, argument: usize, index: usize) -> Result<Datum> {
        self.call
            .args
            .get(argument)
            .map_or(Ok(Datum::Null), |node| node.eval(&self.lines[index].row, self.env))
    }

    fn ntile(&self) -> Result<Vec<Datum>> {
        let Some(buckets) = self.argument(0, 0)?.as_i64() else {
            return Ok(vec![Datum::Null; self.lines.len()]);
        };
        let Some(buckets) = usize::try_from(buckets).ok().filter(|buckets| *buckets > 0) else {
            return Err(SqlError::new(
                SqlState::InvalidArgumentForNtile,
                "argument of ntile must be greater than zero",
            ));
        };
        let (size, bigger) = (self.lines.len() / buckets, self.lines.len() % buckets);
        let bucket = |index: usize| {
            if index < bigger * (size + 1) {
                index / (size + 1)
            } else {
                bigger + (index - bigger * (size + 1)) / size
            }
        };
        Ok((0..self.lines.len())
            .map(|index| Datum::Int4(i32::try_from(bucket(index) + 1).unwrap_or(i32::MAX)))
            .collect())
    }

    fn shifted(&self, index: usize, direction: i64) -> Result<Datum> {
        let offset = match self.call.args.len() {
            0 | 1 => 1,
            _ => match self.argument(1, index)?.as_i64() {
                Some(offset) => offset,
                None => return Ok(Datum::Null),
            },
        };
        let target = i64::try_from(index)
            .ok()
            .and_then(|index| index.checked_add(direction.checked_mul(offset)?));
        match target
            .and_then(|target| usize::try_from(target).ok())
            .filter(|target| *target < self.lines.len())
        {
            Some(target) => self.argument(0, target),
            None => self.argument(2, index),
        }
    }

    /// The first argument at a place in each row's frame; NULL in an empty frame.
    fn framed(&self, place: impl Fn(&Range<usize>) -> Result<usize>) -> Result<Vec<Datum>> {
        let frames = Frames::new(self)?;
        let value = |index: usize| {
            let frame = frames.of(index)?;
            if frame.is_empty() {
                Ok(Datum::Null)
            } else {
                self.argument(0, place(&frame)?)
            }
        };
        (0..self.lines.len()).map(value).collect()
    }

    fn nth_value(&self) -> Result<Vec<Datum>> {
        let frames = Frames::new(self)?;
        let value = |index: usize| {
            let Some(nth) = self.argument(1, index)?.as_i64() else {
                return Ok(Datum::Null);
            };
            let Some(nth) = usize::try_from(nth).ok().filter(|nth| *nth > 0) else {
                return Err(SqlError::new(
                    SqlState::InvalidArgumentForNthValue,
                    "argument of nth_value must be greater than zero",
                ));
            };
            let frame = frames.of(index)?;
            if nth > frame.len() {
                Ok(Datum::Null)
            } else {
                self.argument(0, frame.start + nth - 1)
            }
        };
        (0..self.lines.len()).map(value).collect()
    }

    fn aggregate(&self, target: &Target) -> Result<Vec<Datum>> {
        let frames = Frames::new(self)?;
        let fresh = || State::new(target, &[]).ok_or_else(|| SqlError::internal("a window function without state"));
        let mut state = fresh()?;
        let mut added = 0..0;
        let mut last = None;
        let mut out = Vec::with_capacity(self.lines.len());
        for index in 0..self.lines.len() {
            if index.is_multiple_of(BATCH_ROWS) {
                self.env.host.check_cancelled()?;
            }
            let frame = frames.of(index)?;
            // States only grow: another start, or an earlier end, begins anew.
            if frame.start != added.start || frame.end < added.end {
                state = fresh()?;
                added = frame.start..frame.start;
                last = None;
            }
            for member in added.end..frame.end {
                let row = &self.lines[member].row;
                if self
                    .call
                    .filter
                    .as_ref()
                    .map_or(Ok(Some(true)), |filter| filter.test(row, self.env))?
                    == Some(true)
                {
                    state.add(eval_all(&self.call.args, row, self.env)?, vec![], self.env)?;
                }
                last = None;
            }
            added.end = added.end.max(frame.end);
            let value = match &last {
                Some(value) => Datum::clone(value),
                None => state.finish(&[], self.env)?,
            };
            last = Some(value.clone());
            out.push(value);
        }
        Ok(out)
    }
}

fn integer(value: usize) -> Datum {
    Datum::Int8(i64::try_from(value).unwrap_or(i64::MAX))
}

/// Where each row's frame lies in its partition.
struct Frames<'a> {
    partition: &'a Partition<'a>,
    start: At,
    end: At,
}

enum At {
    First,
    /// Rows, peer groups or, with RANGE, just "the current row", by this much.
    Shifted(i64),
    Value(RangeEdge),
    Last,
}

impl<'a> Frames<'a> {
    fn new(partition: &'a Partition<'a>) -> Result<Frames<'a>> {
        Ok(Frames {
            partition,
            start: at(&partition.call.frame.start, "starting", partition)?,
            end: at(&partition.call.frame.end, "ending", partition)?,
        })
    }

    fn of(&self, index: usize) -> Result<Range<usize>> {
        let count = self.partition.lines.len();
        let start = self.edge(&self.start, index, false)?;
        let end = self.edge(&self.end, index, true)?.min(count);
        Ok(start.min(end)..end)
    }

    /// The first row of the frame, or one past its last.
    fn edge(&self, at: &At, index: usize, end: bool) -> Result<usize> {
        let Partition {
            lines,
            group_of,
            groups,
            call,
            ..
        } = self.partition;
        let side = |group: &Range<usize>| if end { group.end } else { group.start };
        Ok(match at {
            At::First => 0,
            At::Last => lines.len(),
            At::Shifted(offset) => match call.frame.unit {
                FrameUnit::Rows => clamp(index, offset.saturating_add(i64::from(end)), lines.len()),
                FrameUnit::Range => side(&groups[group_of[index]]),
                FrameUnit::Groups => {
                    let group = i64::try_from(group_of[index]).unwrap_or(i64::MAX).saturating_add(*offset);
                    match usize::try_from(group) {
                        Err(_) => 0,
                        Ok(group) => groups.get(group).map_or(lines.len(), side),
                    }
                }
            },
            At::Value(edge) => {
                let current = &lines[index].order[0];
                if current.is_null() {
                    side(&groups[group_of[index]])
                } else {
                    let key = &call.order_by[0];
                    edge.position(lines.len(), |line| &lines[line].order[0], current, key, end, self.partition.env)?
                }
            }
        })
    }
}

fn clamp(index: usize, offset: i64, count: usize) -> usize {
    let place = i64::try_from(index).unwrap_or(i64::MAX).saturating_add(offset);
    usize::try_from(place).map_or(0, |place| place.min(count))
}

fn at(edge: &Edge, which: &str, partition: &Partition) -> Result<At> {
    let (node, ty, sign) = match edge {
        Edge::UnboundedPreceding => return Ok(At::First),
        Edge::CurrentRow => return Ok(At::Shifted(0)),
        Edge::UnboundedFollowing => return Ok(At::Last),
        Edge::Preceding(node, ty) => (node, *ty, -1),
        Edge::Following(node, ty) => (node, *ty, 1),
    };
    let offset = node.eval(&[], partition.env)?;
    if offset.is_null() {
        return Err(SqlError::new(
            SqlState::NullValueNotAllowed,
            format!("frame {which} offset must not be null"),
        ));
    }
    let negative = || {
        SqlError::new(
            SqlState::InvalidPrecedingOrFollowingSize,
            format!("frame {which} offset must not be negative"),
        )
    };
    match partition.call.frame.unit {
        FrameUnit::Rows | FrameUnit::Groups => {
            let offset = offset
                .as_i64()
                .ok_or_else(|| SqlError::internal("a frame's offset is not an integer"))?;
            if offset < 0 {
                Err(negative())
            } else {
                Ok(At::Shifted(sign * offset))
            }
        }
        FrameUnit::Range => {
            let key: Type = match &*partition.call.order_by {
                [key] => key.ty,
                _ => {
                    return Err(SqlError::new(
                        SqlState::WindowingError,
                        "RANGE with offset PRECEDING/FOLLOWING requires exactly one ORDER BY column",
                    ));
                }
            };
            Ok(At::Value(RangeEdge::new(key, offset, ty, sign < 0)?))
        }
    }
}

//! Results and errors as psql prints them.

use types::{Notice, SqlError, Type};
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// How much of a statement's line is shown around an error's position: libpq's numbers.
const EXCERPT_WIDTH: usize = 60;
const EXCERPT_RIGHT: usize = 10;

pub struct Column {
    pub name: String,
    pub ty: Type,
}

/// A result in psql's aligned format, with its row count.
pub fn table(columns: &[Column], rows: &[Vec<Option<String>>]) -> String {
    let mut out = String::new();
    let headers: Vec<Vec<String>> = columns.iter().map(|column| lines(&column.name)).collect();
    let cells: Vec<Vec<Vec<String>>> = rows
        .iter()
        .map(|row| row.iter().map(|value| lines(value.as_deref().unwrap_or_default())).collect())
        .collect();
    let widths: Vec<usize> = (0..columns.len())
        .map(|at| {
            let values = cells.iter().filter_map(|row| row.get(at));
            headers
                .get(at)
                .into_iter()
                .chain(values)
                .flatten()
                .map(|line| line.width())
                .max()
                .unwrap_or(0)
        })
        .collect();

    let align_header = |text: &str, width: usize, _: usize| {
        let space = width.saturating_sub(text.width());
        format!("{}{text}{}", " ".repeat(space / 2), " ".repeat(space - space / 2))
    };
    let right = |at: usize| columns.get(at).is_some_and(|column| is_right_aligned(column.ty));
    push_row(&mut out, &headers, &widths, true, right, align_header);
    let rules: Vec<String> = widths.iter().map(|width| "-".repeat(width + 2)).collect();
    out.push_str(if rules.is_empty() { "--" } else { "" });
    out.push_str(&rules.join("+"));
    out.push('\n');
    for row in &cells {
        push_row(&mut out, row, &widths, false, right, |text, width, at| {
            let space = " ".repeat(width.saturating_sub(text.width()));
            if right(at) {
                format!("{space}{text}")
            } else {
                format!("{text}{space}")
            }
        });
    }
    out.push_str(&match rows.len() {
        1 => "(1 row)\n\n".to_string(),
        count => format!("({count} rows)\n\n"),
    });
    out
}

/// One row of cells, as many lines as its highest cell has; `+` marks a cell that goes on.
fn push_row(
    out: &mut String,
    cells: &[Vec<String>],
    widths: &[usize],
    header: bool,
    right: impl Fn(usize) -> bool,
    align: impl Fn(&str, usize, usize) -> String,
) {
    let height = cells.iter().map(Vec::len).max().unwrap_or(0);
    for line in 0..height {
        for (at, (cell, width)) in cells.iter().zip(widths).enumerate() {
            let text = cell.get(line).map(String::as_str).unwrap_or_default();
            let goes_on = line + 1 < cell.len();
            let last = at + 1 == cells.len();
            if at > 0 {
                out.push('|');
            }
            out.push(' ');
            let aligned = align(text, *width, at);
            // psql leaves no blanks behind what ends a line, but for headers and right-aligned values.
            let trimmed = last && !header && !goes_on && (line >= cell.len() || !right(at));
            out.push_str(if trimmed { text } else { &aligned });
            match (goes_on, last && !header) {
                (true, _) => out.push('+'),
                (false, true) => {}
                (false, false) => out.push(' '),
            }
        }
        out.push('\n');
    }
}

/// A value's lines, with what would move the cursor written out.
fn lines(value: &str) -> Vec<String> {
    value
        .split('\n')
        .map(|line| {
            let mut shown = String::with_capacity(line.len());
            for c in line.chars() {
                match c {
                    '\r' => shown.push_str("\\r"),
                    '\t' => shown.push_str(&" ".repeat(8 - shown.width() % 8)),
                    c if c.is_control() => shown.push_str(&format!("\\x{:02X}", u32::from(c))),
                    c => shown.push(c),
                }
            }
            shown
        })
        .collect()
}

fn is_right_aligned(ty: Type) -> bool {
    match ty {
        Type::Int2 | Type::Int4 | Type::Int8 | Type::Float4 | Type::Float8 | Type::Numeric | Type::Oid => true,
        Type::Bool | Type::Text | Type::Varchar | Type::Bpchar | Type::Char | Type::Name | Type::Bytea => false,
        Type::Date | Type::Time | Type::Timestamp | Type::Timestamptz | Type::Interval | Type::Uuid | Type::Json | Type::Jsonb => false,
        Type::Regclass | Type::Regtype | Type::Regproc | Type::Regnamespace | Type::Regrole => false,
        Type::Array(_) | Type::Record | Type::Void | Type::Trigger | Type::Unknown => false,
        Type::Any | Type::AnyElement | Type::AnyArray => false,
    }
}

/// An error of `statement` in psql's words. `verbose` adds the SQLSTATE.
pub fn error(error: &SqlError, statement: &str, verbose: bool) -> String {
    let fields = error.fields();
    let severity = if fields.fatal { "FATAL" } else { "ERROR" };
    let state = if verbose {
        format!("{}: ", fields.state.code())
    } else {
        String::new()
    };
    let mut out = format!("{severity}:  {state}{}\n", fields.message);
    if let Some(position) = fields.position {
        out.push_str(&excerpt(statement, position));
    }
    for (label, text) in [("DETAIL", &fields.detail), ("HINT", &fields.hint), ("CONTEXT", &fields.context)] {
        if let Some(text) = text {
            out.push_str(&format!("{label}:  {text}\n"));
        }
    }
    out
}

pub fn notice(notice: &Notice, verbose: bool) -> String {
    let state = if verbose {
        format!("{}: ", notice.state.code())
    } else {
        String::new()
    };
    let mut out = format!("{}:  {state}{}\n", notice.severity.as_str(), notice.message);
    for (label, text) in [("DETAIL", &notice.detail), ("HINT", &notice.hint)] {
        if let Some(text) = text {
            out.push_str(&format!("{label}:  {text}\n"));
        }
    }
    out
}

/// `LINE n: ...` with a caret below the character at the 1-based `position`.
fn excerpt(statement: &str, position: usize) -> String {
    let Some(before) = position.checked_sub(1) else {
        return String::new();
    };
    let chars: Vec<char> = statement.chars().collect();
    if before > chars.len() {
        return String::new();
    }
    let line_start = chars[..before].iter().rposition(|c| *c == '\n').map_or(0, |newline| newline + 1);
    let line_end = chars[before..]
        .iter()
        .position(|c| matches!(c, '\n' | '\r'))
        .map_or(chars.len(), |end| before + end);
    let number = 1 + chars[..before].iter().filter(|c| **c == '\n').count();
    // Tabs become single blanks, so that the caret stands where it should.
    let line: Vec<char> = chars[line_start..line_end]
        .iter()
        .map(|c| if c.is_control() { ' ' } else { *c })
        .collect();
    let width = |part: &[char]| part.iter().map(|c| c.width().unwrap_or(0)).sum::<usize>();

    let caret = before - line_start;
    let (mut start, mut end) = (0, line.len());
    if width(&line) > EXCERPT_WIDTH {
        // The right is cut if the position leaves room, then the left as far as needed.
        if width(&line[..caret]) + EXCERPT_RIGHT <= EXCERPT_WIDTH {
            while width(&line[..end]) > EXCERPT_WIDTH {
                end -= 1;
            }
        } else {
            while end > caret && width(&line[caret..end]) > EXCERPT_RIGHT {
                end -= 1;
            }
            while start < caret && width(&line[start..end]) > EXCERPT_WIDTH {
                start += 1;
            }
        }
    }
    let (left, right) = (if start > 0 { "..." } else { "" }, if end < line.len() { "..." } else { "" });
    let head = format!("LINE {number}: {left}");
    let shown: String = line[start..end].iter().collect();
    let indent = " ".repeat(head.width() + width(&line[start..caret]));
    format!("{head}{shown}{right}\n{indent}^\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use types::SqlState;

    fn row(values: &[&str]) -> Vec<Option<String>> {
        values.iter().map(|value| Some(value.to_string())).collect()
    }

    fn columns(columns: &[(&str, Type)]) -> Vec<Column> {
        columns
            .iter()
            .map(|(name, ty)| Column {
                name: name.to_string(),
                ty: *ty,
            })
            .collect()
    }

    #[test]
    fn tables_look_like_psql() {
        let shown = table(
            &columns(&[("id", Type::Int4), ("name", Type::Text)]),
            &[row(&["1", "ann"]), row(&["10", "bo"])],
        );
        assert_eq!(shown, " id | name \n----+------\n  1 | ann\n 10 | bo\n(2 rows)\n\n");
        let shown = table(
            &columns(&[("a", Type::Text), ("b", Type::Text)]),
            &[vec![None, Some("x\ny".into())], row(&["élan", ""])],
        );
        assert_eq!(shown, "  a   | b \n------+---\n      | x+\n      | y\n élan | \n(2 rows)\n\n");
        let shown = table(
            &columns(&[("a", Type::Text), ("n", Type::Int4)]),
            &[vec![Some("x\ny".into()), None], row(&["z", "10"])],
        );
        assert_eq!(shown, " a | n  \n---+----\n x+|   \n y | \n z | 10\n(2 rows)\n\n");
        assert_eq!(table(&[], &[vec![]]), "--\n(1 row)\n\n");
        assert_eq!(table(&columns(&[("x", Type::Int4)]), &[]), " x \n---\n(0 rows)\n\n");
    }

    #[test]
    fn errors_point_at_their_position() {
        let error_at = |position| {
            SqlError::new(SqlState::UndefinedColumn, "column \"x\" does not exist")
                .position(position)
                .hint("Try y.")
        };
        let expect = "ERROR:  column \"x\" does not exist\nLINE 2:   x\n          ^\nHINT:  Try y.\n";
        assert_eq!(error(&error_at(10), "SELECT\n  x\nFROM t;", false), expect);
        assert!(error(&error_at(10), "", true).starts_with("ERROR:  42703: column"));
    }

    #[test]
    fn long_lines_are_cut_around_the_position() {
        let line = format!("SELECT {} x", "a ".repeat(60));
        let shown = excerpt(&line, line.len());
        let caret = shown.lines().nth(1).unwrap().len() - 1;
        assert!(shown.starts_with("LINE 1: ..."));
        assert_eq!(shown.lines().next().unwrap().as_bytes()[caret], b'x');
        assert!(excerpt(&line, 1).lines().next().unwrap().ends_with("..."));
    }
}

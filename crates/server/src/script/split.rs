//! A script's text to its items, as psql cuts a file: statements at semicolons that stand outside
//! of quotes, comments and parentheses, and backslash commands that fill a line.

/// One thing to do.
#[derive(Debug, PartialEq)]
pub enum Item<'a> {
    Statement {
        /// From its first word through its semicolon.
        text: &'a str,
        line: usize,
        /// The SQLSTATE of a comment `-- expect error 42501` before it.
        expect: Option<&'a str>,
    },
    /// A backslash command without its backslash, to the end of its line.
    Command { text: &'a str, line: usize },
}

pub fn items(source: &str) -> Vec<Item<'_>> {
    let mut scanner = Scanner { source, at: 0 };
    let mut items = vec![];
    let mut expect = None;
    loop {
        let comments = scanner.skip_blank();
        expect = comments.or(expect);
        let start = scanner.at;
        let line = 1 + source[..start].matches('\n').count();
        match scanner.peek() {
            None => return items,
            Some(b'\\') => {
                scanner.skip_line();
                items.push(Item::Command {
                    text: source[start + 1..scanner.at].trim(),
                    line,
                });
            }
            Some(_) => {
                scanner.skip_statement();
                items.push(Item::Statement {
                    text: source[start..scanner.at].trim_end(),
                    line,
                    expect: expect.take(),
                });
            }
        }
    }
}

/// Works on bytes: all that it looks for is ASCII, so it always stops at a character's boundary.
struct Scanner<'a> {
    source: &'a str,
    at: usize,
}

impl<'a> Scanner<'a> {
    fn rest(&self) -> &'a [u8] {
        self.source.as_bytes().get(self.at..).unwrap_or_default()
    }

    fn peek(&self) -> Option<u8> {
        self.rest().first().copied()
    }

    /// Skips spaces and comments; returns what the last directive among them expects.
    fn skip_blank(&mut self) -> Option<&'a str> {
        let mut expect = None;
        loop {
            match self.rest() {
                [b'-', b'-', ..] => {
                    let start = self.at;
                    self.skip_line();
                    let comment = self.source[start..self.at].trim_start_matches('-').trim();
                    expect = comment.strip_prefix("expect error ").map(str::trim).or(expect);
                }
                [b'/', b'*', ..] => self.skip_block_comment(),
                [c, ..] if c.is_ascii_whitespace() => self.at += 1,
                _ => return expect,
            }
        }
    }

    fn skip_line(&mut self) {
        self.at += self.rest().iter().position(|b| *b == b'\n').unwrap_or(self.rest().len());
    }

    fn skip_block_comment(&mut self) {
        let mut depth = 0usize;
        loop {
            match self.rest() {
                [] => return,
                [b'/', b'*', ..] => {
                    depth += 1;
                    self.at += 2;
                }
                [b'*', b'/', ..] => {
                    depth -= 1;
                    self.at += 2;
                    if depth == 0 {
                        return;
                    }
                }
                _ => self.at += 1,
            }
        }
    }

    /// Through the semicolon, or to the end.
    fn skip_statement(&mut self) {
        let mut parentheses = 0usize;
        let mut before = b' ';
        while let Some(c) = self.peek() {
            match (c, self.rest()) {
                (b'\'', _) => {
                    let escapes = matches!(before, b'e' | b'E') && !self.is_word_byte(self.at.wrapping_sub(2));
                    self.skip_quoted(b'\'', escapes);
                }
                (b'"', _) => self.skip_quoted(b'"', false),
                (b'$', _) if !is_word(before) => self.skip_dollar_quoted(),
                (_, [b'-', b'-', ..]) => self.skip_line(),
                (_, [b'/', b'*', ..]) => self.skip_block_comment(),
                (b';', _) if parentheses == 0 => {
                    self.at += 1;
                    return;
                }
                (b'(', _) => {
                    parentheses += 1;
                    self.at += 1;
                }
                (b')', _) => {
                    parentheses = parentheses.saturating_sub(1);
                    self.at += 1;
                }
                _ => self.at += 1,
            }
            before = c;
        }
    }

    fn is_word_byte(&self, at: usize) -> bool {
        self.source.as_bytes().get(at).is_some_and(|b| is_word(*b))
    }

    /// From an opening quote past the closing one; a doubled quote closes and opens again.
    fn skip_quoted(&mut self, quote: u8, escapes: bool) {
        self.at += 1;
        while let Some(c) = self.peek() {
            self.at += 1;
            match c {
                b'\\' if escapes => self.at += usize::from(self.peek().is_some()),
                c if c == quote => return,
                _ => {}
            }
        }
    }

    /// Past `$tag$...$tag$`, or past the dollar sign if none begins here.
    fn skip_dollar_quoted(&mut self) {
        let rest = &self.source[self.at..];
        let tag_end = rest[1..].find(|c: char| !(c.is_alphanumeric() || c == '_')).map(|end| end + 1);
        match tag_end {
            Some(end) if rest.as_bytes().get(end) == Some(&b'$') && !rest.as_bytes()[1].is_ascii_digit() => {
                let tag = &rest[..=end];
                let body = &rest[end + 1..];
                self.at += tag.len() + body.find(tag).map_or(body.len(), |close| close + tag.len());
            }
            _ => self.at += 1,
        }
    }
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte >= 0x80
}

#[cfg(test)]
mod tests {
    use super::*;

    fn statements(source: &str) -> Vec<&str> {
        items(source)
            .into_iter()
            .map(|item| match item {
                Item::Statement { text, .. } | Item::Command { text, .. } => text,
            })
            .collect()
    }

    #[test]
    fn semicolons_end_statements_where_they_stand_alone() {
        assert_eq!(statements("a; b;\nc"), ["a;", "b;", "c"]);
        assert_eq!(statements("a ';' b; c \";\" d;"), ["a ';' b;", "c \";\" d;"]);
        assert_eq!(
            statements("a 'it''s;' b; E'\\';' c; ne'\\'; d"),
            ["a 'it''s;' b;", "E'\\';' c;", "ne'\\';", "d"]
        );
        assert_eq!(
            statements("a $$;$$ b; $x$ $$;$y$ $x$; $1;"),
            ["a $$;$$ b;", "$x$ $$;$y$ $x$;", "$1;"]
        );
        assert_eq!(statements("a -- ;\n b; /* ; /* ; */ ; */ c;"), ["a -- ;\n b;", "c;"]);
        assert_eq!(statements("a (x; y); b;"), ["a (x; y);", "b;"]);
        assert_eq!(statements("unended 'a; b"), ["unended 'a; b"]);
        assert_eq!(statements("naïve$é$;$é$;"), ["naïve$é$;", "$é$;"]);
        assert_eq!(statements("-- only a comment\n"), [""; 0]);
    }

    #[test]
    fn commands_and_directives_are_found_with_their_lines() {
        let source = "\\echo hello there\n\n-- expect error 42501\n-- why\nSELECT f();\nSELECT 1;";
        let expect = [
            Item::Command {
                text: "echo hello there",
                line: 1,
            },
            Item::Statement {
                text: "SELECT f();",
                line: 5,
                expect: Some("42501"),
            },
            Item::Statement {
                text: "SELECT 1;",
                line: 6,
                expect: None,
            },
        ];
        assert_eq!(items(source), expect);
    }
}

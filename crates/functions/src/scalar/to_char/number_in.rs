//! Text to numbers, by template (`NUM_processor` and `NUM_numpart_from_char`, reading).

use types::{Datum, Numeric, Result, SqlError, SqlState, numeric_typmod};

use super::number_template::{Key, Node, Template};

pub(super) fn to_number(text: &str, template: &str) -> Result<Datum> {
    if template.is_empty() {
        return Ok(Datum::Null);
    }
    let template = Template::parse(template)?;
    for (refused, name) in [(template.exponent, "EEEE"), (template.roman, "RN")] {
        if refused {
            return Err(SqlError::new(
                SqlState::FeatureNotSupported,
                format!("\"{name}\" not supported for input"),
            ));
        }
    }
    let mut reader = Reader {
        text: text.chars().collect(),
        at: 0,
        sign: ' ',
        digits: String::new(),
        pre: 0,
        post: 0,
        point: false,
    };
    for node in &template.nodes {
        if reader.peek().is_none() {
            break;
        }
        match node {
            // Whether or not it is the same character.
            Node::Char(_) => reader.at += 1,
            Node::Key(key) => reader.key(*key, &template),
        }
    }
    let value: Numeric = format!("{}{}", reader.sign, reader.digits.trim_end_matches('.')).parse()?;
    let scale = reader.post as i32;
    let precision = (template.pre + template.multi) as i32 + scale;
    let value = value.apply_typmod(numeric_typmod(precision, scale))?;
    if template.shift {
        return value
            .div(&Numeric::from(10_i64).pow(&Numeric::from(template.multi as i64))?)
            .map(Datum::Numeric);
    }
    Ok(Datum::Numeric(value))
}

struct Reader {
    text: Vec<char>,
    at: usize,
    /// A blank as long as there was none.
    sign: char,
    digits: String,
    pre: usize,
    post: usize,
    point: bool,
}

fn is_sign(c: &char) -> bool {
    matches!(c, '-' | '+')
}

impl Reader {
    fn peek(&self) -> Option<char> {
        self.text.get(self.at).copied()
    }

    fn key(&mut self, key: Key, template: &Template) {
        match key {
            Key::Nine | Key::Zero | Key::Point | Key::LocalePoint => {
                self.digit(key, template);
                // A digit's place takes one character, even one that is no digit.
                self.at += 1;
            }
            Key::Comma | Key::Group => {
                if !template.fill && self.peek() == Some(',') {
                    self.at += 1;
                }
            }
            Key::Currency => self.skip_other(1),
            Key::Ordinal { .. } if template.decimal => {}
            Key::Ordinal { .. } => self.skip_other(2),
            Key::Minus | Key::Plus | Key::PlusMinus => {
                let fits = |c: &char| match key {
                    Key::Minus => *c == '-',
                    Key::Plus => *c == '+',
                    _ => is_sign(c),
                };
                match self.peek().filter(fits) {
                    Some(sign) => {
                        self.sign = sign;
                        self.at += 1;
                    }
                    None => self.skip_other(1),
                }
            }
            Key::Blank | Key::Exponent | Key::Fill | Key::Brackets | Key::Roman { .. } | Key::Spelled | Key::Sign | Key::Shift => {}
        }
    }

    /// Skips up to n characters that can't be part of a number.
    fn skip_other(&mut self, n: usize) {
        for _ in 0..n {
            match self.peek() {
                Some(c) if !c.is_ascii_digit() && !matches!(c, '.' | ',' | '+' | '-') => self.at += 1,
                _ => return,
            }
        }
    }

    /// Leaves `at` on the last character that it used.
    fn digit(&mut self, key: Key, template: &Template) {
        if self.peek() == Some(' ') {
            self.at += 1;
        }
        if self.sign == ' ' && matches!(key, Key::Zero | Key::Nine) && self.pre + self.post == 0 {
            let sign = match self.peek() {
                Some(sign) if is_sign(&sign) => Some(sign),
                Some('<') if template.brackets => Some('-'),
                _ => None,
            };
            if let Some(sign) = sign {
                self.sign = sign;
                self.at += 1;
            }
        }
        let Some(c) = self.peek() else { return };
        let mut read = false;
        if c.is_ascii_digit() {
            if self.point && self.post == template.post {
                return;
            }
            self.digits.push(c);
            if self.point {
                self.post += 1;
            } else {
                self.pre += 1;
            }
            read = true;
        } else if template.decimal && !self.point && c == '.' {
            self.digits.push('.');
            self.point = true;
            read = true;
        }
        if self.sign != ' ' || self.pre + self.post == 0 {
            return;
        }
        if template.sign {
            if read && let Some(sign) = self.text.get(self.at + 1).copied().filter(is_sign) {
                self.sign = sign;
                self.at += 1;
            }
        } else if !read && (template.plus || template.minus) && is_sign(&c) {
            self.sign = c;
        }
    }
}

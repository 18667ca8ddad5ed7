//! Text to numbers, by template (`NUM_numpart_from_char`).

use types::{Datum, Numeric, Result, SqlError, numeric_typmod};

use super::number_template::{Key, LocaleSign, Node, Template};

pub(super) fn to_number(text: &str, template: &str) -> Result<Datum> {
    if template.is_empty() {
        return Ok(Datum::Null);
    }
    let template = Template::parse(template)?;
    if template.exponent {
        return Err(SqlError::unsupported("\"EEEE\" for input").detail("to_number() reads digits, signs and a decimal point."));
    }
    if template.roman {
        return Err(SqlError::new(
            types::SqlState::FeatureNotSupported,
            "\"RN\" not supported for input",
        ));
    }
    let mut reader = Reader {
        rest: text.chars().collect::<Vec<_>>().into_iter().peekable(),
        sign: None,
        digits: String::new(),
        pre: 0,
        post: 0,
        point: false,
    };
    for node in &template.nodes {
        if reader.rest.peek().is_none() {
            break;
        }
        match node {
            Node::Char(_) => {
                reader.rest.next();
            }
            Node::Key(key) => reader.key(*key, &template),
        }
    }
    let sign = if reader.sign == Some('-') { "-" } else { " " };
    let value: Numeric = format!("{sign}{}", reader.digits.trim_end_matches('.')).parse()?;
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
    rest: std::iter::Peekable<std::vec::IntoIter<char>>,
    sign: Option<char>,
    digits: String,
    pre: usize,
    post: usize,
    point: bool,
}

impl Reader {
    fn key(&mut self, key: Key, template: &Template) {
        match key {
            Key::Nine | Key::Zero | Key::Point | Key::LocalePoint => self.digit(key, template),
            Key::Comma | Key::Group => {
                self.rest.next_if_eq(&',');
            }
            Key::Currency => self.skip_other(1),
            Key::Ordinal { .. } => self.skip_other(2),
            Key::Minus | Key::Plus | Key::PlusMinus => {
                let wanted: &[char] = match key {
                    Key::Minus => &['-'],
                    Key::Plus => &['+'],
                    _ => &['-', '+'],
                };
                match self.rest.next_if(|c| wanted.contains(c)) {
                    Some(sign) => self.sign = Some(sign),
                    None => self.skip_other(1),
                }
            }
            Key::Blank | Key::Exponent | Key::Fill | Key::Brackets | Key::Roman { .. } | Key::Spelled | Key::Sign | Key::Shift => {}
        }
    }

    /// Skips up to n characters that can't be part of a number.
    fn skip_other(&mut self, n: usize) {
        for _ in 0..n {
            if self
                .rest
                .next_if(|c| !c.is_ascii_digit() && !matches!(c, '.' | ',' | '+' | '-'))
                .is_none()
            {
                return;
            }
        }
    }

    fn digit(&mut self, key: Key, template: &Template) {
        let is_first = self.pre + self.post == 0;
        if self.sign.is_none() && matches!(key, Key::Zero | Key::Nine) && is_first {
            let leading = template.locale_sign == LocaleSign::Before || !template.sign;
            self.sign = self.rest.next_if(|c| leading && matches!(c, '-' | '+'));
            if self.sign.is_none() && template.brackets && self.rest.next_if_eq(&'<').is_some() {
                self.sign = Some('-');
            }
            if self.sign.is_none() {
                // A blank where the sign would be.
                self.rest.next_if_eq(&' ');
            }
        }
        let mut read = false;
        if let Some(digit) = self.rest.peek().copied().filter(char::is_ascii_digit) {
            if self.point && self.post == template.post {
                return;
            }
            self.rest.next();
            self.digits.push(digit);
            if self.point {
                self.post += 1;
            } else {
                self.pre += 1;
            }
            read = true;
        } else if template.decimal && !self.point && self.rest.next_if_eq(&'.').is_some() {
            self.digits.push('.');
            self.point = true;
            read = true;
        }
        if self.sign.is_some() || self.pre + self.post == 0 {
            return;
        }
        if template.sign && read {
            self.sign = self.rest.next_if(|c| matches!(c, '-' | '+'));
        } else if !read && !template.sign && !template.plus && !template.minus {
            self.sign = self.rest.next_if(|c| matches!(c, '-' | '+'));
        }
        if !read && self.sign.is_none() {
            // In the way of the digits: the template's place is used up.
            self.rest.next_if(|c| !c.is_ascii_digit() && !matches!(c, '.' | '-' | '+'));
        }
    }
}

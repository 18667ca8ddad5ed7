//! Numbers to text (`NUM_processor`, `NUM_numpart_to_char`).

use types::{Datum, Numeric, Result};

use super::number_template::{Key, LocaleSign, Node, Template};
use super::template::ordinal_ending;
use crate::limit::check_size;

/// Digits to be shown, and where they stand in the template.
struct Shown {
    template: Template,
    /// Digits and point, without a sign; `#`s where the template is too short.
    number: Vec<u8>,
    negative: bool,
    out_pre_spaces: usize,
}

fn unsigned(text: &str) -> (bool, &str) {
    match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text),
    }
}

pub(super) fn integer(value: i64, text: &str) -> Result<Datum> {
    if text.is_empty() {
        return Ok(Datum::text(""));
    }
    let template = Template::parse(text)?;
    if template.roman {
        return finish(template.clone(), roman(i32::try_from(value).ok()), false, 0);
    }
    if template.exponent {
        let shown = scientific(value as f64, template.post);
        return Ok(Datum::Text(shown));
    }
    let mut template = template;
    let mut digits = value.unsigned_abs().to_string();
    if template.shift {
        digits = shifted_integer(value, template.multi)?;
        template.pre += template.multi;
    }
    let pre_length = digits.len();
    if template.post > 0 {
        digits.push('.');
        digits.extend(std::iter::repeat_n('0', template.post));
    }
    fit(template, digits, pre_length, value < 0)
}

/// The digits of value * 10^multi.
fn shifted_integer(value: i64, multi: usize) -> Result<String> {
    check_size(multi)?;
    let mut digits = value.unsigned_abs().to_string();
    if value != 0 {
        digits.extend(std::iter::repeat_n('0', multi));
    }
    Ok(digits)
}

pub(super) fn numeric(value: &Numeric, text: &str) -> Result<Datum> {
    if text.is_empty() {
        return Ok(Datum::text(""));
    }
    let mut template = Template::parse(text)?;
    if template.roman {
        return finish(template, roman(value.round(0)?.to_i32().ok()), false, 0);
    }
    if template.exponent {
        return Ok(Datum::Text(match value {
            Numeric::Finite(_) => scientific_numeric(value, template.post)?,
            Numeric::NaN | Numeric::Infinity | Numeric::NegInfinity => no_exponent(&template),
        }));
    }
    let mut value = value.clone();
    if template.shift {
        value = value.mul(&Numeric::from(10_i64).pow(&Numeric::from(template.multi as i64))?)?;
        template.pre += template.multi;
    }
    let text = value.round(template.post as i32)?.to_string();
    let (negative, digits) = unsigned(&text);
    let pre_length = digits.find('.').unwrap_or(digits.len());
    fit(template, digits.to_string(), pre_length, negative)
}

/// `digits_kept`: how many digits the type can be trusted with.
pub(super) fn float(value: f64, digits_kept: usize, text: &str) -> Result<Datum> {
    if text.is_empty() {
        return Ok(Datum::text(""));
    }
    let mut template = Template::parse(text)?;
    if template.roman {
        let rounded = value.round_ties_even();
        let in_range = rounded > -2147483649.0 && rounded < 2147483648.0;
        return finish(template, roman(in_range.then_some(rounded as i32)), false, 0);
    }
    if template.exponent {
        return Ok(Datum::Text(if value.is_finite() {
            scientific(value, template.post)
        } else {
            no_exponent(&template)
        }));
    }
    let mut value = value;
    if template.shift {
        value *= 10_f64.powi(i32::try_from(template.multi).unwrap_or(i32::MAX));
        template.pre += template.multi;
    }
    let pre_length = c_float(value.abs(), 0).len();
    if pre_length >= digits_kept {
        template.post = 0;
    } else if pre_length + template.post > digits_kept {
        template.post = digits_kept - pre_length;
    }
    let text = c_float(value, template.post);
    let (negative, digits) = unsigned(&text);
    let pre_length = digits.find('.').unwrap_or(digits.len());
    fit(template, digits.to_string(), pre_length, negative)
}

/// `%.*f`.
fn c_float(value: f64, digits: usize) -> String {
    if value.is_nan() {
        "NaN".to_string()
    } else if value.is_infinite() {
        if value > 0.0 {
            "Infinity".to_string()
        } else {
            "-Infinity".to_string()
        }
    } else {
        format!("{value:.digits$}")
    }
}

/// A blank for the plus sign, two digits of exponent at least.
fn scientific(value: f64, digits: usize) -> String {
    let text = format!("{value:.digits$e}");
    let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let sign = if exponent < 0 { '-' } else { '+' };
    let blank = if mantissa.starts_with('-') { "" } else { " " };
    format!("{blank}{mantissa}e{sign}{:02}", exponent.unsigned_abs())
}

fn scientific_numeric(value: &Numeric, digits: usize) -> Result<String> {
    let text = value.abs().to_string();
    let significant: String = text.chars().filter(char::is_ascii_digit).skip_while(|c| *c == '0').collect();
    let point = text.find('.').unwrap_or(text.len()) as i64;
    let leading_zeros = text.chars().filter(char::is_ascii_digit).take_while(|c| *c == '0').count() as i64;
    let exponent = if significant.is_empty() { 0 } else { point - 1 - leading_zeros };
    // Rounded as an exact number, so that halves go away from zero.
    let mantissa: Numeric = if significant.is_empty() {
        Numeric::zero()
    } else {
        format!("{}.{}", &significant[..1], &significant[1..])
            .trim_end_matches('.')
            .parse()?
    };
    // 9.999 becomes 10.0e+00 like this, as it does in PostgreSQL.
    let rounded = mantissa.round(digits as i32)?;
    let sign = if value < &Numeric::zero() { "-" } else { " " };
    Ok(format!(
        "{sign}{rounded}e{}{:02}",
        if exponent < 0 { '-' } else { '+' },
        exponent.abs()
    ))
}

/// What stands for a number without digits where an exponent is wanted.
fn no_exponent(template: &Template) -> String {
    let mut text = vec![b'#'; template.pre + template.post + 6];
    text[0] = b' ';
    text[template.pre + 1] = b'.';
    String::from_utf8(text).unwrap_or_default()
}

fn roman(value: Option<i32>) -> String {
    const PARTS: [(i32, &str); 13] = [
        (1000, "M"),
        (900, "CM"),
        (500, "D"),
        (400, "CD"),
        (100, "C"),
        (90, "XC"),
        (50, "L"),
        (40, "XL"),
        (10, "X"),
        (9, "IX"),
        (5, "V"),
        (4, "IV"),
        (1, "I"),
    ];
    let Some(mut rest) = value.filter(|value| (1..=3999).contains(value)) else {
        return "#".repeat(15);
    };
    let mut out = String::new();
    for (size, letters) in PARTS {
        while rest >= size {
            out.push_str(letters);
            rest -= size;
        }
    }
    out
}

/// Leaves room for digits that are missing; a number that is too long becomes `#`s.
fn fit(template: Template, digits: String, pre_length: usize, negative: bool) -> Result<Datum> {
    let missing = template.pre.saturating_sub(pre_length);
    if pre_length > template.pre {
        let mut filled = "#".repeat(template.pre + template.post + 1);
        filled.replace_range(template.pre..=template.pre, ".");
        return finish(template, filled, negative, 0);
    }
    finish(template, digits, negative, missing)
}

fn finish(template: Template, number: String, negative: bool, out_pre_spaces: usize) -> Result<Datum> {
    Writer::new(Shown {
        template,
        number: number.into_bytes(),
        negative,
        out_pre_spaces,
    })
    .write()
    .map(Datum::Text)
}

struct Writer {
    shown: Shown,
    out: String,
    sign_written: bool,
    /// Index of the next digit.
    at: usize,
    /// Digit positions of the template gone through.
    current: usize,
    count: i64,
    /// A digit was written.
    inside: bool,
    /// Index of the last digit that FM keeps.
    last_relevant: Option<usize>,
    /// Where PostgreSQL writes the NUL after the number's last digit into its answer, which ends it.
    cut: Option<usize>,
}

impl Writer {
    fn new(mut shown: Shown) -> Writer {
        let template = &mut shown.template;
        template.zero_start = template.zero_start.saturating_sub(1);
        if template.roman {
            let (fill, nodes) = (template.fill, std::mem::take(&mut template.nodes));
            *template = Template {
                nodes,
                fill,
                roman: true,
                ..Template::default()
            };
        }
        let sign_written = if template.plus || template.minus {
            template.minus
        } else {
            if !shown.negative && template.fill {
                template.brackets = false;
            }
            let written = !shown.negative && template.fill && !template.sign;
            if template.locale_sign == LocaleSign::Before && template.pre == template.pre_sign {
                template.locale_sign = LocaleSign::After;
            }
            written
        };
        let mut count = template.post as i64 + template.pre as i64 - 1;
        if !sign_written && shown.out_pre_spaces == 0 {
            count += 1;
        }
        let mut last_relevant = None;
        if template.fill && template.decimal {
            last_relevant = shown.number.iter().position(|c| *c == b'.').map(|point| {
                let mut last = point;
                for (i, digit) in shown.number.iter().enumerate().skip(point + 1) {
                    if *digit != b'0' {
                        last = i;
                    }
                }
                last
            });
            if let Some(last) = last_relevant
                && template.zero_end > shown.out_pre_spaces
            {
                let zero = (shown.number.len() - 1).min(template.zero_end - shown.out_pre_spaces);
                last_relevant = Some(last.max(zero));
            }
        }
        Writer {
            shown,
            out: String::new(),
            sign_written,
            at: 0,
            current: 0,
            count,
            inside: false,
            last_relevant,
            cut: None,
        }
    }

    fn write(mut self) -> Result<String> {
        for i in 0..self.shown.template.nodes.len() {
            match self.shown.template.nodes[i] {
                Node::Char(c) => self.out.push(c),
                Node::Key(key) => self.key(key)?,
            }
            check_size(self.out.len())?;
        }
        self.out.truncate(self.cut.unwrap_or(self.out.len()));
        Ok(self.out)
    }

    fn key(&mut self, key: Key) -> Result<()> {
        let template = &self.shown.template;
        match key {
            Key::Nine | Key::Zero | Key::Point | Key::LocalePoint => self.digit(key),
            Key::Comma | Key::Group => {
                if self.inside {
                    self.out.push(',');
                } else if !template.fill {
                    self.out.push(' ');
                }
            }
            Key::Currency => self.out.push(' '),
            Key::Roman { lower } => {
                let mut text = String::from_utf8_lossy(&self.shown.number).into_owned();
                if lower {
                    text = text.to_ascii_lowercase();
                }
                if template.fill {
                    self.out.push_str(&text);
                } else {
                    self.out.push_str(&format!("{text:>15}"));
                }
            }
            Key::Ordinal { lower } => {
                let hidden = template.roman || self.shown.number.first() == Some(&b'#') || self.shown.negative || template.decimal;
                if !hidden {
                    let ending = ordinal_ending(&String::from_utf8_lossy(&self.shown.number))?;
                    self.out.push_str(&if lower { ending.to_string() } else { ending.to_uppercase() });
                }
            }
            Key::Minus => match (self.shown.negative, template.fill) {
                (true, _) => self.out.push('-'),
                (false, true) => {}
                (false, false) => self.out.push(' '),
            },
            Key::Plus => match (self.shown.negative, template.fill) {
                (false, _) => self.out.push('+'),
                (true, true) => {}
                (true, false) => self.out.push(' '),
            },
            Key::PlusMinus => self.out.push(if self.shown.negative { '-' } else { '+' }),
            Key::Blank | Key::Exponent | Key::Fill | Key::Brackets | Key::Spelled | Key::Sign | Key::Shift => {}
        }
        Ok(())
    }

    /// The 0 before the point, where the template has a 9 for it.
    fn is_zero_before_point(&self) -> bool {
        !self.shown.template.zero && self.at == 0 && self.shown.number.first() == Some(&b'0') && self.shown.template.post != 0
    }

    fn point_is_last(&self) -> bool {
        self.last_relevant.is_some_and(|last| self.shown.number.get(last) == Some(&b'.'))
    }

    fn digit(&mut self, key: Key) {
        if self.shown.template.roman {
            return;
        }
        self.inside = false;
        self.leading_sign();
        let template = &self.shown.template;
        let spaces = self.shown.out_pre_spaces;
        if self.current < spaces && (template.zero_start > self.current || !template.zero) {
            if !template.fill {
                self.out.push(' ');
            }
        } else if template.zero && self.current < spaces && template.zero_start <= self.current {
            self.out.push('0');
            self.inside = true;
        } else {
            match self.shown.number.get(self.at) {
                Some(b'.') => {
                    if !self.point_is_last() || template.fill {
                        self.out.push('.');
                    }
                }
                digit => {
                    let is_trailing = self.last_relevant.is_some_and(|last| self.at > last);
                    if is_trailing && key != Key::Zero {
                        // FM leaves trailing zeros out.
                    } else if self.is_zero_before_point() {
                        if !template.fill {
                            self.out.push(' ');
                        } else if self.point_is_last() {
                            self.out.push('0');
                        }
                    } else if let Some(digit) = digit {
                        self.out.push(char::from(*digit));
                        self.inside = true;
                    } else {
                        self.cut.get_or_insert(self.out.len());
                        self.inside = true;
                    }
                }
            }
            if self.at < self.shown.number.len() {
                self.at += 1;
            }
        }
        self.trailing_sign();
        self.current += 1;
    }

    fn leading_sign(&mut self) {
        let template = &self.shown.template;
        let reached = self.current >= self.shown.out_pre_spaces || (template.zero && template.zero_start == self.current);
        if self.sign_written || !reached || (self.is_zero_before_point() && !self.point_is_last()) {
            return;
        }
        if template.sign {
            if template.locale_sign == LocaleSign::Before {
                self.out.push(if self.shown.negative { '-' } else { '+' });
                self.sign_written = true;
            }
            return;
        }
        if template.brackets {
            self.out.push(if self.shown.negative { '<' } else { ' ' });
        } else if self.shown.negative {
            self.out.push('-');
        } else if !template.fill {
            self.out.push(' ');
        }
        self.sign_written = true;
    }

    fn trailing_sign(&mut self) {
        let template = &self.shown.template;
        let mut end = self.count + i64::from(self.shown.out_pre_spaces > 0) + i64::from(template.decimal);
        if self.last_relevant.is_some_and(|last| last == self.at) {
            end = self.current as i64;
        }
        if self.current as i64 + 1 != end {
            return;
        }
        if self.sign_written && template.brackets {
            self.out.push(if self.shown.negative { '>' } else { ' ' });
        } else if template.sign && template.locale_sign == LocaleSign::After {
            self.out.push(if self.shown.negative { '-' } else { '+' });
        }
    }
}

//! Templates of numbers, taken apart (`NUMDesc_prepare`).

use types::{Result, SqlError, SqlState};

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Key {
    Comma,
    Point,
    Zero,
    Nine,
    Blank,
    Currency,
    LocalePoint,
    Exponent,
    Fill,
    Group,
    Minus,
    Plus,
    Brackets,
    Roman { lower: bool },
    PlusMinus,
    Spelled,
    Sign,
    Ordinal { lower: bool },
    Shift,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Node {
    Key(Key),
    Char(char),
}

/// Where S puts the sign.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) enum LocaleSign {
    #[default]
    None,
    Before,
    After,
}

/// What the template as a whole asks for.
#[derive(Clone, Debug, Default)]
pub(super) struct Template {
    pub(super) nodes: Vec<Node>,
    /// Digits before and after the point.
    pub(super) pre: usize,
    pub(super) post: usize,
    /// Digits after V.
    pub(super) multi: usize,
    pub(super) locale_sign: LocaleSign,
    /// Digits before the S.
    pub(super) pre_sign: usize,
    /// 1-based position of the first 0 before the point; 0 if there is none.
    pub(super) zero_start: usize,
    pub(super) zero_end: usize,
    pub(super) decimal: bool,
    pub(super) zero: bool,
    pub(super) blank: bool,
    pub(super) fill: bool,
    pub(super) sign: bool,
    pub(super) brackets: bool,
    pub(super) minus: bool,
    pub(super) plus: bool,
    pub(super) roman: bool,
    pub(super) shift: bool,
    pub(super) exponent: bool,
}

/// A longer name stands before its prefixes.
const KEYS: &[(&str, Key)] = &[
    (",", Key::Comma),
    (".", Key::Point),
    ("0", Key::Zero),
    ("9", Key::Nine),
    ("B", Key::Blank),
    ("C", Key::Currency),
    ("D", Key::LocalePoint),
    ("EEEE", Key::Exponent),
    ("FM", Key::Fill),
    ("G", Key::Group),
    ("L", Key::Currency),
    ("MI", Key::Minus),
    ("PL", Key::Plus),
    ("PR", Key::Brackets),
    ("RN", Key::Roman { lower: false }),
    ("SG", Key::PlusMinus),
    ("SP", Key::Spelled),
    ("S", Key::Sign),
    ("TH", Key::Ordinal { lower: false }),
    ("V", Key::Shift),
    ("b", Key::Blank),
    ("c", Key::Currency),
    ("d", Key::LocalePoint),
    ("eeee", Key::Exponent),
    ("fm", Key::Fill),
    ("g", Key::Group),
    ("l", Key::Currency),
    ("mi", Key::Minus),
    ("pl", Key::Plus),
    ("pr", Key::Brackets),
    ("rn", Key::Roman { lower: true }),
    ("sg", Key::PlusMinus),
    ("sp", Key::Spelled),
    ("s", Key::Sign),
    ("th", Key::Ordinal { lower: true }),
    ("v", Key::Shift),
];

fn syntax(message: &str) -> SqlError {
    SqlError::new(SqlState::SyntaxError, message)
}

impl Template {
    pub(super) fn parse(text: &str) -> Result<Template> {
        let mut template = Template::default();
        let mut rest = text;
        while !rest.is_empty() {
            if let Some((name, key)) = KEYS.iter().find(|(name, _)| rest.starts_with(name)) {
                rest = &rest[name.len()..];
                template.add(*key)?;
                template.nodes.push(Node::Key(*key));
                continue;
            }
            let mut chars = rest.chars();
            match chars.next() {
                None => break,
                Some('"') => {
                    while let Some(c) = chars.next() {
                        match c {
                            '"' => break,
                            '\\' => template.nodes.extend(chars.next().map(Node::Char)),
                            c => template.nodes.push(Node::Char(c)),
                        }
                    }
                }
                Some('\\') if chars.as_str().starts_with('"') => {
                    chars.next();
                    template.nodes.push(Node::Char('"'));
                }
                Some(c) => template.nodes.push(Node::Char(c)),
            }
            rest = chars.as_str();
        }
        Ok(template)
    }

    fn add(&mut self, key: Key) -> Result<()> {
        if self.exponent && key != Key::Exponent {
            return Err(syntax("\"EEEE\" must be the last pattern used"));
        }
        match key {
            Key::Nine => {
                if self.brackets {
                    return Err(syntax("\"9\" must be ahead of \"PR\""));
                }
                if self.shift {
                    self.multi += 1;
                } else if self.decimal {
                    self.post += 1;
                } else {
                    self.pre += 1;
                }
            }
            Key::Zero => {
                if self.brackets {
                    return Err(syntax("\"0\" must be ahead of \"PR\""));
                }
                if !self.zero && !self.decimal {
                    self.zero = true;
                    self.zero_start = self.pre + 1;
                }
                if self.decimal {
                    self.post += 1;
                } else {
                    self.pre += 1;
                }
                self.zero_end = self.pre + self.post;
            }
            Key::Blank => self.blank |= self.pre == 0 && self.post == 0 && !self.zero,
            Key::Point | Key::LocalePoint => {
                if self.decimal {
                    return Err(syntax("multiple decimal points"));
                }
                if self.shift {
                    return Err(syntax("cannot use \"V\" and decimal point together"));
                }
                self.decimal = true;
            }
            Key::Fill => self.fill = true,
            Key::Sign => {
                if self.sign {
                    return Err(syntax("cannot use \"S\" twice"));
                }
                if self.plus || self.minus || self.brackets {
                    return Err(syntax("cannot use \"S\" and \"PL\"/\"MI\"/\"SG\"/\"PR\" together"));
                }
                self.sign = true;
                if self.decimal {
                    self.locale_sign = LocaleSign::After;
                } else {
                    self.locale_sign = LocaleSign::Before;
                    self.pre_sign = self.pre;
                }
            }
            Key::Minus => {
                if self.sign {
                    return Err(syntax("cannot use \"S\" and \"MI\" together"));
                }
                self.minus = true;
            }
            Key::Plus => {
                if self.sign {
                    return Err(syntax("cannot use \"S\" and \"PL\" together"));
                }
                self.plus = true;
            }
            Key::PlusMinus => {
                if self.sign {
                    return Err(syntax("cannot use \"S\" and \"SG\" together"));
                }
                (self.minus, self.plus) = (true, true);
            }
            Key::Brackets => {
                if self.sign || self.plus || self.minus {
                    return Err(syntax("cannot use \"PR\" and \"S\"/\"PL\"/\"MI\"/\"SG\" together"));
                }
                self.brackets = true;
            }
            Key::Roman { .. } => self.roman = true,
            Key::Shift => {
                if self.decimal {
                    return Err(syntax("cannot use \"V\" and decimal point together"));
                }
                self.shift = true;
            }
            Key::Exponent => {
                if self.exponent {
                    return Err(syntax("cannot use \"EEEE\" twice"));
                }
                if self.blank || self.fill || self.sign || self.brackets || self.minus || self.plus || self.roman || self.shift {
                    return Err(syntax("\"EEEE\" is incompatible with other formats")
                        .detail("\"EEEE\" may only be used together with digit and decimal point patterns."));
                }
                self.exponent = true;
            }
            Key::Comma | Key::Currency | Key::Group | Key::Spelled | Key::Ordinal { .. } => {}
        }
        Ok(())
    }
}

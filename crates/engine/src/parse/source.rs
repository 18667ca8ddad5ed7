//! A text that statements are read from, and where in it things stand.
//!
//! The parser tells places as line and column. To find one by counting from the text's start costs the text's length each
//! time, which a client can ask for thousands of times in one message; so marks are set every [`STEP`] bytes, once.

use std::ops::Deref;
use std::sync::Arc;

use sqlparser::tokenizer::Location;

/// Bytes between two marks: what finding a place costs at most.
const STEP: usize = 1024;

/// The whole text that a client sent. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Source {
    text: Arc<str>,
    marks: Arc<[Mark]>,
}

/// A character's place, told in each way.
#[derive(Clone, Copy, Debug)]
struct Mark {
    line: u64,
    column: u64,
    byte: usize,
    /// Characters before it.
    characters: usize,
}

const START: Mark = Mark {
    line: 1,
    column: 1,
    byte: 0,
    characters: 0,
};

impl Source {
    pub fn new(text: &str) -> Source {
        let mut marks = vec![];
        if text.len() > STEP {
            let mut mark = START;
            let mut next = STEP;
            for character in text.chars() {
                if mark.byte >= next {
                    marks.push(mark);
                    next = mark.byte + STEP;
                }
                mark.pass(character);
            }
        }
        Source {
            text: Arc::from(text),
            marks: marks.into(),
        }
    }

    fn find(&self, location: Location) -> Mark {
        let at = (location.line, location.column);
        let before = self.marks.partition_point(|mark| (mark.line, mark.column) <= at);
        let mut mark = before
            .checked_sub(1)
            .and_then(|last| self.marks.get(last))
            .copied()
            .unwrap_or(START);
        for character in self.text[mark.byte..].chars() {
            if (mark.line, mark.column) >= at {
                break;
            }
            mark.pass(character);
        }
        mark
    }
}

impl Mark {
    fn pass(&mut self, character: char) {
        self.byte += character.len_utf8();
        self.characters += 1;
        if character == '\n' {
            self.line += 1;
            self.column = 1;
        } else {
            self.column += 1;
        }
    }
}

impl Deref for Source {
    type Target = str;

    fn deref(&self) -> &str {
        &self.text
    }
}

/// The 1-based character position of a location, as PostgreSQL counts it.
pub fn position(source: &Source, location: Location) -> Option<usize> {
    (location.line > 0).then(|| source.find(location).characters + 1)
}

/// The byte at which a token's location stands in the text.
pub fn byte_offset(source: &Source, location: Location) -> usize {
    source.find(location).byte
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_found_behind_marks_as_before_them() {
        let text = "é,\n".repeat(1_000) + &"x".repeat(5_000) + "é\ny";
        let source = Source::new(&text);
        let (mut line, mut column) = (1, 1);
        for (characters, (byte, character)) in text.char_indices().enumerate() {
            let location = Location::new(line, column);
            assert_eq!(byte_offset(&source, location), byte);
            assert_eq!(position(&source, location), Some(characters + 1));
            (line, column) = if character == '\n' { (line + 1, 1) } else { (line, column + 1) };
        }
        assert_eq!(byte_offset(&source, Location::new(line, column)), text.len());
        assert_eq!(byte_offset(&source, Location::new(line + 7, 1)), text.len());
        assert_eq!(position(&source, Location::new(0, 0)), None);
    }
}

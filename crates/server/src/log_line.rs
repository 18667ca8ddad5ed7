//! Texts of others in the server's own log.

use std::borrow::Cow;

/// The text with escapes for what would end a line, or change what a terminal shows of it.
pub fn on_one_line(text: &str) -> Cow<'_, str> {
    if !text.contains(is_control) {
        return Cow::Borrowed(text);
    }
    let mut line = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        match is_control(c) {
            true => line.extend(c.escape_default()),
            false => line.push(c),
        }
    }
    Cow::Owned(line)
}

/// Control characters, Unicode's own ends of lines and paragraphs, and what reverses the direction of writing.
fn is_control(c: char) -> bool {
    c.is_control() || matches!(c, '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_text_begins_a_line_of_its_own() {
        for (text, line) in [
            ("größer: \"x\\n\"", "größer: \"x\\n\""),
            ("x\n2026 WARN forged", "x\\n2026 WARN forged"),
            ("a\r\u{1b}[2Jb\tc", "a\\r\\u{1b}[2Jb\\tc"),
            ("a\u{2028}b\u{85}c\u{202e}d", "a\\u{2028}b\\u{85}c\\u{202e}d"),
        ] {
            assert_eq!(on_one_line(text), line);
        }
    }
}

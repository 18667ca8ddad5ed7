//! What the functions of one statement may say to the client, all of them together: a function that calls another a thousand times
//! says no more than one alone, and the messages wait in memory until the statement's end.

/// Messages that the functions of one statement may send.
const MAX_MESSAGES: u32 = 1000;
/// Bytes of them in all.
const MAX_BYTES: usize = 1 << 20;

#[derive(Default)]
pub struct Talk {
    messages: u32,
    bytes: usize,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Said {
    Heard,
    /// The first that is too much: the client is told that there are more.
    TooMuch,
    Unheard,
}

impl Talk {
    pub fn say(&mut self, message: &str) -> Said {
        if self.messages > MAX_MESSAGES {
            return Said::Unheard;
        }
        self.messages += 1;
        self.bytes = self.bytes.saturating_add(message.len());
        if self.messages > MAX_MESSAGES || self.bytes > MAX_BYTES {
            self.messages = MAX_MESSAGES + 1;
            return Said::TooMuch;
        }
        Said::Heard
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_messages_or_long_ones_end_it() {
        let mut talk = Talk::default();
        for _ in 0..MAX_MESSAGES {
            assert_eq!(talk.say("a"), Said::Heard);
        }
        assert_eq!((talk.say("a"), talk.say("a")), (Said::TooMuch, Said::Unheard));
        let mut talk = Talk::default();
        let half = "x".repeat(MAX_BYTES / 2);
        let said = [talk.say(&half), talk.say(&half), talk.say("x"), talk.say("")];
        assert_eq!(said, [Said::Heard, Said::Heard, Said::TooMuch, Said::Unheard]);
    }
}

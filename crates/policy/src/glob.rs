//! One name with `*` in it: the star stands for any run of characters of that one name.

/// The literal pieces between the stars: `a*b` is `["a", "b"]`, `abc` is `["abc"]`, `*` is `["", ""]`. Never empty.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Glob(Vec<String>);

#[derive(Clone, Copy, PartialEq, Eq)]
enum Token {
    Char(char),
    Star,
}

impl Glob {
    /// Every `*` in the text is a star. Runs of stars are one.
    pub fn parse(text: &str) -> Glob {
        let mut glob = Glob::literal("");
        for c in text.chars() {
            if c == '*' {
                glob.push_star()
            } else {
                glob.push_text(c.encode_utf8(&mut [0; 4]))
            }
        }
        glob
    }

    /// Just this name; a `*` in it is itself.
    pub fn literal(text: &str) -> Glob {
        Glob(vec![text.to_string()])
    }

    pub fn push_text(&mut self, text: &str) {
        match self.0.last_mut() {
            Some(last) => last.push_str(text),
            None => self.0.push(text.to_string()),
        }
    }

    pub fn push_star(&mut self) {
        // `a**` is `a*`: a piece in the middle that is empty says nothing.
        if self.0.len() < 2 || self.0.last().is_some_and(|last| !last.is_empty()) {
            self.0.push(String::new());
        }
    }

    pub fn pieces(&self) -> &[String] {
        &self.0
    }

    /// The name, where there is no star.
    pub fn as_literal(&self) -> Option<&str> {
        match self.0.as_slice() {
            [name] => Some(name),
            _ => None,
        }
    }

    pub fn is_star(&self) -> bool {
        self.0.len() == 2 && self.0.iter().all(String::is_empty)
    }

    pub fn is_empty(&self) -> bool {
        self.as_literal() == Some("")
    }

    pub fn matches(&self, name: &str) -> bool {
        let (first, rest) = match self.0.as_slice() {
            [] => return false,
            [only] => return only == name,
            [first, rest @ ..] => (first, rest),
        };
        let Some((last, middle)) = rest.split_last() else { return false };
        let Some(mut name) = name.strip_prefix(first.as_str()) else {
            return false;
        };
        for piece in middle {
            // The leftmost place leaves most for what follows, so it never misses a match.
            let Some(at) = name.find(piece.as_str()) else { return false };
            name = &name[at + piece.len()..];
        }
        name.ends_with(last.as_str())
    }

    /// Whether everything that `other` matches, this matches too.
    pub fn covers(&self, other: &Glob) -> bool {
        // Another's star may be any text, also text that none of our letters matches: only our star covers it.
        align(&self.tokens(), &other.tokens(), false, |token| *token == Token::Star, |a, b| a == b)
    }

    /// Whether some name is matched by both.
    pub fn overlaps(&self, other: &Glob) -> bool {
        align(&self.tokens(), &other.tokens(), true, |token| *token == Token::Star, |a, b| a == b)
    }

    fn tokens(&self) -> Vec<Token> {
        let mut tokens = Vec::new();
        for (index, piece) in self.0.iter().enumerate() {
            if index > 0 {
                tokens.push(Token::Star);
            }
            tokens.extend(piece.chars().map(Token::Char));
        }
        tokens
    }
}

/// Whether two token strings can be laid side by side from end to end, each star beside any number of the other's tokens. Only with
/// `both` may the second string's stars stretch; without it they are tokens that our own stars have to cover.
pub fn align<T>(ours: &[T], theirs: &[T], both: bool, is_star: impl Fn(&T) -> bool, pair: impl Fn(&T, &T) -> bool) -> bool {
    // reached[i][j]: the first i of ours lie beside the first j of theirs.
    let mut reached = vec![vec![false; theirs.len() + 1]; ours.len() + 1];
    reached[0][0] = true;
    for i in 0..=ours.len() {
        for j in 0..=theirs.len() {
            if !reached[i][j] {
                continue;
            }
            let (our, their) = (ours.get(i), theirs.get(j));
            let our_star = our.is_some_and(&is_star);
            let their_star = both && their.is_some_and(&is_star);
            // A star ends here, or takes the other side's next token and stays.
            if our.is_some() && (our_star || their_star) {
                reached[i + 1][j] = true;
            }
            if their.is_some() && (our_star || their_star) {
                reached[i][j + 1] = true;
            }
            if let (Some(our), Some(their)) = (our, their)
                && pair(our, their)
            {
                reached[i + 1][j + 1] = true;
            }
        }
    }
    reached[ours.len()][theirs.len()]
}

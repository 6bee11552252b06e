//! Recorded conversations with a real FreeSWITCH.

/// Who said something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// FreeSWITCH.
    Switch,
    /// Whoever spoke to it.
    Other,
}

/// What one side said before the other said something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Turn {
    /// Who.
    pub side: Side,
    /// What.
    pub bytes: Vec<u8>,
}

/// A conversation, as it was recorded.
///
/// Each turn is `>>> S LENGTH` or `>>> C LENGTH`, a line end, as many bytes, and a line end.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recording {
    /// In their order.
    pub turns: Vec<Turn>,
}

impl Recording {
    /// Reads a recording; `None` when it is none.
    #[must_use]
    pub fn parse(mut text: &[u8]) -> Option<Self> {
        let mut turns = Vec::new();
        while !text.is_empty() {
            let end = text.iter().position(|byte| *byte == b'\n')?;
            let head = std::str::from_utf8(&text[..end]).ok()?;
            let (side, length) = head.strip_prefix(">>> ")?.split_once(' ')?;
            let side = match side {
                "S" => Side::Switch,
                "C" => Side::Other,
                _ => return None,
            };
            let (bytes, rest) = text[end + 1..].split_at_checked(length.parse().ok()?)?;
            text = rest.strip_prefix(b"\n")?;
            turns.push(Turn {
                side,
                bytes: bytes.to_vec(),
            });
        }
        Some(Self { turns })
    }

    /// Everything that one side said.
    #[must_use]
    pub fn said_by(&self, side: Side) -> Vec<u8> {
        let turns = self.turns.iter().filter(|turn| turn.side == side);
        turns.flat_map(|turn| turn.bytes.iter().copied()).collect()
    }
}

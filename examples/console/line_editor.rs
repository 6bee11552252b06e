//! A line being typed at a terminal: what each byte does to it. No I/O.

use std::collections::VecDeque;

use super::escape::is_harmful;
use super::limits::{MAX_HISTORY_LINES, MAX_LINE_BYTES};

/// What a byte brought about, besides what is to be shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Typed {
    /// A line, complete.
    Line(String),
    /// A line that was longer than [`MAX_LINE_BYTES`].
    TooLong,
    /// Ctrl-C: the line is given up.
    Interrupt,
    /// Ctrl-D on an empty line.
    End,
}

/// Edits a line byte by byte, as a terminal in raw mode sends them, and says what to show.
///
/// Backspace, Ctrl-U (all), Ctrl-W (a word), Ctrl-L (a clear screen), Ctrl-C and Ctrl-D, and the last
/// [`MAX_HISTORY_LINES`] lines by the arrows up and down. Other keys of control do nothing.
#[derive(Debug)]
pub(super) struct LineEditor {
    prompt: String,
    line: String,
    /// Something did not fit into the line, and nothing was done about it.
    is_cut: bool,
    /// The beginning of a character of several bytes.
    partial: Vec<u8>,
    escape: Escape,
    /// A line feed after a carriage return belongs to it.
    after_return: bool,
    history: VecDeque<String>,
    /// Where in the history the line is from, counted from the end.
    back: usize,
    /// What was typed before the history was shown.
    draft: String,
}

/// How far a sequence of an escape character has come (ECMA-48, 5.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Escape {
    None,
    Begun,
    /// `ESC [` or, from some keypads, `ESC O`.
    Sequence,
}

const BELL: &str = "\u{7}";

impl LineEditor {
    pub(super) fn new(prompt: impl Into<String>) -> Self {
        Self {
            prompt: prompt.into(),
            line: String::new(),
            is_cut: false,
            partial: Vec::new(),
            escape: Escape::None,
            after_return: false,
            history: VecDeque::new(),
            back: 0,
            draft: String::new(),
        }
    }

    /// The prompt, to be shown before the first byte and after each answer.
    pub(super) fn prompt(&self) -> &str {
        &self.prompt
    }

    /// Takes one byte; adds what the terminal has to be sent to `show`.
    pub(super) fn byte(&mut self, byte: u8, show: &mut String) -> Option<Typed> {
        if let Escape::Begun | Escape::Sequence = self.escape {
            self.escaped(byte, show);
            return None;
        }
        let after_return = std::mem::replace(&mut self.after_return, byte == b'\r');
        match byte {
            b'\n' if after_return => None,
            b'\r' | b'\n' => {
                show.push_str("\r\n");
                let is_cut = self.is_cut;
                let line = self.take();
                Some(if is_cut {
                    Typed::TooLong
                } else {
                    Typed::Line(line)
                })
            }
            0x03 => {
                show.push_str("^C\r\n");
                self.take_silently();
                Some(Typed::Interrupt)
            }
            0x04 if self.line.is_empty() => {
                show.push_str("\r\n");
                Some(Typed::End)
            }
            0x1b => {
                self.partial.clear();
                self.escape = Escape::Begun;
                None
            }
            _ => {
                self.edit(byte, show);
                None
            }
        }
    }

    fn edit(&mut self, byte: u8, show: &mut String) {
        match byte {
            0x08 | 0x7f => {
                if self.line.pop().is_some() {
                    self.redraw(show);
                }
            }
            0x15 => {
                self.line.clear();
                self.redraw(show);
            }
            0x17 => {
                let kept = self.line.trim_end().rfind(char::is_whitespace);
                self.line.truncate(kept.map_or(0, |blank| blank + 1));
                self.redraw(show);
            }
            0x0c => {
                show.push_str("\u{1b}[H\u{1b}[2J");
                self.redraw(show);
            }
            0x10 => self.older(show),
            0x0e => self.newer(show),
            b'\t' => self.push(' ', show),
            0x00..=0x1f => {}
            _ => self.text(byte, show),
        }
    }

    /// A byte of a character; what is no UTF-8 is thrown away.
    fn text(&mut self, byte: u8, show: &mut String) {
        self.partial.push(byte);
        match std::str::from_utf8(&self.partial) {
            Ok(text) => {
                let typed = text.chars().next();
                self.partial.clear();
                if let Some(c) = typed.filter(|c| !is_harmful(*c)) {
                    self.push(c, show);
                }
            }
            // The rest may come.
            Err(error) if error.error_len().is_none() => {}
            Err(_) => self.partial.clear(),
        }
    }

    fn push(&mut self, c: char, show: &mut String) {
        if self.line.len() + c.len_utf8() > MAX_LINE_BYTES {
            show.push_str(BELL);
            self.is_cut = true;
            return;
        }
        self.line.push(c);
        show.push(c);
    }

    fn escaped(&mut self, byte: u8, show: &mut String) {
        self.escape = match (self.escape, byte) {
            (Escape::Begun, b'[' | b'O') => Escape::Sequence,
            // Parameters and intermediate bytes.
            (Escape::Sequence, 0x20..=0x3f) => Escape::Sequence,
            (Escape::Sequence, b'A') => {
                self.older(show);
                Escape::None
            }
            (Escape::Sequence, b'B') => {
                self.newer(show);
                Escape::None
            }
            _ => Escape::None,
        };
    }

    fn older(&mut self, show: &mut String) {
        if self.back == self.history.len() {
            show.push_str(BELL);
            return;
        }
        if self.back == 0 {
            self.draft = std::mem::take(&mut self.line);
        }
        self.back += 1;
        self.recall(show);
    }

    fn newer(&mut self, show: &mut String) {
        if self.back == 0 {
            show.push_str(BELL);
            return;
        }
        self.back -= 1;
        self.recall(show);
    }

    fn recall(&mut self, show: &mut String) {
        let at = self.history.len().checked_sub(self.back);
        let line = at.and_then(|at| self.history.get(at));
        self.line.clone_from(line.unwrap_or(&self.draft));
        self.redraw(show);
    }

    /// Shows the prompt and the line anew, in place of what is there.
    fn redraw(&mut self, show: &mut String) {
        self.is_cut = false;
        show.push('\r');
        show.push_str(&self.prompt);
        show.push_str(&self.line);
        show.push_str("\u{1b}[K");
    }

    /// The line, which goes into the history unless it is the last one there or blank.
    fn take(&mut self) -> String {
        let line = self.take_silently();
        if !line.trim().is_empty() && self.history.back() != Some(&line) {
            if self.history.len() == MAX_HISTORY_LINES {
                self.history.pop_front();
            }
            self.history.push_back(line.clone());
        }
        line
    }

    fn take_silently(&mut self) -> String {
        self.is_cut = false;
        self.back = 0;
        self.draft.clear();
        self.partial.clear();
        std::mem::take(&mut self.line)
    }
}

#[cfg(test)]
mod tests;

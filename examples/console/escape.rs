//! What commands say, made harmless for a terminal.

use std::borrow::Cow;
use std::fmt::Write as _;

/// The text with everything a terminal would obey written out: `\u{1b}` for an escape character.
///
/// Names and addresses come from strangers. A terminal that is sent their control characters can be made to show
/// what is not so, or to type by itself. Line ends and tabs stay; all other control characters (C0, DEL, C1) go, and so
/// do those that turn the direction of writing round or are not seen at all.
pub(super) fn escape(text: &str) -> Cow<'_, str> {
    if !text.contains(is_harmful) {
        return Cow::Borrowed(text);
    }
    let mut clean = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        if is_harmful(c) {
            // Writing to a string does not fail.
            let _ = write!(clean, "{}", c.escape_unicode());
        } else {
            clean.push(c);
        }
    }
    Cow::Owned(clean)
}

/// Whether a character does something else than being shown.
pub(super) fn is_harmful(c: char) -> bool {
    match c {
        '\n' | '\t' => false,
        '\u{ad}'
        | '\u{61c}'
        | '\u{200b}'..='\u{200f}'
        | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}'
        | '\u{feff}'
        | '\u{fff9}'..='\u{fffb}'
        | '\u{e0000}'..='\u{e007f}' => true,
        c => c.is_control(),
    }
}

/// The text with the line ends of a terminal.
pub(super) fn with_crlf(text: &str) -> String {
    text.replace('\n', "\r\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_terminal_would_obey_is_written_out() {
        // CSI as two characters and as one, OSC, a bell, backspaces, a carriage return.
        let evil = "a\u{1b}[2Jb\u{9b}2Jc\u{1b}]0;x\u{7}d\u{8}\u{7f}e\rf\0";
        let clean = escape(evil);
        assert_eq!(
            clean,
            "a\\u{1b}[2Jb\\u{9b}2Jc\\u{1b}]0;x\\u{7}d\\u{8}\\u{7f}e\\u{d}f\\u{0}"
        );
        assert_eq!(escape("abc\u{202e}cba"), "abc\\u{202e}cba");
    }

    #[test]
    fn every_control_character_is_gone_and_plain_text_is_not_copied() {
        for c in (0..=0x10_ffff).filter_map(char::from_u32) {
            let text = c.to_string();
            let clean = escape(&text);
            let only_shown = clean.chars().all(|c| !c.is_control() || "\n\t".contains(c));
            assert!(only_shown, "{c:?}");
        }
        for text in ["", "plain\ttext\n", "Grüße, 東京 ✓"] {
            assert!(matches!(escape(text), Cow::Borrowed(_)), "{text}");
        }
    }

    #[test]
    fn a_terminal_goes_to_the_left_too() {
        assert_eq!(with_crlf("a\nb\n"), "a\r\nb\r\n");
    }
}

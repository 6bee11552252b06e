use super::{LineEditor, MAX_HISTORY_LINES, MAX_LINE_BYTES, Typed};

/// Types bytes; what was shown, and what came of it.
fn type_into(editor: &mut LineEditor, bytes: &[u8]) -> (String, Vec<Typed>) {
    let mut show = String::new();
    let typed = bytes
        .iter()
        .filter_map(|byte| editor.byte(*byte, &mut show));
    let typed = typed.collect();
    (show, typed)
}

fn typed(bytes: &[u8]) -> Vec<Typed> {
    type_into(&mut LineEditor::new("> "), bytes).1
}

fn line(text: &str) -> Typed {
    Typed::Line(text.to_owned())
}

#[test]
fn each_end_of_line_ends_one_line() {
    assert_eq!(typed(b"a\rb\nc\r\nd\r\r\n\n"), {
        let mut lines = vec![line("a"), line("b"), line("c"), line("d")];
        lines.extend([line(""), line("")]);
        lines
    });
}

#[test]
fn the_terminal_is_shown_what_is_typed() {
    let (show, _) = type_into(&mut LineEditor::new("> "), "grüß\r".as_bytes());
    assert_eq!(show, "grüß\r\n");
}

#[test]
fn keys_of_control_edit_the_line() {
    assert_eq!(typed(b"abd\x7fc\r"), [line("abc")]);
    assert_eq!(typed(b"\x7f\x08a\r"), [line("a")]);
    assert_eq!(typed("aö\x08b\r".as_bytes()), [line("ab")]);
    assert_eq!(typed(b"abc\x15d\r"), [line("d")]);
    assert_eq!(typed(b"close  12 \x1713\r"), [line("close  13")]);
    assert_eq!(typed(b"word\x17\x17x\r"), [line("x")]);
    assert_eq!(typed(b"a\tb\x01\x02\x0c\r"), [line("a b")]);
}

#[test]
fn interrupt_gives_the_line_up_and_end_needs_an_empty_one() {
    assert_eq!(typed(b"abc\x03d\r"), [Typed::Interrupt, line("d")]);
    assert_eq!(typed(b"a\x04b\r\x04"), [line("ab"), Typed::End]);
}

#[test]
fn sequences_of_unknown_keys_do_nothing() {
    // Left, delete, F5, a mouse report, Alt-x.
    assert_eq!(
        typed(b"a\x1b[D\x1b[3~\x1b[15~\x1b[<0;3;4Mb\x1bxc\r"),
        [line("abc")]
    );
}

#[test]
fn history_is_walked_both_ways_and_keeps_what_was_begun() {
    let mut editor = LineEditor::new("> ");
    type_into(&mut editor, b"one\rtwo\rtwo\r  \r");
    let up = b"\x1b[A".as_slice();
    let down = b"\x1bOB".as_slice();
    let after = |editor: &mut LineEditor, keys: &[&[u8]]| {
        type_into(editor, b"x");
        type_into(editor, &keys.concat());
        let (_, typed) = type_into(editor, b"\r");
        typed
    };
    assert_eq!(after(&mut editor, &[up]), [line("two")]);
    assert_eq!(after(&mut editor, &[up, up, up]), [line("one")]);
    let mut editor = LineEditor::new("> ");
    type_into(&mut editor, b"one\rtwo\r");
    assert_eq!(after(&mut editor, &[up, up, down]), [line("two")]);
    assert_eq!(after(&mut editor, &[up, down]), [line("x")]);
    assert_eq!(after(&mut editor, &[down]), [line("x")]);
}

#[test]
fn history_is_bounded() {
    for (lines, oldest) in [
        (MAX_HISTORY_LINES - 1, 0),
        (MAX_HISTORY_LINES, 0),
        (MAX_HISTORY_LINES + 1, 1),
    ] {
        let mut editor = LineEditor::new("> ");
        for number in 0..lines {
            type_into(&mut editor, format!("{number}\r").as_bytes());
        }
        assert_eq!(editor.history.len(), lines.min(MAX_HISTORY_LINES));
        assert_eq!(editor.history[0], oldest.to_string());
    }
}

#[test]
fn a_line_at_the_limit_is_whole_and_one_over_it_rings_and_is_none() {
    for over in [0, 1] {
        let mut editor = LineEditor::new("> ");
        let text = "x".repeat(MAX_LINE_BYTES + over);
        let (show, _) = type_into(&mut editor, text.as_bytes());
        assert_eq!(show.ends_with('\u{7}'), over > 0);
        let (_, typed) = type_into(&mut editor, b"\r");
        match over {
            0 => assert_eq!(typed, [line(&text)]),
            // What is left of it may mean something else.
            _ => assert_eq!(typed, [Typed::TooLong]),
        }
    }
    // Who hears the bell can shorten it.
    let text = "x".repeat(MAX_LINE_BYTES + 1) + "\x7f\r" + "y\r";
    let shorter = line(&text[..MAX_LINE_BYTES - 1]);
    assert_eq!(typed(text.as_bytes()), [shorter, line("y")]);
    // A character of two bytes does not go into the last one.
    let mut editor = LineEditor::new("> ");
    type_into(&mut editor, "x".repeat(MAX_LINE_BYTES - 1).as_bytes());
    let (show, _) = type_into(&mut editor, "ö".as_bytes());
    assert_eq!(show, "\u{7}");
}

#[test]
fn what_is_no_utf8_and_what_a_terminal_obeys_is_not_taken() {
    assert_eq!(typed(b"a\xff\xfeb\xc3\rc\r"), [line("ab"), line("c")]);
    assert_eq!(typed("a\u{9b}\u{202e}b\r".as_bytes()), [line("ab")]);
}

/// Whatever is typed, nothing but what the editor means is shown.
#[test]
fn the_terminal_is_never_sent_what_a_stranger_wrote() {
    let mut bytes: Vec<u8> = (0..=255).filter(|byte| *byte != 0x0c).collect();
    bytes.extend_from_slice(b"\x1b]0;title\x07\x1b[2Jx\r");
    let (show, _) = type_into(&mut LineEditor::new("> "), &bytes);
    let rest = show.replace("\u{1b}[K", "").replace('\u{7}', "");
    assert!(!rest.contains('\u{1b}'), "{rest:?}");
}

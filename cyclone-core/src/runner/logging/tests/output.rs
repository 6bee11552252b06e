//! Lines that cannot be written, and the queue.

use std::io;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};

use crate::lock::lock;
use crate::runner::logging::format::Style;
use crate::runner::logging::output::{MAX_LOG_QUEUE_BYTES, Output, Sink};

/// A sink in memory that can be out of order.
pub(super) struct Memory(Written);

#[derive(Clone, Default)]
pub(super) struct Written(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    text: String,
    is_broken: bool,
}

impl Memory {
    pub(super) fn new() -> (Self, Written) {
        let written = Written::default();
        (Self(written.clone()), written)
    }
}

impl Written {
    pub(super) fn text(&self) -> String {
        lock(&self.0).text.clone()
    }

    fn break_down(&self, is_broken: bool) {
        lock(&self.0).is_broken = is_broken;
    }
}

impl Sink for Memory {
    fn name(&self) -> String {
        "memory of a test".into()
    }

    fn write(&mut self, line: &[u8]) -> io::Result<()> {
        let mut state = lock(&self.0.0);
        if state.is_broken {
            return Err(io::ErrorKind::StorageFull.into());
        }
        state.text.push_str(std::str::from_utf8(line).unwrap());
        Ok(())
    }
}

#[test]
fn lines_that_are_lost_are_counted_and_told_of() {
    let (sink, written) = Memory::new();
    let output = Output::new(Box::new(sink), Style::Syslog, 0).unwrap();
    output.write(b"1\n");
    written.break_down(true);
    for _ in 0..3 {
        output.write(b"lost\n");
    }
    assert_eq!(output.dropped(), 3);
    written.break_down(false);
    output.write(b"5\n");
    output.write(b"6\n");
    let told = "cyclone_core::runner::logging: log lines were dropped dropped=3\n";
    assert_eq!(written.text(), format!("1\n{told}5\n6\n"));
    // A second time it is only what is new.
    written.break_down(true);
    output.write(b"lost\n");
    written.break_down(false);
    output.write(b"7\n");
    assert!(
        written.text().ends_with("dropped=1\n7\n"),
        "{}",
        written.text()
    );
    assert_eq!(output.dropped(), 4);
}

#[test]
fn each_style_tells_of_lost_lines_in_its_own_way() {
    let told = |style| {
        let (sink, written) = Memory::new();
        let output = Output::new(Box::new(sink), style, 0).unwrap();
        written.break_down(true);
        output.write(b"lost\n");
        written.break_down(false);
        output.write(b"x\n");
        written.text()
    };
    let json = told(Style::Json);
    assert!(json.starts_with("{\"timestamp\":\"20"), "{json}");
    let rest = "Z\",\"level\":\"WARN\",\"fields\":{\"message\":\"log lines were dropped\",\"dropped\":1},\
                \"target\":\"cyclone_core::runner::logging\"}\nx\n";
    assert!(json.ends_with(rest), "{json}");
    let pretty = told(Style::Pretty { coloured: false });
    assert!(pretty.starts_with("[W "), "{pretty}");
    assert!(
        pretty.ends_with(" cyclone_core::runner::logging] log lines were dropped dropped=1\nx\n"),
        "{pretty}"
    );
    let compact = told(Style::Compact);
    assert!(
        compact.contains(" WARN cyclone_core::runner::logging: log lines were dropped dropped=1\n"),
        "{compact}"
    );
}

/// A sink that says when it has a line, and writes it when it is told to.
struct Slow {
    has: Sender<()>,
    go: Receiver<()>,
    memory: Memory,
}

impl Sink for Slow {
    fn name(&self) -> String {
        "slow sink of a test".into()
    }

    fn write(&mut self, line: &[u8]) -> io::Result<()> {
        self.has.send(()).unwrap();
        self.go.recv().unwrap();
        self.memory.write(line)
    }
}

#[test]
fn a_full_queue_drops_lines_and_blocks_nobody() {
    let (memory, written) = Memory::new();
    let ((has, had), (go, told)) = (channel(), channel());
    let sink = Slow {
        has,
        go: told,
        memory,
    };
    let output = Output::new(Box::new(sink), Style::Syslog, 3).unwrap();
    output.write(b"1\n");
    had.recv().unwrap();
    // One is being written, two may wait.
    output.write(b"2\n");
    output.write(b"3\n");
    assert_eq!(output.dropped(), 0);
    output.write(b"4\n");
    output.write(b"5\n");
    assert_eq!(output.dropped(), 2);
    for _ in 0..4 {
        go.send(()).unwrap();
    }
    output.flush();
    let told = "cyclone_core::runner::logging: log lines were dropped dropped=2\n";
    assert_eq!(written.text(), format!("1\n{told}2\n3\n"));
    // What waits at the end is written still.
    go.send(()).unwrap();
    output.write(b"6\n");
    output.flush();
    assert!(written.text().ends_with("3\n6\n"));
}

#[test]
fn the_bytes_in_a_queue_are_limited() {
    let (memory, _written) = Memory::new();
    let ((has, had), (go, told)) = (channel(), channel());
    let output = Output::new(
        Box::new(Slow {
            has,
            go: told,
            memory,
        }),
        Style::Syslog,
        usize::MAX,
    )
    .unwrap();
    let line = vec![b'x'; 256 * 1024];
    let fits = MAX_LOG_QUEUE_BYTES / line.len();
    output.write(&line);
    had.recv().unwrap();
    for _ in 1..fits - 1 {
        output.write(&line);
    }
    assert_eq!(output.dropped(), 0, "just under");
    output.write(&line);
    assert_eq!(output.dropped(), 0, "just at");
    output.write(b"x");
    assert_eq!(output.dropped(), 1, "just over");
    for _ in 0..=fits {
        go.send(()).unwrap();
    }
    output.flush();
}

#[test]
fn without_a_queue_there_is_nothing_to_flush() {
    let (sink, written) = Memory::new();
    let output = Output::new(Box::new(sink), Style::Syslog, 0).unwrap();
    output.write(b"1\n");
    assert_eq!(written.text(), "1\n");
    output.flush();
}

//! Lines on standard output.

use std::io::{self, IsTerminal};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;

use super::output::Sink;

/// How long a line waits for a reader of standard output that has made it non-blocking, at most.
const PATIENCE: Timespec = Timespec {
    tv_sec: 1,
    tv_nsec: 0,
};

/// Standard output, past the buffer of the standard library: a line is there when it is written.
pub(super) struct Stdout;

impl Sink for Stdout {
    fn name(&self) -> String {
        "standard output".to_owned()
    }

    fn write(&mut self, mut line: &[u8]) -> io::Result<()> {
        let stdout = rustix::stdio::stdout();
        while !line.is_empty() {
            match rustix::io::write(stdout, line) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(written) => line = &line[written..],
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => {
                    let mut fds = [PollFd::new(&stdout, PollFlags::OUT)];
                    if poll(&mut fds, Some(&PATIENCE))? == 0 {
                        return Err(Errno::AGAIN.into());
                    }
                }
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }
}

/// Whether a person looks who did not ask for text alone (<https://no-color.org>).
pub(super) fn is_coloured() -> bool {
    io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

//! `/dev/null`, for the standard streams of processes without a terminal.

use std::fs::{File, OpenOptions};
use std::io;

pub(crate) fn open() -> io::Result<File> {
    OpenOptions::new().read(true).write(true).open("/dev/null")
}

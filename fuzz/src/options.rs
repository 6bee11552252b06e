//! The configuration file of the runner, and the values that people write there.

use std::path::PathBuf;
use std::time::Duration;

use cyclone_core::runner::clap;
use cyclone_core::runner::options::{
    IntegerRanges, Parsed, Program, Settings, byte_size, datetime, duration,
};

/// An option of each kind.
#[derive(Debug, clap::Args)]
struct Args {
    #[arg(long)]
    text: Option<String>,
    #[arg(long)]
    names: Vec<String>,
    #[arg(long, value_delimiter = ';')]
    rooms: Vec<String>,
    #[arg(long, num_args = 2, allow_hyphen_values = true)]
    corner: Vec<i64>,
    #[arg(long, value_parser = duration, default_value = "20m")]
    lifetime: Duration,
    #[arg(short, action = clap::ArgAction::Count)]
    verbose: u8,
    #[arg(long, conflicts_with = "quiet")]
    loud: bool,
    #[arg(long, action = clap::ArgAction::SetFalse)]
    quiet: bool,
    root: Option<PathBuf>,
}

/// What is accepted is printed as a file that says the same; an error names the file.
pub(crate) fn configuration(data: &[u8]) {
    let directory = tempfile::tempdir().expect("a folder");
    let path = directory.path().join("fuzz.toml");
    let parse = |text: &[u8]| {
        std::fs::write(&path, text).expect("a file");
        let path = path.to_str().expect("a text");
        Program::new("fuzz").parse_from::<Args>(["fuzz", "--config", path], [("", ""); 0])
    };
    match parse(data) {
        Ok(Parsed::Run(first)) => {
            let printed = first.effective();
            let Ok(Parsed::Run(second)) = parse(printed.as_bytes()) else {
                panic!("not taken back: {printed}");
            };
            assert_eq!(values(&first), values(&second), "{printed}");
            assert_eq!(format!("{:?}", first.args), format!("{:?}", second.args));
            assert_eq!(first.endpoints, second.endpoints);
            assert_eq!(first.process, second.process);
            assert_eq!(first.log, second.log);
        }
        Ok(Parsed::Print(text)) => panic!("a file made it print {text}"),
        Err(error) => assert!(!error.to_string().is_empty()),
    }
}

/// The values without their origins, which are other lines.
fn values(settings: &Settings<Args>) -> Vec<String> {
    let text = settings.effective();
    let value = |line: &str| {
        line.rsplit_once("  # ")
            .map_or(line, |(value, _)| value)
            .to_owned()
    };
    text.lines().map(value).collect()
}

/// Parsers of values neither panic nor take what they cannot hold.
pub(crate) fn option_values(data: &[u8]) {
    for text in crate::texts(data) {
        if let Ok(length) = duration(text) {
            let exact = format!("{}s {}us", length.as_secs(), length.subsec_micros());
            let again = duration(&exact).expect("seconds and microseconds");
            assert_eq!(again.as_micros(), length.as_micros());
        }
        if let Ok(bytes) = byte_size(text) {
            assert_eq!(byte_size(&bytes.to_string()), Ok(bytes));
        }
        if let Ok(ranges) = text.parse::<IntegerRanges>() {
            assert_eq!(ranges.to_string().parse(), Ok(ranges.clone()));
            for number in ranges.iter().take(10) {
                assert!(ranges.contains(number));
            }
        }
        let _ = datetime(text);
    }
}

//! Sizes in bytes.

use super::{ParseValueError, number, scaled};

/// Parses a size in bytes: `100000000`, `16MiB`, `1.5 GB`, `64k`.
///
/// `kB`, `MB`, `GB` and `TB` are powers of 1000; `KiB`, `MiB`, `GiB` and `TiB` powers of 1024, and so are the letters
/// alone (`K`, `M`, `G`, `T`), as nginx and systemd have it. Upper and lower case are the same. A fraction must come
/// out as whole bytes.
///
/// ```
/// use cyclone_core::runner::{clap, options};
///
/// #[derive(clap::Args)]
/// struct Args {
///     /// The largest upload, in bytes.
///     #[arg(long, value_parser = options::byte_size, default_value = "16MiB")]
///     max_upload: u64,
/// }
///
/// assert_eq!(options::byte_size("16MiB")?, 16 << 20);
/// assert_eq!(options::byte_size("100 MB")?, 100_000_000);
/// # Ok::<(), options::ParseValueError>(())
/// ```
///
/// # Errors
/// [`ParseValueError`] for any other text, and for what a `u64` cannot hold.
pub fn byte_size(text: &str) -> Result<u64, ParseValueError> {
    parse(text.trim()).ok_or_else(|| {
        ParseValueError::new("expected a size in bytes such as `4096`, `64k` or `16MiB`")
    })
}

fn parse(text: &str) -> Option<u64> {
    let (whole, fraction, unit) = number(text)?;
    let unit = match unit.trim_start().to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "kb" => 1_000,
        "mb" => 1_000_000,
        "gb" => 1_000_000_000,
        "tb" => 1_000_000_000_000,
        "k" | "kib" => 1 << 10,
        "m" | "mib" => 1 << 20,
        "g" | "gib" => 1 << 30,
        "t" | "tib" => 1 << 40,
        _ => return None,
    };
    u64::try_from(scaled(whole, fraction, unit)?).ok()
}

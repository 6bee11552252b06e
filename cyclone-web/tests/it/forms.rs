//! Forms: their arguments, their files, and what is left of them when they fail.

mod arguments;
#[cfg(feature = "multipart")]
mod clients;
#[cfg(feature = "decompression")]
mod compressed;
#[cfg(feature = "multipart")]
mod cut;
#[cfg(feature = "multipart")]
mod files;
#[cfg(feature = "multipart")]
mod limits;
#[cfg(feature = "multipart")]
mod streamed;
#[cfg(feature = "multipart")]
mod whole;

/// The boundary of the forms here.
#[cfg(feature = "multipart")]
const MULTIPART: &str = "multipart/form-data; boundary=b";

/// A part with a name.
#[cfg(feature = "multipart")]
fn field(name: &str, value: &str) -> String {
    format!("--b\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n")
}

/// A part with a file.
#[cfg(feature = "multipart")]
fn file(name: &str, file_name: &str, content: &str) -> String {
    format!(
        "--b\r\nContent-Disposition: form-data; name=\"{name}\"; filename=\"{file_name}\"\r\nContent-Type: text/plain\r\n\r\n{content}\r\n"
    )
}

/// A whole form.
#[cfg(feature = "multipart")]
fn form(parts: &[String]) -> String {
    parts.concat() + "--b--\r\n"
}

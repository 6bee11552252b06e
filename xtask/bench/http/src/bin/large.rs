//! A large file up and down, and what the server holds meanwhile.
//!
//! `large --address IP:PORT --files FOLDER --pid PID [--bytes 2147483648]` sends a form with a file of so many bytes,
//! which the server saves, and asks for a file as large. It prints one line: the resident memory of the server in bytes
//! before, and the most it was during either.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;

use cyclone_bench_http::client::{Answer, Flags, Result, STALL, read_head, read_more, request};
use cyclone_bench_http::{FORM, LARGE, Outcome};

const BOUNDARY: &str = "----cyclone-bench";

/// Bytes that are sent and read at a time.
const PIECE: usize = 256 * 1024;

fn main() -> Outcome {
    let flags = Flags::parse(std::env::args().skip(1), &[])?;
    let address: SocketAddr = flags.need("--address")?;
    let pid: u32 = flags.need("--pid")?;
    let bytes: u64 = flags.get("--bytes", 2 << 30)?;
    let folder: PathBuf = flags.need("--files")?;
    let large = folder.join(LARGE.trim_start_matches('/'));
    // It takes no room: nothing is written.
    File::create(&large)?.set_len(bytes)?;

    // Some bytes first: what the server needs only once is not the price of the rest.
    Answer::probe(
        address,
        &request(address, "/plaintext"),
        flags.expected("/plaintext")?,
    )?;
    upload(address, bytes.min(4 << 20))?;
    let before = begin(pid)?;
    upload(address, bytes)?;
    let up = peak(pid)?;
    let resident = begin(pid)?;
    download(address, bytes)?;
    let down = peak(pid)?;
    std::fs::remove_file(&large)?;
    // What was left of the upload counts for both.
    let before = before.min(resident);
    println!("bytes={bytes} before={before} up={up} down={down}");
    Ok(())
}

/// Sends a form, and checks that all of the file has arrived.
fn upload(address: SocketAddr, bytes: u64) -> Result<()> {
    let mut stream = connect(address)?;
    let head = format!(
        "--{BOUNDARY}\r\ncontent-disposition: form-data; name=\"file\"; filename=\"large.bin\"\r\n\
         content-type: application/octet-stream\r\n\r\n"
    );
    let tail = format!("\r\n--{BOUNDARY}--\r\n");
    let length = (head.len() + tail.len()) as u64 + bytes;
    write!(
        stream,
        "POST {FORM} HTTP/1.1\r\nhost: {address}\r\ncontent-length: {length}\r\n\
         content-type: multipart/form-data; boundary={BOUNDARY}\r\n\r\n{head}"
    )?;
    // Line breaks, so that boundaries are looked for.
    let piece = b"not a boundary\r\n".repeat(PIECE / 16);
    let mut left = bytes;
    while left > 0 {
        let next = usize::try_from(left)?.min(piece.len());
        stream.write_all(&piece[..next])?;
        left -= next as u64;
    }
    stream.write_all(tail.as_bytes())?;
    let mut answer = Vec::new();
    let head = read_head(&mut stream, &mut answer)?;
    let told = bytes.to_string();
    let mut body = answer.split_off(head.len());
    while body.len() < told.len() {
        read_more(&mut stream, &mut body)?;
    }
    if !head.starts_with("HTTP/1.1 200 ") || body != told.as_bytes() {
        let body = String::from_utf8_lossy(&body);
        return Err(format!("not all was saved:\n{head}{body}").into());
    }
    Ok(())
}

/// Asks for the file, and counts what comes.
fn download(address: SocketAddr, bytes: u64) -> Result<()> {
    let mut stream = connect(address)?;
    stream.write_all(request(address, LARGE).as_bytes())?;
    let mut answer = Vec::new();
    let head = read_head(&mut stream, &mut answer)?;
    let mut received = (answer.len() - head.len()) as u64;
    let mut piece = vec![0; PIECE];
    while received < bytes {
        match stream.read(&mut piece)? {
            0 => return Err(format!("only {received} bytes came:\n{head}").into()),
            read => received += read as u64,
        }
    }
    match received == bytes && head.starts_with("HTTP/1.1 200 ") {
        true => Ok(()),
        false => Err(format!("{received} bytes came:\n{head}").into()),
    }
}

fn connect(address: SocketAddr) -> Result<TcpStream> {
    let stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(6 * STALL))?;
    stream.set_write_timeout(Some(6 * STALL))?;
    Ok(stream)
}

/// Has the kernel forget the peak of a process, and returns what it has resident.
fn begin(pid: u32) -> Result<u64> {
    std::fs::write(format!("/proc/{pid}/clear_refs"), "5")?;
    status(pid, "VmRSS:")
}

/// The most bytes that were resident since [`begin`].
fn peak(pid: u32) -> Result<u64> {
    status(pid, "VmHWM:")
}

fn status(pid: u32, name: &str) -> Result<u64> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    Ok(kib(&text, name).ok_or(format!("no {name} in status"))? * 1024)
}

fn kib(status: &str, name: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    line.trim().strip_suffix("kB")?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_read() {
        assert_eq!(kib("Name: x\nVmHWM:\t  1234 kB\n", "VmHWM:"), Some(1234));
        assert_eq!(kib("VmRSS: 7\n", "VmRSS:"), None);
        let pid = std::process::id();
        let before = begin(pid).unwrap();
        let grown = vec![1_u8; 64 << 20];
        assert!(peak(pid).unwrap() >= before + (60 << 20), "{}", grown.len());
    }
}

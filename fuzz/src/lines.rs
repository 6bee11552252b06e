//! Line protocols.

use std::time::Duration;

use cyclone_core::{Connection, Lines};
use tokio::io::AsyncWriteExt as _;

/// The limit of the lines here.
const LIMIT: usize = 16;

/// The first byte says how the rest is cut; however it is, the lines are those of a simple look at the whole.
pub(crate) fn lines(data: &[u8]) {
    let Some((size, text)) = data.split_first() else {
        return;
    };
    let size = usize::from(*size).max(1);
    let expected = expected(text);
    let read = crate::serve::block_on(async {
        let (connection, mut peer) = Connection::in_memory();
        let mut lines = Lines::new(connection)
            .max_line_bytes(LIMIT)
            .idle_timeout(Duration::from_secs(3600));
        let write = async {
            for piece in text.chunks(size) {
                // The reader may have gone.
                if peer.write_all(piece).await.is_err() {
                    break;
                }
                tokio::task::yield_now().await;
            }
            let _ = peer.shutdown().await;
        };
        let read = async {
            let mut found = Vec::new();
            loop {
                match lines.read().await {
                    Ok(Some(line)) => found.push(Ok(line)),
                    Ok(None) => return found,
                    Err(error) => {
                        assert_eq!(error.kind(), std::io::ErrorKind::InvalidData);
                        found.push(Err(()));
                        return found;
                    }
                }
            }
        };
        crate::serve::join(write, read).await
    });
    assert_eq!(read, expected);
}

fn expected(text: &[u8]) -> Vec<Result<String, ()>> {
    let mut found = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let end = rest.iter().position(|byte| *byte == b'\n');
        let mut line = &rest[..end.unwrap_or(rest.len())];
        rest = end.map_or(&[], |end| &rest[end + 1..]);
        if end.is_some() {
            line = line.strip_suffix(b"\r").unwrap_or(line);
        }
        let line = String::from_utf8(line.to_vec());
        match line.ok().filter(|line| line.len() <= LIMIT) {
            Some(line) => found.push(Ok(line)),
            None => {
                found.push(Err(()));
                break;
            }
        }
    }
    found
}

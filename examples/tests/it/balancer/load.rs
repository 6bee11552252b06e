//! Clients that ask a balancer for something, again and again.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::tour::PATIENCE;

/// Clients that ask again and again, each time on a connection of its own.
pub(super) struct Load {
    answers: Arc<AtomicUsize>,
    answered: Arc<Notify>,
    clients: Vec<JoinHandle<Vec<Lost>>>,
    is_over: Arc<AtomicUsize>,
}

/// What became of a request that has no answer.
#[derive(Debug, PartialEq)]
pub(super) enum Lost {
    /// There was nobody to connect to.
    Refused,
    /// It was sent, at least in part.
    Sent,
}

impl Load {
    pub(super) fn start(address: SocketAddr, clients: usize) -> Self {
        let (answers, answered) = (Arc::<AtomicUsize>::default(), Arc::<Notify>::default());
        let is_over = Arc::<AtomicUsize>::default();
        let client = |_| {
            let (answers, answered) = (Arc::clone(&answers), Arc::clone(&answered));
            let is_over = Arc::clone(&is_over);
            tokio::spawn(async move {
                let mut lost = Vec::new();
                while is_over.load(Ordering::SeqCst) == 0 {
                    match request(address).await {
                        Ok(()) => {
                            answers.fetch_add(1, Ordering::SeqCst);
                            answered.notify_waiters();
                        }
                        Err(Lost::Refused) => {
                            lost.push(Lost::Refused);
                            return lost;
                        }
                        Err(Lost::Sent) => lost.push(Lost::Sent),
                    }
                }
                lost
            })
        };
        let clients = (0..clients).map(client).collect();
        Self {
            answers,
            answered,
            clients,
            is_over,
        }
    }

    /// Waits for so many more answers.
    pub(super) async fn wait(&self, more: usize) {
        let wanted = self.answers.load(Ordering::SeqCst) + more;
        let waiting = async {
            loop {
                let answered = self.answered.notified();
                if self.answers.load(Ordering::SeqCst) >= wanted {
                    return;
                }
                answered.await;
            }
        };
        timeout(PATIENCE, waiting).await.expect("too few answers");
    }

    /// Waits until there is nobody any more to connect to; what was lost.
    pub(super) async fn end_of_server(self) -> Vec<Lost> {
        self.lost().await
    }

    /// Ends it; what was lost.
    pub(super) async fn end(self) -> Vec<Lost> {
        self.is_over.store(1, Ordering::SeqCst);
        self.lost().await
    }

    async fn lost(self) -> Vec<Lost> {
        let mut lost = Vec::new();
        for client in self.clients {
            lost.extend(timeout(PATIENCE, client).await.unwrap().unwrap());
        }
        lost
    }
}

async fn request(address: SocketAddr) -> Result<(), Lost> {
    let stream = TcpStream::connect(address).await;
    let mut stream = stream.map_err(|_| Lost::Refused)?;
    let request = b"GET /status HTTP/1.1\r\nHost: tour\r\nConnection: close\r\n\r\n";
    let mut answer = Vec::new();
    let asked = async {
        stream.write_all(request).await?;
        stream.read_to_end(&mut answer).await
    };
    let asked = timeout(PATIENCE, asked).await.expect("a request hangs");
    let is_whole = answer.starts_with(b"HTTP/1.1 200 ") && answer.ends_with(b"}");
    if asked.is_err() || !is_whole {
        return Err(Lost::Sent);
    }
    Ok(())
}

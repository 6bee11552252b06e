//! Both directions of a balanced connection, until one of many ends.

use std::future::poll_fn;
use std::io;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use cyclone_core::Connection;
use tokio::time::{Instant, sleep_until};

use super::flow::{Broken, Flow};
use super::statistics::Counts;
use super::upstream::Upstream;

/// How long a connection may be silent.
#[derive(Clone, Copy, Debug)]
pub(super) struct Silence {
    pub(super) limit: Duration,
    /// While the server drains.
    pub(super) draining: Duration,
}

/// How a transfer ended.
#[derive(Debug)]
pub(super) enum End {
    /// Both sides said all they had to say.
    Finished,
    /// The client broke it off.
    ClientGone(io::Error),
    /// The backend broke it off.
    BackendGone(io::Error),
    /// Nothing came from either for too long.
    Silent,
    /// The operator took the backend away.
    TakenAway,
}

/// A client, and what is on its way to it and from it.
#[derive(Debug)]
pub(super) struct Transfer {
    client: Connection,
    up: Flow,
    down: Flow,
}

impl Transfer {
    pub(super) fn new(client: Connection) -> Self {
        Self {
            client,
            up: Flow::default(),
            down: Flow::default(),
        }
    }

    pub(super) fn client(&self) -> &Connection {
        &self.client
    }

    /// Whether another backend could take over: this one was sent nothing, no end either, and had nothing to say.
    pub(super) fn can_move(&self) -> bool {
        let is_untouched = |flow: &Flow| flow.moved() == 0 && !flow.has_ended();
        is_untouched(&self.up) && is_untouched(&self.down)
    }

    /// Lets the client see that what it got is not all: a reset instead of an end.
    pub(super) fn reset(&self) {
        if let Some(stream) = self.client.transport().as_tcp() {
            // At worst it sees an end.
            let _ = stream.set_zero_linger();
        }
    }

    /// Moves bytes both ways until something ends it.
    ///
    /// # Cancel safety
    /// What was read and not written is in the transfer and goes to the next backend.
    pub(super) async fn run(
        &mut self,
        mut upstream: Upstream,
        counts: &Counts,
        silence: Silence,
        taken_away: impl Future<Output = ()>,
    ) -> End {
        let session = self.client.session().clone();
        let mut draining = pin!(session.draining());
        let mut taken_away = pin!(taken_away);
        let (mut limit, mut is_draining) = (silence.limit, false);
        let (mut moved, mut last) = (0, Instant::now());
        let mut alarm = pin!(sleep_until(last + limit));
        // The backend takes no more, but it may have something to say yet.
        let mut is_deaf = false;
        self.up.redirect();
        let end = poll_fn(|cx| {
            if taken_away.as_mut().poll(cx).is_ready() {
                return Poll::Ready(End::TakenAway);
            }
            let Self { client, up, down } = &mut *self;
            let is_up_done = if is_deaf {
                true
            } else {
                match up.poll(cx, client, &mut upstream, &counts.bytes_up) {
                    Poll::Ready(Ok(())) => true,
                    Poll::Pending => false,
                    Poll::Ready(Err(Broken::Reading(error))) => {
                        return Poll::Ready(End::ClientGone(error));
                    }
                    Poll::Ready(Err(Broken::Writing(error))) => {
                        if up.moved() == 0 {
                            return Poll::Ready(End::BackendGone(error));
                        }
                        is_deaf = true;
                        true
                    }
                }
            };
            match down.poll(cx, &mut upstream, client, &counts.bytes_down) {
                Poll::Ready(Ok(())) if is_up_done => return Poll::Ready(End::Finished),
                Poll::Ready(Ok(())) | Poll::Pending => {}
                Poll::Ready(Err(Broken::Reading(error))) => {
                    return Poll::Ready(End::BackendGone(error));
                }
                Poll::Ready(Err(Broken::Writing(error))) => {
                    return Poll::Ready(End::ClientGone(error));
                }
            }
            let now_moved = up.moved() + down.moved();
            if now_moved != moved {
                (moved, last) = (now_moved, Instant::now());
            }
            if !is_draining && draining.as_mut().poll(cx).is_ready() {
                is_draining = true;
                limit = silence.draining;
                alarm.as_mut().reset(last + limit);
            }
            while alarm.as_mut().poll(cx).is_ready() {
                let due = last + limit;
                if due <= Instant::now() {
                    return Poll::Ready(End::Silent);
                }
                alarm.as_mut().reset(due);
            }
            Poll::Pending
        })
        .await;
        if matches!(end, End::ClientGone(_) | End::TakenAway) {
            upstream.reset_when_dropped();
        }
        end
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use cyclone_core::IN_MEMORY_BUFFER_BYTES;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::{TcpListener, TcpStream};
    use tokio::time::sleep;

    use super::*;
    use crate::balancer::flow::FLOW_BUFFER_BYTES;

    /// A backend may answer before it has heard all, and want to hear no more. What it said is on its way still when
    /// the client goes on.
    #[tokio::test(start_paused = true)]
    async fn an_answer_arrives_although_the_backend_takes_no_more() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let upstream = TcpStream::connect(address).await.unwrap();
        let (mut backend, _) = listener.accept().await.unwrap();
        let (connection, mut client) = Connection::in_memory();
        let running = tokio::spawn(async move {
            let hour = Duration::from_secs(3600);
            let silence = Silence {
                limit: hour,
                draining: hour,
            };
            let mut transfer = Transfer::new(connection);
            let upstream = Upstream::Tcp(upstream);
            let counts = Counts::default();
            transfer.run(upstream, &counts, silence, pending()).await
        });
        client.write_all(b"begin").await.unwrap();
        backend.read_exact(&mut [0; 5]).await.unwrap();
        // The client does not read yet, so that a part of it waits in the kernel.
        let answer = vec![7; IN_MEMORY_BUFFER_BYTES + FLOW_BUFFER_BYTES + 10_000];
        backend.write_all(&answer).await.unwrap();
        sleep(Duration::from_millis(1)).await;
        drop(backend);
        // The first is answered by a reset, those after it cannot be written.
        for _ in 0..3 {
            client.write_all(b"more").await.unwrap();
            sleep(Duration::from_millis(1)).await;
        }
        let mut got = Vec::new();
        client.read_to_end(&mut got).await.unwrap();
        assert!(got == answer, "{} bytes of {}", got.len(), answer.len());
        assert!(matches!(running.await.unwrap(), End::Finished));
    }
}

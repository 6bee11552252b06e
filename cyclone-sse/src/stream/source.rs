//! `Source`: where the events of a stream come from.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Bytes, BytesMut};
use futures_core::Stream;
use tokio::sync::mpsc::Receiver;
use tokio::time::{Instant, Sleep, sleep_until};

use crate::channel::Events;
use crate::event::Event;

/// Where events come from.
pub(super) enum Source {
    /// In place, because there may be very many of these.
    Channel(Events),
    Single(Box<Single>),
}

/// Events for this stream alone.
pub(super) struct Single {
    feed: Feed,
    /// An event that did not fit into the chunk before.
    held: Option<Bytes>,
    timer: Option<Pin<Box<Sleep>>>,
}

enum Feed {
    Stream(Pin<Box<dyn Stream<Item = Event> + Send>>),
    Sender(Receiver<Event>),
    Ended,
}

impl Source {
    pub(super) fn stream(stream: impl Stream<Item = Event> + Send + 'static) -> Self {
        Self::single(Feed::Stream(Box::pin(stream)))
    }

    pub(super) fn receiver(receiver: Receiver<Event>) -> Self {
        Self::single(Feed::Sender(receiver))
    }

    fn single(feed: Feed) -> Self {
        Self::Single(Box::new(Single {
            feed,
            held: None,
            timer: None,
        }))
    }

    /// Ends the source because the server shuts down, and says whether there may be more that was sent before.
    pub(super) fn finish(&mut self) -> bool {
        if let Self::Single(single) = self
            && let Feed::Sender(receiver) = &mut single.feed
        {
            receiver.close();
            return true;
        }
        false
    }

    /// Takes an event that was to be sent next.
    pub(super) fn take_held(&mut self) -> Option<Bytes> {
        match self {
            Self::Channel(_) => None,
            Self::Single(single) => single.held.take(),
        }
    }

    /// The next chunk: the events that are ready, up to `max_bytes` but at least one.
    pub(super) fn poll_chunk(
        &mut self,
        cx: &mut Context<'_>,
        max_bytes: usize,
    ) -> Poll<Option<Bytes>> {
        match self {
            Self::Channel(events) => events.poll_chunk(cx, max_bytes),
            Self::Single(single) => single.poll_chunk(cx, max_bytes),
        }
    }

    /// Whether `due` has come, to be asked when there is no chunk; else the task is woken then, or before.
    pub(super) fn poll_due(&mut self, cx: &mut Context<'_>, due: Instant) -> Poll<()> {
        match self {
            Self::Channel(events) => events.poll_due(due),
            Self::Single(single) => single.poll_due(cx, due),
        }
    }
}

impl Single {
    fn poll_chunk(&mut self, cx: &mut Context<'_>, max_bytes: usize) -> Poll<Option<Bytes>> {
        let mut chunk = self.held.take();
        let mut joined = BytesMut::new();
        loop {
            let size = joined.len() + chunk.as_ref().map_or(0, Bytes::len);
            if size > 0 && size >= max_bytes {
                break;
            }
            let event = match self.feed.poll_event(cx) {
                Poll::Ready(Some(event)) => event.encode(),
                Poll::Ready(None) if size == 0 => return Poll::Ready(None),
                Poll::Ready(None) => {
                    self.feed = Feed::Ended;
                    break;
                }
                Poll::Pending if size == 0 => return Poll::Pending,
                Poll::Pending => break,
            };
            if size == 0 {
                chunk = Some(event);
            } else if size + event.len() > max_bytes {
                self.held = Some(event);
                break;
            } else {
                joined.extend(chunk.take());
                joined.extend_from_slice(&event);
            }
        }
        Poll::Ready(Some(chunk.unwrap_or_else(|| joined.freeze())))
    }
}

impl Single {
    /// The timer is set anew only when it fires, which is far less often than events come.
    fn poll_due(&mut self, cx: &mut Context<'_>, due: Instant) -> Poll<()> {
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep_until(due)));
        loop {
            ready!(timer.as_mut().poll(cx));
            if due <= Instant::now() {
                return Poll::Ready(());
            }
            timer.as_mut().reset(due);
        }
    }
}

impl Feed {
    fn poll_event(&mut self, cx: &mut Context<'_>) -> Poll<Option<Event>> {
        match self {
            Self::Stream(stream) => stream.as_mut().poll_next(cx),
            Self::Sender(receiver) => receiver.poll_recv(cx),
            Self::Ended => Poll::Ready(None),
        }
    }
}

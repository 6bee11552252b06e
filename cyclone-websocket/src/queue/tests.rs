//! The queue alone: room, order, ends.

use std::sync::Arc;
use std::task::{Context, Waker};

use super::{Item, Queue, Room};
use crate::close::{CloseCause, CloseCode, CloseFrame, CloseInfo};
use crate::config::Config;
use crate::message::Message;

fn queue(bytes: usize, messages: usize) -> Arc<Queue> {
    let config = Config::new()
        .outgoing_bytes(bytes)
        .outgoing_messages(messages);
    Arc::new(Queue::new(Arc::new(config)))
}

fn take_all(queue: &Queue) -> (Vec<Message>, Room) {
    let mut taken = Vec::new();
    let (room, more) = queue.take(|item| {
        if let Item::Message(message, _) = item {
            taken.push(message);
        }
        true
    });
    assert!(!more);
    (taken, room)
}

#[test]
fn bytes_under_at_and_over_the_limit() {
    for (length, fits) in [(49, true), (50, true), (51, false)] {
        let queue = queue(100, 10);
        queue.try_send(vec![0; 50].into()).unwrap();
        let result = queue.try_send(vec![0; length].into());
        assert_eq!(result.is_ok(), fits, "{length}");
        assert!(result.is_ok() || result.unwrap_err().is_full());
    }
}

#[test]
fn messages_under_at_and_over_the_limit() {
    let queue = queue(100, 2);
    assert!(queue.try_send("".into()).is_ok());
    assert!(queue.try_send("".into()).is_ok());
    assert!(queue.try_send("".into()).unwrap_err().is_full());
}

#[test]
fn room_comes_back_when_written_and_not_when_taken() {
    let queue = queue(100, 10);
    queue.try_send(vec![0; 300].into()).unwrap();
    assert_eq!(queue.buffered(), 300);
    let (_, room) = take_all(&queue);
    assert!(queue.try_send("x".into()).unwrap_err().is_full());
    assert_eq!(queue.buffered(), 300);
    queue.written(room);
    assert_eq!(queue.buffered(), 0);
    queue.try_send(vec![0; 100].into()).unwrap();
    assert!(queue.try_send("x".into()).unwrap_err().is_full());
}

#[tokio::test]
async fn waiting_senders_keep_their_order() {
    let queue = queue(10, 100);
    queue.try_send(vec![0; 10].into()).unwrap();
    let mut waiting = Vec::new();
    for length in [7usize, 1, 9, 2] {
        let queue = Arc::clone(&queue);
        waiting.push(tokio::spawn(async move {
            queue.send(vec![1; length].into()).await
        }));
        tokio::task::yield_now().await;
    }
    // A small one does not overtake.
    assert!(queue.try_send("x".into()).unwrap_err().is_full());
    let mut lengths = Vec::new();
    while lengths.len() < 5 {
        let (taken, room) = take_all(&queue);
        lengths.extend(taken.iter().map(Message::len));
        queue.written(room);
        tokio::task::yield_now().await;
    }
    assert_eq!(lengths, [10, 7, 1, 9, 2]);
    for sender in waiting {
        sender.await.unwrap().unwrap();
    }
}

#[tokio::test]
async fn a_dropped_send_leaves_no_trace() {
    let queue = queue(10, 100);
    queue.try_send(vec![0; 10].into()).unwrap();
    {
        let mut send = std::pin::pin!(queue.send("lost".into()));
        let mut cx = Context::from_waker(Waker::noop());
        assert!(send.as_mut().poll(&mut cx).is_pending());
    }
    let (_, room) = take_all(&queue);
    queue.written(room);
    assert!(take_all(&queue).0.is_empty());
    queue.try_send(vec![0; 10].into()).unwrap();
}

#[tokio::test]
async fn closing_fails_the_senders_that_wait() {
    let queue = queue(10, 100);
    queue.try_send(vec![0; 10].into()).unwrap();
    let waiting = Arc::clone(&queue);
    let waiting = tokio::spawn(async move { waiting.send("x".into()).await });
    tokio::task::yield_now().await;
    queue.ask_close(CloseFrame::bare(CloseCode::NORMAL));
    assert!(waiting.await.unwrap().unwrap_err().is_closed());
    assert_eq!(
        queue.begin_turn(),
        Some(CloseFrame::bare(CloseCode::NORMAL))
    );
    assert_eq!(queue.begin_turn(), None);
    // What was queued before is still there.
    assert_eq!(take_all(&queue).0.len(), 1);
}

#[tokio::test]
async fn closed_resolves_for_those_who_wait_and_who_come_later() {
    let queue = queue(10, 100);
    let waiting = Arc::clone(&queue);
    let waiting = tokio::spawn(async move { waiting.closed().await });
    tokio::task::yield_now().await;
    let info = CloseInfo::abnormal(CloseCause::Cut);
    queue.end(&info);
    queue.end(&CloseInfo::abnormal(CloseCause::Lost));
    assert_eq!(waiting.await.unwrap(), info);
    assert_eq!(queue.closed().await, info);
    assert_eq!(queue.info(), Some(info));
}

#[test]
fn watch_tells_what_waits_already() {
    let queue = queue(10, 100);
    let waker = Waker::noop();
    assert!(!queue.watch(waker, true));
    queue.try_send("x".into()).unwrap();
    assert!(queue.watch(waker, true));
    assert!(!queue.watch(waker, false), "nothing can be written");
    queue.ask_close(CloseFrame::bare(CloseCode::NORMAL));
    assert!(queue.watch(waker, false), "but a close can be seen");
}

#[tokio::test]
async fn the_next_in_the_line_is_told_when_the_first_gives_up() {
    let queue = queue(10, 100);
    queue.try_send(vec![0; 10].into()).unwrap();
    let mut first = Box::pin(queue.send(vec![0; 10].into()));
    let mut cx = Context::from_waker(Waker::noop());
    assert!(first.as_mut().poll(&mut cx).is_pending());
    let second = tokio::spawn({
        let queue = Arc::clone(&queue);
        async move { queue.send("x".into()).await }
    });
    tokio::task::yield_now().await;
    let (_, room) = take_all(&queue);
    // The first is woken and does not come.
    queue.written(room);
    tokio::task::yield_now().await;
    assert!(!second.is_finished());
    assert!(queue.try_send("y".into()).unwrap_err().is_full());
    drop(first);
    second.await.unwrap().unwrap();
    queue.try_send("y".into()).unwrap();
}

#[test]
fn one_in_the_middle_of_the_line_may_leave() {
    let queue = queue(10, 100);
    queue.try_send(vec![0; 10].into()).unwrap();
    let mut cx = Context::from_waker(Waker::noop());
    let mut line: Vec<_> = (0..3)
        .map(|_| Box::pin(queue.send(vec![0; 10].into())))
        .collect();
    for sending in &mut line {
        for _ in 0..2 {
            assert!(sending.as_mut().poll(&mut cx).is_pending());
        }
    }
    drop(line.remove(1));
    for mut sending in line {
        let (_, room) = take_all(&queue);
        queue.written(room);
        assert!(sending.as_mut().poll(&mut cx).is_ready());
    }
    assert!(queue.state().line.is_none());
}

#[test]
fn an_empty_queue_owns_no_list() {
    let queue = queue(100, 10);
    assert_eq!(queue.state().messages.capacity(), 0);
    queue.try_send("x".into()).unwrap();
    assert_ne!(queue.state().messages.capacity(), 0);
    take_all(&queue);
    assert_eq!(queue.state().messages.capacity(), 0);
}

/// There is one for every socket.
#[test]
fn a_queue_stays_small() {
    // With the two counters of the `Arc`.
    let bytes = size_of::<Queue>() + 2 * size_of::<usize>();
    assert!(bytes <= 176, "{bytes} bytes");
    assert!(size_of::<super::Sending<'_>>() <= 64);
}

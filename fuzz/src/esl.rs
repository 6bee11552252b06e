//! The event socket of the example `freeswitch`, whose parsers need nothing else of it.

use bytes::BytesMut;
use cyclone_core::FrameError;
use tokio_util::codec::Decoder;

use command::Command;
use command_codec::CommandCodec;
use event::{Event, EventFormat};
use frame::{Frame, FrameCodec, FrameLimits};
use message::Message;

#[expect(dead_code, reason = "a part of the example")]
#[path = "../../examples/freeswitch/command.rs"]
mod command;
#[path = "../../examples/freeswitch/command_codec.rs"]
mod command_codec;
#[expect(dead_code, reason = "a part of the example")]
#[path = "../../examples/freeswitch/event.rs"]
mod event;
#[path = "../../examples/freeswitch/frame.rs"]
mod frame;
#[expect(dead_code, reason = "a part of the example")]
#[path = "../../examples/freeswitch/headers.rs"]
mod headers;
#[expect(dead_code, reason = "a part of the example")]
#[path = "../../examples/freeswitch/message.rs"]
mod message;

const LIMITS: FrameLimits = FrameLimits {
    head_bytes: 256,
    headers: 8,
    body_bytes: 256,
};

/// The first byte says how the rest is cut; however it is, the frames are the same, and what they mean too when they
/// are written and read again.
pub(crate) fn frames(data: &[u8]) {
    let Some((size, bytes)) = data.split_first() else {
        return;
    };
    let (frames, error) = decode(FrameCodec::new(LIMITS), bytes, 0);
    let cut = decode(FrameCodec::new(LIMITS), bytes, *size);
    assert_eq!(cut, (frames.clone(), error));
    for frame in frames {
        assert!(frame.headers.len() <= LIMITS.headers && frame.body.len() <= LIMITS.body_bytes);
        let carriage_return = frame
            .headers
            .iter()
            .any(|(name, value)| name.contains('\r') || value.contains('\r'));
        if !carriage_return {
            let again = decode(
                FrameCodec::new(FrameLimits::default()),
                &frame.to_bytes(),
                0,
            );
            assert_eq!(again, (vec![frame.clone()], None));
        }
        if let Ok(Message::Event(event)) = Message::from_frame(frame)
            && event.format == EventFormat::Plain
        {
            written_again(&event);
        }
    }
}

fn written_again(event: &Event) {
    let frame: Frame = event.to_frame();
    let again = Event::from_frame(&frame).unwrap().unwrap();
    assert_eq!(again.body, event.body);
    let headers: Vec<_> = again.headers.iter().take(event.headers.len()).collect();
    assert_eq!(headers, event.headers.iter().collect::<Vec<_>>());
}

/// The first byte says how the rest is cut. A command that is written is read as the same one command.
pub(crate) fn commands(data: &[u8]) {
    let Some((size, bytes)) = data.split_first() else {
        return;
    };
    let (commands, error) = decode(CommandCodec::new(), bytes, 0);
    let cut = decode(CommandCodec::new(), bytes, *size);
    assert_eq!(cut, (commands.clone(), error));
    for command in commands {
        check(&command);
    }
    // As one who sends it puts it together of what others say.
    if let Ok(text) = std::str::from_utf8(bytes) {
        let mut parts = text.split('|');
        let mut part = || parts.next().unwrap_or_default();
        let command = Command::new(format!("api {}", part()));
        check(
            &command
                .header(part(), part().trim())
                .body(part().to_owned()),
        );
    }
}

fn check(command: &Command) {
    if let Ok(bytes) = command.to_bytes() {
        let (again, error) = decode(CommandCodec::new(), &bytes, 0);
        assert!(error.is_none());
        let again: Vec<_> = again.iter().map(|again| again.to_bytes()).collect();
        assert_eq!(again, [Ok(bytes)]);
    }
}

/// Reads `bytes` in pieces of `size` (0: as one) up to the end or the first error.
fn decode<D: Decoder<Error = FrameError>>(
    mut codec: D,
    bytes: &[u8],
    size: u8,
) -> (Vec<D::Item>, Option<String>) {
    let size = match size {
        0 => bytes.len().max(1),
        size => usize::from(size),
    };
    let (mut source, mut items) = (BytesMut::new(), Vec::new());
    for piece in bytes.chunks(size).map(Some).chain([None]) {
        source.extend_from_slice(piece.unwrap_or_default());
        loop {
            let read = match piece {
                Some(_) => codec.decode(&mut source),
                None => codec.decode_eof(&mut source),
            };
            match read {
                Ok(Some(item)) => items.push(item),
                Ok(None) => break,
                Err(error) => return (items, Some(error.to_string())),
            }
        }
    }
    (items, None)
}

//! Being told how a response body ended.

/// Is told once how a body ended.
pub(crate) trait BodyGuard: Send {
    /// Called once: when the last byte has been handed to the connection, or when the body is dropped.
    fn ended(self: Box<Self>, end: BodyEnd);
}

/// How a body ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BodyEnd {
    /// Whether all of it was handed to the connection. Also for the body of an answer to `HEAD` and of a 204
    /// or 304, of which nothing is sent.
    pub(crate) complete: bool,
    /// Whether the body itself failed, rather than being dropped.
    pub(crate) failed: bool,
    /// Bytes of data handed over.
    pub(crate) bytes: u64,
}

/// Two that want to be told: of an application and of the one it is mounted in.
pub(super) struct Both(pub(super) Box<dyn BodyGuard>, pub(super) Box<dyn BodyGuard>);

impl BodyGuard for Both {
    fn ended(self: Box<Self>, end: BodyEnd) {
        self.0.ended(end);
        self.1.ended(end);
    }
}

//! Nothing is counted: the feature `metrics` is off.

use cyclone_core::Session;
use http::{Method, StatusCode};

use crate::finish::Finish;

/// Counts nothing.
#[derive(Debug)]
pub(crate) struct Meter;

#[expect(clippy::unused_self, reason = "the twin that counts needs itself")]
impl Meter {
    #[inline]
    pub(crate) fn of(_session: &Session) -> Self {
        Self
    }

    #[inline]
    pub(crate) fn none() -> Self {
        Self
    }

    #[inline]
    pub(crate) fn begins(&self) {}

    #[inline]
    pub(crate) fn ends(&self, _method: &Method, _finish: &Finish) {}

    #[inline]
    pub(crate) fn refuses(&self, _status: StatusCode) {}
}

/// A request that a service of another library answers; not counted.
pub(crate) struct ForeignRequest;

impl ForeignRequest {
    #[inline]
    pub(crate) fn begins(_meter: &Meter, _method: &Method) -> Self {
        Self
    }

    #[inline]
    #[expect(clippy::unused_self, reason = "the twin that counts needs itself")]
    pub(crate) fn answered(&mut self, _status: StatusCode) {}
}

//! Why a signature was refused.

use std::fmt;

use http::StatusCode;

/// Why a signed request was refused; the fault of the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AwsSignatureError {
    /// It is not signed, or in a way that is not taken.
    Missing,
    /// The signature is not of the form it has to be.
    Malformed,
    /// It is for another region, service or day.
    OtherScope,
    /// A header that has to be signed is not: `host`, or one of `x-amz-`.
    UnsignedHeader,
    /// The body has to be signed and is not, or in chunks.
    UnsignedPayload,
    /// The time of the request is too far from ours.
    Skewed,
    /// The URL was signed in advance, and its time is over.
    Expired,
    /// There is no such access key.
    UnknownKey,
    /// The signature is wrong.
    Mismatch,
    /// The body is not the one that was signed.
    OtherPayload,
}

impl AwsSignatureError {
    /// The code that S3 has for it, for the XML of the answer.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::Missing | Self::UnsignedHeader | Self::UnsignedPayload | Self::Expired => {
                "AccessDenied"
            }
            Self::Malformed | Self::OtherScope => "AuthorizationHeaderMalformed",
            Self::Skewed => "RequestTimeTooSkewed",
            Self::UnknownKey => "InvalidAccessKeyId",
            Self::Mismatch => "SignatureDoesNotMatch",
            Self::OtherPayload => "XAmzContentSHA256Mismatch",
        }
    }

    /// The status of the answer.
    #[must_use]
    pub fn status(self) -> StatusCode {
        match self {
            Self::Malformed | Self::OtherScope | Self::OtherPayload => StatusCode::BAD_REQUEST,
            _ => StatusCode::FORBIDDEN,
        }
    }
}

impl fmt::Display for AwsSignatureError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Missing => "the request is not signed",
            Self::Malformed => "the signature of the request is malformed",
            Self::OtherScope => "the signature is for another region, service or day",
            Self::UnsignedHeader => "a header that has to be signed is not",
            Self::UnsignedPayload => "the body is not signed",
            Self::Skewed => "the time of the signature is too far from ours",
            Self::Expired => "the time of the signed URL is over",
            Self::UnknownKey => "there is no such access key",
            Self::Mismatch => "the signature is wrong",
            Self::OtherPayload => "the body is not the one that was signed",
        })
    }
}

impl std::error::Error for AwsSignatureError {}

//! Request bodies: limits, framing, and what becomes of those that nobody reads.

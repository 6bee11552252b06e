//! Compiles the examples of the documents at the root of the repository.

/// `README.md`.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

/// `docs/facing-the-internet.md`.
#[cfg(doctest)]
#[doc = include_str!("../docs/facing-the-internet.md")]
struct FacingTheInternet;

/// `docs/observability.md`.
#[cfg(doctest)]
#[doc = include_str!("../docs/observability.md")]
struct Observability;

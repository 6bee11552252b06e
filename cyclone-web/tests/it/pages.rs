//! Templates with a request: names, languages, modules, values that come later, streams.

#[cfg(feature = "security")]
mod forms;
mod languages;
mod later;
mod modules;
mod names;
mod side_by_side;
mod whitespace;

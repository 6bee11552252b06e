//! placeholder

mod arguments;
mod media_type;
mod parameters;

pub use arguments::{Arguments, ArgumentsError, DeserializeError, MAX_ARGUMENTS, from_pairs};
pub use media_type::{MAX_BOUNDARY, MediaType, MediaTypeError};

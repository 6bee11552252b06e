//! The parts of the examples that are used by more than one, and by the tests.

pub mod balancer;
pub mod console;
mod deadline;
mod documents;
pub mod freeswitch;
pub mod infinite_xml;

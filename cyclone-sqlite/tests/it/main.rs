//! Integration tests.

#[cfg(test)]
mod backup;
#[cfg(test)]
mod basics;
#[cfg(test)]
mod cancel;
#[cfg(test)]
mod close;
#[cfg(test)]
mod durability;
#[cfg(test)]
mod group;
#[cfg(test)]
mod inline;
#[cfg(test)]
mod inspect;
#[cfg(test)]
mod limits;
#[cfg(test)]
mod migrations;
#[cfg(test)]
mod neighbours;
#[cfg(test)]
mod panics;
#[cfg(test)]
mod ports;
#[cfg(test)]
mod settings;
#[cfg(test)]
mod support;

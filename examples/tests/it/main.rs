//! The examples as whole processes.

#[cfg(test)]
mod acme;
#[cfg(test)]
mod balancer;
#[cfg(test)]
mod composed;
#[cfg(test)]
mod console;
#[cfg(test)]
mod freeswitch;
#[cfg(test)]
mod history;
#[cfg(test)]
mod https;
#[cfg(test)]
mod infinite_xml;
#[cfg(test)]
mod kill;
#[cfg(test)]
mod restart;
#[cfg(test)]
mod terminate;
#[cfg(test)]
mod tour;

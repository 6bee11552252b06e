//! Languages: catalogues, plural rules, formats, the choice for a request.

mod catalogs;
mod choice;
mod extract;
mod foreign;
mod plural;
mod translations;

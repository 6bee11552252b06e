//! The text of a distinguished name (RFC 4514).

use std::fmt::Write as _;

use x509_parser::oid_registry::asn1_rs::{Oid, ToDer as _};
use x509_parser::x509::{AttributeTypeAndValue, X509Name};

/// The short names of RFC 4514, section 3, and `emailAddress`, which no RFC has but every tool.
const SHORT: &[(&str, &str)] = &[
    ("2.5.4.3", "CN"),
    ("2.5.4.7", "L"),
    ("2.5.4.8", "ST"),
    ("2.5.4.10", "O"),
    ("2.5.4.11", "OU"),
    ("2.5.4.6", "C"),
    ("2.5.4.9", "STREET"),
    ("0.9.2342.19200300.100.1.25", "DC"),
    ("0.9.2342.19200300.100.1.1", "UID"),
    ("1.2.840.113549.1.9.1", "emailAddress"),
];

/// The name as RFC 4514 writes it: the last part first, what could be mistaken for syntax escaped. So two names
/// that differ never read the same.
pub(super) fn text(name: &X509Name<'_>) -> String {
    let mut text = String::new();
    let parts: Vec<_> = name.iter_rdn().collect();
    for (at, part) in parts.iter().rev().enumerate() {
        if at > 0 {
            text.push(',');
        }
        for (at, attribute) in part.iter().enumerate() {
            if at > 0 {
                text.push('+');
            }
            push_attribute(&mut text, attribute);
        }
    }
    text
}

fn push_attribute(text: &mut String, attribute: &AttributeTypeAndValue<'_>) {
    let oid = dotted(attribute.attr_type());
    let short = SHORT.iter().find(|(known, _)| *known == oid);
    match (short, attribute.as_str()) {
        (Some((_, short)), Ok(value)) => {
            text.push_str(short);
            text.push('=');
            push_escaped(text, value);
        }
        (_, Ok(value)) => {
            text.push_str(&oid);
            text.push('=');
            push_escaped(text, value);
        }
        (_, Err(_)) => {
            text.push_str(&oid);
            text.push_str("=#");
            // The whole value in BER, its kind included; one that was read can be written.
            for byte in attribute.attr_value().to_der_vec().unwrap_or_default() {
                // Writing to a string does not fail.
                let _ = write!(text, "{byte:02x}");
            }
        }
    }
}

/// RFC 4514, section 2.4.
fn push_escaped(text: &mut String, value: &str) {
    let last = value.chars().count().saturating_sub(1);
    for (at, character) in value.chars().enumerate() {
        match character {
            '"' | '+' | ',' | ';' | '<' | '>' | '\\' | '=' => {
                text.push('\\');
                text.push(character);
            }
            ' ' | '#' if at == 0 => {
                text.push('\\');
                text.push(character);
            }
            ' ' if at == last => text.push_str("\\ "),
            character if character.is_control() => {
                let mut bytes = [0; 4];
                for byte in character.encode_utf8(&mut bytes).bytes() {
                    let _ = write!(text, "\\{byte:02x}");
                }
            }
            character => text.push(character),
        }
    }
}

fn dotted(oid: &Oid<'_>) -> String {
    oid.to_id_string()
}

#[cfg(test)]
mod tests;

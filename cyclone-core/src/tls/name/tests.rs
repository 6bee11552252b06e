#![cfg(all(feature = "self-signed", feature = "ring"))]

use rcgen::{CertificateParams, DnType, DnValue, KeyPair};

use crate::tls::certificate::Certificate;

fn subject(parts: &[(DnType, &str)]) -> String {
    let values = parts.iter().map(|(kind, value)| {
        let value = DnValue::Utf8String((*value).to_owned());
        (kind.clone(), value)
    });
    subject_of(values)
}

fn subject_of(parts: impl IntoIterator<Item = (DnType, DnValue)>) -> String {
    let mut params = CertificateParams::new(vec![]).unwrap();
    params.distinguished_name = rcgen::DistinguishedName::new();
    for (kind, value) in parts {
        params.distinguished_name.push(kind, value);
    }
    let key = KeyPair::generate().unwrap();
    let der = params.self_signed(&key).unwrap().der().clone();
    Certificate::new(der).subject().to_owned()
}

/// RFC 4514, section 4, and what section 2.4 asks to escape.
#[test]
fn names_read_as_in_the_rfc() {
    let parts = [
        (DnType::CountryName, "GB"),
        (DnType::OrganizationName, "Isode Limited"),
        (DnType::CommonName, "Steve Kille"),
    ];
    assert_eq!(subject(&parts), "CN=Steve Kille,O=Isode Limited,C=GB");
    let unknown = DnType::CustomDnType(vec![1, 3, 6, 1, 4, 1, 1466, 0]);
    assert_eq!(subject(&[(unknown, "x")]), "1.3.6.1.4.1.1466.0=x");
    for (value, text) in [
        ("Before\rAfter", r"CN=Before\0dAfter"),
        ("Lu\u{10d}i\u{107}", "CN=Lu\u{10d}i\u{107}"),
        (
            "James \"Jim\" Smith, III",
            r#"CN=James \"Jim\" Smith\, III"#,
        ),
        (" both ", r"CN=\ both\ "),
        ("#1", r"CN=\#1"),
        ("a#1", "CN=a#1"),
        ("x,CN=admin", r"CN=x\,CN\=admin"),
        ("nul\0", r"CN=nul\00"),
    ] {
        assert_eq!(subject(&[(DnType::CommonName, value)]), text);
    }
}

/// Section 2.4: what is no string that we know is written in hexadecimal digits, with its kind and length.
#[test]
fn other_values_are_written_whole() {
    let wide = rcgen::string::BmpString::try_from("AB").unwrap();
    let subject = subject_of([(DnType::CommonName, DnValue::BmpString(wide))]);
    assert_eq!(subject, "2.5.4.3=#1e0400410042");
}

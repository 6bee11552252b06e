use super::{Source, certificates, private_key, revocation_lists, sections};

const TEXT: &str = "what stands before
-----BEGIN CERTIFICATE-----
AAECAwQFBgc=
-----END CERTIFICATE-----
-----BEGIN EC PARAMETERS-----
BggqhkjOPQMBBw==
-----END EC PARAMETERS-----
-----BEGIN \
PRIVATE KEY-----
CAkKCwwNDg8=
-----END PRIVATE KEY-----
-----BEGIN X509 CRL-----
EBESEw==
-----END X509 CRL-----
";

fn source(text: impl AsRef<[u8]>) -> Source {
    Source::bytes(text.as_ref())
}

#[test]
fn each_kind_is_found_with_its_line() {
    let source = source(TEXT);
    let found = certificates(&source).unwrap();
    assert_eq!(
        (found[0].0.as_ref(), found[0].1),
        (&[0, 1, 2, 3, 4, 5, 6, 7][..], 2)
    );
    let (key, line) = private_key(&source).unwrap();
    assert_eq!(
        (key.secret_der(), line),
        (&[8, 9, 10, 11, 12, 13, 14, 15][..], 8)
    );
    let found = revocation_lists(&source).unwrap();
    assert_eq!(
        (found[0].0.as_ref(), found[0].1),
        (&[16, 17, 18, 19][..], 11)
    );
}

/// A file that is cut anywhere is whole up to there, or an error of the line where the cut section begins.
#[test]
fn every_beginning_is_read_or_refused() {
    for end in 0..TEXT.len() {
        let cut = TEXT.as_bytes().get(..end).unwrap();
        match sections(&source(cut)) {
            Ok(found) => assert!(found.len() <= 4),
            Err(error) => assert!(error.line().is_some_and(|line| line <= 13), "{error}"),
        }
    }
    assert_eq!(sections(&source(TEXT)).unwrap().len(), 4);
}

#[test]
fn every_changed_byte_is_read_or_refused() {
    for at in 0..TEXT.len() {
        for byte in [0, b'\n', b'-', b' ', 0xff] {
            let mut text = TEXT.as_bytes().to_vec();
            *text.get_mut(at).unwrap() = byte;
            let _ = sections(&source(&text));
            let _ = private_key(&source(&text));
        }
    }
}

#[test]
fn bytes_are_not_shown() {
    assert_eq!(format!("{:?}", source("secret")), "PEM");
}

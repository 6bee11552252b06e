use super::jwk::{integer, sequence};

#[test]
fn numbers_are_those_of_der() {
    assert_eq!(integer(&[0, 0, 1]), [2, 1, 1]);
    assert_eq!(integer(&[0x80]), [2, 2, 0, 0x80]);
    assert_eq!(integer(&[]), [2, 1, 0]);
    assert_eq!(integer(&[0]), [2, 1, 0]);
    assert_eq!(sequence(&[7; 127])[..3], [0x30, 127, 7]);
    assert_eq!(sequence(&[7; 128])[..4], [0x30, 0x81, 128, 7]);
    assert_eq!(sequence(&[7; 256])[..5], [0x30, 0x82, 1, 0, 7]);
}

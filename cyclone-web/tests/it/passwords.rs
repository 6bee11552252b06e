//! Hashes of passwords.

use cyclone_web::{MAX_PASSWORD, MAX_PASSWORD_MEMORY, PasswordError, Passwords};
use futures_util::poll;

/// Of the reference implementation of Argon2 (test.c).
const REFERENCE: &str =
    "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc";

fn quick() -> Passwords {
    Passwords::with_cost(64, 1, 1).unwrap()
}

#[tokio::test]
async fn the_reference_implementation_agrees() {
    let passwords = Passwords::new();
    assert!(passwords.verify("password", REFERENCE).await.unwrap());
    assert!(!passwords.verify("Password", REFERENCE).await.unwrap());
    assert!(passwords.needs_rehash(REFERENCE), "it cost more");
}

#[tokio::test]
async fn a_hash_has_a_salt_of_its_own() {
    let passwords = quick();
    let (one, two) = (
        passwords.hash("a").await.unwrap(),
        passwords.hash("a").await.unwrap(),
    );
    assert_ne!(one, two);
    for hash in [one, two] {
        assert!(passwords.verify("a", &hash).await.unwrap());
        assert!(!passwords.verify("", &hash).await.unwrap());
        assert!(!passwords.needs_rehash(&hash));
        assert!(Passwords::new().needs_rehash(&hash));
    }
    assert!(!passwords.verify_nobody("a").await.unwrap());
}

#[tokio::test]
async fn a_password_has_a_length() {
    let passwords = quick();
    let longest = "x".repeat(MAX_PASSWORD);
    let hash = passwords.hash(longest.clone()).await.unwrap();
    assert!(passwords.verify(longest.clone(), &hash).await.unwrap());
    let longer = longest + "x";
    assert_eq!(
        passwords.hash(longer.clone()).await,
        Err(PasswordError::TooLong)
    );
    assert_eq!(passwords.verify(longer, &hash).await, Ok(false));
}

#[tokio::test]
async fn what_is_no_hash_is_refused() {
    let memory = REFERENCE.replace("65536", &(MAX_PASSWORD_MEMORY + 1).to_string());
    for kept in [
        "",
        "password",
        "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ",
        "$scrypt$ln=16,r=8,p=1$aM15713r3Xsvxbi31lqr1Q$nFNh2CVHVjNldFVKDHDlm4CbdRSCdEBsjjJxD+iCs5E",
        &memory,
    ] {
        let refused = quick().verify("password", kept).await;
        assert_eq!(refused, Err(PasswordError::Malformed), "{kept}");
        assert!(quick().needs_rehash(kept));
    }
    assert_eq!(
        Passwords::with_cost(1, 1, 1).unwrap_err(),
        PasswordError::Cost
    );
    let much = Passwords::with_cost(MAX_PASSWORD_MEMORY + 1, 1, 1);
    assert_eq!(much.unwrap_err(), PasswordError::Cost);
}

/// One at work, one in the queue, none beyond; the loop of events goes on meanwhile.
#[tokio::test]
async fn only_so_many_at_a_time() {
    let passwords = Passwords::new().concurrency(1).max_waiting(1);
    let mut working = Box::pin(passwords.hash("a"));
    assert!(poll!(&mut working).is_pending());
    let mut waiting = Box::pin(passwords.hash("b"));
    assert!(poll!(&mut waiting).is_pending());
    assert_eq!(passwords.hash("c").await, Err(PasswordError::Busy));
    // Who waits no more makes room. Who works and is given up makes none before the end.
    drop(waiting);
    drop(working);
    let hash = passwords.hash("d").await.unwrap();
    assert!(passwords.verify("d", &hash).await.unwrap());
}

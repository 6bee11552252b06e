//! Files of names and the hashes of their passwords.

use argon2::Argon2;
use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher as _, PasswordVerifier as _};

/// A hash that no password has: what an unknown name is compared with, so that it takes as long as a known one.
const NOBODY: &str = "$argon2id$v=19$m=19456,t=2,p=1$Y3ljbG9uZS1ub2JvZHk$\
                      AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

/// Whether the file knows the name and the password is its own.
///
/// Every line is `NAME:HASH`, the hash in the PHC format of Argon2. The work is the same for a name that is not there:
/// by the time it takes nobody learns which names are. It takes some 20 MiB and tens of milliseconds, on purpose.
pub(super) fn verify(text: &str, name: &str, password: &str) -> bool {
    let lines = text.lines().map(str::trim);
    let mut known = lines
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| line.split_once(':'));
    let found = known.find(|(of, _)| *of == name);
    let (hash, is_known) = match found {
        Some((_, hash)) => (hash, true),
        None => (NOBODY, false),
    };
    let Ok(hash) = PasswordHash::new(hash) else {
        tracing::warn!(?name, "the hash of a password cannot be read");
        return false;
    };
    let verified = Argon2::default().verify_password(password.as_bytes(), &hash);
    verified.is_ok() && is_known
}

/// The hash of a password with a salt of its own, for a line of the file.
pub(super) fn hash(password: &str) -> Result<String, String> {
    let hash = Argon2::default().hash_password(password.as_bytes());
    hash.map(|hash| hash.to_string())
        .map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_password_of_the_name_is_the_only_one() {
        let file = format!(
            "# people\n\nann:{}\n  bob:{}\n#eve:{}\n",
            hash("one").unwrap(),
            hash("two").unwrap(),
            hash("three").unwrap()
        );
        assert!(verify(&file, "ann", "one"));
        assert!(verify(&file, "bob", "two"));
        for (name, password) in [
            ("ann", "two"),
            ("ann", "one "),
            ("ann", ""),
            ("Ann", "one"),
            ("eve", "three"),
            ("#eve", "three"),
            ("", ""),
            ("nobody", ""),
        ] {
            assert!(!verify(&file, name, password), "{name} {password}");
        }
    }

    #[test]
    fn the_hash_of_an_unknown_name_costs_as_much_as_a_new_one() {
        let nobody = PasswordHash::new(NOBODY).unwrap();
        let text = hash("x").unwrap();
        let new = PasswordHash::new(&text).unwrap();
        assert_eq!(nobody.params, new.params);
        assert_eq!(nobody.algorithm, new.algorithm);
        assert_eq!(
            nobody.hash.map(|hash| hash.len()),
            new.hash.map(|hash| hash.len())
        );
    }

    #[test]
    fn a_line_that_is_no_hash_lets_nobody_in() {
        for line in ["ann:", "ann:one", "ann", "ann:$argon2id$v=19$m=1"] {
            assert!(!verify(line, "ann", "one"), "{line}");
        }
    }

    #[test]
    fn equal_passwords_have_different_hashes() {
        assert_ne!(hash("x"), hash("x"));
    }
}

//! Licence expressions: `MIT OR Apache-2.0`, `(A AND B) OR C WITH X`, and the old `MIT/Apache-2.0`.

/// Whether the expression can be met with the allowed licences. What cannot be read is not met.
pub(super) fn allowed(expression: &str, licences: &[String]) -> bool {
    let spaced = expression
        .replace('(', " ( ")
        .replace(')', " ) ")
        .replace('/', " OR ");
    let words: Vec<&str> = spaced.split_whitespace().collect();
    let mut rest = words.as_slice();
    let verdict = either(&mut rest, licences);
    verdict.unwrap_or(false) && rest.is_empty()
}

fn either(words: &mut &[&str], licences: &[String]) -> Option<bool> {
    let mut verdict = both(words, licences)?;
    while next_is(words, "OR") {
        verdict |= both(words, licences)?;
    }
    Some(verdict)
}

fn both(words: &mut &[&str], licences: &[String]) -> Option<bool> {
    let mut verdict = one(words, licences)?;
    while next_is(words, "AND") {
        verdict &= one(words, licences)?;
    }
    Some(verdict)
}

fn one(words: &mut &[&str], licences: &[String]) -> Option<bool> {
    if next_is(words, "(") {
        let verdict = either(words, licences)?;
        return next_is(words, ")").then_some(verdict);
    }
    let (name, rest) = words.split_first()?;
    *words = rest;
    let mut licence = (*name).to_owned();
    if next_is(words, "WITH") {
        let (exception, rest) = words.split_first()?;
        *words = rest;
        licence += " WITH ";
        licence += exception;
    }
    Some(licences.contains(&licence))
}

/// Takes the next word if it is this one.
fn next_is(words: &mut &[&str], word: &str) -> bool {
    match words.split_first() {
        Some((first, rest)) if *first == word => {
            *words = rest;
            true
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expressions() {
        let licences = ["MIT", "Apache-2.0", "Unicode-3.0"].map(str::to_owned);
        for good in [
            "MIT",
            "MIT OR GPL-3.0",
            "GPL-3.0 OR MIT",
            "MIT/Apache-2.0",
            "(MIT OR Apache-2.0) AND Unicode-3.0",
            "Apache-2.0 WITH LLVM-exception OR Apache-2.0 OR MIT",
        ] {
            assert!(allowed(good, &licences), "{good}");
        }
        for bad in [
            "",
            "GPL-3.0",
            "MIT AND GPL-3.0",
            "(MIT OR Apache-2.0) AND OpenSSL",
            "Apache-2.0 WITH LLVM-exception",
            "MIT OR",
            "(MIT",
            "MIT)",
        ] {
            assert!(!allowed(bad, &licences), "{bad}");
        }
    }
}

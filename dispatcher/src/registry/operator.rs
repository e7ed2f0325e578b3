//! The operator's token, and files in the data directory that are made once.

use std::fmt::Write as _;
use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use chacha20poly1305::aead::OsRng;
use chacha20poly1305::aead::rand_core::RngCore;
use sha2::{Digest, Sha256};

use super::{Error, Result};
use crate::config::Token;

/// The token's file in the data directory.
const FILE: &str = "operator.token";
/// A shorter token could be guessed.
const LENGTH_MIN: usize = 16;

/// Knows the operator's token when it sees it.
#[derive(Clone, Debug)]
pub struct Operator {
    digest: [u8; 32],
}

impl Operator {
    /// Takes the token that was given, or the one in the data directory, made if it is not there.
    pub fn open(given: Option<&Token>, data: &Path) -> Result<Self> {
        let path = data.join(FILE);
        let shown = || path.display().to_string();
        let (token, place) = match given {
            Some(Token(token)) => (token.clone(), "the operator token".to_owned()),
            None => match fs::read_to_string(&path) {
                Ok(text) => (text, shown()),
                Err(error) if error.kind() == ErrorKind::NotFound => {
                    let token = hex(&random());
                    keep_file(&path, &token)?;
                    tracing::info!(path = shown(), "made the operator's token");
                    (token, shown())
                }
                Err(source) => return Err(Error::File { path: shown(), source }),
            },
        };
        let token = token.trim();
        if token.len() < LENGTH_MIN || token.contains(char::is_whitespace) {
            let problem = "not a token: use at least 16 characters without spaces";
            return Err(Error::FileContent { path: place, problem });
        }
        Ok(Self { digest: digest(token) })
    }

    /// Whether this is the operator's token. Takes the same time for every wrong one.
    pub fn is(&self, token: &str) -> bool {
        let given = digest(token);
        let differing = self.digest.iter().zip(given).fold(0, |all, (a, b)| all | (a ^ b));
        std::hint::black_box(differing) == 0
    }
}

/// The hash under which a token is known.
pub(super) fn digest(token: &str) -> [u8; 32] {
    Sha256::digest(token.as_bytes()).into()
}

/// 32 bytes that nobody can guess.
pub(super) fn random() -> [u8; 32] {
    let mut bytes = [0; 32];
    OsRng.fill_bytes(&mut bytes);
    bytes
}

pub(super) fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        // Writing to a string can not fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

/// Makes a file for the server alone: whole and durable, or not at all.
pub(super) fn keep_file(path: &Path, text: &str) -> Result<()> {
    let write = || {
        let draft = path.with_extension("draft");
        match fs::remove_file(&draft) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&draft)?;
        file.write_all(format!("{text}\n").as_bytes())?;
        file.sync_all()?;
        fs::rename(&draft, path)?;
        let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty());
        File::open(directory.unwrap_or(Path::new(".")))?.sync_all()
    };
    write().map_err(|source| Error::File { path: path.display().to_string(), source })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_token_is_made_once_and_known_afterwards() {
        let data = tempfile::tempdir().expect("a directory");
        Operator::open(None, data.path()).expect("made");
        let path = data.path().join(FILE);
        let token = fs::read_to_string(&path).expect("there");
        assert_eq!(fs::metadata(&path).expect("there").permissions().mode() & 0o777, 0o600);
        let operator = Operator::open(None, data.path()).expect("read");
        assert!(operator.is(token.trim()));
        assert!(!operator.is(&token.trim()[1..]));
        assert!(!operator.is(""));
    }

    #[test]
    fn a_given_token_wins_and_a_short_one_is_refused() {
        let data = tempfile::tempdir().expect("a directory");
        let given = Token("0123456789abcdef".into());
        let operator = Operator::open(Some(&given), data.path()).expect("taken");
        assert!(operator.is("0123456789abcdef"));
        assert!(!data.path().join(FILE).exists());
        let error = Operator::open(Some(&Token("short".into())), data.path());
        assert!(matches!(error, Err(Error::FileContent { .. })));
    }
}

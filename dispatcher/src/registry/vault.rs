//! Encryption of secrets at rest: XChaCha20-Poly1305 with a random nonce each.
//!
//! A ciphertext is bound to the tenant, worker and name it was made for: moved to another row, it
//! does not decrypt.

use std::fmt;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use bindery_storage::engine::{Batch, Committed};
use bindery_storage::tables::Sealed;
use bindery_wire::TenantId;
use chacha20poly1305::aead::{Aead, AeadCore, KeyInit, OsRng, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};

use super::operator::{hex, keep_file, random};
use super::{Error, Inner, Result};

/// The key's file in the data directory, if no other is given.
const FILE: &str = "secrets.key";
/// What the check value is encrypted from and bound to.
const CHECK: &[u8] = b"bindery secrets key";

/// Encrypts and decrypts secrets.
#[derive(Clone)]
pub struct Vault(XChaCha20Poly1305);

impl fmt::Debug for Vault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Vault(..)")
    }
}

impl Vault {
    /// A vault with this key.
    pub fn new(key: &[u8; 32]) -> Self {
        Self(XChaCha20Poly1305::new(key.into()))
    }

    /// Reads the key from `file`, or from the data directory, where it is made if it is not there.
    pub fn open(file: Option<&Path>, data: &Path) -> Result<Self> {
        let path = file.map_or_else(|| data.join(FILE), Path::to_owned);
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if file.is_none() && error.kind() == std::io::ErrorKind::NotFound => {
                let text = hex(&random());
                keep_file(&path, &text)?;
                text
            }
            Err(source) => return Err(Error::File { path: path.display().to_string(), source }),
        };
        if file.is_none() {
            let path = path.display().to_string();
            tracing::warn!(path, "the key of the secrets lies beside the data: see --secrets-key");
        }
        warn_if_readable(&path);
        let problem = "not a key: use 64 hexadecimal digits";
        let key = from_hex(text.trim())
            .ok_or_else(|| Error::FileContent { path: path.display().to_string(), problem })?;
        Ok(Self::new(&key))
    }

    /// Encrypts the value of a worker's secret.
    pub(super) fn seal(&self, place: Place<'_>, value: &str) -> Result<Sealed> {
        self.seal_bytes(&place.bytes(), value.as_bytes())
    }

    /// Decrypts what was encrypted for this place.
    pub(super) fn open_secret(&self, place: Place<'_>, sealed: &Sealed) -> Result<String> {
        let value = self.open_bytes(&place.bytes(), sealed).ok_or(Error::Secret)?;
        String::from_utf8(value).map_err(|_| Error::Secret)
    }

    /// Encrypts something that is bound to these bytes: no two uses may be bound to the same.
    pub(crate) fn seal_bytes(&self, bound_to: &[u8], value: &[u8]) -> Result<Sealed> {
        let nonce = XChaCha20Poly1305::generate_nonce(&mut OsRng);
        let payload = Payload { msg: value, aad: bound_to };
        let ciphertext = self.0.encrypt(&nonce, payload).map_err(|_| Error::Secret)?;
        Ok(Sealed { nonce: nonce.into(), ciphertext })
    }

    /// Decrypts what was encrypted for these bytes.
    pub(crate) fn open_bytes(&self, bound_to: &[u8], sealed: &Sealed) -> Option<Vec<u8>> {
        let payload = Payload { msg: &sealed.ciphertext, aad: bound_to };
        self.0.decrypt(XNonce::from_slice(&sealed.nonce), payload).ok()
    }
}

/// What a secret belongs to.
#[derive(Clone, Copy)]
pub(super) struct Place<'a> {
    pub(super) tenant: TenantId,
    pub(super) worker: &'a str,
    pub(super) name: &'a str,
}

impl Place<'_> {
    /// The place as bytes. No two places have the same: names hold no zero byte.
    fn bytes(&self) -> Vec<u8> {
        let tenant = self.tenant.0.to_be_bytes();
        [&tenant[..], self.worker.as_bytes(), &[0], self.name.as_bytes()].concat()
    }
}

impl Inner {
    /// Compares the key with the one that the store's secrets have; the first one is noted.
    pub(super) async fn check_key(&self) -> Result<()> {
        if let Some(sealed) = self.meta.key_check().await? {
            let open = self.parts.vault.open_bytes(CHECK, &sealed);
            return open.map(drop).ok_or(Error::WrongKey);
        }
        let sealed = self.parts.vault.seal_bytes(CHECK, CHECK)?;
        let (check, write) = self.meta.put_key_check(&sealed);
        let batch = Batch { checks: vec![check], writes: vec![write] };
        match self.parts.engine.commit(batch).await? {
            Committed::Done { .. } => Ok(()),
            Committed::Conflict { .. } => Err(Error::WrongKey),
        }
    }
}

fn warn_if_readable(path: &Path) {
    let mode = fs::metadata(path).map_or(0, |metadata| metadata.permissions().mode());
    if mode & 0o077 != 0 {
        let path = path.display().to_string();
        tracing::warn!(path, "the key of the secrets can be read by others: use mode 0600");
    }
}

fn from_hex(text: &str) -> Option<[u8; 32]> {
    if text.len() != 64 || !text.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return None;
    }
    let mut key = [0; 32];
    for (byte, at) in key.iter_mut().zip((0..).step_by(2)) {
        *byte = u8::from_str_radix(text.get(at..at + 2)?, 16).ok()?;
    }
    Some(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(worker: &'static str, name: &'static str) -> Place<'static> {
        Place { tenant: TenantId(1), worker, name }
    }

    #[test]
    fn a_secret_decrypts_in_its_own_place_only() {
        let vault = Vault::new(&[7; 32]);
        let sealed = vault.seal(place("main", "KEY"), "hush").expect("seals");
        assert_eq!(vault.open_secret(place("main", "KEY"), &sealed).expect("opens"), "hush");
        let elsewhere = [
            place("main", "KEY2"),
            place("mai", "nKEY"),
            Place { tenant: TenantId(2), ..place("main", "KEY") },
        ];
        for place in elsewhere {
            assert!(matches!(vault.open_secret(place, &sealed), Err(Error::Secret)));
        }
        let again = vault.seal(place("main", "KEY"), "hush").expect("seals");
        assert_ne!(again, sealed);
    }

    #[test]
    fn a_key_is_made_once_for_the_server_alone_and_a_bad_one_is_refused() {
        let data = tempfile::tempdir().expect("a directory");
        let first = Vault::open(None, data.path()).expect("made");
        let mode = fs::metadata(data.path().join(FILE)).expect("there").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let sealed = first.seal(place("main", "KEY"), "hush").expect("seals");
        let second = Vault::open(None, data.path()).expect("read");
        assert_eq!(second.open_secret(place("main", "KEY"), &sealed).expect("opens"), "hush");
        let given = data.path().join("given.key");
        assert!(matches!(Vault::open(Some(&given), data.path()), Err(Error::File { .. })));
        fs::write(&given, "abc").expect("written");
        assert!(matches!(Vault::open(Some(&given), data.path()), Err(Error::FileContent { .. })));
    }
}

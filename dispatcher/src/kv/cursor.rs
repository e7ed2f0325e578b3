//! Cursors: where a list goes on, for the namespace that it was given out for and no other.
//!
//! The last name of a page, encrypted and bound to its tenant and namespace: a cursor that was
//! made up, changed or given out elsewhere does not open.

use bindery_storage::tables::Sealed;
use data_encoding::BASE64URL_NOPAD;

use super::{Error, Namespace, Result};
use crate::registry::Vault;

/// No other use of the key is bound to bytes that begin like this.
const PURPOSE: &[u8] = b"bindery kv cursor\0";

/// A cursor behind this name.
pub(super) fn seal(vault: &Vault, of: &Namespace, last: &str) -> Result<String> {
    let sealed = vault.seal_bytes(&bound_to(of), last.as_bytes()).map_err(|_| Error::Cursor)?;
    Ok(BASE64URL_NOPAD.encode(&[&sealed.nonce[..], &sealed.ciphertext].concat()))
}

/// The name that a cursor stands behind.
pub(super) fn open(vault: &Vault, of: &Namespace, cursor: &str) -> Result<String> {
    let open = || {
        let bytes = BASE64URL_NOPAD.decode(cursor.as_bytes()).ok()?;
        let (nonce, ciphertext) = bytes.split_first_chunk()?;
        let sealed = Sealed { nonce: *nonce, ciphertext: ciphertext.to_vec() };
        String::from_utf8(vault.open_bytes(&bound_to(of), &sealed)?).ok()
    };
    open().ok_or(Error::Cursor)
}

fn bound_to(of: &Namespace) -> Vec<u8> {
    [PURPOSE, &of.tenant.0.to_be_bytes(), of.name.as_bytes()].concat()
}

#[cfg(test)]
mod tests {
    use bindery_wire::TenantId;

    use super::*;

    #[test]
    fn a_cursor_opens_for_its_own_namespace_and_as_it_was_given_out() {
        let vault = Vault::new(&[7; 32]);
        let of = |tenant, name: &str| Namespace { tenant: TenantId(tenant), name: name.into() };
        let cursor = seal(&vault, &of(1, "notes"), "a/\u{e9}\0").expect("sealed");
        assert_eq!(open(&vault, &of(1, "notes"), &cursor).expect("opens"), "a/\u{e9}\0");
        let elsewhere = [of(2, "notes"), of(1, "note"), of(1, "")];
        for other in elsewhere {
            assert!(matches!(open(&vault, &other, &cursor), Err(Error::Cursor)), "{other:?}");
        }
        let mut changed = cursor.clone().into_bytes();
        changed[30] ^= 1;
        let changed = String::from_utf8_lossy(&changed).into_owned();
        for bad in [changed.as_str(), "", "YQ", "not base64!", &cursor[1..]] {
            assert!(open(&vault, &of(1, "notes"), bad).is_err(), "{bad}");
        }
    }
}

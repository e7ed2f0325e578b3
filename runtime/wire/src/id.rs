//! Ids as types: what names a tenant can not be passed where a version is meant.
//!
//! Numbers are given once and never reused; hashes name content.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// Why a text is not an id.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not an id of the form `{form}`")]
pub struct Error {
    text: String,
    form: &'static str,
}

macro_rules! number_ids {
    ($($(#[$doc:meta])* $name:ident = $prefix:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub u64);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!($prefix, "_{:x}"), self.0)
            }
        }

        impl FromStr for $name {
            type Err = Error;

            fn from_str(text: &str) -> Result<Self, Error> {
                text.strip_prefix(concat!($prefix, "_"))
                    .filter(|hex| !hex.starts_with('+'))
                    .and_then(|hex| u64::from_str_radix(hex, 16).ok())
                    .map(Self)
                    .ok_or_else(|| Error { text: text.into(), form: concat!($prefix, "_<hex>") })
            }
        }
    )*};
}

number_ids! {
    /// A customer: a number, never reused; the name is a row of its own.
    TenantId = "tnt";
    /// One isolate that a dispatcher asked for, numbered from its start.
    IsolateNumber = "iso";
}

macro_rules! hash_ids {
    ($($(#[$doc:meta])* $name:ident = $prefix:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub [u8; 32]);

        impl $name {
            /// Names these bytes.
            pub fn of(bytes: &[u8]) -> Self {
                Self(Sha256::digest(bytes).into())
            }

            /// The 64 hexadecimal digits, without the prefix.
            pub fn hex(&self) -> String {
                self.0.iter().map(|byte| format!("{byte:02x}")).collect()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!($prefix, "_{}"), self.hex())
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl FromStr for $name {
            type Err = Error;

            fn from_str(text: &str) -> Result<Self, Error> {
                text.strip_prefix(concat!($prefix, "_"))
                    .and_then(hash_from_hex)
                    .map(Self)
                    .ok_or_else(|| Error { text: text.into(), form: concat!($prefix, "_<64 hex>") })
            }
        }

        impl Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
                if to.is_human_readable() { to.collect_str(self) } else { self.0.serialize(to) }
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                if from.is_human_readable() {
                    String::deserialize(from)?.parse().map_err(serde::de::Error::custom)
                } else {
                    <[u8; 32]>::deserialize(from).map(Self)
                }
            }
        }
    )*};
}

hash_ids! {
    /// One uploaded version of one worker: the hash of its manifest.
    VersionId = "ver";
    /// Some bytes: the hash of a module's source.
    ContentHash = "sha";
}

fn hash_from_hex(hex: &str) -> Option<[u8; 32]> {
    if hex.len() != 64 || !hex.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')) {
        return None;
    }
    let mut hash = [0; 32];
    for (byte, at) in hash.iter_mut().zip((0..).step_by(2)) {
        *byte = u8::from_str_radix(hex.get(at..at + 2)?, 16).ok()?;
    }
    Some(hash)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_of_one_kind_does_not_parse_as_another() {
        assert_eq!("tnt_2f".parse(), Ok(TenantId(0x2f)));
        assert!("iso_2f".parse::<TenantId>().is_err());
        assert!("tnt_+2f".parse::<TenantId>().is_err());
        let version = VersionId::of(b"x");
        assert_eq!(version.to_string().parse(), Ok(version));
        assert!(version.to_string().parse::<ContentHash>().is_err());
        assert!(version.to_string().to_uppercase().parse::<VersionId>().is_err());
    }
}

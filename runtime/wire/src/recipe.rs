//! How to start code when nobody is calling: the envelope that stored payloads keep.
//!
//! Written and read by the host alone. What is delivered later (a message, a retry, a cron) starts
//! the version that is deployed then; the version in the recipe says which one asked for it.

use serde::{Deserialize, Deserializer, Serialize};

use crate::id::{TenantId, VersionId};

/// The format that this program writes. A newer program reads every older one.
pub const FORMAT: u32 = 1;

/// How to start code when nobody is calling.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recipe {
    /// [`FORMAT`] of the program that wrote it.
    #[serde(deserialize_with = "known")]
    pub format: u32,
    /// Whose code.
    pub tenant: TenantId,
    /// The worker's name.
    pub worker: String,
    /// The export whose handler runs; absent for `default`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entrypoint: Option<String>,
    /// The version that it was made under.
    pub version: VersionId,
}

/// A format that this program reads.
fn known<'de, D: Deserializer<'de>>(from: D) -> Result<u32, D::Error> {
    match u32::deserialize(from)? {
        format if format <= FORMAT => Ok(format),
        format => Err(serde::de::Error::custom(format_args!(
            "the recipe has format {format}; this program reads up to {FORMAT}"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bytes_of_a_recipe_are_frozen() {
        let recipe = Recipe {
            format: FORMAT,
            tenant: TenantId(0x2f),
            worker: "reports".into(),
            entrypoint: Some("Nightly".into()),
            version: VersionId([0xab; 32]),
        };
        let golden = include_str!("../golden/recipe-1.json");
        assert_eq!(serde_json::to_string(&recipe).expect("plain data"), golden);
        assert_eq!(serde_json::from_str::<Recipe>(golden).expect("reads"), recipe);
    }

    #[test]
    fn a_newer_format_is_refused_by_number() {
        let newer = include_str!("../golden/recipe-1.json").replace("\"format\":1", "\"format\":2");
        let error = serde_json::from_str::<Recipe>(&newer).expect_err("refused").to_string();
        assert!(
            error.starts_with("the recipe has format 2; this program reads up to 1"),
            "{error}"
        );
    }
}

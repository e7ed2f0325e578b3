//! Compatibility dates and flags: one table.
//!
//! Every accepted date means the same behaviour, that of [`NEWEST`].

/// The newest compatibility date accepted, and the one whose behaviour all dates get.
pub const NEWEST: &str = "2026-08-01";

/// A flag that a version may name: its opposite, and since when it is on by itself.
#[derive(Clone, Copy, Debug)]
pub struct Flag {
    /// Turns the behaviour on.
    pub enable: &'static str,
    /// Turns it off, where that has a name.
    pub disable: &'static str,
    /// The date from which it is on.
    pub since: &'static str,
    /// What it means here.
    pub doc: &'static str,
}

/// Every flag that is accepted. Append only.
pub const FLAGS: &[Flag] = &[
    Flag {
        enable: "export_commonjs_default",
        disable: "export_commonjs_namespace",
        since: "2022-10-31",
        doc: "always on",
    },
    Flag {
        enable: "streams_enable_constructors",
        disable: "streams_disable_constructors",
        since: "2022-11-30",
        doc: "always on",
    },
    Flag {
        enable: "transformstream_enable_standard_constructor",
        disable: "transformstream_disable_standard_constructor",
        since: "2022-11-30",
        doc: "always on",
    },
    Flag {
        enable: "enable_request_signal",
        disable: "disable_request_signal",
        since: "2026-08-01",
        doc: "always on",
    },
    Flag {
        enable: "allow_eval_during_startup",
        disable: "disallow_eval_during_startup",
        since: "2025-06-01",
        doc: "always on",
    },
    Flag {
        enable: "unhandled_rejection_after_microtask_checkpoint",
        disable: "no_unhandled_rejection_after_microtask_checkpoint",
        since: "2026-03-03",
        doc: "always on",
    },
    Flag {
        enable: "global_fetch_strictly_public",
        disable: "global_fetch_private_origin",
        since: "2026-08-01",
        doc: "always on",
    },
];

/// What is wrong with a date or a flag.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Not `YYYY-MM-DD`.
    #[error("`{0}` is not a date of the form YYYY-MM-DD")]
    Malformed(String),
    /// Later than [`NEWEST`].
    #[error(
        "this worker requires compatibility date `{0}`, but the newest date supported by this server is `{NEWEST}`"
    )]
    TooNew(String),
    /// Not in the table.
    #[error("no such compatibility flag: {0}")]
    UnknownFlag(String),
    /// A flag that a later release owns.
    #[error("{0} is not supported yet")]
    NotYet(String),
    /// A behaviour that is always on.
    #[error("{0} is not supported: {1} is always on")]
    Off(String, &'static str),
}

/// Checks a compatibility date.
pub fn check_date(date: &str) -> Result<(), Error> {
    let malformed = || Error::Malformed(date.chars().take(40).collect());
    let bytes = date.as_bytes();
    let shaped = bytes.len() == 10
        && bytes.iter().enumerate().all(|(at, b)| match at {
            4 | 7 => *b == b'-',
            _ => b.is_ascii_digit(),
        });
    let number = |range: std::ops::Range<usize>| {
        date.get(range).and_then(|part| part.parse::<u32>().ok()).unwrap_or(0)
    };
    if !shaped || !(1..=12).contains(&number(5..7)) || !(1..=31).contains(&number(8..10)) {
        return Err(malformed());
    }
    if date > NEWEST { Err(Error::TooNew(date.into())) } else { Ok(()) }
}

/// Checks one compatibility flag.
pub fn check_flag(flag: &str) -> Result<(), Error> {
    let shown = || flag.chars().take(80).collect::<String>();
    if flag.starts_with("nodejs_compat") {
        return Err(Error::NotYet(shown()));
    }
    for known in FLAGS {
        if known.enable == flag {
            return Ok(());
        }
        if known.disable == flag {
            return Err(Error::Off(shown(), known.enable));
        }
    }
    Err(Error::UnknownFlag(shown()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_date_is_well_formed_and_not_of_the_future() {
        assert_eq!(check_date("2024-02-29"), Ok(()));
        assert_eq!(check_date(NEWEST), Ok(()));
        assert!(matches!(check_date("2027-11-01"), Err(Error::TooNew(_))));
        for bad in ["", "2024-1-1", "2024-13-01", "2024-00-10", "20240101", "2024-01-32"] {
            assert!(matches!(check_date(bad), Err(Error::Malformed(_))), "{bad}");
        }
    }

    #[test]
    fn flags_are_known_by_name_and_the_rest_is_refused() {
        assert_eq!(check_flag("enable_request_signal"), Ok(()));
        assert!(matches!(check_flag("nope"), Err(Error::UnknownFlag(_))));
        assert!(matches!(check_flag("nodejs_compat_v2"), Err(Error::NotYet(_))));
        assert!(matches!(check_flag("disable_request_signal"), Err(Error::Off(..))));
    }
}

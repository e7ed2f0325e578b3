//! Keys and values: what they may be, until when a key is there, and how many are listed.
//!
//! The texts are those that programs written for this interface know.

/// Bytes of a key's name.
pub const KEY_BYTES_MAX: usize = 512;
/// Bytes of a key's metadata, as the text of its JSON.
pub const METADATA_BYTES_MAX: usize = 1_024;
/// Bytes of a value, and of all values that are asked for together.
pub const VALUE_BYTES_MAX: u64 = 25 << 20;
/// Keys that are asked for together.
pub const KEY_COUNT_MAX: usize = 100;
/// Keys of one page of a list.
pub const LIST_COUNT_MAX: usize = 1_000;
/// Seconds for which a key is there, at least.
const TTL_S_MIN: i64 = 60;
/// Seconds for which a reader may take what it read for new, at least.
const CACHE_TTL_S_MIN: i64 = 30;

/// Why something is not done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// What was passed is not of its kind.
    Wrong(String),
    /// It is over a limit, or not a value that can be meant.
    Status(u16, String),
}

/// Checks the name of a key.
pub fn check_name(name: &str) -> Result<(), Refusal> {
    let wrong = |message: String| Err(Refusal::Wrong(message));
    match name {
        "" => wrong("Key name cannot be empty.".into()),
        "." | ".." => wrong(format!("\"{name}\" is not allowed as a key name.")),
        _ => check_length(name),
    }
}

/// Checks the length of the beginning of names.
pub fn check_prefix(prefix: &str) -> Result<(), Refusal> {
    check_length(prefix)
}

fn check_length(name: &str) -> Result<(), Refusal> {
    let got = name.len();
    bound(got <= KEY_BYTES_MAX, 414, || {
        format!("UTF-8 encoded length of {got} exceeds key length limit of {KEY_BYTES_MAX}.")
    })
}

/// Checks names that are asked for together.
pub fn check_names(names: &[String]) -> Result<(), Refusal> {
    bound(names.len() <= KEY_COUNT_MAX, 400, || {
        format!("You can request a maximum of {KEY_COUNT_MAX} keys")
    })?;
    bound(!names.is_empty(), 400, || "You must request a minimum of 1 key".into())?;
    let check = |name: &String| match name.as_str() {
        "" => Err(Refusal::Status(400, "Key names must not be empty".into())),
        "." | ".." => {
            let told = format!("Illegal key name \"{name}\". Please use a different name.");
            Err(Refusal::Status(400, told))
        }
        name => check_length(name),
    };
    names.iter().try_for_each(check)
}

/// Checks the length of all values that are asked for together.
pub fn check_total(bytes: u64) -> Result<(), Refusal> {
    bound(bytes <= VALUE_BYTES_MAX, 413, || {
        "Total size of request exceeds the limit of 25MB".into()
    })
}

/// Checks the length of a value.
pub fn check_value(bytes: u64) -> Result<(), Refusal> {
    bound(bytes <= VALUE_BYTES_MAX, 413, || {
        format!("Value length of {bytes} exceeds limit of {VALUE_BYTES_MAX}.")
    })
}

/// Checks the length of a key's metadata.
pub fn check_metadata(bytes: usize) -> Result<(), Refusal> {
    bound(bytes <= METADATA_BYTES_MAX, 413, || {
        format!("Metadata length of {bytes} exceeds limit of {METADATA_BYTES_MAX}.")
    })
}

/// Checks for how long a reader wants to take what it read for new. It has no effect: what is read
/// is the newest.
pub fn check_cache_ttl(seconds: Option<i64>) -> Result<(), Refusal> {
    let Some(seconds) = seconds else { return Ok(()) };
    bound(seconds >= CACHE_TTL_S_MIN, 400, || {
        format!("Invalid cache_ttl of {seconds}. Cache TTL must be at least {CACHE_TTL_S_MIN}.")
    })
}

/// The second since 1970 from which on a key is not there, if it is not to stay.
pub fn expiry(
    expiration_s: Option<i64>,
    ttl_s: Option<i64>,
    now_s: u64,
) -> Result<Option<u64>, Refusal> {
    let now_s = i64::try_from(now_s).unwrap_or(i64::MAX);
    if let Some(ttl_s) = ttl_s {
        bound(ttl_s > 0, 400, || {
            format!("Invalid expiration_ttl of {ttl_s}. Please specify integer greater than 0.")
        })?;
        bound(ttl_s >= TTL_S_MIN, 400, || {
            format!(
                "Invalid expiration_ttl of {ttl_s}. Expiration TTL must be at least {TTL_S_MIN}."
            )
        })?;
        return Ok(Some(now_s.saturating_add(ttl_s).unsigned_abs()));
    }
    let Some(at_s) = expiration_s else { return Ok(None) };
    bound(at_s > now_s, 400, || {
        format!(
            "Invalid expiration of {at_s}. Please specify integer greater than the current number \
             of seconds since the UNIX epoch."
        )
    })?;
    bound(at_s >= now_s.saturating_add(TTL_S_MIN), 400, || {
        format!(
            "Invalid expiration of {at_s}. Expiration times must be at least {TTL_S_MIN} seconds \
             in the future."
        )
    })?;
    Ok(Some(at_s.unsigned_abs()))
}

/// Whether a key is not there any more.
pub fn is_over(expires_s: Option<u64>, now_ms: u64) -> bool {
    expires_s.is_some_and(|at_s| now_ms >= at_s.saturating_mul(1_000))
}

/// How many keys a page of a list has. What is not above 0 counts as not said.
pub fn list_count(limit: Option<i64>) -> Result<usize, Refusal> {
    let Some(limit) = limit.filter(|limit| *limit > 0) else { return Ok(LIST_COUNT_MAX) };
    match usize::try_from(limit) {
        Ok(count) if count <= LIST_COUNT_MAX => Ok(count),
        _ => Err(Refusal::Status(
            400,
            format!(
                "Invalid key_count_limit of {limit}. Please specify an integer less than \
                 {LIST_COUNT_MAX}."
            ),
        )),
    }
}

fn bound(holds: bool, status: u16, message: impl FnOnce() -> String) -> Result<(), Refusal> {
    if holds { Ok(()) } else { Err(Refusal::Status(status, message())) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(result: Result<impl std::fmt::Debug, Refusal>) -> String {
        match result.expect_err("refused") {
            Refusal::Wrong(message) => message,
            Refusal::Status(status, message) => format!("{status} {message}"),
        }
    }

    #[test]
    fn names_are_any_text_of_some_bytes_but_two() {
        for name in ["a", "...", "a/../b", "\0", "\u{e9}", &"x".repeat(512), &"\u{e9}".repeat(256)]
        {
            assert_eq!(check_name(name), Ok(()));
        }
        assert_eq!(told(check_name("")), "Key name cannot be empty.");
        assert_eq!(told(check_name(".")), "\".\" is not allowed as a key name.");
        assert_eq!(told(check_name("..")), "\"..\" is not allowed as a key name.");
        let long = "414 UTF-8 encoded length of 514 exceeds key length limit of 512.";
        assert_eq!(told(check_name(&"\u{e9}".repeat(257))), long);
        assert_eq!(check_prefix(""), Ok(()));
        assert_eq!(told(check_prefix(&"\u{e9}".repeat(257))), long);
        let names = |count| vec!["a".to_owned(); count];
        assert_eq!(check_names(&names(100)), Ok(()));
        assert_eq!(told(check_names(&names(101))), "400 You can request a maximum of 100 keys");
        assert_eq!(told(check_names(&[])), "400 You must request a minimum of 1 key");
        let empty = told(check_names(&["a".into(), String::new()]));
        assert_eq!(empty, "400 Key names must not be empty");
        let dots = told(check_names(&["..".into()]));
        assert_eq!(dots, "400 Illegal key name \"..\". Please use a different name.");
    }

    #[test]
    fn values_and_metadata_have_a_length_at_most() {
        assert_eq!(check_value(26_214_400), Ok(()));
        let told_of_value = "413 Value length of 26214401 exceeds limit of 26214400.";
        assert_eq!(told(check_value(26_214_401)), told_of_value);
        assert_eq!(check_metadata(1_024), Ok(()));
        let told_of_metadata = "413 Metadata length of 1025 exceeds limit of 1024.";
        assert_eq!(told(check_metadata(1_025)), told_of_metadata);
        assert_eq!(check_total(26_214_400), Ok(()));
        let total = told(check_total(26_214_401));
        assert_eq!(total, "413 Total size of request exceeds the limit of 25MB");
    }

    #[test]
    fn a_key_expires_at_its_second_and_the_distance_wins() {
        let now = 1_000;
        assert_eq!(expiry(None, None, now), Ok(None));
        assert_eq!(expiry(None, Some(60), now), Ok(Some(1_060)));
        assert_eq!(expiry(Some(5), Some(60), now), Ok(Some(1_060)));
        assert_eq!(expiry(Some(1_060), None, now), Ok(Some(1_060)));
        assert_eq!(expiry(None, Some(i64::MAX), now), Ok(Some(i64::MAX.unsigned_abs())));
        let refused = [
            (
                None,
                Some(0),
                "400 Invalid expiration_ttl of 0. Please specify integer greater than 0.",
            ),
            (
                None,
                Some(59),
                "400 Invalid expiration_ttl of 59. Expiration TTL must be at least 60.",
            ),
            (
                Some(5),
                None,
                "400 Invalid expiration of 5. Please specify integer greater than the current \
                 number of seconds since the UNIX epoch.",
            ),
            (
                Some(1_059),
                None,
                "400 Invalid expiration of 1059. Expiration times must be at least 60 seconds in \
                 the future.",
            ),
        ];
        for (at, ttl, message) in refused {
            assert_eq!(told(expiry(at, ttl, now)), message);
        }
        assert!(!is_over(None, u64::MAX));
        assert!(!is_over(Some(10), 9_999));
        assert!(is_over(Some(10), 10_000));
        assert!(!is_over(Some(u64::MAX), 10_000));
    }

    #[test]
    fn a_page_has_a_thousand_keys_at_most() {
        let counts = [None, Some(0), Some(-5), Some(1_000)].map(list_count);
        assert_eq!(counts, [Ok(1_000), Ok(1_000), Ok(1_000), Ok(1_000)]);
        assert_eq!(list_count(Some(1)), Ok(1));
        let over = "400 Invalid key_count_limit of 1001. Please specify an integer less than 1000.";
        assert_eq!(told(list_count(Some(1_001))), over);
        assert_eq!(check_cache_ttl(Some(30)), Ok(()));
        assert_eq!(check_cache_ttl(None), Ok(()));
        let ttl = "400 Invalid cache_ttl of 29. Cache TTL must be at least 30.";
        assert_eq!(told(check_cache_ttl(Some(29))), ttl);
    }
}

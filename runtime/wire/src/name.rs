//! Which names people may give: to tenants, workers, bindings and modules.

/// The longest name of a tenant or worker, in bytes.
pub const NAME_BYTES_MAX: usize = 63;
/// The longest name of a module, in bytes.
pub const MODULE_NAME_BYTES_MAX: usize = 1024;
/// The longest name of a binding or secret, in bytes.
pub const BINDING_NAME_BYTES_MAX: usize = 128;

/// The longest name of a namespace or queue, in bytes.
pub const RESOURCE_NAME_BYTES_MAX: usize = 256;

/// What is wrong with a name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// A tenant's or worker's name.
    #[error("`{0}` is not a name: use 1 to 63 of a-z, 0-9 and single `-`, not first or last")]
    Label(String),
    /// A module's name.
    #[error("`{0}` is not a module name: {1}")]
    Module(String, &'static str),
    /// A binding's or secret's name.
    #[error(
        "`{0}` is not a binding name: use 1 to 128 of A-Z, a-z, 0-9, `_` and `$`, no digit first"
    )]
    Binding(String),
    /// The name of something that a tenant keeps.
    #[error("`{0}` is not the name of a namespace or queue: use any text of 1 to 256 bytes")]
    Resource(String),
}

/// Checks the name of a tenant or worker: it is one label of a host name, without `--`.
pub fn check_label(name: &str) -> Result<(), Error> {
    let edge = |b: &u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let bytes = name.as_bytes();
    let good = bytes.len() <= NAME_BYTES_MAX
        && bytes.first().is_some_and(edge)
        && bytes.last().is_some_and(edge)
        && bytes.iter().all(|b| edge(b) || *b == b'-')
        && !name.contains("--");
    if good { Ok(()) } else { Err(Error::Label(shown(name))) }
}

/// Checks the name of a binding or secret: an identifier of JavaScript in ASCII.
pub fn check_binding(name: &str) -> Result<(), Error> {
    let first = |b: u8| b.is_ascii_alphabetic() || b == b'_' || b == b'$';
    let good = name.len() <= BINDING_NAME_BYTES_MAX
        && name.bytes().next().is_some_and(first)
        && name.bytes().all(|b| first(b) || b.is_ascii_digit())
        && name != "__proto__";
    if good { Ok(()) } else { Err(Error::Binding(shown(name))) }
}

/// Checks the name of something that a tenant keeps, such as a namespace or a queue. Any text is
/// one: it is part of keys only, which no text can leave.
pub fn check_resource(name: &str) -> Result<(), Error> {
    let good = (1..=RESOURCE_NAME_BYTES_MAX).contains(&name.len());
    if good { Ok(()) } else { Err(Error::Resource(shown(name))) }
}

/// Checks the name of a module: a relative path of plain segments.
pub fn check_module(name: &str) -> Result<(), Error> {
    let problem = if name.is_empty() {
        "it is empty"
    } else if name.len() > MODULE_NAME_BYTES_MAX {
        "it is longer than 1024 bytes"
    } else if name.chars().any(|c| c.is_control() || c == '\\' || c == '?' || c == '#' || c == '%')
    {
        "it holds a control character or one of \\ ? # %"
    } else if name.split('/').any(|segment| matches!(segment, "" | "." | "..")) {
        "it has an empty, `.` or `..` segment"
    } else if name.split('/').next().is_some_and(|first| first.contains(':')) {
        "its first segment holds a colon, which would read as a scheme"
    } else {
        return Ok(());
    };
    Err(Error::Module(shown(name), problem))
}

/// The name as an error shows it: never more than a line's worth.
fn shown(name: &str) -> String {
    let mut text: String = name.chars().take(80).flat_map(char::escape_debug).collect();
    if name.chars().nth(80).is_some() {
        text.push_str("...");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_is_one_part_of_a_host_name() {
        for good in ["a", "a-b", "0", &"x".repeat(63)] {
            assert_eq!(check_label(good), Ok(()), "{good}");
        }
        for bad in ["", "-a", "a-", "a--b", "A", "a.b", "a_b", &"x".repeat(64), "a\0", "\u{e4}"] {
            assert!(check_label(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_module_name_can_not_climb_or_name_a_scheme() {
        for good in ["index.js", "lib/a b.mjs", "noextension", "a/b:c", "\u{e4}.js"] {
            assert_eq!(check_module(good), Ok(()), "{good}");
        }
        for bad in ["", "/a", "a//b", "../a", "a/./b", "file:a", "a\0b", "%2e%2e/a", "a?b", "a\\b"]
        {
            assert!(check_module(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_binding_name_is_an_identifier() {
        for good in ["A", "_x", "$1", "FOO_bar9"] {
            assert_eq!(check_binding(good), Ok(()), "{good}");
        }
        for bad in ["", "1A", "a-b", "__proto__", "a b"] {
            assert!(check_binding(bad).is_err(), "{bad}");
        }
    }
}

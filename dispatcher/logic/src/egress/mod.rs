//! What a worker may reach on the network, and what becomes of its request on the way.
//!
//! An address is judged after the name was resolved: a public name can point anywhere. A name is
//! judged only where it says by itself that it means this machine.

pub mod address;
pub mod redirect;

use crate::header::is_hop_by_hop;

pub use address::Range;

/// Whether a host name means this machine, whatever it resolves to. Lower case, as in a URL.
pub fn is_local_name(name: &str) -> bool {
    let name = name.strip_suffix('.').unwrap_or(name);
    let rest = name.strip_suffix("localhost");
    rest.is_some_and(|above| above.is_empty() || above.ends_with('.'))
}

/// Whether a port speaks a protocol that a request could be mistaken for, as the Fetch standard
/// lists them.
pub fn is_bad_port(port: u16) -> bool {
    BAD_PORTS.binary_search(&port).is_ok()
}

/// Whether a header of a worker's request is not sent: it is the connection's, or the host's.
pub fn request_drops(name: &str) -> bool {
    matches!(name, "host" | "content-length" | "expect")
        || name.starts_with("x-bindery-")
        || is_hop_by_hop(name)
}

const BAD_PORTS: [u16; 83] = [
    0, 1, 7, 9, 11, 13, 15, 17, 19, 20, 21, 22, 23, 25, 37, 42, 43, 53, 69, 77, 79, 87, 95, 101,
    102, 103, 104, 109, 110, 111, 113, 115, 117, 119, 123, 135, 137, 139, 143, 161, 179, 389, 427,
    465, 512, 513, 514, 515, 526, 530, 531, 532, 540, 548, 554, 556, 563, 587, 601, 636, 989, 990,
    993, 995, 1719, 1720, 1723, 2049, 3659, 4045, 4190, 5060, 5061, 6000, 6566, 6665, 6666, 6667,
    6668, 6669, 6679, 6697, 10080,
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_this_machine_are_known_without_a_lookup() {
        for name in ["localhost", "localhost.", "a.localhost", "a.b.localhost."] {
            assert!(is_local_name(name), "{name}");
        }
        for name in ["notlocalhost", "localhost.example", "local", ""] {
            assert!(!is_local_name(name), "{name}");
        }
    }

    #[test]
    fn ports_of_other_protocols_are_refused() {
        assert!(BAD_PORTS.is_sorted());
        for port in [0, 22, 25, 465, 587, 6667, 10080] {
            assert!(is_bad_port(port), "{port}");
        }
        for port in [80, 443, 3000, 8080, 8443, 8787, 65535] {
            assert!(!is_bad_port(port), "{port}");
        }
    }

    #[test]
    fn what_belongs_to_the_connection_or_the_host_is_not_sent() {
        for name in ["host", "content-length", "x-bindery-auth", "connection", "te", "expect"] {
            assert!(request_drops(name), "{name}");
        }
        for name in ["cookie", "authorization", "content-type", "x-binder", "traceparent"] {
            assert!(!request_drops(name), "{name}");
        }
    }
}

//! Which addresses lie on the public internet.
//!
//! Follows IANA's registries of special purpose addresses, and refuses what is not known to be
//! public: of IPv6, only 2000::/3 is. A form of IPv6 that carries an IPv4 address to which a
//! gateway would pass the connection on is judged by that address.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Why an address is not public.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Range {
    /// This machine.
    Loopback,
    /// No address at all, or "this network".
    Unspecified,
    /// A network of its owner: 10/8, 172.16/12, 192.168/16, fc00::/7, fec0::/10, 64:ff9b:1::/48.
    Private,
    /// Of one link, where clouds keep their metadata: 169.254/16, fe80::/10.
    LinkLocal,
    /// Shared by a carrier's customers: 100.64/10.
    Shared,
    /// More than one receiver, or all of a network.
    Multicast,
    /// For texts and measurements.
    Example,
    /// Given to nobody, or not for connections between hosts.
    Reserved,
}

impl Range {
    /// The range in the words of an error's text, as in "it is a private address".
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Loopback => "a loopback address",
            Self::Unspecified => "an unspecified address",
            Self::Private => "a private address",
            Self::LinkLocal => "a link-local address",
            Self::Shared => "a carrier's shared address",
            Self::Multicast => "a multicast or broadcast address",
            Self::Example => "an address for documentation or benchmarks",
            Self::Reserved => "a reserved address",
        }
    }
}

/// Why a worker may not reach an address; nothing if it is public.
pub fn refused(address: IpAddr) -> Option<Range> {
    match address {
        IpAddr::V4(address) => refused_v4(address),
        IpAddr::V6(address) => refused_v6(address),
    }
}

fn refused_v4(address: Ipv4Addr) -> Option<Range> {
    match address.octets() {
        [0, ..] => Some(Range::Unspecified),
        [127, ..] => Some(Range::Loopback),
        [10, ..] | [172, 16..=31, ..] | [192, 168, ..] => Some(Range::Private),
        [100, 64..=127, ..] => Some(Range::Shared),
        [169, 254, ..] => Some(Range::LinkLocal),
        [192, 0, 2, _] | [198, 51, 100, _] | [203, 0, 113, _] | [198, 18..=19, ..] => {
            Some(Range::Example)
        }
        [192, 0, 0, _] | [192, 88, 99, _] => Some(Range::Reserved),
        [224..=239, ..] | [255, 255, 255, 255] => Some(Range::Multicast),
        [240..=255, ..] => Some(Range::Reserved),
        _ => None,
    }
}

fn refused_v6(address: Ipv6Addr) -> Option<Range> {
    let segments = address.segments();
    match segments {
        [0, 0, 0, 0, 0, 0, 0, 0] => Some(Range::Unspecified),
        [0, 0, 0, 0, 0, 0, 0, 1] => Some(Range::Loopback),
        // Mapped and translated: a public one is nevertheless what it carries.
        [0, 0, 0, 0, 0, 0xffff, high, low] | [0x64, 0xff9b, 0, 0, 0, 0, high, low] => {
            refused_v4(carried(high, low))
        }
        // Compatible and SIIT forms are of the past: nothing public answers there.
        [0, 0, 0, 0, 0, 0, high, low] | [0, 0, 0, 0, 0xffff, 0, high, low] => {
            Some(refused_v4(carried(high, low)).unwrap_or(Range::Reserved))
        }
        [0x64, 0xff9b, 1, ..] | [0xfc00..=0xfdff | 0xfec0..=0xfeff, ..] => Some(Range::Private),
        [0xfe80..=0xfebf, ..] => Some(Range::LinkLocal),
        [0xff00..=0xffff, ..] => Some(Range::Multicast),
        [0x2001, 0x0db8, ..] | [0x3fff, 0..=0x0fff, ..] | [0x2001, 2, 0, ..] => {
            Some(Range::Example)
        }
        // Protocol assignments, Teredo among them, whose hosts are behind somebody's gateway.
        [0x2001, 0..=0x01ff, ..] => Some(Range::Reserved),
        [0x2002, high, low, ..] => refused_v4(carried(high, low)),
        [0x2000..=0x3fff, _, _, _, 0 | 0x200, 0x5efe, high, low] => refused_v4(carried(high, low)),
        [0x2000..=0x3fff, ..] => None,
        _ => Some(Range::Reserved),
    }
}

fn carried(high: u16, low: u16) -> Ipv4Addr {
    Ipv4Addr::from_bits(u32::from(high) << 16 | u32::from(low))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(text: &str) -> Option<Range> {
        refused(text.parse().expect("an address"))
    }

    #[test]
    fn each_special_range_is_refused_from_its_first_to_its_last_address() {
        for (first, last, range) in [
            ("0.0.0.0", "0.255.255.255", Range::Unspecified),
            ("10.0.0.0", "10.255.255.255", Range::Private),
            ("100.64.0.0", "100.127.255.255", Range::Shared),
            ("127.0.0.0", "127.255.255.255", Range::Loopback),
            ("169.254.0.0", "169.254.255.255", Range::LinkLocal),
            ("172.16.0.0", "172.31.255.255", Range::Private),
            ("192.0.0.0", "192.0.0.255", Range::Reserved),
            ("192.0.2.0", "192.0.2.255", Range::Example),
            ("192.88.99.0", "192.88.99.255", Range::Reserved),
            ("192.168.0.0", "192.168.255.255", Range::Private),
            ("198.18.0.0", "198.19.255.255", Range::Example),
            ("198.51.100.0", "198.51.100.255", Range::Example),
            ("203.0.113.0", "203.0.113.255", Range::Example),
            ("224.0.0.0", "239.255.255.255", Range::Multicast),
            ("240.0.0.0", "255.255.255.254", Range::Reserved),
            ("255.255.255.255", "255.255.255.255", Range::Multicast),
            ("::", "::", Range::Unspecified),
            ("::1", "::1", Range::Loopback),
            ("64:ff9b:1::", "64:ff9b:1:ffff:ffff:ffff:ffff:ffff", Range::Private),
            ("100::", "100::ffff:ffff:ffff:ffff", Range::Reserved),
            ("2001::", "2001:1:ffff:ffff:ffff:ffff:ffff:ffff", Range::Reserved),
            ("2001:2::", "2001:2:0:ffff:ffff:ffff:ffff:ffff", Range::Example),
            ("2001:3::", "2001:1ff:ffff:ffff:ffff:ffff:ffff:ffff", Range::Reserved),
            ("2001:db8::", "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff", Range::Example),
            ("3fff::", "3fff:fff:ffff:ffff:ffff:ffff:ffff:ffff", Range::Example),
            ("4000::", "5f00::1", Range::Reserved),
            ("fc00::", "fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", Range::Private),
            ("fe80::", "febf:ffff:ffff:ffff:ffff:ffff:ffff:ffff", Range::LinkLocal),
            ("fec0::", "feff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", Range::Private),
            ("ff00::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", Range::Multicast),
        ] {
            assert_eq!(judged(first), Some(range), "{first}");
            assert_eq!(judged(last), Some(range), "{last}");
        }
    }

    #[test]
    fn the_neighbours_of_special_ranges_are_public() {
        for address in [
            "1.0.0.0",
            "1.1.1.1",
            "9.255.255.255",
            "11.0.0.0",
            "100.63.255.255",
            "100.128.0.0",
            "126.255.255.255",
            "128.0.0.0",
            "169.253.255.255",
            "169.255.0.0",
            "172.15.255.255",
            "172.32.0.0",
            "191.255.255.255",
            "192.0.1.0",
            "192.0.3.0",
            "192.88.98.255",
            "192.88.100.0",
            "192.167.255.255",
            "192.169.0.0",
            "198.17.255.255",
            "198.20.0.0",
            "203.0.112.255",
            "203.0.114.0",
            "223.255.255.255",
            "2000::1",
            "2001:200::",
            "2001:db7:ffff::",
            "2001:db9::",
            "2606:4700::1111",
            "3ffe:ffff::",
            "3fff:1000::",
        ] {
            assert_eq!(judged(address), None, "{address}");
        }
    }

    #[test]
    fn a_carried_address_is_judged_in_each_form_that_carries_one() {
        for (address, range) in [
            ("::ffff:127.0.0.1", Some(Range::Loopback)),
            ("::ffff:169.254.169.254", Some(Range::LinkLocal)),
            ("::ffff:10.1.2.3", Some(Range::Private)),
            ("::ffff:1.1.1.1", None),
            ("::127.0.0.1", Some(Range::Loopback)),
            ("::192.168.0.1", Some(Range::Private)),
            ("::1.1.1.1", Some(Range::Reserved)),
            ("::ffff:0:127.0.0.1", Some(Range::Loopback)),
            ("::ffff:0:1.1.1.1", Some(Range::Reserved)),
            ("64:ff9b::10.0.0.1", Some(Range::Private)),
            ("64:ff9b::a9fe:a9fe", Some(Range::LinkLocal)),
            ("64:ff9b::1.1.1.1", None),
            ("64:ff9b::1:1.1.1.1", Some(Range::Reserved)),
            ("2002:7f00:1::", Some(Range::Loopback)),
            ("2002:a00:1:2::3", Some(Range::Private)),
            ("2002:a9fe:a9fe::", Some(Range::LinkLocal)),
            ("2002:101:101::1", None),
            // Teredo: whichever server and client it carries.
            ("2001:0:4136:e378:8000:63bf:3fff:fdd2", Some(Range::Reserved)),
            ("2606:4700::5efe:10.0.0.1", Some(Range::Private)),
            ("2606:4700::200:5efe:127.0.0.1", Some(Range::Loopback)),
            ("2606:4700::5efe:1.1.1.1", None),
        ] {
            assert_eq!(judged(address), range, "{address}");
        }
    }
}

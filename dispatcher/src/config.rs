//! The configuration of a server. The doc comments are its manual.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::num::{NonZeroU32, NonZeroU64};
use std::path::PathBuf;

use bindery_wire::limits::Lower;
use serde::{Deserialize, Serialize};

/// What `serve` is told. A file gives the names in kebab-case; the command line overrides it.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Config {
    /// The directory of everything that is kept.
    pub data: PathBuf,
    /// Where workers are reached.
    pub listen: SocketAddr,
    /// Where the admin API is reached.
    pub admin: SocketAddr,
    /// The domain under which tenants have their names.
    pub domain: String,
    /// Networks whose `x-forwarded-*` headers are believed, such as `10.0.0.0/8`.
    pub trusted_proxies: Vec<Cidr>,
    /// The file with the key that encrypts secrets: 64 hexadecimal digits. Made in the data
    /// directory if absent.
    pub secrets_key: Option<PathBuf>,
    /// Processes that host isolates. As many as cores if absent, at least two.
    pub cordons: Option<NonZeroU32>,
    /// Starts without the parts of the sandbox that this kernel does not grant.
    pub unsandboxed: bool,
    /// The operator's token. Made in the data directory if absent.
    #[serde(skip_serializing)]
    pub operator_token: Option<Token>,
    /// How long a shutdown waits for events that run, in milliseconds.
    pub drain_ms: u32,
    /// Limits of every tenant, where lower than the built-in ones.
    pub limits: Lower,
    /// How many isolates are kept.
    pub pool: PoolConfig,
    /// Lets workers reach private addresses, this machine's included.
    pub allow_private_egress: bool,
    /// Connections that workers' requests go out over.
    pub egress: EgressConfig,
    /// What workers keep in their caches.
    pub cache: CacheConfig,
}

/// How many isolates a server keeps and when it lets them go.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct PoolConfig {
    /// Live isolates of all tenants, busy or idle. The least recently used idle one goes first.
    pub isolate_count_max: NonZeroU32,
    /// Live isolates of one version: one, and more while it is busy. As many as cores if absent,
    /// at least two.
    pub version_isolate_count_max: Option<NonZeroU32>,
    /// The share of a core, in thousandths, from which on an isolate counts as busy.
    pub busy_permille_min: u32,
    /// What has to be free of all cores, in thousandths of one, before a busy version gets one
    /// more isolate.
    pub free_permille_min: u32,
    /// Bytes that all cordons together may hold. Idle isolates go before it is reached, and no
    /// start passes it. Three quarters of what the machine or the control group has if absent.
    pub memory_bytes_max: Option<NonZeroU64>,
    /// An isolate without an event for this long is let go.
    pub idle_ms: u32,
    /// Blank isolates that wait in each cordon when there are no cold starts.
    pub blank_count_min: u32,
    /// Blank isolates that wait in each cordon, at most; how many follows the cold starts.
    pub blank_count_max: u32,
    /// Bytes of modules that are kept in memory for the next start.
    pub code_bytes_max: u64,
    /// Isolates after which a cordon is replaced: the engine keeps some bytes of each.
    pub cordon_start_count_max: NonZeroU32,
}

/// Connections that workers' requests go out over.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct EgressConfig {
    /// Connections of one tenant with a request under way.
    pub connection_count_max: NonZeroU32,
    /// Connections of all tenants with a request under way; at most a quarter of the descriptors
    /// that the process may have.
    pub connection_total_max: NonZeroU32,
    /// Connections of one tenant that wait for the next request.
    pub idle_count_max: u32,
    /// Connections of all tenants that wait for the next request; at most an eighth of them.
    pub idle_total_max: u32,
    /// A connection that waited for this long is closed.
    pub idle_ms: u32,
    /// How long it may take to resolve a name, to connect and to agree on TLS.
    pub connect_ms: u32,
    /// How long a server may take to respond, from the last byte of the request on.
    pub response_ms: u32,
    /// Networks that workers reach though they are not public, such as `10.1.0.0/16`.
    pub reachable: Vec<Cidr>,
    /// A PEM file of certificate authorities that are believed beside the system's.
    pub certificates: Option<PathBuf>,
}

/// What workers keep in their caches. Whichever tenant holds most loses first.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct CacheConfig {
    /// Bytes of memory that the caches of all tenants hold: of responses up to 64 KiB, and of what
    /// is known of all others.
    pub memory_bytes_max: u64,
    /// Bytes of files that the caches of all tenants hold: of larger responses.
    pub disk_bytes_max: u64,
    /// Bytes of one response.
    pub object_bytes_max: u64,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            data: "./bindery-data".into(),
            listen: (Ipv4Addr::LOCALHOST, 8787).into(),
            admin: (Ipv4Addr::LOCALHOST, 8788).into(),
            domain: "localhost".into(),
            trusted_proxies: Vec::new(),
            secrets_key: None,
            cordons: None,
            unsandboxed: false,
            operator_token: None,
            drain_ms: 30_000,
            limits: Lower::default(),
            pool: PoolConfig::default(),
            allow_private_egress: false,
            egress: EgressConfig::default(),
            cache: CacheConfig::default(),
        }
    }
}

impl Default for PoolConfig {
    fn default() -> Self {
        Self {
            isolate_count_max: NonZeroU32::new(1_000).unwrap_or(NonZeroU32::MIN),
            version_isolate_count_max: None,
            busy_permille_min: 800,
            free_permille_min: 500,
            memory_bytes_max: None,
            idle_ms: 10 * 60 * 1_000,
            blank_count_min: 2,
            blank_count_max: 8,
            code_bytes_max: 256 << 20,
            cordon_start_count_max: NonZeroU32::new(10_000).unwrap_or(NonZeroU32::MIN),
        }
    }
}

impl Default for EgressConfig {
    fn default() -> Self {
        Self {
            connection_count_max: NonZeroU32::new(1_000).unwrap_or(NonZeroU32::MIN),
            connection_total_max: NonZeroU32::new(10_000).unwrap_or(NonZeroU32::MIN),
            idle_count_max: 128,
            idle_total_max: 4_096,
            idle_ms: 30_000,
            connect_ms: 10_000,
            response_ms: 120_000,
            reachable: Vec::new(),
            certificates: None,
        }
    }
}

impl Default for CacheConfig {
    fn default() -> Self {
        Self { memory_bytes_max: 128 << 20, disk_bytes_max: 2 << 30, object_bytes_max: 256 << 20 }
    }
}

/// A token that no log shows.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct Token(pub String);

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Token(..)")
    }
}

/// A network: an address and how many of its leading bits count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(try_from = "String", into = "String")]
pub struct Cidr {
    address: IpAddr,
    bits: u8,
}

/// Why a text is not a network.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a network: use ADDRESS or ADDRESS/BITS")]
pub struct Error(String);

impl std::str::FromStr for Cidr {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let error = || Error(text.chars().take(60).collect());
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) => (address, Some(bits)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| error())?;
        let bits_max = if address.is_ipv4() { 32 } else { 128 };
        let bits = match bits {
            Some(bits) => bits.parse().map_err(|_| error())?,
            None => bits_max,
        };
        if bits <= bits_max { Ok(Self { address, bits }) } else { Err(error()) }
    }
}

impl TryFrom<String> for Cidr {
    type Error = Error;

    fn try_from(text: String) -> Result<Self, Error> {
        text.parse()
    }
}

impl From<Cidr> for String {
    fn from(cidr: Cidr) -> Self {
        format!("{}/{}", cidr.address, cidr.bits)
    }
}

impl Cidr {
    /// Whether an address lies in the network. An IPv4 address mapped into IPv6 counts as itself.
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.address, address.to_canonical()) {
            (IpAddr::V4(net), IpAddr::V4(address)) => {
                let shift = 32 - u32::from(self.bits);
                (net.to_bits() ^ address.to_bits()).checked_shr(shift).unwrap_or(0) == 0
            }
            (IpAddr::V6(net), IpAddr::V6(address)) => {
                let shift = 128 - u32::from(self.bits);
                (net.to_bits() ^ address.to_bits()).checked_shr(shift).unwrap_or(0) == 0
            }
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_configuration_is_frozen() {
        let mut text = serde_json::to_string_pretty(&Config::default()).expect("plain data");
        text.push('\n');
        expect_test::expect_file!["../golden/config.json"].assert_eq(&text);
    }

    #[test]
    fn an_unknown_name_is_refused_and_a_token_is_not_shown() {
        assert!(serde_json::from_str::<Config>(r#"{"lisen":"127.0.0.1:1"}"#).is_err());
        assert!(serde_json::from_str::<Config>(r#"{"pool":{"idle":1}}"#).is_err());
        let config: Config =
            serde_json::from_str(r#"{"operator-token":"hush","data":"/d"}"#).expect("reads");
        assert!(!format!("{config:?}").contains("hush"));
    }

    #[test]
    fn a_network_holds_its_addresses_only() {
        let cidr = |text: &str| text.parse::<Cidr>();
        let ip = |text: &str| text.parse::<IpAddr>().expect("address");
        assert!(cidr("10.0.0.0/8").expect("reads").contains(ip("10.9.8.7")));
        assert!(cidr("10.0.0.0/8").expect("reads").contains(ip("::ffff:10.9.8.7")));
        assert!(!cidr("10.0.0.0/8").expect("reads").contains(ip("11.0.0.1")));
        assert!(cidr("0.0.0.0/0").expect("reads").contains(ip("1.2.3.4")));
        assert!(!cidr("0.0.0.0/0").expect("reads").contains(ip("::1")));
        assert!(cidr("::/0").expect("reads").contains(ip("fe80::1")));
        assert!(cidr("127.0.0.1").expect("reads").contains(ip("127.0.0.1")));
        assert!(!cidr("127.0.0.1").expect("reads").contains(ip("127.0.0.2")));
        for bad in ["", "10.0.0.0/33", "::/129", "10.0.0/8", "x/8", "10.0.0.0/-1"] {
            assert!(cidr(bad).is_err(), "{bad}");
        }
    }
}

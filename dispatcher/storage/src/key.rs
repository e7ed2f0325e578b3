//! Keys: how rows are named, and that one tenant's rows never stand among another's.
//!
//! The first byte is a [`Space`]. Each part behind it is of fixed width or carries its length,
//! but for a text that ends a key. So no tenant's number can be read out of other parts, and a scan
//! of one tenant's prefix yields that tenant's rows alone. `LAYOUT.md` says which parts the keys
//! of each space have; tests read it.

use bindery_wire::TenantId;

use crate::engine::KeyRange;

macro_rules! spaces {
    ($($(#[$doc:meta])* $name:ident = $byte:literal,)*) => {
        /// The first byte of every key. Append only: a retired byte stays reserved.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[repr(u8)]
        pub enum Space {
            $($(#[$doc])* $name = $byte,)*
        }

        impl Space {
            /// Every space, in the order of its byte.
            pub const ALL: &[Self] = &[$(Self::$name,)*];
        }
    };
}

spaces! {
    /// What is true of the whole store, by name.
    Meta = 0x01,
    /// Tenants, by number.
    Tenant = 0x02,
    /// Which number a tenant's name stands for.
    TenantName = 0x03,
    /// Workers of a tenant, by name.
    Worker = 0x04,
    /// Versions of a worker, by id.
    Version = 0x05,
    /// Deployments of a worker, in their order.
    Deployment = 0x06,
    /// Tokens of a tenant, by the hash of the token.
    Token = 0x07,
    /// Secrets of a worker, by name.
    Secret = 0x08,
    /// Host names granted to a tenant.
    Domain = 0x09,
    /// Which tenant a granted host name belongs to.
    Host = 0x0a,
    /// The last tenant number given.
    TenantCounter = 0x0b,
    /// Contents of a tenant by their hash, in parts.
    Content = 0x0c,
    /// What a tenant used, by hour and figure.
    Usage = 0x0d,
    /// Changes that were asked for, the newest first.
    Audit = 0x0e,
    /// The same of one tenant.
    TenantAudit = 0x0f,
    /// Routes of the version of a worker that serves.
    Route = 0x10,
    /// What is due to a tenant, by time.
    Due = 0x11,
    /// When to look at which tenant's due entries: hints.
    Wake = 0x12,
    /// Crons of a worker, by expression.
    Cron = 0x13,
    /// Keys of a namespace, each with its value or where that is.
    Kv = 0x14,
    /// Keys that expire, by time.
    KvExpiry = 0x15,
    /// Values of keys that are too large for the key's row, in parts.
    KvPart = 0x16,
    /// Values that no key holds: not yet, or no more.
    KvRemains = 0x17,
    /// Queues of a tenant, by name.
    Queue = 0x19,
    /// Messages of a queue, by id.
    QueueMessage = 0x1a,
    /// Messages of a queue that nobody has, by the time from which they may be delivered.
    QueueReady = 0x1b,
    /// Messages of a queue that somebody has, by the time until which they are his.
    QueueLease = 0x1c,
    /// What came to a queue and went from it.
    QueueCount = 0x1d,
    /// What a tenant keeps, by kind and figure.
    Stored = 0x24,
}

/// A key being written, part by part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key(Vec<u8>);

impl Key {
    /// A key of this space, with no part yet.
    pub fn new(space: Space) -> Self {
        Self(vec![space as u8])
    }

    /// Appends a tenant's number: eight bytes, big end first.
    pub fn tenant(self, tenant: TenantId) -> Self {
        self.number(tenant.0)
    }

    /// Appends a number: eight bytes, big end first, so that keys sort as the numbers do.
    pub fn number(mut self, number: u64) -> Self {
        self.0.extend_from_slice(&number.to_be_bytes());
        self
    }

    /// Appends a hash: 32 bytes.
    pub fn hash(mut self, hash: &[u8; 32]) -> Self {
        self.0.extend_from_slice(hash);
        self
    }

    /// Appends a text behind its length.
    pub fn text(self, text: &str) -> Self {
        self.bytes(text.as_bytes())
    }

    /// Appends bytes behind their length: two bytes, big end first.
    ///
    /// What does not fit the length makes a key that is over the limit of every engine.
    pub fn bytes(mut self, bytes: &[u8]) -> Self {
        let length = u16::try_from(bytes.len()).unwrap_or(u16::MAX);
        self.0.extend_from_slice(&length.to_be_bytes());
        self.0.extend_from_slice(bytes);
        self
    }

    /// The key, finished with a text that has no length, so that rows sort as their texts do.
    pub fn ending(mut self, text: &str) -> Vec<u8> {
        self.0.extend_from_slice(text.as_bytes());
        self.0
    }

    /// The finished key.
    pub fn finish(self) -> Vec<u8> {
        self.0
    }

    /// Every key that begins with these parts.
    pub fn range(self) -> KeyRange {
        KeyRange::prefix(self.0)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    const LAYOUT: &str = include_str!("../LAYOUT.md");

    /// What the parts of one key are made from, more of each than any layout takes.
    #[derive(Clone, Debug, PartialEq, Eq)]
    struct Parts {
        numbers: [u64; 3],
        hash: [u8; 32],
        texts: [String; 2],
    }

    /// The kinds of parts behind each space's byte, in order, as `LAYOUT.md` has them: rows of the
    /// form `| 0x04 | Worker | tenant number, name ending | ... |`.
    fn layouts() -> BTreeMap<u8, (String, Vec<String>)> {
        let rows = LAYOUT.lines().filter_map(|line| {
            let mut cells = line.split('|').map(str::trim).skip(1);
            let byte = u8::from_str_radix(cells.next()?.strip_prefix("0x")?, 16).ok()?;
            let name = cells.next()?.to_owned();
            let kind = |part: &str| part.split_whitespace().last().map(str::to_owned);
            Some((byte, (name, cells.next()?.split(',').filter_map(kind).collect())))
        });
        rows.collect()
    }

    /// A key of this space with the parts that its layout names; and those parts.
    fn build(space: Space, from: &Parts) -> (Vec<u8>, Vec<Vec<u8>>) {
        let (mut key, mut used) = (Key::new(space), vec![vec![space as u8]]);
        let (mut numbers, mut texts) = (from.numbers.iter(), from.texts.iter());
        for kind in &layouts()[&(space as u8)].1 {
            match kind.as_str() {
                "number" => {
                    let number = *numbers.next().expect("no layout has four numbers");
                    key = key.number(number);
                    used.push(number.to_be_bytes().to_vec());
                }
                "hash" => {
                    key = key.hash(&from.hash);
                    used.push(from.hash.to_vec());
                }
                "text" => {
                    let text = texts.next().expect("no layout has three texts");
                    key = key.text(text);
                    used.push(text.clone().into());
                }
                "ending" => {
                    let text = texts.next().expect("no layout has three texts");
                    used.push(text.clone().into());
                    return (key.ending(text), used);
                }
                other => panic!("`{other}` is no kind of part"),
            }
        }
        (key.finish(), used)
    }

    fn has_tenant(space: Space) -> bool {
        use Space::{Content, Cron, Deployment, Domain, Due, Route, Secret, Stored, Tenant, Token};
        use Space::{Kv, KvExpiry, KvPart, KvRemains, TenantAudit, Usage, Version, Worker};
        use Space::{Queue, QueueCount, QueueLease, QueueMessage, QueueReady};
        let own = matches!(space, Tenant | Worker | Version | Deployment | Token | Secret);
        let own = own || matches!(space, Due | Cron | Stored);
        let own = own || matches!(space, Kv | KvExpiry | KvPart | KvRemains);
        let own =
            own || matches!(space, Queue | QueueMessage | QueueReady | QueueLease | QueueCount);
        own || matches!(space, Domain | Content | Usage | Route | TenantAudit)
    }

    #[test]
    fn the_layout_file_names_every_space_and_no_other() {
        let documented: Vec<_> =
            layouts().into_iter().map(|(byte, (name, _))| (byte, name)).collect();
        let there: Vec<_> = Space::ALL.iter().map(|s| (*s as u8, format!("{s:?}"))).collect();
        assert_eq!(documented, there);
    }

    #[test]
    fn the_bytes_of_keys_are_frozen() {
        let parts = Parts {
            numbers: [0x2f, 0x102, 0x3],
            hash: [0xab; 32],
            texts: ["hello".into(), "KEY".into()],
        };
        let line = |space: &Space| {
            let (key, _) = build(*space, &parts);
            let hex: String = key.iter().map(|byte| format!("{byte:02x}")).collect();
            format!("{space:?} {}\n", hex.replace(&"ab".repeat(32), "[32 x ab]"))
        };
        let lines: String = Space::ALL.iter().map(line).collect();
        expect_test::expect![[r#"
            Meta 01000568656c6c6f
            Tenant 02000000000000002f
            TenantName 0368656c6c6f
            Worker 04000000000000002f68656c6c6f
            Version 05000000000000002f000568656c6c6f[32 x ab]
            Deployment 06000000000000002f000568656c6c6f0000000000000102
            Token 07000000000000002f[32 x ab]
            Secret 08000000000000002f000568656c6c6f4b4559
            Domain 09000000000000002f68656c6c6f
            Host 0a68656c6c6f
            TenantCounter 0b
            Content 0c000000000000002f[32 x ab]0000000000000102
            Usage 0d000000000000002f000000000000010268656c6c6f
            Audit 0e000000000000002f
            TenantAudit 0f000000000000002f0000000000000102
            Route 10000000000000002f68656c6c6f
            Due 11000000000000002f000000000000010268656c6c6f
            Wake 12000000000000002f0000000000000102
            Cron 13000000000000002f000568656c6c6f4b4559
            Kv 14000000000000002f000568656c6c6f4b4559
            KvExpiry 15000000000000002f0000000000000102000568656c6c6f4b4559
            KvPart 16000000000000002f00000000000001020000000000000003
            KvRemains 17000000000000002f00000000000001020000000000000003
            Queue 19000000000000002f68656c6c6f
            QueueMessage 1a000000000000002f000568656c6c6f4b4559
            QueueReady 1b000000000000002f000568656c6c6f00000000000001024b4559
            QueueLease 1c000000000000002f000568656c6c6f00000000000001024b4559
            QueueCount 1d000000000000002f000568656c6c6f4b4559
            Stored 24000000000000002f000568656c6c6f4b4559
        "#]]
        .assert_eq(&lines);
        let bytes = Key::new(Space::Meta).tenant(TenantId(1)).bytes(&[7, 0]).finish();
        assert_eq!(bytes, [1, 0, 0, 0, 0, 0, 0, 0, 1, 0, 2, 7, 0]);
    }

    #[test]
    fn bytes_too_long_for_their_length_make_a_key_that_no_engine_takes() {
        let key = Key::new(Space::Meta).bytes(&[0; 70_000]).finish();
        assert!(key.len() > crate::engine::KEY_BYTES_MAX);
    }

    /// Values that are close to each other, so that wrong boundaries collide.
    fn parts() -> impl Strategy<Value = Parts> {
        let number = prop_oneof![0..3_u64, Just(0x0100), Just(u64::MAX), any::<u64>()];
        let text = "[\\x00-\\x02ab]{0,4}";
        let hash = prop_oneof![Just([0; 32]), Just([0xff; 32]), any::<[u8; 32]>()];
        ([number.clone(), number.clone(), number], hash, [text, text])
            .prop_map(|(numbers, hash, texts)| Parts { numbers, hash, texts })
    }

    fn space() -> impl Strategy<Value = Space> {
        proptest::sample::select(Space::ALL)
    }

    proptest! {
        #[test]
        fn two_keys_are_equal_only_if_all_their_parts_are(
            one in (space(), parts()),
            two in (space(), parts()),
        ) {
            let (key_one, parts_one) = build(one.0, &one.1);
            let (key_two, parts_two) = build(two.0, &two.1);
            prop_assert_eq!(key_one == key_two, parts_one == parts_two);
            let (key_same, parts_same) = build(one.0, &two.1);
            prop_assert_eq!(key_one == key_same, parts_one == parts_same);
        }

        #[test]
        fn moving_the_border_between_two_texts_makes_another_key(
            space in space(),
            (parts, whole) in (parts(), "[\\x00-\\x02ab]{0,6}"),
            cuts in [0..7_usize, 0..7],
        ) {
            let [one, two] = cuts.map(|cut| {
                let (left, right) = whole.split_at(cut.min(whole.len()));
                build(space, &Parts { texts: [left.into(), right.into()], ..parts.clone() })
            });
            prop_assert_eq!(one.0 == two.0, one.1 == two.1);
        }

        #[test]
        fn a_scan_of_a_tenant_finds_its_rows_and_no_other_tenants(
            scanned in space().prop_filter("a tenant's own", |s| has_tenant(*s)),
            tenant in prop_oneof![0..3_u64, Just(u64::MAX)],
            row in (space(), parts()),
        ) {
            let range = Key::new(scanned).tenant(TenantId(tenant)).range();
            let (key, _) = build(row.0, &row.1);
            let found = range.start <= key && range.end.as_ref().is_none_or(|end| key < *end);
            prop_assert_eq!(found, row.0 == scanned && row.1.numbers[0] == tenant);
        }

        #[test]
        fn a_scan_of_a_worker_finds_no_rows_of_a_worker_whose_name_goes_on(
            name in "[ab\\x00]{0,3}",
            row in parts(),
        ) {
            let range = Key::new(Space::Secret).number(row.numbers[0]).text(&name).range();
            let (key, _) = build(Space::Secret, &row);
            let found = range.start <= key && range.end.as_ref().is_none_or(|end| key < *end);
            prop_assert_eq!(found, row.texts[0] == name);
        }
    }
}

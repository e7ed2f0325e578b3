//! The limits that are the dispatcher's own, beside those of [`bindery_wire::limit`]: together,
//! every limit of a server that somebody can meet.

use bindery_logic::cron;
use bindery_logic::egress::redirect::REDIRECT_COUNT_MAX;
use bindery_logic::kv as keys;
pub use bindery_wire::limit::{
    AFTER_CLIENT, BATCH, BATCH_BYTES, BINDINGS, CONSUMERS, CPU, CRON, CRONS, ENV, HEADERS,
    HEADERS_BYTES, LOG, Limit, MEMORY, MESSAGE, MODULE_COUNT, MODULES, QUEUED_EVENTS, REQUEST,
    ROUTES, RPC_CALLS, RPC_VALUE, STARTUP_CPU, Setting, Told, URL, Unit, WALL,
};

use crate::config::{CacheConfig, PoolConfig};
use crate::{admin, cache, http, kv, line, loader, queue, registry, scheduler, tail};

/// A setting of the server's configuration.
const fn server(key: &'static str) -> Option<Setting> {
    Some(Setting { key, levels: &["server"] })
}

bindery_wire::limits! {
    /// Every fixed limit of the dispatcher.
    OWN;
    REDIRECTS = "redirect_count_max" REDIRECT_COUNT_MAX, Count, None;
        "redirects that one outgoing request follows"; "fetch throws";
        "ask for the address that the last one leads to";
    SLOTS = "stub_count_max" line::SLOT_COUNT_MAX, Count, None;
        "stubs of others that one isolate holds"; "the call that would bring one more fails";
        "dispose of stubs that are not used";
    CACHE_NAME = "cache_name_bytes_max" cache::CACHE_NAME_BYTES_MAX, Bytes, None;
        "bytes of the name of a cache"; "caches.open throws";
        "give it a shorter name";
    CACHE_KEY = "cache_key_bytes_max" cache::CACHE_KEY_BYTES_MAX, Bytes, None;
        "bytes of the URL or `cacheKey` of a cached response"; "the call is refused";
        "use a hash of it";
    CACHE_VARIANTS = "cache_variant_count_max" cache::CACHE_VARIANT_COUNT_MAX, Count, None;
        "cached responses to one URL, by what `Vary` names"; "the oldest is dropped";
        "vary on fewer headers";
    CONNECTIONS = "connection_count_max" http::CONNECTION_COUNT_MAX, Count, None;
        "connections of one thread of the front door"; "further ones wait to be accepted";
        "close connections that are not used";
    WORKERS = "worker_count_max" registry::WORKER_COUNT_MAX, Count,
        Some(Setting { key: "quotas.workers", levels: &["tenant"] });
        "workers of a tenant"; "the upload is answered with QUOTA";
        "delete a worker";
    REGISTERED = "registered_count_max" registry::REGISTERED_COUNT_MAX, Count, None;
        "workers that those of a tenant have registered"; "registering throws";
        "unregister one that is not used";
    VERSIONS = "version_count_max" registry::VERSION_COUNT_MAX, Count, None;
        "versions of a worker"; "the oldest that does not serve is dropped";
        "deploy an older version before it is the oldest";
    DEPLOYMENTS = "deployment_count_max" registry::DEPLOYMENT_COUNT_MAX, Count, None;
        "deployments of a worker that are remembered"; "the oldest is forgotten";
        "keep them elsewhere";
    TOKENS = "token_count_max" registry::TOKEN_COUNT_MAX, Count, None;
        "tokens of a tenant"; "the call is answered with QUOTA";
        "delete one that is not used";
    DOMAINS = "domain_count_max" registry::DOMAIN_COUNT_MAX, Count, None;
        "host names granted to a tenant"; "the call is answered with QUOTA";
        "take one back, or use several tenants";
    TENANT_ROUTES = "tenant_route_count_max" registry::TENANT_ROUTE_COUNT_MAX, Count, None;
        "routes of all versions of a tenant that serve"; "the deployment is answered with QUOTA";
        "take several paths by one pattern with `*`";
    SECRET = "secret_bytes_max" registry::SECRET_BYTES_MAX, Bytes, None;
        "bytes of one secret"; "the call is refused";
        "split it into several secrets";
    PAGE = "page_count_max" registry::PAGE_COUNT_MAX, Count, None;
        "items of one page of a list"; "the call is refused";
        "read page by page with the cursor";
    BODY = "admin_body_bytes_max" admin::BODY_BYTES_MAX, Bytes, None;
        "bytes of a JSON body of the admin API"; "the call is answered with TOO_LARGE";
        "send less at once";
    METADATA = "metadata_bytes_max" admin::METADATA_BYTES_MAX, Bytes, None;
        "bytes of the metadata of an upload"; "the upload is answered with TOO_LARGE";
        "put large values into modules";
    FLAGS = "flag_count_max" admin::FLAG_COUNT_MAX, Count, None;
        "compatibility flags of a version"; "the upload is refused";
        "leave out those that the date implies";
    UPLOADS = "upload_count_max" admin::UPLOAD_COUNT_MAX, Count, None;
        "uploads that run at once"; "the upload is answered with OVERLOADED";
        "try again after `retry-after`";
    TENANT_UPLOADS = "tenant_upload_count_max" admin::TENANT_UPLOAD_COUNT_MAX, Count, None;
        "uploads of one tenant that run at once"; "the upload is answered with QUOTA";
        "try again when one has ended";
    FOLLOWERS = "follower_count_max" admin::FOLLOWER_COUNT_MAX, Count, None;
        "readers that follow logs at once"; "the call is answered with OVERLOADED";
        "try again when one has ended";
    TENANT_FOLLOWERS = "tenant_follower_count_max" admin::TENANT_FOLLOWER_COUNT_MAX, Count, None;
        "readers that follow one tenant's logs at once"; "the call is answered with QUOTA";
        "try again when one has ended";
    DELIVERIES = "delivery_count_max" scheduler::DELIVERY_COUNT_MAX, Count, None;
        "things that are due and being delivered at once"; "further ones wait for their turn";
        "have handlers end sooner";
    TENANT_DELIVERIES = "tenant_delivery_count_max" scheduler::TENANT_DELIVERY_COUNT_MAX, Count, None;
        "things due to one tenant that are being delivered at once";
        "further ones wait for their turn";
        "have handlers end sooner";
    STORED_BYTES = "stored_bytes_max" kv::STORED_BYTES_MAX, Bytes,
        Some(Setting { key: "quotas.stored_bytes", levels: &["tenant"] });
        "bytes of all that a tenant's workers keep"; "what would keep more throws";
        "delete something";
    STORED_ROWS = "stored_row_count_max" kv::STORED_ROWS_MAX, Count,
        Some(Setting { key: "quotas.stored_rows", levels: &["tenant"] });
        "things that a tenant's workers keep"; "what would keep more throws";
        "delete something";
    KV_KEY = "kv_key_bytes_max" keys::KEY_BYTES_MAX, Bytes, None;
        "bytes of a key's name"; "the call throws";
        "keep long names in values";
    KV_VALUE = "kv_value_bytes_max" keys::VALUE_BYTES_MAX, Bytes, None;
        "bytes of a key's value"; "the call throws";
        "split it over several keys";
    KV_METADATA = "kv_metadata_bytes_max" keys::METADATA_BYTES_MAX, Bytes, None;
        "bytes of a key's metadata as JSON"; "the call throws";
        "keep it in the value";
    KV_KEYS = "kv_key_count_max" keys::KEY_COUNT_MAX, Count, None;
        "keys that one call reads together"; "the call throws";
        "make several calls";
    KV_LIST = "kv_list_count_max" keys::LIST_COUNT_MAX, Count, None;
        "keys of one page of a list"; "the call throws";
        "read page by page with the cursor";
    KV_RECEIVED = "kv_received_count_max" kv::RECEIVED_COUNT_MAX, Count, None;
        "values of one tenant over 64 KiB that are received at once";
        "further ones wait for their turn";
        "write them one after another";
    CRON_RETRIES = "cron_retry_count_max" cron::RETRY_COUNT, Count, None;
        "times that a failed run of a cron is tried again"; "the next occurrence is waited for";
        "catch what can be caught, and keep what is left for the next one";
    TOLD = "told_count_max" line::TOLD_COUNT_MAX, Count, None;
        "events of one loaded worker of which its tails are being told"; "no tail is told of more";
        "have `tail` handlers end sooner";
    LOADED = "loaded_count_max" loader::LOADED_COUNT_MAX, Count, None;
        "workers loaded by those of a tenant that somebody can still call"; "loading throws";
        "load them by name, so that the same one is used again";
    LOADED_BYTES = "loaded_bytes_max" loader::LOADED_BYTES_MAX, Bytes, None;
        "bytes of the code of those, what is the same counted once, and of what each is given"; "loading throws";
        "load fewer at once";
    LOADED_NAMES = "loaded_name_count_max" loader::NAME_COUNT_MAX, Count, None;
        "names by which a tenant's loaders know workers";
        "the one used longest ago is forgotten, and loaded again when it is asked for";
        "use fewer names";
    QUEUES = "queue_count_max" queue::QUEUE_COUNT_MAX, Count, None;
        "queues of a tenant"; "the send, `get` or deployment that would make another is refused";
        "delete one that is not used";
    PULL = "pull_count_max" queue::PULL_COUNT_MAX, Count, None;
        "messages of one pull"; "the call is refused";
        "pull again";
    VISIBILITY = "visibility_ms_max" queue::VISIBILITY_MS_MAX, Milliseconds, None;
        "time for which who pulled a message may have it"; "the call is refused";
        "pull it again when it comes back";
    CONCURRENCY = "queue_concurrency_max" queue::CONCURRENCY_MAX, Count,
        Some(Setting { key: "queue_consumers[].max_concurrency", levels: &["worker"] });
        "batches of one queue that are delivered at once"; "further ones wait";
        "use several queues";
    RETENTION = "retention_s_max" queue::RETENTION_S_MAX, Count, None;
        "seconds after which a message is dropped that nobody took"; "the `get` is refused";
        "store what is to be kept for longer";
    RECORDS = "record_count_max" tail::COUNT_MAX, Count, None;
        "log records of a tenant that are remembered"; "the oldest are forgotten";
        "follow the logs";
    RECORD_BYTES = "record_bytes_max" tail::BYTES_MAX, Bytes, None;
        "bytes of log records of a tenant that are remembered"; "the oldest are forgotten";
        "follow the logs";
}

/// Every limit of a server, with the value that applies where nobody sets another.
pub fn all() -> Vec<Limit> {
    bindery_wire::limit::ALL.iter().chain(OWN).copied().chain(pool()).chain(caches()).collect()
}

/// The bounds of the pool, which the server's configuration sets.
fn pool() -> [Limit; 7] {
    let config = PoolConfig::default();
    let row = |name, key, value| Limit {
        name,
        value,
        unit: Unit::Count,
        set: server(key),
        what: "",
        at: "",
        advice: "raise it if there is memory",
    };
    [
        Limit {
            what: "live isolates of all tenants",
            at: "the least recently used idle one goes",
            ..row(
                "isolate_count_max",
                "pool.isolate-count-max",
                config.isolate_count_max.get().into(),
            )
        },
        Limit {
            what: "live isolates of one version",
            at: "further events wait for one of them",
            ..row(
                "version_isolate_count_max",
                "pool.version-isolate-count-max",
                config.version_isolate_count_max.map_or(0, |count| count.get().into()),
            )
        },
        Limit {
            unit: Unit::Bytes,
            what: "bytes that all cordons hold together",
            at: "idle isolates go, and starts wait",
            ..row(
                "pool_memory_bytes_max",
                "pool.memory-bytes-max",
                config.memory_bytes_max.map_or(0, |bytes| bytes.get()),
            )
        },
        Limit {
            unit: Unit::Milliseconds,
            what: "time that an isolate is kept without an event",
            at: "it is let go",
            ..row("isolate_idle_ms_max", "pool.idle-ms", config.idle_ms.into())
        },
        Limit {
            what: "blank isolates that wait in each cordon",
            at: "a cold start makes one first",
            ..row("blank_count_max", "pool.blank-count-max", config.blank_count_max.into())
        },
        Limit {
            unit: Unit::Bytes,
            what: "bytes of modules that are kept in memory",
            at: "the least recently used are read again",
            ..row("code_bytes_max", "pool.code-bytes-max", config.code_bytes_max)
        },
        Limit {
            what: "isolates that one cordon ever makes",
            at: "the cordon is replaced when its last isolate has ended",
            ..row(
                "cordon_start_count_max",
                "pool.cordon-start-count-max",
                config.cordon_start_count_max.get().into(),
            )
        },
    ]
}

/// The bounds of caches, which the server's configuration sets.
fn caches() -> [Limit; 3] {
    let config = CacheConfig::default();
    let row = |name, key, value| Limit {
        name,
        value,
        unit: Unit::Bytes,
        set: server(key),
        what: "",
        at: "the tenant that holds most loses what it did not use for longest",
        advice: "raise it if there is room",
    };
    [
        Limit {
            what: "bytes of memory that the caches of all tenants hold",
            ..row("cache_memory_bytes_max", "cache.memory-bytes-max", config.memory_bytes_max)
        },
        Limit {
            what: "bytes of files that the caches of all tenants hold",
            ..row("cache_disk_bytes_max", "cache.disk-bytes-max", config.disk_bytes_max)
        },
        Limit {
            what: "bytes of one cached response",
            at: "put fails",
            ..row("cache_object_bytes_max", "cache.object-bytes-max", config.object_bytes_max)
        },
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_bound_that_is_public_has_a_row() {
        let all = all();
        for source in [include_str!("registry/mod.rs"), include_str!("http/mod.rs")] {
            let constants = source.lines().filter_map(|line| line.strip_prefix("pub const "));
            for (name, _) in constants.filter_map(|rest| rest.split_once("_MAX:")) {
                let name = format!("{}_max", name.to_lowercase());
                assert!(all.iter().any(|limit| limit.name == name), "{name}");
            }
        }
    }

    #[test]
    fn no_name_stands_for_two_limits() {
        let mut names: Vec<&str> = all().iter().map(|limit| limit.name).collect();
        let count = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), count);
    }

    #[test]
    fn the_document_of_all_limits_is_what_applies() {
        let mut text = String::from(
            "# Limits\n\nWhat applies where nobody sets another value; `bindery capabilities` prints \
             the same. Where a limit can be\nset on several levels, the lowest applies. An error \
             that a limit causes gives its value; where\nworkers elsewhere know a text for it by \
             heart, it is that one, and else it names the limit and says what to do.\n\n\
             | limit | default | set by | bounds | at the limit |\n|---|---|---|---|---|\n",
        );
        for limit in all() {
            let set = limit
                .set
                .map_or(String::new(), |set| format!("`{}` of {}", set.key, set.levels.join(", ")));
            let amount = match limit.value {
                0 => "as the machine has it".to_owned(),
                value => limit.amount(value).to_string(),
            };
            let Limit { name, what, at, .. } = limit;
            text.push_str(&format!("| `{name}` | {amount} | {set} | {what} | {at} |\n"));
        }
        expect_test::expect_file!["../LIMITS.md"].assert_eq(&text);
    }
}

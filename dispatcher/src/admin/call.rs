//! The one list of calls: who may make each, what it means and what answers it. The router and
//! the API's description are made of it, so that adding a line is adding a call.

use axum::extract::DefaultBodyLimit;
use axum::routing::{MethodRouter, delete, get, post, put};
use bindery_wire::limits::REQUEST_BYTES_MAX;

use super::{
    Admin, audit, capabilities, crons, domains, events, health, kv, logs, openapi, queues, secrets,
    store, tenants, tokens,
};
use super::{upload, usage, workers};

/// Who may make a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scope {
    /// Whoever reaches the port.
    Open,
    /// Whoever has a token.
    Anybody,
    /// The operator, and who has a token of the tenant that the path names.
    Tenant,
    /// The operator.
    Operator,
}

impl Scope {
    pub(super) fn doc(self) -> &'static str {
        match self {
            Self::Open => "No token.",
            Self::Anybody => "Any token.",
            Self::Tenant => "A token of the tenant or the operator.",
            Self::Operator => "A token of the operator.",
        }
    }
}

/// One call.
pub(super) struct Call {
    pub(super) method: &'static str,
    pub(super) path: &'static str,
    pub(super) scope: Scope,
    pub(super) query: &'static [&'static str],
    /// The status when it is done.
    pub(super) status: u16,
    pub(super) doc: &'static str,
    /// What answers it: a router for its method.
    pub(super) route: fn() -> MethodRouter<Admin>,
    /// The request's body: its content type, and its schema's name.
    pub(super) takes: Option<Content>,
    /// Bodies of answers.
    pub(super) gives: [Option<Content>; 2],
}

/// A content type, and the name of a schema.
pub(super) type Content = (&'static str, &'static str);

const JSON: &str = "application/json";

const fn call(
    (method, path): (&'static str, &'static str),
    scope: Scope,
    query: &'static [&'static str],
    (status, doc): (u16, &'static str),
    route: fn() -> MethodRouter<Admin>,
) -> Call {
    Call { method, path, scope, query, status, doc, route, takes: None, gives: [None, None] }
}

impl Call {
    const fn takes(self, content_type: &'static str, schema: &'static str) -> Self {
        Self { takes: Some((content_type, schema)), ..self }
    }

    /// Answers with JSON.
    const fn gives(self, schema: &'static str) -> Self {
        Self { gives: [Some((JSON, schema)), self.gives[1]], ..self }
    }

    /// Answers with something else, if that is asked for or if there is nothing beside it.
    const fn or(self, content_type: &'static str, schema: &'static str) -> Self {
        Self { gives: [self.gives[0], Some((content_type, schema))], ..self }
    }
}

const TENANT: &str = "/v1/tenants/{t}";
const DOMAINS: &str = "/v1/tenants/{t}/domains";
const DOMAIN: &str = "/v1/tenants/{t}/domains/{host}";
const TOKENS: &str = "/v1/tenants/{t}/tokens";
const TOKEN: &str = "/v1/tenants/{t}/tokens/{id}";
const WORKERS: &str = "/v1/tenants/{t}/workers";
const WORKER: &str = "/v1/tenants/{t}/workers/{w}";
const VERSIONS: &str = "/v1/tenants/{t}/workers/{w}/versions";
const DEPLOYMENTS: &str = "/v1/tenants/{t}/workers/{w}/deployments";
const CRONS: &str = "/v1/tenants/{t}/workers/{w}/crons";
const EVENTS: &str = "/v1/tenants/{t}/workers/{w}/events";
const SECRETS: &str = "/v1/tenants/{t}/workers/{w}/secrets";
const SECRET: &str = "/v1/tenants/{t}/workers/{w}/secrets/{name}";
const LOGS: &str = "/v1/tenants/{t}/logs";
const USAGE: &str = "/v1/tenants/{t}/usage";
const AUDIT: &str = "/v1/tenants/{t}/audit";
const KV: &str = "/v1/tenants/{t}/kv/{ns}";
const KV_KEY: &str = "/v1/tenants/{t}/kv/{ns}/{key}";
const QUEUES: &str = "/v1/tenants/{t}/queues";
const QUEUE: &str = "/v1/tenants/{t}/queues/{q}";
const MESSAGES: &str = "/v1/tenants/{t}/queues/{q}/messages";
const PULL: &str = "/v1/tenants/{t}/queues/{q}/messages/pull";
const ACK: &str = "/v1/tenants/{t}/queues/{q}/messages/ack";
const PURGE: &str = "/v1/tenants/{t}/queues/{q}/purge";
const REDRIVE: &str = "/v1/tenants/{t}/queues/{q}/redrive";
const PAGE: &[&str] = &["limit", "cursor"];

/// Every call.
pub(super) const CALLS: &[Call] = &[
    call(("GET", "/healthz"), Scope::Open, &[], (204, "Whether the process runs."), || {
        get(health::alive)
    }),
    call(("GET", "/readyz"), Scope::Open, &[], (204, "Whether the server takes work."), || {
        get(health::ready)
    }),
    call(("GET", "/metrics"), Scope::Operator, &[], (200, "Figures of the host as text."), || {
        get(health::metrics)
    })
    .or("text/plain", "Text"),
    call(("GET", "/openapi.json"), Scope::Anybody, &[], (200, "This document."), || {
        get(openapi::show)
    })
    .gives("Document"),
    call(
        ("GET", "/v1/capabilities"),
        Scope::Anybody,
        &[],
        (200, "Limits, bindings and dates."),
        || get(capabilities::show),
    )
    .gives("Capabilities"),
    call(
        ("GET", "/v1/audit"),
        Scope::Operator,
        &["tenant", "limit", "cursor"],
        (200, "Who asked for which change, the newest first; of one tenant, also a deleted one."),
        || get(audit::list),
    )
    .gives("Entries"),
    call(
        ("GET", "/v1/store"),
        Scope::Operator,
        &[],
        (200, "Figures of what everything is kept in. Reads all rows."),
        || get(store::stats),
    )
    .gives("Store"),
    call(
        ("POST", "/v1/store/backup"),
        Scope::Operator,
        &[],
        (200, "Everything that is kept at this moment, as a file that the program restores."),
        || post(store::back_up),
    )
    .or("application/octet-stream", "Backup"),
    call(
        ("GET", "/v1/tenants"),
        Scope::Operator,
        &["prefix", "limit", "cursor"],
        (200, "Tenants, in the order of their names."),
        || get(tenants::list),
    )
    .gives("Tenants"),
    call(
        ("PUT", TENANT),
        Scope::Operator,
        &[],
        (200, "Makes a tenant, or sets what is set of it."),
        || put(tenants::put),
    )
    .takes(JSON, "Settings")
    .gives("Tenant"),
    call(("GET", TENANT), Scope::Tenant, &[], (200, "A tenant."), || get(tenants::show))
        .gives("Tenant"),
    call(
        ("DELETE", TENANT),
        Scope::Operator,
        &[],
        (204, "Deletes a tenant and all it has."),
        || delete(tenants::delete),
    ),
    call(("GET", DOMAINS), Scope::Tenant, &[], (200, "Host names granted to a tenant."), || {
        get(domains::list)
    })
    .gives("Domains"),
    call(("PUT", DOMAIN), Scope::Operator, &[], (200, "Grants a host name to a tenant."), || {
        put(domains::put)
    })
    .gives("Domain"),
    call(("GET", DOMAIN), Scope::Tenant, &[], (200, "A host name granted to a tenant."), || {
        get(domains::show)
    })
    .gives("Domain"),
    call(("DELETE", DOMAIN), Scope::Operator, &[], (204, "Takes a host name back."), || {
        delete(domains::delete)
    }),
    call(
        ("POST", TOKENS),
        Scope::Tenant,
        &[],
        (201, "Makes a token; it is shown this once."),
        || post(tokens::create),
    )
    .gives("Token"),
    call(("GET", TOKENS), Scope::Tenant, &[], (200, "A tenant's tokens by id."), || {
        get(tokens::list)
    })
    .gives("Tokens"),
    call(("DELETE", TOKEN), Scope::Tenant, &[], (204, "Makes a token worthless."), || {
        delete(tokens::delete)
    }),
    call(
        ("GET", LOGS),
        Scope::Tenant,
        &["follow", "worker", "after"],
        (200, "Logs, exceptions and outcomes; with follow=1 as server-sent events."),
        || get(logs::read),
    )
    .gives("Records")
    .or("text/event-stream", "Record"),
    call(
        ("GET", USAGE),
        Scope::Tenant,
        &["from", "to"],
        (200, "What the tenant used, hour by hour."),
        || get(usage::read),
    )
    .gives("Usage"),
    call(
        ("GET", AUDIT),
        Scope::Tenant,
        PAGE,
        (200, "Who asked for which change of a tenant."),
        || get(audit::list_own),
    )
    .gives("Entries"),
    call(
        ("GET", KV),
        Scope::Tenant,
        &["prefix", "limit", "cursor"],
        (200, "Keys of a namespace, in the order of their names' bytes."),
        || get(kv::list),
    )
    .gives("KvPage"),
    call(
        ("GET", KV_KEY),
        Scope::Tenant,
        &[],
        (200, "The value of a key; what else is known of it stands in the headers."),
        || get(kv::show),
    )
    .or("application/octet-stream", "KvValue"),
    call(
        ("PUT", KV_KEY),
        Scope::Tenant,
        &["expiration", "expiration_ttl", "metadata"],
        (204, "Sets a key; metadata is JSON."),
        || put(kv::put),
    )
    .takes("application/octet-stream", "KvValue"),
    call(("DELETE", KV_KEY), Scope::Tenant, &[], (204, "Deletes a key, if it is there."), || {
        delete(kv::delete)
    }),
    call(
        ("GET", WORKERS),
        Scope::Tenant,
        PAGE,
        (200, "Workers, in the order of their names."),
        || get(workers::list),
    )
    .gives("Workers"),
    call(
        ("PUT", WORKER),
        Scope::Tenant,
        &["deploy"],
        (200, "Uploads a version as multipart/form-data, and deploys it unless deploy=false."),
        || put(upload::put).layer(DefaultBodyLimit::max(REQUEST_BYTES_MAX as usize)),
    )
    .takes("multipart/form-data", "Upload")
    .gives("Uploaded"),
    call(("GET", WORKER), Scope::Tenant, &[], (200, "A worker with its deployments."), || {
        get(workers::show)
    })
    .gives("Worker"),
    call(
        ("DELETE", WORKER),
        Scope::Tenant,
        &["force"],
        (204, "Deletes a worker with its versions and secrets."),
        || delete(workers::delete),
    ),
    call(
        ("GET", VERSIONS),
        Scope::Tenant,
        &[],
        (200, "Versions of a worker, the newest first."),
        || get(workers::versions),
    )
    .gives("Versions"),
    call(
        ("POST", DEPLOYMENTS),
        Scope::Tenant,
        &[],
        (200, "Deploys a version, or rolls back."),
        || post(workers::deploy),
    )
    .takes(JSON, "Deploy")
    .gives("Worker"),
    call(
        ("GET", CRONS),
        Scope::Tenant,
        &[],
        (200, "Crons of the version that serves: when each runs next, and how it last went."),
        || get(crons::list),
    )
    .gives("Crons"),
    call(
        ("POST", EVENTS),
        Scope::Tenant,
        &[],
        (200, "Runs a scheduled, queue or tail event, and tells what came of it."),
        || post(events::run),
    )
    .takes(JSON, "Event")
    .gives("EventEnded"),
    call(("GET", SECRETS), Scope::Tenant, &[], (200, "The names of a worker's secrets."), || {
        get(secrets::list)
    })
    .gives("Secrets"),
    call(("PUT", SECRET), Scope::Tenant, &[], (204, "Sets a secret; it is never shown."), || {
        put(secrets::put)
    })
    .takes(JSON, "SecretText"),
    call(("DELETE", SECRET), Scope::Tenant, &[], (204, "Deletes a secret."), || {
        delete(secrets::delete)
    }),
    call(
        ("GET", QUEUES),
        Scope::Tenant,
        PAGE,
        (200, "Queues, in the order of their names."),
        || get(queues::list),
    )
    .gives("Queues"),
    call(("GET", QUEUE), Scope::Tenant, &[], (200, "A queue, and what waits in it."), || {
        get(queues::show)
    })
    .gives("Queue"),
    call(
        ("DELETE", QUEUE),
        Scope::Tenant,
        &[],
        (204, "Deletes a queue that no version that serves takes messages of, with all in it."),
        || delete(queues::delete),
    ),
    call(
        ("POST", MESSAGES),
        Scope::Tenant,
        &[],
        (200, "Sends messages together: all are durable, or none."),
        || post(queues::send).layer(DefaultBodyLimit::disable()),
    )
    .takes(JSON, "QueueSend")
    .gives("QueueSent"),
    call(
        ("POST", PULL),
        Scope::Tenant,
        &[],
        (200, "Takes messages for a while; what is not settled by then is delivered again."),
        || post(queues::pull),
    )
    .takes(JSON, "QueuePull")
    .gives("QueuePulled"),
    call(
        ("POST", ACK),
        Scope::Tenant,
        &[],
        (200, "Settles messages that were pulled, each by its lease."),
        || post(queues::ack),
    )
    .takes(JSON, "QueueAck")
    .gives("QueueAcked"),
    call(
        ("POST", PURGE),
        Scope::Tenant,
        &[],
        (200, "Drops the messages that nobody has; with more, call it again."),
        || post(queues::purge),
    )
    .gives("QueuePurged"),
    call(
        ("POST", REDRIVE),
        Scope::Tenant,
        &[],
        (200, "Moves messages to another queue, as they were sent; with more, call it again."),
        || post(queues::redrive),
    )
    .takes(JSON, "QueueRedrive")
    .gives("QueueMoved"),
];

/// Who may make the call; what is not listed is the operator's.
pub(super) fn scope(method: &str, path: &str) -> Scope {
    let found = CALLS.iter().find(|call| call.method == method && call.path == path);
    found.map_or(Scope::Operator, |call| call.scope)
}

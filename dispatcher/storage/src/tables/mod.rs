//! What each row holds.
//!
//! A table reads its rows, and makes the writes that change them; who commits several of them
//! together decides what belongs together. Every row begins with the version of its format.
//! Absent on purpose: caches, and any rule about who may do what.

mod account;
mod audit;
mod content;
mod cron;
mod domain;
mod due;
mod format;
mod kv;
mod meta;
mod queue;
mod route;
mod row;
mod secret;
mod tenant;
mod token;
mod usage;
mod version;
mod worker;

pub use account::{Account, OverQuota, Stored};
pub use audit::{Audit, AuditEntry, Place};
pub use content::{CONTENT_BYTES_MAX, Contents};
pub use cron::{Cron, CronTable, LastRun, named as named_cron};
pub use domain::{Domain, Domains};
pub use due::{Due, DueTable, Hint, Kind};
pub use format::migrate;
pub use kv::{Expired, KvRow, KvTable, KvValue, Place as KvPlace, Remains, Standing};
pub use meta::Meta;
pub use queue::{
    Backlog, Body, Consumer, Content, Counted, Holder, Lease, Leased, MessageId, Queue, QueueTable,
    Ready,
};
pub use route::{RouteTable, Routes};
pub use row::{Error, Result};
pub use secret::{Sealed, Secrets};
pub use tenant::{Quotas, Tenant, Tenants};
pub use token::{Token, Tokens};
pub use usage::{Figures, Usage};
pub use version::{Version, Versions};
pub use worker::{Deployment, Worker, Workers};

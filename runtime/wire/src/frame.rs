//! The frames of a line: what the dispatcher and one isolate say to each other.
//!
//! Nothing in a frame names a tenant: who speaks is known from the socket. Bodies have numbers;
//! each side numbers the bodies that it sends, and moves no more bytes than the other side gave
//! credit for. A response's body begins with a credit of [`WINDOW_BYTES`], one that goes with a call
//! or its result with [`UNREAD_BYTES`], and one of the dispatcher's with none: most are never read.

use serde::{Deserialize, Serialize};

use crate::binding::Kind;
use crate::event::{Batch, Decision, Handler};
use crate::limits::Limits;
use crate::log::{Exception, Record, Spent};
use crate::manifest::ModuleKind;
use crate::outcome::Outcome;
use crate::rpc::{self, Invocation, Invoke, Loopback, Returned};
use crate::value::{Attached, Handed, Props, Value};

/// Bytes of the method of an outgoing request; those that HTTP knows are shorter.
pub const METHOD_BYTES_MAX: usize = 64;
/// A body of at most this many bytes, all there, travels inside the head.
pub const BODY_INLINE_BYTES_MAX: usize = 64 << 10;
/// Bytes of one chunk of a longer body.
pub const CHUNK_BYTES_MAX: usize = 64 << 10;
/// Bytes that a reader of a body lets its writer be ahead.
pub const WINDOW_BYTES: u32 = 512 << 10;
/// Bytes of a body that goes with a call or its result which may be sent before anybody reads it.
pub const UNREAD_BYTES: u32 = 16 << 10;
/// Bodies that one event sends at once, and one isolate.
pub const BODY_COUNT_MAX: usize = 2_000;
/// Bodies that one isolate sends at once.
pub const BODIES_COUNT_MAX: usize = 4_000;

/// The slot of every worker's global `fetch`.
pub const OUTBOUND_SLOT: u32 = 0;
/// The slot of every worker's `caches`.
pub const CACHES_SLOT: u32 = 1;
/// The slot of the first binding that a version declares: they follow in the order of their names.
pub const BINDING_SLOT: u32 = 2;

/// What the dispatcher says to an isolate.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub enum Down<'a> {
    /// Always first, and once: which code to run.
    #[serde(borrow)]
    Start(Start<'a>),
    /// Run a handler.
    Event(Event<'a>),
    /// More of a body of the dispatcher's, within the credit given.
    Chunk {
        /// The body.
        body: u32,
        /// The bytes; not empty.
        #[serde(with = "serde_bytes")]
        bytes: &'a [u8],
    },
    /// The body is complete, or was cut off where it came from.
    End {
        /// The body.
        body: u32,
        /// Whether all of it was sent.
        whole: bool,
    },
    /// More bytes of a body of the isolate's may be sent.
    Credit {
        /// The body.
        body: u32,
        /// How many more.
        bytes: u32,
    },
    /// Nobody wants the rest of a body of the isolate's.
    Unwanted {
        /// The body.
        body: u32,
    },
    /// What came of a call.
    #[serde(borrow)]
    Reply(Reply<'a>),
    /// Something more that an event is to do.
    Invoke {
        /// The event.
        event: u32,
        /// What.
        #[serde(borrow)]
        invocation: Invocation<'a>,
    },
    /// Nobody holds what an event has handed over any more.
    Released {
        /// The event.
        event: u32,
        /// What it handed over.
        export: u32,
    },
    /// Nothing more will be made of the result of an invocation, with which something was handed over.
    Finished {
        /// The event.
        event: u32,
        /// The invocation.
        invocation: u32,
    },
    /// What is in a watched slot can not be called any more.
    Broken {
        /// The slot.
        slot: u32,
        /// Why, as the worker may read it.
        message: &'a str,
    },
    /// Nobody waits for the event any more. Work that it asked to finish goes on, if `outcome`
    /// is [`Outcome::Canceled`]; anything else ends the event now.
    Cancel {
        /// The event.
        event: u32,
        /// Why.
        outcome: Outcome,
    },
    /// End when the events that run now have ended.
    Stop,
}

/// Which code an isolate runs, with what, for good.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub struct Start<'a> {
    /// The name of the module whose exports are the entrypoints.
    pub main_module: &'a str,
    /// Every module.
    #[serde(borrow)]
    pub modules: Vec<Module<'a>>,
    /// What `env` holds.
    pub env: Vec<(&'a str, EnvValue<'a>)>,
    /// An object whose properties `env` holds too.
    #[serde(borrow)]
    pub env_value: Option<Value<'a>>,
    /// What the isolate and its events may use.
    pub limits: Limits,
    /// `YYYY-MM-DD`.
    pub compat_date: &'a str,
    /// Compatibility flags.
    pub compat_flags: Vec<&'a str>,
}

/// One module with its bytes.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub struct Module<'a> {
    /// Its name.
    pub name: &'a str,
    /// How an import of it reads.
    pub kind: ModuleKind,
    /// Its bytes.
    #[serde(with = "serde_bytes")]
    pub source: &'a [u8],
    /// Compiled code that this engine build made of these bytes for this tenant.
    #[serde(with = "serde_bytes")]
    pub compiled: Option<&'a [u8]>,
}

/// What a name in `env` holds.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub enum EnvValue<'a> {
    /// A string.
    Text(&'a str),
    /// A value, as the text of its JSON.
    Json(&'a str),
    /// A binding.
    Bound {
        /// What stands for it.
        kind: Kind,
        /// Its place in the dispatcher's table.
        slot: u32,
    },
}

/// A reason to run a handler.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub struct Event<'a> {
    /// Its number on this line, never used again there.
    pub event: u32,
    /// The export whose handler runs; absent for `default`.
    pub entrypoint: Option<&'a str>,
    /// What `ctx.props` is.
    #[serde(borrow)]
    pub props: Props<'a>,
    /// CPU time that it may use, in milliseconds, if less than the isolate's events may.
    pub cpu_ms_max: Option<u32>,
    /// What happened.
    #[serde(borrow)]
    pub kind: EventKind<'a>,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum EventKind<'a> {
    /// An HTTP request.
    #[serde(borrow)]
    Fetch(Request<'a>),
    /// A time that the worker asked for has come.
    Scheduled {
        /// That time, in milliseconds since 1970.
        at_ms: u64,
        /// The expression that it comes from.
        cron: &'a str,
    },
    /// Messages of a queue.
    #[serde(borrow)]
    Queue(Batch<'a>),
    /// What other workers' events did.
    Tail {
        /// The trace items, as the text of a JSON array.
        items: &'a str,
    },
    /// A method is called; others may follow.
    #[serde(borrow)]
    Rpc(Invocation<'a>),
}

impl EventKind<'_> {
    /// The handler that runs it.
    pub fn handler(&self) -> Handler {
        match self {
            Self::Fetch(_) => Handler::Fetch,
            Self::Scheduled { .. } => Handler::Scheduled,
            Self::Queue(_) => Handler::Queue,
            Self::Tail { .. } => Handler::Tail,
            Self::Rpc(_) => Handler::Rpc,
        }
    }
}

/// An HTTP request.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Request<'a> {
    /// The method, as it was sent.
    pub method: &'a str,
    /// The whole URL.
    pub url: &'a str,
    /// Headers ([`crate::flat`]).
    #[serde(with = "serde_bytes")]
    pub headers: &'a [u8],
    /// `request.cf`, as the text of its JSON.
    pub cf: &'a str,
    /// The body.
    #[serde(borrow)]
    pub body: Body<'a>,
}

/// The body of a request or response.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Body<'a> {
    /// There is none.
    None,
    /// All of it.
    Inline(#[serde(with = "serde_bytes")] &'a [u8]),
    /// It follows in chunks.
    Stream {
        /// Its number on this line, never used again by this side.
        body: u32,
        /// How long it is, if that is known.
        length: Option<u64>,
    },
    /// The other side's body of that number, which was not read: from an isolate only.
    Passed {
        /// The body.
        body: u32,
    },
}

/// What came of a call.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub struct Reply<'a> {
    /// The call.
    pub call: u32,
    /// What came of it.
    #[serde(borrow)]
    pub result: Result<Answer<'a>, Refusal<'a>>,
    /// What goes with the answer.
    #[serde(borrow)]
    pub handed: Vec<Handed<'a>>,
}

/// What a call was answered with.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub enum Answer<'a> {
    /// The response to an HTTP request.
    #[serde(borrow)]
    Response(Response<'a>),
    /// What a binding says.
    #[serde(borrow)]
    Bound(Bound<'a>),
    /// What a method returned.
    #[serde(borrow)]
    Rpc(rpc::Result<'a>),
}

impl Answer<'_> {
    /// The body that comes with it.
    pub fn body(&self) -> &Body<'_> {
        match self {
            Self::Response(response) => &response.body,
            Self::Bound(bound) => &bound.body,
            Self::Rpc(result) => &result.value,
        }
    }
}

/// What is said to a binding, or by it.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub struct Bound<'a> {
    /// What: [`crate::binding`] says how it is written.
    #[serde(with = "serde_bytes")]
    pub head: &'a [u8],
    /// The bytes that go with it.
    #[serde(borrow)]
    pub body: Body<'a>,
}

/// The head of a response that the dispatcher fetched.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub struct Response<'a> {
    /// 200 to 599.
    pub status: u16,
    /// What stands behind the status.
    pub status_text: &'a str,
    /// The URL that answered after redirects; absent if it is the one that was asked.
    pub url: Option<&'a str>,
    /// Headers ([`crate::flat`]).
    #[serde(with = "serde_bytes")]
    pub headers: &'a [u8],
    /// The body.
    #[serde(borrow)]
    pub body: Body<'a>,
}

/// Why a call has no response.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub struct Refusal<'a> {
    /// Whether the call itself was wrong, which is a `TypeError`; otherwise it is an `Error`.
    pub wrong: bool,
    /// The message, which the worker may read.
    pub message: &'a str,
}

/// What an isolate says to the dispatcher.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub enum Up<'a> {
    /// The modules were evaluated; events may come.
    Started(Started),
    /// They were not; the isolate ends.
    Refused {
        /// Whose fault: `Exception` or a limit.
        spent: Spent,
        /// What went wrong, with the position.
        exception: Exception,
    },
    /// Compiled code of a module that had none.
    Compiled {
        /// The module.
        name: &'a str,
        /// The code.
        #[serde(with = "serde_bytes")]
        code: &'a [u8],
    },
    /// The head of an event's response.
    #[serde(borrow)]
    Head(Head<'a>),
    /// An operation of a binding.
    #[serde(borrow)]
    Call(Call<'a>),
    /// Nobody waits for the reply to a call any more.
    Abort {
        /// The call.
        call: u32,
    },
    /// More of a body of the isolate's, within the credit given.
    Chunk {
        /// The body.
        body: u32,
        /// The bytes; not empty.
        #[serde(with = "serde_bytes")]
        bytes: &'a [u8],
    },
    /// The body is complete, or failed where it was made.
    End {
        /// The body.
        body: u32,
        /// Whether all of it was sent.
        whole: bool,
    },
    /// More bytes of a body of the dispatcher's may be sent.
    Credit {
        /// The body.
        body: u32,
        /// How many more.
        bytes: u32,
    },
    /// The worker does not want the rest of a body of the dispatcher's.
    Unwanted {
        /// The body.
        body: u32,
    },
    /// Something for the tenant's log.
    Record {
        /// The event it belongs to, if any.
        event: Option<u32>,
        /// When, in milliseconds since 1970.
        at_ms: u64,
        /// What.
        record: Record,
    },
    /// What it was handed in a slot is not wanted any more.
    Release {
        /// The slot: one of the dynamic ones.
        slot: u32,
    },
    /// It wants to know when what is in a slot can not be called any more.
    Watch {
        /// The event.
        event: u32,
        /// The slot.
        slot: u32,
    },
    /// Nothing more will be made of the result of a call, with which something was handed over.
    Finish {
        /// The event.
        event: u32,
        /// The call.
        call: u32,
    },
    /// What came of an invocation.
    #[serde(borrow)]
    Returned(Returned<'a>),
    /// It is to hold something of its own.
    #[serde(borrow)]
    Loopback(Loopback<'a>),
    /// What the handler of an event without a response decided: comes before the event's end.
    Decided {
        /// The event.
        event: u32,
        /// What.
        decision: Decision,
    },
    /// The event has ended: nothing of it is left in the isolate.
    Done {
        /// The event.
        event: u32,
        /// How, and what it used.
        spent: Spent,
    },
    /// The isolate takes no new events, finishes those it can, and ends.
    Condemned {
        /// Which limit made it so.
        outcome: Outcome,
    },
    /// The event came when the isolate took no more: nothing of it has run.
    NotTaken {
        /// The event.
        event: u32,
    },
}

/// An operation of a binding.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub struct Call<'a> {
    /// Its number on this line, never used again there.
    pub call: u32,
    /// The event that it is made in.
    pub event: u32,
    /// The place of the binding in the dispatcher's table ([`OUTBOUND_SLOT`] is `fetch`).
    pub slot: u32,
    /// What is to be done.
    #[serde(borrow)]
    pub operation: Operation<'a>,
    /// What goes with it.
    #[serde(borrow)]
    pub attached: Vec<Attached<'a>>,
}

/// What a call asks of a binding.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub enum Operation<'a> {
    /// An HTTP request.
    #[serde(borrow)]
    Fetch(Outgoing<'a>),
    /// Anything else: what it is, the binding knows.
    #[serde(borrow)]
    Bound(Bound<'a>),
    /// A call of a method, or a look at a property.
    #[serde(borrow)]
    Rpc(Invoke<'a>),
}

impl<'a> Operation<'a> {
    /// The body that comes with it.
    pub fn body(&self) -> &Body<'a> {
        match self {
            Self::Fetch(outgoing) => &outgoing.body,
            Self::Bound(bound) => &bound.body,
            Self::Rpc(invoke) => &invoke.arguments,
        }
    }

    /// The same with another body.
    pub fn with_body(self, body: Body<'a>) -> Self {
        match self {
            Self::Fetch(outgoing) => Self::Fetch(Outgoing { body, ..outgoing }),
            Self::Bound(bound) => Self::Bound(Bound { body, ..bound }),
            Self::Rpc(invoke) => Self::Rpc(Invoke { arguments: body, ..invoke }),
        }
    }
}

/// An HTTP request of a worker.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub struct Outgoing<'a> {
    /// The method.
    pub method: &'a str,
    /// The whole URL, without a fragment.
    pub url: &'a str,
    /// Headers ([`crate::flat`]).
    #[serde(with = "serde_bytes")]
    pub headers: &'a [u8],
    /// Whether a redirect is followed, or is the response.
    pub follow: bool,
    /// The body.
    #[serde(borrow)]
    pub body: Body<'a>,
}

/// What a start found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Started {
    /// CPU time of evaluating the modules, in microseconds.
    pub cpu_us: u64,
    /// The exports and the handlers of each: `("default", ["fetch"])`.
    pub entrypoints: Vec<(String, Vec<String>)>,
    /// What the tenant should know, though it works.
    pub warnings: Vec<String>,
}

/// The head of a response.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub struct Head<'a> {
    /// The event that it answers.
    pub event: u32,
    /// 200 to 599, or 101.
    pub status: u16,
    /// Headers ([`crate::flat`]).
    #[serde(with = "serde_bytes")]
    pub headers: &'a [u8],
    /// The body.
    #[serde(borrow)]
    pub body: Body<'a>,
}

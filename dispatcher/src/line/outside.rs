//! What lies outside an isolate: who carries out its calls, what they are given, and what comes
//! back.

use std::borrow::Cow;
use std::sync::Arc;

use bindery_wire::flat;
use bindery_wire::manifest::Binding;
use bindery_wire::value::Rights;
use bytes::Bytes;
use futures_util::future::BoxFuture;

use super::event::RequestBody;
use super::{Item, Permit, RequestId, Upload};
use crate::code::{Code, Slot};
use crate::rpc::{Capability, Service};
use crate::trace::Trace;

/// Carries out the calls of isolates.
pub trait Outside: Send + Sync {
    /// Sends a request. Cancel-safe: dropped, it has no connection left.
    fn fetch(&self, call: Call) -> BoxFuture<'static, Result<Fetched, Refused>>;

    /// Tells the tails of `code` what one of its events did. Goes on by itself.
    fn tell(&self, code: Arc<Code>, item: Item);

    /// Room for one more event in an isolate that a service runs in, called from `hops` workers
    /// deep. Cancel-safe.
    fn room(
        &self,
        caller: Arc<Code>,
        service: Arc<Service>,
        hops: u32,
    ) -> BoxFuture<'static, Result<Permit, Refused>>;

    /// Does what a binding is asked for. Dropped, it may still be done, whole.
    fn ask(&self, ask: Ask) -> BoxFuture<'static, Result<Answer, Refused>>;
}

/// A request of a worker, on its way out.
pub struct Call {
    /// What made it.
    pub code: Arc<Code>,
    /// Where it goes, if not where the global `fetch` does.
    pub service: Option<Arc<Service>>,
    /// The client's request that led to it.
    pub request: RequestId,
    /// The trace that the event belongs to.
    pub trace: Trace,
    /// How many workers lie between that request and this one.
    pub hops: u32,
    /// How many subrequests the event has left for redirects.
    pub redirects_max: u32,
    /// The method.
    pub method: Box<str>,
    /// The whole URL.
    pub url: Box<str>,
    /// Headers in the flat form, as the worker gave them.
    pub headers: Bytes,
    /// Whether a redirect is followed, or is the response.
    pub follow: bool,
    /// The body.
    pub body: RequestBody,
}

/// What a worker asks a binding for.
pub struct Ask {
    /// What asks.
    pub code: Arc<Code>,
    /// Which of its bindings: [`Ask::of`] knows it.
    pub slot: u32,
    /// What it is, and what may be done with it, if the version does not declare it.
    pub held: Option<(Arc<Binding>, Rights)>,
    /// The trace that the event belongs to.
    pub trace: Trace,
    /// What is asked, as [`bindery_wire::binding`] has it. Nothing in it was checked.
    pub head: Bytes,
    /// The bytes that go with it.
    pub body: RequestBody,
    /// Whether they were sent under an encoding, and are now what it says.
    pub decoded: bool,
    /// What goes with them, in the order in which they name it.
    pub attached: Vec<Capability>,
}

impl Ask {
    /// What the asked slot stands for.
    pub fn of(&self) -> Option<Slot<'_>> {
        match &self.held {
            Some((binding, _)) => Some(Slot::Binding(binding)),
            None => self.code.slot(self.slot),
        }
    }

    /// What may be done with it.
    pub fn rights(&self) -> Rights {
        self.held.as_ref().map_or(Rights::All, |(_, rights)| *rights)
    }
}

/// What a binding answers.
pub struct Answer {
    /// What, as [`bindery_wire::binding`] has it.
    pub head: Vec<u8>,
    /// The bytes that go with it.
    pub body: FetchedBody,
    /// What the event is handed with it.
    pub handed: Vec<Capability>,
}

/// A response from outside.
pub struct Fetched {
    /// The status.
    pub status: u16,
    /// What stands behind the status.
    pub status_text: Cow<'static, str>,
    /// The URL that answered, if redirects led to another one.
    pub url: Option<String>,
    /// How many redirects led there.
    pub redirects: u32,
    /// Headers in the flat form.
    pub headers: Vec<u8>,
    /// The body.
    pub body: FetchedBody,
}

/// A body from outside.
pub enum FetchedBody {
    /// There is none.
    None,
    /// All of it.
    Inline(Bytes),
    /// It is read when somebody wants it.
    Stream {
        /// Where it comes from.
        from: Unread,
        /// How long it is as it was sent, if known.
        length: Option<u64>,
    },
}

/// A body that nobody has read from.
pub enum Unread {
    /// Its bytes are what it says.
    Plain(Upload),
    /// Its headers name an encoding.
    Encoded(Box<dyn Encoded>),
}

/// A body with an encoding: a worker that reads it gets what it says, and whoever it is passed on
/// to gets what was sent.
pub trait Encoded: Send {
    /// What it is encoded with.
    fn encoding(&self) -> &[u8];
    /// The bytes that were sent.
    fn as_sent(self: Box<Self>) -> Upload;
    /// What they say.
    fn decoded(self: Box<Self>) -> Upload;
}

impl Unread {
    /// The bytes that were sent.
    pub fn as_sent(self) -> Upload {
        match self {
            Self::Plain(upload) => upload,
            Self::Encoded(body) => body.as_sent(),
        }
    }

    /// What they say.
    pub(super) fn decoded(self) -> Upload {
        match self {
            Self::Plain(upload) => upload,
            Self::Encoded(body) => body.decoded(),
        }
    }

    /// The bytes for whoever is told of an encoding by these headers, and whether they are those
    /// that were sent.
    pub(super) fn under(self, headers: &[u8]) -> (Upload, bool) {
        match self {
            Self::Encoded(body) if !names(headers, body.encoding()) => (body.decoded(), false),
            other => (other.as_sent(), true),
        }
    }
}

/// Why a call has no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// Whether the call itself was wrong.
    pub wrong: bool,
    /// What the worker is told.
    pub message: Cow<'static, str>,
}

impl Refused {
    /// One that says that the call itself was wrong.
    pub fn wrong(message: impl Into<Cow<'static, str>>) -> Self {
        Self { wrong: true, message: message.into() }
    }

    /// One that says that the call failed.
    pub fn failed(message: impl Into<Cow<'static, str>>) -> Self {
        Self { wrong: false, message: message.into() }
    }
}

/// Whether flat headers have this content-encoding.
fn names(headers: &[u8], encoding: &[u8]) -> bool {
    let parsed = flat::parse(headers).unwrap_or_default();
    parsed.iter().any(|(name, value)| {
        name.eq_ignore_ascii_case(b"content-encoding") && value.eq_ignore_ascii_case(encoding)
    })
}

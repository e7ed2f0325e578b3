//! What an op of the door can not do.

use bindery_wire::limit::{self, Told};

/// What an op of the door can not do.
#[derive(Debug, thiserror::Error, deno_error::JsError)]
pub enum Error {
    /// Called while the host holds the door: a fault of the host.
    #[class(generic)]
    #[error("internal error: the door is busy")]
    Busy,
    /// I/O while the modules are evaluated.
    #[class(generic)]
    #[error(
        "Disallowed operation called within global scope. Asynchronous I/O (ex: fetch() or \
         connect()), setting a timeout, and generating random values are not allowed within \
         global scope. To fix this error, perform this operation within a handler. \
         https://developers.cloudflare.com/workers/runtime-apis/handlers/"
    )]
    GlobalScope,
    /// More timers than an isolate may have.
    #[class("DOMExceptionQuotaExceededError")]
    #[error(
        "You have exceeded the number of active timers you may set: {max}. ({told})",
        told = timers(.max)
    )]
    Timers {
        /// The limit.
        max: u32,
    },
    /// An event that was answered, or has ended.
    #[class(type)]
    #[error("the event has already been answered or has ended")]
    Ended,
    /// A body of one event in the hands of another.
    #[class(generic)]
    #[error(
        "Cannot perform I/O on behalf of a different request. I/O objects (such as streams, \
         request/response bodies, and others) created in the context of one request handler \
         cannot be accessed from a different request's handler."
    )]
    OtherEvent,
    /// A body that is not there any more.
    #[class(type)]
    #[error("the body has already ended")]
    NoBody,
    /// Headers over the limits of a message.
    #[class(type)]
    #[error("response headers: {0}")]
    Headers(#[from] bindery_wire::flat::Error),
    /// Headers of an outgoing request over the limits of a message.
    #[class(type)]
    #[error("request headers: {0}")]
    RequestHeaders(bindery_wire::flat::Error),
    /// A value that is neither text nor bytes.
    #[class(type)]
    #[error("a body is text or bytes")]
    NotABody,
    /// An op that was taken away.
    #[class(type)]
    #[error("this operation does not exist in a worker")]
    Denied,
    /// A URL of an outgoing request longer than allowed.
    #[class(type)]
    #[error("a URL of {got} bytes; the limit is {max}", max = bindery_wire::limits::URL_BYTES_MAX)]
    UrlTooLong {
        /// Its length.
        got: usize,
    },
    /// A method of an outgoing request longer than allowed.
    #[class(type)]
    #[error(
        "a method of {got} bytes; the limit is {max}",
        max = bindery_wire::frame::METHOD_BYTES_MAX
    )]
    MethodTooLong {
        /// Its length.
        got: usize,
    },
    /// What is asked of a binding is longer than allowed.
    #[class(range)]
    #[error("a call of {got} bytes; the limit is {max}", max = bindery_wire::binding::HEAD_BYTES_MAX)]
    HeadTooLong {
        /// Its length.
        got: usize,
    },
    /// A path of names longer than allowed, or no path.
    #[class(type)]
    #[error(
        "RPC pipelined property path is too deep (max {max}). ({told})",
        max = bindery_wire::rpc::PATH_COUNT_MAX - 1,
        told = limit::RPC_PATH.fixed()
    )]
    Path,
    /// The names of a path are longer than allowed.
    #[class(type)]
    #[error("RPC pipelined property path is too long. ({told})", told = limit::RPC_PATH_BYTES.fixed())]
    PathBytes,
    /// Arguments or a result longer than allowed.
    #[class(generic)]
    #[error(
        "Serialized RPC arguments or return values are limited to 32MiB, but the size of this \
         value was: {got} bytes. ({told})",
        told = limit::RPC_VALUE.fixed()
    )]
    ValueTooLong {
        /// Their length.
        got: usize,
    },
    /// More stubs, bindings and streams in one value than allowed.
    #[class(range)]
    #[error(
        "more than {max} stubs, bindings and streams in one value",
        max = bindery_wire::value::ATTACHED_COUNT_MAX
    )]
    TooManyAttached,
    /// Props of an export longer than allowed.
    #[class(range)]
    #[error(
        "props of {got} bytes; the limit is {max}",
        max = bindery_wire::value::INLINE_BYTES_MAX
    )]
    PropsTooLong {
        /// Their length.
        got: usize,
    },
    /// More exports with props, or larger ones, than an isolate may hold.
    #[class(range)]
    #[error(
        "too many of the worker's own exports are held, or their props are too large together; the \
         limits are {count} and {bytes} bytes",
        count = bindery_wire::value::OWN_COUNT_MAX,
        bytes = bindery_wire::value::OWN_BYTES_MAX
    )]
    TooManyOwn,
    /// More bodies on their way than an event may send at once.
    #[class(range)]
    #[error(
        "too many bodies and streams are sent at once; one event may send {max}",
        max = bindery_wire::frame::BODY_COUNT_MAX
    )]
    TooManyBodies,
    /// Something whose parts are too long together.
    #[class(range)]
    #[error(
        "what is sent is longer than the limit of {max} bytes",
        max = bindery_wire::codec::UP_BYTES_MAX
    )]
    FrameTooLong,
    /// A body of an outgoing request longer than allowed.
    #[class(range)]
    #[error("the request's body is longer than the limit of {max} bytes")]
    RequestTooLong {
        /// The limit.
        max: u64,
    },
    /// A response longer than allowed.
    #[class(range)]
    #[error("the response is too long; {told}", told = response(.max))]
    ResponseTooLong {
        /// The limit.
        max: u64,
    },
}

fn timers(max: &u32) -> Told {
    limit::TIMERS.told(*max)
}

fn response(max: &u64) -> Told {
    limit::RESPONSE.told(*max)
}

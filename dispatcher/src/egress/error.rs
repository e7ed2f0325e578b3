//! Why a request of a worker failed, in words that its tenant may read.
//!
//! No text tells what a name resolved to, and none has more of the host in it than its limits.

use bindery_logic::egress::Range;

/// Why there is no response, or not all of one.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Not a URL, or not one that names a server.
    #[error("`{url}` can not be fetched: {why}")]
    Url {
        /// The beginning of the text.
        url: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// Not the public internet.
    #[error(
        "{host} is not reachable from a worker: it is {}; only public addresses are, unless the \
         server was started with --allow-private-egress", range.as_str()
    )]
    Refused {
        /// The host as the URL names it.
        host: String,
        /// The range that it, or one of its addresses, lies in.
        range: Range,
    },
    /// A port that is not for this.
    #[error("port {port} of {host} is not reachable from a worker: {why}")]
    Port {
        /// The host as the URL names it.
        host: String,
        /// The port.
        port: u16,
        /// Whose it is.
        why: &'static str,
    },
    /// A header that can not be sent, or too many of them.
    #[error("the request's headers are too large: {got} {unit}; the limit is {max}")]
    RequestHeaders {
        /// How many.
        got: usize,
        /// How many there may be.
        max: usize,
        /// Of what.
        unit: &'static str,
    },
    /// A redirect says to send a body again that is gone.
    #[error(
        "a request with a one-time-use body (it was initialized from a stream, not a buffer) \
         encountered a redirect requiring the body to be retransmitted; to avoid this error, \
         construct the request from a buffer-like body initializer"
    )]
    OneTimeBody,
    /// The request's body ended in an error, or is not as long as was said.
    #[error("the request's body ended before it was complete")]
    RequestBody,
    /// More redirects than are followed.
    #[error("too many redirects; the limit is {max}")]
    TooManyRedirects {
        /// How many are followed.
        max: u32,
    },
    /// A redirect that the event has no subrequest left for.
    #[error("too many subrequests: a redirect needs one more than the event has left")]
    TooManySubrequests,
    /// All connections of the tenant are in use.
    #[error("{max} connections of this tenant are in use, which is the limit; finish some first")]
    Busy {
        /// How many there may be.
        max: u32,
    },
    /// All connections of the server are in use.
    #[error("the server has no connection left for this request; try again")]
    Overloaded,
    /// The name has no address.
    #[error("the name {host} could not be resolved")]
    Resolve {
        /// The host as the URL names it.
        host: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// Nobody accepted the connection.
    #[error("no connection to {host}: {}", source.kind())]
    Connect {
        /// The host as the URL names it.
        host: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The server did not prove that it is the one that was meant.
    #[error("no TLS connection to {host}: {source}")]
    Tls {
        /// The host as the URL names it.
        host: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// No connection in time.
    #[error("no connection to {host} within {max_ms} ms")]
    ConnectTimeout {
        /// The host as the URL names it.
        host: String,
        /// The limit.
        max_ms: u32,
    },
    /// No response in time.
    #[error("no response from {host} within {max_ms} ms")]
    ResponseTimeout {
        /// The host as the URL names it.
        host: String,
        /// The limit.
        max_ms: u32,
    },
    /// The connection ended before the response's head was there.
    #[error("the connection to {host} was lost before it responded")]
    Lost {
        /// The host as the URL names it.
        host: String,
        /// Why.
        #[source]
        source: hyper::Error,
    },
    /// The head of the response is larger than it may be.
    #[error(
        "{host} responded with more than {} headers, or more than {} bytes of them",
        bindery_wire::limits::HEADER_COUNT_MAX,
        bindery_wire::limits::HEADERS_BYTES_MAX
    )]
    ResponseHeaders {
        /// The host as the URL names it.
        host: String,
    },
    /// Not a response of HTTP.
    #[error("{host} responded with what is not HTTP")]
    Malformed {
        /// The host as the URL names it.
        host: String,
    },
    /// A redirect to nowhere.
    #[error("{host} redirects to what can not be fetched")]
    Redirect {
        /// The host as the URL names it.
        host: String,
        /// What is wrong with the place.
        #[source]
        source: Box<Error>,
    },
    /// The connection ended in the middle of the response's body.
    #[error("the connection was lost before the response's body was complete")]
    BodyLost(#[source] hyper::Error),
    /// The body is not what its content-encoding says.
    #[error("the response's body is not {encoding} data")]
    Decode {
        /// What it was said to be.
        encoding: &'static str,
    },
    /// The host has no TLS.
    #[error("the server can not make TLS connections")]
    NoTls(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// Whose a failure is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The tenant asked for what is not allowed, or not possible.
    Tenant,
    /// A limit was hit.
    Limit,
    /// The server that was asked, or the way to it.
    Remote,
    /// This server.
    Host,
}

impl Error {
    /// Whose it is.
    pub fn fault(&self) -> Fault {
        match self {
            Self::Url { .. }
            | Self::Refused { .. }
            | Self::Port { .. }
            | Self::OneTimeBody
            | Self::RequestBody => Fault::Tenant,
            Self::RequestHeaders { .. }
            | Self::TooManyRedirects { .. }
            | Self::TooManySubrequests
            | Self::Busy { .. } => Fault::Limit,
            Self::Resolve { .. }
            | Self::Connect { .. }
            | Self::Tls { .. }
            | Self::ConnectTimeout { .. }
            | Self::ResponseTimeout { .. }
            | Self::Lost { .. }
            | Self::ResponseHeaders { .. }
            | Self::Malformed { .. }
            | Self::Redirect { .. }
            | Self::BodyLost(_)
            | Self::Decode { .. } => Fault::Remote,
            Self::Overloaded | Self::NoTls(_) => Fault::Host,
        }
    }
}

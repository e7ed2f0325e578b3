//! The HTTP classes: `Headers`, `Request`, `Response`, `FormData`, and two byte streams.
//!
//! They are JavaScript only; bodies cross the border through `door`. Nothing is parsed or made
//! before the worker touches it: headers stay one flat string ([`bindery_wire::flat`]), a string
//! stays the body that it was given as, and a body of the dispatcher's that is only passed on
//! stays a number, also when the worker has taken its stream into the hand without reading it.
//! Whoever reads a whole body gets its chunks joined once, past the stream machinery.
//!
//! - `headers.js`: the list, its checks and its flat form.
//! - `body.js`: what a body may be made of, how it is read, and that this happens once.
//! - `host_body.js`: a body that the dispatcher sends, within the credit that goes back to it.
//! - `form_data.js`, `multipart.js`: forms, and how they travel.
//! - `pump.js`: bodies on their way out.
//! - `request.js`, `response.js`: the classes, and their doors for `event.js` and `fetch.js`.
//! - `identity_stream.js`: `IdentityTransformStream` and `FixedLengthStream`.
//!
//! Behaviour is that of workerd but for these, on purpose:
//! - A header name must be a token, and a value must fit Latin-1, as the Fetch standard says:
//!   both travel as they stand, and HTTP cannot carry anything else.
//! - `%22`, `%0D` and `%0A` in the names of a multipart body are written and read as the HTML
//!   standard says, so that a form survives the way; no other line end is touched.
//! - Text with a lone surrogate is sent with U+FFFD in its place: what is sent is UTF-8.
//! - A chunk too many makes the write to a `FixedLengthStream` fail, not only the read.
//! - The streams above have no byte side: a reader with its own buffer is refused.
//! - Nothing is compressed for a worker. A response under a `content-encoding` of gzip or br is sent
//!   without that header, because its body has no encoding; with `encodeBody: "manual"` both are
//!   sent as they are, and so is a fetched body that is only passed on.

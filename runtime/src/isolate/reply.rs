//! What came of a call, on its way into JavaScript.

use bindery_wire::frame::{Answer, Body, Bound, Reply};
use deno_core::v8;

use super::entry::{self, Entries, Entry};
use super::modules;

/// The bodies that come with a reply in chunks.
pub(super) fn bodies(reply: &Reply<'_>) -> Vec<u32> {
    let answer = match &reply.result {
        Ok(answer) => match *answer.body() {
            Body::Stream { body, .. } => Some(body),
            _ => None,
        },
        Err(_) => None,
    };
    answer.into_iter().chain(reply.handed.iter().filter_map(entry::handed_body)).collect()
}

/// Calls the function that settles the call's promise.
pub(super) fn enter(
    scope: &mut v8::PinScope<'_, '_>,
    entries: &Entries,
    reply: &Reply<'_>,
) -> Option<()> {
    let call = entry::number(scope, reply.call);
    match &reply.result {
        Ok(Answer::Response(response)) => {
            let [body, length] = entry::body(scope, &response.body)?;
            let url = match response.url {
                Some(url) => modules::string(scope, url.as_bytes())?.into(),
                None => v8::undefined(scope).into(),
            };
            let arguments = [
                call,
                entry::number(scope, response.status.into()),
                modules::string(scope, response.status_text.as_bytes())?.into(),
                url,
                entry::latin1(scope, response.headers)?,
                body,
                length,
            ];
            entries.call(scope, Entry::Reply, &arguments).map(|_| ())
        }
        Ok(Answer::Bound(Bound { head, body })) => {
            let [body, length] = entry::body(scope, body)?;
            let head = modules::string(scope, head)?.into();
            let handed = entry::handed(scope, &reply.handed)?;
            entries.call(scope, Entry::Reply, &[call, head, body, length, handed]).map(|_| ())
        }
        Ok(Answer::Rpc(result)) => {
            let [body, length] = entry::body(scope, &result.value)?;
            let how = entry::number(scope, result.how as u32);
            let handed = entry::handed(scope, &reply.handed)?;
            entries.call(scope, Entry::Reply, &[call, how, body, length, handed]).map(|_| ())
        }
        Err(refusal) => {
            let wrong = v8::Boolean::new(scope, refusal.wrong).into();
            let message = modules::string(scope, refusal.message.as_bytes())?.into();
            entries.call(scope, Entry::Refused, &[call, wrong, message]).map(|_| ())
        }
    }
}

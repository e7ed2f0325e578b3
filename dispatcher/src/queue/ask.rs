//! What workers ask of queues: checked here, whatever their scripts have checked.

use bindery_storage::tables::{Body, Content};
use bindery_wire::binding::queue::{Ask as Asked, Call, Kind, Metrics};
use bindery_wire::limits::{BATCH_BYTES_MAX, BATCH_COUNT_MAX, DELAY_S_MAX, MESSAGE_BYTES_MAX};
use bindery_wire::manifest::Binding;
use bindery_wire::name::check_resource;
use bindery_wire::value::Rights;
use bytes::Bytes;
use http_body_util::{BodyExt, Limited};

use super::arrive::Sent;
use super::error::Result;
use super::register::Said;
use super::{Error, Of, Queues};
use crate::limit;
use crate::line::{Answer, Ask, FetchedBody, Refused, RequestBody};

impl Queues {
    /// Carries out a call of the binding of a queue, or of all queues.
    pub(crate) async fn ask(
        &self,
        ask: Ask,
        binding: &Binding,
    ) -> std::result::Result<Answer, Refused> {
        let asked: Asked = ask.read()?;
        let (name, delay_s) = match (binding, &asked.queue) {
            (Binding::Queue { queue, delivery_delay }, None) => (queue.clone(), *delivery_delay),
            (Binding::DynamicQueue, Some(name)) => {
                check_resource(name).map_err(|error| Refused::wrong(error.to_string()))?;
                (name.clone(), None)
            }
            _ => return Err(Refused::failed("internal error: the call is malformed")),
        };
        check_rights(ask.rights(), &asked)?;
        let of = (ask.code.tenant, name.as_str());
        let done = async {
            if let (Binding::DynamicQueue, Some(options)) = (binding, &asked.options) {
                let said = Said::read(&ask.code, &name, options)?;
                self.0.register(of, &said).await?;
            }
            match asked.call {
                Call::Metrics => {}
                Call::Send { messages, delay_s: said_s } => {
                    let delay_s = delay(said_s)?.or(delay_s);
                    // Before anything is read of what is too long.
                    check(&messages)?;
                    let bodies = read(ask.body).await?;
                    self.send(of, &sent(&messages, bodies, delay_s)?).await?;
                }
            }
            self.shown(of).await
        };
        let metrics = done.await.map_err(|error| refused(&error))?;
        Answer::new(&metrics, FetchedBody::None)
    }

    async fn shown(&self, of: Of<'_>) -> Result<Metrics> {
        let super::arrive::Metrics { backlog, oldest_ms } = self.metrics(of).await?;
        Ok(Metrics { count: backlog.count, bytes: backlog.bytes, oldest: oldest_ms })
    }
}

/// Refuses what a handle is not for that was handed on for less.
fn check_rights(rights: Rights, asked: &Asked) -> std::result::Result<(), Refused> {
    let sends = matches!(asked.call, Call::Send { .. });
    match rights {
        Rights::All => Ok(()),
        Rights::Send if sends && asked.options.is_none() => Ok(()),
        Rights::Read if !sends && asked.options.is_none() => Ok(()),
        Rights::Send => Err(Refused::failed("this handle of the queue is for sending only")),
        Rights::Read => Err(Refused::failed("this handle of the queue is for reading only")),
    }
}

/// What a worker is told.
fn refused(error: &Error) -> Refused {
    match error {
        Error::Wrong(message) => Refused::wrong(message.clone()),
        Error::Table(_) | Error::Storage(_) | Error::Registry(_) => {
            tracing::error!(%error, "a queue failed");
            Refused::failed("Unknown Internal Error (15000)")
        }
        Error::NotFound
        | Error::Conflict(_)
        | Error::OverQuota(_)
        | Error::Quota(_)
        | Error::NoTenant
        | Error::Busy => Refused::failed(error.to_string()),
    }
}

/// The whole body of a call; what no honest isolate sends is refused.
async fn read(body: RequestBody) -> Result<Bytes> {
    match body {
        RequestBody::None => Ok(Bytes::new()),
        RequestBody::Inline(bytes) => Ok(bytes),
        RequestBody::Stream { from, .. } => {
            let whole = Limited::new(from, BATCH_BYTES_MAX + 1).collect().await;
            whole.map(|whole| whole.to_bytes()).map_err(|_| too_large(None))
        }
    }
}

fn too_large(got: Option<usize>) -> Error {
    let got = got.map_or_else(String::new, |got| format!(" of {got} bytes"));
    let told = limit::BATCH_BYTES.fixed();
    Error::Wrong(format!("batch size{got} exceeds limit of {BATCH_BYTES_MAX} ({told})"))
}

/// A delay in seconds, if it is one.
fn delay(said: Option<f64>) -> Result<Option<u32>> {
    match said {
        None => Ok(None),
        Some(said) if (0.0..=f64::from(DELAY_S_MAX)).contains(&said) => Ok(Some(said as u32)),
        Some(_) => Err(Error::Wrong(format!(
            "Value out of range. Must be between 0 and {DELAY_S_MAX} (inclusive): delaySeconds."
        ))),
    }
}

/// A message as a call's head has it: its kind, its bytes and its delay.
type Told = (Kind, usize, Option<f64>);

/// Refuses what is more or larger than may be sent together.
fn check(messages: &[Told]) -> Result<()> {
    let count = messages.len();
    if count == 0 {
        return Err(Error::Wrong("sendBatch() requires at least one message".into()));
    }
    if count > BATCH_COUNT_MAX {
        let told = limit::BATCH.fixed();
        return Err(Error::Wrong(format!(
            "batch message count of {count} exceeds limit of {BATCH_COUNT_MAX} ({told})"
        )));
    }
    let largest = messages.iter().map(|(_, bytes, _)| *bytes).max().unwrap_or(0);
    if largest > MESSAGE_BYTES_MAX {
        let told = limit::MESSAGE.fixed();
        return Err(Error::Wrong(format!(
            "message length of {largest} bytes exceeds limit of {MESSAGE_BYTES_MAX} ({told})"
        )));
    }
    let total: usize = messages.iter().map(|(_, bytes, _)| *bytes).sum();
    if total > BATCH_BYTES_MAX { Err(too_large(Some(total))) } else { Ok(()) }
}

/// The messages whose bodies stand one behind the other in `bodies`.
fn sent(messages: &[Told], mut bodies: Bytes, delay_s: Option<u32>) -> Result<Vec<Sent>> {
    let total: usize = messages.iter().map(|(_, bytes, _)| *bytes).sum();
    if total != bodies.len() {
        return Err(Error::Wrong("the bodies of the messages are not as long as they are".into()));
    }
    let each = |(kind, bytes, own): &Told| {
        let delay_s = delay(*own)?.or(delay_s);
        let body = Body { content: content(*kind), bytes: bodies.split_to(*bytes) };
        let is_text = matches!(body.content, Content::Json | Content::Text);
        if is_text && std::str::from_utf8(&body.bytes).is_err() {
            return Err(Error::Wrong("a text that is not UTF-8".into()));
        }
        Ok(Sent { body, delay_s })
    };
    messages.iter().map(each).collect()
}

fn content(kind: Kind) -> Content {
    match kind {
        Kind::Json => Content::Json,
        Kind::Text => Content::Text,
        Kind::Bytes => Content::Bytes,
        Kind::V8 => Content::V8,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(lengths: &[usize], delay_s: Option<f64>) -> std::result::Result<usize, String> {
        let messages: Vec<_> =
            lengths.iter().map(|length| (Kind::Bytes, *length, delay_s)).collect();
        let bodies = vec![0; lengths.iter().sum()];
        let checked = check(&messages).and_then(|()| sent(&messages, bodies.into(), None));
        checked.map(|sent| sent.len()).map_err(|error| error.to_string())
    }

    #[test]
    fn a_batch_is_refused_by_number_size_and_delay_whatever_a_script_says() {
        assert_eq!(of(&[0, 1, 128_000], Some(0.0)), Ok(3));
        assert_eq!(of(&[1; 100], Some(86_400.0)), Ok(100));
        let refused = |lengths: &[usize], delay_s, wanted: &str| {
            let error = of(lengths, delay_s).expect_err("refused");
            assert!(error.contains(wanted), "{error}");
        };
        refused(&[], None, "at least one message");
        refused(&[1; 101], None, "batch message count of 101 exceeds limit of 100");
        refused(&[128_001], None, "message length of 128001 bytes exceeds limit of 128000");
        refused(&[100_000; 3], None, "batch size of 300000 bytes exceeds limit of 256000");
        for wrong in [-1.0, 86_401.0, f64::NAN, f64::INFINITY] {
            refused(&[1], Some(wrong), "delaySeconds");
        }
    }

    #[test]
    fn a_handle_that_was_handed_on_for_less_is_good_for_that_alone() {
        let asked = |call| Asked { queue: None, options: None, call };
        let send = asked(Call::Send { messages: vec![], delay_s: None });
        let (metrics, options) = (asked(Call::Metrics), Some(Default::default()));
        let may = |rights, asked: &Asked| check_rights(rights, asked).is_ok();
        assert!(may(Rights::All, &send) && may(Rights::All, &metrics));
        assert!(may(Rights::Send, &send) && !may(Rights::Send, &metrics));
        assert!(may(Rights::Read, &metrics) && !may(Rights::Read, &send));
        assert!(!may(Rights::Send, &Asked { options, ..send }));
    }

    #[test]
    fn bodies_that_are_not_what_the_head_says_are_refused() {
        let one = |kind, length| [(kind, length, None)];
        assert!(sent(&one(Kind::Text, 2), Bytes::from_static(b"abc"), None).is_err());
        assert!(sent(&one(Kind::Text, 1), Bytes::from_static(b"\xff"), None).is_err());
        assert!(sent(&one(Kind::Bytes, 1), Bytes::from_static(b"\xff"), None).is_ok());
    }
}
